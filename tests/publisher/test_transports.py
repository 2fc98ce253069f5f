"""PutMetricData and the embedded metric format carry the same values; what fails has a reason."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from quickstep_publisher import (
    Address,
    CloudWatchTransport,
    EmfTransport,
    Metric,
    NotPublishedError,
    Point,
    Statistics,
)
from quickstep_publisher._points import Interval, Sample, build
from quickstep_publisher._trouble import Kind
from tests.builders import ROOT
from tests.publisher.fakes import START, emf_lines

ADDRESS = Address("MyApp/Performance", "prod", "web")
POINT = Point(
    START,
    (
        Metric("RequestsPerSecond", "Count/Second", 124.0),
        Metric("ActiveConnections", "Count", 7),
        Metric("QueueLength", "Count", 12),
        Metric("AverageResponseTime", "Milliseconds", Statistics(600, 12_000.0, 3.0, 250.0)),
    ),
)
DIMENSIONS = [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "web"}]


def datum(name: str, unit: str, **value: Any) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": DIMENSIONS,
        "Timestamp": START,
        "Unit": unit,
        "StorageResolution": 1,
        **value,
    }


def test_a_point_is_one_call_of_put_metric_data() -> None:
    client = boto3.client("cloudwatch")
    times = {"SampleCount": 600, "Sum": 12_000.0, "Minimum": 3.0, "Maximum": 250.0}
    with Stubber(client) as stub:
        stub.add_response(
            "put_metric_data",
            {},
            {
                "Namespace": "MyApp/Performance",
                "MetricData": [
                    datum("RequestsPerSecond", "Count/Second", Value=124.0),
                    datum("ActiveConnections", "Count", Value=7),
                    datum("QueueLength", "Count", Value=12),
                    datum("AverageResponseTime", "Milliseconds", StatisticValues=times),
                ],
            },
        )
        CloudWatchTransport(client).send(ADDRESS, POINT)
        stub.assert_no_pending_responses()


def test_a_point_is_one_line_of_the_embedded_metric_format() -> None:
    stream = io.StringIO()

    EmfTransport(stream).send(ADDRESS, POINT)

    assert stream.getvalue().count("\n") == 1
    assert emf_lines(stream) == [
        {
            "_aws": {
                "Timestamp": 1795341600000,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "MyApp/Performance",
                        "Dimensions": [["ClusterName", "ServiceName"]],
                        "Metrics": [
                            {"Name": m.name, "Unit": m.unit, "StorageResolution": 1}
                            for m in POINT.metrics
                        ],
                    }
                ],
            },
            "ClusterName": "prod",
            "ServiceName": "web",
            "RequestsPerSecond": 124.0,
            "ActiveConnections": 7,
            "QueueLength": 12,
            "AverageResponseTime": {"Min": 3.0, "Max": 250.0, "Sum": 12_000.0, "Count": 600},
        }
    ]


def test_lines_are_as_long_as_the_readme_reckons_their_cost() -> None:
    text = (ROOT / "publisher" / "README.md").read_text(encoding="utf-8")
    reckoned = int(re.search(r"518,400 . 5 lines . \((\d+) \+ 26\) bytes", text)[1])  # type: ignore[index]
    stream = io.StringIO()
    times = Statistics(617, 26_620.835199999947, 12.3456, 73.9456)
    samples = tuple(
        Sample(int(START.timestamp()) + n, 123.35065973610557, 12, 0.5123, 0.0312) for n in range(5)
    )
    point = build(Interval(5.0, 617, 12, times, samples=samples), START)
    assert point is not None

    EmfTransport(stream).send(ADDRESS, point)

    lines = stream.getvalue().splitlines(keepends=True)
    assert len(lines) == 5
    assert len(stream.getvalue()) / 5 == pytest.approx(reckoned, abs=30)


def test_the_line_goes_to_standard_output_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    EmfTransport().send(ADDRESS, POINT)

    assert json.loads(capsys.readouterr().out)["RequestsPerSecond"] == 124


@pytest.mark.parametrize("broken", ["closed", "none", "full"])
def test_a_stream_that_cannot_be_written_to_is_a_reason(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError("No space left on device")

    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdout", None)
    transport = {
        "closed": EmfTransport(stream),
        "none": EmfTransport(),
        "full": EmfTransport(Full()),
    }[broken]

    with pytest.raises(NotPublishedError, match="the stream cannot be written to") as raised:
        transport.send(ADDRESS, POINT)

    assert raised.value.kind is Kind.UNREACHABLE
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        pytest.param("Throttling", 400, Kind.THROTTLED, "throttles PutMetricData", id="throttle"),
        pytest.param("AccessDenied", 403, Kind.DENIED, "in MyApp/Performance; the task", id="deny"),
        pytest.param(
            "ExpiredToken",
            403,
            Kind.CREDENTIALS,
            "CloudWatch rejects the AWS credentials",
            id="expired",
        ),
        pytest.param("InternalFailure", 500, Kind.UNREACHABLE, "is not well", id="server error"),
        pytest.param("InvalidParameterValue", 400, Kind.REFUSED, "refuses the metrics", id="bad"),
    ],
)
def test_what_cloudwatch_answers_is_a_reason(
    code: str, status: int, kind: Kind, words: str
) -> None:
    client = boto3.client("cloudwatch")
    with Stubber(client) as stub:
        stub.add_client_error("put_metric_data", code, "why", status, expected_params=ANY_CALL)
        with pytest.raises(NotPublishedError, match=words) as raised:
            CloudWatchTransport(client).send(ADDRESS, POINT)

    assert raised.value.kind is kind
    assert f"{code}: why" in str(raised.value)


ANY_CALL = {"Namespace": ANY, "MetricData": ANY}


@pytest.mark.parametrize(
    ("missing", "kind", "words"),
    [
        pytest.param(["AWS_DEFAULT_REGION"], Kind.NO_REGION, "no AWS Region is set", id="Region"),
        pytest.param(
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            Kind.CREDENTIALS,
            "AWS credentials are missing",
            id="credentials",
        ),
        pytest.param(
            ["AWS_SECRET_ACCESS_KEY"], Kind.CREDENTIALS, "Partial credentials", id="half of them"
        ),
    ],
)
def test_what_the_environment_lacks_is_a_reason(
    missing: list[str], kind: Kind, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.delenv(name)

    with pytest.raises(NotPublishedError, match=words) as raised:
        CloudWatchTransport().send(ADDRESS, POINT)

    assert raised.value.kind is kind


def test_the_region_may_be_called_as_ecs_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(NotPublishedError, match="cannot be reached") as raised:
        CloudWatchTransport().send(ADDRESS, POINT)

    assert raised.value.kind is Kind.UNREACHABLE
