"""The deployed functions' calls, writes and logs: counted by a benchmark, kept in a data file.

`python -m benchmarks.calls` writes `counts.json`; a test compares it with a fresh count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).parent / "counts.json"

LOG_EVENT = 26
"""Bytes that CloudWatch Logs adds to each line (*PutLogEvents*, CloudWatch Logs API Reference)."""

WRITE_UNIT = 1024
"""Bytes that one DynamoDB write request unit writes."""
READ_UNIT = 4096
"""Bytes that one DynamoDB read request unit reads, strongly consistent."""


class Case(StrEnum):
    """What is counted: an evaluation of a kind, a heartbeat look, a look at the widget."""

    SCALE_OUT_EVENT = "an alarm's event that scales out"
    HELD_EVENT = "an alarm's event that holds"
    OK_EVENT = "an alarm's event of OK"
    LOST_RACE = "an event that loses the race for the lease"
    HELD_RECHECK = "a re-check that holds"
    CHANGED_RECHECK = "a re-check that changes capacity"
    NO_TARGET_HEARTBEAT = "a heartbeat without a target"
    QUIET_HEARTBEAT = "a heartbeat of a quiet target"
    ANSWERED_HEARTBEAT = "a heartbeat that finds something to do"
    SCHEDULED_ACTION = "a scheduled action, applied"
    DRILL = "a drill, and its alarm's event of OK"
    WIDGET = "a refresh of the dashboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one case takes.

    `calls` counts AWS calls, by `service:Operation`. Units are DynamoDB's request units, `stored`
    the bytes that stay in its table. `metrics_read` are those that GetMetricData is asked for. Log
    lines and bytes are the function's own; Lambda adds its own to each of the `invocations`.
    `metrics` are the custom metrics published, without the service's name. `milliseconds` is how
    long the invocations took on the embedded AWS, which answers faster or slower than AWS.
    """

    calls: Mapping[str, int]
    invocations: int
    write_units: int
    read_units: float
    stored: int
    metrics_read: int
    log_lines: int
    log_bytes: int
    metrics: tuple[str, ...]
    milliseconds: float = 0.0

    def calls_of(self, service: str) -> int:
        """Return how many calls a service gets, e.g. `sqs`."""
        return sum(n for call, n in self.calls.items() if call.startswith(f"{service}:"))

    @property
    def cloudwatch_requests(self) -> int:
        """CloudWatch calls billed per call: all but GetMetricData."""
        return self.calls_of("cloudwatch") - self.calls.get("cloudwatch:GetMetricData", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What the templates create: alarms by resolution, the functions' memory in MB."""

    service_alarms: int
    stack_alarms: int
    dashboards: int
    memory: int
    widget_memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a task's call carries for `seconds`: metrics, and its EMF lines' bytes.

    `line_bytes` are those of the one line of means; `lines` and `lines_bytes` are for a call with
    whole seconds, in which a further metric of each second adds `second_bytes` to each line, and a
    gauge adds `gauge_bytes` once.
    """

    seconds: int
    metrics: int
    line_bytes: int
    gauge_bytes: int
    lines: int
    lines_bytes: int
    second_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What Lambda adds to an invocation's log: START, END and REPORT, in its text format."""

    log_lines: int
    log_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All counts."""

    cases: Mapping[Case, Counts]
    deployed: Deployed
    published: Published
    platform: Platform


def read_counts(text: str | None = None) -> Counted:
    """Return the file's counts; the text is this package's own, so it is not validated."""
    members: Any = json.loads(text or FILE.read_text(encoding="utf-8"))
    return Counted(
        cases={
            Case[name]: Counts(**{**counts, "metrics": tuple(counts["metrics"])})
            for name, counts in members["cases"].items()
        },
        deployed=Deployed(**members["deployed"]),
        published=Published(**members["published"]),
        platform=Platform(**members["platform"]),
    )
