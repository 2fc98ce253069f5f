"""The tasks of a simulated service: launched, started, checked, given requests, stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quickstep_lab.simulator.queueing import serve

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from quickstep_lab.simulator.queueing import Latencies
    from quickstep_lab.simulator.world import World


@dataclass(slots=True)
class Task:
    """One task: when it listens, when it gets requests, and in which second it publishes."""

    listens_at: float
    serves_at: float
    slot: int


@dataclass(slots=True)
class _Group:
    """Serving tasks that hold equally many requests each."""

    tasks: list[Task]
    length: float = 0.0
    strikes: int = 0


class Second(NamedTuple):
    """What one second came to, over all tasks; `per_task` is what each serving task was sent."""

    requests: float
    failed: float
    per_task: float
    serving: int
    tasks: int


_SAME_LENGTH = 0.5


class Fleet:
    """The tasks of one service, and the queues they hold.

    The load balancer spreads requests evenly over those that pass their health checks, as its
    round robin does. Tasks that started together hold equally many requests, so each such group is
    one queue; groups that have become equal are one.
    """

    def __init__(self, world: World, tasks: int, random: Random) -> None:
        """Start with `tasks` that serve already."""
        self._world = world
        self._random = random
        self.desired = tasks
        first, slots = random.randrange(world.publish_interval), world.publish_interval
        ready = [Task(-60.0, -60.0, (first + n) % slots) for n in range(tasks)]
        self._groups = [_Group(ready)] if ready else []
        self._starting: list[Task] = []
        self._account = world.launch_burst
        self._service = world.service_launch_rate * 60
        self._launched_at = 0.0
        self._waiting = 0

    @property
    def tasks(self) -> int:
        """Launched tasks: those that cost."""
        return len(self._starting) + self.serving

    @property
    def serving(self) -> int:
        """Tasks that get requests."""
        return sum(len(group.tasks) for group in self._groups)

    def running(self, now: float) -> int:
        """Return what ECS counts as running: tasks that listen, healthy or not."""
        return self.serving + sum(task.listens_at <= now for task in self._starting)

    def set_desired(self, desired: int, now: float) -> None:
        """Launch or stop tasks. The newest are stopped first; what they hold, they still answer."""
        self.desired = desired
        surplus = self._waiting + self.tasks - desired
        if surplus <= 0:
            self._waiting -= surplus
            self.launch(now)
            return
        dropped = min(surplus, self._waiting)
        self._waiting -= dropped
        for _ in range(surplus - dropped):
            if self._starting:
                self._starting.pop()
                continue
            self._groups[-1].tasks.pop()
            if not self._groups[-1].tasks:
                self._groups.pop()

    def launch(self, now: float) -> None:
        """Launch as many waiting tasks as the quotas allow.

        Both are token buckets. Example: 600 tasks at once: 100 of the account's burst, then 8.3 a
        second once the service's 500 a minute are used up, 20 a second before.
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
        for _ in range(count):
            listens = now + world.start_up.draw(self._random)
            check = self._random.uniform(0, world.health_interval)
            slot = self._random.randrange(world.publish_interval)
            self._starting.append(Task(listens, listens + check, slot))

    def serve(self, requests: float, now: float, latencies: Latencies) -> Second:
        """Spread the requests of the second that starts `now`, and return what came of them."""
        self.launch(now)
        if self._starting:
            self._admit(now)
        serving = self.serving
        if not serving:
            return Second(requests, requests, 0.0, 0, self.tasks)
        per_task, failed = requests / serving, 0.0
        for group in self._groups:
            served = serve(self._world.server, group.length, per_task)
            count = len(group.tasks)
            group.length = served.length
            failed += served.failed * count
            latencies.add(served, (per_task - served.failed) * count)
        if len(self._groups) > 1:
            self._merge()
        if now % self._world.health_interval == 0:
            self._check(now)
        return Second(requests, failed, per_task, serving, self.tasks)

    def _admit(self, now: float) -> None:
        ready = [task for task in self._starting if task.serves_at <= now]
        if ready:
            self._starting = [task for task in self._starting if task.serves_at > now]
            self._groups.append(_Group(ready))

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
        """Check every task's health; where none is healthy, the load balancer uses all of them."""
        world = self._world
        slowest = world.health_timeout * world.server.capacity
        for group in self._groups:
            group.strikes = group.strikes + 1 if group.length > slowest else 0
        healthy = [group for group in self._groups if group.strikes < world.unhealthy_after]
        if healthy and len(healthy) < len(self._groups):
            lost = self.serving - sum(len(group.tasks) for group in healthy)
            self._groups = healthy
            self._waiting += lost
            self.launch(now)

    def publishing(self) -> Iterable[Task]:
        """Return the tasks that are serving or starting."""
        for group in self._groups:
            yield from group.tasks
        yield from self._starting
