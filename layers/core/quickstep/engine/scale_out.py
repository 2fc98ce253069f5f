"""Adding tasks: every scale-out policy in breach is asked, the largest answer is granted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.cooldown import scale_out_cooldown
from quickstep.engine.load import expected_growth, reporting
from quickstep.engine.model import AlarmState, Direction, MetricScope
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import RECHECK_SECONDS, from_step, hold, largest, pause
from quickstep.engine.steps import aggregate

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
    base = max(case.desired, case.bounds.minimum)
    proposal = from_step(case, policy, alarm, base)
    if proposal is None:
        return None
    if policy.metric_scope is MetricScope.PER_TASK:
        alarm, proposal = _rising_trend(case, policy, alarm, proposal)
        alarm, proposal = _capacity_on_its_way(case, policy, alarm, proposal)
    return proposal if proposal.held else _cooldown(case, policy, alarm, proposal)


def _rising_trend(
    case: Case, policy: ScalingPolicy, alarm: Alarm, proposal: Proposal
) -> tuple[Alarm, Proposal]:
    """Choose the step from the load that is expected when a new task serves.

    Example: 4 tasks at 85 each, from 50 and 65, and a threshold of 70: 85 * 1.48 is 126, whose step
    [50, 100) adds 2 where that of 85 adds 1.
    """
    growth, slope = expected_growth(case, alarm)
    if not case.target.guards.rising_trend or growth <= 1:
        return alarm, proposal
    expected = _with_value(policy, alarm, growth)
    counted = from_step(case, policy, expected, proposal.base)
    capacity = max(proposal.capacity, counted.capacity) if counted else proposal.capacity
    why = (
        f"the load rises by {slope:.3g} a second; in {case.target.warmup_seconds} s "
        f"{expected.datapoints[0]:.4g} is expected of a task, so {capacity} are wanted"
    )
    return expected, replace(proposal.after("rising trend", capacity, why), wanted=capacity)


def _capacity_on_its_way(
    case: Case, policy: ScalingPolicy, alarm: Alarm, proposal: Proposal
) -> tuple[Alarm, Proposal]:
    """Choose the step again, from the load per task once the tasks on their way serve.

    Example: 6 tasks of which 4 are starting, 225 requests a second and task: 225 * 2 / 6 is 75, no
    breach of 100, so no task is added.
    """
    serving = reporting(case, alarm)
    # With nothing that serves, the value is the first task's to come, and says nothing of the rest.
    if not case.target.guards.capacity_on_its_way or not 0 < serving < case.desired:
        return alarm, proposal
    expected = _with_value(policy, alarm, serving / case.desired)
    value, threshold = expected.datapoints[0], expected.threshold or 0.0
    counted = from_step(case, policy, expected, proposal.base) if value > threshold else None
    capacity = min(proposal.capacity, counted.capacity if counted else proposal.base)
    why = (
        f"{serving:.3g} of {case.desired} tasks had a part in it; with all of them {value:.4g} is "
        f"expected, {f'so {capacity} are enough' if counted else 'no breach'}"
    )
    if capacity == case.desired:
        outcome = Outcome.HELD_CAPACITY_ON_ITS_WAY
        return expected, proposal.hold("capacity on its way", capacity, outcome, why)
    return expected, proposal.after("capacity on its way", capacity, why)


def _with_value(policy: ScalingPolicy, alarm: Alarm, factor: float) -> Alarm:
    return replace(alarm, datapoints=(aggregate(alarm.datapoints, policy.aggregation) * factor,))


def _cooldown(case: Case, policy: ScalingPolicy, alarm: Alarm, proposal: Proposal) -> Proposal:
    """Hold in a scale-out cooldown, unless the step is a larger one.

    It then counts what the initiating scale-out has added: after +2 from 10 to 12, a step of +3
    asks for 13, so only 1 more.
    """
    until = scale_out_cooldown(policy, case.state, case.now)
    last = case.state.scale_out
    if until is None or last is None:
        return proposal
    base = max(last.before, case.bounds.minimum)
    counted = from_step(case, policy, alarm, base)
    # Where the load that is expected breaches nothing, the minimum is all that is wanted still.
    capacity = max(case.desired, counted.capacity if counted else case.bounds.minimum)
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
