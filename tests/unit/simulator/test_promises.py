"""What Quickstep promises, with few seeds; `python -m benchmarks.scalers` prints all of it."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from docs import draining
from quickstep.engine.outcome import Outcome
from quickstep_lab.simulator.compare import Experiment, all_scalers, compare, played, tasks_at_start
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.world import Spread, World
from quickstep_lab.traffic import NOISE, ScenarioName, Traffic, scenario_traffic
from tests.unit.simulator.worlds import a_random, a_setup

if TYPE_CHECKING:
    from quickstep_lab.simulator.measure import Measures
    from quickstep_lab.simulator.stage import Run

SETUP = a_setup()
SURGES = [ScenarioName.STEP_X10, ScenarioName.RAMP_60S]

COMPARED = ("quickstep", "textbook", "aas-step-10s-alarm", "aas-target-tracking-20s")

surges = pytest.mark.parametrize("name", SURGES)


@cache
def medians(name: ScenarioName) -> dict[str, Measures]:
    """Return the medians of three seeds, without the quarter of an hour after the surge."""
    experiment = Experiment(scenario_traffic(name, 900), SETUP, World(), 2, seeds=3)
    comparison = compare(experiment, [s for s in all_scalers(SETUP) if s.name in COMPARED])
    return {name: summary.medians for name, summary in comparison.scalers.items()}


@surges
def test_it_triggers_four_times_sooner_than_target_tracking_on_20_s_metrics(
    name: ScenarioName,
) -> None:
    # By chance a surge is in step with the metric's periods or not: 20 seeds, and only its start.
    experiment = Experiment(scenario_traffic(name, 200), SETUP, World(), 2, seeds=20)
    scalers = (Quickstep(SETUP), TargetTracking(SETUP, "aas-target-tracking-20s"))
    mine, other = (
        summary.medians.time_to_trigger_s
        for summary in compare(experiment, scalers).scalers.values()
    )
    assert mine is not None
    assert other is not None
    assert 4 * mine <= other


@surges
def test_it_fails_at_most_half_of_what_target_tracking_on_20_s_metrics_does(
    name: ScenarioName,
) -> None:
    assert (
        medians(name)["quickstep"].failed <= 0.5 * medians(name)["aas-target-tracking-20s"].failed
    )


@surges
def test_it_costs_30_per_cent_less_than_the_textbook_policy_and_fails_no_more_than_1_1_times_that(
    name: ScenarioName,
) -> None:
    mine, other = medians(name)["quickstep"], medians(name)["textbook"]
    assert mine.task_seconds <= 0.7 * other.task_seconds
    assert mine.failed <= 1.1 * other.failed


@surges
def test_it_fails_less_than_an_aas_step_policy_on_a_10_s_alarm(name: ScenarioName) -> None:
    assert medians(name)["quickstep"].failed < medians(name)["aas-step-10s-alarm"].failed


# --- load that is not seen as it is ---------------------------------------------------------------


def runs(traffic: Traffic, tasks: int, **world: Any) -> list[Run]:
    """Return runs of the shipped policy with a few seeds."""
    experiment = Experiment(traffic, SETUP, World(**world), tasks, 1)
    return [played(experiment, Quickstep(SETUP), seed) for seed in range(3)]


def busiest(run: Run) -> float:
    """Return the most that a task got in a second."""
    return max(second.per_task for second in run.seconds)


@pytest.mark.parametrize("delay", draining.DELAYS)
@pytest.mark.parametrize("removal", draining.REMOVALS)
def test_a_constant_load_never_goes_over_the_threshold_while_tasks_drain(
    delay: int, removal: str
) -> None:
    setup = draining.a_setup(delay, removal)
    for run in draining.runs(setup, draining.CONSTANT):
        assert busiest(run) < setup.scale_out_threshold / 2
        assert run.desired[-1] <= 10, "what is idle goes all the same"


STARVED = {"lost_share": 0.4, "visibility": Spread(9, 20)}
"""Of its publishers' datapoints, many are lost and the others come late."""


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(STARVED, id="starved of CPU"),
        pytest.param({"lost_share": 0.8}, id="losing most of what it publishes"),
        pytest.param({"silent_share": 2 / 3}, id="in a third of the tasks only"),
        pytest.param({"silent_share": 2 / 3, **STARVED}, id="both"),
        pytest.param({"protected_share": 0.5}, id="protected tasks that ECS does not stop"),
    ],
)
@pytest.mark.parametrize("requests", [60, 300, 700])
def test_whatever_its_publishers_do_no_capacity_that_is_needed_is_removed(
    world: dict[str, Any], requests: float
) -> None:
    for run in runs(Traffic("constant", (requests,) * 1800), 12, **world):
        assert busiest(run) < SETUP.scale_out_threshold
        assert not [action for action in run.actions if action.after > action.before]


def test_where_no_task_comes_it_asks_for_what_the_load_needs_and_no_more() -> None:
    traffic = Traffic("surge", (120.0,) * 60 + (900.0,) * 1800)
    for run in runs(traffic, 2, never_come_from=0):
        assert max(run.desired) <= 40
        assert run.desired[-1] <= math.ceil(900 / SETUP.scale_out_threshold) + 2
        assert Outcome.HELD_NO_CAPACITY in {record.outcome for record in run.records}
        assert any("unable to place a task" in record.reason for record in run.records)


# --- steady, noisy load ---------------------------------------------------------------------------


def changes_of_direction(traffic: Traffic, tasks: int, seed: int) -> int:
    run = played(Experiment(traffic, SETUP, World(), tasks, 1), Quickstep(SETUP), seed)
    directions = [action.after > action.before for action in run.actions]
    return sum(one != other for one, other in pairwise(directions))


@pytest.mark.parametrize("seed", range(2))
def test_six_hours_of_noise_near_the_threshold_never_turn_it_round(seed: int) -> None:
    traffic = scenario_traffic(ScenarioName.NOISY, 6 * 3600)
    assert changes_of_direction(traffic, tasks_at_start(traffic, SETUP), seed) == 0


@pytest.mark.parametrize(
    ("mean", "tasks"),
    [
        pytest.param(115, 4, id="near the scale-in threshold"),
        pytest.param(290, 3, id="just below the scale-out threshold"),
        pytest.param(310, 3, id="just above it"),
        pytest.param(600, 4, id="far above it"),
    ],
)
def test_an_hour_of_noise_around_another_mean_does_not_either(mean: float, tasks: int) -> None:
    random = a_random(round(mean))
    requests = (mean * math.exp(random.gauss(-(NOISE**2) / 2, NOISE)) for _ in range(3600))
    assert changes_of_direction(Traffic("noise", tuple(requests)), tasks, seed=1) == 0
