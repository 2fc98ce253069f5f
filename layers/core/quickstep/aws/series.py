"""CloudWatch for readers: the metrics that a target's alarms watch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.reading import combined_queries
from quickstep.aws.failures import calling
from quickstep.report.dashboard.material import Metric, Point, Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from quickstep.alarms.definition import AlarmDefinition

MOST_POINTS = 500
_REQUESTS = "RequestsPerSecond"
_PERIODS = (10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
# How long CloudWatch keeps datapoints of each period (GetMetricData, CloudWatch API Reference).
_KEPT = ((60, timedelta(hours=3)), (300, timedelta(days=15)), (3600, timedelta(days=63)))


class CloudWatchSeries:
    """Time series of alarms' metrics, over a CloudWatch client; it only reads."""

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def read(
        self,
        definitions: Mapping[str, AlarmDefinition],
        start: datetime,
        end: datetime,
        now: datetime,
    ) -> tuple[Metric, ...]:
        """Return what each policy's alarms watch, in one call, and each metric only once.

        Raises:
            CallFailedError: CloudWatch refused the call, or could not be reached.
        """
        if not definitions:
            return ()
        by_metric: dict[str, list[tuple[str, AlarmDefinition]]] = defaultdict(list)
        for policy, definition in definitions.items():
            by_metric[definition.metric].append((policy, definition))
        watched = list(by_metric.values())
        asked = {
            str(index): _coarser(group[0][1], start, end, now)
            for index, group in enumerate(watched)
        }
        queries: Any = combined_queries(asked)
        with calling("GetMetricData"):
            answer = self._client.get_metric_data(
                MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
            )
        points = {
            result["Id"]: tuple(map(Point, result["Timestamps"], result["Values"]))
            for result in answer["MetricDataResults"]
        }
        return tuple(
            Metric(
                _name(group[0]),
                points.get(f"a{index}", ()),
                tuple(
                    Threshold(policy, definition.threshold, _is_above(definition))
                    for policy, definition in group
                ),
                per_task=_is_per_task(group[0][1]),
            )
            for index, group in enumerate(watched)
        )


def _is_above(definition: AlarmDefinition) -> bool:
    return definition.comparison.startswith("Greater")


def _is_per_task(definition: AlarmDefinition) -> bool:
    """Whether this is the publisher's own metric, to which every task contributes."""
    queries: Sequence[Mapping[str, Any]] = definition.queries
    if len(queries) != 1 or "MetricStat" not in queries[0]:
        return False
    stat = queries[0]["MetricStat"]
    return (stat["Stat"], stat["Metric"]["MetricName"]) == ("Average", _REQUESTS)


def _name(watched: tuple[str, AlarmDefinition]) -> str:
    policy, definition = watched
    queries: Sequence[Mapping[str, Any]] = definition.queries
    if len(queries) == 1 and "MetricStat" in queries[0]:
        stat = queries[0]["MetricStat"]
        return f"{stat['Metric']['MetricName']}, {stat['Stat']}"
    return policy


def _coarser(
    definition: AlarmDefinition, start: datetime, end: datetime, now: datetime
) -> AlarmDefinition:
    """Return the definition with a period that CloudWatch still keeps, and few enough points.

    Example: a 10-s alarm over 3 hours would be 1,080 points; at 30 s, they are 360.
    """
    span = (end - start).total_seconds()
    kept = max((shortest for shortest, age in _KEPT if now - start > age), default=1)
    fitting = (p for p in _PERIODS if p >= kept and span / p <= MOST_POINTS)
    period = max(definition.period, next(fitting, _PERIODS[-1]))
    return replace(
        definition, period=period, queries=tuple(_at(query, period) for query in definition.queries)
    )


def _at(query: Mapping[str, Any], period: int) -> dict[str, Any]:
    if "MetricStat" in query:
        return {**query, "MetricStat": {**query["MetricStat"], "Period": period}}
    return {**query, "Period": period} if "Period" in query else dict(query)
