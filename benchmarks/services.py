"""What the commands call for many services, and how long they take: the real commands, counted.

python -m benchmarks services

The embedded AWS answers in 4 to 12 ms. What it lacks (IAM's simulation, EventBridge's pattern test,
a quota) is answered here at once.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.client import BaseClient
from typer.testing import CliRunner

from benchmarks.figures import Benchmark, Figure, Goal, Quantity
from quickstep.naming import ServiceName
from quickstep_cli.facts import DEAD_LETTERS
from quickstep_cli.main import app
from quickstep_cli.rights import GRANTS
from quickstep_lab.embedded_aws import REGION, TABLE, create_queue, create_table, embedded_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

SERVICES = 200
CLUSTERS = ("stage", "prod")
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "embedded",
    "AWS_SECRET_ACCESS_KEY": "embedded",
    "AWS_DEFAULT_REGION": REGION,
}
_RULE = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": "quickstep/"}]}}


# --- preparation ---------------------------------------------------------------------------------


def services(number: int) -> list[ServiceName]:
    """Return the names of this many services in two clusters."""
    return [ServiceName(CLUSTERS[i % 2], f"service-{i:03}") for i in range(number)]


def set_up(account: Account, number: int) -> None:
    """Create the scaler's parameter, table, rule and queues, and services that AAS scales."""
    _scaler(account)
    elb, ec2 = account.client("elbv2"), account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for service in services(number):
        group = elb.create_target_group(
            Name=service.service, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        _service(account, service, group)
        _autoscaling(account, service)


def _scaler(account: Account) -> None:
    create_table(account)
    queue = create_queue(account)
    names = {grant.role: f"quickstep-{grant.role}" for grant in GRANTS}
    names |= {grant.resource: grant.resource for grant in GRANTS if grant.resource not in names}
    names |= dict.fromkeys(DEAD_LETTERS, create_queue(account, "dead"))
    value = {"Stack": "quickstep", "Table": TABLE, "Rechecks": queue, "Resources": names}
    account.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(value), Type="String"
    )
    events = account.client("events")
    events.put_rule(Name="rule", EventPattern=json.dumps(_RULE), State="ENABLED")
    function = f"arn:aws:lambda:{REGION}:123456789012:function:quickstep-scaler:live"
    events.put_targets(Rule="rule", Targets=[{"Id": "function", "Arn": function}])


def _service(account: Account, service: ServiceName, group: str) -> None:
    ecs = account.client("ecs")
    ecs.create_cluster(clusterName=service.cluster)
    ecs.register_task_definition(
        family=service.service,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "app", "memory": 512}],
    )
    ecs.create_service(
        cluster=service.cluster,
        serviceName=service.service,
        taskDefinition=service.service,
        desiredCount=0,
        launchType="FARGATE",
        loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": 80}],
    )
    ecs.update_service(cluster=service.cluster, service=service.service, desiredCount=4)


def _autoscaling(account: Account, service: ServiceName) -> None:
    client, cloudwatch = account.client("application-autoscaling"), account.client("cloudwatch")
    asked = {
        "ServiceNamespace": "ecs",
        "ResourceId": service.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    client.register_scalable_target(**asked, MinCapacity=2, MaxCapacity=40)
    for name, way, threshold, step in (
        ("out", "GreaterThan", 100, {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}),
        ("in", "LessThan", 30, {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}),
    ):
        policy = client.put_scaling_policy(
            **asked,
            PolicyName=name,
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [step],
                "Cooldown": 60,
            },
        )
        cloudwatch.put_metric_alarm(
            AlarmName=f"{service.cluster}-{service.service}-{name}",
            Namespace="Shop",
            MetricName="RequestsPerSecond",
            Dimensions=[{"Name": "Service", "Value": service.service}],
            Statistic="Average",
            Period=10,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator=f"{way}Threshold",
            AlarmActions=[policy["PolicyARN"]],
        )


def put_alarms(account: Account, folder: Path) -> None:
    """Create the alarms that the import wrote, and publish their metrics."""
    client, now = account.client("cloudwatch"), datetime.now(UTC)
    for file in sorted(folder.glob("*/*/alarms.json")):
        alarms = json.loads(file.read_text(encoding="utf-8"))
        for alarm in alarms:
            client.put_metric_alarm(**alarm)
        load = {"MetricName": alarms[0]["MetricName"], "Dimensions": alarms[0]["Dimensions"]}
        data = [
            {**load, "Timestamp": now - timedelta(seconds=age), "Value": 50.0}
            for age in range(0, 60, 5)
        ]
        client.put_metric_data(Namespace=alarms[0]["Namespace"], MetricData=data)


