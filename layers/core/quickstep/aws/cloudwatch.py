"""CloudWatch: the metrics that alarms watch, and the alarms themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import described_definition
from quickstep.alarms.known import KnownAlarm
from quickstep.alarms.reading import combined_queries, read_window, result_ids, sample_queries
from quickstep.aws.failures import calling
from quickstep.engine.model import AlarmState, Datapoint
from quickstep.fields import bounded
from quickstep.naming import parse_alarm_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.naming import ServiceName

PREFIX = "quickstep/"
PAGE = 100  # the most that DescribeAlarms returns


class CloudWatchMetrics:
    """The `Metrics` port over a CloudWatch client."""

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return each alarm's newest datapoints by policy, in one call; see the port."""
        start, end = read_window(definitions.values(), now)
        queries: Any = [*combined_queries(definitions), *sample_queries(definitions)]
        with calling("GetMetricData"):
            answer = self._client.get_metric_data(
                MetricDataQueries=queries,
                StartTime=start,
                EndTime=end,
                ScanBy="TimestampAscending",
            )
        values = {
            result["Id"]: dict(zip(result["Timestamps"], result["Values"], strict=True))
            for result in answer["MetricDataResults"]
        }
        return {
            policy: [
                Datapoint(at, bounded(value), values.get(f"{query}_samples", {}).get(at))
                for at, value in values.get(query, {}).items()
            ]
            for query, policy in result_ids(definitions).items()
        }


class CloudWatchAlarms:
    """The `Alarms` port over a CloudWatch client."""

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        """Return a page of Quickstep's alarms by service and policy, and the next page's token."""
        more: Any = {"NextToken": token} if token else {}
        with calling("DescribeAlarms"):
            answer = self._client.describe_alarms(
                AlarmNamePrefix=PREFIX,
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                MaxRecords=PAGE,
                **more,
            )
        described: list[Mapping[str, Any]] = [
            *answer.get("MetricAlarms", []),
            *answer.get("CompositeAlarms", []),
        ]
        alarms = {
            named: _described(alarm)
            for alarm in described
            if (named := parse_alarm_name(alarm["AlarmName"]))
        }
        return alarms, answer.get("NextToken")


def _described(alarm: Mapping[str, Any]) -> KnownAlarm:
    changed = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
    return KnownAlarm(
        state=AlarmState(alarm["StateValue"]),
        at=changed,
        definition=described_definition(alarm),
        disabled=not alarm.get("ActionsEnabled", True),
    )
