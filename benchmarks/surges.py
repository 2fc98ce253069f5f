"""From the first overloaded second to UpdateService, where tasks tell of a surge.

A task feels a surge by its last two whole seconds, publishes what it has within one second more,
and sends its message. Door, cycle and engine are the real ones, over AWS in memory, at the time
that the modelled clocks have come to.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
from dataclasses import dataclass, field
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
from quickstep_lab.in_memory import InMemoryAws
from quickstep_lab.simulator.stage import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quickstep.naming import ServiceName
    from quickstep.protocol.messages import Message
    from quickstep_lab.simulator.world import Spread

LEVEL = 1.5
"""A surge is so many times the target, which here is the alarm's threshold."""
SIGMA = 3.0
"""And so many standard deviations of the mean of two seconds above it; arrivals are Poisson's."""
SLOT = 2
"""A service sends one message in so many seconds."""
REST = 25
"""Seconds at rest that are looked back at: tasks are counted by those."""
PATIENCE = 40
"""Seconds after which a surge that no task has told of is left to the alarm."""
QUEUE = "arn:aws:sqs:us-east-1:123456789012:Surges.fifo"

DEFINITION = AlarmDefinition(
    queries=(
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {"Namespace": "Quickstep/prod/web", "MetricName": "RequestsPerSecond"},
                "Period": 10,
                "Stat": "Average",
            },
        },
    ),
    period=10,
    threshold=THRESHOLD,
    comparison=Comparison.GREATER,
    n=1,
    m=1,
)


class SurgeParts(NamedTuple):
    """Where the seconds went, in their order.

    `visibility` is from the first look until the one that finds seconds to act on.
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
"""What the parts' rows are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """A surge of a service: its load a task from `begins` on is `factor` times that at rest.

    `phases` are those of the tasks' calls, each `interval` seconds; `visibility` is from a call
    until it can be read, `hop` from a message until the function is started. `cold` is the first
    start's, `decision` a look's time until ECS has accepted.
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

    def load(self, second: int) -> float:
        """Return the load of a task in a whole second."""
        share = min(1.0, max(0.0, second + 1 - self.begins))
        return self.at_rest * (1 + (self.factor - 1) * share)

    def felt(self, second: int) -> bool:
        """Whether a task feels a surge at the end of a second."""
        mean = (self.load(second - 1) + self.load(second)) / 2
        return mean > max(LEVEL * THRESHOLD, THRESHOLD + SIGMA * math.sqrt(THRESHOLD / 2))

    @property
    def detected_at(self) -> float | None:
        """When the tasks feel it first; None where they never do."""
        first = math.floor(self.begins)
        return next((s + 1.0 for s in range(first, first + 4) if self.felt(s)), None)


@dataclass
class _Account(InMemoryAws):
    """AWS at the time of an agenda."""

    surge: Surge
    now: float = 0.0
    looks: list[float] = field(default_factory=list)
    answered_at: float | None = None
    reports: list[tuple[float, int, float]] = field(default_factory=list)
    agenda: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        super().__post_init__()
        tasks = len(self.surge.phases)
        document = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
        self.documents[SERVICE.parameter] = json.dumps({**document, "PublishSeconds": 1})
        self.services[SERVICE] = Service(tasks, tasks, 0)
        known = KnownAlarm(AlarmState.OK, START, DEFINITION)
        memory = Memory(alarms={POLICY.name: known}, counts=Counts(tasks), listed=True)
        self.targets.remember(SERVICE.resource_id, memory)
        self.door = self.scaler(
            clock=lambda: START + timedelta(seconds=self.now),
            new_id=lambda: f"d{next(self.numbers)}",
            jitter=lambda: 0.0,
            sleep=lambda _: None,
        )

    def datapoints(self, *_: object) -> Iterable[Datapoint]:
        """Return the averages of the seconds that can be read."""
        shown: dict[int, list[float]] = {}
        for visible, second, value in self.reports:
            if visible <= self.now:
                shown.setdefault(second, []).append(value)
        for second, values in sorted(shown.items()):
            at = START + timedelta(seconds=second)
            yield Datapoint(at, sum(values) / len(values), len(values))

    def change(self, service: ServiceName, desired: int) -> None:
        super().change(service, desired)
        self.answered_at = self.now

    def deliver(self, message: Message, delay: timedelta) -> None:
        body = json.dumps(write_message(message))
        arrives = self.now + math.ceil(delay.total_seconds()) + self.surge.hop
        self.at(arrives, partial(self.look, body, ""))

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (when, next(self.numbers), action))

    def look(self, body: str, queue: str) -> None:
        if not self.looks and self.surge.cold:
            self.looks.append(self.now + self.surge.cold)
            self.at(self.looks[0], lambda: self.door.on_message(body, queue))
            return
        self.looks.append(self.now)
        self.door.on_message(body, queue)


def play(surge: Surge) -> SurgeParts | None:
    """Return where the seconds went until UpdateService; None where no task's surge led to it."""
    detected = surge.detected_at
    if detected is None:
        return None
    random = Random(surge.seed)  # noqa: S311 - repeatable, not secret
    account = _Account(surge)
    sent: dict[int, float] = {}
    last = round(surge.begins) + PATIENCE
    for phase in surge.phases:
        ticks = [number * surge.interval + phase for number in range(last // surge.interval)]
        own = [detected + SLOT * again + random.random() for again in range(5)]
        for tick in own:
            sent[int(tick // SLOT)] = min(tick, sent.get(int(tick // SLOT), tick))
        done = math.floor(surge.begins) - REST
        for tick in sorted([*ticks, *own]):
            visible = tick + surge.visibility.draw(random)
            whole = math.floor(tick)
            account.reports += [(visible, s, surge.load(s)) for s in range(done, whole)]
            done = max(done, whole)
    for tick in sent.values():
        at = write_moment(START + timedelta(seconds=tick))
        body = json.dumps({"resource_id": SERVICE.resource_id, "at": at})
        account.at(tick + surge.hop, partial(account.look, body, QUEUE))
    while account.agenda and account.answered_at is None and account.now < last:
        account.now, _, action = heapq.heappop(account.agenda)
        action()
    if account.answered_at is None:
        return None
    first = min(sent.values())
    started = first + surge.hop
    runs = started + surge.cold
    return SurgeParts(
        detected - surge.begins,
        first - detected,
        surge.hop,
        surge.cold,
        account.answered_at - runs,
        surge.decision,
    )
