"""Quickstep itself: the real cycle and engine, on an AWS in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import AlarmDefinition
from quickstep.alarms.event import AlarmEvent
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.backlog import POLL_SECONDS, QueueReading
from quickstep.engine.model import Alarm, Comparison, Datapoint, Service
from quickstep.fields import write_moment
from quickstep.loop.heartbeat import needs_evaluation
from quickstep.loop.looks import alarm_look, heartbeat_look
from quickstep.naming import parse_resource_id
from quickstep.protocol.messages import AlarmAgain, Heartbeat, Message, write_message
from quickstep.protocol.polls import Poll
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.simulator.stage import START, Setup, WatchedAlarm, alarm_definition, statistic
from quickstep_lab.simulator.surges import FeltSurges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.alarms import AlarmDefinition as SimulatedAlarm
    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.stage import Stage

HEARTBEAT = "heartbeat"
"""Its clock's name on the stage; the alarms' clocks are named after their policies."""
HEARTBEAT_SECONDS = 60
POLLS = "polls"
"""The name of the clock that reads queues."""
SURGES = "arn:aws:sqs:us-east-1:123456789012:Surges.fifo"
"""The queue that delivers tasks' messages."""


@dataclass(frozen=True, slots=True)
class Quickstep:
    """The scaler, with a policy document; `name` tells documents apart.

    With `surges`, tasks that publish whole seconds report surges.
    """

    setup: Setup
    name: str = "quickstep"
    surges: bool = False

    def signals(self, _server: Server) -> tuple[Signal, ...]:
        """The signals that the setup's alarms watch."""
        return self.setup.signals

    def start(self, stage: Stage) -> None:
        """Watch the alarms, and look at the target once a minute."""
        player = _Player(self.setup, stage)
        player.start()
        if self.surges and stage.world.publish_seconds == 1:
            player.listen(FeltSurges(stage, self.setup.load_per_task))


def with_surge_messages(setup: Setup) -> Quickstep:
    """Return the same scaler, with tasks that report surges."""
    return Quickstep(setup, "quickstep-surge", surges=True)


def textbook(setup: Setup) -> Quickstep:
    """Return the same scaler and policies without the guards: steps, cooldowns, bounds."""
    return Quickstep(replace(setup, target=replace(setup.target, guards=frozenset())), "textbook")


