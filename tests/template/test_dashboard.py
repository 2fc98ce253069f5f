"""The dashboard, in `templates/dashboard.yaml`: its body, its widget, and what that may do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import pytest
from jsonschema import Draft202012Validator

from functions.dashboard.handler import handler
from quickstep.alarms.known import KnownAlarm
from quickstep.aws.dynamodb import DynamoTargets
from quickstep.engine.model import AlarmState
from quickstep.protocol.memory import Memory
from quickstep.report.telemetry import report
from quickstep.wiring import make_dashboard
from quickstep_lab.embedded_aws import TABLE, create_table, embedded_aws
from tests.builders import DEFINITION, HIGH, NOW, ROOT, WEB, a_lease, a_scale_out_record
from tests.log_lines import metrics_in, overhear
from tests.template.dashboard_schema import BODY
from tests.template.stack import (
    SCALER,
    TARGET,
    Resolver,
    Stack,
    deploy,
    parameters_of,
    source,
    whole,
)

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

EMPTY = whole(deploy(SCALER))
WITH_SERVICE = whole(deploy(SCALER, ClusterName="prod", ServiceName="web"))
STACKS = pytest.mark.parametrize(
    "stack", [pytest.param(EMPTY, id="no service"), pytest.param(WITH_SERVICE, id="first service")]
)


def body(stack: Stack) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(stack.the("AWS::CloudWatch::Dashboard")["DashboardBody"])
    return read


def widgets(stack: Stack = WITH_SERVICE) -> dict[str, dict[str, Any]]:
    return {one["properties"]["title"]: one for one in body(stack)["widgets"]}


def problems(dashboard: dict[str, Any]) -> list[str]:
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(BODY).iter_errors(dashboard)
    ]


@STACKS
def test_the_body_is_what_cloudwatch_accepts(stack: Stack) -> None:
    assert problems(body(stack)) == []


BROKEN = {
    "a misspelt property": ("region", "Region"),
    "a type that there is not": ('"log"', '"logs"'),
    "a metric without a name": ('"Throttles", "FunctionName", "Scaler", ', ""),
    "a period of less than a minute": ('"period": 60', '"period": 10'),
    "a place beyond the grid": ('"x": 16', '"x": 24'),
    "a query without a source": ("SOURCE '", "FROM '"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_rules_find(kind: str) -> None:
    right, wrong = BROKEN[kind]
    broken = json.dumps(body(EMPTY)).replace(right, wrong)

    assert broken != json.dumps(body(EMPTY))
    assert problems(json.loads(broken))


@STACKS
def test_no_widget_lies_on_another_or_beyond_the_grid(stack: Stack) -> None:
    placed = [{(w["x"] + x, w["y"] + y) for x in range(w["width"]) for y in range(w["height"])}
              for w in body(stack)["widgets"]]  # fmt: skip

    assert not any(one & other for one, other in combinations(placed, 2))
    assert max(x for cells in placed for x, _ in cells) == 23


def test_the_dashboard_shows_what_there_is_to_show() -> None:
    assert {title: one["type"] for title, one in widgets().items()} == {
        "Decisions": "custom",
        "Alarms: of the first service, and of the scaler itself": "alarm",
        "Requests per second and task": "metric",
        "Tasks, as evaluations saw and left them": "metric",
        "Response time": "metric",
        "Connections per task": "metric",
        "Queue length per task": "metric",
        "Decisions by outcome": "metric",
        "Alarm, or a task's surge, to UpdateService, ms": "metric",
        "Throttles, errors, and what could not be handled": "metric",
        "The scaler's log": "log",
    }


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="by steps"),
        pytest.param({"TargetValue": "100"}, id="one number"),
        pytest.param({"TargetValue": "60", "Metric": "Utilization"}, id="another metric"),
    ],
)
def test_every_alarm_of_the_stack_is_on_it_and_those_of_the_first_service(
    given: dict[str, str],
) -> None:
    own = {f"{name}.Arn" for name in EMPTY.of_type("AWS::CloudWatch::Alarm")}
    prefix = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
    services = {
        prefix + str(alarm["AlarmName"])
        for alarm in deploy(TARGET, ClusterName="prod", ServiceName="web", **given)
        .of_type("AWS::CloudWatch::Alarm")
        .values()
    }
    title = "Alarms: of the first service, and of the scaler itself"

    assert set(widgets(EMPTY)[title]["properties"]["alarms"]) == own
    stack = whole(deploy(SCALER, ClusterName="prod", ServiceName="web", **given))
    assert set(widgets(stack)[title]["properties"]["alarms"]) == own | services


def test_every_queue_of_dead_letters_is_on_it() -> None:
    shown = json.dumps(widgets()["Throttles, errors, and what could not be handled"])
    queues = EMPTY.of_type("AWS::SQS::Queue").keys() - {"Rechecks", "Surges"}

    assert queues
    assert all(f"{queue}.QueueName" in shown for queue in queues)


def searches() -> dict[str, set[tuple[str, str]]]:
    """Return metric and dimensions of what the graphs search for, by namespace; "" for all."""
    found: dict[str, set[tuple[str, str]]] = {}
    for namespace, dimensions, metric in re.findall(
        r"""SEARCH\('(?:\{([^,}]+),([^}]+)\} )?MetricName="(\w+)\"""", stack_text()
    ):
        found.setdefault(namespace, set()).add((metric, dimensions))
    return found


