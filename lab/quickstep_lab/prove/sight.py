"""Looking at a proof's services with boto3 clients: a few calls per look, all of them reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep_lab.alarms import read_definition
from quickstep_lab.clock import period_start
from quickstep_lab.cloudwatch import metric_query
from quickstep_lab.prove.collect import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

    from quickstep.aws.decisions import DynamoDecisions
    from quickstep_lab.prove.plan import Contender

_PERIODS = 3
"""Periods that are read back: the newest that is readable may be two old."""
_RECORDS = 50
"""As many as DescribeScalingActivities returns at once; a surge has fewer."""
_TASKS = 100
"""As many as DescribeTasks takes; a proof has fewer."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What AWS shows of the services in one cluster.

    `alarms` are the names of the alarms that scale each of them out. Of one that is not there, or
    that watches an expression, neither datapoint nor state is seen. The decisions are Quickstep's;
    `scaling` is the client of Application Auto Scaling, which scales the others.
    """

    cluster: str
    alarms: Mapping[Contender, str]
    ecs: ECSClient
    cloudwatch: CloudWatchClient
    decisions: DynamoDecisions
    scaling: Any

    def look(self, now: datetime, since: datetime) -> dict[Contender, Seen]:
        """Return what is seen at a moment, of what has happened `since` another."""
        described = self.ecs.describe_services(
            cluster=self.cluster, services=[service.value for service in self.alarms]
        )["services"]
        services = {one["serviceName"]: one for one in described}
        answer = self.cloudwatch.describe_alarms(
            AlarmNames=list(self.alarms.values()), AlarmTypes=["MetricAlarm"]
        )
        alarms = {one["AlarmName"]: one for one in answer["MetricAlarms"] if "MetricName" in one}
        breached = self._breached(list(alarms.values()), now)
        return {
            service: Seen(
                desired=services[service.value]["desiredCount"],
                breached=breached.get(name),
                alarmed=_alarmed(alarms[name]) if name in alarms else None,
                evaluated=self._evaluated(service, now, since),
                started=self._started(services[service.value]),
            )
            for service, name in self.alarms.items()
        }

    def _breached(
        self, alarms: Sequence[MetricAlarmTypeDef], now: datetime
    ) -> dict[str, datetime | None]:
        """Return the newest period of each alarm's metric that is above its threshold."""
        if not alarms:
            return {}
        definitions = [read_definition(alarm) for alarm in alarms]
        longest = max(one.period for one in definitions)
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=[
                metric_query(f"m{index}", one, one.statistic)
                for index, one in enumerate(definitions)
            ],
            # On the grid of periods, where CloudWatch's own begin.
            StartTime=period_start(now, 60) - timedelta(seconds=_PERIODS * longest),
            EndTime=now + timedelta(seconds=longest),
        )
        found = {result["Id"]: result for result in answer["MetricDataResults"]}
        newest: dict[str, datetime | None] = {}
        for index, one in enumerate(definitions):
            result = found[f"m{index}"]
            above = [
                at.astimezone(UTC)
                for at, value in zip(result["Timestamps"], result["Values"], strict=True)
                if one.breached_by(value)
            ]
            newest[one.name] = max(above, default=None)
        return newest

    def _evaluated(
        self, service: Contender, now: datetime, since: datetime
    ) -> tuple[datetime, ...]:
        """Return when the function evaluated it for an alarm or a surge, or AAS scaled it."""
        resource_id = f"service/{self.cluster}/{service.value}"
        if not service.is_quickstep:
            answer = self.scaling.describe_scaling_activities(
                ServiceNamespace="ecs", ResourceId=resource_id, MaxResults=_RECORDS
            )
            return tuple(one["StartTime"].astimezone(UTC) for one in answer["ScalingActivities"])
        found = self.decisions.between(resource_id, since, now, _RECORDS)
        return tuple(
            datetime.fromisoformat(record["at"])
            for record in found.records
            if record["trigger"]["kind"] in ("alarm", "surge")
        )

    def _started(self, service: ServiceTypeDef) -> tuple[datetime, ...]:
        """Return when each of its running tasks has started, by ECS's stamp."""
        listed = self.ecs.list_tasks(
            cluster=self.cluster, serviceName=service["serviceName"], maxResults=_TASKS
        )["taskArns"]
        if not listed:
            return ()
        tasks = self.ecs.describe_tasks(cluster=self.cluster, tasks=listed)["tasks"]
        return tuple(
            task["startedAt"].astimezone(UTC)
            for task in tasks
            if "startedAt" in task and task["lastStatus"] == "RUNNING"
        )


def _alarmed(alarm: MetricAlarmTypeDef) -> datetime | None:
    """Return since when an alarm has been in ALARM; None where it is not."""
    if alarm["StateValue"] != "ALARM":
        return None
    return alarm["StateUpdatedTimestamp"].astimezone(UTC)
