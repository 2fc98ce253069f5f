"""Bugs to plant in the scaler. The simulation has to find each of them, or a test that it names.

`python -m tests.simulation.run --planted` looks for a seed that finds each, and keeps it in FOUND.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quickstep.engine import decide as deciding
from quickstep.engine import guards, step_policy
from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.loop import capacity, cycle, door, heartbeat, learning, next_look, observing, waiting
from quickstep.loop.next_look import Check
from quickstep.loop.observing import Observer
from quickstep.protocol import counts, line
from quickstep.protocol.counts import Counts, Meaning
from quickstep.protocol.memory import Claim, Lease, Memory, memory_dict
from quickstep.protocol.messages import Recheck
from quickstep.protocol.ports import CallFailedError, OutOfDate
from quickstep_lab import in_memory
from quickstep_lab.in_memory import InMemoryTargets, call
from tests.simulation import world
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from quickstep.alarms.event import AlarmEvent
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import Alarm, Decision
    from quickstep.protocol.line import Turn
    from quickstep.protocol.records import DecisionRecord

FOUND = Path(__file__).with_name("planted.json")
"""The first seed that finds each bug."""

_claim: Callable[..., Claim | Lease | OutOfDate] = unwrap(InMemoryTargets.claim)
_commit = unwrap(InMemoryTargets.commit)
_peek = unwrap(InMemoryTargets.peek)
_line_up = waiting.line_up
_decide = deciding.decide
_next_check = next_look.next_check
_memory_dict = memory_dict
_meaning = Counts.meaning


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug: what it replaces, and the unit test that finds it where the simulation need not."""

    patches: tuple[tuple[Any, str, Any], ...]
    unit_test: str = ""


def bug(owner: Any, attribute: str, value: Any, unit_test: str = "") -> Bug:
    """Return the bug of one replacement."""
    return Bug(((owner, attribute, value),), unit_test)


# --- of the table ---------------------------------------------------------------------------------


@call("claim")
def _claim_whatever_the_lease(
    self: InMemoryTargets, resource_id: str, lease: Lease, generation: int | None = None
) -> Claim | Lease | OutOfDate:
    self.items[resource_id].lease = None
    return _claim(self, resource_id, lease, generation)


@call("claim")
def _claim_whatever_the_generation(
    self: InMemoryTargets, resource_id: str, lease: Lease, _generation: int | None = None
) -> Claim | Lease | OutOfDate:
    return _claim(self, resource_id, lease)


@call("claim")
def _never_take_over(
    self: InMemoryTargets, resource_id: str, lease: Lease, generation: int | None = None
) -> Claim | Lease | OutOfDate:
    held = self.items[resource_id].lease
    return held or _claim(self, resource_id, lease, generation)


@call("peek")
def _peek_without_lease(self: InMemoryTargets, resource_id: str) -> tuple[Memory, Lease | None]:
    return _peek(self, resource_id)[0], None


def _commit_changed(
    change: Callable[[Memory], Memory], *, recorded: bool = True, heeded: bool = True
) -> Callable[..., bool]:
    @call("commit")
    def commit(
        self: InMemoryTargets, owner: str, memory: Memory, record: DecisionRecord, *claim: Claim
    ) -> bool:
        waited = bool(_commit(self, owner, change(memory), record, *claim))
        if not recorded and record.outcome.changes_capacity:
            self.records.pop()
        return waited and heeded

    return commit


@call("commit")
def _commit_and_keep_the_lease(
    self: InMemoryTargets, owner: str, memory: Memory, record: DecisionRecord, *claim: Claim
) -> bool:
    lease = self.items[record.resource_id].lease
    waited = bool(_commit(self, owner, memory, record, *claim))
    self.items[record.resource_id].lease = lease
    return waited


def _without_cooldown(memory: Memory) -> Memory:
    return replace(memory, state=replace(memory.state, scale_out=None, scale_in=None))


def _unchanged(memory: Memory) -> Memory:
    return memory


def _without_spent_datapoints(memory: Memory) -> Memory:
    alarms = {name: replace(known, acted_on=None) for name, known in memory.alarms.items()}
    return replace(memory, alarms=alarms)


