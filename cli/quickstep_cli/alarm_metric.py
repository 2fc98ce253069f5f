"""An alarm's metric, in PutMetricAlarm's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

METRIC_KEYS = (
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
    "Unit",
    "Period",
    "Metrics",
)
"""The keys that say which metric an alarm watches, and in which periods."""


def metric_keys_of(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an alarm watches: its metric's keys."""
    return {key: alarm[key] for key in METRIC_KEYS if key in alarm}


def metric_of(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str
) -> dict[str, Any]:
    """Return a metric's keys, without a period."""
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
    }
