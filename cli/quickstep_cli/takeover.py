"""From Application Auto Scaling to Quickstep: its policies and alarms as documents of ours.

Pure: it reads what `describe-scalable-targets`, `describe-scaling-policies` and `describe-alarms`
answer. Step policies are carried over as they are, target tracking as a target policy; or as steps
that evaluate as AAS does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.engine.model import TargetPolicy
from quickstep_cli.advice import m_of_n

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName

_PER_TASK = {("AWS/ECS", "CPUUtilization"), ("AWS/ECS", "MemoryUtilization")}
_ECS_METRICS = {
    "ECSServiceAverageCPUUtilization": ("CPUUtilization", 60),
    "ECSServiceAverageMemoryUtilization": ("MemoryUtilization", 60),
    "ECSServiceAverageCPUUtilizationHighResolution": ("CPUUtilization", 20),
    "ECSServiceAverageMemoryUtilizationHighResolution": ("MemoryUtilization", 20),
}
"""Of the predefined metrics: what CloudWatch calls it, and its period."""
_ALARM_KEYS = (
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
    "Unit",
    "Period",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
)
_COMPARISONS = {
    f"{way}Than{rest}"
    for way in ("Greater", "Less")
    for rest in ("Threshold", "OrEqualToThreshold")
}
_STEP_KEYS = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")

_TRACKING_OUT = ((0.0, 0.1, 10), (0.1, 0.25, 25), (0.25, 0.5, 50), (0.5, None, 100))
"""Of the target value: from, to, and the percent of tasks that takes the load back to it.

Percents are truncated, so a small fleet may get a task fewer than by tracking at first.
Example: 10 tasks at 62 % of a target of 50 %: tracking asks for 13, +25 % for 12.
"""
_TRACKING_IN = 0.9
"""AAS removes tasks only when utilization is usually more than 10 % below the target."""
_TRACKING_PERIODS = 3
_TRACKING_IN_PERIODS = 15
"""Datapoints that target tracking's alarms take, to scale out and in."""
_TRACKING_COOLDOWN = 300
"""Seconds: AAS's default for ECS, in both directions."""
_PUBLISHED = {60: 363, 20: 86}
"""Seconds until AAS's target tracking scaled out in AWS's own test (June 2026), by period."""


class Tracking(StrEnum):
    """How target tracking is carried over: as a target policy, or as steps that evaluate as AAS."""

    TARGET = "target"
    STEPS = "steps"


@dataclass
class TakeOver:
    """What was made of Application Auto Scaling's settings.

    `alarms` are inputs of PutMetricAlarm. `notes` say what is different, `warnings` what is in the
    way.
    """

    document: dict[str, Any]
    alarms: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def take_over(
    service: ServiceName,
    scalable_target: Mapping[str, Any],
    policies: Sequence[Mapping[str, Any]],
    alarms: Mapping[str, Mapping[str, Any]],
    *,
    dry_run: bool,
    tracking: Tracking = Tracking.TARGET,
    high_resolution: bool = False,
) -> TakeOver:
    """Return the document and the alarms for a service that AAS scales now.

    `policies` are ScalingPolicies and `alarms` MetricAlarms by name, as AWS describes them, which
    do not say whether a custom metric is published with StorageResolution 1: `high_resolution`.
    """
    made = TakeOver(
        {
            "ResourceId": service.resource_id,
            "MinCapacity": scalable_target["MinCapacity"],
            "MaxCapacity": scalable_target["MaxCapacity"],
            "ScaleOutPolicies": {},
            "ScaleInPolicies": {},
            "TargetTrackingPolicies": {},
            "DryRun": dry_run,
        }
    )
    made.warnings += _still_acting(scalable_target, policies)
    for policy in policies:
        match policy["PolicyType"]:
            case "StepScaling":
                _step_policy(made, service, policy, alarms)
            case "TargetTrackingScaling":
                _target_tracking(made, service, policy, tracking, high_resolution=high_resolution)
            case other:
                made.notes.append(f"{policy['PolicyName']}: {other} is not carried over")
    for group in _GROUPS:
        if not made.document[group]:
            made.document.pop(group)
    if {"ScaleOutPolicies", "ScaleInPolicies"} & made.document.keys():
        made.notes.append(
            "steps count from the desired count here, from the running count with AAS; while a "
            "breach lasts, they are repeated every 10 s, with AAS once a minute"
        )
    return made


