"""Publisher, alarms, example stack and StatsD sidecar speak of the same metrics."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from quickstep.aws.failures import Kind
from quickstep.config import parse_target
from quickstep_lab.demo import DIMENSIONS, METRIC, NAMESPACE, alarms_of
from quickstep_publisher import CloudWatchTransport, EmfTransport
from quickstep_publisher._calls import CODES
from quickstep_publisher._points import INTERVAL
from quickstep_publisher._settings import settings
from tests.builders import EXAMPLE_POLICY, ROOT
from tests.publisher.fakes import Time, a_publisher, emf_lines
from tests.template.stack import TARGET, deploy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

APP = ROOT / "examples" / "app" / "template.yaml"
AGENT = ROOT / "examples" / "statsd" / "amazon-cloudwatch-agent.json"
UNITS = {
    "RequestsPerSecond": "Count/Second",
    "AverageResponseTime": "Milliseconds",
    "ActiveConnections": "Count",
    "QueueLength": "Count",
}
Series = tuple[str, str, frozenset[tuple[str, str]]]
"""What tells one metric of CloudWatch from another: namespace, name, dimensions."""


class Client:
    """Keeps what PutMetricData was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def put_metric_data(self, **call: Any) -> None:
        self.calls.append(call)


def published(transport: Any) -> None:
    """Publish one point with everything in it, of prod/web."""
    time = Time()
    publisher = a_publisher(time, transport)
    publisher.gauge("QueueLength", lambda: 3)
    publisher.observe(0.2)
    time.pass_(5)
    assert publisher.publish() is not None


@pytest.fixture
def data() -> list[dict[str, Any]]:
    """The metrics of one PutMetricData, each with its namespace."""
    client = Client()
    published(CloudWatchTransport(client))
    (call,) = client.calls
    return [{"Namespace": call["Namespace"], **datum} for datum in call["MetricData"]]


def series(metric: Mapping[str, Any]) -> Series:
    dimensions: Iterable[Mapping[str, str]] = metric["Dimensions"]
    pairs = frozenset((each["Name"], each["Value"]) for each in dimensions)
    return metric["Namespace"], metric["MetricName"], pairs


def alarms() -> list[dict[str, Any]]:
    stack = deploy(TARGET, ClusterName="prod", ServiceName="web")
    return list(stack.of_type("AWS::CloudWatch::Alarm").values())


def test_the_alarms_watch_what_is_published(data: list[dict[str, Any]]) -> None:
    watched = {series(alarm) for alarm in alarms()}

    assert watched
    assert watched <= {series(datum) for datum in data}


def test_an_alarm_of_10_s_sees_two_points_of_each_task_at_a_resolution_that_it_can(
    data: list[dict[str, Any]],
) -> None:
    resolutions = {series(datum): datum["StorageResolution"] for datum in data}
    for alarm in alarms():
        assert alarm["Period"] == 2 * INTERVAL
        assert resolutions[series(alarm)] == 1
        assert alarm["Statistic"] == "Average", "of one sample a task, it is the load of one task"
        assert alarm.get("Unit") in {None, UNITS[alarm["MetricName"]]}


def test_metrics_have_their_units(data: list[dict[str, Any]]) -> None:
    assert {datum["MetricName"]: datum["Unit"] for datum in data} == UNITS


def test_both_transports_publish_the_same_series_units_resolutions_and_values(
    data: list[dict[str, Any]],
) -> None:
    stream = io.StringIO()
    published(EmfTransport(stream))
    (document,) = emf_lines(stream)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    ((cluster, service),) = directive["Dimensions"]
    pairs = frozenset({(cluster, document[cluster]), (service, document[service])})

    def statistics(value: Any) -> Any:
        names = {"Count": "SampleCount", "Sum": "Sum", "Min": "Minimum", "Max": "Maximum"}
        return {names[k]: v for k, v in value.items()} if isinstance(value, dict) else value

    assert {
        (directive["Namespace"], m["Name"], pairs): (
            m["Unit"],
            m["StorageResolution"],
            statistics(document[m["Name"]]),
        )
        for m in directive["Metrics"]
    } == {
        series(datum): (
            datum["Unit"],
            datum["StorageResolution"],
            datum.get("StatisticValues", datum.get("Value")),
        )
        for datum in data
    }


def test_the_demo_watches_what_its_tasks_publish(data: list[dict[str, Any]]) -> None:
    watched = {"Namespace": NAMESPACE, "MetricName": METRIC, "Dimensions": DIMENSIONS}

    assert series(watched) in {series(datum) for datum in data}
    assert {
        series(alarm)
        for alarm in alarms_of(parse_target(EXAMPLE_POLICY.read_text(encoding="utf-8")))
    } == {series(watched)}


