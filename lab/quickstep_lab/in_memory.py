"""Ports of the cycle in memory; those of the table pass the contract suite of the real one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from quickstep.protocol.line import Line
from quickstep.protocol.memory import Claim, Lease, Memory
from quickstep.protocol.ports import LeaseLostError, OutOfDate

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.protocol.records import DecisionRecord

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass
class _Item:
    memory: Memory = field(default_factory=Memory)
    lease: Lease | None = None
    abandoned: Lease | None = None
    exists: bool = False


@dataclass
class InMemoryTargets:
    """Targets' items and records; one lease a target."""

    items: dict[str, _Item] = field(default_factory=lambda: defaultdict(_Item))
    records: list[DecisionRecord] = field(default_factory=list)

    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the target's lease; see the port."""
        item = self.items[resource_id]
        if generation is not None and (not item.exists or generation != item.memory.generation):
            return OutOfDate(item.memory.generation)
        if item.lease and item.lease.owner == lease.owner:
            return Claim(item.memory, item.abandoned)
        if item.lease and item.lease.until > lease.since:
            return item.lease
        item.lease, item.abandoned = lease, item.lease
        return Claim(item.memory, item.abandoned)

    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Note that a generation's re-check comes later; see the port."""
        item = self.items[resource_id]
        if not item.exists or generation != item.memory.generation:
            return False
        item.memory = replace(item.memory, check_at=check_at)
        return True

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return memory and lease; see the port."""
        item = self.items[resource_id]
        return item.memory, item.lease

    def commit(self, owner: str, memory: Memory, record: DecisionRecord) -> None:
        """Write memory and record, and release the lease; see the port."""
        resource_id = record.resource_id
        item = self.items[resource_id]
        if item.lease is None or item.lease.owner != owner:
            raise LeaseLostError(f"the lease of {resource_id} is no longer {owner}'s")
        # Overrides and pause are the operators', who may have written in between.
        kept = item.memory.state
        state = replace(
            memory.state,
            override=kept.override,
            pause=kept.pause,
            schedules=kept.schedules,
            unreadable=kept.unreadable,
        )
        item.memory, item.lease, item.exists = replace(memory, state=state), None, True
        self.records.append(record)

    def record(self, record: DecisionRecord) -> None:
        """Keep a record; see the port."""
        self.records.append(record)


@dataclass
class InMemoryTurns:
    """The line of throttled targets."""

    line: Line = field(default_factory=Line)

    def take(self, lane: int, now: datetime) -> Line:
        """Take the next number of a lane; see the port."""
        self.line = self.line.take(lane, now)
        return self.line

    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Say that a number was served; see the port."""
        self.line = self.line.serve(lane, number, now)

    def read(self) -> Line:
        """Return the line; see the port."""
        return self.line


def one_after_the_other(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
    """Run the calls of a round in order: claim first, then describe."""
    return first(), second()
