"""This machine's time zone, which Python exposes only moment by moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class MachineZone(tzinfo):
    """This machine's zone as an ordinary `tzinfo`, across daylight saving changes."""

    def fromutc(self, dt: datetime) -> datetime:
        """Return a UTC moment on this machine's clock."""
        here = dt.replace(tzinfo=UTC).astimezone()
        shown = here.replace(tzinfo=self)
        # In the hour that daylight saving repeats, the clock alone means the first.
        return shown if self.utcoffset(shown) == here.utcoffset() else shown.replace(fold=1)

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return how far the clock is ahead of UTC."""
        return dt.replace(tzinfo=None).astimezone().utcoffset() if dt else None

    def dst(self, dt: datetime | None) -> None:
        """Return None: nothing here asks for the daylight saving share of the offset."""
        del dt

    def tzname(self, dt: datetime | None) -> str | None:
        """Return the machine's name for it, e.g. `KST`."""
        return dt.replace(tzinfo=None).astimezone().tzname() if dt else None
