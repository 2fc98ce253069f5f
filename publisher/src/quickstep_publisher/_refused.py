"""What an account that throttles has refused: its whole seconds go with the next call, once."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickstep_publisher._points import Metric, Point

CROWDED = 10.0
"""Seconds after a refusal in which no call is made but the usual ones: the quota is used up."""


class Refused:
    """Keeps the whole seconds of a call that was throttled. Times are monotonic seconds.

    An average does not show how many report, but tasks are counted by their samples. So a second is
    tried twice. No call is made for it, as that would be refused, too.
    """

    def __init__(self) -> None:
        self._kept: tuple[Metric, ...] = ()
        self._crowded_until = -math.inf

    def all_with(self, point: Point) -> Point:
        """Return a point with what was refused of the one before it, which is then forgotten."""
        kept, self._kept = self._kept, ()
        return replace(point, metrics=(*kept, *point.metrics)) if kept else point

    def keep(self, point: Point, now: float) -> None:
        """Keep the whole seconds of a point, which was throttled."""
        self._kept = tuple(metric for metric in point.metrics if metric.at is not None)
        self._crowded_until = now + CROWDED

    def crowded(self, now: float) -> bool:
        """Whether a call beside the usual ones would take the place of another task's."""
        return now < self._crowded_until
