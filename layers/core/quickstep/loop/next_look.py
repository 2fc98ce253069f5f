"""When to look at a target again after an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.loop.surges import is_followed

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.protocol.line import Turn
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.records import DecisionRecord

NEWER_DATAPOINT = timedelta(seconds=2)
"""When to look again if CloudWatch has no newer datapoint yet, or ECS has not answered."""

NEXT_SECOND = timedelta(seconds=1)
"""When to look again if no second shows yet what a task has felt."""

OVERDUE = timedelta(seconds=5)
"""How long after its time a re-check counts as lost."""

MAX_ATTEMPTS_FOR_NEWER = 5
"""Looks in a row for a newer datapoint; then the heartbeat takes over."""

MAX_THROTTLES = 30
"""Throttled attempts in a row: about ten minutes; then the heartbeat takes over."""

LONGEST_BACKOFF = timedelta(seconds=30)

_UNSEEN = (Outcome.HELD_NOT_BREACHING, Outcome.HELD_NO_DATA)
"""Outcomes of a look that does not see the surge."""


@dataclass(frozen=True, slots=True)
class Check:
    """When to look at a target again, and what to pass to the next look; see `Recheck`."""

    delay: timedelta
    attempt: int = 0
    turn: Turn | None = None
    felt_at: datetime | None = None


def next_check(
    memory: Memory,
    record: DecisionRecord,
    now: datetime,
    jitter: float,
    wait: timedelta | None = None,
) -> Check | None:
    """Return when to look again after an evaluation; None where the chain ends.

    Ordinarily that is the engine's own `next_check_in`: `proposal.RECHECK_SECONDS`, or what a rule
    set with `checked_again_in`.

    `wait` is how long a throttled target waits for its turn; None if it has no number.
    """
    look = record.look
    felt_at = look.felt_at if is_followed(memory, look, now) else None
    throttles, looks = (look.attempt, 0) if look.turn else (0, look.attempt)
    if record.outcome is Outcome.FAILED_THROTTLED and throttles < MAX_THROTTLES:
        last = wait is None and _asks_for_less(record)
        delay = max(wait or timedelta(), backoff(throttles, jitter, scale_in=last))
        return Check(delay, throttles + 1, memory.turn, felt_at)
    if memory.counts.asked and looks < MAX_ATTEMPTS_FOR_NEWER:
        return Check(NEWER_DATAPOINT, looks + 1, felt_at=felt_at)
    decision = record.decision
    if decision is None or decision.next_check_in is None or record.outcome.failed:
        return None
    delay = timedelta(seconds=decision.next_check_in)
    if felt_at and (check := _of_a_surge(record.outcome, looks, delay)):
        return replace(check, felt_at=felt_at)
    # Looks at a surge do not count as looks at its alarm, which starts its own count.
    return _of_alarms(memory, record, now, 0 if look.felt_at else looks, delay)


def _of_alarms(
    memory: Memory, record: DecisionRecord, now: datetime, looks: int, delay: timedelta
) -> Check | None:
    """Return when to look at the alarms again; None if nothing asks for it."""
    if not (memory.state.removals or memory.state.patience or readable(memory, now)):
        return None
    if not _awaits_a_datapoint(record):
        return Check(delay)
    if record.outcome is Outcome.HELD_NO_DATA or delay < NEWER_DATAPOINT:
        delay = NEWER_DATAPOINT
    return Check(delay, looks + 1) if looks < MAX_ATTEMPTS_FOR_NEWER else None


def _of_a_surge(outcome: Outcome, looks: int, delay: timedelta) -> Check | None:
    """Return when to look at a surge again; None once it has passed.

    The first five come soon: after 1 s while no second shows the surge, after 2 s once tasks were
    added, as more tasks report by then. Later looks follow the breach's own.
    """
    soon = looks < MAX_ATTEMPTS_FOR_NEWER
    if outcome in _UNSEEN:
        return Check(NEXT_SECOND, looks + 1) if soon else None
    if outcome.changes_capacity and soon:
        return Check(NEWER_DATAPOINT, looks + 1)
    return Check(delay, MAX_ATTEMPTS_FOR_NEWER)


def backoff(attempt: int, jitter: float, *, scale_in: bool) -> timedelta:
    """Return how long to stay away after a throttle.

    The delay doubles each time, up to 30 s. `jitter` (0 up to 1) spreads it over its upper half, so
    that many targets do not come back together. Scale-in always waits the longest, which leaves the
    remaining calls to targets that add tasks.

    Example: the third attempt waits 4 to 8 s.
    """
    longest = LONGEST_BACKOFF.total_seconds()
    span = longest if scale_in else min(longest, 2.0 ** (attempt + 1))
    return timedelta(seconds=max(1, round(span / 2 + jitter * span / 2)))


def _asks_for_less(record: DecisionRecord) -> bool:
    return record.decision is not None and record.decision.granted < record.decision.before


def _awaits_a_datapoint(record: DecisionRecord) -> bool:
    """Whether a firing alarm's datapoint is missing or already acted on, with a new one due soon.

    A hold because too few tasks report already has its datapoint; the next one will not add much.
    """
    shown = any(a.state is AlarmState.ALARM and a.has_value for a in record.alarms.values())
    unread = record.outcome is Outcome.HELD_NO_DATA and not shown
    return unread or record.outcome is Outcome.HELD_ANSWERED


def readable(memory: Memory, now: datetime) -> bool:
    """Whether a re-check could read anything: an alarm in ALARM, defined and not silenced."""
    return any(
        known.state is AlarmState.ALARM and known.definition and not known.silenced(now)
        for known in memory.alarms.values()
    )
