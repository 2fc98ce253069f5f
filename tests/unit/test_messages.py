"""The scaler's own messages: what is written is read back, and nothing else is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from quickstep.alarms.definition import definition_dict
from quickstep.alarms.known import KnownAlarm
from quickstep.alarms.reading import combined_queries, read_window
from quickstep.engine.model import AlarmState
from quickstep.naming import ServiceName
from quickstep.protocol.line import Turn
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeat,
    Heartbeats,
    Message,
    MessageError,
    Recheck,
    Request,
    Surge,
    Sweep,
    read_message,
    read_surge,
    write_message,
)
from tests.builders import DEFINITION, HIGH, NOW, WEB, ago, load_event
from tests.strategies import json_values, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

RECHECK: dict[str, Any] = {
    "recheck": {"resource_id": "service/prod/web", "generation": 7, "attempt": 0, "turn": None},
    "lost": 0,
}
ALARM = {
    "state": "ALARM",
    "at": "2026-11-22T10:00:02.500Z",
    "definition": definition_dict(DEFINITION),
    "disabled": False,
}
LOOKS: dict[str, Any] = {
    "looks": {
        "describe": True,
        "targets": [
            {
                "resource_id": "service/prod/web",
                "alarms": {HIGH: ALARM},
                "complete": True,
                "listed_at": "2026-11-22T10:00:02.500Z",
            },
        ],
    },
    "lost": 0,
}
REQUEST: dict[str, Any] = {
    "request": {
        "resource_id": "service/prod/web",
        "id": "r-1",
        "at": "2026-11-22T10:00:12.500Z",
        "what": "launch day",
        "capacity": 8,
    },
    "lost": 0,
}
TURN = {"since": "2026-11-22T10:00:00Z", "lane": 2, "number": 41}
ELSEWHERE = {"resource_id": "service/test/web", "alarms": {}, "complete": False}
FELT = {"resource_id": "service/prod/web", "at": "2026-11-22T10:00:12.500Z"}
SURGE = {"surge": FELT, "lost": 1}
SWEEP = {"sweep": {"next_token": "page-21"}, "lost": 0}


@given(messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert read_message(json.dumps(write_message(message))) == message


@pytest.mark.parametrize(
    ("message", "body"),
    [
        pytest.param(Message(Recheck(WEB, 7)), RECHECK, id="re-check"),
        pytest.param(Message(Request(WEB, "r-1", NOW, "launch day", 8)), REQUEST, id="request"),
        pytest.param(
            Message(Recheck(WEB, 7, 3, Turn(ago(17), 2, 41)), lost=2),
            {
                "recheck": {
                    "resource_id": "service/prod/web",
                    "generation": 7,
                    "attempt": 3,
                    "turn": {"since": "2026-11-22T09:59:55.500Z", "lane": 2, "number": 41},
                },
                "lost": 2,
            },
            id="re-check that was throttled, and has lost races",
        ),
        pytest.param(
            Message(AlarmAgain(load_event("alarm-high-step1")), lost=1),
            {"alarm": load_event("alarm-high-step1"), "lost": 1},
            id="alarm event",
        ),
        pytest.param(
            Message(
                Heartbeats(
                    (
                        Heartbeat(
                            WEB,
                            {HIGH: KnownAlarm(AlarmState.ALARM, ago(10), DEFINITION)},
                            complete=True,
                            listed_at=ago(10),
                        ),
                    )
                )
            ),
            LOOKS,
            id="look",
        ),
        pytest.param(
            Message(
                Heartbeats(
                    (Heartbeat(WEB, {HIGH: KnownAlarm(AlarmState.ALARM, ago(10), None)}),),
                    describe=False,
                )
            ),
            {
                "looks": {
                    "describe": False,
                    "targets": [
                        {
                            "resource_id": "service/prod/web",
                            "alarms": {HIGH: {**ALARM, "definition": None}},
                            "complete": False,
                            "listed_at": None,
                        }
                    ],
                },
                "lost": 0,
            },
            id="look, with an alarm that has no definition",
        ),
        pytest.param(Message(Sweep("page-21")), SWEEP, id="sweep"),
        pytest.param(Message(Surge(WEB, NOW), lost=1), SURGE, id="surge, once more"),
        pytest.param(
            Message(Recheck(WEB, 7, felt_at=NOW)),
            {"recheck": {**RECHECK["recheck"], "felt_at": "2026-11-22T10:00:12.500Z"}, "lost": 0},
            id="re-check of a surge",
        ),
    ],
)
def test_a_message_is_this_json(message: Message, body: dict[str, Any]) -> None:
    assert write_message(message) == body
    assert read_message(json.dumps(body)) == message


def test_a_look_of_the_release_before_says_no_time_of_its_list() -> None:
    """Such messages are in the queue while a stack is updated."""
    body = looking(targets=[ELSEWHERE])

    assert read_message(json.dumps(body)).content == Heartbeats(
        (Heartbeat(ServiceName("test", "web"), {}),)
    )


def test_a_message_that_has_lost_no_race_need_not_say_so() -> None:
    body = {"recheck": RECHECK["recheck"]}

    assert read_message(json.dumps(body)) == Message(Recheck(WEB, 7))


def rechecking(**changes: Any) -> dict[str, Any]:
    return {"recheck": {**RECHECK["recheck"], **changes}}


def requesting(**changes: Any) -> dict[str, Any]:
    return {"request": {**REQUEST["request"], **changes}}


def beating(**changes: Any) -> dict[str, Any]:
    (target,) = LOOKS["looks"]["targets"]
    return {"looks": {**LOOKS["looks"], "targets": [{**target, **changes}]}}


def looking(**changes: Any) -> dict[str, Any]:
    return {"looks": {**LOOKS["looks"], **changes}}


def alarming(**changes: Any) -> dict[str, Any]:
    return beating(alarms={HIGH: {**ALARM, **changes}})


_RULE = "must be service/<cluster>/<service>"
_KINDS = "must have one of recheck, alarm, looks, sweep, request, surge, survey, poll"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (None, "must be an object, not null"),
        ([], "must be an object, not []"),
        ("recheck", 'must be an object, not "recheck"'),
        ({}, f"{_KINDS}, not {{}}"),
        ({"lost": 0}, _KINDS),
        ({**RECHECK, **SWEEP}, _KINDS),
        ({**RECHECK, "more": 1}, "more: is not a known key"),
        ({**RECHECK, "lost": -1}, "lost: must be at least 0, not -1"),
        ({**RECHECK, "lost": 1001}, "lost: must be at most 1000, not 1001"),
        ({**RECHECK, "lost": "0"}, 'lost: must be a whole number, not "0"'),
        ({"recheck": None}, "recheck: must be an object, not null"),
        ({"recheck": {}}, "recheck.resource_id: is required, but missing"),
        (rechecking(more=1), "recheck.more: is not a known key"),
        (rechecking(resource_id="web"), f"recheck.resource_id: {_RULE}"),
        (rechecking(resource_id="service/prod/web\n"), f"recheck.resource_id: {_RULE}"),
        (rechecking(resource_id="service/prod/../web"), f"recheck.resource_id: {_RULE}"),
        (rechecking(resource_id=5), "recheck.resource_id: must be a string, not 5"),
        (rechecking(generation=-1), "recheck.generation: must be at least 0, not -1"),
        (rechecking(generation=7.0), "recheck.generation: must be a whole number, not 7.0"),
        (rechecking(generation=True), "recheck.generation: must be a whole number, not true"),
        (rechecking(generation=10**30), "recheck.generation: must be at most 9007199254740992"),
        (rechecking(attempt=1001), "recheck.attempt: must be at most 1000, not 1001"),
        (rechecking(turn={"since": "now"}), "recheck.turn.since: must be a time like"),
        (rechecking(turn={}), "recheck.turn.since: is required, but missing"),
        (rechecking(turn={**TURN, "lane": 6}), "recheck.turn.lane: must be at most 5, not 6"),
        (rechecking(turn={**TURN, "number": 0}), "recheck.turn.number: must be at least 1, not 0"),
        (looking(targets=[]), "looks.targets: must "),
        (
            looking(targets=LOOKS["looks"]["targets"] * 11),
            "looks.targets: must have at least 1 and at most 10",
        ),
        (
            looking(targets=[*LOOKS["looks"]["targets"], ELSEWHERE]),
            "looks.targets: must be services of one cluster",
        ),
        ({"alarm": None}, "alarm: must be an object, not null"),
        ({"alarm": []}, "alarm: must be an object, not []"),
        (
            beating(listed_at="today"),
            'looks.targets[0].listed_at: must be a time like 2026-11-22T10:00:00Z, not "today"',
        ),
        ({"looks": {}}, "looks.describe: is required, but missing"),
        (beating(resource_id=""), f"looks.targets[0].resource_id: {_RULE}"),
        (beating(alarms=None), "looks.targets[0].alarms: must be an object, not null"),
        (
            beating(alarms={HIGH: None}),
            f"looks.targets[0].alarms.{HIGH}: must be an object, not null",
        ),
        (
            alarming(state="FIRING"),
            f"looks.targets[0].alarms.{HIGH}.state: must be one of OK, ALARM",
        ),
        (alarming(state=["OK"]), f"looks.targets[0].alarms.{HIGH}.state: must be one of OK, ALARM"),
        (alarming(at=None), f"looks.targets[0].alarms.{HIGH}.at: must be a time"),
        (
            alarming(disabled=0),
            f"looks.targets[0].alarms.{HIGH}.disabled: must be true or false, not 0",
        ),
        (
            alarming(definition={**definition_dict(DEFINITION), "n": 10**30}),
            f"looks.targets[0].alarms.{HIGH}.definition.n: must be at most 60480",
        ),
        ({"sweep": {}}, "sweep.next_token: is required, but missing"),
        ({"sweep": {"next_token": 2}}, "sweep.next_token: must be a string, not 2"),
        (requesting(id="a b"), "request.id: must be 1 to 64 letters, digits and -, not"),
        (requesting(what="x" * 1001), "request.what: must have at most 1000 characters"),
        (requesting(capacity=-1), "request.capacity: must be at least 0, not -1"),
        (requesting(capacity=5001), "request.capacity: must be at most 5000, not 5001"),
        (requesting(at="now"), "request.at: must be a time"),
        ({"surge": FELT["resource_id"]}, "surge: must be an object, not"),
        ({"surge": {**FELT, "at": None}}, "surge.at: must be a time"),
        ({"surge": {**FELT, "resource_id": "web"}}, f"surge.resource_id: {_RULE}"),
        (rechecking(felt_at="now"), "recheck.felt_at: must be a time"),
    ],
)
def test_a_body_that_the_scaler_did_not_write_is_refused_with_path_and_rule(
    body: Any, problem: str
) -> None:
    with pytest.raises(MessageError) as caught:
        read_message(json.dumps(body))

    assert str(caught.value).startswith(problem)


def test_a_task_says_which_service_and_when() -> None:
    assert read_surge(json.dumps({**FELT, "of a later release": 1})) == Surge(WEB, NOW)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be JSON: Expecting value"),
        (json.dumps(SURGE), "resource_id: is required, but missing"),
        (json.dumps({**FELT, "resource_id": "service/a/b/c"}), f"resource_id: {_RULE}"),
        (json.dumps({**FELT, "at": "9999-12-31T23:59:59Z"}), "at: must be a time of the years"),
        (json.dumps({**FELT, "at": 1795341612}), "at: must be a time like"),
        (json.dumps({**FELT, "more": ["x" * 300_000]}), "must have at most 262144 bytes"),
    ],
    ids=["empty", "one of the scaler's own", "a service", "a year", "a number", "much"],
)
def test_what_is_no_task_s_message_is_refused(text: str, problem: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_surge(text)

    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be JSON: Expecting value"),
        ("look again", "must be JSON: Expecting value"),
        ('{"recheck": ' + "[" * 100_000, "must be JSON: nested too deeply"),
        ('{"lost": ' + "1" * 5_000 + "}", "must be JSON: a number is too long"),
        ('{"lost": 0, "lost": 1}', "lost: must be given once"),
        ('{"lost": Infinity}', "must hold finite numbers, not Infinity"),
    ],
    ids=["empty", "words", "deep", "many digits", "a key twice", "infinite"],
)
def test_text_that_is_not_json_is_refused(text: str, problem: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_message(text)

    assert str(caught.value).startswith(problem)


def test_every_problem_of_a_body_is_named() -> None:
    with pytest.raises(MessageError) as caught:
        read_message(json.dumps(rechecking(generation="7", attempt=None)))

    assert [problem.path for problem in caught.value.problems] == [
        "recheck.generation",
        "recheck.attempt",
    ]


@given(json_values)
def test_any_json_is_read_or_refused(body: Any) -> None:
    read_or_refused(body)


def forgeries(body: Any, forged: Any) -> Iterator[Any]:
    """Return the body once for each value in it, with that value replaced."""
    yield forged
    if isinstance(body, dict):
        for key, member in body.items():
            yield from ({**body, key: other} for other in forgeries(member, forged))
    if isinstance(body, list):
        for index, member in enumerate(body):
            for other in forgeries(member, forged):
                yield [*body[:index], other, *body[index + 1 :]]


@given(messages, json_values)
def test_a_message_with_any_one_value_forged_is_read_or_refused(
    message: Message, forged: Any
) -> None:
    for body in forgeries(write_message(message), forged):
        read_or_refused(body)


def read_or_refused(body: Any) -> None:
    """Check that whatever is read can be worked with."""
    try:
        message = read_message(json.dumps(body))
    except MessageError:
        return
    assert read_message(json.dumps(write_message(message))) == message
    if isinstance(message.content, Heartbeats):
        for heartbeat in message.content.targets:
            alarms = heartbeat.alarms.items()
            definitions = {name: alarm.definition for name, alarm in alarms if alarm.definition}
            combined_queries(definitions)
            read_window(definitions.values(), NOW)
