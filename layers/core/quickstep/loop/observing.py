"""What an evaluation sees of its target's alarms and queues: shown by an event, or read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.reading import (
    by_interval,
    coarse,
    is_the_same,
    judge,
    recent,
    span_of,
)
from quickstep.alarms.seconds import of_newest_seconds
from quickstep.engine.backlog import Moment, follow
from quickstep.engine.model import Alarm, AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.engine.policies import (
    by_the_newest,
    looks_always,
    looks_back,
    resolution,
    surge_interval,
)
from quickstep.engine.words import clock
from quickstep.protocol.backlog import LONGEST_PROBLEM
from quickstep.protocol.look import Reads
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.event import AlarmEvent
    from quickstep.alarms.known import KnownAlarm
    from quickstep.alarms.reading import Reading
    from quickstep.engine.backlog import Backlog, QueuePolicy, QueueReading
    from quickstep.engine.model import Datapoint, Policy, ScalableTarget
    from quickstep.protocol.look import Look
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.ports import Metrics, Queues


@dataclass(frozen=True, slots=True)
class Seen:
    """The alarms by policy, and the start of the newest datapoint of each that shows one.

    `backlog` is for the target's queues; None if none was read.
    """

    alarms: Mapping[str, Alarm]
    newest: Mapping[str, datetime]
    backlog: Backlog | None = None
    denied: str = ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads metrics and queues; an event older than `max_age` shows nothing to act on."""

    metrics: Metrics
    queues: Queues
    max_age: timedelta

    def with_load_before(self, target: ScalableTarget, look: Look, now: datetime) -> Look:
        """Return the look with the load before its event, if a guard asks for it.

        The event's own datapoints remain the ones acted on. If the load cannot be read, Quickstep
        may add tasks but removes none: a task that serves without reporting would go unseen.
        """
        event = self._fresh(look, now)
        if not event or not event.definition or not _asks_back(target, event):
            return look
        policy = target.policy(event.policy)
        fine = event.definition.fine(resolution(target, policy))
        try:
            points = self.metrics.read({event.policy: fine}, now)[event.policy]
        except CallFailedError as error:
            look = replace(look, denied=_denied(error))
            if policy is None or policy.direction is Direction.OUT:
                return look
            blind = replace(event.alarm, datapoints=(), no_data=_unreadable(error))
            return replace(look, event=replace(event, alarm=blind))
        alarm = replace(event.alarm, **_history(policy, target, event.definition, points, now))
        return replace(look, event=replace(event, alarm=alarm))

    def observe(self, target: ScalableTarget, memory: Memory, look: Look, now: datetime) -> Seen:
        """Return the alarms: the event's own from the event, the others read as the look asks.

        One call reads them all. An event too old to act on is read again.
        """
        known = {
            policy.alarm: memory.alarms[policy.alarm]
            for policy in target.policies
            if policy.alarm in memory.alarms
        }
        alarms = {name: _unread(alarm, now) for name, alarm in known.items()}
        newest: dict[str, datetime] = {}
        if event := self._fresh(look, now):
            alarms[event.policy], begins = _shown(event, known[event.policy], now)
            newest.update({event.policy: begins} if begins else {})
        definitions = {
            name: alarm.definition
            for name, alarm in known.items()
            if alarm.definition
            and not _is_seen(target, name, alarms[name])
            and _is_read(target, memory, look, name, now)
        }
        at_once = look.reads is Reads.NEWEST_SECONDS
        backlog, denied = self._backlog(target, memory, look, now)
        seen = Seen(alarms, newest, backlog, look.denied or denied)
        return self._read(target, known, definitions, seen, now, at_once=at_once)

    def _backlog(
        self, target: ScalableTarget, memory: Memory, look: Look, now: datetime
    ) -> tuple[Backlog | None, str]:
        """Return what is known of the queues, and which call was denied.

        A poll brings its own reading; other looks read the queues, unless they only add tasks.
        """
        if look.backlog or look.adds or not target.queues:
            return look.backlog, ""
        read = self.queues.read([policy.queue_name for policy in target.queues])
        moment = Moment(now, memory.desired or 0)
        denied = [_denied(each) for each in read.values() if isinstance(each, CallFailedError)]
        backlog = follow(target.queues, memory.backlog, readings_of(target.queues, read), moment)
        return backlog, next(filter(None, denied), "")

    def _read(
        self,
        target: ScalableTarget,
        known: Mapping[str, KnownAlarm],
        definitions: Mapping[str, AlarmDefinition],
        seen: Seen,
        now: datetime,
        *,
        at_once: bool,
    ) -> Seen:
        if not definitions:
            return seen
        fine = {
            name: each.fine(1 if at_once else resolution(target, target.policy(name)))
            for name, each in definitions.items()
        }
        try:
            points = self.metrics.read(fine, now)
        except CallFailedError as error:
            # An unread alarm is not a quiet one: nobody can see what it watches.
            unread = {
                name: replace(
                    seen.alarms[name],
                    no_data=_unreadable(error),
                    state=known[name].state
                    if known[name].state is AlarmState.ALARM
                    else AlarmState.INSUFFICIENT_DATA,
                )
                for name in definitions
            }
            denied = seen.denied or _denied(error)
            return replace(seen, alarms={**seen.alarms, **unread}, denied=denied)
        readings = {
            name: reading_of(
                target,
                target.policy(name),
                known[name],
                points.get(name, ()),
                now,
                newest_seconds=at_once and fine[name].period == 1,
            )
            for name in definitions
        }
        read = {}
        for name, reading in readings.items():
            shown = replace(reading.alarm, muted=seen.alarms[name].muted)
            answered = at_once and shown.next_at
            if shown.has_value or answered or known[name].state is AlarmState.ALARM:
                read[name] = shown
            elif _looks(target, name):
                # The alarm says nothing new, or nothing at all; without recent data, the policy is
                # blind.
                state = AlarmState.OK if shown.recent else AlarmState.INSUFFICIENT_DATA
                read[name] = replace(shown, state=state)
        newest = {name: reading.newest for name, reading in readings.items() if reading.newest}
        return replace(seen, alarms={**seen.alarms, **read}, newest={**seen.newest, **newest})

    def _fresh(self, look: Look, now: datetime) -> AlarmEvent | None:
        return look.event if look.event and now - look.event.at <= self.max_age else None


