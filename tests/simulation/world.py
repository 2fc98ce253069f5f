"""A world in virtual time, in which the real door and cycle run and everything may go wrong.

One seed is one run. A call takes effect at one moment, with time before and after it; at both an
invocation may be killed, and a call may be throttled, slow, executed with its answer lost, or
executed later. What is remembered goes through the item's real format, so that what is not stored
is lost. Time passes only in the clockwork; the `scenario` says what goes wrong.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from quickstep.alarms.known import known_dict
from quickstep.aws.attributes import from_item, to_item
from quickstep.engine.load import DILUTING
from quickstep.engine.model import AlarmState, Direction, Service
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from quickstep.fields import write_moment
from quickstep.loop import cycle
from quickstep.protocol.line import LANES, SERVED_A_SECOND, Line
from quickstep.protocol.memory import WAITING, memory_dict, read_claim, read_memory
from quickstep.protocol.messages import Message, Request, write_message
from quickstep.protocol.operators import read_operators
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.in_memory.hook import Call
from tests.builders import DEFINITION, HIGH, WEB
from tests.simulation import operators
from tests.simulation.alarms import (
    CPU,
    METRICS,
    PERIOD,
    REQUESTS,
    SHORTEST_EVALUATION,
    SIZED,
    SIZED_DEFINITIONS,
    Traffic,
    event_of,
    first_alarms,
    transitions,
)
from tests.simulation.clockwork import TIMEOUT, ActedOn, AnswerLostError, Clockwork, moment
from tests.simulation.ecs import Call as Update
from tests.simulation.ecs import Change, Ecs
from tests.simulation.fleet import tasks_at
from tests.simulation.scenario import Scenario, scenario_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import Datapoint, Decision, Observation, ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.documents import Document
    from quickstep.protocol.memory import Lease, Memory
    from tests.simulation.fleet import Tasks

_A = TypeVar("_A")
_B = TypeVar("_B")

VISIBILITY = 60.0  # the queue's, in seconds
MAX_RECEIVES = 3
MOST_OTHERS = 50
"""Targets of a crowded account that are throttled together: ten seconds of UpdateService."""

SURGES = "arn:aws:sqs:us-east-1:123456789012:Surges.fifo"
RETENTION = 60.0  # of that queue
SURGE = 1.5
"""A task feels a surge that has so many times its threshold."""
HOT = 0.8
"""The part of what is free of all tasks that the hot one has in addition."""
BATCH = 5.0
"""How often tasks call that feel nothing, in seconds."""

KEPT = 30.0
"""Seconds that a host keeps a document."""

FAULTS_END = 150.0
END = 420.0


@dataclass(frozen=True, slots=True)
class Period:
    """How it stood at the end of a period of the metric.

    `breached` says that the load breaches the first scale-out alarm, `free` that nothing stands in
    the way of its answer: no maximum, pause or unusable document.
    """

    at: float
    breached: bool
    free: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds and the pause in force from a moment on."""

    since: float
    minimum: int
    maximum: int
    paused: frozenset[Direction]


@dataclass(frozen=True, slots=True)
class Gone:
    """The time in which an alarm was deleted."""

    policy: str
    since: float
    until: float = math.inf


