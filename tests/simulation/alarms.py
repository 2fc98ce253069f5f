"""The load of a world, its metrics, and the alarms that CloudWatch evaluates over them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Datapoint
from quickstep.naming import ServiceName
from tests.builders import DEFINITION, HIGH, LOW, LOW_DEFINITION, WEB
from tests.simulation.clockwork import moment

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from tests.simulation.fleet import Tasks

BUSY, IDLE = "high-cpu", "low-cpu"
PERIOD = 10.0
SHORTEST_EVALUATION = 2.6
"""Seconds after a period until its alarms are evaluated: by then most datapoints are visible."""

EXACT = 2**20

LEVELS = (60.0, 240.0, 600.0, 1100.0, 2300.0)

REQUESTS, CPU = "RequestsPerSecond", "CpuUtilization"
CPU_OF_A_REQUEST = 0.7
"""Percent of a task that a request per second takes: 100 of them take 70 %."""


def _over(definition: AlarmDefinition, name: str, **changes: Any) -> AlarmDefinition:
    """Return a definition over the metric of another name."""
    (query,) = definition.queries
    stat = query["MetricStat"]
    metric = {**stat["Metric"], "MetricName": name}
    return replace(
        definition, queries=({**query, "MetricStat": {**stat, "Metric": metric}},), **changes
    )


DEFINITIONS = {HIGH: DEFINITION, LOW: replace(LOW_DEFINITION, n=3, m=3)}
MORE_DEFINITIONS = {
    BUSY: _over(DEFINITION, CPU, threshold=80.0, n=2, m=2),
    IDLE: _over(LOW_DEFINITION, CPU, threshold=15.0, n=3, m=2),
}
SIZED = "request-rate/high"
SIZED_DEFINITIONS = {SIZED: replace(DEFINITION, threshold=101.0)}
"""The alarm of a target policy; tasks are not just full at any of the LEVELS."""

MARK = 1e-6
"""What a second adds to a value, so that a datapoint is known by it."""

METRICS = {HIGH: REQUESTS, LOW: REQUESTS, SIZED: REQUESTS, BUSY: CPU, IDLE: CPU}


@dataclass(slots=True)
class Traffic:
    """The total load from each moment on, and the datapoints that tasks have published of it.

    `published` has by metric from when on a datapoint is visible; until `complete`, it is of half
    of the tasks. Each task publishes every `every` seconds. `reports` has those of a second, of
    which each is that of some of the tasks.
    """

    levels: Sequence[tuple[float, float]]
    every: int = int(PERIOD)
    complete: dict[datetime, float] = field(default_factory=dict)
    published: dict[str, list[tuple[float, Datapoint]]] = field(
        default_factory=lambda: {REQUESTS: [], CPU: []}
    )
    reports: dict[str, list[tuple[float, Datapoint]]] = field(
        default_factory=lambda: {REQUESTS: [], CPU: []}
    )

    @classmethod
    def drawn(cls, rng: random.Random, until: float) -> Traffic:
        """Return a load that jumps every minute or so, and stays as it is at the end."""
        levels = [240.0, rng.choice(LEVELS[2:])]
        moments = [0.0, rng.uniform(10, 40)]
        while moments[-1] < until - 30:
            moments.append(moments[-1] + rng.uniform(20, 60))
            levels.append(rng.choice(LEVELS))
        return cls(list(zip(moments, levels, strict=True)))

    def load(self, now: float) -> float:
        """Return the total requests per second."""
        return next(level for since, level in reversed(self.levels) if since <= now)

    def publish(
        self, metric: str, now: float, tasks: Tasks, visible: float, counted: float = 1.0
    ) -> None:
        """Publish the datapoint of the period that ends now, if any task does; some drain at 0."""
        if not tasks.reporters:
            return
        each = self.per_task(metric, now, tasks.serving) * tasks.reporting / tasks.reporters
        # Marked, and of so few bits that an average of many such is the same to the last one.
        value = round((each + now * MARK) * EXACT) / EXACT
        samples = round(tasks.reporters * counted)  # each task publishes once in `every` seconds
        self.published[metric].append((visible, Datapoint(moment(now - PERIOD), value, samples)))

    def per_task(self, metric: str, now: float, serving: int) -> float:
        """Return what a task that serves has of the load."""
        each = self.load(now) / max(1, serving)
        return each if metric == REQUESTS else min(100.0, each * CPU_OF_A_REQUEST)

    def report(self, metric: str, now: float, each: float, tasks: int, visible: float) -> None:
        """Have some tasks report the second that ends now."""
        value = each + now * MARK  # as above
        self.reports[metric].append((visible, Datapoint(moment(now - 1), value, tasks)))

    def seconds(self, metric: str, now: float) -> list[Datapoint]:
        """Return the averages of the seconds of which CloudWatch shows any task's report by now."""
        shown: dict[datetime, list[Datapoint]] = {}
        for visible, point in self.reports[metric]:
            if visible <= now:
                shown.setdefault(point.at, []).append(point)
        return [
            Datapoint(
                at,
                sum(p.value * (p.samples or 0) for p in points)
                / sum(p.samples or 0 for p in points),
                sum(p.samples or 0 for p in points),
            )
            for at, points in shown.items()
        ]

    def visible(self, metric: str, now: float) -> list[Datapoint]:
        """Return the datapoints that CloudWatch shows by now."""
        return [point for visible, point in self.published[metric] if visible <= now]

    def read(self, metric: str, period: int, now: float) -> list[Datapoint]:
        """Return the same for each so many seconds, as far as tasks publish in them.

        Example: 4 tasks that publish every 5 s, read by the second: 4 samples in every fifth.
        """
        if period >= PERIOD or self.every >= PERIOD:
            return self.visible(metric, now)
        return [
            replace(point, at=point.at + timedelta(seconds=at), samples=float(samples))
            for point in self.visible(metric, now)
            for at in range(0, int(PERIOD), period)
            if (samples := self._samples(point, range(at, at + period), now))
        ]

    def _samples(self, point: Datapoint, seconds: range, now: float) -> int:
        """Return how many are seen of some seconds of a period."""
        times = sum(second % self.every == self.every - 1 for second in seconds)
        whole = int(point.samples or 0)
        return times * (whole if self.complete[point.at] <= now else -(-whole // 2))


Alarms = dict[tuple[ServiceName, str], KnownAlarm]


def first_alarms(*, several: bool, sized: bool) -> Alarms:
    """Return the alarms of a world, quiet for ten minutes."""
    definitions = SIZED_DEFINITIONS if sized else DEFINITIONS
    definitions = {**definitions, **(MORE_DEFINITIONS if several else {})}
    return {
        (WEB, policy): KnownAlarm(AlarmState.OK, moment(-600.0), definition)
        for policy, definition in definitions.items()
    }


def transitions(
    alarms: Alarms, traffic: Traffic, now: float
) -> Iterator[tuple[str, KnownAlarm, list[Datapoint]]]:
    """Yield each alarm that changes its state, and the datapoints that it saw."""
    for (_, policy), alarm in alarms.items():
        definition = alarm.definition
        assert definition is not None
        window = traffic.visible(METRICS[policy], now)[-definition.n :]
        if len(window) < definition.n:
            continue
        breaching = sum(definition.breached_by(point.value) for point in window)
        state = AlarmState.ALARM if breaching >= definition.m else AlarmState.OK
        if state is not alarm.state:
            yield policy, replace(alarm, state=state, at=moment(round(now, 3))), window


@cache
def _configuration(metric: str, period: int) -> dict[str, Any]:
    named = {"namespace": "MyApp/Performance", "name": metric, "dimensions": {}}
    stat = {"metric": named, "period": period, "stat": "Average"}
    return {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]}


def event_of(policy: str, alarm: KnownAlarm, window: Sequence[Datapoint]) -> dict[str, Any]:
    """Return the event of an alarm's transition."""
    definition = alarm.definition
    assert definition is not None
    reason = {
        "version": "1.0",
        "startDate": window[0].at.isoformat(),
        "period": definition.period,
        "recentDatapoints": [point.value for point in window],
        "threshold": definition.threshold,
        "evaluatedDatapoints": [
            {"timestamp": point.at.isoformat(), "value": point.value} for point in reversed(window)
        ],
    }
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": WEB.alarm(policy),
            "state": {
                "value": str(alarm.state),
                "timestamp": alarm.at.isoformat(),
                "reasonData": json.dumps(reason),
            },
            "configuration": _configuration(METRICS[policy], definition.period),
        },
    }
