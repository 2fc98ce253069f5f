"""What a task publishes below, at and beyond its capacity, behind real servers.

python -m benchmarks.overload
python -m benchmarks.overload --only gunicorn-sync --only uvicorn --seconds 30

Open loop: each request comes at its time, on a connection of its own, with the header that a load
balancer writes. Servers that are not installed are left out, and said.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.open_loop import Answered, offer
from quickstep_publisher import AsgiMiddleware, WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITS, WORKS = 0.020, 0.002
SETTLED = 5.0
"""Seconds after which a point counts."""


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started, what it needs, and about how many requests a second it takes."""

    command: tuple[str, ...]
    needs: tuple[str, ...]
    capacity: float


GUNICORN = ("gunicorn", "--log-level=critical", "--no-control-socket", "--bind=127.0.0.1:{port}")
UVICORN = ("uvicorn", "--log-level=critical", "--no-access-log", "--port={port}")
WSGI, ASGI = "benchmarks.overload:wsgi", "benchmarks.overload:asgi"
SERVERS = {
    "gunicorn sync": Server((*GUNICORN, WSGI), ("gunicorn",), 45),
    "gunicorn, 2 threads": Server((*GUNICORN, "--threads=2", WSGI), ("gunicorn",), 90),
    "gunicorn gevent": Server((*GUNICORN, "-kgevent", WSGI), ("gunicorn", "gevent"), 300),
    "uvicorn asyncio": Server((*UVICORN, "--loop=asyncio", ASGI), ("uvicorn",), 200),
    "uvicorn uvloop": Server(
        (*UVICORN, "--loop=uvloop", "--http=httptools", ASGI), ("uvloop", "httptools"), 250
    ),
    "waitress, 2 threads": Server(
        ("waitress", "--listen=127.0.0.1:{port}", "--threads=2", WSGI), ("waitress",), 90
    ),
    "hypercorn": Server(("hypercorn", "-b127.0.0.1:{port}", ASGI), ("hypercorn",), 200),
    "granian": Server(
        ("granian", "--interface=asgi", "--port={port}", "--no-access-log", ASGI), ("granian",), 250
    ),
}


def _wait(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    time.sleep(WAITS)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def _wait_and_work(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while not (await receive())["type"].endswith("shutdown"):
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(WAITS)
    end = time.perf_counter() + WORKS
    while time.perf_counter() < end:
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


wsgi = WsgiMiddleware(_wait)
asgi = AsgiMiddleware(_wait_and_work)


@contextmanager
def serving(server: Server) -> Iterator[tuple[int, Path]]:
    """Run a server; yield its port, and the file with the lines that it publishes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        environment = {
            **os.environ,
            "QUICKSTEP_CLUSTER": "prod",
            "QUICKSTEP_SERVICE": "web",
            "QUICKSTEP_TRANSPORT": "emf",
            "QUICKSTEP_DIRECTORY": folder,
        }
        command = [sys.executable, "-m", *(part.format(port=port) for part in server.command)]
        with (
            lines.open("wb") as stdout,
            subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
                command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL
            ) as process,
        ):
            try:
                _wait_for(port)
                yield port, lines
            finally:
                process.kill()


def _wait_for(port: int) -> None:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if one.recv(65536):
                return
        time.sleep(0.1)
    raise SystemExit("The server did not start.")


def points(lines: Path, since: float) -> list[dict[str, Any]]:
    """Return the published points that are stamped after a time, in seconds since the epoch."""
    found = []
    for line in lines.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            document = json.loads(line)
            if document["_aws"]["Timestamp"] >= since * 1000 and "RequestsPerSecond" in document:
                found.append(document)
    return found


def measured(server: Server, times: float, seconds: float) -> tuple[Answered, list[dict[str, Any]]]:
    """Offer so many times the capacity; return what became of it, and the points after SETTLED."""
    with serving(server) as (port, lines):
        began = time.time()
        answered = offer(port, server.capacity * times, seconds)
        return answered, points(lines, began + SETTLED)


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="A server; several times for more.")
    ] = None,
    times: Annotated[list[float] | None, typer.Option(help="Times its capacity.")] = None,
    seconds: Annotated[float, typer.Option(min=12, help="Of load, each.")] = 21.0,
) -> None:
    """Print offered and published demand, utilization, queue time and the client's median."""
    table = Table(box=MARKDOWN)
    for column in (
        "Server",
        "Offered",
        "Published",
        "Utilization",
        "Queue time",
        "Client's median",
    ):
        table.add_column(column)
    for name, server in SERVERS.items():
        missing = [module for module in server.needs if find_spec(module) is None]
        if missing or (only and name not in only):
            if missing:
                typer.echo(f"{name}: {', '.join(missing)} not installed, left out", err=True)
            continue
        for factor in times or (0.5, 1.0, 2.0, 4.0):
            answered, published = measured(server, factor, seconds)
            p50 = "never" if answered.median is None else f"{answered.median * 1000:,.0f} ms"
            table.add_row(
                name,
                f"{answered.sent:.0f}/s",
                _median(published, "RequestsPerSecond", "{:.0f}/s"),
                _median(published, "Utilization", "{:.2f}"),
                _median(published, "QueueTime", "{:,.0f} ms"),
                p50,
            )
    Console(width=120).print(table)


def _median(published: list[dict[str, Any]], name: str, form: str) -> str:
    values = [point[name] for point in published if name in point]
    return form.format(median(values)) if values else "none"


if __name__ == "__main__":
    typer.run(main)
