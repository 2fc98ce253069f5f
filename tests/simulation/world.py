"""A world in virtual time, in which the real door and cycle run and everything may go wrong.

One seed is one run. Invocations are greenlets: at every call of a port the scheduler takes over,
so that any other invocation, message or event may come in between. A call takes effect at one
moment, with time before and after it; at both an invocation may be killed, and a call may be
throttled, slow, or executed with its answer lost. Time passes only here.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from quickstep.alarms.event import read_event
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Datapoint, MetricScope, Service, State
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import Cycle
from quickstep.loop.door import Door
from quickstep.protocol.line import LANES, SERVED_A_SECOND
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Message, Request, write_message
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory import InMemoryTargets, InMemoryTurns
from tests.builders import (
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    WEB,
    a_policy,
    a_scale_in_policy,
    a_target,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.line import Line
    from quickstep.protocol.memory import Claim, Lease
    from quickstep.protocol.ports import OutOfDate
    from quickstep.protocol.records import DecisionRecord

_A = TypeVar("_A")
_B = TypeVar("_B")

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
TIMEOUT = 10.0  # the function's, in seconds
VISIBILITY = 60.0  # the queue's
MAX_RECEIVES = 3
MOST_OTHERS = 50
"""Targets of a crowded account that are throttled together: ten seconds of UpdateService."""

FAULTS_END = 150.0
END = 420.0
TARGET = a_target(
    a_policy(scope=MetricScope.PER_TASK),
    a_scale_in_policy(scope=MetricScope.PER_TASK),
    minimum=2,
    maximum=40,
)
DEFINITIONS = {HIGH: DEFINITION, LOW: replace(LOW_DEFINITION, n=3, m=3)}


class AnswerLostError(Exception):
    """A call that took effect, and whose caller will never hear of it."""


INJECTED = (AnswerLostError, CallFailedError)
"""What the world itself raises; anything else out of an invocation is a bug."""


@dataclass(frozen=True)
class Change:
    """A change of capacity as ECS has seen it."""

    at: float
    decision: str
    decided_at: datetime
    before: int
    after: int
    spent: tuple[tuple[str, float], ...]


@dataclass
class Invocation:
    """One run of the function."""

    number: int
    what: str
    started: float
    decision: str = ""
    decisions: int = 0
    decided_at: datetime = START
    shown: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    over: bool = False


@dataclass
class World:
    """Everything outside of the scaler, and the scheduler that runs it."""

    seed: int
    mutate: Callable[[World], None] = lambda _: None
    now: float = 0.0
    desired: int = 4
    changes: list[Change] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    breaches: list[tuple[float, bool]] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    target: ScalableTarget = TARGET
    operators: State = field(default_factory=State)
    requests: int = 0
    crowded: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311
        self.targets = InMemoryTargets()
        self.turns = InMemoryTurns()
        self.targets.items[WEB.resource_id].memory = Memory(state=self.operators)
        self.alarms: dict[str, tuple[AlarmState, float]] = {
            HIGH: (AlarmState.OK, -600.0),
            LOW: (AlarmState.OK, -600.0),
        }
        self.points: list[tuple[float, float, Datapoint]] = []  # visible at, value, datapoint
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count(1)
        self._root = getcurrent()
        self._invocations: dict[greenlet, Invocation] = {}
        self.faults = True
        self.closed = False
        self.phase = self.rng.uniform(0, 10)
        self.loads = self._loads()
        ports = Ports(self)
        self.cycle = Cycle(
            policies=ports,
            services=ports,
            targets=ports,
            turns=LineOfTheAccount(ports, self.turns),
            metrics=ports,
            messages=ports,
            together=self._together,
            clock=self.clock,
            new_id=self._new_id,
            jitter=self.rng.random,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
        )
        self.door = Door(
            cycle=self.cycle,
            alarms=ports,
            messages=ports,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
            jitter=self.rng.random,
        )
        self.mutate(self)

    # --- time and randomness ----------------------------------------------------------------------

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def chance(self, probability: float) -> bool:
        return self.faults and self.rng.random() < probability

    def log(self, text: str) -> None:
        self.timeline.append(f"{self.now:7.2f}  {text}")

    def _loads(self) -> list[tuple[float, float]]:
        """Return the total load from each moment on; it stays as it is after the last fault."""
        levels = [240.0, 240.0]
        moments = [0.0, self.rng.uniform(10, 40)]
        levels[1] = self.rng.choice([600.0, 1100.0, 2300.0])
        while moments[-1] < FAULTS_END - 30:
            moments.append(moments[-1] + self.rng.uniform(20, 60))
            levels.append(self.rng.choice([60.0, 240.0, 600.0, 1100.0, 2300.0]))
        return list(zip(moments, levels, strict=True))

    def desired_at(self, when: float) -> int:
        """Return the desired count of a moment in the past."""
        before = [change.after for change in self.changes if change.at <= when]
        return before[-1] if before else self.changes[0].before if self.changes else self.desired

    def load(self) -> float:
        return next(level for since, level in reversed(self.loads) if since <= self.now)

    # --- the run ----------------------------------------------------------------------------------

    def run(self) -> World:
        """Run from the first second to the last, and let what is under way come to its end."""
        self.at(self.phase, self._period_ends)
        self.at(self.rng.uniform(0, 5), self._heartbeat)
        self.at(FAULTS_END, self._end_faults)
        self.at(END, self._close)
        for number in range(self.requests):
            self.at(self.rng.uniform(5, FAULTS_END), partial(self._request, number))
        for _ in range(20 if self.crowded else 0):
            self.at(self.rng.uniform(0, FAULTS_END), self._others_wait)
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        # The frames of an invocation that was killed would keep this world in memory for ever.
        for thread in filter(None, self._invocations):
            thread.throw(GreenletExit)
        return self

    def _others_wait(self) -> None:
        """Have other targets of the account take numbers, and be served one by one, or never."""
        lane, count = self.rng.randrange(LANES), self.rng.randint(1, MOST_OTHERS)
        self.log(f"{count} others wait in lane {lane}")
        come = self.rng.random() < 0.5
        for place in range(count):
            number = self.turns.take(lane, self.clock()).lanes[lane].taken
            if come:
                serve = partial(self._serve_another, lane, number)
                self.at(self.now + 1 + place / SERVED_A_SECOND, serve)

    def _serve_another(self, lane: int, number: int) -> None:
        self.turns.serve(lane, number, self.clock())

    def _request(self, number: int) -> None:
        """Have an operator ask for a capacity."""
        capacity = self.rng.randint(2, 40)
        self.log(f"an operator asks for {capacity}")
        request = Request(WEB, f"r-{number}", self.clock(), "by hand", capacity)
        self.enqueue(write_message(Message(request)), timedelta())

    def _end_faults(self) -> None:
        self.faults = False
        self.log("-- no more faults --")

    def _close(self) -> None:
        self.closed = True

    def _period_ends(self) -> None:
        """Publish the period's datapoint, and evaluate the alarms a moment later."""
        if self.closed:
            return
        begun = self.clock() - timedelta(seconds=10)
        # A little of the time itself, so that a datapoint is known by its value.
        value = self.load() / max(1, self.desired) + self.now * 1e-6
        if not self.chance(0.05):
            visible = self.now + self.rng.uniform(0.2, 2.5)
            samples = 2 * self.desired  # each task publishes every 5 s
            self.points.append((visible, value, Datapoint(begun, value, samples)))
        self.breaches.append((self.now, value > DEFINITION.threshold))
        self.at(self.now + 2.6, self._evaluate_alarms)
        self.at(self.now + 10, self._period_ends)

    def visible_points(self) -> list[Datapoint]:
        return [point for visible, _, point in self.points if visible <= self.now]

    def _evaluate_alarms(self) -> None:
        for policy, definition in DEFINITIONS.items():
            window = self.visible_points()[-definition.n :]
            if len(window) < definition.n:
                continue
            breaching = sum(definition.breached_by(point.value) for point in window)
            state = AlarmState.ALARM if breaching >= definition.m else AlarmState.OK
            if state is not self.alarms[policy][0]:
                self.alarms[policy] = (state, self.now)
                self.log(f"alarm {policy} -> {state} at {window[-1].value:.1f}")
                self._emit(event_of(policy, state, window, definition, self.clock()))

    def _emit(self, event: dict[str, Any]) -> None:
        """Deliver an event: now, late, twice, or not at all."""
        if self.chance(0.15):
            self.log("  its event is lost")
            return
        for _ in range(2 if self.chance(0.2) else 1):
            delay = self.rng.uniform(0.05, 0.5)
            if self.chance(0.15):
                delay += self.rng.uniform(1, 75)
            self.at(self.now + delay, lambda: self._invoke("event", lambda: self._deliver(event)))

    def _deliver(self, event: dict[str, Any]) -> None:
        self._show(event)
        self.door.on_event(event)

    def _show(self, event: Mapping[str, Any]) -> None:
        """Note which datapoint an invocation gets to see first."""
        transition = read_event(event)
        self._invocation.shown = {transition.policy: transition.alarm.datapoints[-1]}

    def _heartbeat(self) -> None:
        if not self.chance(0.1):
            self._invoke("heartbeat", lambda: self.door.on_event({"heartbeat": {}}))
        if not self.closed:
            self.at(self.now + 60, self._heartbeat)

    # --- invocations ------------------------------------------------------------------------------

    def _invoke(
        self,
        what: str,
        body: Callable[[], object],
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Start an invocation; `on_failure` is called when it ends without success."""
        if self.closed:
            return
        invocation = Invocation(next(self._numbers), what, self.now)
        self.log(f"#{invocation.number} {what} starts")

        def run() -> None:
            try:
                body()
            except INJECTED as error:
                self.log(f"#{invocation.number} fails: {error}")
                on_failure()
            except Exception as error:  # noqa: BLE001 - what a check is to find
                if not (isinstance(error, ExceptionGroup) and error.split(INJECTED)[1] is None):
                    self.unexpected.append(f"{type(error).__name__}: {error}")
                self.log(f"#{invocation.number} fails: {error!r}")
                on_failure()
            else:
                self.log(f"#{invocation.number} ends")
            invocation.over = True

        thread = greenlet(run, parent=self._root)
        self._invocations[thread] = invocation
        self._resume(thread, on_failure)

    def _resume(self, thread: greenlet, on_failure: Callable[[], None]) -> None:
        invocation = self._invocations[thread]
        if self.now - invocation.started > TIMEOUT:
            self.log(f"#{invocation.number} times out")
            on_failure()
            return
        verdict = thread.switch()
        if thread.dead:
            return
        if verdict is None:  # killed: whatever it held, it will never run again
            self.log(f"#{invocation.number} is killed")
            on_failure()
            return
        self.at(self.now + verdict, lambda: self._resume(thread, on_failure))

    @property
    def _invocation(self) -> Invocation:
        return self._invocations[getcurrent()]

    def show(self, values: dict[str, float]) -> None:
        """Note which datapoints an invocation has read to act on.

        In a round it reads the load before those that its event has shown.
        """
        if not self._invocation.rounds:
            self._invocation.shown = values

    def sleep(self, seconds: float) -> None:
        self._root.switch(seconds)

    def kill(self) -> None:
        self._root.switch(None)

    def _new_id(self) -> str:
        invocation = self._invocation
        invocation.decisions += 1
        again = "abc"[invocation.decisions - 2 :][:1] if invocation.decisions > 1 else ""
        invocation.decision = f"d{invocation.number}{again}"
        invocation.decided_at = self.clock()
        return invocation.decision

    def _together(self, first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        """Run two calls of a round in either order; what fails, fails when both have ended."""
        results: dict[int, Any] = {}
        error: Exception | None = None
        invocation = self._invocation
        invocation.rounds += 1
        calls: list[tuple[int, Callable[[], Any]]] = [(0, first), (1, second)]
        if self.rng.random() < 0.5:
            calls.reverse()
        for index, call in calls:
            try:
                results[index] = call()
            except Exception as failed:  # noqa: BLE001 - raised below
                error = failed
        invocation.rounds -= 1
        if error:
            raise error
        return results[0], results[1]

    # --- the queue --------------------------------------------------------------------------------

    def enqueue(self, body: Mapping[str, Any], delay: timedelta) -> None:
        for _ in range(2 if self.chance(0.1) else 1):
            wait = math.ceil(delay.total_seconds()) + self.rng.uniform(0.01, 0.4)
            self.at(self.now + wait, lambda: self._receive(body, 1))

    def _receive(self, body: Mapping[str, Any], receives: int) -> None:
        def again() -> None:
            if receives < MAX_RECEIVES:
                self.at(self.now + VISIBILITY, lambda: self._receive(body, receives + 1))

        def read() -> None:
            if "alarm" in body:
                self._show(body["alarm"])
            self.door.on_message(json.dumps(body))

        self._invoke(f"message {json.dumps(body)[:90]}", read, again)

    # --- ECS --------------------------------------------------------------------------------------

    def update(self, desired: int) -> None:
        invocation = self._invocation
        self.log(f"#{invocation.number} UpdateService {self.desired} -> {desired}")
        if desired == self.desired:
            return
        spent = tuple(sorted(invocation.shown.items()))
        policy = HIGH if desired > self.desired else LOW
        self.changes.append(
            Change(
                self.now,
                invocation.decision,
                invocation.decided_at,
                self.desired,
                desired,
                tuple(pair for pair in spent if pair[0] == policy),
            )
        )
        self.desired = desired


def event_of(
    policy: str,
    state: AlarmState,
    window: Sequence[Datapoint],
    definition: AlarmDefinition,
    now: datetime,
) -> dict[str, Any]:
    """Return the event of an alarm's transition."""
    reason = {
        "version": "1.0",
        "startDate": window[0].at.isoformat(),
        "period": 10,
        "recentDatapoints": [point.value for point in window],
        "threshold": definition.threshold,
        "evaluatedDatapoints": [
            {"timestamp": point.at.isoformat(), "value": point.value} for point in reversed(window)
        ],
    }
    metric = {"namespace": "MyApp/Performance", "name": "RequestsPerSecond", "dimensions": {}}
    stat = {"metric": metric, "period": 10, "stat": "Average"}
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": WEB.alarm(policy),
            "state": {
                "value": str(state),
                "timestamp": now.isoformat(),
                "reasonData": json.dumps(reason),
            },
            "configuration": {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]},
        },
    }


