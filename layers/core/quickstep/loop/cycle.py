"""One evaluation of one target: claim and observe, decide, apply, commit.

    claim  ∥  DescribeServices  ∥  the load before    round 1; the latter for an alarm's event
    read the metrics, unless the event shows them     only while an alarm is in ALARM
    decide                                            pure
    UpdateService, only if capacity is to change      round 2
    commit memory and record  ∥  send the next check  round 3

Whatever ends an evaluation early is an outcome, and leaves a record like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from quickstep.config import ConfigError
from quickstep.engine.decide import correct, decide, set_capacity
from quickstep.engine.model import Observation, Service
from quickstep.engine.outcome import Outcome
from quickstep.loop.capacity import Capacity, Failed, changed
from quickstep.loop.learning import ahead_of_time, ignored, learn
from quickstep.loop.next_look import next_check
from quickstep.loop.observing import Observer, Seen
from quickstep.loop.recovery import recover
from quickstep.loop.waiting import line_up, served, still_waits
from quickstep.protocol.memory import Claim, Lease, Memory
from quickstep.protocol.messages import Message, Recheck
from quickstep.protocol.ports import CallFailedError, OutOfDate
from quickstep.protocol.records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.engine.model import Decision, ScalableTarget, State
    from quickstep.naming import ServiceName
    from quickstep.protocol.look import Look
    from quickstep.protocol.ports import (
        Messages,
        Metrics,
        PolicyDocuments,
        Services,
        Targets,
        Together,
        Turns,
    )

LEASE = timedelta(seconds=15)
"""Longer than the function's timeout of 10 s: a dead holder can make no more calls."""

MAX_EVENT_AGE = timedelta(seconds=60)
"""The load of a minute ago is no reason to change capacity now."""


@dataclass(frozen=True, slots=True)
class _Described:
    """A description of the service, and when it was asked for."""

    service: Service
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The evaluation of a target, over its ports.

    `clock` tells aware UTC time, `jitter` a random number from 0 up to 1, `sleep` waits.
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
    sleep: Callable[[timedelta], None]
    max_event_age: timedelta = MAX_EVENT_AGE

    def evaluate(self, look: Look) -> DecisionRecord | None:
        """Evaluate a target, and return the record of it.

        None where the look is out of date: its turn has not come yet, or its chain has gone on.

        Raises:
            LeaseLostError: the evaluation outlived its lease; the record was not written.
            CallFailedError: the next check could not be sent; everything else is done.
        """
        now = self.clock()
        wait = still_waits(self.turns, look.turn, now) if look.turn else None
        if wait is None:
            return self._evaluate(look)
        generation = look.generation or 0
        if self.targets.postpone(look.service.resource_id, generation, now + wait):
            self.messages.send(Message(look.again), wait)
        return None

    def _evaluate(self, look: Look) -> DecisionRecord | None:
        now = self.clock()
        draft = DecisionRecord(self.new_id(), now, look, Outcome.FAILED_OTHER, "")
        if why := ahead_of_time(look, now, self.max_event_age):
            return self._unclaimed(_ended(draft, Outcome.IGNORED_STALE, why))
        try:
            target = self.policies.load(look.service)
            look = _defined(target, look)
            lease = Lease(draft.id, now, now + LEASE)
            claim, (described, look) = self.together(
                lambda: self.targets.claim(target.resource_id, lease, look.generation),
                lambda: self.together(
                    lambda: self._describe(look.service),
                    lambda: self._observer.with_load_before(target, look, now),
                ),
            )
        except ConfigError as error:
            return self._unclaimed(_ended(draft, Outcome.FAILED_CONFIG, str(error)))
        except CallFailedError as error:
            return self._failed(_ended(draft, error.outcome, error.why))
        match claim:
            case OutOfDate():
                return None
            case Lease():
                why = f"{claim.owner} holds it until {claim.until:%H:%M:%S}"
                return self._unclaimed(_ended(draft, Outcome.LOST_RACE, why))
            case Claim():
                return self._holding(target, claim, described, replace(draft, look=look))
            case _:
                assert_never(claim)

    @property
    def _observer(self) -> Observer:
        return Observer(self.metrics, self.max_event_age)

    def _unclaimed(self, record: DecisionRecord) -> DecisionRecord:
        self.targets.record(record)
        return record

    def _failed(self, record: DecisionRecord) -> DecisionRecord:
        """Record a call that failed before the claim, but for a throttle: the door heeds that.

        It is not stored, for it may be the table that throttles.
        """
        if record.outcome is Outcome.FAILED_THROTTLED:
            return replace(record, unclaimed=True)
        return self._unclaimed(record)

    def _describe(self, service: ServiceName) -> _Described | CallFailedError:
        """Describe the service; a failure is returned, for the claim beside it must be released."""
        asked_at = self.clock()
        try:
            return _Described(self.services.describe(service), asked_at)
        except CallFailedError as error:
            return error

    def _holding(
        self,
        target: ScalableTarget,
        claim: Claim,
        described: _Described | CallFailedError,
        draft: DecisionRecord,
    ) -> DecisionRecord | None:
        """Evaluate under the lease; None where a re-check is out of date behind a recovery."""
        memory, look = claim.memory, draft.look
        draft = replace(draft, unreadable=memory.state.unreadable)
        if _may_be_stale(described, memory):
            described = self._describe(look.service)
        if isinstance(described, CallFailedError):
            failed = _ended(draft, described.outcome, described.why)
            if claim.abandoned:
                # What its owner did is not known yet. Left unreleased, this lease tells the next
                # holder that somebody may have died here.
                return self._unclaimed(failed)
            return self._commit(target, learn(target, memory, look), failed)
        service = described.service
        if claim.abandoned:
            memory, recovered = recover(memory, claim.abandoned, service, draft)
            if recovered:
                # Committed before anything else is done, so that there is never more than one
                # change to adopt: a second death could undo the first one's change unseen.
                self.targets.commit(draft.id, memory, recovered)
                return self._evaluate(look)
        if nothing_new := ignored(memory, look, draft.at, self.max_event_age):
            record = _ended(draft, *nothing_new)
            self.targets.commit(draft.id, memory, record)
            return record
        memory = learn(target, memory, look)
        seen = self._observer.observe(target, memory, look, draft.at)
        observation = Observation(service, seen.alarms)
        decision = _decide(target, observation, memory.state, look, draft.at)
        after, record = self._apply(
            replace(memory, desired=service.desired),
            decision,
            seen,
            replace(draft, service=service, alarms=seen.alarms),
        )
        if after is None:
            # As above: whether capacity changed is for the next holder to find out.
            return self._unclaimed(record)
        return self._commit(target, after, record)

    def _apply(
        self, memory: Memory, decision: Decision, seen: Seen, draft: DecisionRecord
    ) -> tuple[Memory | None, DecisionRecord]:
        """Call UpdateService if capacity is to change; return what to remember and to record.

        No memory is returned where it cannot be known whether ECS has done it.
        """
        record = replace(draft, outcome=decision.outcome, reason=decision.reason, decision=decision)
        if not decision.outcome.changes_capacity:
            return memory, record
        look = draft.look
        failed = Capacity(self.services, self.sleep, self.jitter).change(look.service, decision)
        if isinstance(failed, Failed):
            failure = _ended(record, failed.error.outcome, failed.error.why)
            return memory if failed.certain else None, failure
        accepted_at = self.clock()
        if look.event:
            record = replace(record, alarm_to_update=accepted_at - look.event.at)
        if memory.turn:
            record = replace(record, waited=accepted_at - memory.turn.since)
        return changed(memory, decision, seen, accepted_at), record

    def _commit(
        self, target: ScalableTarget, memory: Memory, record: DecisionRecord
    ) -> DecisionRecord:
        """Commit, and send the next check beside it; what ECS has throttled lines up before."""
        now = self.clock()
        turn, wait = line_up(self.turns, target, memory, record, now)
        memory = replace(memory, turn=turn, generation=memory.generation + 1)
        check = next_check(memory, record, now, self.jitter(), wait)
        if check is None:
            self.targets.commit(record.id, replace(memory, check_at=None), record)
        else:
            recheck = Recheck(record.look.service, memory.generation, check.attempt, check.turn)
            memory = replace(memory, check_at=now + check.delay)
            self.together(
                lambda: self.targets.commit(record.id, memory, record),
                lambda: self.messages.send(Message(recheck), check.delay),
            )
        if record.outcome is not Outcome.FAILED_THROTTLED:
            served(self.turns, record.look.turn, self.clock())
        return record


