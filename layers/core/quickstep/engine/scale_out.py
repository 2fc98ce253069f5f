"""Adding tasks: every scale-out policy in breach is asked, the largest answer is granted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.cooldown import scale_out_cooldown
from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import RECHECK_SECONDS, from_step, hold, largest, pause

if TYPE_CHECKING:
    from quickstep.engine.model import Alarm, ScalingPolicy
    from quickstep.engine.proposal import Case, Proposal


def scale_out(case: Case) -> Proposal | None:
    """Return what the scale-out policies in breach come to; None when none has a step to take."""
    proposals = [
        proposal
        for policy, alarm in case.in_alarm(Direction.OUT)
        if not alarm.muted and (proposal := _propose(case, policy, alarm))
    ]
    if not proposals:
        return None
    proposal = largest(proposals)
    for guard in (_asks_for_more, hold_out, _maximum):
        if not proposal.held:
            proposal = guard(case, proposal)
    return proposal


def hold_out(case: Case, proposal: Proposal) -> Proposal:
    """Hold what keeps any task from being added: a pause."""
    return pause(case, proposal, Direction.OUT)


def blocks_scale_in(case: Case) -> Proposal | None:
    """Hold where a scale-out alarm fires without a step to take, or cannot see the load.

    Whoever cannot see the load does not remove capacity; a scale-in alarm without data never
    holds a scale-out.
    """
    # What fires is named first: it is looked at again soon, which a blind alarm is not.
    alarms = sorted(case.alarms(Direction.OUT), key=_not_firing)
    for policy, alarm in alarms:
        where = f"{policy.name} is in {alarm.state}"
        if alarm.state is AlarmState.INSUFFICIENT_DATA:
            return hold(
                case, "data", Outcome.HELD_NO_DATA, f"{where}, so no task is removed"
            ).checked_again_in(None)
        if alarm.state is AlarmState.ALARM:
            if alarm.muted:
                return hold(case, "muted", Outcome.HELD_MUTED, f"{where} and muted")
            if not alarm.has_value:
                return hold(case, "data", Outcome.HELD_NO_DATA, f"{where}, but {alarm.no_data}")
            why = f"{where}, but no step matches its datapoints"
            return hold(case, "steps", Outcome.HELD_NOT_BREACHING, why)
    return None


def _not_firing(pair: tuple[ScalingPolicy, Alarm]) -> bool:
    return pair[1].state is not AlarmState.ALARM


def _propose(case: Case, policy: ScalingPolicy, alarm: Alarm) -> Proposal | None:
    minimum = case.bounds.minimum
    proposal = from_step(case, policy, alarm, max(case.desired, minimum))
    until = scale_out_cooldown(policy, case.state, case.now)
    last = case.state.scale_out
    if proposal is None or until is None or last is None:
        return proposal
    # A larger step passes the cooldown, and counts what the initiating scale-out has added: after
    # +2 from 10 to 12, a step of +3 asks for 13, so only 1 more.
    base = max(last.before, minimum)
    counted = from_step(case, policy, alarm, base)
    capacity = max(case.desired, counted.capacity) if counted else case.desired
    why = (
        f"scaled out from {last.before} to {last.after} at {last.at:%H:%M:%S}; until "
        f"{until:%H:%M:%S} a step counts from {base}: {capacity}"
    )
    if capacity == case.desired:
        soon = min(RECHECK_SECONDS, case.seconds_until(until))
        held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why)
        return held.checked_again_in(soon)
    return replace(proposal.after("cooldown", capacity, why), base=base)


def _asks_for_more(case: Case, proposal: Proposal) -> Proposal:
    if proposal.capacity > case.desired:
        return proposal
    return replace(proposal, held=Outcome.HELD_NOT_BREACHING)


def _maximum(case: Case, proposal: Proposal) -> Proposal:
    """Cap at the maximum. Capacity already above it is not lowered by a scale-out [AAS]."""
    bounds, wanted = case.bounds, proposal.capacity
    capacity = max(case.desired, min(wanted, bounds.maximum))
    if case.desired > bounds.maximum:
        why = (
            f"{case.desired} is above the {bounds.source}'s maximum {bounds.maximum}; "
            "a scale-out leaves that as it is"
        )
    elif wanted > bounds.maximum:
        why = f"{wanted} is capped at the {bounds.source}'s maximum {bounds.maximum}"
    else:
        why = f"within the {bounds.source}'s {bounds.minimum} to {bounds.maximum}"
    if capacity == case.desired:
        held = proposal.hold("bounds", capacity, Outcome.HELD_AT_MAX, why)
        return held.checked_again_in(None)
    return proposal.after("bounds", capacity, why)
