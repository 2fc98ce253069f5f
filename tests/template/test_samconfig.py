"""`samconfig.toml`: `sam deploy` and `sam deploy --config-env target` find what they deploy."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from samcli.cli.types import CfnParameterOverridesType  # type: ignore[import-untyped]

from tests.builders import ROOT
from tests.template.stack import SCALER, TARGET, refusals

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


def options(environment: str, command: str) -> dict[str, Any]:
    parameters: dict[str, Any] = CONFIG[environment][command]["parameters"]
    return parameters


def test_the_target_environment_deploys_the_target_s_template_alone() -> None:
    assert ROOT / options("target", "deploy")["template_file"] == TARGET


def test_adding_a_service_requires_its_name_and_its_stack() -> None:
    assert options("target", "deploy").keys().isdisjoint({"stack_name", "parameter_overrides"})
    assert "stack_name" not in options("default", "deploy")


def test_the_first_deployment_is_accepted_without_a_parameter() -> None:
    assert "parameter_overrides" not in options("default", "deploy")
    assert refusals(SCALER) == []


def test_answers_to_the_guide_land_in_a_file_that_git_ignores() -> None:
    shown = re.search(r"--guided --config-file (\S+)", (ROOT / "samconfig.toml").read_text("utf-8"))

    assert shown
    assert shown[1] in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_no_region_is_anybody_s_default() -> None:
    assert "region" not in json.dumps(CONFIG)


def test_a_document_arrives_as_the_command_that_is_shown_passes_it() -> None:
    """`jq -c tojson` writes a document as a string in JSON: SAM takes off one level of quotes."""
    path = ROOT / "examples" / "policies" / "web.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    tojson = json.dumps(json.dumps(document, separators=(",", ":")))

    given = CfnParameterOverridesType().convert(
        ("TargetValue=100", f"Document={tojson}"), None, None
    )

    assert given.keys() == {"TargetValue", "Document"}
    assert json.loads(given["Document"]) == document


def test_a_deployment_asks_nothing() -> None:
    assert not options("default", "deploy")["confirm_changeset"]
    assert not options("target", "deploy")["confirm_changeset"]
