"""Real servers whose workers come and go all the time: still one value for each tick."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from quickstep_publisher._points import INTERVAL
from tests.publisher.servers import read, running, until

if TYPE_CHECKING:
    from pathlib import Path

GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket", "--log-level=critical")
SERVERS = {
    "one worker, recycled each 50 requests": [
        *GUNICORN,
        *("--threads=4", "--max-requests=50", "tests.publisher.apps:wsgi"),
    ],
    "gevent, two workers, reloaded": [
        *GUNICORN,
        *("--worker-class=gevent", "--workers=2", "tests.publisher.apps:wsgi"),
    ],
}
SECONDS = 22


def serve(server: str, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Send 20 requests a second to a server; return how many it answered, and its points."""
    answered = 0
    with running(SERVERS[server], folder) as (url, lines, process):
        with requests.Session() as session:
            until(lambda: _answers(session, url))
            answered += 1
            began = time.monotonic()
            for turn in range(20 * SECONDS):
                until(lambda turn=turn: time.monotonic() >= began + turn / 20)  # type: ignore[misc]
                answered += _answers(session, url)
                if "reloaded" in server and turn == 150:
                    process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        return answered, read(lines)


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=10, headers={"Connection": "close"}).ok
    except requests.ConnectionError:  # by a worker that ends at this moment
        return False


@pytest.fixture(scope="module")
def all_served(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[int, list[dict[str, Any]]]]:
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        runs = {
            server: pool.submit(serve, server, tmp_path_factory.mktemp("task"))
            for server in SERVERS
        }
        return {server: run.result() for server, run in runs.items()}


@pytest.mark.parametrize("server", SERVERS)
def test_a_tick_has_one_value_whatever_becomes_of_workers(
    server: str, all_served: dict[str, tuple[int, list[dict[str, Any]]]]
) -> None:
    answered, lines = all_served[server]
    ticks = [line["at"] for line in lines if "RequestsPerSecond" in line]
    rates = [line["RequestsPerSecond"] for line in lines if "RequestsPerSecond" in line]

    assert len({line["pid"] for line in lines}) > 1, "no worker came and went"
    assert ticks == [ticks[0] + n * INTERVAL for n in range(len(ticks))]
    assert len(ticks) >= 3
    assert sum(rates) * INTERVAL < 1.2 * answered, "what is handed on is counted once"
    counted = sum(line.get("AverageResponseTime", 0) for line in lines)
    assert answered - 2 <= counted <= answered + 10, "a request may be cut off by its worker's end"
