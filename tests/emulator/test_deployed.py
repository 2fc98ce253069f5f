"""The stack on a second implementation of AWS: deployed, surged, updated, scheduled, operated."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from quickstep.naming import ServiceName
from quickstep_cli.main import app
from quickstep_lab.embedded_aws import REGION, create_service, desired_count
from tests.emulator.alarm_clock import alarms_evaluated
from tests.emulator.scene import TARGET, WEB, decisions, invoke, parameters, soon, tasks
from tests.emulator.server import ROOT_KEY, Stack, delete, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

API = ServiceName("prod", "api")
TARGET_TEMPLATE = ("--template-file", "templates/scalable-target.yaml")
SURGE = 250
"""Requests per second of each of two tasks: 500 take five tasks of 100."""


def by(stack: Stack, **trigger: str) -> list[Mapping[str, Any]]:
    """Return the decisions of a trigger."""
    return [one for one in decisions(stack, WEB) if trigger.items() <= one["trigger"].items()]


def test_sam_deploys_every_resource_of_the_template(stack: Stack) -> None:
    client = stack.account.client("cloudformation")
    resources = client.describe_stack_resources(StackName=stack.name)["StackResources"]

    assert {one["ResourceStatus"] for one in resources} == {"CREATE_COMPLETE"}
    kinds = Counter(one["ResourceType"] for one in resources)
    assert kinds["AWS::Lambda::Function"] == 3
    assert kinds["AWS::Lambda::EventSourceMapping"] == 2
    assert kinds["AWS::IAM::Role"] == 5
    assert kinds["AWS::CloudFormation::Stack"] == 2  # the first service, the dashboard


def test_the_first_heartbeat_learns_of_the_service_and_holds_as_it_sees_no_load(
    stack: Stack,
) -> None:
    answer = invoke(stack, "ScalerFunction", {"heartbeat": {}})

    (decision,) = answer.payload["decisions"]
    assert decision["outcome"] == "HELD_NO_DATA"
    assert decision["resource_id"] == WEB.resource_id


def test_a_surge_of_the_real_publisher_is_answered_before_its_alarm_and_goes_on_by_rechecks(
    stack: Stack, tmp_path: Path
) -> None:
    surge = threading.Event()
    with tasks(stack, tmp_path, lambda: SURGE if surge.is_set() else 40):
        with alarms_evaluated(stack.account):
            assert soon(lambda: by(stack, kind="alarm", state="OK"))
        surge.set()  # nobody evaluates the alarm meanwhile, however slow the machine is
        assert soon(lambda: desired_count(stack.account, WEB) >= 5)
        with alarms_evaluated(stack.account):
            (answered,) = soon(lambda: by(stack, kind="alarm", state="ALARM"))

    (first, *_) = (one for one in decisions(stack, WEB) if one["outcome"] == "SCALED_OUT")
    assert first["trigger"]["kind"] == "surge"
    assert [one for one in decisions(stack, WEB) if one["trigger"].get("attempt")], "no re-check"
    assert answered["outcome"].startswith("HELD")
    assert not [one for one in decisions(stack, WEB) if one["outcome"].startswith("FAILED")]


def test_an_update_puts_a_new_version_behind_the_alias_and_keeps_the_table(stack: Stack) -> None:
    before = decisions(stack, WEB)
    changed = parameters(stack.account, MaxCapacity=9, LogLevel="DEBUG")

    updated = deploy(stack.account, stack.name, **changed)

    assert updated.outputs == stack.outputs
    alias = stack.account.client("lambda").get_alias(
        FunctionName=stack.outputs["ScalerFunction"].rsplit(":", 1)[0], Name="live"
    )
    assert alias["FunctionVersion"] == "2"
    assert decisions(stack, WEB)[: len(before)] == before


def test_a_schedule_of_a_second_service_brings_its_tasks_at_its_time(stack: Stack) -> None:
    create_service(stack.account, API, 1)
    at = datetime.now(UTC) + timedelta(seconds=6)

    api = deploy(
        stack.account,
        "quickstep-prod-api",
        *TARGET_TEMPLATE,
        ClusterName=API.cluster,
        ServiceName=API.service,
        TargetValue=TARGET,
        MinCapacity=1,
        DryRun="false",
        ExpectedTrafficStart=f"at({at:%Y-%m-%dT%H:%M:%S})",
        ExpectedTrafficEnd="at(2099-01-01T00:00:00)",
        ExpectedTrafficMinCapacity=7,
    )

    assert soon(lambda: desired_count(stack.account, API) == 7)
    # A heartbeat may look at the service in the same seconds.
    assert "request" in {one["trigger"]["kind"] for one in decisions(stack, API)}
    delete(api)


def test_an_operator_scales_by_hand_and_sees_the_answer(stack: Stack) -> None:
    environment = {
        "AWS_ENDPOINT_URL": stack.account.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
    }
    asked = ["scale", "prod/web", "4", "--reason", "a test", "--yes", "--json"]

    result = CliRunner().invoke(app, asked, env=environment)

    assert result.exit_code == 0, result.output
    assert desired_count(stack.account, WEB) == 4
    assert decisions(stack, WEB)[-1]["trigger"]["kind"] == "request"
