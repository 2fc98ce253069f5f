"""Moments as the viewer reads them: in their zone, along with UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FIRST_YEAR, _LAST_YEAR = 2, 9998
"""Years in which every zone has a clock: the adjacent years reach the end of Python's calendar."""
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 365)),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis, and the lines below it: a time, and a change of day or offset."""

    at: datetime
    lines: tuple[str, ...]


def offset_name(at: datetime, zone: tzinfo) -> str:
    """Return the zone's offset at a moment, e.g. `UTC`, `UTC+9` or `UTC-3:30`."""
    minutes = _offset(at, zone) // _MINUTE
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


def local(at: datetime, zone: tzinfo) -> str:
    """Return a moment to the second, e.g. `10:00:22`."""
    return f"{at.astimezone(zone):%H:%M:%S}"


def day(at: datetime, zone: tzinfo) -> str:
    """Return a moment's day, e.g. `Sun 22 Nov`."""
    there = at.astimezone(zone)
    return f"{there:%a} {there.day} {there:%b}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Return a moment to the millisecond in the zone and in UTC.

    Example: `Sun 22 Nov 19:00:22 UTC+9 (2026-11-22T10:00:22.123Z)`.
    """
    exact = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
    return f"{day(at, zone)} {local(at, zone)} {offset_name(at, zone)} ({exact}Z)"


def span(start: datetime, end: datetime, zone: tzinfo) -> str:
    """Return a time span, e.g. `Sun 22 Nov, 19:00:05 to 19:02:00 UTC+9`."""
    days = day(start, zone)
    if days != day(end, zone):
        days = f"{days} to {day(end, zone)}"
    return f"{days}, {local(start, zone)} to {local(end, zone)} {offset_name(end, zone)}"


def lasted(duration: timedelta) -> str:
    """Return a duration, e.g. `38 s`, `12 min`, `3 h 5 min`."""
    seconds = round(duration / timedelta(seconds=1))
    if seconds < 2 * _MINUTE:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / _MINUTE), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


_DATE, _CLOCK = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d(?:\.\d{1,6})?"
_WRITTEN = re.compile(
    rf"(?<![\w:.-])(?:(?P<date>{_DATE})[T ])?(?P<time>{_CLOCK})(?:Z|\+00:00| UTC)?(?![\w:-])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A moment in a reason; `text` is how its record writes it, in UTC."""

    at: datetime
    text: str


def moments_in(said: str, near: datetime) -> Iterator[str | Written]:
    """Split a reason into text and the moments in it, which records write in UTC.

    A moment without a date is the one closest to `near`. Anything that is not a calendar moment is
    text. Example: "held until 10:00:52" is "held until " and a moment of that day.
    """
    done = 0
    for found in _WRITTEN.finditer(said):
        at = _read(found["date"], found["time"], near)
        if at is None:
            continue
        if found.start() > done:
            yield said[done : found.start()]
        yield Written(at, found[0])
        done = found.end()
    if done < len(said):
        yield said[done:]


def _read(date: str | None, time: str, near: datetime) -> datetime | None:
    near = near.astimezone(UTC)
    try:
        at = datetime.fromisoformat(f"{date or near.date()}T{time}").replace(tzinfo=UTC)
        if date is None:
            at += timedelta(days=round((near - at) / timedelta(days=1)))
    except (ValueError, OverflowError):
        return None
    return at if _FIRST_YEAR <= at.year <= _LAST_YEAR else None


def localised(said: str, near: datetime, zone: tzinfo, say: Callable[[str], str] = str) -> str:
    """Return a reason with its moments in the zone, each worded by `say`."""
    return "".join(
        part if isinstance(part, str) else say(clock(part.at, near, zone))
        for part in moments_in(said, near)
    )


def clock(at: datetime, near: datetime, zone: tzinfo) -> str:
    """Return a moment as written next to another: with its day, if the day differs."""
    there = local(at, zone)
    return there if day(at, zone) == day(near, zone) else f"{day(at, zone)} {there}"


def ticks(start: datetime, end: datetime, most: int, zone: tzinfo) -> Iterator[Tick]:
    """Yield at most about `most` marks at round times in the zone.

    The first mark, and the first after each midnight, have the day. A mark after a change of offset
    has the offset, so that the hour that daylight saving repeats can be told from the one before.
    """
    step = next((s for s in _STEPS if (end - start).total_seconds() / s <= most), _STEPS[-1])
    at, shown_day, shown_offset = _aligned(start, step, zone), "", ""
    while at <= end:
        today, offset = day(at, zone), offset_name(at, zone)
        changes = [today] if today != shown_day else []
        if shown_offset and offset != shown_offset:
            changes.append(offset)
        shown_day, shown_offset = today, offset
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M"
        label = today if step >= _DAY else f"{at.astimezone(zone):{form}}"
        change = " ".join(c for c in changes if c != label)
        yield Tick(at, (label, change) if change else (label,))
        following = at + timedelta(seconds=step)
        moved = _offset(following, zone) != _offset(at, zone)
        at = _aligned(following, step, zone) if moved else following


def _aligned(at: datetime, step: int, zone: tzinfo) -> datetime:
    """Return the zone's next multiple of `step` seconds that is not before `at`."""
    offset = _offset(at, zone)
    there = -(-(at.timestamp() + offset) // step) * step
    return datetime.fromtimestamp(there - offset, UTC)


def _offset(at: datetime, zone: tzinfo) -> int:
    offset = at.astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds())
