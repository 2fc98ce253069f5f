"""From an empty folder to a scaled service, timed as for a new user, with three answers.

python -m benchmarks.first_service --command VENV/bin/quickstep

The command is an installed one, or this environment's. `quickstep init` reads a service on an
embedded AWS, Terraform deploys what it wrote, `quickstep promote` ends the dry run, and a surge is
answered. The scaler is already deployed, with a heartbeat each minute, as on AWS. Terraform's
provider comes from the folder that QUICKSTEP_TERRAFORM_PROVIDERS names.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickstep.naming import ServiceName
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import (
    QUEUE,
    REGION,
    SURGES,
    TABLE,
    create_queue,
    create_service,
    create_table,
    desired_count,
    embedded_aws,
)
from quickstep_lab.scaler import HEARTBEAT, embedded_scaler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account
    from quickstep_lab.scaler import Scaler

API = ServiceName("prod", "api")
TASKS = 3
ANSWERS = ("asgi", "80", "60")
SURGE = 200.0
"""Requests per second and task, when one should carry 80."""
PROMISED = 300.0
"""Limit in seconds for all steps."""
ALARM = API.alarm("request-rate/high")
_EVENT = Path(__file__).parents[1] / "events" / "alarm-high-step2.json"
_NOWHERE = f"arn:aws:lambda:{REGION}:123456789012:function:quickstep-schedule"


@dataclass
class Trial:
    """An empty folder, the account, and how long each step took."""

    folder: Path
    account: Account
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, step: str, *arguments: str, answers: tuple[str, ...] = ()) -> str:
        """Run a step as its user types it, and return its output."""
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - the command that is tried
            arguments,
            cwd=self.folder,
            env=self._environment(),
            input="".join(f"{answer}\n" for answer in answers),
            capture_output=True,
            text=True,
            timeout=PROMISED,
            check=False,
        )
        self.seconds[step] = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{step}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        providers = os.environ.get("QUICKSTEP_TERRAFORM_PROVIDERS", "/opt/tf-plugins")
        mirror = f'provider_installation {{\n  filesystem_mirror {{ path = "{providers}" }}\n}}\n'
        settings = self.folder.parent / "terraformrc"
        settings.write_text(mirror, encoding="utf-8")
        return {
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_ENDPOINT_URL": self.account.endpoint_url,
            "AWS_REGION": REGION,
            "CHECKPOINT_DISABLE": "1",
            "HOME": str(self.folder.parent),
            "NO_COLOR": "1",
            "PATH": os.environ.get("PATH", os.defpath),
            "TF_CLI_CONFIG_FILE": str(settings),
        }


def put_scaler(account: Account) -> None:
    """Store the scaler's parameter, and a service that nothing scales."""
    create_table(account)
    queue = create_queue(account, QUEUE)
    surges = create_queue(account, SURGES)
    create_service(account, API, TASKS)
    value = {
        "ScheduleFunction": _NOWHERE,
        "SchedulerRole": "arn:aws:iam::123456789012:role/quickstep-scheduler",
        "UndeliveredEvents": f"arn:aws:sqs:{REGION}:123456789012:quickstep-undelivered",
        "Stack": "quickstep",
        "Table": TABLE,
        "Rechecks": queue,
        "Surges": surges,
    }
    account.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(value), Type="String"
    )


@contextmanager
def heartbeats(scaler: Scaler) -> Iterator[None]:
    """Let the scaler check for missed work once a minute."""
    over = Event()

    def beat() -> None:
        while not over.wait(60):
            scaler.on_event(HEARTBEAT)

    thread = Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def publish(account: Account, value: float) -> None:
    """Publish each task's load for the last minute, and set its alarm to match."""
    client, now = account.client("cloudwatch"), datetime.now(UTC)
    point = {
        "MetricName": "RequestsPerSecond",
        "Dimensions": [
            {"Name": "ClusterName", "Value": API.cluster},
            {"Name": "ServiceName", "Value": API.service},
        ],
        "Value": value,
        "StorageResolution": 1,
    }
    seconds = [now - timedelta(seconds=age) for age in range(60)]
    data = [{**point, "Timestamp": second} for second in seconds for _ in range(TASKS)]
    client.put_metric_data(Namespace="Quickstep/prod/api", MetricData=data)
    state = "ALARM" if value > float(ANSWERS[1]) else "OK"
    client.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="published")


def event(value: float) -> dict[str, Any]:
    """Return the alarm's event, after it has seen this load."""
    now = datetime.now(UTC)
    period = now.replace(microsecond=0) - timedelta(seconds=now.second % 10 + 10)
    found: dict[str, Any] = json.loads(_EVENT.read_text(encoding="utf-8"))
    detail = found["detail"]
    found["time"] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    detail["alarmName"] = ALARM
    detail["configuration"]["metrics"][0]["metricStat"]["metric"] |= {
        "namespace": "Quickstep/prod/api",
        "dimensions": {"ClusterName": API.cluster, "ServiceName": API.service},
    }
    reason = json.loads(detail["state"]["reasonData"])
    moment = f"{period:%Y-%m-%dT%H:%M:%S.000+0000}"
    reason |= {
        "queryDate": f"{now:%Y-%m-%dT%H:%M:%S.000+0000}",
        "startDate": moment,
        "recentDatapoints": [value],
        "threshold": float(ANSWERS[1]),
        "evaluatedDatapoints": [{"timestamp": moment, "sampleCount": 30.0, "value": value}],
    }
    detail["state"] |= {
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S.000+0000}",
        "reasonData": json.dumps(reason),
    }
    return found


def main(
    command: Annotated[str, typer.Option(help="The installed command.")] = "quickstep",
) -> None:
    """Take a new user's steps, and print how long each took."""
    found = shutil.which(command)
    if found is None or shutil.which("terraform") is None:
        sys.exit(f"this needs Terraform, and {command}: pip install it, or give --command")
    with embedded_aws() as account, TemporaryDirectory() as around:
        put_scaler(account)
        scaler = embedded_scaler(account, Clock(), io.StringIO())
        folder = Path(around) / "empty"
        folder.mkdir()
        trial = Trial(folder, account)
        with heartbeats(scaler):
            go(trial, scaler, str(Path(found).absolute()))
    for step, seconds in trial.seconds.items():
        print(f"{seconds:6.1f} s  {step}")  # noqa: T201 - a command's output
    total = sum(trial.seconds.values())
    print(f"{total:6.1f} s  in all, of {PROMISED:.0f} s at most; {len(ANSWERS)} answers")  # noqa: T201
    if total > PROMISED:
        sys.exit(1)


def go(trial: Trial, scaler: Scaler, command: str) -> None:
    """Run the steps."""
    trial.run("quickstep init prod/api --terraform", command, "init", "prod/api", "--terraform",
              answers=ANSWERS)  # fmt: skip
    inside = "-chdir=quickstep-prod-api"
    trial.run("terraform init", "terraform", inside, "init")
    trial.run("terraform apply", "terraform", inside, "apply", "-auto-approve")
    publish(trial.account, 50.0)
    trial.run("quickstep promote prod/api", command, "promote", "prod/api", answers=("y",))
    publish(trial.account, SURGE)
    began = time.perf_counter()
    decisions = scaler.on_event(event(SURGE))
    count = desired_count(trial.account, API)
    if count <= TASKS:
        sys.exit(f"the surge was not answered: {count} tasks; {decisions}")
    trial.seconds[f"a surge: {TASKS} to {count} tasks"] = time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
