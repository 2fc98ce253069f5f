"""What a task publishes below, at and beyond its capacity, behind real servers.

python -m benchmarks.overload
python -m benchmarks.overload --only "gunicorn sync" --only hypercorn --times 4 --seconds 30

Capacity is measured first, by clients that wait for each answer. The load is open loop: each
request comes on time, on its own connection, with the header that a load balancer writes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.open_loop import Answered, capacity, offer
from quickstep_publisher import AsgiMiddleware, WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITS, WORKS = 0.020, 0.005
"""Seconds that a request waits for something else, and then computes."""
SETTLED = 5.0
"""Seconds before points count."""
TIMES = (0.5, 1.0, 2.0, 4.0, 8.0)
CAPACITY_SECONDS = 3.0
README = Path(__file__).parents[1] / "publisher" / "README.md"

GUNICORN = ("gunicorn", "--log-level=critical", "--no-control-socket", "--bind=127.0.0.1:{port}")
UVICORN = ("uvicorn", "--log-level=critical", "--no-access-log", "--port={port}")
WSGI, ASGI = "benchmarks.overload:wsgi", "benchmarks.overload:asgi"
SERVERS = {
    "gunicorn sync": (*GUNICORN, WSGI),
    "gunicorn, 2 threads": (*GUNICORN, "--threads=2", WSGI),
    "gunicorn gevent": (*GUNICORN, "-kgevent", WSGI),
    "gunicorn, uvicorn worker": (*GUNICORN, "-kuvicorn_worker.UvicornWorker", ASGI),
    "uvicorn asyncio": (*UVICORN, "--loop=asyncio", "--http=h11", ASGI),
    "uvicorn uvloop": (*UVICORN, "--loop=uvloop", "--http=httptools", ASGI),
    "hypercorn": ("hypercorn", "-b127.0.0.1:{port}", ASGI),
    "granian": ("granian", "--interface=asgi", "--port={port}", "--no-access-log", ASGI),
    "waitress, 2 threads": ("waitress", "--listen=127.0.0.1:{port}", "--threads=2", WSGI),
    "Django, gunicorn, 2 threads": (*GUNICORN, "--threads=2", "benchmarks.overload:django_wsgi()"),
    "Django, uvicorn": (*UVICORN, "--factory", "benchmarks.overload:django_asgi"),
}


def _work() -> None:
    end = time.thread_time() + WORKS
    while time.thread_time() < end:
        pass


def _wait(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    time.sleep(WAITS)
    _work()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def _wait_and_work(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while not (await receive())["type"].endswith("shutdown"):
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(WAITS)
    _work()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


wsgi = WsgiMiddleware(_wait)
asgi = AsgiMiddleware(_wait_and_work)


def django_wsgi() -> WsgiMiddleware:
    """Return a Django application with one blocking view."""
    from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]  # noqa: PLC0415

    def wait(_request: HttpRequest) -> HttpResponse:
        time.sleep(WAITS)
        _work()
        return HttpResponse("ok")

    _set_up_django(wait)
    from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]  # noqa: PLC0415

    return WsgiMiddleware(get_wsgi_application())


def django_asgi() -> AsgiMiddleware:
    """Return a Django application with one asynchronous view."""
    from django.http import HttpRequest, HttpResponse  # noqa: PLC0415

    async def wait(_request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(WAITS)
        _work()
        return HttpResponse("ok")

    _set_up_django(wait)
    from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]  # noqa: PLC0415

    return AsgiMiddleware(get_asgi_application())


def _set_up_django(view: Callable[..., Any]) -> None:
    import django  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.conf import settings  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.urls import path  # type: ignore[import-untyped]  # noqa: PLC0415

    urls = ModuleType("benchmarks_overload_urls")
    urls.urlpatterns = [path("", view)]  # type: ignore[attr-defined]
    sys.modules[urls.__name__] = urls
    settings.configure(ROOT_URLCONF=urls.__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark")  # noqa: S106
    django.setup()


@contextmanager
def serving(command: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    """Run a server; yield its port, and the file with the lines it publishes."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        environment = {
            **os.environ,
            "QUICKSTEP_CLUSTER": "prod",
            "QUICKSTEP_SERVICE": "web",
            "QUICKSTEP_TRANSPORT": "emf",
            "QUICKSTEP_DIRECTORY": folder,
            "QUICKSTEP_SECONDS": "1",
        }
        arguments = [sys.executable, "-m", *(part.format(port=port) for part in command)]
        with (
            lines.open("wb") as stdout,
            subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
                arguments,
                env=environment,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as process,
        ):
            try:
                wait_for(port)
                yield port, lines
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with its workers


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until a server answers: it listens before its application is loaded."""
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if one.recv(65536):
                return
        time.sleep(0.1)
    raise SystemExit("The server did not start.")


def points(lines: Path, since: float) -> list[dict[str, Any]]:
    """Return the points published after a time, in seconds since the epoch."""
    found = []
    for line in lines.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            document = json.loads(line)
            if document["_aws"]["Timestamp"] >= since * 1000 and "RequestsPerSecond" in document:
                found.append(document)
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a load of `times` the capacity, and the medians of the published values."""

    times: float
    answered: Answered
    demand: float | None
    utilization: float | None
    queue_time: float | None

    def problems(self) -> list[str]:
        """Return which goals are missed."""
        seen = (self.demand or 0.0) / self.answered.sent
        busy = 1.0 if self.utilization is None else self.utilization
        if self.times >= 2 and not seen >= 0.9:  # noqa: PLR2004 - the goals, as they are stated
            return [f"demand {seen:.2f} of what is offered, goal at least 0.9"]
        found = []
        if self.times <= 0.5:  # noqa: PLR2004
            if not 0.95 <= seen <= 1.05:  # noqa: PLR2004
                found.append(f"demand {seen:.2f} of what is offered, goal within 5 %")
            if not busy < 0.9:  # noqa: PLR2004
                found.append(f"utilization {busy:.2f}, goal under 0.9")
        return found


