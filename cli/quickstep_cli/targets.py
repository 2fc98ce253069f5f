"""An account's targets, and the records of their decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from quickstep.config import ConfigError, parse_target_of
from quickstep.fields import write_moment
from quickstep.naming import ServiceName, parse_resource_id
from quickstep_cli.aws import wait_for
from quickstep_cli.failures import CommandError, Exit, explain_error
from quickstep_cli.history import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep.engine.model import ScalableTarget
    from quickstep_cli.aws import Aws
    from quickstep_cli.history import Record

PATH = "/quickstep"
POLL = timedelta(seconds=0.5)
"""How often to look for an awaited record."""
_PREFIX = "decision#"
_PARAMETERS = 10
"""GetParameters' maximum."""
_LAST = "decision$"  # $ sorts after #: above every record


def documents(aws: Aws) -> dict[ServiceName, str]:
    """Return every target's stored policy document, by service."""
    found = {}
    pages = aws.client("ssm").get_paginator("get_parameters_by_path")
    for page in pages.paginate(Path=PATH, Recursive=True):
        for parameter in page["Parameters"]:
            name = parse_resource_id(f"service{parameter['Name'].removeprefix(PATH)}")
            if name is not None:
                found[name] = parameter["Value"]
    return found


def stored_document(aws: Aws, service: ServiceName) -> str | None:
    """Return a target's stored policy document, or None."""
    client = aws.client("ssm")
    try:
        return str(client.get_parameter(Name=service.parameter)["Parameter"]["Value"])
    except client.exceptions.ParameterNotFound:
        return None


def stored_documents(aws: Aws, services: Sequence[ServiceName]) -> dict[ServiceName, str]:
    """Return the stored policy documents of these services, ten per call; some may have none."""
    named, found = {one.parameter: one for one in services}, {}
    for start in range(0, len(named), _PARAMETERS):
        names = list(named)[start : start + _PARAMETERS]
        for parameter in aws.client("ssm").get_parameters(Names=names)["Parameters"]:
            found[named[parameter["Name"]]] = str(parameter["Value"])
    return found


@dataclass(frozen=True, slots=True)
class Version:
    """A target's document as stored at a moment; `doubt` says why another may have been in force.

    `at` and `by` say when it was written and by whom; None and empty if unknown.
    """

    text: str
    at: datetime | None = None
    by: str = ""
    number: int = 0
    doubt: str = ""


def versions(aws: Aws, service: ServiceName) -> list[Version]:
    """Return the versions of a target's document, oldest first; SSM keeps the newest hundred."""
    pages = aws.client("ssm").get_paginator("get_parameter_history")
    found = [
        Version(
            one["Value"], one["LastModifiedDate"], _arn(one.get("LastModifiedUser")), one["Version"]
        )
        for page in pages.paginate(Name=service.parameter)
        for one in page["Parameters"]
    ]
    return sorted(found, key=lambda version: version.number)


def _arn(text: Any) -> str:
    return text if isinstance(text, str) and text.startswith("arn:") else ""


def document_at(aws: Aws, service: ServiceName, moment: datetime) -> Version:
    """Return a target's document as stored at a moment; the oldest known if that is later."""
    try:
        known = versions(aws, service)
    except ClientError as error:
        why = (
            f"the document in force then, as its history cannot be read: {explain_error(error)[1]}"
        )
        return Version(stored_document(aws, service) or "", doubt=why)
    before = [version for version in known if version.at and version.at <= moment]
    if before:
        return before[-1]
    why = "the document in force then: the oldest version that SSM keeps is newer"
    return replace(known[0], doubt=why)


def write_document(aws: Aws, service: ServiceName, text: str) -> None:
    """Overwrite a target's policy document; its tags stay."""
    aws.client("ssm").put_parameter(
        Name=service.parameter,
        Value=text,
        Type="String",
        Overwrite=True,
        Tier="Intelligent-Tiering",  # the standard tier takes at most 4 KB
    )


