"""What is published: how often, how late and by whom, and what waits in queues."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.backlog import QueueReading, counted
from quickstep.engine.model import Direction, MetricScope, ScalableTarget, Service
from quickstep_cli.checks.alarms import HIGH_RESOLUTION, period_of
from quickstep_cli.checks.facts import EcsMetrics, Unknown
from quickstep_cli.checks.findings import Finding, Verdict, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.engine.model import Datapoint
    from quickstep.naming import ServiceName
    from quickstep_cli.checks.facts import Facts

MINUTE = 60
ECS_METRICS = ("CPUUtilization", "MemoryUtilization")
"""A service's metrics that ECS publishes unasked, each minute, or every 20 s once configured."""
LATE = timedelta(seconds=15)
"""Maximum age at which the newest datapoint should be readable, counted from its end."""


def ecs_metrics(facts: Facts) -> Iterator[Finding]:
    """Check that ECS publishes its own metrics as often as the alarms evaluate them."""
    check = "ECS metrics"
    if isinstance(facts.ecs_metrics, Unknown):
        yield unknown(check, facts.ecs_metrics)
        return
    if facts.ecs_metrics is None or isinstance(facts.alarms, Unknown):
        return
    there = facts.ecs_metrics
    for watched in sorted(facts.alarms):
        alarm = facts.alarms[watched]
        name, metric, period = alarm.get("AlarmName", watched), of_ecs(alarm), period_of(alarm)
        if not metric:
            continue
        seconds = there.seconds.get(metric, MINUTE)
        what = f"{metric} is published every {seconds} s"
        if seconds <= period:
            yield Finding(check, Verdict.OK, f"{what}, and {name} has a period of {period} s")
            continue
        what = f"{what}, and {name} has a period of {period} s: most of its periods are empty"
        fix = _switched_on(facts.service_name, there, metric)
        yield Finding(check, Verdict.PROBLEM, what, fix)


def of_ecs(alarm: Mapping[str, Any]) -> str:
    """Return which of a service's own metrics an alarm watches; empty if none."""
    metric = str(alarm.get("MetricName", ""))
    return metric if alarm.get("Namespace") == "AWS/ECS" and metric in ECS_METRICS else ""


def _switched_on(service: ServiceName, there: EcsMetrics, metric: str) -> str:
    """Return how to switch on high-resolution metrics and keep those that are on."""
    if there.controller != "ECS":
        return (
            f"ECS has no high-resolution metrics with the deployment controller {there.controller}:"
            " use a period of 60"
        )
    names = sorted({metric, *(name for name, seconds in there.seconds.items() if seconds < MINUTE)})
    config = json.dumps(
        {"metricConfigurations": [{"metricNames": names, "resolutionSeconds": 20}]},
        separators=(",", ":"),
    )
    return (
        f"aws ecs update-service --cluster {service.cluster} --service {service.service} "
        f"--monitoring '{config}' switches it to 20 s, which AWS charges for; this starts a "
        "deployment, so all tasks are replaced. In CloudFormation, set the service's property "
        "MonitoringConfiguration"
    )


def load(facts: Facts) -> Iterator[Finding]:
    """Check the datapoints: how late they arrive, from how many tasks, how often each publishes."""
    check = "metric"
    if isinstance(facts.datapoints, Unknown):
        yield unknown(check, facts.datapoints)
        return
    if isinstance(facts.target, str) or isinstance(facts.alarms, Unknown):
        return
    for policy in facts.target.in_direction(Direction.OUT):
        alarm = facts.alarms.get(policy.alarm)
        if alarm is None:
            continue
        points = facts.datapoints.get(policy.alarm, ())
        if not points:
            yield _silence(facts, policy.alarm, alarm)
            continue
        period = alarm.get("Period") or HIGH_RESOLUTION[0]
        age = facts.at - points[-1].at - timedelta(seconds=period)
        late = max(0.0, age.total_seconds())
        what = f"{policy.name}: the newest datapoint, {points[-1].value:g}, ended {late:.0f} s ago"
        if age > LATE + timedelta(seconds=period):
            fix = "publish every 5 s with StorageResolution 1; a late metric delays every decision"
            yield Finding(check, Verdict.WARNING, what, fix)
        else:
            yield Finding(check, Verdict.OK, what)
        if policy.metric_scope is MetricScope.PER_TASK and not isinstance(facts.service, Unknown):
            yield from _reporters(facts.target, facts.service, policy.name, points, alarm)


