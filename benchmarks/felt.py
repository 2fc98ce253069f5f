"""From the first overloaded second of a real load to a changed desiredCount, measured.

python -m benchmarks.felt
python -m benchmarks.felt --runs 5 --server "uvicorn uvloop"

A real server with the publisher, an open-loop load that jumps, and the scaler's real handler over
an embedded AWS: PutMetricData, SQS, DynamoDB, ECS over HTTP on loopback. Datapoints are visible at
once there, and no alarm is evaluated: CloudWatch's and Lambda's clocks come on top.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmarks.overload import SERVERS, free_port, wait_for
from quickstep.aws.dynamodb import RETENTION
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.loop.documents import MAX_AGE_SECONDS
from quickstep.naming import ServiceName
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_lab.cloudwatch import create_alarms
from quickstep_lab.embedded_aws import (
    REGION,
    TABLE,
    Account,
    create_queue,
    create_service,
    create_table,
    desired_count,
    embedded_aws,
    put_policy,
)
from quickstep_lab.event_source import Queue, deliver, open_queue
from quickstep_lab.files import HANDLER
from quickstep_lab.scaler import Invocation, printing_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_lambda_powertools.utilities.typing import LambdaContext

SERVICE = ServiceName("prod", "web")
POLICY = "request-rate"
TARGET = 40
"""Requests per second that a task should carry."""
AT_REST, SURGE = 25.0, 240.0
"""Requests per second offered before and in the surge, which exceeds every server's capacity."""
REST = 18.0
"""Seconds before the surge, from which tasks are counted."""
PATIENCE = 20.0
MEASURED = ("gunicorn, 2 threads", "uvicorn uvloop")
_POLL = 0.05


def main(
    runs: Annotated[int, typer.Option(min=1, help="Surges for each server.")] = 20,
    server: Annotated[
        list[str] | None, typer.Option(help="A server to measure. Repeatable.")
    ] = None,
) -> None:
    """Print the median and the worst seconds until desiredCount has changed."""
    for name in server or MEASURED:
        if name not in SERVERS:
            raise typer.BadParameter(f"must be one of {', '.join(SERVERS)}, not {name!r}")
        took = []
        for number in range(runs):
            seconds = answered(name, REST + number % 10 / 2)  # surges begin anywhere in 5 s
            if seconds is None:
                typer.echo(f"{name}: not answered within {PATIENCE:g} s", err=True)
                continue
            took.append(seconds)
        if took:
            said = f"median {median(took):.1f} s, worst {max(took):.1f} s of {len(took)}"
            typer.echo(f"{name}: from the first overloaded second to desiredCount: {said}")


def answered(server: str, rest: float) -> float | None:
    """Return the seconds from a surge to a changed desiredCount; None if it was not answered."""
    with embedded_aws() as account, ExitStack() as stack:
        surges = _prepare(account)
        port = free_port()
        stack.enter_context(_serving(server, port, account, surges.url))
        scaler = _Scaler(account, surges)
        began = time.time() + rest
        load = stack.enter_context(_loading(port, began))
        scaler.heartbeat()
        while time.time() < began + PATIENCE and load.poll() is None:
            scaler.look()
            if desired_count(account, SERVICE) > 1:
                return time.time() - began
            time.sleep(_POLL)
    return None


def _prepare(account: Account) -> Queue:
    """Create what a deployment would; return the surge queue."""
    create_table(account)
    create_queue(account)
    create_service(account, SERVICE, 1)
    document = {
        "ResourceId": SERVICE.resource_id,
        "MinCapacity": 1,
        "MaxCapacity": 100,
        "PublishSeconds": 1,
        "TargetTrackingPolicies": {POLICY: {"TargetValue": TARGET}},
    }
    put_policy(account, SERVICE, json.dumps(document))
    alarm: Any = {
        "AlarmName": SERVICE.alarm(f"{POLICY}/high"),
        "Namespace": f"Quickstep/{SERVICE.cluster}/{SERVICE.service}",
        "MetricName": "RequestsPerSecond",
        "Dimensions": [
            {"Name": "ClusterName", "Value": SERVICE.cluster},
            {"Name": "ServiceName", "Value": SERVICE.service},
        ],
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": TARGET * 1.01,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    create_alarms(account.client("cloudwatch"), [alarm])
    sqs = account.client("sqs")
    made = sqs.create_queue(
        QueueName="Surges.fifo",
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        },
    )
    return open_queue(sqs, made["QueueUrl"])


class _Scaler:
    """The deployed handler over the embedded AWS, with both queues."""

    def __init__(self, account: Account, surges: Queue) -> None:
        sqs = account.client("sqs")
        rechecks = open_queue(sqs, sqs.get_queue_url(QueueName="quickstep-rechecks")["QueueUrl"])
        settings = Settings(TABLE, rechecks.url, MAX_AGE_SECONDS, MAX_EVENT_AGE, RETENTION)
        self._door = make_door(settings, account.client)
        self._queues = (surges, rechecks)
        self._handler = runpy.run_path(str(HANDLER))["handler"]

    def heartbeat(self) -> None:
        """Learn of the alarm, as in the first minute."""
        self._invoke({"heartbeat": {}})

    def look(self) -> None:
        """Take the queues' present messages."""
        for queue in self._queues:
            deliver(queue, self._invoke)

    def _invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        context = cast("LambdaContext", Invocation(str(uuid.uuid4())))
        with printing_to(StringIO()):
            answer: dict[str, Any] = self._handler(event, context, door=self._door)
        return answer


@contextmanager
def _serving(server: str, port: int, account: Account, surges: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": account.endpoint_url,
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "QUICKSTEP_CLUSTER": SERVICE.cluster,
            "QUICKSTEP_SERVICE": SERVICE.service,
            "QUICKSTEP_DIRECTORY": folder,
            "QUICKSTEP_SURGE_QUEUE": surges,
            "QUICKSTEP_TARGET": str(TARGET),
        }
        command = [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[server])]
        with subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                wait_for(port)
                yield
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _loading(port: int, surge_at: float) -> Iterator[subprocess.Popen[bytes]]:
    """Load the server from its own process: calmly until a time of day, then with the surge."""
    arguments = (port, AT_REST, SURGE, surge_at, PATIENCE)
    command = [sys.executable, "-m", "benchmarks.open_loop", *map(str, arguments)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as process:  # noqa: S603 - this interpreter, numbers
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    typer.run(main)
