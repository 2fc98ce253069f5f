"""An account in which all alarms fire at once, and the scaler that answers them."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet

from benchmarks.throttled.fleets import (
    PERIOD,
    SETTLES,
    START,
    Fleet,
    a_fleet,
    event_of,
)
from benchmarks.throttled.limits import LIMITED, Meter, published
from benchmarks.throttled.result import Result
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Datapoint, Service
from quickstep.engine.outcome import Outcome
from quickstep.loop.documents import MAX_AGE_SECONDS, KeptDocuments
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Counts
from quickstep.protocol.documents import Copy
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Heartbeats, Message, Sweep, write_message
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.quotas import TABLE_WRITES
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.in_memory.hook import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.throttled.limits import Bucket
    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import ScalableTarget
    from quickstep.protocol.documents import Document

_A = TypeVar("_A")

SURGE = 10.0
"""Seconds within which all alarms fire."""

HEARTBEAT = 60.0
TRIES = 3
"""The SDK's attempts at a call; UpdateService has one."""

VISIBILITY = 60.0
"""When a message returns whose invocation failed; for an event, Lambda does not retry."""

CATCHES = {"claim", "read of a copy", "write of a copy", "take of the line", "serve of the line"}
"""Table calls whose throttles the scaler expects; on any other, the invocation ends."""


class TableThrottledError(Exception):
    """A throttled table call that ended its invocation."""