_GROUPS = ("ScaleOutPolicies", "ScaleInPolicies", "TargetTrackingPolicies")


def _still_acting(
    scalable_target: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    suspended = scalable_target.get("SuspendedState", {})
    ways = {"DynamicScalingInSuspended": "in", "DynamicScalingOutSuspended": "out"}
    acting = [way for key, way in ways.items() if not suspended.get(key)]
    if policies and acting:
        names = ", ".join(policy["PolicyName"] for policy in policies)
        yield (
            f"Application Auto Scaling still scales {' and '.join(acting)} by {names}. Two scalers "
            "undo each other: keep DryRun, or suspend it first (register-scalable-target "
            "--suspended-state DynamicScalingInSuspended=true,DynamicScalingOutSuspended=true)"
        )


# --- step policies --------------------------------------------------------------------------------


def _step_policy(
    made: TakeOver,
    service: ServiceName,
    policy: Mapping[str, Any],
    alarms: Mapping[str, Mapping[str, Any]],
) -> None:
    linked = [alarm["AlarmName"] for alarm in policy.get("Alarms", [])]
    known = [alarms[name] for name in linked if name in alarms]
    for name in linked:
        if name not in alarms:
            made.warnings.append(f"{policy['PolicyName']}: its alarm {name} was not found")
    if not known:
        made.warnings.append(f"{policy['PolicyName']}: no alarm sets it off; it is carried over")
        steps = policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
        down = any(step["ScalingAdjustment"] < 0 for step in steps)
        _add_policy(made, policy, policy["PolicyName"], scale_in=down, per_task=False)
    for alarm in known:
        title = policy["PolicyName"]
        if len(known) > 1:
            title = f"{title}-{alarm['AlarmName']}"
        operator = str(alarm.get("ComparisonOperator", ""))
        if operator not in _COMPARISONS or alarm.get("Threshold") is None:
            made.warnings.append(
                f"{title}: {alarm['AlarmName']} has no fixed threshold; no step can count from it"
            )
            continue
        scale_in = operator.startswith("Less")
        metric = (alarm.get("Namespace"), alarm.get("MetricName"))
        per_task = metric in _PER_TASK and alarm.get("Statistic") == "Average"
        name = _add_policy(made, policy, title, scale_in=scale_in, per_task=per_task)
        if not per_task:
            made.notes.append(
                f"{name}: MetricScope is Total, so that no guard changes what AAS would do; if "
                "its metric is a value per task, PerTask turns the guards on"
            )
        carried = {key: alarm[key] for key in _ALARM_KEYS if key in alarm}
        made.alarms.append({"AlarmName": service.alarm(name), **carried})
        if some := m_of_n(alarm):
            made.notes.append(f"{name}: its alarm {some}")
        if int(alarm.get("Period") or 60) >= 60:  # noqa: PLR2004 - a standard-resolution alarm
            made.notes.append(
                f"{name}: its alarm has a period of {alarm.get('Period') or 60} s as before; "
                "10 s answers sooner, where the metric is published with StorageResolution 1"
            )


def _add_policy(
    made: TakeOver, policy: Mapping[str, Any], title: str, *, scale_in: bool, per_task: bool
) -> str:
    """Add the policy in its direction, and return the name that it has here."""
    body = policy["StepScalingPolicyConfiguration"]
    name = _free_name(made, title)
    if name != title:
        made.notes.append(f"{title} is called {name} here")
    carried: dict[str, Any] = {
        "AdjustmentType": body["AdjustmentType"],
        "Cooldown": body.get("Cooldown", 300),
        "StepAdjustments": [
            {key: step[key] for key in _STEP_KEYS if step.get(key) is not None}
            for step in body["StepAdjustments"]
        ],
    }
    percent = body["AdjustmentType"] == "PercentChangeInCapacity"
    if percent and body.get("MinAdjustmentMagnitude"):
        carried["MinAdjustmentMagnitude"] = body["MinAdjustmentMagnitude"]
    if body.get("MetricAggregationType"):
        carried["MetricAggregationType"] = body["MetricAggregationType"]
    if per_task:
        carried["MetricScope"] = "PerTask"
    if body["AdjustmentType"] != "ExactCapacity":
        for step in carried["StepAdjustments"]:
            number = step["ScalingAdjustment"]
            if (number > 0) if scale_in else (number < 0):
                made.warnings.append(
                    f"{name}: a step of {number} is 0 here: a policy moves capacity one way only"
                )
                step["ScalingAdjustment"] = 0
    made.document["ScaleInPolicies" if scale_in else "ScaleOutPolicies"][name] = carried
    return name


def _free_name(made: TakeOver, title: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-")[:120] or "policy"
    taken = {taken for group in _GROUPS for taken in made.document[group]}
    return next(
        free
        for number in range(1, 60)
        if (free := name if number == 1 else f"{name}-{number}") not in taken
    )


# --- target tracking ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tracked:
    """The metric that a target tracking policy follows: what an alarm needs to watch it.

    `fastest` is the shortest period that it allows, in seconds, and `usual` the one that AAS looks
    at. `per_task` says that it is known to be an average over tasks, `slow_because` why no shorter
    period is allowed.
    """

    queries: dict[str, Any]
    usual: int
    fastest: int
    per_task: bool
    slow_because: str

    def alarm(self, period: int) -> dict[str, Any]:
        """Return what an alarm with this period needs."""
        if "Metrics" in self.queries:
            return {"Metrics": [_with_period(query, period) for query in self.queries["Metrics"]]}
        return {**self.queries, "Period": period}


def _target_tracking(
    made: TakeOver,
    service: ServiceName,
    policy: Mapping[str, Any],
    tracking: Tracking,
    *,
    high_resolution: bool,
) -> None:
    body = policy["TargetTrackingScalingPolicyConfiguration"]
    title = policy["PolicyName"]
    metric = _tracked_metric(service, body, high_resolution=high_resolution)
    if metric is None:
        made.warnings.append(f"{title}: its metric is not known here; it was not carried over")
        return
    match tracking:
        case Tracking.TARGET:
            _as_a_target(made, service, title, body, metric)
        case Tracking.STEPS:
            _as_steps(made, service, title, body, metric)
        case _:
            assert_never(tracking)
    made.notes += _in_seconds(title, tracking, metric)


def _as_a_target(
    made: TakeOver, service: ServiceName, title: str, body: Mapping[str, Any], metric: _Tracked
) -> None:
    name = _free_name(made, title)
    if name != title:
        made.notes.append(f"{title} is called {name} here")
    given = ("ScaleOutCooldown", "ScaleInCooldown", "DisableScaleIn")
    made.document["TargetTrackingPolicies"][name] = {
        "TargetValue": body["TargetValue"],
        "MetricScope": "PerTask",  # target tracking takes no metric that tasks do not share
        **{key: body[key] for key in given if body.get(key) is not None},
    }
    made.alarms.append(
        {
            "AlarmName": service.alarm(f"{name}/high"),
            **metric.alarm(metric.fastest),
            "EvaluationPeriods": 1,
            "Threshold": float(body["TargetValue"]),
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "missing",
        }
    )
    usual = TargetPolicy(name, 1.0)
    here = {
        "ScaleOutCooldown": usual.scale_out_cooldown,
        "ScaleInCooldown": usual.scale_in_cooldown,
    }
    made.notes += [
        f"{name}: no {key} is given, which is {_TRACKING_COOLDOWN} s to AAS and {seconds} s here"
        for key, seconds in here.items()
        if body.get(key) is None and not (key == "ScaleInCooldown" and body.get("DisableScaleIn"))
    ]
    if body.get("DisableScaleIn"):
        made.notes.append(f"{name}: DisableScaleIn is carried over: it never removes a task")
    else:
        made.notes.append(
            f"{name}: AAS removes tasks after {_TRACKING_IN_PERIODS} minutes below "
            f"{_TRACKING_IN:.0%} of the target; here a task goes once it has been idle for "
            f"{usual.scale_in_window} s (ScaleInWindow), and later where it was soon needed again"
        )


def _as_steps(
    made: TakeOver, service: ServiceName, title: str, body: Mapping[str, Any], metric: _Tracked
) -> None:
    value, alarm = float(body["TargetValue"]), metric.alarm(metric.usual)
    made.notes.append(
        f"{title}: target tracking has no steps, and its alarms are AAS's own. What cannot be "
        "carried over: a capacity in proportion to the load at every value, and alarms that AAS "
        "keeps up to date. The steps here are a proposal; try them with `quickstep compare` on "
        "your own traffic"
    )
    name = _free_name(made, f"{title}-out")
    steps = [
        {
            "MetricIntervalLowerBound": round(low * value, 6),
            **({} if high is None else {"MetricIntervalUpperBound": round(high * value, 6)}),
            "ScalingAdjustment": percent,
        }
        for low, high, percent in _TRACKING_OUT
    ]
    scope = {"MetricScope": "PerTask"} if metric.per_task else {}
    made.document["ScaleOutPolicies"][name] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": 1,
        "Cooldown": body.get("ScaleOutCooldown", _TRACKING_COOLDOWN),
        "StepAdjustments": steps,
        **scope,
    }
    made.alarms.append(
        {
            "AlarmName": service.alarm(name),
            **alarm,
            "EvaluationPeriods": _TRACKING_PERIODS,
            "Threshold": value,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "missing",
        }
    )
    if body.get("DisableScaleIn"):
        made.notes.append(f"{title}: DisableScaleIn, so there is no scale-in policy for it")
        return
    name = _free_name(made, f"{title}-in")
    made.document["ScaleInPolicies"][name] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "Cooldown": body.get("ScaleInCooldown", _TRACKING_COOLDOWN),
        "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -10}],
        **scope,
    }
    made.alarms.append(
        {
            "AlarmName": service.alarm(name),
            **alarm,
            "EvaluationPeriods": _TRACKING_IN_PERIODS,
            "Threshold": round(value * _TRACKING_IN, 6),
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "notBreaching",
        }
    )


