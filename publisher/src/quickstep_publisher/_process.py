"""One worker process's share in publishing, and the threads that drive it.

`Process` has no thread and never waits: a simulation or a test drives it as the threads do.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

from quickstep_publisher import _workers
from quickstep_publisher._calm import Calm
from quickstep_publisher._load import Load, Look
from quickstep_publisher._points import (
    INTERVAL,
    SHORTEST_SPAN,
    Address,
    Gauge,
    Schedule,
    build,
    own_namespace,
)
from quickstep_publisher._refused import Refused
from quickstep_publisher._settings import TRANSPORTS, fetch
from quickstep_publisher._surge import Second, Surges
from quickstep_publisher._trouble import LATER, Announcer, Kind, NotPublishedError
from quickstep_publisher.surges import surge_queue
from quickstep_publisher.transports import (
    CloudWatchTransport,
    EmfTransport,
    LogsTransport,
    PrintTransport,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from quickstep_publisher._clock import Clock
    from quickstep_publisher._points import Interval, Point
    from quickstep_publisher._settings import Settings
    from quickstep_publisher._slots import Recorder
    from quickstep_publisher.surges import SurgeTransport
    from quickstep_publisher.transports import Transport

COPY_EVERY = 0.25
"""Seconds between two copies of the counts into shared memory: at most these are lost with a killed
worker."""
GRACE = 1.0
"""Seconds after a tick until another worker replaces the one that published last."""
SAMPLE_LEAD = 0.25
"""Seconds before a tick at which gauges are read, so that the point has fresh values."""
FLUSH_SECONDS = 2.0
"""How long a process that ends waits for its last point."""
AGAIN = 0.1
"""Seconds until an overdue tick is tried again: another worker may be publishing it just now."""
FELT_AFTER = 0.3
"""Seconds after a second's end by which all workers have copied it: they do so within 0.25 s."""
_LATE = 0.001  # a worker that woke too early would find nothing to do
_CHEAP = frozenset({"emf", "print"})  # transports that import nothing
_LARGEST = 2.0**360  # CloudWatch takes no larger value


@dataclass(frozen=True)
class Registered:
    """A gauge as the application gave it."""

    read: Callable[[], float]
    unit: str
    shared: bool


@dataclass(frozen=True)
class Plan:
    """A publisher's configuration, the same in all processes of a task.

    `transport` and `surges` (who is notified of surges) are None if `settings` name them. `key`
    names the folder of the task's workers. `jitter` draws a number in [0, 1).
    """

    settings: Settings
    schedule: Schedule
    key: str
    transport: Transport | None
    stream: TextIO | None
    clock: Clock
    surges: SurgeTransport | None = None
    jitter: Callable[[], float] = random.random


