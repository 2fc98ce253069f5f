"""An account in memory, with the scaler on it.

Each port call goes through `hook`, which by default lets it take effect at once. Worlds that inject
faults, apply limits or count have their own hook; a world that computes what it shows overrides
`seen`, `change`, `datapoints` or `deliver`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from quickstep.alarms.reading import read_window
from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.model import Datapoint
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import MAX_EVENT_AGE, Cycle
from quickstep.loop.door import Door
from quickstep.naming import parse_parameter
from quickstep.protocol.documents import MISSING, Document
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory.hook import Call, Hook, call
from quickstep_lab.in_memory.table import (
    InMemoryCopies,
    InMemorySurgeLooks,
    InMemoryTargets,
    InMemoryTurns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import QueueReading
    from quickstep.engine.model import ScalableTarget, Service
    from quickstep.naming import ServiceName
    from quickstep.protocol.messages import Message
    from quickstep.protocol.ports import Together

POINT_SECONDS = 10
"""Seconds of datapoints that an account keeps."""

_A = TypeVar("_A")
_B = TypeVar("_B")


def one_after_the_other(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
    """Run a round's calls in order: claim first, then describe."""
    return first(), second()


DOCUMENTS_A_PAGE = 10
"""As GetParametersByPath returns."""

NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist."


@dataclass
class InMemoryQueues:
    """Queue readings by name, or why a queue cannot be read."""

    hook: Hook
    readings: dict[str, QueueReading | CallFailedError] = field(default_factory=dict)

    def read(self, names: Sequence[str]) -> Mapping[str, QueueReading | CallFailedError]:
        """Read queues; see the port. Each takes a call, which may fail."""
        return {name: self._read(name) for name in names}

    def _read(self, name: str) -> QueueReading | CallFailedError:
        try:
            return self.reading(name)
        except CallFailedError as error:
            return error

    @call("GetQueueAttributes")
    def reading(self, name: str) -> QueueReading | CallFailedError:
        """Return a queue's current counts; an unknown queue is an error."""
        gone = CallFailedError(Outcome.FAILED_OTHER, f"GetQueueUrl of {name}: {NO_QUEUE}")
        return self.readings.get(name, gone)


