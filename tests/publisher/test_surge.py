"""A task that feels a surge: when it does, what it publishes then, and whom it tells."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from quickstep_publisher import Address, NotPublishedError, SurgeQueue
from quickstep_publisher._points import Metric, Point
from quickstep_publisher._refused import Refused
from quickstep_publisher._surge import Second, Surges, limit
from quickstep_publisher._trouble import Kind
from tests.publisher.fakes import START, Broken, Kept, Time, a_publisher

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep_publisher import Publisher

WEB = Address("Quickstep/prod/web", "prod", "web")


@pytest.fixture
def time() -> Time:
    return Time()


@dataclass
class Told:
    """Is told of surges, and keeps what it is told."""

    at: list[float] = field(default_factory=list)
    trouble: NotPublishedError | None = None

    def tell(self, address: Address, at: datetime) -> None:
        assert address == WEB
        self.at.append((at - START).total_seconds())
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize(
    ("target", "past", "most"),
    [
        pytest.param(100, [], 150, id="1.5 times the target"),
        pytest.param(4, [], 4 + 3 * math.sqrt(2), id="three deviations of a small one"),
        pytest.param(None, [50.0] * 20, 100, id="twice what was usual"),
        pytest.param(None, [2.0] * 60, 7, id="five deviations of what was usual"),
        pytest.param(None, [50.0] * 19, math.inf, id="too short a past"),
        pytest.param(None, [0.0] * 60, 1 + 5 / math.sqrt(2), id="nothing in the past"),
    ],
)
def test_a_surge_is_felt_above_a_limit(
    target: float | None, past: list[float], most: float
) -> None:
    assert limit(target, past) == pytest.approx(most)


def told_at(target: float | None, demand: list[float]) -> list[int]:
    """Return the seconds after which a surge is told of."""
    surges = Surges(target)
    return [n for n, each in enumerate(demand) if surges.feels([Second(n, each)])]


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        pytest.param([100, 100, 400, 400, 100], [2, 4], id="as soon as the mean of 2 s says it"),
        pytest.param([100, 190, 100, 190, 100], [], id="one high second is none"),
        pytest.param([100] * 4 + [160] * 30, [5, 6, 8, 10, 12], id="five times, of one surge"),
        pytest.param(
            [160] * 12 + [100] * 12 + [160] * 4,
            [1, 2, 4, 6, 8, 25, 26],
            id="after ten calm seconds the next one is another",
        ),
        pytest.param(
            [160] * 12 + [300] * 4,
            [1, 2, 4, 6, 8, 13, 14],
            id="one that has grown by half is another",
        ),
    ],
)
def test_a_surge_is_announced_once_in_two_seconds_and_five_times_at_most(
    demand: list[float], told: list[int]
) -> None:
    assert told_at(100, demand) == told


def test_a_task_without_a_target_goes_by_its_own_last_minute() -> None:
    demand: list[float] = [50.0] * 30 + [200.0] * 200

    told = told_at(None, demand)

    assert told == [30, 32, 34, 36, 38, 40], "half of its first second, and then all of it"


@pytest.mark.parametrize("rate", [5, 50, 500])
def test_an_hour_of_chance_at_the_target_is_no_surge(rate: int) -> None:
    chance = random.Random(3)  # noqa: S311
    demand = [chance.gauss(rate, math.sqrt(rate)) for _ in range(3600)]

    assert len(told_at(rate, demand)) <= 3
    assert len(told_at(None, demand)) <= 1


def test_seconds_that_come_again_say_nothing_new() -> None:
    surges = Surges(100)
    seconds = [Second(1, 400), Second(2, 400)]

    assert surges.feels(seconds)
    assert not surges.feels(seconds)
    assert not surges.feels([])


def loaded(told: Told, kept: Kept | Broken, time: Time, **options: Any) -> Publisher:
    names = {"seconds": True, "phase": 4.0, "target": 100, "surges": told, **options}
    publisher = a_publisher(time, kept, **names)
    publisher.start()
    return publisher


def throttled() -> None:
    raise NotPublishedError(Kind.THROTTLED, "throttled")


def a_point(number: int) -> Point:
    at = START + timedelta(seconds=number)
    return Point(at, (Metric("RequestsPerSecond", "Count/Second", 100.0, at),))


def serve(publisher: Publisher, time: Time, demand: list[int]) -> None:
    for rate in demand:
        for _ in range(4):
            publisher.count(rate // 4)
            time.pass_(0.25)
            publisher.publish()


def test_a_task_that_feels_a_surge_publishes_its_seconds_at_once_and_tells(time: Time) -> None:
    told, kept = Told(), Kept()
    publisher = loaded(told, kept, time)

    serve(publisher, time, [100] * 10 + [400, 400, 400])

    assert 11 <= told.at[0] <= 12.25, "within a second of the first overloaded one"
    surge = next(p for p in kept.points if 400 in [m.value for m in p.metrics])
    assert (surge.timestamp - START).total_seconds() in {10, 11}
    stamps = [m.at for p in kept.points for m in p.metrics if m.name == "RequestsPerSecond"]
    assert len(stamps) == len(set(stamps)), "each second once"


def test_all_seconds_of_a_surge_are_published_once(time: Time) -> None:
    told, kept = Told(), Kept()
    publisher = loaded(told, kept, time)

    serve(publisher, time, [100] * 10 + [400] * 30 + [100] * 20)

    assert len(told.at) == 6, "half of a second, and then all of it"
    rates = {
        (m.at - START).total_seconds(): m.value
        for p in kept.points
        for m in p.metrics
        if m.name == "RequestsPerSecond" and m.at
    }
    assert len(rates) == len(kept.values("RequestsPerSecond"))
    assert sorted(rates) == list(range(len(rates)))
    assert sum(v for v in rates.values() if v == 400) == 30 * 400


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"surges": None}, id="nobody to tell"),
        pytest.param({"seconds": False}, id="no whole seconds"),
    ],
)
def test_without_a_queue_or_seconds_no_surge_is_felt(time: Time, options: dict[str, Any]) -> None:
    told, kept = Told(), Kept()
    publisher = loaded(told, kept, time, **options)

    serve(publisher, time, [100] * 10 + [400] * 10)

    assert told.at == []
    assert {(p.timestamp - START).total_seconds() % 5 for p in kept.points} == {3}


def test_seconds_that_are_throttled_go_with_the_next_call_and_none_is_made_for_them(
    time: Time,
) -> None:
    told, kept = Told(), Kept()
    transport = Broken(kept=kept)
    publisher = loaded(told, transport, time)
    serve(publisher, time, [100] * 10)
    transport.act = throttled
    serve(publisher, time, [400, 400])
    transport.act = None
    before = len(kept.points)

    serve(publisher, time, [400] * 8)

    early = [p for p in kept.points[before:] if (p.timestamp - START).total_seconds() % 5 != 3]
    assert early == []
    stamps = [m.at for p in kept.points for m in p.metrics if m.name == "RequestsPerSecond"]
    assert [(at - START).total_seconds() for at in stamps if at] == list(range(19))
    assert len(told.at) >= 4, "the message is sent in any case"


def test_what_is_throttled_twice_is_lost() -> None:
    refused = Refused()
    first, second = (a_point(number) for number in (1, 2))
    refused.keep(first, 0.0)

    assert refused.all_with(second).metrics == (*first.metrics, *second.metrics)
    refused.keep(second, 5.0)
    assert refused.all_with(a_point(3)).metrics == (*second.metrics, *a_point(3).metrics)
    assert (refused.crowded(14.9), refused.crowded(15.0)) == (True, False)


def test_a_message_that_is_not_taken_is_said_once_and_not_tried_again(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    told, kept = Told(trouble=NotPublishedError(Kind.DENIED, "denied")), Kept()
    publisher = loaded(told, kept, time)

    serve(publisher, time, [100] * 10 + [400] * 20)

    assert len(told.at) == 6, "each slot once"
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "Cannot report a surge: denied"
    ]
    assert kept.values("RequestsPerSecond")


def test_tasks_that_feel_a_surge_in_the_same_slot_leave_one_message() -> None:
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-west-1")
        url = client.create_queue(
            QueueName="Surges.fifo",
            Attributes={
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        )["QueueUrl"]
        queue = SurgeQueue(url, client)
        for task in range(50):
            queue.tell(WEB, START.replace(microsecond=task * 10_000))
        queue.tell(WEB, START.replace(second=2))
        received = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
        )["Messages"]

    bodies = [json.loads(each["Body"]) for each in received]
    assert bodies == [
        {"resource_id": "service/prod/web", "at": "2026-11-22T10:00:00.000+00:00"},
        {"resource_id": "service/prod/web", "at": "2026-11-22T10:00:02.000+00:00"},
    ]
    groups = {each["Attributes"]["MessageGroupId"] for each in received}
    assert groups == {"8dea1b9d4139462187dff48a04cc5064"}


def test_a_queue_that_is_gone_is_said_in_words() -> None:
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-west-1")
        queue = SurgeQueue("https://sqs.eu-west-1.amazonaws.com/123456789012/No.fifo", client)

        with pytest.raises(NotPublishedError, match=r"^The surge queue refuses a message \(AWS"):
            queue.tell(WEB, START)


@pytest.mark.parametrize("url", ["", "Surges.fifo", "https://sqs/123/Surges", "ftp://a/b.fifo"])
def test_a_surge_queue_is_the_url_of_a_fifo_queue(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the surge queue must be the URL of a FIFO queue, not"):
        SurgeQueue(url)
