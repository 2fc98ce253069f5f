"""What `quickstep doctor` makes of what it has gathered. Pure: facts in, findings out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from quickstep.engine.backlog import QueueReading, counted
from quickstep.engine.model import (
    Direction,
    MetricScope,
    ScalableTarget,
    Service,
    StepPolicy,
    TargetPolicy,
)
from quickstep_cli.advice import advice, fires, m_of_n

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from quickstep.engine.model import Datapoint, Policy
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Lease, Memory

HIGH_RESOLUTION = (10, 20, 30)
MINUTE = 60
ECS_METRICS = ("CPUUtilization", "MemoryUtilization")
"""What ECS publishes of each service by itself: each minute, or every 20 s where that is on."""
MOST_TARGETS = 750
"""What the heartbeat looks at within its minute."""
FIGHT = timedelta(hours=1)
"""Two foreign changes within this are a tool at work, not a person."""
OTHERS_NUMBER = (
    "who sets it? In Terraform use lifecycle { ignore_changes = [desired_count] }, in "
    "CloudFormation no DesiredCount, by hand `quickstep scale` or `override`"
)
LATE = timedelta(seconds=15)
"""How long after its end the newest datapoint should be readable at most."""


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found; `fix` says what to do about it."""

    check: str
    verdict: Verdict
    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be gathered, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Scaler:
    """A scaler that an event of the target's alarms reaches, by which rule."""

    rule: str
    function: str
    table: str


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Application Auto Scaling's scalable target of the service, and what of it still acts."""

    acting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EcsMetrics:
    """Every how many seconds ECS publishes a service's own metrics, by name, where not each minute.

    `controller` is the service's deployment controller.
    """

    seconds: Mapping[str, int]
    controller: str = "ECS"


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """A decision record that saw a desired count which somebody else had set."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was gathered of a target.

    `target` is the document, or what is wrong with it. `alarms` are MetricAlarms by what they
    are called in the target, `datapoints` the load of each of them, oldest first; `elsewhere`
    is where else the metric of one without any is. `ecs_metrics` is how often ECS publishes its
    own, asked only where an alarm watches one. `registered` is the table that the account's
    scaler has, by its parameter, `table` the one that is asked here, and `scalers` are those
    that an event of this target reaches. `drains` is how many seconds a task drains, by target
    group. `refused` are calls that a role may not make. `queues` are the readings of the
    document's, by policy. `autoscaling` is there if the service is a scalable target of
    Application Auto Scaling; `alarm_actions` are alarms that act on it by themselves. `foreign`
    are changes by others, oldest first. `dead` counts the messages of the dead-letter queues.
    `vcpu` is what MaxCapacity takes, `vcpu_quota` what Fargate allows.
    """

    service_name: ServiceName
    at: datetime
    target: ScalableTarget | str
    service: Service | Unknown
    alarms: Mapping[str, Mapping[str, Any]] | Unknown
    datapoints: Mapping[str, Sequence[Datapoint]] | Unknown = field(default_factory=dict)
    elsewhere: Mapping[str, Sequence[str]] | Unknown = field(default_factory=dict)
    ecs_metrics: EcsMetrics | Unknown | None = None
    registered: str | Unknown
    table: str | Unknown
    scalers: Sequence[Scaler] | Unknown
    drains: Mapping[str, int] | Unknown = field(default_factory=dict)
    refused: Sequence[str] | Unknown = ()
    autoscaling: Autoscaling | Unknown | None = None
    alarm_actions: Sequence[str] | Unknown = ()
    foreign: Sequence[ForeignChange] | Unknown = ()
    item: tuple[Memory, Lease | None] | Unknown = Unknown("it was not read")
    dead: Mapping[str, int] | Unknown = field(default_factory=dict)
    vcpu: float | Unknown = 0.0
    vcpu_quota: float | Unknown = 0.0
    targets: int | Unknown = 1
    queues: Mapping[str, QueueReading | str] | Unknown = field(default_factory=dict)