class Process:
    """A worker process that has joined its task's others, or is alone.

    No method raises: errors go to the log.

    Args:
        plan: what to publish, where and when.
        recorder: this process's counters.
        gauges: returns the currently registered gauges.
        load: how busy this process is.
        alone: whether this process represents the whole task.
    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        gauges: Callable[[], Mapping[str, Registered]],
        load: Load | None = None,
        *,
        alone: bool,
    ) -> None:
        self._plan, self._gauges, self._alone = plan, gauges, alone
        self._recorder = recorder
        self._load = load or Load(None, plan.clock.monotonic)
        self._clock = plan.clock
        self._transport = plan.transport
        self._address: Address | None = None
        self._not_before = self._clock.monotonic()
        self._left = False
        self._calm = Calm(plan.settings.calm_seconds)
        self._refused = Refused()
        self._told = plan.surges
        self._surges = Surges(plan.settings.target) if self._tells else None
        self._felt_until = 0
        self._tell_at: float | None = None
        self.announcer = Announcer()
        self._workers = self._join()
        self.copy()  # the first second begins now

    def copy(self) -> None:
        """Copy the counts to where the publishing worker reads them, and look at the load."""
        try:
            if not self._left:
                wall = self._clock.now().timestamp()
                counts = self._recorder
                active = counts.begun - counts.ended
                look = self._load.look(
                    active,
                    max(0.0, wall % COPY_EVERY - _LATE),
                    checks=counts.checks if self._plan.settings.drain else 0,
                    requests=counts.begun,
                )
                self._workers.copy(look, wall)
        except Exception as error:  # noqa: BLE001 - see publish
            self.announcer.unexpected(error, self._clock.monotonic())

    def publish(self) -> Point | None:
        """Publish the point if it is due; return it if it was accepted."""
        try:
            if self._left:
                return None
            now = self._clock.now().timestamp()
            if self._alone:
                self.sample()
                self._workers.copy(Look(draining=self._load.draining), now)
                self.feel()
            number = self._plan.schedule.number(now)
            if not self._alone and self._too_late(number, now):
                return None
            second = int(now) - 1 if self._plan.settings.seconds else None
            taken = self._workers.take(number, self._clock.monotonic(), second)
            at = self._plan.schedule.timestamp(number)
            return None if taken is None else self._send(taken, at)
        except Exception as error:  # noqa: BLE001 - no error may harm the application
            self.announcer.unexpected(error, self._clock.monotonic())
            return None

    def feel(self) -> None:
        """Publish at once and notify the scaler, if this worker publishes and detects a surge.

        Both happen at a random moment within a second, because the service's other tasks detect the
        surge as well.
        """
        try:
            if self._left or self._surges is None or not (self._alone or self._workers.holds):
                return
            now = self._clock.now().timestamp()
            if self._tell_at is None and int(now - self._delay) > self._felt_until:
                self._felt_until = int(now - self._delay)
                seconds = (Second(*each) for each in self._workers.arrivals())
                if self._surges.feels(seconds):
                    self._tell_at = now + self._plan.jitter()
            if self._tell_at is not None and now >= self._tell_at:
                self._tell_at = None
                self._publish_early(int(now) - 1)
                self._tell()
        except Exception as error:  # noqa: BLE001 - see publish
            self.announcer.unexpected(error, self._clock.monotonic())

    def sample(self) -> None:
        """Read the gauges."""
        try:
            gauges = self._gauges()
            if gauges and not self._left:
                now = self._clock.monotonic()
                read = {name: self._read(name, gauge) for name, gauge in gauges.items()}
                known = {name: gauge for name, gauge in read.items() if gauge is not None}
                self._workers.set_gauges(known, now)
        except Exception as error:  # noqa: BLE001 - see publish
            self.announcer.unexpected(error, self._clock.monotonic())

    def flush(self) -> None:
        """Stop counting; as the task's last worker, publish what no successor can.

        That is a due tick, and response times. A worker that has not published yet would first have
        to import boto3, which delays a server that recycles its workers. It hands everything on.
        """
        try:
            if self._left:
                return
            can = self._transport is not None or self._plan.settings.transport in _CHEAP
            if can and self.seconds_to_turn() <= AGAIN:
                self.publish()
            self._left = True
            now = self._clock.now().timestamp()
            taken = self._workers.leave(self._clock.monotonic(), times=can)
            number = self._plan.schedule.number(now) + 1
            if taken is not None:
                # The current interval ends here, before its tick.
                self._send(taken, self._plan.schedule.timestamp(number))
            elif rest := self._calm.rest():
                self._deliver(rest, self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - the process must end cleanly
            self.announcer.unexpected(error, self._clock.monotonic())

    def abandon(self) -> None:
        """Let go of everything after a fork: it belongs to the parent."""
        self._left = True
        self._workers.abandon()

    def cannot_start(self, error: RuntimeError) -> None:
        """Report that no thread can be started to publish."""
        reason = f"Metrics are not published: no thread can be started ({error})."
        self.announcer.trouble(Kind.UNEXPECTED, reason, self._clock.monotonic())

    def seconds_to_turn(self) -> float:
        """Return the seconds until this worker's next turn to publish or to check for a surge."""
        turn = self._seconds_to_tick()
        if self._surges is None or self._left or not self._workers.holds:
            return turn
        now = self._clock.now().timestamp()
        felt = int(now - self._delay) + 1 + self._delay
        return min(turn, max(0.0, (self._tell_at or felt) - now) + _LATE)

    def _seconds_to_tick(self) -> float:
        now = self._clock.now().timestamp()
        schedule = self._plan.schedule
        grace = 0.0 if self._workers.holds else GRACE
        due = schedule.number(now - grace)
        if due > self._workers.number and not self._too_late(due, now):
            return AGAIN  # nobody was there at the tick
        return max(0.0, schedule.tick(due + 1) + grace - now) + _LATE

    def _too_late(self, number: int, now: float) -> bool:
        """Return whether so little of the next interval is left that its rate would be noise.

        A missed tick then gets its rate with the next one, which covers both.
        """
        return now - self._plan.schedule.tick(number) > INTERVAL - SHORTEST_SPAN

    def seconds_to_copy(self) -> float:
        """Return the seconds until the next copy, on each quarter of a second."""
        now = self._clock.now().timestamp()
        return (now // COPY_EVERY + 1) * COPY_EVERY - now + _LATE

    def seconds_to_sample(self) -> float:
        """Return the seconds until the next reading of the gauges."""
        now = self._clock.now().timestamp() + SAMPLE_LEAD
        schedule = self._plan.schedule
        return max(0.0, schedule.tick(schedule.number(now) + 1) - now) + _LATE

    def _join(self) -> _workers.Workers:
        number = self._plan.schedule.number(self._clock.now().timestamp())
        now = self._clock.monotonic()
        if not self._alone:
            try:
                return _workers.Workers(self._folder(), number, now, self._recorder)
            except Exception as error:  # noqa: BLE001 - the application must start anyway
                said = (
                    f"The worker processes of this task cannot add up what they count ({error}): "
                    "each publishes its own value, and the alarm's average is that of one "
                    "worker. With one worker process nothing is wrong; else give "
                    "QUICKSTEP_DIRECTORY, a directory that all of them can write to."
                )
                self.announcer.trouble(Kind.NOT_SHARED, said, now)
        return _workers.Workers(None, number, now, self._recorder)

    def _folder(self) -> Path:
        return _workers.task_folder(self._plan.settings.directory, self._plan.key)

    @property
    def _tells(self) -> bool:
        surges, settings = self._plan.surges, self._plan.settings
        return settings.seconds and (surges is not None or settings.surge_queue is not None)

    @property
    def _delay(self) -> float:
        return 0.0 if self._alone else FELT_AFTER

    def _publish_early(self, second: int) -> None:
        if self._refused.crowded(self._clock.monotonic()):
            return
        taken = self._workers.take_early(self._clock.monotonic(), second)
        if taken is not None:
            self._send(taken, datetime.fromtimestamp(second, timezone.utc))

    def _tell(self) -> None:
        """Notify the scaler of a surge, in one attempt: the next slot's message repeats it."""
        now = self._clock.monotonic()
        try:
            told = self._prepared()
            if told is not None:
                told.tell(self._address or self._named_address(), self._clock.now())
        except NotPublishedError as error:
            said = f"Cannot report a surge: {error}"
            self.announcer.trouble(Kind.SURGE, said, now)

    def _prepared(self) -> SurgeTransport | None:
        """Return who is notified of surges; slow to create, so created with the first point."""
        if self._told is None and self._tells:
            self._told = surge_queue(self._plan.settings.surge_queue)
        return self._told

    def _send(self, taken: Interval, at: datetime) -> Point | None:
        point = build(taken, at)
        now = self._clock.monotonic()
        if point is None:
            return None
        if self._plan.settings.calm_seconds:
            calm = not self._left and self._calm.keeps(taken, point)
            if calm:
                return None
            point = self._calm.all_with(point)
        return self._deliver(point, now)

    def _deliver(self, point: Point, now: float) -> Point | None:
        if now < self._not_before:
            self.announcer.dropped()
            return None
        try:
            if self._address is None:
                self._address = self._named_address()
            if self._transport is None:
                self._transport = _named(self._plan)
            self._transport.send(self._address, self._refused.all_with(point))
            self._prepared()
        except NotPublishedError as error:
            if error.kind is Kind.THROTTLED:
                self._refused.keep(point, now)
            self._not_before = now + LATER if error.kind.later else now
            self.announcer.not_published(error, now)
            return None
        self.announcer.published(str(self._address))
        return point

    def _named_address(self) -> Address:
        if self._plan.settings.transport == "print" and self._plan.settings.metadata is None:
            given = self._plan.settings
            cluster, service = given.cluster or "cluster", given.service or "service"
            return Address(given.namespace or own_namespace(cluster, service), cluster, service)
        return self._plan.settings.address(fetch)

    def _read(self, name: str, gauge: Registered) -> Gauge | None:
        try:
            value = float(gauge.read())
            if not abs(value) <= _LARGEST:
                raise ValueError(f"must be a number within ±2^360, not {value}")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - the application's own code
            said = f"The gauge {name} cannot be read: {type(error).__name__}: {error}"
            self.announcer.trouble(Kind.GAUGE, said, self._clock.monotonic())
            return None
        return Gauge(value, gauge.unit, gauge.shared)


class Threads:
    """The daemon threads of a process.

    One copies counts, one publishes and may take seconds, and one reads gauges and may hang.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._copying: threading.Thread | None = self._started("counts", self._copy)
        self._publishing: threading.Thread | None = self._started("publisher", self._publish)
        self._sampling: threading.Thread | None = None

    def sample(self) -> None:
        """Read gauges from now on."""
        if self._sampling is None:
            self._sampling = self._started("gauges", self._sample)

    def close(self) -> None:
        """Stop all threads; wait FLUSH_SECONDS for the last point."""
        self._stop.set()
        if self._publishing is not None:
            self._publishing.join(FLUSH_SECONDS)

    def _copy(self) -> None:
        while not self._stop.wait(self._process.seconds_to_copy()):
            self._process.copy()

    def _publish(self) -> None:
        while not self._stop.wait(self._process.seconds_to_turn()):
            self._process.feel()
            self._process.publish()
        self._process.flush()

    def _sample(self) -> None:
        while not self._stop.wait(self._process.seconds_to_sample()):
            self._process.sample()

    def _started(self, name: str, target: Callable[[], None]) -> threading.Thread | None:
        thread = threading.Thread(target=target, name=f"quickstep-{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is shutting down
            self._process.cannot_start(error)
            return None
        return thread


def _named(plan: Plan) -> Transport:
    """Return the transport that the settings name.

    Raises:
        NotPublishedError: no transport has that name.
    """
    name = plan.settings.transport
    if name == "cloudwatch":
        return CloudWatchTransport()
    if name == "logs":
        return LogsTransport(group=plan.settings.log_group)
    if name == "emf":
        return EmfTransport(plan.stream)
    if name == "print":
        return PrintTransport(plan.stream)
    rule = f"QUICKSTEP_TRANSPORT must be one of {', '.join(TRANSPORTS)}"
    raise NotPublishedError(Kind.SETTINGS, f"{rule}, not {name!r}")