def _not_stored(attribute: str) -> Bug:
    """Return the bug of an item that lacks an attribute of the memory."""

    def written(memory: Memory) -> dict[str, Any]:
        return {**_memory_dict(memory), attribute: None}

    return bug(world, "memory_dict", written)


def _not_stored_of_alarms(key: str, value: Any = None) -> Bug:
    def written(memory: Memory) -> dict[str, Any]:
        data = _memory_dict(memory)
        alarms = {name: {**alarm, key: value} for name, alarm in data["alarms"].items()}
        return {**data, "alarms": alarms}

    return bug(world, "memory_dict", written)


# --- of the loop ----------------------------------------------------------------------------------


def _refused() -> CallFailedError:
    return CallFailedError(Outcome.FAILED_DENIED, "AccessDeniedException")


def _shown_again(
    event: AlarmEvent, _known: KnownAlarm, _now: datetime
) -> tuple[Alarm, datetime | None]:
    return event.alarm, event.newest


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _meaning_without(**gone: Any) -> Callable[[Counts, int], Meaning]:
    def meaning(self: Counts, number: int) -> Meaning:
        return _meaning(replace(self, **gone), number)

    return meaning


def _meaning_as(other: dict[Meaning, Meaning]) -> Callable[[Counts, int], Meaning]:
    def meaning(self: Counts, number: int) -> Meaning:
        found = _meaning(self, number)
        return other.get(found, found)

    return meaning


def _sent_once(_target: Any, _memory: Memory, decision: Decision, _draft: Any) -> Decision | None:
    return decision if decision.outcome.changes_capacity else None


def _kept(*arguments: Any) -> tuple[Turn | None, timedelta | None]:
    turn, wait = _line_up(*arguments)
    memory = arguments[2]
    return turn or memory.turn, wait


def _no_sweep(_self: World, _token: str | None) -> tuple[dict[Any, Any], None]:
    return {}, None


def _first_page_of_one(self: World, _token: str | None) -> tuple[dict[Any, Any], None]:
    return dict(list(self.alarms.items())[:1]), None


def _check_whatever_came(*_: Any, **__: Any) -> Check:
    return Check(timedelta(seconds=10))


def _no_check_after(*outcomes: Outcome) -> Callable[..., Check | None]:
    def check(memory: Memory, record: DecisionRecord, *others: Any) -> Check | None:
        return None if record.outcome in outcomes else _next_check(memory, record, *others)

    return check


def _checked_at_once(*arguments: Any) -> Check | None:
    check = _next_check(*arguments)
    return replace(check, delay=timedelta(seconds=1)) if check else None


def _decided_as(change: Callable[[Decision], Decision]) -> Callable[..., Decision]:
    def decide(*arguments: Any) -> Decision:
        decision = _decide(*arguments)
        return change(decision) if decision.outcome.changes_capacity else decision

    return decide


def _on_the_wrong_direction(decision: Decision) -> Decision:
    state = decision.state
    turned = replace(state, scale_out=state.scale_in, scale_in=state.scale_out)
    return replace(decision, state=turned)


def _doubled(decision: Decision) -> Decision:
    return replace(decision, granted=2 * decision.granted - decision.before)


def _wet(target: Any, *others: Any) -> Decision:
    return _decide(replace(target, dry_run=False), *others)


def _learn_nothing(_target: Any, memory: Memory, *_: Any) -> Memory:
    return memory


def _always_fresh(_self: Observer, look: Any, _now: datetime) -> AlarmEvent | None:
    event: AlarmEvent | None = look.event
    return event


def _recheck_of_the_generation_before(service: Any, generation: int, *others: Any) -> Any:
    return _Recheck(service, generation - 1, *others)


_Recheck = Recheck


def _unbounded(_case: Any, proposal: Any, _direction: Any) -> Any:
    return proposal


def _everything_is_wrong(_target: Any, _look: Any, **_: Any) -> bool:
    return True


def _deleted_alarms_are_kept(target: Any, memory: Memory, look: Any, *waiting: Any) -> Memory:
    return _learn(target, memory, replace(look, complete=False), *waiting)