# The example stack


def example(**parameters: str) -> Any:
    needed = {"Image": "app:1", "VpcId": "vpc-1", "PublicSubnets": "subnet-1,subnet-2"}
    return deploy(APP, **{**needed, **parameters})


def test_a_later_deployment_of_the_example_leaves_the_count_to_the_scaler() -> None:
    assert "DesiredCount" not in example().the("AWS::ECS::Service")


@pytest.mark.parametrize(
    ("given", "namespace"),
    [
        pytest.param({}, "Quickstep/prod/web", id="its own"),
        pytest.param({"Namespace": "MyApp/Performance"}, "MyApp/Performance", id="a shared one"),
    ],
)
def test_the_examples_tasks_may_publish_what_its_alarms_watch_and_do_nothing_else(
    given: dict[str, str], namespace: str
) -> None:
    named = {"ClusterName": "prod", "ServiceName": "web", **given}
    stack = example(**named)
    role = stack.of_type("AWS::IAM::Role")["TaskRole"]
    ((policy,), attached) = role["Policies"], role.get("ManagedPolicyArns", [])
    (statement,) = policy["PolicyDocument"]["Statement"]
    (container,) = stack.the("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    environment = {each["Name"]: each["Value"] for each in container["Environment"]}
    alarms = deploy(TARGET, **named).of_type("AWS::CloudWatch::Alarm").values()

    assert attached == []
    assert statement["Action"] == "cloudwatch:PutMetricData"
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": namespace}}
    published = settings(environment, cluster="prod", service="web").address()
    assert published.namespace == namespace
    assert {alarm["Namespace"] for alarm in alarms} == {namespace}


def test_the_examples_health_checks_take_ten_seconds() -> None:
    group = example().the("AWS::ElasticLoadBalancingV2::TargetGroup")
    attributes = {each["Key"]: each["Value"] for each in group["TargetGroupAttributes"]}

    assert (
        group["HealthCheckIntervalSeconds"],
        group["HealthCheckTimeoutSeconds"],
        group["HealthyThresholdCount"],
        group["UnhealthyThresholdCount"],
    ) == (5, 4, 2, 2)
    assert int(attributes["deregistration_delay.timeout_seconds"]) <= 30


# The StatsD sidecar


def test_the_agent_passes_high_resolution_metrics_on_within_5_s() -> None:
    agent = json.loads(AGENT.read_text(encoding="utf-8"))
    statsd = agent["metrics"]["metrics_collected"]["statsd"]

    assert agent["metrics"]["namespace"] == NAMESPACE
    assert 1 <= statsd["metrics_collection_interval"] <= INTERVAL
    assert statsd["metrics_aggregation_interval"] == INTERVAL
    assert agent["metrics"]["force_flush_interval"] <= INTERVAL


def test_the_agents_metrics_have_the_alarms_dimensions_and_no_others() -> None:
    agent = json.loads(AGENT.read_text(encoding="utf-8"))
    names = [dimension["Name"] for dimension in DIMENSIONS]

    assert agent["agent"]["omit_hostname"] is True
    assert agent["metrics"]["aggregation_dimensions"] == [names]
    statsd = agent["metrics"]["metrics_collected"]["statsd"]
    assert set(statsd["drop_original_metrics"]) == set(UNITS)


def test_the_publisher_sorts_aws_s_error_codes_as_the_core_does() -> None:
    core = (Kind.THROTTLED, Kind.UNKNOWN_CALLER, Kind.DENIED, Kind.UNREACHABLE)

    assert list(CODES.values()) == [kind.value for kind in core]


def test_the_collectors_configuration_makes_the_series_that_the_alarms_watch() -> None:
    text = (ROOT / "examples" / "otel" / "collector.yaml").read_text(encoding="utf-8")
    collector = yaml.safe_load(text)
    exporter = collector["exporters"]["awsemf"]
    pipeline = collector["service"]["pipelines"]["metrics"]
    names = "${env:QUICKSTEP_CLUSTER}/${env:QUICKSTEP_SERVICE}"
    (declaration,) = exporter["metric_declarations"]
    (descriptor,) = exporter["metric_descriptors"]

    assert exporter["namespace"] == f"Quickstep/{names}"
    assert exporter["dimension_rollup_option"] == "NoDimensionRollup"
    assert declaration["dimensions"] == [["ClusterName", "ServiceName"]]
    assert descriptor["unit"] == UNITS[descriptor["metric_name"]]
    assert 'attributes["aws.emf.storage_resolution"], 1' in text
    assert list(collector["processors"]) == pipeline["processors"]
    assert set(pipeline["receivers"]) == set(collector["receivers"])
    assert set(pipeline["exporters"]) == set(collector["exporters"])
