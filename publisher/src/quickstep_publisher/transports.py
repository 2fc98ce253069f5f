"""How a point travels: a PutMetricData call, or a line of the embedded metric format.

A transport is anything with `send(address, point)`. It raises NotPublishedError if the point was
not accepted; it does not retry.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

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

TIMEOUT = 2
"""Seconds to connect, and seconds to wait for an answer."""

_ACTION = "cloudwatch:PutMetricData"
_LOGS = "logs:CreateLogStream and logs:PutLogEvents"
# As the scaler's core sorts them; a test holds both together.
CODES = {
    Kind.THROTTLED: (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    Kind.CREDENTIALS: (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    Kind.DENIED: (
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    ),
    Kind.UNREACHABLE: ("RequestTimeout", "RequestTimeoutException"),
}
"""Which kind of trouble an error code of AWS is; the others are the metrics' fault."""
_SAYS = {
    Kind.THROTTLED: "throttles PutMetricData",
    Kind.CREDENTIALS: "does not take the AWS credentials",
    Kind.DENIED: f"denies PutMetricData in {{namespace}}; the task's role needs {_ACTION}",
    Kind.UNREACHABLE: "is not well",
    Kind.REFUSED: "refuses the metrics",
}
_SERVER_ERROR = 500


class Transport(Protocol):
    """What a publisher hands its points to, from its own thread, one at a time."""

    def send(self, address: Address, point: Point) -> None:
        """Send a point.

        Raises:
            NotPublishedError: it was not accepted.
        """


class CloudWatchTransport:
    """One PutMetricData call for each point, in one attempt.

    Args:
        client: a boto3 client of cloudwatch, to use instead of one of its own.
    """

    def __init__(self, client: Any = None) -> None:
        self._given = client
        self._made: Any = None
        self._made_by = 0

    def send(self, address: Address, point: Point) -> None:
        """Put the point's metrics."""
        from botocore import exceptions  # noqa: PLC0415 - boto3 takes 0.5 s to import, see _new_client

        try:
            self._client().put_metric_data(
                Namespace=address.namespace,
                MetricData=[_datum(address, point, metric) for metric in point.metrics],
            )
        except exceptions.NoRegionError as error:
            reason = "no AWS Region is set; give AWS_REGION, as Fargate does"
            raise NotPublishedError(Kind.NO_REGION, reason) from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
        ) as error:
            reason = f"there are no AWS credentials ({error}); give the task a role with {_ACTION}"
            raise NotPublishedError(Kind.CREDENTIALS, reason) from error
        except exceptions.ClientError as error:
            raise _refused(error.response, address.namespace) from error
        except (exceptions.BotoCoreError, OSError) as error:
            reason = f"CloudWatch cannot be reached ({error})"
            raise NotPublishedError(Kind.UNREACHABLE, reason) from error

    def _client(self) -> Any:
        if self._given is not None:
            return self._given
        # After a fork the child makes its own: two processes cannot talk on one connection.
        if self._made_by != os.getpid():
            self._made, self._made_by = _new_client(), os.getpid()
        return self._made


class EmfTransport:
    """A line of CloudWatch's embedded metric format for each point, or for each time in it.

    What collects the container's output turns it into metrics: the awslogs log driver, FireLens,
    the CloudWatch agent.

    Args:
        stream: what to write to; standard output, as it is at that moment, by default.
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
            # A closed file raises ValueError, a process without standard output has None there.
            reason = f"the stream cannot be written to ({error})"
            raise NotPublishedError(Kind.UNREACHABLE, reason) from error


class LogsTransport:
    """Lines of the embedded metric format, put into CloudWatch Logs without a log driver between.

    One PutLogEvents call for each point, in one attempt. The stream is the task's own, and made
    with the first point; the group has to be there.

    Args:
        client: a boto3 client of logs, to use instead of one of its own.
        group: the log group; by default /quickstep/<cluster>/<service>.
        stream: the log stream; by default this container's host name and process.
    """

    def __init__(
        self, client: Any = None, group: str | None = None, stream: str | None = None
    ) -> None:
        self._given = client
        self._group, self._named = group, stream
        self._made: Any = None
        self._made_by = 0
        self._stream = ""

    def send(self, address: Address, point: Point) -> None:
        """Put the point's lines."""
        from botocore import exceptions  # noqa: PLC0415 - see CloudWatchTransport

        group = self._group or f"/quickstep/{address.cluster}/{address.service}"
        events = [{"timestamp": at, "message": line} for at, line in emf_lines(address, point)]
        try:
            client = self._client()
            if not self._stream:
                stream = self._named or f"{socket.gethostname()}/{os.getpid()}"
                with suppress(client.exceptions.ResourceAlreadyExistsException):
                    client.create_log_stream(logGroupName=group, logStreamName=stream)
                self._stream = stream
            answer = client.put_log_events(
                logGroupName=group, logStreamName=self._stream, logEvents=events
            )
        except exceptions.NoRegionError as error:
            reason = "no AWS Region is set; give AWS_REGION, as Fargate does"
            raise NotPublishedError(Kind.NO_REGION, reason) from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
        ) as error:
            reason = f"there are no AWS credentials ({error}); give the task a role with {_LOGS}"
            raise NotPublishedError(Kind.CREDENTIALS, reason) from error
        except exceptions.ClientError as error:
            raise _log_refused(error.response, group) from error
        except (exceptions.BotoCoreError, OSError) as error:
            reason = f"CloudWatch Logs cannot be reached ({error})"
            raise NotPublishedError(Kind.UNREACHABLE, reason) from error
        if rejected := answer.get("rejectedLogEventsInfo"):
            reason = f"CloudWatch Logs rejects the lines ({rejected}); is the clock right?"
            raise NotPublishedError(Kind.REFUSED, reason)

    def _client(self) -> Any:
        if self._made_by != os.getpid():
            self._made, self._made_by = self._given or _new_client("logs"), os.getpid()
            self._stream = ""
        return self._made


