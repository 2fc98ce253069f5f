"""Metrics inside a log line, in CloudWatch's embedded metric format.

    embedded(now, MetricSet((Metric("Decisions", 1),), {"ResourceId": "service/prod/web"}))
    {"_aws": {"Timestamp": 1795341600000, "CloudWatchMetrics": [{
        "Namespace": "Quickstep", "Dimensions": [["ResourceId"]],
        "Metrics": [{"Name": "Decisions", "Unit": "Count"}]}]},
     "ResourceId": "service/prod/web", "Decisions": 1}

Powertools writes one extra line for each set of dimensions: four more per decision, all billed by
the byte. The format itself allows any number of sets in any line of JSON.

Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NAMESPACE = "Quickstep"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's value; `unit` is one of CloudWatch's."""

    name: str
    value: float
    unit: str = "Count"


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Metrics with the same dimensions. Within a line, a dimension has one value in all sets."""

    metrics: tuple[Metric, ...]
    dimensions: Mapping[str, str] = field(default_factory=dict)


def embedded(now: datetime, *sets: MetricSet) -> dict[str, Any]:
    """Return the members that a log line needs for CloudWatch to find its metrics."""
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": round(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(each.dimensions)],
                    "Metrics": [{"Name": m.name, "Unit": m.unit} for m in each.metrics],
                }
                for each in sets
            ],
        }
    }
    for each in sets:
        line.update(each.dimensions)
        line.update({metric.name: metric.value for metric in each.metrics})
    return line
