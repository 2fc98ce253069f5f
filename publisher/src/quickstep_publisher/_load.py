"""Sample how busy a worker process is: its slots in use, or its event loop's lag."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep_publisher._listening import Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

LATEST = 0.25
"""Seconds; an event loop that starts new work only after this long is fully busy."""
HALF_BUSY, FEW_WAITING = 0.5, 8
LOOKS_A_SECOND = 4
ENOUGH_CHECKS = 3
SILENCES, SHORTEST_SILENCE = 3, 15.0
"""The load balancer has stopped sending after this many times its interval, and seconds."""
FIND_EVERY, FIND_AGAIN = 1.0, 30.0
"""Seconds until the next search for listening sockets: until some are found, and afterwards."""


@dataclass(frozen=True)
class Look:
    """The result of one look at a process: `busy` is the share of slots in use, None if unknown.

    `key` names the sockets that it listens on, 0 without any. `lag` is how long new work waits in
    an event loop, in seconds, None without one.
    """

    busy: float | None = None
    key: int = 0
    waiting: int = 0
    full: bool = False
    lag: float | None = None
    draining: bool = False


class Load:
    """Look at a process a few times a second.

    Args:
        slots: how many requests the process can handle at once; None if not known yet.
        monotonic: the clock.
        listening: the ports that the process listens on.
    """

    def __init__(
        self,
        slots: int | None,
        monotonic: Callable[[], float] = time.monotonic,
        listening: Listening | None = None,
    ) -> None:
        self.slots = slots
        self.draining = False
        self._checks = Checks()
        self._monotonic = monotonic
        self._listening = listening or Listening()
        self._find_at = 0.0
        self._turn = self._unread = 0
        self._loop: _Loop | None = None
        self._hub = _Hub()

    def watch_loop(self) -> None:
        """Watch the event loop in this thread, if it is asyncio's."""
        with suppress(RuntimeError):
            self._loop = _Loop(asyncio.get_running_loop(), self._monotonic)

    def served_by(self, environ: Mapping[str, Any]) -> None:
        """Learn from a WSGI request how many requests its server handles at once."""
        if self.slots is None:
            self.slots = slots_of(environ)

    def look(self, active: int, late: float = 0.0, *, checks: int = 0, requests: int = 0) -> Look:
        """Return the process's current state.

        `late` is how long the looking thread itself was delayed; `checks` and `requests` are the
        numbers of health checks and other requests so far.
        """
        now = self._monotonic()
        draining = self.draining or self._checks.ceased(checks, requests, now)
        if now >= self._find_at:
            self._find_at = now + (FIND_AGAIN if self._listening.find() else FIND_EVERY)
        busy: float | None = None
        lag: float | None = None
        if self.slots is not None:
            busy = min(1.0, active / self.slots)
        elif _is_gevent():
            busy, lag = self._hub.look(now, late), late
        elif self._loop is not None:
            busy, lag = self._loop.look(now)
        queue = self._listening.queue()
        if queue is None:
            return Look(busy, lag=lag, draining=draining)
        waiting = queue.waiting + self._accepted(busy, queue.waiting)
        if queue.full or (waiting and self.slots is not None):
            # A worker whose requests wait has no slot left. In an event loop something always waits
            # for a moment, and its lag shows for how long.
            busy = None if busy is None else 1.0
        return Look(busy, queue.key, waiting, queue.full, lag, draining)

    def _accepted(self, busy: float | None, waiting: int) -> int:
        """Return how many accepted requests wait; a process with time to spare has none.

        For this the kernel scans all of its connections, so it is done once a second, or at each
        look if more than FEW_WAITING of any kind wait.
        """
        self._turn += 1
        if busy is not None and busy < HALF_BUSY:
            self._unread = 0
        elif waiting + self._unread > FEW_WAITING or self._turn % LOOKS_A_SECOND == 0:
            found = self._listening.unread()
            self._unread = self._unread if found is None else found
        return self._unread


class Checks:
    """Detect that a load balancer has stopped sending: no requests, and no more health checks.

    A target that leaves its group gets neither from then on, and SIGTERM only after the group's
    deregistration delay. A service that nobody calls still gets health checks.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._checks = self._requests = 0
        self._checked_at = self._last_at = 0.0
        self._longest = 0.0

    def ceased(self, checks: int, requests: int, now: float) -> bool:
        """Return whether the silence far exceeds the longest gap between health checks."""
        if checks != self._checks:
            if self._seen:
                self._longest = max(self._longest, now - self._checked_at)
            self._seen += 1
            self._checked_at = now
        if checks != self._checks or requests != self._requests:
            self._last_at = now
        self._checks, self._requests = checks, requests
        if self._seen < ENOUGH_CHECKS:
            return False
        return now - self._last_at > max(SHORTEST_SILENCE, SILENCES * self._longest)


class _Hub:
    """gevent's event loop, which runs in the looking thread itself."""

    def __init__(self) -> None:
        self._cpu = self._at = 0.0

    def look(self, now: float, late: float) -> float:
        """Return how busy it has been since the last look."""
        cpu = time.thread_time()
        share = (cpu - self._cpu) / (now - self._at) if 0 < self._at < now else 0.0
        self._cpu, self._at = cpu, now
        return min(1.0, max(share, late / LATEST))


class _Loop:
    """An event loop, probed for the delay of new work and the CPU in use."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop, self._monotonic = loop, monotonic
        self._clock: int | None = None
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._cpu, self._at = self._used(), monotonic()
        self._asked: float | None = None
        self._lag = 0.0
        self._threads = 0.0

    def look(self, now: float) -> tuple[float, float]:
        """Return the loop's business since the last look and its lag, and probe it again."""
        cpu = self._used()
        share = 0.0 if now <= self._at else (cpu - self._cpu) / (now - self._at)
        self._cpu, self._at = cpu, now
        lag = self._lag if self._asked is None else max(self._lag, now - self._asked)
        if self._asked is None:
            self._asked = now
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # it is closed
                return 0.0, 0.0
        busy = max(share, self._threads, lag / LATEST)
        return min(1.0, busy), lag

    def _answer(self) -> None:
        if self._asked is not None:
            self._lag = max(0.0, self._monotonic() - self._asked)
            self._asked = None
        self._threads = _busy_threads()

    def _used(self) -> float:
        if self._clock is not None:
            with suppress(OSError):
                return time.clock_gettime(self._clock)
            self._clock = None
        return 0.0


def _busy_threads() -> float:
    """Return the share of anyio's threads in use: Starlette runs blocking functions there."""
    module = sys.modules.get("anyio.to_thread")
    if module is None:
        return 0.0
    try:
        limiter = module.current_default_thread_limiter()
        return float(limiter.borrowed_tokens / limiter.total_tokens)
    except Exception:  # noqa: BLE001 - another library's internals, read only if they work
        return 0.0


def _is_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def slots_of(environ: Mapping[str, Any]) -> int | None:
    """Return how many requests a WSGI request's server handles at once in this process.

    WSGI says only whether it is one. gunicorn and waitress know the number, and are found among
    this function's callers.
    """
    if not environ.get("wsgi.multithread", True):
        return 1
    if _is_gevent():
        return None
    # A function has no other way to see its callers.
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        server: Any = frame.f_locals.get("self")
        module = type(server).__module__
        slots: Any = None
        if module == "gunicorn.workers.gthread":
            slots = getattr(getattr(server, "cfg", None), "threads", None)
        elif module == "waitress.task" and hasattr(server, "threads"):
            slots = len(server.threads)
        if isinstance(slots, int) and slots > 0:
            return slots
        frame = frame.f_back
    return None
