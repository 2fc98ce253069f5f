"""Requests through the cycle: heeded at once, carried out once, and never late."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from quickstep.engine.model import Direction, Override, Pause, State
from quickstep.engine.outcome import Outcome
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Message, Recheck, Request, write_message
from tests.builders import HIGH, NOW, WEB, a_lease, a_transition, ago, firing, known, points
from tests.fakes import World

SOON = NOW + timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return World()


def a_request(capacity: int | None = None, *, name: str = "r-1", seconds_ago: float = 1) -> Request:
    return Request(WEB, name, ago(seconds_ago), "somebody asked", capacity)


def test_an_override_takes_effect_at_once_whatever_cooldown_runs(world: World) -> None:
    world.evaluate(a_transition())
    assert world.desired == 6
    memory = world.memory
    world.remember(replace(memory, state=replace(memory.state, override=Override(10, None, SOON))))

    record = world.evaluate(a_request())

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 10)
    assert record.as_dict["trigger"] == {
        "kind": "request",
        "id": "r-1",
        "at": "2026-11-22T10:00:11.500Z",
        "what": "somebody asked",
        "capacity": None,
    }


def test_on_resume_an_alarm_in_breach_is_answered_at_once(world: World) -> None:
    world.points[HIGH] = points(160.0)
    world.remember(Memory(alarms={HIGH: known()}))

    record = world.evaluate(a_request())

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 6)


def test_a_breach_is_answered_from_the_bounds_on_not_only_corrected_into_them(world: World) -> None:
    world.points[HIGH] = points(160.0)
    state = State(override=Override(10, None, SOON))
    world.remember(Memory(alarms={HIGH: known()}, state=state))

    world.evaluate(a_request())

    assert world.desired == 12, "10 and the step of 2"


def test_a_capacity_is_set_even_while_scaling_is_paused(world: World) -> None:
    world.remember(Memory(state=State(pause=Pause(frozenset(Direction), SOON))))

    record = world.evaluate(a_request(9))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 9)


def test_a_request_goes_before_the_policies_and_the_breach_is_looked_at_again(world: World) -> None:
    world.points[HIGH] = points(160.0)
    world.remember(Memory(alarms={HIGH: known()}))

    record = world.evaluate(a_request(5))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 5)
    ((message, delay),) = world.sent
    assert isinstance(message.content, Recheck)
    assert delay == timedelta(seconds=10)


def test_a_request_that_comes_twice_is_carried_out_once(world: World) -> None:
    world.evaluate(a_request(9))
    world.clock.advance(5)
    world.evaluate(a_request(5, name="r-2", seconds_ago=-4))

    again = world.evaluate(a_request(9))

    assert (again.outcome, world.desired) == (Outcome.IGNORED_STALE, 5)
    twice = world.evaluate(a_request(5, name="r-2", seconds_ago=-4))
    assert (twice.outcome, world.desired) == (Outcome.IGNORED_DUPLICATE, 5)


def test_a_capacity_that_was_asked_for_long_ago_is_not_set(world: World) -> None:
    record = world.evaluate(a_request(9, seconds_ago=61))

    assert (record.outcome, world.desired) == (Outcome.IGNORED_STALE, 4)
    assert "more than 60 s ago" in record.reason


def test_a_look_that_was_asked_for_long_ago_is_as_good_as_any(world: World) -> None:
    world.remember(Memory(state=State(override=Override(10, None, SOON))))

    record = world.evaluate(a_request(seconds_ago=600))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 10)


def test_a_request_that_loses_the_race_comes_back(world: World) -> None:
    world.targets.claim(WEB.resource_id, a_lease("somebody", NOW, 15))

    world.door.on_message(_body(a_request(9)))

    ((message, _),) = world.sent
    assert (message.content, message.lost) == (a_request(9), 1)
    assert world.desired == 4


def _body(request: Request) -> str:
    return json.dumps(write_message(Message(request)))


def test_what_an_operator_mistyped_is_in_the_record_and_nothing_fails(world: World) -> None:
    wrong = "override.min: must be a whole number"
    world.remember(Memory(state=State(unreadable=wrong)))

    record = world.evaluate(a_transition(alarm=firing(160.0)))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 6)
    assert record.as_dict["unreadable"] == wrong
