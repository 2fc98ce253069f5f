"""A queue and its workers: jobs wait, are worked on, and are late or not.

Whole jobs are counted, in order of arrival. A task's slot takes the oldest waiting job, and is busy
for as long as the job takes; so nothing is lost when tasks start or stop.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

from quickstep_lab.simulator import constants

_ROUNDING = 1e-9
_SHORTEST = 0.1
"""Minimum seconds per step: several shorter jobs are worked off in one."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs' properties: each takes `seconds` in one of a task's `slots`.

    A job is late if it waits longer than `late_after` seconds before it starts. A stopped task
    starts no other job; those unfinished after `stop_timeout` seconds, ECS's default, wait again
    with their old arrival time.
    """

    seconds: float = constants.JOB_SECONDS.value
    slots: int = 1
    late_after: float = constants.LATE_AFTER.value
    stop_timeout: float = constants.STOP_TIMEOUT.value

    @property
    def per_second(self) -> float:
        """The jobs that one task works off in a second. Example: 2 of 2 s in four slots."""
        return self.slots / self.seconds


class Worked(NamedTuple):
    """The result of one second: jobs that arrived, and jobs found late."""

    arrived: int
    late: int


class _Held(NamedTuple):
    """Jobs in progress: when they end, when they arrived, and how many they are."""

    ends: float
    arrived: float
    jobs: int


@dataclass(slots=True)
class Waits:
    """How long jobs waited before they started, in whole seconds."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, jobs: int) -> None:
        """Count jobs that waited this long."""
        self.counts[math.ceil(seconds)] += jobs

    @classmethod
    def of_all(cls, parts: Iterable[Waits]) -> Waits:
        """Return several periods' waits merged."""
        whole = cls()
        for part in parts:
            whole.counts.update(part.counts)
        return whole

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which this share of the jobs started; None without any."""
        total, seen = sum(self.counts.values()), 0
        for seconds, jobs in sorted(self.counts.items()):
            seen += jobs
            if seen >= share * total - _ROUNDING:
                return float(seconds)
        return None


class JobQueue:
    """One queue's jobs, from arrival until they are done; `visible` are those waiting."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._at = 0.0
        # A job takes a whole number of steps; several jobs shorter than a step fit in one.
        self._step = (
            jobs.seconds / math.ceil(jobs.seconds)
            if jobs.seconds >= 1
            else jobs.seconds * math.ceil(_SHORTEST / jobs.seconds)
        )
        self._at_once = max(1, round(self._step / jobs.seconds))
        self._waiting: deque[tuple[float, int]] = deque()
        self._working: deque[_Held] = deque()
        self._leaving: list[_Held] = []
        self._stopping: list[tuple[float, int]] = []
        self._tasks = 0
        self._total = 0.0
        self._busy = 0
        self.arrived = 0
        self.done = 0
        self.visible = 0
        self.waits = Waits()

    @property
    def in_flight(self) -> int:
        """The jobs in progress, including those on stopping tasks."""
        return self.arrived - self.done - self.visible

    @property
    def stopping(self) -> int:
        """Stopped tasks that still work on a job: they cost money."""
        return sum(tasks for _, tasks in self._stopping)

    def overdue(self, now: float) -> int:
        """Return the waiting jobs that are already late."""
        limit = now - self._jobs.late_after
        return sum(count for arrived, count in self._waiting if arrived < limit)

    def run(self, arrivals: float, second: int, tasks: int) -> Worked:
        """Add the `arrivals` of the second that starts at `second`, and let `tasks` work on them.

        Fractions add up: half a job a second means one every other second.
        """
        if tasks < self._tasks:
            self._stop(self._tasks - tasks)
        self._tasks = tasks
        before, late = self.arrived, 0
        while self._at + self._step <= second + 1 + _ROUNDING:
            late += self._one_step(self._total + arrivals * (self._at + self._step - second))
        self._total += arrivals
        return Worked(self.arrived - before, late)

    def _one_step(self, total: float) -> int:
        """Work for one step, in which the arrivals reach `total`; return the jobs found late."""
        now = self._at
        self._finish(now)
        if come := int(total + _ROUNDING) - self.arrived:
            self._waiting.append((now, come))
            self.arrived += come
            self.visible += come
        late = self._begin(now)
        self._at += self._step
        return late

    def _finish(self, now: float) -> None:
        while self._working and self._working[0].ends <= now + _ROUNDING:
            jobs = self._working.popleft().jobs
            self.done += jobs
            self._busy -= jobs
        if not self._leaving and not self._stopping:
            return
        self.done += sum(held.jobs for held in self._leaving if held.ends <= now + _ROUNDING)
        self._leaving = [held for held in self._leaving if held.ends > now + _ROUNDING]
        self._stopping = [(until, n) for until, n in self._stopping if until > now + _ROUNDING]

    def _begin(self, now: float) -> int:
        """Let free slots take the oldest jobs; return how many of these had waited too long."""
        room = self._tasks * self._jobs.slots * self._at_once
        free = room - self._busy
        late, ends = 0, now + max(self._step, self._jobs.seconds)
        while free > 0 and self._waiting:
            arrived, count = self._waiting.popleft()
            taken = min(free, count)
            if taken < count:
                self._waiting.appendleft((arrived, count - taken))
            free -= taken
            self.visible -= taken
            self._busy += taken
            waited = now - arrived
            self.waits.add(waited, taken)
            late += taken if waited > self._jobs.late_after else 0
            self._working.append(_Held(ends, arrived, taken))
        return late

    def _stop(self, tasks: int) -> None:
        """Stop tasks, with their share of the jobs in progress.

        Example: 2 of 6 tasks with 5 jobs in flight are stopped: 2 of the jobs leave with them.
        """
        now, share = self._at, tasks / self._tasks
        until, kept, moved, seen = now + self._jobs.stop_timeout, [], 0, 0
        longest = now
        for held in self._working:
            seen += held.jobs
            going = round(seen * share) - moved
            moved += going
            self._busy -= going
            if going and held.ends <= until:
                self._leaving.append(held._replace(jobs=going))
                longest = max(longest, held.ends)
            elif (
                going
            ):  # killed at its timeout: it waits again, ahead of everything that arrived later
                longest = until
                self._waiting.appendleft((held.arrived, going))
                self.visible += going
            if held.jobs > going:
                kept.append(held._replace(jobs=held.jobs - going))
        self._working = deque(kept)
        if longest > now:
            self._stopping.append((longest, tasks))
