"""The publisher through the real boto3 client, to an embedded AWS that fails."""

from __future__ import annotations

import logging
import time as real_time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_publisher import Publisher
from tests.integration.fault_proxy import fault_proxy
from tests.publisher.fakes import START, Time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account
    from tests.integration.fault_proxy import FaultProxy


@pytest.fixture(scope="module")
def proxy(server: Account) -> Iterator[FaultProxy]:
    with fault_proxy(server.endpoint_url) as running:
        yield running


PUT = {"service": "*", "operation": "PutMetricData"}
FAULTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "is well": (None, ""),
    "is throttled": ({"error": {"code": "Throttling", "status": 400}}, "throttles"),
    "breaks": ({"error": {"code": "InternalFailure", "status": 500}}, "is not well"),
    "is denied": ({"error": {"code": "AccessDenied", "status": 403}}, "denies"),
    # Unreachable like one that breaks, which was said just before.
    "is reset": ({"reset": True}, ""),
    "hangs": ({"timeout_ms": 8_000}, ""),
}


def test_the_real_client_makes_one_attempt_in_bounded_time_and_recovers(
    server: Account,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    # The proxy unpacks a body of over 10 KiB, and still says that it is packed.
    monkeypatch.setenv("AWS_DISABLE_REQUEST_COMPRESSION", "true")
    caplog.set_level(logging.INFO, logger="quickstep_publisher")
    # The emulator's first answer takes longer than the publisher waits.
    replace(server, endpoint_url=proxy.endpoint_url).client("cloudwatch").list_metrics()
    time = Time()
    publisher = Publisher(cluster="prod", service="faulty", thread=False, phase=0, clock=time.clock)
    publisher.start()
    seen: dict[str, tuple[bool, int, float]] = {}
    # Once before and once after each fault: what was well must be well again.
    for fault in [each for name in FAULTS for each in (name, "is well")]:
        rule, _ = FAULTS[fault]
        proxy.inject(*([] if rule is None else [{**PUT, **rule}]))
        publisher.observe(0.02)
        # A minute: after a denial it waits that long.
        time.pass_(60)
        began = real_time.monotonic()
        accepted = publisher.publish() is not None
        seen[fault] = (accepted, len(proxy.fired()), real_time.monotonic() - began)
        assert accepted is (fault == "is well"), (fault, caplog.text)
    proxy.inject()

    assert {fault: attempts for fault, (_, attempts, _) in seen.items()} == {
        fault: int(fault != "is well") for fault in FAULTS
    }
    assert max(seconds for _, _, seconds in seen.values()) < 5
    for fault, (_, words) in FAULTS.items():
        assert words in caplog.text, fault
    client = server.client("cloudwatch")
    found = client.get_metric_statistics(
        Namespace="Quickstep/prod/faulty",
        MetricName="AverageResponseTime",
        Dimensions=[
            {"Name": "ClusterName", "Value": "prod"},
            {"Name": "ServiceName", "Value": "faulty"},
        ],
        StartTime=START,
        EndTime=time.at,
        Period=3600,
        Statistics=["SampleCount", "Average"],
    )
    assert sum(point["SampleCount"] for point in found["Datapoints"]) == len(FAULTS) + 1
