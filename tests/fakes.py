"""In-memory stand-ins for the ports; they pass the same contract suite as the real adapters."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.reading import read_window
from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import MAX_EVENT_AGE, Cycle
from quickstep.loop.door import Door
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory import InMemoryTargets, InMemoryTurns, one_after_the_other
from tests.builders import NOW, WEB, a_document, a_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import Datapoint, ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.messages import Message
    from quickstep.protocol.records import DecisionRecord
    from tests.builders import Came


@dataclass
class Clock:
    """A clock that a test moves by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class InMemoryPolicies:
    """Policy documents by SSM parameter name."""

    documents: dict[str, str] = field(default_factory=dict)

    def load(self, service: ServiceName) -> ScalableTarget:
        if service.parameter not in self.documents:
            raise ConfigError.of(service.parameter, "is missing: no such SSM parameter")
        return parse_target_of(service, self.documents[service.parameter])


@dataclass
class InMemoryServices:
    """ECS services by name; `failures` are raised by the calls they are queued for."""

    services: dict[ServiceName, Service] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    failures: dict[str, list[CallFailedError]] = field(default_factory=lambda: defaultdict(list))
    on_update: Callable[[], None] = lambda: None
    on_describe: Callable[[], None] = lambda: None

    def describe(self, service: ServiceName) -> Service:
        self._call("DescribeServices")
        self.on_describe()
        if service not in self.services:
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, f"{service.resource_id}: MISSING")
        return self.services[service]

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        self._call("DescribeServices")
        self.on_describe()
        return {name: self.services[name] for name in services if name in self.services}

    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        self._call(f"UpdateService {desired}")
        if service not in self.services:
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, f"{service.resource_id}: MISSING")
        self.services[service] = replace(self.services[service], desired=desired)
        self.on_update()

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if queued := self.failures[call.split(maxsplit=1)[0]]:
            raise queued.pop(0)


@dataclass
class InMemoryMetrics:
    """Datapoints by policy; `reads` are the policies that each call asked for."""

    points: dict[str, list[Datapoint]] = field(default_factory=dict)
    reads: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[CallFailedError] = field(default_factory=list)

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        self.reads.append(tuple(definitions))
        if self.failures:
            raise self.failures.pop(0)
        start, end = read_window(definitions.values(), now)
        return {
            policy: [
                point if definition.is_plain_average else replace(point, samples=None)
                for point in sorted(self.points.get(policy, []), key=lambda point: point.at)
                if start <= point.at < end
            ]
            for policy, definition in definitions.items()
        }


@dataclass
class InMemoryMessages:
    """What was sent, and with which delay."""

    sent: list[tuple[Message, timedelta]] = field(default_factory=list)
    failures: list[CallFailedError] = field(default_factory=list)

    def send(self, message: Message, delay: timedelta) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((message, delay))

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        for message, delay in messages:
            self.send(message, delay)


@dataclass
class InMemoryAlarms:
    """Alarms, in pages."""

    pages: list[dict[tuple[ServiceName, str], KnownAlarm]] = field(default_factory=list)

    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        number = int(token or 0)
        page = self.pages[number] if self.pages else {}
        return page, str(number + 1) if number + 1 < len(self.pages) else None


@dataclass
class World:
    """A cycle over fakes, with one service of 4 tasks and the example's policies.

    Its guard on capacity on its way is off, so that a step gives the number that it says.
    """

    clock: Clock = field(default_factory=Clock)
    policies: InMemoryPolicies = field(default_factory=InMemoryPolicies)
    services: InMemoryServices = field(default_factory=InMemoryServices)
    targets: InMemoryTargets = field(default_factory=InMemoryTargets)
    turns: InMemoryTurns = field(default_factory=InMemoryTurns)
    metrics: InMemoryMetrics = field(default_factory=InMemoryMetrics)
    messages: InMemoryMessages = field(default_factory=InMemoryMessages)
    alarms: InMemoryAlarms = field(default_factory=InMemoryAlarms)
    sleeps: list[timedelta] = field(default_factory=list)
    max_event_age: timedelta = MAX_EVENT_AGE
    ids: int = 0

    def __post_init__(self) -> None:
        document = a_document(Guards={"CapacityOnItsWay": False})
        self.policies.documents[WEB.parameter] = json.dumps(document)
        self.services.services[WEB] = Service(4, 4, 0)

    @property
    def cycle(self) -> Cycle:
        return Cycle(
            policies=self.policies,
            services=self.services,
            targets=self.targets,
            turns=self.turns,
            metrics=self.metrics,
            messages=self.messages,
            together=one_after_the_other,
            clock=self.clock,
            new_id=self._new_id,
            jitter=lambda: 0.5,
            sleep=self.sleeps.append,
            max_event_age=self.max_event_age,
        )

    @property
    def door(self) -> Door:
        return Door(
            cycle=self.cycle,
            alarms=self.alarms,
            messages=self.messages,
            sleep=self.sleeps.append,
            jitter=lambda: 0.5,
        )

    def evaluate(self, came: Came) -> DecisionRecord:
        """Evaluate what came, and return the record of it."""
        record = self.cycle.evaluate(a_look(came))
        assert record is not None
        return record

    @property
    def desired(self) -> int:
        return self.services.services[WEB].desired

    @property
    def memory(self) -> Memory:
        return self.targets.items[WEB.resource_id].memory

    def remember(self, memory: Memory, service: ServiceName = WEB) -> None:
        """Have a target remember this."""
        item = self.targets.items[service.resource_id]
        item.memory, item.exists = memory, True

    def _new_id(self) -> str:
        self.ids += 1
        return f"decision-{self.ids}"
