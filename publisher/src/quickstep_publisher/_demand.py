"""How much is asked of a task, which is more than what it takes: pure, from what was sampled.

A saturated server lets no more reach the application than it can serve. What comes beyond waits in
the kernel's listen queue, or in the server's own, of which only the time that requests wait tells.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_WAIT = 60.0
"""Seconds; a request that seems to have waited longer, or less than none, says nothing."""
FEW = 12
"""Fewer requests than this say only for how long they have waited at least."""
WAITING = 1.0
"""Seconds of queue time from which on a task is overloaded, whatever else it says."""
NOTICED = 0.25
"""Seconds of queue time whose growth may be counted as requests."""
EXPLAINED = 0.5
"""The share of queue time from which on connections that are known to wait are all that do."""
FASTEST_GROWTH = 0.9
"""Seconds a second: beyond, more than 10 times what is served would be said to arrive."""
_LONGEST_HEADER = 512
_SPREAD = 0.5  # of the median of n times that are cut to whole seconds: 0.5 / √n
_POINTS = 3
_ERRORS = 3

_SENT = re.compile(r"(?:^|;)\s*(Self|Root)=1-([0-9a-fA-F]{8})-")


def sent_at(header: str) -> int | None:
    """Return the second at which the load balancer got a request, by its X-Amzn-Trace-Id.

    `Self` is the balancer's own; `Root` is, unless a client has sent one. None if neither is there.

    Example: "Self=1-67891234-12456789abcdef01;Root=1-00000001-abcdef01" is 0x67891234.
    """
    found = dict(_SENT.findall(header[:_LONGEST_HEADER]))
    sent = found.get("Self") or found.get("Root")
    return None if sent is None else int(sent, 16)


def waited(header: str, now: float) -> float | None:
    """Return for how long a request has waited at most, in seconds; it is at most 1 s less.

    None where the header says nothing that can be: clients write headers, too.
    """
    sent = sent_at(header)
    if sent is None or not 0 <= now - sent <= LONGEST_WAIT + 1:
        return None
    return now - sent


def queue_time(waits: Sequence[float]) -> float:
    """Return how long requests have waited, from what `waited` says of them.

    The balancer's times are cut to whole seconds, so each request seems to have waited 0.5 s longer
    than it has, on average. Of few requests, what is certain: 1 s less.

    Example: 0.9, 1.5 and 1.2 s say that requests waited 0.2 s at least; 100 times the same, 0.7 s.
    """
    return max(0.0, median(waits) - (0.5 if len(waits) >= FEW else 1.0))


@dataclass(frozen=True)
class Wait:
    """How long requests waited in a second; `requests` is 0 where the time itself was measured."""

    second: int
    seconds: float
    requests: int


@dataclass(frozen=True)
class Trend:
    """How queue time changes, in seconds a second; 0 where that may be chance."""

    growth: float
    last: float


def trend(waits: Sequence[Wait]) -> Trend:
    """Return the least-squares trend through the queue times of some seconds.

    It begins with the last second that was calm, and counts beyond three standard errors. Example:
    0.0, 0.0, 0.1, 0.9 and 1.7 s grow by 0.8 s a second, since the third. 97 requests in each of 5 s
    give the queue time to 0.5 / √97 = 0.05 s, and a trend to 0.05 / √10 = 0.016 s a second. One
    error is taken off: what it makes of a growth near 1 would else be many times too much.
    """
    waits = sorted(waits, key=lambda wait: wait.second)
    if not waits:
        return Trend(0.0, 0.0)
    last = waits[-1].seconds
    calm = [n for n, wait in enumerate(waits) if wait.seconds < NOTICED / 2]
    waits = waits[calm[-1] if calm else 0 :]
    if len(waits) < _POINTS:
        return Trend(0.0, last)
    middle = sum(wait.second for wait in waits) / len(waits)
    mean = sum(wait.seconds for wait in waits) / len(waits)
    spread = sum((wait.second - middle) ** 2 for wait in waits)
    growth = sum((w.second - middle) * (w.seconds - mean) for w in waits) / spread
    fewest = min(wait.requests for wait in waits)
    chance = _SPREAD / math.sqrt(fewest) if fewest else NOTICED / 5
    left = sum((w.seconds - mean - growth * (w.second - middle)) ** 2 for w in waits)
    # What the line leaves is an error too: queue time does not grow evenly where a server accepts
    # many connections at once.
    error = max(chance, math.sqrt(left / (len(waits) - 2))) / math.sqrt(spread)
    if abs(growth) <= _ERRORS * chance / math.sqrt(spread):
        return Trend(0.0, last)
    return Trend(math.copysign(max(0.0, abs(growth) - error), growth), last)


def demand(
    begun: float,
    queued: float,
    change: Trend,
    *,
    waiting: int = 0,
    full: bool = False,
    held: float = 0.0,
) -> float:
    """Return how many requests per second arrive at a task.

    Args:
        begun: requests per second that reached the application.
        queued: requests per second by which what is known to wait has grown, or shrunk.
        change: of the queue time.
        waiting: how many requests are known to wait.
        full: whether connections were turned away.
        held: the demand when the task could last tell.

    Examples: 97 begin, and the listen queue grows by 303 a second: 400. 97 begin, and queue time
    grows by 0.7575 s a second: of the requests of a second, those of 0.2425 s have begun, so
    97 / 0.2425 = 400. 97 begin, and nothing grows any more because the queue is full: the 400 of
    before; the same while only queue time tells, until requests wait for less than WAITING.

    Queue time is the less exact of the two witnesses, and heard only where the other does not see
    the queue. Example: 400 are known to wait, of which 97 begin a second: that explains 4.1 s, and
    so a queue time of up to 8.2 s. Of 0 that are known to wait and 2 s, the queue is the server's.
    """
    rate = max(0.0, begun + queued)
    growing = change.growth > 0 and change.last > NOTICED
    seen = waiting >= EXPLAINED * change.last * begun
    if growing and not seen:
        rate = max(rate, begun / (1 - min(change.growth, FASTEST_GROWTH)))
    # Also where queue time falls: a server that accepts many connections at once makes it fall in
    # the midst of an overload. What is worked off is held for too long rather than too short.
    stuck = full or (not seen and change.last > WAITING and not growing)
    if stuck:
        rate = max(rate, held)
    return rate
