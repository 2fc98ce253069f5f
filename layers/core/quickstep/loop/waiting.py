"""How a throttled target waits for its turn: the only user of the line in `protocol.line`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.protocol.line import (
    AT_THE_COUNTER,
    LONGEST_LINE,
    LONGEST_WAIT,
    OVERLOADS,
    SCALE_IN,
    SERVED_A_SECOND,
    Turn,
)
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from quickstep.engine.model import Alarm, ScalableTarget
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.ports import Turns
    from quickstep.protocol.records import DecisionRecord


def lane_of(target: ScalableTarget, record: DecisionRecord, waiting: Turn | None) -> int | None:
    """Return the lane for a throttled evaluation; None if nothing shows what it wants.

    A decision's own numbers choose the lane. If not even the service could be described, the
    alarm's event chooses, or else the target keeps the lane it is waiting in.
    """
    event, decision = record.look.event, record.decision
    if decision is not None:
        if decision.granted < decision.before:
            return SCALE_IN
        out = {policy.alarm for policy in target.in_direction(Direction.OUT)}
        return _lane(alarm for name, alarm in record.alarms.items() if name in out)
    if event and event.alarm.state is AlarmState.ALARM:
        policy = target.policy(event.policy)
        removes = policy is not None and policy.direction is Direction.IN
        return SCALE_IN if removes else _lane([event.alarm])
    return waiting.lane if waiting else None


def _lane(alarms: Iterable[Alarm]) -> int:
    overload = max((_overload(alarm) for alarm in alarms), default=0.0)
    return next(lane for lane, least in enumerate(OVERLOADS) if overload >= least)


def _overload(alarm: Alarm) -> float:
    """Return how many times its threshold an alarm's load is; 0 if that is meaningless.

    Example: 300 requests at a threshold of 100 are 3; so is 5 % of free memory at 15 %.
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

    A throttled target takes a number, and keeps it until it is called. A target that could not be
    judged, for lack of data or after another failure, keeps waiting as before while one of its
    alarms is in ALARM.
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
    """Return how much longer a returning target has to wait; None if it is its turn."""
    if turn.lane is None or turn.number is None:
        return None
    if not timedelta() <= now - turn.since < LONGEST_LINE:
        return None  # it has waited long enough, or its time is in the future
    try:
        ahead = turns.read().ahead(turn.lane, turn.number, now)
    except CallFailedError:
        return None
    return _wait(ahead) if ahead > AT_THE_COUNTER else None


def served(turns: Turns, turn: Turn | None, now: datetime) -> None:
    """Mark a number as served. If that fails, the next number served skips it."""
    if turn is None or turn.lane is None or turn.number is None:
        return
    try:
        turns.serve(turn.lane, turn.number, now)
    except CallFailedError:
        return


def _wait(ahead: int) -> timedelta:
    """Return how long `ahead` targets take, in a queue's whole seconds. Example: 12 take 3 s."""
    return min(LONGEST_WAIT, timedelta(seconds=math.ceil(ahead / SERVED_A_SECOND)))
