"""CloudWatch's evaluation of alarms, from outside: ministack's knows no M of N, no dimensions."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quickstep_lab.cloudwatch import evaluate_alarms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.cloudwatch import Evaluation
    from quickstep_lab.embedded_aws import Account

EVERY_SECONDS = 1.0
"""CloudWatch takes ten; nobody waits here for what a test does not measure."""


def put_event(account: Account, evaluation: Evaluation) -> None:
    """Put the event of an alarm that has changed its state."""
    event = evaluation.event()
    if event is None:
        return
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Resources": event["resources"],
        "Detail": json.dumps(event["detail"]),
    }
    answer = account.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"the bus did not take the event of an alarm: {answer['Entries']}")


@contextmanager
def alarms_evaluated(account: Account, prefix: str = "quickstep/") -> Iterator[None]:
    """Evaluate alarms every second, in a thread, until the block is left; what it raises, raise."""
    over, errors = threading.Event(), []

    def evaluate() -> None:
        try:
            while not over.wait(EVERY_SECONDS):
                client = account.client("cloudwatch")
                for evaluation in evaluate_alarms(client, prefix, lambda: datetime.now(UTC)):
                    put_event(account, evaluation)
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
