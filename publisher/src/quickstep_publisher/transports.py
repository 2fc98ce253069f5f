"""Send points: by PutMetricData, or as lines in the embedded metric format.

A transport is any object with `send(address, point)`. It raises NotPublishedError if the point was
not accepted, and does not retry.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from quickstep_publisher._calls import Client, calls, kind_of, said_of
from quickstep_publisher._points import (
    CLUSTER_NAME,
    SERVICE_NAME,
    STORAGE_RESOLUTION,
    Point,
    Statistics,
)
from quickstep_publisher._trouble import Kind, NotPublishedError

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep_publisher._points import Address, Metric

_ACTION = "cloudwatch:PutMetricData"
_LOGS = "logs:CreateLogStream and logs:PutLogEvents"
_SAYS = {
    Kind.THROTTLED: "throttles PutMetricData",
    Kind.CREDENTIALS: "rejects the AWS credentials",
    Kind.DENIED: f"denies PutMetricData in {{namespace}}; the task's role needs {_ACTION}",
    Kind.UNREACHABLE: "is not well",
    Kind.REFUSED: "refuses the metrics",
}


class Transport(Protocol):
    """Where a publisher sends its points, from its own thread, one at a time."""

    def send(self, address: Address, point: Point) -> None:
        """Send a point.

        Raises:
            NotPublishedError: the point was not accepted.
        """


class CloudWatchTransport:
    """One PutMetricData call per point, in one attempt.

    Args:
        client: a boto3 client for cloudwatch, to use instead of a new one.
    """

    def __init__(self, client: Any = None) -> None:
        self._client = Client("cloudwatch", client)

    def send(self, address: Address, point: Point) -> None:
        """Put the point's metrics."""
        with calls("CloudWatch", _ACTION, lambda answer: _refused(answer, address.namespace)):
            self._client.get().put_metric_data(
                Namespace=address.namespace,
                MetricData=[_datum(address, point, metric) for metric in point.metrics],
            )


class EmfTransport:
    """A line in CloudWatch's embedded metric format per point, or per time in it.

    The collector of the container's output turns it into metrics: the awslogs log driver, FireLens,
    or the CloudWatch agent.

    Args:
        stream: where to write; by default sys.stdout, looked up at each point.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, address: Address, point: Point) -> None:
        """Write the point's lines."""
        lines = "".join(f"{line}\n" for _, line in emf_lines(address, point))
        stream = self._stream or sys.stdout
        try:
            stream.write(lines)
            stream.flush()
        except (OSError, ValueError, AttributeError) as error:
            # A closed file raises ValueError; without standard output, sys.stdout is None.
            reason = f"the stream cannot be written to ({error})"
            raise NotPublishedError(Kind.UNREACHABLE, reason) from error


class LogsTransport:
    """Lines in the embedded metric format, sent to CloudWatch Logs without a log driver.

    One PutLogEvents call per point, in one attempt. Each task has its own stream, created with the
    first point. The group must exist.

    Args:
        client: a boto3 client for logs, to use instead of a new one.
        group: the log group; by default /quickstep/<cluster>/<service>.
        stream: the log stream; by default this container's host name and process.
    """

    def __init__(
        self, client: Any = None, group: str | None = None, stream: str | None = None
    ) -> None:
        self._client = Client("logs", client)
        self._group, self._named = group, stream
        self._stream, self._stream_by = "", 0

    def send(self, address: Address, point: Point) -> None:
        """Put the point's lines."""
        group = self._group or f"/quickstep/{address.cluster}/{address.service}"
        events = [{"timestamp": at, "message": line} for at, line in emf_lines(address, point)]
        with calls("CloudWatch Logs", _LOGS, lambda answer: _log_refused(answer, group)):
            client = self._client.get()
            if self._stream_by != self._client.made_by:
                stream = self._named or f"{socket.gethostname()}/{os.getpid()}"
                with suppress(client.exceptions.ResourceAlreadyExistsException):
                    client.create_log_stream(logGroupName=group, logStreamName=stream)
                self._stream, self._stream_by = stream, self._client.made_by
            answer = client.put_log_events(
                logGroupName=group, logStreamName=self._stream, logEvents=events
            )
        if rejected := answer.get("rejectedLogEventsInfo"):
            reason = f"CloudWatch Logs rejects the lines ({rejected}); is the clock right?"
            raise NotPublishedError(Kind.REFUSED, reason)


