"""The heartbeat's round: once a minute, a look at every target that has alarms.

A look claims nothing: it reads what the target remembers, and evaluates the target only if that, or
ECS, shows something to do. ECS is asked for ten services at once. Where there are more targets than
one invocation looks at, the queue brings their looks, spread over the minute, and only so many of
them ask ECS; which ones is drawn anew each minute.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.config import ConfigError
from quickstep.engine.outcome import Outcome
from quickstep.loop import progress
from quickstep.protocol.messages import MAX_LOOKS, Looks, Message, Sweep
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.triggers import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quickstep.engine.model import Service
    from quickstep.loop.cycle import Cycle
    from quickstep.naming import ServiceName
    from quickstep.protocol.ports import Alarms, Messages
    from quickstep.protocol.records import DecisionRecord
    from quickstep.protocol.triggers import DescribedAlarm

PAGES = 15
"""Pages of alarms in one invocation; the rest is left to the next one."""

PAGE_PAUSE = timedelta(milliseconds=200)
"""DescribeAlarms allows 9 calls a second in an account; the heartbeat takes about half of them."""

INLINE_TARGETS = 50
"""More targets than this are looked at by invocations of their own."""

INLINE_TIME = timedelta(seconds=4)
"""How long one invocation looks at targets itself; the rest is left to others."""

CALLS_A_SECOND = 5
"""DescribeServices' bucket refills by 20 a second in an account; a quarter is the heartbeat's."""

LAST_LOOK = timedelta(seconds=50)
"""The looks of one heartbeat are over before the next one."""

CALLS = CALLS_A_SECOND * LAST_LOOK.seconds
"""DescribeServices in one round: 2,500 services, if they are in one cluster."""

CALLS_OF_A_PART = int(CALLS_A_SECOND * PAGES * PAGE_PAUSE.total_seconds())
"""The same of an invocation that sees a part of the alarms: as many as go into its own paging."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Looks at targets, and has the cycle evaluate those that need it.

    `pause` waits, `jitter` gives a number from 0 up to 1.
    """

    cycle: Cycle
    alarms: Alarms
    messages: Messages
    pause: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def sweep(self, sweep: Sweep) -> list[DecisionRecord]:
        """Look at every target that has alarms; hand on what is too much for one invocation."""
        targets: dict[ServiceName, dict[str, DescribedAlarm]] = defaultdict(dict)
        token = sweep.next_token
        for page in range(PAGES):
            if page:
                self.pause(PAGE_PAUSE)
            alarms, token = self.alarms.page(token)
            for (service, policy), alarm in alarms.items():
                targets[service][policy] = alarm
            if token is None:
                break
        if token is not None:
            self.messages.send(Message(Sweep(token)), timedelta())
        whole = token is None and sweep.next_token is None
        batches = _batches(Heartbeat(name, alarms, whole) for name, alarms in targets.items())
        if whole and len(targets) <= INLINE_TARGETS:
            return self._look_at(batches)
        self._spread(batches, CALLS if whole else CALLS_OF_A_PART)
        return []

    def look(self, looks: Looks) -> list[DecisionRecord]:
        """Look at a few targets."""
        return self._look_at([looks])

    def _spread(self, batches: Sequence[Looks], calls: int) -> None:
        """Leave targets to other invocations over the next minute; of so many batches ask ECS."""
        first = int(self.jitter() * len(batches))
        turned = [*batches[first:], *batches[:first]]
        asking = [(looks, timedelta(seconds=i // CALLS_A_SECOND)) for i, looks in enumerate(turned)]
        rest = turned[calls:]
        others = [
            (replace(looks, describe=False), LAST_LOOK * index // len(rest))
            for index, looks in enumerate(rest)
        ]
        self._hand_on([*asking[:calls], *others])

    def _hand_on(self, batches: Iterable[tuple[Looks, timedelta]]) -> None:
        """Leave targets to other invocations.

        By the time it is looked at, a target may have got an alarm that is not in its heartbeat.
        """
        self.messages.send_all(
            [
                (
                    Message(replace(looks, heartbeats=tuple(map(_incomplete, looks.heartbeats)))),
                    delay,
                )
                for looks, delay in batches
            ]
        )

    def _look_at(self, batches: Sequence[Looks]) -> list[DecisionRecord]:
        """Look at each target, whatever becomes of the others, while there is time."""
        records: list[DecisionRecord] = []
        errors: list[Exception] = []
        until = self.cycle.clock() + INLINE_TIME
        left = list(batches)
        while left and self.cycle.clock() < until:
            looks = left.pop(0)
            try:
                described = self._describe(looks)
            except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
                errors.append(error)
                continue
            for index, heartbeat in enumerate(looks.heartbeats):
                if index and self.cycle.clock() >= until:
                    left.insert(0, replace(looks, heartbeats=looks.heartbeats[index:]))
                    break
                try:
                    if needs_attention(self.cycle, heartbeat, described):
                        records.append(self.cycle.on_heartbeat(heartbeat))
                except Exception as error:  # noqa: BLE001 - as above
                    errors.append(error)
        if left:
            self._hand_on((looks, timedelta()) for looks in left)
        if errors:
            raise ExceptionGroup("heartbeat", errors)
        return records

    def _describe(self, looks: Looks) -> Mapping[ServiceName, Service] | None:
        """Describe the services, where that is asked for; None where they were not."""
        if not looks.describe:
            return None
        try:
            services = [heartbeat.service for heartbeat in looks.heartbeats]
            return self.cycle.services.describe_all(services)
        except CallFailedError as error:
            # Of a look that is throttled there is another one in a minute. Whatever else it is, the
            # evaluations meet the same trouble, and record it.
            return None if error.outcome is Outcome.FAILED_THROTTLED else {}


def needs_attention(
    cycle: Cycle, heartbeat: Heartbeat, described: Mapping[ServiceName, Service] | None
) -> bool:
    """Whether a target is to be evaluated; `described` is None where ECS was not asked."""
    service = described.get(heartbeat.service) if described is not None else None
    if described is not None and service is None:
        return True
    try:
        target = cycle.policies.load(heartbeat.service)
        memory, lease = cycle.targets.peek(heartbeat.service.resource_id)
    except (ConfigError, CallFailedError):
        return True  # the evaluation meets the same trouble, and records it
    now = cycle.clock()
    return progress.needs_attention(
        target, heartbeat, memory=memory, lease=lease, service=service, now=now
    )


def _batches(heartbeats: Iterable[Heartbeat]) -> list[Looks]:
    """Return looks at a few targets each, of one cluster."""
    clusters: dict[str, list[Heartbeat]] = defaultdict(list)
    for heartbeat in heartbeats:
        clusters[heartbeat.service.cluster].append(heartbeat)
    return [
        Looks(tuple(members[start : start + MAX_LOOKS]))
        for members in clusters.values()
        for start in range(0, len(members), MAX_LOOKS)
    ]


def _incomplete(heartbeat: Heartbeat) -> Heartbeat:
    return replace(heartbeat, complete=False)
