"""The services that surge: their loads, their alarms, and how they end."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import AlarmDefinition
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Comparison
from quickstep.protocol.documents import Document

if TYPE_CHECKING:
    import random

    from quickstep.naming import ServiceName

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
PERIOD = 10
HIGH, LOW = "high-request-rate", "low-request-rate"

THRESHOLD, LOW_THRESHOLD = 100.0, 30.0
BEFORE = {HIGH: 4, LOW: 8}
AFTER = {HIGH: 24, LOW: 7}
"""Tasks before and after the change that answers a fleet's alarm: enough for any of them."""

LEAST, MOST = 1.1, 6.0
"""The loads' multiples of the threshold."""

SETTLES = 12.0
"""Seconds from a change to the alarm's OK: a period, and its evaluation."""


@dataclass
class Fleet:
    """A service, its load, and how its alarm was answered; times in seconds from the start."""

    name: ServiceName
    policy: str
    load: float
    fires_at: float
    desired: list[tuple[float, int]]
    changed: list[float] = field(default_factory=list)

    @property
    def grows(self) -> bool:
        """Whether it should get more tasks."""
        return self.policy == HIGH

    @property
    def overload(self) -> float:
        """The load's multiple of the threshold when the alarm fired."""
        return self.load / self.desired[0][1] / THRESHOLD

    def value(self, when: float) -> float:
        """Return the load per task at a moment."""
        return self.load / next(count for since, count in reversed(self.desired) if since <= when)

    @cached_property
    def definition(self) -> AlarmDefinition:
        """What its alarm watches."""
        return self.definition_of(self.policy)

    @property
    def quiet(self) -> dict[str, KnownAlarm]:
        """The alarm that stays OK: without a scale-out alarm, no task is removed."""
        if self.grows:
            return {}
        since = START - timedelta(minutes=10)
        return {HIGH: KnownAlarm(AlarmState.OK, since, self.definition_of(HIGH))}

    def definition_of(self, policy: str) -> AlarmDefinition:
        """Return what a policy's alarm watches."""
        metric = {"Namespace": "MyApp", "MetricName": self.name.service, "Dimensions": []}
        query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Average"}}
        if policy == HIGH:
            return AlarmDefinition((query,), PERIOD, THRESHOLD, Comparison.GREATER, 1, 1)
        return AlarmDefinition((query,), PERIOD, LOW_THRESHOLD, Comparison.LESS, 1, 1)

    @property
    def document(self) -> Document:
        """Its policies, the same for all fleets."""
        text = json.dumps({"ResourceId": self.name.resource_id, **_policies()})
        return Document(text, modified="2026-11-01T00:00:00.000Z")

    def alarm(self, now: float) -> tuple[AlarmState, float]:
        """Return its alarm's state, and since when."""
        if self.changed and now >= self.changed[0] + SETTLES:
            return AlarmState.OK, self.changed[0] + SETTLES
        if now >= self.fires_at:
            return AlarmState.ALARM, self.fires_at
        return AlarmState.OK, -600.0


def a_fleet(name: ServiceName, rng: random.Random, *, shrinks: bool, fires_at: float) -> Fleet:
    """Return a fleet with a random load from the moment its alarm fires."""
    policy = LOW if shrinks else HIGH
    overload = LEAST * (MOST / LEAST) ** rng.random()
    tasks = BEFORE[policy]
    load = 28.75 * tasks if shrinks else THRESHOLD * overload * tasks
    return Fleet(name, policy, load, fires_at, [(-math.inf, tasks)])


def event_of(fleet: Fleet, now: float) -> dict[str, Any]:
    """Return the event of a fleet's alarm that has just changed state."""
    state, since = fleet.alarm(now)
    begins = START + timedelta(seconds=since - PERIOD)
    reason = {
        "version": "1.0",
        "startDate": begins.isoformat(),
        "period": PERIOD,
        "recentDatapoints": [fleet.value(now)],
        "threshold": fleet.definition.threshold,
    }
    metric = {"namespace": "MyApp", "name": fleet.name.service, "dimensions": {}}
    stat = {"metric": metric, "period": PERIOD, "stat": "Average"}
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": fleet.name.alarm(fleet.policy),
            "state": {
                "value": str(state),
                "timestamp": (START + timedelta(seconds=now)).isoformat(),
                "reasonData": json.dumps(reason),
            },
            "configuration": {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]},
        },
    }


def _policies() -> dict[str, Any]:
    """Return all fleets' policies: one change is enough for any of them."""
    out = {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 10,
        "MetricScope": "PerTask",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0, "ScalingAdjustment": AFTER[HIGH] - BEFORE[HIGH]}
        ],
    }
    in_ = {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 30,
        "MetricScope": "PerTask",
        "StepAdjustments": [
            {"MetricIntervalUpperBound": 0, "ScalingAdjustment": AFTER[LOW] - BEFORE[LOW]}
        ],
    }
    return {
        "MinCapacity": 2,
        "MaxCapacity": 40,
        "ScaleOutPolicies": {HIGH: out},
        "ScaleInPolicies": {LOW: in_},
        "WarmupSeconds": 45,
    }
