"""What the publisher costs an application.

python -m benchmarks publisher
python -m benchmarks.publisher --starts 7
"""

from __future__ import annotations

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
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from quickstep_publisher import AsgiMiddleware, Publisher, WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = 8
UVICORN = (
    *("uvicorn", "--loop=uvloop", "--http=httptools", "--log-level=critical", "--no-access-log"),
    *("--port={port}", "--factory"),
)
GUNICORN = ("gunicorn", "--log-level=critical", "--threads=4", "--bind=127.0.0.1:{port}")


class Served(NamedTuple):
    """A server, and the application of benchmarks/counted.py that it serves."""

    command: tuple[str, ...]
    app: str


APPS = {
    "Starlette, uvicorn with uvloop": Served(UVICORN, "starlette"),
    "FastAPI, uvicorn with uvloop": Served(UVICORN, "fastapi"),
    "Django, uvicorn with uvloop": Served(UVICORN, "django_asgi"),
    "Flask, gunicorn (4 threads)": Served(GUNICORN, "flask"),
    "Django, gunicorn (4 threads)": Served(GUNICORN, "django_wsgi"),
}
KINDS = {
    "quickstep": "requests",
    "plain": "again without, as a control",
    "prometheus": "with prometheus_client instead",
    "opentelemetry": "with OpenTelemetry instead",
}
PROMISED = {
    "publisher.observe(seconds)": Goal(at_most=2),
    "WSGI middleware": Goal(at_most=2),
    "ASGI middleware": Goal(at_most=2),
}
"""µs of CPU."""
BODY = b"hello"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Side:
    """One of the two servers to compare."""

    port: int
    process: subprocess.Popen[bytes]
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@contextmanager
def serving(served: str, kind: str) -> Iterator[Side]:
    """Run a server with one worker; its points are made and written, but go nowhere."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in APPS[served].command]
    target = "benchmarks.counted:app" + ("" if "--factory" in command else "()")
    environment = {
        **os.environ,
        "QUICKSTEP_CLUSTER": "prod",
        "QUICKSTEP_SERVICE": "web",
        "QUICKSTEP_TRANSPORT": "emf",
        "BENCHMARK_APP": APPS[served].app,
        "BENCHMARK_KIND": kind,
        "PYTHONHASHSEED": "0",
    }
    arguments = [sys.executable, "-m", *command, target]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - this interpreter, constant arguments
        try:
            yield Side(port, process)
        finally:
            process.terminate()


def load(side: Side, seconds: float) -> None:
    """Send requests on CLIENTS connections for a while; record rate and the server's CPU.

    One thread with bare sockets, so that the server limits the rate.
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
    """Return the CPU seconds used by a process, its threads and its children."""
    seconds, pids = 0.0, [pid]
    while pids:
        for thread in Path(f"/proc/{pids.pop()}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                nanoseconds = (thread / "schedstat").read_text(encoding="ascii").split()[0]
                seconds += int(nanoseconds) / 1e9
                pids += map(int, (thread / "children").read_text(encoding="ascii").split())
    return seconds


def wait_for(side: Side) -> None:
    """Wait until a server answers: it listens before its application is loaded."""
    for _ in range(300):
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", side.port), timeout=30) as connection,
        ):
            connection.sendall(REQUEST)
            received = b""
            while not received.endswith(BODY):
                more = connection.recv(65536)
                if not more:
                    raise SystemExit(f"The server answered {received[:200]!r}.")
                received += more
            return
        time.sleep(0.05)
    raise SystemExit("The server did not start.")


def servers(starts: int, turns: int, seconds: float) -> Iterator[Figure]:
    """Compare a server with the publisher to one without, and two without to each other.

    Two processes of the same program differ in speed by a few percent, depending on their memory
    layout. So the servers are restarted several times, and the second comparison, whose true value
    is 1, shows how far the first can be trusted.
    """
    for served in APPS:
        starts_of = [compared(served, turns, seconds) for _ in range(starts)]
        rates = [[side.rates for side in sides] for sides in starts_of]
        cpu = [[[each * 1e6 for each in side.cpu] for side in sides] for sides in starts_of]
        for which, (kind, what) in enumerate(KINDS.items(), start=1):
            goal = Goal(at_least=0.97) if kind == "quickstep" else None
            yield _figure(f"{served}: {what}", rates, which, "/s", goal)
        yield _figure(f"{served}: CPU of a request", cpu, 1, "µs")


def _figure(
    what: str, starts: list[list[list[float]]], which: int, unit: str, goal: Goal | None = None
) -> Figure:
    """Compare one server to the first; for each start, the values of both servers' turns."""
    first, chosen = (
        statistics.median(value for sides in starts for value in sides[index])
        for index in (0, which)
    )
    paired = statistics.median(median_ratio(sides[which], sides[0]) for sides in starts)
    beside = Beside("without", Quantity(first, unit))
    return Figure(what, Quantity(chosen, unit), beside, goal, paired)


def compared(served: str, turns: int, seconds: float) -> list[Side]:
    """Start a server without, and one for each of KINDS; load them in turns."""
    with ExitStack() as stack:
        sides = [stack.enter_context(serving(served, kind)) for kind in ("plain", *KINDS)]
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


def calls(rounds: int) -> Iterator[Figure]:
    """Measure single calls; the loop itself is measured separately and subtracted."""
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
            micros = Quantity(statistics.median(differences) * 1e6, "µs")
            yield Figure(f"{name}: CPU of a call", micros, goal=PROMISED.get(name))
        publisher.close()


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


def figures(
    starts: int = 2, turns: int = 12, seconds: float = 0.25, rounds: int = 5
) -> Iterator[Figure]:
    """Yield what single calls cost, then what a server loses."""
    yield from calls(rounds)
    yield from servers(starts, turns, seconds)


BENCHMARK = Benchmark(
    "publisher",
    "The publisher, in an application",
    "Requests per second of a trivial application behind its real server on loopback, with and"
    " without the publisher. All servers run at once and are loaded in turns; the ratio is the"
    " median over the turns. A second server without the publisher is the control: its true ratio"
    " is 1. prometheus_client (a histogram and a counter with two labels) and OpenTelemetry's own"
    " middleware (metrics, no tracer) run alongside. The CPU of one call, in a loop, is the"
    " publisher's alone.",
    figures,
)


def main(
    starts: Annotated[int, typer.Option(min=1, help="Starts of the servers.")] = 7,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each after a start.")] = 20,
    seconds: Annotated[float, typer.Option(help="Length of a turn.")] = 0.25,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each call.")] = 15,
) -> None:
    """Measure for longer than the suite does, and print the table."""
    Console(width=160).print(as_table(BENCHMARK.title, figures(starts, turns, seconds, rounds)))


if __name__ == "__main__":
    typer.run(main)
