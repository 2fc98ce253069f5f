"""What a policy may watch: how a signal follows the load, who publishes it, and how late it is.

A signal that is in proportion to a task's requests can be simulated on any traffic. One that is
not, such as memory or a response time, has no model here, and is not played as if it had one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from quickstep_lab.simulator import constants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep_lab.simulator.queueing import Server


class Source(Enum):
    """Who publishes a signal, and so which tasks are in it."""

    TASKS = "each task that has a publisher: serving, starting and draining ones"
    ECS = "ECS, of every task that it counts as running"
    BALANCER = "the load balancer, of the targets that it sends requests to"
    QUEUE = "SQS, of a queue; it is in no task"


ECS_LAG = constants.ECS_LAG.value
"""Seconds from the end of a period of ECS's metrics until CloudWatch shows it, by default.

AWS does not publish it. Its own target tracking takes some seconds from such a metric that are not
explained (`Tracking.delay`): so it is between 0 and that, and taken to be about half of it.
"""

BALANCER_LAG = constants.BALANCER_LAG.value
"""The same, of the load balancer's metrics."""

_MINUTE = constants.MINUTES_PERIOD.whole


@dataclass(frozen=True, slots=True)
class Signal:
    """A metric of a service, from what each task is sent.

    `unit` is how many requests a second and task one unit of it stands for, and `most` where it
    ends, however many there are. `period` is in seconds the shortest that an alarm may have.

    A value of AWS's own is of a whole period, and can be seen `lag` seconds after its end. Where
    that is None, samples can be seen one by one, as they are published.

    Example: of a task that can serve 150 requests a second, CPU in percent has a unit of 1.5, and
    ends at 100: 90 requests a second are 60 %, and so many as 300 are 100 %.
    """

    name: str
    namespace: str
    metric: str
    unit: float = 1.0
    most: float = math.inf
    source: Source = Source.TASKS
    period: int = constants.EVALUATION.whole
    lag: float | None = None
    statistic: str = "Average"

    def measure(self, per_task: float) -> float:
        """Return the signal of a task that is sent so many requests a second."""
        return min(per_task / self.unit, self.most)


REQUESTS = Signal("requests", "MyApp/Performance", "RequestsPerSecond")
"""Requests per second, as each task publishes them."""


def utilization(server: Server) -> Signal:
    """Return the share of a task's slots that are busy, as each task publishes it."""
    return Signal("utilization", "MyApp/Performance", "Utilization", server.capacity, 1.0)


def cpu(
    server: Server, *, period: int = constants.ECS_PERIOD.whole, lag: float | None = ECS_LAG
) -> Signal:
    """Return ECS's own CPU in percent, taken to be in proportion to requests."""
    return Signal(
        "cpu" if period < _MINUTE else "cpu-60s",
        "AWS/ECS",
        "CPUUtilization",
        server.capacity / 100,
        100.0,
        Source.ECS,
        period,
        lag,
    )


def requests_per_target(*, lag: float = BALANCER_LAG) -> Signal:
    """Return what the load balancer counts: requests a minute, on average of its targets."""
    return Signal(
        "requests-per-target",
        "AWS/ApplicationELB",
        "RequestCountPerTarget",
        unit=1 / _MINUTE,
        source=Source.BALANCER,
        period=_MINUTE,
        lag=lag,
        statistic="Sum",  # of each target's minute; its only statistic, which is their average
    )


QUEUE_LAG = constants.QUEUE_LAG.value
"""The same, of SQS's metrics."""

QUEUE_DEPTH = Signal(
    "queue-depth",
    "AWS/SQS",
    "ApproximateNumberOfMessagesVisible",
    source=Source.QUEUE,
    period=_MINUTE,
    lag=QUEUE_LAG,
)
"""The jobs that wait, once a minute."""

BACKLOG_PER_TASK = Signal(
    "backlog-per-task",
    "MyApp/Performance",
    "BacklogPerTask",
    source=Source.QUEUE,
    period=_MINUTE,
    lag=QUEUE_LAG,
)
"""The same divided by the running tasks, as AWS advises for target tracking on a queue."""

SIMULATED = ("requests", "utilization", "cpu", "cpu-60s", "requests-per-target")
"""The names of the signals that can be simulated."""

NOT_SIMULATED: Mapping[str, str] = {
    "memory": "memory does not follow the traffic, so no traffic tells what it would have been",
    "response-time": "a response time tells that tasks are too few, and no model here says how the "
    "application's grows with its load",
    "queue-time": "how long requests wait before the application begins them depends on its "
    "server, which is not modelled",
    "queue-depth": "a queue's depth follows jobs, not requests; a document with QueuePolicies is "
    "played with jobs",
}
"""Why signals that the templates offer cannot be."""


def signal_of(name: str, server: Server, lag: float | None = None) -> Signal:
    """Return a signal that can be simulated, of tasks like this; `lag` in place of the usual one.

    Raises:
        KeyError: no signal has this name.
    """
    given: dict[str, Any] = {} if lag is None else {"lag": lag}
    return {
        "requests": lambda: REQUESTS,
        "utilization": lambda: utilization(server),
        "cpu": lambda: cpu(server, **given),
        "cpu-60s": lambda: cpu(server, period=_MINUTE, **given),
        "requests-per-target": lambda: requests_per_target(**given),
    }[name]()
