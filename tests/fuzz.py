"""Every reader of what others write, fed with what it takes, spoilt in a few places.

python -m tests.fuzz --inputs 200000
python -m tests.fuzz --reader messages --first 4711 --inputs 1     one input again, and shown

A reader takes an input, or refuses it with its documented error, in less than `LONGEST`. What it
takes can be decided on, written and read again.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from dataclasses import dataclass
from itertools import islice
from logging import StreamHandler
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from functions.scaler.handler import handler
from quickstep.alarms.definition import AlarmDefinition, definition_dict, read_definition
from quickstep.alarms.event import EventError, Home, read_event
from quickstep.alarms.known import KnownAlarm
from quickstep.alarms.reading import combined_queries, sample_queries
from quickstep.aws.attributes import from_item, to_item
from quickstep.config import ConfigError, parse_target
from quickstep.engine.model import AlarmState, Direction, Launch, ScalingActivity, State
from quickstep.fields import Field, InvalidDocumentError, Problems, checked_json
from quickstep.loop.schedules import ScheduleError, read_action
from quickstep.protocol.counts import Counts
from quickstep.protocol.line import Turn
from quickstep.protocol.memory import Memory, memory_dict, read_memory
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
from quickstep.protocol.operators import read_operators
from quickstep.report.dashboard.material import Material
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.dashboard.widget import answer
from quickstep.report.telemetry import logger
from quickstep.settings import Settings, SettingsError
from quickstep_cli.explain import answer as explain
from quickstep_cli.failures import CommandError
from quickstep_cli.found import Found, read_answer
from quickstep_cli.import_one import Wish, answer_of, import_one
from quickstep_cli.takeover import cloudformation
from quickstep_cli.tracking_import import Tracking
from quickstep_lab.page.sources import LogError, read_log
from quickstep_lab.scaler import Invocation
from quickstep_lab.traffic import TrafficError, read_rows
from tests.builders import (
    DEFINITION,
    EVENTS,
    HIGH,
    LOW,
    NOW,
    ROOT,
    WEB,
    a_document,
    a_scale_out_record,
    ago,
    points,
)
from tests.fakes import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

LONGEST = 0.05
"""Seconds of processor time."""

CONTEXT: Any = Invocation("request-1")
HOME = Home("123456789012", "us-east-1")


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads, samples of what it takes, how it refuses, and whether it takes JSON as text."""

    read: Callable[[Any], object]
    samples: Sequence[Any]
    refuses: type[Exception] | tuple[type[Exception], ...] | None = None
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a reader neither took nor refused, or took too long for."""

    reader: str
    number: int
    what: str
    given: Any

    def __str__(self) -> str:
        """Return how to give it again."""
        again = f"python -m tests.fuzz --reader {self.reader} --first {self.number} --inputs 1"
        return f"{again}\n    {self.what}\n    {ascii(self.given)[:400]}"


# --- the readers ----------------------------------------------------------------------------------


def _event(given: Any) -> None:
    event = read_event(given, HOME)
    for direction in Direction:
        if definition := event.defined(direction).definition:
            _asked(definition)
    _written(given)


def _object(given: Any) -> Any:
    return given if isinstance(given, dict) else {}


def _asked(definition: AlarmDefinition) -> None:
    _written(combined_queries({HIGH: definition, LOW: DEFINITION}))
    _written(sample_queries({HIGH: definition}))
    _written(definition.metric)


def _written(data: Any) -> None:
    """Write what was read to a queue and to a table."""
    json.dumps(data, allow_nan=False).encode()
    to_item({"data": data})
    assert len(ascii(data)) < 2_000_000


def _definition(given: Any) -> None:
    checked_json(given)
    problems = Problems()
    definition = read_definition(Field(given, "", problems))
    if definition and not problems.found:
        _asked(definition)


def _message(given: str) -> None:
    written = write_message(read_message(given))  # in milliseconds, whatever was given
    assert write_message(read_message(json.dumps(written))) == written


def _surge(given: str) -> None:
    """Read a task's message, and have the scaler receive it, in calm and with a known target."""
    _written(write_message(Message(read_surge(given))))
    world = _world()
    world.remember(MEMORY)
    assert all(not record.outcome.failed for record in world.door.on_message(given, TASKS_QUEUE))


