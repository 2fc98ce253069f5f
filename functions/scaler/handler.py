"""The scaler: turns alarm events, messages from its queue and heartbeats into evaluations."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import correlation_paths

from quickstep.report.telemetry import deliver, deliver_each, logger
from quickstep.settings import Settings
from quickstep.wiring import make_door

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.loop.door import Door


@cache
def deployed_door() -> Door:
    """Return the scaler for this function's account."""
    return make_door(Settings.from_environment(os.environ))


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
    # In Lambda, this runs before the first event if there is provisioned concurrency or a snapshot
    # (SnapStart). Nothing created here has to differ between function instances.
    deployed_door()


@logger.inject_lambda_context(correlation_id_path=correlation_paths.EVENT_BRIDGE, clear_state=True)
def handler(event: Any, _context: LambdaContext, *, door: Door | None = None) -> Any:
    """Evaluate an event or a batch; a failed message comes back without the rest of its batch."""
    scaler = door or deployed_door()
    if isinstance(event, dict) and "Records" in event:
        return deliver_each(scaler.on_message, event["Records"], scaler.announcer.announce)
    return deliver(scaler.on_event, event, scaler.announcer.announce)
