"""What the tests of a proof on the emulator have in common."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quickstep_cli import prove_run
from quickstep_cli.aws import Aws
from quickstep_lab.clock import next_boundary
from quickstep_lab.prove.plan import Contender, Plan
from tests.emulator.server import ROOT_KEY, session

if TYPE_CHECKING:
    from quickstep_lab.embedded_aws import Account


SHORT = Plan(surges=1, warm=4, surge=2, rest=1, set_up=5)
DEADLINE = timedelta(minutes=10)


def on(endpoint_url: str) -> Aws:
    """Return the emulator as the commands know an account."""
    given: dict[str, str | None] = {"table": None, "queue_url": None}
    return Aws(session(ROOT_KEY, ROOT_KEY), endpoint_url, None, given)


def short_proof() -> None:
    """Carry out a proof of some seconds, in a process to be killed: it waits for no full minute."""
    with patch.object(prove_run, "next_boundary", lambda moment, _: next_boundary(moment, 1)):
        _carry_out()


def _carry_out() -> None:
    aws = on(os.environ["AWS_ENDPOINT_URL"])
    prove_run.run(aws, SHORT, tuple(Contender), "emulator", _say, deadline=DEADLINE)
    _say("over")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def left_behind(account: Account) -> dict[str, list[Any]]:
    """Return what there is of a proof, by kind."""
    name = prove_run.NAME
    ecs, clusters = account.client("ecs"), []
    scaled = [f"service/{name}/{one}" for one in Contender]
    scaling = account.client("application-autoscaling")
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
        "logs": account.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"],
        "definitions": [
            arn
            for arn in ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
            if name in arn
        ],
        "targets": scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=scaled)[
            "ScalableTargets"
        ],
        "stacks": [
            one["StackName"]
            for one in account.client("cloudformation").describe_stacks()["Stacks"]
            if one["StackName"] == name
        ],
    }
    return {kind: ones for kind, ones in found.items() if ones}
