"""`quickstep doctor --all`: every target as it is checked alone, in a fraction of the calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import quickstep_cli.asked
from benchmarks.services import run as command
from benchmarks.services import services, set_up
from quickstep.naming import ServiceName
from quickstep_lab.embedded_aws import TABLE, create_service, put_policy, reset
from tests.builders import a_document
from tests.integration.test_doctor import publish, put_alarms, stack

if TYPE_CHECKING:
    from collections import Counter

    from quickstep_lab.embedded_aws import Account

__all__ = ["stack"]  # a fixture

API, GONE = ServiceName("prod", "api"), ServiceName("stage", "gone")


@pytest.fixture
def targets(stack: None, account: Account) -> None:  # noqa: ARG001 - a fixture
    """Three targets: one that works, one without alarms, and one whose service is not there."""
    put_alarms(account)
    publish(account)
    create_service(account, API, 3)
    put_policy(account, API, json.dumps(a_document(ResourceId=API.resource_id)))
    put_policy(account, GONE, json.dumps(a_document(ResourceId=GONE.resource_id, DryRun=True)))
    corrupt = {"pk": {"S": API.resource_id}, "sk": {"S": "#state"}, "generation": {"S": "x"}}
    account.client("dynamodb").put_item(TableName=TABLE, Item=corrupt)
    client = account.client("application-autoscaling")
    of = {
        "ServiceNamespace": "ecs",
        "ResourceId": API.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    client.register_scalable_target(**of, MinCapacity=1, MaxCapacity=9)
    client.put_scheduled_action(**of, ScheduledActionName="night", Schedule="rate(1 day)")


def timeless(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings without how old the newest datapoint is, which grows as one looks."""
    return [one for one in findings if " ended " not in one["what"]]


@pytest.mark.usefixtures("targets")
def test_each_target_is_found_as_it_is_found_alone(run: Any) -> None:
    together = run("doctor", "--all", "--json")

    assert together.exit_code == 1, together.output
    rows = {row["target"]: row["findings"] for row in json.loads(together.stdout)}
    assert list(rows) == ["prod/api", "prod/web", "stage/gone"]
    for target, findings in rows.items():
        alone = json.loads(run("doctor", target, "--json").stdout)
        assert timeless(findings) == timeless(alone), target


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize(
    "refused",
    ["BatchGetItem", "DescribeServices", "DescribeScalableTargets", "DescribeAlarms"],
)
def test_a_refused_call_for_several_is_made_for_each(
    refused: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = json.loads(run("doctor", "--all", "--json").stdout)

    def deny(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, refused)

    asks = {"BatchGetItem": "_items", "DescribeServices": "_services"}
    asks |= {"DescribeScalableTargets": "_autoscaling", "DescribeAlarms": "_alarms"}
    monkeypatch.setattr(quickstep_cli.asked, asks[refused], deny)

    alone = json.loads(run("doctor", "--all", "--json").stdout)
    assert [timeless(row["findings"]) for row in alone] == [
        timeless(row["findings"]) for row in allowed
    ]


@pytest.mark.usefixtures("targets")
def test_the_table_has_a_row_each_and_below_it_every_problem_once(run: Any) -> None:
    result = run("doctor", "--all")

    lines = result.stdout.splitlines()
    assert lines[0] == "  TARGET      PROBLEMS  WARNINGS  FAILING CHECKS"
    marks = {line[2:12].rstrip(): (line[0], line[14], line[34:]) for line in lines[1:4]}
    assert marks["prod/api"] == ("✗", "4", "alarms, other scalers, state")
    assert marks["prod/web"] == ("!", "0", "")  # a quota that the embedded AWS has not
    assert marks["stage/gone"] == ("✗", "3", "service, alarms")
    what = "alarms: quickstep/TARGET/high-request-rate does not exist"
    assert f"✗ prod/api, stage/gone: {what}" in lines
    assert "✗ prod/api: other scalers: Application Auto Scaling acts on the service: scheduled" in (
        result.stdout
    )
    assert lines[-1] == ("3 targets, 2 with problems; for details, run quickstep doctor TARGET")


@pytest.mark.usefixtures("targets")
def test_a_cluster_s_targets_alone(run: Any) -> None:
    result = run("doctor", "--all", "--cluster", "stage", "--json")

    assert [row["target"] for row in json.loads(result.stdout)] == ["stage/gone"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((), "Invalid value for TARGET: is missing; or pass --all"),
        (
            ("prod/web", "--all"),
            "Invalid value for --all: cannot be combined with a target or --fire",
        ),
        (
            ("--all", "--fire"),
            "Invalid value for --all: cannot be combined with a target or --fire",
        ),
        (("prod/web", "--cluster", "prod"), "Invalid value for --cluster: requires --all"),
    ],
)
def test_what_goes_with_what(given: tuple[str, ...], why: str, run: Any) -> None:
    result = run("doctor", *given)

    assert result.exit_code == 2
    assert why in result.stderr


def test_a_cluster_without_targets_is_said(run: Any) -> None:
    result = run("doctor", "--all", "--cluster", "nowhere")

    assert result.exit_code == 5
    assert result.stderr == (
        "✗ no target of the cluster nowhere in us-east-1: /quickstep has no policy document\n"
    )


def calls_for(account: Account, number: int) -> Counter[str]:
    """Return what checking so many targets calls."""
    reset(account)
    set_up(account, number)
    for service in services(number):
        put_policy(account, service, json.dumps(a_document(ResourceId=service.resource_id)))
    return command(account, "doctor", "--all").calls


def test_more_targets_cost_what_is_in_no_call_for_several(account: Account) -> None:
    few, more = calls_for(account, 2), calls_for(account, 7)

    grown = {name: more[name] - few[name] for name in more if more[name] != few[name]}
    assert grown == {
        "DescribeTargetGroupAttributes": 5,
        "DescribeTaskDefinition": 5,
        "Query": 5,
        "SimulatePrincipalPolicy": 10,  # of the service, and of its document
    }
