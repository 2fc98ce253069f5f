"""Moments as the viewer reads them: in a zone of theirs, with UTC beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 365)),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis: its label, UTC where that differs, and a change of day or offset."""

    at: datetime
    label: str
    utc: str
    change: str

    @property
    def lines(self) -> list[str]:
        """What stands below the mark, line by line."""
        return [line for line in (self.label, self.utc, self.change) if line]


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


def ticks(start: datetime, end: datetime, most: int, zone: tzinfo) -> Iterator[Tick]:
    """Yield at most about `most` marks at round times of the zone.

    The day stands at the first mark and after each midnight; the offset where it has changed, so
    that the hour that daylight saving repeats can be told from the one before.
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
        utc = "" if offset == "UTC" else f"{at.astimezone(UTC):{form}}Z"
        yield Tick(at, label, utc, " ".join(c for c in changes if c != label))
        following = at + timedelta(seconds=step)
        moved = _offset(following, zone) != _offset(at, zone)
        at = _aligned(following, step, zone) if moved else following


def _aligned(at: datetime, step: int, zone: tzinfo) -> datetime:
    """Return the first multiple of `step` seconds of the zone's clock that is not before."""
    offset = _offset(at, zone)
    there = -(-(at.timestamp() + offset) // step) * step
    return datetime.fromtimestamp(there - offset, UTC)


def _offset(at: datetime, zone: tzinfo) -> int:
    offset = at.astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds())
