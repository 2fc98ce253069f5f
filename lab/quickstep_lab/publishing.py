"""The modelled tasks' publishers: the package that applications use, in the model's time.

Each task has its own, as each has its own process. None runs a thread: the model says when a
second has passed, and each publisher then publishes what is due.
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
        start: when the model's first second begins, on a multiple of 5 s: the tasks publish
            there, all at once.
        surges: who is notified of a surge that a task feels, if anybody.
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
        """Let a second of load pass, and publish what is then due.

        Requests are whole. A task that gets 107.14 a second counts 107 in most seconds and 108 in
        some. A draining task continues to publish, as having received nothing; a stopped task has
        no publisher. A surge is reported a second after it is felt: the package spreads many tasks'
        messages over that second.
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
        publisher.publish()  # nothing yet, but from here on it counts seconds separately
        return publisher

    def _seconds(self) -> float:
        return self._now.timestamp()
