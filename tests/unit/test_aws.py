"""What the adapters make of AWS's answers, where moto has none like them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.retries.standard import ThrottledRetryableChecker
from botocore.stub import Stubber
from hypothesis import given

from quickstep.alarms.known import KnownAlarm
from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.cloudwatch import CloudWatchAlarms, CloudWatchMetrics
from quickstep.aws.dynamodb import DynamoTargets, _fitting
from quickstep.aws.ecs import EcsServices, deployment_in_progress
from quickstep.aws.failures import Kind, calling
from quickstep.aws.sqs import SqsMessages
from quickstep.aws.ssm import SsmParameters
from quickstep.engine.model import AlarmState, Datapoint
from quickstep.engine.outcome import Outcome
from quickstep.protocol.documents import Document
from quickstep.protocol.memory import Lease, Memory, memory_dict, read_memory
from quickstep.protocol.messages import Message, Recheck, Sweep, write_message
from quickstep.protocol.ports import CallFailedError, ItemFullError, LeaseLostError
from quickstep.wiring import in_threads
from tests.builders import (
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_lease,
    a_record,
    ago,
)
from tests.strategies import memories


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("ThrottlingException", Outcome.FAILED_THROTTLED),
        ("TooManyRequestsException", Outcome.FAILED_THROTTLED),
        ("ServiceNotFoundException", Outcome.FAILED_NOT_FOUND),
        ("ClusterNotFoundException", Outcome.FAILED_NOT_FOUND),
        ("ServiceNotActiveException", Outcome.FAILED_NOT_FOUND),
        ("AccessDeniedException", Outcome.FAILED_DENIED),
        ("ExpiredToken", Outcome.FAILED_DENIED),
        ("InvalidSignatureException", Outcome.FAILED_DENIED),
        ("ResourceNotFoundException", Outcome.FAILED_OTHER),
        ("InvalidParameterException", Outcome.FAILED_OTHER),
        ("ServerException", Outcome.FAILED_OTHER),
        ("SomethingNewException", Outcome.FAILED_OTHER),
    ],
)
def test_an_aws_error_has_an_outcome_and_says_which_call_it_was(
    code: str, outcome: Outcome
) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateService")

    with pytest.raises(CallFailedError) as caught, calling("UpdateService"):
        raise error

    assert caught.value.outcome is outcome
    assert caught.value.why == f"UpdateService: {code}: no"


NO_THROTTLES = {
    "LimitExceededException",
    "PriorRequestNotComplete",
    "TransactionInProgressException",
}
"""Those of a quota, and of a request before that is still under way: botocore only tries again."""


def test_throttles_are_those_that_botocore_knows_and_no_code_is_of_two_kinds() -> None:
    known = set(vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"])
    codes = [code for kind in Kind for code in kind.value]

    assert set(Kind.THROTTLED.value) == known - NO_THROTTLES
    assert len(codes) == len(set(codes))


def test_an_endpoint_that_does_not_answer_is_a_failure() -> None:
    with pytest.raises(CallFailedError) as caught, calling("DescribeServices"):
        raise EndpointConnectionError(endpoint_url="https://ecs.example")

    assert caught.value.outcome is Outcome.FAILED_OTHER


def test_what_is_not_aws_s_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), calling("UpdateService"):
        raise ZeroDivisionError


COMPLETED = {"rolloutState": "COMPLETED"}
RUNNING = {"rolloutState": "IN_PROGRESS"}


@pytest.mark.parametrize(
    ("service", "in_progress"),
    [
        pytest.param({"deployments": [COMPLETED]}, False, id="at rest"),
        pytest.param({"deployments": [RUNNING, COMPLETED]}, True, id="rolling"),
        pytest.param(
            {"deployments": [COMPLETED, COMPLETED]}, False, id="old tasks linger after success"
        ),
        pytest.param({"deployments": [{}, {}]}, True, id="behind a Classic Load Balancer"),
        pytest.param({"deployments": [{}]}, False, id="at rest behind one"),
        pytest.param(
            {"deploymentController": {"type": "CODE_DEPLOY"}, "taskSets": [{}, {}]}, True, id="cd"
        ),
        pytest.param(
            {"deploymentController": {"type": "CODE_DEPLOY"}, "taskSets": [{}]}, False, id="cd rest"
        ),
        pytest.param(
            {"deploymentController": {"type": "EXTERNAL"}, "deployments": [RUNNING]},
            False,
            id="an external controller's are its own business",
        ),
    ],
)
def test_a_rollout_is_seen(service: Any, *, in_progress: bool) -> None:
    assert deployment_in_progress(service) is in_progress


@pytest.mark.parametrize("status", ["DRAINING", "INACTIVE"])
def test_a_service_that_is_going_away_is_not_found(status: str) -> None:
    client = boto3.client("ecs")
    with Stubber(client) as stub:
        service = {"status": status, "desiredCount": 0, "runningCount": 0, "pendingCount": 0}
        stub.add_response("describe_services", {"services": [service], "failures": []})

        with pytest.raises(CallFailedError, match=f"service/prod/web is {status}") as caught:
            EcsServices(client, client).describe(WEB)

    assert caught.value.outcome is Outcome.FAILED_NOT_FOUND


@pytest.mark.parametrize(
    ("running", "failed", "events", "trouble"),
    [
        pytest.param(
            2,
            (3, 1),
            ["unable to place a task", "an older one"],
            "4 tasks failed; unable to place a task",
            id="failed tasks and the newest event",
        ),
        pytest.param(
            2, (0,), ["unable to place a task"], "unable to place a task", id="none fails"
        ),
        pytest.param(2, (3,), [], "3 tasks failed", id="no event"),
        pytest.param(2, (), [], "", id="nothing is said"),
        pytest.param(2, (), ["x" * 400], "x" * 300, id="many words"),
        pytest.param(4, (3,), ["has reached a steady state"], "", id="all run"),
    ],
)
def test_of_tasks_that_do_not_run_the_service_has_what_ecs_says(
    running: int, failed: tuple[int, ...], events: list[str], trouble: str
) -> None:
    client = boto3.client("ecs")
    with Stubber(client) as stub:
        service = {
            "serviceName": WEB.service,
            "status": "ACTIVE",
            "desiredCount": 4,
            "runningCount": running,
            "pendingCount": 0,
            "deployments": [{"failedTasks": count} for count in failed],
            "events": [{"message": message} for message in events],
        }
        stub.add_response("describe_services", {"services": [service], "failures": []})

        assert EcsServices(client, client).describe(WEB).trouble == trouble


def test_an_update_passes_cluster_service_and_desired_count_and_nothing_else() -> None:
    client = boto3.client("ecs")
    with Stubber(client) as stub:
        expected = {"cluster": "prod", "service": "web", "desiredCount": 6}
        stub.add_response("update_service", {}, expected)

        EcsServices(client, client).set_desired_count(WEB, 6)

        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AccessDeniedException", Outcome.FAILED_DENIED),
        ("ThrottlingException", Outcome.FAILED_THROTTLED),
    ],
)
def test_documents_that_could_not_be_read_are_not_missing(code: str, outcome: Outcome) -> None:
    client = boto3.client("ssm")
    with Stubber(client) as stub:
        stub.add_client_error("get_parameters", code)

        with pytest.raises(CallFailedError) as caught:
            SsmParameters(client).parameters([WEB])

    assert caught.value.outcome is outcome


@pytest.mark.parametrize("kind", ["StringList", "SecureString"])
def test_a_document_in_a_parameter_of_another_type_is_refused_unread(kind: str) -> None:
    parameter = {"Name": WEB.parameter, "Value": "{}", "Type": kind, "LastModifiedDate": NOW}
    client = boto3.client("ssm")
    with Stubber(client) as stub:
        stub.add_response("get_parameters", {"Parameters": [parameter]})

        found = SsmParameters(client).parameters([WEB])

    assert found == {WEB: Document(problem=f"must be a String parameter, not {kind}")}


@pytest.mark.parametrize(
    ("code", "raises"),
    [("ThrottlingException", CallFailedError), ("InternalServerError", ClientError)],
)
def test_a_claim_that_was_throttled_says_so(code: str, raises: type[Exception]) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", code)

        with pytest.raises(raises, match=code):
            DynamoTargets(client, "table").claim(WEB.resource_id, a_lease("one", NOW))


@pytest.mark.parametrize(
    "value",
    [0.1, 1 / 3, 2.0**360, 2.0**-360, 160.0, -7, None, True, "", [], {"a": [1, {"b": None}]}],
)
def test_an_item_gives_back_what_was_put_into_it(value: Any) -> None:
    assert from_item(to_item({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"N": "7"}, 7),
        ({"N": "-7"}, -7),
        ({"N": "7.0"}, 7),
        ({"N": "7.5"}, 7.5),
        ({"N": "999999999999999"}, 999_999_999_999_999),
        ({"N": "9007199254740993"}, float(2**53)),
        ({"N": "1E+2"}, 100),
        ({"S": "7"}, "7"),
        ({"BOOL": False}, False),
        ({"NULL": True}, None),
        ({"L": [{"N": "1"}, {"M": {"a": {"S": ""}}}]}, [1, {"a": ""}]),
        ({"SS": ["by somebody else"]}, "SS: ['by somebody else']"),
    ],
    ids=str,
)
def test_an_attribute_is_read_as_the_json_it_was(attribute: dict[str, Any], value: Any) -> None:
    read = from_item({"given": attribute})["given"]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("value", "error"), [({1}, TypeError), (b"1", TypeError), (float("nan"), ValueError)], ids=str
)
def test_what_json_cannot_say_is_not_stored(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_item({"value": value})


@pytest.mark.parametrize(
    ("value", "stored"), [(5e-324, 0), (1.7e308, 9e125), (-1.7e308, -9e125), (-1e-200, 0)]
)
def test_a_float_that_dynamodb_cannot_hold_becomes_the_nearest_it_can(
    value: float, stored: float
) -> None:
    assert from_item(to_item({"value": value})) == {"value": stored}


@given(memories)
def test_a_memory_comes_out_of_the_table_as_it_was_put_in(memory: Memory) -> None:
    assert read_memory(from_item(to_item(memory_dict(memory)))) == memory


def test_a_claim_that_meets_a_commit_under_way_has_lost_the_race() -> None:
    """DynamoDB refuses single writes to an item that a transaction writes; moto does not."""
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", "TransactionConflictException")

        refused = DynamoTargets(client, "table").claim(WEB.resource_id, a_lease())

    assert isinstance(refused, Lease)
    assert refused.until <= NOW, "it may be free as soon as the loser comes back"


def test_a_claim_that_fails_is_an_error() -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", "ResourceNotFoundException")

        with pytest.raises(ClientError):
            DynamoTargets(client, "table").claim(WEB.resource_id, a_lease())


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        pytest.param(["ConditionalCheckFailed", "None"], LeaseLostError, id="another's lease"),
        pytest.param(["TransactionConflict", "None"], ClientError, id="a conflict"),
        pytest.param(["None", "ThrottlingError"], ClientError, id="throttled"),
    ],
)
def test_a_commit_that_is_cancelled_says_whether_the_lease_was_lost(
    codes: list[str], error: type[Exception]
) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        for _ in range(2):  # once more without what could have come in between
            stub.add_client_error(
                "transact_write_items",
                "TransactionCanceledException",
                modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
            )

        with pytest.raises(error):
            DynamoTargets(client, "table").commit("me", Memory(), a_record())


# --- the queue ------------------------------------------------------------------------------------

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/quickstep"


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(0, 0), (0.2, 1), (2, 2), (9.5, 10), (900, 900), (900.5, 900), (86_400, 900)],
)
def test_a_delay_is_whole_seconds_and_at_most_fifteen_minutes(delay: float, seconds: int) -> None:
    client = boto3.client("sqs")
    message = Message(Recheck(WEB, 7))
    with Stubber(client) as stub:
        expected = {
            "QueueUrl": URL,
            "MessageBody": json.dumps(write_message(message)),
            "DelaySeconds": seconds,
        }
        stub.add_response("send_message", {}, expected)

        SqsMessages(client, URL).send(message, timedelta(seconds=delay))

        stub.assert_no_pending_responses()


def test_many_messages_go_ten_at_a_time() -> None:
    client = boto3.client("sqs")
    messages = [Message(Recheck(WEB, number)) for number in range(25)]
    bodies = [json.dumps(write_message(message)) for message in messages]
    with Stubber(client) as stub:
        for batch in (bodies[:10], bodies[10:20], bodies[20:]):
            entries = [
                {"Id": str(n), "MessageBody": body, "DelaySeconds": 2}
                for n, body in enumerate(batch)
            ]
            expected = {"QueueUrl": URL, "Entries": entries}
            stub.add_response("send_message_batch", {"Successful": [], "Failed": []}, expected)

        SqsMessages(client, URL).send_all([(m, timedelta(seconds=1.5)) for m in messages])

        stub.assert_no_pending_responses()


def test_messages_that_are_too_large_for_one_call_take_several() -> None:
    """Two of 100 KB fit into the 256 KB of a call, and the third has its own."""
    client = boto3.client("sqs")
    large = Message(Sweep("t" * 100_000))
    entry = {"MessageBody": json.dumps(write_message(large)), "DelaySeconds": 0}
    with Stubber(client) as stub:
        for count in (2, 1):
            entries = [{"Id": str(number), **entry} for number in range(count)]
            expected = {"QueueUrl": URL, "Entries": entries}
            stub.add_response("send_message_batch", {"Successful": [], "Failed": []}, expected)

        SqsMessages(client, URL).send_all([(large, timedelta())] * 3)

        stub.assert_no_pending_responses()


def test_a_batch_of_which_some_messages_are_refused_is_a_failed_call() -> None:
    client = boto3.client("sqs")
    with Stubber(client) as stub:
        failed = [
            {"Id": str(number), "SenderFault": False, "Code": code}
            for number, code in enumerate(["Throttled", "InternalError", "Throttled"])
        ]
        stub.add_response("send_message_batch", {"Successful": [], "Failed": failed})

        with pytest.raises(CallFailedError) as caught:
            SqsMessages(client, URL).send_all(
                [(Message(Recheck(WEB, n)), timedelta()) for n in range(4)]
            )

    assert caught.value.why == "SendMessageBatch: 3 of 4 refused: InternalError, Throttled"


# --- metrics and alarms ---------------------------------------------------------------------------


def a_result(query_id: str, *points: tuple[float, float]) -> dict[str, Any]:
    return {
        "Id": query_id,
        "Timestamps": [ago(seconds) for seconds, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def test_all_alarms_are_read_in_one_call_and_oldest_first() -> None:
    client = boto3.client("cloudwatch")
    with Stubber(client) as stub:
        (stat,) = (query["MetricStat"] for query in DEFINITION.queries)
        expected = {
            "MetricDataQueries": [
                {"Id": name, "MetricStat": {**stat, "Stat": statistic}, "ReturnData": True}
                for name, statistic in [
                    ("a0", "Average"),
                    ("a1", "Average"),
                    ("a0_samples", "SampleCount"),
                    ("a1_samples", "SampleCount"),
                ]
            ],
            "StartTime": NOW.replace(minute=57, hour=9, second=0, microsecond=0),
            "EndTime": NOW,
            "ScanBy": "TimestampAscending",
        }
        answer = {
            "MetricDataResults": [
                a_result("a1"),
                a_result("a0_samples", (12.5, 8.0)),
                a_result("a0", (22.5, 150.0), (12.5, 160.0)),
                a_result("a0_1", (12.5, 1.0)),
            ]
        }
        stub.add_response("get_metric_data", answer, expected)

        read = CloudWatchMetrics(client).read({HIGH: DEFINITION, LOW: LOW_DEFINITION}, NOW)

    assert read == {HIGH: [Datapoint(ago(22.5), 150.0), Datapoint(ago(12.5), 160.0, 8.0)], LOW: []}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("Throttling", Outcome.FAILED_THROTTLED),
        ("AccessDenied", Outcome.FAILED_DENIED),
        ("InternalServiceFault", Outcome.FAILED_OTHER),
    ],
)
def test_metrics_that_cannot_be_read_are_a_failed_call(code: str, outcome: Outcome) -> None:
    client = boto3.client("cloudwatch")
    with Stubber(client) as stub:
        stub.add_client_error("get_metric_data", code)

        with pytest.raises(CallFailedError, match="GetMetricData") as caught:
            CloudWatchMetrics(client).read({HIGH: DEFINITION}, NOW)

    assert caught.value.outcome is outcome


def test_a_definition_that_cloudwatch_does_not_take_is_a_failed_call() -> None:
    client = boto3.client("cloudwatch")
    strange = replace(DEFINITION, queries=({"Id": "m1", "MetricStat": {"Stat": 5}},))

    with pytest.raises(CallFailedError, match="GetMetricData: Parameter validation failed"):
        CloudWatchMetrics(client).read({HIGH: strange}, NOW)


def an_alarm(policy: str, **changes: Any) -> dict[str, Any]:
    """Return one of DescribeAlarms' MetricAlarms; None takes a key away."""
    (stat,) = (query["MetricStat"] for query in DEFINITION.queries)
    alarm = {
        "AlarmName": WEB.alarm(policy),
        "ActionsEnabled": True,
        "StateValue": "ALARM",
        "StateUpdatedTimestamp": ago(5),
        "StateTransitionedTimestamp": ago(30),
        **stat["Metric"],
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    return {key: value for key, value in alarm.items() if value is not None}


COMPOSITE = {
    "AlarmName": WEB.alarm("both"),
    "AlarmRule": "ALARM(a) AND ALARM(b)",
    "StateValue": "OK",
    "StateUpdatedTimestamp": ago(60),
    "ActionsEnabled": False,
}


def test_pages_are_asked_for_by_prefix_kind_and_token() -> None:
    """moto answers with everything on one page, whatever MaxRecords and NextToken say."""
    client = boto3.client("cloudwatch")
    request = {
        "AlarmNamePrefix": "quickstep/",
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        "MaxRecords": 100,
    }
    with Stubber(client) as stub:
        first = {"MetricAlarms": [an_alarm(HIGH)], "NextToken": "page-2"}
        stub.add_response("describe_alarms", first, request)
        last = {"MetricAlarms": [an_alarm(LOW, StateValue="OK")], "CompositeAlarms": [COMPOSITE]}
        stub.add_response("describe_alarms", last, {**request, "NextToken": "page-2"})
        alarms = CloudWatchAlarms(client)

        assert alarms.page(None) == (
            {(WEB, HIGH): KnownAlarm(AlarmState.ALARM, ago(30), DEFINITION)},
            "page-2",
        )
        assert alarms.page("page-2") == (
            {
                (WEB, LOW): KnownAlarm(AlarmState.OK, ago(30), DEFINITION),
                (WEB, "both"): KnownAlarm(AlarmState.OK, ago(60), None, disabled=True),
            },
            None,
        )
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"StateTransitionedTimestamp": None},
            KnownAlarm(AlarmState.ALARM, ago(5), DEFINITION),
            id="not told when the state changed: when it was last updated",
        ),
        pytest.param(
            {"ActionsEnabled": False},
            KnownAlarm(AlarmState.ALARM, ago(30), DEFINITION, disabled=True),
            id="switched off",
        ),
        pytest.param(
            {"Threshold": None, "ThresholdMetricId": "ad1"},
            KnownAlarm(AlarmState.ALARM, ago(30), None),
            id="anomaly detection",
        ),
    ],
)
def test_an_alarm_is_described(changes: dict[str, Any], expected: KnownAlarm) -> None:
    client = boto3.client("cloudwatch")
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", {"MetricAlarms": [an_alarm(HIGH, **changes)]})

        page, _ = CloudWatchAlarms(client).page(None)

    assert page == {(WEB, HIGH): expected}


