"""Convert Application Auto Scaling's policies and alarms to Quickstep's documents.

Pure: it reads the answers of `describe-scalable-targets`, `describe-scaling-policies`,
`describe-alarms` and `describe-scheduled-actions`. It names everything that it does not carry over,
with what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.config import STANDARD_BYTES
from quickstep_cli.schedule_import import carry_schedules
from quickstep_cli.step_import import carry_steps
from quickstep_cli.taken import GROUPS, TakeOver
from quickstep_cli.tracking_import import Tracking, carry_tracking

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName

_SUSPENDED = {
    "DynamicScalingInSuspended": "in",
    "DynamicScalingOutSuspended": "out",
    "ScheduledScalingSuspended": "by schedule",
}
_SCALER = "/quickstep-scaler"


def take_over(
    service: ServiceName,
    scalable_target: Mapping[str, Any],
    policies: Sequence[Mapping[str, Any]],
    alarms: Mapping[str, Mapping[str, Any]],
    *,
    dry_run: bool,
    scheduled: Sequence[Mapping[str, Any]] = (),
    composites: Collection[str] = (),
    tracking: Tracking = Tracking.TARGET,
    high_resolution: bool = False,
) -> TakeOver:
    """Return the document, alarms and schedules for a service that AAS scales now.

    `policies` are ScalingPolicies, `scheduled` ScheduledActions and `alarms` MetricAlarms by name,
    as AWS describes them. AWS does not say whether a custom metric is published with
    StorageResolution 1: `high_resolution` does. `composites` are names of composite alarms.

    Raises:
        TakeOverError: the service's names leave no room for an alarm's.
    """
    made = TakeOver(
        service,
        {
            "ResourceId": service.resource_id,
            "MinCapacity": scalable_target["MinCapacity"],
            "MaxCapacity": scalable_target["MaxCapacity"],
            **{group: {} for group in GROUPS},
            "DryRun": dry_run,
        },
    )
    acting = _still_acting(scalable_target, policies, scheduled)
    (made.notes if dry_run else made.warnings).extend(acting)
    made.notes += _suspended_one_way(scalable_target)
    for policy in policies:
        match policy["PolicyType"]:
            case "StepScaling":
                carry_steps(made, policy, alarms, composites)
            case "TargetTrackingScaling":
                carry_tracking(made, policy, tracking, high_resolution=high_resolution)
            case other:
                made.warnings.append(
                    f"{policy['PolicyName']}: {other} is not carried over: Quickstep has no "
                    "equivalent. A schedule can raise the minimum before expected traffic"
                )
    made.notes += _blind_together(made)
    carry_schedules(made, scheduled)
    for group in GROUPS:
        if not made.document[group]:
            made.document.pop(group)
    if made.by_steps or {"ScaleOutPolicies", "ScaleInPolicies"} & made.document.keys():
        made.notes.append(
            "steps count from the desired count here, from the running count with AAS; while a "
            "breach lasts, they repeat every 10 s, with AAS once a minute"
        )
    return made


def _blind_together(made: TakeOver) -> Iterator[str]:
    """Yield the scale-in policies whose alarm fires without data, and which then wait for data."""
    missing = {
        alarm["AlarmName"].rpartition("/")[2]: alarm.get("TreatMissingData", "missing")
        for alarm in made.alarms
    }
    blind = [name for name in made.document["ScaleOutPolicies"] if missing[name] == "missing"]
    for name in made.document["ScaleInPolicies"]:
        if blind and missing[name] == "breaching":
            yield (
                f"{name}: without data it waits, because {', '.join(blind)} cannot see the load: "
                "if no data means no load, set TreatMissingData notBreaching on that alarm"
            )


def _still_acting(
    scalable_target: Mapping[str, Any],
    policies: Sequence[Mapping[str, Any]],
    scheduled: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Yield what AAS still does, which would conflict with a document that is not a dry run."""
    suspended = scalable_target.get("SuspendedState", {})
    names = {
        "by schedule": [str(action["ScheduledActionName"]) for action in scheduled],
        **{way: [str(policy["PolicyName"]) for policy in policies] for way in ("in", "out")},
    }
    ways = [way for key, way in _SUSPENDED.items() if names[way] and not suspended.get(key)]
    acting = dict.fromkeys(name for way in ways for name in names[way])
    if ways:
        keys = ",".join(f"{key}=true" for key in _SUSPENDED)
        yield (
            f"Application Auto Scaling still scales {' and '.join(ways)}: {', '.join(acting)}. Two "
            "scalers undo each other: keep DryRun, or suspend it first "
            f"(register-scalable-target --suspended-state {keys})"
        )


def _suspended_one_way(scalable_target: Mapping[str, Any]) -> Iterator[str]:
    """Yield the direction in which AAS is suspended, if only one."""
    suspended = scalable_target.get("SuspendedState", {})
    for key, other, direction in (
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "scale-in"),
        ("DynamicScalingOutSuspended", "DynamicScalingInSuspended", "scale-out"),
    ):
        if suspended.get(key) and not suspended.get(other):
            yield (
                f"{key} is true, so AAS does not {direction.replace('-', ' ')} now; that is not "
                f"carried over: `quickstep pause --direction {direction}` does so for a while"
            )


def cloudformation(made: TakeOver) -> dict[str, Any]:
    """Return a CloudFormation template with the policy document, the alarms and the schedules."""
    resources: dict[str, Any] = {
        "PolicyDocument": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": made.service.parameter,
                "Type": "String",
                "Value": made.text,
                **({"Tier": "Advanced"} if len(made.text) > STANDARD_BYTES else {}),
            },
        }
    }
    for number, alarm in enumerate(made.alarms, start=1):
        resources[f"Alarm{number}"] = {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}
    for number, schedule in enumerate(made.schedules, start=1):
        resources[f"Schedule{number}"] = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": _scheduled(schedule),
        }
    parameter = {
        "Scaler": {
            "Type": "AWS::SSM::Parameter::Value<String>",
            "Default": _SCALER,
            "Description": "What the scaler's stack wrote for schedules",
        }
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Quickstep: what {made.service.resource_id} needs to be scaled",
        **({"Parameters": parameter} if made.schedules else {}),
        "Resources": resources,
    }


def _scheduled(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule's properties and its target, which the scaler's parameter names.

    CloudFormation cannot parse that parameter's JSON, so it is split at the quotation marks, as in
    `templates/scalable-target.yaml`.
    """
    function, role, undelivered = (
        {"Fn::Select": [index, {"Fn::Split": ['"', {"Ref": "Scaler"}]}]} for index in (3, 7, 11)
    )
    return {
        **{key: value for key, value in schedule.items() if key != "Input"},
        "Target": {
            "Arn": function,
            "RoleArn": role,
            "Input": schedule["Input"],
            "RetryPolicy": {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 10},
            "DeadLetterConfig": {"Arn": undelivered},
        },
    }
