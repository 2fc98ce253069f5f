"""Celery: count tasks where they run, and queues in the worker's main process.

Call `watch` where you create the application:

    from quickstep_publisher.celery import watch

    app = Celery(...)
    watch(app)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery import signals

from quickstep_publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGAN = "_quickstep_began"


def watch(
    app: Any, publisher: Publisher | None = None, queues: Sequence[str] | None = None
) -> Publisher:
    """Count the tasks that an application's workers run, and those that wait.

    Tasks begun are RequestsPerSecond, running tasks ActiveConnections, their durations
    AverageResponseTime, the share of the pool in use Utilization, and tasks waiting on the broker
    QueueLength. The publisher starts with the worker, not with the application.

    Args:
        app: the application.
        publisher: by default one configured by the environment.
        queues: the queues whose length counts; by default the application's default queue.
    """
    chosen = publisher or Publisher()
    names = tuple(queues or (app.conf.task_default_queue,))

    def length() -> float:
        with app.connection_for_read() as connection:
            return float(sum(_waiting(connection, name) for name in names))

    def ready(sender: Any = None, **_: Any) -> None:
        # A prefork pool's children have one slot each, and its main process has none.
        pool = getattr(sender, "pool", None)
        if not type(pool).__module__.endswith("prefork"):
            chosen.load.slots = chosen.load.slots or getattr(pool, "limit", None) or 1
        chosen.gauge("QueueLength", length, shared=True)

    def child(**_: Any) -> None:
        chosen.load.slots = 1
        chosen.start()

    def begin(task: Any = None, **_: Any) -> None:
        chosen.start().begin()
        setattr(task.request, _BEGAN, time.perf_counter())

    def end(task: Any = None, **_: Any) -> None:
        began = getattr(task.request, _BEGAN, None)
        if began is not None:
            chosen.start().end(time.perf_counter() - began)

    # weak=False, because Celery would forget functions that nobody else references.
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_process_init.connect(child, weak=False)
    signals.task_prerun.connect(begin, weak=False)
    signals.task_postrun.connect(end, weak=False)
    return chosen


def _waiting(connection: Any, queue: str) -> int:
    """Return how many tasks wait; a missing queue, such as Redis's empty ones, has none."""
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0
