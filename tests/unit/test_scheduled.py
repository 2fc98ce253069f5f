"""Scheduled actions: what is read, what is refused, and with which words."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from quickstep.fields import parse_duration
from quickstep.loop.schedules import ScheduleError, Schedules, read_action
from quickstep.protocol.memory import read_memory
from tests.builders import NOW, WEB
from tests.fakes import World
from tests.strategies import json_values

ACTION: dict[str, Any] = {
    "ResourceId": "service/prod/web",
    "Name": "night",
    "MinCapacity": 1,
    "MaxCapacity": 2,
    "For": "12h",
    "At": "2026-11-22T10:00:00Z",
    "Reason": "nobody is there",
}


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**ACTION, **changes}.items() if key not in keys}


def test_an_action_holds_for_a_span_from_the_schedule_s_own_time_on() -> None:
    action = read_action(ACTION, NOW)

    assert (action.service, action.name) == (WEB, "night")
    assert (action.min_capacity, action.max_capacity) == (1, 2)
    assert action.until - action.at == timedelta(hours=12)
    assert str(action) == ("schedule night: 1 to 2 until 2026-11-22 22:00:00 UTC: nobody is there")


def test_an_action_holds_until_a_time() -> None:
    action = read_action(without("For", Until="2026-11-22T20:00:00+01:00"), NOW)

    assert action.until.isoformat() == "2026-11-22T19:00:00+00:00"


def test_an_action_ahead_holds_from_its_own_time_on() -> None:
    action = read_action({**ACTION, "At": "2026-11-22T20:00:00Z"}, NOW)
    (schedule,) = read_memory({"override:night": action.entry}).state.schedules

    assert str(action) == (
        "schedule night: 1 to 2 from 2026-11-22 20:00:00 until 2026-11-23 08:00:00 UTC: "
        "nobody is there"
    )
    assert not schedule.active(action.at - timedelta(seconds=1))
    assert schedule.active(action.at)
    assert not schedule.active(action.until)


def test_an_action_ahead_leaves_the_name_to_the_next_request() -> None:
    """It is ordered by when it was asked for: its own time would outdate all until then."""
    ahead = read_action({**ACTION, "At": "2027-10-01T20:00:00Z"}, NOW)

    assert ahead.entry["at"] == "2026-11-22T10:00:12.500Z"
    assert ahead.entry["from"] == "2027-10-01T20:00:00.000Z"


@pytest.mark.parametrize(
    ("at", "delays"),
    [
        pytest.param("2026-11-22T09:59:00Z", [0], id="has begun"),
        pytest.param("2026-11-22T10:05:12.500Z", [301], id="a second after it begins"),
        pytest.param("2026-11-22T10:15:00Z", [], id="later than a queue waits: the heartbeat's"),
    ],
)
def test_the_scaler_gets_a_message_when_an_action_begins(at: str, delays: list[int]) -> None:
    world, operators = World(), SimpleNamespace(schedule=lambda *_: True)
    schedules: Any = {"operators": operators, "messages": world, "new_id": lambda: "r"}

    _, written = Schedules(clock=world.clock, **schedules).on_action({**ACTION, "At": at})

    assert written
    assert [delay.total_seconds() for _, delay in world.sent] == delays


def test_an_end_is_an_action_that_is_over_when_it_begins() -> None:
    action = read_action(without("MinCapacity", "MaxCapacity", "For", End=True), NOW)

    assert action.until == action.at
    assert str(action) == "schedule night is over"


def test_the_smallest_action_has_a_bound_an_end_and_a_name_of_its_own() -> None:
    action = read_action({"ResourceId": "service/prod/web", "MinCapacity": 5, "For": "1h"}, NOW)

    assert (action.name, action.at, action.max_capacity, action.reason) == (
        "schedule",
        NOW,
        None,
        "",
    )


def test_what_is_written_is_what_the_scaler_reads() -> None:
    action = read_action(ACTION, NOW)

    (schedule,) = read_memory({"override:night": action.entry}).state.schedules

    assert (schedule.min_capacity, schedule.max_capacity) == (1, 2)
    assert (schedule.until, schedule.reason, schedule.name) == (
        action.until,
        "nobody is there",
        "night",
    )


@pytest.mark.parametrize(
    ("action", "forced"),
    [
        pytest.param(ACTION, False, id="by default"),
        pytest.param({**ACTION, "Force": False}, False, id="false"),
        pytest.param({**ACTION, "Force": True}, True, id="true"),
        pytest.param(without("MaxCapacity", Force=False), False, id="false without a maximum"),
    ],
)
def test_only_a_forced_maximum_is_written_as_one(action: Any, forced: bool) -> None:
    read = read_action(action, NOW)
    (schedule,) = read_memory({"override:night": read.entry}).state.schedules

    assert schedule.forced is forced
    assert read.entry.get("force", False) is forced


def test_a_record_names_a_forced_maximum() -> None:
    assert str(read_action({**ACTION, "Force": True}, NOW)) == (
        "schedule night: 1 to 2 whatever the load until 2026-11-22 22:00:00 UTC: nobody is there"
    )


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (None, "must be an object, not null"),
        ({}, "ResourceId: is required, but missing"),
        (without(ResourceId="web"), "ResourceId: must be service/<cluster>/<service>"),
        (without(Name="a b"), "Name: must be 1 to 64 letters, digits, '.', '-' and '_', not"),
        (without("MinCapacity", "MaxCapacity"), "must have MinCapacity, MaxCapacity or both"),
        (without(MinCapacity=3), "MaxCapacity: must be at least MinCapacity (3), not 2"),
        (without(MaxCapacity=5001), "MaxCapacity: must be at most 5000, not 5001"),
        (without(MinCapacity="2"), 'MinCapacity: must be a whole number, not "2"'),
        (without("For"), "must have one of For and Until"),
        (without(Until="2026-11-22T20:00:00Z"), "must have one of For and Until"),
        (without(For="soon"), "For: must be a time span like 2h30m"),
        (without(For="400d"), "For: must be at most 366d"),
        (without(For="1s"), "For: must end after 2026-11-22T10:00:12.500Z: it is over already"),
        (without("For", Until="20:00"), "Until: must be a time"),
        (without("For", Until="2026-11-22T20:00:00"), "Until: must be a time with an offset"),
        (without("For", Until="2036-11-22T20:00:00Z"), "Until: must end within 366 days"),
        (without(End=True), "MinCapacity: must not stand beside End"),
        (
            without("MinCapacity", "MaxCapacity", "For", End=True, At="2026-11-22T10:05:00Z"),
            "At: must not be ahead where End is true",
        ),
        (without(At="9999-01-01T00:00:00Z"), "At: must be a time of the years 1970 to 2999"),
        (without(At="2027-11-23T10:00:00Z"), "For: must end within 366 days"),
        (
            without("For", At="2026-11-22T21:00:00Z", Until="2026-11-22T20:00:00Z"),
            "Until: must end after At, 2026-11-22T21:00:00.000Z",
        ),
        (without(Reason="\ud83d"), "must hold no lone surrogate"),
        (without(Reason="x" * 201), "Reason: must have at most 200 characters"),
        (without(minCapacity=2), "minCapacity: is not a known key"),
        (without(Force="yes"), 'Force: must be true or false, not "yes"'),
        (without("MaxCapacity", Force=True), "Force: must stand beside MaxCapacity"),
        (
            without("MinCapacity", "MaxCapacity", "For", End=True, Force=True),
            "Force: must not stand beside End",
        ),
    ],
)
def test_an_action_that_breaks_a_rule_is_refused(event: Any, problem: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read_action(event, NOW)

    assert str(caught.value).startswith(problem)


def test_every_problem_is_named() -> None:
    with pytest.raises(ScheduleError) as caught:
        read_action(without("For", Name="", MinCapacity=-1, Reason=5), NOW)

    assert len(caught.value.problems) == 4


@given(json_values)
def test_whatever_comes_is_read_or_refused(event: Any) -> None:
    for guess in (event, {**ACTION, "For": event}, {**ACTION, "At": event}):
        try:
            read_action(guess, NOW)
        except ScheduleError:
            continue


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2h30m", 9000), ("1d", 86400), ("1d1s", 86401), ("5m", 300)],
)
def test_a_span(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "5", "m", "1.5h", "30m2h", "-1h", " 1h", "1 h"])
def test_no_span(text: str) -> None:
    assert parse_duration(text) is None
