"""What waits to be accepted: read from the kernel's tables, and from sockets of this process."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_publisher import _listening
from quickstep_publisher._listening import Listening, overflows, rows
from tests.publisher.fakes import forked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

TABLE = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:0000005F 00:00000000 00000000     0        0 1673 1 00
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1674 1 00
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000007 00:00000000 00000000     0        0 1675 1 00
   3: 0100007F:1F92 00000000:0000 0A 00000000:00000009 00:00000000 00000000     0        0 1676 1 00
"""


def test_rows_of_listening_sockets_end_with_the_first_other_one() -> None:
    assert rows(TABLE) == ({1673: 95, 1674: 0}, True)
    assert rows(TABLE[: TABLE.index(b"   2:")]) == ({1673: 95, 1674: 0}, False)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b"   0: 00000000:1F90 00000000:0000 0A", id="cut off"),
        pytest.param(TABLE.split(b"\n")[1].replace(b"0000005F", b"many"), id="no number"),
        pytest.param(TABLE.split(b"\n")[1].replace(b"1673", b"x"), id="no inode"),
        pytest.param(b"\xff\x00 : : :", id="no text"),
    ],
)
def test_a_row_that_is_none_is_left_out(row: bytes) -> None:
    assert rows(row) == ({}, False)


@given(st.binary())
def test_whatever_a_table_holds_reading_it_ends_well(table: bytes) -> None:
    rows(table)
    overflows(table)


def test_overflows_are_found_by_their_name() -> None:
    table = (
        b"TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 42 43\nIpExt: A\nIpExt: 1\n"
    )

    assert overflows(table) == 42
    assert overflows(table.replace(b"ListenOverflows", b"Other")) is None
    assert overflows(b"") is None


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=4) as listening:
        yield listening


def connected(server: socket.socket, number: int) -> list[socket.socket]:
    clients = []
    for _ in range(number):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(server.getsockname())
        clients.append(client)
    return clients


@linux
def test_connections_that_nobody_has_accepted_wait_and_a_full_queue_is_full(
    server: socket.socket,
) -> None:
    listening = Listening()
    assert listening.find()
    idle = listening.queue()
    few = connected(server, 3)
    waits = listening.queue()
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
def test_workers_that_share_a_socket_see_the_same_queue_and_say_so(
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


def test_where_proc_cannot_be_read_nothing_is_known(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_listening, "TABLES", ("/nowhere/tcp",))
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
