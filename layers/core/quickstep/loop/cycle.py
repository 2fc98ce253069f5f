"""One evaluation of one target: claim and observe, decide, apply, commit.

    claim  ∥  DescribeServices  ∥  the load before    round 1; the latter for an alarm's event
    read the metrics, unless the event shows them     only while an alarm is in ALARM
    decide                                            pure
    UpdateService, only if capacity is to change      round 2
    commit memory and record  ∥  send the next check  round 3

Whatever ends an evaluation early is an outcome, and leaves a record like any other. What the
evaluation learns, and when the target is looked at again, is worked out in `progress`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.definition import judge
from quickstep.alarms.event import AlarmTransition
from quickstep.config import ConfigError
from quickstep.engine.decide import correct, decide, set_capacity
from quickstep.engine.model import Alarm, AlarmState, Observation, Service
from quickstep.engine.outcome import Outcome
from quickstep.loop import progress
from quickstep.protocol.line import line_up, served, still_waits
from quickstep.protocol.memory import Claim, Lease, Memory
from quickstep.protocol.messages import Message
from quickstep.protocol.ports import CallFailedError, OutOfDate
from quickstep.protocol.records import DecisionRecord
from quickstep.protocol.triggers import Heartbeat, Recheck, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep.engine.model import Decision, ScalableTarget, State
    from quickstep.naming import ServiceName
    from quickstep.protocol.ports import (
        Messages,
        Metrics,
        PolicyDocuments,
        Services,
        Targets,
        Together,
        Turns,
    )
    from quickstep.protocol.triggers import Trigger

RETRY_PAUSES = (timedelta(seconds=0.3), timedelta(seconds=0.9))
"""Before further attempts at UpdateService in one evaluation; each half to one and a half of it."""

LEASE = timedelta(seconds=15)
"""Longer than the function's timeout of 10 s: a dead holder can make no more calls."""

