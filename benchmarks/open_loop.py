"""Open-loop load: requests arrive on time, whether or not earlier ones have been answered.

Also closed-loop load, which shows how much a server takes.
"""

from __future__ import annotations

import math
import selectors
import socket
import statistics
import sys
import time
from dataclasses import dataclass

ROOT = "abcdef012345678912345678"


@dataclass(frozen=True, slots=True)
class Answered:
    """A load's result: requests per second sent and answered, and the median in seconds."""

    sent: float
    answered: float
    median: float | None


@dataclass(slots=True)
class _Request:
    began: float
    answered: bool = False


def capacity(port: int, seconds: float, clients: int = 16) -> float:
    """Return how many requests per second are answered to clients that wait for each answer."""
    return offer(port, math.inf, seconds, most=clients).answered


def offer(
    port: int, rate: float, seconds: float, *, traced: bool = True, most: float = math.inf
) -> Answered:
    """Send `rate` requests per second for a while, each on its own connection.

    At most `most` run at once.

    With `traced`, they carry X-Amzn-Trace-Id as a load balancer writes it, with the whole second in
    which it received the request.
    """
    times: list[float] = []
    sent = 0
    with selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            while sent < rate * passed and len(selector.get_map()) < most:
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                selector.register(client, selectors.EVENT_WRITE, _Request(time.perf_counter()))
                sent += 1
            for key, events in selector.select(0.002):
                _go_on(selector, key, events, times, traced=traced)
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    median = statistics.median(times) if times else None
    return Answered(sent / seconds, len(times) / seconds, median)


def _go_on(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    events: int,
    times: list[float],
    *,
    traced: bool,
) -> None:
    client, request = key.fileobj, key.data
    assert isinstance(client, socket.socket)  # noqa: S101 - what was registered
    try:
        if events & selectors.EVENT_WRITE:
            waited = time.perf_counter() - request.began
            trace = f"X-Amzn-Trace-Id: Root=1-{int(time.time() - waited):08x}-{ROOT}\r\n"
            head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            client.send(f"{head}{trace if traced else ''}\r\n".encode())
            selector.modify(client, selectors.EVENT_READ, request)
        elif not client.recv(65536):
            selector.unregister(client)
            client.close()
        elif not request.answered:
            request.answered = True
            times.append(time.perf_counter() - request.began)
    except OSError:
        selector.unregister(client)
        client.close()


def surge(port: int, at_rest: float, rate: float, at: float, seconds: float) -> None:
    """Offer one rate until a time of day, in seconds since the epoch, and another after it."""
    offer(port, at_rest, at - time.time())
    offer(port, rate, seconds)


if __name__ == "__main__":
    surge(int(sys.argv[1]), *map(float, sys.argv[2:]))