def examine(facts: Facts) -> list[Finding]:
    """Return what every check has found."""
    return [finding for check in CHECKS for finding in check(facts)]


def _unknown(check: str, fact: Unknown) -> Finding:
    fix = "see why; docs/operations.md lists the rights that the doctor needs"
    return Finding(check, Verdict.WARNING, f"could not be checked: {fact.why}", fix)


def policy_document(facts: Facts) -> Iterator[Finding]:
    """The policy document is there, valid, and means what it probably should."""
    check = "policy document"
    if isinstance(facts.target, str):
        fix = "`quickstep validate` checks a file, `quickstep apply` puts it in force"
        yield Finding(check, Verdict.PROBLEM, facts.target, fix)
        return
    yield Finding(check, Verdict.OK, f"{facts.service_name.parameter} is valid")
    alarms = {} if isinstance(facts.alarms, Unknown) else facts.alarms
    thresholds = {
        name: alarm["Threshold"] for name, alarm in alarms.items() if "Threshold" in alarm
    }
    for line in advice(facts.target, thresholds):
        yield Finding(check, Verdict.WARNING, line, "see docs/policy-reference.md")
    if facts.target.dry_run:
        yield Finding(check, Verdict.WARNING, "a dry run: nothing is scaled", "set DryRun to false")


def alarms(facts: Facts) -> Iterator[Finding]:
    """Every policy has its alarm, and every alarm its policy."""
    check = "alarms"
    if isinstance(facts.alarms, Unknown):
        yield _unknown(check, facts.alarms)
        return
    if isinstance(facts.target, str):
        return
    for policy in facts.target.policies:
        name = facts.service_name.alarm(policy.alarm)
        alarm = facts.alarms.get(policy.alarm)
        if alarm is None:
            fix = f"`quickstep apply --alarms` makes it; or take {policy.name} out of the document"
            yield Finding(check, Verdict.PROBLEM, f"{name} does not exist", fix)
        else:
            yield from _alarm(policy, name, alarm)
            if isinstance(policy, TargetPolicy):
                yield from _above_a_target(policy, name, alarm, facts.target.min_capacity)
    for unused in sorted(facts.alarms.keys() - {policy.alarm for policy in facts.target.policies}):
        name = facts.service_name.alarm(unused)
        fix = "delete the alarm, or add the policy: its events fail"
        yield Finding(check, Verdict.PROBLEM, f"{name} drives no policy of the document", fix)


def _alarm(policy: Policy, name: str, alarm: Mapping[str, Any]) -> Iterator[Finding]:
    check, wrong = "alarms", []
    above = not isinstance(policy, StepPolicy) or fires(policy).upward
    way = "Greater" if above else "Less"
    if not str(alarm.get("ComparisonOperator", "")).startswith(way):
        what = f"{name} compares with {alarm.get('ComparisonOperator')}, but {policy.name} is a"
        fix = f"use {way}ThanThreshold, or move the policy to the other group"
        if isinstance(policy, TargetPolicy):
            fix = f"use {way}ThanThreshold: a target policy has one alarm, above its target"
        wrong.append(Finding(check, Verdict.PROBLEM, f"{what} {policy.direction} policy", fix))
    period = _period(alarm)
    if period not in HIGH_RESOLUTION:
        what = f"{name} has a period of {period} s: it is evaluated once a minute"
        wrong.append(Finding(check, Verdict.WARNING, what, _sooner(alarm)))
    if not alarm.get("ActionsEnabled", True):
        what = f"the actions of {name} are disabled: it is not answered"
        fix = f"aws cloudwatch enable-alarm-actions --alarm-names {name}"
        wrong.append(Finding(check, Verdict.WARNING, what, fix))
    if isinstance(policy, StepPolicy) and (some := m_of_n(alarm)):
        fix = "DatapointsToAlarm as large as EvaluationPeriods waits until all of them breach"
        wrong.append(Finding(check, Verdict.WARNING, f"{name} {some}", fix))
    if alarm.get("TreatMissingData") == "breaching":
        wrong.append(_missing_breaches(policy, name))
    what = f"{name}: {period} s, {alarm.get('StateValue', 'unknown')}"
    yield from wrong or [Finding(check, Verdict.OK, what)]


