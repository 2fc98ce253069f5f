"""A run played again request by request, to check the fleet's fluid model.

The desired counts are the run's own. Everything else is played again, event by event, without code
of `fleet` or `queueing`: requests at random moments of their second, the load balancer's round
robin, a queue in each task with individually drawn service times, health checks in each task's own
phase, launches as fast as the quotas allow, tasks that start, drain and stop.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep_lab.simulator.fleet import Launch
    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.stage import Run
    from quickstep_lab.simulator.world import World

_BINS = 10_000
"""Bins per second in which waits are counted."""


@dataclass(slots=True, eq=False)
class _Task:
    """One task. `leave` is when each of its requests leaves it, in order."""

    launched_at: float
    listens_at: float
    stops_at: float = math.inf
    free_at: float = 0.0
    leave: deque[float] = field(default_factory=deque)
    strikes: int = 0
    serves: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The result of a run's individual requests. Times are in seconds.

    `waits` counts the answered requests in bins of 0.1 ms.
    """

    requests: int
    failed: int
    task_seconds: float
    replaced: int
    service_seconds: float
    waits: Sequence[int] = field(repr=False)

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which `share` of the answers came; None without any."""
        answered = sum(self.waits)
        if not answered:
            return None
        counted = itertools.accumulate(self.waits)
        at = next(bin_ for bin_, below in enumerate(counted) if below >= share * answered)
        return at / _BINS + self.service_seconds


def replay(run: Run, world: World) -> Replay:
    """Play a run's requests again, on its desired counts.

    Each launch takes as long as the run's launch of the same number, so differences are not due to
    chance. Tasks requested before the traffic begins serve from its start.

    Raises:
        ValueError: the world has jobs, or tasks that are protected or never come; these are not
            played here.
    """
    if world.protected_share or math.isfinite(world.never_come_from) or world.jobs:
        raise ValueError(
            "a world with protected tasks, tasks that never come or jobs has no replay"
        )
    random = Random(f"single requests {run.seed}")  # noqa: S311 - repeatable, not secret
    tasks = run.actions[0].before if run.actions else run.desired[0]
    service = _Service(world, random, tasks, run.launches)
    for action in run.actions:
        service.plan(action.at, partial(service.set_desired, action.after))
    counts = _whole([second.requests for second in run.seconds], random)
    for second, count in enumerate(counts):
        service.play(sorted(second + random.random() for _ in range(count)))
        service.play_until(second + 1.0)
    return service.replayed(sum(counts), float(len(run.seconds)))


def _whole(requests: Sequence[float], random: Random) -> list[int]:
    """Return whole requests: 2.3 in a second become 3 in three seconds of ten."""
    return [math.floor(count + random.random()) for count in requests]


class _Service:
    """A service's tasks and planned events; times are seconds of the traffic."""

    def __init__(
        self, world: World, random: Random, tasks: int, launches: Sequence[Launch]
    ) -> None:
        self._world = world
        self._chances = iter(launches)
        self._random = random
        self._draw_service = _service_times(world.server, random)
        self._tasks: list[_Task] = []
        self._ring: list[_Task] = []
        self._unhealthy: list[_Task] = []
        self._turn = -1
        self._starting: list[_Task] = []
        self._to_launch = 0
        self._now = 0.0
        self._account = world.launch_burst
        self._most = self._service = world.service_launch_rate * 60
        self._filled_at = 0.0
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._failed = self._replaced = 0
        self._waits = [0] * (math.ceil(world.server.time_out * _BINS) + 1)
        for _ in range(tasks):
            self._admit(self._new(0.0, 0.0))
            self._plan_check(self._ring[-1], random.uniform(0, world.health_interval))

    def plan(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._plans, (at, next(self._number), action))

    def play_until(self, moment: float) -> None:
        """Run everything planned up to a moment."""
        plans = self._plans
        while plans and plans[0][0] <= moment:
            self._now, _, action = heapq.heappop(plans)
            action()
        self._now = moment

    # --- requests ---------------------------------------------------------------------------------

    def play(self, arrivals: Sequence[float]) -> None:
        """Send requests in order of arrival, each to the next task in turn."""
        server, plans, waits = self._world.server, self._plans, self._waits
        most, time_out, draw = server.queue_limit, server.time_out, self._draw_service
        for at in arrivals:
            if plans and plans[0][0] <= at:
                self.play_until(at)
            ring = self._ring or self._unhealthy
            if not ring:
                self._failed += 1
                continue
            self._turn = turn = (self._turn + 1) % len(ring)
            task = ring[turn]
            leave = task.leave
            while leave and leave[0] <= at:
                leave.popleft()
            if len(leave) >= most:
                self._failed += 1
                continue
            wait = task.free_at - at if task.free_at > at else 0.0
            if wait > time_out:  # its client gives up, at no cost to the task
                self._failed += 1
                leave.append(at + time_out)
                continue
            task.free_at = at + wait + draw()
            leave.append(task.free_at)
            waits[int(wait * _BINS)] += 1

    # --- health -----------------------------------------------------------------------------------

    def _plan_check(self, task: _Task, at: float) -> None:
        self.plan(at, lambda: self._check(task))

    def _check(self, task: _Task) -> None:
        """Check a task: it gets requests from its first passed check until it fails too many.

        A task that fails too many is replaced: it gets requests only while no other passes, and
        stops once its replacement serves.
        """
        if math.isfinite(task.stops_at) or task in self._unhealthy:
            return
        world, now = self._world, self._now
        self._plan_check(task, now + world.health_interval)
        if not task.serves:
            self._starting.remove(task)
            self._admit(task)
            self._stop_replaced()
            return
        task.strikes = task.strikes + 1 if self._fails(task) else 0
        if task.strikes >= world.unhealthy_after:
            self._replaced += 1
            self._ring.remove(task)
            self._unhealthy.append(task)
            self._to_launch += 1
            self._launch()

    def _fails(self, task: _Task) -> bool:
        world, now = self._world, self._now
        while task.leave and task.leave[0] <= now:
            task.leave.popleft()
        if world.full_refuses_checks and len(task.leave) >= world.server.queue_limit:
            return True
        return task.free_at - now > world.health_timeout

    # --- tasks ------------------------------------------------------------------------------------

    def _new(self, launched_at: float, listens_at: float) -> _Task:
        task = _Task(launched_at, listens_at)
        self._tasks.append(task)
        return task

    def _admit(self, task: _Task) -> None:
        task.serves = True
        self._ring.append(task)

    def _stop(self, task: _Task) -> None:
        """Stop a listening task after it has drained."""
        task.stops_at = self._now + self._world.deregistration_delay

    def _stop_replaced(self) -> None:
        while len(self._unhealthy) > self._to_launch + len(self._starting):
            self._stop(self._unhealthy.pop(0))

    def set_desired(self, desired: int) -> None:
        """Launch what is missing, or stop the newest: those to be launched, starting, serving."""
        there = self._to_launch + len(self._starting) + len(self._ring)
        self._to_launch += max(0, desired - there)
        for _ in range(there - desired):
            self._stop_newest()
        self._stop_replaced()
        self._launch()

    def _stop_newest(self) -> None:
        if self._to_launch:
            self._to_launch -= 1
        elif self._starting:
            task = self._starting.pop()
            task.stops_at = self._now
            if task.listens_at <= self._now:
                self._stop(task)
        else:
            self._stop(self._ring.pop())

    def _launch(self) -> None:
        """Launch one by one as both quotas allow, and come back for the rest."""
        world, now = self._world, self._now
        passed, self._filled_at = now - self._filled_at, now
        self._account = min(world.launch_burst, self._account + passed * world.launch_rate)
        self._service = min(self._most, self._service + passed * world.service_launch_rate)
        while self._to_launch and min(self._account, self._service) >= 1:
            self._to_launch -= 1
            self._account -= 1
            self._service -= 1
            start_up, check = next(self._chances, None) or self._chance()
            task = self._new(now, now + start_up)
            self._starting.append(task)
            self._plan_check(task, task.listens_at + check)
        if self._to_launch:
            missing = (1 - self._account) / world.launch_rate
            longer = (1 - self._service) / world.service_launch_rate
            self.plan(now + max(missing, longer, 1e-3), self._launch)

    def _chance(self) -> tuple[float, float]:
        world, random = self._world, self._random
        return world.start_up.draw(random), random.uniform(0, world.health_interval)

    # --- the result -------------------------------------------------------------------------------

    def replayed(self, requests: int, end: float) -> Replay:
        """Return the result of everything until `end`."""
        return Replay(
            requests=requests,
            failed=self._failed,
            task_seconds=sum(self._costs(end)),
            replaced=self._replaced,
            service_seconds=self._world.server.service_seconds,
            waits=self._waits,
        )

    def _costs(self, end: float) -> Iterator[float]:
        for task in self._tasks:
            yield min(end, task.stops_at) - min(end, task.launched_at)


def _service_times(server: Server, random: Random) -> Callable[[], float]:
    """Return a function that draws a request's service time, with the server's variability.

    Times are gamma distributed: exponential with a variability of 1.
    """
    mean, variability = 1 / server.capacity, server.variability
    if not variability:
        return lambda: mean
    if variability == 1:
        return lambda: random.expovariate(server.capacity)
    return lambda: random.gammavariate(1 / variability, mean * variability)
