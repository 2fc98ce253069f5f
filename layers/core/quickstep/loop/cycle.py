"""One evaluation of one target: claim and observe, decide, apply, commit.

    claim  ∥  DescribeServices  ∥  the load before    round 1; the load only for an alarm's event
    read the metrics, unless the event shows them     only while an alarm is in ALARM
    decide                                            pure
    write what is about to be asked for               only if capacity is to change
    UpdateService                                     round 2
    commit memory and record  ∥  send the next check  round 3

Anything that ends an evaluation early is an outcome, and is recorded like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from quickstep.config import ConfigError
from quickstep.engine.decide import BOTH, correct, decide, set_capacity
from quickstep.engine.load import tasks_of
from quickstep.engine.model import Direction, Observation, Service
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds, Case
from quickstep.engine.words import clock
from quickstep.loop.capacity import changed, request_change
from quickstep.loop.learning import ahead_of_time, ignored, known_from, learn
from quickstep.loop.next_look import next_check
from quickstep.loop.observing import Observer, Seen
from quickstep.loop.recovery import adopt, adopted, insist, moved
from quickstep.loop.surges import scaled_out_since
from quickstep.loop.waiting import line_up, served, still_waits
from quickstep.protocol.memory import Claim, Lease, Memory
from quickstep.protocol.messages import Message, Recheck
from quickstep.protocol.operators import MOST_SCHEDULES, SCHEDULED, outlived
from quickstep.protocol.ports import CallFailedError, ItemFullError, OutOfDate
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
        Queues,
        Services,
        Targets,
        Together,
        Turns,
    )

LEASE = timedelta(seconds=15)
"""Longer than the function's timeout of 10 s, so a dead holder can make no more calls."""

MAX_EVENT_AGE = timedelta(seconds=60)
"""A load of a minute ago is no reason to change capacity now."""


