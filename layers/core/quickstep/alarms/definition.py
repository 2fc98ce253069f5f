"""What an alarm watches, and when it breaches: as AWS describes it, and as its event shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import Alarm, Comparison
from quickstep.fields import Field, Problems, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep.engine.model import AlarmState, Direction

MINUTE = 60
LONGEST_WINDOW = 604_800
"""An alarm's period times its number of datapoints is at most a week."""

MAX_QUERIES = 50
"""Queries in one alarm; CloudWatch allows ten metrics, and expressions in addition."""

MAX_ID = 255
MAX_EXPRESSION = 2048
"""Characters (*MetricDataQuery*, CloudWatch API reference)."""

_COMPARISONS = tuple(str(comparison) for comparison in Comparison)

_FINE_PERIODS = (1, 5, 10)
"""Periods below a minute at which a high-resolution metric may be read, except 30 s."""


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """What one alarm watches: GetMetricData queries, of which one returns the data, and the rule.

    `period` is in seconds; `m` of the newest `n` datapoints must breach. `missing_breaches` says
    that missing datapoints breach, too.
    """

    queries: tuple[Mapping[str, Any], ...]
    period: int
    threshold: float
    comparison: Comparison
    n: int
    m: int
    missing_breaches: bool = False

    def breached_by(self, value: float) -> bool:
        """Whether a datapoint is on the breaching side of the threshold."""
        return self.comparison.breached(value, self.threshold)

    def fine(self, seconds: int) -> AlarmDefinition:
        """Return the definition for reading the same metric at a finer period, as it is published.

        Only the average of one high-resolution metric can be recombined; anything else is read as
        the alarm reads it.

        Example: an alarm of 10 s on a metric published every 5 s: its period becomes 5.
        """
        parts = seconds in _FINE_PERIODS and self.period % seconds == 0
        if not self.is_published or not parts or not seconds < self.period < MINUTE:
            return self
        (query,) = self.queries
        stat = {**query["MetricStat"], "Period": seconds}
        return replace(self, queries=({**query, "MetricStat": stat},), period=seconds)

    def alarm(self, state: AlarmState) -> Alarm:
        """Return the alarm in a state, without any datapoint."""
        return Alarm(
            state,
            self.threshold,
            metric=self.metric,
            alarm_period=self.period,
            comparison=self.comparison,
        )

    @property
    def metric(self) -> str:
        """What the alarm watches, as a text that is equal for alarms that watch the same."""
        metrics = [
            {key: value for key, value in query.items() if key != "ReturnData"}
            for query in self.queries
        ]
        if len(metrics) == 1:
            metrics[0].pop("Id", None)
        return json.dumps(metrics, sort_keys=True, separators=(",", ":"))

    @property
    def is_published(self) -> bool:
        """Whether the alarm watches the average of one metric of which each task publishes samples.

        AWS's own metrics have samples, too, but AWS does not document how many per task.
        """
        stats = [query.get("MetricStat", {}) for query in self.queries]
        return [stat.get("Stat") for stat in stats] == ["Average"] and not stats[0].get(
            "Metric", {}
        ).get("Namespace", "").startswith("AWS/")


def described_definition(alarm: Mapping[str, Any]) -> AlarmDefinition | None:
    """Return the definition from one of DescribeAlarms' MetricAlarms.

    None if it has no threshold to count steps from: anomaly detection and PromQL alarms.
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
        if "Dimensions" in metric:  # in events' order, so that equal metrics are equal texts
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
        queries,
        period,
        bounded(threshold),
        Comparison(comparison),
        n,
        alarm.get("DatapointsToAlarm") or n,
        alarm.get("TreatMissingData") == "breaching",
    )


def event_definition(
    metrics: Sequence[Mapping[str, Any]], seen: Alarm, direction: Direction
) -> AlarmDefinition | None:
    """Return what an event shows of its alarm's definition, until DescribeAlarms has been asked.

    The event has the metrics and the threshold. The rest is inferred: N is the number of
    datapoints, M how many of them breach. If the event's reason does not state the comparison, the
    direction's usual one is assumed.
    """
    if seen.threshold is None or not seen.datapoints:
        return None
    try:
        queries = tuple(_api_query(metric) for metric in metrics)
    except (KeyError, TypeError, AttributeError):  # not as documented: the heartbeat will read it
        return None
    period = _period(queries)
    if period is None or any("ANOMALY_DETECTION_BAND" in str(q.get("Expression")) for q in queries):
        return None
    comparison = seen.compared(direction)
    m = sum(comparison.breached(value, seen.threshold) for value in seen.datapoints)
    shown = AlarmDefinition(
        queries, period, seen.threshold, comparison, len(seen.datapoints), max(1, m)
    )
    problems = Problems()
    checked = read_definition(Field(definition_dict(shown), "", problems))
    return None if problems.found else checked


def _api_query(metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a metric from an event's configuration in GetMetricData's form.

    Events write keys in camel case, and dimensions as an object instead of a list. In a monitoring
    account, another account's metric carries that account's id.
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
    """Return the one period that all of an alarm's metrics share."""
    periods = [q["MetricStat"]["Period"] for q in queries if "MetricStat" in q]
    periods += [q["Period"] for q in queries if q.get("Period")]
    return periods[0] if periods else None


def definition_dict(definition: AlarmDefinition) -> dict[str, Any]:
    """Return a definition as JSON-ready data."""
    return {
        "queries": [dict(query) for query in definition.queries],
        "period": definition.period,
        "threshold": definition.threshold,
        "comparison": str(definition.comparison),
        "n": definition.n,
        "m": definition.m,
        "missing_breaches": definition.missing_breaches,
    }


def read_definition(field: Field) -> AlarmDefinition:
    """Read what `definition_dict` wrote; note what is unreadable."""
    keys = ("queries", "period", "threshold", "comparison", "n", "m")
    members = field.whole(*keys, optional=("missing_breaches",))
    queries = members["queries"].items(at_least=1, at_most=MAX_QUERIES)
    for query in queries:
        _check_query(query)
    period = members["period"].integer(1, LONGEST_WINDOW)
    n = members["n"].integer(1, LONGEST_WINDOW // max(1, period))
    return AlarmDefinition(
        queries=tuple(query.value for query in queries),
        period=period,
        threshold=members["threshold"].number(),
        comparison=members["comparison"].choice(Comparison),
        n=n,
        m=members["m"].integer(1, max(1, n)),
        missing_breaches=members["missing_breaches"].boolean(),
    )


def _check_query(query: Field) -> None:
    """Check the parts that Quickstep uses; CloudWatch checks the rest."""
    parts = query.members(required=("Id",))
    for text, most in (("Id", MAX_ID), ("Expression", MAX_EXPRESSION), ("AccountId", MAX_ID)):
        if text in parts:
            parts[text].text(rf"(?s).{{0,{most}}}", f"must have at most {most} characters")
    if "MetricStat" in parts:
        parts["MetricStat"].members()
