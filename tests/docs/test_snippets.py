"""The Terraform and CDK of the documents: they parse, and name what there is."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from tests.builders import ROOT
from tests.template.stack import TARGET, source
from tests.template.terraform import MODULES, parsed, unquoted

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "terraform-and-cdk.md"

CDK = os.environ.get("QUICKSTEP_CDK_PYTHON")
"""A Python that has aws-cdk-lib; it is large and needs Node.js, so that the lock has none."""


def snippets(language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def written(kind: str, name: str) -> dict[str, Any]:
    """Return a block of the page's Terraform, e.g. of a module."""
    blocks = [one for text in snippets("hcl") for one in hcl2.loads(text).get(kind, [])]
    (found,) = (one[name] for one in map(unquoted, blocks) if name in one)
    return dict(found)


@pytest.mark.parametrize(("block", "module"), [("quickstep", "scaler"), ("target", "target")])
def test_a_module_is_called_with_variables_that_it_has(block: str, module: str) -> None:
    call = written("module", block)
    variables = {name for one in parsed(module)["variable"] for name in one}

    assert call["source"].endswith(f"terraform/{module}")
    assert (MODULES / module).is_dir()
    given = {name for name in call if not name.startswith("__")}
    assert given - {"source", "for_each", "depends_on"} <= variables


def test_the_service_leaves_its_desired_count_to_the_scaler() -> None:
    service = written("resource", "aws_ecs_service")["service"]

    (lifecycle,) = service["lifecycle"]
    assert [one.strip("${}") for one in lifecycle["ignore_changes"]] == ["desired_count"]


def test_the_first_targets_are_dry_runs() -> None:
    assert str(written("module", "target")["dry_run"]).lower() == "true"


def test_cdk_includes_the_template_and_names_its_required_parameters() -> None:
    (text,) = snippets("python")
    tree = ast.parse(text)

    assert 'TEMPLATE = "quickstep/templates/scalable-target.yaml"' in text
    (given,) = (node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    names = {ast.literal_eval(key) for key in given.keys if key is not None}
    parameters = source(TARGET)["Parameters"]
    assert names == {name for name, one in parameters.items() if "Default" not in one}


@pytest.mark.skipif(not CDK, reason="QUICKSTEP_CDK_PYTHON names no Python with aws-cdk-lib")
def test_cdk_synthesises_every_resource_of_the_template(tmp_path: Path) -> None:
    (text,) = snippets("python")
    (tmp_path / "quickstep").symlink_to(ROOT)
    app = """
import aws_cdk
app = aws_cdk.App(outdir="out")
ScalableTarget(app, "Web", cluster="prod", service="web", TargetValue="100")
app.synth()
"""
    (tmp_path / "app.py").write_text(text + app, encoding="utf-8")
    # All is written within seconds; under Node.js 20, which it no longer supports, CDK never ends.
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([str(CDK), "app.py"], cwd=tmp_path, check=True, timeout=30)  # noqa: S603

    made = json.loads((tmp_path / "out" / "Web.template.json").read_text(encoding="utf-8"))
    assert made["Resources"].keys() == source(TARGET)["Resources"].keys()
    assert made["Parameters"].keys() - {"BootstrapVersion"} == source(TARGET)[
        "Parameters"
    ].keys() - {"ClusterName", "ServiceName", "TargetValue"}
