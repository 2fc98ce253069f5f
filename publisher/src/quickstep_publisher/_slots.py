"""One worker process's counts and gauges: a slot in shared memory, and how it is read.

A process's `Recorder` counts requests in plain integers. A thread of the process copies them into
its slot a few times a second, and the publishing worker reads all slots:

    byte 0      counters, which only rise, between two copies of a version
    byte 256    how far they have been read: the only bytes that a reader writes
    byte 512    the last whole seconds, a ring
    byte 2048   gauges as JSON, with checksum, length and time
"""

from __future__ import annotations

import json
import math
import os
import struct
import time
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep_publisher._demand import queue_time, waited
from quickstep_publisher._points import (
    INTERVAL,
    Gauge,
)

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quickstep_publisher._load import Look

SLOT_SIZE = 8192
LAYOUT = 2
"""Version of slots and ledger: two package versions' workers do not share a folder."""
# version, arrived, finished, their milliseconds, shortest, longest, generation, active, sum of the
# shares of slots in use, number of shares, ports, waiting there, how often full, drains; until the
# queue was full: requests per second that began, and growth of the queue; version
_COUNTS = struct.Struct("@qqqdddqqdqqqqqddq")
_COUNTED = slice(_COUNTS.size)
# how far was read: arrived, finished, their milliseconds, shares, their number, how often full
_READ = struct.Struct("@qqddqq")
READ_AT = 256
# a second, arrived by its end, active, share of slots in use, waiting, full, queue time, number of
# requests behind the queue time
_SECOND = struct.Struct("@qqqdqqdq")
_SECONDS_AT = 512
_SECONDS = 16
_UNKNOWN = -1.0
# checksum and length of the JSON that follows, and its time
_GAUGES = struct.Struct("@IId")
_GAUGES_AT = 2048

_LOOKS, _FEW_LOOKS = 13, 3
"""The most looks at a queue that measure its growth; from more than a few, the uncertain ones are
dropped."""
SAMPLES = 64
"""Requests per copy whose queue time is read: 256 a second give it to within 0.03 s."""
_MOST_WAITS = 8 * SAMPLES
TRACE_HEADER = b"x-amzn-trace-id"
_UNREAD = -1
_READ_ATTEMPTS = 100


