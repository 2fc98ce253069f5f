"""Reading an alarm's metric again, the way its alarm does: definitions in, queries and values out.

An alarm's event shows its datapoints once. While it stays in ALARM, the scaler reads the metric
itself: all alarms of a target in one GetMetricData call, the newest complete periods only.
"""

from __future__ import annotations

import json
import math
import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.load import HISTORY_SECONDS
from quickstep.engine.model import Alarm, AlarmState, Datapoint
from quickstep.fields import Field, Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quickstep.engine.model import Direction

BEYOND_WINDOW = 3
"""Periods read beyond the evaluation window, for those that are missing or not complete."""

HISTORY = timedelta(seconds=HISTORY_SECONDS)
"""How far back a metric is read, for the load before."""

LONGEST_WINDOW = 604_800
"""No alarm's period times its number of datapoints is longer than a week."""

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


@dataclass(frozen=True, slots=True)
class Reading:
    """What the newest datapoints say of an alarm, and when the newest of them begins."""

    alarm: Alarm
    newest: datetime | None


# --- definitions ----------------------------------------------------------------------------------


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
        queries, period, threshold, comparison, n, alarm.get("DatapointsToAlarm") or n
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

    Events write keys in camel case, and dimensions as an object instead of a list.
    """
    query = {
        "Id": metric["id"],
        "ReturnData": metric.get("returnData", True),
        "Expression": metric.get("expression"),
        "Period": metric.get("period"),
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


# --- one call for all alarms ----------------------------------------------------------------------


def read_window(definitions: Iterable[AlarmDefinition], now: datetime) -> tuple[datetime, datetime]:
    """Return the start and end to ask for: enough periods for every alarm, on every period's grid.

    Example: 3 datapoints of 10 s at 10:00:32: HISTORY is longer, so from 09:57:00 on. CloudWatch
    rounds the start down to a whole minute in any case.
    """
    asked = tuple(definitions)
    span = max((_span(definition) for definition in asked), default=timedelta())
    span = max(span, HISTORY)
    grid = math.lcm(60, *(definition.period for definition in asked))
    start = (now - span).timestamp() // grid * grid
    return datetime.fromtimestamp(start, UTC), now


def _span(definition: AlarmDefinition) -> timedelta:
    """Return how far back from now a datapoint may begin that still speaks for the present."""
    return timedelta(seconds=definition.period * (definition.n + BEYOND_WINDOW))


def combined_queries(definitions: Mapping[str, AlarmDefinition]) -> list[dict[str, Any]]:
    """Return the queries of all alarms as one request, with ids that cannot meet.

    The one of alarm number i that returns its data is called `a{i}`; the others `a{i}_{n}`.
    """
    return [
        query
        for index, definition in enumerate(definitions.values())
        for query in _renamed(definition.queries, f"a{index}")
    ]


def sample_queries(definitions: Mapping[str, AlarmDefinition]) -> list[dict[str, Any]]:
    """Return what counts the samples of each plain average, as `a{i}_samples` of the request."""
    asked = []
    for index, definition in enumerate(definitions.values()):
        queries = definition.queries
        stat = queries[0].get("MetricStat") if len(queries) == 1 else None
        if stat and stat.get("Stat") == "Average":
            count = {**stat, "Stat": "SampleCount"}
            asked.append({"Id": f"a{index}_samples", "MetricStat": count, "ReturnData": True})
    return asked


def result_ids(definitions: Mapping[str, AlarmDefinition]) -> dict[str, str]:
    """Return which query id answers for which policy; its samples are counted by `{id}_samples`."""
    return {f"a{index}": policy for index, policy in enumerate(definitions)}


def recent(
    definition: AlarmDefinition, points: Sequence[Datapoint], now: datetime
) -> tuple[Datapoint, ...]:
    """Return the datapoints whose period has ended, as far back as HISTORY goes."""
    period = timedelta(seconds=definition.period)
    return tuple(point for point in points if now - HISTORY <= point.at <= now - period)


def _renamed(queries: Sequence[Mapping[str, Any]], prefix: str) -> list[dict[str, Any]]:
    returned = next((i for i, q in enumerate(queries) if q.get("ReturnData", True)), 0)
    names = {
        str(query["Id"]): prefix if index == returned else f"{prefix}_{index}"
        for index, query in enumerate(queries)
    }
    metrics = {name: names[name] for name in (str(q["Id"]) for q in queries if "MetricStat" in q)}
    renamed = []
    for index, query in enumerate(queries):
        body = {**query, "Id": names[str(query["Id"])], "ReturnData": index == returned}
        if "Expression" in query and not _is_insights(query["Expression"]):
            body["Expression"] = _rename_in(query["Expression"], names, metrics)
        renamed.append(body)
    return renamed


def _is_insights(expression: str) -> bool:
    return expression.lstrip().upper().startswith("SELECT")


_TOKEN = re.compile(
    r"""METRICS\(\s*(?:"([^"]*)"|'([^']*)')?\s*\)|"[^"]*"|'[^']*'|\d[\w.]*|[A-Za-z]\w*"""
)


def _rename_in(expression: str, names: Mapping[str, str], metrics: Mapping[str, str]) -> str:
    """Return an expression over the new ids.

    METRICS() means every metric of the request, METRICS("x") those with x in their id; in a
    request over several alarms they are written out. Text in quotes is left alone.

    Example: `SUM(METRICS()) / m2` over m1 and m2 as alarm 0 is `SUM([a0_1, a0_2]) / a0_2`.
    """

    def rename(match: re.Match[str]) -> str:
        token = match[0]
        if token.startswith("METRICS("):
            part = match[1] or match[2] or ""
            return f"[{', '.join(new for old, new in metrics.items() if part in old)}]"
        return names.get(token, token)

    return _TOKEN.sub(rename, expression)


# --- what the answer says -------------------------------------------------------------------------


def judge(
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    acted_on: datetime | None,
    now: datetime,
) -> Reading:
    """Return what the newest complete datapoints say; M of the newest N must breach.

    A period counts once it has ended, and as long as it is not much older than the alarm's own
    window, however far back the other alarms of the call have made it go. A datapoint that has
    changed capacity before is not acted on again: until there is a newer one, the alarm is in
    ALARM without a number.

    Example: 1 of 1, 10 s, at 10:00:32: the datapoint stamped 10:00:20 is the newest complete one.
    """
    period = timedelta(seconds=definition.period)
    oldest = now - _span(definition)
    complete = [point for point in points if oldest <= point.at and point.at + period <= now]
    window = complete[-definition.n :]
    if not window:
        why = f"CloudWatch has no complete datapoint since {oldest:%H:%M:%S}"
        return Reading(Alarm(AlarmState.ALARM, no_data=why), None)
    newest = window[-1].at
    if acted_on is not None and newest <= acted_on:
        why = f"CloudWatch has no datapoint newer than {newest:%H:%M:%S}, which was acted on"
        return Reading(Alarm(AlarmState.ALARM, no_data=why), newest)
    values = tuple(point.value for point in window)
    breaching = sum(definition.breached_by(value) for value in values)
    state = AlarmState.ALARM if breaching >= definition.m else AlarmState.OK
    alarm = Alarm(
        state,
        definition.threshold,
        values,
        recent=recent(definition, points, now),
        period=definition.period,
        metric=definition.metric,
    )
    return Reading(alarm, newest)


# --- as plain data --------------------------------------------------------------------------------


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
    queries = members["queries"].items(at_least=1)
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
    for text in {"Id", "Expression"} & parts.keys():
        parts[text].text()
    if "MetricStat" in parts:
        parts["MetricStat"].members()
