"""A thousand services with queues: how often each is read, how soon a first task starts, the cost.

python -m benchmarks queues

The real door and polls over an account in memory, in virtual time. Ten functions take the polls,
and each knows only what it has seen itself.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Benchmark, Figure, Goal, Quantity
from quickstep.engine.backlog import QueueReading
from quickstep.engine.model import Service
from quickstep.loop.polls import Empties
from quickstep.naming import ServiceName
from quickstep.protocol.messages import write_message
from quickstep.protocol.polls import Poll
from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.cost.queues import Polling, polling_lines
from quickstep_lab.in_memory.account import InMemoryAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickstep.protocol.messages import Message
    from quickstep_lab.in_memory.hook import Call

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FUNCTIONS = 10
SETTLED = 900
"""Seconds after which all empty queues are known to be empty."""
MEASURED = 600
MOST_SECONDS = 12
MOST_DOLLARS = 20
JOLTS = 60
"""Queues that get a message, each at its own moment."""


@dataclass
class Crowd(InMemoryAws):
    """An account of many services, each with its own queue."""

    count: int
    busy: int
    now: float = 0.0
    read_at: dict[str, list[float]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    _due: list[tuple[float, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the services."""
        super().__post_init__()
        self._rng = random.Random(7)  # noqa: S311
        self._number = 0
        self._functions = [Empties() for _ in range(FUNCTIONS)]
        for number in range(self.count):
            name = ServiceName("prod", f"worker-{number:04}")
            policy = {"QueueName": name.service, "SecondsPerJob": 2}
            document = {
                "ResourceId": name.resource_id,
                "MinCapacity": 0,
                "MaxCapacity": 40,
                "QueuePolicies": {"jobs": policy},
            }
            self.documents[name.parameter] = json.dumps(document)
            self.services[name] = Service(0, 0, 0)
            self.queues.readings[name.service] = QueueReading(0)

    def hook(self, call: Call, effect: Callable[[], Any], /) -> Any:
        """Count a call."""
        self.asked[call.name] = self.asked.get(call.name, 0) + 1
        if call.name == "GetQueueAttributes":
            self.read_at.setdefault(call.arguments[0], []).append(self.now)
        if call.name == "UpdateService":
            self.started.setdefault(call.arguments[0].service, self.now)
        return effect()

    def deliver(self, message: Message, delay: timedelta) -> None:
        """Deliver a message a moment after its delay."""
        self._number += 1
        due = self.now + delay.total_seconds() + self._rng.uniform(0.05, 0.5)
        body = json.dumps(write_message(message))
        heapq.heappush(self._due, (due, self._number, body))
        if isinstance(message.content, Poll):
            self.asked["polls"] = self.asked.get("polls", 0) + 1

    def _invoke(self, body: str | None) -> None:
        door = self.scaler(
            clock=lambda: START + timedelta(seconds=self.now),
            new_id=lambda: f"d{self._rng.random()}",
            jitter=self._rng.random,
            sleep=lambda _: None,
        )
        door = replace(door, empties=self._rng.choice(self._functions))
        if body is None:
            door.on_event({"heartbeat": {}})
        else:
            door.on_message(body)

    def runs(self, until: float, each_second: Callable[[int], None] = lambda _: None) -> None:
        """Run until a moment: a heartbeat each minute, messages when they are due."""
        for second in range(int(self.now), int(until)):
            self.now = float(second)
            each_second(second)
            if second % 60 == 0:
                self._invoke(None)
            while self._due and self._due[0][0] < second + 1:
                self.now, _, body = heapq.heappop(self._due)
                self._invoke(body)


@dataclass(frozen=True)
class Crowded:
    """The result of an account's polls."""

    reads_a_second: float
    polls_a_minute: float
    longest_pause: float
    read: int
    waits: tuple[float, ...]
    watches_a_second: float


def crowded(targets: int, busy: int) -> Crowded:
    """Return the result of polling this many targets, of which some are always busy."""
    crowd = Crowd(targets, busy)
    draw = random.Random(11)  # noqa: S311

    def work(second: int) -> None:
        """Change the busy queues' counts all the time, at a load that one task carries."""
        if second % 7 == 0:
            for number in range(busy):
                reading = QueueReading(0, draw.choice((1, 2)))
                crowd.queues.readings[f"worker-{number:04}"] = reading

    crowd.runs(SETTLED, work)
    crowd.asked.clear()
    crowd.read_at.clear()
    woken = {
        f"worker-{busy + number:04}": SETTLED + draw.uniform(0, MEASURED - 150)
        for number in range(min(JOLTS, targets - busy))
    }

    def jolt(second: int) -> None:
        work(second)
        for name, at in woken.items():
            if int(at) == second:
                crowd.queues.readings[name] = QueueReading(10)

    crowd.runs(SETTLED + MEASURED, jolt)
    pauses = [
        later - earlier for times in crowd.read_at.values() for earlier, later in pairwise(times)
    ]
    return Crowded(
        crowd.asked["GetQueueAttributes"] / MEASURED,
        60 * crowd.asked["polls"] / MEASURED,
        max(pauses),
        len(crowd.read_at),
        tuple(crowd.started[name] - at for name, at in woken.items() if name in crowd.started),
        crowd.asked.get("watch", 0) / MEASURED,
    )


def figures() -> Iterator[Figure]:
    """Yield what is read, how soon, and at what cost."""
    counted, prices = read_counts(), read_prices()
    for targets, busy in ((100, 5), (1_000, 0), (1_000, 50)):
        seen = crowded(targets, busy)
        polling = Polling(targets, busy)
        dollars = bill(polling_lines(polling, counted), prices).total
        what = f"{targets:,} services with a queue, {busy} busy"
        yield Figure(
            f"{what}: queues that were read", Quantity(seen.read), goal=Goal(at_least=targets)
        )
        yield Figure(f"{what}: GetQueueAttributes", Quantity(seen.reads_a_second, "/s"))
        yield Figure(f"{what}: polls", Quantity(seen.polls_a_minute, "/min"))
        yield Figure(f"{what}: longest time between readings", Quantity(seen.longest_pause, "s"))
        first = f"{what}: first message to first task"
        yield Figure(f"{first}, median", Quantity(statistics.median(seen.waits), "s"))
        longest = Quantity(max(seen.waits), "s")
        yield Figure(f"{first}, longest", longest, goal=Goal(at_most=MOST_SECONDS))
        cost = Quantity(dollars, "$")
        yield Figure(f"{what}: polling a month, modelled", cost, goal=Goal(at_most=MOST_DOLLARS))


BENCHMARK = Benchmark(
    "queues",
    "Queues",
    "The real polls, over an account in memory and in virtual time, by ten functions. Costs are"
    " modelled from published prices.",
    figures,
)
