"""Dramatiq: a broker middleware.

Add it to your broker:

    broker.add_middleware(QuickstepMiddleware())
"""

from __future__ import annotations

import threading
import time
from typing import Any

from dramatiq import Middleware

from quickstep_publisher.publisher import Publisher


class QuickstepMiddleware(Middleware):
    """Count the messages that workers process, and publish from the worker's start on.

    Messages begun are RequestsPerSecond, running messages ActiveConnections, the share of threads
    in use Utilization. QueueLength is what waits on a Redis broker; for others use your own gauge.

    Args:
        publisher: by default one configured by the environment.
    """

    def __init__(self, publisher: Publisher | None = None) -> None:
        self._publisher = publisher or Publisher()
        self._local = threading.local()

    def after_worker_boot(self, broker: Any, worker: Any) -> None:
        """Start."""
        load = self._publisher.load
        load.slots = load.slots or worker.worker_threads
        self._publisher.start()
        client: Any
        client, namespace = getattr(broker, "client", None), getattr(broker, "namespace", None)
        if hasattr(client, "llen") and namespace:
            names = sorted(broker.get_declared_queues())
            self._publisher.gauge(
                "QueueLength",
                lambda: float(sum(client.llen(f"{namespace}:{name}") for name in names)),
                shared=True,
            )

    def before_process_message(self, broker: Any, message: Any) -> None:  # noqa: ARG002 - its form
        """Begin."""
        self._publisher.start().begin()
        self._local.began = time.perf_counter()

    def after_process_message(
        self,
        broker: Any,  # noqa: ARG002 - its form
        message: Any,  # noqa: ARG002
        *,
        result: Any = None,  # noqa: ARG002
        exception: BaseException | None = None,  # noqa: ARG002
    ) -> None:
        """End."""
        began, self._local.began = getattr(self._local, "began", None), None
        if began is not None:
            self._publisher.start().end(time.perf_counter() - began)

    after_skip_message = after_process_message
