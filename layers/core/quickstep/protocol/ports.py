"""What the cycle needs from the world, as small protocols; adapters are in `aws/`, fakes in tests.

An expected failure has a type: `CallFailedError` carries the outcome to record. Anything else that
an adapter raises is unexpected, and ends the invocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog, QueueReading
    from quickstep.engine.model import Datapoint, ScalableTarget, Service
    from quickstep.engine.outcome import Outcome
    from quickstep.naming import ServiceName
    from quickstep.protocol.documents import Copy, Document
    from quickstep.protocol.line import Line
    from quickstep.protocol.memory import Claim, Lease, Memory
    from quickstep.protocol.messages import Message
    from quickstep.protocol.records import DecisionRecord

_A = TypeVar("_A")
_B = TypeVar("_B")


class CallFailedError(Exception):
    """A failed call to AWS; `outcome` says in which of the known ways it failed."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        self.outcome = outcome
        self.why = why
        super().__init__(f"{outcome}: {why}")


class LeaseLostError(Exception):
    """A write refused because the writer no longer holds the lease. Nothing was written."""


class ItemFullError(Exception):
    """A write refused because the item or a record would exceed its size limit."""


@dataclass(frozen=True, slots=True)
class OutOfDate:
    """A claim refused: the target's chain of re-checks has moved on to another generation."""

    generation: int


class PolicyDocuments(Protocol):
    """Where targets' policy documents are kept."""

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's validated document, as of its last reading.

        Raises:
            ConfigError: it is missing, or breaks a rule.
            CallFailedError: it could not be read.
        """
        ...

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Read up to ten documents again, so that changes apply from now on.

        Return the services whose documents are still missing since any evaluation's last look.

        Raises:
            CallFailedError: they could not be read.
        """
        ...


