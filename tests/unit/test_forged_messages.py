"""The worst that whoever may send to the queue can do: what the policy document lets everybody do.

A message is not signed. So each kind of it is forged here, and capacity must stay where the
document's bounds and its largest step leave it, for the one service that the message names.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Datapoint, Guard
from quickstep.engine.outcome import Outcome
from quickstep.naming import ServiceName
from quickstep.protocol.line import Turn
from quickstep.protocol.messages import (
    MAX_GENERATION,
    AlarmAgain,
    Content,
    Heartbeat,
    Heartbeats,
    Message,
    Recheck,
    Request,
    write_message,
)
from tests.builders import DEFINITION, HIGH, LOW, NOW, WEB, a_document, ago, load_event, points
from tests.fakes import World
from tests.strategies import LARGEST, definitions

MINIMUM, MAXIMUM, LARGEST_STEP = 2, 40, 3
ANOTHER = ServiceName("prod", "another")
FUTURE = datetime(2099, 1, 1, tzinfo=UTC)


def a_world(**changes: Any) -> World:
    """Return a world whose document has bounds, and a largest step below that of its policies."""
    limits = {"MinCapacity": MINIMUM, "MaxCapacity": MAXIMUM}
    document = a_document(**limits, MaxAdjustmentMagnitude=LARGEST_STEP, **changes)
    world = World()
    world.documents[WEB.parameter] = json.dumps(document)
    return world


@pytest.fixture
def world() -> World:
    """A world that goes by the steps alone: the guards would only ask for less."""
    return a_world(Guards=dict.fromkeys(Guard, False))


def receive(world: World, content: Content) -> Outcome | None:
    """Have the scaler receive what somebody sent; return how it ended, if it was an evaluation."""
    records = world.door.on_message(json.dumps(write_message(Message(content))))
    return records[0].outcome if records else None


def an_alarm(  # noqa: PLR0917 - an event is this much
    policy: str = HIGH,
    value: float = 160.0,
    threshold: float = 100.0,
    at: datetime = NOW,
    state: str = "ALARM",
    begins: datetime | None = None,
    service: ServiceName = WEB,
) -> AlarmAgain:
    """Return an alarm's event as a message, with numbers of one's own choice."""
    event = load_event("alarm-high-step2")
    event["detail"]["alarmName"] = service.alarm(policy)
    reason = {
        "startDate": (begins or at - timedelta(seconds=10)).isoformat(),
        "period": 10,
        "recentDatapoints": [value],
        "threshold": threshold,
    }
    timestamp = at.isoformat()
    event["detail"]["state"] = {
        "value": state,
        "timestamp": timestamp,
        "reasonData": json.dumps(reason),
    }
    return AlarmAgain(event)


def a_look(policy: str, at: datetime = NOW, threshold: float = 100.0) -> Heartbeats:
    definition = replace(DEFINITION, threshold=threshold)
    alarms = {policy: KnownAlarm(AlarmState.ALARM, at, definition)}
    return Heartbeats((Heartbeat(WEB, alarms, complete=True),))


@pytest.mark.parametrize(
    ("content", "outcome", "desired"),
    [
        pytest.param(Request(WEB, "r", NOW, "", 5000), "SCALED_OUT", MAXIMUM, id="ask for 5000"),
        pytest.param(Request(WEB, "r", NOW, "", 0), "SCALED_IN", MINIMUM, id="ask for none"),
        pytest.param(an_alarm(value=1e308), "SCALED_OUT", 4 + LARGEST_STEP, id="a load of 1e308"),
        pytest.param(
            an_alarm(value=1e308, threshold=-1e308),
            "SCALED_OUT",
            4 + LARGEST_STEP,
            id="a difference that would be no number",
        ),
        pytest.param(an_alarm(LOW, -1e308, 30.0), "HELD_NO_DATA", 4, id="a load of -1e308"),
        pytest.param(a_look(HIGH, threshold=-1e300), "SCALED_OUT", 4 + LARGEST_STEP, id="a look"),
    ],
)
def test_a_forged_message_moves_capacity_no_further_than_the_document_allows(
    world: World, content: Content, outcome: str, desired: int
) -> None:
    world.points[HIGH] = points(160.0)

    assert receive(world, content) == outcome
    assert world.desired == desired


def test_the_same_forgery_again_within_a_period_adds_nothing(world: World) -> None:
    """Half of its seconds have had their say."""
    receive(world, an_alarm(value=1e308))
    world.clock.advance(5)

    assert receive(world, an_alarm(value=1e308, at=world.clock.now)) is Outcome.HELD_NO_DATA
    assert world.desired == 4 + LARGEST_STEP


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(Recheck(WEB, MAX_GENERATION), id="the largest generation"),
        pytest.param(
            Recheck(WEB, 0, attempt=1000, turn=Turn(FUTURE, 0, 2**40)), id="a past generation"
        ),
    ],
)
def test_a_recheck_of_no_chain_leaves_nothing(world: World, content: Recheck) -> None:
    receive(world, an_alarm())
    records, calls = list(world.targets.records), world.calls.count("UpdateService 6")
    world.clock.advance(60)

    assert receive(world, content) is None
    assert world.targets.records == records
    assert world.calls.count("UpdateService 6") == calls == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(Request(ANOTHER, "r", NOW, "", 9), id="a request"),
        pytest.param(an_alarm(service=ANOTHER), id="an alarm"),
        pytest.param(Recheck(ANOTHER, 0), id="a re-check"),
        pytest.param(Heartbeats((Heartbeat(ANOTHER, {}),), describe=False), id="a look"),
    ],
)
def test_a_service_without_a_document_is_not_even_described(world: World, content: Content) -> None:
    world.services[ANOTHER] = world.services[WEB]

    assert receive(world, content) is Outcome.FAILED_CONFIG
    assert world.calls == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(an_alarm(value=10.0, state="OK", at=FUTURE), id="an event"),
        pytest.param(an_alarm(value=120.0, begins=FUTURE), id="a datapoint"),
        pytest.param(a_look(HIGH, at=FUTURE), id="a look"),
    ],
)
def test_what_comes_from_the_future_does_not_outdate_the_alarm_s_own_events(
    world: World, content: Content
) -> None:
    assert receive(world, content) is Outcome.IGNORED_STALE
    assert world.desired == 4
    assert WEB.resource_id not in world.targets.items or not world.memory.alarms
    world.clock.advance(1)

    assert receive(world, an_alarm(at=world.clock.now)) is Outcome.SCALED_OUT


def test_a_request_from_the_future_does_not_outdate_an_operator_s(world: World) -> None:
    assert receive(world, Request(WEB, "forged", FUTURE, "", 40)) is Outcome.IGNORED_STALE
    assert world.desired == 4

    assert receive(world, Request(WEB, "own", NOW, "", 9)) is Outcome.SCALED_OUT


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(60, Outcome.SCALED_OUT), (60.5, Outcome.IGNORED_STALE)]
)
def test_a_clock_may_be_ahead_by_as_much_as_an_event_may_be_old(
    world: World, seconds: float, outcome: Outcome
) -> None:
    assert receive(world, an_alarm(at=ago(-seconds), begins=ago(10))) is outcome


# --- any of them, in any order --------------------------------------------------------------------

moments = st.integers(-600, 600).map(ago) | st.sampled_from([FUTURE, ago(10**9)])
numbers = st.sampled_from([1e308, -1e308, 0.0, 5e-324, 160.0, 17.0]) | st.floats(-LARGEST, LARGEST)
driven = st.sampled_from([HIGH, LOW, "nobody-s"])
described = st.builds(
    KnownAlarm,
    st.sampled_from(AlarmState),
    moments,
    st.none() | definitions | st.builds(replace, st.just(DEFINITION), threshold=numbers),
    disabled=st.booleans(),
)
forged = st.one_of(
    st.builds(Request, st.just(WEB), st.just("r"), moments, st.just(""), st.integers(0, 5000)),
    st.builds(an_alarm, driven, numbers, numbers, moments, st.sampled_from(AlarmState), moments),
    st.builds(
        Recheck,
        st.just(WEB),
        st.integers(0, 5) | st.integers(0, MAX_GENERATION),
        turn=st.none() | st.builds(Turn, moments, st.integers(0, 5), st.integers(1, 2**40)),
    ),
    st.builds(
        Heartbeats,
        st.tuples(
            st.builds(
                Heartbeat,
                st.just(WEB),
                st.dictionaries(driven, described, max_size=2),
                st.booleans(),
            )
        ),
        st.booleans(),
    ),
)
datapoints = st.lists(
    st.builds(Datapoint, st.integers(0, 200).map(ago), numbers, st.none() | st.integers(0, 9)),
    max_size=9,
)


@given(st.lists(st.tuples(forged, st.integers(0, 90)), max_size=8), datapoints, datapoints)
@settings(deadline=None)
def test_no_row_of_forged_messages_leaves_the_bounds_or_takes_a_larger_step(
    row: list[tuple[Content, int]], high: list[Datapoint], low: list[Datapoint]
) -> None:
    world = a_world()
    world.points.update({HIGH: high, LOW: low})
    for content, seconds in row:
        before = world.desired
        receive(world, content)
        assert MINIMUM <= world.desired <= MAXIMUM
        if not isinstance(content, Request):
            assert abs(world.desired - before) <= LARGEST_STEP
        world.clock.advance(seconds)
