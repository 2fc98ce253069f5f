"""Connections that wait to be accepted on the application's own ports, from Linux's /proc.

Its rows are text from the kernel; what does not look as it should is left out. Elsewhere, and where
/proc cannot be read, nothing is known, and nothing is said to wait.
"""

from __future__ import annotations

import _socket
import os
import socket
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
NETSTAT = "/proc/net/netstat"
DESCRIPTORS = "/proc/self/fd"

_LISTEN = b"0A"
_STATE, _QUEUES, _INODE = 3, 4, 9
_CHUNK = 16_384
_CHUNKS = 16
_DESCRIPTORS = 1024
# What TCP_INFO says of a listening socket: eight bytes, four numbers, and then how many connections
# wait to be accepted and how many may.
_TCP_INFO = struct.Struct("@8x16xII")


@dataclass(frozen=True)
class Queue:
    """What waits on the sockets that are listened on; `key` tells which sockets these are."""

    key: int
    waiting: int
    full: bool


def rows(table: bytes) -> tuple[dict[int, int], bool]:
    """Return how many connections wait at each listening socket, by inode, and if those were all.

    The kernel lists listening sockets first, so the first other row ends them.
    """
    waiting: dict[int, int] = {}
    for line in table.split(b"\n"):
        fields = line.split()
        if len(fields) <= _INODE or not fields[0].endswith(b":"):
            continue
        if fields[_STATE] != _LISTEN:
            return waiting, True
        with suppress(ValueError):
            waiting[int(fields[_INODE])] = int(fields[_QUEUES].partition(b":")[2], 16)
    return waiting, False


def overflows(netstat: bytes) -> int | None:
    """Return how often a listen queue of this network namespace was full; None if unknown."""
    lines = [line.split() for line in netstat.split(b"\n") if line.startswith(b"TcpExt:")]
    if len(lines) < 2:  # noqa: PLR2004 - names, and values
        return None
    with suppress(ValueError):
        return int(dict(zip(lines[0], lines[1], strict=False)).get(b"ListenOverflows", b""))
    return None


class Listening:
    """The sockets that this process listens on, with its siblings or alone."""

    def __init__(self) -> None:
        self._limits: dict[int, int] = {}
        self._key = 0
        self._overflows: int | None = None

    def find(self) -> bool:
        """Look for the sockets among this process's files; return whether there are any."""
        waiting = _waiting()
        limits = {}
        with suppress(OSError):
            # The lowest: a server listens before it accepts.
            for path in sorted(Path(DESCRIPTORS).iterdir(), key=_number)[:_DESCRIPTORS]:
                with suppress(OSError, ValueError):
                    target = str(path.readlink())
                    inode = int(target[len("socket:[") : -1]) if target[:8] == "socket:[" else 0
                    if inode in waiting:
                        limits[inode] = _limit(int(path.name))
        self._limits = limits
        # Workers that share their sockets have the same key, and what waits is counted once.
        self._key = zlib.crc32(repr(sorted(limits)).encode()) if limits else 0
        return bool(limits)

    def queue(self) -> Queue | None:
        """Return what waits now; None if this process listens on nothing that is known."""
        if not self._limits:
            return None
        waiting = _waiting()
        own = {inode: waiting[inode] for inode in self._limits if inode in waiting}
        if not own:
            return None
        full = any(waits >= limit > 0 for waits, limit in ((own[i], self._limits[i]) for i in own))
        if any(own.values()) and not full and not all(self._limits.values()):
            before, self._overflows = self._overflows, overflows(_read(NETSTAT))
            full = None not in (before, self._overflows) and before != self._overflows
        return Queue(self._key, sum(own.values()), full)


def _number(path: Path) -> int:
    return int(path.name) if path.name.isdigit() else 0


def _limit(descriptor: int) -> int:
    """Return how many connections may wait at a socket; 0 if that is unknown."""
    copy = os.dup(descriptor)  # closing the copy closes nothing else
    try:
        # Not socket's own class, which gevent replaces by one that changes the socket's mode.
        listening = _socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return 0
    try:
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except (OSError, AttributeError):  # not Linux
        return 0
    finally:
        listening.close()
    return int(_TCP_INFO.unpack(info)[1]) if len(info) == _TCP_INFO.size else 0


def _waiting() -> dict[int, int]:
    found: dict[int, int] = {}
    for table in TABLES:
        found.update(rows(_read(table))[0])
    return found


def _read(path: str) -> bytes:
    """Return a file of /proc as far as listening sockets go; nothing if it is not there."""
    read = b""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - opened 8 times a second
            for _ in range(_CHUNKS):
                chunk = file.read(_CHUNK)
                read += chunk or b""
                if not chunk or (path in TABLES and rows(read)[1]):
                    break
    except OSError:
        return b""
    return read
