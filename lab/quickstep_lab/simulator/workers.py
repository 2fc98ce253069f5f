"""A worker and its queue on the stage: the same scalers, with jobs instead of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from quickstep.engine.model import (
    AdjustmentType,
    Direction,
    MetricScope,
    StepAdjustment,
    StepPolicy,
    TargetPolicy,
)
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.fleet import Fleet, Second
from quickstep_lab.simulator.jobs import JobQueue, Jobs, Waits
from quickstep_lab.simulator.metric import Metric, QueueMetric
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.step_scaling import StepScaling
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.signals import BACKLOG_PER_TASK, QUEUE_DEPTH
from quickstep_lab.simulator.stage import (
    FIRST_SECONDS,
    LEAD,
    START,
    Run,
    Setup,
    Stage,
    Watch,
    latency_step,
)

if TYPE_CHECKING:
    from quickstep.engine.backlog import QueuePolicy
    from quickstep_lab.simulator.stage import Scaler
    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic


def jobs_of(policy: QueuePolicy, late_after: float) -> Jobs:
    """Return the jobs that a queue policy describes."""
    return Jobs(policy.seconds_per_job, policy.slots_per_task, late_after)


def play_jobs(scaler: Scaler, traffic: Traffic, world: World, tasks: int, seed: int) -> Run:
    """Return the result of the world's jobs if `scaler` scales a worker that starts with `tasks`.

    The traffic is in jobs a second. Like `play`, except that nothing checks a worker's health and
    nothing drains: a task works once it has started, and no waiting job is refused. A second's
    `failed` are the jobs found late; those still waiting and late at the end count in the last one.
    """
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    lead = random.randrange(LEAD)
    before = traffic.first_mean(FIRST_SECONDS)
    world = replace(world, health_interval=0.0, deregistration_delay=0.0)
    fleet, queue = Fleet(world, tasks, random, lead), JobQueue(world.jobs or Jobs())
    metrics = {
        signal: QueueMetric(world, random, signal) for signal in scaler.signals(world.server)
    }
    stage = Stage(world, random, fleet, Metric(world, random), lead, metrics, queue)
    seconds: list[Second] = []
    desired: list[int] = []
    step, waits = latency_step(len(traffic.requests)), [queue.waits]
    scaler.start(stage)
    for second in range(-lead, len(traffic.requests)):
        now = second + lead
        stage.play_until(now)
        if second > 0 and second % step == 0:
            waits.append(Waits())
            queue.waits = waits[-1]
        fleet.advance(now)
        arrivals = traffic.requests[second] if second >= 0 else before
        serving = fleet.serving
        worked = queue.run(arrivals, now, serving)
        for signal, metric in metrics.items():
            each = max(1, fleet.running(now)) if signal == BACKLOG_PER_TASK else 1
            metric.record(queue.visible / each, now)
        if second >= 0:
            share = worked.arrived / serving if serving else 0.0
            running = fleet.tasks + queue.stopping
            seconds.append(Second(worked.arrived, worked.late, share, serving, running))
            desired.append(fleet.desired)
    if seconds:
        overdue = queue.overdue(lead + len(traffic.requests))
        seconds[-1] = seconds[-1]._replace(failed=seconds[-1].failed + overdue)
    return Run(
        seed=seed,
        origin=START + timedelta(seconds=lead),
        seconds=tuple(seconds),
        desired=tuple(desired),
        actions=tuple(action for action in stage.actions if action.at >= 0),
        records=tuple(stage.records),
        latencies=Waits.of_all(waits),
        latencies_over_time=tuple(waits),
    )


# --- AWS's scalers for a queue --------------------------------------------------------------------


def queue_scalers(setup: Setup) -> tuple[Scaler, ...]:
    """Return Quickstep next to AWS's scalers on the same queue.

    These are target tracking on the backlog per task and step scaling on the depth, both with
    one-minute metrics: SQS has no others.
    """
    return (
        Quickstep(setup),
        TargetTracking(backlog_per_task(setup), "aas-target-tracking-60s"),
        StepScaling(depth_steps(setup), 60, in_periods=constants.DEPTH_IN_PERIODS.whole),
    )


def backlog_per_task(setup: Setup) -> Setup:
    """Return target tracking's target: the jobs that a task works off in DrainSeconds.

    AWS calls that the acceptable backlog, "the longest acceptable latency divided by the average
    time to process a message". Example: 2 jobs a second and 30 s: 60 for each task.
    """
    (queue,) = setup.target.queues
    policy = TargetPolicy("backlog", queue.drain_seconds * queue.jobs_per_second)
    target = replace(setup.target, policies=(policy,), queues=())
    watched = {policy.alarm: Watch(BACKLOG_PER_TASK)}
    return Setup(target, {policy.alarm: policy.target_value}, watched)


def depth_steps(setup: Setup) -> Setup:
    """Return a ladder of steps on the queue's depth, as a careful user of AAS writes one.

    Out, above what one task works off in DrainSeconds: one task, from twice as much on two, from
    four times as much on four, and so on. In, after five minutes below a tenth of that: a tenth of
    the tasks.

    Example: 60 jobs of a task: +1 from 60 on, +2 from 120, +4 from 240, +8 from 480, +16 from 960.
    """
    (queue,) = setup.target.queues
    depth = queue.drain_seconds * queue.jobs_per_second
    rungs, cooldown = constants.DEPTH_RUNGS.whole, constants.DEPTH_COOLDOWN.whole
    steps = tuple(
        StepAdjustment(
            depth * (2**rung - 1),
            depth * (2 ** (rung + 1) - 1) if rung < rungs - 1 else None,
            2**rung,
        )
        for rung in range(rungs)
    )
    out = StepPolicy(
        "deep",
        Direction.OUT,
        AdjustmentType.CHANGE_IN_CAPACITY,
        steps,
        cooldown,
        metric_scope=MetricScope.TOTAL,
    )
    in_ = StepPolicy(
        "shallow",
        Direction.IN,
        AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
        (StepAdjustment(None, 0, -constants.DEPTH_IN_PERCENT.whole),),
        cooldown,
        metric_scope=MetricScope.TOTAL,
    )
    target = replace(setup.target, policies=(out, in_), queues=())
    thresholds = {out.alarm: depth, in_.alarm: depth * constants.DEPTH_IN_PERCENT.value / 100}
    return Setup(target, thresholds, dict.fromkeys(thresholds, Watch(QUEUE_DEPTH)))
