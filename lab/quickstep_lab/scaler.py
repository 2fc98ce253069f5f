"""The deployed function, run in this process against an embedded AWS."""

from __future__ import annotations

import json
import runpy
import uuid
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields, replace
from logging import StreamHandler
from typing import IO, TYPE_CHECKING, Any, cast

from quickstep.aws.dynamodb import RETENTION
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.loop.documents import MAX_AGE_SECONDS
from quickstep.loop.door import Door
from quickstep.report.telemetry import logger
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_lab.embedded_aws import QUEUE, SURGES, TABLE
from quickstep_lab.event_source import deliver, open_queue
from quickstep_lab.files import HANDLER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.clock import Clock
    from quickstep_lab.embedded_aws import Account

Event = dict[str, Any]
Records = list[dict[str, Any]]

HEARTBEAT: Event = {"heartbeat": {}}
"""EventBridge Scheduler's message once a minute; as in `template.yaml`."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """The function as AWS invokes it; both methods return the records of the decisions made.

    `on_event` takes an alarm's event or the heartbeat; `on_messages` takes what the queues have at
    this moment, if anything: the tasks' surges, and the scaler's own messages.
    """

    on_event: Callable[[Event], Records]
    on_messages: Callable[[], Records]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The parts of a Lambda context that the function's decorators read."""

    aws_request_id: str
    function_name: str = "quickstep-scaler"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:quickstep-scaler"


@dataclass(frozen=True, kw_only=True)
class _OverheardDoor(Door):
    """A door that keeps the results of messages, which the function's answer to a queue lacks.

    No slots: those of a subclass break `super()`.
    """

    overheard: list[DecisionRecord]

    def on_message(self, body: str, queue: str = "") -> list[DecisionRecord]:
        records = super().on_message(body, queue)
        self.overheard.extend(records)
        return records


def embedded_scaler(account: Account, clock: Clock, log: IO[str]) -> Scaler:
    """Return the deployed function over an embedded AWS; its log and metric lines go to `log`."""
    sqs = account.client("sqs")
    surges, rechecks = (
        open_queue(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"]) for name in (SURGES, QUEUE)
    )
    settings = Settings(TABLE, rechecks.url, MAX_AGE_SECONDS, MAX_EVENT_AGE, RETENTION)
    # All parts of the real door, but with the demo's clock.
    made = make_door(settings, account.client)
    parts = {part.name: getattr(made, part.name) for part in fields(made)}
    parts["cycle"] = replace(made.cycle, clock=clock.now)
    door = _OverheardDoor(**parts, overheard=[])
    handler = runpy.run_path(str(HANDLER))["handler"]

    def invoke(event: Event) -> dict[str, Any]:
        context = cast("LambdaContext", Invocation(str(uuid.uuid4())))
        answer: dict[str, Any] = handler(json.loads(json.dumps(event)), context, door=door)
        return answer

    def on_event(event: Event) -> Records:
        with printing_to(log):
            answer = invoke(event)
        if "refused" in answer:
            raise RuntimeError(f"the scaler refused the demo's event: {answer['refused']}")
        decisions: Records = answer["decisions"]
        return decisions

    def invoke_for_queue(event: Event) -> dict[str, Any] | None:
        try:
            return invoke(event)
        except ExceptionGroup:
            # Lambda also logs exceptions.
            logger.exception("The invocation failed; its messages will come again")
            return None

    def on_messages() -> Records:
        with printing_to(log):
            for queue in (surges, rechecks):
                deliver(queue, invoke_for_queue)
        records = [record.as_dict for record in door.overheard]
        door.overheard.clear()
        return records

    return Scaler(on_event, on_messages)


@contextmanager
def printing_to(log: IO[str]) -> Iterator[None]:
    """Send Powertools' log lines, and the metric lines it prints, to `log`."""
    stream = logger.registered_handler
    assert isinstance(stream, StreamHandler)  # noqa: S101 - Powertools makes one by default
    before = stream.setStream(log)
    try:
        with redirect_stdout(log):
            yield
    finally:
        stream.setStream(before)
        log.flush()
