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
from quickstep.protocol.line import LANES, SERVED_A_SECOND
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Message, Request, write_message
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory import InMemoryAws
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
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Lease
    from quickstep_lab.in_memory import Call

_A = TypeVar("_A")
_B = TypeVar("_B")

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
TIMEOUT = 10.0  # the function's, in seconds
VISIBILITY = 60.0  # the queue's
MAX_RECEIVES = 3
MOST_OTHERS = 50
"""Targets of a crowded account that are throttled together: ten seconds of UpdateService."""

THROTTLED = {
    "DescribeServices": 0.03,
    "UpdateService": 0.1,
    "GetMetricData": 0.03,
    "take of the line": 0.1,
    "serve of the line": 0.1,
    "read of the line": 0.1,
}
"""How often these calls are; of an answer that never came, their adapters make a failed call."""

THROTTLED_IN_A_CROWD = {**THROTTLED, "UpdateService": 0.6}

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
class World(InMemoryAws):
    """Everything outside of the scaler, and the scheduler that runs it."""

    seed: int
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
        super().__post_init__()
        self.rng = random.Random(self.seed)  # noqa: S311
        self.targets.items[WEB.resource_id].memory = Memory(state=self.operators)
        for policy in DEFINITIONS:
            self._alarm(policy, AlarmState.OK, -600.0)
        self.published: list[tuple[float, Datapoint]] = []  # from when on it is visible
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count(1)
        self._root = getcurrent()
        self._invocations: dict[greenlet, Invocation] = {}
        self.faults = True
        self.closed = False
        self.phase = self.rng.uniform(0, 10)
        self.loads = self._loads()
        self.door = self.scaler(
            clock=self.clock,
            new_id=self._new_id,
            jitter=self.rng.random,
            sleep=lambda duration: self.sleep(duration.total_seconds()),
            together=self._together,
        )

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

    def total_load(self) -> float:
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
            self.turns.line = self.turns.line.take(lane, self.clock())
            if come:
                number = self.turns.line.lanes[lane].taken
                serve = partial(self._serve_another, lane, number)
                self.at(self.now + 1 + place / SERVED_A_SECOND, serve)

    def _serve_another(self, lane: int, number: int) -> None:
        self.turns.line = self.turns.line.serve(lane, number, self.clock())

    def _request(self, number: int) -> None:
        """Have an operator ask for a capacity."""
        capacity = self.rng.randint(2, 40)
        self.log(f"an operator asks for {capacity}")
        request = Request(WEB, f"r-{number}", self.clock(), "by hand", capacity)
        self.deliver(Message(request), timedelta())

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
        value = self.total_load() / max(1, self.desired) + self.now * 1e-6
        if not self.chance(0.05):
            visible = self.now + self.rng.uniform(0.2, 2.5)
            samples = 2 * self.desired  # each task publishes every 5 s
            self.published.append((visible, Datapoint(begun, value, samples)))
        self.breaches.append((self.now, value > DEFINITION.threshold))
        self.at(self.now + 2.6, self._evaluate_alarms)
        self.at(self.now + 10, self._period_ends)

    def visible_points(self) -> list[Datapoint]:
        return [point for visible, point in self.published if visible <= self.now]

    def _evaluate_alarms(self) -> None:
        for policy, definition in DEFINITIONS.items():
            window = self.visible_points()[-definition.n :]
            if len(window) < definition.n:
                continue
            breaching = sum(definition.breached_by(point.value) for point in window)
            state = AlarmState.ALARM if breaching >= definition.m else AlarmState.OK
            if state is not self.alarms[WEB, policy].state:
                self._alarm(policy, state, self.now)
                self.log(f"alarm {policy} -> {state} at {window[-1].value:.1f}")
                self._emit(event_of(policy, state, window, definition, self.clock()))

    def _alarm(self, policy: str, state: AlarmState, since: float) -> None:
        at = START + timedelta(seconds=since)
        self.alarms[WEB, policy] = KnownAlarm(state, at, DEFINITIONS[policy])

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

    def deliver(self, message: Message, delay: timedelta) -> None:
        body = write_message(message)
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

    # --- the account ------------------------------------------------------------------------------

    def load(self, _service: ServiceName) -> ScalableTarget:
        return self.target

    def seen(self, _service: ServiceName) -> Service:
        return Service(self.desired, self.desired, 0)

    def datapoints(self, *_: Any) -> Iterable[Datapoint]:
        return self.visible_points()

    def change(self, _service: ServiceName, desired: int) -> None:
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

    # --- calls ------------------------------------------------------------------------------------

    def hook(self, call: Call, effect: Callable[[], _A], /) -> _A:
        """Make a call: time passes, it takes effect, time passes; anything may go wrong."""
        throttled = (THROTTLED_IN_A_CROWD if self.crowded else THROTTLED).get(call.name)
        if self.chance(0.01):
            self.log(f"   {call.name}: about to be killed")
            self.kill()
        self.sleep(self._latency())
        if self.chance(throttled or 0.0):
            raise CallFailedError(Outcome.FAILED_THROTTLED, f"{call.name}: ThrottlingException")
        answer = effect()
        self._note(call, answer)
        if self.chance(0.012):
            self.log(f"   {call.name}: done, then killed")
            self.kill()
        self.sleep(self._latency())
        if self.chance(0.01):
            self.log(f"   {call.name}: done, answer lost")
            raise unheard() if throttled else AnswerLostError("no answer")
        return answer

    def _latency(self) -> float:
        """Return the time one way: mostly short, now and then long, in trouble very long."""
        longest = 4.5 if self.chance(0.01) else 0.7 if self.rng.random() < 0.1 else 0.05
        return self.rng.uniform(0.002, longest)

    def _note(self, call: Call, answer: Any) -> None:
        """Note what a call has done, for the timeline and the invariants."""
        match call.name, call.arguments:
            case "claim", (_, lease, *_):
                self.leases.append(lease)
                self.log(f"   claim by {lease.owner}: {type(answer).__name__}")
            case "postpone", (_, generation, check_at):
                self.log(f"   generation {generation} waits until {check_at:%H:%M:%S}")
            case "commit", (owner, memory, record, *_):
                asked = memory.counts.asked  # which ECS may or may not have heard
                if memory.desired and self.desired not in (memory.desired, asked and asked.number):
                    self.astray.append(f"{owner} commits {memory.desired}, ECS has {self.desired}")
                self.log(f"   {owner} commits {record.outcome}: {record.reason[:90]}")
            case "GetMetricData", (_, now):
                self._show_read(answer, now - timedelta(seconds=10))
            case _:
                pass

    def _show_read(self, answer: Mapping[str, Sequence[Datapoint]], newest: datetime) -> None:
        """Note which datapoints an invocation has read to act on.

        In a round it reads the load before those that its event has shown.
        """
        complete = {
            policy: [point.value for point in points if point.at <= newest]
            for policy, points in answer.items()
        }
        if not self._invocation.rounds and any(complete.values()):
            self._invocation.shown = {policy: values[-1] for policy, values in complete.items()}


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


def unheard() -> CallFailedError:
    """Return what an adapter makes of a call that was never answered."""
    return CallFailedError(Outcome.FAILED_OTHER, "read time-out")
