"""AWS in memory: all ports of the scaler; they pass the contract suite of the real adapters.

Each call of a port goes through `hook`, which lets it take effect: at once by default. A world of
faults, of limits, or one that counts, has its own hook; one that computes what it shows
overrides `seen`, `change`, `datapoints` or `deliver`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial, wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from quickstep.alarms.reading import read_window
from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.model import Datapoint
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import MAX_EVENT_AGE, Cycle
from quickstep.loop.door import Door
from quickstep.naming import parse_parameter
from quickstep.protocol.counts import CLOCKS
from quickstep.protocol.documents import MISSING, Document
from quickstep.protocol.line import Line
from quickstep.protocol.memory import Claim, Lease, Memory, memory_dict
from quickstep.protocol.operators import outlived, read_operators
from quickstep.protocol.ports import (
    MOST_SURGES_A_SECOND,
    CallFailedError,
    ItemFullError,
    LeaseLostError,
    OutOfDate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog, QueueReading
    from quickstep.engine.model import ScalableTarget, Service
    from quickstep.naming import ServiceName
    from quickstep.protocol.documents import Copy
    from quickstep.protocol.messages import Message
    from quickstep.protocol.ports import Together
    from quickstep.protocol.records import DecisionRecord

POINT_SECONDS = 10
"""Seconds of the datapoints that an account keeps."""

_A = TypeVar("_A")
_B = TypeVar("_B")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Call:
    """A call, before it takes effect: of an action of AWS, or of what the table is asked for."""

    name: str
    arguments: tuple[Any, ...]


class Hook(Protocol):
    """Comes between a call and its effect."""

    def __call__(self, call: Call, effect: Callable[[], _A], /) -> _A:
        """Let a call take effect, and return its answer."""
        ...


class _Hooked(Protocol):
    @property
    def hook(self) -> Hook: ...


_Port = TypeVar("_Port", bound=_Hooked)


def call(
    name: str,
) -> Callable[[Callable[Concatenate[_Port, _P], _A]], Callable[Concatenate[_Port, _P], _A]]:
    """Make a method a call of this name: its body is the effect, and the hook is asked for it."""

    def decorate(
        effect: Callable[Concatenate[_Port, _P], _A],
    ) -> Callable[Concatenate[_Port, _P], _A]:
        @wraps(effect)
        def called(port: _Port, /, *args: _P.args, **kwargs: _P.kwargs) -> _A:
            return port.hook(Call(name, args), partial(effect, port, *args, **kwargs))

        return called

    return decorate


def one_after_the_other(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
    """Run the calls of a round in order: claim first, then describe."""
    return first(), second()


DOCUMENTS_A_PAGE = 10
"""As GetParametersByPath returns."""

NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist."

ITEM_BYTES = 405_000
"""What the embedded DynamoDB takes; AWS's takes 400 KB (409,600 bytes), counted a little lower."""


@dataclass
class _Item:
    memory: Memory = field(default_factory=Memory)
    lease: Lease | None = None
    exists: bool = False
    waited_since: datetime | None = None
    waiting: dict[str, KnownAlarm] = field(default_factory=dict)
    mark: str = ""
    entries: dict[str, Any] = field(default_factory=dict)

    def remember(self, memory: Memory) -> None:
        """Remember; overrides and pause are the operators', who may have written in between."""
        attributes = {**memory_dict(memory), **self.entries}
        if len(json.dumps(attributes)) > ITEM_BYTES:
            raise ItemFullError("the item has no room for what is to be remembered")
        kept = self.memory.state
        state = replace(
            memory.state,
            override=kept.override,
            pause=kept.pause,
            schedules=kept.schedules,
            unreadable=kept.unreadable,
        )
        self.memory = replace(memory, state=state)

    @property
    def claim(self) -> Claim:
        """What a claim is shown."""
        memory = self.memory
        if self.entries:
            state, read = memory.state, read_operators(self.entries)
            state = replace(
                state,
                override=read.override,
                pause=read.pause,
                schedules=read.schedules,
                unreadable=read.unreadable,
            )
            memory = replace(memory, state=state)
        return Claim(memory, dict(self.waiting), self.mark, dict(self.entries))


