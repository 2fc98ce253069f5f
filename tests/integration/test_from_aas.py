"""The whole way of a service: AAS in force, init, shadow, promote, a surge, and back.

The embedded AWS, the real scaler and the real commands. What init has written is deployed. Time in
AWS is told by the story, an hour ago at first, so that the commands see it as past.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import quickstep_cli.promote
from quickstep_lab.embedded_aws import (
    TABLE,
    create_queue,
    create_service,
    create_table,
    desired_count,
    reset,
)
from tests.builders import WEB, load_event
from tests.clocks import SetClock
from tests.integration.aas import AutoScaling, acting
from tests.integration.commands import quickstep
from tests.integration.scene import a_door, an_event, decisions, invoke
from tests.template.stack import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from quickstep.loop.door import Door
    from quickstep_lab.embedded_aws import Account

NAMESPACE = "Quickstep/prod/web"
ALARM = "request-rate/high"


@dataclass
class Journey:
    """A service of 4 tasks that AAS scales, the scaler, and the time."""

    account: Account
    queue_url: str
    aas: AutoScaling
    clock: SetClock
    door: Door = field(init=False)
    seconds: float = 0.0
    """What the commands have taken, on the clock of the wall."""

    def __post_init__(self) -> None:
        self.door = a_door(self.account, self.queue_url, self.clock.now)

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        began = time.perf_counter()
        result = quickstep(self.account, self.queue_url, *arguments, answer=answer)
        self.seconds += time.perf_counter() - began
        assert result.exit_code == 0, result.output
        return result

    @property
    def tasks(self) -> int:
        return desired_count(self.account, WEB)

    @property
    def last(self) -> tuple[str, str]:
        """The newest decision's outcome and reason."""
        (*_, record) = (one for one in decisions(self.account) if "granted" in one)
        return record["outcome"], record["reason"]

    def deploy(self, template: Path) -> None:
        """Make what a stack of the template makes; moto's CloudFormation knows no alarms."""
        stack = deploy(template)
        document = dict(stack.the("AWS::SSM::Parameter"))
        tags = [{"Key": key, "Value": value} for key, value in document.pop("Tags").items()]
        self.account.client("ssm").put_parameter(**document, Tags=tags)
        client = self.account.client("cloudwatch")
        client.put_metric_alarm(**stack.the("AWS::CloudWatch::Alarm"))

    def load(self, requests: float, seconds: int) -> None:
        """Let time pass in which the tasks share so many requests a second, and publish it."""
        client = self.account.client("cloudwatch")
        dimensions = [
            {"Name": "ClusterName", "Value": WEB.cluster},
            {"Name": "ServiceName", "Value": WEB.service},
        ]
        data = [
            {
                "MetricName": "RequestsPerSecond",
                "Dimensions": dimensions,
                "Timestamp": self.clock.at + timedelta(seconds=second),
                "Value": requests / self.tasks,
                "StorageResolution": 1,
            }
            for second in range(seconds)
            for _ in range(self.tasks)
        ]
        for start in range(0, len(data), 500):
            client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + 500])
        self.clock.at += timedelta(seconds=seconds)

    def wait(self, seconds: int) -> None:
        """Let time pass in which nothing is published: the load is taken to go on."""
        self.clock.at += timedelta(seconds=seconds)

    def sleep(self, span: timedelta) -> None:
        """Let time pass while a command waits; once a minute the heartbeat comes."""
        before = self.clock.at
        self.clock.at += span
        if before.minute != self.clock.at.minute:
            invoke(self.door, load_event("heartbeat"))

    def surge(self, requests: float) -> None:
        """Let 10 s of a surge pass; the alarm sees them and the scaler is invoked."""
        begins = self.clock.at
        self.load(requests, 10)
        self.clock.at += timedelta(seconds=2)
        per_task = requests / self.tasks
        event = an_event(self.clock.at, policy=ALARM, values=[per_task], begins=begins)
        (metric,) = event["detail"]["configuration"]["metrics"]
        metric["metricStat"]["metric"]["namespace"] = NAMESPACE
        client = self.account.client("cloudwatch")
        client.set_alarm_state(AlarmName=WEB.alarm(ALARM), StateValue="ALARM", StateReason="surge")
        invoke(self.door, event)

    def calm(self, requests: float, seconds: int) -> None:
        self.load(requests, seconds)
        client = self.account.client("cloudwatch")
        client.set_alarm_state(AlarmName=WEB.alarm(ALARM), StateValue="OK", StateReason="calm")


