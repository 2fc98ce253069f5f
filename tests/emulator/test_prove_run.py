"""A whole proof on the emulator: its stack made, watched, and deleted; killed, and cleaned up.

ministack's CloudFormation has no Application Auto Scaling, so these are Quickstep's three services,
and no task of theirs makes a load. `test_prove` has the load and all five.

    QUICKSTEP_PROOF=1 make emulator ARGS="-k prove"
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from quickstep_cli import proof_run
from quickstep_cli.aws import Aws
from quickstep_cli.main import app
from quickstep_lab.embedded_aws import REGION
from quickstep_lab.files import ROOT
from quickstep_lab.prove.carry_out import TakenError
from quickstep_lab.prove.plan import Contender, Plan
from tests.emulator.server import ROOT_KEY, Stack, session

if TYPE_CHECKING:
    from quickstep_lab.embedded_aws import Account

pytestmark = pytest.mark.skipif(
    "QUICKSTEP_PROOF" not in os.environ, reason="it takes minutes: QUICKSTEP_PROOF=1 runs it"
)

OWN = tuple(one for one in Contender if one.is_quickstep)
PLAN = Plan(surges=1, warm=10, surge=2, rest=1, set_up=10)
MOMENTS = 20
LONGEST = 9.0
"""Seconds after which a proof has begun to wait for its start, which is up to a minute away."""


def on(account: Account) -> Aws:
    return Aws(
        session(ROOT_KEY, ROOT_KEY), account.endpoint_url, None, {"table": None, "queue_url": None}
    )


def left_behind(account: Account) -> dict[str, list[Any]]:
    """Return what there is of a proof, by kind."""
    name = proof_run.NAME
    ecs, clusters = account.client("ecs"), []
    for arn in ecs.list_clusters()["clusterArns"]:
        (cluster,) = ecs.describe_clusters(clusters=[arn])["clusters"]
        if name in arn and cluster["status"] == "ACTIVE":
            clusters.append(arn)
    found: dict[str, list[Any]] = {
        "clusters": clusters,
        "alarms": [
            one["AlarmName"]
            for one in account.client("cloudwatch").describe_alarms()["MetricAlarms"]
            if name in one["AlarmName"]
        ],
        "parameters": account.client("ssm").get_parameters_by_path(
            Path=f"/quickstep/{name}", Recursive=True
        )["Parameters"],
        "roles": [
            one["RoleName"]
            for one in account.client("iam").list_roles()["Roles"]
            if name in one["RoleName"]
        ],
        "groups": [
            one["GroupId"]
            for one in account.client("ec2").describe_security_groups()["SecurityGroups"]
            if "proof" in one["Description"]
        ],
    }
    return {kind: ones for kind, ones in found.items() if ones}


def test_a_proof_is_carried_out_and_leaves_nothing(stack: Stack) -> None:
    said: list[str] = []

    result = proof_run.run(on(stack.account), PLAN, OWN, "emulator", said.append)

    assert {surge.service for surge in result.surges} == set(OWN)
    assert {surge.before for surge in result.surges} == {PLAN.fewest}
    assert said[0].startswith("The stack quickstep-proof is there")
    assert left_behind(stack.account) == {}


def test_a_second_proof_is_refused_and_leaves_the_first_alone(stack: Stack) -> None:
    client = stack.account.client("cloudformation")
    topic = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    client.create_stack(StackName=proof_run.NAME, TemplateBody=topic)

    with pytest.raises(TakenError, match="there is a stack quickstep-proof already"):
        proof_run.run(on(stack.account), PLAN, OWN, "emulator", print)

    client.describe_stacks(StackName=proof_run.NAME)
    assert proof_run.clean(on(stack.account))
    assert not proof_run.clean(on(stack.account))


def test_killed_at_any_moment_it_leaves_nothing_that_clean_does_not_find(stack: Stack) -> None:
    moments = [Random(number).uniform(0, LONGEST) for number in range(MOMENTS)]  # noqa: S311
    environment = {
        "AWS_ENDPOINT_URL": stack.account.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
    }
    only = [part for one in OWN for part in ("--only", one.value)]
    began = 0
    for moment in moments:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [
                *(sys.executable, "-c", "from quickstep_cli.main import app; app()"),
                *("prove", "--run", "--yes", *only),
            ],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moment)
        process.kill()
        process.wait()
        began += bool(left_behind(stack.account))

        cleaned = CliRunner().invoke(app, ["prove", "--clean"], env=environment)

        assert cleaned.exit_code == 0, cleaned.output
        assert left_behind(stack.account) == {}, f"killed after {moment:.2f} s"
    assert began, "all were killed with nothing there yet"
