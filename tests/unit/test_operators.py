"""What operators and schedules ask for: bounds in force, a capacity set once, the largest step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from quickstep.engine.decide import correct, decide, set_capacity
from quickstep.engine.model import (
    AdjustmentType,
    Direction,
    Launch,
    Observation,
    Override,
    Pause,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from tests.builders import (
    NOW,
    a_policy,
    a_scale_in_policy,
    a_target,
    firing,
    in_rollout,
    scaled_out,
    seen,
)

SOON = NOW + timedelta(hours=1)
OVER = NOW - timedelta(seconds=1)
NIGHT = Override(None, 2, SOON, name="night")
SALE = Override(20, None, SOON, name="sale")


# --- bounds in force ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "bounds"),
    [
        pytest.param(State(), (4, 40, "policy"), id="the policy's"),
        pytest.param(State(schedules=(NIGHT,)), (2, 2, "schedule night"), id="a schedule's"),
        pytest.param(
            State(schedules=(NIGHT, SALE)),
            (20, 40, "schedule night and sale"),
            id="the larger ones",
        ),
        pytest.param(
            State(schedules=(SALE, NIGHT)), (20, 40, "schedule sale and night"), id="in any order"
        ),
        pytest.param(
            State(schedules=(replace(SALE, until=OVER), NIGHT)),
            (2, 2, "schedule night"),
            id="one that is over does not count",
        ),
        pytest.param(
            State(override=Override(6, 8, SOON), schedules=(NIGHT, SALE)),
            (6, 8, "override"),
            id="by hand wins",
        ),
        pytest.param(
            State(override=Override(6, 8, OVER), schedules=(NIGHT,)),
            (2, 2, "schedule night"),
            id="the schedule goes on behind an override that is over",
        ),
        pytest.param(
            State(override=Override(0, 0, SOON)), (1, 1, "override"), id="the last task stays"
        ),
    ],
)
def test_the_bounds_in_force(state: State, bounds: tuple[int, int, str]) -> None:
    assert Bounds.in_force(a_target(minimum=4), state, NOW) == Bounds(*bounds)


def test_the_last_task_may_go_where_the_policy_lets_it() -> None:
    state = State(override=Override(0, 0, SOON))

    assert Bounds.in_force(a_target(minimum=0), state, NOW) == Bounds(0, 0, "override")


# --- a capacity set once --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "outcome", "granted"),
    [
        pytest.param(8, Outcome.SCALED_OUT, 8, id="more"),
        pytest.param(3, Outcome.SCALED_IN, 3, id="fewer"),
        pytest.param(4, Outcome.HELD_NOT_BREACHING, 4, id="as many"),
        pytest.param(100, Outcome.SCALED_OUT, 40, id="capped at the maximum"),
        pytest.param(0, Outcome.SCALED_IN, 2, id="kept at the minimum"),
    ],
)
def test_a_capacity_is_set_within_the_bounds(capacity: int, outcome: Outcome, granted: int) -> None:
    decision = set_capacity(a_target(), seen(4), State(), NOW, capacity)

    assert (decision.outcome, decision.granted, decision.wanted) == (outcome, granted, capacity)


@pytest.mark.parametrize(
    ("desired", "outcome"), [(40, Outcome.HELD_AT_MAX), (2, Outcome.HELD_AT_MIN)]
)
def test_at_a_bound_a_capacity_beyond_it_is_held(desired: int, outcome: Outcome) -> None:
    capacity = 41 if outcome is Outcome.HELD_AT_MAX else 1

    decision = set_capacity(a_target(), seen(desired), State(), NOW, capacity)

    assert (decision.outcome, decision.granted) == (outcome, desired)


def test_neither_a_cooldown_nor_a_pause_nor_a_rollout_is_in_the_way_of_a_request() -> None:
    state = replace(scaled_out(1, 2, 4), pause=Pause(frozenset(Direction), SOON))

    decision = set_capacity(a_target(), in_rollout(seen(4)), state, NOW, 2)

    assert decision.outcome is Outcome.SCALED_IN


def test_a_request_starts_no_cooldown_and_its_tasks_count_as_launched() -> None:
    state = scaled_out(100, 2, 4)

    decision = set_capacity(a_target(), seen(4), state, NOW, 8)

    assert decision.state == replace(state, launches=(Launch(NOW, 4, 4),))


def test_a_request_is_held_to_the_bounds_of_an_override_until_it_is_over() -> None:
    during = State(override=Override(None, 6, SOON))
    after = State(override=Override(None, 6, OVER))

    assert set_capacity(a_target(), seen(4), during, NOW, 8).granted == 6
    assert set_capacity(a_target(), seen(4), after, NOW, 8).granted == 8


def test_a_dry_run_only_records_a_request() -> None:
    decision = set_capacity(a_target(dry_run=True), seen(4), State(), NOW, 8)

    assert decision.outcome is Outcome.WOULD_SCALE


# --- what an operator wrote and cannot be read ----------------------------------------------------


UNREADABLE = State(unreadable='override.min: must be a whole number, not "5"')


def test_nor_is_capacity_above_the_maximum_taken_back_before_it_can_be_read() -> None:
    decision = correct(a_target(maximum=3), seen(4), UNREADABLE, NOW)

    assert decision is not None
    assert decision.outcome is Outcome.HELD_PAUSED


# --- the largest step -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "kind", "granted"),
    [
        pytest.param(
            ((0, None, 5000),), AdjustmentType.EXACT_CAPACITY, 14, id="a typo in a capacity"
        ),
        pytest.param(
            ((0, None, 1000),), AdjustmentType.PERCENT_CHANGE_IN_CAPACITY, 14, id="in a percentage"
        ),
        pytest.param(((0, None, 9),), AdjustmentType.CHANGE_IN_CAPACITY, 13, id="a step below it"),
    ],
)
def test_no_step_adds_more_than_the_largest_magnitude(
    steps: tuple[tuple[float | None, float | None, int], ...], kind: AdjustmentType, granted: int
) -> None:
    target = replace(
        a_target(a_policy(kind=kind, steps=steps), maximum=5000), max_adjustment_magnitude=10
    )

    decision = decide(target, seen(4, high=firing(160.0)), State(), NOW)

    assert decision.granted == granted


def test_no_step_removes_more_than_the_largest_magnitude() -> None:
    policy = a_scale_in_policy(kind=AdjustmentType.EXACT_CAPACITY, steps=((None, 0, 2),))
    target = replace(a_target(policy, maximum=400), max_adjustment_magnitude=10)

    decision = decide(target, seen(200, low=firing(10.0, threshold=30)), State(), NOW)

    assert decision.granted == 190
    assert "MaxAdjustmentMagnitude" in decision.reason


def test_the_cap_holds_over_a_whole_cooldown() -> None:
    policy = a_policy(kind=AdjustmentType.EXACT_CAPACITY, steps=((0, None, 400),), cooldown=300)
    target = replace(a_target(policy, maximum=400), max_adjustment_magnitude=10)

    decision = decide(target, seen(14, high=firing(160.0)), scaled_out(20, 4, 14), NOW)

    assert decision.outcome is Outcome.HELD_COOLDOWN


# --- a correction into the bounds -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("observation", "state"),
    [
        pytest.param(in_rollout(seen(1)), State(), id="a rollout"),
        pytest.param(seen(1), UNREADABLE, id="what cannot be read"),
        pytest.param(seen(1), State(pause=Pause(frozenset({Direction.IN}))), id="a pause of in"),
        pytest.param(seen(1), scaled_out(1, 0, 1), id="a cooldown"),
    ],
)
def test_a_service_below_its_minimum_is_raised_to_it_despite(
    observation: Observation, state: State
) -> None:
    decision = correct(a_target(), observation, state, NOW)

    assert decision is not None
    assert (decision.outcome, decision.wanted, decision.granted) == (Outcome.SCALED_OUT, 2, 2)


@pytest.mark.parametrize("desired", [2, 40])
def test_within_the_bounds_there_is_nothing_to_correct(desired: int) -> None:
    assert correct(a_target(), seen(desired), State(), NOW) is None


def test_a_correction_starts_no_cooldown_and_its_tasks_count_as_launched() -> None:
    state = replace(scaled_out(100, 2, 4), override=Override(10, None, SOON))

    decision = correct(a_target(), seen(4), state, NOW)

    assert decision is not None
    assert decision.state == replace(state, launches=(Launch(NOW, 6, 4),))


def test_an_override_that_is_over_corrects_nothing() -> None:
    assert correct(a_target(), seen(4), State(override=Override(10, None, OVER)), NOW) is None


def test_a_correction_into_the_bounds_is_not_a_step() -> None:
    target = replace(a_target(minimum=50, maximum=60), max_adjustment_magnitude=10)

    decision = correct(target, seen(4), State(), NOW)

    assert decision is not None
    assert decision.granted == 50
