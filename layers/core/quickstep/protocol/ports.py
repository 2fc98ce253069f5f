"""What the cycle needs of the world, as small protocols; adapters are in `aws/`, fakes in tests.

An expected failure has a type: `CallFailedError` carries the outcome to record. Whatever else an
adapter raises is unexpected, and ends the invocation.
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
    """A call to AWS that did not do its work; `outcome` says in which of the known ways."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        self.outcome = outcome
        self.why = why
        super().__init__(f"{outcome}: {why}")


class LeaseLostError(Exception):
    """A write refused because the lease is no longer the writer's. Nothing was written."""


class ItemFullError(Exception):
    """A write refused because the item, or a record, would be larger than there may be."""


@dataclass(frozen=True, slots=True)
class OutOfDate:
    """A claim refused: the target's chain of re-checks has gone on to another generation."""

    generation: int


class PolicyDocuments(Protocol):
    """Where targets' policy documents are kept."""

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's validated document, as it was when it was last looked at.

        Raises:
            ConfigError: it is missing, or breaks a rule.
            CallFailedError: it could not be read.
        """
        ...

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Look at up to ten documents again, so that changes count from now on.

        Return those that are missing as they were at the last look of any evaluation.

        Raises:
            CallFailedError: they could not be read.
        """
        ...


class Parameters(Protocol):
    """The SSM parameters in which policy documents lie."""

    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Return what the parameter of each of up to ten services holds, in one call.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def survey(self, token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        """Return a page of all documents that there are, and the next page's token.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Copies(Protocol):
    """The table's copies of policy documents, for functions that remember none."""

    def read(self, service: ServiceName) -> Copy | None:
        """Return the copy of a service's document, if there is one; it may be a moment old.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def write(self, service: ServiceName, copy: Copy) -> None:
        """Write a copy, unless there is one of a document that was changed later.

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
        """Return up to ten services of one cluster as they are now; one that is gone is left out.

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
    """The targets' items: claim and memory of each, and the records of its decisions."""

    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the target's lease, and return what it remembers.

        One conditional write is both lock and read. A lease that ended before the new one's
        `since` is taken over, and so is the owner's own: a claim may be repeated. So is one that
        has been waited for longer than a lease lasts. Refused with the other's lease while that is
        good; and, with a `generation`, where the target is not at it.

        Raises:
            CallFailedError: the call was throttled.
        """
        ...

    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Note that a generation's re-check comes later; False where the chain has gone on."""
        ...

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return what the target remembers, and its lease if it has one, without claiming it."""
        ...

    def peek_all(self, resource_ids: Sequence[str]) -> Mapping[str, tuple[Memory, Lease | None]]:
        """Return the same of up to a hundred targets, in one call; it may be a moment old.

        One that cannot be read, or is throttled, is left out.

        Raises:
            CallFailedError: the call failed.
        """
        ...

    def watch(self, resource_id: str, backlog: Backlog) -> None:
        """Write what is known of a target's queues, beside any holder of the lease.

        Nothing is written of a target that is not remembered, nor while a commit writes.

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
        """Leave a mark for who holds the lease, and what an event has told of a policy's alarm.

        The next claim shows it, and the holder's commit returns it. From the first mark on, the
        lease lasts no longer than a lease does, whatever its own end says. False where that holder
        no longer has the lease: nothing was written.
        """
        ...

    def ask(self, owner: str, resource_id: str, memory: Memory) -> None:
        """Write the memory of a change before it is asked of ECS; the lease stays.

        Raises:
            LeaseLostError: `owner` no longer holds the lease.
            ItemFullError: the item has no room for it.
        """
        ...

    def commit(
        self, owner: str, memory: Memory, record: DecisionRecord, claim: Claim | None = None
    ) -> bool:
        """Write memory and record together, and release the lease; the target is listed.

        What waited in the item as of the `claim` goes, and so do operators' entries that have
        outlived themselves, unless something newer has come since. Return whether somebody has left
        a mark that the claim did not show.

        Raises:
            LeaseLostError: `owner` no longer holds the lease; nothing was written.
            ItemFullError: the item or the record has no room for it; nothing was written.
        """
        ...

    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the targets that are remembered, by resource id, and the queues of each."""
        ...

    def unlist(self, resource_id: str, generation: int) -> None:
        """Take a target from the list until its next commit, if it is still at a generation."""
        ...

    def record(self, record: DecisionRecord) -> None:
        """Write the record of an evaluation that did not hold the lease."""
        ...


class Turns(Protocol):
    """The line of throttled targets, one for the account; each method changes it at one moment."""

    def take(self, lane: int, now: datetime) -> Line:
        """Take the next number of a lane; in the line that is returned it is the last one taken.

        Raises:
            CallFailedError: the call failed; a number may have been taken.
        """
        ...

    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Say that a number was served, and with it all before it.

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
"""Surges that an account looks at: a quarter of what DescribeServices refills by."""


class SurgeLooks(Protocol):
    """How many surges are looked at in an account."""

    def take(self, now: datetime) -> bool:
        """Take one of the looks of this second; False where all are taken.

        Raises:
            CallFailedError: the call failed.
        """
        ...


class Operators(Protocol):
    """What operators and schedules have written to a target's item: overrides, a pause.

    It is written beside the lease, at any time, and read with the memory at the next claim.
    """

    def entries(self, resource_id: str) -> Mapping[str, Any]:
        """Return what was written, by attribute; nothing has been checked."""
        ...

    def replace(self, resource_id: str, name: str, seen: Any, entry: Any) -> bool:
        """Replace an entry, if it still is what was seen; None stands for no entry, in both."""
        ...

    def schedule(self, resource_id: str, name: str, entry: Mapping[str, Any]) -> bool:
        """Write a schedule's entry, unless there is one of a later `at`; return whether it was."""
        ...


MOST_EVENTS = 10
"""Events that one call takes."""


class Events(Protocol):
    """The bus that tells others of decisions."""

    def put(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put up to MOST_EVENTS events on the bus, each as `events.event_of` makes it.

        Raises:
            CallFailedError: the call failed, or some of them were refused; others were put.
        """
        ...


class Queues(Protocol):
    """The queues whose jobs services work off."""

    def read(self, names: Sequence[str]) -> Mapping[str, QueueReading | CallFailedError]:
        """Read queues by name, each for itself: of one that could not be read, return why.

        This takes a bounded time, however many there are and whatever becomes of each.
        """
        ...


class Metrics(Protocol):
    """The metrics that alarms watch."""

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return the datapoints of the last minutes of each alarm by policy, oldest first.

        One call for all of them.

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
    """The alarms whose names begin like ours."""

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
        """Return both results; an exception of either is raised once both have ended."""
        ...
