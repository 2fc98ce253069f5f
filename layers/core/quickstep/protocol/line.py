"""Whose turn it is where ECS throttles: the line that an account's targets wait in.

UpdateService lets five calls a second through in an account, once its burst is spent. Of those that
it throttles each takes a number, as at a counter, and comes back when the numbers before it have
been served. There is a line for each lane; a higher lane is served before a lower one:

    lane      0        1          2           3           4            5
    overload  5 x up   3.4 to 5   2.25 to 3.4 1.5 to 2.25 up to 1.5    those that remove tasks

A number is only a time to come back at: whoever comes decides afresh, and takes another number if
it is throttled again. So a number may be lost, skipped or served twice without harm. Nobody waits
for a lane that has not moved for `STANDSTILL`: its numbers belong to targets that need nothing any
more, or whose messages were lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.event import AlarmTransition
from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from quickstep.engine.model import Alarm, ScalableTarget
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.ports import Turns
    from quickstep.protocol.records import DecisionRecord

SERVED_A_SECOND = 5
"""UpdateService's bucket refills by so many calls (*request-throttling*, ECS Developer Guide)."""

OVERLOADS = (5.0, 3.4, 2.25, 1.5, 0.0)
"""The least overload of each lane, in thresholds: each about 1.5 times the next."""

SCALE_IN = len(OVERLOADS)
LANES = SCALE_IN + 1

AT_THE_COUNTER = 10
"""So many before it make no difference: two seconds' worth, and messages are as inexact."""

STANDSTILL = timedelta(seconds=30)

LONGEST_WAIT = timedelta(seconds=300)
"""After which a target looks again how far the line has come; SQS could wait for 900 s."""

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
        own = number - 1 - self.lanes[lane].served if self.moves(lane, now) else 0
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
        """Return the line after a number was served; those before it have been, or never will."""
        before = self.lanes[lane]
        if number <= before.served:
            return self
        return self._with(lane, replace(before, served=number, moved_at=now))

    def _with(self, lane: int, changed: Lane) -> Line:
        return Line((*self.lanes[:lane], changed, *self.lanes[lane + 1 :]))


def lane_of(target: ScalableTarget, record: DecisionRecord, waiting: Turn | None) -> int | None:
    """Return the lane of an evaluation that was throttled; None if nothing says what it wants.

    One that has decided is judged by its own numbers; one that could not even describe its service
    by its alarm's event, or stays in the lane that its target waits in.
    """
    trigger, decision = record.trigger, record.decision
    if decision is not None:
        if decision.granted < decision.before:
            return SCALE_IN
        out = {policy.name for policy in target.in_direction(Direction.OUT)}
        return _lane(alarm for name, alarm in record.alarms.items() if name in out)
    if isinstance(trigger, AlarmTransition) and trigger.alarm.state is AlarmState.ALARM:
        policy = target.policy(trigger.policy)
        removes = policy is not None and policy.direction is Direction.IN
        return SCALE_IN if removes else _lane([trigger.alarm])
    return waiting.lane if waiting else None


def _lane(alarms: Iterable[Alarm]) -> int:
    overload = max((_overload(alarm) for alarm in alarms), default=0.0)
    return next(lane for lane, least in enumerate(OVERLOADS) if overload >= least)


def _overload(alarm: Alarm) -> float:
    """Return how many times its threshold an alarm's load is; 0 where that says nothing.

    Example: 300 requests where 100 are the threshold: 3. So are 5 % of free memory where 15 % are.
    """
    if alarm.state is not AlarmState.ALARM or not alarm.has_value or not alarm.threshold:
        return 0.0
    ratio = alarm.datapoints[-1] / alarm.threshold
    if ratio <= 0:
        return math.inf if ratio == 0 else 0.0
    return max(ratio, 1 / ratio)


def line_up(
    turns: Turns,
    target: ScalableTarget,
    memory: Memory,
    record: DecisionRecord,
    now: datetime,
) -> tuple[Turn | None, timedelta | None]:
    """Return what a target waits for after an evaluation, and how long; None for a back-off.

    A throttled one takes a number, and keeps the one it has until that was called. A target that
    could not be judged, for want of data or for another failure, still waits for what it did while
    one of its alarms is in ALARM.
    """
    waiting = memory.turn
    if record.outcome is not Outcome.FAILED_THROTTLED:
        undecided = record.outcome.failed or record.outcome is Outcome.HELD_NO_DATA
        firing = any(known.state is AlarmState.ALARM for known in memory.alarms.values())
        return waiting if undecided and firing else None, None
    since = waiting.since if waiting else record.at
    lane = lane_of(target, record, waiting)
    if lane is None:
        return Turn(since), None
    try:
        line = turns.take(lane, now)
    except CallFailedError:
        return Turn(since, lane), None
    number = line.lanes[lane].taken
    if waiting and waiting.lane == lane and (waiting.number or 0) > line.lanes[lane].served:
        number = waiting.number or number
    return Turn(since, lane, number), _wait(line.ahead(lane, number, now))


def still_waits(turns: Turns, turn: Turn, now: datetime) -> timedelta | None:
    """Return how much longer a target has to wait that has come back; None if it is its turn."""
    if turn.lane is None or turn.number is None:
        return None
    if not timedelta() <= now - turn.since < LONGEST_LINE:
        return None  # it has waited long enough, or since a time that has not been
    try:
        ahead = turns.read().ahead(turn.lane, turn.number, now)
    except CallFailedError:
        return None
    return _wait(ahead) if ahead > AT_THE_COUNTER else None


def served(turns: Turns, turn: Turn | None, now: datetime) -> None:
    """Say that a number was served. Where that fails, the next one served passes it over."""
    if turn is None or turn.lane is None or turn.number is None:
        return
    try:
        turns.serve(turn.lane, turn.number, now)
    except CallFailedError:
        return


def _wait(ahead: int) -> timedelta:
    """Return how long so many take. Example: 12 take 3 s, in the whole seconds of a queue."""
    return min(LONGEST_WAIT, timedelta(seconds=math.ceil(ahead / SERVED_A_SECOND)))
