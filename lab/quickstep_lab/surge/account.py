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
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Datapoint, Service
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import Cycle
from quickstep.loop.door import Door
from quickstep.naming import ServiceName
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Heartbeats, Message, Sweep, write_message
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory import InMemoryTargets, InMemoryTurns, one_after_the_other
from quickstep_lab.surge.fleets import (
    PERIOD,
    SETTLES,
    START,
    Fleet,
    a_fleet,
    event_of,
)
from quickstep_lab.surge.limits import Meter, published
from quickstep_lab.surge.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import ScalableTarget
    from quickstep.protocol.line import Line
    from quickstep_lab.surge.limits import Bucket

SURGE = 10.0
"""All alarms fire within so many seconds."""

PAGE = 100
HEARTBEAT = 60.0
TRIES = 3
"""Attempts of the SDK at a call; UpdateService has one."""


class Surge:
    """A surge of so many targets, a share of which is to lose a task; one seed is one run."""

    def __init__(
        self,
        targets: int,
        *,
        shrinking: float = 0.2,
        seed: int = 0,
        limits: Mapping[str, Bucket] | None = None,
    ) -> None:
        self.now = 0.0
        self.heartbeats = 0
        self.rng = random.Random(seed)  # noqa: S311
        self.limits = published() if limits is None else limits
        self.meter = Meter()
        self.cpu: dict[str, float] = defaultdict(float)
        self.fleets = {
            name: a_fleet(name, self.rng, shrinks=index < shrinking * targets, surge=SURGE)
            for index in range(targets)
            for name in [ServiceName("prod", f"service-{index}")]
        }
        self.stored = InMemoryTargets()
        for fleet in self.fleets.values():
            self._remember(fleet)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self._root = getcurrent()
        ports = Ports(self)
        cycle = Cycle(
            policies=ports,
            services=ports,
            targets=self.stored,
            turns=LimitedTurns(self),
            metrics=ports,
            messages=ports,
            together=one_after_the_other,
            clock=self.clock,
            new_id=lambda: f"d{next(self._ids)}",
            jitter=self.rng.random,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
        )
        self.door = Door(
            cycle=cycle,
            alarms=ports,
            messages=ports,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
            jitter=self.rng.random,
        )

    def _remember(self, fleet: Fleet) -> None:
        """Let the scaler know of a fleet what it learnt before the surge."""
        known = KnownAlarm(AlarmState.OK, START - timedelta(minutes=10), fleet.definition)
        item = self.stored.items[fleet.name.resource_id]
        item.memory = Memory(alarms={fleet.policy: known}, desired=fleet.desired[0][1])
        item.exists = True

    def run(self, limit: float = 3_600.0) -> Result:
        """Run until no alarm is left to answer, or for an hour; then let what is under way end."""
        for fleet in self.fleets.values():
            self.at(fleet.fires_at, lambda fleet=fleet: self._tell(fleet))  # type: ignore[misc]
        self.at(self.rng.uniform(0, HEARTBEAT), lambda: self._heartbeat(limit))
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        fleets = list(self.fleets.values())
        return Result(
            fleets,
            self.stored.records,
            self.meter,
            self.cpu,
            self.heartbeats,
            ideal=self._ideal(fleets),
            ideal_out=self._ideal([fleet for fleet in fleets if fleet.grows]),
        )

    def _ideal(self, fleets: list[Fleet]) -> float:
        """Return when the last of these could be answered at best, were there no others."""
        last = max((fleet.fires_at for fleet in fleets), default=0.0)
        return max(last, published()["UpdateService"].earliest_end(len(fleets)))

    # --- time -------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """Return the time of the run."""
        return START + timedelta(seconds=self.now)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Have something happen at a moment."""
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def sleep(self, seconds: float) -> None:
        """Let an invocation wait, and the others go on."""
        self._root.switch(seconds)

    def invoke(self, body: Callable[[], object], what: str = "evaluations") -> None:
        """Start an invocation; `what` it is tells whose processor time it takes."""
        self._resume(greenlet(body, parent=self._root), what)

    def _resume(self, invocation: greenlet, what: str) -> None:
        began = time.process_time()
        seconds = invocation.switch()
        self.cpu[what] += time.process_time() - began
        if not invocation.dead:
            self.at(self.now + seconds, lambda: self._resume(invocation, what))

    # --- what happens -----------------------------------------------------------------------------

    def _tell(self, fleet: Fleet) -> None:
        self.invoke(lambda: self.door.on_event(event_of(fleet, self.now)))

    def _heartbeat(self, limit: float) -> None:
        self.invoke(lambda: self.door.on_event({"heartbeat": {}}), "looks")
        self.heartbeats += 1
        if self.now < limit and not all(fleet.changed for fleet in self.fleets.values()):
            self.at(self.now + HEARTBEAT, lambda: self._heartbeat(limit))

    def enqueue(self, message: Message, delay: timedelta) -> None:
        """Deliver a message after its delay."""
        body = json.dumps(write_message(message))
        arrives = self.now + math.ceil(delay.total_seconds()) + self.rng.uniform(0.02, 0.3)
        what = "looks" if isinstance(message.content, Heartbeats | Sweep) else "evaluations"
        self.at(arrives, lambda: self.invoke(lambda: self.door.on_message(body), what))

    def change(self, fleet: Fleet, desired: int) -> None:
        """Change a capacity; the alarm goes to OK a little later."""
        if not fleet.changed:
            self.at(self.now + SETTLES, lambda: self._tell(fleet))
        fleet.desired.append((self.now, desired))
        fleet.changed.append(self.now)

    def call(self, name: str, tries: int = TRIES) -> None:
        """Take a token for a call, with the SDK's jittered retries."""
        bucket = self.limits.get(name)
        for attempt in range(tries):
            granted = bucket is None or bucket.take(self.now)
            self.meter.count(name, self.now, granted=granted)
            if granted:
                return
            if attempt + 1 < tries:
                self.sleep(self.rng.random() * 2**attempt)
        raise CallFailedError(Outcome.FAILED_THROTTLED, f"{name}: ThrottlingException")


