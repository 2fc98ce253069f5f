"""An AWS on a free loopback port, for the demo, `make invoke` and the integration tests.

It is a moto server: ECS, CloudWatch, DynamoDB, SQS and SSM answer boto3 over real HTTP. It
evaluates no alarm and starts no task; other modules of `lab` model those. In moto, the desired
number of tasks runs at once; `counted` makes it report a model's tasks instead.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import requests
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.server import ThreadedMotoServer

from quickstep.naming import ServiceName
from quickstep_lab import alarm_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from moto.ecs.models import Service
    from mypy_boto3_dynamodb.type_defs import (
        AttributeDefinitionTypeDef,
        KeySchemaElementTypeDef,
    )
    from mypy_boto3_sqs.literals import QueueAttributeNameType

ACCOUNT = DEFAULT_ACCOUNT_ID
REGION = "us-east-1"
TABLE = "quickstep"
QUEUE = "quickstep-rechecks"
SURGES = "quickstep-surges.fifo"
QUEUE_ATTRIBUTES: dict[QueueAttributeNameType, str] = {"VisibilityTimeout": "60"}
SURGES_ATTRIBUTES: dict[QueueAttributeNameType, str] = {
    "FifoQueue": "true",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
    "MessageRetentionPeriod": "60",
    "VisibilityTimeout": "10",
}
TABLE_KEYS: list[KeySchemaElementTypeDef] = [
    {"AttributeName": "pk", "KeyType": "HASH"},
    {"AttributeName": "sk", "KeyType": "RANGE"},
]
TABLE_ATTRIBUTES: list[AttributeDefinitionTypeDef] = [
    {"AttributeName": "pk", "AttributeType": "S"},
    {"AttributeName": "sk", "AttributeType": "S"},
]
"""As in `template.yaml`; a test compares the two."""


@dataclass(frozen=True, slots=True)
class Account:
    """How to reach an AWS: the session to make clients from, and their endpoint.

    A service in `elsewhere`, such as `dynamodb`, has its own endpoint. A client with a time-out
    waits `patience` seconds for an answer: on a busy machine an emulator answers later than AWS
    would. With None, a client's own time-out counts.
    """

    session: boto3.Session
    endpoint_url: str
    elsewhere: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    patience: float | None = field(default=30.0, kw_only=True)
    _clients: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def client(self, service: str, /, *, config: Config | None = None) -> Any:
        """Return a client for a service, e.g. `ecs`; a config makes a new one.

        Without a config it is made once, because making one takes as long as a call.
        """
        if config is None and service in self._clients:
            return self._clients[service]
        make: Any = self.session.client  # typed for literal names only
        if config and self.patience:
            config = config.merge(Config(read_timeout=self.patience))
        endpoint_url = self.elsewhere.get(service, self.endpoint_url)
        made = make(service, config=config, endpoint_url=endpoint_url)
        if config is None:
            self._clients[service] = made
        return made


@contextmanager
def served(address: str = "127.0.0.1") -> Iterator[str]:
    """Serve at an address of this machine until the block ends; yield the endpoint."""
    # One line per request would drown the caller's own output.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def embedded_aws() -> Iterator[Account]:
    """Serve an account, empty at first, until the block ends."""
    with alarm_history.served(), served() as endpoint_url:
        account = account_at(endpoint_url)
        reset(account)
        yield account


def account_at(endpoint_url: str) -> Account:
    """Return how to reach the server at an endpoint."""
    session = boto3.Session(
        aws_access_key_id="embedded",
        aws_secret_access_key="embedded",  # noqa: S106 - moto takes any
        region_name=REGION,
    )
    return Account(session, endpoint_url)


def reset(account: Account) -> None:
    """Empty the account. moto keeps one per process, whichever server answers for it."""
    requests.post(f"{account.endpoint_url}/moto-api/reset", timeout=5).raise_for_status()


def create_table(account: Account, name: str = TABLE) -> None:
    """Create the scaler's table."""
    client = account.client("dynamodb")
    client.create_table(
        TableName=name,
        KeySchema=TABLE_KEYS,
        AttributeDefinitions=TABLE_ATTRIBUTES,
        BillingMode="PAY_PER_REQUEST",
    )


def create_queue(account: Account, name: str = QUEUE) -> str:
    """Create the queue of the scaler's own messages, or of tasks' surges; return its URL."""
    attributes = SURGES_ATTRIBUTES if name == SURGES else QUEUE_ATTRIBUTES
    answer = account.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    return str(answer["QueueUrl"])


def create_service(account: Account, name: ServiceName, desired: int) -> None:
    """Create a Fargate service and its cluster; all tasks run, and its first rollout is over.

    moto never ends the rollout of a service created with tasks, hence the second step.
    """
    client = account.client("ecs")
    client.create_cluster(clusterName=name.cluster)
    client.register_task_definition(
        family=name.service,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "app", "memory": 512}],
    )
    client.create_service(
        cluster=name.cluster,
        serviceName=name.service,
        taskDefinition=name.service,
        desiredCount=0,
        launchType="FARGATE",
    )
    client.update_service(cluster=name.cluster, service=name.service, desiredCount=desired)


@contextmanager
def counted(name: ServiceName, running: Callable[[], int]) -> Iterator[None]:
    """Make DescribeServices of this process's server count running tasks as a model does.

    Example: 6 desired, of which 4 are starting: 2 running, 4 pending. Draining tasks do not count.
    """
    backend = ecs_backends[ACCOUNT][REGION]
    described = backend.describe_services

    def describe(cluster: str, names: list[str]) -> tuple[list[Service], list[dict[str, str]]]:
        services, failures = described(cluster, names)
        for service in services:
            if ServiceName(service.cluster_name, service.name) == name:
                service.running_count = min(service.desired_count, running())
                service.pending_count = service.desired_count - service.running_count
        return services, failures

    with patch.object(backend, "describe_services", describe):
        yield


@contextmanager
def living_by(now: Callable[[], datetime]) -> Iterator[None]:
    """Put this process's server on a clock: its queues' delays, its alarms' times."""

    def naive() -> datetime:
        return now().replace(tzinfo=None)

    with (
        patch("moto.core.utils.utcnow", naive),
        patch("moto.cloudwatch.models.utcnow", naive),
    ):
        yield


def put_scaler(account: Account, queue_url: str) -> None:
    """Store the scaler's parameter, by which the commands find it."""
    named = {"Stack": "quickstep", "Table": TABLE, "Rechecks": queue_url}
    client = account.client("ssm")
    client.put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(named), Type="String", Overwrite=True
    )


def put_policy(account: Account, name: ServiceName, document: str) -> None:
    """Store a target's policy document, valid or not."""
    client = account.client("ssm")
    client.put_parameter(Name=name.parameter, Value=document, Type="String", Overwrite=True)


def desired_count(account: Account, name: ServiceName) -> int:
    """Return ECS's present desired count."""
    client = account.client("ecs")
    answer = client.describe_services(cluster=name.cluster, services=[name.service])
    return int(answer["services"][0]["desiredCount"])


def messages_waiting(account: Account, queue_url: str) -> int:
    """Return how many messages a queue holds, delayed ones included."""
    client = account.client("sqs")
    answer = client.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"],
    )
    return sum(int(number) for number in answer["Attributes"].values())