def test_alarms_that_cannot_be_described_are_a_failed_call() -> None:
    client = boto3.client("cloudwatch")
    with Stubber(client) as stub:
        stub.add_client_error("describe_alarms", "Throttling")

        with pytest.raises(CallFailedError, match="DescribeAlarms: Throttling") as caught:
            CloudWatchAlarms(client).page(None)

    assert caught.value.outcome is Outcome.FAILED_THROTTLED


# --- two calls at the same time -------------------------------------------------------------------


def test_both_calls_of_a_round_are_under_way_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=5)  # broken, and so an error, unless two are waiting
    with ThreadPoolExecutor(1) as executor:
        together = in_threads(executor)

        assert sorted(together(both.wait, both.wait)) == [0, 1]


THREE_CALLS = """
import threading
from datetime import timedelta
from quickstep.settings import Settings
from quickstep.wiring import make_door

queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/rechecks"
settings = Settings("table", queue_url, 30, timedelta(seconds=60), timedelta(days=30))
together = make_door(settings).cycle.together
meet = threading.Barrier(3, timeout=5).wait
first, (second, third) = together(meet, lambda: together(meet, meet))
print(sorted([first, second, third]))
"""


def test_three_calls_of_a_round_are_under_way_at_the_same_time_as_the_function_is_wired() -> None:
    """With a thread too few the inner round would wait for ever for the thread that it is in.

    In a process of its own, for nothing but its end would end that.
    """
    done = subprocess.run(  # noqa: S603 - the text above
        [sys.executable, "-c", THREE_CALLS],
        env={
            **os.environ,
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )

    assert done.stdout.strip() == "[0, 1, 2]", done.stderr


@pytest.mark.parametrize("failing", ["first", "second"])
def test_a_round_ends_when_both_calls_have_ended_even_if_one_fails(failing: str) -> None:
    ended: list[str] = []

    def call(name: str) -> None:
        ended.append(name)
        if name == failing:
            raise ZeroDivisionError

    with ThreadPoolExecutor(1) as executor, pytest.raises(ZeroDivisionError):
        in_threads(executor)(lambda: call("first"), lambda: call("second"))

    assert sorted(ended) == ["first", "second"]


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ("Item size has exceeded the maximum allowed size", "", ItemFullError),
        (
            "Transaction cancelled [ValidationError]",
            "Item size to update is too large",
            ItemFullError,
        ),
        ("Transaction cancelled [ThrottlingError]", "Throughput exceeded", ClientError),
    ],
    ids=["of a write", "of a transaction", "something else"],
)
def test_a_full_item_is_recognized_by_the_error_or_by_a_transaction_s_reasons(
    message: str, reason: str, expected: type[Exception]
) -> None:
    answer = {
        "Error": {"Code": "ValidationException", "Message": message},
        "CancellationReasons": [{"Code": "None"}, {"Code": "X", "Message": reason}],
    }

    with pytest.raises(expected), _fitting("service/prod/web"):
        raise ClientError(cast("Any", answer), "TransactWriteItems")
