"""Whose metrics they are: from arguments, environment variables and ECS's task metadata."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_publisher import NotPublishedError, Publisher
from quickstep_publisher._settings import fetch, settings
from tests.publisher.fakes import Kept, Time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

URI = "http://169.254.170.2/v4/0123-456"
TASK = {
    "Cluster": "arn:aws:ecs:us-west-2:111122223333:cluster/prod",
    "TaskARN": "arn:aws:ecs:us-west-2:111122223333:task/prod/e9028f8d5d8e4f258373e7b93ce9a3c3",
    "Family": "web-task",
    "ServiceName": "web",
    "LaunchType": "FARGATE",
}
IN_ECS = {"ECS_CONTAINER_METADATA_URI_V4": URI}


def found(
    environment: Mapping[str, str], task: Any = TASK, **arguments: str
) -> tuple[str, str, str]:
    """Return namespace, cluster and service."""

    def get(url: str) -> Any:
        assert url == f"{URI}/task"
        if isinstance(task, Exception):
            raise task
        return task

    address = settings(environment, **arguments).address(get)  # type: ignore[arg-type]
    return address.namespace, address.cluster, address.service


NAMES = {"QUICKSTEP_CLUSTER": "stage", "QUICKSTEP_SERVICE": "api", "QUICKSTEP_NAMESPACE": "Shop/x"}


@pytest.mark.parametrize(
    ("environment", "arguments", "names"),
    [
        pytest.param(IN_ECS, {}, ("Quickstep/prod/web", "prod", "web"), id="ECS"),
        pytest.param(NAMES, {}, ("Shop/x", "stage", "api"), id="environment"),
        pytest.param({**IN_ECS, **NAMES}, {}, ("Shop/x", "stage", "api"), id="both"),
        pytest.param(
            {**IN_ECS, **NAMES},
            {"cluster": "c", "service": "s", "namespace": "n"},
            ("n", "c", "s"),
            id="arguments",
        ),
        pytest.param(
            {**IN_ECS, "QUICKSTEP_NAMESPACE": "MyApp/Performance"},
            {},
            ("MyApp/Performance", "prod", "web"),
            id="a namespace that services share",
        ),
        pytest.param(IN_ECS, {"service": "s"}, ("Quickstep/prod/s", "prod", "s"), id="mixed"),
        pytest.param(
            {**IN_ECS, "QUICKSTEP_CLUSTER": ""},
            {},
            ("Quickstep/prod/web", "prod", "web"),
            id="empty",
        ),
    ],
)
def test_an_argument_wins_over_the_environment_and_that_over_the_metadata(
    environment: Mapping[str, str], arguments: dict[str, str], names: tuple[str, str, str]
) -> None:
    assert found(environment, **arguments) == names


def test_a_clusters_short_name_is_taken_as_it_is() -> None:
    assert found(IN_ECS, {**TASK, "Cluster": "prod"})[1] == "prod"


@pytest.mark.parametrize(
    ("environment", "task", "problem"),
    [
        pytest.param(
            {}, TASK, "this is not an ECS task .* give QUICKSTEP_CLUSTER", id="not in ECS"
        ),
        pytest.param(
            IN_ECS,
            {"Cluster": "prod", "Family": "web"},
            "does not name a ServiceName .* give QUICKSTEP_SERVICE",
            id="no service, and the family is not taken for one",
        ),
        pytest.param(IN_ECS, {"ServiceName": "x"}, "not name a Cluster; give", id="no cluster"),
        pytest.param(IN_ECS, [], "is not a JSON object", id="a list"),
        pytest.param(IN_ECS, OSError("refused"), "cannot read .*: refused", id="no answer"),
        pytest.param(IN_ECS, ValueError("Expecting"), "cannot read .*: Exp", id="not JSON"),
        pytest.param(
            IN_ECS, {**TASK, "ServiceName": "a/b"}, "letters, digits, - and _, not 'a/b'", id="name"
        ),
        pytest.param(
            IN_ECS,
            {"Cluster": "c" * 200, "ServiceName": "s" * 50},
            "namespace must be up to 255 .*, not 'Quickstep/ccc",
            id="too long together",
        ),
        pytest.param({**NAMES, "QUICKSTEP_NAMESPACE": "a b"}, TASK, "namespace must", id="space"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    environment: Mapping[str, str], task: Any, problem: str
) -> None:
    with pytest.raises(NotPublishedError, match=problem):
        found(environment, task)


@pytest.fixture
def metadata() -> Iterator[str]:
    """A metadata endpoint on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(TASK).encode() if self.path == "/v4/1/task" else b"<html>"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4/1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_metadata_endpoint_is_asked_without_the_proxy_of_the_environment(
    metadata: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert fetch(f"{metadata}/task") == TASK


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://example.com/task"])
def test_only_the_metadata_endpoints_protocol_is_spoken(url: str) -> None:
    with pytest.raises(ValueError, match="must start with http://"):
        fetch(url)


def test_a_publisher_finds_its_names_in_ecs(metadata: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", metadata)
    time, kept = Time(), Kept()
    publisher = Publisher(transport=kept, thread=False, phase=0, clock=time.clock)
    publisher.start()
    time.pass_(5)
    publisher.publish()

    assert str(kept.addresses[0]) == "prod/web in Quickstep/prod/web"


def test_out_of_ecs_it_says_once_what_to_give(caplog: pytest.LogCaptureFixture) -> None:
    time = Time()
    publisher = Publisher(transport=Kept(), thread=False, phase=0, clock=time.clock)
    publisher.start()
    for _ in range(4):
        time.pass_(5)
        publisher.publish()

    (record,) = caplog.records
    assert record.message == (
        "Metrics are not published: this is not an ECS task (ECS_CONTAINER_METADATA_URI_V4 is not "
        "set), so give QUICKSTEP_CLUSTER and QUICKSTEP_SERVICE, or the arguments cluster and "
        "service. Trying again with the next point."
    )


def test_a_transport_that_the_environment_misspells_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QUICKSTEP_TRANSPORT", "EMF")
    time = Time()
    publisher = Publisher(cluster="c", service="s", thread=False, phase=0, clock=time.clock)
    publisher.start()
    time.pass_(5)
    publisher.publish()

    (record,) = caplog.records
    assert (
        "QUICKSTEP_TRANSPORT must be one of cloudwatch, logs, emf, print, off, not 'EMF'"
        in record.message
    )


def test_two_tasks_do_not_meet_in_one_folder() -> None:
    seeds = {
        settings({**environment, **names}, transport=transport).seed("host")
        for environment in ({}, IN_ECS, {"ECS_CONTAINER_METADATA_URI_V4": f"{URI}9"})
        for names in ({}, NAMES)
        for transport in ("emf", "cloudwatch")
    }

    assert len(seeds) == 12
