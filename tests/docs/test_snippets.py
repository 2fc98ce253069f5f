"""The Terraform and CDK of the documents: they parse, and make what the template makes."""

from __future__ import annotations

import ast
import re
from typing import Any

import hcl2
import pytest

from tests.builders import HIGH, LOW, ROOT, WEB
from tests.template.stack import TARGET, deploy, source

PAGE = ROOT / "docs" / "terraform-and-cdk.md"
STACK = deploy(TARGET, ClusterName=WEB.cluster, ServiceName=WEB.service)
SCALER_S_NAME = source(TARGET)["Parameters"]["Scaler"]["Default"]
ALARMS = {
    alarm["AlarmName"].rsplit("/", 1)[-1]: alarm
    for alarm in STACK.of_type("AWS::CloudWatch::Alarm").values()
}


def block(language: str) -> str:
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def plain(value: Any) -> Any:
    """Return a parsed value without the quotes that some releases of the parser leave on."""
    if isinstance(value, str):
        return value.strip('"')
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def filled(text: str) -> str:
    """Return a text with the names that a snippet puts into it."""
    return text.replace("${local.cluster}", WEB.cluster).replace("${local.service}", WEB.service)


def expected(policy: str) -> tuple[str, float, int, str]:
    alarm = ALARMS[policy]
    return (
        alarm["ComparisonOperator"],
        float(alarm["Threshold"]),
        alarm["EvaluationPeriods"],
        alarm["TreatMissingData"],
    )


# --- Terraform ------------------------------------------------------------------------------------


def terraform() -> dict[str, Any]:
    parsed: dict[str, Any] = plain(hcl2.loads(block("hcl")))
    return parsed


def resources() -> dict[str, dict[str, Any]]:
    return {
        kind: next(iter(named.values()))
        for one in terraform()["resource"]
        for kind, named in one.items()
        if not kind.startswith("__")
    }


def test_terraform_makes_the_same_alarms() -> None:
    alarms = terraform()["locals"][0]["alarms"]

    for policy in (HIGH, LOW):
        one = alarms[policy]
        shown = (one["comparison"], float(one["threshold"]), one["periods"], one["missing"])
        assert shown == expected(policy)


def test_terraform_sets_what_the_template_sets_on_each_alarm() -> None:
    shown = resources()["aws_cloudwatch_metric_alarm"]

    template = {snake(key) for alarm in ALARMS.values() for key in alarm}
    given = {key for key in shown if not key.startswith("__")}
    assert template - given <= {"alarm_description"}
    assert (filled(shown["namespace"]), shown["metric_name"], shown["period"]) == (
        ALARMS[HIGH]["Namespace"],
        ALARMS[HIGH]["MetricName"],
        10,
    )
    assert shown["alarm_name"] == "quickstep/${local.cluster}/${local.service}/${each.key}"


def test_terraform_plans_nothing_where_there_is_no_scaler() -> None:
    (data,) = terraform()["data"]

    assert data["aws_ssm_parameter"]["scaler"]["name"] == SCALER_S_NAME


def test_terraform_names_the_document_as_the_scaler_looks_for_it() -> None:
    shown = resources()["aws_ssm_parameter"]

    assert shown["name"] == "/quickstep/${local.cluster}/${local.service}"
    assert shown["type"] == STACK.the("AWS::SSM::Parameter")["Type"]


# --- CDK ------------------------------------------------------------------------------------------


def calls() -> dict[str, dict[str, ast.expr]]:
    """Return the keyword arguments of each construct that the snippet makes."""
    return {
        node.func.attr: {str(one.arg): one.value for one in node.keywords}
        for node in ast.walk(ast.parse(block("python")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("Cfn")
    }


def test_cdk_sets_what_the_template_sets() -> None:
    made = calls()

    template = {snake(key) for alarm in ALARMS.values() for key in alarm}
    assert template - made["CfnAlarm"].keys() <= {"alarm_description"}
    assert made["CfnParameter"].keys() == {"name", "type", "value"}
    namespace = ast.unparse(made["CfnAlarm"]["namespace"]).strip("f'")
    assert namespace.format(cluster=WEB.cluster, service=WEB.service) == ALARMS[HIGH]["Namespace"]
    assert f'value_for_string_parameter(self, "{SCALER_S_NAME}")' in block("python")
    for key in ("metric_name", "statistic", "period"):
        camel = "".join(part.title() for part in key.split("_"))
        assert ast.literal_eval(made["CfnAlarm"][key]) == ALARMS[HIGH][camel]


@pytest.mark.parametrize("policy", [HIGH, LOW])
def test_cdk_makes_the_same_alarms(policy: str) -> None:
    (alarms,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(block("python")).body
        if isinstance(node, ast.Assign)
    )

    assert alarms[policy] == expected(policy)
