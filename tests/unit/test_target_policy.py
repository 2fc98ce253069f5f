"""What a target policy asks for: sized by the load of all tasks, and given back with patience."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.reading import by_interval
from quickstep.engine.decide import decide
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Datapoint,
    Guard,
    Launch,
    MetricScope,
    Observation,
    Removal,
    Service,
    State,
    TargetPolicy,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Level, Need, Patience
from quickstep.engine.target_policy import tasks_for
from tests.builders import (
    NOW,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    scaled_in,
    scaled_out,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep.engine.model import Decision

RATE = "rate/high"
METRIC = '[{"MetricStat":{"Metric":{"MetricName":"RequestsPerSecond"}}}]'
CPU = '[{"MetricStat":{"Metric":{"MetricName":"CPUUtilization"}}}]'


def an_alarm(
    *loads: float,
    tasks: float | Sequence[float] | None = 4,
    state: AlarmState = AlarmState.OK,
    **changes: Any,
) -> Alarm:
    """Return an alarm that shows the load of all tasks in 5 s each, the newest up to now."""
    counts = tasks if isinstance(tasks, (list, tuple)) else [tasks] * len(loads)
    points = tuple(
        Datapoint(
            NOW - timedelta(seconds=5 * ago_), load / (count or changes.pop("shared", 4)), count
        )
        for ago_, load, count in zip(range(len(loads), 0, -1), loads, counts, strict=True)
    )
    newest = points[-1].value if points else 0.0
    shown = {"datapoints": (newest,), "metric": METRIC, **changes}
    return Alarm(state, 100.0, recent=points, period=5, **shown)


def a_minute_of(load: float, **changes: Any) -> Alarm:
    return an_alarm(*[load] * 13, **changes)


def idle_since(seconds: float, tasks: int, needed: int, **changes: Any) -> State:
    """Return what is remembered where so many tasks were needed until then, and fewer since."""
    known = Patience(tasks, ago(9_000), (Need(ago(15), needed), Need(ago(seconds), tasks)))
    return State(patience={"rate": replace(known, **changes)})


def decided(
    alarm: Alarm,
    desired: int = 4,
    *,
    running: int | None = None,
    state: State | None = None,
    policy: TargetPolicy | None = None,
    trouble: str = "",
    **changes: Any,
) -> Decision:
    target = a_target(policy or TargetPolicy("rate", 100.0), minimum=1, maximum=500)
    target = replace(target, **changes)
    service = Service(desired, desired if running is None else running, 0, trouble=trouble)
    return decide(target, Observation(service, {RATE: alarm}), state or State(), NOW)


# --- more -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alarm", "granted", "why"),
    [
        pytest.param(
            an_alarm(2_385.0),
            24,
            "Scaled out from 4 to 24: rate: 2,385 requests/s need 24 tasks at 100 each",
            id="the sum",
        ),
        pytest.param(
            an_alarm(400.0, 400.0, 400.0, 400.0, 2_385.0),
            24,
            "Scaled out from 4 to 24: rate: 2,385 requests/s need 24 tasks at 100 each",
            id="of the newest five seconds",
        ),
        pytest.param(
            an_alarm(2_385.0, tasks=None),
            24,
            "Scaled out from 4 to 24: rate: 2,385 requests/s need 24 tasks at 100 each, assuming "
            "4 are serving",
            id="where they cannot be counted, those that serve",
        ),
        pytest.param(
            an_alarm(450.0, metric=""),
            5,
            "Scaled out from 4 to 5: rate: a load of 450 needs 5 tasks at 100 each",
            id="of another metric",
        ),
        pytest.param(
            a_minute_of(432.0),
            5,
            "Scaled out from 4 to 5: the last minute's mean of 432 requests/s needs 5 tasks "
            "(rate: 432 requests/s need 5 tasks at 100 each)",
            id="a little more for a minute",
        ),
        pytest.param(
            an_alarm(300.0, 400.0, 500.0, 600.0, 700.0, 800.0),
            13,
            "Scaled out from 4 to 13: the load is rising by 20 a second; in 45 s, expect 1,250 "
            "requests/s (rate: 800 requests/s need 8 tasks at 100 each)",
            id="with half of what a rise will add",
        ),
        pytest.param(
            an_alarm(100.0, 100.0, 100.0, 400.0, 900.0, 1_200.0),
            12,
            "Scaled out from 4 to 12: rate: 1,200 requests/s need 12 tasks at 100 each",
            id="a jump is no rise",
        ),
        pytest.param(
            an_alarm(*[1_000.0, 300.0] * 6, 900.0, 1_000.0, 1_100.0, 1_200.0, 1_300.0, 1_400.0),
            14,
            "Scaled out from 4 to 14: rate: 1,400 requests/s need 14 tasks at 100 each",
            id="nor is what does not stand out from the noise",
        ),
    ],
)
def test_it_sizes_the_service_once(alarm: Alarm, granted: int, why: str) -> None:
    decision = decided(alarm)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, granted)
    assert decision.reason == why


@pytest.mark.parametrize(
    ("alarm", "seconds"),
    [
        pytest.param(an_alarm(1_000.0, 1_100.0), 10, id="a datapoint of the alarm later"),
        pytest.param(an_alarm(400.0, 900.0), 5, id="at once, where a jump may have begun"),
    ],
)
def test_it_looks_again_after_it_has_grown(alarm: Alarm, seconds: int) -> None:
    assert decided(alarm).next_check_in == seconds


@pytest.mark.parametrize(
    ("alarm", "outcome", "why"),
    [
        pytest.param(
            an_alarm(440.0, state=AlarmState.ALARM),
            Outcome.HELD_NOT_BREACHING,
            "Kept 4 tasks: rate: 440 requests/s need 5 tasks at 100 each, within 10% of what 4 "
            "tasks should carry",
            id="within a tenth",
        ),
        pytest.param(
            a_minute_of(408.0, state=AlarmState.ALARM),
            Outcome.HELD_NOT_BREACHING,
            "Kept 4 tasks: rate: 408 requests/s need 5 tasks at 100 each, within 10% of what 4 "
            "tasks should carry",
            id="within a fiftieth for a minute",
        ),
        pytest.param(
            an_alarm(*[50.0, 650.0] * 6, 500.0, state=AlarmState.ALARM),
            Outcome.HELD_NOT_BREACHING,
            "Kept 4 tasks: rate: 500 requests/s need 5 tasks at 100 each, within noise of what 4 "
            "tasks should carry",
            id="within what is noise",
        ),
    ],
)
def test_a_little_more_than_the_tasks_carry_is_held(
    alarm: Alarm, outcome: Outcome, why: str
) -> None:
    decision = decided(alarm)

    assert (decision.outcome, decision.granted, decision.reason) == (outcome, 4, why)


def test_what_is_on_its_way_is_counted_already() -> None:
    alarm = an_alarm(2_385.0, tasks=4, state=AlarmState.ALARM)
    state = State(launches=(Launch(ago(10), 20),))

    decision = decided(alarm, 24, running=4, state=state)

    assert decision.reason == (
        "Kept 24 tasks: 20 have yet to serve (rate: 2,385 requests/s need 24 tasks at 100 each)"
    )


def test_tasks_that_never_came_are_not_asked_for_again() -> None:
    alarm = an_alarm(2_385.0, tasks=4, state=AlarmState.ALARM)

    decision = decided(alarm, 24, running=4, trouble="no capacity")

    assert decision.reason == (
        "Kept 24 tasks, but not all of them started: 20 of 24 are missing (rate: 2,385 "
        "requests/s need 24 tasks at 100 each). ECS says: no capacity"
    )


@pytest.mark.parametrize(
    ("samples", "tasks"),
    [
        pytest.param([4, 4], 8, id="all are seen"),
        pytest.param([4, 3], 8, id="not all of the newest are seen yet"),
    ],
)
def test_of_the_newest_seconds_not_all_may_be_seen_yet(samples: list[float], tasks: int) -> None:
    points = tuple(
        Datapoint(ago(5 * (2 - index)), 200.0, count) for index, count in enumerate(samples)
    )
    alarm = Alarm(AlarmState.OK, 100.0, (200.0,), recent=points, period=5, metric=METRIC)

    assert decided(alarm).granted == tasks


def test_tasks_that_have_drained_are_not_missed() -> None:
    """12 reported, of which 8 have drained by now: 4 at 80 each are 320, not 960."""
    points = (Datapoint(ago(10), 27.0, 12), Datapoint(ago(5), 80.0, 4))
    alarm = Alarm(AlarmState.OK, 100.0, (80.0,), recent=points, period=5, metric=METRIC)
    state = State(removals=(Removal(ago(301), 8),))

    assert decided(alarm, state=state).granted == 4


def test_tasks_that_do_not_report_are_taken_to_carry_the_average() -> None:
    """6 serve, 4 of them report 100 each: 600."""
    assert decided(an_alarm(600.0, tasks=4), 6).granted == 9


def test_while_tasks_begin_to_report_the_middle_of_three_counts() -> None:
    alarm = an_alarm(1_200.0, 1_180.0, 1_600.0, tasks=[4, 6, 10])

    decision = decided(alarm, 10, state=State(launches=(Launch(ago(40), 6),)))

    assert decision.granted == 12


# --- whole seconds --------------------------------------------------------------------------------


def by_the_second(*loads: float, tasks: float | Sequence[float] = 4, **changes: Any) -> Alarm:
    """Return an alarm that shows the load of all tasks in each second, the newest up to now.

    `tasks` are those that report each of them, of which the load is the sum.
    """
    counts = tasks if isinstance(tasks, (list, tuple)) else [tasks] * len(loads)
    seconds = [
        Datapoint(ago(age), load / count, count)
        for age, load, count in zip(range(len(loads), 0, -1), loads, counts, strict=True)
    ]
    seen = by_interval(seconds, 1, NOW, newest=True)
    shown = {"datapoints": (seconds[-1].value,), "metric": METRIC, **changes}
    return Alarm(AlarmState.OK, 100.0, **seen, **shown)


@pytest.mark.parametrize(
    ("alarm", "granted", "why"),
    [
        pytest.param(
            by_the_second(*[400.0] * 17, *[2_385.0] * 3),
            24,
            "rate: 2,385 requests/s need 24 tasks at 100 each",
            id="the seconds since a jump",
        ),
        pytest.param(
            by_the_second(*[400.0] * 18, *[2_385.0] * 2),
            24,
            "rate: 2,385 requests/s need 24 tasks at 100 each",
            id="two are enough",
        ),
        pytest.param(
            by_the_second(*[400.0] * 19, 2_385.0),
            8,
            "rate: 797 requests/s need 8 tasks at 100 each",
            id="one may be anything",
        ),
        pytest.param(
            by_the_second(*[400.0, 900.0] * 18, 400.0, 400.0, 900.0, 900.0),
            7,
            "rate: 700 requests/s need 7 tasks at 100 each",
            id="not those of a load that is noisy",
        ),
        pytest.param(
            by_the_second(*[300.0 + 20 * n for n in range(20)]),
            11,
            "the load is rising by 20 a second; in 45 s, expect 1,045 requests/s "
            "(rate: 640 requests/s need 7 tasks at 100 each)",
            id="a line of 15 seconds",
        ),
        pytest.param(
            by_the_second(*[300.0 + 20 * min(n, 14) for n in range(20)]),
            6,
            "rate: 580 requests/s need 6 tasks at 100 each",
            id="that has come to its end",
        ),
        pytest.param(
            by_the_second(*[300.0 + 20 * n for n in range(14)]),
            6,
            "rate: 520 requests/s need 6 tasks at 100 each",
            id="nor of fewer",
        ),
    ],
)
def test_whole_seconds_tell_a_jump_from_a_rise(alarm: Alarm, granted: int, why: str) -> None:
    decision = decided(alarm, publish_seconds=1)

    assert decision.reason == f"Scaled out from 4 to {granted}: {why}"


@pytest.mark.parametrize(
    ("alarm", "state", "granted"),
    [
        pytest.param(
            by_the_second(*[1_200.0] * 10, *[720.0] * 5, tasks=[12] * 10 + [6] * 5),
            State(),
            15,
            id="of as many as before: 120 on each of 12",
        ),
        pytest.param(
            by_the_second(*[1_200.0] * 15, tasks=[9] * 5 + [12] * 5 + [10] * 5),
            State(),
            12,
            id="tasks have come: those that are seen may carry all there was",
        ),
        pytest.param(
            by_the_second(*[1_200.0] * 10, *[2_400.0] * 5, tasks=[9] * 5 + [12] * 5 + [10] * 5),
            State(),
            29,
            id="but not twice as much: 240 on each of 12",
        ),
        pytest.param(
            by_the_second(*[1_200.0] * 15, tasks=[24] * 10 + [12] * 5),
            State(removals=(Removal(ago(20), 12),)),
            12,
            id="tasks drain: the others may be all that serve",
        ),
    ],
)
def test_what_is_not_seen_of_all_tasks_yet_is_no_change_that_they_explain(
    alarm: Alarm, state: State, granted: int
) -> None:
    assert decided(alarm, 12, state=state, publish_seconds=1).granted == granted


def test_while_tasks_begin_to_report_whole_seconds_are_sure() -> None:
    """4, 6 and 10 tasks share 1,200: each second has its own number of them."""
    alarm = by_the_second(*[1_200.0] * 15, tasks=[4] * 5 + [6] * 5 + [10] * 5)

    decision = decided(alarm, 12, state=State(launches=(Launch(ago(40), 8),)), publish_seconds=1)

    assert decision.granted == 12


def test_seconds_that_are_not_seen_of_all_tasks_yet_are_no_fall_that_gives_tasks_back() -> None:
    alarm = by_the_second(*[1_150.0] * 10, *[10.0] * 5, tasks=[12] * 10 + [1] * 5)

    decision = decided(alarm, 12, state=idle_since(5, 12, 12), publish_seconds=1)

    assert decision.granted == 12


@pytest.mark.parametrize(
    ("value", "desired", "granted"),
    [(3_010.0, 4, 31), (0.0, 0, 0), (1.0, 0, 1)],
    ids=["by its target", "nothing from nothing", "from nothing"],
)
def test_a_total_is_divided(value: float, desired: int, granted: int) -> None:
    policy = TargetPolicy("rate", 100.0, MetricScope.TOTAL)
    alarm = Alarm(AlarmState.OK, 100.0, (value,))

    assert decided(alarm, desired, policy=policy, min_capacity=0).granted == granted


@pytest.mark.parametrize(
    ("value", "running", "granted", "outcome"),
    [
        pytest.param(90.0, 4, 6, Outcome.SCALED_OUT, id="by the ratio"),
        pytest.param(100.0, 4, 7, Outcome.SCALED_OUT, id="rounded up"),
        pytest.param(64.0, 4, 4, Outcome.HELD_NOT_BREACHING, id="within a tenth"),
    ],
)
def test_a_signal_that_is_capped_grows_who_serves(
    value: float, running: int, granted: int, outcome: Outcome
) -> None:
    alarm = Alarm(AlarmState.ALARM, 60.0, (value,), metric=CPU)

    decision = decided(alarm, running=running, policy=TargetPolicy("rate", 60.0))

    assert (decision.outcome, decision.granted) == (outcome, granted)


@pytest.mark.parametrize(
    ("metric", "value", "target", "granted"),
    [
        pytest.param("Utilization", 0.9, 0.6, 6, id="a share of 1"),
        pytest.param("Utilization", 1.0, 0.3, 8, id="full: twice as many at most"),
        pytest.param("QueueTime", 900.0, 50.0, 8, id="a queue that grows: likewise"),
        pytest.param("TargetResponseTime", 3.0, 0.3, 8, id="answers that come late: likewise"),
        pytest.param("RequestsPerSecond", 900.0, 50.0, 72, id="a load is no such signal"),
    ],
)
def test_the_publisher_s_signals_of_a_full_task_grow_who_serves(
    metric: str, value: float, target: float, granted: int
) -> None:
    named = METRIC.replace("RequestsPerSecond", metric)
    alarm = by_the_second(*[4 * value] * 15, metric=named)

    decision = decided(alarm, policy=TargetPolicy("rate", target), publish_seconds=1)

    assert decision.granted == granted


def test_a_signal_that_is_capped_at_most_doubles_who_serves_and_then_waits_for_them() -> None:
    alarm, policy = Alarm(AlarmState.ALARM, 20.0, (100.0,), metric=CPU), TargetPolicy("rate", 20.0)

    first = decided(alarm, policy=policy)
    then = decided(alarm, 8, running=4, policy=policy, state=State(launches=(Launch(ago(10), 4),)))
    one_serves = decided(
        alarm, 8, running=8, policy=policy, state=State(launches=(Launch(ago(60), 4),))
    )

    assert (first.granted, then.outcome) == (8, Outcome.HELD_CAPACITY_ON_ITS_WAY)
    assert one_serves.granted == 16


def test_no_step_is_larger_than_the_fleet_or_the_largest_step() -> None:
    small = decided(an_alarm(40_000.0), max_adjustment_magnitude=20)
    many = an_alarm(90_000.0, tasks=200)
    large = decided(many, 200, max_adjustment_magnitude=20, max_capacity=900)

    assert (small.granted, large.granted) == (24, 400)


def test_a_scale_out_cooldown_holds_growth() -> None:
    policy = TargetPolicy("rate", 100.0, scale_out_cooldown=60)

    decision = decided(an_alarm(2_385.0), policy=policy, state=scaled_out(20, 2, 4))

    assert decision.outcome is Outcome.HELD_COOLDOWN
    assert decision.next_check_in == 10


def test_a_trend_can_be_switched_off() -> None:
    alarm = an_alarm(300.0, 400.0, 500.0, 600.0, 700.0, 800.0)

    assert decided(alarm, guards=frozenset(Guard) - {Guard.RISING_TREND}).granted == 8


# --- fewer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "granted", "why"),
    [
        pytest.param(
            State(),
            8,
            "Kept 8 tasks for now: tasks were last added at 10:00:12 UTC, and are kept for 120 s",
            id="nothing is remembered yet",
        ),
        pytest.param(
            idle_since(60, 8, 2),
            8,
            "Kept 8 tasks for now: task 8 has been idle for 60 s, and is removed after 120 s",
            id="idle for less than the window",
        ),
        pytest.param(
            idle_since(121, 8, 2),
            6,
            "Scaled in from 8 to 6: 70% of the 8 tasks needed at 09:58:11 UTC are kept (rate: "
            "200 requests/s need 2 tasks at 100 each)",
            id="a share of the highest need",
        ),
        pytest.param(
            idle_since(421, 8, 2),
            2,
            "Scaled in from 8 to 2: rate: 200 requests/s need 2 tasks at 100 each",
            id="all that is idle",
        ),
        pytest.param(
            idle_since(421, 8, 2, levels=(Level(5, 960, missed=(True, True, False)),)),
            5,
            "Scaled in from 8 to 5: task 5 was soon needed again 2 of the last 3 times, so it is "
            "kept idle for 16 min (rate: 200 requests/s need 2 tasks at 100 each)",
            id="what was missed",
        ),
    ],
)
def test_what_is_idle_is_given_back_with_patience(state: State, granted: int, why: str) -> None:
    decision = decided(a_minute_of(200.0, tasks=8), 8, state=state)

    assert (decision.granted, decision.reason) == (granted, why)


def test_the_next_look_comes_when_a_task_may_go() -> None:
    decision = decided(a_minute_of(200.0, tasks=8), 8, state=idle_since(90, 8, 2))

    assert decision.next_check_in == 30


def test_what_was_given_back_is_remembered_and_what_is_held_is_learnt() -> None:
    alarm = a_minute_of(200.0, tasks=8)

    given = decided(alarm, 8, state=idle_since(421, 8, 2)).state.patience["rate"]
    held = decided(alarm, 8, state=idle_since(60, 8, 2)).state.patience["rate"]

    assert given.levels == tuple(Level(number, 120, NOW) for number in range(3, 9))
    assert held.needs == (Need(NOW, 2), Need(ago(60), 8))


def test_disabled_scale_in_keeps_everything() -> None:
    policy = TargetPolicy("rate", 100.0, disable_scale_in=True)

    decision = decided(a_minute_of(200.0, tasks=8), 8, policy=policy, state=idle_since(421, 8, 2))

    assert (decision.outcome, decision.granted) == (Outcome.HELD_NOT_BREACHING, 8)


@pytest.mark.parametrize(
    ("alarm", "running", "state", "outcome"),
    [
        pytest.param(
            a_minute_of(200.0, tasks=4), 8, {}, Outcome.HELD_NO_DATA, id="some do not report"
        ),
        pytest.param(
            a_minute_of(200.0, tasks=40), 8, {}, Outcome.HELD_NO_DATA, id="too many report"
        ),
        pytest.param(
            a_minute_of(200.0, tasks=8),
            8,
            {"scale_in": scaled_in(20, 9, 8).scale_in},
            Outcome.HELD_COOLDOWN,
            id="in its cooldown",
        ),
        pytest.param(
            replace(a_minute_of(200.0, tasks=8), state=AlarmState.INSUFFICIENT_DATA),
            8,
            {},
            Outcome.HELD_NO_DATA,
            id="blind",
        ),
    ],
)
def test_nothing_is_given_back_where(
    alarm: Alarm, running: int, state: dict[str, Any], outcome: Outcome
) -> None:
    remembered = replace(idle_since(421, 8, 2), **state)

    decision = decided(alarm, 8, running=running, state=remembered)

    assert (decision.outcome, decision.granted) == (outcome, 8)


def test_room_is_left_for_tasks_that_are_missing() -> None:
    """Nobody says whether it is these that ECS stops: 2 of the 4 that serve are needed."""
    decision = decided(a_minute_of(200.0, tasks=4), 8, running=4, state=idle_since(421, 8, 2))

    assert decision.granted == 6


# --- beside others --------------------------------------------------------------------------------


def beside_steps(load: float, desired: int, state: State, **alarms: Alarm) -> Decision:
    target = replace(
        a_target(
            TargetPolicy("rate", 100.0),
            a_policy("high", scope=MetricScope.PER_TASK),
            a_scale_in_policy("low"),
        ),
        min_capacity=1,
        guards=frozenset(),
    )
    shown = {"high": Alarm(AlarmState.OK, metric="cpu"), "low": Alarm(AlarmState.OK, metric="cpu")}
    observed = {RATE: a_minute_of(load, tasks=desired), **shown, **alarms}
    return decide(target, Observation(Service(desired, desired, 0), observed), state, NOW)


@pytest.mark.parametrize(
    ("load", "alarms", "granted"),
    [
        pytest.param(900.0, {}, 9, id="the target alone"),
        pytest.param(500.0, {"high": firing(160.0)}, 10, id="the steps alone"),
        pytest.param(900.0, {"high": firing(160.0)}, 10, id="steps that add more"),
        pytest.param(1_400.0, {"high": firing(160.0)}, 14, id="a target that takes more"),
    ],
)
def test_of_several_forms_the_largest_capacity_wins(
    load: float, alarms: dict[str, Alarm], granted: int
) -> None:
    assert beside_steps(load, 8, State(), **alarms).granted == granted


@pytest.mark.parametrize(
    ("needed", "granted"), [(2, 7), (8, 8)], ids=["steps go first", "a target keeps what it needs"]
)
def test_of_several_forms_that_remove_the_largest_capacity_wins(needed: int, granted: int) -> None:
    state = idle_since(421, 8, needed)
    low = replace(firing(10.0, threshold=30), metric="cpu")

    assert beside_steps(needed * 100.0, 8, state, low=low).granted == granted


# --- whatever the load ----------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=36),
    st.integers(1, 400),
    st.floats(0.1, 1e5),
)
def test_it_never_asks_for_less_than_the_newest_load_takes_beyond_the_tolerance(
    loads: list[float], desired: int, value: float
) -> None:
    policy = TargetPolicy("rate", value, tolerance=0.0)
    decision = decided(
        an_alarm(*loads, tasks=desired),
        desired,
        policy=policy,
        max_capacity=5000,
        guards=frozenset(),
    )

    assert decision.granted >= min(desired, tasks_for(loads[-1], value))
    if decision.granted > desired:
        assert decision.granted <= tasks_for(max(loads) * 1.0001, value) + 1
