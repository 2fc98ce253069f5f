"""What the doctor gathers where the embedded AWS has no such call."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from quickstep_cli.checks.facts import EcsMetrics
from quickstep_cli.facts import published_by_ecs
from quickstep_cli.failures import CommandError
from tests.builders import WEB

OLD, NEW = (f"arn:aws:ecs:us-east-1:123456789012:service-revision/prod/web/{n}" for n in (1, 2))


def asked(*revisions: dict[str, Any], controller: str = "ECS") -> EcsMetrics:
    """Return what is read of a service with these revisions; botocore checks names and types."""
    ecs = boto3.client("ecs", region_name="us-east-1")
    arns = [OLD, NEW][: len(revisions)]
    service = {
        "deploymentController": {"type": controller},
        "currentServiceRevisions": [{"arn": arn} for arn in arns],
    }
    with Stubber(ecs) as stub:
        stub.add_response(
            "describe_services",
            {"services": [service]},
            {"cluster": "prod", "services": ["web"]},
        )
        stub.add_response(
            "describe_service_revisions",
            {"serviceRevisions": list(revisions)},
            {"serviceRevisionArns": arns},
        )
        return published_by_ecs(ecs, WEB)


def publishing(*metrics: str, every: int = 20) -> dict[str, Any]:
    config = {"metricNames": list(metrics), "resolutionSeconds": every}
    return {"monitoring": {"metricConfigurations": [config]}}


@pytest.mark.parametrize(
    ("revisions", "seconds"),
    [
        pytest.param([{}], {}, id="as by default"),
        pytest.param([publishing("CPUUtilization")], {"CPUUtilization": 20}, id="switched on"),
        pytest.param(
            [{}, publishing("CPUUtilization")], {"CPUUtilization": 60}, id="being switched on"
        ),
    ],
)
def test_a_service_s_revisions_say_how_often_ecs_publishes_its_metrics(
    revisions: list[dict[str, Any]], seconds: dict[str, int]
) -> None:
    assert asked(*revisions) == EcsMetrics(seconds)


def test_the_deployment_controller_is_shown_because_not_all_take_high_resolution() -> None:
    assert asked({}, controller="CODE_DEPLOY") == EcsMetrics({}, controller="CODE_DEPLOY")


def test_a_service_without_a_revision_is_not_taken_for_one_with_slow_metrics() -> None:
    ecs = boto3.client("ecs", region_name="us-east-1")
    with Stubber(ecs) as stub:
        stub.add_response("describe_services", {"services": []})
        with pytest.raises(CommandError) as error:
            published_by_ecs(ecs, WEB)

    assert str(error.value) == "ECS has no revision of service/prod/web"
