"""`samconfig.toml`: `sam deploy` and `sam deploy --config-env target` find what they deploy."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from samcli.cli.types import CfnParameterOverridesType  # type: ignore[import-untyped]

from tests.builders import ROOT
from tests.template.stack import TARGET, refusals, source

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


def options(environment: str, command: str) -> dict[str, Any]:
    parameters: dict[str, Any] = CONFIG[environment][command]["parameters"]
    return parameters


def overrides(environment: str) -> dict[str, str]:
    pairs = options(environment, "deploy")["parameter_overrides"].split()
    return dict(pair.split("=", 1) for pair in pairs)


def test_the_target_environment_deploys_the_target_s_template_alone() -> None:
    assert ROOT / options("target", "deploy")["template_file"] == TARGET


def test_the_target_environment_names_a_service_and_is_accepted() -> None:
    given = overrides("target")

    required = {
        name
        for name, parameter in source(TARGET)["Parameters"].items()
        if "Default" not in parameter
    }
    assert given.keys() == required
    assert refusals(TARGET, **given) == []


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


def test_the_two_stacks_have_names_of_their_own() -> None:
    scaler = options("default", "global")["stack_name"]

    assert scaler != options("target", "deploy")["stack_name"]


def test_a_deployment_asks_before_it_changes_anything() -> None:
    assert options("default", "deploy")["confirm_changeset"]
    assert options("target", "deploy")["confirm_changeset"]