def _action(given: Any) -> None:
    action = read_action(given, NOW)
    state = read_operators({f"override:{action.name}": from_item(to_item(action.entry))})
    assert not state.unreadable
    assert state.schedules[0].active(NOW) == (action.at <= NOW < action.until)


def _item(given: Any) -> None:
    """Read an item, and have the scaler look at a target with this memory and an alarm."""
    memory = read_memory(checked_json(_object(given)))
    _written(memory_dict(memory))
    world = _world()
    world.remember(memory)
    world.alarms[WEB, HIGH] = KnownAlarm(AlarmState.ALARM, ago(60), DEFINITION)
    world.door.on_event({"heartbeat": {}})


def _world() -> World:
    world = World()
    world.documents[WEB.parameter] = json.dumps(a_document())
    world.points.update({HIGH: points(150.0, 160.0, 170.0, samples=8), LOW: points(150.0)})
    return world


def _function(given: Any) -> None:
    """Invoke the function, look again a minute later, and read what it has logged."""
    log, stream = io.StringIO(), logger.registered_handler
    assert isinstance(stream, StreamHandler)
    before = stream.setStream(log)
    records = _object(given).get("Records")
    if isinstance(records, list):  # each is measured; a batch takes as long as its messages
        given = {**given, "Records": records[:2]}
    world = _world()
    try:
        json.dumps(handler(given, CONTEXT, door=world.door)).encode()
        for item in list(world.targets.items.values()):
            written = memory_dict(item.memory)
            assert memory_dict(read_memory(from_item(to_item(written)))) == written
        world.clock.advance(60)
        world.door.on_event({"heartbeat": {}})
    finally:
        stream.setStream(before or sys.stdout)
    for line in log.getvalue().splitlines():
        assert line.isascii()
        json.loads(line)


def _widget(given: Any) -> None:
    def material(resource_id: str, start: Any, end: Any, _now: Any) -> Material:
        return Material(resource_id, start, end)

    deployed: Any = SimpleNamespace(material=material)
    answer(
        given, "arn:aws:lambda:us-east-1:123456789012:function:dashboard", deployed, NOW
    ).encode()


def _log(given: str) -> None:
    """Read a line of a log between two good ones, and draw the page of what was read."""
    lines = [json.dumps(line) for line in LOG]
    for material in read_log("scaler.log", [lines[0], given, lines[1]]):
        document(build_view(material, Look(everything=True)), Printed()).encode()


def _settings(given: Any) -> None:
    variables = {key: value for key, value in _object(given).items() if isinstance(value, str)}
    settings = Settings.from_environment(variables)
    assert NOW - settings.max_event_age < NOW + settings.retention


def _traffic(given: Any) -> None:
    if isinstance(given, str):  # of a file that is read line by line, a part
        read_rows("traffic.csv", io.StringIO(given[:5_000]))


def _explain(given: str) -> None:
    json.dumps(explain(given), allow_nan=False).encode()


def _export(given: str) -> None:
    found = Found("in a file")
    read_answer(found, given)
    for service in found.services:
        made = import_one(found, service, AS_IT_IS)
        json.dumps([answer_of(made), cloudformation(made.taken)], allow_nan=False)


# --- what they take -------------------------------------------------------------------------------

