"""Lambda's part of a queue, as the demo plays it: the event's shape is that of the sample event."""

from __future__ import annotations

import json

from quickstep_lab.event_source import sqs_event
from tests.builders import EVENTS


def test_received_messages_are_handed_on_in_the_shape_of_the_sample_event() -> None:
    sample = json.loads((EVENTS / "recheck.json").read_text(encoding="utf-8"))
    (record,) = sample["Records"]
    event = sqs_event(
        record["eventSourceARN"],
        [
            {
                "MessageId": record["messageId"],
                "ReceiptHandle": record["receiptHandle"],
                "Body": record["body"],
                "MD5OfBody": record["md5OfBody"],
                "Attributes": record["attributes"],
            }
        ],
    )
    assert event == sample
