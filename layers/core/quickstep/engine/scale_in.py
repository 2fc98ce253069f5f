"""Removing tasks: only when nothing speaks against it, and as few as any policy asks for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.cooldown import scale_in_cooldown
from quickstep.engine.load import loads, noise
from quickstep.engine.model import Direction, MetricScope
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import RECHECK_SECONDS, from_step, hold, largest, pause

if TYPE_CHECKING:
    from quickstep.engine.model import Alarm, ScalingPolicy
    from quickstep.engine.proposal import Case, Proposal

NOISE_MARGIN = 4
"""A removal leaves room for this many standard deviations of the load's noise.

There are 8,640 datapoints a day; of a normal distribution, one in 32,000 is above four.
"""


def scale_in(case: Case) -> Proposal | None:
    """Return what the scale-in policies in breach come to; None when none has a step to take."""
    in_alarm = case.in_alarm(Direction.IN)
    proposals = [
        proposal
        for policy, alarm in in_alarm
        if not alarm.muted and (proposal := _propose(case, policy, alarm))
    ]
    if not proposals:
        return _without_a_step(case, in_alarm)
    proposal = largest(proposals)
    for guard in (_asks_for_less, hold_in, _minimum):
        if not proposal.held:
            proposal = guard(case, proposal)
    return proposal


def hold_in(case: Case, proposal: Proposal) -> Proposal:
    """Hold what keeps any task from being removed: an operator, a rollout."""
    for guard in (_unreadable, _pause, _deployment):
        if not proposal.held:
            proposal = guard(case, proposal)
    return proposal


def _pause(case: Case, proposal: Proposal) -> Proposal:
    return pause(case, proposal, Direction.IN)


def _unreadable(case: Case, proposal: Proposal) -> Proposal:
    """Hold while something that an operator wrote cannot be read: it may say that none may go."""
    if not case.state.unreadable:
        return proposal
    why = f"no task is removed while this cannot be read: {case.state.unreadable}"
    return proposal.hold("pause", case.desired, Outcome.HELD_PAUSED, why)


def _propose(case: Case, policy: ScalingPolicy, alarm: Alarm) -> Proposal | None:
    proposal = from_step(case, policy, alarm, min(case.desired, case.bounds.maximum))
    if proposal is None:
        return None
    until = scale_in_cooldown(policy, case.target, case.state, case.now)
    if until is None:
        proposal = proposal.checked_again_in(max(RECHECK_SECONDS, policy.cooldown))
        return _would_flap(case, policy, alarm, proposal)
    why = f"no scale-in until {until:%H:%M:%S}"
    held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why)
    return held.checked_again_in(case.seconds_until(until))


def _would_flap(case: Case, policy: ScalingPolicy, alarm: Alarm, proposal: Proposal) -> Proposal:
    """Remove only as many tasks as leave every scale-out alarm of the same metric quiet.

    Source of the idea: Azure Monitor's autoscale, which estimates the load after a removal before
    it removes anything. What counts here is the highest load of the alarm's evaluation window, and
    room for the noise of the load above it.

    Example: 5 tasks at 70 each, and a scale-out threshold of 100: 350 on 4 tasks are 88 each, on 3
    they are 117. One task may go, not two; and none, if the noise is 20: 350 + 4 * 20 take 5.
    """
    thresholds = [
        other.threshold
        for _, other in case.alarms(Direction.OUT)
        if other.threshold and other.metric == alarm.metric
    ]
    per_task = policy.metric_scope is MetricScope.PER_TASK
    if not (case.target.guards.would_flap and per_task and thresholds):
        return proposal
    threshold = min(thresholds)
    margin = NOISE_MARGIN * noise([load for _, load in loads(case, alarm)])
    load = max(alarm.datapoints) * case.desired + margin
    needed = math.floor(load / threshold) + 1 if load > 0 else 0
    # Never above the base: what is above the maximum goes whatever the load.
    capacity = min(proposal.base, max(proposal.capacity, needed))
    why = (
        f"a load of {load:.4g} in all{', noise included,' if margin else ''} takes {needed} tasks "
        f"to stay below {threshold:g} each"
    )
    if capacity == case.desired:
        return proposal.hold("would flap", capacity, Outcome.HELD_WOULD_FLAP, why)
    return proposal.after("would flap", capacity, why)


def _without_a_step(case: Case, in_alarm: list[tuple[ScalingPolicy, Alarm]]) -> Proposal | None:
    for policy, alarm in in_alarm:
        where = f"{policy.name} is in ALARM"
        if alarm.muted:
            return hold(case, "muted", Outcome.HELD_MUTED, f"{where} and muted")
        if not alarm.has_value:
            return hold(case, "data", Outcome.HELD_NO_DATA, f"{where}, but {alarm.no_data}")
        why = f"{where}, but no step matches its datapoints"
        return hold(case, "steps", Outcome.HELD_NOT_BREACHING, why)
    return None


def _asks_for_less(case: Case, proposal: Proposal) -> Proposal:
    if proposal.capacity < case.desired or case.desired == 0:
        return proposal
    return replace(proposal, held=Outcome.HELD_NOT_BREACHING)


def _deployment(case: Case, proposal: Proposal) -> Proposal:
    """Hold during a rollout, as AAS does: its old and new tasks share the load."""
    if not case.target.guards.deployment:
        return proposal
    if case.observation.service.deployment_in_progress:
        why = "no task is removed while a rollout is in progress"
        return proposal.hold("deployment", case.desired, Outcome.HELD_DEPLOYMENT, why)
    return proposal.after("deployment", proposal.capacity, "no rollout is in progress")


def _minimum(case: Case, proposal: Proposal) -> Proposal:
    """Stop at the minimum. Capacity already below it is not raised by a scale-in [AAS]."""
    bounds, wanted = case.bounds, proposal.capacity
    capacity = min(case.desired, max(wanted, bounds.minimum))
    if case.desired < bounds.minimum:
        why = (
            f"{case.desired} is below the {bounds.source}'s minimum {bounds.minimum}; "
            "a scale-in leaves that as it is"
        )
    elif wanted < bounds.minimum:
        why = f"{wanted} is below the {bounds.source}'s minimum {bounds.minimum}"
    else:
        why = f"within the {bounds.source}'s {bounds.minimum} to {bounds.maximum}"
    if capacity == case.desired:
        held = proposal.hold("bounds", capacity, Outcome.HELD_AT_MIN, why)
        return held.checked_again_in(None)
    return proposal.after("bounds", capacity, why)
