"""What reaches the function besides alarm events, as samples: a re-check and the heartbeat."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.scaler.handler import handler
from lab.embedded_aws import TABLE, Account, desired_count, put_policy
from quickstep.messages import read_message, write_message
from quickstep.wiring import Settings, make_intake
from tests.builders import HIGH, WEB, a_document, load_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    Deliver = Callable[..., dict[str, Any]]

AT = datetime(2026, 11, 22, 10, 0, 12, 600_000, tzinfo=UTC)

ALARM = f"quickstep/{WEB.cluster}/{WEB.service}/{HIGH}"
METRIC: dict[str, Any] = {
    "Namespace": "MyApp/Performance",
    "MetricName": "RequestsPerSecond",
    "Dimensions": [
        {"Name": "ClusterName", "Value": WEB.cluster},
        {"Name": "ServiceName", "Value": WEB.service},
    ],
}


@dataclass
class Context:
    """What the decorators read of a Lambda context."""

    function_name: str = "scaler"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:scaler:live"
    aws_request_id: str = "request-1"


@pytest.fixture
def deliver(account: Account, queue_url: str) -> Deliver:
    """Return the function as it is deployed, at a moment of the test's choice.

    The guard on capacity on its way is off, so that a step gives the number that it says.
    """
    put_policy(account, WEB, json.dumps(a_document(Guards={"CapacityOnItsWay": False})))
    settings = Settings(TABLE, queue_url, 0, timedelta(seconds=60), timedelta(days=30))
    intake = make_intake(settings, account.client)

    def deliver(event: Any, seconds: float = 0) -> dict[str, Any]:
        cycle = replace(intake.cycle, clock=lambda: AT + timedelta(seconds=seconds))
        context = cast("LambdaContext", Context())
        answer: dict[str, Any] = handler(event, context, intake=replace(intake, cycle=cycle))
        return answer

    return deliver


def load_is(account: Account, value: float, seconds: float) -> None:
    """Publish a datapoint that begins so many seconds after the alarm's."""
    client = account.session.client("cloudwatch", endpoint_url=account.endpoint_url)
    begins = datetime(2026, 11, 22, 10, 0, tzinfo=UTC) + timedelta(seconds=seconds)
    datum = {
        "MetricName": METRIC["MetricName"],
        "Dimensions": METRIC["Dimensions"],
        "Timestamp": begins,
        "Value": value,
        "StorageResolution": 1,
    }
    client.put_metric_data(Namespace=METRIC["Namespace"], MetricData=[datum])  # type: ignore[list-item]


def test_the_sample_is_a_message_as_the_scaler_writes_it_and_sqs_delivers_it() -> None:
    (record,) = load_event("recheck")["Records"]

    assert json.dumps(write_message(read_message(record["body"]))) == record["body"]
    digest = hashlib.md5(record["body"].encode(), usedforsecurity=False)
    assert record["md5OfBody"] == digest.hexdigest()


def test_a_re_check_answers_a_breach_that_goes_on(deliver: Deliver, account: Account) -> None:
    deliver(load_event("alarm-high-step2"))
    assert desired_count(account, WEB) == 6
    load_is(account, 130, seconds=10)

    answer = deliver(load_event("recheck"), seconds=12)

    assert answer == {"batchItemFailures": []}
    assert desired_count(account, WEB) == 7


def test_a_re_check_of_another_generation_changes_nothing(
    deliver: Deliver, account: Account
) -> None:
    deliver(load_event("alarm-high-step2"))
    load_is(account, 130, seconds=10)
    deliver(load_event("recheck"), seconds=12)
    load_is(account, 130, seconds=20)

    answer = deliver(load_event("recheck"), seconds=24)

    assert answer == {"batchItemFailures": []}
    assert desired_count(account, WEB) == 7


def test_a_re_check_of_a_target_without_memory_changes_nothing(
    deliver: Deliver, account: Account
) -> None:
    assert deliver(load_event("recheck")) == {"batchItemFailures": []}
    assert desired_count(account, WEB) == 4


def put_alarm(account: Account) -> None:
    client = account.session.client("cloudwatch", endpoint_url=account.endpoint_url)
    client.put_metric_alarm(
        AlarmName=ALARM,
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
        **METRIC,
    )


def test_a_heartbeat_without_any_alarm_finds_nothing_to_do(deliver: Deliver) -> None:
    assert deliver(load_event("heartbeat")) == {"decisions": []}


def test_a_heartbeat_brings_a_target_back_within_its_bounds(
    deliver: Deliver, account: Account
) -> None:
    put_alarm(account)
    put_policy(account, WEB, json.dumps(a_document(MinCapacity=6)))

    answer = deliver(load_event("heartbeat"))

    (decision,) = answer["decisions"]
    assert (decision["trigger"], decision["granted"]) == ({"kind": "heartbeat"}, 6)
    assert desired_count(account, WEB) == 6
