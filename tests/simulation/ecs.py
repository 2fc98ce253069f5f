"""ECS as it answers: eventually consistent, and sometimes late to do what it was asked."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.clockwork import ActedOn


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the desired count; `by` is a decision's id, or who else made it.

    `late` says that a call was carried out after its time-out. `acts_on` are the datapoints by
    policy that the decision was shown, which a task has asked for if it is `of_surge`.
    """

    at: float
    by: str
    decided_at: float
    before: int
    after: int
    late: bool = False
    foreign: bool = False
    acts_on: tuple[ActedOn, ...] = ()
    of_surge: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """An UpdateService that reached ECS: what it asked for, what ECS had, what was committed."""

    at: float
    by: str
    desired: int
    had: int
    committed: int | None


@dataclass(slots=True)
class Ecs:
    """The service's desired count, at every moment."""

    desired: int
    first: int = 0
    changes: list[Change] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note the number that the run begins with."""
        self.first = self.desired

    def make(self, change: Change) -> None:
        """Carry out a change, if it is one."""
        if change.after == self.desired:
            return
        self.changes.append(change)
        self._times.append(change.at)
        self.desired = change.after

    def desired_at(self, when: float) -> int:
        """Return the desired count of a moment in the past."""
        earlier = bisect_right(self._times, when)
        return self.changes[earlier - 1].after if earlier else self.first

    def numbers(self, since: float, until: float) -> set[int]:
        """Return the desired counts that there were between two moments."""
        between = {change.after for change in self.changes if since <= change.at <= until}
        return between | {self.desired_at(since)}
