"""The deployed function, run in this process against an embedded AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from logging import StreamHandler
from typing import IO, TYPE_CHECKING, Any, cast

from functions.scaler.handler import handler
from lab.embedded_aws import TABLE
from quickstep.aws.dynamodb import RETENTION
from quickstep.aws.ssm import MAX_AGE_SECONDS
from quickstep.cycle import MAX_EVENT_AGE
from quickstep.telemetry import logger
from quickstep.wiring import Settings, make_cycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lab.clock import Clock
    from lab.embedded_aws import Account

Scaler = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes an alarm event, returns the record of the decision on it."""


@dataclass(frozen=True, slots=True)
class _Invocation:
    """What the function's decorators read of a Lambda context."""

    aws_request_id: str
    function_name: str = "quickstep-scaler"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:quickstep-scaler"


def embedded_scaler(account: Account, clock: Clock, log: IO[str]) -> Scaler:
    """Return the deployed function over an embedded AWS; its log and metric lines go to `log`."""
    settings = Settings(TABLE, MAX_AGE_SECONDS, MAX_EVENT_AGE, RETENTION)
    cycle = make_cycle(settings, account.session, account.endpoint_url)
    cycle = replace(cycle, clock=clock.now)

    def scaler(event: dict[str, Any]) -> dict[str, Any]:
        context = cast("LambdaContext", _Invocation(str(uuid.uuid4())))
        with _printing_to(log):
            record = handler(json.loads(json.dumps(event)), context, cycle=cycle)
        if "refused" in record:
            raise RuntimeError(f"the scaler refused the demo's event: {record['refused']}")
        return record

    return scaler


@contextmanager
def _printing_to(log: IO[str]) -> Iterator[None]:
    """Send Powertools' log lines, and the metric lines that it prints, to `log`."""
    stream = logger.registered_handler
    assert isinstance(stream, StreamHandler)  # noqa: S101 - Powertools makes one by default
    before = stream.setStream(log)
    try:
        with redirect_stdout(log):
            yield
    finally:
        stream.setStream(before)
        log.flush()