def _learn_without_waiting(target: Any, memory: Memory, look: Any, *_: Any) -> Memory:
    return _learn(target, memory, look)


_learn = learning.learn


def _state_of_any_age(known: KnownAlarm | None, described: KnownAlarm) -> KnownAlarm:
    last = _described(known, described)
    return replace(last, state=described.state, at=described.at)


_described = learning._described  # noqa: SLF001 - it is the bug's place


MUTATIONS: dict[str, Bug] = {
    # The lease, and who dies with it.
    "no lease condition": bug(InMemoryTargets, "claim", _claim_whatever_the_lease),
    "an ended lease is never taken over": bug(InMemoryTargets, "claim", _never_take_over),
    "a lease shorter than the time-out": bug(cycle, "LEASE", timedelta(seconds=1)),
    "a lease longer than promised": bug(cycle, "LEASE", timedelta(seconds=40)),
    "a commit keeps the lease": bug(InMemoryTargets, "commit", _commit_and_keep_the_lease),
    "no recovery": bug(cycle, "adopted", _nothing),
    "the heartbeat sees no dead holder": bug(InMemoryTargets, "peek", _peek_without_lease),
    "an unanswered call is taken for a refused one": bug(world, "unheard", _refused),
    "records are not in the transaction": bug(
        InMemoryTargets, "commit", _commit_changed(_unchanged, recorded=False)
    ),
    # What ECS shows.
    "what is asked for is not written down": bug(InMemoryTargets, "ask", _nothing),
    "what is asked for is not sent again": bug(cycle, "insist", _sent_once),
    "a stale number is a hand's": bug(Counts, "meaning", _meaning_without(replaced=())),
    "an echo is a hand's": bug(Counts, "meaning", _meaning_without(asked=None)),
    "a late call is a hand's": bug(Counts, "meaning", _meaning_without(late=())),
    "a hand's number is a stale one": bug(
        Counts, "meaning", _meaning_as({Meaning.FOREIGN: Meaning.STALE})
    ),
    "a hand's number is a late call": bug(
        Counts, "meaning", _meaning_as({Meaning.FOREIGN: Meaning.LATE})
    ),
    "a late call is a stale number": bug(
        Counts, "meaning", _meaning_as({Meaning.LATE: Meaning.STALE})
    ),
    "stale numbers are trusted after a second": bug(counts, "STALE", timedelta(seconds=-1)),
    "stale numbers are known for an hour": bug(counts, "STALE", timedelta(hours=1)),
    "late calls are known for five seconds": bug(counts, "LATE", timedelta(seconds=5)),
    "late calls are known for an hour": bug(counts, "LATE", timedelta(hours=1)),
    "no number is ever refused": bug(Counts, "refusal", _nothing),
    "a scale-out counts from what is seen": bug(Memory, "desired", property(lambda _self: None)),
    "times ahead of now are believed": bug(Memory, "as_of", lambda memory, _now: memory),
    # What is acted on.
    "cooldowns are not committed": bug(
        InMemoryTargets, "commit", _commit_changed(_without_cooldown)
    ),
    "cooldowns are on the wrong direction": bug(
        cycle, "decide", _decided_as(_on_the_wrong_direction)
    ),
    "a scale-out heeds no cooldown": bug(step_policy, "scale_out_cooldown", _nothing),
    "a scale-in heeds no cooldown": bug(step_policy, "scale_in_cooldown", _nothing),
    "every step is taken twice": bug(cycle, "decide", _decided_as(_doubled)),
    "bounds are not heeded": bug(guards, "_bound", _unbounded),
    "a pause is not heeded": bug(guards, "_pause", _unbounded),
    "a dry run is not heeded": bug(cycle, "decide", _wet),
    "capacity is not brought back into its bounds": bug(cycle, "correct", _nothing),
    "spent datapoints are forgotten": bug(
        InMemoryTargets, "commit", _commit_changed(_without_spent_datapoints)
    ),
    "an event's datapoint counts whenever it comes": bug(observing, "_shown", _shown_again),
    "an event's datapoint counts however old it is": bug(Observer, "_fresh", _always_fresh),
    "an event is known by nothing": bug(learning, "_known_event", _nothing),
    "a request is known by nothing": bug(learning, "_known_wish", _nothing),
    "nothing is learnt from a look": bug(cycle, "learn", _learn_nothing),
    "a deleted alarm is remembered": bug(cycle, "learn", _deleted_alarms_are_kept),
    "a described state wins over a newer one": bug(learning, "_described", _state_of_any_age),
    # The chain of re-checks, and the heartbeat behind it.
    "chain generation ignored": bug(InMemoryTargets, "claim", _claim_whatever_the_generation),
    "a re-check of the wrong generation": bug(cycle, "Recheck", _recheck_of_the_generation_before),
    "the next check is never sent": bug(World, "send", _nothing),
    "the chain never ends": bug(cycle, "next_check", _check_whatever_came),
    "the chain hurries": bug(cycle, "next_check", _checked_at_once),
    "a cooldown ends the chain": bug(cycle, "next_check", _no_check_after(Outcome.HELD_COOLDOWN)),
    "a change ends the chain": bug(cycle, "next_check", _no_check_after(Outcome.SCALED_OUT)),
    "no second look for a newer datapoint": bug(next_look, "MAX_ATTEMPTS_FOR_NEWER", 0),
    "who loses a race does not come back": bug(door, "MAX_RACES", 0),
    "who loses a race leaves nothing": bug(InMemoryTargets, "wait", lambda *_, **__: True),
    "who was waited for does not look again": bug(
        InMemoryTargets, "commit", _commit_changed(_unchanged, heeded=False)
    ),
    "what waited is not learnt": bug(cycle, "learn", _learn_without_waiting),
    "the heartbeat sees no target without alarms": bug(InMemoryTargets, "listed", lambda _self: []),
    "the heartbeat sees no alarm": bug(World, "page", _no_sweep),
    "the heartbeat sees the first alarm only": bug(World, "page", _first_page_of_one),
    "the heartbeat sees no dead chain": bug(heartbeat, "OVERDUE", timedelta(days=1)),
    "the heartbeat learns nothing": bug(heartbeat, "learn", _learn_nothing),
    "the heartbeat evaluates everything": bug(heartbeat, "shows_work", _everything_is_wrong),
    # The line.
    "its turn never comes": bug(cycle, "still_waits", lambda *_: timedelta(seconds=5)),
    "nobody's standstill is noticed": bug(line, "STANDSTILL", timedelta(days=1)),
    "a turn is kept for good": bug(cycle, "line_up", _kept),
    "nobody is ever served": bug(cycle, "served", _nothing),
    "a throttled call is repeated without end": bug(
        capacity, "RETRY_SLEEPS", (timedelta(seconds=0.2),) * 30
    ),
    "a throttle ends the chain": bug(next_look, "MAX_THROTTLES", 0),
    "entries that are over stay": bug(in_memory, "outlived", lambda *_: []),
    # The item: what is not stored is lost.
    "generation is not stored": _not_stored("generation"),
    "check_at is not stored": _not_stored("check_at"),
    "desired is not stored": _not_stored("desired"),
    "what is asked for is not stored": _not_stored("asked"),
    "what was replaced is not stored": _not_stored("replaced"),
    "late calls are not stored": _not_stored("late"),
    "requested_at is not stored": _not_stored("requested_at"),
    "turn is not stored": _not_stored("turn"),
    "scale_out is not stored": _not_stored("scale_out"),
    "scale_in is not stored": _not_stored("scale_in"),
    "alarms' acted_on is not stored": _not_stored_of_alarms("acted_on"),
    "alarms' definitions are not stored": _not_stored_of_alarms("definition"),
    "alarms' states are stored as OK": _not_stored_of_alarms("state", str(AlarmState.OK)),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted."""
    with ExitStack() as stack:
        for owner, attribute, value in MUTATIONS[name].patches:
            stack.enter_context(patch.object(owner, attribute, value))
        yield


def known_seeds() -> dict[str, int]:
    """Return the seed that finds each bug."""
    found: dict[str, int] = json.loads(FOUND.read_text(encoding="utf-8"))
    return found
