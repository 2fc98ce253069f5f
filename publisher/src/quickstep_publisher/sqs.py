"""SQS: receive messages in a loop, and count them.

Use it in your worker's loop:

    queue = Queue(boto3.client("sqs"), url)
    while True:
        for message in queue.receive(WaitTimeSeconds=20):
            with queue.job(message):
                work(message["Body"])
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from quickstep_publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep_publisher.protection import TaskProtection


class Queue:
    """A queue whose messages are counted, and deleted once processed.

    Messages begun are RequestsPerSecond, running messages ActiveConnections, the share of `slots`
    in use Utilization. QueueLength is ApproximateNumberOfMessages, read with each point. OldestAge
    is how many seconds the oldest message received last had waited.

    Args:
        client: a boto3 client for sqs.
        url: the queue's URL.
        publisher: by default one configured by the environment.
        slots: how many messages this process handles at once.
        protection: protects the task while it works.
        now: the time of day, in seconds.
    """

    def __init__(
        self,
        client: Any,
        url: str,
        publisher: Publisher | None = None,
        *,
        slots: int = 1,
        protection: TaskProtection | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._url, self._now = client, url, now
        self._publisher = publisher or Publisher(slots=slots)
        self._publisher.load.slots = self._publisher.load.slots or slots
        self._protection = protection
        self._age = 0.0
        self._publisher.gauge("QueueLength", self._waiting, shared=True)
        self._publisher.gauge("OldestAge", lambda: self._age, unit="Seconds")

    def receive(self, **options: Any) -> Sequence[dict[str, Any]]:
        """Return messages; `options` are ReceiveMessage's.

        Raises:
            botocore.exceptions.ClientError: as ReceiveMessage does.
        """
        names = [*options.pop("AttributeNames", []), "SentTimestamp"]
        answer = self._client.receive_message(QueueUrl=self._url, AttributeNames=names, **options)
        messages: Sequence[dict[str, Any]] = answer.get("Messages", [])
        sent = [int(each["Attributes"]["SentTimestamp"]) / 1000 for each in messages]
        self._age = max(0.0, self._now() - min(sent)) if sent else 0.0
        return messages

    @contextmanager
    def job(self, message: dict[str, Any]) -> Iterator[None]:
        """Count a message while the block runs, and delete it if the block succeeds."""
        if self._protection is not None:
            self._protection.begin()
        try:
            with self._publisher.request():
                yield
            handle = message["ReceiptHandle"]
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
        finally:
            if self._protection is not None:
                self._protection.end()

    def _waiting(self) -> float:
        name = "ApproximateNumberOfMessages"
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return float(answer["Attributes"][name])