def _period(alarm: Mapping[str, Any]) -> int:
    """Return an alarm's period in seconds, which all metrics of an expression share."""
    of_math = (q["MetricStat"]["Period"] for q in alarm.get("Metrics", []) if "MetricStat" in q)
    return int(alarm.get("Period") or max(of_math, default=0))


def _sooner(alarm: Mapping[str, Any]) -> str:
    """Return what to do for an alarm to see a surge sooner than once a minute."""
    if alarm.get("Namespace") == "AWS/ECS":
        return "use a period of 20, once high-resolution metrics are on for the service"
    if str(alarm.get("Namespace", "")).startswith("AWS/"):
        return "AWS publishes it once a minute; docs/signals.md has signals that are seen sooner"
    return "use a period of 10, on a metric with StorageResolution 1"


def ecs_metrics(facts: Facts) -> Iterator[Finding]:
    """ECS publishes its own metrics as often as the alarms on them look."""
    check = "ECS metrics"
    if isinstance(facts.ecs_metrics, Unknown):
        yield _unknown(check, facts.ecs_metrics)
        return
    if facts.ecs_metrics is None or isinstance(facts.alarms, Unknown):
        return
    there = facts.ecs_metrics
    for watched in sorted(facts.alarms):
        alarm = facts.alarms[watched]
        name, metric, period = alarm.get("AlarmName", watched), of_ecs(alarm), _period(alarm)
        if not metric:
            continue
        seconds = there.seconds.get(metric, MINUTE)
        what = f"{metric} is published every {seconds} s"
        if seconds <= period:
            yield Finding(check, Verdict.OK, f"{what}, and {name} has a period of {period} s")
            continue
        what = f"{what}, and {name} has a period of {period} s: it sees little or nothing"
        fix = _switched_on(facts.service_name, there, metric)
        yield Finding(check, Verdict.PROBLEM, what, fix)


def of_ecs(alarm: Mapping[str, Any]) -> str:
    """Return which of a service's own metrics an alarm watches; empty where it is none of them."""
    metric = str(alarm.get("MetricName", ""))
    return metric if alarm.get("Namespace") == "AWS/ECS" and metric in ECS_METRICS else ""


def _switched_on(service: ServiceName, there: EcsMetrics, metric: str) -> str:
    """Return how to switch high-resolution metrics on, those that are on already included."""
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
        "deployment, so all tasks are replaced. In CloudFormation it is the service's property "
        "MonitoringConfiguration"
    )


def _above_a_target(
    policy: TargetPolicy, name: str, alarm: Mapping[str, Any], minimum: int
) -> Iterator[Finding]:
    """A target policy sizes by its own number: its alarm only says when that is looked at.

    Of the whole service's metric, what the fewest tasks carry needs no look: a target of 20 and
    MinCapacity 2 allow a threshold of 20 to 40.
    """
    check, target = "alarms", policy.target_value
    threshold = float(alarm.get("Threshold", target))
    total = policy.metric_scope is MetricScope.TOTAL
    highest = target * max(1, minimum) if total else target
    if not target <= threshold <= highest:
        when = "late" if threshold > highest else "for nothing"
        what = f"{name} has the threshold {threshold:g}, and TargetValue is {target:g}: it fires"
        fix = "change TargetValue and the threshold together"
        yield Finding(check, Verdict.WARNING, f"{what} {when}", fix)
    if alarm.get("MetricName") == "Utilization" and target > 1:
        what = f"{name} watches Utilization, a share of 1, and TargetValue is {target:g}"
        yield Finding(
            check, Verdict.PROBLEM, what, "set TargetValue and the threshold to 0.6 or so"
        )
    watched = str(alarm.get("MetricName", ""))
    if watched in _ONLY_TOO_FEW and not policy.disable_scale_in:
        what = f"{name} watches {watched}, {_ONLY_TOO_FEW[watched]} whether or not a task may go"
        fix = "set DisableScaleIn, and let a policy on another metric remove tasks"
        yield Finding(check, Verdict.WARNING, what, fix)
    periods = int(alarm.get("EvaluationPeriods") or 1)
    if periods > 1:
        what = f"{name} looks at {periods} periods: a target policy sizes from the newest seconds"
        yield Finding(check, Verdict.WARNING, what, "use EvaluationPeriods 1")
    if total and "Utilization" in str(alarm.get("MetricName", "")):
        what = f"{name} watches {alarm['MetricName']}, of which no sum over the tasks is a load"
        yield Finding(check, Verdict.PROBLEM, what, "use MetricScope PerTask")


