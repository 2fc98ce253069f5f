"""When something ends, as operators write it: `--for 2h30m` or `--until 2026-11-22T18:00:00Z`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quickstep.fields import DURATION_RULE, Field, Problems, parse_duration, write_moment
from quickstep.loop.schedules import LONGEST

if TYPE_CHECKING:
    from datetime import datetime, timedelta

ForOption = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="How long it holds, e.g. 2h30m.")
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="When it ends, e.g. 2026-11-22T18:00:00+01:00."),
]


def end_of(span: str | None, until: str | None, now: datetime) -> datetime:
    """Return the end that one of two options names.

    Raises:
        typer.BadParameter: both or neither are given, one cannot be read, or it is over already.
    """
    if (span is None) == (until is None):
        raise typer.BadParameter("give one of --for and --until: everything has an end")
    if span is not None:
        hint, end = "--for", now + read_span(span, "--for")
    else:
        hint, problems = "--until", Problems()
        end = Field(until, "", problems).moment()
        if problems.found:
            raise typer.BadParameter(str(problems.found[0]), param_hint=hint)
    if end <= now:
        why = f"must be after {write_moment(now)}, not {until or span!r}: it is over already"
        raise typer.BadParameter(why, param_hint=hint)
    if end - now > LONGEST:
        raise typer.BadParameter(f"must be within {LONGEST.days} days", param_hint=hint)
    return end


def read_span(text: str, hint: str) -> timedelta:
    """Return a time span.

    Raises:
        typer.BadParameter: it is none.
    """
    span = parse_duration(text)
    if span is None:
        raise typer.BadParameter(f"{DURATION_RULE}, not {text!r}", param_hint=hint)
    return span
