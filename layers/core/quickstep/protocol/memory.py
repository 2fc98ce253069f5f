"""What is kept of a target between evaluations: one item, written by its lease's holder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.known import known_dict, read_known
from quickstep.config import MAX_QUEUES
from quickstep.engine.model import Launch, Removal, ScalingActivity, State
from quickstep.fields import (
    Field,
    InvalidDocumentError,
    Problems,
    write_moment,
    write_optional_moment,
)
from quickstep.protocol.backlog import backlog_as_of, backlog_dict, read_backlog
from quickstep.protocol.counts import CLOCKS, Counts, counts_dict, read_counts
from quickstep.protocol.line import read_turn, write_turn
from quickstep.protocol.operators import is_operators, read_operators
from quickstep.protocol.patience import patience_as_of, patience_dict, read_patiences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog
    from quickstep.protocol.line import Turn


WAITING = "event:"
"""Prefix of the attributes that hold an alarm's event, followed by the policy's name."""

AHEAD = timedelta(seconds=60)
"""How far in the future others' times may be: no further than an event may be old."""

FORGOTTEN = timedelta(hours=1)
"""How long a deleted alarm is remembered; none of its events is on its way for longer."""

MOST_SURGES = 30
"""Looks that tasks may ask for in ten minutes, for each service; no more are remembered."""

LONGEST_CHECK = timedelta(minutes=15)
"""No re-check comes later: SQS cannot delay a message for longer."""


