"""From one evaluation to the next: what is learnt, what is remembered, and when to look again.

Pure: everything here turns a memory and something that happened into a new memory, or into an
answer about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.definition import event_definition, recent
from quickstep.alarms.event import AlarmTransition
from quickstep.engine.model import Alarm, AlarmState, Launch, ScalingActivity
from quickstep.engine.outcome import Outcome
from quickstep.engine.policies import looks_back
from quickstep.engine.proposal import Bounds
from quickstep.protocol.memory import KnownAlarm
from quickstep.protocol.triggers import DescribedAlarm, Heartbeat, Recheck, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import Datapoint, Decision, ScalableTarget, Service
    from quickstep.protocol.line import Turn
    from quickstep.protocol.memory import Lease, Memory
    from quickstep.protocol.records import DecisionRecord
    from quickstep.protocol.triggers import Trigger

NEWER_DATAPOINT = timedelta(seconds=2)
"""How soon to look again where CloudWatch has no newer datapoint yet."""

MAX_LOOKS = 5
"""Looks in a row for a newer datapoint; then the heartbeat takes over."""

MAX_THROTTLES = 30
"""Throttled attempts in a row: about ten minutes; then the heartbeat takes over."""

LONGEST_BACKOFF = timedelta(seconds=30)

OVERDUE = timedelta(seconds=5)
"""How long after its time a re-check counts as lost."""


# --- what an evaluation learns --------------------------------------------------------------------


def ignored(
    memory: Memory, trigger: Trigger, now: datetime, max_age: timedelta
) -> tuple[Outcome, str] | None:
    """Return how an alarm's event or a request ends that says nothing new; None for all else."""
    if isinstance(trigger, Request):
        return _ignored_request(memory, trigger, now, max_age)
    if not isinstance(trigger, AlarmTransition):
        return None
    last = memory.alarms.get(trigger.policy)
    if last is None or trigger.at > last.at:
        return None
    outcome = Outcome.IGNORED_DUPLICATE if trigger.at == last.at else Outcome.IGNORED_STALE
    return outcome, f"{trigger.policy} went to {last.state} at {last.at.isoformat()}"


def ahead_of_time(trigger: Trigger, now: datetime, max_age: timedelta) -> str | None:
    """Return what is wrong with a trigger that comes from the future; None where none does.

    Remembered, such a time would outdate whatever really happens until then. So it may be ahead by
    no more than an event may be old.

    Example: an event of 2099 is none of CloudWatch's; remembered, it would leave the alarm's own
    events unheard for decades.
    """
    match trigger:
        case AlarmTransition():
            moments = [trigger.at, trigger.newest or trigger.at]
        case Heartbeat():
            moments = [alarm.at for alarm in trigger.alarms.values()]
        case Request():
            moments = [] if trigger.capacity is None else [trigger.at]
        case Recheck():
            moments = []
    latest = max(moments, default=now)
    if latest - now <= max_age:
        return None
    return f"it is of {latest.isoformat()}, over {max_age.seconds} s ahead"


def _ignored_request(
    memory: Memory, request: Request, now: datetime, max_age: timedelta
) -> tuple[Outcome, str] | None:
    """Return how a request ends whose capacity was set before, or is too old to be wanted.

    One without a capacity only asks for a look: that is right at any time, and any number of times.
    """
    if request.capacity is None:
        return None
    last = memory.requested_at
    if last is not None and request.at <= last:
        outcome = Outcome.IGNORED_DUPLICATE if request.at == last else Outcome.IGNORED_STALE
        return outcome, f"the newest request was made at {last.isoformat()}"
    if now - request.at > max_age:
        why = f"it was asked for at {request.at.isoformat()}, over {max_age.seconds} s ago"
        return Outcome.IGNORED_STALE, why
    return None


def learn(target: ScalableTarget, memory: Memory, trigger: Trigger) -> Memory:
    """Return the memory with what the trigger says of the target's alarms.

    Alarms that were deleted, and those of policies that are gone from the document, are forgotten.
    """
    known = memory.alarms
    match trigger:
        case AlarmTransition():
            news = {trigger.policy: _learn_transition(target, memory, trigger)}
        case Heartbeat():
            news = {
                policy: _learn_described(memory, policy, described)
                for policy, described in trigger.alarms.items()
            }
            known = {} if trigger.complete else known
        case Recheck():
            news = {}
        case Request():
            news = {}
            if trigger.capacity is not None:
                memory = replace(memory, requested_at=trigger.at)
    alarms = {**known, **news}
    return replace(
        memory, alarms={name: alarm for name, alarm in alarms.items() if target.policy(name)}
    )


