"""Times as operators write and read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer

from quickstep_cli.times import (
    age_text,
    end_of,
    moment_text,
    read_past,
    span_text,
    zone_text,
)

SEOUL, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        pytest.param("9:58", UTC, "2026-11-26T09:58", id="today"),
        pytest.param("14:03", UTC, "2026-11-25T14:03", id="not yet today: yesterday"),
        pytest.param("14:03:20", SEOUL, "2026-11-26T05:03:20", id="in the zone"),
        pytest.param("2026-11-26 14:03", SEOUL, "2026-11-26T05:03", id="with its day"),
        pytest.param("2026-11-26", SEOUL, "2026-11-25T15:00", id="a day: its midnight"),
        pytest.param("2026-11-26T09:00:00Z", SEOUL, "2026-11-26T09:00", id="with an offset"),
        pytest.param("2026-11-26T09:00:00+02:00", UTC, "2026-11-26T07:00", id="with another"),
        pytest.param("1h", SEOUL, "2026-11-26T09:00", id="so long ago"),
        pytest.param("2h30m", UTC, "2026-11-26T07:30", id="so long ago, in two units"),
        pytest.param("2026-10-25 02:30", BERLIN, "2026-10-25T00:30", id="twice: the first"),
        pytest.param("99999d", UTC, "1970-01-01T00:00", id="before all times: the first"),
    ],
)
def test_a_moment_of_the_past_is_read(text: str, zone: ZoneInfo, expected: str) -> None:
    assert read_past(text, "--at", NOW, zone) == utc(expected)


RULE = (
    "must be a time like 14:03, 14:03:20, 2026-11-26 14:03 or 2026-11-26T14:03:00Z, or how long "
    "ago, like 2h30m, not "
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("noon", f"{RULE}'noon'", id="a word"),
        pytest.param("25:00", f"{RULE}'25:00'", id="no hour"),
        pytest.param("", f"{RULE}''", id="nothing"),
        pytest.param("0001-01-01", f"{RULE}'0001-01-01'", id="before all times"),
        pytest.param(
            "2026-11-26 10:01",
            "must not be after now, 2026-11-26 10:00:00, not '2026-11-26 10:01'",
            id="ahead",
        ),
    ],
)
def test_what_is_no_moment_of_the_past_is_refused(text: str, why: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        read_past(text, "--at", NOW, UTC)

    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("span", "until", "expected"),
    [
        pytest.param("2h30m", None, "2026-11-26T12:30", id="a span from now"),
        pytest.param(None, "20:00", "2026-11-26T11:00", id="later today, in the machine's zone"),
        pytest.param(None, "8:30", "2026-11-26T23:30", id="over today: tomorrow"),
        pytest.param(None, "2026-11-27 09:00", "2026-11-27T00:00", id="with its day"),
        pytest.param(None, "2026-11-26T18:00:00+01:00", "2026-11-26T17:00", id="with an offset"),
    ],
)
def test_an_end_is_read(
    monkeypatch: pytest.MonkeyPatch, span: str | None, until: str | None, expected: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        assert end_of(span, until, NOW) == utc(expected)
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (200, "3m20s"),
        (600, "10m"),
        (3599, "59m"),
        (7500, "2h5m"),
        (86_400, "1d"),
        (100_000, "1d3h"),
        (864_000, "10d"),
        (-5, "0s"),
    ],
)
def test_a_span_is_shown_in_two_units_at_most(seconds: float, expected: str) -> None:
    assert span_text(timedelta(seconds=seconds)) == expected


def test_an_age_says_which_way_it_goes() -> None:
    assert age_text(NOW - timedelta(minutes=3), NOW) == "3m"
    assert age_text(NOW + timedelta(seconds=9), NOW) == "in 9s"


def test_a_moment_leaves_out_its_day_on_that_day_only() -> None:
    assert moment_text(NOW, SEOUL) == "2026-11-26 19:00:00"
    assert moment_text(NOW, SEOUL, NOW) == "19:00:00"
    assert moment_text(NOW, SEOUL, NOW + timedelta(hours=5)) == "2026-11-26 19:00:00"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param(UTC, "UTC", id="UTC"),
        pytest.param(SEOUL, "KST (UTC+9)", id="named"),
        pytest.param(ZoneInfo("America/St_Johns"), "NST (UTC-3:30)", id="half an hour"),
        pytest.param(ZoneInfo("America/Sao_Paulo"), "UTC-3", id="without a name"),
        pytest.param(ZoneInfo("Europe/London"), "UTC", id="the same as UTC in winter"),
    ],
)
def test_a_zone_is_named_with_its_offset(zone: ZoneInfo, expected: str) -> None:
    assert zone_text(NOW, zone) == expected


def test_without_a_zone_it_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        assert read_past("14:03", "--at", NOW, None) == utc("2026-11-26T05:03")
        assert moment_text(NOW, None) == "2026-11-26 19:00:00"
    time.tzset()
