"""Many tasks that feel a surge in the same second, as the benchmark models them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import crowds
from benchmarks.surges import Surge, crowd
from quickstep_lab.simulator.world import Spread

SURGE = Surge(
    begins=30.0,
    factor=3.0,
    at_rest=60.0,
    phases=tuple(number / 4 for number in range(20)),
    interval=5,
    visibility=Spread(0, 0),
    hop=0.2,
    cold=0.0,
    decision=0.2,
    seed=1,
)


def test_tasks_that_surge_together_are_answered_as_one() -> None:
    made = crowd(SURGE)

    assert len(made.answered) == 1
    assert 2 < made.answered[0] < 6
    assert (made.messages, made.slots) == (100, 5)
    assert (made.early, made.refused) == (100, 0)


def test_services_that_surge_together_are_each_answered() -> None:
    made = crowd(replace(SURGE, services=4))

    assert len(made.answered) == 4
    assert made.slots == 20


@pytest.mark.parametrize("quota", [4, 8])
def test_in_an_account_that_throttles_it_takes_longer_and_few_calls_are_made_early(
    quota: int,
) -> None:
    crowded, free = crowd(replace(SURGE, quota=quota)), crowd(SURGE)

    assert crowded.refused > 0
    assert crowded.early < free.early
    assert free.answered[0] < crowded.answered[0] < 12


def test_a_load_that_no_task_feels_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^no task feels a surge$"):
        crowd(replace(SURGE, factor=1.1))


def test_every_crowd_s_figures_are_printed() -> None:
    figures = list(crowds.figures())

    assert [figure.what for figure in figures[:3]] == [
        "x3, surge of 500 tasks of one service at once: first answered",
        "x3, surge of 500 tasks of one service at once: last answered",
        "x3, surge of 500 tasks of one service at once: looks until the alarm has it",
    ]
    assert all(figure.measured.value is not None for figure in figures)
    assert len(figures) == 16
