"""Reading an alarm's metric again, the way its alarm does: queries out, values in.

An alarm's event shows its datapoints once. While it stays in ALARM, the scaler reads the metric
itself: one GetMetricData call for all of a target's alarms, newest complete periods only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.load import HISTORY_SECONDS
from quickstep.engine.model import AlarmState, Datapoint
from quickstep.engine.words import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import Alarm

BEYOND_WINDOW = 3
"""Periods read beyond the evaluation window, in case some are missing or incomplete."""

SIZED_SECONDS = 5
"""The shortest interval that shows a load: a single second is mostly noise."""

HISTORY = timedelta(seconds=HISTORY_SECONDS)
"""How far back a metric is read for the load before."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the newest datapoints say about an alarm, and when the newest of them begins."""

    alarm: Alarm
    newest: datetime | None


def read_window(definitions: Iterable[AlarmDefinition], now: datetime) -> tuple[datetime, datetime]:
    """Return the start and end to ask for: enough periods for every alarm, aligned with them all.

    Example: for 3 datapoints of 10 s at 10:00:32, HISTORY is longer, so the start is 09:57:00.
    CloudWatch rounds the start down to a whole minute in any case.
    """
    asked = tuple(definitions)
    span = max((span_of(definition) for definition in asked), default=timedelta())
    span = max(span, HISTORY)
    grid = math.lcm(60, *(definition.period for definition in asked))
    start = (now - span).timestamp() // grid * grid
    return datetime.fromtimestamp(start, UTC), now


def span_of(definition: AlarmDefinition) -> timedelta:
    """Return how far back a datapoint may begin and still describe the present."""
    return timedelta(seconds=definition.period * (definition.n + BEYOND_WINDOW))


def combined_queries(definitions: Mapping[str, AlarmDefinition]) -> list[dict[str, Any]]:
    """Return the queries of all alarms as one request, with ids that cannot collide.

    For alarm number i, the query that returns its data is called `a{i}`, the others `a{i}_{n}`.
    """
    return [
        query
        for index, definition in enumerate(definitions.values())
        for query in _renamed(definition.queries, f"a{index}")
    ]


def sample_queries(definitions: Mapping[str, AlarmDefinition]) -> list[dict[str, Any]]:
    """Return queries that count the samples of each published metric, named `a{i}_samples`."""
    asked = []
    for index, definition in enumerate(definitions.values()):
        query = definition.queries[0]
        if definition.is_published:
            count = {**query["MetricStat"], "Stat": "SampleCount"}
            owner = {key: query[key] for key in ("AccountId",) if key in query}
            counted = {"Id": f"a{index}_samples", "MetricStat": count, "ReturnData": True}
            asked.append({**counted, **owner})
    return asked


def result_ids(definitions: Mapping[str, AlarmDefinition]) -> dict[str, str]:
    """Return the policy for each query id; `{id}_samples` counts its samples."""
    return {f"a{index}": policy for index, policy in enumerate(definitions)}


def recent(
    definition: AlarmDefinition, points: Sequence[Datapoint], now: datetime
) -> tuple[Datapoint, ...]:
    """Return the datapoints whose period has ended, as far back as HISTORY goes."""
    period = timedelta(seconds=definition.period)
    return tuple(point for point in points if now - HISTORY <= point.at <= now - period)


def together(
    seconds: Sequence[Datapoint], whole: int, *, each: bool = False
) -> tuple[Datapoint, ...]:
    """Combine datapoints of one second each into averages over intervals; the newest ends now.

    With `each`, tasks publish every second; see `coarse`.

    Example: seconds up to 10:00:07 and intervals of 5 s: 10:00:03 to 10:00:07, 09:59:58 to
    10:00:02, and so on.
    """
    if not seconds:
        return ()
    end = seconds[-1].at + timedelta(seconds=1)
    groups: dict[int, list[Datapoint]] = {}
    for point in seconds:
        groups.setdefault(math.ceil((end - point.at).total_seconds() / whole), []).append(point)
    return tuple(
        replace(
            _together(group, 1, whole if each else None), at=end - timedelta(seconds=whole * ago)
        )
        for ago, group in groups.items()
    )


