"""What tests of the whole scaler on an embedded AWS share: intakes, the queue, events, traces."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from lab.embedded_aws import TABLE, Account, create_table
from quickstep.aws.attributes import from_item
from quickstep.aws.dynamodb import DynamoTargets
from quickstep.wiring import Settings, make_intake
from tests.builders import HIGH, WEB, load_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_sqs import SQSClient

    from quickstep.intake import Intake
    from quickstep.memory import Lease, Memory
    from quickstep.naming import ServiceName

NO_GUARDS = dict.fromkeys(("CapacityOnItsWay", "RisingTrend", "WouldFlap", "Deployment"), False)


def scale_out_policy(tasks: int, cooldown: int = 10) -> dict[str, Any]:
    """Return a policy that adds so many tasks however large the breach is."""
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": tasks}
    return {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": cooldown,
        "MetricScope": "PerTask",
        "StepAdjustments": [step],
    }


def an_intake(
    account: Account, queue_url: str, clock: Callable[[], datetime], endpoint_url: str | None = None
) -> Intake:
    """Return the scaler as it is deployed, with clients of its own, at the time that is wanted."""
    day = timedelta(days=1)
    settings = Settings(TABLE, queue_url, 0, timedelta(seconds=60), day)
    reached = replace(account, endpoint_url=endpoint_url or account.endpoint_url)
    intake = make_intake(settings, reached.client)
    return at(intake, clock)


def at(intake: Intake, clock: Callable[[], datetime]) -> Intake:
    """Return the same scaler at another time."""
    return replace(intake, cycle=replace(intake.cycle, clock=clock))


def clients_of(intake: Intake) -> list[Any]:
    """Return the clients that an evaluation uses."""
    cycle: Any = intake.cycle
    ports = (cycle.services, cycle.targets, cycle.metrics, cycle.messages)
    clients = [port._client for port in ports]  # noqa: SLF001
    return [*clients, cycle.services._updates, cycle.policies._client]  # noqa: SLF001


def on_call(intake: Intake, event: str, call: str, hook: Callable[[], None]) -> None:
    """Have `hook` called at the botocore event (`before-call`, `after-call`) of an API call."""
    for client in clients_of(intake):
        client.meta.events.register(f"{event}.*.{call}", lambda **_: hook())


def an_event(
    moment: datetime,
    *,
    policy: str = HIGH,
    values: Sequence[float] = (160.0,),
    begins: datetime | None = None,
) -> dict[str, Any]:
    """Return the event of an alarm that went to ALARM at `moment`, on datapoints 10 s apart.

    The newest of them begins at `begins`, which is the last whole period if it is not given.
    """
    newest = begins or last_period(moment)
    event = load_event("alarm-high-step2")
    event["detail"]["alarmName"] = WEB.alarm(policy)
    event["detail"]["state"] = {
        "value": "ALARM",
        "timestamp": moment.isoformat(timespec="milliseconds"),
        "reasonData": json.dumps(
            {
                "version": "1.0",
                "startDate": (newest - timedelta(seconds=10 * (len(values) - 1))).isoformat(),
                "period": 10,
                "recentDatapoints": list(values),
                "threshold": 100.0,
            }
        ),
    }
    return event


def last_period(moment: datetime) -> datetime:
    """Return when the last whole period of 10 s began."""
    return datetime.fromtimestamp(moment.timestamp() // 10 * 10 - 10, UTC)


# --- the account ----------------------------------------------------------------------------------


@cache
def sqs(account: Account) -> SQSClient:
    return account.session.client("sqs", endpoint_url=account.endpoint_url)


@cache
def dynamodb(account: Account) -> DynamoDBClient:
    return account.session.client("dynamodb", endpoint_url=account.endpoint_url)


@cache
def ecs(account: Account) -> ECSClient:
    return account.session.client("ecs", endpoint_url=account.endpoint_url)


@cache
def cloudwatch(account: Account) -> CloudWatchClient:
    return account.session.client("cloudwatch", endpoint_url=account.endpoint_url)


def recreate_table(account: Account) -> None:
    """Forget all that the scaler knows."""
    dynamodb(account).delete_table(TableName=TABLE)
    create_table(account)


def set_tasks(account: Account, desired: int) -> None:
    ecs(account).update_service(cluster=WEB.cluster, service=WEB.service, desiredCount=desired)


def receive(client: SQSClient, queue_url: str, kind: str) -> list[str]:
    """Return the next messages of a kind, once they are due; wait a few seconds for one.

    The others stay where they are: nobody gets to see them.
    """
    bodies = []
    answer = client.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=3, VisibilityTimeout=60
    )
    for message in answer.get("Messages", []):
        if kind in json.loads(message["Body"]):
            bodies.append(message["Body"])
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


# --- what is left behind --------------------------------------------------------------------------


def decisions(account: Account, target: ServiceName = WEB) -> list[dict[str, Any]]:
    """Return a target's decision records, oldest first."""
    answer = dynamodb(account).query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :decision)",
        ExpressionAttributeValues={
            ":pk": {"S": target.resource_id},
            ":decision": {"S": "decision#"},
        },
    )
    return [from_item(item) for item in answer["Items"]]


def outcomes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(record["outcome"] for record in records)


def targets_of(account: Account) -> DynamoTargets:
    return DynamoTargets(dynamodb(account), TABLE)


def remembered(account: Account) -> tuple[Memory, Lease | None]:
    """Return what the target's item holds."""
    return targets_of(account).peek(WEB.resource_id)


def tasks(account: Account) -> int:
    answer = ecs(account).describe_services(cluster=WEB.cluster, services=[WEB.service])
    return answer["services"][0]["desiredCount"]
