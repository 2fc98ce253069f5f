"""What the functions write: one line of JSON each, log and metrics together."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from logging import StreamHandler
from typing import TYPE_CHECKING, Any

from quickstep.report.telemetry import logger

if TYPE_CHECKING:
    import pytest

Lines = Callable[[], list[dict[str, Any]]]


def overhear(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return how to get what has been written since."""
    log = io.StringIO()
    handler = logger.registered_handler
    assert isinstance(handler, StreamHandler)
    handler.setStream(log)

    def written() -> list[dict[str, Any]]:
        text = log.getvalue() + capsys.readouterr().out
        return [json.loads(line) for line in text.splitlines()]

    return written


def metrics_in(lines: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the values that CloudWatch finds in them, by name and names of the dimensions.

    Example: {("Quickstep/Decisions", "Outcome,ResourceId"): 1}
    """
    return {
        (f"{directive['Namespace']}/{metric['Name']}", ",".join(sorted(names))): line[
            metric["Name"]
        ]
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
