"""From the first overloaded second to UpdateService, if tasks report a surge.

A task detects a surge in its last two whole seconds, publishes what it has within one more second,
and sends its message. Door, cycle and engine are real, over AWS in memory, on modelled clocks.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.story import POLICY, SERVICE, THRESHOLD
from quickstep.alarms.definition import AlarmDefinition
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Comparison, Datapoint, Service
from quickstep.fields import write_moment
from quickstep.protocol.counts import Counts
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import write_message
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.simulator.stage import START
from quickstep_publisher._refused import CROWDED
from quickstep_publisher._surge import SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quickstep.naming import ServiceName
    from quickstep.protocol.messages import Message
    from quickstep_lab.simulator.world import Spread

LEVEL = 1.5
"""A surge's multiple of the target, which here is the alarm's threshold."""
SIGMA = 3.0
"""Standard deviations of a two-second mean that it must also exceed; arrivals are Poisson."""
SLOT = 2
"""Seconds in which a service sends one message."""
REST = 25
"""Seconds before the surge that are read back, from which tasks are counted."""
PATIENCE = 40
"""Seconds after which an unreported surge is left to the alarm."""
ALARM = 20
"""Seconds after which the alarm has seen a surge."""
QUEUE = "arn:aws:sqs:us-east-1:123456789012:Surges.fifo"


def _definition(service: ServiceName) -> AlarmDefinition:
    """Return a service's alarm; its metric's namespace is the service's resource ID."""
    metric = {"Namespace": service.resource_id, "MetricName": "RequestsPerSecond"}
    query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 10, "Stat": "Average"}}
    return AlarmDefinition(
        queries=(query,),
        period=10,
        threshold=THRESHOLD,
        comparison=Comparison.GREATER,
        n=1,
        m=1,
    )


class SurgeParts(NamedTuple):
    """Where the seconds went, in order.

    `visibility` runs from the first look until the one that finds seconds to act on.
    """

    detection: float
    sending: float
    queue: float
    invocation: float
    visibility: float
    decision: float


WORDS = {
    "detection": "detection: until two whole seconds show it",
    "sending": "sending: until the first task's message is sent",
    "queue": "queue: SQS to Lambda",
    "invocation": "invocation: until the function runs",
    "visibility": "visibility: until a look can read the seconds",
    "decision": "decision: until UpdateService is accepted",
}
"""The labels of the parts' rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """A service's surge: from `begins` on, its load per task is `factor` times the earlier one.

    `phases` are those of the tasks' calls, each `interval` seconds; `visibility` runs from a call
    until its data can be read, `hop` from a message until the function starts. `cold` is the first
    start's delay, `decision` a look's time until ECS has accepted. CloudWatch takes `quota` calls a
    second. The tasks are spread equally over `services` services.
    """

    begins: float
    factor: float
    at_rest: float
    phases: tuple[float, ...]
    interval: int
    visibility: Spread
    hop: float
    cold: float
    decision: float
    seed: int
    quota: float = math.inf
    services: int = 1

    @property
    def names(self) -> list[ServiceName]:
        """The services; the first is the example's."""
        return [SERVICE, *(replace(SERVICE, service=f"web-{n}") for n in range(1, self.services))]

    def load(self, second: int) -> float:
        """Return a task's load in a whole second."""
        share = min(1.0, max(0.0, second + 1 - self.begins))
        return self.at_rest * (1 + (self.factor - 1) * share)

    def felt(self, second: int) -> bool:
        """Return whether a task feels a surge at the end of a second."""
        mean = (self.load(second - 1) + self.load(second)) / 2
        return mean > max(LEVEL * THRESHOLD, THRESHOLD + SIGMA * math.sqrt(THRESHOLD / 2))

    @property
    def detected_at(self) -> float | None:
        """When the tasks first feel it; None if they never do."""
        first = math.floor(self.begins)
        return next((s + 1.0 for s in range(first, first + 4) if self.felt(s)), None)


@dataclass
class _Account(InMemoryAws):
    """AWS at an agenda's time."""

    surge: Surge
    now: float = 0.0
    looks: list[float] = field(default_factory=list)
    answered: dict[ServiceName, float] = field(default_factory=dict)
    reports: dict[str, list[tuple[float, int, float]]] = field(default_factory=dict)
    agenda: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        super().__post_init__()
        tasks = len(self.surge.phases) // self.surge.services
        document = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
        document |= {"PublishSeconds": 1, "MaxCapacity": max(document["MaxCapacity"], 10 * tasks)}
        for name in self.surge.names:
            own = document | {"ResourceId": name.resource_id}
            self.documents[name.parameter] = json.dumps(own)
            self.services[name] = Service(tasks, tasks, 0)
            known = KnownAlarm(AlarmState.OK, START, _definition(name))
            memory = Memory(alarms={POLICY.name: known}, counts=Counts(tasks), listed=True)
            self.targets.remember(name.resource_id, memory)
        self.door = self.scaler(
            clock=lambda: START + timedelta(seconds=self.now),
            new_id=lambda: f"d{next(self.numbers)}",
            jitter=lambda: 0.0,
            sleep=lambda _: None,
        )

    def expect(self, publishing: _Publishing) -> None:
        """Plan the effects of what the tasks send."""
        self.reports = publishing.reports
        for name, moment in publishing.sent:
            at = write_moment(START + timedelta(seconds=moment))
            body = json.dumps({"resource_id": name, "at": at})
            self.at(moment + self.surge.hop, partial(self.look, body, QUEUE))

    def datapoints(
        self, _policy: str, definition: AlarmDefinition, *_: object
    ) -> Iterable[Datapoint]:
        """Return the averages of the readable seconds."""
        shown: dict[int, list[float]] = {}
        (query,) = definition.queries
        for visible, second, value in self.reports[query["MetricStat"]["Metric"]["Namespace"]]:
            if visible <= self.now:
                shown.setdefault(second, []).append(value)
        for second, values in sorted(shown.items()):
            at = START + timedelta(seconds=second)
            yield Datapoint(at, sum(values) / len(values), len(values))

    def change(self, service: ServiceName, desired: int) -> None:
        super().change(service, desired)
        self.answered.setdefault(service, self.now)

    def deliver(self, message: Message, delay: timedelta) -> None:
        body = json.dumps(write_message(message))
        arrives = self.now + math.ceil(delay.total_seconds()) + self.surge.hop
        self.at(arrives, partial(self.look, body, ""))

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (when, next(self.numbers), action))

    def play(self, last: float, over: Callable[[], bool] = lambda: False) -> None:
        """Run what is planned until a moment, or until it is over."""
        while self.agenda and not over() and self.agenda[0][0] < last:
            self.now, _, action = heapq.heappop(self.agenda)
            action()

    def look(self, body: str, queue: str) -> None:
        if not self.looks and self.surge.cold:
            self.looks.append(self.now + self.surge.cold)
            self.at(self.looks[0], lambda: self.door.on_message(body, queue))
            return
        self.looks.append(self.now)
        self.door.on_message(body, queue)


