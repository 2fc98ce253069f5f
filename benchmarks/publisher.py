"""What the publisher costs an application: `python -m benchmarks.publisher`.

Three figures, each with and without the publisher interleaved in the same run:

- requests per second of a trivial application behind its real server on loopback, as a client sees
  it. The servers run at the same time, and are loaded in short turns that alternate: what else the
  machine does hits all of them. The figure is the median of the turns' ratios.
- CPU that the server's process spends on a request: the same turns, without the client's share.
- CPU of one call in a loop, without a server: `observe`, `request`, and the middlewares around
  applications that do nothing, which is as harsh as it gets.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from quickstep_publisher import AsgiMiddleware, Publisher, WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = 8
SERVERS = {
    "Starlette, uvicorn": ["uvicorn", "--log-level=critical", "--no-access-log", "--port={port}"],
    "Flask, gunicorn (4 threads)": [
        *("gunicorn", "--log-level=critical", "--threads=4", "--bind=127.0.0.1:{port}"),
    ],
}
APPS = {"Starlette, uvicorn": "starlette", "Flask, gunicorn (4 threads)": "flask"}
BODY = b"hello"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def plain_starlette() -> Any:
    """Return a Starlette application of one route."""
    from starlette.applications import Starlette  # noqa: PLC0415 - only in the server's process
    from starlette.responses import PlainTextResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def hello(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/", hello)])


def plain_flask() -> Any:
    """Return a Flask application of one route."""
    from flask import Flask  # noqa: PLC0415 - only in the server's process

    app = Flask("benchmark")
    app.add_url_rule("/", view_func=lambda: "hello")
    return app


def with_publisher_starlette() -> Any:
    """Return the same with the middleware."""
    app = plain_starlette()
    app.add_middleware(AsgiMiddleware)
    return app


def with_publisher_flask() -> Any:
    """Return the same with the middleware."""
    app = plain_flask()
    app.wsgi_app = WsgiMiddleware(app.wsgi_app)
    return app


@dataclass
class Side:
    """One of the two servers that are compared."""

    port: int
    process: subprocess.Popen[bytes]
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@contextmanager
def serving(server: str, app: str) -> Iterator[Side]:
    """Run a server with one worker; its points go nowhere, but are made and written."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in SERVERS[server]]
    factory = "--factory" if command[0] == "uvicorn" else ""
    target = f"benchmarks.publisher:{app}" + ("" if factory else "()")
    environment = {
        **os.environ,
        "QUICKSTEP_CLUSTER": "prod",
        "QUICKSTEP_SERVICE": "web",
        "QUICKSTEP_TRANSPORT": "emf",
        "PYTHONHASHSEED": "0",
    }
    arguments = [sys.executable, "-m", *command, *filter(None, [factory]), target]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - this interpreter, constant arguments
        try:
            yield Side(port, process)
        finally:
            process.terminate()