EVENTS_OF_ALARMS = [
    json.loads(path.read_text(encoding="utf-8")) for path in sorted(EVENTS.glob("alarm-*.json"))
]
MATH = {
    **definition_dict(DEFINITION),
    "queries": [
        {"Id": "e1", "Expression": "SUM(METRICS()) / MAX([m1, 'm1']) + METRICS( \"m\" )"},
        {**DEFINITION.queries[0], "ReturnData": False},
    ],
}
ALARM = KnownAlarm(AlarmState.ALARM, ago(30), DEFINITION, ago(20), muted_until=ago(-60))
MESSAGES = [
    write_message(Message(content, lost=1))
    for content in (
        Recheck(WEB, 7, 2, Turn(ago(30), 2, 12), ago(3)),
        Surge(WEB, ago(1)),
        AlarmAgain(EVENTS_OF_ALARMS[0]),
        Heartbeats((Heartbeat(WEB, {HIGH: ALARM, LOW: ALARM}, complete=True),)),
        Sweep("token"),
        Request(WEB, "request-1", NOW, "scale to 9 by me: a sale", 9),
    )
]
MEMORY = Memory(
    State(
        scale_out=ScalingActivity(ago(90), 2, 4),
        scale_in=ScalingActivity(ago(900), 6, 4),
        launches=(Launch(ago(90), 2),),
    ),
    {HIGH: ALARM},
    counts=Counts().commit(2, ago(900)).commit(4, ago(90)),
    generation=7,
    check_at=ago(-5),
    requested_at=ago(900),
    turn=Turn(ago(30), 2, 12),
    surges=(ago(700), ago(20)),
)
FELT = {"resource_id": WEB.resource_id, "at": "2026-11-22T10:00:12.000Z"}
TASKS_QUEUE = "arn:aws:sqs:us-east-1:123456789012:quickstep-SurgeQueue-1A2B.fifo"
ENTRIES = {
    "override": {"min": 2, "max": 9, "from": "2026-11-22T09:00:00Z", "reason": "a sale"},
    "override:night": {"min": None, "max": 2, "until": "2026-11-23T07:00:00.000Z", "by": "night"},
    "pause": {"directions": ["scale-in"], "until": "2026-11-23T07:00:00Z", "reason": "incident"},
}
ACTIONS = [
    {
        "ResourceId": WEB.resource_id,
        "Name": "night",
        "MinCapacity": 1,
        "MaxCapacity": 2,
        "At": "2026-11-22T11:00:00Z",
        "Reason": "nobody is there",
        **end,
    }
    for end in ({"For": "12h"}, {"Until": "2026-11-23T07:00:00+01:00"})
]
ACTIONS.append({"ResourceId": WEB.resource_id, "Name": "night", "At": "2026-11-22T10:00:00Z"})
ACTIONS[-1]["End"] = True
ACTIONS.append({**ACTIONS[0], "Force": True})
CALL = {
    "service": WEB.resource_id,
    "outcome": "SCALED_OUT",
    "page": 2,
    "widgetContext": {
        "timezone": {"offsetISO": "+09:00"},
        "timeRange": {"start": 1795330800000, "end": 1795341600000, "zoom": {"start": 1, "end": 2}},
        "theme": "dark",
        "forms": {"all": {"service": WEB.resource_id}},
        "params": {"service": WEB.resource_id},
        "width": 588,
    },
}
LOG = [
    {"decision": a_scale_out_record("one", ago(30)).as_dict},
    {
        "sample": {
            "resource_id": WEB.resource_id,
            "at": "2026-11-22T10:00:12.000Z",
            "desired": 6,
            "running": 2,
            "requests": 450,
            "failed": 150.5,
            "per_task": 225,
            "thresholds": [{"policy": HIGH, "value": 100, "above": True}],
        }
    },
]
VARIABLES = {
    "TABLE_NAME": "table",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/Rechecks",
    "POLICY_MAX_AGE_SECONDS": "30",
    "MAX_EVENT_AGE_SECONDS": "60",
    "RETENTION_DAYS": "30",
}


def _record(body: Any) -> dict[str, str]:
    return {"messageId": "m", "body": json.dumps(body)}


