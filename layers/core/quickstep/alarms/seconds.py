"""The newest whole seconds of a metric, before every task has reported them.

A task that feels a surge publishes its seconds at once; the others follow within their interval. So
in the newest seconds, a few tasks speak for all, and they are the hot ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.reading import HISTORY, Reading, is_the_same, together
from quickstep.engine.model import AlarmState, Datapoint
from quickstep.engine.policies import SURGE_SECONDS
from quickstep.engine.words import clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition

LATE = timedelta(seconds=8)
"""A task calls every 5 s, and its data is visible within 3 s: older seconds are complete."""

COUNTED = timedelta(seconds=6)
"""The span before that in which the reporting tasks are counted."""

COMPLETE = 0.9
"""The share of tasks that must have reported an interval before its average is believed."""

FRESH = timedelta(seconds=10)
"""Older seconds do not describe the present."""


def filled(intervals: Sequence[Datapoint], *, seconds: bool = True) -> tuple[Datapoint, ...]:
    """Fill in the tasks that have yet to report, so that each interval is the average of all tasks.

    They count with their previous load, as far as that is certain: the total load of the newest
    complete interval, minus the most that the tasks seen can have had of it. The tasks seen are the
    hot ones, and a task that stays hot must not count twice. So the load is the previous one, or
    the reported one if that is more. A filled interval is not complete; otherwise a single hot task
    would, second by second, be taken for all.

    More samples than tasks in whole `seconds` mean that tasks have joined since; if that is recent,
    they count from then on. In longer intervals, some tasks just publish twice. There are no
    intervals until the number of reporting tasks is known: the first may be a hot one.

    Example: 4 tasks report 60 each, 240 in all. Then one alone reports 200: the others certainly
    had 40, so it is still 240, 60 each, and not 200. With a second one, 400 are reported: 100 each.
    Once all have reported, it is 200.
    """
    tasks = _tasks(intervals)
    if tasks is None:
        return ()
    shown, before = [], None
    for each in intervals:
        samples = (each.samples or 0.0) if seconds else min(each.samples or 0.0, tasks)
        if samples >= COMPLETE * tasks or before is None:
            before = each.value
            if each.at > intervals[-1].at - LATE:
                tasks = max(tasks, samples)
            shown.append(replace(each, samples=samples))
            continue
        shown.append(Datapoint(each.at, max(before, each.value * samples / tasks), tasks))
    return tuple(shown)


def _tasks(intervals: Sequence[Datapoint]) -> float | None:
    """Return the most samples in a complete interval; None if too little recent history is known.

    A task's report may be lost; with only one or two seconds, that would go unnoticed.

    Example: 4 each second, of which 3 are visible in the last 5 s: 4.
    """
    if not intervals:
        return None
    complete = intervals[-1].at - LATE
    if intervals[0].at > complete - COUNTED / 2:
        return None
    counts = [p.samples for p in intervals if complete - COUNTED <= p.at <= complete and p.samples]
    return max(counts, default=None)


def _conclusive(
    intervals: Sequence[Datapoint], reported: Sequence[Datapoint], definition: AlarmDefinition
) -> tuple[Datapoint, ...]:
    """Return filled intervals without the newest ones in which too few tasks have reported.

    Such an interval is inconclusive if the tasks seen breach, but not once the others are filled in
    with their previous load: it may yet become a breach. If the tasks seen no longer breach, the
    breach is over.

    Example: a threshold of 100, and 60 before. All of 4 tasks report 180 in two seconds, and one
    does in a third: at least 240 in all, 60 each. The third is inconclusive, the first two are not.
    """
    count, tasks = len(intervals), _tasks(reported) or 0.0
    while (
        count > 0
        and (reported[count - 1].samples or 0.0) < COMPLETE * tasks
        and definition.breached_by(reported[count - 1].value)
        and not definition.breached_by(intervals[count - 1].value)
    ):
        count -= 1
    return tuple(intervals[:count])


def of_newest_seconds(
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    acted_on: datetime | None,
    now: datetime,
    *,
    every: int,
    whole: int,
) -> Reading:
    """Return what the newest seconds say before the alarm's period ends.

    `points` are of one second each; tasks publish `every` so many seconds; the load before is shown
    in intervals of `whole` seconds. Each of the newest SURGE_SECONDS must breach, whatever the
    alarm's M of N, and their mean is the value. The reading counts as the period that ends with
    them, so that seconds which have changed capacity do not do so again.

    Example: a period of 10 s, a threshold of 100, and 180 per task at 10:00:21 and 10:00:22: the
    value is 180, and the period is 10:00:13. The alarm's own of 10:00:20 shares seconds with it,
    and is not new.
    """
    period, second = timedelta(seconds=definition.period), timedelta(seconds=1)
    complete = [point for point in points if now - HISTORY <= point.at <= now - second]
    shown = replace(definition.alarm(AlarmState.OK), period=max(whole, every))
    if not complete or complete[-1].at < now - FRESH:
        why = f"CloudWatch has no per-second datapoint since {clock(now - FRESH)}"
        return Reading(replace(shown, no_data=why), None)
    reported = together(complete, every)
    intervals = filled(reported, seconds=every == 1)
    if not intervals:
        return Reading(
            replace(shown, no_data="how many tasks are reporting is not known yet"), None
        )
    intervals = _conclusive(intervals, reported, definition)
    if not intervals or intervals[-1].at < now - FRESH:
        why = f"too few tasks have reported since {clock(now - FRESH)}"
        return Reading(replace(shown, no_data=why), None)
    shown = replace(shown, recent=together(intervals, whole) if whole > every else intervals)
    if every == 1:
        shown = replace(shown, seconds=intervals)
    newest = intervals[-math.ceil(SURGE_SECONDS / every) :]
    ends = intervals[-1].at + every * second
    if all(definition.breached_by(point.value) for point in newest):
        shown = replace(shown, state=AlarmState.ALARM)
        if acted_on is not None and is_the_same(ends - period, acted_on, period):
            why = f"part of the {definition.period} s up to {clock(ends)} was already acted on"
            return Reading(replace(shown, no_data=why, next_at=acted_on + 2 * period), None)
    value = sum(point.value for point in newest) / len(newest)
    return Reading(replace(shown, datapoints=(value,)), ends - period)
