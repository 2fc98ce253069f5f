"""Quickstep itself: the real cycle and engine, on ports in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.definition import AlarmDefinition, read_window
from quickstep.alarms.event import AlarmTransition
from quickstep.engine.model import Alarm, Datapoint, Service
from quickstep.loop.cycle import Cycle
from quickstep.loop.heartbeat import needs_attention
from quickstep.naming import parse_resource_id
from quickstep.protocol.triggers import DescribedAlarm, Heartbeat, Recheck
from quickstep_lab.in_memory import InMemoryTargets, InMemoryTurns, one_after_the_other
from quickstep_lab.simulator.stage import START, Setup, WatchedAlarm, alarm_definition, statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.messages import Message
    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.alarms import AlarmDefinition as SimulatedAlarm
    from quickstep_lab.simulator.stage import Stage

HEARTBEAT = "heartbeat"
"""The name of its clock on the stage; the alarms' clocks are named after their policies."""
HEARTBEAT_SECONDS = 60

_METRIC = {"namespace": "MyApp/Performance", "name": "RequestsPerSecond", "dimensions": {}}
_EVENT_METRICS = ({"id": "m1", "metricStat": {"metric": _METRIC, "period": 10, "stat": "Average"}},)
_QUERY = {
    "Id": "m1",
    "MetricStat": {
        "Metric": {
            "Namespace": "MyApp/Performance",
            "MetricName": "RequestsPerSecond",
            "Dimensions": [],
        },
        "Period": 10,
        "Stat": "Average",
    },
    "ReturnData": True,
}
"""What the alarms watch: as their events say it, and as DescribeAlarms does."""


@dataclass(frozen=True, slots=True)
class Quickstep:
    """The scaler, with a policy document; `name` tells documents apart."""

    setup: Setup
    name: str = "quickstep"

    def measure(self, per_task: float, _capacity: float) -> float:
        """Requests per second, as each task publishes them."""
        return per_task

    def start(self, stage: Stage) -> None:
        """Watch the alarms, and look at the target once a minute."""
        _Player(self.setup, stage).start()


def textbook(setup: Setup) -> Quickstep:
    """Return the same scaler and policies without the guards: steps, cooldowns, bounds."""
    return Quickstep(replace(setup, target=replace(setup.target, guards=frozenset())), "textbook")


class _Player:
    """One run: what AWS does around the cycle, and the cycle's ports."""

    def __init__(self, setup: Setup, stage: Stage) -> None:
        self._target = setup.target
        self._stage = stage
        name = parse_resource_id(setup.target.resource_id)
        assert name is not None  # noqa: S101 - a target's resource id has been validated
        self._service = name
        self._statistics = {policy.name: statistic(policy) for policy in setup.target.policies}
        self._alarms = [
            WatchedAlarm(
                alarm_definition(policy, setup.thresholds[policy.name]),
                self._statistics[policy.name],
                self._changed,
            )
            for policy in setup.target.policies
        ]
        self._targets = InMemoryTargets()
        self._ids = 0
        self._cycle = Cycle(
            policies=self,
            services=self,
            targets=self._targets,
            turns=InMemoryTurns(),
            metrics=self,
            messages=self,
            together=one_after_the_other,
            clock=lambda: stage.clock,
            new_id=self._new_id,
            jitter=stage.random.random,
            pause=_no_pause,
        )

    def start(self) -> None:
        stage = self._stage
        for alarm in self._alarms:
            alarm.start(stage)
        phase = stage.phase(HEARTBEAT, HEARTBEAT_SECONDS)
        stage.at(0.0, self._heartbeat)  # the scaler was there before the traffic
        stage.every(HEARTBEAT_SECONDS, phase, self._heartbeat)

    def _changed(self, alarm: WatchedAlarm) -> None:
        definition = alarm.definition
        transition = AlarmTransition(
            self._service,
            definition.name,
            Alarm(alarm.state, definition.threshold, alarm.values),
            self._stage.clock,
            newest=None if alarm.newest is None else START + timedelta(seconds=alarm.newest),
            metrics=_EVENT_METRICS,
        )
        self._invoke(lambda: self._cycle.on_alarm(transition))

    def _heartbeat(self) -> None:
        described = {
            alarm.definition.name: DescribedAlarm(
                alarm.state, START + timedelta(seconds=alarm.at), _described(alarm.definition)
            )
            for alarm in self._alarms
        }
        heartbeat = Heartbeat(self._service, described, complete=True)
        seen = self.describe_all([self._service])
        if needs_attention(self._cycle, heartbeat, seen):
            self._keep(self._cycle.on_heartbeat(heartbeat))

    def _invoke(self, evaluate: Callable[[], DecisionRecord | None]) -> None:
        delay = self._stage.world.invocation(self._stage.random)
        self._stage.at(self._stage.now + delay, lambda: self._keep(evaluate()))

    def _keep(self, record: DecisionRecord | None) -> None:
        self._targets.records.clear()
        if record is None:
            return
        stage = self._stage
        stage.records.append(record)
        if record.outcome.changes_capacity:
            stage.actions[-1] = replace(stage.actions[-1], why=record.reason)

    def _new_id(self) -> str:
        self._ids += 1
        return f"decision-{self._ids}"

    # --- ports: PolicyDocuments, Services, Metrics, Messages --------------------------------------

    def load(self, _service: ServiceName) -> ScalableTarget:
        return self._target

    def describe(self, _service: ServiceName) -> Service:
        fleet = self._stage.fleet
        running = fleet.running(self._stage.now)
        return Service(fleet.desired, running, max(0, fleet.desired - running))

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        return {service: self.describe(service) for service in services}

    def set_desired_count(self, _service: ServiceName, desired: int) -> None:
        self._stage.scale(desired, "")

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        start, end = read_window(definitions.values(), now)
        first, last = (int((moment - START).total_seconds()) for moment in (start, end))
        return {
            policy: [
                point
                for at in range(max(0, first), last, definition.period)
                if (point := self._datapoint(policy, at, definition.period))
            ]
            for policy, definition in definitions.items()
        }

    def _datapoint(self, policy: str, at: int, period: int) -> Datapoint | None:
        stage = self._stage
        value, samples = stage.metric.read(at, period, stage.now, self._statistics[policy])
        if value is None:
            return None
        return Datapoint(START + timedelta(seconds=at), value, samples)

    def send(self, message: Message, delay: timedelta) -> None:
        recheck = message.content
        assert isinstance(recheck, Recheck)  # noqa: S101 - the cycle sends no other
        stage = self._stage
        stage.at(
            stage.now + delay.total_seconds(),
            lambda: self._invoke(lambda: self._cycle.on_recheck(recheck)),
        )

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        for message, delay in messages:
            self.send(message, delay)


def _described(alarm: SimulatedAlarm) -> AlarmDefinition:
    return AlarmDefinition(
        queries=(_QUERY,),
        period=alarm.period,
        threshold=alarm.threshold,
        comparison=alarm.comparison,
        n=alarm.evaluation_periods,
        m=alarm.datapoints_to_alarm,
    )


def _no_pause(_duration: timedelta) -> None:
    """Nothing throttles here, so nothing is tried again."""