def stack_text() -> str:
    return "\n".join(
        str(metric[0]["expression"])
        for widget in widgets().values()
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], dict)
    )


def test_the_graphs_search_for_metrics_that_the_function_emits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = overhear(capsys)
    report(replace(a_scale_out_record(), surge_to_update=timedelta(seconds=2)))

    emitted = metrics_in(lines()).keys()

    searched = searches()["Quickstep"]
    assert {(f"Quickstep/{name}", dimensions) for name, dimensions in searched} == emitted


def test_desired_and_running_are_what_ecs_was_left_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = overhear(capsys)
    report(a_scale_out_record())

    metrics = metrics_in(lines())

    assert metrics["Quickstep/DesiredCount", "ResourceId"] == 6
    assert metrics["Quickstep/RunningCount", "ResourceId"] == 3


def test_the_load_is_that_of_the_services_own_template_whatever_its_namespace() -> None:
    alarms = deploy(TARGET, ClusterName="prod", ServiceName="web").of_type("AWS::CloudWatch::Alarm")

    assert {(one["MetricName"], "") for one in alarms.values()} <= searches()[""]


def test_the_thresholds_on_it_are_those_of_the_first_service() -> None:
    first = {"ClusterName": "prod", "ServiceName": "web"}
    stack = whole(deploy(SCALER, **first, ScaleOutThreshold="80", ScaleInThreshold="20"))
    shown = widgets(stack)["Requests per second and task"]["properties"]["annotations"]

    assert [line["value"] for line in shown["horizontal"]] == [80, 20]


@pytest.mark.parametrize(
    ("metric", "lines"),
    [
        pytest.param("RequestsPerSecond", [80.5], id="the metric that the graph shows"),
        pytest.param("Utilization", [], id="one in another unit"),
    ],
)
def test_a_target_is_on_it_where_the_graph_has_its_unit(metric: str, lines: list[float]) -> None:
    first = {"ClusterName": "prod", "ServiceName": "web"}
    stack = whole(deploy(SCALER, **first, TargetValue="80.5", Metric=metric))
    shown = widgets(stack)["Requests per second and task"]["properties"]["annotations"]

    assert problems(body(stack)) == []
    assert [line["value"] for line in shown["horizontal"]] == lines


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        pytest.param("aws", "eu-west-1", "console.aws.amazon.com", id="commercial"),
        pytest.param("aws-cn", "cn-north-1", "console.amazonaws.cn", id="China"),
        pytest.param("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com", id="GovCloud"),
    ],
)
def test_its_address_is_in_the_console_of_its_partition(
    partition: str, region: str, console: str
) -> None:
    place = {"AWS::Partition": partition, "AWS::Region": region}
    resolver = Resolver(source(SCALER), parameters_of(SCALER, {}) | place)

    name = deploy(SCALER).resources["DashboardStack"]["Properties"]["Parameters"]
    url = resolver.resolve(source(SCALER)["Outputs"]["DashboardUrl"]["Value"])
    assert (
        url
        == f"https://{console}/cloudwatch/home?region={region}#dashboards/dashboard/{name['Name']}"
    )


