"""A worker and its queue, played: the real queue policy, and AWS's scalers on the same queue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.config import read_target
from quickstep_lab.simulator.compare import Experiment, all_scalers, played, tasks_at_start
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.measure import Measures, measure
from quickstep_lab.simulator.metric import QueueMetric, Statistic
from quickstep_lab.simulator.signals import QUEUE_DEPTH
from quickstep_lab.simulator.stage import Setup
from quickstep_lab.simulator.workers import backlog_per_task, depth_steps
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.unit.simulator.worlds import a_random, a_surge, exactly

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Run, Scaler

QUEUE = {"QueueName": "jobs", "SecondsPerJob": 2, "SlotsPerTask": 4}
JOBS = Jobs(2, 4)


def a_setup(**changes: Any) -> Setup:
    document = {
        "ResourceId": "service/prod/worker",
        "MinCapacity": 0,
        "MaxCapacity": 200,
        "QueuePolicies": {"jobs": QUEUE},
    }
    return Setup(read_target({**document, **changes}), {})


SETUP = a_setup()
MINE, TRACKING, STEPS = all_scalers(SETUP)


def a_run(scaler: Scaler, traffic: Traffic, *, tasks: int | None = None, seed: int = 0) -> Run:
    start = tasks_at_start(traffic, SETUP) if tasks is None else tasks
    return played(Experiment(traffic, SETUP, World(jobs=JOBS), start, 1), scaler, seed)


def measured(scaler: Scaler, traffic: Traffic, seed: int = 0) -> Measures:
    return measure(a_run(scaler, traffic, seed=seed), SETUP.load_per_task)


SURGE = a_surge(10, before=60, during=400, after=200).multiplied(0.1)
"""12 jobs a second, and 120 for a while."""


def test_the_worker_is_played_beside_aws_s_scalers_on_its_queue() -> None:
    names = [scaler.name for scaler in all_scalers(SETUP)]

    assert names == ["quickstep", "aas-target-tracking-60s", "aas-step-60s-alarm"]


def test_a_task_s_share_is_nine_tenths_of_what_it_can_work_off() -> None:
    assert SETUP.load_per_task == pytest.approx(1.8)
    assert tasks_at_start(SURGE, SETUP) == 7  # 12 jobs a second
    assert tasks_at_start(Traffic("none", (0.0,) * 60), SETUP) == 0


def test_quickstep_answers_a_surge_of_jobs_by_its_next_poll() -> None:
    run = a_run(MINE, SURGE)

    first = next(action for action in run.actions if action.at >= 60)
    assert first.at < 60 + 11
    assert "jobs/s arriving and" in first.why
    assert {
        record.look.cause.kind for record in run.records if record.outcome.changes_capacity
    } <= {
        "poll",
        "re-check",
        "heartbeat",
    }


def test_the_minute_of_sqs_s_metrics_makes_the_others_late() -> None:
    mine, tracking, steps = (measured(scaler, SURGE) for scaler in (MINE, TRACKING, STEPS))

    assert mine.failed < 0.1 * min(tracking.failed, steps.failed)
    times = [each.time_to_trigger_s for each in (mine, steps, tracking)]
    assert times == sorted(times, key=lambda time: math.inf if time is None else time)


def test_from_zero_the_first_job_is_answered_and_after_the_last_the_worker_goes() -> None:
    traffic = Traffic("some", ((0.0,) * 100 + (1.0,) * 200 + (0.0,) * 900))

    run = a_run(MINE, traffic)

    assert run.desired[0] == 0
    first = run.actions[0]
    assert (first.before, first.at < 112) == (0, True)
    assert run.desired[-1] == 0
    assert run.actions[-1].at >= 300 + 60


def test_target_tracking_goes_by_what_waits_for_each_task() -> None:
    """400 jobs that wait are 40 for each of 10 tasks, and 60 are acceptable."""
    traffic = Traffic("a pile", ((0.0,) * 60 + (420.0,) + (20.0,) * 1200))

    run = a_run(TRACKING, traffic, tasks=10)

    assert [action for action in run.actions if action.after > action.before] == []


def test_target_tracking_adds_one_task_to_none() -> None:
    traffic = Traffic("some", ((0.0,) * 60 + (100.0,) * 1200))

    run = a_run(TRACKING, traffic)

    assert (run.actions[0].before, run.actions[0].after) == (0, 1)


@pytest.mark.parametrize("scaler", [MINE, TRACKING, STEPS], ids=lambda scaler: scaler.name)
def test_the_same_seed_is_the_same_run_and_no_job_is_lost(scaler: Scaler) -> None:
    first, again = (a_run(scaler, SURGE, seed=3) for _ in range(2))

    assert first == again
    assert sum(second.requests for second in first.seconds) == pytest.approx(
        sum(SURGE.requests), abs=30
    )


def test_target_tracking_gets_what_a_task_works_off_in_the_drain_time() -> None:
    setup = backlog_per_task(SETUP)

    assert list(setup.thresholds.values()) == [60]  # 2 jobs a second for 30 s
    assert setup.target.queues == ()


def test_the_ladder_on_depth_adds_as_many_as_twice_the_depth_takes() -> None:
    setup = depth_steps(SETUP)
    out, in_ = setup.target.step_policies

    assert [(step.lower, step.upper, step.adjustment) for step in out.steps] == [
        (0, 60, 1),
        (60, 180, 2),
        (180, 420, 4),
        (420, 900, 8),
        (900, None, 16),
    ]
    assert [step.adjustment for step in in_.steps] == [-10]
    assert setup.thresholds == {"deep": 60, "shallow": 6}


def test_sqs_s_metric_is_the_mean_of_a_minute_seen_a_lag_after_its_end() -> None:
    world = World(visibility=exactly(2))
    metric = QueueMetric(world, a_random(), QUEUE_DEPTH)
    for second in range(180):
        metric.record(float(second), second)

    def seen(now: float) -> float | None:
        return metric.read(60, 60, now, Statistic.AVERAGE)[0]

    assert (seen(120), seen(151.9), seen(152)) == (None, None, 89.5)
