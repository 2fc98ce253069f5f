"""What patience has learnt about removing tasks, as the item stores it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickstep.engine.patience import LONGEST_WINDOW, MOST_TASKS, REMEMBERED, Level, Need, Patience
from quickstep.fields import write_moment, write_optional_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from quickstep.fields import Field

MOST_ENTRIES = 1000


def patience_dict(known: Patience) -> dict[str, Any]:
    """Return what is remembered about removing tasks as JSON-ready data."""
    return {
        "tasks": known.tasks,
        "grown_at": write_moment(known.grown_at),
        "needs": needs_list(known.needs),
        "levels": [
            {
                "top": level.top,
                "window": level.window,
                "returned_at": write_optional_moment(level.returned_at),
                "missed": list(level.missed),
            }
            for level in known.levels
        ],
    }


def read_patiences(field: Field | None) -> dict[str, Patience]:
    """Read what `patience_dict` wrote, by policy; note what is unreadable."""
    members = field.members() if field else {}
    return {name: _read(each) for name, each in members.items()}


def _read(field: Field) -> Patience:
    members = field.whole("tasks", "grown_at", "needs", "levels", strict=True)
    return Patience(
        members["tasks"].integer(0, MOST_TASKS),
        members["grown_at"].moment(),
        tuple(sorted(read_needs(members["needs"]), key=lambda need: need.at, reverse=True)),
        tuple(map(_read_level, members["levels"].items(at_most=MOST_ENTRIES))),
    )


def needs_list(needs: Iterable[Need]) -> list[dict[str, Any]]:
    """Return how many tasks were needed, and when, as JSON-ready data."""
    return [{"at": write_moment(need.at), "tasks": need.tasks} for need in needs]


def read_needs(field: Field) -> Iterator[Need]:
    """Yield what `needs_list` wrote; note what is unreadable."""
    for item in field.items(at_most=MOST_ENTRIES):
        members = item.whole("at", "tasks", strict=True)
        yield Need(members["at"].moment(), members["tasks"].integer(0))


def _read_level(field: Field) -> Level:
    members = field.whole("top", "window", "returned_at", "missed", strict=True)
    return Level(
        members["top"].integer(0, MOST_TASKS),
        members["window"].integer(0, LONGEST_WINDOW),
        members["returned_at"].optional_moment(),
        tuple(item.boolean() for item in members["missed"].items(at_most=REMEMBERED)),
    )


def patience_as_of(known: Patience, past: Callable[[datetime], datetime]) -> Patience:
    """Return it with times corrected that a host whose clock was ahead wrote."""
    return replace(
        known,
        grown_at=past(known.grown_at),
        needs=tuple(replace(need, at=past(need.at)) for need in known.needs),
        levels=tuple(
            replace(level, returned_at=level.returned_at and past(level.returned_at))
            for level in known.levels
        ),
    )
