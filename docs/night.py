# ruff: noqa: INP001 - a folder of documents, not a package
"""Runs the commands of docs/on-call.md, on an embedded AWS where they have something to answer.

One service's afternoon is played with the real scaler and a set clock. Then each command of the
page runs as in a terminal of 80 columns, at 15:00 UTC of that day.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

from moto.ecs.models import ecs_backends
from typer.testing import CliRunner

import quickstep_cli.aws
from docs.tables import ROOT
from quickstep.engine.outcome import Outcome
from quickstep.fields import write_moment
from quickstep.protocol.messages import Message, Recheck, Request, write_message
from quickstep.protocol.operators import bounds_entry
from quickstep.protocol.ports import CallFailedError
from quickstep.settings import Settings
from quickstep.wiring import make_door
from quickstep_cli.aws import SCALER
from quickstep_cli.main import app
from quickstep_lab.demo import DIMENSIONS, METRIC, NAMESPACE, SERVICE, prepare
from quickstep_lab.embedded_aws import (
    ACCOUNT,
    QUEUE,
    REGION,
    TABLE,
    Account,
    counted,
    embedded_aws,
)
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.in_memory.account import one_after_the_other

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep.loop.door import Door
    from quickstep.naming import ServiceName

PAGE = ROOT / "docs" / "on-call.md"
DAY = datetime(2026, 11, 26, tzinfo=UTC)
COLUMNS = 80
FUNCTION = "quickstep-Scaler"
HIGH, LOW = "high-request-rate", "low-request-rate"
ALICE = f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall/alice"
BOB = f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall/bob"
_CLOCKS = (
    "moto.core.utils.utcnow",
    "moto.cloudwatch.models.utcnow",
    "moto.ssm.models.utcnow",
    "moto.ecs.models.utcnow",
)


def at(clock: str) -> datetime:
    """Return a time of the day. Example: 14:03 or 14:05:12."""
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second[0] if second else 0)


@dataclass
class Night:
    """The service `prod/web` on an embedded AWS, its scaler, and the time."""

    account: Account
    now: datetime = DAY
    running: int = 10**6
    """Tasks that ECS can run; no more run, whatever is desired."""
    throttled: bool = False
    ids: int = 0
    _states: dict[str, str] = field(default_factory=dict)

    def client(self, name: str) -> Any:
        """Return a client of the account."""
        return self.account.client(name)

    @property
    def queue_url(self) -> str:
        """The scaler's queue."""
        return str(self.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"])

    def door(self) -> Door:
        """Return the deployed scaler, at the set time."""
        settings = Settings(TABLE, self.queue_url, 0, timedelta(seconds=60), timedelta(days=30))
        made = make_door(settings, self.account.client)
        services: Any = _Throttling(made.cycle.services) if self.throttled else made.cycle.services
        cycle = replace(
            made.cycle,
            clock=lambda: self.now,
            new_id=self._id,
            jitter=lambda: 0.5,
            sleep=lambda _: None,
            services=services,
            together=one_after_the_other,
        )
        return replace(made, cycle=cycle)

    def _id(self) -> str:
        self.ids += 1
        return f"{self.ids:032x}"

    # --- events ---------------------------------------------------------------------------------

    def load(self, value: float, tasks: int, first: str, last: str) -> None:
        """Make a number of tasks publish a value each second from one time to another."""
        moment, end = at(first), at(last)
        data = []
        while moment < end:
            data.append(
                {
                    "MetricName": METRIC,
                    "Dimensions": DIMENSIONS,
                    "Timestamp": moment,
                    "StatisticValues": {
                        "SampleCount": tasks,
                        "Sum": value * tasks,
                        "Minimum": value,
                        "Maximum": value,
                    },
                    "StorageResolution": 1,
                }
            )
            moment += timedelta(seconds=1)
        cloudwatch = self.client("cloudwatch")
        for start in range(0, len(data), 500):
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + 500])

    def invoked(self, first: str, last: str) -> None:
        """Record an invocation of the scaler's function once a minute, as Lambda counts it."""
        moment, data = at(first), []
        while moment < at(last):
            dimension = {"Name": "FunctionName", "Value": FUNCTION}
            point = {"MetricName": "Invocations", "Dimensions": [dimension]}
            data.append({**point, "Timestamp": moment, "Value": 1})
            moment += timedelta(minutes=1)
        self.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=data)

    def alarm(self, clock: str, policy: str, state: str, value: float) -> None:
        """Change an alarm's state on a datapoint, and deliver its event."""
        self.now = at(clock)
        name, before = SERVICE.alarm(policy), self._states.get(policy, "OK")
        threshold = 100.0 if policy == HIGH else 30.0
        begins = datetime.fromtimestamp(self.now.timestamp() // 10 * 10 - 10, UTC)
        compared = "greater" if policy == HIGH else "less"
        was = f"was {compared} than" if state == "ALARM" else f"was not {compared} than"
        reason = f"Threshold Crossed: 1 datapoint [{value}] {was} the threshold ({threshold})."
        self.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason=reason
        )
        self._states[policy] = state
        data = {
            "version": "1.0",
            "startDate": begins.isoformat(),
            "statistic": "Average",
            "period": 10,
            "recentDatapoints": [value],
            "threshold": threshold,
        }
        event = json.loads((ROOT / "events" / "alarm-high-step2.json").read_text(encoding="utf-8"))
        event["time"] = f"{self.now:%Y-%m-%dT%H:%M:%SZ}"
        event["detail"]["alarmName"] = name
        event["detail"]["previousState"]["value"] = before
        event["detail"]["state"] = {
            "value": state,
            "timestamp": self.now.isoformat(timespec="milliseconds"),
            "reason": reason,
            "reasonData": json.dumps(data),
        }
        self.door().on_event(event)

    def recheck(self, clock: str) -> None:
        """Deliver the newest re-check of the chain."""
        self.now = at(clock)
        memory = self._memory()
        self._deliver(Message(Recheck(SERVICE, memory.generation)))

    def heartbeat(self, clock: str) -> None:
        """Deliver the minute's heartbeat."""
        self.now = at(clock)
        self.door().on_event({"heartbeat": {}})

    def entry(self, clock: str, name: str, entry: dict[str, Any], what: str) -> None:
        """Write an operator's entry, and notify the scaler."""
        from quickstep.aws.attributes import to_item  # noqa: PLC0415 - only here

        self.now = at(clock)
        self.client("dynamodb").update_item(
            TableName=TABLE,
            Key=to_item({"pk": SERVICE.resource_id, "sk": "#state"}),
            UpdateExpression="SET #name = :entry",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues=to_item({":entry": entry}),
        )
        self._deliver(Message(Request(SERVICE, self._id(), self.now, what)))

    def by_hand(self, clock: str, desired: int) -> None:
        """Set the desired count outside the scaler."""
        self.now = at(clock)
        self.client("ecs").update_service(
            cluster=SERVICE.cluster, service=SERVICE.service, desiredCount=desired
        )

    def ecs_says(self, clock: str, message: str) -> None:
        """Add an ECS event to the service."""
        backend = ecs_backends[ACCOUNT][REGION]
        (service,) = [one for one in backend.services.values() if one.name == SERVICE.service]
        event = {"id": clock, "createdAt": at(clock).timestamp(), "message": message}
        service.events.insert(0, event)

    def _deliver(self, message: Message) -> None:
        self.door().on_message(json.dumps(write_message(message)))

    def _memory(self) -> Any:
        from quickstep.aws.dynamodb import DynamoTargets  # noqa: PLC0415 - only here

        return DynamoTargets(self.client("dynamodb"), TABLE).peek(SERVICE.resource_id)[0]

    # --- questions ------------------------------------------------------------------------------

    def answer(self, command: str, columns: int | None = COLUMNS) -> str:
        """Return what a command prints in a terminal this wide, or in a pipe."""
        name, *arguments = shlex.split(command)
        if name != "quickstep":
            raise ValueError(f"{command} must start with quickstep")
        shown = {"TTY_COMPATIBLE": "1", "TERM": "dumb", "COLUMNS": str(columns)} if columns else {}
        settings = {
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.account.endpoint_url,
            "QUICKSTEP_TABLE": TABLE,
            "QUICKSTEP_QUEUE_URL": self.queue_url,
            "NO_COLOR": "1",
            "LC_ALL": "C",
            **shown,
        }
        result = CliRunner().invoke(app, arguments, env=settings, input="n\n")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return "\n".join(line.rstrip() for line in result.output.rstrip().splitlines())


