"""The heartbeat's round: once a minute, a look at every target that has alarms or a memory.

A look claims nothing. It reads the target's memory, and evaluates the target only if the memory or
ECS shows something to do. One call to ECS covers ten services, and one call to SSM their documents.
If there are more targets than one invocation can look at, the queue delivers them in batches,
spread over the minute. Only a limited number of batches ask ECS, chosen at random each minute.
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
"""Pages of alarms in one invocation; the next one reads the rest."""

PAGE_SLEEP = timedelta(seconds=1.8 / DESCRIBE_ALARMS.a_second)
"""200 ms: the heartbeat uses about half of DescribeAlarms' quota."""

INLINE_TARGETS = 50
"""Above this number of targets, other invocations look at them."""

INLINE_TIME = timedelta(seconds=4)
"""How long one invocation looks at targets itself; others do the rest."""

CALLS_A_SECOND = DESCRIBE_SERVICES.a_second // 4
"""The heartbeat's share of DescribeServices, a quarter: 5 calls a second."""

LAST_LOOK = timedelta(seconds=50)
"""One heartbeat's looks end before the next heartbeat."""

CALLS = CALLS_A_SECOND * LAST_LOOK.seconds
"""DescribeServices calls in one round: 2,500 services, if they are in one cluster."""

CALLS_OF_A_PART = int(CALLS_A_SECOND * PAGES * PAGE_SLEEP.total_seconds())
"""The same where an invocation sees some of the alarms: the calls that fit into its paging."""


_AS_KNOWN = (Meaning.FIRST, Meaning.COMMITTED, Meaning.STALE)


@dataclass(frozen=True, slots=True)
class HeartbeatRounds:
    """Looks at targets, and has the cycle evaluate those that need it.

    `sleep` waits, `jitter` returns a number from 0 up to 1.
    """

    cycle: Cycle
    alarms: Alarms
    messages: Messages
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def sweep(self, sweep: Sweep, listed: Iterable[str]) -> list[DecisionRecord]:
        """Look at every target that has alarms; pass on what one invocation cannot handle.

        If this invocation sees all alarms, it also looks at the `listed` targets.
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
        """Spread targets over other invocations in the next minute; `calls` batches may ask ECS."""
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

        By the time of its look, a target may have a new alarm that its heartbeat does not include.
        So alarms missing from the heartbeat count as deleted only if it includes none at all.
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
        """Look at each target while time is left; a failure does not affect the others."""
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
        """Read the documents again; leave out targets already recorded as without one.

        If the read fails, the known documents apply for another minute. Any failure but a throttle
        is an error.
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
        """Describe the services if the batch asks for it; None if they were not described."""
        if not batch.describe or not batch.targets:
            return None
        try:
            services = [heartbeat.service for heartbeat in batch.targets]
            return self.cycle.services.describe_all(services)
        except CallFailedError as error:
            # After a throttle, the next look comes in a minute. Any other problem also meets the
            # evaluations, which record it.
            return None if error.outcome is Outcome.FAILED_THROTTLED else {}


def needs_evaluation(
    cycle: Cycle, look: Look, described: Mapping[ServiceName, Service] | None
) -> bool:
    """Whether to evaluate a target; `described` is None if ECS was not asked."""
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
    """Whether the memory of a target without alarms can never matter again."""
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
    """Whether a target that nobody holds has something to do.

    It does if an alarm's event was missed, an alarm is new or changed, someone has set the desired
    count, or that count is outside its bounds. It also does if a breach, a turn or idle queue
    workers are waiting without a living chain of re-checks. If the service was not described, the
    last committed count stands in for it.
    """
    if learn(target, memory, look, now) != memory:
        return True  # also if the document has other queues
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
    """Whether queue workers may be idle, or a queue could not be read.

    Polls handle everything else.
    """
    if not target.queues:
        return False
    queues = memory.backlog.queues.values() if memory.backlog else ()
    unread = any(queue.trouble for queue in queues)
    return unread or (memory.desired or 0) > bounds.minimum


def _batches(heartbeats: Iterable[Heartbeat]) -> list[Heartbeats]:
    """Return batches of a few targets each, all in one cluster."""
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
