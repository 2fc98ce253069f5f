"""Times as operators write and read them: `--for 2h30m`, `--at 14:03`, and the age `3m`.

A zone of None means the machine's own, as in `datetime.astimezone`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from quickstep.fields import (
    DURATION_RULE,
    FIRST_MOMENT,
    LAST_MOMENT,
    parse_duration,
    write_moment,
)
from quickstep.loop.schedules import LONGEST

if TYPE_CHECKING:
    from datetime import tzinfo

ForOption = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="How long it lasts, e.g. 2h30m.")
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="End: 18:00, 2026-11-26 18:00 or ISO 8601."),
]


def end_of(span: str | None, until: str | None, now: datetime) -> datetime:
    """Return the end that one of two options names.

    Raises:
        typer.BadParameter: both or neither are given, one is malformed, or the end has passed.
    """
    if (span is None) == (until is None):
        raise typer.BadParameter("give --for or --until")
    if span is not None:
        hint, end = "--for", now + read_span(span, "--for")
    else:
        hint, end = "--until", _read_end(until or "", now)
    if end <= now:
        why = f"must be after {write_moment(now)}, not {until or span!r}, which has passed"
        raise typer.BadParameter(why, param_hint=hint)
    if end - now > LONGEST:
        raise typer.BadParameter(f"must be within {LONGEST.days} days", param_hint=hint)
    return end


def _read_end(text: str, now: datetime) -> datetime:
    """Return the moment that a text names, in this machine's zone; of a time of day, the next."""
    moment = _clock_time(text, now, None)
    if moment and moment <= now:
        moment = _clock_time(text, now + timedelta(days=1), None)
    moment = moment or _full_time(text, None)
    if moment is None:
        rule = "must be a time like 18:00, 2026-11-26 18:00 or 2026-11-26T18:00:00Z"
        raise typer.BadParameter(f"{rule}, not {text!r}", param_hint="--until")
    return moment


def read_span(text: str, hint: str) -> timedelta:
    """Return a time span.

    Raises:
        typer.BadParameter: the text is not a time span.
    """
    span = parse_duration(text)
    if span is None:
        raise typer.BadParameter(f"{DURATION_RULE}, not {text!r}", param_hint=hint)
    return span


# --- a moment in the past -------------------------------------------------------------------------

MOMENT_RULE = (
    "must be a time like 14:03, 14:03:20, 2026-11-26 14:03 or 2026-11-26T14:03:00Z, or how long "
    "ago, like 2h30m"
)

UtcOption = Annotated[
    bool, typer.Option("--utc", help="Read and show times in UTC, not in this machine's zone.")
]


def zone_of(utc: bool) -> tzinfo | None:
    """Return the zone that `--utc` selects."""
    return UTC if utc else None


def read_past(text: str, hint: str, now: datetime, zone: tzinfo | None) -> datetime:
    """Return the past moment that a text names.

    Example: at 10:00, `14:03` means yesterday's, `9:58` today's, and `1h` means 9:00.

    Raises:
        typer.BadParameter: the text names no moment, or one in the future.
    """
    if span := parse_duration(text):
        return max(FIRST_MOMENT, now - span) if now - FIRST_MOMENT > span else FIRST_MOMENT
    moment = _clock_time(text, now, zone)
    if moment and moment > now:
        moment = _clock_time(text, now - timedelta(days=1), zone)
    moment = moment or _full_time(text, zone)
    if moment is None:
        raise typer.BadParameter(f"{MOMENT_RULE}, not {text!r}", param_hint=hint)
    if moment > now:
        why = f"must not be after now, {moment_text(now, zone)}, not {text!r}"
        raise typer.BadParameter(why, param_hint=hint)
    return moment


def _clock_time(text: str, day: datetime, zone: tzinfo | None) -> datetime | None:
    """Return a time of day on the day of a moment; None where the text is none."""
    found = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", text)
    if not found:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups())
    here = day.astimezone(zone)
    try:
        local = here.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
    except ValueError:
        return None
    return _in_zone(local, zone)


def _full_time(text: str, zone: tzinfo | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        moment = moment.astimezone(UTC) if moment.tzinfo else _in_zone(moment, zone)
    except (OverflowError, OSError):  # in the years 1 and 9999, a zone may leave the range
        return None
    return moment if FIRST_MOMENT <= moment < LAST_MOMENT else None


def _in_zone(local: datetime, zone: tzinfo | None) -> datetime:
    """Return a zone's local time in UTC; if an hour comes twice, the first."""
    return (local.replace(tzinfo=zone) if zone else local).astimezone(UTC)


# --- for display ----------------------------------------------------------------------------------

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FEW = 10
"""Below this many minutes, seconds are shown too; below this many days, hours."""


def span_text(span: timedelta) -> str:
    """Return a duration in kubectl's style: `8s`, `3m20s`, `45m`, `2h5m`, `12d`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _FEW * _MINUTE:
        return _two(seconds, (_MINUTE, "m"), (1, "s"))
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < _DAY:
        return _two(seconds, (_HOUR, "h"), (_MINUTE, "m"))
    if seconds < _FEW * _DAY:
        return _two(seconds, (_DAY, "d"), (_HOUR, "h"))
    return f"{seconds // _DAY}d"


def _two(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    rest = seconds % large[0] // small[0]
    return f"{seconds // large[0]}{large[1]}" + (f"{rest}{small[1]}" if rest else "")


def age_text(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or how far ahead it is: `3m`, `in 2h`."""
    return f"in {span_text(at - now)}" if at > now else span_text(now - at)


def moment_text(at: datetime, zone: tzinfo | None, now: datetime | None = None) -> str:
    """Return a moment to the second in a zone, with its date unless that is today's.

    Example: `11-26 14:03:12`, or `14:03:12` if `now` is on the same day.
    """
    here = at.astimezone(zone)
    today = now is not None and here.date() == now.astimezone(zone).date()
    return f"{here:%H:%M:%S}" if today else f"{here:%Y-%m-%d %H:%M:%S}"


def zone_text(at: datetime, zone: tzinfo | None) -> str:
    """Return a zone's name at a moment: `UTC`, `KST (UTC+9)`."""
    here = at.astimezone(zone)
    name, offset = here.tzname() or "", here.utcoffset() or timedelta()
    if not offset:
        return "UTC"
    hours, minutes = divmod(abs(int(offset.total_seconds())) // 60, 60)
    sign = "-" if offset < timedelta() else "+"
    shown = f"UTC{sign}{hours}{f':{minutes:02}' if minutes else ''}"
    return f"{name} ({shown})" if name.isalpha() else shown
