"""What a step policy asks for: the step for the load expected once all starting tasks serve."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from quickstep.engine.cooldown import scale_in_cooldown, scale_out_cooldown
from quickstep.engine.load import Load, expected_growth, load_of, loads, noise, tasks_of
from quickstep.engine.model import (
    KEPT_SHARE,
    AdjustmentType,
    AlarmState,
    Direction,
    Guard,
    MetricScope,
    TrailStep,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Need, kept
from quickstep.engine.proposal import RECHECK_SECONDS, Proposal
from quickstep.engine.steps import aggregate, apply_step, describe_step, select_step
from quickstep.engine.words import (
    beside,
    clock,
    compared,
    exact,
    limit,
    number,
    tasks,
    unit_of,
    unit_of_load,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from quickstep.engine.model import Alarm, ScalableTarget, StepAdjustment, StepPolicy
    from quickstep.engine.proposal import Case

REMOVAL_MARGIN = 4
"""A removal leaves room for this many standard deviations of the load's noise.

A day has 8,640 datapoints; in a normal distribution, one in 32,000 is above four.
"""

SAME = 0.01
"""Serving and reporting tasks that differ by less than this share count as equal."""

LOOKING_BACK = {
    Direction.OUT: {Guard.CAPACITY_ON_ITS_WAY, Guard.RISING_TREND},
    Direction.IN: {Guard.WOULD_FLAP},
}
"""The guards that need the load before an alarm's event."""


def looks_back(target: ScalableTarget, policy: StepPolicy, direction: Direction) -> bool:
    """Whether the load before an alarm's event also affects the policy's step."""
    asked = not target.guards.isdisjoint(LOOKING_BACK[direction])
    return asked and policy.metric_scope is MetricScope.PER_TASK


def ask(case: Case, policy: StepPolicy, alarm: Alarm, direction: Direction) -> Proposal | None:
    """Return what the policy's step asks for; None without a value or a matching step.

    If the base is not the capacity seen, a correction into the bounds comes first. Example: 1 task,
    minimum 2 and a step of +1: corrected to 2, then 3.
    """
    out, seen, bounds = direction is Direction.OUT, case.desired, case.bounds
    base = max(seen, bounds.minimum) if out else min(seen, bounds.maximum)
    if not out and alarm.missing_breaches and not alarm.datapoints:
        proposal = _smallest_removal(case, policy, alarm, base)
        return proposal and _waits(case, policy, proposal)
    shown = _breaching(alarm, direction)
    load = load_of(case, alarm) if _is_load(policy, alarm, direction) else None
    served = _per_serving_task(case, policy, shown, load)
    proposal = (
        _from_step(case, policy, served, base) if _breaches(served, shown, direction) else None
    )
    if proposal is None:
        return _not_breached(case, policy, shown, base, load)
    if load and served is not shown:
        line = TrailStep("serving tasks", seen, seen, _who_serves(policy, shown, load, exact))
        proposal = replace(proposal, trail=(line, *proposal.trail))
    proposal = proposal.checked_again_in(max(RECHECK_SECONDS, alarm.alarm_period))
    return (
        _more(case, policy, served, load, proposal)
        if out
        else _fewer(case, policy, alarm, load, proposal)
    )


def _is_load(policy: StepPolicy, alarm: Alarm, direction: Direction) -> bool:
    """Whether the alarm's value grows with a task's load, and falls as tasks are added."""
    out = direction is Direction.OUT
    return policy.metric_scope is MetricScope.PER_TASK and alarm.compared(direction).upward is out


def _breaching(alarm: Alarm, direction: Direction) -> Alarm:
    """Return the alarm with only its breaching datapoints: those that triggered it.

    Example: 20, 110, 115, 30 and 112, where 3 of 5 must be above 100: 110, 115 and 112.
    """
    if alarm.threshold is None or alarm.state is not AlarmState.ALARM:
        return alarm
    comparison, threshold = alarm.compared(direction), alarm.threshold
    points = tuple(value for value in alarm.datapoints if comparison.breached(value, threshold))
    return replace(alarm, datapoints=points or alarm.datapoints)