class PrintTransport:
    """Print in words what would be published, and publish nothing.

    Args:
        stream: where to write; by default sys.stderr, looked up at each point.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, address: Address, point: Point) -> None:
        """Write a line for each time in the point."""
        for each in _by_time(point):
            said = ", ".join(f"{metric.name} {_said(metric.value)}" for metric in each.metrics)
            at = f"{each.timestamp:%H:%M:%S}"
            print(f"{address} at {at}: {said}", file=self._stream or sys.stderr)


def _said(value: float | Statistics) -> str:
    if isinstance(value, Statistics):
        return f"{value.total / value.count:.1f} ({value.count} requests)"
    return f"{value:.10g}" if isinstance(value, int) else f"{value:.2f}"


def emf_lines(address: Address, point: Point) -> list[tuple[int, str]]:
    """Return a point in the embedded metric format: time in ms and document, oldest first.

    A document has one time, so each of a point's times needs its own document.
    """
    documents = [emf_document(address, each) for each in _by_time(point)]
    return [
        (document["_aws"]["Timestamp"], json.dumps(document, separators=(",", ":")))
        for document in documents
    ]


def _by_time(point: Point) -> list[Point]:
    """Return the point's metrics as a point for each of their times, oldest first."""
    metrics: dict[datetime, list[Metric]] = defaultdict(list)
    for metric in point.metrics:
        metrics[metric.at or point.timestamp].append(metric)
    return [Point(at, tuple(metrics[at])) for at in sorted(metrics)]


def emf_document(address: Address, point: Point) -> dict[str, Any]:
    """Return a point in the embedded metric format.

    Response times are a statistic set, `{"Min", "Max", "Sum", "Count"}`. CloudWatch's page on the
    format documents only numbers and lists of numbers; AWS's own OpenTelemetry exporter
    (awsemfexporter) writes statistic sets.
    """
    metrics = [
        {"Name": metric.name, "Unit": metric.unit, "StorageResolution": STORAGE_RESOLUTION}
        for metric in point.metrics
    ]
    directive = {
        "Namespace": address.namespace,
        "Dimensions": [[CLUSTER_NAME, SERVICE_NAME]],
        "Metrics": metrics,
    }
    document: dict[str, Any] = {
        "_aws": {
            "Timestamp": int(point.timestamp.timestamp() * 1000),
            "CloudWatchMetrics": [directive],
        },
        CLUSTER_NAME: address.cluster,
        SERVICE_NAME: address.service,
    }
    for metric in point.metrics:
        document[metric.name] = (
            {
                "Min": metric.value.minimum,
                "Max": metric.value.maximum,
                "Sum": metric.value.total,
                "Count": metric.value.count,
            }
            if isinstance(metric.value, Statistics)
            else metric.value
        )
    return document


def _datum(address: Address, point: Point, metric: Metric) -> dict[str, Any]:
    datum: dict[str, Any] = {
        "MetricName": metric.name,
        "Dimensions": [
            {"Name": CLUSTER_NAME, "Value": address.cluster},
            {"Name": SERVICE_NAME, "Value": address.service},
        ],
        "Timestamp": metric.at or point.timestamp,
        "Unit": metric.unit,
        "StorageResolution": STORAGE_RESOLUTION,
    }
    if isinstance(metric.value, Statistics):
        datum["StatisticValues"] = {
            "SampleCount": metric.value.count,
            "Sum": metric.value.total,
            "Minimum": metric.value.minimum,
            "Maximum": metric.value.maximum,
        }
    else:
        datum["Value"] = metric.value
    return datum


def _log_refused(answer: dict[str, Any], group: str) -> NotPublishedError:
    if answer.get("Error", {}).get("Code") == "ResourceNotFoundException":
        said = f"the log group {group} does not exist; create it, or set QUICKSTEP_LOG_GROUP"
        return NotPublishedError(Kind.REFUSED, said)
    refused = _refused(answer, group)
    if refused.kind is Kind.DENIED:
        said = f"CloudWatch Logs denies writing to {group}; the task's role needs {_LOGS}"
        return NotPublishedError(Kind.DENIED, f"{said} ({answer['Error'].get('Code')})")
    said = str(refused).replace("CloudWatch ", "CloudWatch Logs ", 1)
    return NotPublishedError(refused.kind, said.replace("PutMetricData", "PutLogEvents"))


def _refused(answer: dict[str, Any], namespace: str) -> NotPublishedError:
    kind = kind_of(answer)
    said = _SAYS[kind].format(namespace=namespace)
    return NotPublishedError(kind, f"CloudWatch {said} ({said_of(answer)})")
