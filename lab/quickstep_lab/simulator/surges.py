"""The tasks that feel a surge: each publishes its seconds at once, and one message counts for all.

The rule is the publisher's own. The seconds in which requests reach a task are modelled, and so is
the queue: it takes a service's first message in a slot, and drops the rest as duplicates.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from quickstep_publisher._surge import PAST, SECONDS, SLOT, Second, Surges, limit

if TYPE_CHECKING:
    from quickstep_lab.simulator.fleet import Task
    from quickstep_lab.simulator.stage import Stage


class FeltSurges:
    """Says when a service's tasks report a surge.

    All serving tasks get equally many requests. So those that began to serve in the same second
    feel the same, and are checked together.

    Args:
        stage: where they serve and publish.
        target: requests a second that a task should carry.
    """

    def __init__(self, stage: Stage, target: float) -> None:
        self._stage = stage
        self._target = target
        self._limit = limit(target, ())
        self._sent: deque[Second] = deque(maxlen=PAST + SECONDS)
        self._feeling: dict[int, Surges] = {}
        self._slot = -1

    def message_at(self, second: int, per_task: float) -> float | None:
        """Return when the queue takes a message, after a second of `per_task` requests to each.

        Seconds published early go into the metric. Each task does both within one more second, at
        random.
        """
        self._sent.append(Second(second, per_task))
        newest = list(self._sent)[-SECONDS:]
        if sum(each.demand for each in newest) <= self._limit * SECONDS:
            return None  # no task has ever had more
        stage, now = self._stage, second + 1
        sent = []
        for task in self._reporters():
            at = now + stage.random.random()
            stage.metric.publish_early(task, at)
            sent.append(at)
        if not sent or now // SLOT == self._slot:
            return None
        self._slot = now // SLOT
        return min(sent)

    def _reporters(self) -> list[Task]:
        """Return the tasks that feel a surge now, and should report it."""
        since: dict[int, list[Task]] = {}
        for task in self._stage.fleet.publishing_servers():
            since.setdefault(math.ceil(task.serves_at), []).append(task)
        self._feeling = {first: self._feeling.get(first) or Surges(self._target) for first in since}
        return [
            task
            for first, tasks in since.items()
            if self._feeling[first].feels(self._seen_since(first))
            for task in tasks
            if not self._is_lost()
        ]

    def _seen_since(self, first: int) -> list[Second]:
        """Return the load of a task that has served since a second: nothing before it."""
        return [each if each.number >= first else Second(each.number, 0.0) for each in self._sent]

    def _is_lost(self) -> bool:
        stage = self._stage
        share = stage.world.lost_share
        return share > 0 and stage.random.random() < share
