"""Alarms: one for each policy, each watching what its policy needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.engine.model import Direction, MetricScope, StepPolicy, TargetPolicy
from quickstep_cli.advice import fires, m_of_n
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.checks.findings import Finding, Verdict, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep.engine.model import Policy
    from quickstep_cli.checks.facts import Facts

HIGH_RESOLUTION = (10, 20, 30)
_ONLY_TOO_FEW = {"QueueTime": "which is 0", "TargetResponseTime": "which is short"}
"""Metrics that only show too few tasks, and their values while there are enough."""


def alarms(facts: Facts) -> Iterator[Finding]:
    """Check that every policy has its alarm, and every alarm its policy."""
    check = "alarms"
    if isinstance(facts.alarms, Unknown):
        yield unknown(check, facts.alarms)
        return
    if isinstance(facts.target, str):
        return
    for policy in facts.target.policies:
        name = facts.service_name.alarm(policy.alarm)
        alarm = facts.alarms.get(policy.alarm)
        if alarm is None:
            fix = f"`quickstep apply --alarms` makes it; or remove {policy.name} from the document"
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
    period = period_of(alarm)
    if period not in HIGH_RESOLUTION:
        what = f"{name} has a period of {period} s: it is evaluated once a minute"
        wrong.append(Finding(check, Verdict.WARNING, what, _sooner(alarm)))
    if not alarm.get("ActionsEnabled", True):
        what = f"the actions of {name} are disabled, so Quickstep ignores it"
        fix = f"aws cloudwatch enable-alarm-actions --alarm-names {name}"
        wrong.append(Finding(check, Verdict.WARNING, what, fix))
    if isinstance(policy, StepPolicy) and (some := m_of_n(alarm)):
        fix = "DatapointsToAlarm as large as EvaluationPeriods waits until all of them breach"
        wrong.append(Finding(check, Verdict.WARNING, f"{name} {some}", fix))
    if alarm.get("TreatMissingData") == "breaching":
        wrong.append(_missing_breaches(policy, name))
    what = f"{name}: {period} s, {alarm.get('StateValue', 'unknown')}"
    yield from wrong or [Finding(check, Verdict.OK, what)]


def period_of(alarm: Mapping[str, Any]) -> int:
    """Return an alarm's period in seconds, which all metrics in an expression share."""
    of_math = (q["MetricStat"]["Period"] for q in alarm.get("Metrics", []) if "MetricStat" in q)
    return int(alarm.get("Period") or max(of_math, default=0))


def _sooner(alarm: Mapping[str, Any]) -> str:
    """Return how an alarm could see a surge sooner than once a minute."""
    if alarm.get("Namespace") == "AWS/ECS":
        return "use a period of 20, once high-resolution metrics are on for the service"
    if str(alarm.get("Namespace", "")).startswith("AWS/"):
        return "AWS publishes it once a minute; docs/signals.md lists faster signals"
    return "use a period of 10, on a metric with StorageResolution 1"


def _above_a_target(
    policy: TargetPolicy, name: str, alarm: Mapping[str, Any], minimum: int
) -> Iterator[Finding]:
    """Check the alarm of a target policy, which sizes by its own number and needs only a trigger.

    With a metric of the whole service, the load that MinCapacity carries needs no look: a target of
    20 and MinCapacity 2 allow a threshold of 20 to 40.
    """
    check, target = "alarms", policy.target_value
    threshold = float(alarm.get("Threshold", target))
    total = policy.metric_scope is MetricScope.TOTAL
    highest = target * max(1, minimum) if total else target
    if not target <= threshold <= highest:
        when = "late" if threshold > highest else "needlessly"
        what = f"{name} has the threshold {threshold:g}, and TargetValue is {target:g}: it fires"
        fix = "change TargetValue and the threshold together"
        yield Finding(check, Verdict.WARNING, f"{what} {when}", fix)
    if alarm.get("MetricName") == "Utilization" and target > 1:
        what = f"{name} watches Utilization, which is at most 1, and TargetValue is {target:g}"
        yield Finding(
            check, Verdict.PROBLEM, what, "set TargetValue and the threshold to 0.6 or so"
        )
    watched = str(alarm.get("MetricName", ""))
    if watched in _ONLY_TOO_FEW and not policy.disable_scale_in:
        what = f"{name} watches {watched}, {_ONLY_TOO_FEW[watched]} whether or not a task is spare"
        fix = "set DisableScaleIn, and let a policy on another metric remove tasks"
        yield Finding(check, Verdict.WARNING, what, fix)
    periods = int(alarm.get("EvaluationPeriods") or 1)
    if periods > 1:
        what = f"{name} evaluates {periods} periods: a target policy sizes from the newest seconds"
        yield Finding(check, Verdict.WARNING, what, "use EvaluationPeriods 1")
    if total and "Utilization" in str(alarm.get("MetricName", "")):
        what = f"{name} watches {alarm['MetricName']}, whose sum over the tasks is no load"
        yield Finding(check, Verdict.PROBLEM, what, "use MetricScope PerTask")


def _missing_breaches(policy: Policy, name: str) -> Finding:
    """Warn if missing data breaches: no step then adds tasks, but a removal may be meant."""
    what = f"{name} treats missing data as breaching"
    if policy.direction is Direction.OUT:
        fix = "use missing: without data, no task is added"
        return Finding("alarms", Verdict.PROBLEM, what, fix)
    what = f"{what}: without data the smallest step removes tasks, while scale-out alarms have some"
    return Finding("alarms", Verdict.WARNING, what, "use notBreaching if that is not meant")