VISIBLE = 1.5
"""Seconds until CloudWatch shows a datapoint. No figure is published: modelled, as in the lab."""


def seen_after(period: int, datapoints: int) -> tuple[float, float, float]:
    """Return when an alarm sees a surge: at the earliest, on average and at the latest. Modelled.

    The load goes from half of the target to twice of it, at any moment of a period, whose average
    is above the target if at least a third of it is surge. The last datapoint is complete, visible,
    and evaluated in any phase: each 10 s, or each minute for periods of a minute.

    Example: 1 datapoint of 60 s is complete 20 to 80 s after the surge's begin; visible 1.5 s and
    evaluated up to 60 s later: 21.5 to 141.5 s, 81.5 s on average. 3 of them: 120 s more.
    """
    evaluated = 10 if period < 60 else 60  # noqa: PLR2004 - CloudWatch's rule
    first = (datapoints - 1) * period + period / 3 + VISIBLE
    return first, first + (period + evaluated) / 2, first + period + evaluated


def _in_seconds(title: str, tracking: Tracking, metric: _Tracked) -> Iterator[str]:
    """Yield how long each form takes to see a surge, the one that was made first."""
    target = (Tracking.TARGET, metric.fastest, 1)
    steps = (Tracking.STEPS, metric.usual, _TRACKING_PERIODS)
    made, other = (target, steps) if tracking is Tracking.TARGET else (steps, target)
    yield (
        f"{title}: a load of twice the target is seen after {_seen(made)}; with --tracking "
        f"{other[0]} after {_seen(other)}. Both are modelled"
    )
    if metric.usual in _PUBLISHED:
        yield (
            f"{title}: AAS itself scaled out after {_PUBLISHED[metric.usual]} s in AWS's own test "
            f"of {metric.usual}-s metrics, June 2026"
        )
    if metric.slow_because:
        yield f"{title}: {metric.slow_because}"


