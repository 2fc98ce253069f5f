"""Stories of services that work off queues, on the embedded AWS: real SQS, the real function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.naming import ServiceName
from quickstep_lab.embedded_aws import desired_count
from tests.clocks import SetClock, same_time
from tests.integration.queue_story import JOBS, QueueStory, a_story, forbid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

KNOWN = 61
"""Seconds after which a new target is known, and polled."""


@pytest.fixture
def story(server: Account) -> Iterator[QueueStory]:
    time = SetClock()
    with same_time(time):
        yield a_story(server, time)


def test_from_zero_the_first_task_is_asked_for_within_twelve_seconds(story: QueueStory) -> None:
    """Whenever the message comes between two polls; each of ten services gets one at its own."""
    names = [ServiceName("prod", f"worker-{number}") for number in range(10)]
    for name in names:
        story.add(name)
    story.passes(KNOWN + 10, works=False)
    sent: dict[ServiceName, int] = {}
    waited: dict[ServiceName, int] = {}

    for second in range(25):
        if second < len(names):
            story.send(names[second].service, 1)
            sent[names[second]] = second
        story.passes(1, works=False)
        for name in sent.keys() - waited.keys():
            if desired_count(story.account, name):
                waited[name] = second + 1 - sent[name]

    print("seconds from the first message to the first task:", sorted(waited.values()))  # noqa: T201
    assert waited.keys() == set(names)
    assert max(waited.values()) <= 12


def test_a_jolt_is_worked_off_and_tasks_are_given_back(story: QueueStory) -> None:
    story.document({"jobs": {**JOBS, "ScaleInWindow": 60}})
    story.passes(KNOWN)
    story.send("jobs", 120)

    story.until(lambda: story.desired >= 30, most=15)
    story.until(lambda: story.done == 120, most=60)
    story.until(lambda: story.desired < 30, most=180)

    outs = [reason for reason in story.reasons if reason.startswith("Scaled out")]
    assert outs[0] == (
        "Scaled out from 0 to 35: jobs: 12 jobs/s arriving and 120 waiting need 35 tasks at 0.5 "
        "jobs/s each"
    )
    assert story.reasons[-1].startswith("Scaled in from ")


def test_a_steady_load_is_carried_without_a_backlog_and_with_few_decisions(
    story: QueueStory,
) -> None:
    story.passes(KNOWN)
    for _ in range(60):
        story.send("jobs", 2)
        story.passes(1)
    before = len(story.outcomes)

    for _ in range(120):
        story.send("jobs", 2)
        story.passes(1)

    answer = story.sqs.get_queue_attributes(
        QueueUrl=story.urls["jobs"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert int(answer["Attributes"]["ApproximateNumberOfMessages"]) <= 4
    assert 4 <= story.desired <= 12
    assert len(story.outcomes) - before <= 3, "of the twelve polls in that time"


def test_a_quiet_minute_writes_nothing_to_the_table(story: QueueStory) -> None:
    story.passes(KNOWN + 10)
    written: list[str] = []
    targets: Any = story.door.cycle.targets
    targets._client.meta.events.register(  # noqa: SLF001
        "before-call", lambda model, **_: written.append(model.name)
    )

    story.passes(60)

    assert set(written) <= {"BatchGetItem", "GetItem", "Query"}
    assert written.count("BatchGetItem") == 6


def test_a_fifo_queue_is_worked_off(story: QueueStory) -> None:
    story.make_queue("orders.fifo")
    story.document({"orders": {**JOBS, "QueueName": "orders.fifo"}})
    story.passes(KNOWN)
    story.send("orders.fifo", 40, groups=20)

    story.until(lambda: story.done == 40, most=120)

    (first, *_) = [reason for reason in story.reasons if reason.startswith("Scaled out")]
    assert first.startswith(
        "Scaled out from 0 to 12: orders: 4 jobs/s arriving and 40 waiting need "
    )


def test_what_several_queues_take_is_added_up(story: QueueStory) -> None:
    story.make_queue("mails")
    story.document({"jobs": JOBS, "mails": {**JOBS, "QueueName": "mails"}})
    story.passes(KNOWN)
    story.send("jobs", 30)
    story.send("mails", 60)

    story.until(lambda: story.desired > 0, most=15)

    (first, *_) = [reason for reason in story.reasons if reason.startswith("Scaled out")]
    assert first == (
        "Scaled out from 0 to 26: jobs: 3 jobs/s arriving and 30 waiting need 8.67; mails: 6 "
        "jobs/s "
        "arriving and 60 waiting need 17.3: 26 tasks in all"
    )
    story.until(lambda: story.done == 90, most=60)


def test_delayed_messages_start_no_task_and_keep_the_last_one(story: QueueStory) -> None:
    story.document(Preset="relaxed", QueuePolicies={"jobs": {**JOBS, "ScaleInWindow": 0}})
    story.passes(KNOWN)
    story.send("jobs", 1, delay=900)
    story.passes(30)
    assert story.desired == 0

    story.send("jobs", 1)
    story.until(lambda: story.done == 1, most=60)
    story.passes(560)
    assert story.desired == 1, "its window and the seven minutes of a share are over"
    assert story.reasons[-1] == ("Kept 1 task for now: messages are in flight or delayed")


def test_the_last_task_stays_while_somebody_works_on_a_message(story: QueueStory) -> None:
    story.seconds_per_job = 3600
    story.document(Preset="relaxed", QueuePolicies={"jobs": {**JOBS, "ScaleInWindow": 0}})
    story.passes(KNOWN)
    story.send("jobs", 1)
    story.until(lambda: story.desired == 1, most=15)
    story.passes(10)
    job = story.under_way[0]
    story.sqs.change_message_visibility(
        QueueUrl=job.url, ReceiptHandle=job.receipt, VisibilityTimeout=3600
    )

    story.passes(600)

    assert (story.desired, story.done) == (1, 0)


def test_dead_letters_never_add_a_task(story: QueueStory) -> None:
    dead = story.make_queue("jobs-dead")
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": 3}
    story.sqs.set_queue_attributes(
        QueueUrl=story.urls["jobs"], Attributes={"RedrivePolicy": json.dumps(redrive)}
    )
    story.document({"jobs": JOBS, "dead": {**JOBS, "QueueName": "jobs-dead"}})
    story.passes(KNOWN)

    story.send("jobs-dead", 500)
    story.passes(60, works=False)
    assert story.desired == 0

    story.send("jobs", 1)
    story.until(lambda: story.desired > 0, most=15)
    assert story.desired == 1


def test_a_queue_that_is_gone_is_recorded_each_minute_and_removes_nothing(
    story: QueueStory,
) -> None:
    story.passes(KNOWN)
    story.send("jobs", 30)
    story.until(lambda: story.desired > 0, most=15)
    tasks = story.desired
    story.sqs.delete_queue(QueueUrl=story.urls.pop("jobs"))
    before = len(story.outcomes)

    story.passes(300, works=False)

    new = story.outcomes[before:]
    assert story.desired == tasks
    assert set(new) == {"FAILED_QUEUE"}
    assert 5 <= len(new) <= 7
    assert story.reasons[-1] == (
        "Failed, a queue cannot be read, so no task is removed: jobs: GetQueueUrl of jobs: "
        "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist."
    )


@pytest.mark.parametrize("call", ["GetQueueUrl", "GetQueueAttributes"])
def test_a_queue_that_may_not_be_read_is_recorded_each_minute(story: QueueStory, call: str) -> None:
    forbid(story.door, call)
    story.send("jobs", 30)

    story.passes(200)

    assert set(story.outcomes) == {"FAILED_DENIED"}
    assert 3 <= len(story.outcomes) <= 4
    assert story.reasons[-1] == (
        f"Failed, permission denied: {call} of jobs: AccessDenied: not allowed"
    )


def test_a_queue_that_may_not_be_read_costs_the_other_nothing(story: QueueStory) -> None:
    story.make_queue("mails")
    story.document({"jobs": JOBS, "gone": {**JOBS, "QueueName": "gone"}})
    story.passes(KNOWN)
    story.send("jobs", 20)

    story.until(lambda: story.desired > 0, most=15)

    (first, *_) = [reason for reason in story.reasons if reason.startswith("Scaled out")]
    assert first.startswith(
        "Scaled out from 0 to 6: jobs: 2 jobs/s arriving and 20 waiting need 6 "
    )
