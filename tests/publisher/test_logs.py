"""What goes to CloudWatch Logs, what is printed, and what protects a task."""

from __future__ import annotations

import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

import quickstep_publisher
from quickstep_publisher import (
    Address,
    LogsTransport,
    Metric,
    NotPublishedError,
    Point,
    PrintTransport,
    Publisher,
    Statistics,
    TaskProtection,
)
from quickstep_publisher._trouble import Kind
from quickstep_publisher.transports import emf_document
from tests.builders import ROOT
from tests.publisher.fakes import START

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = Address("Quickstep/prod/web", "prod", "web")
POINT = Point(
    START,
    (
        Metric("RequestsPerSecond", "Count/Second", 124.0),
        Metric("AverageResponseTime", "Milliseconds", Statistics(600, 12_000.0, 3.0, 250.0)),
    ),
)


@pytest.fixture
def logs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("logs")


def test_a_point_is_a_line_of_the_embedded_metric_format_in_the_services_log_group(
    logs: Any,
) -> None:
    logs.create_log_group(logGroupName="/quickstep/prod/web")
    transport = LogsTransport(logs, stream="task")

    transport.send(ADDRESS, POINT)
    transport.send(ADDRESS, POINT)

    events = logs.get_log_events(logGroupName="/quickstep/prod/web", logStreamName="task")["events"]
    assert [json.loads(event["message"]) for event in events] == [emf_document(ADDRESS, POINT)] * 2
    assert {event["timestamp"] for event in events} == {int(START.timestamp() * 1000)}


def test_a_stream_that_is_there_already_is_used(logs: Any) -> None:
    logs.create_log_group(logGroupName="mine")

    for _ in range(2):
        LogsTransport(logs, group="mine", stream="task").send(ADDRESS, POINT)

    assert len(logs.get_log_events(logGroupName="mine", logStreamName="task")["events"]) == 2


def test_a_group_that_is_missing_is_named_with_what_to_do(logs: Any) -> None:
    with pytest.raises(NotPublishedError) as raised:
        LogsTransport(logs).send(ADDRESS, POINT)

    assert raised.value.kind is Kind.REFUSED
    assert str(raised.value) == (
        "the log group /quickstep/prod/web does not exist; create it, or set QUICKSTEP_LOG_GROUP"
    )


def test_what_would_be_published_is_printed_in_words() -> None:
    stream = io.StringIO()

    PrintTransport(stream).send(ADDRESS, POINT)

    assert stream.getvalue() == (
        "prod/web in Quickstep/prod/web at 10:00:00: RequestsPerSecond 124.00,"
        " AverageResponseTime 20.0 (600 requests)\n"
    )


def test_it_is_printed_without_names_and_without_an_account(tmp_path: Any) -> None:
    stream = io.StringIO()
    publisher = Publisher(transport="print", stream=stream, directory=tmp_path)
    publisher.observe(0.5)
    publisher.close()

    assert stream.getvalue().startswith("cluster/service in Quickstep/cluster/service at ")
    assert stream.getvalue().endswith(": AverageResponseTime 500.0 (1 requests)\n")


def test_the_version_is_that_of_the_package() -> None:
    text = (ROOT / "publisher" / "pyproject.toml").read_text(encoding="utf-8")

    assert f'version = "{quickstep_publisher.__version__}"' in text


# ECS's agent


@contextmanager
def agent(status: int = 200) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Answer as the agent does; yield its address, and what it is asked."""
    asked: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append((self.path, json.loads(self.rfile.read(length))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_task_is_protected_from_its_first_job_to_its_last() -> None:
    with agent() as (url, asked):
        protection = TaskProtection(30, {"ECS_AGENT_URI": url})
        with protection.job(), protection.job():
            pass
        with protection.job():
            pass

    on = {"ProtectionEnabled": True, "ExpiresInMinutes": 30}
    off = {"ProtectionEnabled": False}
    assert asked == [("/task-protection/v1/state", each) for each in (on, off, on, off)]


def test_protection_is_renewed_by_a_job_that_begins_when_half_of_it_is_over() -> None:
    now = [0.0]
    with agent() as (url, asked):
        protection = TaskProtection(10, {"ECS_AGENT_URI": url}, lambda: now[0])
        protection.begin()
        for seconds in (299.0, 301.0, 302.0):
            now[0] = seconds
            protection.begin()

    assert len(asked) == 2


def test_a_denial_is_said_once_and_jobs_run(caplog: pytest.LogCaptureFixture) -> None:
    with agent(400) as (url, _):
        protection = TaskProtection(30, {"ECS_AGENT_URI": url})
        for _ in range(2):
            with protection.job():
                pass

    assert [record.message for record in caplog.records] == [
        (
            "The task is not protected from scale-in: HTTP Error 400: Bad Request. "
            "Its role needs ecs:UpdateTaskProtection."
        )
    ]


def test_outside_ecs_nothing_is_protected_and_nothing_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with TaskProtection(30, {}).job():
        pass

    assert caplog.records == []
