"""The publisher's interface for applications."""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import signal
import socket
import sys
import threading
import weakref
from typing import TYPE_CHECKING, TextIO

from quickstep_publisher import _points
from quickstep_publisher._clock import Clock
from quickstep_publisher._load import Load
from quickstep_publisher._points import Schedule, phase_of
from quickstep_publisher._process import Plan, Process, Registered, Threads
from quickstep_publisher._settings import TRANSPORTS, check_names, host_of, settings
from quickstep_publisher._slots import LAYOUT, Recorder
from quickstep_publisher._trouble import Kind, NotPublishedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from quickstep_publisher._points import Point
    from quickstep_publisher.surges import SurgeTransport
    from quickstep_publisher.transports import Transport

MAX_GAUGES = 16
_LONGEST_NAME = 128
_LONGEST_UNIT = 20
_RESERVED = {
    "_aws",
    _points.CLUSTER_NAME,
    _points.SERVICE_NAME,
    _points.REQUESTS_PER_SECOND,
    _points.AVERAGE_RESPONSE_TIME,
    _points.ACTIVE_CONNECTIONS,
    _points.UTILIZATION,
    _points.QUEUE_TIME,
}


class Publisher:
    """Publish a task's metrics every 5 seconds; see the package's README.

    Creating one does nothing yet. On the first count, or on `start`, a process joins its task's
    other worker processes and starts daemon threads. A forked child does the same when it first
    counts something. Later problems never raise: they are logged to `quickstep_publisher`, and the
    publisher tries again.

    Args:
        cluster: the dimension ClusterName; else QUICKSTEP_CLUSTER, else ECS's task metadata.
        service: the dimension ServiceName; else QUICKSTEP_SERVICE, else ECS's task metadata.
        namespace: else QUICKSTEP_NAMESPACE, else Quickstep/<cluster>/<service>.
        transport: "cloudwatch", "logs", "emf", "print", "off", or an object with a `send` method;
            else QUICKSTEP_TRANSPORT, else "cloudwatch".
        stream: what "emf" writes to; standard output by default.
        directory: where a task's worker processes meet; else QUICKSTEP_DIRECTORY, else /dev/shm or
            the directory for temporary files.
        thread: False for a publisher that represents a whole task, in a simulation or a test: it
            meets no other process, and publishes only when `publish` is called.
        phase: seconds in [0, 5) after each multiple of 5 s of the UTC clock at which to publish;
            by default each task has its own in [4, 5), just before a period ends, or in the
            last QUICKSTEP_SPREAD seconds of the 5.
        clock: the clocks to use.
        slots: how many requests or jobs one worker process handles at once, for Utilization; else
            QUICKSTEP_SLOTS, else the server's number, if known.
        seconds: whether each call carries its interval's whole seconds, each with its own time,
            instead of one value; True unless QUICKSTEP_SECONDS=0. The policy's PublishSeconds must
            be 1 then, else 5.
        surges: who is notified of a surge, with whole seconds only; else the queue in
            QUICKSTEP_SURGE_QUEUE, else nobody.
        target: requests per second that a task should carry; a surge begins at 1.5 times that.
            Else QUICKSTEP_TARGET, else the task compares with its own last minute.

    Raises:
        ValueError: an argument is invalid.
    """

    def __init__(
        self,
        *,
        cluster: str | None = None,
        service: str | None = None,
        namespace: str | None = None,
        transport: str | Transport | None = None,
        stream: TextIO | None = None,
        directory: str | os.PathLike[str] | None = None,
        thread: bool = True,
        phase: float | None = None,
        clock: Clock | None = None,
        slots: int | None = None,
        seconds: bool | None = None,
        surges: SurgeTransport | None = None,
        target: float | None = None,
    ) -> None:
        _check_arguments(cluster, service, namespace, transport, phase)
        if slots is not None and slots < 1:
            raise ValueError(f"slots must be at least 1, not {slots!r}")
        if target is not None and not 0 < target < math.inf:
            raise ValueError(f"target must be a number above 0, not {target!r}")
        found = settings(
            os.environ,
            cluster=cluster,
            service=service,
            namespace=namespace,
            transport=transport if isinstance(transport, str) else None,
            directory=None if directory is None else os.fspath(directory),
            slots=slots,
            seconds=seconds,
            target=target,
        )
        seed = found.seed(host_of(socket.gethostname()))
        self.clock = clock or Clock()
        self._plan = Plan(
            settings=found,
            schedule=Schedule(phase_of(seed, found.spread) if phase is None else phase),
            key=hashlib.sha256(f"{LAYOUT} {seed}".encode()).hexdigest()[:16],
            transport=None if isinstance(transport, str) else transport,
            stream=stream,
            clock=self.clock,
            surges=surges,
        )
        self._off = self._plan.transport is None and found.transport == "off"
        self._wants_threads = thread and not self._off
        self._ends_with_process = False
        self._gauges: dict[str, Registered] = {}
        # Only for starting and ending; reentrant, because a finalizer may count something then.
        self._lock = threading.RLock()
        self.load = Load(found.slots, self.clock.monotonic)
        self.leave_out = found.leave_out
        self.recorder: Recorder | None = None
        self._process: Process | None = None
        self._threads: Threads | None = None
        _publishers.add(self)

    def observe(self, seconds: float, requests: int = 1) -> None:
        """Count a request that took `seconds`, or several that took as long each."""
        recorder = self.recorder or self.start()
        if 0 <= seconds < math.inf:
            recorder.observe(seconds, requests)
        else:
            recorder.count(requests)
            self._wrong(f"A response time must be a number of seconds, not {seconds!r}: left out.")

    def count(self, requests: int = 1) -> None:
        """Count requests of unknown response time: only RequestsPerSecond includes them."""
        (self.recorder or self.start()).count(requests)

    def request(self) -> Request:
        """Return a context manager whose block is one request, active while it runs."""
        return Request(self)

    def drain(self) -> None:
        """Mark this process as draining; when all of a task's do, it publishes no rate."""
        self.load.draining = True

    def gauge(
        self, name: str, read: Callable[[], float], *, unit: str = "Count", shared: bool = False
    ) -> None:
        """Publish a value under `name`, read every 5 s.

        Args:
            name: the metric, for example QueueLength. An existing gauge of that name is replaced.
            read: returns the value; called in its own thread.
            unit: one of CloudWatch's units.
            shared: False for a value that each worker process has separately, such as an in-memory
                queue: the task's value is the sum. True for a value that is the same in all of
                them, such as the length of a queue in Redis.

        Raises:
            ValueError: the name or unit is invalid, or there are too many gauges.
        """
        if not name.isascii() or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            rule = f"must be 1 to {_LONGEST_NAME} printable ASCII characters"
            raise ValueError(f"gauge name {rule}, not {name!r}")
        if name in _RESERVED or name.startswith(":"):
            raise ValueError(f"gauge name {name!r} is taken by the publisher or by CloudWatch")
        if not unit.isascii() or not 0 < len(unit) <= _LONGEST_UNIT:
            raise ValueError(f"gauge unit must be one of CloudWatch's, not {unit!r}")
        if name not in self._gauges and len(self._gauges) == MAX_GAUGES:
            raise ValueError(f"gauges must be at most {MAX_GAUGES}; {name!r} is one too many")
        # Replaced, not changed: the thread that reads gauges may be iterating over them.
        self._gauges = {**self._gauges, name: Registered(read, unit, shared)}
        with self._lock:
            if self._threads is not None:
                self._threads.sample()
        self.start()

    def start(self) -> Recorder:
        """Join the task's workers and start publishing, if not done yet; never raise.

        Return this process's counters, for middleware.
        """
        recorder = self.recorder
        if recorder is None:
            with self._lock:
                recorder = self.recorder
                if recorder is None:
                    # Set first, so that a finalizer that counts something while this thread joins
                    # finds it and need not wait.
                    recorder = self.recorder = Recorder()
                    self._begin(recorder)
        return recorder

    def publish(self) -> Point | None:
        """Publish the point if it is due; never raise.

        The thread calls this. A publisher without a thread needs a call at least every 5 s.

        Returns:
            the point, if it was accepted.
        """
        self.start()
        process = self._process
        return None if process is None or self._off else process.publish()

    def close(self) -> None:
        """Publish the rest, within 2 s, and stop; the next count restarts the publisher.

        The end of the process or of an ASGI lifespan calls this. What the task's other workers can
        still publish is left to them.
        """
        self._end()
        with self._lock:
            self.recorder = self._process = self._threads = None

    def _end(self) -> None:
        if self._threads is not None:
            self._threads.close()
        elif self._process is not None:
            self._process.flush()

    def _begin(self, recorder: Recorder) -> None:
        alone = not self._wants_threads
        process = Process(self._plan, recorder, lambda: self._gauges, self.load, alone=alone)
        self._process = process
        if self._off:
            said = "Metrics are not published: the transport is off."
            process.announcer.trouble(Kind.SWITCHED_OFF, said, self.clock.monotonic())
        if self._wants_threads:
            if self._plan.settings.drain:
                _drain_on_sigterm(self)
            self._threads = Threads(process)
            if self._gauges:
                self._threads.sample()
            if not self._ends_with_process:
                self._ends_with_process = True
                atexit.register(_at_exit, weakref.ref(self))
                _at_exit_of_multiprocessing(self)

    def _wrong(self, said: str) -> None:
        if self._process is not None:
            now = self.clock.monotonic()
            self._process.announcer.trouble(Kind.OBSERVATION, said, now)

    def _after_fork(self) -> None:
        # Another of the parent's threads may have held the lock at that moment.
        self._lock = threading.RLock()
        process, self._process = self._process, None
        self.recorder = self._threads = None
        self.load = Load(self.load.slots, self.clock.monotonic)
        self._ends_with_process = False
        if process is not None:
            process.abandon()


