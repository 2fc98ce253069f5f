"""The scaler: one CloudWatch alarm state change in, one evaluation of its target."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import correlation_paths

from quickstep.alarm_events import EventError, read_event
from quickstep.telemetry import logger, refuse, report
from quickstep.wiring import Settings, make_cycle

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.cycle import Cycle


@cache
def deployed_cycle() -> Cycle:
    """Return the cycle over this function's account, made at the first event."""
    return make_cycle(Settings.from_environment(os.environ))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.EVENT_BRIDGE, clear_state=True)
def handler(
    event: dict[str, Any], _context: LambdaContext, *, cycle: Cycle | None = None
) -> dict[str, Any]:
    """Evaluate the alarm's target; refuse, without a retry, what is no alarm event of ours."""
    try:
        transition = read_event(event)
    except EventError as error:
        return {"refused": refuse(error)}
    record = (cycle or deployed_cycle()).on_alarm(transition)
    report(record)
    return record.as_dict()
