"""Tasks over time: how many were desired and running, and when fewer ran than were desired."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.material import Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from quickstep.report.dashboard.material import Entry, Material

    _Spans = Sequence[tuple[datetime, datetime | None]]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A time span in which fewer tasks ran than were desired: they were starting, or missing."""

    since: datetime
    until: datetime
    running: float
    desired: float
    missing: bool

    @property
    def tasks(self) -> int:
        """How many tasks were short."""
        return int(self.desired - self.running)

    def is_like(self, other: Shortfall) -> bool:
        """Whether the two differ only in time."""
        return replace(self, since=other.since, until=other.until) == other


def desired_of(entries: Iterable[Entry]) -> Iterator[Point]:
    """Yield the desired count that each decision saw, and then the one it left."""
    for entry in entries:
        if entry.service is not None:
            yield Point(entry.at, entry.service.desired)
        if entry.desired_after is not None:
            yield Point(entry.at, entry.desired_after)


def running_of(entries: Iterable[Entry]) -> Iterator[Point]:
    """Yield the running count that each look saw."""
    for entry in entries:
        if entry.service is not None:
            yield Point(entry.at, entry.service.running)


def missing_of(entries: Iterable[Entry]) -> _Spans:
    """Return the spans with missing tasks, as the decisions say; an open end is None.

    A report of missing tasks holds until more tasks run, or another number is desired.
    """
    spans: list[tuple[datetime, datetime | None]] = []
    said: Entry | None = None
    for entry in entries:
        if entry.service is None:
            continue
        if said is not None and said.service is not None:
            ran, wanted = said.service.running, said.desired_after
            if entry.service.running > ran or entry.desired_after != wanted:
                spans[-1] = (spans[-1][0], entry.at)
                said = None
        if said is None and entry.outcome is Outcome.HELD_NO_CAPACITY:
            spans.append((entry.at, None))
            said = entry
    return tuple(spans)


def shortfalls_of(
    desired: Sequence[Point],
    running: Sequence[Point],
    missing: _Spans,
    material: Material,
    known_until: datetime,
) -> Iterator[Shortfall]:
    """Yield the spans, within the time shown, in which fewer tasks ran than were desired."""
    ends = (at for span in missing for at in span if at is not None)
    moments = sorted({point.at for point in (*desired, *running)} | {*ends, known_until})
    newest: Shortfall | None = None
    for since, until in pairwise(moments):
        wanted, ran = held(desired, since), held(running, since)
        shown = max(since, material.start), min(until, known_until)
        if wanted is None or ran is None or wanted <= ran or shown[0] >= shown[1]:
            continue
        following = Shortfall(*shown, ran, wanted, _is_in(missing, since))
        if newest is not None and newest.until == following.since and newest.is_like(following):
            newest = replace(newest, until=following.until)
            continue
        if newest is not None:
            yield newest
        newest = following
    if newest is not None:
        yield newest


def shortfall_of(
    desired: Sequence[Point], running: Sequence[Point], missing: _Spans, now: datetime
) -> Shortfall | None:
    """Return the present shortfall, which may have begun just now."""
    wanted, ran = held(desired, now), held(running, now)
    if wanted is None or ran is None or wanted <= ran:
        return None
    return Shortfall(now, now, ran, wanted, _is_in(missing, now))


def _is_in(spans: _Spans, at: datetime) -> bool:
    return any(since <= at and (until is None or at < until) for since, until in spans)


def held(points: Sequence[Point], moment: datetime) -> float | None:
    """Return the newest value at a moment; None before the first."""
    place = bisect_right(points, moment, key=lambda point: point.at) - 1
    return None if place < 0 else points[place].value
