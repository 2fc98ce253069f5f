"""Compute a task's demand, which may exceed what it serves: pure, from the slots' samples.

A saturated server passes on to the application only what it can serve. The rest waits in the
kernel's listen queue or in the server's own, which shows only in how long requests wait.
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
"""Seconds; a longer or negative wait cannot be true and is ignored."""
FEW = 12
"""With fewer requests than this, only the certain part of their wait counts."""
WAITING = 1.0
"""Seconds of queue time from which on a task is overloaded, whatever other signals say."""
NOTICED = 0.25
"""Only queue time above this many seconds may have its growth counted as requests."""
EXPLAINED = 0.5
"""If waiting connections explain this share of queue time, no other queue is assumed."""
FASTEST_GROWTH = 0.9
"""Seconds a second; faster growth would claim more than 10 times the requests served."""
_LONGEST_HEADER = 512
_SPREAD = 0.5  # for the median of n times cut to whole seconds: 0.5 / √n
_POINTS = 3
_ERRORS = 3

_SENT = re.compile(r"(?:^|;)\s*(Self|Root)=1-([0-9a-fA-F]{8})-")


def sent_at(header: str) -> int | None:
    """Return the second in which the load balancer got a request, from its X-Amzn-Trace-Id.

    The balancer writes `Self`, and `Root` unless a client has sent one. None without either.

    Example: "Self=1-67891234-12456789abcdef01;Root=1-00000001-abcdef01" is 0x67891234.
    """
    found = dict(_SENT.findall(header[:_LONGEST_HEADER]))
    sent = found.get("Self") or found.get("Root")
    return None if sent is None else int(sent, 16)


def waited(header: str, now: float) -> float | None:
    """Return the longest that a request can have waited, in seconds; 1 s less is certain.

    None if the header shows no plausible time: clients write headers, too.
    """
    sent = sent_at(header)
    if sent is None or not 0 <= now - sent <= LONGEST_WAIT + 1:
        return None
    return now - sent


def queue_time(waits: Sequence[float]) -> float:
    """Return how long requests have waited, from their values of `waited`.

    The balancer's times are cut to whole seconds, so on average a request seems to have waited
    0.5 s too long. With few requests, only the certain part counts: 1 s less.

    Example: 0.9, 1.5 and 1.2 s prove a wait of at least 0.2 s; 100 times the same, 0.7 s.
    """
    return max(0.0, median(waits) - (0.5 if len(waits) >= FEW else 1.0))


@dataclass(frozen=True)
class Wait:
    """How long requests waited in a second; `requests` is 0 if the time itself was measured."""

    second: int
    seconds: float
    requests: int


@dataclass(frozen=True)
class Trend:
    """How queue time changes, in seconds a second; 0 if the change may be chance."""

    growth: float
    last: float


def trend(waits: Sequence[Wait]) -> Trend:
    """Return the least-squares trend through several seconds' queue times.

    It begins with the last calm second, and counts beyond three standard errors. Example: 0.0, 0.0,
    0.1, 0.9 and 1.7 s grow by 0.8 s a second, since the third. 97 requests in each of 5 s give the
    queue time to 0.5 / √97 = 0.05 s, and a trend to 0.05 / √10 = 0.016 s a second. One error is
    subtracted, because near a growth of 1 it would multiply the demand.
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
    # The residuals are an error too: queue time does not grow evenly if a server accepts many
    # connections at once.
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
        queued: requests per second by which the known queue has grown, or shrunk.
        change: the trend of the queue time.
        waiting: how many requests are known to wait.
        full: whether connections were turned away.
        held: the demand when it could last be measured.

    Examples: 97 begin, and the listen queue grows by 303 a second: 400. 97 begin, and queue time
    grows by 0.7575 s a second: of each second's requests only those of 0.2425 s have begun, so
    97 / 0.2425 = 400. 97 begin, and nothing grows any more because the queue is full: the earlier
    400. If only queue time shows it, 400 too, until requests wait for less than WAITING.

    Queue time is the less exact witness, and used only if the other does not see the queue.
    Example: 400 are known to wait, and 97 begin a second: that explains 4.1 s, and so a queue time
    of up to 8.2 s. If 0 are known to wait and queue time is 2 s, the queue is inside the server.
    """
    rate = max(0.0, begun + queued)
    growing = change.growth > 0 and change.last > NOTICED
    seen = waiting >= EXPLAINED * change.last * begun
    if growing and not seen:
        rate = max(rate, begun / (1 - min(change.growth, FASTEST_GROWTH)))
    # Also if queue time falls: a server that accepts many connections at once makes it fall in the
    # middle of an overload. Holding the demand too long is better than too short.
    stuck = full or (not seen and change.last > WAITING and not growing)
    if stuck:
        rate = max(rate, held)
    return rate