@dataclass
class InMemoryAws:
    """An account: its table in `targets`, `turns` and `copies`; it is every other port itself.

    Documents are by SSM parameter name, datapoints by policy, with `page_size` alarms per page.
    If `seconds` has one-second datapoints, they are what is read by the second.
    """

    documents: dict[str, str] = field(default_factory=dict, init=False)
    services: dict[ServiceName, Service] = field(default_factory=dict, init=False)
    points: dict[str, list[Datapoint]] = field(default_factory=dict, init=False)
    seconds: dict[str, list[Datapoint]] = field(default_factory=dict, init=False)
    sent: list[tuple[Message, timedelta]] = field(default_factory=list, init=False)
    alarms: dict[tuple[ServiceName, str], KnownAlarm] = field(default_factory=dict, init=False)
    page_size: int = field(default=100, init=False)
    targets: InMemoryTargets = field(init=False)
    turns: InMemoryTurns = field(init=False)
    copies: InMemoryCopies = field(init=False)
    surge_looks: InMemorySurgeLooks = field(init=False)
    queues: InMemoryQueues = field(init=False)
    _missing: set[ServiceName] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        """Route the table's calls through the account's hook."""
        self.targets = InMemoryTargets(self.hook)
        self.turns = InMemoryTurns(self.hook)
        self.copies = InMemoryCopies(self.hook)
        self.surge_looks = InMemorySurgeLooks(self.hook)
        self.queues = InMemoryQueues(self.hook)

    def scaler(
        self,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        jitter: Callable[[], float],
        sleep: Callable[[timedelta], None],
        together: Together = one_after_the_other,
        max_event_age: timedelta = MAX_EVENT_AGE,
    ) -> Door:
        """Return this account's scaler."""
        cycle = Cycle(
            policies=self,
            services=self,
            targets=self.targets,
            turns=self.turns,
            metrics=self,
            queues=self.queues,
            messages=self,
            together=together,
            clock=clock,
            new_id=new_id,
            jitter=jitter,
            sleep=sleep,
            max_event_age=max_event_age,
        )
        return Door(
            cycle=cycle,
            alarms=self,
            parameters=self,
            messages=self,
            surges=self.surge_looks,
            sleep=sleep,
            jitter=jitter,
        )

    # --- what a world may override ----------------------------------------------------------------

    def hook(self, _call: Call, effect: Callable[[], _A], /) -> _A:
        """Let a call take effect, and return its answer."""
        return effect()

    def seen(self, service: ServiceName) -> Service | None:
        """Return a service's present state, or None."""
        return self.services.get(service)

    def change(self, service: ServiceName, desired: int) -> None:
        """Change a service's desired count."""
        self.services[service] = replace(self.services[service], desired=desired)

    def datapoints(
        self, policy: str, definition: AlarmDefinition, _start: datetime, _end: datetime
    ) -> Iterable[Datapoint]:
        """Return the datapoints of an alarm's metric, at least those from start to end.

        Stored datapoints cover 10 s. At a finer period, each is read as several equal ones.
        """
        if definition.period == 1 and policy in self.seconds:
            yield from self.seconds[policy]
            return
        parts = max(1, POINT_SECONDS // definition.period)
        for point in self.points.get(policy, ()):
            samples = None if point.samples is None else point.samples / parts
            for part in range(parts):
                begins = point.at + timedelta(seconds=part * definition.period)
                yield Datapoint(begins, point.value, samples)

    def deliver(self, message: Message, delay: timedelta) -> None:
        """Deliver a sent message."""
        self.sent.append((message, delay))

    # --- the ports --------------------------------------------------------------------------------

    @call("GetParameters")
    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Return each service's stored document; see the port."""
        stored = {name: self.documents.get(name.parameter) for name in services}
        return {name: MISSING if text is None else Document(text) for name, text in stored.items()}

    @call("GetParametersByPath")
    def survey(self, token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        """Return a page of all documents, and the next page's token; see the port."""
        first = int(token or 0)
        after = first + DOCUMENTS_A_PAGE
        stored = list(islice(self.documents.items(), first, after))
        found = {name: Document(text) for key, text in stored if (name := parse_parameter(key))}
        return found, str(after) if after < len(self.documents) else None

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's validated document; see the port. Nothing is cached."""
        document = self.parameters([service])[service]
        if document.problem:
            self._missing.add(service)
            raise ConfigError.of(service.parameter, document.problem)
        return parse_target_of(service, document.text)

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Return the services whose document is still missing; see the port."""
        found = self.parameters(services)
        missing = {name for name, document in found.items() if document.problem}
        before, self._missing = self._missing, self._missing.difference(services) | missing
        return missing & before

    @call("DescribeServices")
    def describe(self, service: ServiceName) -> Service:
        """Return the service's present state; see the port."""
        return self._found(service)

    @call("DescribeServices")
    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        """Return the services that exist, in one call; see the port."""
        return {name: found for name in services if (found := self.seen(name))}

    @call("UpdateService")
    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        """Set the desired count; see the port."""
        self._found(service)
        self.change(service, desired)

    def _found(self, service: ServiceName) -> Service:
        found = self.seen(service)
        if found is None:
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, f"{service.resource_id}: MISSING")
        return found

    @call("GetMetricData")
    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return each alarm's newest datapoints by policy; see the port."""
        start, end = read_window(definitions.values(), now)
        return {
            policy: [
                point if definition.is_published else replace(point, samples=None)
                for point in sorted(
                    self.datapoints(policy, definition, start, end), key=lambda point: point.at
                )
                if start <= point.at < end
            ]
            for policy, definition in definitions.items()
        }

    @call("SendMessage")
    def send(self, message: Message, delay: timedelta) -> None:
        """Send a message; see the port."""
        self.deliver(message, delay)

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        """Send many messages, one call each; see the port."""
        for message, delay in messages:
            self.send(message, delay)

    @call("DescribeAlarms")
    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], KnownAlarm], str | None]:
        """Return a page of the alarms, and the next page's token; see the port."""
        first = int(token or 0)
        after = first + self.page_size
        page = dict(islice(self.alarms.items(), first, after))
        return page, str(after) if after < len(self.alarms) else None
