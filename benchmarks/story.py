"""The example policy's service on the embedded AWS, and its alarm's event."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from quickstep.engine.model import AlarmState, Direction
from quickstep.naming import ServiceName
from quickstep_cli.experiment import read_setup
from quickstep_lab.alarms import AlarmStatus, Datapoint, alarm_event, evaluate, evaluation_range
from quickstep_lab.embedded_aws import (
    ACCOUNT,
    REGION,
    SURGES,
    Account,
    create_queue,
    create_service,
    create_table,
    put_policy,
    reset,
)
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.stage import alarm_definition

SETUP = read_setup(EXAMPLE_POLICY, None)
SERVICE = ServiceName(*SETUP.target.resource_id.split("/")[1:])
(POLICY,) = SETUP.target.in_direction(Direction.OUT)
THRESHOLD = SETUP.thresholds[POLICY.name]


def begin(account: Account, desired: int = 2) -> None:
    """Empty the account, and create the service with its tasks, table, queues and policy."""
    reset(account)
    create_queue(account)
    create_queue(account, SURGES)
    create_table(account)
    create_service(account, SERVICE, desired)
    put_policy(account, SERVICE, EXAMPLE_POLICY.read_text(encoding="utf-8"))


def an_event(now: datetime) -> dict[str, Any]:
    """Return the event of the scale-out alarm, which goes to ALARM now, at twice its threshold."""
    name = SERVICE.alarm(POLICY.name)
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"
    definition = replace(alarm_definition(POLICY, THRESHOLD), name=name, arn=arn)
    values = [*[THRESHOLD / 2] * definition.range_periods, THRESHOLD * 2][1:]
    points = [
        Datapoint(at, value, 4.0)
        for at, value in zip(evaluation_range(definition, now), values, strict=True)
    ]
    before = AlarmStatus(AlarmState.OK, now - timedelta(minutes=1), "at rest")
    status = evaluate(definition, points, before, queried_at=now, now=now)
    return alarm_event(definition, status, before, str(uuid.uuid4()))
