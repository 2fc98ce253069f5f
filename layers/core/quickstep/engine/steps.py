"""Step adjustments, with exactly the semantics of Application Auto Scaling.

Source of the rules: "Step scaling policies overview" of the Application Auto Scaling User Guide,
and the StepAdjustment and StepScalingPolicyConfiguration shapes of its API reference.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quickstep.engine.model import AdjustmentType, Comparison, Direction, MetricAggregationType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep.engine.model import StepAdjustment, StepPolicy


def aggregate(datapoints: Sequence[float], aggregation: MetricAggregationType) -> float:
    """Return the one value that a policy compares, from the datapoints in an evaluation window.

    Example: [120, 160] is 140 by Average, 120 by Minimum and 160 by Maximum.
    """
    if aggregation is MetricAggregationType.MINIMUM:
        return min(datapoints)
    if aggregation is MetricAggregationType.MAXIMUM:
        return max(datapoints)
    return sum(datapoints) / len(datapoints)


def select_step(
    policy: StepPolicy, breach: float, comparison: Comparison | None = None
) -> StepAdjustment | None:
    """Return the step whose interval contains `breach` (metric minus threshold), or None.

    The side of the threshold on which the alarm fires determines the convention, not the breach's
    sign: above it, steps are [lower, upper); below it, (lower, upper]. Both readings of the
    documentation agree everywhere but at the threshold itself, where only this one works for both
    sides. Without a `comparison`, the policy's direction determines the usual one.

    Example: with steps [0, 10) and [10, None), a breach of exactly 10 takes the second; with
    scale-in steps (-10, 0] and (None, -10], a breach of exactly -10 takes the second.
    """
    above = _above(policy, comparison)
    return next((step for step in policy.steps if _holds(step, breach, above=above)), None)


def _above(policy: StepPolicy, comparison: Comparison | None) -> bool:
    """Whether the alarm fires above the threshold: free slots below 10 may add tasks, too."""
    return (comparison or Comparison.usual(policy.direction)).upward


def _holds(step: StepAdjustment, breach: float, *, above: bool) -> bool:
    lower = -math.inf if step.lower is None else step.lower
    upper = math.inf if step.upper is None else step.upper
    if above:
        return lower <= breach < upper
    return lower < breach <= upper


def apply_step(policy: StepPolicy, step: StepAdjustment, base: int) -> int:
    """Return the capacity that `step` asks for from `base`, before any bound.

    A scale-out policy never lowers capacity, and a scale-in policy never raises it.

    Examples: ChangeInCapacity +5 from 3 is 8; ExactCapacity 5 from 3 is 5; PercentChangeInCapacity
    +10 % of 10 is 11, and with MinAdjustmentMagnitude 2, +25 % of 4 (1) is 6.
    """
    match policy.adjustment_type:
        case AdjustmentType.CHANGE_IN_CAPACITY:
            wanted = base + step.adjustment
        case AdjustmentType.PERCENT_CHANGE_IN_CAPACITY:
            wanted = base + percent_change(
                base, step.adjustment, policy.min_adjustment_magnitude or 1
            )
        case AdjustmentType.EXACT_CAPACITY:
            wanted = step.adjustment
    if policy.direction is Direction.OUT:
        return max(base, wanted)
    return max(0, min(base, wanted))


def percent_change(base: int, percent: int, min_magnitude: int) -> int:
    """Return the signed number of tasks that `percent` of `base` stands for.

    It is truncated toward zero, then at least `min_magnitude` (1 or more) away from zero; 0 % and
    any percentage of 0 tasks stay 0. Integer arithmetic avoids float errors such as 0.1 * 3.

    Examples: 12.7 is 12, 0.67 is 1, -0.58 is -1, -6.67 is -6; +25 % of 4 with a minimum of 2 is 2.
    """
    product = base * percent
    if product == 0:
        return 0
    sign = 1 if product > 0 else -1
    return sign * max(abs(product) // 100, min_magnitude)


def describe_step(
    policy: StepPolicy, step: StepAdjustment, comparison: Comparison | None = None
) -> str:
    """Return the step as its readers write it, e.g. `[50, 100) adds 2`."""
    lower = "-∞" if step.lower is None else f"{step.lower:g}"
    upper = "∞" if step.upper is None else f"{step.upper:g}"
    above = _above(policy, comparison)
    closed_below = above and step.lower is not None
    closed_above = not above and step.upper is not None
    interval = f"{'[' if closed_below else '('}{lower}, {upper}{']' if closed_above else ')'}"
    match policy.adjustment_type:
        case AdjustmentType.EXACT_CAPACITY:
            return f"{interval} sets {step.adjustment}"
        case AdjustmentType.PERCENT_CHANGE_IN_CAPACITY:
            unit = " %"
        case AdjustmentType.CHANGE_IN_CAPACITY:
            unit = ""
    verb = "removes" if step.adjustment < 0 else "adds"
    return f"{interval} {verb} {abs(step.adjustment)}{unit}"
