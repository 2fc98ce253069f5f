"""What one worker process has counted, and its gauges: a slot of shared memory, and its reading.

A slot has one writer, the worker's `Recorder`, and is read by whichever worker publishes:

    byte 0      counters, which only ever rise, between two copies of a version
    byte 128    how far they have been read: the only bytes that a reader writes
    byte 256    gauges as JSON, with checksum, length and time
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep_publisher._points import (
    INTERVAL,
    Gauge,
    Interval,
    Statistics,
)

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping

SLOT_SIZE = 4096
# version, arrived, finished, their milliseconds, shortest, longest, generation, active, version
_COUNTS = struct.Struct("@qqqdddqqq")
_pack_counts = _COUNTS.pack
_COUNTED = slice(_COUNTS.size)
# how far was read: arrived, finished, their milliseconds
_READ = struct.Struct("@qqd")
READ_AT = 128
# checksum and length of the JSON that follows, and when it was read
_GAUGES = struct.Struct("@IId")
_GAUGES_AT = 256

# the ledger's first field
_generation = struct.Struct("@q").unpack_from

_UNREAD = -1
_READ_ATTEMPTS = 100


class Recorder:
    """Counts what one worker process does; every method may be called from any thread.

    It writes into shared memory at once, so a worker that is killed leaves all it has counted.
    """

    __slots__ = (
        "_active",
        "_arrived",
        "_finished",
        "_generation",
        "_ledger",
        "_lock",
        "_longest",
        "_shortest",
        "_slot",
        "_total",
        "_version",
    )

    def __init__(self, slot: mmap.mmap | bytearray, ledger: mmap.mmap | bytearray) -> None:
        self._slot, self._ledger = slot, ledger
        self._lock = threading.Lock()
        self._version = self._arrived = self._finished = self._active = 0
        self._total = self._shortest = self._longest = 0.0
        self._generation = _UNREAD

    def observe(self, seconds: float, requests: int = 1) -> None:
        """Count requests that arrived, and took `seconds` each."""
        with self._lock:
            self._arrived += requests
            self._finish(seconds * 1000, requests)

    def count(self, requests: int) -> None:
        """Count requests that arrived, and whose response time is not known."""
        with self._lock:
            self._arrived += requests
            self._write()

    def begin(self) -> None:
        """Count a request that arrived and is active from now on."""
        with self._lock:
            self._arrived += 1
            self._active += 1
            self._write()

    def end(self, seconds: float) -> None:
        """Count the end of a request that `begin` counted."""
        with self._lock:
            self._active -= 1
            self._finish(seconds * 1000, 1)

    def connect(self) -> None:
        """Count an active connection that is no request."""
        with self._lock:
            self._active += 1
            self._write()

    def disconnect(self) -> None:
        """Count the end of a connection that `connect` counted."""
        with self._lock:
            self._active -= 1
            self._write()

    def detach(self) -> None:
        """Write into private memory from now on; what still holds this recorder harms nothing."""
        self._slot = bytearray(SLOT_SIZE)
        self._ledger = bytearray(len(self._ledger))

    def _finish(self, milliseconds: float, requests: int) -> None:
        self._finished += requests
        self._total += milliseconds * requests
        # Shortest and longest are those of one interval. They start anew with the first request
        # after the last reading, of which the ledger's generation tells.
        (generation,) = _generation(self._ledger)
        if generation != self._generation:
            self._generation = generation
            self._shortest = self._longest = milliseconds
        elif milliseconds < self._shortest:
            self._shortest = milliseconds
        elif milliseconds > self._longest:
            self._longest = milliseconds
        self._write()

    def _write(self) -> None:
        self._version = version = self._version + 1
        # At once: `pack_into` clears the bytes before it writes them, and a worker that is stopped
        # in between would have counted nothing for whoever reads meanwhile.
        self._slot[_COUNTED] = _pack_counts(
            version,
            self._arrived,
            self._finished,
            self._total,
            self._shortest,
            self._longest,
            self._generation,
            self._active,
            version,
        )


def write_gauges(slot: mmap.mmap | bytearray, gauges: Mapping[str, Gauge], now: float) -> None:
    """Leave a worker's gauges, read at `now`, for whoever publishes next."""
    listed = {name: [g.value, g.unit, g.shared] for name, g in gauges.items()}
    content = json.dumps(listed).encode()
    written = _GAUGES.pack(zlib.crc32(content), len(content), now) + content
    slot[_GAUGES_AT : _GAUGES_AT + len(written)] = written


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
    gauges: Mapping[str, Gauge]
    gauges_at: float


def consistent(fd: int) -> bytes:
    """Return a slot as it was at one moment, while its worker goes on writing.

    Two equal copies with equal versions at both ends of the counts: nothing was written while the
    first was made. After _READ_ATTEMPTS the last copy has to do; its counters may be one request
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
    """Return what to write at READ_AT once all of a slot has been read."""
    _, arrived, finished, total, *_ = _COUNTS.unpack_from(content)
    return _READ.pack(arrived, finished, total)


def read(content: bytes, now: float, *, alive: bool) -> Reading:
    """Return what is new in a slot's content; of a dead worker nothing is active any more."""
    counts = _COUNTS.unpack_from(content)
    _, arrived, finished, total, shortest, longest, generation, active, _ = counts
    arrived_before, finished_before, total_before = _READ.unpack_from(content, READ_AT)
    checksum, length, gauges_at = _GAUGES.unpack_from(content, _GAUGES_AT)
    start = _GAUGES_AT + _GAUGES.size
    written = content[start : start + length]
    gauges: dict[str, Gauge] = {}
    # Two intervals: a callable that hangs leaves a value that soon is no longer live.
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
    )


def added_up(readings: list[Reading], generation: int, seconds: float) -> Interval:
    """Return what is new in all slots since the ledger's last `generation`, `seconds` ago."""
    times = None
    if finished := sum(reading.finished for reading in readings):
        total = sum(reading.total for reading in readings)
        mean = total / finished
        current = [r for r in readings if r.finished and r.generation == generation]
        times = Statistics(
            count=finished,
            total=total,
            # The mean is a bound too: of requests that ended while the last reading was made,
            # shortest and longest are not known.
            minimum=min([mean, *(reading.shortest for reading in current)]),
            maximum=max([mean, *(reading.longest for reading in current)]),
        )
    return Interval(
        seconds=seconds,
        arrived=sum(reading.arrived for reading in readings),
        active=sum(reading.active for reading in readings),
        times=times,
        gauges=_gauges(readings),
    )


def _gauges(readings: list[Reading]) -> dict[str, Gauge]:
    """Add up the workers' gauges; of a shared one, keep what was read last."""
    added: dict[str, Gauge] = {}
    for reading in sorted(readings, key=lambda reading: reading.gauges_at):
        for name, gauge in reading.gauges.items():
            before = 0.0 if gauge.shared or name not in added else added[name].value
            added[name] = replace(gauge, value=before + gauge.value)
    return added
