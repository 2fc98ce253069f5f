"""Queues: finding them, and acting on a reading of each every ten seconds.

    heartbeat  ->  six polls per hundred targets that have a queue, 0 to 50 s later
               ->  survey of the policy documents: a look at each new target with a queue
    poll       ->  read the queues, and what the targets remember
               ->  nothing new: write nothing; otherwise write what is known of the queues
               ->  more tasks are needed: a look, evaluated like any other

A poll uses the same engine, without a lease, to decide whether there is something to do. Removing
tasks is left to the looks that an evaluation schedules, and to the heartbeat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from quickstep.config import ConfigError
from quickstep.engine.backlog import POLL_SECONDS, Moment, QueueReading, follow
from quickstep.engine.decide import decide
from quickstep.engine.model import Direction, Observation, Service
from quickstep.engine.outcome import Outcome
from quickstep.fields import write_moment
from quickstep.loop.next_look import OVERDUE
from quickstep.loop.observing import readings_of
from quickstep.naming import parse_resource_id
from quickstep.protocol.look import Cause, Look
from quickstep.protocol.messages import Heartbeat, Heartbeats, Message
from quickstep.protocol.polls import MOST_POLLED, Poll, Survey
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.quotas import GET_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from quickstep.engine.backlog import Backlog
    from quickstep.engine.model import ScalableTarget
    from quickstep.loop.cycle import Cycle
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Lease, Memory
    from quickstep.protocol.ports import Messages, Parameters, Queues
    from quickstep.protocol.records import DecisionRecord

DELAYS = tuple(timedelta(seconds=seconds) for seconds in range(0, 60, POLL_SECONDS))
"""When in a minute its polls run."""

OLDEST = timedelta(seconds=20)
"""A poll that arrives later than this has been followed by others."""

PAGES = 15
"""Pages of documents in one invocation; the next one reads the rest."""

PAGE_SLEEP = timedelta(seconds=1 / GET_PARAMETERS.a_second)
"""25 ms, plus the call itself: a survey uses about half of the reads that SSM allows."""

WHOLE_MINUTES = 5
"""The minutes between two full reads, if one invocation cannot read all documents."""

READS_A_SECOND = 14
"""The most that reading all empty queues may cost: 36 million calls a month, 14.5 $."""

EMPTY_FOR = timedelta(minutes=5)
"""A target whose queues have been empty this long may be read less often."""

POLL_TIME = timedelta(seconds=6)
"""How long one invocation reads and evaluates; others do the rest, a few targets each."""

HANDED_ON = 10

AGAIN = timedelta(seconds=60)
"""How long a failure is left to the heartbeat."""

_WORK = (Outcome.SCALED_OUT, Outcome.WOULD_SCALE)


def poll_look(service: ServiceName, poll: Poll) -> Look:
    """Return the look at a target for which a poll has found something to do."""
    return Look(
        service=service,
        cause=Cause("poll", {"at": write_moment(poll.at)}),
        again=replace(poll, targets={service: poll.targets[service]}),
    )


def pause_of_empty(targets: int) -> int:
    """Return the seconds between two readings of queues that have long been empty.

    Up to 140 targets with a queue are read at the usual ten seconds. Beyond that, the interval
    grows so that all of them together are read READS_A_SECOND times a second.

    Example: 80 s for 1,000 targets.
    """
    return POLL_SECONDS * max(1, math.ceil(targets / (READS_A_SECOND * POLL_SECONDS)))


@dataclass(frozen=True, slots=True)
class Empties:
    """Since when this function has found a target's queues empty at every reading.

    Another function may have found them otherwise in between: see `Polls._wake`.
    """

    _since: dict[ServiceName, datetime] = field(default_factory=dict)

    def long(self, target: ServiceName, now: datetime) -> bool:
        """Whether a target's queues have been empty for long."""
        since = self._since.get(target)
        return since is not None and now - since >= EMPTY_FOR

    def saw(self, target: ServiceName, now: datetime, *, empty: bool) -> None:
        """Note what a reading has shown."""
        if empty:
            self._since.setdefault(target, now)
        else:
            self._since.pop(target, None)


