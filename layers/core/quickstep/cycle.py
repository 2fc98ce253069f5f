"""One evaluation of one target: claim and observe, decide, apply, commit.

    claim the target's item  ∥  DescribeServices      round 1
    decide                                            pure
    UpdateService, only if capacity is to change      round 2
    commit memory and record, release the claim       round 3

Whatever ends an evaluation early is an outcome, and leaves a record like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.config import ConfigError
from quickstep.engine.decide import decide
from quickstep.engine.model import Alarm, Observation, Service
from quickstep.engine.outcome import Outcome
from quickstep.ports import CallFailedError, HeldBy
from quickstep.records import DecisionRecord, Memory, SeenTransition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep.alarm_events import AlarmTransition
    from quickstep.engine.model import Decision, ScalableTarget
    from quickstep.ports import PolicyDocuments, Services, Targets, Together

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
    """The evaluation of a target, over its ports. `clock` tells aware UTC time."""

    policies: PolicyDocuments
    services: Services
    targets: Targets
    together: Together
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    max_event_age: timedelta = MAX_EVENT_AGE

    def on_alarm(self, transition: AlarmTransition) -> DecisionRecord:
        """Evaluate the target of an alarm that changed state, and return the record of it.

        Raises:
            LeaseLostError: the evaluation outlived its lease; the record was not written.
        """
        now = self.clock()
        draft = DecisionRecord(self.new_id(), now, transition, Outcome.FAILED_OTHER, "")
        try:
            target = self._target(transition)
        except ConfigError as error:
            return self._unclaimed(_ended(draft, Outcome.FAILED_CONFIG, str(error)))
        except CallFailedError as error:
            return self._unclaimed(_ended(draft, error.outcome, error.why))
        claim, seen = self.together(
            lambda: self.targets.claim(target.resource_id, draft.id, now, now + LEASE),
            lambda: self._describe(transition),
        )
        if isinstance(claim, HeldBy):
            why = f"{claim.owner} holds it until {claim.until:%H:%M:%S}"
            return self._unclaimed(_ended(draft, Outcome.LOST_RACE, why))
        memory, record = self._evaluate(target, transition, claim, seen, draft)
        self.targets.commit(draft.id, memory, record)
        return record

    def _target(self, transition: AlarmTransition) -> ScalableTarget:
        target = self.policies.load(transition.service)
        if target.policy(transition.policy) is None:
            known = ", ".join(policy.name for policy in target.policies)
            raise ConfigError.of(
                transition.service.parameter,
                f"has no policy {transition.policy}, which alarm {transition.alarm_name} drives; "
                f"it has {known}",
            )
        return target

    def _unclaimed(self, record: DecisionRecord) -> DecisionRecord:
        self.targets.record(record)
        return record

    def _describe(self, transition: AlarmTransition) -> _Seen | CallFailedError:
        """Describe the service; a failure is returned, for the claim beside it must be released."""
        asked_at = self.clock()
        try:
            return _Seen(self.services.describe(transition.service), asked_at)
        except CallFailedError as error:
            return error

    def _evaluate(
        self,
        target: ScalableTarget,
        transition: AlarmTransition,
        memory: Memory,
        seen: _Seen | CallFailedError,
        draft: DecisionRecord,
    ) -> tuple[Memory, DecisionRecord]:
        """Return what to remember and to record. A failure remembers nothing new.

        So a transition that could not be answered is answered if it is delivered again.
        """
        last = memory.alarms.get(transition.policy)
        if last and transition.at <= last.at:
            outcome = (
                Outcome.IGNORED_DUPLICATE if transition.at == last.at else Outcome.IGNORED_STALE
            )
            why = f"{transition.policy} went to {last.state} at {last.at.isoformat()}"
            return memory, _ended(draft, outcome, why)
        if _may_be_stale(seen, memory):
            seen = self._describe(transition)
        if isinstance(seen, CallFailedError):
            return memory, _ended(draft, seen.outcome, seen.why)
        draft = replace(draft, service=seen.service)
        alarms = _known_alarms(target, memory, self._trusted(transition, draft.at), transition)
        decision = decide(target, Observation(seen.service, alarms), memory.state, draft.at)
        return self._apply(memory, decision, draft)

    def _trusted(self, transition: AlarmTransition, now: datetime) -> Alarm:
        """Return the alarm without its datapoints where the event is too old to act on them."""
        age = now - transition.at
        if age <= self.max_event_age:
            return transition.alarm
        why = (
            f"its event is {age.total_seconds():.0f} s old, and datapoints older than "
            f"{self.max_event_age.total_seconds():.0f} s are not acted on"
        )
        return replace(transition.alarm, datapoints=(), no_data=why)

    def _apply(
        self, memory: Memory, decision: Decision, draft: DecisionRecord
    ) -> tuple[Memory, DecisionRecord]:
        record = replace(draft, outcome=decision.outcome, reason=decision.reason, decision=decision)
        transition = draft.trigger
        answered = replace(
            memory,
            state=decision.state,
            alarms={
                **memory.alarms,
                transition.policy: SeenTransition(transition.alarm.state, transition.at),
            },
        )
        if not decision.outcome.changes_capacity:
            return answered, record
        try:
            self.services.set_desired_count(transition.service, decision.granted)
        except CallFailedError as error:
            return memory, _ended(record, error.outcome, error.why)
        accepted_at = self.clock()
        latency = round((accepted_at - transition.at) / timedelta(milliseconds=1))
        return replace(answered, changed_at=accepted_at), replace(
            record, alarm_to_update_ms=latency
        )


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


def _known_alarms(
    target: ScalableTarget, memory: Memory, alarm: Alarm, transition: AlarmTransition
) -> Mapping[str, Alarm]:
    """Return this event's alarm, and what is remembered of the target's other ones.

    Of those only the state is known: a datapoint is never acted on twice.
    """
    remembered = {
        policy.name: Alarm(seen.state, no_data="its newest datapoint is not known")
        for policy in target.policies
        if (seen := memory.alarms.get(policy.name))
    }
    return {**remembered, transition.policy: alarm}