_ONLY_TOO_FEW = {"QueueTime": "which is 0", "TargetResponseTime": "which is short"}
"""Metrics that tell that tasks are too few, and what they are while tasks are enough."""


def _missing_breaches(policy: Policy, name: str) -> Finding:
    """Without data, no step adds a task; the smallest removal is its owner's own wish."""
    what = f"{name} takes missing data for a breach"
    if policy.direction is Direction.OUT:
        fix = "use missing: a load that cannot be seen adds no task"
        return Finding("alarms", Verdict.PROBLEM, what, fix)
    what = f"{what}: without data the smallest step removes tasks, while scale-out alarms have some"
    return Finding("alarms", Verdict.WARNING, what, "use notBreaching if that is not meant")


def load(facts: Facts) -> Iterator[Finding]:
    """Datapoints arrive: how late, from how many tasks, and how often each publishes."""
    check = "metric"
    if isinstance(facts.datapoints, Unknown):
        yield _unknown(check, facts.datapoints)
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
            fix = "publish every 5 s with StorageResolution 1; a late metric is answered late"
            yield Finding(check, Verdict.WARNING, what, fix)
        else:
            yield Finding(check, Verdict.OK, what)
        if policy.metric_scope is MetricScope.PER_TASK and not isinstance(facts.service, Unknown):
            yield from _reporters(facts.target, facts.service, policy.name, points, alarm)


def queues(facts: Facts) -> Iterator[Finding]:
    """Every queue of the document is there, and no other queue's dead letters."""
    check = "queues"
    if isinstance(facts.queues, Unknown):
        yield _unknown(check, facts.queues)
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
            fix = "it is not counted: take the policy out of the document"
            yield Finding(check, Verdict.WARNING, what, fix)
        else:
            counts = f"{read.visible} wait, {read.in_flight} in flight, {read.delayed} delayed"
            yield Finding(check, Verdict.OK, f"{policy.name}: {counts}")


def _silence(facts: Facts, name: str, alarm: Mapping[str, Any]) -> Finding:
    what = f"{name}: no datapoint in the last minutes"
    fix = "do the tasks publish? The alarm's namespace, name and dimensions must be theirs"
    known = {} if isinstance(facts.elsewhere, Unknown) else facts.elsewhere
    if known.get(name):
        what += f" in {alarm['Namespace']}, but in {', '.join(known[name])}"
        fix = "set Namespace of the target's stack, or QUICKSTEP_NAMESPACE of its tasks"
    return Finding("metric", Verdict.PROBLEM, what, fix)


def namespaces(facts: Facts) -> Iterator[Finding]:
    """Nobody else's tasks may publish the load: what IAM keeps for a role is a namespace."""
    if isinstance(facts.alarms, Unknown):
        return
    own = {facts.service_name.cluster, facts.service_name.service}
    for name in sorted({str(alarm.get("Namespace", "AWS/")) for alarm in facts.alarms.values()}):
        if not name.startswith("AWS/") and not own <= set(name.split("/")):
            what = f"any task that may publish in {name} may publish for this service"
            fix = "give it a namespace of its own: docs/security.md, whose samples count"
            yield Finding("namespace", Verdict.WARNING, what, fix)


BY_THE_SECOND = ("RequestsPerSecond", "ActiveConnections", "Utilization", "QueueTime")
"""What the publisher sends of each whole second; of all else, one sample or more a call."""