def _seen(form: tuple[Tracking, int, int]) -> str:
    _, period, datapoints = form
    first, mean, last = seen_after(period, datapoints)
    of = f"{datapoints} of {datapoints} datapoints of {period} s"
    return f"{mean:.0f} s ({first:.0f} to {last:.0f} s; {of})"


def _tracked_metric(
    service: ServiceName, body: Mapping[str, Any], *, high_resolution: bool
) -> _Tracked | None:
    """Return the metric of a target tracking policy; None where it is not known."""
    predefined = body.get("PredefinedMetricSpecification", {})
    kind = predefined.get("PredefinedMetricType")
    if kind in _ECS_METRICS:
        name, period = _ECS_METRICS[kind]
        dimensions = {"ClusterName": service.cluster, "ServiceName": service.service}
        why = _NO_HIGH_RESOLUTION if period == _MINUTE else ""
        queries = _metric("AWS/ECS", name, dimensions, "Average")
        return _Tracked(queries, period, period, per_task=True, slow_because=why)
    label = re.fullmatch(
        r"(app/[^/]+/[^/]+)/(targetgroup/[^/]+/[^/]+)", predefined.get("ResourceLabel", "")
    )
    if kind == "ALBRequestCountPerTarget" and label:
        dimensions = {"LoadBalancer": label[1], "TargetGroup": label[2]}
        queries = _metric("AWS/ApplicationELB", "RequestCountPerTarget", dimensions, "Sum")
        return _Tracked(queries, _MINUTE, _MINUTE, per_task=True, slow_because=_BY_THE_MINUTE)
    custom = body.get("CustomizedMetricSpecification", {})
    if "Metrics" in custom:
        queries = {"Metrics": custom["Metrics"]}
        statistics = {q["MetricStat"]["Stat"] for q in custom["Metrics"] if "MetricStat" in q}
    elif "MetricName" in custom:
        dimensions = {one["Name"]: one["Value"] for one in custom.get("Dimensions", [])}
        statistics = {custom["Statistic"]}
        queries = _metric(custom["Namespace"], custom["MetricName"], dimensions, *statistics)
    else:
        return None
    if sums := sorted(statistics & {"Sum", "SampleCount"}):
        why = f"a {sums[0]} of 10 s is another number than one of 60 s, so its alarm stays at 60 s"
        return _Tracked(queries, _MINUTE, _MINUTE, per_task=False, slow_because=why)
    fastest, why = (10, "") if high_resolution else (_MINUTE, _ASK_FOR_RESOLUTION)
    return _Tracked(queries, _MINUTE, fastest, per_task=False, slow_because=why)


