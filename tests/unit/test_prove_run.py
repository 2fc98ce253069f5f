"""What is checked before a proof creates anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from typer.testing import CliRunner

from quickstep_cli.aws import Aws
from quickstep_cli.failures import CommandError
from quickstep_cli.main import app
from quickstep_cli.prove_run import NAME, ProofStack, obstacles, parameters_of
from quickstep_lab.prove.carry_out import ATTEMPTS, NotRemovedError, remove
from quickstep_lab.prove.plan import Contender, Plan

ROLE = "arn:aws:iam::123456789012:role/admin"
DENIED = ClientError(
    {"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy"
)


@dataclass
class FakeAws:
    """An account that answers what is asked before a proof."""

    caller: str = "arn:aws:sts::123456789012:assumed-role/admin/me"
    denied: tuple[str, ...] = ()
    vcpus: float = 100.0
    vpcs: tuple[str, ...] = ("vpc-1",)
    simulated: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def get_caller_identity(self) -> dict[str, Any]:
        return {"Arn": self.caller}

    def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
        if self.simulated:
            raise self.simulated
        self.asked.append(asked["PolicySourceArn"])
        decided = {
            name: "implicitDeny" if name in self.denied else "allowed"
            for name in asked["ActionNames"]
        }
        return {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": how} for name, how in decided.items()
            ]
        }

    def get_service_quota(self, **_which: str) -> dict[str, Any]:
        return {"Quota": {"Value": self.vcpus}}

    def describe_vpcs(self, **_which: Any) -> dict[str, Any]:
        return {"Vpcs": [{"VpcId": vpc} for vpc in self.vpcs]}

    @property
    def as_account(self) -> Aws:
        names = ("sts", "iam", "service-quotas", "ec2")
        session = boto3.Session(region_name="eu-west-1")
        return Aws(session, None, None, {}, _clients=dict.fromkeys(names, self))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (FakeAws(), []),
        (FakeAws(caller="arn:aws:iam::123456789012:root", denied=("iam:PassRole",)), []),
        (
            FakeAws(denied=("iam:PassRole", "ecs:CreateService")),
            [f"{ROLE} lacks ecs:CreateService, iam:PassRole"],
        ),
        (FakeAws(vcpus=6), ["the quota of Fargate vCPUs is 6; a proof takes up to 8"]),
        (FakeAws(simulated=DENIED), [f"rights could not be checked: {DENIED}"]),
    ],
    ids=["none", "root", "rights", "quota", "unknown rights"],
)
def test_obstacles_are_said_before_anything_is_created(
    account: FakeAws, expected: list[str]
) -> None:
    assert obstacles(account.as_account, Plan(), tuple(Contender)) == expected


def test_the_rights_of_a_session_are_those_of_its_role() -> None:
    account = FakeAws()

    obstacles(account.as_account, Plan(), tuple(Contender))

    assert account.asked == [ROLE]


def test_without_a_default_vpc_it_says_how_to_make_one() -> None:
    with pytest.raises(CommandError) as error:
        parameters_of(FakeAws(vpcs=()).as_account)

    assert str(error.value) == (
        "eu-west-1 has no default VPC: `aws ec2 create-default-vpc` makes one"
    )


def test_a_proof_that_may_cost_more_than_its_budget_does_not_begin() -> None:
    result = CliRunner().invoke(app, ["prove", "--run", "--budget", "0.1", "--yes"])

    assert result.exit_code == 1
    assert result.stderr.strip() == "\u2717 it may cost more than --budget $0.1"


def test_a_proof_that_takes_longer_than_its_deadline_does_not_begin() -> None:
    result = CliRunner().invoke(app, ["prove", "--run", "--deadline", "25", "--yes"])

    assert result.exit_code == 1
    assert result.stderr.strip() == "\u2717 it takes 26 minutes, longer than --deadline 25"


def test_a_stack_that_cannot_be_deleted_is_said_with_what_holds_it() -> None:
    client = boto3.Session("a", "b", region_name="eu-west-1").client("cloudformation")
    at = datetime(2026, 11, 27, 10, tzinfo=UTC)
    kept = {
        "ResourceType": "AWS::EC2::SecurityGroup",
        "Timestamp": at,
        "LogicalResourceId": "Group",
    }
    gone = {**kept, "LogicalResourceId": "Logs", "ResourceStatus": "DELETE_COMPLETE"}
    kept |= {"ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "sg-1 is in use"}
    status = {"StackName": NAME, "CreationTime": at, "StackStatus": "DELETE_FAILED"}
    with Stubber(client) as stub:
        for _ in range(ATTEMPTS):
            stub.add_response("delete_stack", {})
            stub.add_response("describe_stacks", {"Stacks": [status]})
            stub.add_response("describe_stack_resources", {"StackResources": [gone, kept]})

        with pytest.raises(NotRemovedError) as error:
            remove(ProofStack(client))

    assert str(error.value) == "the stack could not be deleted: Group: sg-1 is in use"


@pytest.mark.parametrize("pair", [("--run", "--clean"), ("--clean", "--check")], ids=" ".join)
def test_one_thing_is_done_at_a_time(pair: tuple[str, str], tmp_path: Any) -> None:
    file = tmp_path / "proof.json"
    file.write_text("{}", encoding="utf-8")
    asked = [part for one in pair for part in ([one, str(file)] if one == "--check" else [one])]

    result = CliRunner().invoke(app, ["prove", *asked])

    assert result.exit_code == 2
    assert "give one of --run, --clean and --check" in result.stderr