def _reporters(
    target: ScalableTarget,
    service: Service,
    name: str,
    points: Sequence[Datapoint],
    alarm: Mapping[str, Any],
) -> Iterator[Finding]:
    """Example: 8 samples in 10 s, of tasks that publish every 5 s: 4 tasks."""
    period, running = alarm.get("Period") or HIGH_RESOLUTION[0], service.running
    samples = [point.samples for point in points[-4:-1] or points if point.samples is not None]
    if not samples:
        return

    def tasks_by(every: int) -> float:
        return max(samples) * every / period

    def explain(every: int) -> bool:
        return abs(tasks_by(every) - running) < max(1.0, 0.1 * running)

    told = target.publish_seconds
    what = (
        f"{name}: {max(samples):g} samples in {period} s, as {tasks_by(told):.3g} tasks send them"
    )
    if explain(told):
        yield Finding("metric", Verdict.OK, f"{what}; {running} are running")
        return
    what = f"{what} every {told} s, but {running} are running"
    other = next((every for every in _FIXES if every != told and explain(every)), None)
    if other is None or alarm.get("MetricName") not in BY_THE_SECOND:
        fix = (
            "PublishSeconds must be the publisher's interval, and each task must send one sample "
            "per interval"
        )
        yield Finding("metric", Verdict.WARNING, what, fix)
        return
    what = f"{what}: they publish every {other} s, and PublishSeconds is {told}"
    yield Finding("metric", Verdict.PROBLEM, what, _FIXES[other])


_FIXES = {
    1: "set PublishSeconds to 1, or QUICKSTEP_SECONDS=0 in the tasks",
    5: "set PublishSeconds to 5, or update the tasks' publisher, without QUICKSTEP_SECONDS=0",
}
"""What to do where tasks publish so often, and the document says something else."""


def scalers(facts: Facts) -> Iterator[Finding]:
    """One scaler is there, it is the one that is asked here, and an event reaches it once."""
    check = "scaler"
    if isinstance(facts.registered, Unknown):
        yield _unknown(check, facts.registered)
    elif facts.table != facts.registered and not isinstance(facts.table, Unknown):
        what = f"that of this account and Region has the table {facts.registered}, not "
        fix = "leave out --stack and --table, or look at the one that you replace it by"
        yield Finding(check, Verdict.WARNING, f"{what}{facts.table}, which is asked here", fix)
    if isinstance(facts.scalers, Unknown):
        yield _unknown(check, facts.scalers)
        return
    lines = [f"{one.rule} invokes {one.function}" for one in facts.scalers]
    if not lines:
        what = "no enabled rule takes events of this target's alarms to one"
        yield Finding(check, Verdict.PROBLEM, what, "deploy template.yaml again")
    elif len(lines) > 1:
        what = f"{len(lines)} act on each event of this target: {'; '.join(lines)}"
        fix = "an account and Region has one: delete the others' stacks"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    elif not isinstance(facts.table, Unknown) and facts.scalers[0].table != facts.table:
        what = f"{lines[0]}, whose table is {facts.scalers[0].table}, not {facts.table}"
        fix = "is the rule of this scaler's stack disabled? Delete the other scaler's stack"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    else:
        yield Finding(check, Verdict.OK, f"{lines[0]}, on events of this target's alarms")


def service(facts: Facts) -> Iterator[Finding]:
    """The service is there, and no rollout holds scale-in."""
    if isinstance(facts.service, Unknown):
        yield Finding("service", Verdict.PROBLEM, facts.service.why, "are cluster and name right?")
        return
    counts = f"{facts.service.running} of {facts.service.desired} tasks run"
    if facts.service.deployment_in_progress:
        what = f"{counts}; a rollout is in progress, so nothing scales in"
        yield Finding("service", Verdict.WARNING, what, "wait for its end, or roll it back")
    if facts.service.trouble:
        fix = (
            "docs/runbook.md, tasks that never come; nothing to mend where the missing ones start "
            "just now"
        )
        what = f"{counts}, and ECS says: {facts.service.trouble}"
        yield Finding("service", Verdict.WARNING, what, fix)
    elif not facts.service.deployment_in_progress:
        yield Finding("service", Verdict.OK, counts)


