"""The dashboard: a CloudWatch custom widget over the table's decisions. It only reads."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from quickstep.report.dashboard.widget import answer
from quickstep.wiring import make_dashboard

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.report.dashboard.deployed import Deployed


@cache
def deployed_dashboard() -> Deployed:
    """Return the dashboard for this function's account, created at the first call."""
    return make_dashboard(os.environ["TABLE_NAME"])


def handler(event: Any, context: LambdaContext, *, deployed: Deployed | None = None) -> str:
    """Return the widget's HTML, or its documentation if the console asks for a description."""
    called = context.invoked_function_arn
    return answer(event, called, deployed or deployed_dashboard(), datetime.now(UTC))
