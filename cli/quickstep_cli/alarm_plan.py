"""Plan the changes that bring a service's alarms in line with its policy document.

Pure: it reads answers of `describe-alarms`, and returns inputs of PutMetricAlarm.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.engine.model import Comparison, Direction, StepPolicy, TargetPolicy
from quickstep.naming import parse_alarm_name
from quickstep_cli.alarm_metric import metric_keys_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep.engine.model import Policy, ScalableTarget
    from quickstep.naming import ServiceName

_EVALUATED = {Direction.OUT: (1, "missing"), Direction.IN: (3, "notBreaching")}
"""Datapoints and missing-data treatment, as in `templates/scalable-target.yaml`."""


class PlanError(Exception):
    """Why a document's alarms cannot be made from the existing ones."""


@dataclass(frozen=True, slots=True)
class AlarmPlan:
    """The plan: alarms to put, names to delete, and both in words."""

    put: tuple[Mapping[str, Any], ...] = ()
    delete: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def plan_alarms(
    service: ServiceName,
    target: ScalableTarget,
    there: Sequence[Mapping[str, Any]],
    thresholds: Mapping[str, float],
) -> AlarmPlan:
    """Return what brings a service's alarms in line with a document.

    `there` are MetricAlarms; other services' are left alone. A target policy's threshold is its
    target value; a step policy's is given in `thresholds`, by policy, or stays unchanged. A new
    alarm watches what the service's other alarms watch.

    Raises:
        PlanError: a threshold is unknown, or what a new alarm should watch.
    """
    own = {alarm["AlarmName"]: alarm for alarm in there if _is_of(service, alarm)}
    every, put, lines = tuple(own.values()), [], []
    for policy in target.policies:
        name = service.alarm(policy.alarm)
        alarm = own.pop(name, None)
        threshold = _threshold(policy, alarm, thresholds)
        if alarm is None:
            put.append(_new(name, policy, threshold, _metric(service, every)))
            lines.append(f"{name}: new, with a threshold of {threshold:g}")
        elif alarm.get("Threshold") != threshold:
            put.append({**alarm, "Threshold": threshold})
            lines.append(f"{name}: threshold {alarm.get('Threshold', 0):g} becomes {threshold:g}")
    lines += [f"{name}: deleted, because no policy in the document uses it" for name in own]
    return AlarmPlan(tuple(put), tuple(own), tuple(lines))


def _is_of(service: ServiceName, alarm: Mapping[str, Any]) -> bool:
    named = parse_alarm_name(alarm["AlarmName"])
    return named is not None and named[0] == service


def _threshold(
    policy: Policy, alarm: Mapping[str, Any] | None, thresholds: Mapping[str, float]
) -> float:
    match policy:
        case TargetPolicy():
            return policy.target_value
        case StepPolicy():
            if policy.name in thresholds:
                return thresholds[policy.name]
            if alarm is None or "Threshold" not in alarm:
                rule = "its alarm has no threshold yet"
                why = f"{policy.name}: {rule}; pass --threshold {policy.name}=VALUE"
                raise PlanError(why)
            return float(alarm["Threshold"])
        case _:
            assert_never(policy)


def _metric(service: ServiceName, alarms: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what all alarms of a service watch.

    Raises:
        PlanError: there are no alarms, or they watch different metrics.
    """
    metrics = {json.dumps(one, sort_keys=True): one for one in map(metric_keys_of, alarms)}
    if len(metrics) == 1:
        return next(iter(metrics.values()))
    seen = f"{len(metrics)} different metrics" if metrics else "no metric yet"
    why = f"the alarms of {service.resource_id} watch {seen}: make the alarms of a new policy first"
    raise PlanError(why)


def _new(
    name: str, policy: Policy, threshold: float, metric: Mapping[str, Any]
) -> Mapping[str, Any]:
    datapoints, missing = _EVALUATED[policy.direction]
    return {
        "AlarmName": name,
        **metric,
        "EvaluationPeriods": datapoints,
        "DatapointsToAlarm": datapoints,
        "Threshold": threshold,
        "ComparisonOperator": str(Comparison.usual(policy.direction)),
        "TreatMissingData": missing,
    }
