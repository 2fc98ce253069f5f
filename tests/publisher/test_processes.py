"""Real servers with four worker processes: one value per task, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.builders import ROOT
from tests.publisher.servers import alive, read, running, states, until

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = 4
# Its control socket would be in the user's home, one for all.
GUNICORN = ("gunicorn", "--workers=4", "--bind=127.0.0.1:{port}", "--no-control-socket")
SERVERS = {
    "gunicorn": [*GUNICORN, "tests.publisher.apps:wsgi"],
    "gunicorn with preload and threads": [
        *GUNICORN,
        *("--preload", "--threads=2", "tests.publisher.apps:wsgi"),
    ],
    "uvicorn": [
        *("uvicorn", "--workers=4", "--port={port}", "--log-level=warning"),
        "tests.publisher.apps:asgi",
    ],
}


@dataclass
class Served:
    """What a server's workers published while they were sent requests, and while some died."""

    sent: int = 0
    pids: set[int] = field(default_factory=set)
    killed: list[int] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None


def serve(server: str, folder: Path) -> Served:
    served = Served()
    with running(SERVERS[server], folder) as (url, lines, process):

        def answers(_: int = 0) -> int | None:
            try:
                return int(requests.get(url, timeout=30).text)
            except requests.ConnectionError:
                return None

        def send(number: int) -> None:
            with ThreadPoolExecutor(8) as pool:
                answered = list(pool.map(answers, range(number)))
            assert None not in answered
            served.sent += number
            served.pids.update(pid for pid in answered if pid)

        def kill(pid: int) -> None:
            # What it has answered it counts a moment later, and copies within 0.25 s.
            until(lambda: states(pid) <= {"S"})
            copied = time.monotonic() + 0.5
            until(lambda: time.monotonic() > copied)
            os.kill(pid, signal.SIGKILL)
            served.killed.append(pid)
            until(lambda: not alive(pid))

        until(answers)
        served.sent += 1
        send(100)
        for _ in range(50):
            if len(served.pids) < WORKERS:
                send(20)
        publishing = until(lambda: read(lines))[-1]["pid"]
        send(100)
        kill(next(iter(served.pids - {publishing})))
        send(100)
        kill(publishing)
        until(lambda: read(lines)[-1]["pid"] != publishing)
        send(100)
        process.send_signal(signal.SIGTERM)
        served.code = process.wait(20)
        served.lines = read(lines)
    return served


@pytest.fixture(scope="module")
def all_served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Served]:
    """All servers, at the same time: most of it is waiting for the next point."""
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        runs = {
            server: pool.submit(serve, server, tmp_path_factory.mktemp("task"))
            for server in SERVERS
        }
        return {server: run.result() for server, run in runs.items()}


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, all_served: dict[str, Served]) -> Served:
    return all_served[request.param]


def test_every_request_is_counted_once_though_two_workers_were_killed(served: Served) -> None:
    counted = sum(line.get("AverageResponseTime", 0) for line in served.lines)

    assert len(served.pids) >= WORKERS
    assert counted == served.sent


def test_there_is_one_value_per_interval_5_s_apart(served: Served) -> None:
    stamps = [line["at"] for line in served.lines]

    assert len(stamps) == len(set(stamps)) >= 2
    assert all(stamp % 5 == stamps[0] % 5 for stamp in stamps)


def test_another_worker_publishes_when_the_one_that_did_is_killed(served: Served) -> None:
    publishing = [line["pid"] for line in served.lines]

    assert served.killed[1] in publishing
    assert publishing[-1] not in served.killed


def test_the_server_ends_as_it_does_without_the_publisher(served: Served) -> None:
    assert served.code in {0, -signal.SIGTERM}


POOL = """
import multiprocessing, sys
from tests.publisher.apps import publisher

def work(requests):
    for _ in range(requests):
        publisher.observe(0.01)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    publisher.start()
    processes = [multiprocessing.Process(target=work, args=(n,)) for n in (10, 200, 3000)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_add_up(method: str, tmp_path: Path) -> None:
    lines, program = tmp_path / "lines", tmp_path / "pool.py"
    lines.touch()
    program.write_text(POOL, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'publisher' / 'src'}",
        "QUICKSTEP_DIRECTORY": str(tmp_path),
        "LINES": str(lines),
    }
    subprocess.run(  # noqa: S603 - this interpreter, a constant program
        [sys.executable, "-W", "ignore::DeprecationWarning", str(program), method],
        env=environment,
        check=True,
        timeout=60,
    )

    assert sum(line.get("AverageResponseTime", 0) for line in read(lines)) == 3210


SERVE = """
from tests.publisher.apps import publisher

for _ in range(10):
    publisher.observe(0.01)
input()
"""


def test_two_applications_on_a_laptop_that_share_their_names_are_kept_apart(
    tmp_path: Path,
) -> None:
    (tmp_path / "lines").touch()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ECS_")},
        "PYTHONPATH": f"{ROOT}:{ROOT / 'publisher' / 'src'}",
        "QUICKSTEP_DIRECTORY": str(tmp_path),
        "LINES": str(tmp_path / "lines"),
    }
    started = [
        subprocess.Popen(  # noqa: S603 - this interpreter, a constant program
            [sys.executable, "-c", SERVE],
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,  # as each terminal does
        )
        for _ in range(2)
    ]
    until(lambda: len(list(tmp_path.glob("quickstep-*/*/*.slot"))) == 2)
    folders = {slot.parent for slot in tmp_path.glob("quickstep-*/*/*.slot")}
    for process in started:
        process.communicate(b"\n", timeout=30)

    assert len(folders) == 2
