"""What the tests on the second implementation have in common. Time is real, so they poll."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.aws.decisions import DynamoDecisions
from quickstep.naming import ServiceName
from quickstep_lab.embedded_aws import REGION, Account
from quickstep_publisher import CloudWatchTransport, Publisher, SurgeQueue
from tests.emulator.server import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import boto3

    from tests.emulator.server import Stack

ACCOUNT = "000000000000"
WEB = ServiceName("prod", "web")
QUEUE = "jobs"
TARGET = 100
"""Requests per second that a task should carry."""
_LOOKED_FOR = 30
"""Seconds after which what a test waits for is not going to come."""


def parameters(account: Account, **changed: Any) -> dict[str, Any]:
    """Return the parameters that the scaler's stack is deployed with."""
    return {
        "ClusterName": WEB.cluster,
        "ServiceName": WEB.service,
        "TargetValue": TARGET,
        "DryRun": "false",
        "QueueArns": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}*",
        "PolicyMaxAgeSeconds": 0,
        "EndpointUrl": account.endpoint_url,
        **changed,
    }


def soon(what: Callable[[], Any]) -> Any:
    """Return what is truthy at last; None if it never is."""
    end = time.monotonic() + _LOOKED_FOR
    while not (found := what()):
        if time.monotonic() > end:
            return None
        time.sleep(0.2)
    return found


def decisions(stack: Stack, service: ServiceName) -> list[Mapping[str, Any]]:
    """Return a service's decision records, oldest first."""
    table = DynamoDecisions(stack.account.client("dynamodb"), stack.outputs["TableName"])
    now = datetime.now(UTC)
    found = table.between(service.resource_id, now - timedelta(hours=1), now, 500)
    return list(reversed(found.records))


class Answer:
    """What a function has answered, and its log."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.error = answer.get("FunctionError")
        self.payload = json.loads(answer["Payload"].read() or b"null")
        self.log = base64.b64decode(answer.get("LogResult", "")).decode()

    @property
    def text(self) -> str:
        """Both of them."""
        return f"{json.dumps(self.payload)}\n{self.log}"


def invoke(stack: Stack, function: str, event: Any) -> Answer:
    """Invoke a function of the stack, in its own role, and wait for its answer.

    `function` is the output that has its alias, or its logical id.
    """
    name = stack.outputs.get(function) or stack.physical(function)
    return Answer(
        stack.account.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
        )
    )


def a_policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy of IAM as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def task_role(stack: Stack) -> boto3.Session:
    """Return a session of a task, which may publish and ask for looks, and nothing else."""
    iam = stack.account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    publish = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*"}
    iam.create_role(RoleName="task", AssumeRolePolicyDocument=a_policy(trust))
    iam.put_role_policy(RoleName="task", PolicyName="publish", PolicyDocument=a_policy(publish))
    iam.attach_role_policy(RoleName="task", PolicyArn=stack.outputs["AskForLooksPolicy"])
    answer = stack.account.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/task", RoleSessionName="task"
    )["Credentials"]
    return session(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])


@contextmanager
def tasks(stack: Stack, folder: Path, rate: Callable[[], float]) -> Iterator[None]:
    """Run two tasks, each with an application's publisher; each gets `rate()` a second."""
    aws, url = Account(task_role(stack), stack.account.endpoint_url), stack.outputs["SurgeQueue"]
    publishers = []
    for number in range(2):
        (folder / str(number)).mkdir()
        publisher = Publisher(
            cluster=WEB.cluster,
            service=WEB.service,
            transport=CloudWatchTransport(aws.client("cloudwatch")),
            directory=folder / str(number),
            surges=SurgeQueue(url, aws.client("sqs")),
            target=TARGET,
        )
        publisher.start()
        publishers.append(publisher)
    over = threading.Event()

    def work() -> None:
        began, due = time.monotonic(), 0.0
        while not over.wait(0.05):
            due += rate() * (time.monotonic() - began)
            began = time.monotonic()
            for publisher in publishers:
                publisher.count(math.floor(due))
            due -= math.floor(due)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()
        for publisher in publishers:
            publisher.close()
