"""Numbers, times and units as people say them, for a decision's reason; the trail is exact.

The sentences themselves are in the modules that decide, such as `step_policy` or `guards`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

WHOLE = 10
"""Numbers from here on are rounded to whole ones."""

_UNITS = {
    "RequestsPerSecond": " requests/s",
    "ApproximateNumberOfMessagesVisible": " messages",
    "CPUUtilization": "%",
    "MemoryUtilization": "%",
    "QueueTime": " ms",
}
"""The units of known metrics, as they follow a number."""

_ADDED_UP = (" requests/s", " messages")
"""Units in which a service's value is the sum of its tasks' values."""


def number(value: float) -> str:
    """Return a number as people say it: 2,385 for 2384.7, 16 for 16.1292, 0.29 for 0.289."""
    return f"{math.floor(value + 0.5):,}" if abs(value) >= WHOLE else f"{value:.2g}"


def exact(value: float) -> str:
    """Return a number for the trail, with up to six digits. Example: 112.333."""
    return f"{value:g}"


def limit(value: float) -> str:
    """Return a number as the person who chose it wrote it. Examples: 1,000 and 0.75."""
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def beside(value: float, other: float) -> str:
    """Return a number as people say it, with enough digits to differ from another.

    Examples: 16 beside 30, 99.5 beside 100, 0.596 beside 0.6.
    """
    texts = (number(value), f"{value:,.1f}", f"{value:,.2f}", f"{value:g}")
    apart = (text for text in texts if float(text.replace(",", "")) != other)
    return texts[0] if value == other else next(apart, repr(value))


def compared(value: float, threshold: float, unit: str = "") -> str:
    """Return a value, and on which side of a threshold it is.

    Examples: `at 16, below its threshold of 30`; `at 100, its threshold`.
    """
    said = f"at {beside(value, threshold)}{unit}"
    if value == threshold:
        return f"{said}, its threshold"
    side = "above" if value > threshold else "below"
    return f"{said}, {side} its threshold of {limit(threshold)}"


def many(count: int | str, what: str) -> str:
    """Return a number of things. Examples: `1 look`, `2,385 looks`."""
    said = f"{count:,}" if isinstance(count, int) else count
    return f"{said} {what}{'' if count == 1 else 's'}"


def tasks(count: int | str) -> str:
    """Return a number of tasks."""
    return many(count, "task")


def clock(moment: datetime) -> str:
    """Return a time of day. Example: `10:00:12 UTC`."""
    return f"{moment:%H:%M:%S} UTC"


def unit_of(metric: str) -> str:
    """Return the unit of a task's value; empty if it is not known, or the metric is computed."""
    if "Expression" in metric:
        return ""
    return next((unit for name, unit in _UNITS.items() if name in metric), "")


def needs(value: float, metric: str) -> str:
    """Return the load of all tasks and its verb.

    Examples: `2,385 requests/s need`, `1 message needs`, `a load of 960 needs`.
    """
    said, unit = number(value), unit_of_load(metric)
    if not unit:
        return f"a load of {said} needs"
    return (
        f"{said}{unit.removesuffix('s')} needs"
        if said == "1" and "/" not in unit
        else f"{said}{unit} need"
    )


def unit_of_load(metric: str) -> str:
    """Return the unit of the load of all tasks; empty if values do not add up."""
    unit = unit_of(metric)
    return unit if unit in _ADDED_UP else ""