def _breaches(served: Alarm, shown: Alarm, direction: Direction) -> bool:
    """Whether the serving tasks' value breaches, if it differs from the reported one.

    Example: 300 on 10 tasks, with 2 more draining: 25 on average is below 30, 30 each is not.
    """
    if served is shown or served.threshold is None:
        return True
    return served.compared(direction).breached(served.datapoints[0], served.threshold)


def _differs(load: Load) -> bool:
    return abs(load.factor - 1) > SAME


def _per_serving_task(case: Case, policy: StepPolicy, alarm: Alarm, load: Load | None) -> Alarm:
    """Return the alarm with a serving task's value instead of a reporting task's."""
    if load is None or not alarm.datapoints or not _differs(load) or not _counts(case):
        return alarm
    return _expected(policy, alarm, load.factor)


def _counts(case: Case) -> bool:
    """Whether the target considers who serves: not if all such guards are switched off."""
    return not case.target.guards.isdisjoint({Guard.CAPACITY_ON_ITS_WAY, Guard.WOULD_FLAP})


def _who_serves(
    policy: StepPolicy, alarm: Alarm, load: Load, written: Callable[[float], str]
) -> str:
    value, unit = aggregate(alarm.datapoints, policy.aggregation), unit_of(alarm.metric)
    return (
        f"{load.reporting:.3g} tasks report {written(value)}{unit} on average; spread over the "
        f"{load.serving:.3g} that serve, that is {written(value * load.factor)}{unit} each"
    )


def _not_breached(
    case: Case, policy: StepPolicy, alarm: Alarm, base: int, load: Load | None
) -> Proposal | None:
    """Hold if only the reported value matches a step, and the serving tasks' value does not."""
    proposal = _from_step(case, policy, alarm, base) if load and _counts(case) else None
    if proposal is None or load is None:
        return None
    why, said = (_who_serves(policy, alarm, load, written) for written in (exact, number))
    held = proposal.hold("serving tasks", case.desired, Outcome.HELD_NOT_BREACHING, why, said)
    return held.checked_again_in(max(RECHECK_SECONDS, alarm.alarm_period))


def _smallest_removal(case: Case, policy: StepPolicy, alarm: Alarm, base: int) -> Proposal | None:
    """Return what the policy's smallest step leaves; its alarm treats missing data as breaching.

    Example: steps of -1 and -4, and no data: one task goes.
    """
    left = [apply_step(policy, step, base) for step in policy.steps]
    fewer = [capacity for capacity in left if capacity < base]
    if alarm.state is not AlarmState.ALARM or not fewer:
        return None
    wanted = max(fewer)
    why = f"{policy.name} has no data, which its alarm treats as breaching: the smallest step"
    said = f"{policy.name} has no data, which its alarm treats as breaching: removes"
    said = f"{said} {tasks(base - wanted)}"
    proposal = Proposal(case.desired, wanted, base, said).after("steps", wanted, why, said)
    return _largest_step(case, proposal)


def _more(
    case: Case, policy: StepPolicy, alarm: Alarm, load: Load | None, proposal: Proposal
) -> Proposal:
    if load:
        alarm, proposal = _rising_trend(case, policy, alarm, load, proposal)
        alarm, proposal = _capacity_on_its_way(case, policy, alarm, load, proposal)
    if not proposal.held:
        proposal = _in_cooldown(case, policy, alarm, proposal)
    if proposal.held or load is None:
        return proposal
    return _missing_tasks(case, policy, alarm, load, proposal)


def _fewer(
    case: Case, policy: StepPolicy, alarm: Alarm, load: Load | None, proposal: Proposal
) -> Proposal:
    proposal = _waits(case, policy, proposal)
    if load and Guard.WOULD_FLAP in case.target.guards and not proposal.held:
        proposal = _would_flap(case, alarm, load, _unseen(case, load, proposal))
    return proposal if proposal.held else _while_patient(case, policy, proposal)