INVOCATIONS = [
    *EVENTS_OF_ALARMS,
    {"heartbeat": {}},
    # Not that of a sweep: whether a page's token is one, DescribeAlarms says.
    *({"Records": [_record(body)]} for body in MESSAGES if "sweep" not in body),
    {"Records": [{**_record(FELT), "eventSourceARN": TASKS_QUEUE}]},
    {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(MESSAGES[0])}}]},
]
CASES = [
    json.loads(line)
    for path in sorted((ROOT / "docs" / "examples").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if line.strip()
]
AS_IT_IS = Wish(dry_run=True, tracking=Tracking.TARGET, high_resolution=True, proof=False)
EXPORTS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests" / "unit" / "policies").glob("*.json"))
]
CSV = "second,requests\n0,100\n1,120.5\n5,1e3\n60,7\n"

READERS: dict[str, Reader] = {
    "events": Reader(_event, EVENTS_OF_ALARMS, EventError),
    "messages": Reader(_message, MESSAGES, MessageError, as_text=True),
    "surges": Reader(_surge, [FELT], MessageError, as_text=True),
    "documents": Reader(parse_target, [a_document()], ConfigError, as_text=True),
    "actions": Reader(_action, ACTIONS, ScheduleError),
    "items": Reader(_item, [{**memory_dict(MEMORY), **ENTRIES}], InvalidDocumentError),
    "entries": Reader(lambda given: read_operators(_object(given)), [ENTRIES]),
    "definitions": Reader(_definition, [definition_dict(DEFINITION), MATH], InvalidDocumentError),
    "widget": Reader(_widget, [CALL]),
    "log": Reader(_log, LOG, LogError, as_text=True),
    "traffic": Reader(_traffic, [CSV], TrafficError),
    "settings": Reader(_settings, [VARIABLES], SettingsError),
    "explain": Reader(_explain, CASES, as_text=True),
    "exports": Reader(_export, EXPORTS, (CommandError, InvalidDocumentError), as_text=True),
    "function": Reader(_function, INVOCATIONS),
}


# --- how it is spoilt -----------------------------------------------------------------------------

NUMBERS = (0, -1, 1, 2**53, 2**53 + 1, 10**30, 10**400, 1e-310, 5e-324, 1e308, -1e308, 0.1, 1e999)
MOMENTS = (
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2999-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "2026-11-22T10:00:12",
)
TOKENS = (
    *("\ud800", "\udfff", "\x00", "\x1b[2J", "\n", "é", "<script>", '"', "'", "\\", "{", "[", ","),
    *(
        "NaN",
        "-Infinity",
        "1e999",
        "METRICS(",
        "SELECT ",
        ")",
        " ",
        "9",
        "/",
        ".",
        "..",
        "service/",
    ),
)
KEYS = (
    "",
    "at",
    "until",
    "End",
    "muteDetail",
    "triggeringAlarms",
    "Expression",
    "lost",
    "x" * 9999,
)


PLAIN = (*NUMBERS, *MOMENTS, *TOKENS, None, True, False, float("nan"))


def _odd(random: Random) -> Any:
    """Return a value that may be anywhere, and is expected nowhere."""
    plain = random.choice(PLAIN)
    return random.choice(
        (
            plain,
            plain,
            random.choice(TOKENS) * random.choice((0, 1, 2, 300, 20_000)),
            [random.choice((*NUMBERS, *MOMENTS, {}, []))] * random.choice((0, 1, 3, 5_000)),
            dict.fromkeys(map(str, range(random.choice((0, 1, 60, 5_000)))), 0),
            _nested(random.choice((19, 40, 900))),
            {random.choice(KEYS): plain},
        )
    )


MANY = 100
"""So long a list is not made longer: what cannot be delivered is not worth a try."""


