"""Report a surge: one message to the scaler's surge queue."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from quickstep_publisher._calls import Client, calls, kind_of, said_of
from quickstep_publisher._surge import SLOT
from quickstep_publisher._trouble import Kind, NotPublishedError

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep_publisher._points import Address

_ACTION = "sqs:SendMessage"
_URL = re.compile(r"https?://[^\s/]+/[^\s]*\.fifo")
_GROUP = 32
"""Hexadecimal digits of a service's digest: SQS allows up to 128 characters for a group."""
_SAYS = {
    Kind.THROTTLED: "The surge queue is throttled",
    Kind.CREDENTIALS: "The surge queue rejects the AWS credentials",
    Kind.DENIED: f"The surge queue denies a message; the task's role needs {_ACTION}",
    Kind.UNREACHABLE: "The surge queue is not well",
    Kind.REFUSED: "The surge queue refuses a message",
}


class SurgeTransport(Protocol):
    """How a publisher reports a surge, from its own thread."""

    def tell(self, address: Address, at: datetime) -> None:
        """Report that one of the service's tasks is in a surge.

        Raises:
            NotPublishedError: the report was not accepted.
        """


class SurgeQueue:
    """The scaler's surge queue: one SendMessage, in one attempt.

    When several of a service's tasks detect a surge in the same SLOT, their messages share a
    deduplication id, and the queue accepts one. It only asks for a look: the load comes from
    CloudWatch.

    Args:
        url: the queue's URL, an output of the scaler's stack.
        client: a boto3 client for sqs, to use instead of a new one.

    Raises:
        ValueError: the URL is not a FIFO queue's.
    """

    def __init__(self, url: str, client: Any = None) -> None:
        if not _URL.fullmatch(url):
            raise ValueError(f"the surge queue must be the URL of a FIFO queue, not {url!r}")
        self._url, self._client = url, Client("sqs", client)

    def prepare(self) -> None:
        """Create the client now: during a surge it would take too long."""
        with calls("The surge queue", _ACTION, _refused):
            self._client.get()

    def tell(self, address: Address, at: datetime) -> None:
        """Send the message."""
        resource_id = f"service/{address.cluster}/{address.service}"
        group = hashlib.sha256(resource_id.encode()).hexdigest()[:_GROUP]
        said = {"resource_id": resource_id, "at": at.isoformat(timespec="milliseconds")}
        with calls("The surge queue", _ACTION, _refused):
            self._client.get().send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps(said),
                MessageGroupId=group,
                MessageDeduplicationId=f"{group}-{int(at.timestamp()) // SLOT}",
            )


def _refused(answer: dict[str, Any]) -> NotPublishedError:
    kind = kind_of(answer)
    return NotPublishedError(kind, f"{_SAYS[kind]} ({said_of(answer)})")


def surge_queue(url: str | None) -> SurgeQueue | None:
    """Return the queue at a URL, ready to send; None without one.

    Raises:
        NotPublishedError: the URL is invalid, or no Region is set.
    """
    try:
        queue = SurgeQueue(url) if url else None
    except ValueError as error:
        raise NotPublishedError(Kind.SETTINGS, f"QUICKSTEP_SURGE_QUEUE: {error}") from None
    if queue is not None:
        queue.prepare()
    return queue
