"""The messages in the scaler's queue, as JSON: work left for later, and requests.

    {"recheck":   {"resource_id", "generation", "attempt", "turn"}}    look again
    {"alarm":     <the alarm's event>}                                 answer it now: it lost a race
    {"looks":     {"describe", "targets"}}                             look at targets of a cluster
    {"sweep":     {"next_token"}}                                      go on paging through alarms
    {"request":   {"resource_id", "id", "at", "what", "capacity"}}     apply someone's wish
    {"surge":     {"resource_id", "at"}}                               a task's surge, once more
    {"survey":    ...}   {"poll": ...}                                 queues: see `polls`

`lost` counts the races that a message has lost. Messages are as untrusted as events.

Tasks have their own queue. Anything in it is read as a task's surge and as nothing else, because
the right to ask for a look is not the right to ask for a capacity.

    {"resource_id", "at"}                                              a task feels a surge
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.alarms.known import known_dict, read_known
from quickstep.config import MAX_POLICIES, MAX_TASKS
from quickstep.fields import (
    Field,
    InvalidDocumentError,
    Problem,
    Problems,
    parse_json,
    write_moment,
    write_optional_moment,
)
from quickstep.naming import RESOURCE_ID, RESOURCE_ID_RULE, ServiceName, parse_resource_id
from quickstep.protocol.line import read_turn, write_turn
from quickstep.protocol.polls import (
    Poll,
    Survey,
    poll_dict,
    read_poll,
    read_survey,
    survey_dict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.protocol.line import Turn

MAX_ATTEMPTS = 1_000
MAX_GENERATION = 2**53
MAX_DESCRIBED = 10  # services in one DescribeServices
MAX_RECORDS = 10_000  # messages in one SQS batch
LONGEST_TEXT = 1_000
"""How many characters a request may say about itself."""

_DESCRIBED = ("state", "at", "definition", "disabled")
"""What DescribeAlarms reports about an alarm."""


class MessageError(InvalidDocumentError):
    """A message that the scaler did not write."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """A look at a target that was scheduled earlier; see `Look` for its members."""

    service: ServiceName
    generation: int
    attempt: int = 0
    turn: Turn | None = None
    felt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlarmAgain:
    """An alarm's event, now or once more."""

    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The minute's look at a target, with its alarms as DescribeAlarms returns them, by policy.

    `complete` says that there are no others: those known from before were deleted. `listed_at` is
    when they were listed, as the message may arrive late or twice; None is just now.
    """

    service: ServiceName
    alarms: Mapping[str, KnownAlarm]
    complete: bool = False
    listed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Up to ten targets of one cluster to look at; `describe` says whether to ask ECS."""

    targets: tuple[Heartbeat, ...]
    describe: bool = True


@dataclass(frozen=True, slots=True)
class Sweep:
    """The page of alarms to begin with; None is the first."""

    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Something that an operator or a schedule has changed, to be applied at once.

    `what` describes it in words. A `capacity` is to be set once. Without one, the target is
    evaluated as it is, and its capacity brought within its bounds. `at` is the asker's clock.
    """

    service: ServiceName
    id: str
    at: datetime
    what: str
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Surge:
    """A task of the service feels more load than it should carry; `at` is the task's clock."""

    service: ServiceName
    at: datetime


Content = Recheck | AlarmAgain | Heartbeats | Sweep | Request | Surge | Survey | Poll


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and how many races for the lease it has lost."""

    content: Content
    lost: int = 0


def write_message(message: Message) -> dict[str, Any]:
    """Return a message as JSON-ready data."""
    return {**_write_content(message), "lost": message.lost}


def _write_content(message: Message) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    match message.content:
        case Recheck() as recheck:
            body = {
                "resource_id": recheck.service.resource_id,
                "generation": recheck.generation,
                "attempt": recheck.attempt,
                "turn": write_turn(recheck.turn),
            }
            if recheck.felt_at:
                body["felt_at"] = write_moment(recheck.felt_at)
            return {"recheck": body}
        case AlarmAgain(event):
            return {"alarm": dict(event)}
        case Heartbeats(targets, describe):
            written = [_write_heartbeat(target) for target in targets]
            return {"looks": {"describe": describe, "targets": written}}
        case Sweep(next_token):
            return {"sweep": {"next_token": next_token}}
        case Request() as request:
            body = {
                "resource_id": request.service.resource_id,
                "id": request.id,
                "at": write_moment(request.at),
                "what": request.what,
                "capacity": request.capacity,
            }
            return {"request": body}
        case Surge(service, at):
            return {"surge": {"resource_id": service.resource_id, "at": write_moment(at)}}
        case Survey() as survey:
            return {"survey": survey_dict(survey)}
        case Poll() as poll:
            return {"poll": poll_dict(poll)}
        case _:
            assert_never(message.content)


def _write_heartbeat(heartbeat: Heartbeat) -> dict[str, Any]:
    return {
        "resource_id": heartbeat.service.resource_id,
        "alarms": {
            policy: {key: value for key, value in known_dict(alarm).items() if key in _DESCRIBED}
            for policy, alarm in heartbeat.alarms.items()
        },
        "complete": heartbeat.complete,
        "listed_at": write_optional_moment(heartbeat.listed_at),
    }


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as SQS delivers it; `queue` is the ARN of its queue, as Lambda reports it."""

    id: str
    body: str
    queue: str = ""


