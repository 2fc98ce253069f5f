"""Bugs to plant in the protocol. The simulation has to find each of them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from inspect import unwrap
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quickstep.engine.outcome import Outcome
from quickstep.loop import cycle, observing, waiting
from quickstep.protocol import line
from quickstep.protocol.counts import Counts, Meaning
from quickstep.protocol.ports import CallFailedError, OutOfDate
from quickstep_lab.in_memory import InMemoryTargets, call
from tests.simulation import world
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from quickstep.alarms.event import AlarmEvent
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import Alarm
    from quickstep.protocol.line import Turn
    from quickstep.protocol.memory import Claim, Lease, Memory
    from quickstep.protocol.records import DecisionRecord

_claim: Callable[..., Claim | Lease | OutOfDate] = unwrap(InMemoryTargets.claim)
_commit = unwrap(InMemoryTargets.commit)
_meaning = Counts.meaning
_line_up = waiting.line_up


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


def _commit_changed(
    change: Callable[[Memory], Memory], *, recorded: bool = True
) -> Callable[..., bool]:
    @call("commit")
    def commit(
        self: InMemoryTargets, owner: str, memory: Memory, record: DecisionRecord, *claim: Claim
    ) -> bool:
        waited = bool(_commit(self, owner, change(memory), record, *claim))
        if not recorded and record.outcome.changes_capacity:
            self.records.pop()
        return waited

    return commit


def _without_cooldown(memory: Memory) -> Memory:
    return replace(memory, state=replace(memory.state, scale_out=None, scale_in=None))


def _unchanged(memory: Memory) -> Memory:
    return memory


def _without_spent_datapoints(memory: Memory) -> Memory:
    alarms = {name: replace(known, acted_on=None) for name, known in memory.alarms.items()}
    return replace(memory, alarms=alarms)


def _refused() -> CallFailedError:
    return CallFailedError(Outcome.FAILED_DENIED, "AccessDeniedException")


def _shown_again(
    event: AlarmEvent, _known: KnownAlarm, _now: datetime
) -> tuple[Alarm, datetime | None]:
    return event.alarm, event.newest


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _never_stale(self: Counts, number: int) -> Meaning:
    return _meaning(replace(self, replaced=()), number)


def _kept(*arguments: Any) -> tuple[Turn | None, timedelta | None]:
    turn, wait = _line_up(*arguments)
    memory = arguments[2]
    return turn or memory.turn, wait


def _no_sweep(_self: World, _token: str | None) -> tuple[dict[Any, Any], None]:
    return {}, None


MUTATIONS: dict[str, list[tuple[Any, str, Any]]] = {
    "no lease condition": [(InMemoryTargets, "claim", _claim_whatever_the_lease)],
    "an ended lease is never taken over": [(InMemoryTargets, "claim", _never_take_over)],
    "what is asked for is not written down": [(InMemoryTargets, "ask", _nothing)],
    "a lease shorter than the time-out": [(cycle, "LEASE", timedelta(seconds=1))],
    "a lease longer than promised": [(cycle, "LEASE", timedelta(seconds=40))],
    "a stale answer is somebody's": [(Counts, "meaning", _never_stale)],
    "cooldown not committed": [(InMemoryTargets, "commit", _commit_changed(_without_cooldown))],
    "record not in the transaction": [
        (InMemoryTargets, "commit", _commit_changed(_unchanged, recorded=False))
    ],
    "spent datapoints forgotten": [
        (InMemoryTargets, "commit", _commit_changed(_without_spent_datapoints))
    ],
    "chain generation ignored": [(InMemoryTargets, "claim", _claim_whatever_the_generation)],
    "no recovery": [(cycle, "adopted", _nothing)],
    "next check never sent": [(World, "send", _nothing)],
    "heartbeat sees no alarm": [(World, "page", _no_sweep)],
    "a lost answer taken for a refusal": [(world, "unheard", _refused)],
    "its turn never comes": [(cycle, "still_waits", lambda *_: timedelta(seconds=5))],
    "nobody's standstill is noticed": [(line, "STANDSTILL", timedelta(days=1))],
    "a turn is kept for good": [(cycle, "line_up", _kept)],
    "an event's datapoint counts whenever it comes": [(observing, "_shown", _shown_again)],
}


IN_A_CROWD = {
    "its turn never comes",
    "nobody's standstill is noticed",
    "a turn is kept for good",
}
"""Those that show only where the account's line is long."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted."""
    with ExitStack() as stack:
        for owner, attribute, value in MUTATIONS[name]:
            stack.enter_context(patch.object(owner, attribute, value))
        yield
