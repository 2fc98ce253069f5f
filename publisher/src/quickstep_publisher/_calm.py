"""Make fewer calls while nothing changes: points wait for a while and go together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep_publisher._points import INTERVAL, Point

if TYPE_CHECKING:
    from quickstep_publisher._points import Interval

BUSY = 0.7
"""A task is calm only while a smaller share of its slots is in use."""
CHANGE = 1.5
"""The rate has changed if it differs from the last call's by at least this factor, up or down."""


class Calm:
    """Keep a calm task's points for up to `seconds`; 0 keeps none.

    The limit bounds the loss: a task killed in the meantime loses its points.
    """

    def __init__(self, seconds: int) -> None:
        self._most = seconds // INTERVAL
        self._kept: list[Point] = []
        self._rate: float | None = None

    def keeps(self, interval: Interval, point: Point) -> bool:
        """Keep a point and return True if it can wait, else return False.

        Example: the last call published 40 requests per second. 52 can wait: the limit is 1.5 times
        40, or three standard errors of a rate over 5 s above it, 40 + 3 √(40 / 5) = 48.5, whichever
        is more. 61 cannot wait.
        """
        rate = interval.arrived / interval.seconds if interval.seconds else 0.0
        rate = rate if interval.demand is None else interval.demand
        last, self._rate = self._rate, rate if self._rate is None else self._rate
        chance = 3 * math.sqrt(max(last or 0.0, 1.0) / INTERVAL)
        calm = (
            last is not None
            and min(last / CHANGE, last - chance) <= rate <= max(last * CHANGE, last + chance)
            and (interval.busy or 0.0) < BUSY
            and len(self._kept) + 1 < self._most
        )
        if calm:
            self._kept.append(point)
        else:
            self._rate = rate
        return calm

    def rest(self) -> Point | None:
        """Return the waiting points as one, or None."""
        return self.all_with(self._kept.pop()) if self._kept else None

    def all_with(self, point: Point) -> Point:
        """Return the waiting points and this one as one, each metric with its own time."""
        kept, self._kept = self._kept, []
        if not kept:
            return point
        earlier = tuple(
            replace(metric, at=metric.at or each.timestamp)
            for each in kept
            for metric in each.metrics
        )
        return Point(point.timestamp, earlier + point.metrics)
