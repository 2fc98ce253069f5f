"""The heartbeat's round: once a minute, a look at every target that has alarms, or is remembered.

A look claims nothing: it reads what the target remembers, and evaluates the target only if that, or
ECS, shows something to do. ECS is asked for ten services at once, SSM for their documents. Where
there are more targets than one invocation looks at, the queue brings them in batches, spread over
the minute; only so many of them ask ECS, drawn again each minute.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.config import ConfigError
from quickstep.engine.outcome import Outcome
from quickstep.engine.policies import looks_always
from quickstep.engine.proposal import Bounds
from quickstep.loop.cycle import LEASE
from quickstep.loop.learning import learn
from quickstep.loop.looks import heartbeat_look
from quickstep.loop.next_look import OVERDUE, readable
from quickstep.naming import parse_resource_id
from quickstep.protocol.counts import CLOCKS, Meaning
from quickstep.protocol.messages import MAX_DESCRIBED, Heartbeat, Heartbeats, Message, Sweep
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.quotas import DESCRIBE_ALARMS, DESCRIBE_SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import ScalableTarget, Service
    from quickstep.loop.cycle import Cycle
    from quickstep.naming import ServiceName
    from quickstep.protocol.look import Look
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.ports import Alarms, Messages
    from quickstep.protocol.records import DecisionRecord

PAGES = 15
"""Pages of alarms in one invocation; the rest is left to the next one."""

PAGE_SLEEP = timedelta(seconds=1.8 / DESCRIBE_ALARMS.a_second)
"""200 ms: of DescribeAlarms' calls, the heartbeat takes about half."""

INLINE_TARGETS = 50
"""More targets than this are looked at by invocations of their own."""

INLINE_TIME = timedelta(seconds=4)
"""How long one invocation looks at targets itself; the rest is left to others."""

CALLS_A_SECOND = DESCRIBE_SERVICES.a_second // 4
"""Of DescribeServices, a quarter is the heartbeat's: 5 calls a second."""

LAST_LOOK = timedelta(seconds=50)
"""The looks of one heartbeat are over before the next one."""

CALLS = CALLS_A_SECOND * LAST_LOOK.seconds
"""DescribeServices in one round: 2,500 services, if they are in one cluster."""

CALLS_OF_A_PART = int(CALLS_A_SECOND * PAGES * PAGE_SLEEP.total_seconds())
"""The same of an invocation that sees a part of the alarms: as many as go into its own paging."""


_AS_KNOWN = (Meaning.FIRST, Meaning.COMMITTED, Meaning.STALE)


