"""The queues whose jobs services work off: how many messages SQS counts in them."""

from __future__ import annotations

import json
from concurrent.futures import wait
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.aws.failures import Kind, calling, failure, kind_of
from quickstep.engine.backlog import QueueReading
from quickstep.engine.outcome import Outcome
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_COUNTED: dict[str, QueueAttributeNameType] = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


READERS = 16
"""Queues read at the same time."""

WITHIN = timedelta(seconds=3)
"""How long one poll reads its queues: longer than a single unanswered call, and short enough to
leave time for evaluations before the function's timeout."""


class SqsQueues:
    """The `Queues` port over an SQS client, with a few threads.

    A queue that was not read `within` this time counts as unread, because a poll must end before
    its function does. The client makes each call once: the next poll is the next attempt.
    """

    def __init__(
        self, client: SQSClient, executor: ThreadPoolExecutor, within: timedelta = WITHIN
    ) -> None:
        self._client = client
        self._executor = executor
        self._within = within
        self._urls: dict[str, str] = {}

    def read(self, names: Sequence[str]) -> Mapping[str, QueueReading | CallFailedError]:
        """Read queues, each separately; see the port."""
        futures = {name: self._executor.submit(self._reading, name) for name in names}
        wait(futures.values(), timeout=self._within.total_seconds())
        return {name: self._answer(name, future) for name, future in futures.items()}

    def _answer(self, name: str, future: Future[QueueReading]) -> QueueReading | CallFailedError:
        if future.done():
            error = future.exception()
            return error if isinstance(error, CallFailedError) else future.result()
        future.cancel()
        why = f"GetQueueAttributes: {name} was not read within {self._within.total_seconds():g} s"
        return CallFailedError(Outcome.FAILED_OTHER, why)

    def _reading(self, name: str) -> QueueReading:
        with calling(f"GetQueueUrl of {name}"):
            url = self._urls.get(name) or self._client.get_queue_url(QueueName=name)["QueueUrl"]
        self._urls[name] = url
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=url, AttributeNames=[*_COUNTED.values(), "RedrivePolicy"]
            )
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and kind_of(error) is Kind.NOT_FOUND:
                self._urls.pop(name, None)  # a queue that is created again may have another URL
            raise failure(f"GetQueueAttributes of {name}", error) from error
        attributes = answer.get("Attributes", {})
        counts = {kind: int(attributes[name]) for kind, name in _COUNTED.items()}
        return QueueReading(**counts, dead_letters=_dead_letters(attributes.get("RedrivePolicy")))


def _dead_letters(redrive: str | None) -> str:
    """Return the name of a queue's dead-letter queue, if it has one."""
    arn: str = json.loads(redrive).get("deadLetterTargetArn", "") if redrive else ""
    return arn.rpartition(":")[2]
