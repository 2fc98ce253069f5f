"""Celery, RQ, Dramatiq and a loop on SQS: the real libraries, with Redis and moto as brokers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from quickstep_publisher.sqs import Queue
from tests.builders import ROOT
from tests.publisher.fakes import Kept, Time, a_publisher
from tests.publisher.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 30


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Redis of our own; its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian's package of that name has it)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - a constant command
        try:
            until(lambda: _listens(port))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


PUBLISHER = """
import json, os
from quickstep_publisher import Publisher, Statistics

class Lines:
    def send(self, address, point):
        values = {m.name: m.value.count if isinstance(m.value, Statistics) else m.value
                  for m in point.metrics}
        with open(os.environ["LINES"], "a") as file:
            file.write(json.dumps({"pid": os.getpid(), **values}) + "\\n")

publisher = Publisher(cluster="c", service="s", transport=Lines())
"""
CELERY = f"""{PUBLISHER}
import sys, time
from celery import Celery
from quickstep_publisher.celery import watch

app = Celery("jobs", broker=os.environ["REDIS"])
app.conf.broker_connection_retry_on_startup = True
watch(app, publisher)

@app.task(name="work")
def work():
    time.sleep(0.02)
"""
RQ = f"""{PUBLISHER}
import time
import redis
from rq import Queue
from quickstep_publisher.rq import Worker

def work():
    time.sleep(0.02)

if __name__ == "__main__":
    publisher.load.slots = 1
    Worker.publisher = publisher
    connection = redis.Redis.from_url(os.environ["REDIS"])
    Worker([Queue("jobs", connection=connection)], connection=connection).work()
"""
DRAMATIQ = f"""{PUBLISHER}
import time
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from quickstep_publisher.dramatiq import QuickstepMiddleware

broker = RedisBroker(url=os.environ["REDIS"])
broker.add_middleware(QuickstepMiddleware(publisher))
dramatiq.set_broker(broker)

@dramatiq.actor
def work():
    time.sleep(0.02)
"""
SEND = {
    "celery": "import jobs\nfor _ in range(30): jobs.work.delay()",
    "rq": (
        "import os, redis, rq, jobs\n"
        "queue = rq.Queue('jobs', connection=redis.Redis.from_url(os.environ['REDIS']))\n"
        "for _ in range(30): queue.enqueue(jobs.work)"
    ),
    "dramatiq": "import jobs\nfor _ in range(30): jobs.work.send()",
}
WORKER = {
    "celery": ["-m", "celery", "-A", "jobs", "worker", "--concurrency=2", "--loglevel=CRITICAL"],
    "rq": ["jobs.py"],
    "dramatiq": ["-m", "dramatiq", "jobs", "--processes=1", "--threads=4"],
}
PROGRAMS = {"celery": CELERY, "rq": RQ, "dramatiq": DRAMATIQ}


@pytest.mark.parametrize("library", PROGRAMS)
def test_each_job_is_counted_once_with_its_time_and_what_waits_is_published(
    library: str, redis: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.touch()
    (tmp_path / "jobs.py").write_text(PROGRAMS[library], encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}:{ROOT / 'publisher' / 'src'}",
        "QUICKSTEP_DIRECTORY": str(tmp_path),
        "QUICKSTEP_SECONDS": "0",
        "LINES": str(lines),
        "REDIS": redis,
    }
    subprocess.run(  # noqa: S603 - this interpreter, constant arguments
        [sys.executable, "-c", SEND[library]], env=environment, cwd=tmp_path, check=True
    )
    with subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
        [sys.executable, *WORKER[library]], env=environment, cwd=tmp_path
    ) as worker:
        try:
            until(lambda: sum(p.get("AverageResponseTime", 0) for p in _read(lines)) >= JOBS, 40)
            until(lambda: any("QueueLength" in point for point in _read(lines)), 20)
            until(lambda: any(p.get("RequestsPerSecond", 0) > 0 for p in _read(lines)), 20)
        finally:
            worker.terminate()
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()

    points = _read(lines)
    assert sum(point.get("AverageResponseTime", 0) for point in points) == JOBS
    assert all(0 <= point["Utilization"] <= 1 for point in points if "Utilization" in point)


def _read(lines: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]


def test_a_loop_on_sqs_counts_messages_and_deletes_those_that_went_well() -> None:
    with mock_aws():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="jobs")["QueueUrl"]
        for n in range(10):
            client.send_message(QueueUrl=url, MessageBody=str(n))
        time, kept = Time(), Kept()
        publisher = a_publisher(time, kept)
        queue = Queue(client, url, publisher, slots=4, now=lambda: 4e9)

        failed = 0
        for message in queue.receive(MaxNumberOfMessages=4):
            try:
                with queue.job(message):
                    time.pass_(1)
                    1 / (int(message["Body"]) - 2)  # fails for one of them
            except ZeroDivisionError:
                failed += 1
        time.pass_(1)
        publisher.publish()

    assert failed == 1
    assert kept.values("RequestsPerSecond") == [0.8]
    assert kept.values("QueueLength") == [6]
    (age,) = kept.values("OldestAge")
    assert isinstance(age, float)
    assert age > 1e9