class Surge(InMemoryAws):
    """A surge of many targets, a share of which should lose a task; one seed is one run.

    If none `fires`, all targets stay quiet. Each invocation is of a freshly started function that
    remembers no document; `copies` says whether the table has copies of them.
    """

    def __init__(
        self,
        targets: int,
        *,
        shrinking: float = 0.2,
        seed: int = 0,
        fires: bool = True,
        copies: bool = True,
        limits: Mapping[str, Bucket] | None = None,
    ) -> None:
        super().__init__()
        self.now = 0.0
        self.heartbeats = 0
        self.rng = random.Random(seed)  # noqa: S311
        self.limits = published() if limits is None else limits
        self.meter = Meter()
        self.cpu: dict[str, float] = defaultdict(float)
        self.fleets = {
            name: a_fleet(
                name,
                self.rng,
                shrinks=index < shrinking * targets,
                fires_at=self.rng.uniform(0, SURGE) if fires else math.inf,
            )
            for index in range(targets)
            for name in [ServiceName("prod", f"service-{index}")]
        }
        for fleet in self.fleets.values():  # a target's alarms are listed one after the other
            alarms = {fleet.policy: self._described(fleet), **fleet.quiet}
            self.alarms |= {(fleet.name, policy): known for policy, known in alarms.items()}
            self._remember(fleet)
            if copies:
                self.copies.copies[fleet.name] = Copy.of(fleet.document, START)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self._root = getcurrent()
        self._remembered: WeakKeyDictionary[greenlet, KeptDocuments] = WeakKeyDictionary()
        self.door = self.scaler(
            clock=self.clock,
            new_id=lambda: f"d{next(self._ids)}",
            jitter=self.rng.random,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
        )

    def _remember(self, fleet: Fleet) -> None:
        """Give the scaler what it learnt about a fleet before the surge."""
        known = KnownAlarm(AlarmState.OK, START - timedelta(minutes=10), fleet.definition)
        alarms = {fleet.policy: known, **fleet.quiet}
        memory = Memory(alarms=alarms, counts=Counts(fleet.desired[0][1]))
        self.targets.remember(fleet.name.resource_id, memory)

    def run(self, limit: float = 3_600.0) -> Result:
        """Run until every alarm is answered, or for an hour; then let unfinished work end."""
        for fleet in self.fleets.values():
            if fleet.fires_at < limit:
                self.at(fleet.fires_at, lambda fleet=fleet: self._tell(fleet))  # type: ignore[misc]
        self.at(self.rng.uniform(0, HEARTBEAT), lambda: self._heartbeat(limit))
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        fleets = list(self.fleets.values())
        return Result(
            fleets,
            self.targets.records,
            self.meter,
            self.cpu,
            self.heartbeats,
            ideal=self._ideal(fleets),
            ideal_out=self._ideal([fleet for fleet in fleets if fleet.grows]),
        )

    def _ideal(self, fleets: list[Fleet]) -> float:
        """Return when the last of these could be answered at best, without any others."""
        last = max((fleet.fires_at for fleet in fleets), default=0.0)
        return max(last, published()["UpdateService"].earliest_end(len(fleets)))

    # --- time -------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """Return the time of the run."""
        return START + timedelta(seconds=self.now)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Plan something for a moment."""
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def sleep(self, seconds: float) -> None:
        """Let an invocation wait, and the others continue."""
        self._root.switch(seconds)

    def invoke(
        self,
        body: Callable[[], object],
        what: str = "evaluations",
        again: Callable[[], None] = lambda: None,
    ) -> None:
        """Start an invocation; `what` says whose processor time it takes.

        If it fails, `again` says what follows.
        """

        def run() -> None:
            try:
                body()
            except* TableThrottledError:
                self.meter.failed += 1
                again()

        self._resume(greenlet(run, parent=self._root), what)

    def _resume(self, invocation: greenlet, what: str) -> None:
        began = time.process_time()
        seconds = invocation.switch()
        self.cpu[what] += time.process_time() - began
        if not invocation.dead:
            self.at(self.now + seconds, lambda: self._resume(invocation, what))

    # --- events -----------------------------------------------------------------------------------

    def _tell(self, fleet: Fleet) -> None:
        """Change a fleet's alarm state at its time."""
        self.alarms[fleet.name, fleet.policy] = self._described(fleet)
        self.invoke(lambda: self.door.on_event(event_of(fleet, self.now)))

    def _described(self, fleet: Fleet) -> KnownAlarm:
        state, since = fleet.alarm(self.now)
        return KnownAlarm(state, START + timedelta(seconds=since), fleet.definition)

    def _heartbeat(self, limit: float) -> None:
        self.invoke(lambda: self.door.on_event({"heartbeat": {}}), "looks")
        self.heartbeats += 1
        if self.now < limit and not all(fleet.changed for fleet in self.fleets.values()):
            self.at(self.now + HEARTBEAT, lambda: self._heartbeat(limit))

    # --- the account ------------------------------------------------------------------------------

    def hook(self, call: Call, effect: Callable[[], _A], /) -> _A:
        """Take tokens for a limited call, with the SDK's jittered retries."""
        if call.name in LIMITED:
            self._take(call.name, tries=1 if call.name == "UpdateService" else TRIES)
        return effect()

    def _take(self, name: str, tries: int) -> None:
        quota, tokens = LIMITED[name]
        bucket = self.limits.get(quota.calls)
        for attempt in range(tries):
            granted = bucket is None or bucket.take(self.now, tokens)
            self.meter.count(quota.calls, self.now, granted=granted)
            if granted:
                return
            if attempt + 1 < tries:
                self.sleep(self.rng.random() * 2**attempt)
        if quota is TABLE_WRITES and name not in CATCHES:
            raise TableThrottledError(name)
        raise CallFailedError(Outcome.FAILED_THROTTLED, f"{name}: ThrottlingException")

    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Return fleets' documents."""
        return self.hook(
            Call("GetParameters", (services,)),
            lambda: {name: self.fleets[name].document for name in services},
        )

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return a fleet's policies, to a freshly started function."""
        return self._documents.load(service)

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Read fleets' documents again, in a freshly started function."""
        return self._documents.refresh(services)

    @property
    def _documents(self) -> KeptDocuments:
        """What this invocation's function remembers."""
        if (known := self._remembered.get(getcurrent())) is None:
            max_age = timedelta(seconds=MAX_AGE_SECONDS)
            known = KeptDocuments(self, self.copies, max_age, self.clock)
            self._remembered[getcurrent()] = known
        return known

    def seen(self, service: ServiceName) -> Service:
        """Return a service's present state: its tasks start at once."""
        _, desired = self.fleets[service].desired[-1]
        return Service(desired, desired, 0)

    def change(self, service: ServiceName, desired: int) -> None:
        """Change a capacity; the alarm goes to OK a little later."""
        fleet = self.fleets[service]
        if not fleet.changed:
            self.at(self.now + SETTLES, lambda: self._tell(fleet))
        fleet.desired.append((self.now, desired))
        fleet.changed.append(self.now)

    def datapoints(
        self, _policy: str, definition: AlarmDefinition, _start: datetime, end: datetime
    ) -> Iterable[Datapoint]:
        """Return an alarm's last minute; a period's datapoint appears a second after its end."""
        name = definition.queries[0]["MetricStat"]["Metric"]["MetricName"]
        fleet = self.fleets[ServiceName("prod", name)]
        newest = (end.timestamp() - 1) // PERIOD * PERIOD - PERIOD
        for age in range(5, -1, -1):
            begins = datetime.fromtimestamp(newest - PERIOD * age, UTC)
            ends = (begins - START).total_seconds() + PERIOD
            yield Datapoint(begins, fleet.value(ends))

    def deliver(self, message: Message, delay: timedelta) -> None:
        """Deliver a message after its delay."""
        body = json.dumps(write_message(message))
        arrives = self.now + math.ceil(delay.total_seconds()) + self.rng.uniform(0.02, 0.3)
        what = "looks" if isinstance(message.content, Heartbeats | Sweep) else "evaluations"
        self.at(arrives, lambda: self._receive(body, what))

    def _receive(self, body: str, what: str) -> None:
        def again() -> None:
            self.at(self.now + VISIBILITY, lambda: self._receive(body, what))

        self.invoke(lambda: self.door.on_message(body), what, again)