CLAIMS = 3
"""Claims an evaluation may make: a holder may finish before anyone can wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Evaluates a target through its ports.

    `clock` returns aware UTC time, `jitter` a random number from 0 up to 1, and `sleep` waits.
    """

    policies: PolicyDocuments
    services: Services
    targets: Targets
    turns: Turns
    metrics: Metrics
    queues: Queues
    messages: Messages
    together: Together
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    jitter: Callable[[], float]
    sleep: Callable[[timedelta], None]
    max_event_age: timedelta = MAX_EVENT_AGE

    def evaluate(self, look: Look) -> list[DecisionRecord]:
        """Evaluate a target, and return the records of this evaluation, its own last.

        Return no record if the look is out of date: its turn has not come, or its chain has gone
        on. If the evaluation finds a change that others made, that change's record comes first.

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
        return []

    def _evaluate(self, look: Look, claims: int = CLAIMS) -> list[DecisionRecord]:
        now = self.clock()
        draft = DecisionRecord(self.new_id(), now, look, Outcome.FAILED_OTHER, "")
        if why := ahead_of_time(look, now, self.max_event_age):
            return self._unclaimed(draft.ended(Outcome.IGNORED_STALE, why))
        try:
            target = self.policies.load(look.service)
            draft = replace(draft, look=_defined(target, look))
        except ConfigError as error:
            return self._unclaimed(draft.ended(Outcome.FAILED_CONFIG, str(error)))
        except CallFailedError as error:
            return self._failed(draft.ended(error.outcome, error.why))
        return self._claiming(target, draft, claims)

    def _claiming(
        self, target: ScalableTarget, draft: DecisionRecord, claims: int
    ) -> list[DecisionRecord]:
        look, now = draft.look, draft.at
        lease = Lease(draft.id, now, now + LEASE)
        try:
            claim, (described, look) = self.together(
                lambda: self.targets.claim(target.resource_id, lease, look.generation),
                lambda: self.together(
                    lambda: self._describe(look.service),
                    lambda: self._observer.with_load_before(target, look, now),
                ),
            )
        except CallFailedError as error:
            return self._failed(draft.ended(error.outcome, error.why))
        draft = replace(draft, look=look)
        match claim:
            case OutOfDate():
                return []
            case Lease():
                return self._beaten(claim, draft, claims - 1)
            case Claim():
                try:
                    return self._holding(target, claim, described, draft)
                except ItemFullError as error:
                    return self._unclaimed(draft.ended(Outcome.FAILED_OTHER, str(error)))
            case _:
                assert_never(claim)

    def _beaten(self, held: Lease, draft: DecisionRecord, claims: int) -> list[DecisionRecord]:
        """Leave the look's news to the lease's holder; claim again if the lease is free by now."""
        look = draft.look
        learned = (look.event.policy, known_from(look.event)) if look.event else None
        waits = self.targets.wait(draft.resource_id, held.owner, draft.id, self.clock(), learned)
        if not waits and claims:
            return self._evaluate(look, claims)
        why = f"{held.owner} holds the lock until {clock(held.until)} at the latest"
        return self._unclaimed(draft.ended(Outcome.LOST_RACE, why))

    @property
    def _observer(self) -> Observer:
        return Observer(self.metrics, self.queues, self.max_event_age)

    def _unclaimed(self, record: DecisionRecord) -> list[DecisionRecord]:
        self.targets.record(record)
        return [record]

    def _failed(self, record: DecisionRecord) -> list[DecisionRecord]:
        """Record a call that failed before the claim, unless throttled: the door retries those.

        A throttle is not stored, because the table itself may be throttling.
        """
        if record.outcome is Outcome.FAILED_THROTTLED:
            return [replace(record, unclaimed=True)]
        return self._unclaimed(record)

    def _describe(self, service: ServiceName) -> Service | CallFailedError:
        """Describe the service; return a failure, as the claim alongside must be released."""
        try:
            return self.services.describe(service)
        except CallFailedError as error:
            return error

    def _holding(
        self,
        target: ScalableTarget,
        claim: Claim,
        service: Service | CallFailedError,
        draft: DecisionRecord,
    ) -> list[DecisionRecord]:
        """Evaluate while holding the lease."""
        # A slow claim may return what others have committed since; those times are not in the
        # future.
        memory, look = claim.memory.as_of(self.clock()), draft.look
        draft = replace(draft, unreadable=_unreadable(claim, draft.at))
        if isinstance(service, CallFailedError):
            failed = draft.ended(service.outcome, service.why)
            memory = learn(target, memory, look, draft.at, claim.waiting)
            return [self._commit(target, memory, failed, claim)]
        counts = memory.counts
        known = ignored(memory, look, draft.at, self.max_event_age)
        # A known event still triggers a look: the evaluation that received it may not have
        # finished.
        mere = replace(look, event=None, wish=None) if known else look
        if adoption := adopted(counts, service, draft):
            self.targets.commit(draft.id, adopt(memory, service, adoption), adoption)
            return [adoption, *self._evaluate(mere)]
        counts = counts.given_up(draft.at)
        memory = replace(memory, counts=counts)
        if known and not (counts.asked or claim.waiting):
            record = draft.ended(*known)
            if self.targets.commit(draft.id, memory, record, claim):
                self._look_again(look.service, memory)
            return [record]
        look, draft = mere, replace(draft, look=mere)
        if counts.committed is None:
            counts = counts.commit(service.desired, draft.at)
            running = min(service.running, service.desired)
            state = moved(memory.state, running, service.desired, draft.at)
            memory = replace(memory, state=state, counts=counts)
        memory = learn(target, memory, look, draft.at, claim.waiting)
        seen = self._observer.observe(target, memory, look, draft.at)
        memory = replace(memory, backlog=seen.backlog or memory.backlog)
        draft = replace(draft, service=service, alarms=seen.alarms, backlog=seen.backlog)
        memory, record = self._apply(target, memory, seen, draft)
        return [self._commit(target, memory, record, claim)]

    def _apply(
        self, target: ScalableTarget, memory: Memory, seen: Seen, draft: DecisionRecord
    ) -> tuple[Memory, DecisionRecord]:
        """Decide, and call UpdateService if needed; return the new memory and the record.

        The decision starts from the committed count, whatever an old answer may have shown.
        """
        assert draft.service is not None  # noqa: S101 - it is described before it is judged
        committed = draft.service.desired if memory.desired is None else memory.desired
        service = replace(draft.service, desired=committed)
        observation = Observation(service, seen.alarms, seen.backlog)
        bounds = Bounds.in_force(target, memory.state, draft.at)
        case = Case(target, observation, memory.state, draft.at, bounds)
        missing = tasks_of(case).missing
        draft = replace(draft, state=memory.state, bounds=bounds, missing=missing)
        decision = decided(target, observation, memory.state, draft.look, draft.at)
        sent = insist(target, memory, decision, draft)
        decision = sent or decision
        record = replace(draft, outcome=decision.outcome, reason=decision.reason, decision=decision)
        if seen.denied and not _stands(decision, draft):
            denied = record.ended(Outcome.FAILED_DENIED, seen.denied)
            return memory if sent else replace(memory, state=decision.state), denied
        if sent is None:
            return replace(memory, state=decision.state), record
        adds = sent.outcome is not Outcome.SCALED_IN
        if why := memory.counts.refusal(sent.granted, adds=adds):
            return memory, record.ended(Outcome.FAILED_OTHER, why)
        asked = changed(memory, sent, seen, self.clock())
        self.targets.ask(draft.id, draft.resource_id, asked)
        answer = request_change(
            self.services, draft.look.service, sent, sleep=self.sleep, jitter=self.jitter
        )
        if answer.error:
            failed = record.ended(answer.error.outcome, answer.error.why)
            return asked if answer.unanswered else memory, failed
        accepted_at = self.clock()
        if draft.look.event:
            record = replace(record, alarm_to_update=accepted_at - draft.look.event.at)
        if (felt_at := draft.look.felt_at) and not scaled_out_since(memory, felt_at):
            record = replace(record, surge_to_update=accepted_at - felt_at)
        if memory.turn:
            record = replace(record, waited=accepted_at - memory.turn.since)
        counts = asked.counts.commit(sent.granted, accepted_at, unanswered=answer.unanswered)
        return replace(asked, counts=counts), record

    def _commit(
        self, target: ScalableTarget, memory: Memory, record: DecisionRecord, claim: Claim
    ) -> DecisionRecord:
        """Commit, and send the next check; a target that ECS throttled lines up first."""
        now = self.clock()
        turn, wait = line_up(self.turns, target, memory, record, now)
        incident = str(record.outcome) if record.outcome.is_incident else ""
        record = replace(record, repeated=bool(incident) and incident == memory.incident)
        memory = replace(
            memory,
            turn=turn,
            generation=memory.generation + 1,
            check_at=None,
            failed_at=now if _is_to_rest(record) else None,
            incident=incident,
        )
        check = next_check(memory, record, now, self.jitter(), wait)
        if check is None:
            waited = self.targets.commit(record.id, memory, record, claim)
        else:
            recheck = Recheck(
                record.look.service, memory.generation, check.attempt, check.turn, check.felt_at
            )
            memory = replace(memory, check_at=now + check.delay)
            waited, _ = self.together(
                lambda: self.targets.commit(record.id, memory, record, claim),
                lambda: self.messages.send(Message(recheck), check.delay),
            )
        if waited:
            self._look_again(record.look.service, memory)
        if record.outcome is not Outcome.FAILED_THROTTLED:
            served(self.turns, record.look.turn, self.clock())
        return record

    def _look_again(self, service: ServiceName, memory: Memory) -> None:
        """Look again at once for a look that waited; the next check is then out of date."""
        self.messages.send(Message(Recheck(service, memory.generation)), timedelta())


def _defined(target: ScalableTarget, look: Look) -> Look:
    """Return the look with its event's definition, completed by its policy's direction.

    Raises:
        ConfigError: the document has no such policy.
    """
    event = look.event
    if event is None:
        return look
    policy = target.policy(event.policy)
    if policy is None:
        known = ", ".join(policy.alarm for policy in target.policies)
        raise ConfigError.of(
            look.service.parameter,
            f"has no policy {event.policy} for the alarm {event.alarm_name}; it has {known}",
        )
    return replace(look, event=event.defined(policy.direction))


def decided(
    target: ScalableTarget, observation: Observation, state: State, look: Look, now: datetime
) -> Decision:
    """Return what the policies ask for, unless the look itself asks for something else.

    A requested capacity overrides the policies. A look that corrects enforces the bounds where the
    policies leave capacity unchanged. Either way, a breach is looked at again.
    """
    directions = (Direction.OUT,) if look.adds else BOTH
    decision = decide(target, observation, state, now, directions)
    other = None
    if look.wish:
        other = set_capacity(target, observation, state, now, look.wish.capacity)
    elif look.corrects and decision.granted == decision.before:
        other = correct(target, observation, state, now)
    return replace(other, next_check_in=decision.next_check_in) if other else decision


def _stands(decision: Decision, draft: DecisionRecord) -> bool:
    """Whether a decision stands although a read was denied.

    It does if it adds tasks, or if an operator asked for a removal, which does not depend on load.
    """
    if decision.outcome in (Outcome.SCALED_OUT, Outcome.RECOVERED, Outcome.WOULD_SCALE):
        return True
    by_hand = draft.look.wish is not None or (draft.bounds is not None and draft.bounds.forced)
    return decision.outcome is Outcome.SCALED_IN and by_hand


def _is_to_rest(record: DecisionRecord) -> bool:
    """Whether polls leave a target alone for a while: a failure, unless it only hid the load."""
    decision = record.decision
    unseen = decision is not None and not (
        decision.outcome.changes_capacity or decision.outcome is Outcome.RECOVERED
    )
    return record.outcome.failed and not unseen


def _unreadable(claim: Claim, now: datetime) -> str:
    """Return which of the operators' entries are unreadable or exceed the limit, and why."""
    dropped = [
        f"{name}: is dropped, as only {MOST_SCHEDULES} schedules may be active"
        for name in outlived(claim.entries, now)
        if any(
            f"{SCHEDULED}{kept.name}" == name and kept.active(now)
            for kept in claim.memory.state.schedules
        )
    ]
    return "; ".join(filter(None, [claim.memory.state.unreadable, *dropped]))