@dataclass(frozen=True, slots=True)
class HeartbeatRounds:
    """Looks at targets, and has the cycle evaluate those that need it.

    `sleep` waits, `jitter` gives a number from 0 up to 1.
    """

    cycle: Cycle
    alarms: Alarms
    messages: Messages
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def sweep(self, sweep: Sweep, listed: Iterable[str]) -> list[DecisionRecord]:
        """Look at every target that has alarms; hand on what is too much for one invocation.

        So it is with those that are `listed`, where all alarms are seen.
        """
        targets: dict[ServiceName, dict[str, KnownAlarm]] = defaultdict(dict)
        now = self.cycle.clock()
        token = sweep.next_token
        for page in range(PAGES):
            if page:
                self.sleep(PAGE_SLEEP)
            alarms, token = self.alarms.page(token)
            for (service, policy), alarm in alarms.items():
                targets[service][policy] = alarm
            if token is None:
                break
        if token is not None:
            self.messages.send(Message(Sweep(token)), timedelta())
        whole = token is None and sweep.next_token is None
        for resource_id in listed if whole else ():
            if name := parse_resource_id(resource_id):
                targets.setdefault(name, {})
        batches = _batches(Heartbeat(name, alarms, whole, now) for name, alarms in targets.items())
        if whole and len(targets) <= INLINE_TARGETS:
            return self.look_at(batches)
        self._spread(batches, CALLS if whole else CALLS_OF_A_PART)
        return []

    def _spread(self, batches: Sequence[Heartbeats], calls: int) -> None:
        """Leave targets to other invocations over the next minute; of so many batches ask ECS."""
        first = int(self.jitter() * len(batches))
        turned = [*batches[first:], *batches[:first]]
        asking = [(batch, timedelta(seconds=i // CALLS_A_SECOND)) for i, batch in enumerate(turned)]
        rest = turned[calls:]
        others = [
            (replace(batch, describe=False), LAST_LOOK * index // len(rest))
            for index, batch in enumerate(rest)
        ]
        self._hand_on([*asking[:calls], *others])

    def _hand_on(self, batches: Iterable[tuple[Heartbeats, timedelta]]) -> None:
        """Leave targets to other invocations.

        By the time it is looked at, a target may have got an alarm that is not in its heartbeat. So
        those that are not in there count as deleted only where it has none at all.
        """
        self.messages.send_all(
            [
                (
                    Message(replace(batch, targets=tuple(map(_incomplete, batch.targets)))),
                    delay,
                )
                for batch, delay in batches
            ]
        )

    def look_at(self, batches: Sequence[Heartbeats]) -> list[DecisionRecord]:
        """Look at each target, whatever becomes of the others, while there is time."""
        records: list[DecisionRecord] = []
        errors: list[Exception] = []
        until = self.cycle.clock() + INLINE_TIME
        left = list(batches)
        while left and self.cycle.clock() < until:
            batch = self._with_documents(left.pop(0), errors)
            try:
                described = self._describe(batch)
            except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
                errors.append(error)
                continue
            for index, heartbeat in enumerate(batch.targets):
                if index and self.cycle.clock() >= until:
                    left.insert(0, replace(batch, targets=batch.targets[index:]))
                    break
                try:
                    look = heartbeat_look(heartbeat)
                    if needs_evaluation(self.cycle, look, described):
                        records += self.cycle.evaluate(look)
                except Exception as error:  # noqa: BLE001 - as above
                    errors.append(error)
        if left:
            self._hand_on((batch, timedelta()) for batch in left)
        if errors:
            raise ExceptionGroup("heartbeat", errors)
        return records

    def _with_documents(self, batch: Heartbeats, errors: list[Exception]) -> Heartbeats:
        """Look at the documents again; leave out targets without one that have a record of that.

        Where that fails, those that are known count for another minute; but for a throttle, it is
        an error.
        """
        try:
            missing = self.cycle.policies.refresh([each.service for each in batch.targets])
        except CallFailedError as error:
            if error.outcome is not Outcome.FAILED_THROTTLED:
                errors.append(error)
            return batch
        targets = tuple(each for each in batch.targets if each.service not in missing)
        return replace(batch, targets=targets)

    def _describe(self, batch: Heartbeats) -> Mapping[ServiceName, Service] | None:
        """Describe the services, where that is asked for; None where they were not."""
        if not batch.describe or not batch.targets:
            return None
        try:
            services = [heartbeat.service for heartbeat in batch.targets]
            return self.cycle.services.describe_all(services)
        except CallFailedError as error:
            # Of a look that is throttled there is another one in a minute. Whatever else it is, the
            # evaluations meet the same problem, and record it.
            return None if error.outcome is Outcome.FAILED_THROTTLED else {}


def needs_evaluation(
    cycle: Cycle, look: Look, described: Mapping[ServiceName, Service] | None
) -> bool:
    """Whether a target is to be evaluated; `described` is None where ECS was not asked."""
    service = described.get(look.service) if described is not None else None
    gone = described is not None and service is None
    resource_id, now = look.service.resource_id, cycle.clock()
    try:
        target = cycle.policies.load(look.service)
    except ConfigError:
        gone, target = True, None
    except CallFailedError:
        return True  # the evaluation meets the same problem, and records it
    memory, lease = cycle.targets.peek(resource_id)
    memory = memory.as_of(now)
    over = not (target and target.queues) and _is_over(memory, now)
    if look.complete and not look.described and (gone or over):
        cycle.targets.unlist(resource_id, memory.generation)
        return False
    if gone or target is None or (lease and not now < lease.until <= now + LEASE + CLOCKS):
        return True  # the evaluation records what is missing; or a holder has died
    return shows_work(target, look, memory=memory, service=service, now=now)


def _is_over(memory: Memory, now: datetime) -> bool:
    """Whether nothing can become of a target's memory any more that has no alarm."""
    state = memory.state
    entries = [entry for entry in (state.override, *state.schedules) if entry]
    waits = memory.alarms or memory.turn or memory.check_at or memory.counts.asked
    return not waits and not any(entry.active(now) for entry in entries)


def shows_work(
    target: ScalableTarget,
    look: Look,
    *,
    memory: Memory,
    service: Service | None,
    now: datetime,
) -> bool:
    """Whether there is something to do about a target that nobody holds.

    There is where an alarm's event was missed, an alarm is new or changed, a breach, a turn or
    what queues leave idle is looked at by no chain of re-checks, somebody has set the desired
    count, or it is outside its bounds. Where the service was not described, the count of the last
    commit counts.
    """
    if learn(target, memory, look, now) != memory:
        return True  # so it is where the document has other queues
    chain_is_alive = memory.check_at is not None and now < memory.check_at + OVERDUE
    looks = any(looks_always(p) and p.alarm in memory.alarms for p in target.policies)
    waits = readable(memory, now) or looks or memory.turn or memory.counts.asked
    bounds = Bounds.in_force(target, memory.state, now)
    if (waits or _wait_for_a_queue(target, memory, bounds)) and not chain_is_alive:
        return True
    if service and memory.counts.meaning(service.desired) not in _AS_KNOWN:
        return True
    desired = service.desired if service else memory.desired
    return desired is not None and not bounds.minimum <= desired <= bounds.maximum


def _wait_for_a_queue(target: ScalableTarget, memory: Memory, bounds: Bounds) -> bool:
    """Whether tasks may be idle that work off queues, or one of these could not be read.

    Polls see to all else.
    """
    if not target.queues:
        return False
    queues = memory.backlog.queues.values() if memory.backlog else ()
    unread = any(queue.trouble for queue in queues)
    return unread or (memory.desired or 0) > bounds.minimum


def _batches(heartbeats: Iterable[Heartbeat]) -> list[Heartbeats]:
    """Return batch at a few targets each, of one cluster."""
    clusters: dict[str, list[Heartbeat]] = defaultdict(list)
    for heartbeat in heartbeats:
        clusters[heartbeat.service.cluster].append(heartbeat)
    return [
        Heartbeats(tuple(members[start : start + MAX_DESCRIBED]))
        for members in clusters.values()
        for start in range(0, len(members), MAX_DESCRIBED)
    ]


def _incomplete(heartbeat: Heartbeat) -> Heartbeat:
    return replace(heartbeat, complete=heartbeat.complete and not heartbeat.alarms)
