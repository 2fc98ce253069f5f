"""RQ: count jobs in the worker, because the process that runs a job ends without cleanup.

Name the worker class on the command line:

    rq worker --worker-class quickstep_publisher.rq.Worker
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import rq

from quickstep_publisher.publisher import Publisher


class Counting:
    """Count a worker's jobs; a mixin for RQ's worker classes.

    Jobs begun are RequestsPerSecond, the running job is ActiveConnections and Utilization.
    QueueLength is what waits in the worker's queues, OldestAge how many seconds the first job has
    waited. The environment configures `publisher`; a subclass may set its own.
    """

    publisher: Publisher | None = None
    queues: Any

    def work(self, *arguments: Any, **options: Any) -> bool:
        """Work as RQ does, and publish."""
        publisher = self._started()
        publisher.gauge("QueueLength", self._waiting, shared=True)
        publisher.gauge("OldestAge", self._oldest, unit="Seconds", shared=True)
        return bool(super().work(*arguments, **options))  # type: ignore[misc]

    def execute_job(self, job: Any, queue: Any) -> Any:
        """Run a job as RQ does, and count it."""
        recorder = self._started().start()
        recorder.begin()
        began = time.perf_counter()
        try:
            return super().execute_job(job, queue)  # type: ignore[misc]
        finally:
            recorder.end(time.perf_counter() - began)

    def _started(self) -> Publisher:
        if self.publisher is None:
            self.publisher = Publisher(slots=1)
        return self.publisher

    def _waiting(self) -> float:
        return float(sum(len(queue) for queue in self.queues))

    def _oldest(self) -> float:
        now = datetime.now(timezone.utc)
        ages = [0.0]
        for queue in self.queues:
            for job in queue.get_jobs(0, 1):
                if job.enqueued_at is not None:
                    since = job.enqueued_at
                    since = since if since.tzinfo else since.replace(tzinfo=timezone.utc)
                    ages.append((now - since).total_seconds())
        return max(ages)


class Worker(Counting, rq.Worker):
    """RQ's worker, which runs each job in a separate process."""


class SimpleWorker(Counting, rq.SimpleWorker):
    """RQ's worker that runs jobs in the worker's own process."""