class _Player(InMemoryAws):
    """One run: an AWS that shows the stage, and AWS's own behaviour around the cycle."""

    def __init__(self, setup: Setup, stage: Stage) -> None:
        super().__init__()
        self._target = setup.target
        self._stage = stage
        name = parse_resource_id(setup.target.resource_id)
        assert name is not None  # noqa: S101 - a target's resource id has been validated
        self._service = name
        self._alarms = {
            policy.alarm: WatchedAlarm(
                alarm_definition(policy, setup.thresholds[policy.alarm], setup.watch(policy.alarm)),
                statistic(policy),
                self._changed,
                setup.watch(policy.alarm).signal,
            )
            for policy in setup.target.policies
        }
        self._ids = 0
        self._door = self.scaler(
            clock=lambda: stage.clock,
            new_id=self._new_id,
            jitter=stage.random.random,
            sleep=lambda _: None,  # nothing throttles here, so nothing is retried
        )
        self._cycle = self._door.cycle

    def start(self) -> None:
        stage = self._stage
        for alarm in self._alarms.values():
            alarm.start(stage)
        phase = stage.phase(HEARTBEAT, HEARTBEAT_SECONDS)
        stage.at(0.0, self._heartbeat)  # the scaler was deployed before the traffic
        stage.every(HEARTBEAT_SECONDS, phase, self._heartbeat)
        if self._target.queues:
            stage.every(POLL_SECONDS, stage.phase(POLLS, POLL_SECONDS), self._poll)

    def _poll(self) -> None:
        names = tuple(policy.queue_name for policy in self._target.queues)
        poll = Poll(self._stage.clock, {self._service: names}, of=1)
        self.deliver(Message(poll), timedelta(seconds=self._stage.world.hop))

    def _show_queues(self) -> None:
        """Set the queues' attributes to their exact present values; SQS's are approximate."""
        if queue := self._stage.queue:
            seen = QueueReading(queue.visible, queue.in_flight)
            self.queues.readings = {policy.queue_name: seen for policy in self._target.queues}

    def listen(self, felt: FeltSurges) -> None:
        """Listen to the tasks' surges from now on."""

        def second_over(second: int, per_task: float) -> None:
            at = felt.message_at(second, per_task)
            if at is None:
                return
            self._stage.surges.append(at)
            said = {
                "resource_id": self._service.resource_id,
                "at": write_moment(START + timedelta(seconds=at)),
            }
            self._arrive(at + self._stage.world.hop, json.dumps(said), SURGES)

        self._stage.listeners.append(second_over)

    def _arrive(self, at: float, body: str, queue: str) -> None:
        """Have a queue's message evaluated once the function has started."""
        self._stage.at(at, lambda: self._invoke(lambda: self._door.on_message(body, queue)))

    def _changed(self, alarm: WatchedAlarm) -> None:
        definition = alarm.definition
        event = AlarmEvent(
            self._service,
            definition.name,
            Alarm(alarm.state, definition.threshold, alarm.values),
            self._stage.clock,
            newest=None if alarm.newest is None else START + timedelta(seconds=alarm.newest),
            metrics=_metrics_of_event(definition),
        )
        look = alarm_look(event, AlarmAgain({}))
        self._invoke(lambda: self._cycle.evaluate(look))

    def _heartbeat(self) -> None:
        described = {
            alarm.definition.name: KnownAlarm(
                alarm.state, START + timedelta(seconds=alarm.at), _described(alarm.definition)
            )
            for alarm in self._alarms.values()
        }
        look = heartbeat_look(Heartbeat(self._service, described, complete=True))
        seen = self.describe_all([self._service])
        self._show_queues()
        if needs_evaluation(self._cycle, look, seen):
            self._keep(self._cycle.evaluate(look))

    def _invoke(self, evaluate: Callable[[], list[DecisionRecord]]) -> None:
        delay = self._stage.world.invocation(self._stage.random)

        def run() -> None:
            self._show_queues()
            self._keep(evaluate())

        self._stage.at(self._stage.now + delay, run)

    def _keep(self, records: list[DecisionRecord]) -> None:
        self.targets.records.clear()
        stage = self._stage
        for record in records:
            stage.records.append(record)
            if record.outcome.changes_capacity:
                stage.actions[-1] = replace(stage.actions[-1], why=record.reason)

    def _new_id(self) -> str:
        self._ids += 1
        return f"decision-{self._ids}"

    # --- the account ------------------------------------------------------------------------------

    def load(self, _service: ServiceName) -> ScalableTarget:
        return self._target

    def seen(self, _service: ServiceName) -> Service:
        fleet = self._stage.fleet
        running = fleet.running(self._stage.now)
        pending = max(0, fleet.desired - running)
        return Service(fleet.desired, running, pending, trouble=fleet.problem)

    def change(self, _service: ServiceName, desired: int) -> None:
        self._stage.scale(desired, "")

    def datapoints(
        self, policy: str, definition: AlarmDefinition, start: datetime, end: datetime
    ) -> Iterable[Datapoint]:
        stage, period, alarm = self._stage, definition.period, self._alarms[policy]
        metric = stage.metric_of(alarm.signal)
        first, last = (int((moment - START).total_seconds()) for moment in (start, end))
        for at in range(max(0, first), last, period):
            value, samples = metric.read(at, period, stage.now, alarm.statistic)
            if value is not None:
                yield Datapoint(START + timedelta(seconds=at), value, samples)

    def deliver(self, message: Message, delay: timedelta) -> None:
        at = self._stage.now + delay.total_seconds()
        self._arrive(at, json.dumps(write_message(message)), "")


def _metrics_of_event(alarm: SimulatedAlarm) -> tuple[dict[str, Any], ...]:
    """Return what an alarm watches, in its events' format."""
    metric = {"namespace": alarm.namespace, "name": alarm.metric, "dimensions": {}}
    stat = {"metric": metric, "period": alarm.period, "stat": alarm.statistic}
    return ({"id": "m1", "metricStat": stat},)


def _described(alarm: SimulatedAlarm) -> AlarmDefinition:
    """Return an alarm in DescribeAlarms' format."""
    metric = {"Namespace": alarm.namespace, "MetricName": alarm.metric, "Dimensions": []}
    stat = {"Metric": metric, "Period": alarm.period, "Stat": alarm.statistic}
    return AlarmDefinition(
        queries=({"Id": "m1", "MetricStat": stat, "ReturnData": True},),
        period=alarm.period,
        threshold=alarm.threshold,
        comparison=Comparison(alarm.comparison),
        n=alarm.evaluation_periods,
        m=alarm.datapoints_to_alarm,
    )