@dataclass
class InMemoryTargets:
    """Targets' items and records; one lease a target."""

    hook: Hook
    items: dict[str, _Item] = field(default_factory=lambda: defaultdict(_Item))
    records: list[DecisionRecord] = field(default_factory=list)
    list_: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @call("claim")
    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the target's lease; see the port."""
        item = self.items[resource_id]
        if generation is not None and (not item.exists or generation != item.memory.generation):
            return OutOfDate(item.memory.generation)
        held = item.lease
        if held and held.owner == lease.owner:
            return item.claim
        waited = lease.since - (item.waited_since or lease.since)
        if held and held.until > lease.since and waited < lease.until - lease.since:
            return held
        item.lease, item.waited_since = lease, None
        return item.claim

    @call("postpone")
    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Note that a generation's re-check comes later; see the port."""
        item = self.items[resource_id]
        if not item.exists or generation != item.memory.generation:
            return False
        item.memory = replace(item.memory, check_at=check_at)
        return True

    @call("peek")
    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return memory and lease; see the port."""
        item = self.items[resource_id]
        return item.claim.memory, item.lease

    @call("peek of many")
    def peek_all(self, resource_ids: Sequence[str]) -> Mapping[str, tuple[Memory, Lease | None]]:
        """Return memory and lease of many targets; see the port."""
        return {
            resource_id: (item.claim.memory, item.lease)
            for resource_id in resource_ids
            if (item := self.items[resource_id])
        }

    @call("watch")
    def watch(self, resource_id: str, backlog: Backlog) -> None:
        """Write what is known of a target's queues; see the port."""
        item = self.items[resource_id]
        if item.exists:
            item.memory = replace(item.memory, backlog=backlog)

    @call("wait")
    def wait(
        self,
        resource_id: str,
        holder: str,
        mark: str,
        at: datetime,
        told: tuple[str, KnownAlarm] | None = None,
    ) -> bool:
        """Leave a mark, and what an event has told, for who holds the lease; see the port."""
        item = self.items[resource_id]
        if item.lease is None or item.lease.owner != holder:
            return False
        if told:
            policy, known = told
            before = item.waiting.get(policy)
            if before and before.at > known.at:
                return True
            item.waiting[policy] = known
        since = item.waited_since
        item.mark, item.waited_since = mark, since if since and since <= at + CLOCKS else at
        return True

    @call("ask")
    def ask(self, owner: str, resource_id: str, memory: Memory) -> None:
        """Write the memory of a change that is about to be asked for; see the port."""
        self._held(owner, resource_id).remember(memory)

    @call("commit")
    def commit(
        self, owner: str, memory: Memory, record: DecisionRecord, claim: Claim | None = None
    ) -> bool:
        """Write memory and record, and release the lease; see the port."""
        resource_id = record.resource_id
        item = self._held(owner, resource_id)
        claim = claim or Claim(memory)
        gone = outlived(claim.entries, record.at)
        item.remember(replace(memory, listed=True))
        waited = item.mark != claim.mark or any(
            item.entries.get(name) != claim.entries[name] for name in gone
        )
        if not waited:
            item.mark, item.waiting = "", {}
            for name in gone:
                del item.entries[name]
        item.lease, item.waited_since, item.exists = None, None, True
        self.list_[resource_id] = memory.queues
        self.records.append(record)
        return waited

    def _held(self, owner: str, resource_id: str) -> _Item:
        item = self.items[resource_id]
        if item.lease is None or item.lease.owner != owner:
            raise LeaseLostError(f"the lease of {resource_id} is no longer {owner}'s")
        return item

    @call("listed")
    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the targets that are remembered, and their queues; see the port."""
        return dict(sorted(self.list_.items()))

    @call("unlist")
    def unlist(self, resource_id: str, generation: int) -> None:
        """Take a target from the list; see the port."""
        item = self.items[resource_id]
        if item.lease is None and item.memory.generation == generation:
            item.memory = replace(item.memory, listed=False)
            self.list_.pop(resource_id, None)

    @call("record")
    def record(self, record: DecisionRecord) -> None:
        """Keep a record; see the port."""
        self.records.append(record)

    def remember(self, resource_id: str, memory: Memory) -> None:
        """Have a target remember this."""
        item = self.items[resource_id]
        item.memory, item.exists = memory, True


@dataclass
class InMemoryTurns:
    """The line of throttled targets."""

    hook: Hook
    line: Line = field(default_factory=Line)

    @call("take of the line")
    def take(self, lane: int, now: datetime) -> Line:
        """Take the next number of a lane; see the port."""
        self.line = self.line.take(lane, now)
        return self.line

    @call("serve of the line")
    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Say that a number was served; see the port."""
        self.line = self.line.serve(lane, number, now)

    @call("read of the line")
    def read(self) -> Line:
        """Return the line; see the port."""
        return self.line