@dataclass
class World(InMemoryAws):
    """Everything outside of the scaler."""

    seed: int
    scenario: Scenario = None  # type: ignore[assignment] # drawn from the seed if not given

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scenario = self.scenario or scenario_of(self.seed)
        self.rng = random.Random(self.seed)  # noqa: S311
        self.time = Clockwork(self.rng, self.scenario.skews)
        self.log = self.time.log
        self.ecs = Ecs(4)
        self.traffic = Traffic.drawn(self.rng, FAULTS_END)
        self.traffic.every = self.scenario.fleet.every
        self.alarms = first_alarms(several=self.scenario.several, sized=self.scenario.sized)
        self.faults = True
        self.periods: list[Period] = []
        self.limits: list[Limits] = []
        self.leases: list[tuple[float, Lease]] = []
        self.commits: list[tuple[float, int | None]] = []
        self.astray: list[tuple[float, str]] = []
        self.unanswered: list[float] = []  # when UpdateServices were done whose answer is lost
        self.gone: list[Gone] = []
        self.thresholds = {
            policy: [(0.0, alarm.definition)]
            for (_, policy), alarm in self.alarms.items()
            if alarm.definition
        }
        self._numbers = itertools.count()
        self.asked: list[tuple[float, str]] = []  # every call: when, and of what
        self.asked_by_surges: list[tuple[float, str]] = []  # those that tasks' messages have made
        self._slot = -1.0
        self.old_entries = operators.old_entries() if self.scenario.entries else {}
        self.entries: dict[str, Any] = dict(self.old_entries)
        if self.scenario.paused:
            self.entries["pause"] = {"directions": [str(each) for each in Direction]}
        self._read: object = None
        self.document = self._document()
        self.targets.items[WEB.resource_id].entries = self.entries
        self._kept: dict[int, tuple[float, ScalableTarget]] = {}
        if self.scenario.known:
            self.targets.remember(WEB.resource_id, read_memory({"desired": 4}))
        self._note_limits()
        self.door = self.scaler(
            clock=self.time.clock,
            new_id=self._new_id,
            jitter=self.rng.random,
            sleep=lambda duration: self.time.sleep(duration.total_seconds()),
            together=self._together,
        )

    # --- randomness, and what is written down -----------------------------------------------------

    @property
    def now(self) -> float:
        return self.time.now

    def chance(self, probability: float) -> bool:
        return self.faults and self.rng.random() < probability

    @property
    def item(self) -> Memory:
        """What the target's item remembers."""
        return self.targets.items[WEB.resource_id].memory

    @property
    def committed(self) -> int | None:
        """The desired count that is committed."""
        return self.item.counts.committed

    def tasks_at(self, when: float) -> Tasks:
        """Return who is there at a moment."""
        return tasks_at(self.scenario.fleet, self.ecs.first, self.ecs.changes, when)

    @property
    def tasks(self) -> Tasks:
        """Who is there now."""
        return self.tasks_at(self.now)

    @property
    def high(self) -> str:
        """The alarm of the scale-out policy that watches requests."""
        return SIZED if self.scenario.sized else HIGH

    @property
    def target(self) -> ScalableTarget:
        """The target by the newest valid document."""
        return operators.parsed(self._valid)

    def _document(self, bounds: tuple[int, int] = (operators.MINIMUM, operators.MAXIMUM)) -> str:
        several, dry_run = self.scenario.several, self.scenario.dry_run
        fleet = self.scenario.fleet
        self._valid = operators.document(
            several=several,
            sized=self.scenario.sized,
            dry_run=dry_run,
            bounds=bounds,
            drains=fleet.drains,
            every=fleet.every,
        )
        return self._valid

    def _note_limits(self) -> None:
        """Note what bounds capacity from now on; to be called whenever that may have changed."""
        state, now = read_operators(self.entries), moment(self.now)
        bounds = Bounds.in_force(self.target, state, now)
        paused = frozenset(
            direction
            for direction in Direction
            if state.pause and state.pause.holds(direction, now)
        )
        self.limits.append(Limits(self.now, bounds.minimum, bounds.maximum, paused))

    # --- the run ----------------------------------------------------------------------------------

    def run(self) -> World:
        """Run from the first second to the last, and let what is under way come to its end."""
        at, draw, scenario = self.time.at, self.rng.uniform, self.scenario
        # Datapoints begin with a second; finer ones make up the periods that CloudWatch reads.
        first = self.rng.randrange(10)
        at(first if self.traffic.every >= PERIOD else 0, self._period_ends)
        at(draw(0, 5), self._heartbeat)
        if scenario.surges:
            at(0.0, self._second_ends)
        if scenario.flood:
            at(draw(5, FAULTS_END - 5), self._flood)
        at(FAULTS_END, self._end_faults)
        at(END, self._close)
        others: list[tuple[int, Callable[[], None]]] = [
            (scenario.requests, self._request),
            (20 if scenario.crowded else 0, self._others_wait),
            (scenario.hands, partial(self._hand, "a hand")),
            (scenario.terraform, partial(self._hand, "Terraform")),
            (scenario.entries, self._write_entry),
            (scenario.documents, self._change_document),
            (scenario.alarms, self._change_alarm),
        ]
        for times, action in others:
            for _ in range(times):
                at(draw(5, FAULTS_END - 5), action)
        with patch.object(cycle, "decide", self._watched(vars(cycle)["decide"])):
            self.time.run()
        return self

    def _end_faults(self) -> None:
        self.faults = False
        self.time.skews = (0.0,)
        self.log("-- no more faults, and every clock is right --")
        if self.document != self._valid:
            self.document = self._valid
            self._note_limits()

    def _close(self) -> None:
        self.time.closed = True

    def _period_ends(self) -> None:
        """Publish the period's datapoints, and evaluate the alarms a moment later."""
        if self.time.closed:
            return
        for metric in (REQUESTS, CPU) if self.scenario.several else (REQUESTS,):
            if not self.chance(0.05):
                visible = self.now + self.rng.uniform(0.2, 2.5)
                counted = self.scenario.fleet.counted
                late = random.Random(f"{self.seed} at {self.now}").uniform(0, 2)  # noqa: S311
                self.traffic.complete[moment(self.now - PERIOD)] = visible + late
                self.traffic.publish(metric, self.now, self.tasks, visible, counted)
        self._note_period()
        self.time.at(self.now + SHORTEST_EVALUATION, self._evaluate_alarms)
        self.time.at(self.now + PERIOD, self._period_ends)

    # --- seconds, and who feels them --------------------------------------------------------------

    def _second_ends(self) -> None:
        """Have both halves of the tasks report, each second or in batches, and a hot one alone."""
        if self.time.closed:
            return
        tasks, hot = self.tasks, 0.0
        if self.scenario.hot and self.faults and tasks.reporting > 1:
            hot = HOT * (DEFINITION.threshold * tasks.serving - self.traffic.load(self.now))
        for metric in (REQUESTS, CPU) if self.scenario.several else (REQUESTS,):
            each = self.traffic.per_task(metric, self.now, tasks.serving)
            reporting = each * tasks.reporting / max(1, tasks.reporters)
            felt = each > SURGE * DEFINITION.threshold and metric == REQUESTS
            alone = 1 if hot > 0 and metric == REQUESTS else 0
            halves = (tasks.reporters - alone) // 2, (tasks.reporters - alone + 1) // 2
            for half, phase in zip(halves, (0.0, 2.0), strict=True):
                self._report(metric, reporting, half, 0.0 if felt else (phase - self.now) % BATCH)
            self._report(metric, each + hot, alone, 0.0)
            if felt or (alone and each + hot > SURGE * DEFINITION.threshold):
                self._feel()
        self.time.at(self.now + 1, self._second_ends)

    def _report(self, metric: str, each: float, tasks: int, later: float) -> None:
        if tasks and not self.chance(0.02):
            delay = later + self.rng.uniform(0, 1) + self.rng.uniform(0.2, 2.5)
            counted = max(1, round(tasks * self.scenario.fleet.counted))
            self.traffic.report(metric, self.now, each, counted, self.now + delay)

    def _feel(self) -> None:
        """Have the tasks that feel a surge send their message, one in two seconds."""
        slot = self.now // 2
        if slot == self._slot:
            return
        self._slot = slot
        self.send_surge(self.now + self.rng.uniform(0, 1))

    def _flood(self) -> None:
        """Have somebody send messages that no task has felt, as many as can be."""
        self.log(f"a flood of {self.scenario.flood} surges")
        for _ in range(self.scenario.flood):
            self.send_surge(self.now + self.rng.uniform(0, 2))

    def send_surge(self, when: float) -> None:
        """Send a task's message: it comes at once, late, twice, or not at all."""
        if self.chance(0.15):
            return
        sent = {"resource_id": WEB.resource_id, "at": write_moment(moment(when))}
        for _ in range(2 if self.chance(0.2) else 1):
            late = self.rng.uniform(1, 75) if self.chance(0.15) else 0.0
            arrives = when + self.rng.uniform(0.05, 0.5) + late
            self.time.at(arrives, partial(self._receive_surge, json.dumps(sent), when))

    def _receive_surge(self, body: str, since: float) -> None:
        def again() -> None:
            if self.now < since + RETENTION:
                self.time.at(self.now + TIMEOUT, partial(self._receive_surge, body, since))

        self.time.invoke("surge", lambda: self.door.on_message(body, SURGES), again)

    def _note_period(self) -> None:
        alarm, limits = self.alarms.get((WEB, self.high)), self.limits[-1]
        tasks = self.tasks
        each = self.traffic.per_task(REQUESTS, self.now, tasks.serving)
        if 0 < tasks.draining <= DILUTING * self.ecs.desired:  # so few are not looked through
            each *= tasks.reporting / tasks.reporters
        breached = bool(alarm and alarm.definition and each > self._limit(alarm.definition))
        free = (
            self.document == self._valid
            and Direction.OUT not in limits.paused
            and self.ecs.desired < limits.maximum
        )
        self.periods.append(Period(self.now, breached, free))

    def _limit(self, alarm: AlarmDefinition) -> float:
        """Return the load of a task that is to be answered: by a target, that of its own."""
        own = SIZED_DEFINITIONS[SIZED].threshold if self.scenario.sized else 0.0
        return max(alarm.threshold, own)

    def _evaluate_alarms(self) -> None:
        for policy, alarm, window in list(transitions(self.alarms, self.traffic, self.now)):
            self.alarms[WEB, policy] = alarm
            self.log(f"alarm {policy} -> {alarm.state} at {window[-1].value:.1f}")
            self._emit(event_of(policy, alarm, window))

    def _emit(self, event: dict[str, Any]) -> None:
        """Deliver an event: now, late, twice, or not at all."""
        if self.chance(0.15):
            self.log("  its event is lost")
            return
        for _ in range(2 if self.chance(0.2) else 1):
            delay = self.rng.uniform(0.05, 0.5)
            if self.chance(0.15):
                delay += self.rng.uniform(1, 75)
            on_event = partial(self.door.on_event, event)
            self.time.at(self.now + delay, partial(self.time.invoke, "event", on_event))

    def _heartbeat(self) -> None:
        if not self.chance(0.1):
            self.time.invoke("heartbeat", lambda: self.door.on_event({"heartbeat": {}}))
        if not self.time.closed:
            self.time.at(self.now + 60, self._heartbeat)

    # --- what others do ---------------------------------------------------------------------------

    def _others_wait(self) -> None:
        """Have other targets of the account take numbers, and be served in turn, or never."""
        lane, count = self.rng.randrange(LANES), self.rng.randint(1, MOST_OTHERS)
        self.log(f"{count} others wait in lane {lane}")
        lanes = list(self.turns.line.take(lane, moment(self.now)).lanes)
        first = lanes[lane].taken
        lanes[lane] = replace(lanes[lane], taken=first + count - 1)
        self.turns.line = Line(tuple(lanes))
        if self.rng.random() < 0.5:
            for place in range(SERVED_A_SECOND - 1, count, SERVED_A_SECOND):
                serve = partial(self._serve_another, lane, first + place)
                self.time.at(self.now + 1 + place / SERVED_A_SECOND, serve)

    def _serve_another(self, lane: int, number: int) -> None:
        self.turns.line = self.turns.line.serve(lane, number, moment(self.now))

    def _request(self) -> None:
        """Have an operator ask for a capacity."""
        self._ask("by hand", self.rng.randint(2, 40))

    def _ask(self, what: str, capacity: int | None) -> None:
        self.log(f"an operator asks for {capacity}: {what}")
        identity = f"r-{round(1000 * self.now)}"
        request = Request(WEB, identity, moment(self.now), what, capacity)
        self.deliver(Message(request), timedelta())

    def _hand(self, whose: str) -> None:
        """Change the desired count past the scaler; Terraform knows one number only."""
        count = 4 if whose == "Terraform" else self.rng.randint(1, 50)
        self.log(f"{whose} sets {self.ecs.desired} -> {count}")
        change = Change(self.now, whose, self.now, self.ecs.desired, count, foreign=True)
        self.ecs.make(change)

    def _write_entry(self) -> None:
        """Have an operator or a schedule write an entry, and, mostly, ask for a look."""
        number = next(self._numbers)
        name, entry, until = operators.drawn_entry(self.rng, number, self.now)
        self.log(f"{name} is written: {json.dumps(entry)}")
        self.entries[name] = entry
        self.targets.items[WEB.resource_id].exists = True
        self._note_limits()
        self.time.at(until, self._note_limits)
        if self.rng.random() < 0.8:
            self._ask(name, None)

    def _change_document(self) -> None:
        """Write another document, or one that is invalid for a while."""
        if self.rng.random() < 0.4:
            self.log("the document becomes invalid")
            self.document = operators.INVALID
            self.time.at(self.now + self.rng.uniform(5, 40), self._mend_document)
            return
        bounds = operators.drawn_bounds(self.rng)
        self.log(f"the document has bounds {bounds}")
        self.document = self._document(bounds)
        self._note_limits()

    def _mend_document(self) -> None:
        self.log("the document is valid again")
        self.document = self._valid

    def _change_alarm(self) -> None:
        """Delete an alarm, all of them, or give one another threshold; some come back later."""
        there = [policy for _, policy in self.alarms]
        what = self.rng.choice(("delete", "delete all", "change", "change"))
        if what == "change" and there:
            policy = self.rng.choice(there)
            alarm = self.alarms[WEB, policy]
            assert alarm.definition is not None
            threshold = alarm.definition.threshold * self.rng.choice((0.8, 1.25))
            self.log(f"alarm {policy} has the threshold {threshold}")
            definition = replace(alarm.definition, threshold=threshold)
            self.alarms[WEB, policy] = replace(alarm, definition=definition)
            self.thresholds[policy].append((self.now, definition))
            return
        back = self.now + self.rng.uniform(20, 100) if self.rng.random() < 0.5 else math.inf
        for policy in there if what == "delete all" else there[:1]:
            self.log(f"alarm {policy} is deleted")
            alarm = self.alarms.pop((WEB, policy))
            self.gone.append(Gone(policy, self.now, back))
            if back < math.inf:
                again = replace(alarm, state=AlarmState.INSUFFICIENT_DATA, at=moment(back))
                self.time.at(back, partial(self._put_alarm, policy, again))

    def _put_alarm(self, policy: str, alarm: Any) -> None:
        self.log(f"alarm {policy} is there again")
        self.alarms[WEB, policy] = alarm

    # --- invocations ------------------------------------------------------------------------------

    def _new_id(self) -> str:
        invocation = self.time.invocation
        again = " abc"[invocation.evaluations :][:1].strip()
        invocation.evaluations += 1
        invocation.decision = f"d{invocation.number}{again}"
        invocation.decided_at, invocation.acts_on = self.now, ()
        return invocation.decision

    def _watched(self, decide: Callable[..., Decision]) -> Callable[..., Decision]:
        """Return the engine's `decide`, and note which datapoints it acts on, and who asked.

        Whoever is killed before it commits leaves no record of it.
        """

        def watched(target: ScalableTarget, observation: Observation, *others: Any) -> Decision:
            decision = decide(target, observation, *others)
            *_, directions = others
            surge = self.time.invocation.of_surge = directions == (Direction.OUT,)
            if decision.granted != decision.before and not self.time.invocation.sets:
                out = decision.granted > decision.before
                asked = target.in_direction(Direction.OUT if out else Direction.IN)
                alarms = ((p.alarm, observation.alarms.get(p.alarm)) for p in asked)
                self.time.invocation.acts_on = tuple(
                    ActedOn(name, alarm.datapoints[-1], alarm.recent[-1].at if surge else None)
                    for name, alarm in alarms
                    if alarm and alarm.state is AlarmState.ALARM and alarm.has_value
                )
            return decision

        return watched

    def _together(self, first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        """Run two calls of a round in either order; what fails, fails when both have ended."""
        results: dict[int, Any] = {}
        error: Exception | None = None
        calls: list[tuple[int, Callable[[], Any]]] = [(0, first), (1, second)]
        if self.rng.random() < 0.5:
            calls.reverse()
        for index, call in calls:
            try:
                results[index] = call()
            except Exception as failed:  # noqa: BLE001 - raised below
                error = failed
        if error:
            raise error
        return results[0], results[1]

    # --- the queue --------------------------------------------------------------------------------

    def deliver(self, message: Message, delay: timedelta) -> None:
        body = json.dumps(write_message(message))
        for _ in range(2 if self.chance(0.1) else 1):
            wait = math.ceil(delay.total_seconds()) + self.rng.uniform(0.01, 0.4)
            self.time.at(self.now + wait, partial(self._receive, body, 1))

    def _receive(self, body: str, receives: int) -> None:
        def again() -> None:
            if receives < MAX_RECEIVES:
                self.time.at(self.now + VISIBILITY, partial(self._receive, body, receives + 1))

        def read() -> None:
            self.time.invocation.sets = "request" in body and '"capacity": null' not in body
            self.door.on_message(body)

        self.time.invoke(f"message {body[:90]}", read, again)

    # --- the account ------------------------------------------------------------------------------

    def load(self, service: ServiceName) -> ScalableTarget:
        host = self.time.invocation.host
        if host in self._kept and self.now - self._kept[host][0] < KEPT:
            return self._kept[host][1]
        read = Call("GetParameter", (service,))
        target: ScalableTarget = self.hook(read, lambda: operators.parsed(self.document))
        self._kept[host] = self.now, target
        return target

    def refresh(self, _services: Sequence[ServiceName]) -> set[ServiceName]:
        """Return no service: each has a document, which `load` reads as if nobody had before."""
        return set()

    def survey(self, _token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        """Return no document: none here speaks of a queue; see `queues` for worlds that do."""
        return {}, None

    def seen(self, _service: ServiceName) -> Service:
        old = self.rng.uniform(0, self.scenario.stale) if self.scenario.stale else 0.0
        when = self.now - old if self.faults else self.now
        desired, running = self.ecs.desired_at(when), self.tasks_at(when).serving
        return Service(desired, running, desired - running)

    def datapoints(self, policy: str, definition: AlarmDefinition, *_: Any) -> Iterable[Datapoint]:
        if self.scenario.surges and definition.period == 1:
            return self.traffic.seconds(METRICS[policy], self.now)
        return self.traffic.read(METRICS[policy], definition.period, self.now)

    def change(self, _service: ServiceName, desired: int) -> None:
        invocation = self.time.invocation
        self.log(f"#{invocation.number} UpdateService {self.ecs.desired} -> {desired}")
        self.ecs.calls.append(self._update(desired))
        self.ecs.make(self._change(desired))

    def _update(self, desired: int) -> Update:
        decision = self.time.invocation.decision
        return Update(self.now, decision, desired, self.ecs.desired, self.committed)

    def _change(self, desired: int) -> Change:
        invocation = self.time.invocation
        return Change(
            self.now,
            invocation.decision,
            invocation.decided_at,
            self.ecs.desired,
            desired,
            acts_on=invocation.acts_on,
            of_surge=invocation.of_surge,
        )

    def _carry_out_later(self, desired: int) -> None:
        """Have ECS do what it was asked only after the caller has given up."""
        change, when = self._change(desired), self.now + self.rng.uniform(1, 60)
        self.ecs.calls.append(self._update(desired))
        self.log(f"   UpdateService {desired} is carried out at {when:.2f}, and not answered")

        def carry_out() -> None:
            self.log(f"a late UpdateService sets {self.ecs.desired} -> {desired}")
            done = replace(change, at=self.now, before=self.ecs.desired, late=True)
            self.ecs.make(done)

        self.time.at(when, carry_out)

    # --- calls ------------------------------------------------------------------------------------

    def hook(self, call: Call, effect: Callable[[], _A], /) -> _A:
        """Make a call: time passes, it takes effect, time passes; anything may go wrong."""
        throttled = self.scenario.throttled.get(call.name)
        self.asked.append((self.now, call.name))
        if self.time.invocation.what == "surge":
            self.asked_by_surges.append((self.now, call.name))
        if self.chance(0.01):
            self.log(f"   {call.name}: about to be killed")
            self.time.kill()
        self._pass_time()
        if self.chance(throttled or 0.0):
            self.time.invocation.harmed = True
            raise CallFailedError(Outcome.FAILED_THROTTLED, f"{call.name}: ThrottlingException")
        if call.name == "UpdateService" and self.chance(self.scenario.late / 100):
            self._carry_out_later(call.arguments[1])
            self.time.invocation.harmed = True
            raise unanswered()
        if call.name in ("claim", "peek"):
            self._read_back()
        answer = effect()
        self._note(call, answer)
        if self.chance(0.012):
            self.log(f"   {call.name}: done, then killed")
            self.time.kill()
        self._pass_time()
        if self.chance(0.01):
            self.log(f"   {call.name}: done, answer lost")
            self.time.invocation.harmed = True
            if call.name == "UpdateService":
                self.unanswered.append(self.now)
            raise unanswered() if throttled else AnswerLostError("no answer")
        return answer

    def _pass_time(self) -> None:
        """Let the time of one way pass: mostly short, now and then long, in trouble very long."""
        longest = 4.5 if self.chance(0.01) else 0.7 if self.rng.random() < 0.1 else 0.05
        self.time.sleep(self.rng.uniform(0.002, longest))

    def _note(self, call: Call, answer: Any) -> None:
        """Note what a call has done, for the timeline and the invariants."""
        match call.name, call.arguments:
            case "claim", (_, lease, *_):
                self.leases.append((self.now, lease))
                self.log(f"   claim by {lease.owner}: {type(answer).__name__}")
            case "postpone", (_, generation, check_at):
                self.log(f"   generation {generation} waits until {check_at:%H:%M:%S}")
            case "commit", (owner, _, record, *_):
                self.commits.append((self.now, self.committed))
                asked = self.item.counts.asked  # which ECS may or may not have heard
                known = (self.committed, asked and asked.number)
                if self.committed and self.ecs.desired not in known:
                    have = f"ECS has {self.ecs.desired}"
                    self.astray.append((self.now, f"{owner} commits {self.committed}, {have}"))
                self.log(f"   {owner} commits {record.outcome}: {record.reason[:90]}")
            case _:
                pass

    # --- the item ---------------------------------------------------------------------------------

    def _read_back(self) -> None:
        """Have the item hold what its attributes say: what is not written, or read, is lost."""
        item = self.targets.items[WEB.resource_id]
        if (item.memory, item.waiting) == self._read:
            return
        waiting = {f"{WAITING}{name}": known_dict(known) for name, known in item.waiting.items()}
        stored = from_item(to_item({**memory_dict(item.memory), **waiting}))
        claim = read_claim(stored)
        item.memory, item.waiting = claim.memory, dict(claim.waiting)
        self._read = item.memory, dict(item.waiting)


def unanswered() -> CallFailedError:
    """Return what an adapter makes of a call that was never answered."""
    return CallFailedError(Outcome.FAILED_OTHER, "read time-out")
