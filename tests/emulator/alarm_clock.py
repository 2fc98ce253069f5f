"""CloudWatch's evaluation of alarms, from outside: ministack's knows no M of N, no dimensions."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quickstep_lab.cloudwatch import evaluate_alarms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

EVERY_SECONDS = 1.0
"""CloudWatch takes ten; nobody waits here for what a test does not measure."""


def evaluate_once(account: Account, prefix: str, event_seconds: float = 0.0) -> None:
    """Evaluate the alarms whose names start with `prefix`, by the lab's rules; put their events.

    An event leaves so many seconds after all have been evaluated.
    """
    client, events = account.client("cloudwatch"), account.client("events")
    evaluations = evaluate_alarms(client, prefix, lambda: datetime.now(UTC))
    if event_seconds:
        evaluations = iter(list(evaluations))
        time.sleep(event_seconds)
    for evaluation in evaluations:
        event = evaluation.event()
        if event is None:
            continue
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Resources": event["resources"],
            "Detail": json.dumps(event["detail"]),
        }
        answer = events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"the bus did not take the event of an alarm: {answer['Entries']}")


@contextmanager
def alarms_evaluated(account: Account, prefix: str = "quickstep/") -> Iterator[None]:
    """Evaluate alarms every second, in a thread, until the block is left; what it raises, raise."""
    over, errors = threading.Event(), []

    def evaluate() -> None:
        try:
            while not over.wait(EVERY_SECONDS):
                evaluate_once(account, prefix)
        except Exception as error:  # noqa: BLE001 - raised below, in the test
            errors.append(error)

    thread = threading.Thread(target=evaluate, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]