@pytest.fixture
def journey(server: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    """An account with a scaler, and a service that has never heard of it."""

    reset(server)
    create_table(server)
    create_service(server, WEB, 4)
    queue_url = create_queue(server)
    value = {"Stack": "quickstep", "Table": TABLE, "Rechecks": queue_url}
    server.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(value), Type="String"
    )
    monkeypatch.chdir(tmp_path)
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    clock = SetClock(start)
    with acting(server) as aas:
        journey = Journey(server, queue_url, aas, clock)
        monkeypatch.setattr(quickstep_cli.promote, "wait_for", journey.sleep)
        yield journey


def test_from_application_auto_scaling_to_quickstep_and_back(
    journey: Journey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # AAS is in force. Init asks two questions: it has the bounds, and nothing tells the requests.
    proposed = journey.run("init", "prod/web", answer="asgi\n100\n")
    proposing = journey.seconds
    answers = proposed.stderr.count("?")
    assert answers == 2
    journey.deploy(tmp_path / "quickstep-prod-web" / "template.json")

    # A dry run beside it: a surge is seen at once, and AAS answers it six minutes later.
    journey.calm(240, 30)
    surge_at = journey.clock.at
    journey.surge(960)
    assert journey.last == (
        "WOULD_SCALE",
        (
            "Would scale from 4 to 10, but this is a dry run: request-rate: 960 requests/s need 10 "
            "tasks at 100 each"
        ),
    )
    assert journey.tasks == 4
    journey.wait(348)
    assert journey.aas.scale(surge_at + timedelta(seconds=360), 8)
    journey.calm(480, 20)
    assert journey.tasks == 8

    shadow = journey.run("shadow", "prod/web", "--since", "2h")
    assert (
        "In 2h Quickstep would have scaled out in 1 surge, up to 10 tasks; Application Auto "
        "Scaling followed in 1 of them, 348 s later (median), up to 8 tasks; scale-ins: 0 by "
        "Quickstep, 0 by Application Auto Scaling.\n"
    ) in shadow.stdout
    rows = [line.split() for line in shadow.stdout.splitlines()]
    assert [row[2:6] for row in rows if "→" in row[:5]] == [
        ["Quickstep", "4", "→", "10"],
        ["AAS", "4", "→", "8"],
    ]
    assert "the recorded load, 0.1 h, simulated" in shadow.stdout

    # Promoted, a surge is answered by Quickstep, and AAS may not.
    promote_at = journey.clock.at
    journey.run("promote", "prod/web", "--yes")
    promoting = (journey.clock.at - promote_at).total_seconds()
    assert promoting <= 60 + 30
    journey.surge(1650)
    assert journey.last == (
        "SCALED_OUT",
        "Scaled out from 8 to 17: request-rate: 1,650 requests/s need 17 tasks at 100 each",
    )
    assert journey.tasks == 17
    scaled = journey.seconds
    assert not journey.aas.scale(journey.clock.at, 8)
    journey.calm(1600, 20)

    # And back: AAS acts, Quickstep records.
    journey.run("promote", "prod/web", "--back", "--yes")
    journey.surge(2500)
    assert journey.last[0] == "WOULD_SCALE"
    assert journey.tasks == 17
    assert journey.aas.scale(journey.clock.at, 26)
    assert journey.tasks == 26
    with capsys.disabled():
        print(  # noqa: T201 - a figure, which benchmarks do not have
            f"\ninit: {proposing:.1f} s. From init to a scaled service: 3 commands of quickstep in "
            f"{scaled:.1f} s, {answers} answers; promote waited {promoting:.0f} s for a heartbeat"
        )
