"""Scheduled actions: what EventBridge Scheduler sends becomes an override, applied at once."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from quickstep.report.telemetry import carry_out, logger
from quickstep.settings import ScheduleSettings
from quickstep.wiring import make_schedules

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.loop.schedules import Schedules


@cache
def deployed_schedules() -> Schedules:
    """Return the parts that carry out this account's actions, created at the first action."""
    return make_schedules(ScheduleSettings.from_environment(os.environ))


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, _context: LambdaContext, *, schedules: Schedules | None = None) -> Any:
    """Carry out one scheduled action; an action that breaks a rule is refused, and not retried."""
    return carry_out(schedules or deployed_schedules(), event)
