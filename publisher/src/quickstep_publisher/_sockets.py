"""Read Linux's TCP sockets: those that listen, and those with unread data.

The source is the kernel's socket diagnostics (sock_diag), which need no permission inside a
container's own network, or else /proc, which knows less. Malformed kernel data is skipped. On other
systems nothing is known.
"""

from __future__ import annotations

import _socket  # not socket's own class, which gevent replaces
import errno
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = {socket.AF_INET: "/proc/net/tcp", socket.AF_INET6: "/proc/net/tcp6"}
NETSTAT = "/proc/net/netstat"

_ESTABLISHED, _CLOSE_WAIT, _LISTEN = 1, 8, 10
_TIMEOUT = 0.5
_NETLINK, _SOCK_DIAG, _BY_FAMILY = 16, 4, 20  # linux/netlink.h, linux/sock_diag.h
_DUMP = 0x301
_ERROR, _DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBxI48x")  # inet_diag_req_v2: family, protocol, extensions, states, -
# inet_diag_msg: family, state, -, source port, the rest of the id; then expires, receive queue,
# send queue, uid and inode
_SOCKET = struct.Struct("!BB2xH46x")
_QUEUES = struct.Struct("=4xII4xI")
_SHORTEST = HEADER.size + _SOCKET.size + _QUEUES.size
_MESSAGE = 65_536
_MESSAGES = 4_096
_CHUNK, _CHUNKS = 16_384, 16


class Address(NamedTuple):
    """Where a socket listens; the host does not matter, because a task has only one."""

    family: int
    port: int


@dataclass(frozen=True)
class Listener:
    """A listening socket: how many connections wait to be accepted, and may; 0 if unknown."""

    inode: int
    address: Address
    waiting: int
    limit: int = 0

    @property
    def full(self) -> bool:
        """Whether no more connections can wait."""
        return self.waiting >= self.limit > 0


def listeners() -> list[Listener]:
    """Return this network namespace's listening sockets."""
    try:
        return [
            Listener(inode, Address(family, port), waiting, limit)
            for family in TABLES
            for _, port, waiting, limit, inode in _diagnosed(family, 1 << _LISTEN)
        ]
    except OSError:
        found = []
        for family, table in TABLES.items():
            found += rows(_read(table), family)[0]
        return found


def unread(addresses: frozenset[Address]) -> int | None:
    """Return how many accepted connections have sent data that nobody has read.

    These are requests that a server has accepted but not begun: their connection waits in the
    server's own list or for its event loop. None if unknown, for example if the kernel is too busy
    to respond.
    """
    found = 0
    states = 1 << _ESTABLISHED | 1 << _CLOSE_WAIT
    try:
        for family in {address.family for address in addresses}:
            ports = {address.port for address in addresses if address.family == family}
            # A socket without an inode is not accepted yet, and counts in the listening socket.
            found += sum(
                1
                for _, port, received, _, inode in _diagnosed(family, states)
                if received and inode and port in ports
            )
    except OSError:
        return None
    return found


def _diagnosed(family: int, states: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield state, own port, receive queue, send queue and inode of the sockets in `states`.

    A listening socket's queues are the connections that wait to be accepted, and how many may.

    Raises:
        OSError: the kernel does not provide them here.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError(errno.EAFNOSUPPORT, "no netlink")
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, states)
    header = HEADER.pack(HEADER.size + len(request), _BY_FAMILY, _DUMP, 1, 0)
    asked = _socket.socket(_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    try:
        asked.settimeout(_TIMEOUT)
        asked.sendall(header + request)
        for _ in range(_MESSAGES):
            answer = Answer(asked.recv(_MESSAGE))
            yield from answer.sockets()
            if answer.is_last:
                return
    finally:
        asked.close()


class Answer:
    """A part of the kernel's response: one message per socket, and a final one at the very end.

    `is_last` is valid only after iterating over `sockets`.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.is_last = not content

    def sockets(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield the same as `_diagnosed`.

        Raises:
            OSError: the kernel reports an error.
        """
        at = 0
        while at + HEADER.size <= len(self._content):
            length, kind, *_ = HEADER.unpack_from(self._content, at)
            start, at = at + HEADER.size, at + (max(length, HEADER.size) + 3 & ~3)
            if kind == _ERROR:
                raise OSError("the kernel does not tell")
            if kind == _DONE:
                self.is_last = True
                return
            if length < _SHORTEST or start - HEADER.size + _SHORTEST > len(self._content):
                continue
            _, state, port = _SOCKET.unpack_from(self._content, start)
            yield state, port, *_QUEUES.unpack_from(self._content, start + _SOCKET.size)


def rows(table: bytes, family: int = socket.AF_INET) -> tuple[list[Listener], bool]:
    """Return the listening sockets in one of /proc's tables, and whether the list is complete.

    The kernel lists them first, so the first other row ends them.
    """
    found: list[Listener] = []
    for line in table.split(b"\n"):
        fields = line.split()
        if len(fields) < 10 or not fields[0].endswith(b":"):  # noqa: PLR2004 - up to the inode
            continue
        _, local, _, state, queues, _, _, _, _, inode, *_ = fields
        if state != b"0A":
            return found, True
        with suppress(ValueError):
            address = Address(family, int(local.rpartition(b":")[2], 16))
            found.append(Listener(int(inode), address, int(queues.partition(b":")[2], 16)))
    return found, False


def overflows() -> int | None:
    """Return how often a listen queue in this network namespace was full; None if unknown."""
    return counted_overflows(_read(NETSTAT))


def counted_overflows(netstat: bytes) -> int | None:
    """Return the same from /proc/net/netstat's content."""
    lines = [line.split() for line in netstat.split(b"\n") if line.startswith(b"TcpExt:")]
    if len(lines) < 2:  # noqa: PLR2004 - names, and values
        return None
    with suppress(ValueError):
        return int(dict(zip(lines[0], lines[1], strict=False)).get(b"ListenOverflows", b""))
    return None


def _read(path: str) -> bytes:
    """Return a /proc file, up to the end of its listening sockets; nothing if it is missing."""
    read = b""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - opened several times a second
            for _ in range(_CHUNKS):
                chunk = file.read(_CHUNK)
                read += chunk or b""
                if not chunk or (path in TABLES.values() and rows(read)[1]):
                    break
    except OSError:
        return b""
    return read
