"""Whose turn it is where ECS throttles: the line that an account's targets wait in.

UpdateService lets five calls a second through in an account, once its burst is spent. Of those that
it throttles each takes a number, as at a counter, and comes back when the numbers before it have
been served. There is a line for each lane; a higher lane is served before a lower one:

    lane      0        1          2           3           4            5
    overload  5 x up   3.4 to 5   2.25 to 3.4 1.5 to 2.25 up to 1.5    those that remove tasks

A number is only a time to come back at: the target then decides afresh, and takes another number if
it is throttled again. So a number may be lost, skipped or served twice without harm. Nobody waits
for a lane that has not moved for `STANDSTILL`: its numbers belong to targets that need nothing any
more, or whose messages were lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.fields import present, write_moment
from quickstep.protocol.quotas import UPDATE_SERVICE

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.fields import Field

SERVED_A_SECOND = UPDATE_SERVICE.a_second
"""UpdateService's bucket refills by so many calls."""

OVERLOADS = (5.0, 3.4, 2.25, 1.5, 0.0)
"""The least overload of each lane, in thresholds: each about 1.5 times the next."""

SCALE_IN = len(OVERLOADS)
LANES = SCALE_IN + 1

AT_THE_COUNTER = 10
"""So many before it make no difference: two seconds' worth, and messages are as inexact."""

STANDSTILL = timedelta(seconds=30)

LONGEST_WAIT = timedelta(seconds=300)
"""After which a target looks again how far the line has come; SQS could wait for 900 s."""

MAX_NUMBER = 2**47
"""More than anybody waits for."""

LONGEST_LINE = timedelta(hours=1)
"""Nobody is sent away who came so long ago."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a throttled target waits for: since when, in which lane, and the number it has.

    `lane` is None while nothing says what the target wants, `number` where none was taken: then it
    comes back after a back-off.
    """

    since: datetime
    lane: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """How many numbers were taken, which was served last, and when that was.

    `moved_at` is also when the first number was taken after a standstill.
    """

    taken: int = 0
    served: int = 0
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The lanes of an account, the highest first."""

    lanes: tuple[Lane, ...] = (Lane(),) * LANES

    def moves(self, lane: int, now: datetime) -> bool:
        """Whether a lane moves, or has to wait for a higher one that does."""
        moved = (each.moved_at for each in self.lanes[: lane + 1])
        return any(at is not None and at > now - STANDSTILL for at in moved)

    def ahead(self, lane: int, number: int, now: datetime) -> int:
        """Return how many are served before a number.

        Example: 30 wait in lane 0; in lane 1 number 7 was served last. Before number 12 there are
        30 + 4 others.
        """
        higher = (
            max(0, each.taken - each.served)
            for index, each in enumerate(self.lanes[:lane])
            if self.moves(index, now)
        )
        line = self.lanes[lane]
        # A number that nobody took comes after all that were, however large it is.
        own = min(number, line.taken + 1) - 1 - line.served if self.moves(lane, now) else 0
        return sum(higher) + max(0, own)

    def take(self, lane: int, now: datetime) -> Line:
        """Return the line after another number of a lane was taken.

        Behind a standstill, nobody is waited for.
        """
        before = self.lanes[lane]
        after = replace(before, taken=before.taken + 1)
        if not self.moves(lane, now):
            after = replace(after, served=before.taken, moved_at=now)
        return self._with(lane, after)

    def serve(self, lane: int, number: int, now: datetime) -> Line:
        """Return the line after a number was served; those before it have been, or never will.

        One that was never taken changes nothing: it would serve all that are taken until then.
        """
        before = self.lanes[lane]
        if not before.served < number <= before.taken:
            return self
        return self._with(lane, replace(before, served=number, moved_at=now))

    def _with(self, lane: int, changed: Lane) -> Line:
        return Line((*self.lanes[:lane], changed, *self.lanes[lane + 1 :]))


def write_turn(turn: Turn | None) -> dict[str, Any] | None:
    """Return what a throttled target waits for, as JSON-ready data."""
    if turn is None:
        return None
    return {"since": write_moment(turn.since), "lane": turn.lane, "number": turn.number}


def read_turn(field: Field | None) -> Turn | None:
    """Read `{"since", "lane", "number"}`; None if missing, or after a problem."""
    if field is None:
        return None
    members = field.members(required=("since",), optional=("lane", "number"))
    if "since" not in members:
        return None
    lane, number = present(members, "lane"), present(members, "number")
    return Turn(
        members["since"].moment(),
        lane.integer(0, LANES - 1) if lane else None,
        number.integer(1, MAX_NUMBER) if number else None,
    )