class Recorder:
    """Count one worker process's requests in plain numbers: no lock, no memory, no call.

    Every method may be called from any thread, from a finalizer and from a signal handler. CPython
    switches threads, and runs finalizers and handlers, only where a function is called or returns
    and where a loop begins again. `self.begun += 1` has neither between its read and its write, so
    nothing is lost. (A free-threaded build has no such rule, and may lose counts.) A lock would be
    worse than slow: the garbage collector may call `end` while this same thread holds it.

    A killed worker loses what it has counted since its last copy into the slot.
    """

    __slots__ = (
        "begun",
        "checks",
        "connected",
        "counted",
        "disconnected",
        "ended",
        "longest",
        "noted",
        "observed",
        "shortest",
        "total",
        "waits",
        "wall",
        "wanted",
    )

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        self.wanted, self.noted = SAMPLES, 0
        self.waits = [0.0] * SAMPLES
        self.begun = self.ended = 0
        self.counted = self.observed = self.checks = 0
        self.connected = self.disconnected = 0
        self.total = 0.0
        self.shortest, self.longest = math.inf, 0.0

    def observe(self, seconds: float, requests: int = 1) -> None:
        """Count requests that arrived and took `seconds` each."""
        milliseconds = seconds * 1000
        self.counted += requests
        self.observed += requests
        self.total += milliseconds * requests
        self.shortest = min(self.shortest, milliseconds)
        self.longest = max(self.longest, milliseconds)

    def count(self, requests: int) -> None:
        """Count requests that arrived and whose response time is unknown."""
        self.counted += requests

    def begin(self) -> None:
        """Count a request that arrived and is active from now on."""
        self.begun += 1

    def end(self, seconds: float) -> None:
        """Count the end of a request that `begin` counted."""
        milliseconds = seconds * 1000
        self.ended += 1
        self.total += milliseconds
        # Not min and max, because a call costs more than the comparison.
        if milliseconds < self.shortest:  # noqa: PLR1730
            self.shortest = milliseconds
        if milliseconds > self.longest:  # noqa: PLR1730
            self.longest = milliseconds

    def sample(self, header: str | None) -> None:
        """Note when the load balancer got a request, if the header shows it.

        Call it only while samples are `wanted`: that many requests are examined between two copies,
        with or without a header.
        """
        self.wanted -= 1
        seconds = None if header is None else waited(header, self.wall())
        noted = self.noted
        if seconds is not None and noted < SAMPLES:
            self.waits[noted] = seconds
            self.noted = noted + 1

    def sample_asgi(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Do the same with the headers of an ASGI scope."""
        for name, value in headers:
            if name == TRACE_HEADER:
                self.sample(value.decode("latin-1"))
                return
        self.wanted -= 1

    def sampled(self) -> list[float]:
        """Return the waits noted since the last call, and want more."""
        taken = self.waits[: self.noted]
        self.noted, self.wanted = 0, SAMPLES
        return taken

    def connect(self) -> None:
        """Count an active connection without a request."""
        self.connected += 1

    def disconnect(self) -> None:
        """Count the end of a connection that `connect` counted."""
        self.disconnected += 1


class Slot:
    """A worker's own slot, which only this worker writes, one thread at a time."""

    def __init__(self, memory: mmap.mmap | bytearray, recorder: Recorder) -> None:
        self._memory, self._recorder = memory, recorder
        self._version = 0
        self._generation = _UNREAD
        self._shortest = self._longest = 0.0
        self._busy, self._looks, self._full = 0.0, 0, 0
        self._second: int | None = None
        self._arrived = 0
        self._this_second = _ThisSecond()
        self._before_full = _BeforeFull()

    def copy(self, generation: int, look: Look, wall: float) -> None:
        """Copy the worker's counts; `generation` is the ledger's, `wall` the time of day.

        Shortest and longest belong to one interval. They restart with the first copy after a
        reading, which the generation shows; all counts are from the same moment.
        """
        counts = self._recorder
        # One expression without calls, so that a concurrent request is in all of them or in none.
        arrived, finished, total = (
            counts.begun + counts.counted,
            counts.ended + counts.observed,
            counts.total,
        )
        active = counts.begun + counts.connected - counts.ended - counts.disconnected
        shortest, longest = counts.shortest, counts.longest
        counts.shortest, counts.longest = math.inf, 0.0
        if generation == self._generation:
            shortest, longest = min(self._shortest, shortest), max(self._longest, longest)
        self._generation, self._shortest, self._longest = generation, shortest, longest
        if look.busy is not None:
            self._busy += look.busy
            self._looks += 1
        self._full += look.full
        self._tell_second(int(wall), arrived, active, look)
        self._before_full.see(wall, arrived, look)
        self._version = version = self._version + 1
        # In one assignment: `pack_into` clears the bytes before it writes them, so a worker stopped
        # in between would appear to have counted nothing.
        self._memory[_COUNTED] = _COUNTS.pack(
            version,
            arrived,
            finished,
            total,
            shortest,
            longest,
            generation,
            active,
            self._busy,
            self._looks,
            look.key,
            look.waiting,
            self._full,
            look.draining,
            self._before_full.began,
            self._before_full.growth,
            version,
        )

    def _tell_second(self, second: int, arrived: int, active: int, look: Look) -> None:
        """Write the second that has ended, if any; several share the counts equally."""
        before = self._second
        if before is not None and second > before:
            ended = range(max(before, second - _SECONDS), second)
            for n, each in enumerate(ended, start=1):
                up_to = self._arrived + (arrived - self._arrived) * n // len(ended)
                packed = self._this_second.packed(each, up_to, active, look)
                at = _SECONDS_AT + each % _SECONDS * _SECOND.size
                self._memory[at : at + _SECOND.size] = packed
        if before is None or second != before:
            self._second, self._arrived = second, arrived
            self._this_second = _ThisSecond()
        self._this_second.see(look, self._recorder.sampled())

    def write_gauges(self, gauges: Mapping[str, Gauge], now: float) -> None:
        """Leave this worker's gauges, read at `now`, for the next publishing worker."""
        listed = {name: [g.value, g.unit, g.shared] for name, g in gauges.items()}
        content = json.dumps(listed).encode()
        written = _GAUGES.pack(zlib.crc32(content), len(content), now) + content
        self._memory[_GAUGES_AT : _GAUGES_AT + len(written)] = written


@dataclass
class _ThisSecond:
    """What was sampled in the current second."""

    waits: list[float] = field(default_factory=list)
    busy: float = 0.0
    looks: int = 0
    full: bool = False
    lag: float = 0.0
    lags: int = 0

    def see(self, look: Look, waits: list[float]) -> None:
        """Add a look, and the waits noted since the previous one."""
        self.waits = (self.waits + waits)[-_MOST_WAITS:]
        if look.busy is not None:
            self.busy += look.busy
            self.looks += 1
        if look.lag is not None:
            self.lag += look.lag
            self.lags += 1
        self.full = self.full or look.full

    def packed(self, second: int, arrived: int, active: int, last: Look) -> bytes:
        waits = len(self.waits)
        wait = self.lag / self.lags if self.lags else _UNKNOWN
        if waits:
            wait = queue_time(self.waits)
        share = self.busy / self.looks if self.looks else _UNKNOWN
        return _SECOND.pack(second, arrived, active, share, last.waiting, self.full, wait, waits)


class _BeforeFull:
    """The rates at which requests began, and the queue grew, until a listen queue was full.

    Both in requests per second, over the preceding _LOOKS. They are 0 until the queue has been
    full, and again once nothing waits. In between it may be full repeatedly, because a server
    accepts many at once.

    The first look with a queue may fall anywhere in a quarter of a second, so if there are more
    looks, the rates count from it.

    Example: nothing waits, then 30, 130, 230, and then the queue is full. From the first 30 on it
    grows by 100 a quarter of a second, so 400, plus what began meanwhile.
    """

    def __init__(self) -> None:
        self.began = self.growth = 0.0
        self._was_full = False
        self._looks: deque[tuple[float, int, int]] = deque(maxlen=_LOOKS)

    def see(self, wall: float, arrived: int, look: Look) -> None:
        """Add a look, at the time of day `wall`."""
        seen = (wall, arrived, look.waiting)
        if not look.waiting:
            self.began = self.growth = 0.0
            self._was_full = False
            self._looks.clear()
        if look.full and not self._was_full:
            self._was_full = True
            self._count([*self._looks, seen])
        self._looks.append(seen)

    def _count(self, looks: Sequence[tuple[float, int, int]]) -> None:
        if len(looks) > _FEW_LOOKS:
            looks = looks[1:-1]  # a full queue grows no more
        (since, began, waited_then), (at, begun, waits) = looks[0], looks[-1]
        if at > since:
            self.began, self.growth = (
                (begun - began) / (at - since),
                (waits - waited_then) / (at - since),
            )


@dataclass(frozen=True)
class Second:
    """A whole second of a worker; `arrived` counts from the worker's start, None is unknown."""

    second: int
    arrived: int
    active: int
    busy: float | None
    waiting: int
    full: bool
    wait: float | None
    requests: int


@dataclass(frozen=True)
class Reading:
    """What is new in a slot."""

    arrived: int
    finished: int
    total: float
    shortest: float
    longest: float
    generation: int
    active: int
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    gauges_at: float = 0.0
    busy: float = 0.0
    looks: int = 0
    key: int = 0
    waiting: int = 0
    full: int = 0
    began_rate: float = 0.0
    growth_rate: float = 0.0
    seconds: tuple[Second, ...] = ()
    arrived_before: int = 0
    alive: bool = True
    draining: bool = False


def consistent(fd: int) -> bytes:
    """Return a slot's state at one moment, while its worker continues to write.

    Two equal copies, with equal versions at both ends of the counts, prove that nothing was written
    during the first. After _READ_ATTEMPTS the last copy has to do. Its counters may be one copy
    apart, which the next reading evens out.
    """
    content = os.pread(fd, SLOT_SIZE, 0)
    for _ in range(_READ_ATTEMPTS):
        again = os.pread(fd, SLOT_SIZE, 0)
        if again == content and again[:8] == again[_COUNTS.size - 8 : _COUNTS.size]:
            break
        content = again
    return content


def how_far(content: bytes) -> bytes:
    """Return what to write at READ_AT once the whole slot has been read."""
    _, arrived, finished, total, _, _, _, _, busy, looks, _, _, full, *_ = _unpacked(content)
    return _READ.pack(arrived, finished, total, busy, looks, full)


def how_far_in_times(content: bytes) -> bytes:
    """Return the same for a reading of only the response times; the rest stays unread."""
    _, _, finished, total, *_ = _unpacked(content)
    arrived, _, _, busy, looks, full = _READ.unpack_from(content, READ_AT)
    return _READ.pack(arrived, finished, total, busy, looks, full)


def how_far_in_seconds(content: bytes) -> bytes:
    """Return the same for a reading of all whole seconds; what came later stays unread."""
    _, _, finished, total, _, _, _, _, busy, looks, _, _, full, *_ = _unpacked(content)
    arrived, *_ = _READ.unpack_from(content, READ_AT)
    seconds = _seconds(content)
    up_to = max([arrived, *(second.arrived for second in seconds)])
    return _READ.pack(up_to, finished, total, busy, looks, full)


def _unpacked(content: bytes) -> tuple[Any, ...]:
    return _COUNTS.unpack_from(content)


def _seconds(content: bytes) -> tuple[Second, ...]:
    found = []
    for n in range(_SECONDS):
        at = _SECONDS_AT + n * _SECOND.size
        second, arrived, active, busy, waiting, full, wait, requests = _SECOND.unpack_from(
            content, at
        )
        if second:
            shares = (None if value == _UNKNOWN else value for value in (busy, wait))
            share, seconds = shares
            found.append(
                Second(second, arrived, active, share, waiting, bool(full), seconds, requests)
            )
    return tuple(sorted(found, key=lambda each: each.second))


def read(content: bytes, now: float, *, alive: bool) -> Reading:
    """Return what is new in a slot's content; a dead worker has no active requests."""
    counts = _unpacked(content)
    _, arrived, finished, total, shortest, longest, generation, active = counts[:8]
    busy, looks, key, waiting, full, draining, began_rate, growth_rate, _ = counts[8:]
    read_before = _READ.unpack_from(content, READ_AT)
    arrived_before, finished_before, total_before, busy_before, looks_before, full_before = (
        read_before
    )
    checksum, length, gauges_at = _GAUGES.unpack_from(content, _GAUGES_AT)
    start = _GAUGES_AT + _GAUGES.size
    written = content[start : start + length]
    gauges: dict[str, Gauge] = {}
    # Two intervals, because a callable that hangs leaves a value that soon is out of date.
    live = alive and 0 <= now - gauges_at <= 2 * INTERVAL
    if live and length and zlib.crc32(written) == checksum:
        with suppress(ValueError):
            gauges = {name: Gauge(*listed) for name, listed in json.loads(written).items()}
    return Reading(
        arrived=arrived - arrived_before,
        finished=finished - finished_before,
        total=total - total_before,
        shortest=shortest,
        longest=longest,
        generation=generation,
        active=active if alive else 0,
        gauges=gauges,
        gauges_at=gauges_at,
        busy=busy - busy_before if alive else 0.0,
        looks=looks - looks_before if alive else 0,
        key=key if alive else 0,
        waiting=waiting if alive else 0,
        full=full - full_before if alive else 0,
        began_rate=began_rate if alive else 0.0,
        growth_rate=growth_rate if alive else 0.0,
        seconds=_seconds(content),
        arrived_before=arrived_before,
        alive=alive,
        draining=bool(draining),
    )
