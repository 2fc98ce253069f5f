"""A client whose questions are asked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from quickstep_cli.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stubbed() -> Iterator[tuple[Once, Stubber]]:
    client = boto3.client("events", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield Once(client), stubber
        stubber.assert_no_pending_responses()


def test_the_same_question_is_asked_once_and_another_one_anew(
    stubbed: tuple[Once, Stubber],
) -> None:
    once, stubber = stubbed
    stubber.add_response("list_targets_by_rule", {"Targets": [{"Id": "1", "Arn": "a"}]})
    stubber.add_response("list_targets_by_rule", {"Targets": [{"Id": "2", "Arn": "b"}]})

    answers = [once.list_targets_by_rule(Rule=rule)["Targets"] for rule in ("a", "b", "a", "b")]

    assert [targets[0]["Arn"] for targets in answers] == ["a", "b", "a", "b"]


def test_all_pages_are_asked_for_once(stubbed: tuple[Once, Stubber]) -> None:
    once, stubber = stubbed
    stubber.add_response("list_rules", {"Rules": [{"Name": "a"}], "NextToken": "more"})
    stubber.add_response("list_rules", {"Rules": [{"Name": "b"}]})

    for _ in range(2):
        pages = once.get_paginator("list_rules").paginate()
        assert [rule["Name"] for page in pages for rule in page["Rules"]] == ["a", "b"]


def test_a_refusal_is_not_asked_for_again(stubbed: tuple[Once, Stubber]) -> None:
    once, stubber = stubbed
    stubber.add_client_error("list_rules", "AccessDeniedException")

    for _ in range(2):
        with pytest.raises(ClientError, match="AccessDenied"):
            once.list_rules()


def test_what_is_remembered_is_not_asked_and_stays_what_it_is(
    stubbed: tuple[Once, Stubber],
) -> None:
    once, _ = stubbed
    once.remember("list_targets_by_rule", {"Rule": "a"}, {"Targets": ["known"]})
    once.remember("list_targets_by_rule", {"Rule": "a"}, {"Targets": ["later"]})
    once.remember_pages("list_rules", {}, [{"Rules": []}])

    assert once.list_targets_by_rule(Rule="a") == {"Targets": ["known"]}
    assert once.get_paginator("list_rules").paginate() == [{"Rules": []}]


class Slow:
    """A client that answers when it is told to."""

    class meta:  # noqa: N801 - boto3's name
        method_to_api_mapping = {"ask": "Ask"}  # noqa: RUF012 - of a fake

    def __init__(self) -> None:
        self.go, self.asked = Event(), 0

    def ask(self, **_: Any) -> int:
        self.asked += 1
        assert self.go.wait(5)
        return self.asked


def test_who_asks_what_is_being_asked_waits_for_that_answer() -> None:
    slow = Slow()
    once = Once(slow)

    with ThreadPoolExecutor(3) as threads:
        answers = [threads.submit(once.ask, of="a") for _ in range(3)]
        slow.go.set()

        assert [one.result() for one in answers] == [1, 1, 1]
    assert slow.asked == 1
