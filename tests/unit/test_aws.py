"""What the adapters make of AWS's answers, where moto has none like them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from quickstep.aws.dynamodb import from_item, to_item
from quickstep.aws.ecs import EcsServices, deployment_in_progress
from quickstep.aws.failures import calling
from quickstep.aws.ssm import SsmPolicyDocuments
from quickstep.engine.outcome import Outcome
from quickstep.ports import CallFailedError
from quickstep.wiring import in_threads
from tests.builders import WEB


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("ThrottlingException", Outcome.FAILED_THROTTLED),
        ("TooManyRequestsException", Outcome.FAILED_THROTTLED),
        ("ServiceNotFoundException", Outcome.FAILED_NOT_FOUND),
        ("ClusterNotFoundException", Outcome.FAILED_NOT_FOUND),
        ("ServiceNotActiveException", Outcome.FAILED_NOT_FOUND),
        ("AccessDeniedException", Outcome.FAILED_DENIED),
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
            EcsServices(client).describe(WEB)

    assert caught.value.outcome is Outcome.FAILED_NOT_FOUND


def test_an_update_passes_cluster_service_and_desired_count_and_nothing_else() -> None:
    client = boto3.client("ecs")
    with Stubber(client) as stub:
        expected = {"cluster": "prod", "service": "web", "desiredCount": 6}
        stub.add_response("update_service", {}, expected)

        EcsServices(client).set_desired_count(WEB, 6)

        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AccessDeniedException", Outcome.FAILED_DENIED),
        ("ThrottlingException", Outcome.FAILED_THROTTLED),
    ],
)
def test_a_document_that_could_not_be_read_is_no_config_error(code: str, outcome: Outcome) -> None:
    client = boto3.client("ssm")
    with Stubber(client) as stub:
        stub.add_client_error("get_parameter", code)

        with pytest.raises(CallFailedError) as caught:
            SsmPolicyDocuments(client).load(WEB)

    assert caught.value.outcome is outcome


@pytest.mark.parametrize(
    "value",
    [0.1, 1 / 3, 2.0**360, 2.0**-360, 160.0, -7, None, True, "", [], {"a": [1, {"b": None}]}],
)
def test_an_item_gives_back_what_was_put_into_it(value: Any) -> None:
    assert from_item(to_item({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    ("value", "stored"), [(5e-324, 0), (1.7e308, 9e125), (-1.7e308, -9e125), (-1e-200, 0)]
)
def test_a_float_that_dynamodb_cannot_hold_becomes_the_nearest_it_can(
    value: float, stored: float
) -> None:
    assert from_item(to_item({"value": value})) == {"value": stored}


def test_both_calls_of_a_round_are_under_way_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=5)  # broken, and so an error, unless two are waiting
    with ThreadPoolExecutor(1) as executor:
        together = in_threads(executor)

        assert sorted(together(both.wait, both.wait)) == [0, 1]


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
