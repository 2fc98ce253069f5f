"""What is known of the queues that a service works off, and how many tasks that takes.

SQS says how many messages wait and how many are being worked on, and not how many have come. That
follows from two readings: whatever was worked off in between, and by how much there are more.

The counts are approximate. Nothing here trusts one of them alone to remove the last task.
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
"""The part of its time for which a slot is to have a job: with all of it, any chance waits."""

POLL_SECONDS = 10
"""How often a queue is read."""

REMEMBERED_SECONDS = 600
"""For so long it is kept how many tasks were needed: giving back looks at it more often."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """A queue whose jobs the service works off: one task has `slots_per_task` jobs at a time.

    What waits is to be gone after `drain_seconds`. An idle task is kept for `scale_in_window`
    seconds, and longer where that has been too soon before; `kept_share` is as in a target policy.
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
        """The jobs that one task works off in a second. Example: 0.5 of 2 s in one slot."""
        return self.slots_per_task / self.seconds_per_job


@dataclass(frozen=True, slots=True)
class QueueReading:
    """A queue's messages by SQS's own count: those that wait, are worked on, and are delayed.

    `dead_letters` names the queue to which its messages go that nobody can work off.
    """

    visible: int
    in_flight: int = 0
    delayed: int = 0
    dead_letters: str = ""

    @property
    def jobs(self) -> int:
        """The jobs that there are to do now."""
        return self.visible + self.in_flight

    @property
    def is_empty(self) -> bool:
        """Whether there is no message of any kind."""
        return not (self.jobs or self.delayed)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known of a queue: the newest reading, first seen `at`, and jobs that come a second.

    The reading is None before the first one; `trouble` is why there is no newer one.
    """

    at: datetime
    reading: QueueReading | None
    arrivals: float = 0.0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is known of all queues of a service, by policy.

    `needs` are the tasks that they took lately, newest first; `empty_since` is since when no
    message of any kind has been seen in any of them.
    """

    queues: Mapping[str, Queue] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    empty_since: datetime | None = None

    @property
    def tasks(self) -> int:
        """How many tasks the newest readings take."""
        return self.needs[0].tasks if self.needs else 0

    @property
    def is_empty(self) -> bool:
        """Whether every queue was read, and has no message of any kind."""
        return all(
            queue.reading is not None and queue.reading.is_empty and not queue.trouble
            for queue in self.queues.values()
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """When queues were read, with how many tasks, and at most so many seconds after the last time.

    A reading that has not changed is not written down each time, so its own time does not say it.
    """

    now: datetime
    tasks: int
    seconds: float = POLL_SECONDS

    def since(self, at: datetime) -> float:
        """Return for how many seconds what was seen then may have changed."""
        return min(self.seconds, (self.now - at).total_seconds())


def share(policy: QueuePolicy, reading: QueueReading, arrivals: float) -> float:
    """Return the tasks that a queue takes, in fractions of one.

    They work off what comes in nine tenths of their time, and what waits within DrainSeconds. They
    are no more than its jobs occupy: what comes is estimated from few of them.

    Examples: 12 jobs a second come and 340 wait, of 2 s in one slot, to be gone in 30 s:
    (12 / 0.9 + 340 / 30) / 0.5 = 49.3. One job of 120 s, the first for a long time, is 0.1 a second
    by the reading before: 17.3 by the sum, and one task.
    """
    return min(asked(policy, reading, arrivals), float(occupied(policy, reading.jobs)))


def asked(policy: QueuePolicy, reading: QueueReading, arrivals: float) -> float:
    """Return the tasks for what comes and what waits, however many jobs there are: see `share`."""
    work = arrivals / BUSY_SHARE + reading.visible / policy.drain_seconds
    return work / policy.jobs_per_second


def occupied(policy: QueuePolicy, jobs: int) -> int:
    """Return how many tasks so many jobs can occupy, at nine tenths of their slots.

    Examples: one task for 1 job, 13 for 12; of tasks with 10 slots, 2 for 12 jobs.
    """
    slots = policy.slots_per_task
    return max(math.ceil(jobs / slots), math.floor(jobs / slots / BUSY_SHARE))


def whole(tasks: float) -> int:
    """Return the whole tasks that fractions of tasks take. Example: 23.3 and 0.4 are 24."""
    return math.ceil(tasks - _ROUNDING)


def arrivals(
    policy: QueuePolicy,
    last: QueueReading,
    newest: QueueReading,
    tasks: int,
    seconds: float,
) -> float:
    """Return the jobs that have come in a second between two readings.

    By Little's law, jobs in flight leave at the rate of one each per SecondsPerJob. More are in
    flight than `tasks` work on where they fetch ahead, or have died: those do not count.

    Example: 20 and then 24 in flight of 2 s each, and 10 s later 30 more wait: 11 a second were
    worked off, and 3.4 more have come than that.
    """
    done = (_working(policy, last, tasks) + _working(policy, newest, tasks)) / 2
    grown = (newest.jobs - last.jobs) / seconds
    return max(0.0, done / policy.seconds_per_job + grown)


def _working(policy: QueuePolicy, reading: QueueReading, tasks: int) -> int:
    return min(reading.in_flight, tasks * policy.slots_per_task)


def counted(
    policies: Sequence[QueuePolicy], readings: Mapping[str, QueueReading]
) -> list[QueuePolicy]:
    """Return the policies whose queue counts: those that were read, but for dead letters.

    A queue to which another's messages go once nobody could work them off is no load.
    """
    dead = {reading.dead_letters for reading in readings.values()}
    return [each for each in policies if each.name in readings and each.queue_name not in dead]


def follow(
    policies: Sequence[QueuePolicy],
    known: Backlog | None,
    readings: Mapping[str, QueueReading | str],
    moment: Moment,
) -> Backlog:
    """Return what is known once the queues have been read, by policy; a text is why one was not.

    Where that is what is known already, that itself: nothing has to be written. So a reading that
    is remembered held until the one before this.
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
    """Return what is known of one queue; the same as before where that has not changed.

    Two readings that are closer to each other than usual say less of what comes: their part in it
    is smaller.

    Example: 8 jobs a second came, and 4 s later so many are there as if 12 did: 9.6.
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
    """Return the needs with a new one: what was needed before was so until the reading before."""
    before: list[Need] = []
    if known:
        until = moment.now - timedelta(seconds=moment.since(known[0].at))
        before = [Need(until, known[0].tasks), *known[1:]]
    oldest = moment.now - timedelta(seconds=REMEMBERED_SECONDS)
    needs = [Need(moment.now, tasks)]
    needs += [need for need in before if need.tasks > tasks and need.at >= oldest]
    return tuple(needs)