def capacity_of(command: tuple[str, ...]) -> float:
    """Return how many requests per second a server takes."""
    with serving(command) as (port, _):
        return capacity(port, CAPACITY_SECONDS)


def measured(command: tuple[str, ...], rate: float, times: float, seconds: float) -> Measured:
    """Offer `times` the rate; return its result, with the points after SETTLED."""
    with serving(command) as (port, lines):
        began = time.time()
        answered = offer(port, rate * times, seconds)
        published = points(lines, began + SETTLED)
    return Measured(
        times,
        answered,
        _median(published, "RequestsPerSecond"),
        _median(published, "Utilization"),
        _median(published, "QueueTime"),
    )


def main(
    only: Annotated[list[str] | None, typer.Option(help="A server to measure. Repeatable.")] = None,
    times: Annotated[list[float] | None, typer.Option(help="Multiples of its capacity.")] = None,
    seconds: Annotated[float, typer.Option(min=12, help="Seconds of load for each.")] = 16.0,
    *,
    write: Annotated[bool, typer.Option(help="Put the table into the publisher's README.")] = False,
) -> None:
    """Print offered and published demand, utilization, queue time and the client's median."""
    if unknown := set(only or ()) - set(SERVERS):
        raise typer.BadParameter(f"must be one of {', '.join(SERVERS)}, not {unknown.pop()!r}")
    rows = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    missed = []
    typer.echo("\n".join(rows))
    for name, command in SERVERS.items():
        if only and name not in only:
            continue
        most = capacity_of(command)
        for factor in times or TIMES:
            found = measured(command, most, factor, seconds)
            missed += [f"{name}, {factor:g} times: {said}" for said in found.problems()]
            rows.append(_row(name, most, found))
            typer.echo(rows[-1])
    typer.echo("\n".join(["", f"{len(missed)} goals missed", *missed]))
    if write:
        _write(rows)


COLUMNS = (
    *("Server", "Capacity", "Times", "Offered", "Published", "Utilization", "Queue time"),
    "Client's median",
)


def _row(name: str, most: float, found: Measured) -> str:
    cells = (
        name,
        f"{most:.0f}/s",
        f"{found.times:g}",
        f"{found.answered.sent:.0f}/s",
        "none" if found.demand is None else f"{found.demand:.0f}/s",
        "none" if found.utilization is None else f"{found.utilization:.2f}",
        "none" if found.queue_time is None else f"{found.queue_time:,.0f} ms",
        "never" if found.answered.median is None else f"{found.answered.median * 1000:,.0f} ms",
    )
    return f"| {' | '.join(cells)} |"


def _write(rows: list[str]) -> None:
    begin, end = "<!-- overload -->\n", "<!-- /overload -->\n"
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    content = "".join(f"{row}\n" for row in rows)
    README.write_text(f"{before}{begin}{content}{end}{after}", encoding="utf-8")


def _median(published: list[dict[str, Any]], name: str) -> float | None:
    values = [point[name] for point in published if name in point]
    return median(values) if values else None


if __name__ == "__main__":
    typer.run(main)
