"""What Application Auto Scaling has for a service, what it did, and what it may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

NAMESPACE = "ecs"
DIMENSION = "ecs:service:DesiredCount"
OUT = "DynamicScalingOutSuspended"
IN = "DynamicScalingInSuspended"
SCHEDULED = "ScheduledScalingSuspended"
CALLS = {
    "ScalableTargets": "describe_scalable_targets",
    "ScalingPolicies": "describe_scaling_policies",
    "ScheduledActions": "describe_scheduled_actions",
}
"""What describes a service's settings, by the answer's key."""
_ECS = {"ServiceNamespace": NAMESPACE, "ScalableDimension": DIMENSION}


@dataclass(frozen=True, slots=True)
class Activity:
    """A change of the desired count that Application Auto Scaling requested.

    `to` is None if its description has no number.
    """

    at: datetime
    to: int | None
    why: str
    status: str


@dataclass(frozen=True, slots=True)
class Scalable:
    """A service's scalable target, as AWS describes it: bounds, policies, scheduled actions.

    `suspended` has the three ways in which it may act, each True if suspended.
    """

    bounds: tuple[int, int]
    suspended: Mapping[str, bool]
    policies: Sequence[Mapping[str, Any]]
    scheduled: Sequence[str]


def scaling_question(key: str, service: ServiceName | None) -> dict[str, Any]:
    """Return what to ask for one of `CALLS`: about one service, or about all in the Region."""
    if service is None:
        return {"ServiceNamespace": NAMESPACE}
    if key == "ScalableTargets":
        return {**_ECS, "ResourceIds": [service.resource_id]}
    return {**_ECS, "ResourceId": service.resource_id}


def scaling_answers(aws: Aws, key: str, service: ServiceName | None = None) -> list[Any]:
    """Return what one of `CALLS` answers."""
    pages = aws.client("application-autoscaling").get_paginator(CALLS[key])
    return [one for page in pages.paginate(**scaling_question(key, service)) for one in page[key]]


def read_scalable(aws: Aws, service: ServiceName) -> Scalable | None:
    """Return a service's settings in Application Auto Scaling; None if it has none."""
    targets = scaling_answers(aws, "ScalableTargets", service)
    if not targets:
        return None
    suspended = targets[0].get("SuspendedState") or {}
    actions = scaling_answers(aws, "ScheduledActions", service)
    return Scalable(
        bounds=(int(targets[0]["MinCapacity"]), int(targets[0]["MaxCapacity"])),
        suspended={way: bool(suspended.get(way)) for way in (OUT, IN, SCHEDULED)},
        policies=scaling_answers(aws, "ScalingPolicies", service),
        scheduled=[action["ScheduledActionName"] for action in actions],
    )


def suspend(aws: Aws, service: ServiceName, suspended: Mapping[str, bool]) -> None:
    """Set the ways in which Application Auto Scaling may not act; its policies stay.

    AAS brings the capacity into its bounds on any change (*RegisterScalableTarget*).
    """
    aws.client("application-autoscaling").register_scalable_target(
        **_ECS, ResourceId=service.resource_id, SuspendedState=dict(suspended)
    )


def read_activities(aws: Aws, service: ServiceName, since: datetime) -> list[Activity]:
    """Return what it did since a moment, oldest first; AWS keeps six weeks."""
    found: list[Activity] = []
    pages = aws.client("application-autoscaling").get_paginator("describe_scaling_activities")
    for page in pages.paginate(**_ECS, ResourceId=service.resource_id):  # newest first
        for one in page["ScalingActivities"]:
            if one["StartTime"] < since:
                return found[::-1]
            found.append(read_activity(one))
    return found[::-1]


def read_activity(described: Mapping[str, Any]) -> Activity:
    """Return an activity as AWS describes it. Example: "Setting desired count to 6.": 6."""
    number = re.search(r"desired count to (\d+)", described.get("Description", ""))
    cause = described.get("Cause", "")
    named = re.fullmatch(r"monitor alarm .+ in state \w+ triggered policy (.+)", cause)
    return Activity(
        described["StartTime"],
        int(number[1]) if number else None,
        f"policy {named[1]}" if named else cause,
        described["StatusCode"],
    )
