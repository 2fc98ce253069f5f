"""A simulated service's tasks: started, checked, given requests, drained, stopped."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quickstep_lab.simulator.queueing import serve

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from quickstep_lab.simulator.queueing import Latencies
    from quickstep_lab.simulator.world import World


@dataclass(slots=True, eq=False)
class Task:
    """One task: when it listens and gets requests, and its publishing phase, if it publishes.

    Its `slot` is one of as many as an interval has seconds: the second in which it publishes a
    mean, or the part of the interval's last second in which it publishes whole ones.

    It may not be stopped before `protected_until`, gets no requests from `leaves_at` on, and stops
    at `stops_at`. Its load before `published_to` was published early, before its call was due. Its
    health is checked `phase` seconds after each multiple of the interval; `strikes` counts the
    checks that failed in a row.
    """

    listens_at: float
    serves_at: float
    slot: int
    silent: bool = False
    protected_until: float = 0.0
    leaves_at: float = math.inf
    stops_at: float = math.inf
    published_to: int = 0
    phase: float = 0.0
    strikes: int = 0


@dataclass(slots=True, eq=False)
class _Group:
    """Tasks that hold equally many requests each, and have `refused` the same share."""

    tasks: list[Task]
    length: float = 0.0
    refused: float = 0.0


class Launch(NamedTuple):
    """A launch's random values, in seconds: its start-up, and from there to its first check."""

    start_up: float
    check: float


class Second(NamedTuple):
    """The result of one second over all tasks; `per_task` is what each serving task was sent.

    `tasks` are those that cost: starting, serving and draining.
    """

    requests: float
    failed: float
    per_task: float
    serving: int
    tasks: int


_SAME_LENGTH = 0.5

_SILENT, _PROTECTED = (1 + math.sqrt(5)) / 2, math.sqrt(2)
_CHECKED = math.sqrt(7)
"""Multiples of an irrational number spread evenly over its fractions, apart from another's."""

NO_CAPACITY = (
    "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. "
    "Please try again later or in a different availability zone."
)
"""ECS's event for a service whose Fargate tasks cannot be launched."""


def _is_of(share: float, number: int, spread: float) -> bool:
    """Return whether a share of all tasks includes this number: about every third for a third."""
    return (number + 1) * spread % 1 < share