def read_records(records: Any) -> list[Delivered]:
    """Return the messages that SQS delivers.

    Raises:
        MessageError: they come from another source, such as SNS, and lack an id or a body.
    """
    problems = Problems()
    read = []
    for record in Field(records, "Records", problems).items(at_least=1, at_most=MAX_RECORDS):
        members = record.whole("messageId", "body", optional=("eventSourceARN",))
        message_id, queue = members["messageId"].text(), members["eventSourceARN"].text()
        read.append(Delivered(message_id, members["body"].value, queue))
        if not isinstance(members["body"].value, str):
            members["body"].wrong("must be a string")
    if problems.found:
        rule = "must be messages of a queue; what SNS or another source sends is not applied"
        raise MessageError([Problem("Records", rule), *problems.found])
    return read


def read_surge(text: str) -> Surge:
    """Read a task's message from its JSON text; members added by a later publisher are ignored.

    Raises:
        MessageError: it does not say which service, and when.
    """
    problems = Problems()
    surge = _read_surge(_root(text, problems))
    problems.raise_any(MessageError)
    return surge


def read_message(text: str) -> Message:
    """Read a message from its JSON text.

    Raises:
        MessageError: `write_message` did not write it.
    """
    problems = Problems()
    root = _root(text, problems)
    members = root.members(optional=("lost", *_READERS))
    kinds = [kind for kind in _READERS if kind in members]
    if len(kinds) != 1:
        root.wrong(f"must have one of {', '.join(_READERS)}")
    problems.raise_any(MessageError)
    lost = members["lost"].integer(0, MAX_ATTEMPTS) if "lost" in members else 0
    content = _READERS[kinds[0]](members[kinds[0]])
    problems.raise_any(MessageError)
    return Message(content, lost)


def _root(text: str, problems: Problems) -> Field:
    try:
        return Field(parse_json(text), "", problems)
    except InvalidDocumentError as error:
        raise MessageError(error.problems) from None


def _read_recheck(field: Field) -> Recheck:
    keys = ("resource_id", "generation", "attempt", "turn")
    members = field.whole(*keys, optional=("felt_at",), strict=True)
    return Recheck(
        _service(members["resource_id"]),
        members["generation"].integer(0, MAX_GENERATION),
        members["attempt"].integer(0, MAX_ATTEMPTS),
        read_turn(members["turn"].optional()),
        members["felt_at"].optional_moment(),
    )


def _read_alarm_again(field: Field) -> AlarmAgain:
    field.members()
    return AlarmAgain(field.value)


def _read_heartbeats(field: Field) -> Heartbeats:
    members = field.whole("describe", "targets", strict=True)
    targets = members["targets"].items(at_least=1, at_most=MAX_DESCRIBED)
    heartbeats = tuple(_read_heartbeat(target) for target in targets)
    if len({heartbeat.service.cluster for heartbeat in heartbeats}) > 1:
        members["targets"].wrong("must be services of one cluster")
    return Heartbeats(heartbeats, members["describe"].boolean())


def _read_heartbeat(field: Field) -> Heartbeat:
    # The previous release wrote no time.
    keys = ("resource_id", "alarms", "complete")
    members = field.whole(*keys, optional=("listed_at",), strict=True)
    alarms = members["alarms"].members(at_most=MAX_POLICIES)
    return Heartbeat(
        _service(members["resource_id"]),
        {policy: read_known(alarm) for policy, alarm in alarms.items()},
        members["complete"].boolean(),
        members["listed_at"].optional_moment(),
    )


def _read_sweep(field: Field) -> Sweep:
    token = field.whole("next_token", strict=True)["next_token"].optional()
    return Sweep(token.text() if token else None)


def _read_request(field: Field) -> Request:
    members = field.whole("resource_id", "id", "at", "what", "capacity", strict=True)
    return Request(
        _service(members["resource_id"]),
        members["id"].text("[0-9A-Za-z-]{1,64}", "must be 1 to 64 letters, digits and -"),
        members["at"].moment(),
        members["what"].text(
            rf"(?s).{{0,{LONGEST_TEXT}}}", f"must have at most {LONGEST_TEXT} characters"
        ),
        members["capacity"].optional_integer(0, MAX_TASKS),
    )


def _read_surge(field: Field) -> Surge:
    members = field.whole("resource_id", "at")
    return Surge(_service(members["resource_id"]), members["at"].moment())


def _service(field: Field) -> ServiceName:
    named = parse_resource_id(field.text(RESOURCE_ID, RESOURCE_ID_RULE))
    return named or ServiceName("", "")


_READERS: dict[str, Callable[[Field], Content]] = {
    "recheck": _read_recheck,
    "alarm": _read_alarm_again,
    "looks": _read_heartbeats,
    "sweep": _read_sweep,
    "request": _read_request,
    "surge": _read_surge,
    "survey": read_survey,
    "poll": read_poll,
}
