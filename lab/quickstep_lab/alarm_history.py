"""Calls that look back and that moto lacks: alarm history, and other scalers' activities.

moto keeps an alarm's states, so DescribeAlarmHistory can list them in the form of
*AlarmHistoryItem*, CloudWatch API reference. Application Auto Scaling is idle there, and has no
activities.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from quickstep.fields import write_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 100
"""Items in an answer; CloudWatch's own limit."""


@contextmanager
def served() -> Iterator[None]:
    """Make the servers of this process answer the calls."""
    with (
        patch.object(CloudWatchResponse, "describe_alarm_history", _answer, create=True),
        patch.object(
            ApplicationAutoScalingResponse,
            "describe_scaling_activities",
            lambda _: json.dumps({"ScalingActivities": []}),
            create=True,
        ),
    ):
        yield


def _answer(response: Any) -> ActionResult:
    asked = response._get_params()  # noqa: SLF001 - moto's own way to read a request
    name, oldest_first = asked.get("AlarmName"), asked.get("ScanBy") == "TimestampAscending"
    start, end = _moment(asked.get("StartDate")), _moment(asked.get("EndDate"))
    items = [
        item
        for alarm in response.cloudwatch_backend.describe_alarms()
        if name in (None, alarm.name)
        for item in _items(alarm)
        if (start is None or start <= item["Timestamp"])
        and (end is None or item["Timestamp"] <= end)
    ]
    items.sort(key=lambda item: item["Timestamp"], reverse=not oldest_first)
    return ActionResult({"AlarmHistoryItems": items[: int(asked.get("MaxRecords") or MOST)]})


def _moment(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value))


def _items(alarm: Any) -> Iterator[dict[str, Any]]:
    """Yield an alarm's state changes, from the earlier states that moto remembers."""
    states = [(value, reason, at) for _, reason, _, value, at in alarm.history]
    states.append((alarm.state_value, alarm.state_reason, alarm.state_updated_timestamp))
    for (old, old_reason, _), (new, reason, at) in pairwise(states):
        if old == new:
            continue
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        data = {
            "version": "1.0",
            "oldState": {"stateValue": old, "stateReason": old_reason},
            "newState": {"stateValue": new, "stateReason": reason},
            "timestamp": write_moment(moment),
        }
        yield {
            "AlarmName": alarm.name,
            "AlarmType": "MetricAlarm",
            "Timestamp": moment,
            "HistoryItemType": "StateUpdate",
            "HistorySummary": f"Alarm updated from {old} to {new}",
            "HistoryData": json.dumps(data),
        }
