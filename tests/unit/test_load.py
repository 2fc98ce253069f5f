"""Who serves and what they carry: reporting, serving, starting, draining, missing, silent tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quickstep.engine.decide import correct, decide
from quickstep.engine.load import Load, Tasks, load_of, loads, reporters, tasks_of
from quickstep.engine.model import (
    AdjustmentType,
    Alarm,
    AlarmState,
    Comparison,
    Datapoint,
    Launch,
    MetricScope,
    Observation,
    Override,
    Removal,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds, Case
from tests.builders import (
    CALM,
    HIGH,
    LOW,
    NOW,
    PER_TASK,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    points,
    seen,
)

if TYPE_CHECKING:
    from quickstep.engine.model import Decision, ScalableTarget

DRAINING = State(removals=(Removal(ago(60), 10),))


def ecs(desired: int, running: int | None = None, trouble: str = "") -> Service:
    running = desired if running is None else running
    return Service(desired, running, max(0, desired - running), trouble=trouble)


def reported(value: float, tasks: float, *, high: bool = True) -> Alarm:
    """Return an alarm of so many tasks that report a value; each publishes twice in 10 s."""
    recent = points(value, value, value, samples=2 * tasks)
    return firing(value, threshold=100 if high else 30, recent=recent)


def a_case(service: Service, alarm: Alarm, state: State | None = None) -> Case:
    state = state or State()
    bounds = Bounds.in_force(PER_TASK, state, NOW)
    return Case(PER_TASK, Observation(service, {HIGH: alarm}), state, NOW, bounds)


def decided(
    service: Service,
    state: State | None = None,
    target: ScalableTarget = PER_TASK,
    **alarms: Alarm | None,
) -> Decision:
    return decide(target, replace(seen(0, **alarms), service=service), state or State(), NOW)


def said(decision: Decision) -> tuple[Outcome, int, str]:
    return decision.outcome, decision.granted, decision.reason


# --- who is there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "state", "tasks"),
    [
        pytest.param(ecs(10), State(), Tasks(10, 0, 0), id="all have settled"),
        pytest.param(ecs(10, 8), State(), Tasks(8, 2, 0), id="two never came"),
        pytest.param(
            ecs(10, 8), State(launches=(Launch(ago(20), 2),)), Tasks(8, 0, 0), id="two start"
        ),
        pytest.param(
            ecs(10), State(launches=(Launch(ago(20), 2),)), Tasks(8, 0, 0), id="two run, just now"
        ),
        pytest.param(
            ecs(10, 8), State(launches=(Launch(ago(134), 2),)), Tasks(8, 0, 0), id="two are late"
        ),
        pytest.param(
            ecs(10, 8), State(launches=(Launch(ago(135), 2),)), Tasks(8, 2, 0), id="too late"
        ),
        pytest.param(ecs(2, 2), DRAINING, Tasks(2, 0, 10), id="ten drain"),
        pytest.param(
            ecs(2), State(removals=(Removal(ago(300), 10),)), Tasks(2, 0, 0), id="they are stopped"
        ),
        pytest.param(ecs(4, 10), State(), Tasks(4, 0, 0), id="protected ones run on"),
    ],
)
def test_who_is_there(service: Service, state: State, tasks: Tasks) -> None:
    assert tasks_of(a_case(service, reported(50, 4), state)) == tasks


@pytest.mark.parametrize(
    ("period", "every", "samples", "counts"),
    [
        pytest.param(10, 5, [8, 8, 8], [4, 4, 4], id="each 5 s, seen each 10 s"),
        pytest.param(5, 5, [4, 4, 4], [4, 4, 4], id="each 5 s, seen each 5 s"),
        pytest.param(10, 1, [40, 40, 40], [4, 4, 4], id="each second, seen each 10 s"),
        pytest.param(1, 1, [4, 4, 4], [4, 4, 4], id="each second, seen each second"),
        pytest.param(5, 5, [3, 5, 3, 5], [3, 4, 4, 4], id="in any phase"),
        pytest.param(5, 1, [20, 30, 60], [4, 6, 12], id="whole seconds, in each interval anew"),
        pytest.param(5, 1, [60, 60, 30], [12, 12, 12], id="whole seconds, not seen of all yet"),
        pytest.param(10, 5, [8, 8, 3], [4, 4, 4], id="the newest is not seen in full"),
        pytest.param(10, 5, [4, 4, 8], [2, 2, 4], id="two have just come"),
        pytest.param(10, 5, [8, 8, None], [4, 4, 4], id="the newest is not counted yet"),
        pytest.param(10, 5, [None, None], [None, None], id="not counted"),
    ],
)
def test_reporting_tasks_are_counted_alike_however_they_publish(
    period: int, every: int, samples: list[float | None], counts: list[float | None]
) -> None:
    alarm = replace(
        firing(50.0, recent=points(*[50.0] * len(samples), samples=samples)), period=period
    )
    case = a_case(ecs(4), alarm)
    case = replace(case, target=replace(PER_TASK, publish_seconds=every))

    assert reporters(case, alarm) == counts


@pytest.mark.parametrize(
    ("service", "state", "reporting", "load"),
    [
        pytest.param(ecs(4), State(), 4, Load(4, 4), id="all that serve report"),
        pytest.param(ecs(2), DRAINING, 12, Load(12, 2), id="ten that drain report nothing"),
        pytest.param(
            ecs(8), State(launches=(Launch(ago(20), 4),)), 8, Load(8, 8), id="started already"
        ),
        pytest.param(
            ecs(8), State(launches=(Launch(ago(20), 4),)), 4, Load(4, 4), id="four start"
        ),
        pytest.param(ecs(6), State(), 2, Load(6, 6, 4), id="four are silent: taken as the average"),
        pytest.param(ecs(4, 10), State(), 10, Load(10, 4), id="six protected ones report nothing"),
        pytest.param(
            ecs(10), State(), 90, Load(10, 10, doubt=("90 tasks are reporting, more than the 10 "
                                                     "there can be")),
            id="samples of somebody else",
        ),
        pytest.param(
            ecs(8), State(), 16, Load(8, 8, doubt=("16 tasks are reporting, more than the 8 there "
                                                  "can be")),
            id="two publishers",
        ),
        pytest.param(
            ecs(2), DRAINING, 30,
            Load(12, 2, doubt="30 tasks are reporting, more than the 12 there can be"),
            id="in doubt, those that are known to drain still report nothing",
        ),
        pytest.param(ecs(8), State(), 8.5, Load(8.5, 8), id="a late point is no doubt"),
    ],
)  # fmt: skip
def test_what_a_value_stands_for(
    service: Service, state: State, reporting: float, load: Load
) -> None:
    alarm = reported(50, reporting)

    assert load_of(a_case(service, alarm, state), alarm) == load


@pytest.mark.parametrize(
    ("launched", "seconds", "silent"),
    [
        pytest.param(60, [], 3, id="settled long ago"),
        pytest.param(48, [], 0, id="settled since what is counted began"),
        pytest.param(60, [9, 10, 11, 12], 0, id="all report the newest second"),
        pytest.param(60, [9, 9, 10, 10], 2, id="two do not"),
    ],
)
def test_a_task_that_has_just_settled_is_not_silent(
    launched: int, seconds: list[float], silent: int
) -> None:
    """12 run, of which 3 launched last; on average over the last intervals 9 have reported."""
    recent = tuple(Datapoint(ago(5 * age), 100.0, 9) for age in (3, 2, 1))
    whole = tuple(Datapoint(ago(5 - n), 100.0, count) for n, count in enumerate(seconds))
    alarm = replace(firing(100.0, recent=recent), period=5, seconds=whole)
    case = a_case(ecs(12), alarm, State(launches=(Launch(ago(launched), 3),)))

    assert load_of(case, alarm).silent == silent


TEN, EIGHTEEN = Launch(ago(37), 10, 4), Launch(ago(14), 18, 8)
NEVER_CAME = Launch(ago(35), 11, 14)


@pytest.mark.parametrize(
    ("launches", "silent"),
    [
        pytest.param((TEN, EIGHTEEN), 2, id="six of ten were removed again"),
        pytest.param((TEN, NEVER_CAME, EIGHTEEN), 2, id="eleven more have never come about"),
        pytest.param((EIGHTEEN,), 6, id="the eight before it have settled"),
        pytest.param(
            tuple(replace(each, before=None) for each in (TEN, EIGHTEEN)),
            0,
            id="of an older version: 28 of 26 are young",
        ),
    ],
)
def test_an_old_task_is_silent_however_many_were_launched_and_removed_since(
    launches: tuple[Launch, ...], silent: int
) -> None:
    """4 were there; 10 more came, 6 went, and 18 more were asked for: 26, of which 8 run."""
    service, state = ecs(26, 8), State(launches=launches, removals=(Removal(ago(20), 6),))
    alarm = reported(10, 2, high=False)

    assert load_of(a_case(service, alarm, state), alarm).silent == silent
    if silent:
        assert decided(service, state, low=alarm).outcome is Outcome.HELD_NO_DATA


@pytest.mark.parametrize(
    ("launches", "load"),
    [
        pytest.param((TEN, EIGHTEEN), 400, id="the four that were there before"),
        pytest.param((EIGHTEEN,), 800, id="the eight"),
        pytest.param((), 2600, id="all"),
    ],
)
def test_a_load_whose_reporters_are_not_counted_is_that_of_the_tasks_before_any_launch(
    launches: tuple[Launch, ...], load: float
) -> None:
    alarm = firing(100.0, recent=points(100.0))

    case = a_case(ecs(26), alarm, State(launches=launches))
    newest = loads(case, alarm, load_of(case, alarm))[-1]

    assert newest == (ago(12.5), load)


# --- the value of a task that serves --------------------------------------------------------------


def test_a_surge_while_tasks_drain_is_answered_by_what_serving_tasks_carry() -> None:
    decision = decided(ecs(3), State(removals=(Removal(ago(60), 9),)), high=reported(112.5, 12))

    assert said(decision) == (
        Outcome.SCALED_OUT,
        7,
        (
            "Scaled out from 3 to 7: high-request-rate is at 450, above its threshold of 100: "
            "adds 4 tasks"
        ),
    )
    assert decision.trail[0].why == (
        "12 tasks report 112.5 on average; spread over the 3 that serve, that is 450 each"
    )


def test_an_average_that_draining_tasks_dilute_rings_no_alarm_and_is_answered_all_the_same() -> (
    None
):
    diluted = replace(reported(25, 12), state=AlarmState.OK)

    decision = decided(ecs(2), DRAINING, high=diluted, low=reported(25, 12, high=False))

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 4)


@pytest.mark.parametrize("removed", [1, 3], ids=["-1", "-3"])
def test_no_task_goes_by_an_average_that_draining_tasks_dilute(removed: int) -> None:
    """300 in all on 4 that serve are 75 each; reported by 12 they are 25."""
    target = replace(
        PER_TASK,
        policies=(
            PER_TASK.policies[0],
            a_scale_in_policy(steps=((None, 0, -removed),), scope=MetricScope.PER_TASK),
        ),
    )
    state = State(removals=(Removal(ago(60), 8),))

    decision = decided(ecs(4), state, target, low=reported(25, 12, high=False))

    assert said(decision) == (
        Outcome.HELD_NOT_BREACHING,
        4,
        (
            "Kept 4 tasks: 12 tasks report 25 on average; spread over the 4 that serve, that is 75 "
            "each"
        ),
    )


@pytest.mark.parametrize(
    ("service", "reporting", "why"),
    [
        pytest.param(ecs(6), 2, "4 of 6 serving tasks are not reporting", id="silent ones"),
        pytest.param(
            ecs(8),
            16,
            "16 tasks are reporting, more than the 8 there can be",
            id="impossible counts",
        ),
    ],
)
def test_nothing_is_removed_while_not_every_task_is_seen(
    service: Service, reporting: float, why: str
) -> None:
    decision = decided(service, low=reported(10, reporting, high=False))

    assert decision.outcome is Outcome.HELD_NO_DATA
    assert decision.reason == (
        f"Kept {service.desired} tasks, load unknown: {why}, so none is removed"
    )


# --- tasks that never come ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "value", "outcome", "granted"),
    [
        pytest.param(ecs(10, 8), 120, Outcome.HELD_NO_CAPACITY, 10, id="960 need the 10 there are"),
        pytest.param(ecs(10, 8), 135, Outcome.SCALED_OUT, 11, id="1,080 need one more"),
        pytest.param(ecs(10, 8), 400, Outcome.SCALED_OUT, 14, id="3,200: the step is the limit"),
        pytest.param(ecs(30, 2), 1400, Outcome.HELD_NO_CAPACITY, 30, id="a crash loop is not fed"),
    ],
)
def test_while_tasks_are_missing_a_step_ends_at_what_the_load_needs(
    service: Service, value: float, outcome: Outcome, granted: int
) -> None:
    decision = decided(service, high=reported(value, service.running))

    assert (decision.outcome, decision.granted) == (outcome, granted)


def test_why_no_task_comes_is_said_in_the_words_of_ecs() -> None:
    decision = decided(ecs(10, 8, "2 tasks failed; unable to pull"), high=reported(120, 8))

    assert decision.reason == (
        "Kept 10 tasks, but not all of them started: 2 of 10 are missing, and a load of 960 "
        "needs 10. ECS says: 2 tasks failed; unable to pull"
    )


# --- M of N, missing data, answered data, other comparisons ---------------------------------------


def test_the_step_of_an_alarm_of_m_of_n_is_chosen_by_the_datapoints_that_breach() -> None:
    decision = decided(ecs(4), high=firing(20.0, 110.0, 115.0, 30.0, 112.0))

    assert decision.reason == (
        "Scaled out from 4 to 5: high-request-rate is at 112, above its threshold of 100: adds 1 "
        "task"
    )


def test_an_alarm_that_takes_missing_data_for_a_breach_removes_by_the_smallest_step() -> None:
    low = a_scale_in_policy(steps=((None, -10, -4), (-10, 0, -1)))
    silent = Alarm(AlarmState.ALARM, 30, missing_breaches=True)
    target = a_target(a_policy(), low)

    assert decided(ecs(6), None, target, low=silent).granted == 5
    assert decided(ecs(6), None, target, high=None, low=silent).outcome is Outcome.HELD_NO_DATA


def test_a_policy_to_zero_comes_back_to_zero_where_missing_data_breach() -> None:
    to_zero = replace(a_scale_in_policy(), adjustment_type=AdjustmentType.EXACT_CAPACITY)
    low = replace(to_zero, steps=(replace(to_zero.steps[0], adjustment=0),))
    target = a_target(a_policy(), low, minimum=0)

    decision = decided(ecs(3), None, target, low=Alarm(AlarmState.ALARM, 1, missing_breaches=True))

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, 0)


@pytest.mark.parametrize(
    ("p99", "granted"),
    [
        pytest.param("requests", 3, id="the other one watches the metric of the removal"),
        pytest.param("latency", 4, id="neither sees that metric"),
    ],
)
def test_a_blind_scale_out_alarm_holds_unless_another_sees_the_same_metric(
    p99: str, granted: int
) -> None:
    other = a_policy("p99")
    target = a_target(a_policy(), other, a_scale_in_policy())
    high = replace(CALM, metric=p99)
    low = replace(firing(10.0, threshold=30), metric="requests")
    blind = Alarm(AlarmState.INSUFFICIENT_DATA, metric="p99")

    assert decided(ecs(4), None, target, high=high, p99=blind, low=low).granted == granted


def test_a_datapoint_that_has_had_its_say_is_no_missing_one_and_the_next_look_comes_with_it() -> (
    None
):
    alarm = Alarm(AlarmState.ALARM, 100, no_data="its datapoint was acted on", next_at=ago(-50))

    decision = decided(ecs(4), high=alarm)

    assert (decision.outcome, decision.next_check_in) == (Outcome.HELD_ANSWERED, 50)


def test_an_alarm_of_a_minute_is_looked_at_each_minute() -> None:
    decision = decided(ecs(4), high=replace(firing(160.0), alarm_period=60))

    assert (decision.outcome, decision.next_check_in) == (Outcome.SCALED_OUT, 60)


def test_an_alarm_below_whose_threshold_tasks_are_added_is_answered() -> None:
    """Of little that is free, a step with a negative bound adds; it is no load of a task."""
    low_idle = a_policy(steps=((None, 0, 2),), scope=MetricScope.PER_TASK)
    alarm = replace(firing(5.0, threshold=15), comparison=Comparison.LESS)

    decision = decided(ecs(4), None, a_target(low_idle), high=alarm)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 6)


# --- scale-in by bounds ---------------------------------------------------------------------------

NIGHT = Override(None, 2)


def bounded(high: Alarm | None, override: Override = NIGHT) -> Decision | None:
    observation = replace(seen(high=high, low=CALM), service=ecs(30))
    return correct(PER_TASK, observation, State(override=override), NOW)


@pytest.mark.parametrize(
    ("high", "outcome", "granted"),
    [
        pytest.param(reported(160, 30), Outcome.HELD_WOULD_FLAP, 30, id="a scale-out alarm fires"),
        pytest.param(None, Outcome.HELD_NO_DATA, 30, id="it is not known"),
        pytest.param(
            replace(reported(60, 30), state=AlarmState.OK),
            Outcome.SCALED_IN,
            19,
            id="1,800 need 19",
        ),
        pytest.param(
            replace(reported(1, 30), state=AlarmState.OK), Outcome.SCALED_IN, 2, id="30 need 1"
        ),
        pytest.param(CALM, Outcome.SCALED_IN, 2, id="it says nothing of a load"),
    ],
)
def test_a_maximum_that_begins_waits_for_the_load(
    high: Alarm | None, outcome: Outcome, granted: int
) -> None:
    decision = bounded(high)

    assert decision
    assert (decision.outcome, decision.granted) == (outcome, granted)


def test_a_forced_maximum_does_not_ask() -> None:
    decision = bounded(reported(160, 30), replace(NIGHT, forced=True))

    assert decision
    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, 2)


def test_a_removal_is_remembered_while_its_tasks_may_drain() -> None:
    old, young = Removal(ago(300), 3), Removal(ago(299), 1)

    decision = decided(ecs(6), State(removals=(old, young)), low=reported(5, 7, high=False))

    assert decision.outcome is Outcome.SCALED_IN
    assert decision.state.removals == (young, Removal(NOW, 1))


def test_a_scale_in_alarm_of_draining_tasks_alone_is_looked_at_again() -> None:
    decision = decided(ecs(2), DRAINING, high=replace(reported(5, 12), state=AlarmState.OK))

    assert (decision.outcome, decision.next_check_in) == (Outcome.HELD_NOT_BREACHING, 10)


def test_names_of_alarms_are_those_of_policies() -> None:
    assert {policy.name for policy in PER_TASK.policies} == {HIGH, LOW}