class Ports:
    """All ports of the scaler over the world, each call a place where things go wrong."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _call(
        self,
        name: str,
        function: Callable[[], _A],
        *,
        throttle: float = 0.0,
        adapted: bool = False,
    ) -> _A:
        """Make a call: time passes, it takes effect, time passes; anything may go wrong.

        `adapted` calls turn an answer that never came into an expected failure, as adapters do.
        """
        world = self._world
        if world.chance(0.01):
            world.log(f"   {name}: about to be killed")
            world.kill()
        world.sleep(self._latency())
        if world.chance(throttle):
            raise CallFailedError(Outcome.FAILED_THROTTLED, f"{name}: ThrottlingException")
        result = function()
        if world.chance(0.012):
            world.log(f"   {name}: done, then killed")
            world.kill()
        world.sleep(self._latency())
        if world.chance(0.01):
            world.log(f"   {name}: done, answer lost")
            raise unheard() if adapted else AnswerLostError("no answer")
        return result

    def call_line(self, name: str, function: Callable[[], _A]) -> _A:
        """Make a call of the line of throttled targets."""
        return self._call(f"{name} of the line", function, throttle=0.1, adapted=True)

    def _latency(self) -> float:
        """Return the time one way: mostly short, now and then long, in trouble very long."""
        rng = self._world.rng
        longest = 4.5 if self._world.chance(0.01) else 0.7 if rng.random() < 0.1 else 0.05
        return rng.uniform(0.002, longest)

    def load(self, _service: ServiceName) -> ScalableTarget:
        return self._world.target

    def describe(self, _service: ServiceName) -> Service:
        return self._call(
            "DescribeServices",
            lambda: Service(self._world.desired, self._world.desired, 0),
            throttle=0.03,
            adapted=True,
        )

    def set_desired_count(self, _service: ServiceName, desired: int) -> None:
        self._call(
            "UpdateService",
            lambda: self._world.update(desired),
            throttle=0.6 if self._world.crowded else 0.1,
            adapted=True,
        )

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        return {service: self.describe(service) for service in services}

    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        def postpone() -> bool:
            self._world.log(f"   generation {generation} waits until {check_at:%H:%M:%S}")
            return self._world.targets.postpone(resource_id, generation, check_at)

        return self._call("postpone", postpone)

    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        world = self._world

        def claim() -> Claim | Lease | OutOfDate:
            answer = world.targets.claim(resource_id, lease, generation)
            world.leases.append(lease)
            world.log(f"   claim by {lease.owner}: {type(answer).__name__}")
            return answer

        return self._call("claim", claim)

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        return self._call("peek", lambda: self._world.targets.peek(resource_id))

    def commit(self, owner: str, memory: Memory, record: DecisionRecord) -> None:
        def commit() -> None:
            world = self._world
            world.targets.commit(owner, memory, record)
            if memory.desired not in (None, world.desired):
                world.astray.append(f"{owner} commits {memory.desired}, ECS has {world.desired}")
            world.log(f"   {owner} commits {record.outcome}: {record.reason[:90]}")

        self._call("commit", commit)

    def record(self, record: DecisionRecord) -> None:
        self._call("record", lambda: self._world.targets.record(record))

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        def read() -> dict[str, Sequence[Datapoint]]:
            points = self._world.visible_points()[-20:]
            complete = [p for p in points if p.at + timedelta(seconds=10) <= now]
            if complete:
                self._world.show(dict.fromkeys(definitions, complete[-1].value))
            return dict.fromkeys(definitions, points)

        return self._call("GetMetricData", read, throttle=0.03, adapted=True)

    def send(self, message: Message, delay: timedelta) -> None:
        body = write_message(message)
        self._call("SendMessage", lambda: self._world.enqueue(body, delay))

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        for message, delay in messages:
            self.send(message, delay)

    def page(
        self, _token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        def describe() -> dict[tuple[ServiceName, str], KnownAlarm]:
            return {
                (WEB, policy): KnownAlarm(
                    state, START + timedelta(seconds=since), DEFINITIONS[policy]
                )
                for policy, (state, since) in self._world.alarms.items()
            }

        return self._call("DescribeAlarms", describe), None


class LineOfTheAccount:
    """The line over the world: its calls may fail, in the way that its adapter tells."""

    def __init__(self, ports: Ports, turns: InMemoryTurns) -> None:
        self._ports = ports
        self._turns = turns

    def take(self, lane: int, now: datetime) -> Line:
        return self._ports.call_line("take", lambda: self._turns.take(lane, now))

    def serve(self, lane: int, number: int, now: datetime) -> None:
        self._ports.call_line("serve", lambda: self._turns.serve(lane, number, now))

    def read(self) -> Line:
        return self._ports.call_line("read", self._turns.read)


def unheard() -> CallFailedError:
    """Return what an adapter makes of a call that was never answered."""
    return CallFailedError(Outcome.FAILED_OTHER, "read time-out")
