"""The targets of an account, and the records of their decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.config import ConfigError, parse_target_of
from quickstep.fields import write_moment
from quickstep.naming import ServiceName, parse_resource_id
from quickstep_cli.aws import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget
    from quickstep_cli.aws import Aws

PATH = "/quickstep"
_PREFIX = "decision#"
_PARAMETERS = 10
"""The most that GetParameters takes."""
_LAST = "decision$"  # $ follows #: above every record

Record = dict[str, Any]


def documents(aws: Aws) -> dict[ServiceName, str]:
    """Return the policy document of every target, by service, as it is stored."""
    found = {}
    pages = aws.client("ssm").get_paginator("get_parameters_by_path")
    for page in pages.paginate(Path=PATH, Recursive=True):
        for parameter in page["Parameters"]:
            name = parse_resource_id(f"service{parameter['Name'].removeprefix(PATH)}")
            if name is not None:
                found[name] = parameter["Value"]
    return found


def stored_document(aws: Aws, service: ServiceName) -> str | None:
    """Return a target's policy document as it is stored; None where there is none."""
    client = aws.client("ssm")
    try:
        return str(client.get_parameter(Name=service.parameter)["Parameter"]["Value"])
    except client.exceptions.ParameterNotFound:
        return None


def stored_documents(aws: Aws, services: Sequence[ServiceName]) -> dict[ServiceName, str]:
    """Return the stored policy documents of those services that have one, ten a call."""
    named, found = {one.parameter: one for one in services}, {}
    for start in range(0, len(named), _PARAMETERS):
        names = list(named)[start : start + _PARAMETERS]
        for parameter in aws.client("ssm").get_parameters(Names=names)["Parameters"]:
            found[named[parameter["Name"]]] = str(parameter["Value"])
    return found


def write_document(aws: Aws, service: ServiceName, text: str) -> None:
    """Write a target's policy document over the one that there is; its tags stay."""
    aws.client("ssm").put_parameter(
        Name=service.parameter,
        Value=text,
        Type="String",
        Overwrite=True,
        Tier="Intelligent-Tiering",  # beyond 4 KB the standard tier takes none
    )


def the_target(aws: Aws, service: ServiceName) -> ScalableTarget:
    """Return a target that has to be there.

    Raises:
        CommandError: it has no policy document, or none that is valid.
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
    """Return a target's newest decision records, newest first: as many as one answer has.

    With an outcome, those of the newest that have it.
    """
    question = _records(aws, service, _PREFIX)
    if outcome is not None:
        question["FilterExpression"] = "outcome = :outcome"
        question["ExpressionAttributeValues"][":outcome"] = {"S": outcome}
    answer = aws.client("dynamodb").query(**question, ScanIndexForward=False, Limit=most)
    return [_plain(item) for item in answer["Items"]]


def records_since(aws: Aws, service: ServiceName, since: datetime) -> Iterator[Record]:
    """Yield a target's decision records from a moment on, oldest first."""
    pages = aws.client("dynamodb").get_paginator("query")
    for page in pages.paginate(**_records(aws, service, f"{_PREFIX}{write_moment(since)}")):
        yield from (_plain(item) for item in page["Items"])


def _records(aws: Aws, service: ServiceName, above: str) -> dict[str, Any]:
    return {
        "TableName": aws.table,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :above AND :last",
        "ExpressionAttributeValues": {
            ":pk": {"S": service.resource_id},
            ":above": {"S": above},
            ":last": {"S": _LAST},
        },
        "ConsistentRead": True,
    }


def _plain(item: dict[str, Any]) -> Record:
    from quickstep.aws.attributes import from_item  # noqa: PLC0415 - boto3 takes its time

    record = from_item(item)
    for key in ("pk", "sk", "expires_at"):
        record.pop(key, None)
    return record
