"""The templates' parameters: explained, constrained, and true to the code's own defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quickstep.aws.dynamodb import RETENTION
from quickstep.config import DEFAULT_WARMUP_SECONDS, MAX_SECONDS, MAX_TASKS, STANDARD_BYTES
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.loop.documents import MAX_AGE_SECONDS
from tests.builders import ROOT
from tests.template.stack import (
    DRILLS,
    SCALER,
    STORED,
    TARGET,
    Stack,
    allowed,
    deploy,
    refusals,
    source,
)

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = [
    pytest.param(path, name, id=f"{path.stem}-{name}")
    for path in (SCALER, TARGET, DRILLS)
    for name in source(path)["Parameters"]
]

DOCUMENT = (ROOT / "examples" / "policies" / "one-number.json").read_text(encoding="utf-8")

# Whoever deploys has to name the service; any default would be somebody's.
WITHOUT_DEFAULT = {
    (TARGET, "ClusterName"),
    (TARGET, "ServiceName"),
    (DRILLS, "DrillTarget"),
    (DRILLS, "UndeliveredEvents"),
}


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_parameter_has_a_description_a_default_and_a_constraint(path: Path, name: str) -> None:
    parameter = source(path)["Parameters"][name]

    assert parameter["Description"]
    constraints = parameter.keys() & {"AllowedPattern", "AllowedValues", "MinValue"}
    assert constraints or parameter["Type"] == STORED, "what is stored has to be there"
    assert ("Default" in parameter) != ((path, name) in WITHOUT_DEFAULT)
    if "Default" in parameter:
        assert allowed(parameter, str(parameter["Default"]))


@pytest.mark.parametrize("path", [SCALER, TARGET], ids=lambda path: str(path.stem))
def test_every_parameter_is_shown_in_one_group_of_the_console(path: Path) -> None:
    template = source(path)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])


def default(path: Path, name: str) -> Any:
    return source(path)["Parameters"][name]["Default"]


def test_the_scaler_s_defaults_are_the_code_s() -> None:
    assert default(SCALER, "RetentionDays") == RETENTION.days
    assert default(SCALER, "PolicyMaxAgeSeconds") == MAX_AGE_SECONDS
    assert default(SCALER, "MaxEventAgeSeconds") == MAX_EVENT_AGE.total_seconds()


def test_a_target_s_defaults_and_limits_are_the_code_s() -> None:
    parameters = source(TARGET)["Parameters"]

    assert parameters["WarmupSeconds"]["Default"] == DEFAULT_WARMUP_SECONDS
    for name in ("WarmupSeconds", "ScaleOutCooldown", "ScaleInCooldown"):
        assert parameters[name]["MaxValue"] == MAX_SECONDS
    for name in ("MinCapacity", "MaxCapacity"):
        assert parameters[name]["MaxValue"] == MAX_TASKS


def passed_to_the_first(stack: Stack) -> dict[str, Any]:
    passed: dict[str, Any] = stack.of_type("AWS::CloudFormation::Stack")["FirstTarget"]
    return dict(passed["Parameters"])


def test_the_first_service_has_the_same_parameters_as_every_further_one() -> None:
    stack = deploy(SCALER, ClusterName="prod", ServiceName="web", MaxCapacity="7")
    passed = passed_to_the_first(stack)
    assert passed.pop("Scaler") == "OneScalerPerAccountAndRegion"

    for name, value in passed.items():
        here, there = (source(path)["Parameters"][name] for path in (SCALER, TARGET))
        assert allowed(there, value)
        same = here.get("Default") == there.get("Default")
        assert same or (TARGET, name) in WITHOUT_DEFAULT or name == "DryRun"
        for constraint in ("Type", "MinValue", "MaxValue", "MaxLength", "AllowedValues"):
            assert here.get(constraint) == there.get(constraint)
    assert (passed["ClusterName"], passed["ServiceName"]) == ("prod", "web")
    assert passed["MaxCapacity"] == "7"


def test_what_is_said_of_a_drill_arrives_in_its_stack_under_the_same_constraints() -> None:
    said = {"DrillTarget": "service/prod/web", "DrillMinutes": "60", "DrillSeconds": "90"}
    passed = deploy(SCALER, **said).resources["Drill"]["Properties"]["Parameters"]

    ours = {"UndeliveredEvents": "UndeliveredEvents.Arn", "Notifications": ""}
    assert passed == {**said, **ours}
    for name in said:
        here, there = (source(path)["Parameters"][name] for path in (SCALER, DRILLS))
        if name == "DrillTarget":  # empty here, there is no such stack
            assert here["AllowedPattern"] == f"^(|{there['AllowedPattern'].strip('^$')})$"
            continue
        for same in ("Type", "Default", "MinValue", "MaxValue", "AllowedValues"):
            assert here.get(same) == there.get(same)


def test_there_is_no_drill_unless_it_has_a_target() -> None:
    assert "Drill" not in deploy(SCALER, DrillMinutes="5").resources


def test_a_first_service_begins_with_a_dry_run() -> None:
    stack = deploy(SCALER, ClusterName="prod", ServiceName="web")

    assert passed_to_the_first(stack)["DryRun"] == "true"


def test_everything_that_is_said_of_the_first_service_arrives_there() -> None:
    said = {
        "ClusterName": "blue",
        "ServiceName": "api",
        "MinCapacity": "3",
        "MaxCapacity": "30",
        "TargetValue": "80",
        "Metric": "Utilization",
        "PublishSeconds": "5",
        "ScaleOutThreshold": "90",
        "ScaleInThreshold": "20",
        "Namespace": "MyApp/Performance",
        "DryRun": "true",
        "Document": DOCUMENT,
    }
    passed = passed_to_the_first(deploy(SCALER, **said))

    assert passed == {**said, "Scaler": "OneScalerPerAccountAndRegion"}


@pytest.mark.parametrize("path", [SCALER, TARGET], ids=lambda path: str(path.stem))
def test_a_document_may_be_as_large_as_a_free_parameter_and_no_larger(path: Path) -> None:
    parameter = source(path)["Parameters"]["Document"]
    filled = DOCUMENT.ljust(STANDARD_BYTES)

    assert allowed(parameter, filled)
    assert not allowed(parameter, f"{filled} ")


@pytest.mark.parametrize("name", ["TargetValue", "Metric", "Document"])
def test_what_both_templates_take_has_one_constraint(name: str) -> None:
    here, there = (source(path)["Parameters"][name] for path in (SCALER, TARGET))

    assert here["AllowedPattern"] == there["AllowedPattern"]


def test_without_a_first_service_the_scaler_is_deployed_alone() -> None:
    assert deploy(SCALER).of_type("AWS::CloudFormation::Stack").keys() == {"DashboardStack"}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="the defaults"),
        pytest.param({"ClusterName": "prod", "ServiceName": "web"}, id="a first service"),
        pytest.param({"TargetValue": "100"}, id="a target"),
        pytest.param({"TargetValue": "0.05"}, id="a small target"),
        pytest.param(
            {"TargetValue": "60", "Metric": "Utilization"}, id="a target of another metric"
        ),
        pytest.param({"Document": DOCUMENT, "DryRun": "false"}, id="a document"),
        pytest.param({"ClusterNames": "prod,stage_2"}, id="two clusters"),
        pytest.param({"SnapStart": "on"}, id="SnapStart"),
        pytest.param({"ProvisionedConcurrency": "2"}, id="provisioned concurrency"),
        pytest.param({"AlarmEmail": "ops@example.com"}, id="an e-mail address"),
        pytest.param({"NamePrefix": "/quickstep-next"}, id="a scaler that replaces another"),
        pytest.param({"EndpointUrl": "http://127.0.0.1:5000"}, id="an endpoint"),
    ],
)
def test_these_parameters_are_accepted(given: dict[str, str]) -> None:
    assert refusals(SCALER, **given) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(
            {"SnapStart": "on", "ProvisionedConcurrency": "1"},
            "SnapStart on needs ProvisionedConcurrency 0",
            id="two ways to stay warm",
        ),
        pytest.param(
            {"ClusterName": "prod"},
            "ClusterName and ServiceName go together, or are both empty",
            id="a cluster without a service",
        ),
        pytest.param(
            {"ServiceName": "web"},
            "ClusterName and ServiceName go together, or are both empty",
            id="a service without a cluster",
        ),
        pytest.param({"TargetValue": "0"}, "TargetValue: '0'", id="a target of nothing"),
        pytest.param({"TargetValue": "0.0"}, "TargetValue: '0.0'", id="nothing, more precisely"),
        pytest.param({"TargetValue": "-5"}, "TargetValue: '-5'", id="a negative target"),
        pytest.param({"TargetValue": "007"}, "TargetValue: '007'", id="no number in JSON"),
        pytest.param(
            {"TargetValue": "100 rps"}, "TargetValue: '100 rps'", id="a target with a unit"
        ),
        pytest.param({"Metric": ""}, "Metric: ''", id="no metric"),
        pytest.param({"Metric": "My Metric"}, "Metric: 'My Metric'", id="no policy's name"),
        pytest.param(
            {"Document": "web.json", "DryRun": "false"}, "Document: 'web.json'", id="a file's name"
        ),
        pytest.param(
            {"Document": DOCUMENT, "DryRun": "true"},
            "if Document is given, set DryRun in it and leave the parameter false",
            id="a dry run that would be none",
        ),
        pytest.param({"ClusterNames": ""}, "ClusterNames: ''", id="no cluster"),
        pytest.param({"ClusterNames": "prod*"}, "ClusterNames: 'prod*'", id="half a wildcard"),
        pytest.param({"AlarmEmail": "ops"}, "AlarmEmail: 'ops'", id="half an e-mail address"),
        pytest.param({"NamePrefix": "next"}, "NamePrefix: 'next'", id="no path"),
        pytest.param({"EndpointUrl": "localhost"}, "EndpointUrl: 'localhost'", id="no URL"),
        pytest.param({"MaxEventAgeSeconds": "0"}, "MaxEventAgeSeconds: '0'", id="no event at all"),
    ],
)
def test_these_parameters_are_refused(given: dict[str, str], why: str) -> None:
    assert refusals(SCALER, **given) == [why]
