"""What giving back has learnt, as the item keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickstep.engine.patience import LONGEST_WINDOW, MOST_TASKS, REMEMBERED, Level, Need, Patience
from quickstep.fields import read_optional_moment, write_moment, write_optional_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.fields import Field

MOST_ENTRIES = 1000


def patience_dict(known: Patience) -> dict[str, Any]:
    """Return what giving back remembers as JSON-ready data."""
    return {
        "tasks": known.tasks,
        "grown_at": write_moment(known.grown_at),
        "needs": [{"at": write_moment(need.at), "tasks": need.tasks} for need in known.needs],
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
    """Read what `patience_dict` wrote, by policy; what cannot be read is noted."""
    members = field.members() if field else {}
    return {name: known for name, each in members.items() if (known := _read(each))}


def _read(field: Field) -> Patience | None:
    keys = ("tasks", "grown_at", "needs", "levels")
    members = field.members(required=keys, optional=())
    if not set(keys) <= members.keys():
        return None
    needs = [_read_need(item) for item in members["needs"].items(at_most=MOST_ENTRIES)]
    levels = [_read_level(item) for item in members["levels"].items(at_most=MOST_ENTRIES)]
    return Patience(
        members["tasks"].integer(0, MOST_TASKS),
        members["grown_at"].moment(),
        tuple(sorted((need for need in needs if need), key=_at, reverse=True)),
        tuple(level for level in levels if level),
    )


def _at(need: Need) -> datetime:
    return need.at


def _read_need(field: Field) -> Need | None:
    members = field.members(required=("at", "tasks"), optional=())
    if not {"at", "tasks"} <= members.keys():
        return None
    return Need(members["at"].moment(), members["tasks"].integer(0))


def _read_level(field: Field) -> Level | None:
    keys = ("top", "window", "returned_at", "missed")
    members = field.members(required=keys, optional=())
    if not set(keys) <= members.keys():
        return None
    return Level(
        members["top"].integer(0, MOST_TASKS),
        members["window"].integer(0, LONGEST_WINDOW),
        read_optional_moment(members["returned_at"].optional()),
        tuple(item.boolean() for item in members["missed"].items(at_most=REMEMBERED)),
    )


def patience_as_of(known: Patience, past: Callable[[datetime], datetime]) -> Patience:
    """Return what is left of it where a host's clock was ahead that remembered it."""
    return replace(
        known,
        grown_at=past(known.grown_at),
        needs=tuple(replace(need, at=past(need.at)) for need in known.needs),
        levels=tuple(
            replace(level, returned_at=level.returned_at and past(level.returned_at))
            for level in known.levels
        ),
    )
