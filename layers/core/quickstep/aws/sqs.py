"""The queue of re-checks."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.aws.failures import calling
from quickstep.engine.outcome import Outcome
from quickstep.messages import write_message
from quickstep.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from quickstep.messages import Message

LONGEST_DELAY = timedelta(seconds=900)
BATCH = 10  # the most that SendMessageBatch takes


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
        """Send many messages, ten a call; see the port."""
        for start in range(0, len(messages), BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(index), "MessageBody": _body(message), "DelaySeconds": _seconds(delay)}
                for index, (message, delay) in enumerate(messages[start : start + BATCH])
            ]
            with calling("SendMessageBatch"):
                answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            if failed := answer.get("Failed"):
                codes = ", ".join(sorted({failure["Code"] for failure in failed}))
                why = f"SendMessageBatch: {len(failed)} of {len(entries)} refused: {codes}"
                raise CallFailedError(Outcome.FAILED_OTHER, why)


def _body(message: Message) -> str:
    return json.dumps(write_message(message))


def _seconds(delay: timedelta) -> int:
    return math.ceil(min(delay, LONGEST_DELAY).total_seconds())
