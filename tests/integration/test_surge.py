"""A task's surge, through the real handler on an embedded AWS, before any alarm has fired."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.fields import write_moment
from quickstep.naming import ServiceName
from quickstep.protocol.ports import MOST_SURGES_A_SECOND
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_lab.embedded_aws import TABLE, Account, desired_count, put_policy
from tests.builders import HIGH, WEB, a_document, load_event
from tests.clocks import SetClock, same_time
from tests.integration.scene import (
    AT,
    METRIC,
    at,
    calls_of,
    decisions,
    invoke,
    outcomes,
    put_alarm,
)
from tests.log_lines import metrics_in, overhear

if TYPE_CHECKING:
    from quickstep.loop.door import Door

TASKS = 4
SURGE = load_event("surge")
(RECORD,) = SURGE["Records"]
LEARNT = "HELD_NOT_BREACHING"
"""How the heartbeat's look ends that learns of the alarm."""

ALL_WELL: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture
def door(account: Account, queue_url: str) -> Door:
    """The scaler as it is deployed; a heartbeat has seen the service's alarm."""
    document = a_document(Guards={"CapacityOnItsWay": False}, PublishSeconds=1)
    put_policy(account, WEB, json.dumps(document))
    put_alarm(account, "OK")
    with same_time(SetClock(AT - timedelta(minutes=10))):
        account.client("cloudwatch").set_alarm_state(
            AlarmName=WEB.alarm(HIGH), StateValue="OK", StateReason="test"
        )
    settings = Settings(TABLE, queue_url, 0, timedelta(seconds=60), timedelta(days=30))
    door = at(make_door(settings, account.client), lambda: AT)
    invoke(at(door, lambda: AT - timedelta(seconds=5)), {"heartbeat": {}})
    return door


def publish_seconds(account: Account, values: list[float], tasks: int = TASKS) -> None:
    """Have tasks publish whole seconds, of which the last has just ended."""
    last = AT.replace(microsecond=0) - timedelta(seconds=1)
    data = [
        {
            "MetricName": METRIC["MetricName"],
            "Dimensions": METRIC["Dimensions"],
            "Timestamp": last - timedelta(seconds=len(values) - 1 - number),
            "Value": value,
            "StorageResolution": 1,
        }
        for number, value in enumerate(values)
        for _ in range(tasks)
    ]
    for start in range(0, len(data), 500):
        account.client("cloudwatch").put_metric_data(
            Namespace=METRIC["Namespace"], MetricData=data[start : start + 500]
        )


def a_surge(service: ServiceName = WEB, at: datetime = AT) -> dict[str, Any]:
    body = json.dumps({"resource_id": service.resource_id, "at": write_moment(at)})
    return {"Records": [{**RECORD, "body": body}]}


def test_the_sample_is_a_message_as_a_task_sends_it_and_sqs_delivers_it() -> None:
    sent = json.loads(RECORD["body"])
    at_ = datetime.fromisoformat(sent["at"])
    group = hashlib.sha256(sent["resource_id"].encode()).hexdigest()[:32]

    assert RECORD["attributes"]["MessageGroupId"] == group
    slot = int(at_.replace(tzinfo=UTC).timestamp()) // 2
    assert RECORD["attributes"]["MessageDeduplicationId"] == f"{group}-{slot}"
    assert (
        RECORD["md5OfBody"]
        == hashlib.md5(RECORD["body"].encode(), usedforsecurity=False).hexdigest()
    )


def test_a_surge_is_answered_before_the_alarm_and_the_alarm_s_event_is_held(
    door: Door, account: Account
) -> None:
    publish_seconds(account, [60.0] * 40 + [160.0, 160.0])

    assert invoke(door, SURGE) == ALL_WELL

    assert desired_count(account, WEB) == 6
    (record,) = (one for one in decisions(account) if one["outcome"] == "SCALED_OUT")
    assert record["trigger"] == {"kind": "surge", "at": "2026-11-22T10:00:11.200Z"}
    assert record["surge_to_update_ms"] == 1400

    event = load_event("alarm-high-step2")
    invoke(at(door, lambda: AT + timedelta(seconds=1)), event)

    assert outcomes(account) == [LEARNT, "SCALED_OUT", "HELD_ANSWERED"]
    assert desired_count(account, WEB) == 6