def by_interval(
    seconds: Sequence[Datapoint], every: int, now: datetime, *, newest: bool
) -> dict[str, Any]:
    """Return per-second readings as an alarm shows them; each task publishes `every` seconds.

    In each interval, every task has published equally often. The `newest` one ends with the newest
    visible second. Otherwise, intervals are aligned like periods, and have ended.

    Example: every 1, 5 and 10 s: intervals of 5, 5 and 10 s. Every 2 s: of 6 s, 3 samples each.
    """
    whole, each = -(-SIZED_SECONDS // every) * every, every == 1
    if newest:
        intervals = together(seconds, whole, each=each)
    else:
        ended = now - timedelta(seconds=whole)
        intervals = tuple(p for p in coarse(seconds, whole, each=each) if p.at <= ended)
    return {"recent": intervals, "period": whole, "seconds": tuple(seconds) if each else ()}


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


# Possessive, because otherwise a long run of blanks without a parenthesis would be split in every
# possible way.
_TOKEN = re.compile(
    r"""METRICS\(\s*+(?:"([^"]*)"|'([^']*)')?+\s*+\)|"[^"]*"|'[^']*'|\d[\w.]*|[A-Za-z]\w*"""
)


def _rename_in(expression: str, names: Mapping[str, str], metrics: Mapping[str, str]) -> str:
    """Rewrite an expression for the new ids.

    METRICS() means every metric of the request, METRICS("x") those with x in their id. A request
    for several alarms lists them explicitly. Text in quotes stays as it is.

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


def coarse(points: Sequence[Datapoint], period: int, *, each: bool = False) -> list[Datapoint]:
    """Combine averages read at a finer period into those of the alarm's own period.

    With `each`, they are seconds in each of which every task publishes. Seconds that are not
    visible yet are then assumed to be like the others. Otherwise, a second that waits for its
    publisher's next call would count as one without tasks.

    Example: 100 from 4 samples and 130 from 8, 5 s each: 120 from 12 in the 10 s that contain both.
    If 4 of 5 seconds are visible, with 3 samples each: 15.
    """
    groups: dict[int, list[Datapoint]] = {}
    for point in points:
        groups.setdefault(int(point.at.timestamp() // period), []).append(point)
    whole = period if each else None
    return [_together(group, period, whole) for group in groups.values()]


def _together(points: Sequence[Datapoint], period: int, whole: int | None) -> Datapoint:
    begins = points[0].at - timedelta(seconds=points[0].at.timestamp() % period)
    counts = [1.0 if point.samples is None else point.samples for point in points]
    total = sum(counts) or 1.0
    value = sum(point.value * count for point, count in zip(points, counts, strict=True)) / total
    if any(point.samples is None for point in points):
        return Datapoint(begins, value)
    return Datapoint(begins, value, total if whole is None else total * whole / len(points))


def is_the_same(begins: datetime, acted_on: datetime, period: timedelta) -> bool:
    """Whether a datapoint is older than one that was acted on, or shares seconds with it.

    An alarm's own periods may begin at any second; periods that are read begin at a multiple.

    Example: with periods of 10 s, and 10:00:06 acted on, those of 10:00:00 and 10:00:10 share
    seconds with it, and 10:00:20 does not.
    """
    return begins < acted_on + period


def judge(
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    acted_on: datetime | None,
    now: datetime,
) -> Reading:
    """Return what the newest complete datapoints say; M of the newest N must breach.

    A period counts once it has ended, unless it is much older than the alarm's own window; the
    call's other alarms may need more history. A datapoint that has changed capacity before is not
    acted on again: until a newer one arrives, the alarm is in ALARM without a number.

    Example: 1 of 1, 10 s, at 10:00:32: the newest complete datapoint is stamped 10:00:20.
    """
    period = timedelta(seconds=definition.period)
    oldest = now - span_of(definition)
    complete = [point for point in points if oldest <= point.at and point.at + period <= now]
    window = complete[-definition.n :]
    shown = definition.alarm(AlarmState.ALARM)
    if not window:
        why = f"CloudWatch has no complete datapoint since {clock(oldest)}"
        breaches = definition.missing_breaches
        return Reading(replace(shown, no_data=why, missing_breaches=breaches), None)
    newest = window[-1].at
    if acted_on is not None and is_the_same(newest, acted_on, period):
        why = f"its newest datapoint, of {clock(newest)}, was already acted on"
        return Reading(replace(shown, no_data=why, next_at=newest + 2 * period), newest)
    values = tuple(point.value for point in window)
    breaching = sum(definition.breached_by(value) for value in values)
    state = AlarmState.ALARM if breaching >= definition.m else AlarmState.OK
    return Reading(replace(shown, state=state, datapoints=values), newest)