def _defined(target: ScalableTarget, look: Look) -> Look:
    """Return the look with its event's definition, which its policy's direction completes.

    Raises:
        ConfigError: the document has no such policy.
    """
    event = look.event
    if event is None:
        return look
    policy = target.policy(event.policy)
    if policy is None:
        known = ", ".join(policy.name for policy in target.policies)
        raise ConfigError.of(
            look.service.parameter,
            f"has no policy {event.policy}, which alarm {event.alarm_name} drives; it has {known}",
        )
    return replace(look, event=event.defined(policy.direction))


def _decide(
    target: ScalableTarget, observation: Observation, state: State, look: Look, now: datetime
) -> Decision:
    """Return what the policies ask for, or, where there is one, what the look itself does.

    A wished capacity goes before the policies; a look that corrects sees to the bounds where the
    policies leave capacity as it is. A breach is looked at again either way.
    """
    decision = decide(target, observation, state, now)
    other = None
    if look.wish:
        other = set_capacity(target, observation, state, now, look.wish.capacity)
    elif look.corrects and decision.granted == decision.before:
        other = correct(target, observation, state, now)
    return replace(other, next_check_in=decision.next_check_in) if other else decision


def _ended(record: DecisionRecord, outcome: Outcome, why: str) -> DecisionRecord:
    """Return the record of an evaluation that ended without capacity being touched."""
    reason = outcome.sentence(before=None, granted=None, why=why)
    return replace(record, outcome=outcome, reason=reason)


def _may_be_stale(described: _Described | CallFailedError, memory: Memory) -> bool:
    """Whether the description was asked for before the last committed change was accepted."""
    return (
        isinstance(described, _Described)
        and memory.changed_at is not None
        and described.asked_at <= memory.changed_at
    )
