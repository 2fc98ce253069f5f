"""From Application Auto Scaling to Quickstep: its policies and alarms as documents of ours.

Pure: it reads what `describe-scalable-targets`, `describe-scaling-policies` and `describe-alarms`
answer. Step policies are carried over as they are. Target tracking has no steps: some are proposed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep_cli.advice import m_of_n

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName

_PER_TASK = {("AWS/ECS", "CPUUtilization"), ("AWS/ECS", "MemoryUtilization")}
_PREDEFINED = {
    "ECSServiceAverageCPUUtilization": ("CPUUtilization", 60),
    "ECSServiceAverageMemoryUtilization": ("MemoryUtilization", 60),
    "ECSServiceAverageCPUUtilizationHighResolution": ("CPUUtilization", 20),
    "ECSServiceAverageMemoryUtilizationHighResolution": ("MemoryUtilization", 20),
}
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
) -> TakeOver:
    """Return the document and the alarms for a service that AAS scales now.

    `policies` are ScalingPolicies and `alarms` MetricAlarms by name, as AWS describes them.
    """
    made = TakeOver(
        {
            "ResourceId": service.resource_id,
            "MinCapacity": scalable_target["MinCapacity"],
            "MaxCapacity": scalable_target["MaxCapacity"],
            "ScaleOutPolicies": {},
            "ScaleInPolicies": {},
            "DryRun": dry_run,
        }
    )
    made.warnings += _still_acting(scalable_target, policies)
    for policy in policies:
        match policy["PolicyType"]:
            case "StepScaling":
                _step_policy(made, service, policy, alarms)
            case "TargetTrackingScaling":
                _target_tracking(made, service, policy)
            case other:
                made.notes.append(f"{policy['PolicyName']}: {other} is not carried over")
    for group in ("ScaleOutPolicies", "ScaleInPolicies"):
        if not made.document[group]:
            made.document.pop(group)
    made.notes.append(
        "steps count from the desired count here, from the running count with AAS; while a breach "
        "lasts, they are repeated every 10 s, with AAS once a minute"
    )
    return made


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
    taken = {*made.document["ScaleOutPolicies"], *made.document["ScaleInPolicies"]}
    return next(
        free
        for number in range(1, 60)
        if (free := name if number == 1 else f"{name}-{number}") not in taken
    )


# --- target tracking ------------------------------------------------------------------------------


def _target_tracking(made: TakeOver, service: ServiceName, policy: Mapping[str, Any]) -> None:
    body = policy["TargetTrackingScalingPolicyConfiguration"]
    title, value = policy["PolicyName"], float(body["TargetValue"])
    metric = _tracked_metric(service, body)
    made.notes.append(
        f"{title}: target tracking has no steps, and its alarms are AAS's own. What cannot be "
        "carried over: a capacity in proportion to the load at every value, its 3 and 15 "
        "datapoints, and alarms that AAS keeps up to date. The steps here are a proposal; try them "
        "with `quickstep compare` on your own traffic"
    )
    if metric is None:
        made.warnings.append(f"{title}: its metric is not known here; no alarm was made for it")
        return
    alarm, per_task = metric
    name = _free_name(made, f"{title}-out")
    steps = [
        {
            "MetricIntervalLowerBound": round(low * value, 6),
            **({} if high is None else {"MetricIntervalUpperBound": round(high * value, 6)}),
            "ScalingAdjustment": percent,
        }
        for low, high, percent in _TRACKING_OUT
    ]
    scope = {"MetricScope": "PerTask"} if per_task else {}
    made.document["ScaleOutPolicies"][name] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": 1,
        "Cooldown": body.get("ScaleOutCooldown", 300),
        "StepAdjustments": steps,
        **scope,
    }
    made.alarms.append(
        {
            "AlarmName": service.alarm(name),
            **alarm,
            "EvaluationPeriods": 3,
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
        "Cooldown": body.get("ScaleInCooldown", 300),
        "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -10}],
        **scope,
    }
    made.alarms.append(
        {
            "AlarmName": service.alarm(name),
            **alarm,
            "EvaluationPeriods": 15,
            "Threshold": round(value * _TRACKING_IN, 6),
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "notBreaching",
        }
    )


def _tracked_metric(
    service: ServiceName, body: Mapping[str, Any]
) -> tuple[dict[str, Any], bool] | None:
    """Return what an alarm needs to watch the same metric, and whether it is a value per task."""
    predefined = body.get("PredefinedMetricSpecification", {})
    kind = predefined.get("PredefinedMetricType")
    if kind in _PREDEFINED:
        name, period = _PREDEFINED[kind]
        dimensions = {"ClusterName": service.cluster, "ServiceName": service.service}
        return _metric("AWS/ECS", name, dimensions, "Average", period), True
    label = re.fullmatch(
        r"(app/[^/]+/[^/]+)/(targetgroup/[^/]+/[^/]+)", predefined.get("ResourceLabel", "")
    )
    if kind == "ALBRequestCountPerTarget" and label:
        dimensions = {"LoadBalancer": label[1], "TargetGroup": label[2]}
        return _metric("AWS/ApplicationELB", "RequestCountPerTarget", dimensions, "Sum", 60), True
    custom = body.get("CustomizedMetricSpecification", {})
    if "Metrics" in custom:
        queries = [
            {**query, "Period": 60} if "Expression" in query else _with_period(query)
            for query in custom["Metrics"]
        ]
        return {"Metrics": queries}, False
    if "MetricName" in custom:
        dimensions = {one["Name"]: one["Value"] for one in custom.get("Dimensions", [])}
        return (
            _metric(custom["Namespace"], custom["MetricName"], dimensions, custom["Statistic"], 60),
            False,
        )
    return None


def _with_period(query: Mapping[str, Any]) -> dict[str, Any]:
    return {**query, "MetricStat": {**query["MetricStat"], "Period": 60}}


def _metric(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, period: int
) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
        "Period": period,
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
