"""What holds for every policy, load and history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.decide import decide
from quickstep.engine.model import (
    AdjustmentType,
    Direction,
    ScalableTarget,
    ScalingActivity,
    ScalingPolicy,
    State,
    StepAdjustment,
)
from quickstep.engine.outcome import Outcome
from tests.builders import HIGH, LOW, NOW, a_target, ago, firing, seen

counts = st.integers(0, 60)
loads = st.floats(0, 1000)
kinds = st.sampled_from(
    [AdjustmentType.CHANGE_IN_CAPACITY, AdjustmentType.PERCENT_CHANGE_IN_CAPACITY]
)


@st.composite
def policies(draw: st.DrawFn, direction: Direction) -> ScalingPolicy:
    """Any valid policy whose steps grow with the breach, as every sensible one's do."""
    edges = sorted(draw(st.sets(st.integers(1, 200), max_size=4)))
    sizes = sorted(draw(st.lists(st.integers(0, 60), min_size=len(edges) + 1, max_size=5)))
    bounds = [0, *edges, None]
    steps = [
        StepAdjustment(lower, upper, size)
        for lower, upper, size in zip(bounds[:-1], bounds[1:], sizes, strict=False)
    ]
    if direction is Direction.IN:
        steps = [
            StepAdjustment(
                None if s.upper is None else -s.upper,
                None if s.lower is None else -s.lower,
                -s.adjustment,
            )
            for s in steps
        ]
    return ScalingPolicy(
        name=HIGH if direction is Direction.OUT else LOW,
        direction=direction,
        adjustment_type=draw(kinds),
        steps=tuple(steps),
        cooldown=draw(st.integers(0, 60)),
    )


@st.composite
def targets(draw: st.DrawFn) -> ScalableTarget:
    minimum = draw(counts)
    return a_target(
        draw(policies(Direction.OUT)),
        draw(policies(Direction.IN)),
        minimum=minimum,
        maximum=minimum + draw(counts),
    )


@st.composite
def activities(draw: st.DrawFn) -> ScalingActivity | None:
    if draw(st.booleans()):
        return None
    return ScalingActivity(ago(draw(st.integers(0, 120))), draw(counts), draw(counts))


states = st.builds(State, scale_out=activities(), scale_in=activities())


@given(targets(), counts, loads, states)
def test_capacity_never_leaves_the_bounds_and_never_moves_further_outside_them(
    target: ScalableTarget, desired: int, load: float, state: State
) -> None:
    observation = seen(desired, high=firing(load), low=firing(load))

    granted = decide(target, observation, state, NOW).granted

    low, high = target.min_capacity, target.max_capacity
    assert min(low, desired) <= granted <= max(high, desired)
    assert granted == desired or low <= granted <= high


@given(targets(), counts, loads, loads, states)
def test_more_load_never_gets_fewer_tasks(
    target: ScalableTarget, desired: int, one: float, other: float, state: State
) -> None:
    less, more = sorted((one, other))

    with_less = decide(target, seen(desired, high=firing(less)), state, NOW)
    with_more = decide(target, seen(desired, high=firing(more)), state, NOW)

    assert with_less.granted <= with_more.granted


@given(targets(), counts, loads, states)
def test_less_load_never_keeps_more_tasks(
    target: ScalableTarget, desired: int, load: float, state: State
) -> None:
    some = decide(target, seen(desired, low=firing(load)), state, NOW)
    less = decide(target, seen(desired, low=firing(load / 2)), state, NOW)

    assert less.granted <= some.granted


@given(targets(), counts, loads, states)
def test_an_answer_repeated_at_once_changes_nothing_more(
    target: ScalableTarget, desired: int, load: float, state: State
) -> None:
    target = replace(
        target, policies=tuple(replace(p, cooldown=max(1, p.cooldown)) for p in target.policies)
    )
    first = decide(target, seen(desired, high=firing(load), low=firing(load)), state, NOW)
    again = seen(first.granted, high=firing(load), low=firing(load))

    second = decide(target, again, first.state, NOW + timedelta(milliseconds=1))

    changed = first.outcome in (Outcome.SCALED_OUT, Outcome.SCALED_IN)
    assert not changed or second.granted == first.granted


@given(targets(), counts, loads, states)
def test_capacity_never_goes_in_within_a_scale_out_cooldown(
    target: ScalableTarget, desired: int, load: float, state: State
) -> None:
    longest = max(p.cooldown for p in target.in_direction(Direction.OUT))
    cooling = state.scale_out and state.scale_out.at + timedelta(seconds=longest) > NOW

    decision = decide(target, seen(desired, low=firing(load)), state, NOW)

    assert not cooling or decision.outcome is not Outcome.SCALED_IN


@given(targets(), counts, loads, states)
def test_a_decision_tells_the_same_story_as_its_trail(
    target: ScalableTarget, desired: int, load: float, state: State
) -> None:
    decision = decide(target, seen(desired, high=firing(load), low=firing(load)), state, NOW)

    assert decision.trail, "every decision has reasons"
    assert decision.trail[-1].after == decision.granted
    assert decision.outcome.changes_capacity == (decision.granted != desired)
    assert decision.reason.startswith(("Scaled", "Held"))