def queues(facts: Facts) -> Iterator[Finding]:
    """Check that the document's queues exist, and that none takes another queue's dead letters."""
    check = "queues"
    if isinstance(facts.queues, Unknown):
        yield unknown(check, facts.queues)
        return
    if isinstance(facts.target, str):
        return
    readings = {name: each for name, each in facts.queues.items() if isinstance(each, QueueReading)}
    counted_ones = {policy.name for policy in counted(facts.target.queues, readings)}
    for policy in facts.target.queues:
        read = facts.queues.get(policy.name, "it was not read")
        if isinstance(read, str):
            fix = "create it, or correct QueueName: until then no task is removed"
            yield Finding(check, Verdict.PROBLEM, f"{policy.name}: {read}", fix)
        elif policy.name not in counted_ones:
            what = f"{policy.name}: {policy.queue_name} takes another queue's dead letters"
            fix = "such a queue is not counted: remove the policy from the document"
            yield Finding(check, Verdict.WARNING, what, fix)
        else:
            counts = f"{read.visible} visible, {read.in_flight} in flight, {read.delayed} delayed"
            yield Finding(check, Verdict.OK, f"{policy.name}: {counts}")


def _silence(facts: Facts, name: str, alarm: Mapping[str, Any]) -> Finding:
    what = f"{name}: no datapoint in the last minutes"
    fix = "do the tasks publish? The alarm's namespace, name and dimensions must match theirs"
    known = {} if isinstance(facts.elsewhere, Unknown) else facts.elsewhere
    if known.get(name):
        what += f" in {alarm['Namespace']}, but in {', '.join(known[name])}"
        fix = "set Namespace on the target's stack, or QUICKSTEP_NAMESPACE on its tasks"
    return Finding("metric", Verdict.PROBLEM, what, fix)


def namespaces(facts: Facts) -> Iterator[Finding]:
    """Check that no other tasks may publish the load: IAM limits a role only by namespace."""
    if isinstance(facts.alarms, Unknown):
        return
    own = {facts.service_name.cluster, facts.service_name.service}
    for name in sorted({str(alarm.get("Namespace", "AWS/")) for alarm in facts.alarms.values()}):
        if not name.startswith("AWS/") and not own <= set(name.split("/")):
            what = f"any task that may publish in {name} may publish for this service"
            fix = "give it its own namespace: docs/security.md says whose samples count"
            yield Finding("namespace", Verdict.WARNING, what, fix)


BY_THE_SECOND = ("RequestsPerSecond", "ActiveConnections", "Utilization", "QueueTime")
"""Metrics that the publisher sends for each whole second; others have one sample or more a call."""


def _reporters(
    target: ScalableTarget,
    service: Service,
    name: str,
    points: Sequence[Datapoint],
    alarm: Mapping[str, Any],
) -> Iterator[Finding]:
    """Example: 8 samples in 10 s, from tasks that publish every 5 s: 4 tasks."""
    period, running = alarm.get("Period") or HIGH_RESOLUTION[0], service.running
    samples = [point.samples for point in points[-4:-1] or points if point.samples is not None]
    if not samples:
        return

    def tasks_by(every: int) -> float:
        return max(samples) * every / period

    def explain(every: int) -> bool:
        return abs(tasks_by(every) - running) < max(1.0, 0.1 * running)

    documented = target.publish_seconds
    what = (
        f"{name}: {max(samples):g} samples in {period} s, as"
        f" {tasks_by(documented):.3g} tasks send them"
    )
    if explain(documented):
        yield Finding("metric", Verdict.OK, f"{what}; {running} are running")
        return
    what = f"{what} every {documented} s, but {running} are running"
    other = next((every for every in _FIXES if every != documented and explain(every)), None)
    if other is None or alarm.get("MetricName") not in BY_THE_SECOND:
        fix = (
            "PublishSeconds must equal the publisher's interval, and each task must send one "
            "sample per interval"
        )
        yield Finding("metric", Verdict.WARNING, what, fix)
        return
    what = f"{what}: they publish every {other} s, and PublishSeconds is {documented}"
    yield Finding("metric", Verdict.PROBLEM, what, _FIXES[other])


_FIXES = {
    1: "set PublishSeconds to 1, or QUICKSTEP_SECONDS=0 in the tasks",
    5: "set PublishSeconds to 5, or update the tasks' publisher, without QUICKSTEP_SECONDS=0",
}
"""The fix if tasks publish this often and the document says otherwise."""
