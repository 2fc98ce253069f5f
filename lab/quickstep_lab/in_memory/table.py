"""The scaler's table in memory: items, the line, looks at surges, copies of documents."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from quickstep.protocol.counts import CLOCKS
from quickstep.protocol.line import Line
from quickstep.protocol.memory import Claim, Lease, Memory, memory_dict
from quickstep.protocol.operators import outlived, read_operators
from quickstep.protocol.ports import (
    MOST_SURGES_A_SECOND,
    ItemFullError,
    LeaseLostError,
    OutOfDate,
)
from quickstep_lab.in_memory.hook import Hook, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog
    from quickstep.engine.model import State
    from quickstep.naming import ServiceName
    from quickstep.protocol.documents import Copy
    from quickstep.protocol.records import DecisionRecord


ITEM_BYTES = 405_000
"""Embedded DynamoDB's item limit; AWS's is 400 KB (409,600 bytes), counted slightly lower."""


@dataclass
class _Item:
    memory: Memory = field(default_factory=Memory)
    lease: Lease | None = None
    exists: bool = False
    waited_since: datetime | None = None
    waiting: dict[str, KnownAlarm] = field(default_factory=dict)
    mark: str = ""
    entries: dict[str, Any] = field(default_factory=dict)

    def remember(self, memory: Memory) -> None:
        """Remember; keep overrides and pause, which operators may have changed meanwhile."""
        attributes = {**memory_dict(memory), **self.entries}
        if len(json.dumps(attributes)) > ITEM_BYTES:
            raise ItemFullError("the item has no room for what is to be remembered")
        self.memory = _with_operators_of(self.memory.state, memory)

    @property
    def claim(self) -> Claim:
        """What a claim returns."""
        memory = self.memory
        if self.entries:
            memory = _with_operators_of(read_operators(self.entries), memory)
        return Claim(memory, dict(self.waiting), self.mark, dict(self.entries))


def _with_operators_of(state: State, memory: Memory) -> Memory:
    """Return a memory with what operators wrote in a state."""
    written = {
        name: getattr(state, name) for name in ("override", "pause", "schedules", "unreadable")
    }
    return replace(memory, state=replace(memory.state, **written))


@dataclass
class InMemoryTargets:
    """Targets' items and records, with one lease per target."""

    hook: Hook
    items: dict[str, _Item] = field(default_factory=lambda: defaultdict(_Item))
    records: list[DecisionRecord] = field(default_factory=list)
    list_: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @call("claim")
    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the target's lease; see the port."""
        item = self.items[resource_id]
        if generation is not None and (not item.exists or generation != item.memory.generation):
            return OutOfDate(item.memory.generation)
        held = item.lease
        if held and held.owner == lease.owner:
            return item.claim
        waited = lease.since - (item.waited_since or lease.since)
        if held and held.until > lease.since and waited < lease.until - lease.since:
            return held
        item.lease, item.waited_since = lease, None
        return item.claim

    @call("postpone")
    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Record that a generation's re-check comes later; see the port."""
        item = self.items[resource_id]
        if not item.exists or generation != item.memory.generation:
            return False
        item.memory = replace(item.memory, check_at=check_at)
        return True

    @call("peek")
    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return memory and lease; see the port."""
        item = self.items[resource_id]
        return item.claim.memory, item.lease

    @call("peek of many")
    def peek_all(self, resource_ids: Sequence[str]) -> Mapping[str, tuple[Memory, Lease | None]]:
        """Return memory and lease of many targets; see the port."""
        return {
            resource_id: (item.claim.memory, item.lease)
            for resource_id in resource_ids
            if (item := self.items[resource_id])
        }

    @call("watch")
    def watch(self, resource_id: str, backlog: Backlog) -> None:
        """Write what is known about a target's queues; see the port."""
        item = self.items[resource_id]
        if item.exists:
            item.memory = replace(item.memory, backlog=backlog)

    @call("wait")
    def wait(
        self,
        resource_id: str,
        holder: str,
        mark: str,
        at: datetime,
        learned: tuple[str, KnownAlarm] | None = None,
    ) -> bool:
        """Leave a mark, and an event's news, for the lease's holder; see the port."""
        item = self.items[resource_id]
        if item.lease is None or item.lease.owner != holder:
            return False
        if learned:
            policy, known = learned
            before = item.waiting.get(policy)
            if before and before.at > known.at:
                return True
            item.waiting[policy] = known
        since = item.waited_since
        item.mark, item.waited_since = mark, since if since and since <= at + CLOCKS else at
        return True

    @call("ask")
    def ask(self, owner: str, resource_id: str, memory: Memory) -> None:
        """Write the memory of a change before requesting it; see the port."""
        self._held(owner, resource_id).remember(memory)

    @call("commit")
    def commit(
        self, owner: str, memory: Memory, record: DecisionRecord, claim: Claim | None = None
    ) -> bool:
        """Write memory and record, and release the lease; see the port."""
        resource_id = record.resource_id
        item = self._held(owner, resource_id)
        claim = claim or Claim(memory)
        gone = outlived(claim.entries, record.at)
        item.remember(replace(memory, listed=True))
        waited = item.mark != claim.mark or any(
            item.entries.get(name) != claim.entries[name] for name in gone
        )
        if not waited:
            item.mark, item.waiting = "", {}
            for name in gone:
                del item.entries[name]
        item.lease, item.waited_since, item.exists = None, None, True
        self.list_[resource_id] = memory.queues
        self.records.append(record)
        return waited

    def _held(self, owner: str, resource_id: str) -> _Item:
        item = self.items[resource_id]
        if item.lease is None or item.lease.owner != owner:
            raise LeaseLostError(f"the lease of {resource_id} is no longer {owner}'s")
        return item

    @call("listed")
    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the remembered targets and their queues; see the port."""
        return dict(sorted(self.list_.items()))

    @call("unlist")
    def unlist(self, resource_id: str, generation: int) -> None:
        """Remove a target from the list; see the port."""
        item = self.items[resource_id]
        if item.lease is None and item.memory.generation == generation:
            item.memory = replace(item.memory, listed=False)
            self.list_.pop(resource_id, None)

    @call("record")
    def record(self, record: DecisionRecord) -> None:
        """Keep a record; see the port."""
        self.records.append(record)

    def remember(self, resource_id: str, memory: Memory) -> None:
        """Make a target remember this."""
        item = self.items[resource_id]
        item.memory, item.exists = memory, True


@dataclass
class InMemoryTurns:
    """The line of throttled targets."""

    hook: Hook
    line: Line = field(default_factory=Line)

    @call("take of the line")
    def take(self, lane: int, now: datetime) -> Line:
        """Take the next number of a lane; see the port."""
        self.line = self.line.take(lane, now)
        return self.line

    @call("serve of the line")
    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Record that a number was served; see the port."""
        self.line = self.line.serve(lane, number, now)

    @call("read of the line")
    def read(self) -> Line:
        """Return the line; see the port."""
        return self.line


@dataclass
class InMemorySurgeLooks:
    """How many looks at surges each second had."""

    hook: Hook
    taken: Counter[datetime] = field(default_factory=Counter)

    @call("take of a surge")
    def take(self, now: datetime) -> bool:
        """Take one of the second's looks; see the port."""
        second = now.replace(microsecond=0)
        free = self.taken[second] < MOST_SURGES_A_SECOND
        self.taken[second] += free
        return free


@dataclass
class InMemoryCopies:
    """The table's copies of policy documents."""

    hook: Hook
    copies: dict[ServiceName, Copy] = field(default_factory=dict)

    @call("read of a copy")
    def read(self, service: ServiceName) -> Copy | None:
        """Return a target's copy; see the port."""
        return self.copies.get(service)

    @call("write of a copy")
    def write(self, service: ServiceName, copy: Copy) -> None:
        """Write a target's copy; see the port."""
        old = self.copies.get(service)
        modified = copy.document.modified
        if old is None or not modified or old.document.modified <= modified:
            self.copies[service] = copy
