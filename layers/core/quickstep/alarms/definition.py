"""What an alarm watches, and when it breaches: as AWS describes it, and as its event shows it."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.fields import Field, Problems, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.engine.model import Alarm, Direction

LONGEST_WINDOW = 604_800
"""No alarm's period times its number of datapoints is longer than a week."""

MAX_QUERIES = 50
"""Of one alarm; CloudWatch allows ten metrics in it, and expressions beside them."""

MAX_ID = 255
MAX_EXPRESSION = 2048
"""Characters (*MetricDataQuery*, CloudWatch API reference)."""

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_BY_DIRECTION = {
    "scale-out": "GreaterThanThreshold",
    "scale-in": "LessThanThreshold",
}


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """What one alarm watches: GetMetricData queries, of which one returns the data, and the rule.

    `period` is in seconds; `m` of the newest `n` datapoints must breach.
    """

    queries: tuple[Mapping[str, Any], ...]
    period: int
    threshold: float
    comparison: str
    n: int
    m: int

    def breached_by(self, value: float) -> bool:
        """Whether a datapoint is on the breaching side of the threshold."""
        return _COMPARISONS[self.comparison](value, self.threshold)

    @property
    def metric(self) -> str:
        """What it watches, as a text that is the same for alarms that watch the same."""
        metrics = [
            {key: value for key, value in query.items() if key != "ReturnData"}
            for query in self.queries
        ]
        if len(metrics) == 1:
            metrics[0].pop("Id", None)
        return json.dumps(metrics, sort_keys=True, separators=(",", ":"))

    @property
    def is_plain_average(self) -> bool:
        """Whether it watches the average of one metric, whose samples can be counted."""
        stats = [query.get("MetricStat", {}).get("Stat") for query in self.queries]
        return stats == ["Average"]


def described_definition(alarm: Mapping[str, Any]) -> AlarmDefinition | None:
    """Return the definition of one of DescribeAlarms' MetricAlarms.

    None where there is none to count steps from: anomaly detection and PromQL alarms.
    """
    comparison, threshold = alarm.get("ComparisonOperator"), alarm.get("Threshold")
    if comparison not in _COMPARISONS or threshold is None:
        return None
    if alarm.get("Metrics"):
        queries = tuple(alarm["Metrics"])
    else:
        stat = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
        names = ("Namespace", "MetricName", "Dimensions")
        metric = {name: alarm[name] for name in names if name in alarm}
        if "Dimensions" in metric:  # in the order of events, so that equal metrics read equal
            metric["Dimensions"] = sorted(metric["Dimensions"], key=lambda d: d["Name"])
        body = {"Metric": metric, "Period": alarm.get("Period"), "Stat": stat}
        if "Unit" in alarm:
            body["Unit"] = alarm["Unit"]
        queries = ({"Id": "m1", "MetricStat": body, "ReturnData": True},)
    period = alarm.get("Period") or _period(queries)
    if period is None:
        return None
    n = alarm["EvaluationPeriods"]
    return AlarmDefinition(
        queries, period, bounded(threshold), comparison, n, alarm.get("DatapointsToAlarm") or n
    )


def event_definition(
    metrics: Sequence[Mapping[str, Any]], seen: Alarm, direction: Direction
) -> AlarmDefinition | None:
    """Return what an event shows of its alarm's definition, until DescribeAlarms has been asked.

    The event has the metrics and the threshold. What it does not have is taken from what it shows:
    N is the number of datapoints, M how many of them breach, the comparison is the direction's.
    """
    if seen.threshold is None or not seen.datapoints:
        return None
    try:
        queries = tuple(_api_query(metric) for metric in metrics)
    except (KeyError, TypeError, AttributeError):  # not as documented: the heartbeat will tell
        return None
    period = _period(queries)
    if period is None or any("ANOMALY_DETECTION_BAND" in str(q.get("Expression")) for q in queries):
        return None
    comparison = _BY_DIRECTION[direction]
    breach = _COMPARISONS[comparison]
    m = sum(breach(value, seen.threshold) for value in seen.datapoints)
    shown = AlarmDefinition(
        queries, period, seen.threshold, comparison, len(seen.datapoints), max(1, m)
    )
    problems = Problems()
    checked = read_definition(Field(definition_dict(shown), "", problems))
    return None if problems.found else checked


def _api_query(metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a metric of an event's configuration as GetMetricData takes it.

    Events write keys in camel case, and dimensions as an object instead of a list. A metric of
    another account, which a monitoring account may watch, has that account's id.
    """
    query = {
        "Id": metric["id"],
        "ReturnData": metric.get("returnData", True),
        "Expression": metric.get("expression"),
        "Period": metric.get("period"),
        "AccountId": metric.get("accountId"),
    }
    if stat := metric.get("metricStat"):
        named = stat["metric"]
        query["MetricStat"] = {
            "Metric": {
                "Namespace": named["namespace"],
                "MetricName": named["name"],
                "Dimensions": [
                    {"Name": name, "Value": value}
                    for name, value in sorted(named.get("dimensions", {}).items())
                ],
            },
            "Period": stat["period"],
            "Stat": stat["stat"],
            **({"Unit": stat["unit"]} if "unit" in stat else {}),
        }
    return {key: value for key, value in query.items() if value is not None}


def _period(queries: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the one period that all metrics of an alarm share."""
    periods = [q["MetricStat"]["Period"] for q in queries if "MetricStat" in q]
    periods += [q["Period"] for q in queries if q.get("Period")]
    return periods[0] if periods else None


def definition_dict(definition: AlarmDefinition) -> dict[str, Any]:
    """Return a definition as JSON-ready data."""
    return {
        "queries": [dict(query) for query in definition.queries],
        "period": definition.period,
        "threshold": definition.threshold,
        "comparison": definition.comparison,
        "n": definition.n,
        "m": definition.m,
    }


def read_definition(field: Field) -> AlarmDefinition | None:
    """Read what `definition_dict` wrote; None after a problem."""
    keys = ("queries", "period", "threshold", "comparison", "n", "m")
    members = field.members(required=keys)
    if not set(keys) <= members.keys():
        return None
    comparison = members["comparison"].text()
    if comparison not in _COMPARISONS:
        members["comparison"].wrong(f"must be one of {', '.join(_COMPARISONS)}")
        return None
    queries = members["queries"].items(at_least=1, at_most=MAX_QUERIES)
    for query in queries:
        _check_query(query)
    period = members["period"].integer(1, LONGEST_WINDOW)
    n = members["n"].integer(1, LONGEST_WINDOW // max(1, period))
    return AlarmDefinition(
        queries=tuple(query.value for query in queries),
        period=period,
        threshold=members["threshold"].number(),
        comparison=comparison,
        n=n,
        m=members["m"].integer(1, max(1, n)),
    )


def _check_query(query: Field) -> None:
    """Check what is looked into here; CloudWatch checks the rest."""
    parts = query.members(required=("Id",))
    for text, most in (("Id", MAX_ID), ("Expression", MAX_EXPRESSION), ("AccountId", MAX_ID)):
        if text in parts:
            parts[text].text(rf"(?s).{{0,{most}}}", f"must have at most {most} characters")
    if "MetricStat" in parts:
        parts["MetricStat"].members()