def is_turn(target: ServiceName, at: datetime, pause: int) -> bool:
    """Whether a target is due in this poll, among those that are read once per pause.

    Every function computes the same answer, so together they read each target once.

    Example: of the eight polls in 80 s, each reads an eighth of the targets.
    """
    turns = pause // POLL_SECONDS
    number = int(at.timestamp() // POLL_SECONDS)
    return number % turns == crc32(target.resource_id.encode()) % turns


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read from queues, by name, and when, and how long after the reading before."""

    read: Mapping[str, QueueReading | CallFailedError]
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """Finds queues, has them read, and has the cycle evaluate targets that need more tasks."""

    cycle: Cycle
    parameters: Parameters
    queues: Queues
    messages: Messages
    sleep: Callable[[timedelta], None]
    empties: Empties

    def announce(self, listed: Mapping[str, tuple[str, ...]]) -> None:
        """Send a minute's polls, for the targets that are known to have queues.

        Raises:
            CallFailedError: a message could not be sent.
        """
        now = self.cycle.clock()
        found = {
            name: queues
            for resource_id, queues in sorted(listed.items())
            if queues and (name := parse_resource_id(resource_id))
        }
        names = list(found)
        batches = [
            {name: found[name] for name in names[start : start + MOST_POLLED]}
            for start in range(0, len(names), MOST_POLLED)
        ]
        if batches:
            polls = [(Poll(now + delay, b, len(found)), delay) for delay in DELAYS for b in batches]
            self.messages.send_all([(Message(poll), delay) for poll, delay in polls])

    def survey(self, survey: Survey, listed: Collection[str]) -> None:
        """Continue through the policy documents, and send looks at new targets with a queue.

        The first pages are read every minute, all pages every five.

        Raises:
            CallFailedError: the documents could not be read, or a message could not be sent.
        """
        token, new = survey.next_token, []
        for page in range(PAGES):
            if page:
                self.sleep(PAGE_SLEEP)
            documents, token = self.parameters.survey(token)
            new += [
                name
                for name, document in documents.items()
                if speaks_of_queues(document.text) and name.resource_id not in listed
            ]
            if token is None:
                break
        looks = [Heartbeats((Heartbeat(name, {}),)) for name in new]
        if looks:
            self.messages.send_all([(Message(look), timedelta()) for look in looks])
        whole = survey.next_token or self.cycle.clock().minute % WHOLE_MINUTES == 0
        if token is not None and whole:
            self.messages.send(Message(Survey(token)), timedelta())

    def poll(self, poll: Poll) -> list[DecisionRecord]:
        """Read the queues of targets, and evaluate the targets that need more tasks.

        Raises:
            ExceptionGroup: what went wrong with some targets, after all had their turn.
        """
        now = self.cycle.clock()
        if abs(now - poll.at) > OLDEST:
            return []
        pause = pause_of_empty(poll.of)
        due = [
            name
            for name in poll.targets
            if not self.empties.long(name, now) or is_turn(name, poll.at, pause)
        ]
        read = self.queues.read(sorted({queue for name in due for queue in poll.targets[name]}))
        seen = {
            name: _Seen(
                read, Moment(now, 0, pause if self.empties.long(name, now) else POLL_SECONDS)
            )
            for name in due
        }
        left = [name for name in due if not self._rests(name, poll, seen[name])]
        try:
            known = self.cycle.targets.peek_all([name.resource_id for name in left]) if left else {}
        except CallFailedError as error:
            if error.outcome is Outcome.FAILED_THROTTLED:
                return []  # the next poll is ten seconds away
            raise
        records: list[DecisionRecord] = []
        errors: list[Exception] = []
        for index, name in enumerate(left):
            if index and self.cycle.clock() - now >= POLL_TIME:
                self._hand_on(poll, left[index:])
                break
            if name.resource_id in known:
                try:
                    look = poll_look(name, poll)
                    records += self._look(look, *known[name.resource_id], seen[name])
                except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
                    errors.append(error)
        if errors:
            raise ExceptionGroup("poll", errors)
        return records

    def _hand_on(self, poll: Poll, names: list[ServiceName]) -> None:
        """Leave targets to other invocations, which read their queues again."""
        parts = [names[start : start + HANDED_ON] for start in range(0, len(names), HANDED_ON)]
        polls = [replace(poll, targets={each: poll.targets[each] for each in p}) for p in parts]
        self.messages.send_all([(Message(each), timedelta()) for each in polls])

    def _rests(self, name: ServiceName, poll: Poll, seen: _Seen) -> bool:
        """Whether a target's queues are still as empty as they have long been."""
        now, readings = seen.moment.now, [seen.read[queue] for queue in poll.targets[name]]
        empty = all(isinstance(each, QueueReading) and each.is_empty for each in readings)
        long = self.empties.long(name, now)
        self.empties.saw(name, now, empty=empty)
        if long and not empty and seen.moment.seconds > POLL_SECONDS:
            self._wake(name, poll)
        return empty and long

    def _wake(self, name: ServiceName, poll: Poll) -> None:
        """Have every function read a target as often as any that is not empty."""
        own = replace(poll, targets={name: poll.targets[name]}, of=1)
        polls = [(Message(replace(own, at=poll.at + delay)), delay) for delay in DELAYS[1:]]
        self.messages.send_all(polls)

    def _look(
        self, look: Look, memory: Memory, lease: Lease | None, seen: _Seen
    ) -> list[DecisionRecord]:
        """Evaluate a target if there is something to do; else write its queues' news."""
        now, target = seen.moment.now, self._target(look.service, seen)
        if target is None or not memory.listed or is_held(lease, now):
            return []
        memory = memory.as_of(now)
        moment = replace(seen.moment, tasks=memory.desired or 0)
        readings = readings_of(target.queues, seen.read)
        backlog = follow(target.queues, memory.backlog, readings, moment)
        if _problems(backlog) - _problems(memory.backlog):
            return self.cycle.evaluate(look)  # which reads the queues again
        if needs_tasks(target, memory, backlog, now):
            return self.cycle.evaluate(replace(look, backlog=backlog))
        if backlog is not memory.backlog:
            self.cycle.targets.watch(look.service.resource_id, backlog)
        return []

    def _target(self, service: ServiceName, seen: _Seen) -> ScalableTarget | None:
        """Return the target if all its queues were read; a newer document may have others."""
        try:
            target = self.cycle.policies.load(service)
        except (ConfigError, CallFailedError):
            return None  # the heartbeat meets the same problem, and records it
        names = {policy.queue_name for policy in target.queues}
        return target if names and names <= seen.read.keys() else None


def speaks_of_queues(document: str) -> bool:
    """Whether a document may have a queue policy; a look at its target reads that in full."""
    return '"QueuePolicies"' in document


def needs_tasks(target: ScalableTarget, memory: Memory, backlog: Backlog, now: datetime) -> bool:
    """Whether a target's queues need more tasks than it has, and nothing prevents adding them.

    The heartbeat retries failures. The look that is due handles targets that wait for a turn or an
    answer, and dry runs, which would need tasks forever.
    """
    if memory.failed_at and now - memory.failed_at < AGAIN:
        return False
    waits = memory.turn or memory.counts.asked or target.dry_run
    if waits and memory.check_at and now < memory.check_at + OVERDUE:
        return False
    desired = memory.desired
    if desired is None:
        return False  # it could not be described: see the heartbeat
    observation = Observation(Service(desired, desired, 0), {}, backlog)
    return decide(target, observation, memory.state, now, (Direction.OUT,)).outcome in _WORK


def is_held(lease: Lease | None, now: datetime) -> bool:
    """Whether someone is evaluating a target right now."""
    return lease is not None and now < lease.until


def _problems(backlog: Backlog | None) -> set[str]:
    queues = backlog.queues.items() if backlog else ()
    return {policy for policy, queue in queues if queue.trouble}