def _while_patient(case: Case, policy: StepPolicy, proposal: Proposal) -> Proposal:
    """Remove only tasks that have been idle for longer than their patience.

    Example: a step would remove one of 9 tasks, and the ninth was needed a minute ago: 9.
    """
    known, least = case.state.patience.get(policy.name), policy.scale_in_window
    if known is None or least is None:
        return proposal
    keep = kept(known, least, KEPT_SHARE, case.now)
    capacity = min(case.desired, max(proposal.capacity, keep.tasks))
    why = f"kept at {capacity}: {keep.why}"
    if capacity == case.desired:
        held = proposal.hold("patience", capacity, Outcome.HELD_COOLDOWN, why, keep.why)
        return held.checked_again_in(max(RECHECK_SECONDS, case.seconds_until(keep.until)))
    if capacity == proposal.capacity:
        return proposal
    return proposal.after("patience", capacity, why, keep.why)


def _waits(case: Case, policy: StepPolicy, proposal: Proposal) -> Proposal:
    """Hold during a scale-in cooldown."""
    until = scale_in_cooldown(policy, case.target, case.state, case.now)
    if until is None:
        return proposal.checked_again_in(max(proposal.check_again or 0, policy.cooldown))
    why = f"in cooldown, no scale-in until {clock(until)}"
    held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why)
    return held.checked_again_in(case.seconds_until(until))


def _unseen(case: Case, load: Load, proposal: Proposal) -> Proposal:
    """Hold while some serving tasks are unseen, because their load is unknown."""
    if not load.unseen:
        return proposal
    why = f"{load.unseen}, so none is removed"
    return proposal.hold("reporting", case.desired, Outcome.HELD_NO_DATA, why)


def _from_step(case: Case, policy: StepPolicy, alarm: Alarm, base: int) -> Proposal | None:
    """Return what the matching step asks for from `base`; None without a value or a match."""
    chosen = _chosen(policy, alarm)
    if chosen is None:
        return None
    step, why = chosen
    wanted = apply_step(policy, step, base)
    said = f"{_where(policy, alarm)}: {_does(case, policy, step, base, wanted)}"
    proposal = Proposal(case.desired, wanted, base, said, yields=_has_enough(case, policy, step))
    if case.corrected_to(base):
        correction = f"{case.bounds.crossed(case.desired)}, so the step counts from {base}"
        proposal = proposal.after("bounds", base, correction)
    return _largest_step(case, proposal.after("steps", wanted, why, said))


def _where(policy: StepPolicy, alarm: Alarm) -> str:
    """Return where the alarm's value is, e.g. `rate is at 16, below its threshold of 30`."""
    value = aggregate(alarm.datapoints, policy.aggregation)
    where = compared(value, alarm.threshold or 0.0, unit_of(alarm.metric))
    return f"{policy.name} is {where}"


def _does(case: Case, policy: StepPolicy, step: StepAdjustment, base: int, wanted: int) -> str:
    """Return what a step does, in tasks.

    Examples: `adds 4 tasks`; `asks for 5 tasks`; if it does not count from the capacity seen, `adds
    1 task to the policy's minimum of 2`.
    """
    if policy.adjustment_type is AdjustmentType.EXACT_CAPACITY:
        return f"asks for {tasks(step.adjustment)}"
    if wanted == base:
        return "changes nothing"
    moved = f"adds {tasks(wanted - base)}" if wanted > base else f"removes {tasks(base - wanted)}"
    if not case.corrected_to(base):
        return moved
    opposite = Direction.IN if wanted > base else Direction.OUT
    return f"{moved} {'to' if wanted > base else 'from'} {case.bounds.bound(opposite)}"