@dataclass(frozen=True)
class _Throttling:
    """The services of an account that has used up its calls."""

    services: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)

    def set_desired_count(self, _service: ServiceName, _desired: int) -> None:
        """Refuse, as ECS does.

        Raises:
            CallFailedError: always.
        """
        raise CallFailedError(Outcome.FAILED_THROTTLED, "UpdateService: Rate exceeded")


@contextmanager
def night() -> Iterator[Night]:
    """Yield the service after its afternoon, at 15:00."""
    with embedded_aws() as account, ExitStack() as stack:
        story = Night(account)
        stack.callback(time.tzset)
        stack.enter_context(patch.dict(os.environ, TZ="UTC"))
        time.tzset()
        for name in _CLOCKS:
            stack.enter_context(patch(name, lambda: story.now.replace(tzinfo=None), create=True))

        class Set(datetime):
            """A clock that shows the time of the story."""

            @classmethod
            def now(cls, tz: Any = None) -> Self:
                return cls.fromtimestamp(story.now.timestamp(), tz)

        stack.enter_context(patch.object(quickstep_cli.aws, "datetime", Set))
        stack.enter_context(counted(SERVICE, lambda: story.running))
        _afternoon(story)
        yield story


def _afternoon(story: Night) -> None:
    story.now = at("13:00")
    prepare(story.account)
    story.account.client("ssm").put_parameter(
        Name=SERVICE.parameter,
        Value=EXAMPLE_POLICY.read_text(encoding="utf-8"),
        Type="String",
        Overwrite=True,
    )
    scaler = {
        "Stack": "quickstep",
        "Table": TABLE,
        "Rechecks": story.queue_url,
        "Resources": {"Scaler": FUNCTION},
    }
    story.client("ssm").put_parameter(
        Name=SCALER, Value=json.dumps(scaler), Type="String", Overwrite=True
    )
    story.invoked("13:00", "15:00")
    story.by_hand("13:00:01", 4)
    for policy in (HIGH, LOW):
        story.client("cloudwatch").set_alarm_state(
            AlarmName=SERVICE.alarm(policy), StateValue="OK", StateReason="1 datapoint was quiet"
        )
    story.heartbeat("13:00:05")

    # Nearly a breach, and then one.
    story.load(62, 4, "13:57", "14:01")
    story.load(92, 4, "14:01", "14:05")
    story.load(135, 4, "14:05", "14:05:50")
    story.alarm("14:05:12", HIGH, "ALARM", 135.0)
    story.recheck("14:05:22")
    story.load(80, 6, "14:05:50", "14:08")
    story.alarm("14:06:12", HIGH, "OK", 80.0)

    # Scale-in is paused when the load falls.
    pause = {
        "directions": ["scale-in"],
        "until": write_moment(at("16:00")),
        "reason": "database failover",
        "by": BOB,
        "at": write_moment(at("14:18")),
    }
    what = "pause scale-in until 2026-11-26 16:00:00 UTC: database failover"
    story.entry("14:18", "pause", pause, f"{what} ({BOB})")
    story.load(25, 6, "14:18", "14:24")
    story.alarm("14:20:12", LOW, "ALARM", 25.0)
    story.alarm("14:23:12", LOW, "OK", 31.0)

    # Somebody overrides the minimum, somebody else undoes it by hand.
    story.load(31, 6, "14:27", "14:32")
    override = bounds_entry((200, None), at("14:40"), reason="load test", by=ALICE, at=at("14:30"))
    what = "override: at least 200 until 2026-11-26 14:40:00 UTC: load test"
    story.entry("14:30", "override", override, f"{what} ({ALICE})")
    story.by_hand("14:41:40", 12)
    story.heartbeat("14:42:05")

    # ECS throttles, and then starts no task.
    story.load(95, 12, "14:46", "14:50")
    story.load(170, 12, "14:50", "15:00")
    story.throttled = True
    story.alarm("14:50:12", HIGH, "ALARM", 170.0)
    story.throttled = False
    story.running = 12
    story.recheck("14:50:15")
    problem = (
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time."
    )
    for clock in ("14:51:02", "14:52:10"):
        story.ecs_says(clock, problem)
    for clock in ("14:51:05", "14:54:05", "14:59:52"):
        story.recheck(clock)
    story.now = at("15:00")


_BLOCK = re.compile(r"^```console\n\$ (quickstep .+)\n(?:.*\n)*?```$", re.MULTILINE)


@cache
def answers() -> dict[str, str]:
    """Return the output of each of the page's commands, by command."""
    commands = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    with night() as story:
        return {command: story.answer(command) for command in commands}


def page() -> str:
    """Return docs/on-call.md with its commands' present output."""
    text = PAGE.read_text(encoding="utf-8")
    printed = answers()
    return _BLOCK.sub(lambda block: f"```console\n$ {block[1]}\n{printed[block[1]]}\n```", text)
