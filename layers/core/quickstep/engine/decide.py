"""One decision: from what was seen and remembered to a number of tasks, and the reasons for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine import queue_policy
from quickstep.engine.guards import guard, obstacles
from quickstep.engine.load import HISTORY_SECONDS, MISSING_AFTER, diluted
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Decision,
    Direction,
    Launch,
    Observation,
    Policy,
    Removal,
    ScalableTarget,
    ScalingActivity,
    State,
    TrailStep,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import grown, learnt, returned
from quickstep.engine.policies import ask, is_content, needed, needs, speaks, window
from quickstep.engine.proposal import RECHECK_SECONDS, Bounds, Case, Proposal, hold, largest
from quickstep.engine.words import tasks

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from quickstep.engine.patience import Patience


BOTH = (Direction.OUT, Direction.IN)


def decide(
    target: ScalableTarget,
    observation: Observation,
    state: State,
    now: datetime,
    directions: Collection[Direction] = BOTH,
) -> Decision:
    """Return what to do about `observation`, and why.

    Breaching scale-out policies come first; tasks may be removed only if none breaches. If one of
    the `directions` is left to another look, that look should come soon.

    Example: with 4 tasks, a threshold of 100 and one datapoint of 160, a step [50, 100) that adds 2
    gives SCALED_OUT from 4, wanted 6, granted 6.
    """
    case = _learnt(Case(target, observation, state, now, Bounds.in_force(target, state, now)))
    proposal = _asked(case, directions)
    left = proposal.check_again is None and len(directions) < len(BOTH)
    return _decision(case, proposal.checked_again_in(RECHECK_SECONDS) if left else proposal)


def _asked(case: Case, directions: Collection[Direction]) -> Proposal:
    """Return the scale-out's proposal; without one, or if it yields, the scale-in's."""
    yielding = None
    for direction in BOTH:
        proposal = _scaled(case, direction) if direction in directions else None
        if proposal and not proposal.leaves_it:
            return proposal
        yielding = yielding or proposal
    return yielding or _held_without_alarm(case)


def _learnt(case: Case) -> Case:
    """Return the case, with what this load teaches about how long to keep idle tasks."""
    patience = _learnt_of_queues(case)
    for policy in case.target.policies:
        known, least = case.state.patience.get(policy.name), window(policy)
        alarm = case.observation.alarms.get(policy.alarm)
        if least is not None and alarm and (alarm.recent or alarm.datapoints):
            seen = needed(case, policy, alarm)
            patience[policy.name] = learnt(known, case.desired, seen, least, case.now)
        elif least is not None and known:
            patience[policy.name] = known
    return replace(case, state=replace(case.state, patience=patience))


def _learnt_of_queues(case: Case) -> dict[str, Patience]:
    """Return what the queues teach, under the one name for all of them."""
    backlog, least = case.observation.backlog, queue_policy.window(case.target)
    known = case.state.patience.get(queue_policy.QUEUES)
    if least is None:
        return {}
    if backlog is None:
        return {queue_policy.QUEUES: known} if known else {}
    seen = queue_policy.needed(backlog)
    return {queue_policy.QUEUES: learnt(known, case.desired, seen, least, case.now)}


def correct(
    target: ScalableTarget, observation: Observation, state: State, now: datetime
) -> Decision | None:
    """Return the decision that brings capacity back within its bounds; None if it is.

    No alarm is consulted, and no cooldown starts: cooldowns are for scaling policies [AAS]. A
    pause, a rollout or a dry run holds it, as for a policy.

    Example: 1 task and a minimum of 2: SCALED_OUT from 1 to 2.
    """
    case = Case(target, observation, state, now, Bounds.in_force(target, state, now))
    bounds, seen = case.bounds, case.desired
    capacity = bounds.nearest(seen)
    if capacity == seen:
        return None
    why = bounds.crossed(seen)
    proposal = Proposal(seen, capacity, seen, why).after("bounds", capacity, why)
    if capacity < seen and not bounds.forced:
        proposal = _while_idle(case, proposal)
    if not proposal.held:
        proposal = obstacles(case, proposal, Direction.OUT if capacity > seen else Direction.IN)
    decision = _decision(case, proposal.checked_again_in(None))
    return replace(decision, state=_without_cooldown(state, decision.state))


def _while_idle(case: Case, proposal: Proposal) -> Proposal:
    """Let a maximum remove only tasks that the scale-out alarms leave idle, unless forced.

    Without any alarms, nothing will ever show a load, so only the bounds count.

    Example: 30 tasks at 60 each, a threshold of 100 and a maximum of 2: 1,800 need 19 tasks, so 30
    go to 19, and lower once the load falls.
    """
    firing = case.in_alarm(Direction.OUT)
    if firing:
        why = f"{firing[0][0].name} is in ALARM, so the maximum removes no task"
        return proposal.hold("load", case.desired, Outcome.HELD_WOULD_FLAP, why)
    if (case.observation.alarms or case.target.queues) and (blind := _blind(case, [])):
        return replace(blind, trail=(*proposal.trail, *blind.trail))
    backlog = case.observation.backlog
    needed = max(
        (needs(case, policy, alarm) for policy, alarm in case.alarms(Direction.OUT)),
        default=0,
    )
    needed = max(needed, backlog.tasks if backlog else 0)
    capacity = min(case.desired, max(proposal.capacity, needed))
    if capacity == proposal.capacity:
        return proposal
    why = f"the load needs {tasks(needed)}, so the maximum leaves no fewer"
    if capacity == case.desired:
        return proposal.hold("load", capacity, Outcome.HELD_WOULD_FLAP, why)
    return proposal.after("load", capacity, why)


def set_capacity(
    target: ScalableTarget, observation: Observation, state: State, now: datetime, capacity: int
) -> Decision:
    """Return the decision that sets a capacity once, as an operator asked.

    Only the bounds in force and a dry run limit it. A pause and a cooldown do not, as they concern
    automatic scaling. No cooldown starts.

    Example: 4 tasks, bounds of 2 to 40 and a request for 8: SCALED_OUT from 4 to 8.
    """
    case = Case(target, observation, state, now, Bounds.in_force(target, state, now))
    bounds, seen = case.bounds, case.desired
    why = f"an operator asked for {tasks(capacity)}"
    proposal = Proposal(seen, capacity, seen, why).after("request", capacity, why)
    granted = bounds.nearest(capacity)
    bound = bounds.crossed(capacity) or f"within {bounds.named}"
    if granted != seen:
        proposal = proposal.after("bounds", granted, bound)
    elif granted == capacity:
        why = f"{why}, and that many are desired"
        proposal = proposal.hold("request", seen, Outcome.HELD_NOT_BREACHING, why)
    else:
        at_bound = Outcome.HELD_AT_MAX if capacity > seen else Outcome.HELD_AT_MIN
        proposal = proposal.hold("bounds", seen, at_bound, bound)
    decision = _decision(case, proposal.checked_again_in(None))
    return replace(decision, state=_without_cooldown(state, decision.state))


def _without_cooldown(before: State, after: State) -> State:
    return replace(before, launches=after.launches, removals=after.removals)


def _scaled(case: Case, direction: Direction) -> Proposal | None:
    """Return the proposal of a direction's policies; None if none of their alarms fires."""
    firing = _firing(case, direction)
    if direction is Direction.IN and (blind := _blind(case, firing)):
        return blind
    answers = {
        policy.name: ask(case, policy, alarm, direction)
        for policy, alarm in firing
        if not alarm.muted
    }
    proposals = [one for one in (*answers.values(), queue_policy.ask(case, direction)) if one]
    proposal = guard(case, largest(proposals), direction) if proposals else None
    if proposal and not proposal.leaves_it:
        return proposal
    unanswered = [
        (policy, alarm)
        for policy, alarm in firing
        if alarm.state is AlarmState.ALARM
        and not (answers.get(policy.name) or (is_content(policy, alarm) and not alarm.muted))
    ]
    return _unanswered(case, *unanswered[0]) if unanswered else proposal