@dataclass(frozen=True, slots=True)
class _Publishing:
    """What the tasks send: each new message, and when each second's samples become readable.

    Both are by the service's resource ID. `early` counts the immediate calls, `refused` all calls
    beyond the quota.
    """

    sent: tuple[tuple[str, float], ...]
    reports: dict[str, list[tuple[float, int, float]]]
    early: int
    refused: int


@dataclass
class _Task:
    """A task's unpublished seconds, from `since` on; those up to `tried` failed once."""

    since: int
    tried: int = 0
    crowded_until: float = 0.0

    def accept(self, whole: int) -> range:
        """Return the seconds that a call up to one carries."""
        carried = range(self.since, max(self.since, whole))
        self.since = self.tried = carried.stop
        return carried

    def refuse(self, at: float) -> None:
        """Keep a failed call's seconds for the next call, but not a second time."""
        self.since, self.tried = max(self.since, self.tried), max(self.tried, math.floor(at))
        self.crowded_until = at + CROWDED


def _publishing(surge: Surge, detected: float) -> _Publishing:
    """Return what tasks send that call each `interval`, and at once while they feel the surge."""
    random = Random(surge.seed)  # noqa: S311 - repeatable, not secret
    names = [name.resource_id for name in surge.names]
    sent: dict[tuple[str, int], float] = {}
    calls: list[tuple[float, int, bool]] = []
    for task, phase in enumerate(surge.phases):
        ticks = range(round(surge.begins + PATIENCE) // surge.interval)
        calls += [(number * surge.interval + phase, task, False) for number in ticks]
        own = [detected + SLOT * again + random.random() for again in range(SLOTS)]
        calls += [(at, task, True) for at in own]
        for at in own:
            slot = names[task % len(names)], int(at // SLOT)
            sent[slot] = min(at, sent.get(slot, at))
    tasks = [_Task(math.floor(surge.begins) - REST) for _ in surge.phases]
    taken: Counter[int] = Counter()
    reports: dict[str, list[tuple[float, int, float]]] = {name: [] for name in names}
    early, refused = 0, 0
    for at, number, is_early in sorted(calls):
        each, whole = tasks[number], math.floor(at)
        if is_early and at < each.crowded_until:
            continue
        early += is_early
        taken[whole] += 1
        if taken[whole] > surge.quota:
            refused += 1
            each.refuse(at)
            continue
        visible = at + surge.visibility.draw(random)
        seconds = each.accept(whole)
        reports[names[number % len(names)]] += [(visible, s, surge.load(s)) for s in seconds]
    surge_reports = tuple((name, at) for (name, _), at in sent.items())
    return _Publishing(surge_reports, reports, early, refused)


class Crowd(NamedTuple):
    """The result of many tasks that surge in the same second, until the alarm also has it.

    `answered` has each answered service's seconds since the surge. `early` counts PutMetricData
    calls beyond those that tasks make anyway, `refused` all calls over the quota. Of the `messages`
    sent, `slots` are new. `looks` counts the looks.
    """

    answered: tuple[float, ...]
    early: int
    refused: int
    messages: int
    slots: int
    looks: int


def crowd(surge: Surge) -> Crowd:
    """Return the result of a surge of many tasks."""
    detected = surge.detected_at
    if detected is None:
        raise ValueError("no task feels a surge")
    account, publishing = _Account(surge), _publishing(surge, detected)
    account.expect(publishing)
    account.play(surge.begins + ALARM)
    each = len(surge.phases) * SLOTS
    return Crowd(
        tuple(at - surge.begins + surge.decision for at in sorted(account.answered.values())),
        publishing.early,
        publishing.refused,
        each,
        len(publishing.sent),
        len(account.looks),
    )


def play(surge: Surge) -> SurgeParts | None:
    """Return where the seconds went until UpdateService; None if no task's surge led to it."""
    detected = surge.detected_at
    if detected is None:
        return None
    account, publishing = _Account(surge), _publishing(surge, detected)
    account.expect(publishing)
    account.play(surge.begins + PATIENCE, lambda: bool(account.answered))
    if not account.answered:
        return None
    first = min(at for _, at in publishing.sent)
    started = first + surge.hop
    runs = started + surge.cold
    return SurgeParts(
        detected - surge.begins,
        first - detected,
        surge.hop,
        surge.cold,
        account.answered[SERVICE] - runs,
        surge.decision,
    )
