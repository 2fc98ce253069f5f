"""The benchmark from overload to UpdateService: its trials, reckoned by hand and as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.trials import Case, Draw, Parts, Sample, decisive_sample, play, timestamp, trials
from quickstep_lab.simulator.world import World
from quickstep_publisher import _points
from quickstep_publisher._points import Schedule
from tests.unit.simulator.worlds import PROMPT, exactly

DRAWN = Draw(
    surge=0, publishing=(5.0, 5.0), evaluation=0, event=0.1, cold=0, function=0.05, ecs=0.25
)
"""Two tasks, which publish at the end of each 5 s."""


def readable_after(seconds: float, factor: float = 3) -> Case:
    visibility = exactly(seconds) if seconds else PROMPT
    return Case(factor=factor, world=World(visibility=visibility))


@pytest.mark.parametrize(
    ("case", "drawn", "parts"),
    [
        # The period that ends 2 s after the surge averages 60 and 60 x (1 + 9 x 2/5).
        pytest.param(
            readable_after(0, factor=10),
            replace(DRAWN, surge=8),
            Parts(2, 0, 0, 0, 0.1, 0.05, 0.25),
            id="everything at the best moment",
        ),
        # The first period averages 60 and 60 x (1 + 2 x 3/5), that is 96.
        pytest.param(
            readable_after(3),
            replace(DRAWN, surge=3, publishing=(1.0, 1.0), evaluation=9.9, cold=1.5),
            Parts(8, 9, 0, 9.9, 0.1, 1.55, 0.25),
            id="everything at the worst moment",
        ),
        pytest.param(
            readable_after(3),
            replace(DRAWN, surge=4, evaluation=4),
            Parts(6, 0, 3, 1, 0.1, 0.05, 0.25),
            id="the sample that shows it is read late",
        ),
        pytest.param(
            readable_after(3),
            replace(DRAWN, surge=4, evaluation=1),
            Parts(11, 5, 0, 1, 0.1, 0.05, 0.25),
            id="and too late for the first evaluation: the next period shows it",
        ),
    ],
)
def test_a_trial_is_what_its_phases_come_to(case: Case, drawn: Draw, parts: Parts) -> None:
    assert play(case, drawn).parts == pytest.approx(parts, abs=1e-5)


def test_the_sample_that_shows_it_is_the_one_after_which_the_average_stays_over() -> None:
    # Averages of 180, 95 and 123: it was over the threshold, fell below it, and is over it again.
    early, low, late = (
        Sample(sent=34, stamp=33, value=180, visible_at=36),
        Sample(sent=33, stamp=32, value=10, visible_at=37),
        Sample(sent=35, stamp=34, value=180, visible_at=38),
    )
    unseen = Sample(sent=36, stamp=35, value=0, visible_at=44)
    assert decisive_sample([low, early, late, unseen], 43) is late


@pytest.mark.parametrize("factor", [2, 3, 10])
def test_the_parts_are_never_negative_and_sum_to_the_total(factor: float) -> None:
    for trial in trials(Case(factor=factor), [0.05], 50):
        assert min(trial.parts) >= 0
        assert sum(trial.parts) == pytest.approx(trial.total)


def test_the_same_trials_come_out_again_and_each_is_another() -> None:
    found = trials(Case(), [0.05, 0.06], 20)
    assert trials(Case(), [0.05, 0.06], 20) == found
    assert len({trial.total for trial in found}) == 20


def test_a_load_that_is_no_surge_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no tasks were added within 60 s"):
        play(Case(factor=1.5), DRAWN)


@given(st.integers(0, 4999), st.integers(1, 1000))
def test_samples_are_stamped_as_the_publisher_stamps_them(phase: int, number: int) -> None:
    schedule = Schedule(phase / 1000)
    assert timestamp(schedule.tick(number)) == schedule.timestamp(number).timestamp()


def test_tasks_publish_as_often_and_as_close_together_as_the_publisher_does() -> None:
    assert (Case().interval, Case().spread) == (_points.INTERVAL, _points.SPREAD)
