"""The worker processes of one task: each counts in its own slot, one publishes for all.

A folder per task holds a `ledger` and a file per worker, its slot:

    worker 1 --copies--> 81-3f9c.slot --.
    worker 2 --copies--> 82-a011.slot ---+--> the one that holds the ledger's lock adds up
    worker 3 --copies--> 83-77d2.slot --'     what is new, notes how far it has read, publishes

- Counters only ever rise. The publishing worker notes in each slot how far it has read; so,
  whichever worker does it next, each request is counted once.
- A worker holds a lock on its slot as long as it lives, and the kernel releases it when it dies, by
  whatever cause. A slot that can be locked is that of a dead worker: its last counts are taken, and
  the file is removed. No process ids are compared.
- The ledger names the interval that was read last. A worker that finds the current one there has
  nothing to do; a worker that died, hangs or sends slowly delays nobody else's next interval.
- Who leaves last hands on what is not published: slot and ledger stay for a successor, which a
  server that recycles its only worker starts at once. So an interval that two workers shared is
  published once, and one at whose end nobody lived is made up for.

Without a folder (no file system to write to, no `fcntl`) a worker is alone, with the same code.
"""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quickstep_publisher._load import Look
from quickstep_publisher._points import (
    INTERVAL,
    LONGEST_SPAN,
    SHORTEST_SPAN,
    Gauge,
    Interval,
)
from quickstep_publisher._slots import (
    READ_AT,
    SLOT_SIZE,
    Recorder,
    Slot,
    consistent,
    how_far,
    how_far_in_seconds,
    how_far_in_times,
    read,
)
from quickstep_publisher._together import Kept, added_up, arrivals, together

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quickstep_publisher._slots import Reading

# generation, intervals taken, number of the interval read last, when (monotonic), by which worker,
# how many requests waited then, the demand, the last whole second that was read, and how many
# arrived at workers that are gone and are in no second yet
_LEDGER = struct.Struct("@qqqdqqdqq")
_UNKNOWN = -1

_LOCK_ATTEMPTS = 100
_LOCK_PAUSE = 0.005
_ROOT_MODE = 0o700


@dataclass(frozen=True)
class _Ledger:
    generation: int
    taken: int
    number: int
    at: float
    holder: int
    waiting: int = 0
    held: float = 0.0
    second: int = 0
    left: int = 0


