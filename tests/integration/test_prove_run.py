"""A whole proof on moto, in virtual time: whatever fails, or takes too long, the stack is gone.

moto's CloudFormation makes the stack but for its alarms and its scaling policies, and no task runs:
what a proof measures is tried on the other implementation, in `tests/emulator`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

from quickstep.protocol.ports import CallFailedError
from quickstep_cli import prove_run
from quickstep_cli.aws import Aws
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import REGION, SURGES, create_queue
from quickstep_lab.prove.carry_out import DeadlineError
from quickstep_lab.prove.plan import Contender, Plan
from tests.integration.aas import an_activity
from tests.integration.commands import quickstep

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_lab.embedded_aws import Account

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS")

PLAN = Plan(surges=2, warm=4, surge=4, rest=4, set_up=60)
DEADLINE = timedelta(minutes=30)
CREATING = ("cloudformation.CreateStack", "cloudformation.DescribeStacks")
MEASURING = (
    "cloudwatch.DescribeAlarms",
    "ecs.DescribeServices",
    "application-autoscaling.DescribeScalingActivities",
    "dynamodb.Query",
    "ecs.ListTasks",
    "ecs.UpdateService",
)
"""The calls of a proof from its stack's creation on, as far as moto gets."""
STEPS = [(call, 1) for call in CREATING + MEASURING] + [(call, 5) for call in MEASURING]
"""Each call, when it is made for the first time and for the fifth."""


@dataclass
class Proof:
    """A proof on moto's account, and what happens at its calls: `upon` gets the name of each."""

    account: Account
    upon: Callable[[str], None] = lambda _: None
    now: datetime = datetime(2026, 11, 27, 10, 0, 30, tzinfo=UTC)
    calls: list[str] = field(default_factory=list)

    def run(self) -> Any:
        given: Any = self.account.session
        keys = given.get_credentials()
        session = boto3.Session(keys.access_key, keys.secret_key, region_name=REGION)
        session.events.register("before-call", self._before)
        aws = Aws(session, self.account.endpoint_url, None, {"table": None, "queue_url": None})
        clock = Clock(now=lambda: self.now, sleep=self._sleep)
        place = (tuple(Contender), "emulator", lambda _: None)
        return prove_run.run(aws, PLAN, *place, deadline=DEADLINE, clock=clock)

    def _before(self, model: Any, **_: Any) -> None:
        self.calls.append(f"{model.service_model.service_name}.{model.name}")
        self.upon(self.calls[-1])

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.upon("sleep")


@pytest.fixture
def proof(account: Account) -> Proof:
    """A proof on an account with a scaler."""
    named = {"Stack": "quickstep", "Table": "quickstep", "Rechecks": create_queue(account)}
    text = json.dumps({**named, "Resources": {"Surges": create_queue(account, SURGES)}})
    account.client("ssm").put_parameter(Name="/quickstep-scaler", Value=text, Type="String")
    return Proof(account)


def stacks(account: Account) -> list[str]:
    return [
        one["StackName"] for one in account.client("cloudformation").describe_stacks()["Stacks"]
    ]


def test_a_proof_runs_to_its_end_and_leaves_no_stack(proof: Proof) -> None:
    result = proof.run()

    assert {surge.service for surge in result.surges} == set(Contender)
    counted = Counter(proof.calls)
    assert [step for step in STEPS if counted[step[0]] < step[1]] == []
    assert stacks(proof.account) == []


