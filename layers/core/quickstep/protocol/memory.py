"""What is kept of a target between evaluations: one item, written by whoever holds its lease."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from quickstep.alarms.known import known_dict, read_known
from quickstep.engine.model import Launch, Removal, ScalingActivity, State
from quickstep.fields import (
    Field,
    InvalidDocumentError,
    Problems,
    read_optional_moment,
    write_moment,
    write_optional_moment,
)
from quickstep.protocol.line import read_turn, write_turn
from quickstep.protocol.operators import read_operators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.protocol.line import Turn


class CorruptItemError(InvalidDocumentError):
    """An item of the table that does not hold what a commit writes."""


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
        "removals": [
            {"at": write_moment(removal.at), "count": removal.count} for removal in state.removals
        ],
        "alarms": {policy: known_dict(known) for policy, known in memory.alarms.items()},
        "desired": memory.desired,
        "changed_at": write_optional_moment(memory.changed_at),
        "generation": memory.generation,
        "check_at": write_optional_moment(memory.check_at),
        "spent_before": write_optional_moment(memory.spent_before),
        "requested_at": write_optional_moment(memory.requested_at),
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
        state=replace(
            read_operators(item),
            scale_out=read_activity(present.get("scale_out")),
            scale_in=read_activity(present.get("scale_in")),
            launches=tuple(Launch(*each) for each in read_counts(present.get("launches"))),
            removals=tuple(Removal(*each) for each in read_counts(present.get("removals"))),
        ),
        alarms={policy: alarm for policy, f in alarms.items() if (alarm := read_known(f))},
        desired=present["desired"].integer(0) if "desired" in present else None,
        changed_at=read_optional_moment(present.get("changed_at")),
        generation=present["generation"].integer(0) if "generation" in present else 0,
        check_at=read_optional_moment(present.get("check_at")),
        spent_before=read_optional_moment(present.get("spent_before")),
        requested_at=read_optional_moment(present.get("requested_at")),
        turn=read_turn(present.get("turn")),
    )
    problems.raise_any(CorruptItemError)
    return memory


def read_counts(field: Field | None) -> Iterator[tuple[datetime, int]]:
    """Read a list of `{"at", "count"}`: launches, or removals."""
    for item in field.items() if field else []:
        members = item.members(required=("at", "count"))
        if {"at", "count"} <= members.keys():
            yield members["at"].moment(), members["count"].integer(0)


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
