"""Times as the viewer reads them: across midnight, across daylight saving, in any zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from quickstep.report.dashboard.times import moment, offset_name, ticks

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


def test_the_viewer_s_midnight_counts_and_utc_stands_beside_it() -> None:
    assert labels("2026-11-22T14:45", "2026-11-22T15:20", 3, SEOUL) == [
        "23:45 | 14:45Z | Sun 22 Nov",
        "00:00 | 15:00Z | Mon 23 Nov",
        "00:15 | 15:15Z",
    ]


def test_the_hour_that_daylight_saving_repeats_is_told_apart() -> None:
    """On 25 October 2026 at 03:00 in Berlin the clock goes back to 02:00."""
    assert labels("2026-10-25T00:00", "2026-10-25T02:00", 5, BERLIN) == [
        "02:00 | 00:00Z | Sun 25 Oct",
        "02:30 | 00:30Z",
        "02:00 | 01:00Z | UTC+1",
        "02:30 | 01:30Z",
        "03:00 | 02:00Z",
    ]


def test_the_hour_that_daylight_saving_leaves_out_is_left_out() -> None:
    """On 29 March 2026 at 02:00 in Berlin the clock goes on to 03:00."""
    assert labels("2026-03-29T00:00", "2026-03-29T02:00", 3, BERLIN) == [
        "01:00 | 00:00Z | Sun 29 Mar",
        "03:00 | 01:00Z | UTC+2",
        "04:00 | 02:00Z",
    ]


def test_days_begin_at_the_viewer_s_midnight_on_both_sides_of_the_change() -> None:
    shown = list(ticks(at("2026-10-23T00:00"), at("2026-10-28T00:00"), 5, BERLIN))

    assert {f"{tick.at.astimezone(BERLIN):%H:%M}" for tick in shown} == {"00:00"}
    assert [tick.label for tick in shown] == [
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


def test_a_moment_is_told_in_the_zone_and_exactly_in_utc() -> None:
    shown = moment(at("2026-11-22T20:00:22.123456"), SEOUL)

    assert shown == "Mon 23 Nov 05:00:22 UTC+9 (2026-11-22T20:00:22.123Z)"
