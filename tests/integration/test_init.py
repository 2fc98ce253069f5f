"""`quickstep init` on the embedded AWS: what it asks AWS, what it asks you, what it writes."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

import quickstep_cli.init
from quickstep.config import parse_target
from quickstep_cli.proposal import StartUp
from quickstep_cli.running import look_at, present_scaler
from quickstep_lab.cost.month import Architecture, TaskSize
from quickstep_lab.embedded_aws import create_service
from tests.builders import ROOT, WEB
from tests.integration.aas import AutoScaling

if TYPE_CHECKING:
    from pathlib import Path

    from quickstep.naming import ServiceName
    from quickstep_lab.embedded_aws import Account

API = WEB.__class__("prod", "api")
SCALER = {"Stack": "quickstep", "Table": "quickstep", "Rechecks": "https://sqs"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is run; nothing is simulated but where a test says so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstep_cli.init, "has_lab", lambda: False)
    return tmp_path


@pytest.fixture
def api(account: Account) -> ServiceName:
    """A service that nobody scales, 3 tasks."""
    create_service(account, API, 3)
    return API


def put_scaler(account: Account) -> None:
    account.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(SCALER), Type="String"
    )


def publish(account: Account, service: ServiceName, requests: float, cpu: float) -> None:
    """Publish an hour of both metrics, by the minute."""
    client = account.client("cloudwatch")
    dimensions = [
        {"Name": "ClusterName", "Value": service.cluster},
        {"Name": "ServiceName", "Value": service.service},
    ]
    own = f"Quickstep/{service.cluster}/{service.service}"
    now = datetime.now(UTC)
    for space, metric, value in (
        (own, "RequestsPerSecond", requests),
        ("AWS/ECS", "CPUUtilization", cpu),
    ):
        client.put_metric_data(
            Namespace=space,
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": dimensions,
                    "Timestamp": now - timedelta(minutes=minute),
                    "Value": value,
                }
                for minute in range(2, 60)
            ],
        )


def written(folder: Path, service: ServiceName = API) -> dict[str, Any]:
    file = folder / f"quickstep-{service.cluster}-{service.service}" / "policy.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


# --- the whole command ----------------------------------------------------------------------------


@pytest.mark.usefixtures("api")
def test_a_service_that_nothing_is_known_of_takes_three_answers(run: Any, folder: Path) -> None:
    result = run("init", "prod/api", answer="asgi\n80\n60\n")

    assert result.exit_code == 0, result.output
    assert result.stderr == (
        "May the application get one line that publishes its requests? If so, what is it: asgi, "
        "wsgi, other, none [none]:How many requests a second should one task carry? [100]:Maximum "
        "number of tasks? [30]:"
    )
    document = written(folder)
    assert document["TargetTrackingPolicies"] == {"request-rate": {"TargetValue": 80}}
    assert (document["MinCapacity"], document["MaxCapacity"]) == (2, 60)
    assert document["DryRun"] is True
    assert parse_target((folder / "quickstep-prod-api" / "policy.json").read_text())


@pytest.mark.usefixtures("api")
def test_an_answer_that_cannot_be_read_is_asked_for_again(run: Any) -> None:
    result = run("init", "prod/api", answer="rails\nother\nmany\n80\n0\n60\n")

    assert result.exit_code == 0, result.output
    assert "Error: must be one of asgi, wsgi, other, none, not 'rails'" in result.output
    assert "Error: must be a number from 1e-06 to 1e+09, not 'many'" in result.output
    assert "Error: must be a number from 1 to 5000, not '0'" in result.output


@pytest.mark.usefixtures("api")
def test_with_yes_nothing_is_asked_and_every_default_is_said(run: Any, folder: Path) -> None:
    result = run("init", "service/prod/api", "--yes")

    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "Assumed without asking: --app none, --max 30\n" in result.stdout
    assert written(folder)["TargetTrackingPolicies"] == {"cpu": {"TargetValue": 60}}


@pytest.mark.usefixtures("api")
def test_where_everything_is_given_nothing_is_asked(run: Any, folder: Path) -> None:
    given = ("--app", "wsgi", "--target-value", "0.5", "--min", "3", "--max", "9")

    result = run("init", "prod/api", *given)

    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    document = written(folder)
    assert document["TargetTrackingPolicies"] == {"request-rate": {"TargetValue": 0.5}}
    assert (document["MinCapacity"], document["MaxCapacity"]) == (3, 9)


def test_a_service_that_aas_scales_is_asked_for_the_application_alone(
    account: Account, run: Any, folder: Path
) -> None:
    AutoScaling(account)

    result = run("init", "prod/web", answer="none\n")

    assert result.exit_code == 0, result.output
    document = written(folder, WEB)
    assert document["TargetTrackingPolicies"] == {"cpu": {"TargetValue": 60}}
    assert (document["MinCapacity"], document["MaxCapacity"]) == (2, 40)
    assert "  Application Auto Scaling: 2 to 40 tasks, by cpu-60\n" in result.stdout
    assert (
        "! /quickstep/prod/web exists: the service is already a target, and a second stack for it "
        "fails. Change it where it was made, or with quickstep apply\n"
    ) in result.stdout


def test_a_service_that_publishes_is_asked_nothing_and_gets_what_was_measured(
    account: Account, run: Any, folder: Path
) -> None:
    AutoScaling(account)
    publish(account, WEB, requests=42.0, cpu=20.0)

    result = run("init", "prod/web")

    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert written(folder, WEB)["TargetTrackingPolicies"] == {"request-rate": {"TargetValue": 130}}
    assert (
        "- TargetValue 130 requests/s per task: what a task got at 60 % CPU (Application Auto "
        "Scaling's) in the last day: 2.1 requests/s for each percent, measured.\n"
    ) in result.stdout


@pytest.mark.usefixtures("api")
def test_the_next_three_commands_begin_with_what_is_missing(account: Account, run: Any) -> None:
    without = run("init", "prod/api", "--yes").stdout.splitlines()[-3:]
    put_scaler(account)
    with_scaler = run("init", "prod/api", "--yes", "--again").stdout.splitlines()[-3:]
    published = run("init", "prod/api", "--yes", "--again", "--app", "asgi", "--terraform")

    deploy = (
        "  sam deploy --template-file quickstep-prod-api/template.json "
        "--stack-name quickstep-prod-api"
    )
    monitoring = (
        "  aws ecs update-service --cluster prod --service api --monitoring "
        '\'{"metricConfigurations": [{"metricNames": ["CPUUtilization"], '
        '"resolutionSeconds": 20}]}\''
    )
    scaler = "  make build && sam deploy  # in a clone: the scaler, once per account and Region"
    assert without == [scaler, monitoring, deploy]
    assert with_scaler == [monitoring, deploy, "  quickstep shadow prod/api"]
    assert published.stdout.splitlines()[-5:] == [
        "First add the application's line, as shown in quickstep-prod-api/README.md.",
        "Next:",
        "  terraform -chdir=quickstep-prod-api init && terraform -chdir=quickstep-prod-api apply",
        "  quickstep shadow prod/api",
        "  quickstep promote prod/api",
    ]


@pytest.mark.usefixtures("api")
def test_what_is_there_is_not_written_over(run: Any, folder: Path) -> None:
    assert run("init", "prod/api", "--yes").exit_code == 0

    result = run("init", "prod/api", "--yes", "--max", "7")

    assert result.exit_code == 2
    assert "quickstep-prod-api already has policy.json, template.json, README.md" in " ".join(
        result.stderr.replace("│", " ").split()
    )
    assert written(folder)["MaxCapacity"] == 30
    assert run("init", "prod/api", "--yes", "--max", "7", "--again").exit_code == 0
    assert written(folder)["MaxCapacity"] == 7


WRONG = {
    "no service": (("prod",), "must be service/<cluster>/<service>"),
    "bounds": (("prod/api", "--min", "5", "--max", "4"), "must be at least --min, 5, not 4"),
    "a number": (("prod/api", "--target-value", "0"), "Invalid value for '--target-value'"),
    "no file": (("prod/api", "--traffic", "none.csv"), "does not exist"),
}


@pytest.mark.parametrize(("arguments", "rule"), WRONG.values(), ids=WRONG)
def test_arguments_are_refused_before_aws_is_asked(
    run: Any, arguments: tuple[str, ...], rule: str
) -> None:
    result = run("init", *arguments, "--endpoint-url", "http://127.0.0.1:9")

    assert result.exit_code == 2
    assert rule in " ".join(result.stderr.replace("│", " ").split())


def test_a_service_that_is_not_there_is_named(run: Any) -> None:
    result = run("init", "prod/nothing", "--yes")

    assert result.exit_code == 5
    assert "✗ ECS has no service nothing in the cluster prod here" in result.stderr


@pytest.mark.usefixtures("api")
def test_it_is_simulated_beside_the_scaler_of_now_on_a_traffic_of_one_s_own(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickstep_cli.init, "has_lab", lambda: True)
    traffic = folder / "day.csv"
    rows = "".join(f"{second},{600 if second > 100 else 150}\n" for second in range(400))
    traffic.write_text("second,requests\n" + rows)

    result = run("init", "prod/api", "--yes", "--app", "asgi", "--traffic", str(traffic))

    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    ours = next(line for line in lines if line[:1] == ["quickstep"])
    theirs = next(line for line in lines if line[:1] == ["aas-target-tracking-60s"])
    assert int(ours[1]) < 30
    assert theirs[1] == "-"
    assert (
        "Nothing scales the service now; aas-target-tracking-60s is what it would get by default."
    ) in result.stdout


# --- what AWS is asked ----------------------------------------------------------------------------


class Recorded:
    """Clients that answer as AWS documents it, once each: moto has no tasks that pull an image."""

    def __init__(self, answers: dict[str, dict[str, Any]]) -> None:
        import boto3  # noqa: PLC0415 - of this class alone

        self._clients = {}
        for service, calls in answers.items():
            make: Any = boto3.client
            client = make(
                service,
                region_name="eu-west-1",
                aws_access_key_id="embedded",
                aws_secret_access_key="embedded",  # noqa: S106 - nothing is called
            )
            stubber = Stubber(client)
            for call, answer in calls.items():
                if isinstance(answer, str):
                    stubber.add_client_error(call.partition("#")[0], answer, "not allowed")
                else:
                    stubber.add_response(call.partition("#")[0], answer)
            stubber.activate()
            self._clients[service] = client

    def client(self, name: str) -> Any:
        return self._clients[name]


GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/73e2d6bc24d8a067"
LAUNCHED = datetime(2026, 11, 22, 10, tzinfo=UTC)
SERVICE = {
    "desiredCount": 6,
    "status": "ACTIVE",
    "taskDefinition": "web:7",
    "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "app", "containerPort": 80}],
    "currentServiceRevisions": [{"arn": "revision"}],
}
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/fastapi:1.4"


def recorded(**changes: dict[str, Any]) -> Any:
    answers: dict[str, dict[str, Any]] = {
        "ecs": {
            "describe_services": {"services": [SERVICE]},
            "describe_task_definition": {
                "taskDefinition": {
                    "cpu": "512",
                    "memory": "1024",
                    "runtimePlatform": {"cpuArchitecture": "ARM64"},
                    "containerDefinitions": [{"name": "app", "image": IMAGE}],
                }
            },
            "list_tasks": {"taskArns": ["one"]},
            "describe_tasks": {
                "tasks": [
                    {
                        "createdAt": LAUNCHED,
                        "pullStartedAt": LAUNCHED + timedelta(seconds=8),
                        "pullStoppedAt": LAUNCHED + timedelta(seconds=20),
                        "startedAt": LAUNCHED + timedelta(seconds=27),
                        "containers": [{"imageDigest": "sha256:0"}],
                    },
                    {"createdAt": LAUNCHED, "containers": []},
                ]
            },
            "describe_services#2": {"services": [SERVICE]},
            "describe_service_revisions": {
                "serviceRevisions": [
                    {
                        "monitoring": {
                            "metricConfigurations": [
                                {"metricNames": ["CPUUtilization"], "resolutionSeconds": 20}
                            ]
                        }
                    }
                ]
            },
            "describe_services#3": {"services": [SERVICE]},
        },
        "ecr": {"describe_images": {"imageDetails": [{"imageSizeInBytes": 212_000_000}]}},
        "elbv2": {
            "describe_target_groups": {
                "TargetGroups": [{"HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2}]
            },
            "describe_target_group_attributes": {
                "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
            },
        },
        "application-autoscaling": {"describe_scalable_targets": {"ScalableTargets": []}},
        "cloudwatch": {
            "list_metrics": {"Metrics": []},
            "get_metric_data": {"MetricDataResults": []},
        },
    }
    return Recorded({name: {**calls, **changes.get(name, {})} for name, calls in answers.items()})


def test_all_that_aws_knows_of_a_service_is_read() -> None:
    found = look_at(recorded(), WEB)

    assert found.unknown == []
    assert (found.desired, found.image, found.image_bytes) == (6, IMAGE, 212_000_000)
    assert found.size == TaskSize(0.5, 1.0, Architecture.ARM)
    assert found.start_ups == [StartUp(27.0, 12.0)]
    assert (found.healthy_after, found.drains, found.cpu_seconds) == (10.0, 30, 20)
    assert found.target_group == "targetgroup/web/73e2d6bc24d8a067"
    assert (found.bounds, found.publishes, found.requests_per_percent) == (None, False, None)


def test_what_may_not_be_asked_is_named_and_keeps_nothing_else_back() -> None:
    denied = "AccessDeniedException"

    found = look_at(
        recorded(
            **{
                "ecr": {"describe_images": denied},
                "application-autoscaling": {"describe_scalable_targets": denied},
            }
        ),
        WEB,
    )

    assert list(found.unknown) == [
        "Application Auto Scaling: DescribeScalableTargets is not allowed: not allowed",
        "the image's size: DescribeImages is not allowed: not allowed",
    ]
    assert (found.image_bytes, found.bounds) == (None, None)
    assert found.drains == 30


POLICIES: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "none": ([], None),
    "steps": ([{"PolicyType": "StepScaling"}], "aas-step-60s-alarm"),
    "CPU by the minute": (
        [
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
                    }
                },
            }
        ],
        "aas-target-tracking-60s",
    ),
    "CPU every 20 s": (
        [
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "ECSServiceAverageCPUUtilizationHighResolution"
                    }
                },
            }
        ],
        "aas-target-tracking-20s",
    ),
}


@pytest.mark.parametrize(("policies", "scaler"), POLICIES.values(), ids=POLICIES)
def test_the_model_that_is_nearest_to_the_policies_stands_for_them(
    policies: list[dict[str, Any]], scaler: str | None
) -> None:
    assert present_scaler(policies) == scaler


@pytest.mark.usefixtures("api")
def test_an_installed_command_writes_the_terraform_module_beside_its_inputs(
    run: Any,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a wheel there is no clone around the module to refer to."""
    module, installed = ROOT / "terraform" / "target", tmp_path_factory.mktemp("installed")
    shutil.copytree(module, installed / "terraform" / "target")
    monkeypatch.setattr(quickstep_cli.init, "ROOT", installed)

    result = run("init", "prod/api", "--yes", "--app", "asgi", "--terraform")

    own = folder / "quickstep-prod-api"
    assert (
        "Written to quickstep-prod-api: policy.json, main.tf, README.md, target/" in result.stdout
    )
    assert '  source       = "./target"\n' in (own / "main.tf").read_text(encoding="utf-8")
    for file in module.glob("*.tf"):
        assert (own / "target" / file.name).read_bytes() == file.read_bytes()