def test_a_service_of_aas_has_the_start_of_its_scaling_activity_as_its_event(
    proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime(2026, 11, 27, 10, 2, tzinfo=UTC)
    first, second = PLAN.overloads(start)
    acted = [second + timedelta(seconds=1.25), first + timedelta(seconds=2.5)]
    activities = [an_activity(at, 4) for at in (*acted, start - timedelta(days=1))]
    answer = json.dumps({"ScalingActivities": activities})
    monkeypatch.setattr(
        ApplicationAutoScalingResponse,
        "describe_scaling_activities",
        lambda _: answer,
        raising=False,
    )

    result = proof.run()

    assert result.start == start
    events = [(surge.service, surge.event) for surge in result.surges if surge.event]
    assert events == [
        (Contender.TRACKING, acted[1]),
        (Contender.TRACKING, acted[0]),
        (Contender.STEP, acted[1]),
        (Contender.STEP, acted[0]),
    ]


def at_step(step: tuple[str, int], act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts at the nth call of a kind."""
    seen: Counter[str] = Counter()

    def upon(name: str) -> None:
        seen[name] += 1
        if (name, seen[name]) == step:
            act()

    return upon


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}-{step[1]}")
def test_a_call_that_fails_comes_through_and_the_stack_is_gone(
    proof: Proof, step: tuple[str, int]
) -> None:
    refused = ClientError({"Error": {"Code": "Refused", "Message": "no"}}, step[0])
    proof.upon = at_step(step, raising(refused))

    with pytest.raises((ClientError, WaiterError, CallFailedError), match="Refused"):
        proof.run()

    assert stacks(proof.account) == []


@pytest.mark.parametrize(
    "step", [*STEPS, ("sleep", 1), ("sleep", 5)], ids=lambda step: f"{step[0]}-{step[1]}"
)
def test_at_the_deadline_it_ends_wherever_it_is_and_the_stack_is_gone(
    proof: Proof, step: tuple[str, int]
) -> None:
    def hang() -> None:
        proof.now += DEADLINE

    proof.upon = at_step(step, hang)

    with pytest.raises(DeadlineError, match="it was not over after 30 minutes"):
        proof.run()

    assert stacks(proof.account) == []


@pytest.mark.parametrize("call", ["DeleteStack", "DescribeStacks"])
def test_a_deletion_that_fails_once_is_tried_again(proof: Proof, call: str) -> None:
    busy = ClientError({"Error": {"Code": "Throttling", "Message": "no"}}, call)
    nth = {"DeleteStack": 1, "DescribeStacks": 2}[call]
    proof.upon = at_step((f"cloudformation.{call}", nth), raising(busy))

    proof.run()

    assert stacks(proof.account) == []


# --- cleaning up ----------------------------------------------------------------------------------


def make_stack(account: Account, *tags: dict[str, str], region: str = REGION) -> None:
    """Make a stack of a proof's name in a Region."""
    given: Any = account.session
    client = given.client("cloudformation", region_name=region, endpoint_url=account.endpoint_url)
    topic = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    client.create_stack(StackName=prove_run.NAME, TemplateBody=topic, Tags=list(tags))


OURS = {"Key": prove_run.NAME, "Value": "true"}


def test_without_a_stack_clean_says_where_it_has_looked(account: Account, queue_url: str) -> None:
    result = quickstep(account, queue_url, "prove", "--clean")

    assert result.exit_code == 0, result.output
    assert result.stdout == "quickstep-proof: nothing to delete in us-east-1\n"


def test_clean_deletes_the_stack_and_says_what_it_does_not_reach(
    account: Account, queue_url: str
) -> None:
    make_stack(account, OURS)
    make_stack(account, OURS, region="eu-west-1")
    alarm = "TargetTracking-service/quickstep-proof/aas-target-tracking-20s-AlarmLow-1"
    account.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Statistic="Average",
        Period=20,
        EvaluationPeriods=45,
        Threshold=54,
        ComparisonOperator="LessThanThreshold",
    )

    result = quickstep(account, queue_url, "prove", "--clean")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "quickstep-proof: deleted in us-east-1",
        f"AAS has left alarms: `aws cloudwatch delete-alarms --alarm-names {alarm}`",
        "quickstep-proof is in eu-west-1, too: `quickstep prove --clean --region eu-west-1`",
    ]
    assert stacks(account) == []


def test_clean_leaves_a_stack_alone_that_no_proof_has_made(
    account: Account, queue_url: str
) -> None:
    make_stack(account)

    result = quickstep(account, queue_url, "prove", "--clean")

    assert result.exit_code == 1
    assert result.stderr.strip() == (
        "\u2717 the stack quickstep-proof in us-east-1 is not a proof's: it lacks the tag "
        "quickstep-proof=true"
    )
    assert stacks(account) == [prove_run.NAME]
