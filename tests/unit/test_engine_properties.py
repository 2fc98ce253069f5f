"""What holds for every policy, load and history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from quickstep.engine.decide import decide
from quickstep.engine.load import load_of
from quickstep.engine.model import (
    AdjustmentType,
    AlarmState,
    Datapoint,
    Direction,
    Guard,
    Launch,
    MetricScope,
    ScalableTarget,
    ScalingActivity,
    State,
    StepAdjustment,
    StepPolicy,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.policies import looks_back
from quickstep.engine.proposal import Bounds, Case
from tests.builders import HIGH, LOW, NOW, QUIET, a_target, ago, firing, seen

History = tuple[Datapoint, ...]

counts = st.integers(0, 60)
loads = st.floats(0, 1000)
kinds = st.sampled_from(
    [AdjustmentType.CHANGE_IN_CAPACITY, AdjustmentType.PERCENT_CHANGE_IN_CAPACITY]
)


@st.composite
def policies(draw: st.DrawFn, direction: Direction) -> StepPolicy:
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
    return StepPolicy(
        name=HIGH if direction is Direction.OUT else LOW,
        direction=direction,
        adjustment_type=draw(kinds),
        steps=tuple(steps),
        cooldown=draw(st.integers(0, 60)),
        metric_scope=draw(st.sampled_from(MetricScope)),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[Datapoint, ...]:
    """The load of up to three minutes, with periods that are missing or were not counted."""
    ages = sorted(draw(st.sets(st.integers(0, 16), max_size=6)), reverse=True)
    samples = st.none() | st.integers(0, 120)
    return tuple(Datapoint(ago(12.5 + 10 * age), draw(loads), draw(samples)) for age in ages)


@st.composite
def targets(draw: st.DrawFn) -> ScalableTarget:
    minimum = draw(counts)
    target = a_target(
        draw(policies(Direction.OUT)),
        draw(policies(Direction.IN)),
        minimum=minimum,
        maximum=minimum + draw(counts),
    )
    return replace(target, guards=draw(st.frozensets(st.sampled_from(Guard))))


@st.composite
def activities(draw: st.DrawFn) -> ScalingActivity | None:
    if draw(st.booleans()):
        return None
    return ScalingActivity(ago(draw(st.integers(0, 120))), draw(counts), draw(counts))


launches = st.builds(lambda age, count: Launch(ago(age), count), st.integers(0, 200), counts)
states = st.builds(
    State,
    scale_out=activities(),
    scale_in=activities(),
    launches=st.lists(launches, max_size=2).map(tuple),
)


@given(targets(), counts, loads, histories(), states)
def test_capacity_never_leaves_the_bounds_and_never_moves_further_outside_them(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    observation = seen(desired, high=firing(load, recent=before), low=firing(load, recent=before))

    granted = decide(target, observation, state, NOW).granted

    low, high = target.min_capacity, target.max_capacity
    assert min(low, desired) <= granted <= max(high, desired)
    assert granted == desired or low <= granted <= high


@given(targets(), counts, st.tuples(loads, loads), histories(), states)
def test_more_load_never_gets_fewer_tasks(
    target: ScalableTarget, desired: int, both: tuple[float, float], before: History, state: State
) -> None:
    less, more = sorted(both)

    with_less = decide(target, seen(desired, high=firing(less, recent=before)), state, NOW)
    with_more = decide(target, seen(desired, high=firing(more, recent=before)), state, NOW)

    assert with_less.granted <= with_more.granted


@given(targets(), counts, loads, histories(), states)
def test_less_load_never_keeps_more_tasks(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    some = decide(target, seen(desired, low=firing(load, recent=before)), state, NOW)
    less = decide(target, seen(desired, low=firing(load / 2, recent=before)), state, NOW)

    assert less.granted <= some.granted


@given(targets(), counts, loads, histories(), states)
def test_an_answer_repeated_at_once_changes_nothing_more(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    target = replace(
        target,
        policies=tuple(replace(p, cooldown=max(1, p.cooldown)) for p in target.step_policies),
    )
    observation = seen(desired, high=firing(load, recent=before), low=firing(load, recent=before))
    case = Case(target, observation, state, NOW, Bounds.in_force(target, state, NOW))
    # More reporters than there can be are not counted, until more tasks make their number possible.
    assume(not load_of(case, observation.alarms[HIGH]).doubt)
    first = decide(target, observation, state, NOW)
    again = seen(first.granted, high=firing(load, recent=before), low=firing(load, recent=before))

    second = decide(target, again, first.state, NOW + timedelta(milliseconds=1))

    changed = first.outcome in (Outcome.SCALED_OUT, Outcome.SCALED_IN)
    assert not changed or second.granted == first.granted


@given(targets(), counts, loads, histories(), states)
def test_capacity_never_goes_in_within_a_scale_out_cooldown(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    longest = max(p.cooldown_after(Direction.OUT) for p in target.in_direction(Direction.OUT))
    cooling = state.scale_out and state.scale_out.at + timedelta(seconds=longest) > NOW

    decision = decide(target, seen(desired, low=firing(load, recent=before)), state, NOW)

    assert not cooling or decision.outcome is not Outcome.SCALED_IN


@given(targets(), counts, loads, histories(), states)
def test_a_decision_tells_the_same_story_as_its_trail(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    decision = decide(
        target,
        seen(desired, high=firing(load, recent=before), low=firing(load, recent=before)),
        state,
        NOW,
    )

    assert decision.trail, "every decision has reasons"
    assert decision.trail[-1].after == decision.granted
    assert decision.outcome.changes_capacity == (decision.granted != desired)
    assert decision.reason.startswith(("Scaled", "Kept"))


@given(targets(), counts, loads, histories(), states)
def test_the_guards_never_take_a_scale_out_beyond_what_the_steps_and_the_maximum_allow(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    state = replace(state, scale_out=None)  # a cooldown counts from another capacity
    unguarded = replace(target, guards=frozenset())

    decision = decide(target, seen(desired, high=firing(load, recent=before)), state, NOW)
    furthest = decide(unguarded, seen(desired, high=firing(1e6)), state, NOW)

    assert decision.granted <= max(desired, furthest.granted)


@given(targets(), counts, st.lists(loads, min_size=1, max_size=5), states)
def test_after_a_removal_the_highest_load_of_the_window_breaches_no_threshold(
    target: ScalableTarget, desired: int, window: list[float], state: State
) -> None:
    observation = seen(desired, low=firing(*window), high=QUIET)
    per_task = target.in_direction(Direction.IN)[0].metric_scope is MetricScope.PER_TASK

    decision = decide(target, observation, state, NOW)

    applies = (
        decision.outcome is Outcome.SCALED_IN and Guard.WOULD_FLAP in target.guards and per_task
    )
    if not applies or decision.granted == target.max_capacity < desired:
        return
    assert QUIET.threshold is not None
    case = Case(target, observation, state, NOW, Bounds.in_force(target, state, NOW))
    # No sample says how many tasks report: those that have warmed up are assumed to.
    highest = max(window) * load_of(case, observation.alarms[LOW]).reporting
    assert Fraction(highest) < Fraction(QUIET.threshold) * decision.granted or highest == 0


@given(targets(), counts, loads, histories(), states)
def test_where_no_guard_looks_back_the_load_before_changes_nothing(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    # A maximum that was lowered below the desired count waits for the load, whatever the guards.
    assume(desired <= target.max_capacity)
    for policy in target.policies:
        read = seen(desired, **{policy.name: firing(load, recent=before)})
        event = seen(desired, **{policy.name: firing(load)})

        same = decide(target, event, state, NOW) == decide(target, read, state, NOW)

        assert same or looks_back(target, policy, policy.direction, AlarmState.ALARM)
