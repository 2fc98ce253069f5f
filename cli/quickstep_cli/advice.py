"""What a policy document allows but probably does not mean: flapping, and what never happens.

Pure. Thresholds belong to the alarms, not to the document: checks whose threshold is unknown are
skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.engine.model import (
    AdjustmentType,
    Comparison,
    Direction,
    Guard,
    MetricScope,
    TargetPolicy,
)
from quickstep.engine.proposal import RECHECK_SECONDS
from quickstep.engine.steps import apply_step, describe_step, select_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from quickstep.engine.backlog import QueuePolicy
    from quickstep.engine.model import Policy, ScalableTarget, StepAdjustment, StepPolicy

SURGE = 3
"""The growth of the load that a ladder of steps should follow."""

MOST_LOOKS = 30
"""A ladder that takes more looks than this, five minutes, does not follow such a surge."""


def advice(target: ScalableTarget, thresholds: Mapping[str, float]) -> list[str]:
    """Return a sentence on everything that will flap or can never happen.

    `thresholds` are the known thresholds of the alarms, by policy name.
    """
    return [
        *_of_the_bounds(target),
        *_from_zero(target),
        *(
            line
            for policy in target.step_policies
            for line in _of_a_policy(target, policy, thresholds)
        ),
        *_of_pairs(target, thresholds),
        *_of_the_ladders(target, thresholds),
        *(line for policy in _targets(target) for line in _of_growth(policy)),
        *(line for policy in target.policies for line in _of_a_window(target, policy)),
        *(line for policy in target.queues for line in _of_a_queue(target, policy)),
        *_of_queues_beside_steps(target),
    ]


def m_of_n(alarm: Mapping[str, Any]) -> str:
    """Return what to expect if an alarm fires on fewer datapoints than it evaluates.

    `alarm` is a MetricAlarm. Example: 20, 110, 115, 30 and 112 are 3 of 5 above a threshold of 100,
    and the step is chosen from 110, 115 and 112. Empty if M is N.
    """
    n = int(alarm.get("EvaluationPeriods") or 1)
    m = int(alarm.get("DatapointsToAlarm") or n)
    if m >= n:
        return ""
    return (
        f"goes to ALARM by {m} of {n} datapoints: the step is chosen from those of the newest {n} "
        "that breach; the others do not count"
    )


def _of_the_bounds(target: ScalableTarget) -> Iterator[str]:
    if target.min_capacity == target.max_capacity:
        yield f"MinCapacity is MaxCapacity ({target.min_capacity}): nothing ever scales"
    groups = {Direction.OUT: "ScaleOutPolicies", Direction.IN: "ScaleInPolicies"}
    for direction, group in groups.items():
        if not target.in_direction(direction) and not target.queues:
            disabled = ", ".join(policy.name for policy in _targets(target))
            also = f", and {disabled} has DisableScaleIn" if disabled else ""
            yield f"there are no {group}{also}: capacity only ever goes the other way"


def _from_zero(target: ScalableTarget) -> Iterator[str]:
    """Yield the policies that never add the first task, unless another does.

    Example: +50 % of 0 tasks is 0; +1 is 1.
    """
    out = target.in_direction(Direction.OUT)
    blind = {policy.name: why for policy in out if (why := _stays_at_zero(target, policy))}
    if target.min_capacity or target.queues or not out or len(blind) < len(out):
        return
    for name, why in blind.items():
        yield (
            f"MinCapacity is 0, and {name} {why}, so it never adds the first task: set MinCapacity "
            "to 1, or add a policy with MetricScope Total on a metric that exists without tasks, "
            "such as a queue's depth; a schedule or an override can also raise the minimum"
        )


def _stays_at_zero(target: ScalableTarget, policy: Policy) -> str:
    """Return why a scale-out policy cannot leave 0; empty if it can."""
    if _is_per_task(policy):
        return "uses a value per task, which nothing publishes while no task runs"
    if isinstance(policy, TargetPolicy):
        return ""
    if any(apply_step(policy, step, target.min_capacity) for step in policy.steps):
        return ""
    percent = policy.adjustment_type is AdjustmentType.PERCENT_CHANGE_IN_CAPACITY
    return (
        "uses a percentage, and any percentage of 0 tasks is 0"
        if percent
        else "has no step that adds tasks"
    )


def _is_per_task(policy: Policy) -> bool:
    return policy.metric_scope is MetricScope.PER_TASK


def _targets(target: ScalableTarget) -> list[TargetPolicy]:
    return [policy for policy in target.policies if isinstance(policy, TargetPolicy)]


def _of_growth(policy: TargetPolicy) -> Iterator[str]:
    """Yield settings that hold a target policy needlessly."""
    name = policy.name
    if policy.scale_out_cooldown:
        yield (
            f"{name}: its ScaleOutCooldown ({policy.scale_out_cooldown} s) holds growth even when "
            "the load grows further; tasks on their way are counted anyway, so 0 is safe"
        )


def _of_a_window(target: ScalableTarget, policy: Policy) -> Iterator[str]:
    """Yield where tasks are given back too soon, or not as the window says."""
    name, window, warmup = policy.name, policy.scale_in_window, target.warmup_seconds
    if window is None or Direction.IN not in policy.directions:
        return
    if not isinstance(policy, TargetPolicy) and not _is_per_task(policy):
        yield (
            f"{name}: its ScaleInWindow needs to know how many tasks were needed, which only a "
            "metric per task tells, and MetricScope is Total"
        )
        return
    cooldown = policy.cooldown_after(Direction.IN)
    if window < warmup:
        yield (
            f"{name}: its ScaleInWindow ({window} s) ends before a new task would serve "
            f"({warmup} s): tasks are removed in lulls shorter than their return"
        )
    if window < cooldown:
        key = "ScaleInCooldown" if isinstance(policy, TargetPolicy) else "Cooldown"
        yield (
            f"{name}: its ScaleInWindow ({window} s) is shorter than its {key} ({cooldown} s), "
            "which every removal but the first waits for instead"
        )


def _of_a_queue(target: ScalableTarget, policy: QueuePolicy) -> Iterator[str]:
    """Yield where a queue's numbers do not match."""
    name, window, warmup = policy.name, policy.scale_in_window, target.warmup_seconds
    if policy.seconds_per_job > policy.drain_seconds:
        yield (
            f"{name}: one job takes longer ({policy.seconds_per_job:g} s) than the whole backlog "
            f"may take (DrainSeconds, {policy.drain_seconds} s): each waiting job gets "
            "its own slot"
        )
    if window < warmup:
        yield (
            f"{name}: its ScaleInWindow ({window} s) ends before a new task would serve "
            f"({warmup} s): tasks are removed in lulls shorter than their return"
        )


