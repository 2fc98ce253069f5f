"""Real servers, calm and overloaded: neither publishes a number that reads as the other's."""

from __future__ import annotations

import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import pytest
import requests

from benchmarks.open_loop import offer
from tests.publisher.servers import read, running, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket", "--log-level=critical")
SERVERS = {
    "gunicorn, one at a time": [*GUNICORN, "tests.publisher.apps:wsgi_waiting"],
    "uvicorn": [
        *("uvicorn", "--port={port}", "--log-level=critical", "--no-access-log", "--lifespan=off"),
        "tests.publisher.apps:asgi_computing",
    ],
}
SERVED = {"gunicorn, one at a time": 45.0, "uvicorn": 150.0}
"""Requests per second that each can take, or less: tests share their machine."""
Published: TypeAlias = tuple[float, list[dict[str, float]]]
"""The rate that was offered, and the points of the seconds that count."""
SETTLED, OVER = 4, 10
"""Seconds from which on, and until which, what is published counts."""


def published(server: str, folder: Path, times: float) -> Published:
    """Offer so many times what a server takes; return the rate, and its seconds once SETTLED."""
    with running(SERVERS[server], folder, QUICKSTEP_SECONDS="1") as (url, lines, _):
        until(lambda: _answers(url))
        port = urlsplit(url).port
        assert port is not None
        began = time.time()
        offered = offer(port, SERVED[server] * times, OVER + 0.5)
        # What is left of its seconds comes with the next call, in whichever phase that is.
        until(lambda: any(line["at"] > began + OVER - 1 for line in read(lines)))
        seconds = [line for line in read(lines) if "Utilization" in line]
    settled = range(math.ceil(began) + SETTLED, math.floor(began) + OVER)
    return offered.sent, [second for second in seconds if second["at"] in settled]


def all_published(tmp_path_factory: pytest.TempPathFactory, times: float) -> dict[str, Published]:
    """Offer that to all servers at the same time: most of it is waiting for the next point."""
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        runs = {
            server: pool.submit(published, server, tmp_path_factory.mktemp("task"), times)
            for server in SERVERS
        }
        return {server: run.result() for server, run in runs.items()}


@pytest.fixture(scope="module")
def overloaded(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Published]:
    return all_published(tmp_path_factory, 4.0)


@pytest.fixture(scope="module")
def calm(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Published]:
    return all_published(tmp_path_factory, 0.4)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("server", SERVERS)
def test_an_overloaded_task_publishes_what_is_asked_of_it_and_is_full(
    server: str, overloaded: dict[str, Published]
) -> None:
    offered, points = overloaded[server]

    assert len(points) >= 5
    assert median(point["RequestsPerSecond"] for point in points) >= 0.9 * offered
    # On a busy machine one second may be seen with the next.
    assert min(point["RequestsPerSecond"] for point in points) > SERVED[server]
    assert min(point["Utilization"] for point in points) > 0.9
    assert min(point["QueueTime"] for point in points) > 1000


@pytest.mark.parametrize("server", SERVERS)
def test_a_calm_task_publishes_its_load_and_is_not_full(
    server: str, calm: dict[str, Published]
) -> None:
    offered, points = calm[server]

    assert len(points) >= 5
    # The mean, because on a busy machine a request may be counted with the next second: at 18 per
    # second, one is more than the 5 %.
    assert fmean(point["RequestsPerSecond"] for point in points) == pytest.approx(offered, rel=0.05)
    assert median(point["Utilization"] for point in points) < 0.9
    assert median(point["QueueTime"] for point in points) < 500
