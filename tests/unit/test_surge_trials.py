"""The benchmark's surges: when a task feels one, and when the real door has answered it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.surges import Surge, SurgeParts, play
from tests.unit.simulator.worlds import exactly

X3 = Surge(
    begins=30.0,
    factor=3,
    at_rest=60,
    phases=(4.5, 2.0),
    interval=5,
    visibility=exactly(1.5),
    hop=0.2,
    cold=0.0,
    decision=0.25,
    seed=1,
)


@pytest.mark.parametrize(
    ("begins", "factor", "detected"),
    [
        pytest.param(30.0, 3, 32, id="two whole seconds of 180"),
        pytest.param(30.4, 3, 32, id="132 and 180"),
        pytest.param(30.6, 3, 33, id="108 and 180 are 144, not half as much again"),
        pytest.param(30.0, 10, 31, id="60 and 600"),
        pytest.param(30.7, 10, 32, id="60 and 222 are not"),
        pytest.param(30.0, 2, None, id="120 is no surge"),
    ],
)
def test_a_task_feels_a_surge_by_its_last_two_seconds(
    begins: float, factor: float, detected: float | None
) -> None:
    assert replace(X3, begins=begins, factor=factor).detected_at == detected


def test_the_parts_are_those_of_the_clocks() -> None:
    """Felt at 32 s. The tasks publish within a second, it can be read 1.5 s later."""
    parts = play(X3)

    assert parts is not None
    assert parts.detection == 2
    assert 0 <= parts.sending < 1
    assert (parts.queue, parts.invocation, parts.decision) == (0.2, 0, 0.25)
    assert 1.2 <= parts.visibility <= 3.6, "looks come each second, and 0.2 s later"


@pytest.mark.parametrize("visibility", [0.5, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_surge_is_answered_once_it_can_be_read(visibility: float, seed: int) -> None:
    parts = play(replace(X3, visibility=exactly(visibility), seed=seed))

    assert parts is not None
    assert sum(parts) < 2 + 1 + visibility + 2.5


def test_a_surge_that_no_task_feels_is_left_to_the_alarm() -> None:
    assert play(replace(X3, factor=2)) is None


def test_a_cold_start_is_waited_for_once() -> None:
    warm, cold = play(X3), play(replace(X3, cold=0.3))

    assert isinstance(warm, SurgeParts)
    assert isinstance(cold, SurgeParts)
    assert cold.invocation == 0.3
    assert sum(cold) <= sum(warm) + 1.2
