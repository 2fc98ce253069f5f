"""What reaches the function besides alarm events, as samples: a re-check and the heartbeat."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.protocol.messages import read_message, write_message
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_lab.embedded_aws import TABLE, Account, desired_count, put_policy
from tests.builders import WEB, a_document, load_event
from tests.integration.scene import AT, at, invoke, publish, put_alarm

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[..., dict[str, Any]]


@pytest.fixture
def deliver(account: Account, queue_url: str) -> Deliver:
    """Return the function as it is deployed, at a moment of the test's choice.

    The guard on capacity on its way is off, so that a step gives the number that it says.
    """
    put_policy(account, WEB, json.dumps(a_document(Guards={"CapacityOnItsWay": False})))
    settings = Settings(TABLE, queue_url, 0, timedelta(seconds=60), timedelta(days=30))
    door = make_door(settings, account.client)

    def deliver(event: Any, seconds: float = 0) -> dict[str, Any]:
        return invoke(at(door, lambda: AT + timedelta(seconds=seconds)), event)

    return deliver


def load_is(account: Account, value: float, seconds: float) -> None:
    """Publish a datapoint that begins so many seconds after the alarm's."""
    publish(account, datetime(2026, 11, 22, 10, 0, tzinfo=UTC) + timedelta(seconds=seconds), value)


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


def test_a_heartbeat_without_any_alarm_finds_nothing_to_do(deliver: Deliver) -> None:
    assert deliver(load_event("heartbeat")) == {"decisions": []}


def test_a_heartbeat_brings_a_target_back_within_its_bounds(
    deliver: Deliver, account: Account
) -> None:
    put_alarm(account, "OK")
    put_policy(account, WEB, json.dumps(a_document(MinCapacity=6)))

    answer = deliver(load_event("heartbeat"))

    (decision,) = answer["decisions"]
    assert (decision["trigger"], decision["granted"]) == ({"kind": "heartbeat"}, 6)
    assert desired_count(account, WEB) == 6
