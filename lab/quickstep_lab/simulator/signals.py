"""What a policy may watch: how a signal follows the load, who publishes it, and its lag.

A signal proportional to a task's requests can be simulated on any traffic. Others, such as memory
or a response time, have no model here, and are refused.
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
    """Who publishes a signal, and so which tasks it covers."""

    TASKS = "each task that has a publisher: serving, starting and draining ones"
    ECS = "ECS, for every task that it counts as running"
    BALANCER = "the load balancer, for the targets that it sends requests to"
    QUEUE = "SQS, for a queue; it is in no task"


ECS_LAG = constants.ECS_LAG.value
"""Default seconds from the end of a period of ECS's metrics until CloudWatch shows it.

AWS does not publish it. Its own target tracking takes some unexplained seconds from such a metric
(`Tracking.delay`): so the lag is between 0 and that, and assumed to be about half of it.
"""

BALANCER_LAG = constants.BALANCER_LAG.value
"""The same for the load balancer's metrics."""

_MINUTE = constants.MINUTES_PERIOD.whole


@dataclass(frozen=True, slots=True)
class Signal:
    """A service's metric, derived from what each task is sent.

    `unit` is how many requests per second and task one unit stands for; `most` is the signal's
    maximum, however many there are. `period` is the shortest period of an alarm, in seconds.

    AWS's own metrics cover whole periods, and are visible `lag` seconds after a period's end.
    If `lag` is None, samples become visible one by one, as they are published.

    Example: for a task that can serve 150 requests a second, CPU in percent has a unit of 1.5, and
    a maximum of 100: 90 requests a second are 60 %, and 300 are 100 %.
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
        """Return the signal of a task that is sent `per_task` requests a second."""
        return min(per_task / self.unit, self.most)


REQUESTS = Signal("requests", "MyApp/Performance", "RequestsPerSecond")
"""Requests per second, as each task publishes them."""


def utilization(server: Server) -> Signal:
    """Return the share of a task's slots that are busy, as each task publishes it."""
    return Signal("utilization", "MyApp/Performance", "Utilization", server.capacity, 1.0)


def cpu(
    server: Server, *, period: int = constants.ECS_PERIOD.whole, lag: float | None = ECS_LAG
) -> Signal:
    """Return ECS's own CPU in percent, assumed proportional to requests."""
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
    """Return the load balancer's count: requests per minute, averaged over its targets."""
    return Signal(
        "requests-per-target",
        "AWS/ApplicationELB",
        "RequestCountPerTarget",
        unit=1 / _MINUTE,
        source=Source.BALANCER,
        period=_MINUTE,
        lag=lag,
        statistic="Sum",  # the metric's only statistic: each target's minute, averaged over targets
    )


QUEUE_LAG = constants.QUEUE_LAG.value
"""The same for SQS's metrics."""

QUEUE_DEPTH = Signal(
    "queue-depth",
    "AWS/SQS",
    "ApproximateNumberOfMessagesVisible",
    source=Source.QUEUE,
    period=_MINUTE,
    lag=QUEUE_LAG,
)
"""The waiting jobs, once a minute."""

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
    "response-time": "a response time shows too few tasks, and no model here says how the "
    "application's grows with its load",
    "queue-time": "how long requests wait before the application starts on them depends on its "
    "server, which is not modelled",
    "queue-depth": "a queue's depth follows jobs, not requests; a document with QueuePolicies is "
    "played with jobs",
}
"""Why signals that the templates offer cannot be simulated."""


def signal_of(name: str, server: Server, lag: float | None = None) -> Signal:
    """Return a signal that can be simulated, for tasks like this; `lag` replaces the usual one.

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
