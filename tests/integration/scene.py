"""What tests of the whole scaler on an embedded AWS share: intakes, the queue, events, traces."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from functions.scaler.handler import handler
from quickstep.aws.attributes import from_item
from quickstep.aws.dynamodb import DynamoTargets
from quickstep.engine.model import Guard
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_lab.embedded_aws import TABLE, Account, create_table, desired_count
from quickstep_lab.scaler import Invocation
from tests.builders import HIGH, WEB, load_event
from tests.clocks import SetClock, same_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.loop.door import Door
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Lease, Memory

AT = datetime(2026, 11, 22, 10, 0, 12, 600_000, tzinfo=UTC)
"""The moment that the sample events speak of."""
METRIC: dict[str, Any] = {
    "Namespace": "MyApp/Performance",
    "MetricName": "RequestsPerSecond",
    "Dimensions": [
        {"Name": "ClusterName", "Value": WEB.cluster},
        {"Name": "ServiceName", "Value": WEB.service},
    ],
}
"""What the sample events' alarm watches."""
DYNAMODB_ENDPOINT = "QUICKSTEP_TEST_DYNAMODB_ENDPOINT"
"""The environment variable with the URL of another DynamoDB; see docs/emulators.md."""
NO_GUARDS = dict.fromkeys(Guard, False)


def scale_out_policy(tasks: int, cooldown: int = 10) -> dict[str, Any]:
    """Return a policy that adds so many tasks however large the breach is."""
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": tasks}
    return {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": cooldown,
        "MetricScope": "PerTask",
        "StepAdjustments": [step],
    }


def a_door(
    account: Account, queue_url: str, clock: Callable[[], datetime], proxy_url: str | None = None
) -> Door:
    """Return the scaler as it is deployed, with its own clients, at the time that is wanted.

    Behind a proxy that makes faults, its time-outs are those of the deployed scaler.
    """
    day = timedelta(days=1)
    settings = Settings(TABLE, queue_url, 0, timedelta(seconds=60), day)
    if proxy_url:
        account = replace(account, endpoint_url=proxy_url, patience=None)
    door = make_door(settings, account.client)
    return at(door, clock)


def invoke(door: Door, event: Any) -> dict[str, Any]:
    """Hand an event to the scaler's function, as Lambda does."""
    context = cast("LambdaContext", Invocation("request-1"))
    answer: dict[str, Any] = handler(event, context, door=door)
    return answer


def at(door: Door, clock: Callable[[], datetime]) -> Door:
    """Return the same scaler at another time."""
    return replace(door, cycle=replace(door.cycle, clock=clock))


def clients_of(door: Door) -> list[Any]:
    """Return the scaler's clients, each once."""
    scaler: Any = door
    cycle = scaler.cycle
    ports = (scaler.alarms, cycle.services, cycle.targets, cycle.metrics, cycle.messages)
    clients = [port._client for port in ports]  # noqa: SLF001
    more = cycle.services._updates, cycle.policies.parameters._client  # noqa: SLF001
    return list(dict.fromkeys([*clients, *more]))


def calls_of(door: Door) -> Counter[str]:
    """Return the calls that the scaler's own clients make from now on, counted by name."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        counted.update([model.name])

    for client in clients_of(door):
        client.meta.events.register("before-call", count, unique_id="count")
    return counted


def on_call(door: Door, event: str, call: str, hook: Callable[[], None]) -> None:
    """Have `hook` called at the botocore event (`before-call`, `after-call`) of an API call."""
    for client in clients_of(door):
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


def elsewhere() -> Mapping[str, str]:
    """Return the services that are not the embedded AWS's, and where: DynamoDB, if anything."""
    endpoint = os.environ.get(DYNAMODB_ENDPOINT)
    return {"dynamodb": endpoint} if endpoint else {}


def recreate_table(account: Account) -> None:
    """Forget all that the scaler knows."""
    account.client("dynamodb").delete_table(TableName=TABLE)
    create_table(account)


def set_tasks(account: Account, desired: int) -> None:
    ecs = account.client("ecs")
    ecs.update_service(cluster=WEB.cluster, service=WEB.service, desiredCount=desired)


def publish(account: Account, begins: datetime, value: float) -> None:
    """Publish a value of the metric that the sample events' alarm watches."""
    publish_all(account, {begins: value})


def publish_all(account: Account, values: Mapping[datetime, float]) -> None:
    """Publish values of that metric in one call."""
    named = {key: METRIC[key] for key in ("MetricName", "Dimensions")}
    data = [
        {**named, "Timestamp": begins, "Value": value, "StorageResolution": 1}
        for begins, value in values.items()
    ]
    client = account.client("cloudwatch")
    client.put_metric_data(Namespace=METRIC["Namespace"], MetricData=data)


def put_alarm(account: Account, state: str, name: str = WEB.alarm(HIGH), **changes: Any) -> None:
    """Create the alarm of the sample events, in a state since the time that the events speak of."""
    alarm = {
        **METRIC,
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    client = account.client("cloudwatch")
    client.put_metric_alarm(AlarmName=name, **alarm)
    with same_time(SetClock(AT)):
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def take_messages(account: Account, queue_url: str) -> list[str]:
    """Return the bodies of the messages that are due, and delete them."""
    client = account.client("sqs")
    answer = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    messages = answer.get("Messages", [])
    for message in messages:
        client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


# --- what is left behind --------------------------------------------------------------------------


def decisions(account: Account, name: ServiceName = WEB) -> list[dict[str, Any]]:
    """Return a target's decision records, oldest first."""
    answer = account.client("dynamodb").query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :decision)",
        ExpressionAttributeValues={
            ":pk": {"S": name.resource_id},
            ":decision": {"S": "decision#"},
        },
    )
    return [from_item(item) for item in answer["Items"]]


def outcomes(account: Account) -> list[str]:
    return [record["outcome"] for record in decisions(account)]


def targets_of(account: Account) -> DynamoTargets:
    return DynamoTargets(account.client("dynamodb"), TABLE)


def remembered(account: Account) -> tuple[Memory, Lease | None]:
    """Return what the target's item holds."""
    return targets_of(account).peek(WEB.resource_id)


def tasks(account: Account) -> int:
    return desired_count(account, WEB)