def _has_enough(case: Case, policy: StepPolicy, step: StepAdjustment) -> bool:
    """Whether a scale-out policy names an exact capacity below the current one.

    It wants fewer tasks, which only a scale-in policy may ask for, so it does not block that
    policy. Example: a backlog of 8 is worth exactly 2 tasks, and there are 4.
    """
    exact = policy.adjustment_type is AdjustmentType.EXACT_CAPACITY
    return exact and policy.direction is Direction.OUT and step.adjustment < case.desired


def _chosen(policy: StepPolicy, alarm: Alarm) -> tuple[StepAdjustment, str] | None:
    """Return the step that contains the alarm's value, and a sentence that says so."""
    if alarm.threshold is None or not alarm.datapoints:
        return None
    value = aggregate(alarm.datapoints, policy.aggregation)
    breach = value - alarm.threshold
    comparison = alarm.compared(policy.direction)
    step = select_step(policy, breach, comparison)
    if step is None:
        return None
    side = "above" if breach >= 0 else "below"
    return step, (
        f"{policy.name}: {value:g} is {abs(breach):g} {side} the threshold {alarm.threshold:g}: "
        f"step {describe_step(policy, step, comparison)}"
    )


def _largest_step(case: Case, proposal: Proposal) -> Proposal:
    """Limit every step to MaxAdjustmentMagnitude, whatever the document says.

    Example: 4 tasks, a magnitude of 100 and an ExactCapacity of 2000: 104.
    """
    wanted, base, most = proposal.wanted, proposal.base, case.target.max_adjustment_magnitude
    capacity = min(max(wanted, base - most), base + most)
    if capacity == wanted:
        return proposal
    cap = f"MaxAdjustmentMagnitude limits a step to {tasks(most)}"
    return proposal.after("largest step", capacity, cap)


def _rising_trend(
    case: Case, policy: StepPolicy, alarm: Alarm, load: Load, proposal: Proposal
) -> tuple[Alarm, Proposal]:
    """Choose the step from the load expected when a new task serves.

    Example: 4 tasks at 85 each, after 50 and 65, and a threshold of 70: 85 * 1.48 is 126, and its
    step [50, 100) adds 2, while the step for 85 adds 1.
    """
    growth, slope = expected_growth(case, alarm, load)
    if Guard.RISING_TREND not in case.target.guards or growth <= 1:
        return alarm, proposal
    expected = _expected(policy, alarm, growth)
    counted = _from_step(case, policy, expected, proposal.base)
    capacity = max(proposal.capacity, counted.capacity) if counted else proposal.capacity
    value, unit = expected.datapoints[0], unit_of(alarm.metric)
    soon = f"in {case.target.warmup_seconds} s, expect"
    rising = "the load is rising by"
    why = f"{rising} {exact(slope)} a second; {soon} {exact(value)} per task: {capacity} wanted"
    said = f"{rising} {number(slope)} a second; {soon} {number(value)}{unit} per task"
    return expected, replace(proposal.after("rising trend", capacity, why, said), wanted=capacity)


def _capacity_on_its_way(
    case: Case, policy: StepPolicy, alarm: Alarm, load: Load, proposal: Proposal
) -> tuple[Alarm, Proposal]:
    """Choose the step again, from the load per task once the tasks on their way serve.

    Example: 6 tasks, of which 4 are starting, and 225 requests/s per task: 225 * 2 / 6 is 75, no
    breach of 100, so no task is added. Missing tasks are not on their way.
    """
    coming = case.desired - tasks_of(case).missing
    # If nothing serves, the value belongs to the first new task, and says nothing about the rest.
    if Guard.CAPACITY_ON_ITS_WAY not in case.target.guards or not 0 < load.serving < coming:
        return alarm, proposal
    expected = _expected(policy, alarm, load.serving / coming)
    value, threshold = expected.datapoints[0], expected.threshold or 0.0
    counted = _from_step(case, policy, expected, proposal.base) if value > threshold else None
    capacity = min(proposal.capacity, counted.capacity if counted else proposal.base)
    unit, doing = unit_of(alarm.metric), "serving" if _differs(load) else "reporting"
    spread = f"only {load.serving:.3g} of {coming} tasks are {doing}; spread over all {coming},"
    spread = f"{spread} expect"
    why = f"{spread} {exact(value)} each: {f'{capacity} wanted' if counted else 'no breach'}"
    if capacity != case.desired:
        said = f"{spread} {number(value)}{unit} each"
        return expected, proposal.after("capacity on its way", capacity, why, said)
    late = max(1, round(coming - load.serving))
    verb = f"{'has' if late == 1 else 'have'} yet to {'serve' if _differs(load) else 'report'}"
    said = f"{late} {verb}. Once {'it does' if late == 1 else 'they do'}, expect"
    side = "below" if value < threshold else "at"
    side = "above" if value > threshold else side
    said = f"{said} {beside(value, threshold)}{unit} per task, {side} the threshold of"
    outcome = Outcome.HELD_CAPACITY_ON_ITS_WAY
    said = f"{said} {limit(threshold)}."
    return expected, proposal.hold("capacity on its way", capacity, outcome, why, said)