def draining(facts: Facts) -> Iterator[Finding]:
    """The document knows how long a removed task drains, and the cooldown waits for it."""
    check = "draining"
    if isinstance(facts.drains, Unknown):
        yield _unknown(check, facts.drains)
        return
    if isinstance(facts.target, str) or not facts.drains:
        return
    group, delay = max(facts.drains.items(), key=lambda one: one[1])
    known = facts.target.deregistration_delay_seconds
    what = f"a task drains for {delay} s in {group}, and DeregistrationDelaySeconds is {known}"
    if known < delay:
        then = "later, what drains is counted as serving, and the load looks smaller than it is"
        fix = f"set DeregistrationDelaySeconds to {delay}, or deregistration_delay to {known}"
        yield Finding(check, Verdict.WARNING, f"{what}: {then}", fix)
    else:
        yield Finding(check, Verdict.OK, what)
    for policy in facts.target.step_policies:
        if policy.direction is Direction.IN and policy.cooldown < delay:
            what = (
                f"{policy.name}: its Cooldown ({policy.cooldown} s) is over before a removed task "
                f"has drained ({delay} s): the next removal comes while the alarm's average has "
                "tasks in it that report 0, and rests on the count of those that serve"
            )
            fix = "make deregistration_delay as short as requests allow, or the Cooldown longer"
            yield Finding(check, Verdict.WARNING, what, fix)


def rights(facts: Facts) -> Iterator[Finding]:
    """Every role of the scaler's stack may do what it is there for."""
    if isinstance(facts.refused, Unknown):
        yield _unknown("rights", facts.refused)
        return
    for line in facts.refused:
        fix = "deploy template.yaml again; does a boundary or an organization's policy deny it?"
        if " ecs:" in line:
            fix = "is the cluster in ClusterNames of the scaler's stack?"
        if "may not read a queue" in line:
            fix = "is the queue in QueueArns of the scaler's stack?"
        yield Finding("rights", Verdict.PROBLEM, line, fix)
    if not facts.refused:
        yield Finding("rights", Verdict.OK, "every role may call what it has to")


def other_scalers(facts: Facts) -> Iterator[Finding]:
    """Neither Application Auto Scaling nor an alarm's own action scales the same service."""
    check = "other scalers"
    for fact in (facts.autoscaling, facts.alarm_actions):
        if isinstance(fact, Unknown):
            yield _unknown(check, fact)
    if isinstance(facts.autoscaling, Autoscaling):
        yield _autoscaling(facts.autoscaling.acting, facts.target)
    actions = () if isinstance(facts.alarm_actions, Unknown) else facts.alarm_actions
    for line in actions:
        fix = "take the action out of the alarm; Quickstep's rule needs none"
        yield Finding(check, Verdict.WARNING, f"an alarm acts by itself: {line}", fix)
    if facts.autoscaling is None and not facts.alarm_actions:
        what = "neither Application Auto Scaling nor an alarm's action acts on the service"
        yield Finding(check, Verdict.OK, what)


def _autoscaling(acting: tuple[str, ...], target: ScalableTarget | str) -> Finding:
    if not acting:
        what = "the service is still a scalable target of Application Auto Scaling"
        fix = "deregister it once you do not go back to it"
        return Finding("other scalers", Verdict.WARNING, what, fix)
    dry = isinstance(target, ScalableTarget) and target.dry_run
    what = f"Application Auto Scaling acts on the service: {', '.join(acting)}"
    fix = "fine beside a dry run; delete or suspend them before that ends"
    return Finding("other scalers", Verdict.WARNING if dry else Verdict.PROBLEM, what, fix)


