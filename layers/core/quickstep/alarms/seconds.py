"""The newest whole seconds of a metric, while not every task has reported them.

A task that feels a surge publishes its seconds at once; the others do so within their interval. So
in the newest seconds a few tasks speak for all, and they are the hot ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.reading import HISTORY, Reading, is_the_same, together
from quickstep.engine.model import Alarm, AlarmState, Datapoint
from quickstep.engine.policies import SURGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition

LATE = timedelta(seconds=8)
"""A task calls every 5 s, and what it has published is visible within 3: older is complete."""

COUNTED = timedelta(seconds=6)
"""Over how long before that the tasks are counted that report."""

COMPLETE = 0.9
"""An interval in which so many of them have reported says what a task had."""

FRESH = timedelta(seconds=10)
"""Older seconds do not speak for the present."""


def filled(intervals: Sequence[Datapoint]) -> tuple[Datapoint, ...]:
    """Return intervals of which each is the average of all tasks, whoever has reported.

    Those that have not yet are taken at what a task had in the newest interval that is complete.
    That is never one which was filled itself: else a single hot task would, second by second, be
    taken for all. Intervals with more samples than tasks are counted once.

    Example: 4 tasks report 60 each, then one alone 200: 200 + 3 * 60 = 380, which is 95 each, and
    not 800. Two seconds later it is still 95 each. Once all have reported 200, it is 200.
    """
    tasks = _tasks(intervals)
    if tasks is None:
        return tuple(intervals)
    shown, before = [], None
    for each in intervals:
        samples = min(each.samples or 0.0, tasks)
        if samples >= COMPLETE * tasks or before is None:
            before = each.value
            shown.append(replace(each, samples=samples))
            continue
        value = (each.value * samples + before * (tasks - samples)) / tasks
        shown.append(Datapoint(each.at, value, tasks))
    return tuple(shown)


def _tasks(intervals: Sequence[Datapoint]) -> float | None:
    """Return the most samples of an interval that is complete; None where there is none of late.

    Example: 4 each second, of which 3 are visible of the last 5 s: 4.
    """
    if not intervals:
        return None
    complete = intervals[-1].at - LATE
    counts = [p.samples for p in intervals if complete - COUNTED <= p.at <= complete and p.samples]
    return max(counts, default=None)


def of_newest_seconds(
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    acted_on: datetime | None,
    now: datetime,
    *,
    every: int,
    whole: int,
) -> Reading:
    """Return what the newest seconds say before the alarm's period is over.

    `points` are of a second each, tasks publish `every` so many; the load before is shown in
    intervals of `whole` seconds. Each of the newest SURGE_SECONDS must breach, whatever the alarm's
    M of N; their mean is the value. The reading counts as the period that ends with them, so that
    seconds which have changed capacity do not do so again.

    Example: a period of 10 s, a threshold of 100, and 180 a task at 10:00:21 and 10:00:22: 180, and
    the period of 10:00:13. The alarm's own of 10:00:20 has seconds of it, and is no new one.
    """
    period, second = timedelta(seconds=definition.period), timedelta(seconds=1)
    complete = [point for point in points if now - HISTORY <= point.at <= now - second]
    shown = Alarm(
        AlarmState.OK,
        definition.threshold,
        metric=definition.metric,
        alarm_period=definition.period,
        comparison=definition.comparison,
        period=max(whole, every),
    )
    if not complete or complete[-1].at < now - FRESH:
        why = f"CloudWatch has no second since {now - FRESH:%H:%M:%S}"
        return Reading(replace(shown, no_data=why), None)
    intervals = filled(together(complete, every))
    shown = replace(shown, recent=together(intervals, whole) if whole > every else intervals)
    newest = intervals[-math.ceil(SURGE_SECONDS / every) :]
    ends = complete[-1].at + second
    if all(definition.breached_by(point.value) for point in newest):
        shown = replace(shown, state=AlarmState.ALARM)
        if acted_on is not None and is_the_same(ends - period, acted_on, period):
            why = f"seconds of the {definition.period} until {ends:%H:%M:%S} were acted on"
            return Reading(replace(shown, no_data=why, next_at=acted_on + 2 * period), None)
    value = sum(point.value for point in newest) / len(newest)
    return Reading(replace(shown, datapoints=(value,)), ends - period)
