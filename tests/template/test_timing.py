"""The times that have to fit each other: timeout, lease, queue, client retries, delays, heartbeat.

Each is said once, in `template.yaml` or in the code. What is right about one of them depends on the
others, so whoever changes one is told here which.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from quickstep.alarms.event import EventError
from quickstep.aws.sqs import LONGEST_DELAY
from quickstep.engine.proposal import RECHECK_SECONDS
from quickstep.loop.cycle import LEASE
from quickstep.loop.heartbeat import PAGE_SLEEP, PAGES
from quickstep.loop.next_look import LONGEST_BACKOFF, MAX_THROTTLES, NEWER_DATAPOINT, backoff
from quickstep.loop.surges import OLDEST
from quickstep.protocol.ports import MOST_SURGES_A_SECOND
from quickstep.protocol.quotas import DESCRIBE_SERVICES
from quickstep.wiring import CLIENT_CONFIG
from tests.builders import load_event
from tests.fakes import World
from tests.template.stack import SCALER, deploy

STACK = deploy(SCALER)
TIMEOUT = timedelta(seconds=STACK.of_type("AWS::Lambda::Function")["Scaler"]["Timeout"])
QUEUE: dict[str, Any] = STACK.of_type("AWS::SQS::Queue")["Rechecks"]
VISIBILITY = timedelta(seconds=QUEUE["VisibilityTimeout"])
RECEIVES = QUEUE["RedrivePolicy"]["maxReceiveCount"]
MAPPINGS = {
    mapping["EventSourceArn"].removesuffix(".Arn"): mapping
    for mapping in STACK.of_type("AWS::Lambda::EventSourceMapping").values()
}
MAPPING = MAPPINGS["Rechecks"]
SCHEDULE = STACK.the("AWS::Scheduler::Schedule")

SQS_LONGEST_DELAY = timedelta(minutes=15)


# The function and its calls


def test_a_function_is_gone_before_its_lease_is() -> None:
    assert TIMEOUT < LEASE


def longest_call() -> timedelta:
    """Return how long a call can hang that fails: in connecting, or in waiting for an answer.

    Every attempt takes its whole time-out, and every pause between them the most that botocore's
    standard mode draws: 1 s, then 2 s. Both time-outs in one attempt are not counted: connections
    are kept, so that one that is slow to make and then silent, three times, is no single fault.
    """
    options: Any = CLIENT_CONFIG
    attempts = options.retries["total_max_attempts"]
    pauses = sum(2**attempt for attempt in range(attempts - 1))
    one = max(options.connect_timeout, options.read_timeout)
    return timedelta(seconds=attempts * one + pauses)


def test_one_call_may_hang_through_all_its_retries_and_the_function_can_still_record_it() -> None:
    """Any one call of an evaluation; the others are answered in milliseconds.

    Should a second one hang, the function is stopped, and its lease tells the next holder so.
    """
    assert CLIENT_CONFIG.retries["mode"] == "standard"  # type: ignore[attr-defined]
    assert longest_call() + timedelta(seconds=1) <= TIMEOUT


def test_a_message_whose_call_hangs_takes_no_other_message_with_it() -> None:
    assert MAPPING["BatchSize"] * longest_call() <= TIMEOUT
    assert MAPPING["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_pauses_of_a_sweep_leave_half_of_the_time_for_its_calls() -> None:
    assert (PAGES - 1) * PAGE_SLEEP <= TIMEOUT / 2


# The queue


def test_a_message_stays_invisible_for_six_timeouts_of_the_function() -> None:
    assert 6 * TIMEOUT <= VISIBILITY


def test_a_message_that_comes_back_finds_the_lease_of_its_dead_holder_expired() -> None:
    assert VISIBILITY >= LEASE


def test_lambda_takes_a_message_at_once() -> None:
    assert MAPPING.get("MaximumBatchingWindowInSeconds", 0) == 0
    assert "ScalingConfig" not in MAPPING


def test_lambda_does_not_take_a_chain_of_re_checks_for_a_runaway_loop() -> None:
    """By default it stops a function that its own messages have invoked 16 times."""
    assert STACK.of_type("AWS::Lambda::Function")["Scaler"]["RecursiveLoop"] == "Allow"


def test_a_message_fails_three_times_before_it_is_given_up() -> None:
    assert RECEIVES == 3
    assert QUEUE["RedrivePolicy"]["deadLetterTargetArn"] == "DeadMessages.Arn"


def test_a_message_is_kept_through_its_delay_and_all_its_tries_but_not_much_longer() -> None:
    used = LONGEST_DELAY + RECEIVES * VISIBILITY

    kept = timedelta(seconds=QUEUE["MessageRetentionPeriod"])
    assert used <= kept <= used + timedelta(minutes=5)


def test_every_delay_of_a_re_check_is_one_that_sqs_can_wait() -> None:
    """Whole seconds, 15 minutes at most. A cooldown that ends later is cut to that."""
    backoffs = [
        backoff(attempt, jitter, scale_in=scale_in)
        for attempt in range(MAX_THROTTLES + 1)
        for jitter in (0.0, 0.5, 1.0)
        for scale_in in (False, True)
    ]
    delays = [NEWER_DATAPOINT, timedelta(seconds=RECHECK_SECONDS), *backoffs]

    assert LONGEST_DELAY == SQS_LONGEST_DELAY
    assert all(delay % timedelta(seconds=1) == timedelta() for delay in delays)
    assert min(delays) >= timedelta(seconds=1)
    assert max(delays) == LONGEST_BACKOFF <= LONGEST_DELAY


def test_a_dead_function_holds_up_a_service_s_surges_no_longer_than_they_are_of_use() -> None:
    """Lambda refuses a mapping whose queue shows a message again before its function has ended."""
    queue = STACK.of_type("AWS::SQS::Queue")["Surges"]
    visible_again = timedelta(seconds=queue["VisibilityTimeout"])

    assert TIMEOUT <= visible_again <= OLDEST


def test_lambda_takes_a_surge_at_once() -> None:
    assert MAPPINGS["Surges"].get("MaximumBatchingWindowInSeconds", 0) == 0


def test_the_looks_that_an_account_takes_are_what_its_describe_quota_leaves() -> None:
    """Each of five a second brings six looks at most, of which few come in one second."""
    assert DESCRIBE_SERVICES.a_second / 4 >= MOST_SURGES_A_SECOND


# The heartbeat


def test_the_schedule_s_input_is_the_sample_and_the_scaler_takes_it_for_the_heartbeat() -> None:
    sent = json.loads(SCHEDULE["Target"]["Input"])

    assert sent == load_event("heartbeat")
    assert World().door.on_event(sent) == []
    with pytest.raises(EventError):
        World().door.on_event({**sent, "another": {}})


def test_the_heartbeat_comes_every_minute_and_is_done_70_seconds_after_the_last_at_most() -> None:
    assert SCHEDULE["ScheduleExpression"] == "rate(1 minute)"
    assert SCHEDULE["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert SCHEDULE.get("State", "ENABLED") == "ENABLED"
    assert timedelta(minutes=1) + TIMEOUT <= timedelta(seconds=70)


def test_a_heartbeat_is_given_up_when_the_next_one_is_there() -> None:
    retry = SCHEDULE["Target"]["RetryPolicy"]

    assert timedelta(seconds=retry["MaximumEventAgeInSeconds"]) <= timedelta(minutes=1)
    assert retry["MaximumRetryAttempts"] <= 3
