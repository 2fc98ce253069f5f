"""What the cycle needs of the world, as small protocols; adapters are in `aws/`, fakes in tests.

Expected trouble has a type: `CallFailedError` carries the outcome to record. Whatever else an
adapter raises is unexpected, and ends the invocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget, Service
    from quickstep.engine.outcome import Outcome
    from quickstep.naming import ServiceName
    from quickstep.records import DecisionRecord, Memory

_A = TypeVar("_A")
_B = TypeVar("_B")


class CallFailedError(Exception):
    """A call to AWS that did not do its work; `outcome` says in which of the known ways."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        self.outcome = outcome
        self.why = why
        super().__init__(f"{outcome}: {why}")


class LeaseLostError(Exception):
    """A commit refused because the lease is no longer the committer's. Nothing was written."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A claim refused: whose lease it is, and until when."""

    owner: str
    until: datetime


class PolicyDocuments(Protocol):
    """Where targets' policy documents are kept."""

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's validated document; it may be up to its cache's age old.

        Raises:
            ConfigError: there is none, or it breaks a rule.
            CallFailedError: it could not be read.
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
        self, resource_id: str, owner: str, now: datetime, until: datetime
    ) -> Memory | HeldBy:
        """Take the target's lease until `until`, and return what it remembers.

        One conditional write is both lock and read. A lease that expired before `now` is taken
        over, and so is the owner's own: a claim may be repeated. Refused while another's is good.
        """
        ...

    def commit(self, owner: str, memory: Memory, record: DecisionRecord) -> None:
        """Write memory and record together, and release the lease.

        Raises:
            LeaseLostError: `owner` no longer holds the lease; nothing was written.
        """
        ...

    def record(self, record: DecisionRecord) -> None:
        """Write the record of an evaluation that did not hold the lease."""
        ...


class Together(Protocol):
    """Runs two calls of one round at the same time."""

    def __call__(self, first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        """Return both results; an exception of either is raised once both have ended."""
        ...