def test_one_hot_task_is_one_of_four(door: Door, account: Account) -> None:
    publish_seconds(account, [60.0] * 40, tasks=3)
    publish_seconds(account, [60.0] * 38 + [200.0, 200.0], tasks=1)

    invoke(door, SURGE)

    assert outcomes(account) == [LEARNT, "HELD_NOT_BREACHING"]
    assert desired_count(account, WEB) == TASKS


def test_a_surge_makes_these_calls_and_no_others(door: Door, account: Account) -> None:
    publish_seconds(account, [60.0] * 40 + [160.0, 160.0])
    made = calls_of(door)

    invoke(door, SURGE)

    assert made == {
        "GetItem": 2,  # what the item remembers, and the copy of the document
        "UpdateItem": 3,  # the account's count, the claim, what is asked for
        "DescribeServices": 1,
        "GetMetricData": 1,
        "UpdateService": 1,
        "TransactWriteItems": 1,
        "SendMessage": 1,
    }


@pytest.mark.parametrize(
    ("event", "made"),
    [
        pytest.param(a_surge(at=AT - timedelta(seconds=11)), {}, id="old"),
        pytest.param(a_surge(ServiceName("prod", "nowhere")), {"GetItem": 1}, id="no such service"),
    ],
)
def test_what_no_look_is_made_for_is_counted_once_for_all_and_under_no_name(
    event: Any, made: dict[str, int], *, door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    """A metric by a name of the sender's choice would cost for each name."""
    counted, lines = calls_of(door), overhear(capsys)

    assert invoke(door, event) == ALL_WELL

    assert counted == made
    assert metrics_in(lines()) == {("Quickstep/IgnoredSurges", ""): 1}


def test_a_flood_about_services_that_are_not_there_leaves_nothing(
    door: Door, account: Account
) -> None:
    before = account.client("dynamodb").scan(TableName=TABLE)["Count"]
    for number in range(20):
        invoke(door, a_surge(ServiceName("prod", f"none-{number}")))

    assert account.client("dynamodb").scan(TableName=TABLE)["Count"] == before


@pytest.mark.parametrize("body", ["{", "[]", '{"request": {}}', '{"resource_id": "web"}'])
def test_what_is_no_surge_is_refused_and_not_tried_again(
    body: str, door: Door, account: Account
) -> None:
    answer = invoke(door, {"Records": [{**RECORD, "body": body}]})

    assert answer == ALL_WELL
    assert outcomes(account) == [LEARNT]


def test_a_crash_of_a_look_costs_the_tasks_queue_nothing(door: Door, account: Account) -> None:
    """The message is gone from it, and comes back through the scaler's own."""
    item = {"pk": {"S": WEB.resource_id}, "sk": {"S": "#state"}, "alarms": {"S": "spoilt"}}
    account.client("dynamodb").put_item(TableName=TABLE, Item=item)

    assert invoke(door, SURGE) == ALL_WELL
    sqs = account.client("sqs")
    queue = door.messages._queue_url  # type: ignore[attr-defined] # noqa: SLF001
    (sent,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"]
    assert json.loads(sent["Body"]) == {"surge": json.loads(RECORD["body"]), "lost": 1}


def test_five_hundred_tasks_of_a_service_are_one_message(account: Account) -> None:
    sqs = account.client("sqs")
    queue = sqs.create_queue(
        QueueName="Surges.fifo",
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        },
    )["QueueUrl"]
    attributes = RECORD["attributes"]
    for _ in range(500):
        sqs.send_message(
            QueueUrl=queue,
            MessageBody=RECORD["body"],
            MessageGroupId=attributes["MessageGroupId"],
            MessageDeduplicationId=attributes["MessageDeduplicationId"],
        )

    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert len(got) == 1


def test_the_account_s_count_is_kept_in_the_table(door: Door, account: Account) -> None:
    assert [door.surges.take(AT) for _ in range(MOST_SURGES_A_SECOND + 2)] == [
        *[True] * MOST_SURGES_A_SECOND,
        False,
        False,
    ]
    key = {"pk": {"S": "#surges"}, "sk": {"S": "2026-11-22T10:00:12.000Z"}}
    item = account.client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]
    assert item["taken"] == {"N": str(MOST_SURGES_A_SECOND)}
    assert int(item["expires_at"]["N"]) == int(AT.timestamp()) + 3600
