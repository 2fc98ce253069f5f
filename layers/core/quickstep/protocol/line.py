"""Whose turn it is when ECS throttles: the line in which an account's targets wait.

Once its burst is spent, UpdateService accepts five calls a second per account. Each throttled
target takes a number, as at a counter, and comes back when the numbers before it have been served.
Each lane has its own line, and a higher lane is served before a lower one:

    lane      0        1          2           3           4            5
    overload  5 x up   3.4 to 5   2.25 to 3.4 1.5 to 2.25 up to 1.5    targets that remove tasks

A number only says when to come back: the target then decides again, and takes another number if it
is throttled again. So a number may be lost, skipped or served twice without harm. Nobody waits for
a lane that has not moved for `STANDSTILL`: its numbers belong to targets that no longer need
anything, or whose messages were lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.fields import write_moment
from quickstep.protocol.quotas import UPDATE_SERVICE

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.fields import Field

SERVED_A_SECOND = UPDATE_SERVICE.a_second
"""Calls a second by which UpdateService's bucket refills."""

OVERLOADS = (5.0, 3.4, 2.25, 1.5, 0.0)
"""The least overload of each lane, in thresholds: each is about 1.5 times the next."""

SCALE_IN = len(OVERLOADS)
LANES = SCALE_IN + 1

AT_THE_COUNTER = 10
"""This many ahead make no difference: two seconds' worth, and messages are no more exact."""

STANDSTILL = timedelta(seconds=30)

LONGEST_WAIT = timedelta(seconds=300)
"""After this, a target checks again how far the line has moved; SQS could wait for 900 s."""

MAX_NUMBER = 2**47
"""More than anyone ever waits for."""

LONGEST_LINE = timedelta(hours=1)
"""A target that has waited this long is never sent away."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a throttled target waits for: since when, in which lane, and with which number.

    `lane` is None while nothing shows what the target wants. `number` is None if none was taken;
    the target then comes back after a back-off.
    """

    since: datetime
    lane: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """How many numbers were taken, which was served last, and when.

    `moved_at` is also set when the first number is taken after a standstill.
    """

    taken: int = 0
    served: int = 0
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An account's lanes, the highest first."""

    lanes: tuple[Lane, ...] = (Lane(),) * LANES

    def moves(self, lane: int, now: datetime) -> bool:
        """Whether a lane moves, or waits for a higher one that does."""
        moved = (each.moved_at for each in self.lanes[: lane + 1])
        return any(at is not None and at > now - STANDSTILL for at in moved)

    def ahead(self, lane: int, number: int, now: datetime) -> int:
        """Return how many targets are served before a number.

        Example: 30 wait in lane 0, and lane 1 has served up to number 7. Number 12 has 30 + 4
        others ahead of it.
        """
        higher = (
            max(0, each.taken - each.served)
            for index, each in enumerate(self.lanes[:lane])
            if self.moves(index, now)
        )
        line = self.lanes[lane]
        # A number that nobody took comes after all taken numbers, however large it is.
        own = min(number, line.taken + 1) - 1 - line.served if self.moves(lane, now) else 0
        return sum(higher) + max(0, own)

    def take(self, lane: int, now: datetime) -> Line:
        """Return the line after another number in a lane was taken.

        After a standstill, the lane's earlier numbers no longer count.
        """
        before = self.lanes[lane]
        after = replace(before, taken=before.taken + 1)
        if not self.moves(lane, now):
            after = replace(after, served=before.taken, moved_at=now)
        return self._with(lane, after)

    def serve(self, lane: int, number: int, now: datetime) -> Line:
        """Return the line after a number was served; earlier numbers are served, or never will be.

        A number that was never taken changes nothing: it would serve all numbers taken until then.
        """
        before = self.lanes[lane]
        if not before.served < number <= before.taken:
            return self
        return self._with(lane, replace(before, served=number, moved_at=now))

    def _with(self, lane: int, changed: Lane) -> Line:
        return Line((*self.lanes[:lane], changed, *self.lanes[lane + 1 :]))


def write_turn(turn: Turn | None) -> dict[str, Any] | None:
    """Return what a throttled target waits for as JSON-ready data."""
    if turn is None:
        return None
    return {"since": write_moment(turn.since), "lane": turn.lane, "number": turn.number}


def read_turn(field: Field | None) -> Turn | None:
    """Read `{"since", "lane", "number"}`; None if missing."""
    if field is None:
        return None
    members = field.whole("since", optional=("lane", "number"), strict=True)
    return Turn(
        members["since"].moment(),
        members["lane"].optional_integer(0, LANES - 1),
        members["number"].optional_integer(1, MAX_NUMBER),
    )
