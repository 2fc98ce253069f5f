"""In-memory stand-ins for the ports; they pass the same contract suite as the real adapters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from quickstep.config import ConfigError, parse_target_of
from quickstep.cycle import MAX_EVENT_AGE, Cycle
from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.ports import CallFailedError, HeldBy, LeaseLostError
from quickstep.records import DecisionRecord, Memory
from tests.builders import EXAMPLE_POLICY, NOW, WEB

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName

_A = TypeVar("_A")
_B = TypeVar("_B")


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

    def describe(self, service: ServiceName) -> Service:
        self._call("DescribeServices")
        if service not in self.services:
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, f"{service.resource_id}: MISSING")
        return self.services[service]

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
class _Item:
    memory: Memory = field(default_factory=Memory)
    lease: HeldBy | None = None


@dataclass
class InMemoryTargets:
    """Targets' items and records; one lease a target."""

    items: dict[str, _Item] = field(default_factory=lambda: defaultdict(_Item))
    records: list[DecisionRecord] = field(default_factory=list)

    def claim(
        self, resource_id: str, owner: str, now: datetime, until: datetime
    ) -> Memory | HeldBy:
        item = self.items[resource_id]
        if item.lease and item.lease.until > now and item.lease.owner != owner:
            return item.lease
        item.lease = HeldBy(owner, until)
        return item.memory

    def commit(self, owner: str, memory: Memory, record: DecisionRecord) -> None:
        item = self.items[record.resource_id]
        if item.lease is None or item.lease.owner != owner:
            raise LeaseLostError(f"the lease of {record.resource_id} is no longer {owner}'s")
        item.memory, item.lease = memory, None
        self.records.append(record)

    def record(self, record: DecisionRecord) -> None:
        self.records.append(record)


def one_after_the_other(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
    """Run the calls of a round in order: claim first, then describe."""
    return first(), second()


@dataclass
class World:
    """A cycle over fakes, with the example policy document and one service of 4 tasks."""

    clock: Clock = field(default_factory=Clock)
    policies: InMemoryPolicies = field(default_factory=InMemoryPolicies)
    services: InMemoryServices = field(default_factory=InMemoryServices)
    targets: InMemoryTargets = field(default_factory=InMemoryTargets)
    max_event_age: timedelta = MAX_EVENT_AGE
    ids: int = 0

    def __post_init__(self) -> None:
        self.policies.documents[WEB.parameter] = EXAMPLE_POLICY.read_text(encoding="utf-8")
        self.services.services[WEB] = Service(4, 4, 0)

    @property
    def cycle(self) -> Cycle:
        return Cycle(
            policies=self.policies,
            services=self.services,
            targets=self.targets,
            together=one_after_the_other,
            clock=self.clock,
            new_id=self._new_id,
            max_event_age=self.max_event_age,
        )

    @property
    def desired(self) -> int:
        return self.services.services[WEB].desired

    @property
    def memory(self) -> Memory:
        return self.targets.items[WEB.resource_id].memory

    def _new_id(self) -> str:
        self.ids += 1
        return f"decision-{self.ids}"