class Parameters(Protocol):
    """The SSM parameters that hold policy documents."""

    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Return what the parameter of each of up to ten services holds, in one call.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def survey(self, token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        """Return a page of all existing documents, and the next page's token.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Copies(Protocol):
    """The table's copies of policy documents, for functions with an empty memory."""

    def read(self, service: ServiceName) -> Copy | None:
        """Return the copy of a service's document, if there is one; it may be a moment old.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def write(self, service: ServiceName, copy: Copy) -> None:
        """Write a copy, unless the table has one of a document that was changed later.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Services(Protocol):
    """The ECS services."""

    def describe(self, service: ServiceName) -> Service:
        """Return the service as it is now.

        Raises:
            CallFailedError: there is no such service, or the call failed.
        """
        ...

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        """Return up to ten services of one cluster as they are now, without those that are gone.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        """Set the desired count, and nothing else.

        Raises:
            CallFailedError: the call failed; capacity is unchanged unless the failure was a lost
                answer.
        """
        ...


class Targets(Protocol):
    """The targets' items: each target's claim and memory, and the records of its decisions."""

    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the target's lease, and return what it remembers.

        One conditional write is both lock and read. It takes over a lease that ended before the new
        one's `since`, the owner's own lease (a claim may be repeated), and a lease that someone has
        waited for longer than a lease lasts. It is refused with the other's lease while that is
        valid and, if a `generation` is given, when the target has moved on from it.

        Raises:
            CallFailedError: the call was throttled.
        """
        ...

    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Note that a generation's re-check comes later; return False if the chain has moved on."""
        ...

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return what the target remembers, and its lease if it has one, without claiming it."""
        ...

    def peek_all(self, resource_ids: Sequence[str]) -> Mapping[str, tuple[Memory, Lease | None]]:
        """Return the same for up to a hundred targets, in one call; it may be a moment old.

        Targets that are unreadable or throttled are left out.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def watch(self, resource_id: str, backlog: Backlog) -> None:
        """Write what is known about a target's queues, regardless of the lease.

        Nothing is written if the target is not remembered, or while a commit writes.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def wait(
        self,
        resource_id: str,
        holder: str,
        mark: str,
        at: datetime,
        learned: tuple[str, KnownAlarm] | None = None,
    ) -> bool:
        """Leave a mark for the lease's holder, and what an event has shown about a policy's alarm.

        The next claim shows it, and the holder's commit returns it. From the first mark on, the
        lease lasts no longer than leases do, whatever its own end says. Return False if that holder
        no longer has the lease: nothing was written.
        """
        ...

    def ask(self, owner: str, resource_id: str, memory: Memory) -> None:
        """Write the memory of a change before requesting it from ECS; the lease stays.

        Raises:
            LeaseLostError: `owner` no longer holds the lease.
            ItemFullError: the item has no room for it.
        """
        ...

    def commit(
        self, owner: str, memory: Memory, record: DecisionRecord, claim: Claim | None = None
    ) -> bool:
        """Write memory and record together, list the target, and release the lease.

        This deletes what waited in the item as of the `claim`, and operators' outlived entries,
        unless something newer has arrived since. Return whether someone has left a mark that the
        claim did not show.

        Raises:
            LeaseLostError: `owner` no longer holds the lease; nothing was written.
            ItemFullError: the item or the record has no room for it; nothing was written.
        """
        ...

    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the remembered targets by resource id, each with its queues."""
        ...

    def unlist(self, resource_id: str, generation: int) -> None:
        """Remove a target from the list until its next commit, if it is still at a generation."""
        ...

    def record(self, record: DecisionRecord) -> None:
        """Write the record of an evaluation that did not hold the lease."""
        ...


class Turns(Protocol):
    """The account's line of throttled targets; each method changes it atomically."""

    def take(self, lane: int, now: datetime) -> Line:
        """Take a lane's next number; in the returned line it is the last one taken.

        Raises:
            CallFailedError: the call failed; a number may have been taken.
        """
        ...

    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Mark a number, and all numbers before it, as served.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def read(self) -> Line:
        """Return the line; it may be a moment old.

        Raises:
            CallFailedError: the call failed.
        """
        ...


MOST_SURGES_A_SECOND = 5
"""Surges that an account looks at: a quarter of DescribeServices' refill rate."""


class SurgeLooks(Protocol):
    """How many surges an account looks at."""

    def take(self, now: datetime) -> bool:
        """Take one of this second's looks; return False if all are taken.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Operators(Protocol):
    """What operators and schedules have written to a target's item: overrides and a pause.

    They write at any time, regardless of the lease; the next claim reads it with the memory.
    """

    def entries(self, resource_id: str) -> Mapping[str, Any]:
        """Return what was written, by attribute and unchecked."""
        ...

    def replace(self, resource_id: str, name: str, seen: Any, entry: Any) -> bool:
        """Replace an entry if it is still the one seen; None stands for no entry, in both."""
        ...

    def schedule(self, resource_id: str, name: str, entry: Mapping[str, Any]) -> bool:
        """Write a schedule's entry, unless one has a later `at`; return whether it did."""
        ...


MOST_EVENTS = 10
"""Events in one call."""


class Events(Protocol):
    """The bus that announces decisions to others."""

    def put(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put up to MOST_EVENTS events on the bus, each as made by `events.event_of`.

        Raises:
            CallFailedError: the call failed, or the bus refused some of them; the others were put.
        """
        ...


class Queues(Protocol):
    """The queues whose jobs services work off."""

    def read(self, names: Sequence[str]) -> Mapping[str, QueueReading | CallFailedError]:
        """Read queues by name, each separately; return the error for one that could not be read.

        This takes a bounded time, however many queues there are and whatever happens to each.
        """
        ...


class Metrics(Protocol):
    """The metrics that alarms watch."""

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return each alarm's datapoints of the last minutes, by policy and oldest first.

        One call reads them all.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Messages(Protocol):
    """The queue that brings the scaler's own messages back to it."""

    def send(self, message: Message, delay: timedelta) -> None:
        """Send a message that arrives after `delay`, at least once.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        """Send many messages, each with its delay, in as few calls as possible.

        Raises:
            CallFailedError: a call failed, or refused a message; others may have been sent.
        """
        ...


class Alarms(Protocol):
    """The alarms whose names have Quickstep's prefix."""

    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        """Return a page of alarms by service and policy, and the next page's token.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Together(Protocol):
    """Runs two calls of one round at the same time."""

    def __call__(self, first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        """Return both results; an exception from either is raised once both have ended."""
        ...
