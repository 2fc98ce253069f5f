"""How long the CloudWatch widget takes to build, and how large it is.

python -m benchmarks dashboard
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Benchmark, Figure, Goal, Quantity
from quickstep.aws.attributes import from_item, to_item
from quickstep.protocol.memory import Memory
from quickstep.report.dashboard.deployed import Deployed, Found
from quickstep.report.dashboard.material import Metric, Point, Threshold
from quickstep.report.dashboard.widget import SIZE_LIMIT, answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERVICE = "service/prod/web"
COUNTS = (100, 1_000, 10_000)
PROMISED_MILLIS = {1_000: 100.0}
"""Limit of CPU time to build the widget, by number of decisions."""
RUNS = 5
_REASON = (
    "Scaled out from 6 to 7: only 2 of 6 tasks are reporting; spread over all 6, expect 125 "
    "requests/s each (high-request-rate is at 375 requests/s, above its threshold of 100: adds 4 "
    "tasks)"
)


def item(number: int, count: int) -> dict[str, Any]:
    """Return one record as DynamoDB stores it, as large as a re-check's."""
    at = NOW - HOUR * (number + 1) / (count + 1)
    changed = number % 3 == 0
    before, granted = 6 + number % 7, 6 + number % 7 + changed
    record = {
        "id": f"{number:032x}",
        "at": f"{at.isoformat(timespec='milliseconds')[:-6]}Z",
        "resource_id": SERVICE,
        "outcome": "SCALED_OUT" if changed else "HELD_CAPACITY_ON_ITS_WAY",
        "reason": f"Scaled out from {before} to {granted}: {_REASON}",
        "from": before,
        "wanted": granted,
        "granted": granted,
        "trigger": {"kind": "re-check", "generation": number, "attempt": 0},
        "service": {
            "desired": before,
            "running": before - 1,
            "pending": 1,
            "deployment_in_progress": False,
        },
        "alarms": {
            policy: {"state": "ALARM", "threshold": 100, "datapoints": [375.2], "muted": False}
            for policy in ("high-request-rate", "low-request-rate")
        },
        "trail": [
            {"guard": guard, "before": before, "after": granted, "why": _REASON}
            for guard in ("steps", "capacity-on-its-way", "bounds")
        ],
        "alarm_to_update_ms": 32 if changed else None,
        "waited_ms": None,
        "next_check_in": 10,
    }
    return to_item(record)


class Answered:
    """Answers at once with what DynamoDB and CloudWatch would return."""

    def __init__(self, count: int) -> None:
        self.items = [item(number, count) for number in range(count)]

    def between(self, *_: object) -> Found:
        """Return the records, read from their items."""
        return Found(tuple(map(from_item, self.items)), None, complete=True)

    def memory(self, _: str) -> Memory:
        """Return an empty memory: the metrics are the same with any."""
        return Memory()

    def read(self, *_: object) -> tuple[Metric, ...]:
        """Return an hour of a metric, one datapoint every 10 s."""
        points = tuple(Point(NOW - timedelta(seconds=10 * n), 60.0 + n % 90) for n in range(360))
        thresholds = (
            Threshold("high-request-rate", 100, above=True),
            Threshold("low-request-rate", 30, above=False),
        )
        return (Metric("RequestsPerSecond, Average", points[::-1], thresholds),)


def event() -> Mapping[str, Any]:
    """Return the console's call for the last hour."""
    millis = NOW.timestamp() * 1000
    time_range = {"start": millis - 3_600_000, "end": millis}
    return {
        "service": SERVICE,
        "widgetContext": {"timeRange": time_range, "theme": "dark", "width": 1200},
    }


def measure(count: int) -> tuple[float, int]:
    """Return CPU seconds and bytes of one answer about `count` decisions."""
    answered = Answered(count)
    deployed = Deployed(answered, answered)
    seconds, html = [], ""
    for _ in range(RUNS):
        started = time.process_time()
        html = answer(event(), "arn:aws:lambda:us-east-1:1:function:f", deployed, NOW)
        seconds.append(time.process_time() - started)
    return min(seconds), len(json.dumps(html).encode())


def figures() -> Iterator[Figure]:
    """Yield the answer's time and size, by number of decisions."""
    for count in COUNTS:
        seconds, size = measure(count)
        promised = PROMISED_MILLIS.get(count)
        yield Figure(
            f"{count:,} decisions: CPU",
            Quantity(seconds * 1000, "ms"),
            goal=Goal(at_most=promised) if promised else None,
        )
        yield Figure(
            f"{count:,} decisions: answer",
            Quantity(size / 1024, "KiB"),
            goal=Goal(at_most=SIZE_LIMIT / 1024),
        )


BENCHMARK = Benchmark(
    "dashboard",
    "The CloudWatch widget",
    "CPU time to make the widget, from DynamoDB's items and an hour of datapoints to the HTML: the"
    " best of several runs, without waiting for AWS. Lambda limits the size of the answer.",
    figures,
)
