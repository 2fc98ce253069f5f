"""What is kept of a target between evaluations: one item, written by whoever holds its lease."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from quickstep.alarms.definition import AlarmDefinition, definition_dict, read_definition
from quickstep.engine.model import (
    AlarmState,
    Direction,
    Launch,
    Override,
    Pause,
    ScalingActivity,
    State,
)
from quickstep.fields import Field, InvalidDocumentError, Problem, Problems, write_moment
from quickstep.protocol.line import LANES, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_T = TypeVar("_T")


SCHEDULED = "override:"
"""What the attributes of scheduled overrides begin with; the schedule's name follows."""


def is_operators(attribute: str) -> bool:
    """Whether an attribute of a target's item is written by operators and schedules."""
    return attribute in ("override", "pause") or attribute.startswith(SCHEDULED)


class CorruptItemError(InvalidDocumentError):
    """An item of the table that does not hold what a commit writes."""


@dataclass(frozen=True, slots=True)
class KnownAlarm:
    """What is known of a policy's alarm: its newest transition, and how to read its metric.

    `acted_on` is the newest datapoint that has changed capacity: it never does so again. `muted`
    holds until `muted_until`, or, where that is None, until the next transition. `disabled` says
    that the alarm's actions are switched off.
    """

    state: AlarmState
    at: datetime
    definition: AlarmDefinition | None = None
    acted_on: datetime | None = None
    muted: bool = False
    muted_until: datetime | None = None
    disabled: bool = False

    def silenced(self, now: datetime) -> bool:
        """Whether an operator does not want the alarm answered at `now`."""
        return self.disabled or (
            self.muted and (self.muted_until is None or now < self.muted_until)
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """What a target's item remembers from one evaluation to the next.

    `desired` is the desired count as of the last commit, `changed_at` when ECS accepted the last
    committed change. `generation` numbers the chain of re-checks: a message of another number is
    out of date; `check_at` is when the chain's next message is due, None while there is no chain.
    A datapoint that begins before `spent_before` may have been acted on by a holder that died.
    `requested_at` is when the newest capacity was asked for that has been answered. `turn` is what
    a target waits for that ECS has throttled, until it has been judged.
    """

    state: State = field(default_factory=State)
    alarms: Mapping[str, KnownAlarm] = field(default_factory=dict)
    desired: int | None = None
    changed_at: datetime | None = None
    generation: int = 0
    check_at: datetime | None = None
    spent_before: datetime | None = None
    requested_at: datetime | None = None
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to evaluate a target, from `since` to `until`."""

    owner: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease that was granted, what the target remembers, and the lease it was taken over from.

    An `abandoned` lease ended without being released: its owner may have died with a change made
    and not committed.
    """

    memory: Memory
    abandoned: Lease | None = None


# --- as plain data --------------------------------------------------------------------------------


def memory_dict(memory: Memory) -> dict[str, Any]:
    """Return what a commit writes. Overrides and pause are the operators', and left alone."""
    state = memory.state
    return {
        "scale_out": _write_activity(state.scale_out),
        "scale_in": _write_activity(state.scale_in),
        "launches": [
            {"at": write_moment(launch.at), "count": launch.count} for launch in state.launches
        ],
        "alarms": {policy: _write_alarm(known) for policy, known in memory.alarms.items()},
        "desired": memory.desired,
        "changed_at": _write(memory.changed_at),
        "generation": memory.generation,
        "check_at": _write(memory.check_at),
        "spent_before": _write(memory.spent_before),
        "requested_at": _write(memory.requested_at),
        "turn": write_turn(memory.turn),
    }


def read_memory(item: Mapping[str, Any]) -> Memory:
    """Read a target's item, as plain data.

    Attributes that another version has written beside the known ones are left aside. What operators
    wrote and cannot be read keeps nobody from scaling out: it is noted, and holds scale-in.

    Raises:
        CorruptItemError: an attribute is not what `memory_dict` writes.
    """
    problems = Problems()
    item_fields = {key: Field(value, key, problems) for key, value in item.items()}
    present = {key: member for key, member in item_fields.items() if member.value is not None}
    alarms = present["alarms"].members() if "alarms" in present else {}
    memory = Memory(
        state=State(
            scale_out=read_activity(present.get("scale_out")),
            scale_in=read_activity(present.get("scale_in")),
            launches=_read_launches(present.get("launches")),
            **_read_operators(item),
        ),
        alarms={policy: alarm for policy, f in alarms.items() if (alarm := _read_alarm(f))},
        desired=present["desired"].integer(0) if "desired" in present else None,
        changed_at=read_moment(present.get("changed_at")),
        generation=present["generation"].integer(0) if "generation" in present else 0,
        check_at=read_moment(present.get("check_at")),
        spent_before=read_moment(present.get("spent_before")),
        requested_at=read_moment(present.get("requested_at")),
        turn=read_turn(present.get("turn")),
    )
    problems.raise_any(CorruptItemError)
    return memory


class _Operators(TypedDict):
    override: Override | None
    pause: Pause | None
    schedules: tuple[Override, ...]
    unreadable: str


def _read_operators(item: Mapping[str, Any]) -> _Operators:
    """Read what operators and schedules wrote, each entry by itself."""
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
    return {
        "override": entry("override", read_override),
        "pause": entry("pause", read_pause),
        "schedules": tuple(schedules),
        "unreadable": "; ".join(str(problem) for problem in found),
    }


def _read_launches(field: Field | None) -> tuple[Launch, ...]:
    launches = []
    for item in field.items() if field else []:
        members = item.members(required=("at", "count"))
        if {"at", "count"} <= members.keys():
            launches.append(Launch(members["at"].moment(), members["count"].integer(0)))
    return tuple(launches)


def read_moment(field: Field | None) -> datetime | None:
    """Read a time, where there is one."""
    return None if field is None or field.value is None else field.moment()


def _write(moment: datetime | None) -> str | None:
    return None if moment is None else write_moment(moment)


def write_turn(turn: Turn | None) -> dict[str, Any] | None:
    """Return what a throttled target waits for, as JSON-ready data."""
    if turn is None:
        return None
    return {"since": write_moment(turn.since), "lane": turn.lane, "number": turn.number}


def read_turn(field: Field | None) -> Turn | None:
    """Read `{"since", "lane", "number"}`; None where there is none, or after a problem."""
    if field is None:
        return None
    members = field.members(required=("since",), optional=("lane", "number"))
    if "since" not in members:
        return None
    lane, number = _present(members, "lane"), _present(members, "number")
    return Turn(
        members["since"].moment(),
        lane.integer(0, LANES - 1) if lane else None,
        number.integer(1) if number else None,
    )


def _write_alarm(known: KnownAlarm) -> dict[str, Any]:
    return {
        "state": str(known.state),
        "at": write_moment(known.at),
        "definition": definition_dict(known.definition) if known.definition else None,
        "acted_on": _write(known.acted_on),
        "muted": known.muted,
        "muted_until": _write(known.muted_until),
        "disabled": known.disabled,
    }


def _read_alarm(field: Field) -> KnownAlarm | None:
    members = field.members(required=("state", "at"))
    if not {"state", "at"} <= members.keys():
        return None
    definition = _present(members, "definition")
    return KnownAlarm(
        state=members["state"].choice(AlarmState),
        at=members["at"].moment(),
        definition=read_definition(definition) if definition else None,
        acted_on=read_moment(members.get("acted_on")),
        muted=_is_set(members, "muted"),
        muted_until=read_moment(members.get("muted_until")),
        disabled=_is_set(members, "disabled"),
    )


def _is_set(members: Mapping[str, Field], key: str) -> bool:
    return members[key].boolean() if key in members else False


def _present(members: Mapping[str, Field], key: str) -> Field | None:
    return members[key].optional() if key in members else None


def _write_activity(activity: ScalingActivity | None) -> dict[str, Any] | None:
    if activity is None:
        return None
    return {"at": write_moment(activity.at), "from": activity.before, "to": activity.after}


def read_activity(field: Field | None) -> ScalingActivity | None:
    """Read `{"at", "from", "to"}`; None where there is none, or after a problem."""
    if field is None:
        return None
    members = field.members(required=("at", "from", "to"))
    if not {"at", "from", "to"} <= members.keys():
        return None
    return ScalingActivity(
        members["at"].moment(), members["from"].integer(0), members["to"].integer(0)
    )


def read_override(field: Field | None) -> Override | None:
    """Read `{"min", "max", "until", "reason", "by", "at"}`, each of them optional.

    `by` and `at` say who wrote it, and when; no decision looks at them.
    """
    if field is None:
        return None
    members = field.members(optional=("min", "max", "until", "reason", "by", "at"))
    minimum, maximum = _present(members, "min"), _present(members, "max")
    until, reason = _present(members, "until"), _present(members, "reason")
    override = Override(
        minimum.integer(0) if minimum else None,
        maximum.integer(0) if maximum else None,
        until.moment() if until else None,
        reason.text() if reason else "",
    )
    lowest, highest = override.min_capacity, override.max_capacity
    if lowest is not None and highest is not None and lowest > highest:
        members["max"].wrong(f"must be at least min ({lowest})")
    return override


def read_pause(field: Field | None) -> Pause | None:
    """Read `{"directions", "until", "reason", "by", "at"}`, of which only the first is required."""
    if field is None:
        return None
    members = field.members(required=("directions",), optional=("until", "reason", "by", "at"))
    until, reason = _present(members, "until"), _present(members, "reason")
    listed = members["directions"].items(at_least=1) if "directions" in members else []
    return Pause(
        frozenset(direction.choice(Direction) for direction in listed),
        until.moment() if until else None,
        reason.text() if reason else "",
    )
