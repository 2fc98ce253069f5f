"""What operators and schedules write to a target's item: overrides and a pause.

They write at any time, regardless of the lease; the next claim reads it with the memory.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from quickstep.config import MAX_TASKS
from quickstep.engine.model import Direction, Override, Pause, State
from quickstep.fields import (
    Field,
    Problem,
    Problems,
    write_moment,
    write_optional_moment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_T = TypeVar("_T")

SCHEDULED = "override:"
"""Prefix of the attributes of scheduled overrides, followed by the schedule's name."""

KEPT = timedelta(days=1)
"""How long an entry stays once it is over: an older one, delivered twice, must not replace it."""

MOST_SCHEDULES = 100
"""Schedules in one item, which keeps it far below the 400 KB that an item may have."""


def is_operators(attribute: str) -> bool:
    """Whether operators and schedules write an attribute of a target's item."""
    return attribute in ("override", "pause") or attribute.startswith(SCHEDULED)


def outlived(entries: Mapping[str, Any], now: datetime) -> list[str]:
    """Return the entries to delete: those long over, and those beyond the limit.

    Beyond the limit, schedules that are over go first, then those written last.
    """
    ends = {name: _end(name, entry) for name, entry in entries.items()}
    gone = [name for name, end in ends.items() if end and end + KEPT <= now]
    left = [name for name in entries if name.startswith(SCHEDULED) and name not in gone]

    def over(name: str) -> bool:
        end = ends[name]
        return end is not None and end <= now

    newest_first = sorted(left, key=lambda name: _written(entries[name]), reverse=True)
    first_to_go = sorted(newest_first, key=over, reverse=True)
    return [*gone, *first_to_go[: max(0, len(left) - MOST_SCHEDULES)]]


def _end(name: str, entry: Any) -> datetime | None:
    """Return when an entry is over; None if it has no readable end."""
    problems = Problems()
    field = Field(entry, name, problems)
    read = read_pause(field) if name == "pause" else read_override(field)
    return read.until if read and not problems.found else None


def _written(entry: Any) -> str:
    return str(entry.get("at", "")) if isinstance(entry, dict) else ""


def bounds_entry(
    bounds: tuple[int | None, int | None],
    until: datetime,
    *,
    reason: str,
    by: str,
    at: datetime,
    begins: datetime | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Return an override as an item's attribute; without a beginning, it holds at once."""
    minimum, maximum = bounds
    return {
        **({"from": write_moment(begins)} if begins else {}),
        "min": minimum,
        "max": maximum,
        "until": write_moment(until),
        "reason": reason,
        "by": by,
        "at": write_moment(at),
        **({"force": True} if force else {}),
    }


def entries_dict(state: State) -> dict[str, Any]:
    """Return what operators wrote, as their entries say it, but without who wrote it and when."""
    made = [("override", state.override), *((f"{SCHEDULED}{s.name}", s) for s in state.schedules)]
    entries: dict[str, Any] = {
        name: {
            "min": one.min_capacity,
            "max": one.max_capacity,
            "from": write_optional_moment(one.begins),
            "until": write_optional_moment(one.until),
            "reason": one.reason,
            "force": one.forced,
        }
        for name, one in made
        if one
    }
    if pause := state.pause:
        entries["pause"] = {
            "directions": sorted(pause.directions),
            "until": write_optional_moment(pause.until),
            "reason": pause.reason,
        }
    return entries


def bounds_text(minimum: int | None, maximum: int | None, *, force: bool = False) -> str:
    """Return bounds in words.

    Examples: `2 to 40`, `at least 20`, `at most 2 whatever the load`.
    """
    whatever = " whatever the load" if force else ""
    if minimum is not None and maximum is not None:
        return f"{minimum} to {maximum}{whatever}"
    return f"at most {maximum}{whatever}" if minimum is None else f"at least {minimum}{whatever}"


def read_operators(item: Mapping[str, Any]) -> State:
    """Return a state with what operators and schedules wrote; each entry is read separately."""
    found: list[Problem] = []

    def entry(key: str, read: Callable[[Field | None], _T]) -> _T | None:
        problems = Problems()
        field = Field(item.get(key), key, problems)
        value = read(field.optional())
        found.extend(problems.found)
        return None if problems.found else value

    schedules = []
    for key in sorted(item):
        name = key.removeprefix(SCHEDULED)
        if name != key and (schedule := entry(key, read_override)):
            schedules.append(replace(schedule, name=name))
    return State(
        override=entry("override", read_override),
        pause=entry("pause", read_pause),
        schedules=tuple(schedules),
        unreadable="; ".join(str(problem) for problem in found),
    )


def read_override(field: Field | None) -> Override | None:
    """Read `{"min", "max", "from", "until", "reason", "by", "at", "force"}`, all of them optional.

    `by` and `at` say who wrote it, and when; no decision uses them.
    """
    if field is None:
        return None
    keys = ("min", "max", "from", "until", "reason", "by", "at", "force")
    members = field.whole(optional=keys, strict=True)
    reason = members["reason"].optional()
    override = Override(
        members["min"].optional_integer(0, MAX_TASKS),
        members["max"].optional_integer(0, MAX_TASKS),
        members["until"].optional_moment(),
        reason.text() if reason else "",
        begins=members["from"].optional_moment(),
        forced=members["force"].boolean(),
    )
    lowest, highest = override.min_capacity, override.max_capacity
    if lowest is not None and highest is not None and lowest > highest:
        members["max"].wrong(f"must be at least min ({lowest})")
    return override


def read_pause(field: Field | None) -> Pause | None:
    """Read `{"directions", "until", "reason", "by", "at"}`; only the first is required."""
    if field is None:
        return None
    members = field.whole("directions", optional=("until", "reason", "by", "at"), strict=True)
    reason, listed = members["reason"].optional(), members["directions"].items(at_least=1)
    return Pause(
        frozenset(direction.choice(Direction) for direction in listed),
        members["until"].optional_moment(),
        reason.text() if reason else "",
    )
