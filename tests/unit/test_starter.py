"""The folder that `quickstep init` writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from quickstep.config import parse_target
from quickstep_cli.proposal import Answers, App, Running, propose
from quickstep_cli.starter import files_of, publishing, template_of
from tests.builders import WEB

if TYPE_CHECKING:
    from quickstep_cli.proposal import Proposal

CPU = propose(Running(service=WEB, desired=4), Answers())
REQUESTS = propose(Running(service=WEB, desired=4), Answers(app=App.ASGI))
BALANCER = propose(
    Running(service=WEB, controller="CODE_DEPLOY", target_group="targetgroup/web/73e2"), Answers()
)


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_the_stack_s_document_is_the_policy_with_the_dry_run_that_is_wanted(dry_run: str) -> None:
    resources = template_of(WEB, CPU)["Resources"]

    text = resources["PolicyDocument"]["Properties"]["Value"]["Fn::Sub"]

    target = parse_target(text.replace("${DryRun}", dry_run))
    assert target.dry_run is (dry_run == "true")
    assert target == parse_target(json.dumps({**CPU.document, "DryRun": dry_run == "true"}))


def test_the_stack_is_a_dry_run_by_default_and_needs_a_scaler() -> None:
    parameters = template_of(WEB, CPU)["Parameters"]

    assert parameters["DryRun"]["Default"] == "true"
    assert parameters["Scaler"]["Default"] == "/quickstep-scaler"


MODULES: dict[str, tuple[Proposal, dict[str, Any]]] = {
    "cpu": (CPU, {"target_value": 60, "signal": '"cpu"'}),
    "requests": (REQUESTS, {"target_value": 100}),
    "balancer": (
        BALANCER,
        {
            "target_value": 6000,
            "signal": '"requests-per-target"',
            "dimensions": {"TargetGroup": '"targetgroup/web/73e2"'},
        },
    ),
}


@pytest.mark.parametrize(("proposal", "inputs"), MODULES.values(), ids=MODULES)
def test_terraform_gets_the_inputs_of_the_target_s_module(
    proposal: Proposal, inputs: dict[str, Any]
) -> None:
    files = files_of(WEB, proposal, [], "../terraform/target")

    assert sorted(files) == ["README.md", "main.tf", "policy.json"]
    (module,) = hcl2.loads(files["main.tf"])["module"]
    found = module['"quickstep"']
    assert {key: found[key] for key in inputs} == inputs
    assert (found["source"], found["cluster_name"], found["service_name"]) == (
        '"../terraform/target"',
        '"prod"',
        '"web"',
    )
    assert "signal" in inputs or "signal" not in found


def test_the_page_has_the_reasons_the_line_and_the_commands() -> None:
    page = files_of(WEB, REQUESTS, ["sam deploy", "quickstep shadow prod/web"], None)["README.md"]

    assert page.startswith("# service/prod/web, scaled by Quickstep\n")
    assert "- TargetValue 100 requests/s per task: the default;" in page
    assert "app.add_middleware(AsgiMiddleware)" in page
    assert '"cloudwatch:namespace": "Quickstep/prod/web"' in page
    assert page.endswith("## Next\n\n```sh\nsam deploy\nquickstep shadow prod/web\n```\n")


def test_a_line_on_standard_output_is_one_that_cloudwatch_reads() -> None:
    text = publishing(WEB, App.OTHER)

    line = json.loads(text.partition("```json\n")[2].partition("\n```")[0])
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Quickstep/prod/web"
    assert {"ClusterName", "ServiceName", "RequestsPerSecond"} <= line.keys()


@pytest.mark.parametrize("app", [App.NONE, None])
def test_an_application_that_is_left_alone_needs_nothing(app: App | None) -> None:
    assert publishing(WEB, app) == ""
