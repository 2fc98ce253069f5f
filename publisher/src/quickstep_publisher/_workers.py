"""A task's worker processes: each counts in its own slot, and one publishes for all.

A folder per task holds a `ledger` and a file per worker, its slot:

    worker 1 --copies--> 81-3f9c.slot --.
    worker 2 --copies--> 82-a011.slot ---+--> the holder of the ledger's lock adds up what is new,
    worker 3 --copies--> 83-77d2.slot --'     notes how far it has read, and publishes

- Counters only rise. The publishing worker notes in each slot how far it has read, so each request
  is counted once, whichever worker publishes next.
- A worker holds a lock on its slot while it lives. When it dies, for whatever reason, the kernel
  releases the lock. A slot that can be locked belongs to a dead worker: its last counts are taken,
  and the file is removed. Process ids are not compared.
- The ledger names the interval that was read last. A worker that finds the current one there has
  nothing to do. A worker that died, hangs or sends slowly does not delay another's next interval.
- The last worker to leave hands on what is not published: slot and ledger stay for a successor,
  which a server that recycles its only worker starts at once. So an interval shared by two workers
  is published once, and one at whose end no worker lived is made up.

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
from dataclasses import astuple, dataclass, replace
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

# generation, intervals taken, number of the interval read last, its time (monotonic), its worker,
# how many requests waited then, the demand, the last whole second that was read, and arrivals at
# workers that are gone, which are in no second yet
_LEDGER = struct.Struct("@qqqdqqdqq")
_UNKNOWN = -1

_LOCK_ATTEMPTS = 100
_LOCK_PAUSE = 0.005
_ROOT_MODE = 0o700


@dataclass(frozen=True)
class _Ledger:
    """What the ledger holds; `_LEDGER` packs the fields in this order."""

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
    """A task's workers as one of them sees them; making it joins them.

    Args:
        folder: the task's folder, created if missing; None for a worker that is alone.
        number: the last tick's interval. The next one is the first to be published, unless other
            workers were here before.
        now: the monotonic time.
        recorder: this worker's counters.

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
        # Shared only by this process's own threads, never by a request's.
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
        """Whether this worker published last, and so should publish first again."""
        return self._read_ledger().holder == self._id

    @property
    def number(self) -> int:
        """The interval taken last, by whichever worker."""
        return self._read_ledger().number

    def copy(self, look: Look | None = None, wall: float = 0.0) -> None:
        """Copy the counts into the slot, with a look at how busy the process is.

        `wall` is the time of day in seconds, which separates whole seconds.
        """
        with self._copying:
            self._look = look or self._look
            self._slot.copy(self._read_ledger().generation, self._look, wall or self._wall)
            self._wall = wall or self._wall

    def set_gauges(self, gauges: Mapping[str, Gauge], now: float) -> None:
        """Leave this worker's gauges, read at `now`, for the next publishing worker."""
        with self._copying:
            self._slot.write_gauges(gauges, now)

    def take(self, number: int, now: float, second: int | None = None) -> Interval | None:
        """Return what is new since the last reading, to publish interval `number`.

        None if another worker has taken that interval or is taking it, if a new task has not
        counted long enough for a rate, or if the last reading is too old.

        Intervals that nobody has taken in the meantime are `missed`: the same reading covers them.
        Example: taken at tick 2; the only worker was recycled, and its successor comes 2 s after
        tick 3. It takes 7 s for tick 3, and at tick 4 the 3 s since then. Had it come 4 s after, it
        would have waited for tick 4 and taken 10 s for both, with tick 3 missed.

        With `second`, the last complete second, the reading has whole seconds.
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
        """Return the unread whole seconds up to `second`, before their interval's tick.

        None if another worker is reading.
        """
        self.copy()
        with self._locked(wait=False) as locked:
            return self._take(self._read_ledger(), now, second) if locked else None

    def arrivals(self) -> list[tuple[int, float]]:
        """Return the newest whole seconds and how many requests arrived in each; take nothing."""
        self.copy()
        return arrivals([read(content, 0.0, alive=True) for content in self._contents()])

    def leave(self, now: float, *, times: bool) -> Interval | None:
        """Stop counting; as the task's last worker, hand on what is not published yet.

        With `times`, return only the response times, if any. They are weighted by request, so they
        may be published at any time. A rate is one sample per interval, so its requests wait for a
        successor, or end with the task.
        """
        taken = None
        with self._locked(wait=True):
            self.copy()
            if self._slot_fd >= 0:
                # Explicitly, because the memory map's copy of the descriptor outlives the close.
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
        # Another of the parent's threads may have held it at that moment.
        self._copying = threading.Lock()
        shared = (self._memory, self._ledger)
        self._detach()
        # The maps too: each has a copy of its file's descriptor, which keeps the lock.
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
                # The first worker here, or the first in a long time. Any remains are old, and the
                # ledger's time may even predate a restart of the machine.
                for left in folder.glob("*-*"):
                    left.unlink()
                self._write_ledger(_Ledger(ledger.generation + 1, 0, number, now, self._id))
            self._make_slot(folder)

    def _make_slot(self, folder: Path) -> None:
        # Its final name only once it is locked: before, it would look like a dead worker's.
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
            replace(
                ledger,
                generation=ledger.generation + 1,
                taken=ledger.taken + 1,
                at=now,
                holder=self._id,
                waiting=_UNKNOWN if kept.waiting is None else kept.waiting,
                held=kept.held,
                second=kept.second,
                left=kept.left,
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
        # In one assignment, because others read it without the lock; see Slot.copy.
        self._ledger[: _LEDGER.size] = _LEDGER.pack(*astuple(ledger))

    @contextmanager
    def _locked(self, *, wait: bool) -> Iterator[bool]:
        """Hold the ledger's lock and yield True, or yield False if it is taken.

        Others hold it for less than a millisecond. With `wait`, wait for it for 0.5 s at most.

        Raises:
            TimeoutError: it was never free in that time, so its holder has been stopped.
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
        """Write into private memory from now on: a thread that still copies does no harm."""
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

    `root` is the user's choice. By default it is shared memory, which even a container with a
    read-only root file system has, and then the directory for temporary files.

    Raises:
        OSError: no such directory is writable, or a folder is not this user's alone.
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
    """Make a folder that nobody else can read or write, in a place that others may share."""
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
