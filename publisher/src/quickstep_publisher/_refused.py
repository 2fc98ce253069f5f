"""Repeat throttled whole seconds once, with the next call."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickstep_publisher._points import Metric, Point

CROWDED = 10.0
"""Seconds after a throttle in which only the usual calls are made: the quota is used up."""


class Refused:
    """Keep a throttled call's whole seconds. Times are monotonic seconds.

    An average does not show how many tasks report, but the scaler counts tasks by their samples, so
    each second gets a second attempt. It gets no extra call, which would be throttled, too.
    """

    def __init__(self) -> None:
        self._kept: tuple[Metric, ...] = ()
        self._crowded_until = -math.inf

    def all_with(self, point: Point) -> Point:
        """Return a point with the refused seconds of the one before, which are then forgotten."""
        kept, self._kept = self._kept, ()
        return replace(point, metrics=(*kept, *point.metrics)) if kept else point

    def keep(self, point: Point, now: float) -> None:
        """Keep a throttled point's whole seconds."""
        self._kept = tuple(metric for metric in point.metrics if metric.at is not None)
        self._crowded_until = now + CROWDED

    def crowded(self, now: float) -> bool:
        """Return whether an extra call would take another task's place."""
        return now < self._crowded_until
