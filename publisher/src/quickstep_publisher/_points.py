"""Turn an interval's counts into a point: pure.

Times are seconds; `now` is an argument.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL = 5
"""Seconds between a task's points."""
SPREAD = 1
"""Tasks publish within the last so many seconds of each interval: an alarm's period ends with an
interval, and can show nothing newer than what is published just before its end."""
SHORTEST_SPAN = INTERVAL / 2
"""A rate over less than this is noise: the counts go into the next point instead."""
LONGEST_SPAN = 60
"""Counts from longer ago than this are old, and dropped."""

REQUESTS_PER_SECOND = "RequestsPerSecond"
AVERAGE_RESPONSE_TIME = "AverageResponseTime"
ACTIVE_CONNECTIONS = "ActiveConnections"
UTILIZATION = "Utilization"
"""From 0 to 1: the share of threads or workers in use, or how busy an event loop is."""
QUEUE_TIME = "QueueTime"
CLUSTER_NAME = "ClusterName"
SERVICE_NAME = "ServiceName"
STORAGE_RESOLUTION = 1
"""Seconds; CloudWatch alarms with a period of 10 s need metrics stored at this resolution."""


@dataclass(frozen=True)
class Address:
    """The owner of the metrics: namespace, and the two dimensions' values."""

    namespace: str
    cluster: str
    service: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.service} in {self.namespace}"


def own_namespace(cluster: str, service: str) -> str:
    """Return a service's own namespace: the only part of a metric that IAM can restrict."""
    return f"Quickstep/{cluster}/{service}"


@dataclass(frozen=True)
class Statistics:
    """A statistic set over requests."""

    count: int
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Metric:
    """One metric of a point: one sample per task, or a statistic set over its requests.

    `at` is its own time if that differs from the point's.
    """

    name: str
    unit: str
    value: float | Statistics
    at: datetime | None = None


@dataclass(frozen=True)
class Point:
    """All that a task publishes for one interval; `timestamp` is aware UTC, in whole seconds."""

    timestamp: datetime
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Gauge:
    """A value read from one worker process, or `shared`, the same in all of them."""

    value: float
    unit: str
    shared: bool = False


@dataclass(frozen=True)
class Sample:
    """A whole second of a task: requests per second that arrived, and the state at its end."""

    second: int
    rate: float
    active: int
    busy: float | None = None
    queue_time: float | None = None


@dataclass(frozen=True)
class Interval:
    """What a task's worker processes did together since their last point.

    `seconds` is the time it covers. `times` has the response times in milliseconds of the requests
    that finished in it, None if none did. `missed` counts the ticks before its own at which nobody
    published; its rate also applies to them. `demand` is how many requests per second arrived at
    the task, if more than began. `busy` is the share of its slots in use, and `queue_time` the
    seconds that requests waited, each None if unknown. With `samples`, whole seconds are published
    instead of one rate. A `draining` task publishes only response times: its rate of 0 would lower
    the serving tasks' average.
    """

    seconds: float
    arrived: int
    active: int
    times: Statistics | None
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    missed: int = 0
    demand: float | None = None
    busy: float | None = None
    queue_time: float | None = None
    samples: tuple[Sample, ...] = ()
    draining: bool = False


def build(interval: Interval, timestamp: datetime) -> Point | None:
    """Return an interval's point; None if it has nothing to publish.

    Example: 620 requests arrived in 5.0 s, and 600 finished after 12,000 ms in total: 124 requests
    per second, one sample; an average of 20 ms, with a weight of 600.

    A process that ends leaves response times without an interval (0 s). They are weighted by
    request, so they are published unchanged. Rates and gauges are one sample per tick. Example: of
    10 s with one missed tick, both ticks get the rate of the 10 s.
    """
    metrics = []
    if interval.seconds > 0 and not interval.draining:
        rate = interval.arrived / interval.seconds if interval.demand is None else interval.demand
        once = _sample(rate, interval.active, interval.busy, interval.queue_time)
        for back in range(0 if interval.samples else interval.missed, 0, -1):
            at = timestamp - timedelta(seconds=back * INTERVAL)
            metrics += [replace(metric, at=at) for metric in once]
        for each in interval.samples:
            at = datetime.fromtimestamp(each.second, timezone.utc)
            second = _sample(each.rate, each.active, each.busy, each.queue_time)
            metrics += [replace(metric, at=at) for metric in second]
        metrics += [] if interval.samples else once
    if not interval.draining:
        metrics += [
            Metric(name, gauge.unit, gauge.value) for name, gauge in sorted(interval.gauges.items())
        ]
    if interval.times is not None:
        metrics.append(Metric(AVERAGE_RESPONSE_TIME, "Milliseconds", interval.times))
    if interval.samples:
        # The newest second's time, so that per-call metrics go into one line with it.
        timestamp = datetime.fromtimestamp(interval.samples[-1].second, timezone.utc)
    return Point(timestamp, tuple(metrics)) if metrics else None


def _sample(rate: float, active: int, busy: float | None, queue_time: float | None) -> list[Metric]:
    metrics = [
        Metric(REQUESTS_PER_SECOND, "Count/Second", rate),
        Metric(ACTIVE_CONNECTIONS, "Count", active),
    ]
    if busy is not None:
        metrics.append(Metric(UTILIZATION, "None", round(busy, 4)))
    if queue_time is not None:
        metrics.append(Metric(QUEUE_TIME, "Milliseconds", round(queue_time * 1000, 1)))
    return metrics


@dataclass(frozen=True)
class Schedule:
    """When a task publishes: every INTERVAL seconds of the UTC clock, `phase` seconds later.

    A phase is in [0, INTERVAL). By default each task has its own, see `phase_of`. Intervals are
    numbered from the epoch; number n ends with tick n.
    """

    phase: float

    def number(self, now: float) -> int:
        """Return the number of the last tick at or before `now` (seconds since the epoch)."""
        # In whole milliseconds, so that rounding does not miss a tick read exactly on time.
        return round((now - self.phase) * 1000) // (INTERVAL * 1000)

    def tick(self, number: int) -> float:
        """Return a tick's time in seconds since the epoch."""
        return number * INTERVAL + self.phase

    def timestamp(self, number: int) -> datetime:
        """Return the timestamp of a tick's point: the last whole second that it covers.

        It is never in the future, and at most a second before the point is sent, so CloudWatch has
        the point when it evaluates the point's period. Two consecutive ticks have timestamps
        INTERVAL seconds apart, so each period of 10 s has two points per task.

        Example: ticks at 10:00:15.3 and 10:00:20.3 are stamped 10:00:15 and 10:00:20; ticks at
        10:00:15.0 and 10:00:20.0, whose last instants are 14.999 and 19.999, 10:00:14 and 10:00:19.
        """
        return datetime.fromtimestamp(math.ceil(round(self.tick(number), 3)) - 1, timezone.utc)


def phase_of(seed: str, spread: int = SPREAD) -> float:
    """Return the phase of the task named by `seed`: in the last `spread` s, in milliseconds.

    A task keeps its phase when its processes restart. Example: a digest of 71,250 is 250 ms into
    the second from 4 to 5, a phase of 4.25.
    """
    digest = hashlib.sha256(seed.encode()).digest()
    into = int.from_bytes(digest[:8], "big") % (spread * 1000)
    return INTERVAL - spread + into / 1000
