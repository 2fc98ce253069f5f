"""What waits before the application: as the kernel tells it of sockets of this process."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_publisher import _sockets
from quickstep_publisher._listening import Listening
from quickstep_publisher._sockets import Address, Listener, counted_overflows, rows, unread
from tests.publisher.fakes import forked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")

TABLE = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:0000005F 00:00000000 00000000     0        0 1673 1 00
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1674 1 00
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000007 00:00000000 00000000     0        0 1675 1 00
   3: 0100007F:1F92 00000000:0000 0A 00000000:00000009 00:00000000 00000000     0        0 1676 1 00
"""
LISTENING = [
    Listener(1673, Address(socket.AF_INET, 0x1F90), 95),
    Listener(1674, Address(socket.AF_INET, 0x1F91), 0),
]


def test_rows_of_listening_sockets_end_with_the_first_other_one() -> None:
    assert rows(TABLE) == (LISTENING, True)
    assert rows(TABLE[: TABLE.index(b"   2:")]) == (LISTENING, False)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b"   0: 00000000:1F90 00000000:0000 0A", id="cut off"),
        pytest.param(TABLE.split(b"\n")[1].replace(b"0000005F", b"many"), id="no number"),
        pytest.param(TABLE.split(b"\n")[1].replace(b"1673", b"x"), id="no inode"),
        pytest.param(TABLE.split(b"\n")[1].replace(b":1F90", b":port"), id="no port"),
        pytest.param(b"\xff\x00 : : :", id="no text"),
    ],
)
def test_a_row_that_is_none_is_left_out(row: bytes) -> None:
    assert rows(row) == ([], False)


@given(st.binary())
def test_whatever_the_kernel_answers_reading_it_ends_well(content: bytes) -> None:
    rows(content)
    counted_overflows(content)
    for state, *_ in _sockets.Answer(content).sockets():
        assert 0 <= state < 256


def test_an_error_of_the_kernel_is_one() -> None:
    with pytest.raises(OSError, match=r"^the kernel does not tell$"):
        list(_sockets.Answer(_sockets.HEADER.pack(36, 2, 0, 1, 0) + bytes(20)).sockets())


def test_overflows_are_found_by_their_name() -> None:
    table = (
        b"TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 42 43\nIpExt: A\nIpExt: 1\n"
    )

    assert counted_overflows(table) == 42
    assert counted_overflows(table.replace(b"ListenOverflows", b"Other")) is None
    assert counted_overflows(b"") is None


@pytest.fixture(
    params=[
        pytest.param((socket.AF_INET, "127.0.0.1"), id="IPv4"),
        pytest.param((socket.AF_INET6, "::"), id="IPv6, for both"),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, host = request.param
    both = family == socket.AF_INET6
    with socket.create_server(
        (host, 0), family=family, backlog=4, dualstack_ipv6=both
    ) as listening:
        yield listening


def connected(server: socket.socket, number: int) -> list[socket.socket]:
    clients = []
    for _ in range(number):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", server.getsockname()[1]))
        clients.append(client)
    return clients


@pytest.fixture(
    params=[
        pytest.param(True, id="the kernel's diagnostics"),
        pytest.param(False, id="/proc alone"),
    ]
)
def diagnosed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(_sockets, "_NETLINK", 255)  # no address family at all
    return bool(request.param)


@linux
def test_connections_that_nobody_has_accepted_wait_and_a_full_queue_is_full(
    server: socket.socket, *, diagnosed: bool
) -> None:
    listening = Listening()
    assert listening.find()
    idle = listening.queue()
    few = connected(server, 3)
    waits = listening.queue()
    if not diagnosed:
        few += connected(server, 2)  # a first count of overflows says nothing of those since
        listening.queue()
    many = connected(server, 9)
    full = listening.queue()
    for client in few + many:
        client.close()

    assert idle is not None
    assert waits is not None
    assert full is not None
    assert (idle.waiting, idle.full) == (0, False)
    assert (waits.waiting, waits.full) == (3, False)
    assert full.full
    assert idle.key == waits.key != 0


@linux
def test_accepted_connections_wait_as_long_as_what_they_sent_is_unread(
    server: socket.socket,
) -> None:
    listening = Listening()
    assert listening.find()
    clients = connected(server, 3)
    accepted = [server.accept()[0] for _ in clients]
    silent = listening.unread()
    for client in clients[:2]:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    clients[1].close()  # who has gone away is served all the same
    waits = listening.unread()
    for connection in accepted[:2]:
        connection.recv(100)
    all_read = listening.unread()
    for each in accepted + clients:
        each.close()

    assert (silent, waits, all_read) == (0, 2, 0)


@linux
def test_other_ports_do_not_count(server: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        (client,) = connected(other, 1)
        accepted, _ = other.accept()
        client.sendall(b"hello")
        port = server.getsockname()[1]

        assert unread(frozenset({Address(socket.AF_INET, port)})) == 0
        assert unread(frozenset({Address(socket.AF_INET, other.getsockname()[1])})) == 1

        accepted.close()
        client.close()


@linux
def test_workers_that_share_a_port_see_the_same_queue_and_say_so(
    server: socket.socket, tmp_path: Path
) -> None:
    mine = Listening()
    mine.find()

    def look() -> None:
        childs = Listening()
        childs.find()
        queue = childs.queue()
        (tmp_path / "key").write_text(str(queue and queue.key), encoding="ascii")

    forked(look)
    queue = mine.queue()

    assert server.fileno() >= 0
    assert queue is not None
    assert (tmp_path / "key").read_text(encoding="ascii") == str(queue.key)


def test_where_the_kernel_tells_nothing_nothing_is_known(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sockets, "_NETLINK", 255)
    monkeypatch.setattr(_sockets, "TABLES", {socket.AF_INET: "/nowhere/tcp"})
    listening = Listening()

    assert server.fileno() >= 0
    assert not listening.find()
    assert listening.queue() is None


@linux
def test_looking_for_sockets_leaves_them_as_they_are(server: socket.socket) -> None:
    before = (os.get_blocking(server.fileno()), server.getsockname())

    for _ in range(50):
        Listening().find()

    assert (os.get_blocking(server.fileno()), server.getsockname()) == before
    assert len(os.listdir("/proc/self/fd")) < 200, "descriptors leak"  # noqa: PTH208
