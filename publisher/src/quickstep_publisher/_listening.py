"""Count the requests that wait in front of the application, on the ports of its own process."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quickstep_publisher import _sockets

DESCRIPTORS = "/proc/self/fd"
_DESCRIPTORS = 1024


@dataclass(frozen=True)
class Queue:
    """The connections that wait on some ports; `key` identifies these ports."""

    key: int
    waiting: int
    full: bool


class Listening:
    """The ports that this process listens on, alone or with its siblings."""

    def __init__(self) -> None:
        self._addresses: frozenset[_sockets.Address] = frozenset()
        self._key = 0
        self._overflows: int | None = None

    def find(self) -> bool:
        """Look for listening sockets among this process's files; return whether any exist."""
        listening = {each.inode: each.address for each in _sockets.listeners()}
        found = set()
        with suppress(OSError):
            # The lowest descriptors suffice: a server listens before it accepts.
            for path in sorted(Path(DESCRIPTORS).iterdir(), key=_number)[:_DESCRIPTORS]:
                with suppress(OSError, ValueError):
                    target = str(path.readlink())
                    inode = int(target[len("socket:[") : -1]) if target[:8] == "socket:[" else 0
                    if inode in listening:
                        found.add(listening[inode])
        self._addresses = frozenset(found)
        # Workers that share their ports have the same key, so their queue is counted once.
        self._key = zlib.crc32(repr(sorted(found)).encode()) if found else 0
        return bool(found)

    def queue(self) -> Queue | None:
        """Return the queue of connections to accept; None if no listening port is known."""
        if not self._addresses:
            return None
        own = [each for each in _sockets.listeners() if each.address in self._addresses]
        if not own:
            return None
        waiting = sum(each.waiting for each in own)
        full = any(each.full for each in own)
        if waiting and not full and not all(each.limit for each in own):
            before, self._overflows = self._overflows, _sockets.overflows()
            full = None not in (before, self._overflows) and before != self._overflows
        return Queue(self._key, waiting, full)

    def unread(self) -> int | None:
        """Return how many accepted connections have a request that nobody has read, or None."""
        return _sockets.unread(self._addresses)


def _number(path: Path) -> int:
    return int(path.name) if path.name.isdigit() else 0