_MINUTE = 60
_NO_HIGH_RESOLUTION = (
    "once the service's 20-s metrics are switched on (monitoring.metricConfigurations), its alarm "
    "can have a period of 20 s"
)
_BY_THE_MINUTE = "the load balancer publishes by the minute; no alarm on it is faster"
_ASK_FOR_RESOLUTION = (
    "if its metric is published with StorageResolution 1, --high-resolution gives its alarm 10 s"
)


def _with_period(query: Mapping[str, Any], period: int) -> dict[str, Any]:
    if "Expression" in query:
        return {**query, "Period": period}
    return {**query, "MetricStat": {**query["MetricStat"], "Period": period}}


def _metric(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str
) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
    }


# --- what is written ------------------------------------------------------------------------------


def cloudformation(service: ServiceName, made: TakeOver) -> dict[str, Any]:
    """Return a CloudFormation template with the policy document and the alarms."""
    resources: dict[str, Any] = {
        "PolicyDocument": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": service.parameter,
                "Type": "String",
                "Value": json.dumps(made.document, indent=2),
            },
        }
    }
    for number, alarm in enumerate(made.alarms, start=1):
        resources[f"Alarm{number}"] = {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Quickstep: what {service.resource_id} needs to be scaled",
        "Resources": resources,
    }