def _learn_transition(
    target: ScalableTarget, memory: Memory, transition: AlarmTransition
) -> KnownAlarm:
    last = memory.alarms.get(transition.policy)
    if last and transition.at <= last.at:
        return last
    policy = target.policy(transition.policy)
    shown = policy and event_definition(transition.metrics, transition.alarm, policy.direction)
    known = last.definition if last else None
    if known is None or (shown and shown.threshold != known.threshold):
        known = shown or known
    return KnownAlarm(
        state=transition.alarm.state,
        at=transition.at,
        definition=known,
        acted_on=last.acted_on if last else memory.spent_before,
        muted=transition.alarm.muted,
        muted_until=transition.muted_until,
        disabled=last.disabled if last else False,
    )


def _learn_described(memory: Memory, policy: str, described: DescribedAlarm) -> KnownAlarm:
    """Return what DescribeAlarms adds: always the definition, the state only if it is newer."""
    last = memory.alarms.get(policy)
    if last is None:
        return KnownAlarm(
            described.state,
            described.at,
            described.definition,
            acted_on=memory.spent_before,
            disabled=described.disabled,
        )
    last = replace(last, definition=described.definition, disabled=described.disabled)
    if described.state is last.state or described.at < last.at:
        return last
    return replace(last, state=described.state, at=described.at, muted=False, muted_until=None)


def definition_to_look_back(target: ScalableTarget, trigger: Trigger) -> AlarmDefinition | None:
    """Return how to read the load before an alarm's event; None where no guard asks for it."""
    if not isinstance(trigger, AlarmTransition):
        return None
    if trigger.alarm.state is not AlarmState.ALARM or trigger.alarm.muted:  # not acted on
        return None
    policy = target.policy(trigger.policy)
    if policy is None or not looks_back(target, policy, policy.direction):
        return None
    return event_definition(trigger.metrics, trigger.alarm, policy.direction)


def with_load_before(
    transition: AlarmTransition,
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    now: datetime,
) -> AlarmTransition:
    """Return an alarm's event with the datapoints before it. Its own stay the ones acted on."""
    alarm = replace(
        transition.alarm,
        recent=recent(definition, points, now),
        period=definition.period,
    )
    return replace(transition, alarm=alarm)


def unread(known: KnownAlarm, now: datetime) -> Alarm:
    """Return what is known of an alarm whose metric was not read."""
    definition = known.definition
    return Alarm(
        known.state,
        threshold=definition.threshold if definition else None,
        muted=known.silenced(now),
        no_data="its load was not read",
        metric=definition.metric if definition else "",
    )


def shown_by(
    transition: AlarmTransition, known: KnownAlarm, now: datetime
) -> tuple[Alarm, datetime | None]:
    """Return the alarm as its event shows it, and when its newest datapoint begins.

    A datapoint that has changed capacity before is not acted on again: a state that the heartbeat
    has adopted may be followed by the event of the same transition. Its metric goes by the name
    that the other alarms' have, which is how DescribeAlarms writes it once that has been asked.
    """
    alarm, newest = replace(transition.alarm, muted=known.silenced(now)), transition.newest
    if known.definition:
        alarm = replace(alarm, metric=known.definition.metric)
    spent = newest and known.acted_on and newest <= known.acted_on
    if newest is None or not spent or alarm.state is not AlarmState.ALARM:
        return alarm, newest
    why = f"its datapoint of {newest:%H:%M:%S} was acted on before"
    return replace(alarm, datapoints=(), no_data=why), None


def acted(
    memory: Memory,
    decision: Decision,
    alarms: Mapping[str, Alarm],
    newest: Mapping[str, datetime],
    accepted_at: datetime,
) -> Memory:
    """Return the memory after ECS has accepted a change.

    All datapoints that were in breach have had their say in it.
    """
    spent = {
        name: replace(memory.alarms[name], acted_on=newest[name])
        for name, alarm in alarms.items()
        if alarm.state is AlarmState.ALARM and alarm.has_value and name in newest
    }
    return replace(
        memory,
        state=decision.state,
        alarms={**memory.alarms, **spent},
        desired=decision.granted,
        changed_at=accepted_at,
    )


