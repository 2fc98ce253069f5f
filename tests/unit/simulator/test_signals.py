"""Signals: how they follow the load, who is in them, and when they can be seen."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.config import read_target
from quickstep_lab.simulator.compare import all_scalers, tasks_at_start
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.metric import Metric, Statistic
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.signals import (
    REQUESTS,
    SIMULATED,
    Signal,
    cpu,
    requests_per_target,
    signal_of,
    utilization,
)
from quickstep_lab.simulator.stage import Setup, Watch
from tests.builders import a_document
from tests.unit.simulator.worlds import a_run, a_stage, a_surge, exactly, play_loads

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Stage

SERVER = Server(capacity=150)
LATER = 1e6


def a_setup_on(signal: Signal, target: float, name: str = "cpu", **changes: Any) -> Setup:
    """Return one number on a signal."""
    document = a_document(
        ScaleOutPolicies={},
        ScaleInPolicies={},
        TargetTrackingPolicies={name: {"TargetValue": target, **changes}},
        PublishSeconds=1,
    )
    alarm = f"{name}/high"
    return Setup(read_target(document), {alarm: target}, {alarm: Watch(signal)})


@pytest.mark.parametrize(
    ("signal", "per_task", "value"),
    [
        pytest.param(REQUESTS, 90, 90, id="requests are what they are"),
        pytest.param(cpu(SERVER), 90, 60, id="CPU is in percent of what a task can serve"),
        pytest.param(cpu(SERVER), 300, 100, id="CPU ends at a full task"),
        pytest.param(utilization(SERVER), 90, 0.6, id="utilization is a share"),
        pytest.param(utilization(SERVER), 300, 1, id="utilization ends at a full task"),
        pytest.param(requests_per_target(), 90, 5400, id="the load balancer counts a minute's"),
    ],
)
def test_a_signal_follows_what_a_task_is_sent(
    signal: Signal, per_task: float, value: float
) -> None:
    assert signal.measure(per_task) == pytest.approx(value)


def test_every_signal_has_the_name_that_it_is_called_by() -> None:
    assert [signal_of(name, SERVER).name for name in SIMULATED] == list(SIMULATED)


@pytest.mark.parametrize(
    ("signal", "load"),
    [
        pytest.param(cpu(SERVER), 90, id="CPU"),
        pytest.param(utilization(SERVER), 90, id="utilization"),
        pytest.param(requests_per_target(), 90, id="requests per target"),
    ],
)
def test_a_threshold_stands_for_a_load(signal: Signal, load: float) -> None:
    setup = a_setup_on(signal, signal.measure(load))

    assert setup.load_per_task == pytest.approx(load)
    assert tasks_at_start(a_surge(10, before=60), setup) == 2


# --- when it can be seen --------------------------------------------------------------------------


def a_stage_of(signal: Signal, tasks: int = 4, **world: Any) -> Stage:
    stage = a_stage(tasks, visibility=exactly(1.5), **world)
    stage.metric = Metric(stage.world, stage.random, signal)
    return stage


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        pytest.param(40, None, id="at its end"),
        pytest.param(51.4, None, id="before the lag is over"),
        pytest.param(51.5, 60, id="after it"),
    ],
)
def test_a_period_of_aws_s_is_seen_as_a_whole_a_lag_after_its_end(
    now: float, seen: float | None
) -> None:
    stage = a_stage_of(cpu(SERVER, lag=10))
    play_loads(stage, [60] * 60)

    assert stage.metric.read(20, 20, now, Statistic.AVERAGE)[0] == seen


def test_starting_tasks_are_in_ecs_s_average_and_not_in_the_load_balancer_s() -> None:
    def average(signal: Signal) -> float | None:
        stage = a_stage_of(signal, tasks=2, start_up=exactly(0), health_interval=1000.0)
        stage.fleet.set_desired(4, 0)  # they listen at once, and get no requests for a while
        play_loads(stage, [60] * 120)
        return stage.metric.read(60, 60, LATER, Statistic.AVERAGE)[0]

    assert average(requests_per_target()) == 60
    of_ecs = average(cpu(SERVER, period=60))
    assert of_ecs is not None
    assert of_ecs < 60


# --- scalers on it --------------------------------------------------------------------------------


def test_quickstep_s_own_code_knows_that_cpu_is_capped() -> None:
    """At 100 % of a target of 60, two tasks become four, whatever the surge; then it waits."""
    run = a_run(Quickstep(a_setup_on(cpu(SERVER), 60)), a_surge(10, during=300))

    first = run.actions[0]
    assert (first.before, first.after) == (2, 4)
    assert first.why == "Scaled out from 2 to 4: cpu: 2 tasks at 100% need 4 at 60%"


def test_tasks_are_not_counted_by_the_samples_of_aws_s_own_metrics() -> None:
    """How many samples a task has in them is not said: none is silent, so tasks can be removed."""
    traffic = a_surge(3, before=60, during=200, after=900)

    run = a_run(Quickstep(a_setup_on(cpu(SERVER), 60)), traffic)

    assert max(run.desired) == 4
    assert run.desired[-1] < 4


def test_the_lag_delays_the_answer_by_as_much() -> None:
    def trigger(lag: float) -> float:
        setup = a_setup_on(cpu(SERVER, lag=lag), 60)
        runs = [a_run(Quickstep(setup), a_surge(3, before=120), seed=seed) for seed in range(20)]
        times = [measure(run, setup.load_per_task).time_to_trigger_s for run in runs]
        return median(time for time in times if time is not None)

    assert trigger(10) - trigger(0) == pytest.approx(10, abs=1)


@pytest.mark.parametrize(
    ("name", "signal", "published"),
    [
        pytest.param("aas-target-tracking-20s", cpu(SERVER), 86, id="CPU at 20 s"),
        pytest.param("aas-target-tracking-60s", cpu(SERVER, period=60), 363, id="CPU at 60 s"),
    ],
)
def test_the_lag_is_part_of_what_calibrates_target_tracking(
    name: str, signal: Signal, published: float
) -> None:
    setup = a_setup_on(signal, 200 / 3)
    scaler = TargetTracking(setup, name)
    traffic = a_surge(3, before=10, during=round(published) + 80)

    runs = [a_run(scaler, traffic, seed=seed) for seed in range(40)]
    times = [measure(run, setup.load_per_task).time_to_trigger_s for run in runs]

    assert median(time for time in times if time is not None) == pytest.approx(published, rel=0.06)


@pytest.mark.parametrize(
    ("signal", "rivals"),
    [
        pytest.param(
            cpu(SERVER),
            [
                "aas-step-20s-alarm",
                "aas-step-60s-alarm",
                "aas-target-tracking-60s",
                "aas-target-tracking-20s",
                "aas-percent-20s-alarm",
            ],
            id="CPU at 20 s",
        ),
        pytest.param(
            requests_per_target(),
            ["aas-step-60s-alarm", "aas-target-tracking-60s", "aas-percent-60s-alarm"],
            id="requests per target",
        ),
    ],
)
def test_quickstep_is_played_beside_aws_s_scalers_on_the_same_signal(
    signal: Signal, rivals: list[str]
) -> None:
    scalers = all_scalers(a_setup_on(signal, signal.measure(90)))

    assert [scaler.name for scaler in scalers] == ["quickstep", "textbook", *rivals]
    for scaler in scalers:
        (watched,) = scaler.signals(SERVER)
        assert replace(watched, period=signal.period, name=signal.name) == signal


def test_policies_on_two_signals_are_played_on_both() -> None:
    """The surge is more than full tasks can show; requests tell how much more."""
    document = a_document(
        ScaleOutPolicies={},
        ScaleInPolicies={},
        TargetTrackingPolicies={"cpu": {"TargetValue": 60}, "request-rate": {"TargetValue": 100}},
        PublishSeconds=1,
    )
    thresholds = {"cpu/high": 60.0, "request-rate/high": 100.0}
    watched = {"cpu/high": Watch(cpu(SERVER)), "request-rate/high": Watch(REQUESTS)}

    run = a_run(Quickstep(Setup(read_target(document), thresholds, watched)), a_surge(10))

    assert run.actions[0].after == 12
    assert "request-rate: 1,200 requests/s need 12 tasks at 100 each" in run.actions[0].why
