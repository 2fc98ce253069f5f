"""`quickstep promote` on the embedded AWS: who may act after it, after a failure, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import quickstep_cli.promote
from quickstep.config import parse_target
from quickstep_cli.autoscaling import IN, OUT, SCHEDULED
from quickstep_lab.embedded_aws import put_policy
from tests.builders import WEB
from tests.integration.aas import OF_WEB, AutoScaling

if TYPE_CHECKING:
    from datetime import timedelta

    from quickstep_lab.embedded_aws import Account

DOCUMENT = {
    "ResourceId": "service/prod/web",
    "MinCapacity": 2,
    "MaxCapacity": 40,
    "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}},
    "DryRun": True,
}
ALARM = WEB.alarm("request-rate/high")
TO_QUICKSTEP = """service/prod/web, in this order:
  1. Application Auto Scaling stops removing tasks
  2. Quickstep's dry run ends
  3. Application Auto Scaling stops adding tasks
"""
SUSPENDED = {IN: True, OUT: True, SCHEDULED: False}
ACTING = {IN: False, OUT: False, SCHEDULED: False}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """How long the command has waited; it does not."""
    waited: list[timedelta] = []
    monkeypatch.setattr(quickstep_cli.promote, "wait_for", waited.append)
    return waited


@pytest.fixture
def aas(account: Account, waits: list[timedelta]) -> AutoScaling:
    """A dry run beside AAS, whose alarm has data."""
    assert waits == []
    put_policy(account, WEB, json.dumps(DOCUMENT))
    put_alarm(account, "OK")
    return AutoScaling(account)


def put_alarm(account: Account, state: str) -> None:
    client = account.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="Quickstep/prod/web",
        MetricName="RequestsPerSecond",
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="test")


def is_dry_run(account: Account) -> bool:
    client = account.client("ssm")
    text = client.get_parameter(Name=WEB.parameter)["Parameter"]["Value"]
    return parse_target(text).dry_run


def test_it_says_what_it_will_do_asks_once_and_does_it(
    account: Account, aas: AutoScaling, run: Any, waits: list[timedelta]
) -> None:
    result = run("promote", "prod/web", answer="y\n")

    assert result.exit_code == 0, result.output
    assert result.stdout == (
        TO_QUICKSTEP + "Its stack or module still has the old DryRun, and its next deployment "
        "undoes this: give it --parameter-overrides DryRun=false in SAM, dry_run = false in "
        "Terraform.\nTo go back: quickstep promote prod/web --back\n"
    )
    assert result.stderr.count("[y/N]") == 1
    assert (aas.suspended, is_dry_run(account)) == (SUSPENDED, False)
    assert [wait.total_seconds() for wait in waits] == [30]


def test_where_the_answer_is_no_nothing_is_changed(
    account: Account, aas: AutoScaling, run: Any
) -> None:
    assert run("promote", "prod/web", answer="n\n").exit_code == 1

    assert (aas.suspended, is_dry_run(account)) == (ACTING, True)


def test_back_gives_it_to_aas_as_it_was(account: Account, aas: AutoScaling, run: Any) -> None:
    before = account.client("ssm").get_parameter(Name=WEB.parameter)["Parameter"]["Value"]
    assert run("promote", "prod/web", "--yes").exit_code == 0

    result = run("promote", "prod/web", "--back", "--yes")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1:4] == [
        "  1. Application Auto Scaling adds tasks again",
        "  2. Quickstep becomes a dry run",
        "  3. Application Auto Scaling removes tasks again",
    ]
    assert (aas.suspended, is_dry_run(account)) == (ACTING, True)
    after = account.client("ssm").get_parameter(Name=WEB.parameter)["Parameter"]["Value"]
    assert json.loads(after) == json.loads(before)


@pytest.mark.usefixtures("aas")
@pytest.mark.parametrize("way", [(), ("--back",)], ids=["promote", "back"])
def test_what_is_done_is_not_done_again(run: Any, way: tuple[str, ...]) -> None:
    run("promote", "prod/web", *way, "--yes")

    result = run("promote", "prod/web", *way)

    whose = "Application Auto Scaling" if way else "Quickstep"
    assert result.exit_code == 0
    assert result.stdout == f"service/prod/web is {whose}'s already: nothing to do\n"


FAILURES = {
    "the first step": (1, {IN: False, OUT: False, SCHEDULED: False}, True, "nothing"),
    "the last step": (
        2,
        {IN: True, OUT: False, SCHEDULED: False},
        False,
        "Application Auto Scaling stops removing tasks; Quickstep's dry run ends",
    ),
}


@pytest.mark.parametrize(
    ("call", "suspended", "dry_run", "done"), FAILURES.values(), ids=[*FAILURES]
)
def test_a_failure_in_the_middle_says_what_was_done_and_is_run_again(
    account: Account,
    aas: AutoScaling,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    suspended: dict[str, bool],
    dry_run: bool,
    done: str,
) -> None:
    suspend, calls = quickstep_cli.promote.suspend, []

    def failing(*given: Any) -> None:
        calls.append(given)
        if len(calls) == call:
            answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
            raise ClientError(answer, "RegisterScalableTarget")
        suspend(*given)

    monkeypatch.setattr(quickstep_cli.promote, "suspend", failing)

    result = run("promote", "prod/web", "--yes")

    assert result.exit_code == 4
    assert (
        f"✗ RegisterScalableTarget is not allowed: not you. Done: {done}. Not done: "
    ) in result.stderr
    assert result.stderr.endswith(
        "Somebody adds tasks meanwhile. Run the same command again to go on, or turn round: "
        "promote --back, or promote without it\n"
    )
    assert (aas.suspended, is_dry_run(account)) == (suspended, dry_run)
    assert run("promote", "prod/web", "--yes").exit_code == 0
    assert (aas.suspended, is_dry_run(account)) == (SUSPENDED, False)


BLIND = {"no data": ("INSUFFICIENT_DATA", "has no data"), "no alarm": ("", "does not exist")}


@pytest.mark.parametrize(("state", "why"), BLIND.values(), ids=BLIND)
def test_a_target_that_does_not_see_its_load_is_not_promoted(
    account: Account, aas: AutoScaling, run: Any, state: str, why: str
) -> None:
    if state:
        put_alarm(account, state)
    else:
        account.client("cloudwatch").delete_alarms(AlarmNames=[ALARM])

    result = run("promote", "prod/web", "--yes")

    assert result.exit_code == 1
    assert result.stderr == (
        "✗ nothing was changed, as Quickstep would not see the load: "
        f"quickstep/prod/web/request-rate/high {why}; quickstep doctor says what to fix\n"
    )
    assert (aas.suspended, is_dry_run(account)) == (ACTING, True)


def test_scheduled_actions_of_aas_stop_and_are_named(
    account: Account, aas: AutoScaling, run: Any
) -> None:
    account.client("application-autoscaling").put_scheduled_action(
        **OF_WEB,
        ScheduledActionName="night",
        Schedule="cron(0 20 * * ? *)",
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2},
    )

    result = run("promote", "prod/web", "--yes")

    assert result.exit_code == 0, result.output
    assert "! night will not run: make schedules of the target of them\n" in result.stdout
    assert aas.suspended == {IN: True, OUT: True, SCHEDULED: True}
    run("promote", "prod/web", "--back", "--yes")
    assert aas.suspended == ACTING


@pytest.mark.usefixtures("waits")
def test_where_aas_has_nothing_back_is_a_warning(account: Account, run: Any) -> None:
    put_policy(account, WEB, json.dumps(DOCUMENT))
    put_alarm(account, "OK")
    assert run("promote", "prod/web", "--yes").exit_code == 0
    assert is_dry_run(account) is False

    result = run("promote", "prod/web", "--back", "--yes")

    assert result.stdout.startswith(
        "! Application Auto Scaling has nothing for it: nobody will scale it\n"
    )
    assert is_dry_run(account) is True


def test_a_target_that_is_not_there_is_named(run: Any) -> None:
    result = run("promote", "prod/nothing", "--yes")

    assert result.exit_code == 5
    assert "no such target: /quickstep/prod/nothing does not exist" in result.stderr
