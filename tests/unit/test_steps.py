"""Step selection and arithmetic against the vectors of the AAS documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.model import AdjustmentType, Comparison, Direction, MetricAggregationType
from quickstep.engine.steps import aggregate, apply_step, describe_step, percent_change, select_step
from tests.builders import a_policy, a_scale_in_policy

CHANGE = AdjustmentType.CHANGE_IN_CAPACITY
PERCENT = AdjustmentType.PERCENT_CHANGE_IN_CAPACITY
EXACT = AdjustmentType.EXACT_CAPACITY


@pytest.mark.parametrize(
    ("product", "tasks"),
    [
        pytest.param((1270, 1), 12, id="12.7 is rounded down to 12"),
        pytest.param((67, 1), 1, id="0.67 becomes 1"),
        pytest.param((58, -1), -1, id="-0.58 becomes -1"),
        pytest.param((667, -1), -6, id="-6.67 is rounded up to -6"),
        pytest.param((0, 50), 0, id="a percentage of nothing stays nothing"),
        pytest.param((7, 0), 0, id="0 % stays 0"),
        pytest.param((10, 10), 1, id="exactly 1 stays 1"),
        pytest.param((1, 1), 1, id="0.01 becomes 1"),
    ],
)
def test_percentages_are_truncated_toward_zero_but_never_to_zero(
    product: tuple[int, int], tasks: int
) -> None:
    assert percent_change(*product, min_magnitude=1) == tasks


@pytest.mark.parametrize(
    ("kind", "base", "adjustment", "magnitude", "capacity"),
    [
        pytest.param(CHANGE, 3, 5, None, 8, id="3 and +5 tasks is 8"),
        pytest.param(EXACT, 3, 5, None, 5, id="3 set to 5 is 5"),
        pytest.param(PERCENT, 10, 10, None, 11, id="10 and +10 % is 11"),
        pytest.param(PERCENT, 4, 25, 2, 6, id="4 and +25 % with a minimum of 2 is 6"),
        pytest.param(PERCENT, 4, 0, 2, 4, id="a minimum does not apply to 0 %"),
        pytest.param(PERCENT, 3, 50, None, 4, id="3 and +50 % is 4"),
        pytest.param(PERCENT, 0, 50, None, 0, id="a percentage cannot leave zero"),
        pytest.param(CHANGE, 0, 1, None, 1, id="a change can leave zero"),
        pytest.param(EXACT, 8, 5, None, 8, id="a scale-out policy never lowers"),
    ],
)
def test_a_scale_out_step_asks_for(
    kind: AdjustmentType, base: int, adjustment: int, magnitude: int | None, capacity: int
) -> None:
    policy = a_policy(kind=kind, steps=((0, None, adjustment),), magnitude=magnitude)

    assert apply_step(policy, policy.steps[0], base) == capacity


@pytest.mark.parametrize(
    ("kind", "base", "adjustment", "capacity"),
    [
        pytest.param(PERCENT, 1, -10, 0, id="1 and -10 % is 0"),
        pytest.param(PERCENT, 2, -30, 1, id="2 and -30 % is 1"),
        pytest.param(PERCENT, 7, -30, 5, id="7 and -30 % is 5"),
        pytest.param(CHANGE, 2, -5, 0, id="capacity is never below zero"),
        pytest.param(EXACT, 3, 5, 3, id="a scale-in policy never raises"),
        pytest.param(EXACT, 8, 5, 5, id="8 set to 5 is 5"),
    ],
)
def test_a_scale_in_step_asks_for(
    kind: AdjustmentType, base: int, adjustment: int, capacity: int
) -> None:
    policy = a_scale_in_policy(kind=kind, steps=((None, 0, adjustment),))

    assert apply_step(policy, policy.steps[0], base) == capacity


OUT = a_policy(steps=((0, 10, 0), (10, 20, 10), (20, None, 30)))
IN = a_scale_in_policy(steps=((-10, 0, 0), (-20, -10, -10), (None, -20, -30)))


@pytest.mark.parametrize(
    ("breach", "adjustment"),
    [
        pytest.param(0, 0, id="at the threshold"),
        pytest.param(9.999, 0, id="just before a further bound, which is exclusive"),
        pytest.param(10, 10, id="at a nearer bound, which is inclusive"),
        pytest.param(20, 30, id="at the bound of the open step"),
        pytest.param(1e9, 30, id="far beyond"),
        pytest.param(-0.001, None, id="on the other side of the threshold, where no step is"),
    ],
)
def test_steps_include_the_bound_that_is_nearer_to_the_threshold(
    breach: float, adjustment: int | None
) -> None:
    """Of scale-out that is the lower bound; scale-in mirrors it."""
    above, below = select_step(OUT, breach), select_step(IN, -breach)

    assert (above and above.adjustment) == adjustment
    assert (below and -below.adjustment) == adjustment


@pytest.mark.parametrize(
    ("breach", "adjustment"),
    [
        pytest.param(0, 1, id="at the threshold"),
        pytest.param(-5, 3, id="at a nearer bound, which is inclusive"),
        pytest.param(-4.999, 1, id="just before it"),
        pytest.param(0.001, None, id="on the other side"),
    ],
)
def test_the_side_on_which_an_alarm_fires_says_which_bound_is_included(
    breach: float, adjustment: int | None
) -> None:
    """Free slots below a threshold may add tasks, or above it remove some."""
    free_slots = a_policy(steps=((-5, 0, 1), (None, -5, 3)))
    spare = a_scale_in_policy(steps=((0, 5, -1), (5, None, -3)))
    below = select_step(free_slots, breach, Comparison.LESS_OR_EQUAL)
    above = select_step(spare, -breach, Comparison.GREATER_OR_EQUAL)

    assert (below and below.adjustment) == adjustment
    assert (above and -above.adjustment) == adjustment


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        (MetricAggregationType.AVERAGE, 140.0),
        (MetricAggregationType.MINIMUM, 120.0),
        (MetricAggregationType.MAXIMUM, 160.0),
    ],
)
def test_datapoints_become_one_value(aggregation: MetricAggregationType, value: float) -> None:
    assert aggregate([120.0, 160.0], aggregation) == value


@pytest.mark.parametrize(
    ("step", "kind", "direction", "text"),
    [
        pytest.param((50, 100, 2), CHANGE, Direction.OUT, "[50, 100) adds 2", id="scale-out"),
        pytest.param((100, None, 4), CHANGE, Direction.OUT, "[100, ∞) adds 4", id="open above"),
        pytest.param((-10, 0, -1), CHANGE, Direction.IN, "(-10, 0] removes 1", id="scale-in"),
        pytest.param((None, 0, -30), PERCENT, Direction.IN, "(-∞, 0] removes 30 %", id="percent"),
        pytest.param((0, None, 9), EXACT, Direction.OUT, "[0, ∞) sets 9", id="exact"),
    ],
)
def test_a_step_is_described_as_an_interval_and_what_it_does(
    step: tuple[float | None, float | None, int],
    kind: AdjustmentType,
    direction: Direction,
    text: str,
) -> None:
    policy = a_policy(direction=direction, kind=kind, steps=(step,))

    assert describe_step(policy, policy.steps[0]) == text


def test_a_step_is_described_with_the_bounds_that_its_alarm_includes() -> None:
    policy = a_policy(steps=((-5, 0, 1),))

    assert describe_step(policy, policy.steps[0], Comparison.LESS) == "(-5, 0] adds 1"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_breach_at_or_above_the_threshold_has_exactly_one_scale_out_step(
    breach: float,
) -> None:
    alone = [
        policy
        for step in OUT.steps
        if select_step(policy := a_policy(steps=((step.lower, step.upper, 1),)), breach)
    ]

    assert len(alone) == (1 if breach >= 0 else 0)
