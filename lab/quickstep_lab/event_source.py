"""What Lambda does for a function behind a queue: receive, invoke, delete what succeeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH = 1
"""Messages in one invocation, as in `template.yaml`."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, and the client that reaches it."""

    client: SQSClient
    url: str
    arn: str


def open_queue(client: SQSClient, url: str) -> Queue:
    """Return the queue at `url`."""
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return Queue(client, url, answer["Attributes"]["QueueArn"])


def deliver(queue: Queue, invoke: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
    """Invoke a function with all that the queue has now; without messages, do nothing.

    `invoke` returns the function's answer, or None if the invocation failed. A message of a failed
    invocation, or one that the answer reports as failed, stays in the queue and comes again after
    the visibility timeout.
    """
    while messages := _receive(queue):
        answer = invoke(sqs_event(queue.arn, messages))
        if answer is None:
            continue
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                queue.client.delete_message(
                    QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"]
                )


def _receive(queue: Queue) -> list[MessageTypeDef]:
    answer = queue.client.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=BATCH, MessageSystemAttributeNames=["All"]
    )
    return answer.get("Messages", [])


def sqs_event(arn: str, messages: Sequence[MessageTypeDef]) -> dict[str, Any]:
    """Return the event in which Lambda passes on received messages of the queue `arn`."""
    return {"Records": [_record(arn, message) for message in messages]}


def _record(arn: str, message: MessageTypeDef) -> dict[str, Any]:
    _, _, _, region, _, _ = arn.split(":", 5)
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
