"""Decisions: what is seen and remembered in, capacity and reasons out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep.engine.decide import decide
from quickstep.engine.model import (
    AdjustmentType,
    Alarm,
    AlarmState,
    Comparison,
    Direction,
    MetricAggregationType,
    Observation,
    Override,
    Pause,
    ScalingActivity,
    State,
)
from quickstep.engine.outcome import Outcome
from tests.builders import (
    BLIND,
    CALM,
    NOW,
    QUIET,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    scaled_in,
    scaled_out,
    seen,
)

PERCENT = AdjustmentType.PERCENT_CHANGE_IN_CAPACITY
EXACT = AdjustmentType.EXACT_CAPACITY

LOW_FIRING = firing(10.0, threshold=30)

DOCUMENTED = a_target(
    a_policy(kind=PERCENT, steps=((0, 10, 0), (10, 20, 10), (20, None, 30))),
    a_scale_in_policy(kind=PERCENT, steps=((-10, 0, 0), (-20, -10, -10), (None, -20, -30))),
    minimum=1,
    maximum=100,
)


@pytest.mark.parametrize(
    ("metric", "before", "after"),
    [
        pytest.param(59.9, 10, 10, id="between 40 and 60 nothing changes, from above"),
        pytest.param(40.1, 10, 10, id="between 40 and 60 nothing changes, from below"),
        pytest.param(60, 10, 11, id="60 adds 10 % of 10"),
        pytest.param(70, 11, 14, id="70 adds 30 % of 11, 3.3, which is 3"),
        pytest.param(40, 14, 13, id="40 removes 10 % of 14, 1.4, which is 1"),
        pytest.param(30, 13, 10, id="30 removes 30 % of 13, 3.9, which is 3"),
    ],
)
def test_the_worked_example_of_the_aas_guide_comes_out(
    metric: float, before: int, after: int
) -> None:
    alarm = firing(metric, threshold=50)
    name = "high" if metric >= 50 else "low"

    decision = decide(DOCUMENTED, seen(before, **{name: alarm}), State(), NOW)

    assert decision.granted == after


# --- scale-out ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "granted"),
    [
        pytest.param(100.0, 5, id="at the threshold, step 1"),
        pytest.param(149.9, 5, id="still step 1"),
        pytest.param(150.0, 6, id="step 2 from its lower bound on"),
        pytest.param(200.0, 8, id="step 3 from its lower bound on"),
        pytest.param(5000.0, 8, id="step 3 is open above"),
    ],
)
def test_a_breach_chooses_the_step_of_the_default_steps(value: float, granted: int) -> None:
    decision = decide(a_target(), seen(4, high=firing(value)), State(), NOW)

    assert decision.outcome is Outcome.SCALED_OUT
    assert (decision.before, decision.wanted, decision.granted) == (4, granted, granted)
    assert decision.next_check_in == 10


def test_a_scale_out_is_remembered_with_the_capacity_before_and_after() -> None:
    decision = decide(a_target(), seen(4, high=firing(160.0)), State(), NOW)

    assert decision.state.scale_out == ScalingActivity(NOW, 4, 6)


def test_the_base_is_the_desired_count_not_the_running_count() -> None:
    observation = seen(6, high=firing(160.0))
    starting = replace(observation.service, running=2, pending=4)

    decision = decide(a_target(), replace(observation, service=starting), State(), NOW)

    assert decision.granted == 8


@pytest.mark.parametrize(
    ("seconds_ago", "history", "value", "granted", "outcome"),
    [
        pytest.param(5, (10, 12), 120.0, 12, Outcome.HELD_COOLDOWN, id="a smaller step waits"),
        pytest.param(5, (10, 12), 160.0, 12, Outcome.HELD_COOLDOWN, id="the same step waits"),
        pytest.param(5, (10, 12), 250.0, 14, Outcome.SCALED_OUT, id="a larger one counts from 10"),
        pytest.param(10, (10, 12), 160.0, 14, Outcome.SCALED_OUT, id="afterwards it counts anew"),
    ],
)
def test_in_a_scale_out_cooldown(
    seconds_ago: float, history: tuple[int, int], value: float, granted: int, outcome: Outcome
) -> None:
    state = scaled_out(seconds_ago, *history)

    decision = decide(a_target(), seen(12, high=firing(value)), state, NOW)

    assert (decision.outcome, decision.granted) == (outcome, granted)


def test_plus_three_in_the_cooldown_of_plus_two_adds_only_one_more() -> None:
    target = a_target(a_policy(steps=((0, 50, 2), (50, None, 3))))

    decision = decide(target, seen(12, high=firing(160.0)), scaled_out(5, 10, 12), NOW)

    assert (decision.wanted, decision.granted) == (15, 13)
    assert decision.trail[1].guard == "cooldown"


def test_a_larger_step_restarts_the_cooldown_and_keeps_the_initiating_capacity_as_base() -> None:
    decision = decide(a_target(), seen(12, high=firing(250.0)), scaled_out(5, 10, 12), NOW)

    assert decision.state.scale_out == ScalingActivity(NOW, 10, 14)


def test_a_percentage_in_a_cooldown_counts_from_the_initiating_capacity() -> None:
    target = a_target(a_policy(kind=PERCENT, steps=((0, 50, 20), (50, None, 50))))

    decision = decide(target, seen(12, high=firing(160.0)), scaled_out(5, 10, 12), NOW)

    assert decision.granted == 15


@pytest.mark.parametrize(
    ("seconds_ago", "check"),
    [
        pytest.param(7.5, 3, id="2.5 s are left, and a message waits whole seconds"),
        pytest.param(9.5, 1, id="half a second is left"),
    ],
)
def test_a_hold_in_cooldown_is_looked_at_again_when_the_cooldown_ends(
    seconds_ago: float, check: int
) -> None:
    state = scaled_out(seconds_ago, 10, 12)

    assert decide(a_target(), seen(12, high=firing(160.0)), state, NOW).next_check_in == check


def test_a_held_evaluation_starts_no_cooldown() -> None:
    state = scaled_out(5, 10, 12)

    assert decide(a_target(), seen(12, high=firing(160.0)), state, NOW).state == state


def test_a_scale_in_cooldown_does_not_hold_a_scale_out() -> None:
    decision = decide(a_target(), seen(4, high=firing(160.0)), scaled_in(1, 5, 4), NOW)

    assert decision.outcome is Outcome.SCALED_OUT


# --- several policies -----------------------------------------------------------------------------


def test_of_several_scale_outs_the_largest_capacity_wins() -> None:
    target = a_target(
        a_policy("by-three", steps=((0, None, 3),)),
        a_policy("threefold", kind=PERCENT, steps=((0, None, 200),)),
        maximum=100,
    )

    decision = decide(
        target, seen(10, **{"by-three": firing(120.0), "threefold": firing(120.0)}), State(), NOW
    )

    assert decision.granted == 30
    assert {"by-three", "threefold"} <= {step.why.split(":")[0] for step in decision.trail}


def test_of_several_scale_ins_the_largest_remaining_capacity_wins() -> None:
    target = a_target(
        a_scale_in_policy("by-three", steps=((None, 0, -3),)), a_scale_in_policy("by-one")
    )

    decision = decide(
        target, seen(10, **{"by-three": LOW_FIRING, "by-one": LOW_FIRING}), State(), NOW
    )

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, 9)


def test_a_scale_out_beats_a_scale_in() -> None:
    decision = decide(a_target(), seen(4, high=firing(160.0), low=LOW_FIRING), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 6)


@pytest.mark.parametrize(
    ("high", "outcome"),
    [
        pytest.param(BLIND, Outcome.HELD_NO_DATA, id="blind: the load cannot be seen"),
        pytest.param(Alarm(AlarmState.ALARM), Outcome.HELD_NO_DATA, id="in breach, value unknown"),
        pytest.param(firing(160.0, muted=True), Outcome.HELD_MUTED, id="in breach, but muted"),
        pytest.param(firing(90.0), Outcome.HELD_NOT_BREACHING, id="in ALARM, but no step matches"),
        pytest.param(QUIET, Outcome.SCALED_IN, id="quiet: nothing speaks against it"),
    ],
)
def test_a_scale_in_asks_the_scale_out_alarm_first(high: Alarm, outcome: Outcome) -> None:
    decision = decide(a_target(), seen(4, high=high, low=LOW_FIRING), State(), NOW)

    assert decision.outcome is outcome


BACKLOG = a_target(
    a_policy("jobs-out", kind=EXACT, steps=((0, 5, 1), (5, 15, 2), (15, None, 4))),
    a_scale_in_policy("jobs-in", kind=EXACT, steps=((0, 5, 1), (5, 15, 2), (15, None, 4))),
    a_policy("cpu"),
    minimum=0,
    maximum=10,
)
ABOVE = Comparison.GREATER


@pytest.mark.parametrize(
    ("backlog", "cpu", "before", "outcome", "after"),
    [
        pytest.param(20, CALM, 1, Outcome.SCALED_OUT, 4, id="more are wanted"),
        pytest.param(8, CALM, 4, Outcome.SCALED_IN, 2, id="fewer are wanted: the scale-in has it"),
        pytest.param(8, CALM, 2, Outcome.HELD_NOT_BREACHING, 2, id="it is what there is"),
        pytest.param(
            *(8, firing(100.0), 4, Outcome.SCALED_OUT, 5), id="another policy wants more than that"
        ),
        pytest.param(
            *(8, firing(90.0), 4, Outcome.HELD_NOT_BREACHING, 4),
            id="another policy fires without an answer, which holds any removal",
        ),
    ],
)
def test_an_exact_capacity_below_what_there_is_leaves_the_removal_to_a_scale_in(
    backlog: float, cpu: Alarm, before: int, outcome: Outcome, after: int
) -> None:
    jobs = replace(firing(backlog, threshold=0), comparison=ABOVE)
    alarms = {"high": None, "jobs-out": jobs, "jobs-in": jobs, "cpu": cpu}

    decision = decide(BACKLOG, seen(before, **alarms), State(), NOW)

    assert (decision.outcome, decision.granted) == (outcome, after)


def test_a_step_that_changes_nothing_holds_a_removal_beside_an_exact_capacity_that_would_not() -> (
    None
):
    steps = ((0, 15, 2), (15, None, 4))
    target = a_target(
        a_policy("jobs-out", kind=EXACT, steps=steps),
        a_policy("cpu", steps=((0, 10, 0), (10, None, 1))),
        a_scale_in_policy("jobs-in", kind=EXACT, steps=steps),
    )
    jobs = replace(firing(8, threshold=0), comparison=ABOVE)
    alarms = {"high": None, "jobs-out": jobs, "jobs-in": jobs, "cpu": firing(105.0)}

    decision = decide(target, seen(4, **alarms), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_NOT_BREACHING, 4)


def test_an_exact_capacity_below_what_there_is_holds_where_nothing_removes() -> None:
    target = a_target(a_policy("jobs", kind=EXACT, steps=((0, None, 2),)), minimum=0)

    decision = decide(target, seen(4, high=None, jobs=firing(120.0)), State(), NOW)

    assert (decision.outcome, decision.reason) == (
        Outcome.HELD_NOT_BREACHING,
        ("Kept 4 tasks: jobs is at 120, above its threshold of 100: asks for 2 tasks"),
    )


def test_a_scale_out_in_cooldown_still_keeps_scale_in_from_running() -> None:
    decision = decide(
        a_target(), seen(4, high=firing(120.0), low=LOW_FIRING), scaled_out(5, 2, 4), NOW
    )

    assert decision.outcome is Outcome.HELD_COOLDOWN


def test_a_blind_scale_in_alarm_does_not_hold_a_scale_out() -> None:
    decision = decide(a_target(), seen(4, high=firing(160.0), low=BLIND), State(), NOW)

    assert decision.outcome is Outcome.SCALED_OUT


# --- scale-in -------------------------------------------------------------------------------------


def test_a_scale_in_removes_what_its_step_says_and_is_looked_at_after_its_cooldown() -> None:
    decision = decide(a_target(), seen(4, low=LOW_FIRING), State(), NOW)

    assert (decision.outcome, decision.granted, decision.next_check_in) == (
        Outcome.SCALED_IN,
        3,
        30,
    )
    assert decision.state.scale_in == ScalingActivity(NOW, 4, 3)


@pytest.mark.parametrize(
    ("state", "check"),
    [
        pytest.param(scaled_in(10, 5, 4), 20, id="its own cooldown"),
        pytest.param(scaled_out(4, 2, 4), 6, id="the scale-out cooldown"),
    ],
)
def test_a_scale_in_is_blocked_by(state: State, check: int) -> None:
    decision = decide(a_target(), seen(4, low=LOW_FIRING), state, NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_COOLDOWN, 4)
    assert decision.next_check_in == check


# --- bounds ---------------------------------------------------------------------------------------


def test_a_target_may_rest_at_zero() -> None:
    decision = decide(a_target(minimum=0), seen(0, low=LOW_FIRING), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_AT_MIN, 0)


def test_at_a_bound_there_is_nothing_to_look_at_again() -> None:
    decision = decide(a_target(maximum=4), seen(4, high=firing(160.0)), State(), NOW)

    assert decision.next_check_in is None


@pytest.mark.parametrize(
    ("override", "desired", "granted"),
    [
        pytest.param(Override(None, 5), 4, 5, id="a lower maximum"),
        pytest.param(Override(20, None), 4, 22, id="a higher minimum"),
        pytest.param(Override(None, 5, ago(1)), 4, 6, id="not once it has ended"),
        pytest.param(Override(60, None), 4, 60, id="a minimum above the maximum takes it along"),
    ],
)
def test_an_override_replaces_the_bounds(override: Override, desired: int, granted: int) -> None:
    state = State(override=override)

    decision = decide(a_target(), seen(desired, high=firing(160.0)), state, NOW)

    assert decision.granted == granted


def test_an_override_below_the_minimum_takes_it_along() -> None:
    state = State(override=Override(None, 1))

    decision = decide(a_target(), seen(3, low=LOW_FIRING), state, NOW)

    assert decision.granted == 1


# --- pause, mute, dry run, no data ----------------------------------------------------------------


def test_a_pause_that_has_ended_holds_nothing() -> None:
    state = State(pause=Pause(frozenset(Direction), ago(0)))

    assert decide(a_target(), seen(4, high=firing(160.0)), state, NOW).granted == 6


def test_a_paused_scale_out_still_keeps_tasks_from_being_removed() -> None:
    state = State(pause=Pause(frozenset({Direction.OUT})))

    decision = decide(a_target(), seen(4, high=firing(160.0), low=LOW_FIRING), state, NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_PAUSED, 4)


def test_a_muted_alarm_does_not_silence_another_one() -> None:
    target = a_target(a_policy("rps"), a_policy("latency"))

    decision = decide(
        target, seen(4, rps=firing(250.0, muted=True), latency=firing(120.0)), State(), NOW
    )

    assert decision.granted == 5


def test_a_dry_run_says_what_it_would_do_and_remembers_no_change() -> None:
    decision = decide(a_target(dry_run=True), seen(4, high=firing(160.0)), State(), NOW)

    assert decision.outcome is Outcome.WOULD_SCALE
    assert (decision.before, decision.granted) == (4, 6)
    assert decision.state == State()
    assert not decision.outcome.changes_capacity


@pytest.mark.parametrize(
    ("alarms", "outcome"),
    [
        pytest.param({"high": QUIET}, Outcome.HELD_NOT_BREACHING, id="an OK alarm"),
        pytest.param({"high": BLIND}, Outcome.HELD_NO_DATA, id="a blind scale-out alarm"),
        pytest.param({"high": None}, Outcome.HELD_NO_DATA, id="a scale-out alarm not known"),
        pytest.param({"high": QUIET, "low": BLIND}, Outcome.HELD_NOT_BREACHING, id="one can see"),
        pytest.param(
            {"high": Alarm(AlarmState.ALARM, 100.0)}, Outcome.HELD_NO_DATA, id="no datapoints"
        ),
        pytest.param(
            {"high": Alarm(AlarmState.ALARM, None, (160.0,))},
            Outcome.HELD_NO_DATA,
            id="no threshold",
        ),
        pytest.param(
            {"low": Alarm(AlarmState.ALARM, 30.0)}, Outcome.HELD_NO_DATA, id="no datapoints, low"
        ),
        pytest.param({"low": firing(40.0, threshold=30)}, Outcome.HELD_NOT_BREACHING, id="no step"),
        pytest.param({}, Outcome.HELD_NOT_BREACHING, id="nothing seen at all"),
    ],
)
def test_no_data_is_a_value_and_holds(alarms: dict[str, Alarm], outcome: Outcome) -> None:
    decision = decide(a_target(), seen(4, **alarms), State(), NOW)

    assert (decision.outcome, decision.granted) == (outcome, 4)


@pytest.mark.parametrize(
    ("aggregation", "granted"),
    [
        pytest.param(MetricAggregationType.AVERAGE, 6, id="150 on average adds 2"),
        pytest.param(MetricAggregationType.MINIMUM, 5, id="110 at the least adds 1"),
        pytest.param(MetricAggregationType.MAXIMUM, 8, id="200 at the most adds 4"),
    ],
)
def test_the_evaluation_window_is_aggregated_as_the_policy_says(
    aggregation: MetricAggregationType, granted: int
) -> None:
    target = a_target(replace(a_policy(), aggregation=aggregation))

    decision = decide(target, seen(4, high=firing(110.0, 140.0, 200.0)), State(), NOW)

    assert decision.granted == granted


# --- the record of it -----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_sentence_that_carries_its_reason(outcome: Outcome) -> None:
    sentence = outcome.sentence(before=4, granted=6, why="the reason")

    assert sentence.endswith("the reason")
    assert "{" not in sentence


def test_inputs_are_left_as_they_were() -> None:
    observation = seen(4, high=firing(160.0))
    before = Observation(observation.service, dict(observation.alarms))

    decide(a_target(), observation, State(), NOW)

    assert observation == before


@pytest.mark.parametrize("order", [("blind", "firing"), ("firing", "blind")], ids=" first, ".join)
def test_a_blind_alarm_does_not_end_the_looks_at_one_that_fires(order: tuple[str, str]) -> None:
    """The one that fires has no new datapoint yet; the next look is to find one."""
    target = a_target(*(a_policy(name) for name in order), a_scale_in_policy())
    waiting = Alarm(AlarmState.ALARM, no_data="there is no newer datapoint")

    decision = decide(target, seen(4, blind=BLIND, firing=waiting), State(), NOW)

    assert decision.outcome is Outcome.HELD_NO_DATA
    assert "there is no newer datapoint" in decision.reason
    assert decision.next_check_in == 10
