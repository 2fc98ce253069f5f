"""A metric: what tasks, ECS or a load balancer publish becomes visible a little later."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, assert_never

from quickstep_lab.simulator import constants
from quickstep_lab.simulator.signals import REQUESTS, Signal, Source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from quickstep_lab.simulator.fleet import Fleet, Task
    from quickstep_lab.simulator.world import World

GRID = constants.EVALUATION.whole
"""Seconds of the finest period that alarms watch."""

_KEPT = 2_000
"""Seconds to keep: more than the longest evaluation range needs, 15 of 60 s."""


class Statistic(Enum):
    """The statistic of the metric that an alarm watches."""

    AVERAGE = "the average of a task"
    TOTAL = "the total of all tasks"


class Samples(NamedTuple):
    """One second's samples: from when they are visible, their number and their sum."""

    visible_at: float
    number: int
    total: float


class Readable(Protocol):
    """A metric that an alarm can watch."""

    def read(
        self, start: int, period: int, now: float, statistic: Statistic
    ) -> tuple[float | None, float]:
        """Return a period's value as visible at `now`, and its number of samples."""
        ...


class QueueMetric:
    """A queue's metric: each minute's mean, visible a lag after its end."""

    def __init__(self, world: World, random: Random, signal: Signal) -> None:
        self._world, self._random, self._signal = world, random, signal
        self._minutes: dict[int, list[float]] = {}
        self._visible: dict[int, float] = {}

    def record(self, value: float, second: int) -> None:
        """Record the signal's value in a second."""
        minute, signal = second // self._signal.period, self._signal
        if minute not in self._minutes:
            drawn = self._world.visibility.draw(self._random)
            end = (minute + 1) * signal.period
            self._visible[minute] = end + (signal.lag or 0.0) + drawn
        self._minutes.setdefault(minute, []).append(value)

    def read(
        self, start: int, period: int, now: float, _statistic: Statistic
    ) -> tuple[float | None, float]:
        """Return the mean of a period's visible minutes; see `Readable`."""
        every = self._signal.period
        minutes = range(start // every, (start + period) // every)
        seen = [
            value
            for minute in minutes
            if self._visible.get(minute, math.inf) <= now
            for value in self._minutes[minute]
        ]
        return (sum(seen) / len(seen), float(len(seen))) if seen else (None, 0.0)


class Metric:
    """A signal's values, for each task.

    A publishing task calls once per `publish_interval`, and publishes its load in each second that
    has ended since the last call; with `publish_seconds` above 1, their mean. A task that listens
    but gets no requests, not yet or no longer, publishes 0. AWS's own signals are means over the
    tasks that their source covers.
    """

    def __init__(self, world: World, random: Random, signal: Signal = REQUESTS) -> None:
        self._world = world
        self._random = random
        self._signal = signal
        self._published = signal.source is Source.TASKS
        self._whole_seconds = world.publish_seconds == 1 and self._published
        self._delays: dict[int, float] = {}
        self._every = 1 if self._whole_seconds else world.publish_interval
        self._sent: deque[float] = deque(maxlen=world.publish_interval + self._whole_seconds)
        self._seconds: dict[int, list[Samples]] = {}
        self._settled: dict[tuple[int, int], tuple[int, float]] = {}
        self._newest = -1
        self._called_in = 0
        self._lead = 0

    def record(self, fleet: Fleet, per_task: float, second: int, lead: int = 0) -> None:
        """Record one second's load; publish for the tasks whose turn it is.

        The traffic begins in second `lead`.
        """
        self._sent.append(per_task)
        self._lead = lead
        world = self._world
        if self._is_out(second):
            return
        if self._whole_seconds:
            if second % world.publish_interval == world.publish_interval - 1:
                self._publish_seconds(fleet, second)
            return
        now, interval = second + 1, world.publish_interval
        count, total, whole = 0, 0.0, sum(self._sent)
        for task in self._of(fleet):
            if task.slot != second % interval or task.listens_at > now:
                continue
            if world.lost_share and self._published and self._random.random() < world.lost_share:
                continue
            count += 1
            served = task.serves_at <= now - interval and task.leaves_at >= now
            total += whole if served else self._sent_to(task, now)
        if count:
            self.put(second, Samples(self._visible_at(second), count, total / interval))

    def _of(self, fleet: Fleet) -> Iterable[Task]:
        match self._signal.source:
            case Source.TASKS:
                return fleet.publishing()
            case Source.ECS:
                return fleet.running_tasks()
            case Source.BALANCER:
                return fleet.serving_tasks()
            case Source.QUEUE:
                return ()  # see `QueueMetric`
            case _:
                assert_never(self._signal.source)

    def _visible_at(self, second: int) -> float:
        """Return when a second's sample becomes visible.

        Example: a period of 20 s, a lag of 10 s and a visibility of 1.5 s: all samples of seconds
        20 to 39 become visible at 51.5.
        """
        visibility, signal = self._world.visibility, self._signal
        if signal.lag is None:
            return second + 1 + visibility.draw(self._random)
        period = second // signal.period
        if period not in self._delays:
            self._delays = {period: visibility.draw(self._random)}
        return (period + 1) * signal.period + signal.lag + self._delays[period]

    def _is_out(self, second: int) -> bool:
        """Return whether no metric arrives."""
        at = second - self._lead
        return any(start <= at < end for start, end in self._world.outages)

    def _sent_to(self, task: Task, now: int) -> float:
        """Return the recent load of a task that did not serve all the time.

        Example: one that serves from 7.5 on and leaves at 9.2 gets the requests of seconds 8 and 9.
        """
        sent = list(self._sent)
        began = now - len(sent)
        first = max(0, math.ceil(task.serves_at)) - began if task.serves_at < now else len(sent)
        last = math.ceil(task.leaves_at) - began if task.leaves_at < now else len(sent)
        return sum(sent[max(0, first) : max(0, last)])

    def _publish_seconds(self, fleet: Fleet, second: int) -> None:
        """Make the calls of an interval's last second, each task in its own phase.

        The second itself is not over yet, and waits for the next call. A slot's tasks call
        together, and their samples become visible together.

        Example: in second 14, seconds 9 to 13 are published, between 14.0 and 14.8.
        """
        world, interval = self._world, self._world.publish_interval
        over = list(self._sent)[:-1]
        first = second - len(over)
        self._called_in = second
        whole = [0] * interval
        parts = [[[0, 0.0] for _ in over] for _ in range(interval)]
        for task in fleet.publishing():
            slot = task.slot
            if task.listens_at > second + slot / interval:
                continue
            if world.lost_share and self._random.random() < world.lost_share:
                continue
            if task.serves_at <= first and task.leaves_at >= second and task.published_to <= first:
                whole[slot] += 1
                continue
            for at, part in enumerate(parts[slot], start=first):
                if task.listens_at <= at and task.published_to <= at:
                    part[0] += 1
                    part[1] += over[at - first] if task.serves_at <= at < task.leaves_at else 0.0
        visible = [
            second + slot / interval + world.visibility.draw(self._random)
            for slot in range(interval)
        ]
        for index, sent in enumerate(over):
            for slot in range(interval):
                some, total = parts[slot][index]
                if count := whole[slot] + int(some):
                    samples = Samples(visible[slot], count, whole[slot] * sent + total)
                    self.put(first + index, samples)

    def publish_early(self, task: Task, at: float) -> None:
        """Publish a task's whole seconds at a moment before its call is due.

        The current second is not recorded yet. If the task's call came earlier in this second, it
        has published the rest.

        Example: at 12.4, after the call in second 9, seconds 9 to 11.
        """
        world, now, interval = self._world, int(at), self._world.publish_interval
        due = now % interval == interval - 1 and now + task.slot / interval <= at
        if not self._whole_seconds or due or self._is_out(now):
            return
        sent = list(self._sent)
        first = max(self._called_in, task.published_to, now - len(sent))
        visible_at = at + world.visibility.draw(self._random)
        for second in range(first, now):
            if task.listens_at <= second:
                total = sent[second - now] if task.serves_at <= second else 0.0
                self._seconds.setdefault(second, []).append(Samples(visible_at, 1, total))
        task.published_to = now

    def put(self, second: int, samples: Samples) -> None:
        """Add samples stamped with a second; seconds must arrive in order."""
        self._seconds.setdefault(second, []).append(samples)
        self._newest = second
        while (oldest := next(iter(self._seconds))) < second - _KEPT:
            del self._seconds[oldest]
        while self._settled and next(iter(self._settled))[0] < second - _KEPT:
            del self._settled[next(iter(self._settled))]

    def read(
        self, start: int, period: int, now: float, statistic: Statistic
    ) -> tuple[float | None, float]:
        """Return a period's value as visible at `now`, and its number of samples.

        The value is None if nothing is visible. `now` never goes back.

        Example: 3 tasks at 50 each: an average of 50, a total of 150, and in 10 s 6 samples.
        """
        count, total = self._visible(start, period, now)
        if not count:
            return None, 0.0
        if statistic is Statistic.AVERAGE:
            return total / count, float(count)
        return total * self._every / period, float(count)

    def _visible(self, start: int, period: int, now: float) -> tuple[int, float]:
        """Return how many of a period's samples are visible at `now`, and their sum.

        Alarms look at the same periods again and again, a quarter of an hour per evaluation. Once a
        later second has samples and the whole period is visible, its result is final and cached.
        """
        if settled := self._settled.get((start, period)):
            return settled
        count, total, all_seen = 0, 0.0, True
        for second in range(start, start + period):
            for samples in self._seconds.get(second, ()):
                if samples.visible_at <= now:
                    count += samples.number
                    total += samples.total
                else:
                    all_seen = False
        if all_seen and self._newest >= start + period:
            self._settled[start, period] = count, total
        return count, total
