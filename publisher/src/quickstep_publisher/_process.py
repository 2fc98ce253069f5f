"""What one worker process does to publish, and the threads that make it do so.

`Process` has no thread and never waits: a simulation or a test drives it as the threads do.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from quickstep_publisher import _workers
from quickstep_publisher._points import Gauge, Schedule, build
from quickstep_publisher._settings import TRANSPORTS, fetch
from quickstep_publisher._trouble import LATER, Announcer, Kind, NotPublishedError
from quickstep_publisher.transports import CloudWatchTransport, EmfTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from quickstep_publisher._clock import Clock
    from quickstep_publisher._points import Address, Interval, Point
    from quickstep_publisher._settings import Settings
    from quickstep_publisher.transports import Transport

GRACE = 1.0
"""Seconds after a tick until another worker does what the one that published last did not."""
SAMPLE_LEAD = 0.25
"""Seconds before a tick at which gauges are read, so that the point has fresh values."""
FLUSH_SECONDS = 2.0
"""How long the end of the process waits for the last point."""
_LATE = 0.001  # woken too early, a worker would find nothing to do
_LARGEST = 2.0**360  # CloudWatch takes no larger value


@dataclass(frozen=True)
class Registered:
    """A gauge as the application gave it."""

    read: Callable[[], float]
    unit: str
    shared: bool


@dataclass(frozen=True)
class Plan:
    """What a publisher was made with; the same in all processes of a task.

    `transport` is None where `settings` name it; `key` names the folder of the task's workers.
    """

    settings: Settings
    schedule: Schedule
    key: str
    transport: Transport | None
    stream: TextIO | None
    clock: Clock


class Process:
    """A worker process that has joined the others of its task, or is alone.

    Nothing here raises: what goes wrong is said in the log.

    Args:
        plan: what to publish where, and when.
        gauges: returns the gauges that are registered now.
        alone: whether this process stands for the task by itself.
    """

    def __init__(
        self, plan: Plan, gauges: Callable[[], Mapping[str, Registered]], *, alone: bool
    ) -> None:
        self._plan, self._gauges, self._alone = plan, gauges, alone
        self._clock = plan.clock
        self._transport = plan.transport
        self._address: Address | None = None
        self._not_before = self._clock.monotonic()
        self._left = False
        self.announcer = Announcer()
        self._workers = self._join()
        self.recorder = self._workers.recorder

    def publish(self) -> Point | None:
        """Publish the point that is due, if it is; return it if it was accepted."""
        try:
            if self._left:
                return None
            if self._alone:
                self.sample()
            number = self._plan.schedule.number(self._clock.now().timestamp())
            taken = self._workers.take(number, self._clock.monotonic())
            return None if taken is None else self._send(taken, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not harm the application
            self.announcer.unexpected(error, self._clock.monotonic())
            return None

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
        """Stop counting, and publish what is left if this is the task's last worker."""
        try:
            if self._left:
                return
            self._left = True
            now = self._clock.now().timestamp()
            taken = self._workers.leave(self._clock.monotonic())
            if taken is not None:
                # The interval that is under way ends here: its tick is still to come.
                self._send(taken, self._plan.schedule.number(now) + 1)
        except Exception as error:  # noqa: BLE001 - the process is ending, and is to end well
            self.announcer.unexpected(error, self._clock.monotonic())

    def abandon(self) -> None:
        """Let go of everything after a fork: it is the parent's."""
        self._left = True
        self._workers.abandon()

    def cannot_start(self, error: RuntimeError) -> None:
        """Say that there is no thread to publish."""
        reason = f"Metrics are not published: no thread can be started ({error})."
        self.announcer.trouble(Kind.UNEXPECTED, reason, self._clock.monotonic())

    def seconds_to_turn(self) -> float:
        """Return the seconds until this worker's next turn to publish."""
        now = self._clock.now().timestamp()
        schedule = self._plan.schedule
        grace = 0.0 if self._workers.holds else GRACE
        turn = schedule.tick(schedule.number(now - grace) + 1) + grace
        return max(0.0, turn - now) + _LATE

    def seconds_to_sample(self) -> float:
        """Return the seconds until gauges are to be read."""
        now = self._clock.now().timestamp() + SAMPLE_LEAD
        schedule = self._plan.schedule
        return max(0.0, schedule.tick(schedule.number(now) + 1) - now) + _LATE

    def _join(self) -> _workers.Workers:
        number = self._plan.schedule.number(self._clock.now().timestamp())
        now = self._clock.monotonic()
        if not self._alone:
            try:
                return _workers.Workers(self._folder(), number, now)
            except Exception as error:  # noqa: BLE001 - the application starts in any case
                said = (
                    f"The worker processes of this task cannot add up what they count ({error}): "
                    "each publishes a value of its own, and the alarm's average is that of one "
                    "worker. With one worker process nothing is wrong; else give "
                    "QUICKSTEP_DIRECTORY, a directory that all of them can write to."
                )
                self.announcer.trouble(Kind.NOT_SHARED, said, now)
        return _workers.Workers(None, number, now)

    def _folder(self) -> Path:
        return _workers.task_folder(self._plan.settings.directory, self._plan.key)

    def _send(self, taken: Interval, number: int) -> Point | None:
        point = build(taken, self._plan.schedule.timestamp(number))
        now = self._clock.monotonic()
        if point is None:
            return None
        if now < self._not_before:
            self.announcer.dropped()
            return None
        try:
            if self._address is None:
                self._address = self._plan.settings.address(fetch)
            if self._transport is None:
                self._transport = _named(self._plan)
            self._transport.send(self._address, point)
        except NotPublishedError as error:
            self._not_before = now + LATER if error.kind.later else now
            self.announcer.not_published(error, now)
            return None
        self.announcer.published(str(self._address))
        return point

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
    """The daemon threads of a process: one publishes, and one reads gauges, which may hang."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._publishing: threading.Thread | None = self._started("publisher", self._publish)
        self._sampling: threading.Thread | None = None

    def sample(self) -> None:
        """Read gauges from now on."""
        if self._sampling is None:
            self._sampling = self._started("gauges", self._sample)

    def close(self) -> None:
        """Stop both; wait FLUSH_SECONDS for the last point."""
        self._stop.set()
        if self._publishing is not None:
            self._publishing.join(FLUSH_SECONDS)

    def _publish(self) -> None:
        while not self._stop.wait(self._process.seconds_to_turn()):
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
        NotPublishedError: there is none of that name.
    """
    name = plan.settings.transport
    if name == "cloudwatch":
        return CloudWatchTransport()
    if name == "emf":
        return EmfTransport(plan.stream)
    rule = f"QUICKSTEP_TRANSPORT must be one of {', '.join(TRANSPORTS)}"
    raise NotPublishedError(Kind.SETTINGS, f"{rule}, not {name!r}")
