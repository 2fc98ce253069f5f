"""The zone of this machine, which Python knows only moment by moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class MachineZone(tzinfo):
    """The zone of this machine as a zone like any other, through changes of daylight saving."""

    def fromutc(self, dt: datetime) -> datetime:
        """Return a moment of UTC on this machine's clock."""
        here = dt.replace(tzinfo=UTC).astimezone()
        shown = here.replace(tzinfo=self)
        # Of the hour that daylight saving repeats, the clock alone is the first.
        return shown if self.utcoffset(shown) == here.utcoffset() else shown.replace(fold=1)

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return how far the clock is ahead of UTC."""
        return dt.replace(tzinfo=None).astimezone().utcoffset() if dt else None

    def dst(self, dt: datetime | None) -> None:
        """Return nothing: what of the offset is daylight saving is not asked here."""
        del dt

    def tzname(self, dt: datetime | None) -> str | None:
        """Return what the machine calls it, e.g. `KST`."""
        return dt.replace(tzinfo=None).astimezone().tzname() if dt else None
