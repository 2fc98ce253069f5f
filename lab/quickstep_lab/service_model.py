"""A model of a Fargate service behind a load balancer, which the embedded AWS does not emulate.

ECS gets a desired count; tasks launched for it serve only after a start-up delay. The load
balancer spreads requests evenly over the serving tasks. A task serves a limited number of requests
a second; the rest fail. A removed task leaves the load balancer first, and stops when its
deregistration delay is over. Not modelled: launch-rate limits, health checks, queueing.

Pure: each call returns the next state; `now` is an argument, in seconds from any fixed start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from quickstep_lab.simulator import constants

START_UP = constants.START_UP.value
"""Seconds from launch to serving."""
CAPACITY = constants.TASK_CAPACITY.value
"""Requests a second that one task can serve."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its number in launch order, when it starts to serve, and when it stops."""

    number: int
    serves_from: float
    stops_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one second of traffic.

    `per_task` is what each serving task received, whether or not it could serve it; 0 if no task
    received anything. The `draining` tasks received nothing.
    """

    requests: float
    per_task: float
    served: float
    failed: float
    tasks: tuple[int, ...]
    draining: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FargateService:
    """A service's tasks in launch order, and removed ones that still drain."""

    start_up: float = START_UP
    capacity: float = CAPACITY
    deregistration_delay: float = constants.DEREGISTRATION_DELAY.value
    tasks: tuple[Task, ...] = ()
    drained: tuple[Task, ...] = ()
    launched: int = 0

    def with_desired(self, desired: int, now: float) -> FargateService:
        """Return the service after ECS accepted `desired`: tasks are launched or stopped.

        The newest stop first, so starting tasks go before serving ones. They never served, so they
        do not drain.
        """
        missing = desired - len(self.tasks)
        if missing <= 0:
            stops_at = now + self.deregistration_delay
            leaving = [task for task in self.tasks[desired:] if task.serves_from <= now]
            kept = [task for task in self.drained if task.stops_at > now]
            drained = (*kept, *(replace(task, stops_at=stops_at) for task in leaving))
            return replace(self, tasks=self.tasks[:desired], drained=drained)
        new = tuple(Task(self.launched + n, now + self.start_up) for n in range(1, missing + 1))
        return replace(self, tasks=self.tasks + new, launched=self.launched + missing)

    def serving(self, now: float) -> tuple[Task, ...]:
        """Return the tasks that the load balancer sends requests to."""
        return tuple(task for task in self.tasks if task.serves_from <= now)

    def starting(self, now: float) -> tuple[Task, ...]:
        """Return the tasks that were launched but do not serve yet."""
        return tuple(task for task in self.tasks if task.serves_from > now)

    def serve(self, requests: float, now: float) -> Load:
        """Return the result of one second's requests.

        Example: 450 on 2 tasks of 150 each: 225 per task, 300 served, 150 failed.
        """
        tasks = tuple(task.number for task in self.serving(now))
        per_task = requests / len(tasks) if tasks else 0.0
        served = min(requests, len(tasks) * self.capacity)
        draining = tuple(task.number for task in self.drained if task.stops_at > now)
        return Load(requests, per_task, served, requests - served, tasks, draining)
