"""What is published of an interval, when, and how it is stamped."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_publisher import Metric, Statistics
from quickstep_publisher._points import Gauge, Interval, Schedule, build, phase_of
from tests.publisher.fakes import START

SECONDS = START.timestamp()
PHASES = st.integers(0, 4999).map(lambda milliseconds: milliseconds / 1000)


def an_interval(**changes: object) -> Interval:
    times = Statistics(count=600, total=12_000, minimum=3, maximum=250)
    return Interval(**{"seconds": 5.0, "arrived": 620, "active": 7, "times": times, **changes})  # type: ignore[arg-type]


def test_a_point_has_the_rate_the_connections_and_the_times_of_its_interval() -> None:
    point = build(an_interval(), START)

    assert point is not None
    assert point.metrics == (
        Metric("RequestsPerSecond", "Count/Second", 124.0),
        Metric("ActiveConnections", "Count", 7),
        Metric("AverageResponseTime", "Milliseconds", Statistics(600, 12_000, 3, 250)),
    )


def test_without_a_request_there_is_a_rate_of_0_and_no_response_time() -> None:
    point = build(an_interval(arrived=0, active=0, times=None), START)

    assert point is not None
    assert [(m.name, m.value) for m in point.metrics] == [
        ("RequestsPerSecond", 0),
        ("ActiveConnections", 0),
    ]


def test_gauges_stand_between_with_their_units() -> None:
    gauges = {"QueueLength": Gauge(12, "Count"), "Lag": Gauge(0.5, "Seconds")}

    point = build(an_interval(gauges=gauges), START)

    assert point is not None
    assert point.metrics[2:4] == (Metric("Lag", "Seconds", 0.5), Metric("QueueLength", "Count", 12))


def test_what_a_process_leaves_at_its_end_are_response_times_alone() -> None:
    point = build(an_interval(seconds=0), START)

    assert point is not None
    assert [m.name for m in point.metrics] == ["AverageResponseTime"]
    assert build(an_interval(seconds=0, times=None), START) is None


def test_ticks_that_were_missed_have_the_rate_of_the_whole_time_each_at_its_own() -> None:
    point = build(an_interval(seconds=15.0, arrived=300, times=None, missed=2), START)

    assert point is not None
    assert [(m.name, m.value, m.at and (START - m.at).total_seconds()) for m in point.metrics] == [
        ("RequestsPerSecond", 20, 10),
        ("ActiveConnections", 7, 10),
        ("RequestsPerSecond", 20, 5),
        ("ActiveConnections", 7, 5),
        ("RequestsPerSecond", 20, None),
        ("ActiveConnections", 7, None),
    ]


@pytest.mark.parametrize(
    ("phase", "stamps"),
    [
        pytest.param(0.0, [4, 9, 14, 19], id="on the boundary: the second before it"),
        pytest.param(0.3, [0, 5, 10, 15], id="just after the boundary"),
        pytest.param(4.999, [4, 9, 14, 19], id="just before the next"),
    ],
)
def test_a_point_is_stamped_with_the_last_whole_second_that_it_covers(
    phase: float, stamps: list[int]
) -> None:
    schedule = Schedule(phase)
    first = schedule.number(SECONDS + 0.3 if phase <= 0.3 else SECONDS + 5)
    first += phase == 0

    seen = [schedule.timestamp(first + n) - START for n in range(4)]

    assert [stamp.total_seconds() for stamp in seen] == stamps


@given(phase=PHASES, number=st.integers(300_000_000, 400_000_000))
def test_every_period_of_10_s_has_two_points_of_each_task(phase: float, number: int) -> None:
    schedule = Schedule(phase)
    stamps = [schedule.timestamp(number + n).timestamp() for n in range(60)]

    per_period = Counter(stamp // 10 for stamp in stamps)

    whole = sorted(per_period)[1:-1]
    assert {per_period[period] for period in whole} == {2}
    assert len(whole) >= 28


@given(phase=PHASES, number=st.integers(300_000_000, 400_000_000))
def test_a_stamp_is_never_in_the_future_and_at_most_a_second_old(phase: float, number: int) -> None:
    schedule = Schedule(phase)
    age = schedule.tick(number) - schedule.timestamp(number).timestamp()

    assert 0 <= round(age, 3) <= 1


@given(phase=PHASES, number=st.integers(300_000_000, 400_000_000))
def test_a_clock_read_at_a_tick_finds_that_tick(phase: float, number: int) -> None:
    schedule = Schedule(phase)

    assert schedule.number(schedule.tick(number)) == number
    assert schedule.number(schedule.tick(number) - 0.002) == number - 1


def test_a_thousand_tasks_are_spread_over_the_last_second_of_the_interval() -> None:
    phases = [phase_of(f"http://169.254.170.2/v4/{n:032x}-1") for n in range(1000)]

    in_each_tenth = Counter(int(round(phase * 1000) / 100) for phase in phases)

    assert sorted(in_each_tenth) == list(range(40, 50))
    assert max(in_each_tenth.values()) < 150


def test_a_task_keeps_its_phase_over_a_restart_of_its_processes() -> None:
    assert phase_of("http://169.254.170.2/v4/abc-1") == phase_of("http://169.254.170.2/v4/abc-1")
    assert timedelta(0) <= timedelta(seconds=phase_of("")) < timedelta(seconds=5)


def test_tasks_of_a_large_service_may_spread_over_more_of_the_interval() -> None:
    phases = [phase_of(f"http://169.254.170.2/v4/{n:032x}-1", 5) for n in range(1000)]

    per_second = Counter(int(phase) for phase in phases)
    assert sorted(per_second) == [0, 1, 2, 3, 4]
    assert min(per_second.values()) > 150