@dataclass
class InMemorySurgeLooks:
    """How many surges were looked at in each second."""

    hook: Hook
    taken: Counter[datetime] = field(default_factory=Counter)

    @call("take of a surge")
    def take(self, now: datetime) -> bool:
        """Take one of the second's looks; see the port."""
        second = now.replace(microsecond=0)
        free = self.taken[second] < MOST_SURGES_A_SECOND
        self.taken[second] += free
        return free


@dataclass
class InMemoryEvents:
    """A bus that keeps what was put on it."""

    hook: Hook
    put_events: list[Mapping[str, Any]] = field(default_factory=list)

    @call("PutEvents")
    def put(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put events on the bus; see the port."""
        self.put_events += events


@dataclass
class InMemoryQueues:
    """What is read of each queue by its name, or why it cannot be."""

    hook: Hook
    readings: dict[str, QueueReading | CallFailedError] = field(default_factory=dict)

    def read(self, names: Sequence[str]) -> Mapping[str, QueueReading | CallFailedError]:
        """Read queues; see the port. Each is a call, which may fail."""
        return {name: self._read(name) for name in names}

    def _read(self, name: str) -> QueueReading | CallFailedError:
        try:
            return self.reading(name)
        except CallFailedError as error:
            return error

    @call("GetQueueAttributes")
    def reading(self, name: str) -> QueueReading | CallFailedError:
        """Return a queue's counts at this moment; an unknown queue is an error."""
        gone = CallFailedError(Outcome.FAILED_OTHER, f"GetQueueUrl of {name}: {NO_QUEUE}")
        return self.readings.get(name, gone)


@dataclass
class InMemoryCopies:
    """The table's copies of policy documents."""

    hook: Hook
    copies: dict[ServiceName, Copy] = field(default_factory=dict)

    @call("read of a copy")
    def read(self, service: ServiceName) -> Copy | None:
        """Return a target's copy; see the port."""
        return self.copies.get(service)

    @call("write of a copy")
    def write(self, service: ServiceName, copy: Copy) -> None:
        """Write a target's copy; see the port."""
        old = self.copies.get(service)
        modified = copy.document.modified
        if old is None or not modified or old.document.modified <= modified:
            self.copies[service] = copy


@dataclass
class InMemoryAws:
    """An account: its table in `targets`, `turns` and `copies`; it is all other ports itself.

    The documents are by SSM parameter name, the datapoints by policy, and there are `page_size`
    alarms on a page. Where `seconds` has datapoints of a second, they are what is read by the
    second.
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
        """Have the table's calls go through the account's hook."""
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
        """Return the scaler of this account."""
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

    # --- what a world may do in its own way -------------------------------------------------------

    def hook(self, _call: Call, effect: Callable[[], _A], /) -> _A:
        """Let a call take effect, and return its answer."""
        return effect()

    def seen(self, service: ServiceName) -> Service | None:
        """Return a service as it is now, if there is one."""
        return self.services.get(service)

    def change(self, service: ServiceName, desired: int) -> None:
        """Change a service's desired count."""
        self.services[service] = replace(self.services[service], desired=desired)

    def datapoints(
        self, policy: str, definition: AlarmDefinition, _start: datetime, _end: datetime
    ) -> Iterable[Datapoint]:
        """Return the datapoints of what an alarm watches, at least those from start to end.

        Those that are kept are of 10 s. Read at a finer period, each is as many equal ones.
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
        """Bring a message that was sent."""
        self.sent.append((message, delay))

    # --- the ports --------------------------------------------------------------------------------

    @call("GetParameters")
    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Return what is stored for each service; see the port."""
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
        """Return the target's validated document; see the port. None is kept."""
        document = self.parameters([service])[service]
        if document.problem:
            self._missing.add(service)
            raise ConfigError.of(service.parameter, document.problem)
        return parse_target_of(service, document.text)

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Return those whose document is still missing; see the port."""
        found = self.parameters(services)
        missing = {name for name, document in found.items() if document.problem}
        before, self._missing = self._missing, self._missing.difference(services) | missing
        return missing & before

    @call("DescribeServices")
    def describe(self, service: ServiceName) -> Service:
        """Return the service as it is now; see the port."""
        return self._found(service)

    @call("DescribeServices")
    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        """Return those services that there are, for one call; see the port."""
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
        """Return the newest datapoints of each alarm by policy; see the port."""
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
        """Send many messages, for a call each; see the port."""
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
