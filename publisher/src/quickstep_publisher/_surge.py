"""Detect a surge from the whole seconds of a task's demand: pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECONDS = 2
"""Whole seconds whose mean is compared with the limit."""
LEVEL, SIGMAS = 1.5, 3.0
"""Times the target, and standard deviations above it. 1.3 times cost more and raised false
alarms."""
PAST_LEVEL, PAST_SIGMAS = 2.0, 5.0
"""The same relative to the last minute's mean, if no target is known."""
PAST, FEWEST = 60, 20
"""Seconds of the past, at most and at least."""
SLOT = 2
"""Seconds between a task's messages about a surge: the queue accepts one per slot."""
SLOTS = 5
"""Messages about one surge; after these 10 s the alarm has seen it, too."""
CALM = 10
"""Seconds without a surge, after which the next one counts as new."""


@dataclass(frozen=True)
class Second:
    """A whole second, by its number since the epoch, and how many requests arrived in it."""

    number: int
    demand: float


def limit(target: float | None, past: Sequence[float]) -> float:
    """Return the mean over SECONDS above which a task is in a surge; infinite if unknown.

    Arrivals are Poisson distributed, so with a target of 100 the mean of 2 s has a deviation of
    √(100 / 2).

    Examples: a target of 100: 150, as 100 + 3 √50 = 121 is less. A target of 4: 4 + 3 √2 = 8.2, as
    6 is less. No target, and 50 a second in the last minute: 100, as 50 + 5 √25 = 75 is less.
    """
    if target is not None:
        return max(LEVEL * target, target + SIGMAS * math.sqrt(target / SECONDS))
    if len(past) < FEWEST:
        return math.inf
    usual = max(1.0, sum(past) / len(past))
    return max(PAST_LEVEL * usual, usual + PAST_SIGMAS * math.sqrt(usual / SECONDS))


class Surges:
    """Detect surges, second by second, and say when to report one.

    Args:
        target: requests per second that a task should carry; None if unknown.
    """

    def __init__(self, target: float | None) -> None:
        self._target = target
        self._seconds: deque[Second] = deque(maxlen=PAST + SECONDS)
        self._told = 0
        self._slot = -1
        self._felt = -math.inf
        self._peak = 0.0

    def feels(self, seconds: Iterable[Second]) -> bool:
        """Return whether to report a surge now, from the newest seconds.

        Seconds may be passed repeatedly; known ones are ignored. A surge is reported once per SLOT,
        in at most SLOTS of them. Growth by LEVEL makes it a new one.
        """
        last = self._seconds[-1].number if self._seconds else -1
        new = [each for each in seconds if each.number > last]
        self._seconds.extend(new)
        if not new or len(self._seconds) < SECONDS:
            return False
        *past, _, newest = self._seconds
        mean = sum(each.demand for each in list(self._seconds)[-SECONDS:]) / SECONDS
        if mean <= limit(self._target, [each.demand for each in past]):
            return False
        if newest.number - self._felt > CALM or mean > LEVEL * self._peak:
            self._told, self._peak = 0, mean
        self._felt = newest.number
        slot = newest.number // SLOT
        if slot == self._slot or self._told == SLOTS:
            return False
        self._slot = slot
        self._told += 1
        return True
