"""Comparing scalers: the same result however it is computed, in the form that is promised."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from quickstep_lab.simulator.compare import Experiment, all_scalers, compare, played, tasks_at_start
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.scalers.quickstep import Quickstep, textbook
from quickstep_lab.simulator.series import MOST_POINTS, series_of
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.unit.simulator.worlds import a_run, a_setup, a_surge

SETUP = a_setup()
NAMES = [
    "quickstep",
    "quickstep-surge",
    "textbook",
    "aas-step-10s-alarm",
    "aas-step-60s-alarm",
    "aas-target-tracking-60s",
    "aas-target-tracking-20s",
    "aas-percent-10s-alarm",
    "aas-target-tracking-20s-custom",
    "aas-target-tracking-10s-custom",
]


def an_experiment(traffic: Traffic | None = None, seeds: int = 2) -> Experiment:
    return Experiment(traffic or a_surge(5, during=100), SETUP, World(), 2, seeds)


def test_one_process_and_two_come_to_the_same() -> None:
    steps: list[int] = []
    scalers = [Quickstep(SETUP), textbook(SETUP)]
    alone = compare(an_experiment(), scalers, progress=lambda: steps.append(1))
    assert len(steps) == 4
    together = compare(an_experiment(), scalers, jobs=2, progress=lambda: steps.append(2))
    assert len(steps) == 8
    assert together == alone
    assert list(together.scalers) == list(alone.scalers) == ["quickstep", "textbook"]


def test_the_result_has_every_scaler_and_the_keys_that_are_promised() -> None:
    document = compare(an_experiment(seeds=1), all_scalers(SETUP)).as_dict()

    assert list(document) == [
        "traffic",
        "of",
        "seconds",
        "seeds",
        "needed_task_seconds",
        "scalers",
        "ranges",
        "quartiles",
        "worst",
        "watched",
        "announced",
    ]
    assert list(document["scalers"]) == NAMES
    for measures in document["scalers"].values():
        assert list(measures) == [
            "time_to_trigger_s",
            "time_to_95_percent_s",
            "time_to_capacity_s",
            "requests",
            "failed",
            "success_rate",
            "latency_ms",
            "task_seconds",
            "peak_tasks",
            "scale_actions",
            "reversals",
            "surge_looks",
        ]
        assert list(measures["latency_ms"]) == ["p50", "p95", "p99"]
    assert document["announced"] == NAMES[-2:]
    assert list(document["worst"]) == NAMES
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))


def test_the_result_is_that_of_the_runs() -> None:
    comparison = compare(an_experiment(seeds=3), [Quickstep(SETUP)])
    runs = [played(an_experiment(), Quickstep(SETUP), seed) for seed in range(3)]
    failed = sorted(measure(run, 100).failed for run in runs)
    assert comparison.scalers["quickstep"].medians.failed == failed[1]
    assert comparison.scalers["quickstep"].ranges["failed"] == (failed[0], failed[2])
    assert comparison.series["quickstep"] == series_of(runs[0])


def test_task_seconds_are_compared_with_those_that_just_enough_tasks_take() -> None:
    # A threshold of 100: three tasks for 10 s, while the load is 250.
    traffic = Traffic("t", (250.0,) * 10)
    assert compare(an_experiment(traffic), []).as_dict()["needed_task_seconds"] == 30


@pytest.mark.parametrize(
    ("requests", "bounds", "tasks"),
    [
        pytest.param((250,) * 10, (2, 40), 3, id="the example"),
        pytest.param((0, 500) * 5 + (9000,) * 90, (2, 40), 3, id="the mean of the first 10 s"),
        pytest.param((300,) * 10, (2, 40), 3, id="exactly enough"),
        pytest.param((10,) * 10, (2, 40), 2, id="at least the minimum"),
        pytest.param((1e6,) * 10, (2, 40), 40, id="at most the maximum"),
        pytest.param((0,) * 10, (0, 40), 1, id="at least one"),
        pytest.param((250,), (2, 40), 3, id="one second of traffic"),
    ],
)
def test_a_service_starts_with_the_tasks_that_its_first_seconds_take(
    requests: tuple[float, ...], bounds: tuple[int, int], tasks: int
) -> None:
    least, most = bounds
    setup = a_setup(MinCapacity=least, MaxCapacity=most)
    assert tasks_at_start(Traffic("t", requests), setup) == tasks


def test_a_long_run_is_shown_in_a_few_thousand_points_that_add_up_to_the_same() -> None:
    run = a_run(Quickstep(SETUP), Traffic("long", (100.0, 140.0) * MOST_POINTS))
    series = series_of(run)
    assert (series.step, len(series.load)) == (2, MOST_POINTS)
    assert set(series.load) == {120}
    assert len(series.desired) == len(series.serving) == len(series.failed) == MOST_POINTS


def test_the_last_step_of_a_series_may_be_shorter() -> None:
    series = series_of(a_run(Quickstep(SETUP), Traffic("odd", (120.0,) * MOST_POINTS + (60.0,))))
    assert series.step == 2
    assert series.load[-1] == 60


def test_a_step_of_a_series_has_the_desired_count_at_its_end() -> None:
    run = a_run(Quickstep(SETUP), Traffic("odd", (120.0,) * (MOST_POINTS + 1)))
    counted = replace(run, desired=tuple(range(MOST_POINTS + 1)))
    assert series_of(counted).desired == (*range(1, MOST_POINTS, 2), MOST_POINTS)
