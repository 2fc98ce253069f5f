"""The guards that look at the load of the whole target, and at what it was before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep.engine.decide import decide
from quickstep.engine.load import expected_growth, load_of, loads, noise, ramp
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Datapoint,
    Guard,
    Launch,
    MetricAggregationType,
    MetricScope,
    Override,
    Removal,
    ScalableTarget,
    ScalingActivity,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds, Case
from quickstep.engine.step_policy import need
from tests.builders import (
    CALM,
    NOW,
    PER_TASK,
    QUIET,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    points,
    scaled_in,
    scaled_out,
    seen,
)

OF_THE_WHOLE = a_target()


def without(guard: Guard, target: ScalableTarget = PER_TASK) -> ScalableTarget:
    return replace(target, guards=target.guards - {guard})


def launched(seconds_ago: float, count: int) -> State:
    """Return a state with a launch, whose cooldown is over."""
    return State(launches=(Launch(ago(seconds_ago), count),))


# --- rising trend ---------------------------------------------------------------------------------


def a_case(alarm: Alarm, target: ScalableTarget = PER_TASK, state: State | None = None) -> Case:
    """Return the case of a target of 4 tasks."""
    state = state or State()
    bounds = Bounds.in_force(target, state, NOW)
    return Case(target, seen(4, high=alarm), state, NOW, bounds)


def growth(
    recent: list[Datapoint], *, target: ScalableTarget = PER_TASK, state: State | None = None
) -> float:
    """Return the growth that is expected of a target of 4 tasks."""
    alarm = firing(recent[-1].value if recent else 150.0, recent=recent)
    case = a_case(alarm, target, state)
    return expected_growth(case, alarm, load_of(case, alarm))[0]


SIX_A_SECOND = 1 + 0.5 * 6 * 45 / 340
"""160, 220, 280 and 340 in all, 10 s apart: for 45 s, of which half counts."""


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        pytest.param(points(40.0, 55.0, 70.0, 85.0, samples=8), SIX_A_SECOND, id="a line"),
        pytest.param(
            points(900.0, 40.0, 55.0, 70.0, 85.0, samples=8), SIX_A_SECOND, id="of the newest four"
        ),
        pytest.param(points(10.0, 60.0, 110.0, 160.0, samples=8), 2 - 0.296875, id="steeper"),
        pytest.param(points(-60.0, 0.0, 60.0, 120.0, samples=8), 2.0, id="once more at the most"),
        pytest.param(points(85.0, 70.0, 55.0, 40.0, samples=8), 1.0, id="falling"),
        pytest.param(points(50.0, 50.0, 50.0, 50.0, samples=8), 1.0, id="flat"),
        pytest.param(points(50.0, 50.0, 85.0, 85.0, samples=8), 1.0, id="a step"),
        pytest.param(points(50.0, 85.0, 85.0, 85.0, samples=8), 1.0, id="a step a while ago"),
        pytest.param(points(50.0, 50.0, 50.0, 85.0, samples=8), 1.0, id="a step just now"),
        pytest.param(points(50.0, 80.0, 60.0, 85.0, samples=8), 1.0, id="noisy"),
        pytest.param(points(0.0, 0.0, 0.0, 0.0, samples=8), 1.0, id="no load at all"),
        pytest.param(points(-40.0, -30.0, -20.0, -10.0, samples=8), 1.0, id="below nothing"),
        pytest.param(points(55.0, 70.0, 85.0, samples=8), 1.0, id="three datapoints only"),
        pytest.param([], 1.0, id="nothing known of the load before"),
        pytest.param(
            [*points(25.0, newest=52.5, samples=8), *points(55.0, 70.0, 85.0, samples=8)],
            SIX_A_SECOND,
            id="one is missing",
        ),
        pytest.param(
            [*points(10.0, newest=62.5, samples=8), *points(55.0, 70.0, 85.0, samples=8)],
            1.0,
            id="two are missing: too long ago to be a trend",
        ),
        pytest.param(
            points(80.0, 110.0, 70.0, 85.0, samples=[4, 4, 8, 8]),
            SIX_A_SECOND,
            id="it is the load of all tasks that rises, not that of each: 2, 2, 4 and 4 tasks",
        ),
        pytest.param(
            points(40.0, 55.0, 70.0, 85.0, samples=[8, 8, 8, 3]),
            SIX_A_SECOND,
            id="the newest period is not seen in full: as many tasks as in the one before",
        ),
        pytest.param(points(40.0, 55.0, 70.0, 85.0), SIX_A_SECOND, id="not counted: all desired"),
    ],
)
def test_the_growth_expected_is_that_of_a_load_that_rises_as_a_line(
    recent: list[Datapoint], expected: float
) -> None:
    assert growth(recent) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "slope"),
    [
        pytest.param([200.0, 240, 280, 320, 360], 8.0, id="a line"),
        pytest.param([200.0, 240, 380, 320, 360], 0.0, id="8 a second, less than 3 errors from 0"),
        pytest.param([200.0, 200, 200, 400, 400], 0.0, id="two levels"),
        pytest.param([200.0, 210, 390, 400], 0.0, id="two levels, nearly"),
        pytest.param([360.0, 320, 280, 240, 200], 0.0, id="it falls"),
    ],
)
def test_a_ramp_is_distinguished_from_noise_and_from_a_step(
    values: list[float], slope: float
) -> None:
    assert ramp([5.0 * n for n in range(len(values))], values) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([4, 4, 8], [100, 100, 200], id="2, 2 and 4 tasks at 50"),
        pytest.param([8, 8, 3], [200, 200, 200], id="a partial count is taken from the one before"),
        pytest.param([0, 8, 0], [0, 200, 200], id="none that reported, no load"),
        pytest.param([None, 0, 8], [200, 0, 200], id="not counted: all 4 desired ones"),
    ],
)
def test_the_load_is_that_of_all_tasks_that_reported_it(
    samples: list[float | None], expected: list[float]
) -> None:
    alarm = firing(150.0, recent=points(50.0, 50.0, 50.0, samples=samples))

    case = a_case(alarm)
    every = loads(case, alarm, load_of(case, alarm))

    assert [load for _, load in every] == expected
    assert [at for at, _ in every] == [point.at for point in alarm.recent]


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        pytest.param(0, 1.0, id="nothing, where a task serves at once"),
        pytest.param(30, 1 + 0.5 * 6 * 30 / 340, id="for 30 s"),
        pytest.param(90, 1 + 0.5 * 6 * 90 / 340, id="for 90 s"),
        pytest.param(3600, 2.0, id="capped, however long a task takes"),
    ],
)
def test_a_rise_goes_on_until_a_new_task_serves(warmup: int, expected: float) -> None:
    target = replace(PER_TASK, warmup_seconds=warmup)
    rising = points(40.0, 55.0, 70.0, 85.0, samples=8)

    assert growth(rising, target=target) == pytest.approx(expected)


@pytest.mark.parametrize("seconds_ago", [60, 62, 67, 69.9])
def test_where_samples_are_not_counted_launched_tasks_have_had_no_part_until_they_serve(
    seconds_ago: float,
) -> None:
    """3 of 4 tasks serve since the middle of the last but one of four periods, or a bit longer."""
    state = launched(seconds_ago, 3)

    assert growth(points(340.0, 340.0, 85.0, 85.0, newest=10), state=state) == 1.0
    assert growth(points(160.0, 220.0, 70.0, 85.0, newest=10), state=state) == pytest.approx(
        SIX_A_SECOND
    )


RISING = points(
    85.0, 100.0, 115.0, 130.0, samples=8
)  # 340 to 520: 1.26 times that in 45 s, 164 each
FALLING = points(175.0, 160.0, 145.0, 130.0, samples=8)


@pytest.mark.parametrize(
    ("target", "recent", "granted"),
    [
        pytest.param(PER_TASK, RISING, 6, id="164 asks for 2 more, 130 for 1"),
        pytest.param(PER_TASK, FALLING, 5, id="nothing rises"),
        pytest.param(PER_TASK, RISING[1:], 5, id="too little is known"),
        pytest.param(without(Guard.RISING_TREND), RISING, 5, id="the guard is off"),
        pytest.param(OF_THE_WHOLE, RISING, 5, id="a metric of the whole service"),
        pytest.param(replace(PER_TASK, max_capacity=5), RISING, 5, id="the maximum stays one"),
    ],
)
def test_a_rising_load_is_answered_as_it_will_be(
    target: ScalableTarget, recent: list[Datapoint], granted: int
) -> None:
    decision = decide(target, seen(4, high=firing(130.0, recent=recent)), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, granted)


def test_the_trail_shows_the_numbers_of_a_rise() -> None:
    decision = decide(PER_TASK, seen(4, high=firing(130.0, recent=RISING)), State(), NOW)

    assert [(step.guard, step.before, step.after) for step in decision.trail] == [
        ("steps", 4, 5),
        ("rising trend", 5, 6),
        ("bounds", 6, 6),
    ]
    assert decision.trail[1].why == (
        "the load is rising by 6 a second; in 45 s, expect 163.75 per task: 6 wanted"
    )
    assert decision.wanted == 6


def test_a_rise_that_is_capped_is_still_on_record_as_wanted() -> None:
    target = replace(PER_TASK, max_capacity=5)

    decision = decide(target, seen(4, high=firing(130.0, recent=RISING)), State(), NOW)

    assert (decision.wanted, decision.granted) == (6, 5)


def test_no_breach_is_made_of_a_rise() -> None:
    """Only an alarm in breach is answered: what is expected only chooses its step."""
    rising = points(45.0, 60.0, 75.0, 90.0, samples=8)

    decision = decide(PER_TASK, seen(4, high=firing(90.0, recent=rising)), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_NOT_BREACHING, 4)


def test_a_smaller_step_of_a_larger_breach_takes_no_task_back() -> None:
    """Steps that shrink with the breach are odd, but may be written."""
    odd = a_policy(steps=((0, 50, 4), (50, None, 1)), scope=MetricScope.PER_TASK)
    observation = seen(4, high=firing(130.0, recent=RISING))

    assert decide(a_target(odd), observation, State(), NOW).granted == 8


def test_a_rise_beyond_the_last_step_takes_nothing_from_the_step_that_was_chosen() -> None:
    """Steps may end at the threshold: those of an alarm that fires below it."""
    below = a_policy(steps=((-50, 0, 1),), scope=MetricScope.PER_TASK)
    observation = seen(4, high=firing(95.0, recent=RISING))

    decision = decide(a_target(below), observation, State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 5)


def test_of_a_rise_too_the_tasks_on_their_way_take_their_share() -> None:
    """2 of 6 tasks serve 400, and it rises by 10 a second: 625 in 45 s, 104 for each of 6."""
    recent = points(50.0, 100.0, 150.0, 200.0, samples=4)
    observation = seen(6, high=firing(200.0, recent=recent))

    decision = decide(PER_TASK, observation, launched(20, 4), NOW)

    assert [(step.guard, step.before, step.after) for step in decision.trail] == [
        ("steps", 6, 10),
        ("rising trend", 10, 10),
        ("capacity on its way", 10, 7),
        ("bounds", 7, 7),
    ]
    steady = seen(6, high=firing(200.0, recent=points(*[200.0] * 4, samples=4)))
    assert decide(PER_TASK, steady, launched(20, 4), NOW).outcome is (
        Outcome.HELD_CAPACITY_ON_ITS_WAY
    )


def test_in_a_cooldown_a_rise_may_ask_for_the_larger_step() -> None:
    """Scaled out from 3 to 4 by +1; now 164 is expected, whose step of +2 makes 5 of the 3."""
    state = scaled_out(5, 3, 4)
    steady = firing(130.0, recent=FALLING)
    rising = firing(130.0, recent=RISING)

    held = decide(PER_TASK, seen(4, high=steady), state, NOW)
    passed = decide(PER_TASK, seen(4, high=rising), state, NOW)

    assert (held.outcome, held.granted) == (Outcome.HELD_COOLDOWN, 4)
    assert (passed.outcome, passed.granted) == (Outcome.SCALED_OUT, 5)


# --- capacity on its way --------------------------------------------------------------------------

STEADY = (225.0, 225.0, 225.0)


@pytest.mark.parametrize(
    ("state", "running", "value", "outcome", "granted"),
    [
        pytest.param(
            launched(20, 4), 6, 225.0, Outcome.HELD_CAPACITY_ON_ITS_WAY, 6,
            id="225 on 2 of 6 is 75 on 6: enough",
        ),
        pytest.param(
            launched(20, 4), 6, 360.0, Outcome.SCALED_OUT, 7, id="360 on 2 of 6 is 120 on 6: +1"
        ),
        pytest.param(
            launched(20, 4), 6, 300.0, Outcome.HELD_CAPACITY_ON_ITS_WAY, 6,
            id="300 on 2 of 6 is 100 on 6: at the threshold, not above",
        ),
        pytest.param(launched(45, 4), 6, 225.0, Outcome.SCALED_OUT, 10, id="they serve by now"),
        pytest.param(
            launched(100, 4), 2, 225.0, Outcome.HELD_CAPACITY_ON_ITS_WAY, 6, id="they are late"
        ),
        pytest.param(
            launched(135, 4), 2, 225.0, Outcome.HELD_NO_CAPACITY, 6, id="and missing by now"
        ),
        pytest.param(
            launched(20, 1), 2, 225.0, Outcome.HELD_NO_CAPACITY, 6, id="one may come, 3 are missing"
        ),
        pytest.param(
            launched(20, 5), 6, 225.0, Outcome.HELD_CAPACITY_ON_ITS_WAY, 6, id="one task serves"
        ),
        pytest.param(launched(20, 6), 6, 225.0, Outcome.SCALED_OUT, 10, id="nothing serves yet"),
        pytest.param(State(), 9, 225.0, Outcome.SCALED_OUT, 10, id="more run than desired"),
    ],
)  # fmt: skip
def test_tasks_on_their_way_are_counted_before_more_are_asked_for(
    state: State, running: int, value: float, outcome: Outcome, granted: int
) -> None:
    observation = seen(6, high=firing(value))
    observation = replace(observation, service=replace(observation.service, running=running))

    decision = decide(PER_TASK, observation, state, NOW)

    assert (decision.outcome, decision.granted) == (outcome, granted)


@pytest.mark.parametrize(
    ("recent", "granted"),
    [
        pytest.param(points(*STEADY), 6, id="not counted: the 2 that were not launched just now"),
        pytest.param(points(*STEADY, samples=4), 6, id="2 tasks: 75 on all 6 is enough"),
        pytest.param(
            points(*STEADY, samples=8), 8, id="4 tasks, more than the launches say: 150 on 6, +2"
        ),
        pytest.param(
            points(*STEADY, samples=[8, 8, 3]), 8, id="the newest is partial: the one before it"
        ),
        pytest.param(
            points(*STEADY, samples=[4, 4, 8]), 8, id="the newest has more: they have just come"
        ),
        pytest.param(
            points(*STEADY, samples=[12, 4, 4]), 6, id="those before the last two do not count"
        ),
        pytest.param(points(225.0, samples=8), 8, id="one datapoint is enough to count"),
        pytest.param(points(*STEADY, samples=[8, 8, None]), 8, id="the newest is not counted yet"),
        pytest.param(
            points(*STEADY, samples=1), 6, id="fewer than surely serve: published in another way"
        ),
        pytest.param(points(*STEADY, samples=600), 6, id="more than can be explained: not counted"),
        pytest.param(points(*STEADY, samples=12), 10, id="all 6 have reported: as it is"),
    ],
)
def test_the_tasks_that_have_reported_count_as_serving(
    recent: list[Datapoint], granted: int
) -> None:
    observation = seen(6, high=firing(225.0, recent=recent))

    decision = decide(PER_TASK, observation, launched(20, 4), NOW)

    assert decision.granted == granted


@pytest.mark.parametrize(
    ("every", "period", "samples"),
    [
        pytest.param(5, 10, 8, id="each 5 s, in 10 s"),
        pytest.param(1, 10, 40, id="each second, in 10 s"),
        pytest.param(10, 10, 4, id="each 10 s, in 10 s"),
        pytest.param(5, 60, 48, id="each 5 s, in a minute"),
        pytest.param(60, 60, 4, id="each minute, in a minute"),
    ],
)
def test_how_many_tasks_samples_stand_for(every: int, period: int, samples: int) -> None:
    """4 of 6 tasks have reported: 225 is 150 on all of them, which adds 2."""
    target = replace(PER_TASK, publish_seconds=every)
    alarm = replace(firing(225.0, recent=points(225.0, samples=samples)), period=period)

    assert decide(target, seen(6, high=alarm), launched(20, 4), NOW).granted == 8


def test_where_none_surely_serves_the_ones_that_have_reported_do() -> None:
    observation = seen(6, high=firing(225.0, recent=points(*STEADY, samples=4)))

    decision = decide(PER_TASK, observation, launched(20, 6), NOW)

    assert decision.outcome is Outcome.HELD_CAPACITY_ON_ITS_WAY


def test_the_value_expected_is_that_of_the_whole_evaluation_window() -> None:
    """200 and 250 are 225 on average, and 150 once the 4 tasks that report are 6."""
    observation = seen(6, high=firing(200.0, 250.0, recent=points(*STEADY, samples=8)))

    assert decide(PER_TASK, observation, launched(20, 4), NOW).granted == 8


def test_the_value_expected_is_aggregated_as_the_policy_says() -> None:
    """400 at the most is 133 once the 2 tasks are 6, and adds 1; on average it would be 83."""
    high = replace(a_policy(scope=MetricScope.PER_TASK), aggregation=MetricAggregationType.MAXIMUM)

    decision = decide(a_target(high), seen(6, high=firing(100.0, 400.0)), launched(20, 4), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 7)


def test_a_threshold_of_nothing_is_one_too() -> None:
    """1.5 on 2 of 6 tasks is 0.5 on all of them, and above 0."""
    observation = seen(6, high=firing(1.5, threshold=0))

    decision = decide(PER_TASK, observation, launched(20, 4), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 7)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(OF_THE_WHOLE, id="a metric of the whole service"),
        pytest.param(without(Guard.CAPACITY_ON_ITS_WAY), id="the guard is off"),
    ],
)
def test_otherwise_the_step_is_taken_as_it_is(target: ScalableTarget) -> None:
    assert decide(target, seen(6, high=firing(225.0)), launched(20, 4), NOW).granted == 10


def test_in_a_cooldown_too_the_expected_load_chooses_the_step() -> None:
    state = replace(scaled_out(5, 2, 6), launches=(Launch(ago(5), 4),))

    decision = decide(PER_TASK, seen(6, high=firing(700.0)), state, NOW)

    assert (decision.outcome, decision.granted) == (Outcome.HELD_COOLDOWN, 6)


def test_capacity_on_its_way_is_named_before_a_cooldown() -> None:
    state = replace(scaled_out(5, 2, 6), launches=(Launch(ago(5), 4),))

    decision = decide(PER_TASK, seen(6, high=firing(225.0)), state, NOW)

    assert decision.outcome is Outcome.HELD_CAPACITY_ON_ITS_WAY


@pytest.mark.parametrize(
    "state", [State(), scaled_out(5, 2, 4)], ids=["no cooldown", "in a cooldown"]
)
def test_capacity_on_its_way_never_keeps_a_service_below_its_minimum(state: State) -> None:
    observation = seen(4, high=firing(150.0))
    observation = replace(observation, service=replace(observation.service, running=2))
    state = replace(state, override=Override(20, None))

    decision = decide(PER_TASK, observation, state, NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 20)


@pytest.mark.parametrize(
    ("seconds_ago", "kept"),
    [
        pytest.param(224.9, True, id="it was on its way when the load looked at began"),
        pytest.param(225, False, id="it served by then: 45 s to serve, and 180 s looked back"),
    ],
)
def test_a_launch_is_remembered_as_long_as_the_load_is_looked_back_at(
    seconds_ago: float, *, kept: bool
) -> None:
    old, young = Launch(ago(seconds_ago), 3), Launch(ago(20), 1)
    state = State(launches=(old, young))

    decision = decide(OF_THE_WHOLE, seen(6, high=firing(225.0)), state, NOW)

    assert decision.state.launches == (*([old] if kept else []), young, Launch(NOW, 4, 6))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([100.0 + 10 * n for n in range(8)], 0, id="a steady rise has none"),
        pytest.param([100.0, 110, 120, 130, 160, 190, 220], 0, id="nor has the kink of a surge"),
        pytest.param([100.0, 120] * 3, 40 / 0.6745 / 6**0.5, id="up and down: 24"),
        pytest.param([100.0, 900, 100, 900, 100], 0, id="too few to know"),
        pytest.param(
            [0.0, 0, 10, 40, 100, 200, 350],
            30 / 0.6745 / 6**0.5,
            id="the median of the kinks 10, 20, 30, 40 and 50",
        ),
    ],
)
def test_noise_is_what_is_left_of_a_load_without_its_rise(
    values: list[float], expected: float
) -> None:
    assert noise(values) == pytest.approx(expected)


# --- would flap -----------------------------------------------------------------------------------


def removing(
    count: int, *, cooldown: int = 30, minimum: int = 2, maximum: int = 40
) -> ScalableTarget:
    """Return a target whose low alarm removes so many tasks; tasks are added from 100 each on."""
    low = a_scale_in_policy(
        steps=((None, 0, -count),), cooldown=cooldown, scope=MetricScope.PER_TASK
    )
    high = a_policy(scope=MetricScope.PER_TASK)
    return a_target(high, low, minimum=minimum, maximum=maximum)


def low(*window: float) -> Alarm:
    return firing(*window, threshold=80)


@pytest.mark.parametrize(
    ("alarm", "outcome", "granted"),
    [
        pytest.param(low(20.0), Outcome.SCALED_IN, 2, id="100 in all fit on the 2 that stay"),
        pytest.param(low(70.0), Outcome.SCALED_IN, 4, id="350 take 4: one task may go, not three"),
        pytest.param(low(79.9), Outcome.SCALED_IN, 4, id="399.5 are 99.875 each on 4"),
        pytest.param(low(80.0), Outcome.HELD_WOULD_FLAP, 5, id="400 are 100 each on 4: a breach"),
        pytest.param(
            low(20.0, 70.0, 50.0), Outcome.SCALED_IN, 4, id="the highest of the window counts: 350"
        ),
        pytest.param(
            replace(low(20.0), recent=tuple(points(95.0, 20.0, samples=10))),
            Outcome.SCALED_IN, 2, id="what was before the window does not",
        ),
    ],
)  # fmt: skip
def test_no_more_tasks_are_removed_than_the_highest_load_of_the_window_allows(
    alarm: Alarm, outcome: Outcome, granted: int
) -> None:
    decision = decide(removing(3), seen(5, low=alarm, high=QUIET), State(), NOW)

    assert (decision.outcome, decision.granted) == (outcome, granted)


@pytest.mark.parametrize(
    ("before", "granted"),
    [
        pytest.param([70.0] * 8, 4, id="350 without noise fit on 4"),
        pytest.param([68.0, 72.0] * 4, 5, id="350 and 4 times a noise of 12 take 5"),
        pytest.param([75.0] * 4 + [70.0] * 4, 4, id="a step down is no noise"),
        pytest.param([68.0, 72.0, 70.0], 4, id="too few to know of any"),
    ],
)
def test_a_removal_leaves_room_for_the_noise_of_the_load(before: list[float], granted: int) -> None:
    alarm = replace(low(70.0), recent=tuple(points(*before, samples=10)))

    decision = decide(removing(3), seen(5, low=alarm, high=QUIET), State(), NOW)

    assert decision.granted == granted
    assert ("noise included" in decision.reason) == (granted == 5)


def quiet(threshold: float | None, metric: str = "") -> Alarm:
    return replace(QUIET, threshold=threshold, metric=metric)


@pytest.mark.parametrize(
    ("highs", "granted"),
    [
        pytest.param({"high": quiet(100)}, 4, id="350 stay below 100 each on 4"),
        pytest.param({"high": quiet(60)}, 5, id="and below 60 each not even on 5"),
        pytest.param({"high": quiet(100), "higher": quiet(200)}, 4, id="of two the lowest counts"),
        pytest.param({"high": quiet(200), "higher": quiet(100)}, 4, id="in any order"),
        pytest.param({"high": quiet(200)}, 2, id="350 are 175 each on the 2 that were to stay"),
        pytest.param({"high": quiet(100, "latency")}, 2, id="another metric says nothing of it"),
        pytest.param({"high": quiet(100, "latency"), "higher": quiet(200)}, 2, id="one of two"),
        pytest.param({"high": quiet(None)}, 2, id="a threshold that is not known"),
        pytest.param({}, 2, id="no threshold is known"),
    ],
)
def test_the_lowest_scale_out_threshold_of_the_same_metric_counts(
    highs: dict[str, Alarm], granted: int
) -> None:
    higher = a_policy("higher", scope=MetricScope.PER_TASK)
    target = removing(3)
    target = replace(target, policies=(*target.policies, higher))

    decision = decide(target, seen(5, low=low(70.0), **{"higher": CALM, **highs}), State(), NOW)

    assert decision.granted == granted


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(
            a_target(a_policy(), a_scale_in_policy(steps=((None, 0, -3),))),
            id="a metric of the whole service",
        ),
        pytest.param(without(Guard.WOULD_FLAP, removing(3)), id="the guard is off"),
    ],
)
def test_otherwise_as_many_are_removed_as_the_step_says(target: ScalableTarget) -> None:
    decision = decide(target, seen(5, low=low(70.0), high=QUIET), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, 2)


@pytest.mark.parametrize(
    ("alarm", "granted"),
    [
        pytest.param(low(0.0), 0, id="nothing to do, nobody to do it"),
        pytest.param(low(0.1), 1, id="a little needs one"),
        pytest.param(low(0.1, 0.0), 1, id="a little at any time of the window, too"),
    ],
)
def test_the_last_task_goes_only_without_any_load(alarm: Alarm, granted: int) -> None:
    target = removing(5, minimum=0)

    decision = decide(target, seen(5, low=alarm, high=QUIET), State(), NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, granted)


@pytest.mark.parametrize(
    ("cooldown", "check"), [(0, 10), (30, 30)], ids=["10 s at the least", "its cooldown"]
)
def test_a_removal_that_would_flap_is_looked_at_again_like_one_that_was_made(
    cooldown: int, check: int
) -> None:
    target = removing(1, cooldown=cooldown)

    held = decide(target, seen(5, low=low(80.0), high=QUIET), State(), NOW)
    made = decide(target, seen(5, low=low(20.0), high=QUIET), State(), NOW)

    assert (held.outcome, made.outcome) == (Outcome.HELD_WOULD_FLAP, Outcome.SCALED_IN)
    assert (held.next_check_in, made.next_check_in) == (check, check)
    assert held.state == State(), "a hold starts no cooldown"


def test_the_trail_shows_the_numbers_of_a_removal() -> None:
    decision = decide(removing(3), seen(5, low=low(70.0), high=QUIET), State(), NOW)

    assert [(step.guard, step.before, step.after) for step in decision.trail] == [
        ("steps", 5, 2),
        ("would flap", 2, 4),
        ("deployment", 4, 4),
        ("bounds", 4, 4),
    ]
    assert decision.trail[1].why == ("a load of 350 needs 4 tasks to stay below 100 each")
    assert decision.wanted == 2


def test_a_cooldown_is_named_before_the_load_is_asked() -> None:
    decision = decide(removing(1), seen(5, low=low(80.0), high=QUIET), scaled_in(10, 6, 5), NOW)

    assert decision.outcome is Outcome.HELD_COOLDOWN


@pytest.mark.parametrize(("forced", "granted"), [(False, 11), (True, 10)])
def test_what_is_above_the_maximum_goes_as_far_as_the_load_allows_or_is_forced(
    forced: bool, granted: int
) -> None:
    """1,050 on 15 tasks take 11, whatever the maximum is, unless it is to be forced."""
    state = State(override=Override(None, 10, forced=forced))
    observation = seen(15, low=low(70.0), high=QUIET)

    decision = decide(removing(1), observation, state, NOW)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, granted)
    assert decision.state.scale_in == ScalingActivity(NOW, 15, granted)


def test_of_two_removals_the_one_that_would_flap_holds_both() -> None:
    target = removing(3)
    idle = a_scale_in_policy("idle", steps=((None, 0, -1),))
    target = replace(target, policies=(*target.policies, idle))
    observation = seen(5, low=low(80.0), high=QUIET, idle=firing(1.0, threshold=5))

    assert decide(target, observation, State(), NOW).outcome is Outcome.HELD_WOULD_FLAP


# --- datapoints finer than the alarm's ------------------------------------------------------------


def each_5_s(values: list[float], samples: list[int], newest: float) -> Alarm:
    """Return an alarm of 10 s with datapoints of 5 s; the newest began so many seconds ago."""
    at = [newest + 5 * n for n in range(len(values))][::-1]
    recent = tuple(Datapoint(ago(a), v, s) for a, v, s in zip(at, values, samples, strict=True))
    return replace(firing(150.0), recent=recent, period=5)


@pytest.mark.parametrize(("count", "newest", "tasks"), [(4, 17.5, 2), (5, 12.5, 2), (6, 7.5, 4)])
def test_reporters_are_counted_in_the_period_whose_average_the_alarm_shows(
    count: int, newest: float, tasks: int
) -> None:
    """1 task, 2 from 09:59:50 on, 4 from 10:00:00 on: the alarm has seen whole periods only."""
    alarm = each_5_s([100.0] * count, [1, 1, 2, 2, 4, 4][:count], newest)
    assert load_of(a_case(alarm, state=launched(30, 3)), alarm).reporting == tasks


def test_the_noise_that_a_removal_leaves_room_for_is_that_of_the_alarms_periods() -> None:
    """100 and 140 in turn are 120 in each period of 10 s: none of them will breach."""
    alarm = each_5_s([100.0, 140.0] * 8, [4] * 16, newest=7.5)
    case = a_case(alarm)
    assert need(case, alarm, load_of(case, alarm), 200.0) == (600, 4, 0)


@pytest.mark.parametrize(
    ("average", "outcome"), [(25.0, Outcome.HELD_NOT_BREACHING), (24.0, Outcome.SCALED_IN)]
)
def test_a_serving_tasks_value_that_is_the_threshold_does_not_breach_it(
    average: float, outcome: Outcome
) -> None:
    """12 tasks report 25 on average, of which 2 drain: 30 each, and not below 30."""
    recent = tuple(points(average, average, average, samples=24))
    low = Alarm(AlarmState.ALARM, 30.0, (average,), recent=recent)
    state = State(removals=(Removal(ago(60), 2),))
    observed = seen(10, high=Alarm(AlarmState.OK, 100.0), low=low)
    assert decide(PER_TASK, observed, state, NOW).outcome is outcome
