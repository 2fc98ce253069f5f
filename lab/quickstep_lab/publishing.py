"""The publishers of the modelled tasks: the package that applications use, in the model's time.

Each task has its own, as each has its own process. None has a thread: the model says when a
second has passed, and each publishes what is due then.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep_publisher import Clock, CloudWatchTransport, Publisher

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from quickstep.naming import ServiceName
    from quickstep_lab.service_model import Load
    from quickstep_publisher.surges import SurgeTransport


class TaskPublishers:
    """A publisher for each task that serves or drains.

    Args:
        client: where they publish to.
        name: whose metrics they are.
        namespace: CloudWatch's namespace for them.
        start: when the first second of the model begins, on a multiple of 5 s: there the tasks
            publish, all at once.
        surges: who is notified of a surge that a task feels, if anybody is.
        target: requests a second that a task should carry.
    """

    def __init__(
        self,
        client: CloudWatchClient,
        name: ServiceName,
        namespace: str,
        start: datetime,
        *,
        surges: SurgeTransport | None = None,
        target: float | None = None,
    ) -> None:
        self._transport = CloudWatchTransport(client)
        self._name = name
        self._namespace = namespace
        self._surges = surges
        self._target = target
        self._now = start
        self._publishers: dict[int, Publisher] = {}
        self._received: dict[int, float] = {}

    def publish(self, load: Load) -> None:
        """Let a second of load pass, and what is due then be published.

        Requests are whole. Of a task that gets 107.14 a second, 107 are counted in most seconds and
        108 in some. A task that drains goes on publishing, of nothing received; one that has been
        stopped has no publisher any more. A surge is reported a second after it is felt: the
        package spreads the messages of many tasks over that second.
        """
        there = (*load.tasks, *load.draining)
        self._publishers = {task: self._of(task) for task in there}
        self._received = {task: self._received.get(task, 0.0) for task in there}
        for task, publisher in self._publishers.items():
            before = self._received[task]
            self._received[task] = before + (load.per_task if task in load.tasks else 0.0)
            publisher.count(math.floor(self._received[task]) - math.floor(before))
        self._now += timedelta(seconds=1)
        for publisher in self._publishers.values():
            publisher.publish()

    def _of(self, task: int) -> Publisher:
        if task in self._publishers:
            return self._publishers[task]
        publisher = Publisher(
            cluster=self._name.cluster,
            service=self._name.service,
            namespace=self._namespace,
            transport=self._transport,
            thread=False,
            phase=0,
            seconds=True,
            surges=self._surges,
            target=self._target,
            clock=Clock(now=lambda: self._now, monotonic=self._seconds),
        )
        publisher.start()
        publisher.publish()  # nothing yet, but from here on it tells seconds apart
        return publisher

    def _seconds(self) -> float:
        return self._now.timestamp()