def _missing_tasks(
    case: Case, policy: StepPolicy, alarm: Alarm, load: Load, proposal: Proposal
) -> Proposal:
    """End a step at what the load needs while tasks are missing: more might not come either.

    Example: 10 desired, 8 running at 120 each and a threshold of 100: 960 need 10, which are
    already desired. At 150 each, 1,200 need 12, so no step goes beyond 12.
    """
    missing, threshold = tasks_of(case).missing, alarm.threshold
    guarded = Guard.CAPACITY_ON_ITS_WAY in case.target.guards and load.serving > 0
    if not guarded or not missing or not threshold:
        return proposal
    carried = aggregate(alarm.datapoints, policy.aggregation) * (case.desired - missing)
    needed = math.ceil(carried / threshold)
    least = max(case.desired, case.bounds.minimum)
    capacity = max(least, min(proposal.capacity, needed))
    problem = case.observation.service.trouble
    gone = f"{missing} of {case.desired} are missing, and a load of"
    because = f" needs {needed}{f'. ECS says: {problem}' if problem else ''}"
    why = f"{gone} {exact(carried)}{because}"
    said = f"{gone} {number(carried)}{unit_of_load(alarm.metric)}{because}"
    if capacity == case.desired:
        return proposal.hold("missing tasks", capacity, Outcome.HELD_NO_CAPACITY, why, said)
    return proposal.after("missing tasks", capacity, why, said)


def _expected(policy: StepPolicy, alarm: Alarm, factor: float) -> Alarm:
    """Return the alarm as it would be at `factor` times its value."""
    return replace(alarm, datapoints=(aggregate(alarm.datapoints, policy.aggregation) * factor,))


def _in_cooldown(case: Case, policy: StepPolicy, alarm: Alarm, proposal: Proposal) -> Proposal:
    """Hold during a scale-out cooldown, unless the step is larger than the last.

    A larger step is reduced by what the initiating scale-out added: after +2 from 10 to 12, a step
    of +3 asks for 13, so only 1 more.
    """
    until = scale_out_cooldown(policy, case.state, case.now)
    last = case.state.scale_out
    if until is None or last is None:
        return proposal
    base = max(last.before, case.bounds.minimum)
    counted = _from_step(case, policy, alarm, base)
    # If the expected load no longer breaches, only the minimum is still wanted.
    capacity = max(case.desired, counted.capacity if counted else case.bounds.minimum)
    why = (
        f"scaled out from {last.before} to {last.after} at {clock(last.at)}; until "
        f"{clock(until)}, a step counts from {base}: {capacity}"
    )
    since = f"in cooldown until {clock(until)} after scaling out from {last.before} to {last.after}"
    if capacity == case.desired:
        soon = min(RECHECK_SECONDS, case.seconds_until(until))
        said = f"{since}, and this step adds no more"
        held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why, said)
        return held.checked_again_in(soon)
    said = f"{since}, so this step counts from {base}"
    return replace(proposal.after("cooldown", capacity, why, said), base=base)


