"""What is known about a service's queues, and how many tasks they need.

SQS reports how many messages wait and how many are being worked on, but not how many have arrived.
Two readings show that: the arrivals are the jobs finished in between, plus the growth of the queue.

The counts are approximate. Nothing here trusts a single count enough to remove the last task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.patience import Need

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

BUSY_SHARE = 0.9
"""The share of its time that a slot should be busy: at full use, any random surge has to wait."""

POLL_SECONDS = 10
"""How often a queue is read."""

REMEMBERED_SECONDS = 600
"""How long needs are remembered for scale-in, which looks at them more often."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """A queue whose jobs the service works off: one task runs `slots_per_task` jobs at a time.

    Waiting jobs should be gone after `drain_seconds`. An idle task is kept for `scale_in_window`
    seconds, and longer if earlier removals came too soon; `kept_share` is as in a target policy.
    """

    name: str
    queue_name: str
    seconds_per_job: float
    slots_per_task: int = 1
    drain_seconds: int = 30
    scale_in_window: int = 300
    kept_share: float = 0.7

    @property
    def jobs_per_second(self) -> float:
        """The jobs that one task works off per second. Example: 0.5 if one slot takes 2 s a job."""
        return self.slots_per_task / self.seconds_per_job


@dataclass(frozen=True, slots=True)
class QueueReading:
    """A queue's messages by SQS's own count: waiting, being worked on, and delayed.

    `dead_letters` names the queue that receives messages nobody can work off.
    """

    visible: int
    in_flight: int = 0
    delayed: int = 0
    dead_letters: str = ""

    @property
    def jobs(self) -> int:
        """The number of jobs to do now."""
        return self.visible + self.in_flight

    @property
    def is_empty(self) -> bool:
        """Whether the queue has no messages of any kind."""
        return not (self.jobs or self.delayed)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known about a queue: its newest reading, first seen `at`, and `arrivals` a second.

    The reading is None before the first one; `trouble` says why there is no newer one.
    """

    at: datetime
    reading: QueueReading | None
    arrivals: float = 0.0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is known about all queues of a service, by policy.

    `needs` are the tasks they needed recently, newest first. `empty_since` is when no message of
    any kind was left in any of them.
    """

    queues: Mapping[str, Queue] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    empty_since: datetime | None = None

    @property
    def tasks(self) -> int:
        """How many tasks the newest readings need."""
        return self.needs[0].tasks if self.needs else 0

    @property
    def is_empty(self) -> bool:
        """Whether every queue was read, and has no messages of any kind."""
        return all(
            queue.reading is not None and queue.reading.is_empty and not queue.trouble
            for queue in self.queues.values()
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """When queues were read, with how many tasks, and the most seconds since the previous reading.

    An unchanged reading is not written again, so its time does not show when it was last seen.
    """

    now: datetime
    tasks: int
    seconds: float = POLL_SECONDS

    def since(self, at: datetime) -> float:
        """Return the seconds in which a reading seen `at` that time may have changed."""
        return min(self.seconds, (self.now - at).total_seconds())


def share(policy: QueuePolicy, reading: QueueReading, arrivals: float) -> float:
    """Return the tasks that a queue needs, as a fraction.

    They spend nine tenths of their time on arrivals, and clear the waiting jobs within
    DrainSeconds. The result is at most what the queue's jobs can occupy, as few jobs give a poor
    estimate.

    Examples: 12 jobs/s arrive and 340 wait, each 2 s in one slot, to be gone in 30 s: (12 / 0.9 +
    340 / 30) / 0.5 = 49.3. One job of 120 s, the first for a long time, counts as 0.1/s by the
    previous reading: 17.3 by the sum, but one task.
    """
    return min(asked(policy, reading, arrivals), float(occupied(policy, reading.jobs)))


def asked(policy: QueuePolicy, reading: QueueReading, arrivals: float) -> float:
    """Return the tasks for arriving and waiting jobs, however few the jobs are; see `share`."""
    work = arrivals / BUSY_SHARE + reading.visible / policy.drain_seconds
    return work / policy.jobs_per_second


def occupied(policy: QueuePolicy, jobs: int) -> int:
    """Return how many tasks `jobs` can occupy, at nine tenths of their slots.

    Examples: 1 task for 1 job and 13 for 12; with 10 slots a task, 2 for 12 jobs.
    """
    slots = policy.slots_per_task
    return max(math.ceil(jobs / slots), math.floor(jobs / slots / BUSY_SHARE))


def whole(tasks: float) -> int:
    """Round fractional tasks up to whole ones. Example: 23.3 and 0.4 are 24."""
    return math.ceil(tasks - _ROUNDING)


def arrivals(
    policy: QueuePolicy,
    last: QueueReading,
    newest: QueueReading,
    tasks: int,
    seconds: float,
) -> float:
    """Return the jobs that arrived per second between two readings.

    By Little's law, each job in flight finishes at a rate of 1 / SecondsPerJob. Any beyond what
    `tasks` can work on were fetched ahead, or their workers died; they do not count.

    Example: 20 and then 24 in flight of 2 s each, and 30 more waiting 10 s later: 11/s were
    finished, and 3.4/s more than that arrived.
    """
    done = (_working(policy, last, tasks) + _working(policy, newest, tasks)) / 2
    grown = (newest.jobs - last.jobs) / seconds
    return max(0.0, done / policy.seconds_per_job + grown)


def _working(policy: QueuePolicy, reading: QueueReading, tasks: int) -> int:
    return min(reading.in_flight, tasks * policy.slots_per_task)


def counted(
    policies: Sequence[QueuePolicy], readings: Mapping[str, QueueReading]
) -> list[QueuePolicy]:
    """Return the policies whose queue was read and is not another's dead-letter queue.

    Messages that nobody could work off are not a load.
    """
    dead = {reading.dead_letters for reading in readings.values()}
    return [each for each in policies if each.name in readings and each.queue_name not in dead]


def follow(
    policies: Sequence[QueuePolicy],
    known: Backlog | None,
    readings: Mapping[str, QueueReading | str],
    moment: Moment,
) -> Backlog:
    """Update what is known by reading the queues, by policy; a text is why a queue was not read.

    Return the same object if nothing changed, so that nothing has to be written. A remembered
    reading therefore held until the reading before this one.
    """
    known = known or Backlog()
    queues = {
        policy.name: _followed(policy, known.queues.get(policy.name), read, moment)
        for policy in policies
        if (read := readings.get(policy.name)) is not None
    }
    if queues == known.queues:
        return known
    seen = {name: each.reading for name, each in queues.items() if each.reading}
    needed = whole(
        sum(
            share(policy, seen[policy.name], queues[policy.name].arrivals)
            for policy in counted(policies, seen)
        )
    )
    backlog = Backlog(queues, _needs(known.needs, needed, moment))
    if not backlog.is_empty:
        return backlog
    return replace(backlog, empty_since=known.empty_since or moment.now)


def _followed(
    policy: QueuePolicy, last: Queue | None, read: QueueReading | str, moment: Moment
) -> Queue:
    """Return what is known about one queue; the same object if nothing has changed.

    Two readings closer together than usual say less about arrivals, so they weigh less.

    Example: 8 jobs/s so far; a reading 4 s later suggests 12: 9.6.
    """
    if isinstance(read, str):
        known = last or Queue(moment.now, None)
        return known if known.trouble else replace(known, trouble=read)
    if last is None or last.reading is None:
        steady = arrivals(policy, read, read, moment.tasks, moment.seconds)
        return Queue(moment.now, read, steady)
    apart = moment.since(last.at)
    if apart <= 0:
        return last
    newest = arrivals(policy, last.reading, read, moment.tasks, apart)
    come = round(last.arrivals + apart / moment.seconds * (newest - last.arrivals), 3)
    same = (read, come, "") == (last.reading, last.arrivals, last.trouble)
    return last if same else Queue(moment.now, read, come)


def _needs(known: tuple[Need, ...], tasks: int, moment: Moment) -> tuple[Need, ...]:
    """Add a new need; the previous need held until the previous reading."""
    before: list[Need] = []
    if known:
        until = moment.now - timedelta(seconds=moment.since(known[0].at))
        before = [Need(until, known[0].tasks), *known[1:]]
    oldest = moment.now - timedelta(seconds=REMEMBERED_SECONDS)
    needs = [Need(moment.now, tasks)]
    needs += [need for need in before if need.tasks > tasks and need.at >= oldest]
    return tuple(needs)
