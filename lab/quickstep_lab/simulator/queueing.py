"""A task as a queue: how many requests wait, how many are refused, how long an answer takes.

A task is one server that serves `capacity` requests a second in order of arrival: a G/G/1 queue
with a limit. The more tasks take turns, the more regular its arrivals: each of n tasks gets every
nth request, and the squared coefficient of variation of the times between is 1/n.

Its mean length is followed over time by the pointwise stationary fluid flow approximation (Tipper
and Sundareshan, "Numerical methods for modeling computer networks under nonstationary conditions",
1990; Wang, Tipper and Banerjee, "A single server queue model for nonstationary loads", 1996): at
every moment the queue drains at the utilisation at which a queue of that length would be
stationary, by Kingman's formula ("The single server queue in heavy traffic", 1961). In the steady
state that is exact for Poisson arrivals, and in overload a plain balance of arrivals and
departures. A settled queue waits less than that, by the factor of Krämer and Langenbach-Belz
("Approximate formulae for the delay in the queueing system GI/G/1", 1976).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

from quickstep_lab.simulator import constants

SETTLED = 1.5
"""A queue up to this multiple of its stationary length counts as settled."""

_BIN = 0.02
"""Width of a latency bin: two per cent."""


@dataclass(frozen=True, slots=True)
class Server:
    """One task's capabilities.

    `capacity` is in requests a second, `service_seconds` is how long a request takes on an idle
    task, `queue_limit` is how many requests a task holds before it refuses more, `time_out` how
    many seconds a client waits. `variability` is the squared coefficient of variation of the
    service time: 1 for exponential (M/M/1), 0 for constant (M/D/1).
    """

    capacity: float = constants.TASK_CAPACITY.value
    service_seconds: float = constants.SERVICE_SECONDS.value
    queue_limit: float = constants.QUEUE_LIMIT.value
    time_out: float = constants.TIME_OUT.value
    variability: float = constants.VARIABILITY.value

    @property
    def limit(self) -> float:
        """The most requests a task holds: its limit, or as many as it answers in time.

        A client that will not be answered in time gives up, and costs the task nothing.
        """
        return min(self.queue_limit, self.capacity * self.time_out)

    def spread(self, irregularity: float) -> float:
        """Return the factor on a queue's wait, relative to one with exponential times.

        `irregularity` is the squared coefficient of variation of the times between arrivals.
        """
        return (irregularity + self.variability) / 2

    def length(self, utilisation: float, irregularity: float = 1.0) -> float:
        """Return the mean number of requests in a stationary queue.

        Example: at a utilisation of 0.8, M/M/1 holds 4 requests and M/D/1 holds 2.4.
        """
        return utilisation + self.spread(irregularity) * utilisation**2 / (1 - utilisation)

    def utilisation(self, length: float, irregularity: float = 1.0) -> float:
        """Return the utilisation at which a stationary queue has this mean length.

        The inverse of `length`. Example: 4 requests in M/M/1: 0.8.
        """
        spread = self.spread(irregularity)
        b = 1 + length
        return 2 * length / (b + math.sqrt(b * b + 4 * (spread - 1) * length))


class Served(NamedTuple):
    """How one task's requests at one moment ended.

    `length` is the number it holds at the end, `wait` the mean seconds an accepted request waits,
    `busy` the share of time it is busy, `delayed` the share of requests that wait at all.
    `settled` means that waits are those of a stationary queue, exponential; otherwise they are
    those of a queue that fills or drains: its length, served one by one.
    """

    length: float
    served: float
    failed: float
    wait: float
    busy: float
    delayed: float
    settled: bool


def serve(
    server: Server,
    length: float,
    arrivals: float,
    seconds: float = 1.0,
    irregularity: float = 1.0,
) -> Served:
    """Return how `arrivals` requests end in `seconds`, with `length` held at the start.

    One implicit step of length' = arrival rate - capacity * utilisation(length), which has a
    closed form and is stable for any step size.

    Example: 300 a second at a capacity of 150, empty, limit 300: about 149 served, 151 held; the
    next second adds 148, and from then on half are refused.
    """
    work = server.capacity * seconds
    total = length + arrivals
    spread = server.spread(irregularity)
    b = 1 + work + total
    busy = 2 * total / (b + math.sqrt(b * b + 4 * (spread - 1 - work) * total))
    after, failed = max(0.0, total - work * busy), 0.0
    if after > server.limit:
        after = server.limit
        busy = server.utilisation(after, irregularity)
        failed = max(0.0, total - after - work * busy)
    rate = arrivals / work
    settled = rate < 1 and after <= SETTLED * server.length(rate, irregularity) + 1
    wait = max(0.0, (after - busy) / (server.capacity * busy)) if busy > 0 else 0.0
    delayed = 1.0
    if settled and busy > 0:
        shorter = _shorter(busy, irregularity, spread)
        wait *= shorter
        # Exact for GI/M/1 and M/G/1.
        waiting = shorter * (1 + irregularity) / 2 * busy / (1 - busy)
        delayed = waiting / (1 + waiting)
    return Served(after, work * busy, failed, wait, busy, delayed, settled)


def _shorter(busy: float, irregularity: float, spread: float) -> float:
    """Return the factor by which regular arrivals shorten a settled queue's wait."""
    if irregularity >= 1 or not spread:
        return 1.0
    return math.exp(-(1 - busy) * (1 - irregularity) ** 2 / (3 * busy * spread))


@dataclass(slots=True)
class Latencies:
    """How long answers took: counts by mean wait, from which the distribution follows."""

    server: Server
    counts: dict[tuple[int, int], float] = field(default_factory=dict)

    def add(self, served: Served, requests: float) -> None:
        """Count `requests` accepted at a moment like `served`."""
        if requests <= 0:
            return
        wait = round(math.log(max(served.wait, 1e-6)) / _BIN)
        key = (wait, max(1, round(served.delayed * 100)) if served.settled else 0)
        self.counts[key] = self.counts.get(key, 0.0) + requests

    @classmethod
    def of_all(cls, server: Server, parts: Iterable[Latencies]) -> Latencies:
        """Return several periods' latencies merged."""
        whole = cls(server)
        for part in parts:
            for key, requests in part.counts.items():
                whole.counts[key] = whole.counts.get(key, 0.0) + requests
        return whole

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which `share` of the answers came; None without any.

        Example: 0.95 of a settled M/M/1 queue at a utilisation of 0.8 and 150 requests a second:
        80 % wait at all, for exponential times with a mean of 33 ms: 92 ms, plus the service.
        """
        total = sum(self.counts.values())
        if not total:
            return None
        low, high = 0.0, self.server.time_out
        for _ in range(40):
            middle = (low + high) / 2
            if sum(n * self._answered(*key, middle) for key, n in self.counts.items()) >= (
                share * total
            ):
                high = middle
            else:
                low = middle
        return high + self.server.service_seconds

    def _answered(self, bin_: int, delayed: int, seconds: float) -> float:
        """Return the share of a bin's requests that wait at most `seconds`.

        In a queue that fills or drains, each waits for those before it: approximately normal, as
        the sum of that many services.
        """
        wait = math.exp(bin_ * _BIN)
        if delayed:
            return 1 - delayed / 100 * math.exp(-seconds * delayed / 100 / wait)
        deviation = math.sqrt(wait * self.server.variability / self.server.capacity)
        if not deviation:
            return 1.0 if wait <= seconds else 0.0
        return math.erfc((wait - seconds) / deviation / math.sqrt(2)) / 2