class Workers:
    """The workers of one task, as one of them sees them: it has joined, and may leave.

    Args:
        folder: the task's folder, which is made if need be; None for a worker that is alone.
        number: the interval whose tick was last; the next one is the first to be published, unless
            others were here before.
        now: the monotonic time.
        recorder: what counts in this worker.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(
        self, folder: Path | None, number: int, now: float, recorder: Recorder | None = None
    ) -> None:
        self._id = secrets.randbits(62)
        self._folder = folder
        self._ledger_fd = self._slot_fd = -1
        self._ledger: mmap.mmap | bytearray = bytearray(_LEDGER.size)
        self._memory: mmap.mmap | bytearray = bytearray(SLOT_SIZE)
        # Of this process's own threads, which are never a request's.
        self._copying = threading.Lock()
        self._look, self._wall = Look(), 0.0
        if folder is None:
            self._write_ledger(_Ledger(0, 0, number, now, self._id))
        else:
            try:
                self._join(folder, number, now)
            except BaseException:
                self._close()
                raise
        self.recorder = recorder or Recorder()
        self._slot = Slot(self._memory, self.recorder)

    @property
    def holds(self) -> bool:
        """Whether this worker was the last to publish, and so is to be the first to do it again."""
        return self._read_ledger().holder == self._id

    @property
    def number(self) -> int:
        """The interval that was taken last, by whichever worker."""
        return self._read_ledger().number

    def copy(self, look: Look | None = None, wall: float = 0.0) -> None:
        """Copy what was counted into the slot, with a look at how busy the process is.

        `wall` is the time of day in seconds, by which whole seconds are told apart.
        """
        with self._copying:
            self._look = look or self._look
            self._slot.copy(self._read_ledger().generation, self._look, wall or self._wall)
            self._wall = wall or self._wall

    def set_gauges(self, gauges: Mapping[str, Gauge], now: float) -> None:
        """Leave this worker's gauges, read at `now`, for the next worker that publishes."""
        with self._copying:
            self._slot.write_gauges(gauges, now)

    def take(self, number: int, now: float, second: int | None = None) -> Interval | None:
        """Return what is new since the last reading, as the one who publishes interval `number`.

        None if another worker has taken that interval or is just doing it, if a new task has not
        counted long enough for a rate, or if the last reading is too long ago to be news.

        Intervals that nobody has taken meanwhile are `missed`: the same reading is theirs, too.
        Example: taken at tick 2; the only worker was recycled, and its successor comes 2 s after
        tick 3. It takes 7 s for tick 3, and at tick 4 the 3 s since then. Had it come 4 s after, it
        would have waited for tick 4 and taken 10 s for both, tick 3 being missed.

        With `second`, the last whole second that is over, the reading is one of whole seconds.
        """
        self.copy()
        with self._locked(wait=False) as locked:
            ledger = self._read_ledger()
            span = now - ledger.at
            if not locked or number == ledger.number:
                return None
            if not ledger.taken and 0 <= span < SHORTEST_SPAN:
                self._write_ledger(replace(ledger, number=number))
                return None
            missed = min(number - ledger.number, round(span / INTERVAL)) - 1
            taken = self._take(replace(ledger, number=number), now, second)
            if not 0 <= span <= LONGEST_SPAN:
                return None
            return replace(taken, missed=max(0, missed))

    def take_early(self, now: float, second: int) -> Interval | None:
        """Return the whole seconds up to one that nobody has read, before their interval's tick.

        None if another worker is just reading.
        """
        self.copy()
        with self._locked(wait=False) as locked:
            return self._take(self._read_ledger(), now, second) if locked else None

    def arrivals(self) -> list[tuple[int, float]]:
        """Return the newest whole seconds and how many requests arrived in each; takes nothing."""
        self.copy()
        return arrivals([read(content, 0.0, alive=True) for content in self._contents()])

    def leave(self, now: float, *, times: bool) -> Interval | None:
        """Stop counting; as the task's last worker, hand on what is not published yet.

        With `times`, return the response times alone, if there are any. They are weighed by
        request, so they may be published at any time; a rate is one sample for each interval, and
        its requests wait for a successor, or end with the task.
        """
        taken = None
        with self._locked(wait=True):
            self.copy()
            if self._slot_fd >= 0:
                # Said, not left to closing: the memory map has a copy of the descriptor.
                fcntl.flock(self._slot_fd, fcntl.LOCK_UN)
            if times and not self._others_live():
                ledger = self._read_ledger()
                readings = list(self._readings(now, how_far_in_times))
                taken = added_up(readings, ledger.generation, now - ledger.at)
        self._detach()
        self._close()
        if taken is None or taken.times is None or not 0 <= taken.seconds <= LONGEST_SPAN:
            return None
        return Interval(0.0, 0, 0, taken.times)

    def abandon(self) -> None:
        """Let go of everything after a fork: it is the parent's, and the parent's locks stay."""
        # Another thread of the parent may have held it at that moment.
        self._copying = threading.Lock()
        shared = (self._memory, self._ledger)
        self._detach()
        # The maps too, for each has a copy of its file's descriptor, and keeps the lock with it.
        for memory in shared:
            if isinstance(memory, mmap.mmap):
                memory.close()
        self._close()

    def _join(self, folder: Path, number: int, now: float) -> None:
        folder.mkdir(mode=_ROOT_MODE, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._ledger_fd = os.open(folder / "ledger", flags, 0o600)
        with self._locked(wait=True):
            is_new = os.fstat(self._ledger_fd).st_size != _LEDGER.size
            os.ftruncate(self._ledger_fd, _LEDGER.size)
            self._ledger = mmap.mmap(self._ledger_fd, _LEDGER.size)
            ledger = self._read_ledger()
            if is_new or not (0 <= now - ledger.at <= LONGEST_SPAN or self._others_live()):
                # The first worker here, or the first in a long time. What others have left is old;
                # the ledger's time may even be from before a restart of the machine.
                for left in folder.glob("*-*"):
                    left.unlink()
                self._write_ledger(_Ledger(ledger.generation + 1, 0, number, now, self._id))
            self._make_slot(folder)

    def _make_slot(self, folder: Path) -> None:
        # Under its final name only once it is locked: until then it would pass for a dead one's.
        name = f"{os.getpid()}-{self._id:x}"
        unlocked = folder / f"{name}.new"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._slot_fd = os.open(unlocked, flags, 0o600)
        os.ftruncate(self._slot_fd, SLOT_SIZE)
        fcntl.flock(self._slot_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._memory = mmap.mmap(self._slot_fd, SLOT_SIZE)
        unlocked.rename(folder / f"{name}.slot")

    def _take(self, ledger: _Ledger, now: float, second: int | None) -> Interval:
        readings = list(self._readings(now, how_far if second is None else how_far_in_seconds))
        before = Kept(
            None if ledger.waiting == _UNKNOWN else ledger.waiting,
            ledger.held,
            ledger.second,
            ledger.left,
        )
        taken, kept = together(readings, ledger.generation, now - ledger.at, before, second)
        self._write_ledger(
            _Ledger(
                ledger.generation + 1,
                ledger.taken + 1,
                ledger.number,
                now,
                self._id,
                _UNKNOWN if kept.waiting is None else kept.waiting,
                kept.held,
                kept.second,
                kept.left,
            )
        )
        return taken

    def _readings(self, now: float, note: Callable[[bytes], bytes]) -> Iterator[Reading]:
        times_only = note is how_far_in_times
        if self._folder is None:
            content = bytes(self._memory)
            read_up_to = note(content)
            self._memory[READ_AT : READ_AT + len(read_up_to)] = read_up_to
            yield read(content, now, alive=True)
            return
        for path in self._folder.glob("*.slot"):
            with _opened(path) as fd:
                alive = not _locks(fd)
                content = consistent(fd)
                if len(content) == SLOT_SIZE:
                    os.pwrite(fd, note(content), READ_AT)
                    yield read(content, now, alive=alive)
                if not alive and not times_only:
                    path.unlink()

    def _contents(self) -> Iterator[bytes]:
        if self._folder is None:
            yield bytes(self._memory)
            return
        for path in self._folder.glob("*.slot"):
            with suppress(FileNotFoundError), _opened(path) as fd:
                content = consistent(fd)
                if len(content) == SLOT_SIZE:
                    yield content

    def _others_live(self) -> bool:
        if self._folder is None:
            return False
        for path in self._folder.glob("*.slot"):
            with _opened(path) as fd:
                if not _locks(fd):
                    return True
        return False

    def _read_ledger(self) -> _Ledger:
        return _Ledger(*_LEDGER.unpack_from(self._ledger))

    def _write_ledger(self, ledger: _Ledger) -> None:
        # At once, for others read it without the lock; see Slot.copy.
        self._ledger[: _LEDGER.size] = _LEDGER.pack(
            ledger.generation,
            ledger.taken,
            ledger.number,
            ledger.at,
            ledger.holder,
            ledger.waiting,
            ledger.held,
            ledger.second,
            ledger.left,
        )

    @contextmanager
    def _locked(self, *, wait: bool) -> Iterator[bool]:
        """Hold the ledger's lock and yield True, or False where it is not free.

        Others hold it for less than a millisecond; who may `wait` does so for 0.5 s at most.

        Raises:
            TimeoutError: it was not free in all that time: its holder has been stopped.
        """
        if self._folder is None:
            yield True
            return
        for _ in range(_LOCK_ATTEMPTS if wait else 1):
            if _locks(self._ledger_fd):
                break
            time.sleep(_LOCK_PAUSE if wait else 0)
        else:
            if wait:
                raise TimeoutError(f"another process holds the lock of {self._folder}")
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._ledger_fd, fcntl.LOCK_UN)

    def _detach(self) -> None:
        """Write into private memory from now on: a thread that goes on copying harms nothing."""
        with self._copying:
            self._memory = bytearray(SLOT_SIZE)
            self._slot = Slot(self._memory, self.recorder)
            self._ledger = bytearray(self._ledger[:])

    def _close(self) -> None:
        for fd in (self._slot_fd, self._ledger_fd):
            if fd >= 0:
                os.close(fd)
        self._slot_fd = self._ledger_fd = -1


def task_folder(root: str | None, key: str) -> Path:
    """Return the folder in which the workers of the task named by `key` meet.

    `root` is where the user wants it; else shared memory, which a container with a read-only root
    file system has too, and then the directory for temporary files.

    Raises:
        OSError: no such directory can be written to, or a folder is not this user's alone.
    """
    if fcntl is None:
        raise OSError("this platform has no fcntl")
    import tempfile  # noqa: PLC0415 - rarely needed

    name = f"quickstep-{os.getuid()}"
    if root is None:
        with suppress(OSError):
            return _private_folder(Path("/dev/shm"), name) / key  # noqa: S108 - a private folder
    return _private_folder(Path(root or tempfile.gettempdir()), name) / key


def _private_folder(place: Path, name: str) -> Path:
    """Make a folder that nobody else can read or write, in a place that may be everybody's."""
    folder = place / name
    folder.mkdir(mode=_ROOT_MODE, exist_ok=True)
    found = folder.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or mode & 0o077:
        raise PermissionError(f"{folder} must be a directory of this user alone")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written to")
    return folder


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


def _locks(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