def the_target(aws: Aws, service: ServiceName) -> ScalableTarget:
    """Return a target that must exist.

    Raises:
        CommandError: it has no policy document, or an invalid one.
    """
    text = stored_document(aws, service)
    if text is None:
        known = ", ".join(one.resource_id for one in sorted(documents(aws), key=str)) or "none"
        why = (
            f"no such target: {service.parameter} does not exist in {aws.region}; there are {known}"
        )
        raise CommandError(Exit.NOT_FOUND, why)
    try:
        return parse_target_of(service, text)
    except ConfigError as error:
        raise CommandError(Exit.NO, f"{service.parameter}: {error}") from error


def newest_records(
    aws: Aws, service: ServiceName, most: int, outcome: str | None = None
) -> list[Record]:
    """Return a target's newest decision records, newest first, from one page of results.

    With an outcome, only the records that have it.
    """
    question = _records(aws, service, _PREFIX, _LAST)
    if outcome is not None:
        question["FilterExpression"] = "outcome = :outcome"
        question["ExpressionAttributeValues"][":outcome"] = {"S": outcome}
    answer = aws.client("dynamodb").query(**question, ScanIndexForward=False, Limit=most)
    return [_plain(item) for item in answer["Items"]]


def records_since(aws: Aws, service: ServiceName, since: datetime) -> Iterator[Record]:
    """Yield a target's decision records since a moment, oldest first."""
    yield from _pages(aws, service, f"{_PREFIX}{write_moment(since)}", _LAST)


def awaited(
    aws: Aws,
    service: ServiceName,
    since: datetime,
    answers: Callable[[Record], bool],
    seconds: int,
) -> Record | None:
    """Return the first record since a moment that answers, or None if none comes in time."""
    for tries in count():
        found = next(filter(answers, records_since(aws, service, since)), None)
        if found or tries * POLL >= timedelta(seconds=seconds):
            return found
        wait_for(POLL)
    return None


def records_between(
    aws: Aws, service: ServiceName, since: datetime, until: datetime
) -> Iterator[Record]:
    """Yield a target's decision records in a time span, both ends included, oldest first."""
    yield from _pages(aws, service, f"{_PREFIX}{write_moment(since)}", _last_of(until))


def record_before(aws: Aws, service: ServiceName, moment: datetime) -> Record | None:
    """Return the newest decision record before a moment, or None."""
    answer = aws.client("dynamodb").query(
        **_records(aws, service, _PREFIX, f"{_PREFIX}{write_moment(moment)}"),
        ScanIndexForward=False,
        Limit=1,
    )
    return next((_plain(item) for item in answer["Items"]), None)


def record_after(aws: Aws, service: ServiceName, moment: datetime) -> Record | None:
    """Return the oldest decision record after a moment, or None."""
    answer = aws.client("dynamodb").query(
        **_records(aws, service, _last_of(moment), _LAST), Limit=1
    )
    return next((_plain(item) for item in answer["Items"]), None)


def kept_for(aws: Aws, service: ServiceName) -> timedelta:
    """Return how long records are kept, according to the newest; without one, the default."""
    from quickstep.aws.dynamodb import RETENTION  # noqa: PLC0415 - boto3 takes its time

    answer = aws.client("dynamodb").query(
        **_records(aws, service, _PREFIX, _LAST), ScanIndexForward=False, Limit=1
    )
    for item in answer["Items"]:
        expires = item.get("expires_at", {}).get("N", "")
        at = datetime.fromisoformat(_plain(item)["at"])
        if expires.isdecimal():
            return timedelta(seconds=max(0, int(expires) - round(at.timestamp())))
    return RETENTION


def _last_of(moment: datetime) -> str:
    """Return a key that sorts after every record of a moment, and before those of the next."""
    return f"{_PREFIX}{write_moment(moment)}#~"


def _pages(aws: Aws, service: ServiceName, first: str, last: str) -> Iterator[Record]:
    pages = aws.client("dynamodb").get_paginator("query")
    for page in pages.paginate(**_records(aws, service, first, last)):
        yield from (_plain(item) for item in page["Items"])


def _records(aws: Aws, service: ServiceName, first: str, last: str) -> dict[str, Any]:
    return {
        "TableName": aws.table,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":pk": {"S": service.resource_id},
            ":first": {"S": first},
            ":last": {"S": last},
        },
        "ConsistentRead": True,
    }


def _plain(item: dict[str, Any]) -> Record:
    from quickstep.aws.attributes import from_item  # noqa: PLC0415 - boto3 takes its time

    return read_record(from_item(item))