def load(side: Side, seconds: float) -> None:
    """Send requests on CLIENTS connections for a while; note rate and the server's CPU.

    One thread and bare sockets, so that the server is what limits the rate.
    """
    before, began = cpu_of(side.process.pid), time.perf_counter()
    answered = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(CLIENTS):
            connection = socket.create_connection(("127.0.0.1", side.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(REQUEST)
            selector.register(connection, selectors.EVENT_READ)
        while (took := time.perf_counter() - began) < seconds:
            for key, _ in selector.select(1):
                received = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not received:
                    raise SystemExit("The server closed a connection.")
                if received.endswith(BODY):
                    answered += 1
                    key.fileobj.sendall(REQUEST)  # type: ignore[union-attr]
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    side.rates.append(answered / took)
    side.cpu.append((cpu_of(side.process.pid) - before) / answered)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process, its threads and its children have used."""
    seconds, pids = 0.0, [pid]
    while pids:
        for thread in Path(f"/proc/{pids.pop()}/task").iterdir():
            nanoseconds = (thread / "schedstat").read_text(encoding="ascii").split()[0]
            seconds += int(nanoseconds) / 1e9
            pids += map(int, (thread / "children").read_text(encoding="ascii").split())
    return seconds


def wait_for(side: Side) -> None:
    """Wait until a server answers: it listens before its application is there."""
    for _ in range(300):
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", side.port), timeout=30) as connection,
        ):
            connection.sendall(REQUEST)
            received = b""
            while not received.endswith(BODY):
                received += connection.recv(65536)
            return
        time.sleep(0.05)
    raise SystemExit("The server did not start.")


def servers(starts: int, turns: int, seconds: float, console: Console) -> None:
    """Compare a server with the publisher to one without, and one without to another without.

    Two processes of the same program differ by some percent in speed, by how their memory happens
    to lie. So the servers are started anew several times, and the second comparison, whose true
    value is 100 %, says how far the first can be trusted.
    """
    title = f"Behind a real server: medians of {starts} starts of {turns} turns of {seconds:g} s"
    table = Table(title=title)
    for heading in ("", "requests/s", "with / without", "without / without", "CPU with / without"):
        table.add_column(heading, justify="left" if not heading else "right")
    for server, app in APPS.items():
        rates: list[float] = []
        ratios: list[float] = []
        control: list[float] = []
        cpu: list[float] = []
        for _ in range(starts):
            plain, published, another = compared(server, app, turns, seconds)
            rates += plain.rates
            ratios.append(median_ratio(published.rates, plain.rates))
            control.append(median_ratio(another.rates, plain.rates))
            cpu.append(median_ratio(published.cpu, plain.cpu))
        values = (f"{statistics.median(each):.1%}" for each in (ratios, control, cpu))
        table.add_row(server, f"{statistics.median(rates):,.0f}", *values)
    console.print(table)


def compared(server: str, app: str, turns: int, seconds: float) -> list[Side]:
    """Start three servers, without, with and without the publisher; load them in turns."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(serving(server, f"{kind}_{app}"))
            for kind in ("plain", "with_publisher", "plain")
        ]
        for side in sides:
            wait_for(side)
            load(side, 0.5)  # whatever happens only once
            side.rates.clear()
            side.cpu.clear()
        for turn in range(turns):
            for side in sides if turn % 2 else reversed(sides):
                load(side, seconds)
        return sides


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the turns' ratios: neighbours saw the same machine."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def calls(rounds: int, console: Console) -> None:
    """Measure single calls; the loop itself is measured beside and subtracted."""
    table = Table(title=f"One call, CPU: medians of {rounds} rounds, the empty loop subtracted")
    table.add_column("")
    table.add_column("µs", justify="right")
    with tempfile.TemporaryDirectory() as folder:
        publisher = Publisher(
            cluster="prod", service="web", transport="emf", stream=io.StringIO(), directory=folder
        )
        publisher.observe(0.01)  # has joined, and its thread runs
        for name, (without, published, number) in _loops(publisher).items():
            differences = []
            for _ in range(rounds):
                beside = _cpu(without, number)
                differences.append((_cpu(published, number) - beside) / number)
            table.add_row(name, f"{statistics.median(differences) * 1e6:.2f}")
        publisher.close()
    console.print(table)


Loop = tuple["Callable[[int], None]", "Callable[[int], None]", int]


def _loops(publisher: Publisher) -> dict[str, Loop]:
    def wsgi(_environ: Any, _start: Any) -> list[bytes]:
        return [BODY]

    return {
        "publisher.observe(seconds)": (_empty, _observing(publisher), 200_000),
        "with publisher.request()": (_empty, _requesting(publisher), 100_000),
        "WSGI middleware": (_wsgi(wsgi), _wsgi(WsgiMiddleware(wsgi, publisher)), 50_000),
        "ASGI middleware": (_asgi(_hello), _asgi(AsgiMiddleware(_hello, publisher)), 50_000),
    }


def _empty(number: int) -> None:
    for _ in range(number):
        pass


def _observing(publisher: Publisher) -> Callable[[int], None]:
    def run(number: int) -> None:
        observe = publisher.observe
        for _ in range(number):
            observe(0.025)

    return run


def _requesting(publisher: Publisher) -> Callable[[int], None]:
    def run(number: int) -> None:
        for _ in range(number):
            with publisher.request():
                pass

    return run


def _wsgi(app: Any) -> Callable[[int], None]:
    def run(number: int) -> None:
        for _ in range(number):
            body = app({}, None)
            for _chunk in body:
                pass
            if hasattr(body, "close"):
                body.close()

    return run


def _asgi(app: Any) -> Callable[[int], None]:
    async def call(number: int) -> None:
        scope = {"type": "http"}
        for _ in range(number):
            await app(scope, _receive, _send)

    return lambda number: asyncio.run(call(number))


async def _hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY})


async def _receive() -> dict[str, Any]:
    return {"type": "http.request"}


async def _send(_message: Any) -> None:
    pass


def _cpu(loop: Callable[[int], None], number: int) -> float:
    began = time.process_time()
    loop(number)
    return time.process_time() - began


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="What the publisher costs an application.")
    parser.add_argument("--starts", type=int, default=7, help="starts of the servers")
    parser.add_argument("--turns", type=int, default=20, help="turns of each server after a start")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each call")
    arguments = parser.parse_args()
    console = Console()
    calls(arguments.rounds, console)
    servers(arguments.starts, arguments.turns, arguments.seconds, console)


if __name__ == "__main__":
    main()