def _would_flap(case: Case, alarm: Alarm, load: Load, proposal: Proposal) -> Proposal:
    """Remove only as many tasks as leave every scale-out alarm on the same metric quiet.

    Source of the idea: Azure Monitor's autoscale, which estimates the load after a removal before
    removing anything. Here, the basis is the highest load in the alarm's evaluation window, plus
    room for the load's noise.

    Example: 5 tasks at 70 each, and a scale-out threshold of 100: 350 on 4 tasks are 88 each, on 3
    they are 117. One task may go, not two. If the noise is 20, none may: 350 + 4 * 20 need 5.
    """
    threshold = threshold_of_the_same_metric(case, alarm)
    if proposal.held or threshold is None:
        return proposal
    carried, needed, margin = need(case, alarm, load, threshold)
    most = proposal.base if case.bounds.forced else case.desired
    capacity = min(most, max(proposal.capacity, needed))
    unit = unit_of(alarm.metric)
    stays = f"needs {tasks(needed)} to stay below {limit(threshold)}{unit} each"
    noisy = ", noise included," if margin else ""
    why = f"a load of {exact(carried)}{noisy} {stays}"
    said = f"a load of {number(carried)}{unit_of_load(alarm.metric)}{noisy} {stays}"
    if capacity == case.desired:
        return proposal.hold("would flap", capacity, Outcome.HELD_WOULD_FLAP, why, said)
    return proposal.after("would flap", capacity, why, said)


def needs(case: Case, policy: StepPolicy, alarm: Alarm) -> int:
    """Return how many tasks keep a scale-out alarm quiet; all of them if that cannot be seen.

    An alarm that is OK without data has no load, because that is how it treats missing data.
    """
    if not _is_load(policy, alarm, Direction.OUT) or not alarm.threshold or not alarm.datapoints:
        return 0
    load = load_of(case, alarm)
    if load.doubt or load.silent:
        return case.desired
    _, tasks, _ = need(case, alarm, load, alarm.threshold)
    return tasks


def needed(case: Case, policy: StepPolicy, alarm: Alarm) -> list[Need]:
    """Return how many tasks kept the scale-out alarm on the same metric quiet, oldest first.

    Empty if the metric does not fall as tasks are added: then only the time of the last launch is
    known.
    """
    threshold = threshold_of_the_same_metric(case, alarm)
    if threshold is None or policy.metric_scope is not MetricScope.PER_TASK:
        return []
    period = timedelta(seconds=alarm.period)
    carried = loads(case, alarm, load_of(case, alarm))
    return [Need(at + period, math.floor(load / threshold) + 1) for at, load in carried]


def need(case: Case, alarm: Alarm, load: Load, threshold: float) -> tuple[float, int, float]:
    """Return a load with room for its noise, how many tasks it needs, and the room."""
    margin = REMOVAL_MARGIN * noise(_by_period(loads(case, alarm, load), alarm.alarm_period))
    carried = max(alarm.datapoints) * load.reporting + margin
    return carried, math.floor(carried / threshold) + 1 if carried > 0 else 0, margin


def _by_period(loads: Sequence[tuple[datetime, float]], seconds: int) -> list[float]:
    """Return each period's mean load: thresholds apply to a period's mean.

    Example: 100, 120, 90 and 110 at 5 s each, in periods of 10 s: 110 and 100.
    """
    periods = groupby(loads, lambda load: load[0].timestamp() // seconds)
    values = ([load for _, load in each] for _, each in periods)
    return [sum(each) / len(each) for each in values]


def threshold_of_the_same_metric(case: Case, alarm: Alarm) -> float | None:
    """Return the lowest scale-out threshold on the alarm's metric; None if none is known."""
    thresholds = [
        other.threshold
        for _, other in case.alarms(Direction.OUT)
        if other.threshold and other.metric == alarm.metric
    ]
    return min(thresholds, default=None)
