"""Application Auto Scaling on the embedded AWS: moto keeps targets and policies, and never acts.

moto has no DescribeScalingActivities. Here it has, over HTTP as all others, with answers of the
form that AWS documents; and a policy acts when a story says so, unless it is suspended.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

from quickstep_cli.autoscaling import DIMENSION, IN, OUT, read_scalable
from quickstep_lab.embedded_aws import desired_count
from tests.builders import WEB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from quickstep.naming import ServiceName
    from quickstep_lab.embedded_aws import Account

OF_WEB = {
    "ServiceNamespace": "ecs",
    "ResourceId": WEB.resource_id,
    "ScalableDimension": DIMENSION,
}
CPU_60 = {
    "TargetValue": 60.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
}


@dataclass
class AutoScaling:
    """AAS's scalable target of `prod/web`, 2 to 40 tasks, with target tracking of CPU at 60 %."""

    account: Account
    activities: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = self.account.client("application-autoscaling")
        client.register_scalable_target(**OF_WEB, MinCapacity=2, MaxCapacity=40)
        client.put_scaling_policy(
            **OF_WEB,
            PolicyName="cpu-60",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=CPU_60,
        )

    @property
    def suspended(self) -> dict[str, bool]:
        """In which ways it may not act."""
        found = read_scalable(self.account, WEB)  # type: ignore[arg-type] # it needs a client only
        assert found
        return dict(found.suspended)

    def scale(self, at: datetime, desired: int) -> bool:
        """Act, as a policy does whose alarm is in ALARM; return whether it was allowed to."""
        before = desired_count(self.account, WEB)
        if self.suspended[OUT if desired > before else IN]:
            return False
        ecs = self.account.client("ecs")
        ecs.update_service(cluster=WEB.cluster, service=WEB.service, desiredCount=desired)
        self.activities.append(an_activity(at, desired))
        return True


def an_activity(at: datetime, desired: int, **changes: Any) -> dict[str, Any]:
    """Return an activity as AWS's user guide shows one."""
    return {
        "ActivityId": f"activity-{at.timestamp():.0f}",
        **OF_WEB,
        "Description": f"Setting desired count to {desired}.",
        "Cause": "monitor alarm cpu-60-AlarmHigh in state ALARM triggered policy cpu-60",
        "StartTime": at.timestamp(),
        "StatusCode": "Successful",
        **changes,
    }


@contextmanager
def acting(account: Account) -> Iterator[AutoScaling]:
    """Have AAS scale `prod/web`, and tell of it."""
    scaling = AutoScaling(account)

    def describe(_response: ApplicationAutoScalingResponse) -> str:
        return json.dumps({"ScalingActivities": scaling.activities[::-1]})

    with patch.object(
        ApplicationAutoScalingResponse, "describe_scaling_activities", describe, create=True
    ):
        yield scaling


def name_of(service: ServiceName) -> str:
    """Return how commands take a service."""
    return f"{service.cluster}/{service.service}"