def _firing(case: Case, direction: Direction) -> list[tuple[Policy, Alarm]]:
    """Return the policies whose alarm is in ALARM, or would be if it saw serving tasks only.

    Removed tasks report 0 while they drain, which dilutes a scale-out alarm's average.
    """
    looked_through = direction is Direction.OUT and diluted(case)
    return [
        (policy, alarm)
        for policy, alarm in case.alarms(direction)
        if speaks(policy, alarm)
        or (looked_through and alarm.has_value and alarm.state is AlarmState.OK)
    ]


def _unanswered(case: Case, policy: Policy, alarm: Alarm) -> Proposal:
    """Hold, because an alarm fires for which its policy has no answer."""
    where = f"{policy.name} is in ALARM"
    if alarm.muted:
        return hold(case, "muted", Outcome.HELD_MUTED, f"{where} but muted")
    if alarm.next_at:
        why = f"{where}, and {alarm.no_data}"
        held = hold(case, "answered", Outcome.HELD_ANSWERED, why)
        return held.checked_again_in(case.seconds_until(alarm.next_at))
    if not alarm.has_value:
        return hold(case, "data", Outcome.HELD_NO_DATA, f"{where}, but {alarm.no_data}")
    why = f"{where}, but no step matches its datapoints"
    held = hold(case, "steps", Outcome.HELD_NOT_BREACHING, why)
    return held.checked_again_in(max(RECHECK_SECONDS, alarm.alarm_period))