class CorruptItemError(InvalidDocumentError):
    """An item in the table that does not hold what a commit writes."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """When an alarm was found to be gone, and the datapoint it had acted on.

    Earlier events of the alarm are not acted on. If the alarm is created again, it sees the same
    datapoints.
    """

    at: datetime
    acted_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a target's item remembers from one evaluation to the next.

    `deleted` is when a policy's alarm was found to be gone; its earlier events are not acted on.
    `counts` are the desired counts that ECS may show. `generation` numbers the chain of re-checks:
    a message with another number is out of date. `check_at` is when the chain's next message is
    due; None without a chain. `requested_at` is when the newest answered capacity was requested.
    `turn` is what a target that ECS throttled waits for, until it has been judged. `listed` says
    that the target is in the list of remembered targets. `surges` are the times of recent looks
    that tasks asked for, oldest first. `queues` are the names of its queues, listed with the
    target. `backlog` is what is known about them; polls write it, too, even while someone holds the
    lease. `failed_at` is when the last evaluation failed, if it did. `incident` is the last
    evaluation's outcome, if that is announced only once.
    """

    state: State = field(default_factory=State)
    alarms: Mapping[str, KnownAlarm] = field(default_factory=dict)
    deleted: Mapping[str, Deletion] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    generation: int = 0
    check_at: datetime | None = None
    requested_at: datetime | None = None
    turn: Turn | None = None
    listed: bool = False
    surges: tuple[datetime, ...] = ()
    queues: tuple[str, ...] = ()
    backlog: Backlog | None = None
    failed_at: datetime | None = None
    incident: str = ""

    @property
    def desired(self) -> int | None:
        """The committed desired count."""
        return self.counts.committed

    def as_of(self, now: datetime) -> Memory:
        """Return the memory as it applies now.

        A time written by a host whose clock was ahead holds no longer than its rule allows from now
        on.

        Example: a cooldown of 10 s that began "in an hour" ends in 10 s, and a re-check due in an
        hour does not exist. If an alarm was deleted "in an hour", the deletion is forgotten,
        because it would outdate a new alarm of that name for all that time.
        """

        def past(at: datetime, ahead: timedelta = CLOCKS) -> datetime:
            return at if at <= now + ahead else now

        def activity(done: ScalingActivity | None) -> ScalingActivity | None:
            return replace(done, at=past(done.at)) if done else None

        state, check_at = self.state, self.check_at
        return replace(
            self,
            state=replace(
                state,
                scale_out=activity(state.scale_out),
                scale_in=activity(state.scale_in),
                launches=tuple(replace(each, at=past(each.at)) for each in state.launches),
                removals=tuple(replace(each, at=past(each.at)) for each in state.removals),
                patience={
                    policy: patience_as_of(known, past) for policy, known in state.patience.items()
                },
            ),
            alarms={
                name: replace(
                    known,
                    at=past(known.at, AHEAD),
                    acted_on=known.acted_on and past(known.acted_on),
                )
                for name, known in self.alarms.items()
            },
            deleted={
                name: gone
                for name, gone in self.deleted.items()
                if -AHEAD <= now - gone.at <= FORGOTTEN
            },
            counts=self.counts.as_of(now),
            check_at=check_at if check_at and check_at <= now + LONGEST_CHECK else None,
            requested_at=self.requested_at and past(self.requested_at, AHEAD),
            turn=self.turn and replace(self.turn, since=past(self.turn.since)),
            surges=tuple(past(at) for at in self.surges),
            backlog=self.backlog and backlog_as_of(self.backlog, past),
            failed_at=self.failed_at and past(self.failed_at),
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to evaluate a target, from `since` to `until`."""

    owner: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A granted lease, and what the item held at that moment.

    `waiting` is what events brought, by policy, while others held the lease; `mark` is who waited
    last. `entries` are the operators', unchanged.
    """

    memory: Memory
    waiting: Mapping[str, KnownAlarm] = field(default_factory=dict)
    mark: str = ""
    entries: Mapping[str, Any] = field(default_factory=dict)


# --- as plain data --------------------------------------------------------------------------------


def memory_dict(memory: Memory) -> dict[str, Any]:
    """Return what a commit writes, without the overrides and pause, which are the operators'."""
    state = memory.state
    return {
        "scale_out": _write_activity(state.scale_out),
        "scale_in": _write_activity(state.scale_in),
        "launches": [
            {"at": write_moment(launch.at), "count": launch.count, "from": launch.before}
            for launch in state.launches
        ],
        "removals": [
            {"at": write_moment(removal.at), "count": removal.count} for removal in state.removals
        ],
        "patience": {policy: patience_dict(known) for policy, known in state.patience.items()},
        "alarms": {policy: known_dict(known) for policy, known in memory.alarms.items()},
        "deleted": {
            policy: {
                "at": write_moment(gone.at),
                "acted_on": write_optional_moment(gone.acted_on),
            }
            for policy, gone in memory.deleted.items()
        },
        **counts_dict(memory.counts),
        "generation": memory.generation,
        "check_at": write_optional_moment(memory.check_at),
        "requested_at": write_optional_moment(memory.requested_at),
        "turn": write_turn(memory.turn),
        "listed": memory.listed,
        "surges": [write_moment(at) for at in memory.surges],
        "queues": list(memory.queues),
        "backlog": backlog_dict(memory.backlog) if memory.backlog else None,
        "failed_at": write_optional_moment(memory.failed_at),
        **({"incident": memory.incident} if memory.incident else {}),
    }


def read_claim(item: Mapping[str, Any]) -> Claim:
    """Read a target's item as a claim found it.

    Raises:
        CorruptItemError: see `read_memory`.
    """
    waiting = {}
    for key, value in item.items():
        if key.startswith(WAITING):
            problems = Problems()
            known = read_known(Field(value, key, problems))
            if not problems.found:  # of a damaged event nothing is known
                waiting[key.removeprefix(WAITING)] = known
    entries = {name: entry for name, entry in item.items() if is_operators(name)}
    return Claim(read_memory(item), waiting, str(item.get("mark", "")), entries)


def read_memory(item: Mapping[str, Any]) -> Memory:
    """Read a target's item, as plain data.

    Attributes that another version added are ignored. An operator's unreadable entry does not block
    scale-out: it is noted, and holds scale-in.

    Raises:
        CorruptItemError: an attribute is not what `memory_dict` writes.
    """
    problems = Problems()
    given = {key: value for key, value in item.items() if value is not None}
    known = Field(given, "", problems).whole(optional=_ATTRIBUTES)
    memory = Memory(
        state=replace(
            read_operators(item),
            scale_out=read_activity(known["scale_out"].optional()),
            scale_in=read_activity(known["scale_in"].optional()),
            launches=tuple(Launch(*each) for each in read_batches(known["launches"])),
            removals=tuple(Removal(at, count) for at, count, _ in read_batches(known["removals"])),
            patience=read_patiences(known["patience"]),
        ),
        alarms={policy: read_known(each) for policy, each in known["alarms"].members().items()},
        deleted={policy: _read_gone(each) for policy, each in known["deleted"].members().items()},
        counts=read_counts(known),
        generation=known["generation"].integer(0),
        check_at=known["check_at"].optional_moment(),
        requested_at=known["requested_at"].optional_moment(),
        turn=read_turn(known["turn"].optional()),
        listed=known["listed"].boolean(),
        surges=tuple(at.moment() for at in known["surges"].items(at_most=MOST_SURGES)),
        queues=tuple(each.text() for each in known["queues"].items(at_most=MAX_QUEUES)),
        backlog=read_backlog(known["backlog"].optional()),
        failed_at=known["failed_at"].optional_moment(),
        incident=known["incident"].text(),
    )
    problems.raise_any(CorruptItemError)
    return memory


def read_batches(field: Field) -> Iterator[tuple[datetime, int, int | None]]:
    """Read a list of `{"at", "count"}`: launches, which may also have a `"from"`, or removals."""
    for item in field.items():
        members = item.whole("at", "count", optional=("from",))
        before = members["from"].optional_integer(0)
        yield members["at"].moment(), members["count"].integer(0), before


def _read_gone(field: Field) -> Deletion:
    members = field.whole("at", optional=("acted_on",), strict=True)
    return Deletion(members["at"].moment(), members["acted_on"].optional_moment())


def _write_activity(activity: ScalingActivity | None) -> dict[str, Any] | None:
    if activity is None:
        return None
    return {"at": write_moment(activity.at), "from": activity.before, "to": activity.after}


def read_activity(field: Field | None) -> ScalingActivity | None:
    """Read `{"at", "from", "to"}`; None if missing."""
    if field is None:
        return None
    members = field.whole("at", "from", "to")
    return ScalingActivity(
        members["at"].moment(), members["from"].integer(0), members["to"].integer(0)
    )


_ATTRIBUTES = tuple(memory_dict(Memory(incident="any")))
"""All attributes that a commit may write; `incident` only during one."""