class Fleet:
    """One service's tasks, and the queues they hold.

    The load balancer spreads requests evenly over the tasks that pass their health checks, like its
    round robin, or over all if none passes. Tasks that started together hold equally many
    requests, so each such group is one queue; groups that become equal are merged.
    """

    def __init__(self, world: World, tasks: int, random: Random, lead: int = 0) -> None:
        """Start with `tasks` already serving; the traffic begins in second `lead`."""
        self._world = world
        self._random = random
        self._lead = lead
        self._launched = 0
        self.launches: list[Launch] = []
        self.desired = tasks
        first, slots = random.randrange(world.publish_interval), world.publish_interval
        ready = [self._task(-60.0, -60.0, (first + n) % slots) for n in range(tasks)]
        self._groups = [_Group(ready)] if ready else []
        self._unhealthy: list[_Group] = []
        self._starting: list[Task] = []
        self._draining: list[Task] = []
        self._account = world.launch_burst
        self._service = world.service_launch_rate * 60
        self._launched_at = 0.0
        self._waiting = 0
        self._never = 0
        self._struck = False

    def _task(self, listens_at: float, serves_at: float, slot: int) -> Task:
        world, number = self._world, self._launched
        self._launched += 1
        protected = _is_of(world.protected_share, number, _PROTECTED)
        return Task(
            listens_at,
            serves_at,
            slot,
            silent=_is_of(world.silent_share, number, _SILENT),
            protected_until=listens_at + world.protection if protected else 0.0,
            phase=(number + 1) * _CHECKED % 1 * world.health_interval,
        )

    @property
    def tasks(self) -> int:
        """Launched tasks: those that cost. Fargate bills a task until it has stopped."""
        return len(self._starting) + self._healthy + self._replaced + len(self._draining)

    @property
    def serving(self) -> int:
        """Tasks that get requests."""
        return self._healthy or self._replaced

    @property
    def _healthy(self) -> int:
        return sum(len(group.tasks) for group in self._groups)

    @property
    def _replaced(self) -> int:
        """Unhealthy tasks, which stay until a replacement serves."""
        return sum(len(group.tasks) for group in self._unhealthy)

    @property
    def problem(self) -> str:
        """ECS's message about tasks that cannot start."""
        return NO_CAPACITY if self._never else ""

    def running(self, now: float) -> int:
        """Return what ECS counts as running: tasks that listen and do not drain."""
        starting = sum(task.listens_at <= now for task in self._starting)
        return self._healthy + self._replaced + starting

    def set_desired(self, desired: int, now: float) -> None:
        """Launch or stop tasks. The newest stop first, and still answer what they hold."""
        self.desired = desired
        missing = desired - self._expected
        if missing > 0:
            self._waiting += missing
            self.launch(now)
        elif missing < 0:
            self._remove(-missing, now)

    @property
    def _expected(self) -> int:
        """Tasks that will stay, or are on their way."""
        return self._waiting + self._never + len(self._starting) + self._healthy

    def _remove(self, surplus: int, now: float) -> None:
        """Cancel pending launches, then stop tasks that may be stopped."""
        dropped = min(surplus, self._waiting)
        self._waiting -= dropped
        given_up = min(surplus - dropped, self._never)
        self._never -= given_up
        surplus -= dropped + given_up
        for tasks in (self._starting, *(group.tasks for group in reversed(self._groups))):
            going = [task for task in reversed(tasks) if task.protected_until <= now][:surplus]
            surplus -= len(going)
            for task in going:
                tasks.remove(task)
                self._drain(task, now)
        self._groups = [group for group in self._groups if group.tasks]
        self._stop_replaced(now)

    def _stop_replaced(self, now: float) -> None:
        """Stop unhealthy tasks that no longer have a replacement on its way."""
        surplus = self._replaced - self._waiting - self._never - len(self._starting)
        for group in self._unhealthy:
            while surplus > 0 and group.tasks:
                self._drain(group.tasks.pop(0), now)
                surplus -= 1
        self._unhealthy = [group for group in self._unhealthy if group.tasks]

    def _drain(self, task: Task, now: float) -> None:
        """Take a task out of the load balancer; one that does not listen yet stops at once."""
        if self._world.deregistration_delay and task.listens_at <= now:
            task.leaves_at = min(task.leaves_at, now)
            task.stops_at = now + self._world.deregistration_delay
            self._draining.append(task)

    def launch(self, now: float) -> None:
        """Launch as many waiting tasks as the quotas allow.

        Both are token buckets. Example: 600 tasks at once: 100 from the account's burst, then 20 a
        second, and 8.3 a second once the service's 500 a minute are used up.
        """
        if not self._waiting:
            return
        world, passed = self._world, now - self._launched_at
        self._launched_at = now
        self._account = min(world.launch_burst, self._account + passed * world.launch_rate)
        most = world.service_launch_rate * 60
        self._service = min(most, self._service + passed * world.service_launch_rate)
        count = int(min(self._waiting, self._account, self._service))
        self._waiting -= count
        self._account -= count
        self._service -= count
        failing = now - self._lead >= world.never_come_from
        for _ in range(count):
            start_up = world.start_up.draw(self._random)
            check = self._random.uniform(0, world.health_interval)
            slot = self._random.randrange(world.publish_interval)
            self.launches.append(Launch(start_up, check))
            task = self._task(now + start_up, now + start_up + check, slot)
            if failing:
                self._never += 1
            else:
                self._starting.append(task)

    def serve(self, requests: float, now: float, latencies: Latencies) -> Second:
        """Spread the requests of the second that starts `now`, and return the result."""
        self.advance(now)
        serving = self.serving
        if not serving:
            return Second(requests, requests, 0.0, 0, self.tasks)
        server, per_task, failed = self._world.server, requests / serving, 0.0
        for group in self._groups or self._unhealthy:
            served = serve(server, group.length, per_task, irregularity=1 / serving)
            count = len(group.tasks)
            group.length = served.length
            group.refused = served.failed / per_task if per_task else 0.0
            failed += served.failed * count
            latencies.add(served, (per_task - served.failed) * count)
        for group in self._unhealthy if self._groups else ():
            group.length = serve(server, group.length, 0.0).length
        if len(self._groups) > 1:
            self._merge()
        self._check(now)
        return Second(requests, failed, per_task, serving, self.tasks)

    def advance(self, now: float) -> None:
        """Launch, admit and stop everything due by `now`."""
        self.launch(now)
        if self._starting:
            self._admit(now)
        if self._draining:
            self._draining = [task for task in self._draining if task.stops_at > now]
        if self._expected > self.desired:  # a protection may have ended
            self._remove(self._expected - self.desired, now)

    def _admit(self, now: float) -> None:
        ready = [task for task in self._starting if task.serves_at <= now]
        if ready:
            self._starting = [task for task in self._starting if task.serves_at > now]
            self._groups.append(_Group(ready))
            self._stop_replaced(now)

    def _merge(self) -> None:
        merged = [self._groups[0]]
        for group in self._groups[1:]:
            first = merged[-1]
            if abs(first.length - group.length) > _SAME_LENGTH:
                merged.append(group)
                continue
            mine, other = len(first.tasks), len(group.tasks)
            first.length = (first.length * mine + group.length * other) / (mine + other)
            first.tasks += group.tasks
        self._groups = merged

    def _check(self, now: float) -> None:
        """Check the health of the tasks whose turn is in this second.

        An unhealthy task is replaced: it gets no requests while others are healthy, and stops once
        its replacement serves.
        """
        world, interval = self._world, self._world.health_interval
        slowest = world.health_timeout * world.server.capacity
        struck = False
        for group in self._groups:
            slow = group.length > slowest
            refused = group.refused if world.full_refuses_checks else 0.0
            if not (slow or refused or self._struck):
                continue
            for task in [task for task in group.tasks if (task.phase - now) % interval < 1]:
                failed = slow or (refused > 0 and self._random.random() < refused)
                task.strikes = task.strikes + 1 if failed else 0
                if task.strikes >= world.unhealthy_after:
                    group.tasks.remove(task)
                    self._unhealthy.append(_Group([task], group.length))
                    self._waiting += 1
            struck = struck or any(task.strikes for task in group.tasks)
        self._struck = struck
        if self._unhealthy:
            self._groups = [group for group in self._groups if group.tasks]
            for task in [task for group in self._unhealthy for task in group.tasks]:
                task.leaves_at = min(task.leaves_at, now + 1) if self._groups else math.inf
            self.launch(now)

    def publishing(self) -> Iterable[Task]:
        """Return the tasks that have a publisher: serving, starting and draining ones."""
        every = itertools.chain(self.running_tasks(), self._draining)
        return (task for task in every if not task.silent)

    def publishing_servers(self) -> Iterable[Task]:
        """Return the tasks that get requests and have a publisher."""
        return (task for task in self.serving_tasks() if not task.silent)

    def serving_tasks(self) -> Iterable[Task]:
        """Return the tasks that get requests."""
        for group in self._groups or self._unhealthy:
            yield from group.tasks

    def running_tasks(self) -> Iterable[Task]:
        """Return the tasks that ECS counts as running, or will: all that do not drain."""
        for group in (*self._groups, *self._unhealthy):
            yield from group.tasks
        yield from self._starting