class LimitedTurns(InMemoryTurns):
    """The line, which is one item: a partition of the table takes so many calls of it."""

    def __init__(self, surge: Surge) -> None:
        super().__init__()
        self._surge = surge

    def take(self, lane: int, now: datetime) -> Line:
        """Take the next number of a lane; see the port."""
        self._surge.call("UpdateItem of the line")
        return super().take(lane, now)

    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Say that a number was served; see the port."""
        self._surge.call("UpdateItem of the line")
        super().serve(lane, number, now)

    def read(self) -> Line:
        """Return the line; see the port."""
        self._surge.call("GetItem of the line")
        return super().read()


class Ports:
    """The scaler's ports over a surge, but for its table."""

    def __init__(self, surge: Surge) -> None:
        self._surge = surge

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the policies of a fleet; see the port."""
        return self._surge.fleets[service].target

    def describe(self, service: ServiceName) -> Service:
        """Return a service as it is now; see the port."""
        self._surge.call("DescribeServices")
        return self._seen(service)

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        """Return services as they are now, for one call; see the port."""
        self._surge.call("DescribeServices")
        return {service: self._seen(service) for service in services}

    def _seen(self, service: ServiceName) -> Service:
        _, desired = self._surge.fleets[service].desired[-1]
        return Service(desired, desired, 0)

    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        """Set the desired count; see the port."""
        self._surge.call("UpdateService", tries=1)
        self._surge.change(self._surge.fleets[service], desired)

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return each alarm's last minute; a period's datapoint is there a second after its end."""
        newest = (now.timestamp() - 1) // PERIOD * PERIOD - PERIOD
        begins = [datetime.fromtimestamp(newest - PERIOD * age, UTC) for age in range(5, -1, -1)]
        return {
            policy: [self._datapoint(definition, begin) for begin in begins]
            for policy, definition in definitions.items()
        }

    def _datapoint(self, definition: AlarmDefinition, begins: datetime) -> Datapoint:
        name = definition.queries[0]["MetricStat"]["Metric"]["MetricName"]
        ends = (begins - START).total_seconds() + PERIOD
        return Datapoint(begins, self._surge.fleets[ServiceName("prod", name)].value(ends))

    def send(self, message: Message, delay: timedelta) -> None:
        """Send a message; see the port."""
        self._surge.enqueue(message, delay)

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        """Send many messages; see the port."""
        for message, delay in messages:
            self.send(message, delay)

    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        """Return a page of the alarms."""
        self._surge.call("DescribeAlarms")
        first = int(token or 0)
        fleets = list(self._surge.fleets.values())
        page = {(f.name, f.policy): self._described(f) for f in fleets[first : first + PAGE]}
        more = first + PAGE < len(fleets)
        return page, str(first + PAGE) if more else None

    def _described(self, fleet: Fleet) -> KnownAlarm:
        state, since = fleet.alarm(self._surge.now)
        return KnownAlarm(state, START + timedelta(seconds=since), fleet.definition)