def foreign_changes(facts: Facts) -> Iterator[Finding]:
    """Nobody else sets the desired count; two changes in an hour are a fight."""
    check = "foreign changes"
    if isinstance(facts.foreign, Unknown):
        yield _unknown(check, facts.foreign)
        return
    if not facts.foreign:
        yield Finding(check, Verdict.OK, "the newest decisions saw none of the desired count")
        return
    last = facts.foreign[-1]
    what = f"{last.at:%Y-%m-%d %H:%M:%S} UTC: {last.reason}"
    for before, after in pairwise(facts.foreign):
        if after.at - before.at <= FIGHT:
            what = f"{len(facts.foreign)}, two of them within an hour; the last {what}"
            yield Finding(check, Verdict.PROBLEM, what, OTHERS_NUMBER)
            return
    yield Finding(check, Verdict.WARNING, what, OTHERS_NUMBER)


def item(facts: Facts) -> Iterator[Finding]:
    """The target's item can be read, and nobody died over it."""
    check = "state"
    if isinstance(facts.item, Unknown):
        fix = "mend or delete the item: it comes back without its cooldowns"
        yield Finding(check, Verdict.PROBLEM, facts.item.why, fix)
        return
    memory, lease = facts.item
    if memory.state.unreadable:
        fix = "`quickstep resume` and `quickstep override --clear` remove what is by hand"
        what = f"cannot be read, so nothing scales in: {memory.state.unreadable}"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    if lease and lease.until + timedelta(minutes=2) < facts.at:
        what = f"{lease.owner} left its lease at {lease.until:%H:%M:%S}, and nobody took it over"
        yield Finding(check, Verdict.PROBLEM, what, "does the heartbeat reach the function?")
    paused = memory.state.pause
    for direction in Direction:
        if paused and paused.holds(direction, facts.at):
            what = f"{direction} is paused: {paused.reason or 'no reason given'}"
            yield Finding(check, Verdict.WARNING, what, "`quickstep resume` ends it")
    if not memory.state.unreadable:
        yield Finding(check, Verdict.OK, "the target's item can be read")


def dead_letters(facts: Facts) -> Iterator[Finding]:
    """Nothing was given up on."""
    check = "dead letters"
    if isinstance(facts.dead, Unknown):
        yield _unknown(check, facts.dead)
        return
    full = {name: count for name, count in facts.dead.items() if count}
    for name, count in full.items():
        what = f"{count} messages in {name}"
        yield Finding(check, Verdict.WARNING, what, f"see docs/runbook.md, {name}Alarm")
    if not full:
        yield Finding(check, Verdict.OK, "the dead-letter queues are empty")


def quotas(facts: Facts) -> Iterator[Finding]:
    """MaxCapacity can be had, and the heartbeat keeps up."""
    check = "quotas"
    for fact in (facts.vcpu, facts.vcpu_quota, facts.targets):
        if isinstance(fact, Unknown):
            yield _unknown(check, fact)
            return
    assert not isinstance(facts.vcpu, Unknown)  # noqa: S101 - checked above, as the others
    assert not isinstance(facts.vcpu_quota, Unknown)  # noqa: S101
    assert not isinstance(facts.targets, Unknown)  # noqa: S101
    what = f"MaxCapacity takes {facts.vcpu:g} vCPU of Fargate's {facts.vcpu_quota:g} on demand"
    if facts.vcpu_quota and facts.vcpu > 0.8 * facts.vcpu_quota:
        fix = "ask for more at Service Quotas, Fargate On-Demand vCPU resource count"
        over = facts.vcpu > facts.vcpu_quota
        yield Finding(check, Verdict.PROBLEM if over else Verdict.WARNING, what, fix)
    elif facts.vcpu:
        yield Finding(check, Verdict.OK, what)
    if facts.targets > MOST_TARGETS:
        what = f"{facts.targets} targets: the heartbeat's looks are throttled beyond {MOST_TARGETS}"
        yield Finding(check, Verdict.WARNING, what, "see docs/architecture.md, not built yet")


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    policy_document,
    service,
    draining,
    alarms,
    ecs_metrics,
    load,
    queues,
    namespaces,
    scalers,
    rights,
    other_scalers,
    foreign_changes,
    item,
    dead_letters,
    quotas,
)
