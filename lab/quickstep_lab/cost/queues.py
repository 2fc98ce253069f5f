"""The monthly cost of reading an account's queues: calls, invocations, lines of a bill.

Pure. It uses the constants of the code that polls. How long a function runs for a poll was not
measured on AWS: it is modelled, from a call's duration and its CPU time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.engine.backlog import POLL_SECONDS
from quickstep.loop.polls import DELAYS, PAGES, WHOLE_MINUTES, pause_of_empty
from quickstep.protocol.polls import MOST_POLLED
from quickstep_lab.cost.counts import LOG_EVENT, READ_UNIT, WRITE_UNIT
from quickstep_lab.cost.model import HEARTBEATS, SECONDS, TAKEN, Line, Part
from quickstep_lab.cost.prices import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.cost.counts import Counted

POLL_MILLISECONDS = 20.0
"""A poll that reads one queue: sequential calls of about 10 ms each (modelled)."""

READ_MILLISECONDS = 2.0
"""CPU of one more read, for a function with half a core (modelled: 0.45 ms without the network on a
core of the machine that this was written on)."""

PAGE_MILLISECONDS = 40.0
"""A page of documents, with the pause after it (modelled)."""

PAGE = 10
"""Documents per page."""

MESSAGE_BYTES = 100
"""Bytes of a poll message for one target, and for one queue's name."""

CHUNK = 65_536
"""Bytes that SQS counts as one request."""

BATCH = 10

ITEM_BYTES = 1_500
"""An item that a poll reads, and writes if its queue has changed: about 1 KB without alarms."""


@dataclass(frozen=True, slots=True)
class Polling:
    """An account's targets with queues, and how many of them are not long empty.

    Each has `queues` queues.
    """

    targets: int
    busy: int = 0
    queues: int = 1

    @property
    def pause(self) -> int:
        """Seconds between readings of a queue that is long empty."""
        return pause_of_empty(self.targets)

    @property
    def reads_a_second(self) -> float:
        """Calls of GetQueueAttributes. Example: 12.5 for 1,000 empty queues; 0.1 for one."""
        targets = self.busy / POLL_SECONDS + (self.targets - self.busy) / self.pause
        return self.queues * targets

    @property
    def messages(self) -> int:
        """Poll messages per minute, each an invocation. Example: 18 for 250 targets."""
        return len(DELAYS) * math.ceil(self.targets / MOST_POLLED)

    @property
    def pages(self) -> float:
        """Pages of documents read per minute: the first ones, and all every five minutes."""
        every = math.ceil(self.targets / PAGE)
        return min(every, PAGES) + max(0, every - PAGES) / WHOLE_MINUTES


def polling_lines(polling: Polling, counted: Counted) -> Iterator[Line]:
    """Yield the monthly cost of polling an account's queues, without evaluations.

    Each poll of a queue that is not long empty is assumed to change what is remembered of it.
    """
    reads = polling.reads_a_second * SECONDS
    invocations = polling.messages * HEARTBEATS
    size = polling.targets * MESSAGE_BYTES * len(DELAYS)
    sends = max(math.ceil(polling.messages / BATCH), math.ceil(size / CHUNK)) * HEARTBEATS
    milliseconds = (
        invocations * POLL_MILLISECONDS
        + reads * READ_MILLISECONDS
        + polling.pages * HEARTBEATS * PAGE_MILLISECONDS
    )
    gigabytes = counted.deployed.memory / 1024
    changed = polling.busy / POLL_SECONDS * SECONDS
    platform = counted.platform
    logged = invocations * (platform.log_bytes + platform.log_lines * LOG_EVENT)
    requests = sends + TAKEN * invocations
    writes = changed * math.ceil(ITEM_BYTES / WRITE_UNIT)
    units_read = changed * math.ceil(ITEM_BYTES / READ_UNIT) / 2
    yield Line(Part.SQS, "GetQueueAttributes", Meter.QUEUE_REQUEST, reads)
    yield Line(Part.SQS, "poll messages", Meter.QUEUE_REQUEST, requests)
    yield Line(Part.LAMBDA, "polls", Meter.LAMBDA_REQUEST, invocations)
    yield Line(Part.LAMBDA, "polls", Meter.LAMBDA_GB_SECOND, milliseconds / 1000 * gigabytes)
    yield Line(Part.DYNAMODB, "reads by polls", Meter.READ_UNIT, units_read)
    yield Line(Part.DYNAMODB, "writes by polls", Meter.WRITE_UNIT, writes)
    yield Line(Part.LOGS, "polls", Meter.LOG_INGESTED, logged)
