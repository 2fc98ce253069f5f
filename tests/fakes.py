"""A world for unit tests: an AWS in memory that counts its calls, and fails where it is told to."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from quickstep.engine.model import Service
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.protocol.messages import Recheck
from quickstep_lab.in_memory.account import InMemoryAws
from tests.builders import NOW, WEB, a_document, a_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.loop.cycle import Cycle
    from quickstep.loop.door import Door
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.in_memory.hook import Call
    from tests.builders import Came

_A = TypeVar("_A")


@dataclass
class Clock:
    """A clock that a test moves by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class InMemoryEvents:
    """A bus that keeps its events."""

    put_events: list[Mapping[str, Any]] = field(default_factory=list)

    def put(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.put_events += events


@dataclass
class World(InMemoryAws):
    """An account with one service of 4 tasks and the example's policies.

    Its guard on capacity on its way is off, so that a step gives the number that it says. Of each
    call, `failures` are raised first, one at a time; what is `after` one comes once it took effect.
    """

    clock: Clock = field(default_factory=Clock)
    made: list[Call] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    sleeps: list[timedelta] = field(default_factory=list)
    max_event_age: timedelta = MAX_EVENT_AGE
    ids: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        document = a_document(Guards={"CapacityOnItsWay": False})
        self.documents[WEB.parameter] = json.dumps(document)
        self.services[WEB] = Service(4, 4, 0)

    def hook(self, call: Call, effect: Callable[[], _A], /) -> _A:
        self.made.append(call)
        if queued := self.failures[call.name]:
            raise queued.pop(0)
        answer = effect()
        self.after.get(call.name, lambda: None)()
        return answer

    @property
    def door(self) -> Door:
        return self.scaler(
            clock=self.clock,
            new_id=self._new_id,
            jitter=lambda: 0.5,
            sleep=self.sleeps.append,
            max_event_age=self.max_event_age,
        )

    @property
    def cycle(self) -> Cycle:
        return self.door.cycle

    @property
    def calls(self) -> list[str]:
        """The calls of ECS, e.g. `UpdateService 6`."""
        return [
            " ".join([call.name, *map(str, call.arguments[1:])])
            for call in self.made
            if call.name in ("DescribeServices", "UpdateService")
        ]

    @property
    def reads(self) -> list[tuple[str, ...]]:
        """The policies that each reading of metrics asked for."""
        return [tuple(call.arguments[0]) for call in self.made if call.name == "GetMetricData"]

    def evaluate(self, came: Came) -> DecisionRecord:
        """Evaluate what came, and return its own record."""
        return self.cycle.evaluate(a_look(came))[-1]

    def next_recheck(self) -> tuple[Recheck, float]:
        """Return what was sent last, and after how many seconds it comes."""
        message, delay = self.sent[-1]
        assert isinstance(message.content, Recheck)
        return message.content, delay.total_seconds()

    @property
    def desired(self) -> int:
        return self.services[WEB].desired

    @property
    def memory(self) -> Memory:
        return self.targets.items[WEB.resource_id].memory

    def remember(self, memory: Memory, service: ServiceName = WEB) -> None:
        """Have a target remember this."""
        self.targets.remember(service.resource_id, memory)

    def _new_id(self) -> str:
        self.ids += 1
        return f"decision-{self.ids}"