class Request:
    """One request, active while the `with` block runs; exceptions pass through."""

    __slots__ = ("_began", "_publisher", "_recorder")

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def __enter__(self) -> None:
        """Begin."""
        self._recorder = self._publisher.start()
        self._recorder.begin()
        self._began = self._publisher.clock.timer()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._recorder.end(self._publisher.clock.timer() - self._began)


def _check_arguments(
    cluster: str | None,
    service: str | None,
    namespace: str | None,
    transport: str | Transport | None,
    phase: float | None,
) -> None:
    try:
        check_names(cluster, service, namespace)
    except NotPublishedError as error:
        raise ValueError(str(error)) from None
    if isinstance(transport, str) and transport not in TRANSPORTS:
        raise ValueError(f"transport must be one of {', '.join(TRANSPORTS)}, not {transport!r}")
    if phase is not None and not 0 <= phase < _points.INTERVAL:
        raise ValueError(f"phase must be at least 0 and below {_points.INTERVAL} s, not {phase!r}")


_publishers: weakref.WeakSet[Publisher] = weakref.WeakSet()


def _at_exit(reference: weakref.ref[Publisher]) -> None:
    publisher = reference()
    if publisher is not None:
        publisher._end()  # noqa: SLF001 - in the same module


def _drain_on_sigterm(publisher: Publisher) -> None:
    """Start draining at SIGTERM, then do what the earlier handler would have done."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread can set a handler
    before = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: FrameType | None) -> None:
        publisher.drain()
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, drain)


def _at_exit_of_multiprocessing(publisher: Publisher) -> None:
    """End with a multiprocessing process too: its children leave by os._exit, without atexit."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _at_exit, args=(weakref.ref(publisher),), exitpriority=0)


def _after_fork_in_child() -> None:
    for publisher in list(_publishers):
        publisher._after_fork()  # noqa: SLF001 - in the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