# --- counting ------------------------------------------------------------------------------------

_ANSWERS = {
    "GetFunctionConfiguration": {
        "Environment": {"Variables": {"TABLE_NAME": TABLE, "QUEUE_URL": "https://sqs"}}
    },
    "GetServiceQuota": {"Quota": {"Value": 100_000.0}},
    "SimulatePrincipalPolicy": {"EvaluationResults": []},
    "TestEventPattern": {"Result": True},
}
"""Answers that the embedded AWS lacks."""


def _mended(given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Add the alarms that run a step policy to an answer, and fix its page token."""
    for policy in answer.get("ScalingPolicies", []):
        cluster, service = policy["ResourceId"].split("/")[1:]
        policy["Alarms"] = [{"AlarmName": f"{cluster}-{service}-{policy['PolicyName']}"}]
    if "ScalableTargets" in answer and answer.get("NextToken"):
        last = int(given.get("NextToken", -1)) + len(answer["ScalableTargets"])
        answer["NextToken"] = str(last)
    return answer


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of every client in this process, by service and operation."""
    calls: Counter[str] = Counter()
    lock, real = Lock(), BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001

    def counted(self: Any, operation: str, given: dict[str, Any]) -> Any:
        with lock:
            calls[operation] += 1
        if operation in _ANSWERS:
            return _ANSWERS[operation]
        return _mended(given, real(self, operation, given))

    with patch.object(BaseClient, "_make_api_call", counted):
        yield calls


@dataclass(frozen=True, slots=True)
class Run:
    """A command's calls, and its run time in seconds."""

    seconds: float
    calls: Counter[str]
    exit_code: int
    output: str

    @property
    def by_kind(self) -> str:
        """The calls, most first. Example: `GetItem 200, ListRules 1`."""
        return ", ".join(f"{name} {count}" for name, count in self.calls.most_common())


def run(account: Account, *arguments: str) -> Run:
    """Run a `quickstep` command in this process."""
    environment = {**_ENVIRONMENT, "AWS_ENDPOINT_URL": account.endpoint_url, "COLUMNS": "200"}
    began = time.perf_counter()
    with counting() as calls:
        result = CliRunner().invoke(app, list(arguments), env=environment)
    return Run(time.perf_counter() - began, calls, result.exit_code, result.output)


def journey(number: int) -> dict[str, Run]:
    """Return what it takes to import, deploy and check this many services."""
    runs = {}
    with embedded_aws() as account, TemporaryDirectory() as folder:
        set_up(account, number)
        for cluster in CLUSTERS:
            name = f"import --all --cluster {cluster}"
            runs[name] = run(account, *name.split(), "--out", folder)
        files = sorted(map(str, Path(folder).glob("*/*/policy.json")))
        runs["apply"] = run(account, "apply", *files, "--yes")
        put_alarms(account, Path(folder))
        runs["doctor --all"] = run(account, "doctor", "--all")
        runs["doctor of one"] = run(account, "doctor", "prod/service-001")
    return runs


def figures() -> Iterator[Figure]:
    """Yield each command's seconds and calls, and which calls."""
    for name, one in journey(SERVICES).items():
        yield Figure(f"{name}: time", Quantity(one.seconds, "s"))
        goal = Goal(at_most=10 * SERVICES) if name == "doctor --all" else None
        yield Figure(f"{name}: {one.by_kind}", Quantity(one.calls.total(), "calls"), goal=goal)


BENCHMARK = Benchmark(
    "services",
    f"{SERVICES} services",
    f"Application Auto Scaling scales {SERVICES} services of two clusters, each behind a load"
    " balancer, with two policies each. The benchmark imports them, applies their documents, and"
    " checks them all. Times are those of the embedded AWS, which answers in 4 to 12 ms and"
    " shares a processor with the command. On AWS the number of calls matters.",
    figures,
)

if __name__ == "__main__":
    for key, value in journey(int(os.environ.get("SERVICES", "20"))).items():
        print(key, f"{value.seconds:.1f} s", value.exit_code, value.calls.total(), value.by_kind)  # noqa: T201
        print(value.output[-3000:])  # noqa: T201
