"""The newest seconds of a metric, of which not every task has reported yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from quickstep.alarms.seconds import filled, of_newest_seconds
from quickstep.engine.model import AlarmState, Datapoint
from tests.builders import DEFINITION, ago, seconds

SECOND = timedelta(seconds=1)
CALM = [(60.0, 4.0)] * 20
NEWEST = {"every": 1, "whole": 2}


def whole(*reports: tuple[float, float]) -> list[Datapoint]:
    """Return seconds of (value, samples), after twenty in which 4 tasks had 60 each."""
    return seconds(*CALM, *reports)


@pytest.mark.parametrize(
    ("reports", "values"),
    [
        pytest.param([(60, 4), (60, 4)], [60, 60], id="all have reported"),
        pytest.param([(200, 1)], [60], id="one hot task is one of four"),
        pytest.param([(200, 1), (200, 1), (200, 1)], [60, 60, 60], id="and stays one of four"),
        pytest.param([(200, 2), (200, 4)], [100, 200], id="the others report, too"),
        pytest.param([(200, 4), (420, 1)], [200, 200], id="what they had before was hot"),
        pytest.param([(400, 1)], [100], id="one that has more than all had"),
        pytest.param([(180, 3.9)], [180], id="nearly all"),
        pytest.param([(60, 3), (60, 2), (60, 1)], [60, 60, 60], id="calm, not yet visible"),
        pytest.param([(120, 8)], [120], id="tasks have joined"),
        pytest.param([(120, 8), (180, 2)], [120, 120], id="and may have what they had"),
        pytest.param([(0, 1)], [60], id="a task that has just started"),
    ],
)
def test_tasks_that_have_not_reported_are_taken_at_what_they_had_before(
    reports: list[tuple[float, float]], values: list[float]
) -> None:
    newest = filled(whole(*reports))[-len(reports) :]

    assert [point.value for point in newest] == pytest.approx(values)
    assert all(point.samples is not None and point.samples >= 3.9 for point in newest)


def test_tasks_that_have_joined_are_counted_from_then_on() -> None:
    newest = filled(whole((60, 4), (40, 6), (90, 2)))[-3:]

    assert [(point.value, point.samples) for point in newest] == [(60, 4), (40, 6), (40, 6)]


def test_tasks_that_have_gone_since_are_not_waited_for() -> None:
    """Eight seconds later: what they had is not taken for what the others have."""
    newest = filled(whole((20, 12), *[(60, 4)] * 15))[-1]

    assert (newest.value, newest.samples) == (60, 4)


@pytest.mark.parametrize("tasks", [1, 2, 10, 500])
@pytest.mark.parametrize("hot", [90.0, 600.0, 6_000.0])
@pytest.mark.parametrize("seen", [1, 5])
def test_a_hot_task_in_a_fleet_is_never_taken_for_all(tasks: int, hot: float, seen: int) -> None:
    """However long it is the only one that reports."""
    calm = [(60.0, float(tasks))] * 20
    newest = filled(seconds(*calm, *[(hot, 1.0)] * seen))[-1]

    assert newest.samples == tasks
    assert newest.value * tasks <= hot + 60 * max(0, tasks - 1) + 1e-6
    assert newest.value * tasks >= max(60.0 * tasks, hot if tasks == 1 else 0)


def test_a_task_that_is_hot_for_long_is_not_counted_twice() -> None:
    """The mean of 92 has its 188 in it: the three others have 60 each, and not 92."""
    long = [(92.0, 4.0)] * 20
    newest = filled(seconds(*long, (188.0, 1.0), (188.0, 1.0)))[-1]

    assert newest.value == pytest.approx(92)


def test_seconds_say_nothing_until_the_number_of_reporting_tasks_is_known() -> None:
    """A metric that has just begun: the first task that is seen may be the hot one."""
    reading = of_newest_seconds(DEFINITION, seconds(*[(200.0, 1.0)] * 7), None, ago(0), **NEWEST)

    assert not reading.alarm.has_value
    assert reading.alarm.recent == ()
    assert reading.alarm.no_data == "how many tasks are reporting is not known yet"


@pytest.mark.parametrize(
    ("known", "decides"),
    [
        pytest.param(9, False, id="one that is complete"),
        pytest.param(10, False, id="two"),
        pytest.param(11, False, id="three"),
        pytest.param(12, True, id="four: a report that is lost is not missed in all of them"),
    ],
)
def test_one_or_two_complete_seconds_do_not_show_how_many_tasks_report(
    known: int, *, decides: bool
) -> None:
    """Each is complete 8 s later. Had 3 of 4 reported in the only one, all 4 would be one more."""
    reports = [(60.0, 3.0), *[(60.0, 4.0)] * (known - 3), (170.0, 4.0), (190.0, 4.0)]

    reading = of_newest_seconds(DEFINITION, seconds(*reports), None, ago(0), **NEWEST)

    assert reading.alarm.has_value is decides
    assert bool(filled(seconds(*reports))) is decides
    assert decides or reading.alarm.no_data == "how many tasks are reporting is not known yet"


def test_two_whole_seconds_in_breach_are_the_alarm_s_period_that_ends_with_them() -> None:
    reading = of_newest_seconds(DEFINITION, whole((170, 4), (190, 4)), None, ago(0), **NEWEST)

    assert reading.alarm.state is AlarmState.ALARM
    assert reading.alarm.datapoints == (180.0,)
    assert reading.newest == ago(0.5) - timedelta(seconds=10)
    assert [point.value for point in reading.alarm.recent[-2:]] == [60.0, 180.0]
    assert reading.alarm.recent[-1].samples == 8
    assert reading.alarm.period == 2


@pytest.mark.parametrize(
    ("reports", "value"),
    [
        pytest.param([(60, 4), (190, 4)], 125.0, id="one second alone"),
        pytest.param([(190, 4), (60, 4)], 125.0, id="it is over"),
        pytest.param([(190, 1), (190, 1)], 60, id="one hot task of four"),
    ],
)
def test_what_is_no_breach_of_each_of_the_newest_seconds_fires_no_alarm(
    reports: list[tuple[float, float]], value: float
) -> None:
    reading = of_newest_seconds(DEFINITION, whole(*reports), None, ago(0), **NEWEST)

    assert reading.alarm.state is AlarmState.OK
    assert reading.alarm.datapoints == pytest.approx((value,))


@pytest.mark.parametrize(
    ("newest", "state"),
    [
        pytest.param([(180, 1)], AlarmState.ALARM, id="one of four has reported, and breaches"),
        pytest.param([(180, 2), (180, 1)], AlarmState.ALARM, id="fewer and fewer have"),
        pytest.param([(60, 1)], AlarmState.ALARM, id="one of four says that it is over"),
        pytest.param([(90, 4)], AlarmState.OK, id="all say so"),
    ],
)
def test_the_newest_seconds_do_not_hide_a_surge_while_too_few_tasks_have_reported_them(
    newest: list[tuple[float, float]], state: AlarmState
) -> None:
    """As in an account that throttles: of hundreds of tasks most publish seconds later."""
    reports = [(180.0, 4.0), (180.0, 4.0), *newest]

    reading = of_newest_seconds(DEFINITION, whole(*reports), None, ago(0), **NEWEST)

    assert reading.alarm.state is state


def test_a_surge_that_only_few_tasks_have_reported_for_long_says_nothing_about_now() -> None:
    reading = of_newest_seconds(
        DEFINITION, whole(*[(90.5, 4)] * 2, *[(180, 1)] * 12), None, ago(0), **NEWEST
    )

    assert reading.alarm.no_data == "too few tasks have reported since 10:00:02 UTC"


def test_the_alarm_s_own_n_and_m_are_about_periods_and_not_about_seconds() -> None:
    patient = replace(DEFINITION, n=3, m=3)

    reading = of_newest_seconds(patient, whole((180, 4), (180, 4)), None, ago(0), **NEWEST)

    assert reading.alarm.state is AlarmState.ALARM


@pytest.mark.parametrize(
    ("acted_on", "answered"),
    [
        pytest.param(10.5, True, id="the same seconds"),
        pytest.param(11.5, True, id="a second before"),
        pytest.param(19.5, True, id="in one second"),
        pytest.param(20.5, False, id="ten seconds before"),
        pytest.param(None, False, id="never"),
    ],
)
def test_seconds_that_were_acted_on_in_part_are_not_acted_on_again(
    acted_on: float | None, answered: bool
) -> None:
    began = None if acted_on is None else ago(acted_on)

    reading = of_newest_seconds(DEFINITION, whole((180, 4), (180, 4)), began, ago(0), **NEWEST)

    assert reading.alarm.state is AlarmState.ALARM
    assert reading.alarm.has_value is not answered
    assert reading.alarm.next_at == (began + timedelta(seconds=20) if began and answered else None)


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        pytest.param(0.0, "", id="a second that has ended"),
        pytest.param(8.0, "", id="not much older than the surge may be"),
        pytest.param(
            12.0, "CloudWatch has no per-second datapoint since 10:00:02 UTC", id="too old"
        ),
    ],
)
def test_seconds_that_are_too_old_say_nothing_about_now(newest: float, why: str) -> None:
    points = [replace(p, at=p.at - newest * SECOND) for p in whole((180, 4), (180, 4))]

    reading = of_newest_seconds(DEFINITION, points, None, ago(0), **NEWEST)

    assert reading.alarm.has_value is not bool(why)
    assert bool(reading.alarm.recent) is not bool(why)
    assert not why or reading.alarm.no_data == why


def test_a_second_that_has_not_ended_is_left_out() -> None:
    """The clock of a task that is ahead is not this host's."""
    reading = of_newest_seconds(
        DEFINITION, whole((180, 4), (180, 4), (9_000, 1)), None, ago(1), **NEWEST
    )

    assert reading.alarm.datapoints == (180.0,)


def test_tasks_that_publish_the_mean_of_five_seconds_are_read_in_intervals_of_five() -> None:
    calm = [(60.0, 4.0) if second % 5 == 4 else None for second in range(40)]
    points = seconds(*calm, None, None, (180.0, 4.0))

    reading = of_newest_seconds(DEFINITION, points, None, ago(0), every=5, whole=5)

    assert reading.alarm.datapoints == pytest.approx((120.0,)), "four were calm, and then hot"
    assert reading.alarm.recent[-1].samples == 4
