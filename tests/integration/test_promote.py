"""`quickstep promote` on the embedded AWS: who may act after it, after a failure, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

import quickstep_cli.promote
from quickstep.aws.ssm import DynamoCopies
from quickstep.config import parse_target
from quickstep.protocol.documents import Copy, Document
from quickstep_cli.autoscaling import IN, OUT, SCHEDULED, suspend
from quickstep_lab.embedded_aws import TABLE, put_policy
from tests.builders import WEB, alarm_input
from tests.integration.aas import OF_WEB, AutoScaling

if TYPE_CHECKING:
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


@dataclass
class Heartbeat:
    """A scaler that reads the document each minute, while the command waits; no time passes."""

    account: Account
    waited: timedelta = timedelta()
    alive: bool = True

    def wait_for(self, span: timedelta) -> None:
        before, self.waited = self.waited, self.waited + span
        minute = timedelta(minutes=1)
        if self.alive and before // minute < self.waited // minute:
            client, now = self.account.client("ssm"), datetime.now(UTC)
            found = client.get_parameter(Name=WEB.parameter)["Parameter"]
            copies = DynamoCopies(self.account.client("dynamodb"), TABLE)
            copies.write(WEB, Copy.of(Document(found["Value"]), now))


@pytest.fixture
def scaler(account: Account, monkeypatch: pytest.MonkeyPatch) -> Heartbeat:
    """The scaler's heartbeat."""
    heartbeat = Heartbeat(account)
    monkeypatch.setattr(quickstep_cli.promote, "wait_for", heartbeat.wait_for)
    return heartbeat


@pytest.fixture
def aas(account: Account, scaler: Heartbeat) -> AutoScaling:
    """A dry run beside AAS, whose alarm has data."""
    assert scaler.alive
    put_policy(account, WEB, json.dumps(DOCUMENT))
    put_alarm(account, "OK")
    return AutoScaling(account)


def put_alarm(account: Account, state: str) -> None:
    client = account.client("cloudwatch")
    client.put_metric_alarm(**alarm_input(AlarmName=ALARM))
    client.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="test")


def is_dry_run(account: Account) -> bool:
    client = account.client("ssm")
    text = client.get_parameter(Name=WEB.parameter)["Parameter"]["Value"]
    return parse_target(text).dry_run


def test_it_says_what_it_will_do_asks_once_and_does_it(
    account: Account, aas: AutoScaling, run: Any, scaler: Heartbeat
) -> None:
    result = run("promote", "prod/web", answer="y\n")

    assert result.exit_code == 0, result.output
    assert result.stdout == (
        TO_QUICKSTEP + "! /quickstep/prod/web is untagged, so its owner is unknown: set DryRun "
        "false at its source\n y\nTo go back: quickstep promote prod/web --back\n"
    )
    assert result.stderr.count("[y/N]") == 1
    assert (aas.suspended, is_dry_run(account)) == (SUSPENDED, False)
    assert scaler.waited == timedelta(seconds=60 + 30)


OWNERS = {
    "stack": "a stack's, whose next deployment undoes this without DryRun=false",
    "terraform": "Terraform's, whose next apply undoes this without dry_run = false",
    "apply": "quickstep apply's, whose file undoes this unless it has DryRun false",
    "ansible": "owned by ansible (quickstep:owner), which must set DryRun false from now on",
}


@pytest.mark.usefixtures("aas")
@pytest.mark.parametrize("owner", OWNERS)
def test_whose_the_document_is_is_said_before_anything_is_changed(
    owner: str, account: Account, run: Any
) -> None:
    account.client("ssm").add_tags_to_resource(
        ResourceType="Parameter",
        ResourceId=WEB.parameter,
        Tags=[{"Key": "quickstep:owner", "Value": owner}],
    )

    result = run("promote", "prod/web", answer="n\n")

    assert f"! /quickstep/prod/web is {OWNERS[owner]}\n" in result.stdout
    assert (result.exit_code, is_dry_run(account)) == (1, True)


def test_while_the_scaler_has_not_read_it_aas_goes_on_adding_tasks(
    account: Account, aas: AutoScaling, run: Any, scaler: Heartbeat
) -> None:
    scaler.alive = False

    result = run("promote", "prod/web", "--yes")

    assert result.exit_code == 7
    assert (
        "✗ /quickstep/prod/web is written, but the scaler has not read it in 3 minutes; is its "
        "heartbeat running? quickstep doctor says. Done: Application Auto Scaling stops removing "
        "tasks; Quickstep's dry run ends. Not done: Application Auto Scaling stops adding tasks. "
    ) in result.stderr
    assert (aas.suspended, is_dry_run(account)) == ({**ACTING, IN: True}, False)
    assert run("promote", "prod/web", "--yes").exit_code == 7
    assert aas.suspended[OUT] is False
    scaler.alive = True
    assert run("promote", "prod/web", "--yes").exit_code == 0
    assert aas.suspended == SUSPENDED


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


class Half(NamedTuple):
    """What is so when a call to AAS fails: how it is suspended, the dry run, what was done."""

    call: int
    suspended: dict[str, bool]
    dry_run: bool
    done: str


FAILURES = {
    "the first step": Half(1, ACTING, dry_run=True, done="nothing"),
    "the last step": Half(
        2,
        {**ACTING, IN: True},
        dry_run=False,
        done="Application Auto Scaling stops removing tasks; Quickstep's dry run ends",
    ),
}


@pytest.mark.parametrize("half", FAILURES.values(), ids=FAILURES)
def test_a_failure_in_the_middle_says_what_was_done_and_is_run_again(
    account: Account,
    aas: AutoScaling,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    half: Half,
) -> None:
    calls = []

    def failing(*given: Any) -> None:
        calls.append(given)
        if len(calls) == half.call:
            answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
            raise ClientError(answer, "RegisterScalableTarget")
        suspend(*given)

    monkeypatch.setattr(quickstep_cli.promote, "suspend", failing)

    result = run("promote", "prod/web", "--yes")

    assert result.exit_code == 4
    assert (
        f"✗ RegisterScalableTarget is not allowed: not you. Done: {half.done}. Not done: "
    ) in result.stderr
    assert result.stderr.endswith(
        "One of the two scalers still adds tasks. Run the same command again to go on, or reverse "
        "it: promote --back, or promote without it\n"
    )
    assert (aas.suspended, is_dry_run(account)) == (half.suspended, half.dry_run)
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
        "✗ nothing was changed, because Quickstep would not see the load: "
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
    assert "! night will not run: replace them with schedules of the target\n" in result.stdout
    assert aas.suspended == {IN: True, OUT: True, SCHEDULED: True}
    run("promote", "prod/web", "--back", "--yes")
    assert aas.suspended == ACTING


@pytest.mark.usefixtures("scaler")
def test_where_aas_has_nothing_back_is_a_warning(account: Account, run: Any) -> None:
    put_policy(account, WEB, json.dumps(DOCUMENT))
    put_alarm(account, "OK")
    assert run("promote", "prod/web", "--yes").exit_code == 0
    assert is_dry_run(account) is False

    result = run("promote", "prod/web", "--back", "--yes")

    assert result.stdout.startswith(
        "! Application Auto Scaling has no settings for it: nothing will scale it\n"
    )
    assert is_dry_run(account) is True


def test_a_target_that_is_not_there_is_named(run: Any) -> None:
    result = run("promote", "prod/nothing", "--yes")

    assert result.exit_code == 5
    assert "no such target: /quickstep/prod/nothing does not exist" in result.stderr