def _nested(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def spoilt(value: Any, random: Random) -> Any:
    """Return a copy of JSON-like data, spoilt in one place; also of JSON in a text of it."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        return _spoilt_object(value, random)
    if isinstance(value, list) and value and random.random() < 0.8:
        return _spoilt_list(value, random)
    if isinstance(value, str) and random.random() < 0.7:
        inner = _decoded(value) if random.random() < 0.7 else None
        return json.dumps(spoilt(inner, random)) if inner else spoilt_text(value, random)
    return _odd(random)


def _spoilt_object(value: Mapping[str, Any], random: Random) -> Any:
    key = random.choice(list(value))
    match random.randrange(9):
        case 0:
            return {name: member for name, member in value.items() if name != key}
        case 1:
            return {**value, random.choice(KEYS): _odd(random)}
        case _:
            return {**value, key: spoilt(value[key], random)}


def _spoilt_list(value: list[Any], random: Random) -> Any:
    index = random.randrange(len(value))
    match random.randrange(6):
        case 0:
            return value[:index] + value[index + 1 :]
        case 1:
            return value * random.choice((2, 60)) if len(value) < MANY else value[:MANY]
        case _:
            return [*value[:index], spoilt(value[index], random), *value[index + 1 :]]


def _decoded(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith("{") else None
    except ValueError:
        return None


def spoilt_text(text: str, random: Random) -> str:
    """Return a text with some of it cut, doubled or replaced."""
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((0, 1, 2, 10, 1_000)))
    match random.randrange(4):
        case 0:
            middle = ""
        case 1:
            middle = text[start:end] * random.choice((2, 300))
        case _:
            middle = random.choice(TOKENS) * random.choice((1, 2, 300, 20_000))
    return text[:start] + middle + text[end:]


# --- the run --------------------------------------------------------------------------------------


def given_to(name: str, number: int) -> Any:
    """Return one input of a reader: always the same of a number."""
    random = Random(f"{name} {number}")  # noqa: S311 - no secret
    reader = READERS[name]
    value = random.choice(reader.samples)
    for _ in range(random.choice((1, 1, 2, 3))):
        value = spoilt(value, random)
    if not reader.as_text:
        return value
    text = json.dumps(value)
    return spoilt_text(text, random) if random.random() < 0.2 else text


def findings(name: str, numbers: Iterable[int]) -> Iterator[Finding]:
    """Give a reader its inputs of these numbers, and yield what is wrong."""
    for number in numbers:
        given = given_to(name, number)
        what, seconds = _tried(READERS[name], given)
        if not what and seconds > LONGEST:  # once more, for it may have been the garbage collector
            seconds = min(seconds, _tried(READERS[name], given)[1])
            what = f"took {seconds * 1000:.0f} ms" if seconds > LONGEST else ""
        if what:
            yield Finding(name, number, what, given)


def _tried(reader: Reader, given: Any) -> tuple[str, float]:
    start, what = time.thread_time(), ""
    try:
        reader.read(given)
    except Exception as error:  # noqa: BLE001 - what is not documented is what is looked for
        if reader.refuses is None or not isinstance(error, reader.refuses):
            what = f"{type(error).__name__}: {error}"[:300]
        elif len(str(error)) > 50_000:
            what = f"{type(error).__name__} of {len(str(error))} characters"
    return what, time.thread_time() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Give every reader its share; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many, of all readers")
    parser.add_argument("--first", type=int, default=0, help="the first number")
    parser.add_argument("--reader", choices=READERS, help="this one alone")
    options = parser.parse_args(arguments)
    names = [options.reader] if options.reader else list(READERS)
    share = -(-options.inputs // len(names))
    wrong = 0
    for name in names:
        start = time.thread_time()
        found = list(islice(findings(name, range(options.first, options.first + share)), 20))
        wrong += len(found)
        seconds = time.thread_time() - start
        lines = [f"{name}: {share} inputs in {seconds:.1f} s, {len(found)} wrong", *map(str, found)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