def test_no_threshold_is_on_it_without_a_first_service() -> None:
    shown = widgets(EMPTY)["Requests per second and task"]["properties"]["annotations"]

    assert shown["horizontal"] == []


# The widget's function


def statements() -> dict[str, dict[str, Any]]:
    (policy,) = EMPTY.of_type("AWS::IAM::Role")["DashboardWidgetRole"]["Policies"]
    return {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}


class Context:
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:quickstep-dashboard"


@pytest.fixture
def calls() -> list[tuple[str, dict[str, Any]]]:
    """Every call that the function makes for a service with a decision and a metric."""
    made: list[tuple[str, dict[str, Any]]] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        prefix = model.service_model.endpoint_prefix
        prefixes = {"monitoring": "cloudwatch"}
        made.append((f"{prefixes.get(prefix, prefix)}:{model.name}", dict(params)))

    with embedded_aws() as account:
        create_table(account)
        client = account.client("dynamodb")
        targets = DynamoTargets(client, TABLE)
        targets.claim(WEB.resource_id, a_lease())
        alarm = KnownAlarm(AlarmState.ALARM, NOW, DEFINITION)
        targets.commit(a_lease().owner, Memory(alarms={HIGH: alarm}), a_scale_out_record())
        account.session.events.register("before-parameter-build", record)
        deployed = make_dashboard(TABLE, account.client)
        millis = NOW.timestamp() * 1000
        html = handler(
            {
                "service": WEB.resource_id,
                "widgetContext": {"timeRange": {"start": millis - 1e6, "end": millis + 1e6}},
            },
            cast("LambdaContext", Context()),
            deployed=deployed,
        )
        assert "Scaled out from 2 to 6" in html
        assert "RequestsPerSecond, Average" not in html, "no datapoint, no panel"
    return made


def test_the_role_allows_exactly_the_calls_that_the_function_makes(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    granted = {
        action
        for sid, statement in statements().items()
        if sid != "WriteLogs"
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }

    assert {name for name, _ in calls} == granted
    assert all(action.split(":")[1].startswith(("Get", "Query")) for action in granted)


def test_one_call_reads_all_metrics(calls: list[tuple[str, dict[str, Any]]]) -> None:
    assert [name for name, _ in calls].count("cloudwatch:GetMetricData") == 1


def test_it_reads_the_table_that_it_may_read(calls: list[tuple[str, dict[str, Any]]]) -> None:
    function = EMPTY.of_type("AWS::Lambda::Function")["DashboardWidget"]

    assert {params["TableName"] for _, params in calls if "TableName" in params} == {TABLE}
    assert function["Environment"]["Variables"]["TABLE_NAME"] == "Table"
    assert statements()["ReadStateAndRecords"]["Resource"] == "Table.Arn"
    assert (ROOT / "functions" / "dashboard" / "handler.py").is_file()


def test_the_widget_calls_its_function_for_the_first_service() -> None:
    shown = widgets()["Decisions"]["properties"]

    assert shown["endpoint"] == "DashboardWidget.Arn"
    assert shown["params"] == {"service": "service/prod/web"}
    assert widgets(EMPTY)["Decisions"]["properties"]["params"] == {"service": ""}
    assert shown["updateOn"] == {"refresh": True, "resize": True, "timeRange": True}


def test_no_other_principal_may_invoke_it() -> None:
    permissions = EMPTY.of_type("AWS::Lambda::Permission").values()

    assert not any("Dashboard" in str(one["FunctionName"]) for one in permissions)


def test_the_function_needs_no_layer_but_the_project_s_own() -> None:
    layers = source(SCALER)["Resources"]["DashboardWidget"]["Properties"]["Layers"]

    assert [layer["Ref"] for layer in layers] == ["CoreLayer"]
