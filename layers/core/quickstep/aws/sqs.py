"""The queue of re-checks."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.aws.failures import calling
from quickstep.engine.outcome import Outcome
from quickstep.protocol.messages import write_message
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from quickstep.protocol.messages import Message

LONGEST_DELAY = timedelta(seconds=900)
BATCH = 10  # the most that SendMessageBatch takes
BATCH_BYTES = 256 * 1024  # for all of its messages together


class SqsMessages:
    """The `Messages` port over an SQS client and a queue."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, message: Message, delay: timedelta) -> None:
        """Send a message; see the port. SQS delays by whole seconds, and by 15 minutes at most.

        A longer wait ends early: the look it brings then waits again.
        """
        with calling("SendMessage"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=_body(message),
                DelaySeconds=_seconds(delay),
            )

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        """Send many messages, up to ten per call; see the port."""
        for batch in _batches([(_body(message), _seconds(delay)) for message, delay in messages]):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(index), "MessageBody": body, "DelaySeconds": seconds}
                for index, (body, seconds) in enumerate(batch)
            ]
            with calling("SendMessageBatch"):
                answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            if failed := answer.get("Failed"):
                codes = ", ".join(sorted({failure["Code"] for failure in failed}))
                why = f"SendMessageBatch: {len(failed)} of {len(entries)} refused: {codes}"
                raise CallFailedError(Outcome.FAILED_OTHER, why)


def _batches(messages: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Split messages into batches that fit into one call."""
    batch: list[tuple[str, int]] = []
    size = 0
    for message in messages:
        added = len(message[0].encode())
        if batch and (len(batch) == BATCH or size + added > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += added
    if batch:
        yield batch


def _body(message: Message) -> str:
    return json.dumps(write_message(message))


def _seconds(delay: timedelta) -> int:
    return math.ceil(min(delay, LONGEST_DELAY).total_seconds())
