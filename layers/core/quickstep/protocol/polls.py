"""The messages by which queues are found and read.

    {"survey": {"next_token"}}                                            go on through documents
    {"poll":   {"at", "of", "targets": {"service/prod/web": ["jobs"]}}}   read these queues then

A survey finds targets that nobody knows yet. A poll is one of a minute's six for up to 100 targets;
`of` is the number of all targets with a queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.config import MAX_QUEUES
from quickstep.fields import Field, write_moment
from quickstep.naming import (
    QUEUE_NAME,
    QUEUE_NAME_RULE,
    RESOURCE_ID_RULE,
    ServiceName,
    parse_resource_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MOST_POLLED = 100
"""Targets in one message."""

MOST_TARGETS = 1_000_000


@dataclass(frozen=True, slots=True)
class Survey:
    """The page of policy documents to begin with; None is the first."""

    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """Queues to read at a given time; `of` is the number of all targets with a queue."""

    at: datetime
    targets: Mapping[ServiceName, tuple[str, ...]]
    of: int


def survey_dict(survey: Survey) -> dict[str, Any]:
    """Return a survey as JSON-ready data."""
    return {"next_token": survey.next_token}


def poll_dict(poll: Poll) -> dict[str, Any]:
    """Return a poll as JSON-ready data."""
    targets = {name.resource_id: list(queues) for name, queues in poll.targets.items()}
    return {"at": write_moment(poll.at), "of": poll.of, "targets": targets}


def read_survey(field: Field) -> Survey:
    """Read what `survey_dict` wrote; note what is wrong."""
    token = field.whole("next_token", strict=True)["next_token"].optional()
    return Survey(token.text() if token else None)


def read_poll(field: Field) -> Poll:
    """Read what `poll_dict` wrote; note what is wrong."""
    members = field.whole("at", "of", "targets", strict=True)
    return Poll(
        members["at"].moment(),
        _read_targets(members["targets"]),
        members["of"].integer(1, MOST_TARGETS),
    )


def _read_targets(field: Field) -> dict[ServiceName, tuple[str, ...]]:
    targets: dict[ServiceName, tuple[str, ...]] = {}
    for resource_id, queues in field.members(at_most=MOST_POLLED).items():
        name = parse_resource_id(resource_id)
        if name is None:
            queues.wrong(RESOURCE_ID_RULE, seen=False)
            continue
        items = queues.items(at_least=1, at_most=MAX_QUEUES)
        targets[name] = tuple(each.text(QUEUE_NAME, QUEUE_NAME_RULE) for each in items)
    return targets
