"""One decision: from what was seen and remembered to a number of tasks, and the reasons for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.guards import guard, obstacles
from quickstep.engine.load import HISTORY_SECONDS
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Decision,
    Direction,
    Launch,
    Observation,
    Policy,
    ScalableTarget,
    ScalingActivity,
    State,
    TrailStep,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.policies import ask
from quickstep.engine.proposal import Bounds, Case, Proposal, hold, largest

if TYPE_CHECKING:
    from datetime import datetime


def decide(
    target: ScalableTarget, observation: Observation, state: State, now: datetime
) -> Decision:
    """Return what to do about `observation`, and why.

    A scale-out policy in breach is answered first, and only without one may tasks be removed.

    Example: with 4 tasks, a threshold of 100 and one datapoint of 160, a step [50, 100) that adds
    2 gives SCALED_OUT from 4, wanted 6, granted 6.
    """
    case = Case(target, observation, state, now, Bounds.in_force(target, state, now))
    out = _scaled(case, Direction.OUT) or _blind(case)
    return _decision(case, out or _scaled(case, Direction.IN) or _held_without_alarm(case))


def correct(
    target: ScalableTarget, observation: Observation, state: State, now: datetime
) -> Decision | None:
    """Return the decision that brings capacity back within its bounds; None where it is.

    No alarm is asked and no cooldown starts: cooldowns are for scaling policies [AAS]. A pause, a
    rollout and a dry run hold it as they hold a policy.

    Example: 1 task and a minimum of 2: SCALED_OUT from 1 to 2.
    """
    case = Case(target, observation, state, now, Bounds.in_force(target, state, now))
    bounds, seen = case.bounds, case.desired
    capacity = bounds.nearest(seen)
    if capacity == seen:
        return None
    why = f"{seen} is outside {bounds.named}"
    proposal = Proposal(seen, capacity, seen, why).after("bounds", capacity, why)
    proposal = obstacles(case, proposal, Direction.OUT if capacity > seen else Direction.IN)
    decision = _decision(case, proposal.checked_again_in(None))
    return replace(decision, state=replace(state, launches=decision.state.launches))


def set_capacity(
    target: ScalableTarget, observation: Observation, state: State, now: datetime, capacity: int
) -> Decision:
    """Return the decision that sets a capacity once, as an operator has asked.

    Only the bounds in force and a dry run are in its way: neither a pause nor a cooldown, for these
    are about what happens by itself. No cooldown starts.

    Example: 4 tasks, bounds 2 to 40, and 8 are asked for: SCALED_OUT from 4 to 8.
    """
    case = Case(target, observation, state, now, Bounds.in_force(target, state, now))
    bounds, seen = case.bounds, case.desired
    why = f"{capacity} were asked for"
    proposal = Proposal(seen, capacity, seen, why).after("request", capacity, why)
    granted = bounds.nearest(capacity)
    named = bounds.named
    bound = f"within {named}" if granted == capacity else f"{capacity} is outside {named}"
    if granted != seen:
        proposal = proposal.after("bounds", granted, bound)
    elif granted == capacity:
        why = f"{why}, which it has"
        proposal = proposal.hold("request", seen, Outcome.HELD_NOT_BREACHING, why)
    else:
        at_bound = Outcome.HELD_AT_MAX if capacity > seen else Outcome.HELD_AT_MIN
        proposal = proposal.hold("bounds", seen, at_bound, bound)
    decision = _decision(case, proposal.checked_again_in(None))
    return replace(decision, state=replace(state, launches=decision.state.launches))


def _scaled(case: Case, direction: Direction) -> Proposal | None:
    """Return what the policies of a direction come to; None where none of their alarms fires."""
    in_alarm = case.in_alarm(direction)
    proposals = [
        proposal
        for policy, alarm in in_alarm
        if not alarm.muted and (proposal := ask(case, policy, alarm, direction))
    ]
    if proposals:
        return guard(case, largest(proposals), direction)
    return _unanswered(case, *in_alarm[0]) if in_alarm else None


def _unanswered(case: Case, policy: Policy, alarm: Alarm) -> Proposal:
    """Hold, as an alarm fires to which its policy has no answer."""
    where = f"{policy.name} is in ALARM"
    if alarm.muted:
        return hold(case, "muted", Outcome.HELD_MUTED, f"{where} and muted")
    if not alarm.has_value:
        return hold(case, "data", Outcome.HELD_NO_DATA, f"{where}, but {alarm.no_data}")
    why = f"{where}, but no step matches its datapoints"
    return hold(case, "steps", Outcome.HELD_NOT_BREACHING, why)


def _blind(case: Case) -> Proposal | None:
    """Hold where a scale-out alarm has no data: who cannot see the load removes no capacity.

    A scale-in alarm without data never holds a scale-out.
    """
    for policy, alarm in case.alarms(Direction.OUT):
        if alarm.state is AlarmState.INSUFFICIENT_DATA:
            why = f"{policy.name} is in {alarm.state}, so no task is removed"
            return hold(case, "data", Outcome.HELD_NO_DATA, why).checked_again_in(None)
    return None


def _held_without_alarm(case: Case) -> Proposal:
    """Hold, as no alarm is in ALARM."""
    alarms = case.observation.alarms
    blind = all(alarm.state is AlarmState.INSUFFICIENT_DATA for alarm in alarms.values())
    if alarms and blind:
        proposal = hold(case, "data", Outcome.HELD_NO_DATA, "every alarm is in INSUFFICIENT_DATA")
    else:
        proposal = hold(case, "steps", Outcome.HELD_NOT_BREACHING, "no alarm is in ALARM")
    return proposal.checked_again_in(None)


def _launches_to_remember(case: Case, count: int) -> tuple[Launch, ...]:
    """Return the launches to remember, and a new one.

    Those that may be on their way, or were when the load was last looked at.
    """
    since = case.now - timedelta(seconds=case.target.warmup_seconds + HISTORY_SECONDS)
    recent = (launch for launch in case.state.launches if launch.at > since)
    return (*recent, Launch(case.now, count))


def _reason(proposal: Proposal) -> str:
    """Return the step that was chosen, and what then moved its number.

    Example: "...: step [50, ∞) adds 3; 13 is capped at the policy's maximum 12".
    """
    moved = [step.why for step in proposal.trail if step.before != step.after]
    said = proposal.why
    return f"{said}; {moved[-1]}" if moved and moved[-1] != said else said


def _decision(case: Case, proposal: Proposal) -> Decision:
    before, granted, state, trail = case.desired, proposal.capacity, case.state, proposal.trail
    if proposal.held:
        outcome = proposal.held
    elif case.target.dry_run:
        outcome = Outcome.WOULD_SCALE
        trail = (*trail, TrailStep("dry run", granted, granted, "capacity is left as it is"))
    elif granted > before:
        outcome = Outcome.SCALED_OUT
        activity = ScalingActivity(case.now, proposal.base, granted)
        launches = _launches_to_remember(case, granted - before)
        state = replace(state, scale_out=activity, launches=launches)
    else:
        outcome = Outcome.SCALED_IN
        state = replace(state, scale_in=ScalingActivity(case.now, before, granted))
    return Decision(
        outcome=outcome,
        before=before,
        wanted=proposal.wanted,
        granted=granted,
        reason=outcome.sentence(before=before, granted=granted, why=_reason(proposal)),
        trail=trail,
        state=state,
        next_check_in=proposal.check_again,
    )
