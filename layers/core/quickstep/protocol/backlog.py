"""What is known about a target's queues, as the item stores it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickstep.config import MAX_QUEUES
from quickstep.engine.backlog import Backlog, Queue, QueueReading
from quickstep.fields import Field, write_moment, write_optional_moment
from quickstep.protocol.patience import needs_list, read_needs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

LONGEST_PROBLEM = 300
"""How many characters are kept of the reason why a queue was not read."""

_COUNTS = ("visible", "in_flight", "delayed")


def backlog_dict(backlog: Backlog) -> dict[str, Any]:
    """Return what is known about queues as JSON-ready data."""
    return {
        "queues": {policy: _queue_dict(queue) for policy, queue in backlog.queues.items()},
        "needs": needs_list(backlog.needs),
        "empty_since": write_optional_moment(backlog.empty_since),
    }


def _queue_dict(queue: Queue) -> dict[str, Any]:
    return {
        "at": write_moment(queue.at),
        "reading": reading_dict(queue.reading) if queue.reading else None,
        "arrivals": queue.arrivals,
        "trouble": queue.trouble[:LONGEST_PROBLEM],
    }


def reading_dict(reading: QueueReading) -> dict[str, Any]:
    """Return a reading as JSON-ready data, with its dead-letter queue if it has one."""
    counts = {name: getattr(reading, name) for name in _COUNTS}
    return {**counts, "dead_letters": reading.dead_letters} if reading.dead_letters else counts


def read_backlog(field: Field | None) -> Backlog | None:
    """Read what `backlog_dict` wrote; note what is unreadable."""
    if field is None:
        return None
    members = field.whole("queues", "needs", "empty_since", strict=True)
    queues = members["queues"].members(at_most=MAX_QUEUES)
    return Backlog(
        {policy: _read_queue(each) for policy, each in queues.items()},
        tuple(read_needs(members["needs"])),
        members["empty_since"].optional_moment(),
    )


def _read_queue(field: Field) -> Queue:
    members = field.whole("at", "reading", "arrivals", "trouble", strict=True)
    reading = members["reading"].optional()
    arrivals = members["arrivals"].number()
    if arrivals < 0:
        members["arrivals"].wrong("must be at least 0")
    return Queue(
        members["at"].moment(),
        read_reading(reading) if reading else None,
        arrivals,
        members["trouble"].text(),
    )


def read_reading(field: Field) -> QueueReading:
    """Read `{"visible", "in_flight", "delayed"}`; missing counts are 0."""
    members = field.whole(optional=(*_COUNTS, "dead_letters"), strict=True)
    counts = {name: members[name].integer(0) for name in _COUNTS}
    return QueueReading(**counts, dead_letters=members["dead_letters"].text())


def backlog_as_of(backlog: Backlog, past: Callable[[datetime], datetime]) -> Backlog:
    """Return the backlog with times corrected that a host whose clock was ahead wrote."""
    queues: Mapping[str, Queue] = {
        policy: replace(queue, at=past(queue.at)) for policy, queue in backlog.queues.items()
    }
    return Backlog(
        queues,
        tuple(replace(need, at=past(need.at)) for need in backlog.needs),
        backlog.empty_since and past(backlog.empty_since),
    )