def _of_queues_beside_steps(target: ScalableTarget) -> Iterator[str]:
    steps = target.step_policies
    if target.queues and steps and all(each.direction is Direction.OUT for each in steps):
        yield (
            "with steps in the document, queues remove tasks only while a step of ScaleInPolicies "
            "asks for it, and the document has no such step: capacity only ever grows"
        )


def _of_the_ladders(target: ScalableTarget, thresholds: Mapping[str, float]) -> Iterator[str]:
    """Yield where steps per task cannot follow a surge, whichever policy answers it.

    A target policy next to them sizes for the same load in one look.
    """
    if _targets(target):
        return
    start = max(1, target.min_capacity, target.max_capacity // SURGE)
    goal = min(SURGE * start, target.max_capacity)
    ladders = [
        (looks, policy.name, thresholds[policy.name])
        for policy in target.step_policies
        if policy.direction is Direction.OUT and _is_per_task(policy) and policy.name in thresholds
        if (looks := _looks(target, policy, thresholds[policy.name], (start, goal)))
    ]
    if not ladders:
        return
    looks, name, threshold = min(ladders)
    if looks <= MOST_LOOKS:
        return
    minutes = looks * RECHECK_SECONDS / 60
    yield (
        f"{name}: from {start} to {goal} tasks takes {looks} looks, which is {minutes:.0f} min or "
        'more; "TargetTrackingPolicies": {"request-rate": {"TargetValue": '
        f"{threshold:g}}}}} takes one"
    )


def _looks(
    target: ScalableTarget, policy: StepPolicy, threshold: float, sizes: tuple[int, int]
) -> int:
    """Return how many looks a ladder takes until the load no longer breaches; 0 if never.

    Example: at a threshold of 100, steps of 1, of 2 from 50 and of 4 from 100 above it take 20
    tasks to 40 in 15 looks: 4 to 24, where 4,000 are 167 each, 2 to 28, and 12 times 1.
    """
    capacity, goal = sizes
    load, looks = goal * threshold, 0
    while capacity < goal:
        step = select_step(policy, load / capacity - threshold)
        wanted = apply_step(policy, step, capacity) if step else capacity
        wanted = min(wanted, capacity + target.max_adjustment_magnitude)
        if wanted <= capacity:
            return 0
        capacity, looks = wanted, looks + 1
    return looks


def _of_a_policy(
    target: ScalableTarget, policy: StepPolicy, thresholds: Mapping[str, float]
) -> Iterator[str]:
    name = policy.name
    if not any(_moves(target, policy, index) for index in range(len(policy.steps))):
        yield f"{name}: no step ever changes capacity"
    comparison = fires(policy)
    for step in policy.steps:
        shown = f"{name}: step {describe_step(policy, step, comparison)}"
        yield from (f"{shown} {why}" for why in _never_reached(policy, step, thresholds))
        yield from (f"{shown}, {why}" for why in _too_large(target, policy, step))
    if breach := _without_a_step(policy):
        yield f"{name}: a breach of less than {breach:g} has no step: the alarm fires needlessly"
    per_task = policy.metric_scope is MetricScope.PER_TASK
    counts = Guard.CAPACITY_ON_ITS_WAY in target.guards or policy.direction is Direction.IN
    if per_task and not counts and policy.cooldown < target.warmup_seconds:
        yield (
            f"{name}: its Cooldown ({policy.cooldown} s) ends before a new task serves "
            f"({target.warmup_seconds} s), and CapacityOnItsWay is off: it will add too many"
        )


def fires(policy: StepPolicy) -> Comparison:
    """Return a policy's comparison: the usual one, unless all steps are on the other side.

    Example: a scale-out by steps (-5, 0] and (-inf, -5] is for free slots below a threshold.
    """
    if policy.direction is Direction.OUT:
        other = all(step.upper is not None and step.upper <= 0 for step in policy.steps)
    else:
        other = all(step.lower is not None and step.lower >= 0 for step in policy.steps)
    upward = Comparison.usual(policy.direction).upward is not other
    return Comparison.GREATER if upward else Comparison.LESS


def _never_reached(
    policy: StepPolicy, step: StepAdjustment, thresholds: Mapping[str, float]
) -> Iterator[str]:
    threshold = thresholds.get(policy.name)
    if fires(policy).upward:
        if step.upper is not None and step.upper <= 0:
            yield "is never reached: its alarm fires above the threshold"
    elif step.lower is not None and step.lower >= 0:
        yield "is never reached: its alarm fires below the threshold"
    elif step.upper is not None and threshold is not None and threshold + step.upper < 0:
        yield f"is never reached: below a threshold of {threshold:g} it would need a negative load"


def _too_large(target: ScalableTarget, policy: StepPolicy, step: StepAdjustment) -> Iterator[str]:
    low, high = target.min_capacity, target.max_capacity
    if policy.adjustment_type is AdjustmentType.EXACT_CAPACITY:
        if not low <= step.adjustment <= high:
            yield f"which is outside the bounds {low} to {high}"
    elif policy.adjustment_type is AdjustmentType.CHANGE_IN_CAPACITY:
        size, most = abs(step.adjustment), target.max_adjustment_magnitude
        if size > high - low:
            yield f"but from MinCapacity to MaxCapacity there are only {high - low}"
        if size > most:
            yield f"but MaxAdjustmentMagnitude lets it move {most} at most"


def _without_a_step(policy: StepPolicy) -> float:
    """Return the breach below which an alarm that fires finds no step, or 0."""
    if fires(policy).upward:
        return min((step.lower or 0.0 for step in policy.steps), default=0.0)
    return -max((step.upper or 0.0 for step in policy.steps), default=0.0)


def _moves(target: ScalableTarget, policy: StepPolicy, index: int) -> bool:
    step = policy.steps[index]
    some = range(target.min_capacity, target.max_capacity + 1)
    return any(apply_step(policy, step, capacity) != capacity for capacity in some)


def _of_pairs(target: ScalableTarget, thresholds: Mapping[str, float]) -> Iterator[str]:
    """Yield conflicts between a scale-in and a scale-out policy on metrics per task."""
    steps = target.step_policies
    for scale_in in (policy for policy in steps if policy.direction is Direction.IN):
        for out in (policy for policy in steps if policy.direction is Direction.OUT):
            scopes = {scale_in.metric_scope, out.metric_scope}
            if (
                scopes != {MetricScope.PER_TASK}
                or not {scale_in.name, out.name} <= thresholds.keys()
            ):
                continue
            low, high = thresholds[scale_in.name], thresholds[out.name]
            names = f"{out.name} ({high:g}) and {scale_in.name} ({low:g})"
            if low > high:
                yield f"{names}: both fire at once between the two thresholds"
                continue
            yield from _after_a_removal(target, scale_in, (low, high), names)
            yield from _after_an_addition(target, out, (low, high), names)


def _after_a_removal(
    target: ScalableTarget, scale_in: StepPolicy, thresholds: tuple[float, float], names: str
) -> Iterator[str]:
    """Yield where removing tasks lifts the others above the scale-out threshold.

    Example: 60 a task on 2 tasks, one is removed: 120 on the other, above 100.
    """
    low, high = thresholds
    for capacity in range(target.min_capacity + 1, target.max_capacity + 1):
        reached = (s for s in scale_in.steps if s.upper is None or s.upper >= 0)
        step = next(reached, scale_in.steps[0])
        after = max(1, target.min_capacity, apply_step(scale_in, step, capacity))
        if after < capacity and low * capacity / after >= high:
            what = (
                f"{capacity} tasks just below {low:g} leave {after} at {low * capacity / after:.4g}"
            )
            held = Guard.WOULD_FLAP in target.guards
            then = "so WouldFlap holds it there" if held else "so it flaps: out again at once"
            yield f"{names} are too close for the step: {what}, {then}"
            return


def _after_an_addition(
    target: ScalableTarget, out: StepPolicy, thresholds: tuple[float, float], names: str
) -> Iterator[str]:
    """Yield where adding tasks drops all of them below the scale-in threshold.

    Example: 100 a task on 2 tasks, 8 are added: 20 on each of 10, below 30.
    """
    low, high = thresholds
    for capacity in range(max(1, target.min_capacity), target.max_capacity):
        for step in out.steps:
            value = high + max(0.0, step.lower or 0.0)
            after = min(target.max_capacity, apply_step(out, step, capacity))
            if value * capacity / after < low:
                then = f"{after} at {value * capacity / after:.4g}"
                what = f"{capacity} tasks at {value:g} become {then}"
                yield f"{names} are too close for the step: {what}, so it flaps: in again"
                return