def _denied(error: CallFailedError) -> str:
    """Return AWS's message if it denied the call; empty for any other failure."""
    return error.why if error.outcome is Outcome.FAILED_DENIED else ""


def readings_of(
    policies: Iterable[QueuePolicy], read: Mapping[str, QueueReading | CallFailedError]
) -> dict[str, QueueReading | str]:
    """Return readings by policy; for a queue that could not be read, the reason."""
    return {
        policy.name: each.why[:LONGEST_PROBLEM] if isinstance(each, CallFailedError) else each
        for policy in policies
        if (each := read.get(policy.queue_name)) is not None
    }


def reading_of(
    target: ScalableTarget,
    policy: Policy | None,
    known: KnownAlarm,
    points: Sequence[Datapoint],
    now: datetime,
    *,
    newest_seconds: bool,
) -> Reading:
    """Return what an alarm's metric says, and the load before.

    With `newest_seconds`, the newest seconds count instead of the newest complete periods.
    """
    definition = known.definition
    assert definition is not None  # noqa: S101 - only what is defined is read
    if newest_seconds:
        every, whole = target.publish_seconds, surge_interval(target, policy)
        return of_newest_seconds(definition, points, known.acted_on, now, every=every, whole=whole)
    reading = judge(definition, coarse(points, definition.period), known.acted_on, now)
    history = _history(policy, target, definition, points, now)
    return replace(reading, alarm=replace(reading.alarm, **history))


def _unreadable(error: CallFailedError) -> str:
    return f"its metric could not be read: {error.why}"


def _asks_back(target: ScalableTarget, event: AlarmEvent) -> bool:
    """Whether a guard will need the load before an event; not if the event is not acted on."""
    policy = target.policy(event.policy)
    if policy is None or event.alarm.muted:
        return False
    return looks_back(target, policy, policy.direction, event.alarm.state)


def _history(
    policy: Policy | None,
    target: ScalableTarget,
    definition: AlarmDefinition,
    points: Sequence[Datapoint],
    now: datetime,
) -> dict[str, Any]:
    """Return the load before as an alarm shows it: `recent`, one value every `period` seconds.

    For a policy that follows the newest value, it is empty if that value is too old to describe the
    present.
    """
    fine = definition.fine(resolution(target, policy))
    seen = recent(fine, points, now)
    if policy and looks_always(policy) and seen and seen[-1].at < now - span_of(definition):
        seen = ()
    if fine.period > 1:
        return {"recent": seen, "period": fine.period}
    return by_interval(seen, target.publish_seconds, now, newest=by_the_newest(policy))


def _looks(target: ScalableTarget, alarm: str) -> bool:
    """Whether an alarm's policy always looks at its metric."""
    policy = target.policy(alarm)
    return policy is not None and looks_always(policy)


def _is_seen(target: ScalableTarget, name: str, alarm: Alarm) -> bool:
    """Whether an event has already shown what its policy looks at."""
    return alarm.has_value or (_looks(target, name) and bool(alarm.recent))


def _is_read(target: ScalableTarget, memory: Memory, look: Look, name: str, now: datetime) -> bool:
    """Whether to read an alarm's metric; for scale-out, also while removed tasks may drain."""
    policy = target.policy(name)
    out = policy is not None and policy.direction is Direction.OUT
    if look.reads in (Reads.NOTHING, Reads.NEWEST_SECONDS):
        return out and look.reads is Reads.NEWEST_SECONDS
    if memory.alarms[name].state is AlarmState.ALARM or _looks(target, name):
        return True
    since = now - timedelta(seconds=target.deregistration_delay_seconds)
    drain = any(removal.at > since for removal in memory.state.removals)
    return out and (look.reads is Reads.SCALE_OUT or drain)


def _unread(known: KnownAlarm, now: datetime) -> Alarm:
    """Return what is known of an alarm whose metric was not read."""
    shown = known.definition.alarm(known.state) if known.definition else Alarm(known.state)
    return replace(shown, muted=known.silenced(now), no_data="its metric was not read")


def _shown(event: AlarmEvent, known: KnownAlarm, now: datetime) -> tuple[Alarm, datetime | None]:
    """Return the alarm as its event shows it, and when its newest datapoint begins.

    A datapoint that has changed capacity is not acted on again: the heartbeat may have adopted a
    state before its event arrives. The metric goes by the name that DescribeAlarms uses, once
    known, so that it matches the other alarms'.
    """
    alarm, newest = replace(event.alarm, muted=known.silenced(now)), event.newest
    if known.definition:
        alarm = replace(
            alarm,
            metric=known.definition.metric,
            alarm_period=known.definition.period,
            comparison=known.definition.comparison,
            missing_breaches=known.definition.missing_breaches,
        )
    period = timedelta(seconds=alarm.alarm_period)
    spent = newest and known.acted_on and is_the_same(newest, known.acted_on, period)
    if newest is None or not spent or alarm.state is not AlarmState.ALARM:
        return alarm, newest
    why = f"its datapoint of {clock(newest)} was already acted on"
    return replace(alarm, datapoints=(), no_data=why, next_at=newest + 2 * period), None