def recover(
    memory: Memory, abandoned: Lease, service: Service, draft: DecisionRecord
) -> tuple[Memory, DecisionRecord | None]:
    """Return the memory with the change of a holder that died before its commit, and its record.

    What differs from the last commit is taken for its work: it happened after the lease's start,
    and its cooldown counts from there. Where nothing was ever committed, a cooldown starts all the
    same: that it changed nothing cannot be known. Nor can it be known which datapoints it acted on:
    all that begin before the lease are spent.
    """
    before, after = memory.desired, service.desired
    if before == after:
        return memory, None
    activity = ScalingActivity(abandoned.since, after if before is None else before, after)
    lower = before is not None and after < before
    launched = Launch(abandoned.since, activity.after - activity.before)
    state = (
        replace(memory.state, scale_in=activity)
        if lower
        else replace(
            memory.state,
            scale_out=activity,
            launches=(*memory.state.launches, launched),
        )
    )
    from_ = "an unknown number" if before is None else before
    why = f"{abandoned.owner} left {after} tasks, where {from_} had been committed"
    outcome = Outcome.RECOVERED
    record = replace(
        draft,
        outcome=outcome,
        reason=outcome.sentence(before=before, granted=after, why=why),
        service=service,
    )
    alarms = {
        name: replace(known, acted_on=max(known.acted_on or abandoned.since, abandoned.since))
        for name, known in memory.alarms.items()
    }
    memory = replace(
        memory, state=state, alarms=alarms, desired=after, spent_before=abandoned.since
    )
    return memory, record


# --- when to look again ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """When to look at a target again, and what to tell the next look; see `Recheck`."""

    delay: timedelta
    attempt: int = 0
    turn: Turn | None = None


def next_check(
    memory: Memory,
    record: DecisionRecord,
    now: datetime,
    jitter: float,
    wait: timedelta | None = None,
) -> Check | None:
    """Return when to look again after an evaluation; None where the chain ends.

    `wait` is how long a throttled target waits for its turn; None where it has no number.
    """
    trigger = record.trigger
    attempt, turn = (trigger.attempt, trigger.turn) if isinstance(trigger, Recheck) else (0, None)
    throttles, looks = (attempt, 0) if turn else (0, attempt)
    if record.outcome is Outcome.FAILED_THROTTLED and throttles < MAX_THROTTLES:
        last = wait is None and _asks_for_less(record)
        delay = max(wait or timedelta(), backoff(throttles, jitter, scale_in=last))
        return Check(delay, throttles + 1, memory.turn)
    decision = record.decision
    if decision is None or decision.next_check_in is None or record.outcome.failed:
        return None
    if not _readable(memory, now):
        return None
    if record.outcome is not Outcome.HELD_NO_DATA:
        return Check(timedelta(seconds=decision.next_check_in))
    return Check(NEWER_DATAPOINT, looks + 1) if looks < MAX_LOOKS else None


def backoff(attempt: int, jitter: float, *, scale_in: bool) -> timedelta:
    """Return how long to stay away after a throttle.

    Doubled each time up to 30 s, and spread over its upper half by `jitter` (0 up to 1), so that
    many targets do not come back together. Scale-in always waits the longest: the calls that are
    left are for those who add tasks.

    Example: the third attempt waits 4 to 8 s.
    """
    longest = LONGEST_BACKOFF.total_seconds()
    span = longest if scale_in else min(longest, 2.0 ** (attempt + 1))
    return timedelta(seconds=max(1, round(span / 2 + jitter * span / 2)))


def _asks_for_less(record: DecisionRecord) -> bool:
    return record.decision is not None and record.decision.granted < record.decision.before


def _readable(memory: Memory, now: datetime) -> bool:
    """Whether a re-check could read anything: an alarm in ALARM, defined and not silenced."""
    return any(
        known.state is AlarmState.ALARM and known.definition and not known.silenced(now)
        for known in memory.alarms.values()
    )


def needs_attention(
    target: ScalableTarget,
    heartbeat: Heartbeat,
    *,
    memory: Memory,
    lease: Lease | None,
    service: Service | None,
    now: datetime,
) -> bool:
    """Whether the heartbeat has to evaluate a target.

    It has to where a holder has died, an alarm's event was missed, an alarm is new or changed, a
    breach is looked at by no chain of re-checks, or capacity is outside its bounds. Where it has
    not described the service, the capacity of the last commit counts.
    """
    if lease and lease.until <= now:
        return True
    learnt = learn(target, memory, heartbeat)
    if learnt != memory:
        return True
    chain_is_alive = memory.check_at is not None and now < memory.check_at + OVERDUE
    if _readable(memory, now) and not chain_is_alive:
        return True
    bounds = Bounds.in_force(target, memory.state, now)
    desired = service.desired if service else memory.desired
    return desired is not None and not bounds.minimum <= desired <= bounds.maximum
