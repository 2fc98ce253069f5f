"""Times as the viewer reads them: across midnight, across daylight saving, in any zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from quickstep.report.dashboard.times import (
    Written,
    lasted,
    localised,
    moment,
    moments_in,
    offset_name,
    span,
    ticks,
)

BERLIN = ZoneInfo("Europe/Berlin")
SEOUL = ZoneInfo("Asia/Seoul")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def labels(start: str, end: str, most: int, zone: timezone | ZoneInfo) -> list[str]:
    return [" | ".join(tick.lines) for tick in ticks(at(start), at(end), most, zone)]


def test_marks_are_at_round_times_and_the_first_has_the_day() -> None:
    assert labels("2026-11-22T10:00:03", "2026-11-22T10:00:55", 8, UTC) == [
        "10:00:10 | Sun 22 Nov",
        "10:00:20",
        "10:00:30",
        "10:00:40",
        "10:00:50",
    ]


def test_a_new_day_is_named_at_midnight() -> None:
    assert labels("2026-11-22T23:45", "2026-11-23T00:20", 3, UTC) == [
        "23:45 | Sun 22 Nov",
        "00:00 | Mon 23 Nov",
        "00:15",
    ]


def test_the_viewer_s_midnight_counts() -> None:
    assert labels("2026-11-22T14:45", "2026-11-22T15:20", 3, SEOUL) == [
        "23:45 | Sun 22 Nov",
        "00:00 | Mon 23 Nov",
        "00:15",
    ]


def test_the_hour_that_daylight_saving_repeats_is_told_apart() -> None:
    """On 25 October 2026 at 03:00 in Berlin the clock goes back to 02:00."""
    assert labels("2026-10-25T00:00", "2026-10-25T02:00", 5, BERLIN) == [
        "02:00 | Sun 25 Oct",
        "02:30",
        "02:00 | UTC+1",
        "02:30",
        "03:00",
    ]


def test_the_hour_that_daylight_saving_leaves_out_is_left_out() -> None:
    """On 29 March 2026 at 02:00 in Berlin the clock goes on to 03:00."""
    assert labels("2026-03-29T00:00", "2026-03-29T02:00", 3, BERLIN) == [
        "01:00 | Sun 29 Mar",
        "03:00 | UTC+2",
        "04:00",
    ]


def test_days_begin_at_the_viewer_s_midnight_on_both_sides_of_the_change() -> None:
    shown = list(ticks(at("2026-10-23T00:00"), at("2026-10-28T00:00"), 5, BERLIN))

    assert {f"{tick.at.astimezone(BERLIN):%H:%M}" for tick in shown} == {"00:00"}
    assert [tick.lines[0] for tick in shown] == [
        "Sat 24 Oct", "Sun 25 Oct", "Mon 26 Oct", "Tue 27 Oct", "Wed 28 Oct",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", [UTC, BERLIN, SEOUL, ZoneInfo("Australia/Lord_Howe")], ids=str)
@pytest.mark.parametrize("hours", [0.01, 1, 24, 24 * 7, 24 * 400])
def test_there_are_never_too_many_marks_and_time_goes_on(
    zone: ZoneInfo | timezone, hours: float
) -> None:
    start = at("2026-03-20T12:34:56")
    moments = [tick.at for tick in ticks(start, start + timedelta(hours=hours), 10, zone)]

    assert 1 <= len(moments) <= 13
    assert moments == sorted(set(moments))


@pytest.mark.parametrize(
    ("minutes", "name"),
    [(0, "UTC"), (540, "UTC+9"), (-210, "UTC-3:30"), (345, "UTC+5:45"), (-480, "UTC-8")],
)
def test_an_offset_has_a_name(minutes: int, name: str) -> None:
    assert offset_name(at("2026-11-22T10:00"), timezone(timedelta(minutes=minutes))) == name


def test_a_moment_is_shown_in_the_zone_and_exactly_in_utc() -> None:
    shown = moment(at("2026-11-22T20:00:22.123456"), SEOUL)

    assert shown == "Mon 23 Nov 05:00:22 UTC+9 (2026-11-22T20:00:22.123Z)"


# What reasons say of time

NEAR = at("2026-11-22T10:00:12")


@pytest.mark.parametrize(
    ("reason", "there"),
    [
        pytest.param("held until 10:00:52", "held until 19:00:52", id="a clock"),
        pytest.param("held until 10:00:52 UTC", "held until 19:00:52", id="labelled"),
        pytest.param("(10:00:52, 10:01:00)", "(19:00:52, 19:01:00)", id="two of them"),
        pytest.param(
            "went to OK at 2026-11-22T10:00:02+00:00", "went to OK at 19:00:02", id="ISO 8601"
        ),
        pytest.param("it is of 2026-11-22T10:00:02.500Z", "it is of 19:00:02", id="milliseconds"),
        pytest.param(
            "no scale-in until 2026-11-22 18:30:00 UTC",
            "no scale-in until Mon 23 Nov 03:30:00",
            id="tomorrow there",
        ),
        pytest.param("16:00:00", "Mon 23 Nov 01:00:00", id="past midnight there"),
    ],
)
def test_a_moment_in_a_reason_is_on_the_viewer_s_clock(reason: str, there: str) -> None:
    assert localised(reason, NEAR, SEOUL) == there


@pytest.mark.parametrize(
    "reason",
    [
        "160 is 60 above the threshold 100",
        "25:00:00",
        "10:00",
        "1:10:00:52",
        "arn:aws:10:00:52:x",
        "2026-13-01T10:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "\u0661\u0660:00:52",
        "",
    ],
)
def test_what_is_no_moment_of_a_reason_stays_as_it_is(reason: str) -> None:
    assert localised(reason, NEAR, SEOUL) == reason


def test_a_clock_without_a_day_is_the_one_nearest_to_the_decision() -> None:
    near = at("2026-11-23T00:00:05")

    assert list(moments_in("until 23:59:58 or 00:00:30", near)) == [
        "until ",
        Written(at("2026-11-22T23:59:58"), "23:59:58"),
        " or ",
        Written(at("2026-11-23T00:00:30"), "00:00:30"),
    ]


def test_a_stretch_of_time_names_its_days_where_they_differ() -> None:
    start, end = at("2026-11-22T14:59:00"), at("2026-11-22T15:01:00")

    assert span(start, end, UTC) == "Sun 22 Nov, 14:59:00 to 15:01:00 UTC"
    assert span(start, end, SEOUL) == "Sun 22 Nov to Mon 23 Nov, 23:59:00 to 00:01:00 UTC+9"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (38, "38 s"),
        (119, "119 s"),
        (720, "12 min"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
    ],
)
def test_a_duration_is_shown_in_few_words(seconds: float, words: str) -> None:
    assert lasted(timedelta(seconds=seconds)) == words