class PrintTransport:
    """Says in words what would be published, and publishes nothing.

    Args:
        stream: what to write to; standard error, as it is at that moment, by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, address: Address, point: Point) -> None:
        """Write a line for each time in the point."""
        for at in sorted({metric.at or point.timestamp for metric in point.metrics}):
            said = ", ".join(
                f"{m.name} {_said(m.value)}"
                for m in point.metrics
                if (m.at or point.timestamp) == at
            )
            print(f"{address} at {at:%H:%M:%S}: {said}", file=self._stream or sys.stderr)


def _said(value: float | Statistics) -> str:
    if isinstance(value, Statistics):
        return f"{value.total / value.count:.1f} ({value.count} requests)"
    return f"{value:.10g}" if isinstance(value, int) else f"{value:.2f}"


def emf_lines(address: Address, point: Point) -> list[tuple[int, str]]:
    """Return a point in the embedded metric format: time in ms and document, oldest first.

    A document has one time, so metrics of several times make several.
    """
    times = sorted({metric.at or point.timestamp for metric in point.metrics})
    return [
        (
            _milliseconds(at),
            json.dumps(
                emf_document(
                    address,
                    Point(at, tuple(m for m in point.metrics if (m.at or point.timestamp) == at)),
                ),
                separators=(",", ":"),
            ),
        )
        for at in times
    ]


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def emf_document(address: Address, point: Point) -> dict[str, Any]:
    """Return a point in the embedded metric format.

    Response times are a statistic set, `{"Min", "Max", "Sum", "Count"}`. CloudWatch's page on the
    format knows numbers and lists of numbers only; statistic sets are what AWS's own exporter for
    OpenTelemetry (awsemfexporter) writes.
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
            "Timestamp": _milliseconds(point.timestamp),
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


def _new_client(service: str = "cloudwatch") -> Any:
    # Imported here, in the publisher's thread and by the one worker that publishes: importing boto3
    # and making the client take about 0.7 s of CPU and 30 MB, which no start-up should wait for.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        # A point that was not accepted is old when its retry is due; the next one is on its way.
        retries={"total_max_attempts": 1},
        max_pool_connections=1,
    )
    session: Any = boto3.Session()
    # boto3 knows AWS_DEFAULT_REGION and the profile's, but not what every other SDK calls it.
    region = session.region_name or os.environ.get("AWS_REGION")
    return session.client(service, region_name=region, config=config)


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


def _log_refused(response: Any, group: str) -> NotPublishedError:
    error = response.get("Error", {})
    if error.get("Code") == "ResourceNotFoundException":
        said = f"there is no log group {group}; make it, or name another by QUICKSTEP_LOG_GROUP"
        return NotPublishedError(Kind.REFUSED, said)
    refused = _refused(response, group)
    if refused.kind is Kind.DENIED:
        said = f"CloudWatch Logs denies writing to {group}; the task's role needs {_LOGS}"
        return NotPublishedError(Kind.DENIED, f"{said} ({error.get('Code')})")
    said = str(refused).replace("CloudWatch ", "CloudWatch Logs ", 1)
    return NotPublishedError(refused.kind, said.replace("PutMetricData", "PutLogEvents"))


def _refused(response: Any, namespace: str) -> NotPublishedError:
    error = response.get("Error", {})
    code, message = error.get("Code", "Unknown"), error.get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{code}: {message}" if message else str(code)
    otherwise = Kind.UNREACHABLE if status >= _SERVER_ERROR else Kind.REFUSED
    kind = next((kind for kind, codes in CODES.items() if code in codes), otherwise)
    return NotPublishedError(kind, f"CloudWatch {_SAYS[kind].format(namespace=namespace)} ({said})")