MAX_EVENT_AGE = timedelta(seconds=60)
"""The load of a minute ago is no reason to change capacity now."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A description of the service, and when it was asked for."""

    service: Service
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The evaluation of a target, over its ports.

    `clock` tells aware UTC time, `jitter` a random number from 0 up to 1, `pause` waits.
    """

    policies: PolicyDocuments
    services: Services
    targets: Targets
    turns: Turns
    metrics: Metrics
    messages: Messages
    together: Together
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    jitter: Callable[[], float]
    pause: Callable[[timedelta], None]
    max_event_age: timedelta = MAX_EVENT_AGE

    def on_alarm(self, transition: AlarmTransition) -> DecisionRecord:
        """Evaluate the target of an alarm that changed state, and return the record of it.

        Raises:
            LeaseLostError: the evaluation outlived its lease; the record was not written.
            CallFailedError: the next check could not be sent; everything else is done.
        """
        record = self._evaluate(transition)
        assert record is not None  # noqa: S101 - only re-checks can be out of date
        return record

    def on_recheck(self, recheck: Recheck) -> DecisionRecord | None:
        """Look at a target again; None where its turn has not come, or the chain has gone on."""
        now = self.clock()
        wait = still_waits(self.turns, recheck.turn, now) if recheck.turn else None
        if wait is None:
            return self._evaluate(recheck)
        if self.targets.postpone(recheck.service.resource_id, recheck.generation, now + wait):
            self.messages.send(Message(recheck), wait)
        return None

    def on_request(self, request: Request) -> DecisionRecord:
        """Heed what an operator or a schedule has changed, and return the record of it."""
        record = self._evaluate(request)
        assert record is not None  # noqa: S101 - as above
        return record

    def on_heartbeat(self, heartbeat: Heartbeat) -> DecisionRecord:
        """Evaluate a target in which the heartbeat has found something, and return the record."""
        record = self._evaluate(heartbeat)
        assert record is not None  # noqa: S101 - as above
        return record

    def _evaluate(self, trigger: Trigger) -> DecisionRecord | None:
        now = self.clock()
        draft = DecisionRecord(self.new_id(), now, trigger, Outcome.FAILED_OTHER, "")
        if why := progress.ahead_of_time(trigger, now, self.max_event_age):
            return self._unclaimed(_ended(draft, Outcome.IGNORED_STALE, why))
        try:
            target = self._target(trigger)
        except ConfigError as error:
            return self._unclaimed(_ended(draft, Outcome.FAILED_CONFIG, str(error)))
        except CallFailedError as error:
            return self._unclaimed(_ended(draft, error.outcome, error.why))
        lease = Lease(draft.id, now, now + LEASE)
        generation = trigger.generation if isinstance(trigger, Recheck) else None
        claim, (seen, trigger) = self.together(
            lambda: self.targets.claim(target.resource_id, lease, generation),
            lambda: self.together(
                lambda: self._describe(trigger.service),
                lambda: self._with_load_before(target, trigger, now),
            ),
        )
        match claim:
            case OutOfDate():
                return None
            case Lease():
                why = f"{claim.owner} holds it until {claim.until:%H:%M:%S}"
                return self._unclaimed(_ended(draft, Outcome.LOST_RACE, why))
            case Claim():
                return self._holding(target, claim, seen, replace(draft, trigger=trigger))

    def _target(self, trigger: Trigger) -> ScalableTarget:
        target = self.policies.load(trigger.service)
        if isinstance(trigger, AlarmTransition) and target.policy(trigger.policy) is None:
            known = ", ".join(policy.name for policy in target.policies)
            raise ConfigError.of(
                trigger.service.parameter,
                f"has no policy {trigger.policy}, which alarm {trigger.alarm_name} drives; "
                f"it has {known}",
            )
        return target

    def _unclaimed(self, record: DecisionRecord) -> DecisionRecord:
        self.targets.record(record)
        return record

    def _describe(self, service: ServiceName) -> _Seen | CallFailedError:
        """Describe the service; a failure is returned, for the claim beside it must be released."""
        asked_at = self.clock()
        try:
            return _Seen(self.services.describe(service), asked_at)
        except CallFailedError as error:
            return error

    def _with_load_before(self, target: ScalableTarget, trigger: Trigger, now: datetime) -> Trigger:
        """Return an alarm's event with the load before it, where a guard asks for that.

        It is read beside the rest of the round, so it costs no time. Where it cannot be read, the
        guards do without.
        """
        definition = progress.definition_to_look_back(target, trigger)
        if not isinstance(trigger, AlarmTransition) or definition is None:
            return trigger
        if now - trigger.at > self.max_event_age:  # its metric will be read in any case
            return trigger
        try:
            points = self.metrics.read({trigger.policy: definition}, now)[trigger.policy]
        except CallFailedError:
            return trigger
        return progress.with_load_before(trigger, definition, points, now)

    def _holding(
        self,
        target: ScalableTarget,
        claim: Claim,
        seen: _Seen | CallFailedError,
        draft: DecisionRecord,
    ) -> DecisionRecord | None:
        """Evaluate under the lease; None where a re-check is out of date behind a recovery."""
        memory, trigger = claim.memory, draft.trigger
        draft = replace(draft, unreadable=memory.state.unreadable)
        if _may_be_stale(seen, memory):
            seen = self._describe(trigger.service)
        if isinstance(seen, CallFailedError):
            failed = _ended(draft, seen.outcome, seen.why)
            if claim.abandoned:
                # What its owner did is not known yet. Left unreleased, this lease tells the next
                # holder that somebody may have died here.
                return self._unclaimed(failed)
            return self._commit(target, progress.learn(target, memory, trigger), failed)
        if claim.abandoned:
            memory, recovered = progress.recover(memory, claim.abandoned, seen.service, draft)
            if recovered:
                # Committed before anything else is done, so that there is never more than one
                # change to adopt: a second death could undo the first one's change unseen.
                self.targets.commit(draft.id, memory, recovered)
                return self._evaluate(trigger)
        if ignored := progress.ignored(memory, trigger, draft.at, self.max_event_age):
            record = _ended(draft, *ignored)
            self.targets.commit(draft.id, memory, record)
            return record
        memory = progress.learn(target, memory, trigger)
        draft = replace(draft, service=seen.service)
        alarms, newest = self._observe(target, memory, trigger, draft.at)
        decision = _decide(
            target, Observation(seen.service, alarms), memory.state, trigger, draft.at
        )
        after, record = self._apply(
            memory, decision, newest, replace(draft, alarms=alarms), seen.service
        )
        if after is None:
            # As above: whether capacity changed is for the next holder to find out.
            return self._unclaimed(record)
        return self._commit(target, after, record)

    def _observe(
        self, target: ScalableTarget, memory: Memory, trigger: Trigger, now: datetime
    ) -> tuple[Mapping[str, Alarm], Mapping[str, datetime]]:
        """Return the alarms, and when the newest datapoint begins of each that shows one.

        An alarm's event brings its own datapoints, unless it is too old to be acted on. Of every
        other alarm in ALARM the metric is read: one call for all of them.
        """
        known = {
            policy.name: memory.alarms[policy.name]
            for policy in target.policies
            if policy.name in memory.alarms
        }
        alarms = {name: progress.unread(alarm, now) for name, alarm in known.items()}
        newest: dict[str, datetime] = {}
        if isinstance(trigger, AlarmTransition) and now - trigger.at <= self.max_event_age:
            own, begins = progress.shown_by(trigger, known[trigger.policy], now)
            alarms[trigger.policy] = own
            newest.update({trigger.policy: begins} if begins else {})
        definitions = {
            name: alarm.definition
            for name, alarm in known.items()
            if alarm.state is AlarmState.ALARM and alarm.definition and not alarms[name].has_value
        }
        if not definitions:
            return alarms, newest
        try:
            points = self.metrics.read(definitions, now)
        except CallFailedError as error:
            why = f"it could not be read: {error.why}"
            unread = {name: replace(alarms[name], no_data=why) for name in definitions}
            return {**alarms, **unread}, newest
        for name, definition in definitions.items():
            reading = judge(definition, points.get(name, ()), known[name].acted_on, now)
            alarms[name] = replace(reading.alarm, muted=alarms[name].muted)
            newest.update({name: reading.newest} if reading.newest else {})
        return alarms, newest

    def _apply(
        self,
        memory: Memory,
        decision: Decision,
        newest: Mapping[str, datetime],
        draft: DecisionRecord,
        service: Service,
    ) -> tuple[Memory | None, DecisionRecord]:
        """Call UpdateService if capacity is to change; return what to remember and to record.

        No memory is returned where it cannot be known whether ECS has done it.
        """
        record = replace(draft, outcome=decision.outcome, reason=decision.reason, decision=decision)
        memory = replace(memory, desired=service.desired)
        if not decision.outcome.changes_capacity:
            return memory, record
        trigger = draft.trigger
        failure, certain = self._update(trigger.service, decision)
        if failure:
            return memory if certain else None, _ended(record, failure.outcome, failure.why)
        accepted_at = self.clock()
        memory = progress.acted(memory, decision, record.alarms, newest, accepted_at)
        if isinstance(trigger, AlarmTransition):
            record = replace(record, alarm_to_update=accepted_at - trigger.at)
        if memory.turn:
            record = replace(record, waited=accepted_at - memory.turn.since)
        return memory, record

    def _update(
        self, service: ServiceName, decision: Decision
    ) -> tuple[CallFailedError | None, bool]:
        """Call UpdateService, up to three times if need be.

        Return how it failed in the end, and whether it is certain what came of it. A throttle says
        that nothing was done. After a failure of no known kind, such as a time-out, only ECS knows:
        described as granted, the change is made. Tasks are removed in one attempt or later: the
        calls that are left are for those who add some.
        """
        failure: CallFailedError | None = None
        adds = decision.granted > decision.before
        for pause in (timedelta(), *(RETRY_PAUSES if adds else ())):
            if pause:
                self.pause(pause * (0.5 + self.jitter()))
            try:
                self.services.set_desired_count(service, decision.granted)
            except CallFailedError as error:
                failure = error
            else:
                return None, True
            if failure.outcome is Outcome.FAILED_OTHER:
                after = self._describe(service)
                if isinstance(after, CallFailedError):
                    return failure, False
                if after.service.desired == decision.granted:
                    return None, True
            elif failure.outcome is not Outcome.FAILED_THROTTLED:
                break
        return failure, True

    def _commit(
        self, target: ScalableTarget, memory: Memory, record: DecisionRecord
    ) -> DecisionRecord:
        """Commit, and send the next check beside it; what ECS has throttled lines up before."""
        now = self.clock()
        turn, wait = line_up(self.turns, target, memory, record, now)
        memory = replace(memory, turn=turn, generation=memory.generation + 1)
        check = progress.next_check(memory, record, now, self.jitter(), wait)
        if check is None:
            self.targets.commit(record.id, replace(memory, check_at=None), record)
        else:
            recheck = Recheck(record.trigger.service, memory.generation, check.attempt, check.turn)
            memory = replace(memory, check_at=now + check.delay)
            self.together(
                lambda: self.targets.commit(record.id, memory, record),
                lambda: self.messages.send(Message(recheck), check.delay),
            )
        came = record.trigger
        if isinstance(came, Recheck) and record.outcome is not Outcome.FAILED_THROTTLED:
            served(self.turns, came.turn, self.clock())
        return record


def _decide(
    target: ScalableTarget, observation: Observation, state: State, trigger: Trigger, now: datetime
) -> Decision:
    """Return what the policies ask for, or, where there is one, what the trigger itself does.

    A request's capacity goes before the policies; the heartbeat and any other request see to the
    bounds where the policies leave capacity as it is. A breach is looked at again either way.
    """
    decision = decide(target, observation, state, now)
    other = None
    if isinstance(trigger, Request) and trigger.capacity is not None:
        other = set_capacity(target, observation, state, now, trigger.capacity)
    elif isinstance(trigger, Heartbeat | Request) and decision.granted == decision.before:
        other = correct(target, observation, state, now)
    return replace(other, next_check_in=decision.next_check_in) if other else decision


def _ended(record: DecisionRecord, outcome: Outcome, why: str) -> DecisionRecord:
    """Return the record of an evaluation that ended without capacity being touched."""
    reason = outcome.sentence(before=None, granted=None, why=why)
    return replace(record, outcome=outcome, reason=reason)


def _may_be_stale(seen: _Seen | CallFailedError, memory: Memory) -> bool:
    """Whether the description was asked for before the last committed change was accepted."""
    return (
        isinstance(seen, _Seen)
        and memory.changed_at is not None
        and seen.asked_at <= memory.changed_at
    )