def _blind(case: Case, removing: list[tuple[Policy, Alarm]]) -> Proposal | None:
    """Hold if a scale-out policy is blind: its alarm has no data, or is not known.

    Another alarm with data may stand in, if it watches the metric by which tasks would be removed.
    A scale-in alarm without data never holds a scale-out. An unread queue holds scale-in, too.
    """
    if why := queue_policy.unseen(case):
        return hold(case, "data", Outcome.FAILED_QUEUE, why).checked_again_in(None)
    seeing = {
        alarm.metric
        for _, alarm in case.alarms(Direction.OUT)
        if alarm.state is not AlarmState.INSUFFICIENT_DATA
    }
    if removing and all(alarm.metric in seeing for _, alarm in removing):
        return None
    for policy in case.target.in_direction(Direction.OUT):
        alarm = case.observation.alarms.get(policy.alarm)
        if alarm is None or alarm.state is AlarmState.INSUFFICIENT_DATA:
            state = f"is in {alarm.state}" if alarm else "has no known alarm"
            why = f"{policy.alarm} {state}, so no task is removed"
            return hold(case, "data", Outcome.HELD_NO_DATA, why).checked_again_in(None)
    return None


def _held_without_alarm(case: Case) -> Proposal:
    """Hold, because no alarm is in ALARM."""
    alarms = case.observation.alarms
    blind = all(alarm.state is AlarmState.INSUFFICIENT_DATA for alarm in alarms.values())
    if alarms and blind:
        proposal = hold(case, "data", Outcome.HELD_NO_DATA, "every alarm is in INSUFFICIENT_DATA")
    else:
        proposal = hold(case, "steps", Outcome.HELD_NOT_BREACHING, "no alarm is in ALARM")
    return proposal.checked_again_in(RECHECK_SECONDS if diluted(case) else None)


def _launches_to_remember(case: Case, capacity: int) -> tuple[Launch, ...]:
    """Return the launches to remember, including a new one.

    They are those that may be on their way now, or were when the load was last looked at.
    """
    warmup = case.target.warmup_seconds
    since = case.now - timedelta(seconds=max(MISSING_AFTER * warmup, warmup + HISTORY_SECONDS))
    recent = (launch for launch in case.state.launches if launch.at > since)
    return (*recent, Launch(case.now, capacity - case.desired, case.desired))


def _removals_to_remember(case: Case, count: int) -> tuple[Removal, ...]:
    """Return the removals whose tasks may still drain, including a new one."""
    since = case.now - timedelta(seconds=case.target.deregistration_delay_seconds)
    recent = (removal for removal in case.state.removals if removal.at > since)
    return (*recent, Removal(case.now, count))


def _moved(case: Case, capacity: int) -> dict[str, Patience]:
    """Return what is remembered about idle tasks after a capacity change."""
    patience = dict(case.state.patience)
    windows = {policy.name: window(policy) for policy in case.target.policies}
    windows[queue_policy.QUEUES] = queue_policy.window(case.target)
    for name, least in windows.items():
        known = patience.get(name)
        if known is None or least is None:
            continue
        patience[name] = (
            grown(known, capacity, case.now)
            if capacity > case.desired
            else returned(known, case.desired, capacity, least, case.now)
        )
    return patience


def _reason(case: Case, proposal: Proposal) -> str:
    """Return what decided the number, with the policy that asked for another number in brackets.

    Example: `44 would exceed the policy's maximum of 40 (rate is at 250, above its threshold of
    100: adds 4 tasks)`. A step that counts from a bound and returns to it has decided nothing: `6
    is below the override's minimum of 200 (...)`.
    """
    base = proposal.base
    corrected = proposal.capacity == base and case.corrected_to(base)
    decided = case.bounds.crossed(case.desired) if corrected else proposal.decided
    if proposal.held or decided in ("", proposal.why):
        return proposal.why
    return f"{decided} ({proposal.why})"


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
        launches = _launches_to_remember(case, granted)
        state = replace(state, scale_out=activity, launches=launches)
        state = replace(state, patience=_moved(case, granted))
    else:
        outcome = Outcome.SCALED_IN
        removals = _removals_to_remember(case, before - granted)
        activity = ScalingActivity(case.now, before, granted)
        state = replace(state, scale_in=activity, removals=removals)
        state = replace(state, patience=_moved(case, granted))
    return Decision(
        outcome=outcome,
        before=before,
        wanted=proposal.wanted,
        granted=granted,
        reason=outcome.sentence(before=before, granted=granted, why=_reason(case, proposal)),
        trail=trail,
        state=state,
        next_check_in=proposal.check_again,
    )
