"""Where a scaler plays: virtual time, the fleet it scales, the metric it may watch."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Protocol

from quickstep.engine.backlog import BUSY_SHARE
from quickstep.engine.model import AlarmState, Direction, MetricScope
from quickstep_lab.alarms import AlarmDefinition, MissingData, next_state
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.fleet import Fleet, Second
from quickstep_lab.simulator.metric import GRID, Metric, Statistic
from quickstep_lab.simulator.queueing import Latencies
from quickstep_lab.simulator.signals import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.engine.model import Policy, ScalableTarget
    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.simulator.fleet import Launch
    from quickstep_lab.simulator.jobs import JobQueue
    from quickstep_lab.simulator.metric import Readable
    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a run begins on the simulated clock; a whole day, so that every period begins with it."""

LEAD = 60
"""Maximum seconds by which a run begins before its traffic."""

FIRST_SECONDS = 10
"""Seconds at the start whose mean stands for the load before the traffic: a metric's period."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a policy's alarm watches: `datapoints` of the newest `periods` must breach.

    Each covers `period` seconds. None means the template's value.
    """

    signal: Signal = REQUESTS
    period: int | None = None
    periods: int | None = None
    datapoints: int | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What to try: a policy document, and its policies' alarm thresholds.

    `watched` says what each alarm watches; others watch the requests that each task publishes.
    """

    target: ScalableTarget
    thresholds: Mapping[str, float]
    watched: Mapping[str, Watch] = field(default_factory=dict)

    def watch(self, alarm: str) -> Watch:
        """Return what an alarm watches."""
        return self.watched.get(alarm, Watch())

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The watched signals, each once; first that of the policy that adds tasks first."""
        every = (self.watch(policy.alarm).signal for policy in self.target.policies)
        return tuple(dict.fromkeys((self.signal, *every))) if self.target.policies else ()

    @property
    def signal(self) -> Signal:
        """The signal of the policy that adds tasks first."""
        return self.watch(self._first).signal

    @property
    def scale_out_threshold(self) -> float:
        """The threshold of the policy that adds tasks first, in its signal's unit."""
        return self.thresholds[self._first]

    @property
    def load_per_task(self) -> float:
        """The lowest load per task that adds tasks, in requests a second.

        Example: CPU above 60 % of a task that can serve 150 a second: 90. For a worker, jobs: of
        2 s each in four slots, busy nine tenths of their time, 1.8.
        """
        for policy in self.target.queues:
            return BUSY_SHARE * policy.jobs_per_second
        return self._load(self._first)

    @property
    def _first(self) -> str:
        out = self.target.in_direction(Direction.OUT)
        per_task = [policy for policy in out if policy.metric_scope is MetricScope.PER_TASK]
        return min((policy.alarm for policy in per_task or out), key=self._load)

    def _load(self, alarm: str) -> float:
        return self.thresholds[alarm] * self.watch(alarm).signal.unit


@dataclass(frozen=True, slots=True)
class Action:
    """A change of the desired count, in seconds of the traffic, and its reason."""

    at: float
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True)
class Run:
    """One scaler's run of a traffic: every second, every change, and how long answers took.

    `origin` is the simulated time at second 0, `surge_looks` how many looks tasks asked for.
    `launches` has each launch's random values, in order. `latencies_over_time` are the latencies in
    steps of `latency_step(seconds)`.
    """

    seed: int
    origin: datetime
    seconds: tuple[Second, ...]
    desired: tuple[int, ...]
    actions: tuple[Action, ...]
    records: tuple[DecisionRecord, ...]
    latencies: Durations
    surge_looks: int = 0
    launches: tuple[Launch, ...] = ()
    latencies_over_time: tuple[Durations, ...] = ()


LATENCY_STEPS = 90
"""Maximum steps into which a run is divided, to show how latencies change over time."""


def latency_step(seconds: int) -> int:
    """Return a step's length in seconds. Example: 20 of 1,800."""
    return max(1, -(-seconds // LATENCY_STEPS))


class Durations(Protocol):
    """How long answers took, or jobs waited."""

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which this share came; None without any."""
        ...


class Scaler(Protocol):
    """A scaler to compare: it is started once, and then acts on the stage."""

    @property
    def name(self) -> str:
        """Its name in results."""
        ...

    def signals(self, server: Server) -> Sequence[Signal]:
        """Return the signals it watches, for tasks like this; at least one."""
        ...

    def start(self, stage: Stage) -> None:
        """Start: plan the first looks."""
        ...


@dataclass(slots=True)
class Stage:
    """One run's world and clock. `at` plans actions; times are in seconds.

    `metric` is what the scaler watches; `metrics` has all signals if there are several. A worker
    has a `queue`.
    `now` is in seconds since START, and `lead` is its value when the traffic begins. After each
    second, the `listeners` learn what each serving task was sent in it. `surges` is when tasks
    asked for a look. `phases` are fixed phases, in seconds, by clock name; all others are random.
    """

    world: World
    random: Random
    fleet: Fleet
    metric: Metric
    lead: int = 0
    metrics: Mapping[Signal, Readable] = field(default_factory=dict)
    queue: JobQueue | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    now: float = 0.0
    actions: list[Action] = field(default_factory=list)
    records: list[DecisionRecord] = field(default_factory=list)
    surges: list[float] = field(default_factory=list)
    listeners: list[Callable[[int, float], None]] = field(default_factory=list)
    _plans: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _number: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def clock(self) -> datetime:
        """The time, as the scaler's code sees it."""
        return START + timedelta(seconds=self.now)

    def metric_of(self, signal: Signal) -> Readable:
        """Return a signal's metric."""
        return self.metrics.get(signal, self.metric)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Plan an action. Actions at one moment happen in the order in which they were planned."""
        heapq.heappush(self._plans, (moment, next(self._number), action))

    def phase(self, clock: str, interval: float) -> float:
        """Return when a clock that ticks every `interval` seconds first ticks."""
        # Always drawn, so that everything after it is the same with and without a given phase.
        drawn = self.random.uniform(0, interval)
        return self.phases.get(clock, drawn)

    def every(self, seconds: float, first: float, action: Callable[[], None]) -> None:
        """Plan a repeated action."""

        def again() -> None:
            self.at(self.now + seconds, again)
            action()

        self.at(first, again)

    def play_until(self, moment: float) -> None:
        """Run everything planned before `moment`."""
        plans = self._plans
        while plans and plans[0][0] < moment:
            self.now, _, action = heapq.heappop(plans)
            action()
        self.now = moment

    def scale(self, desired: int, why: str) -> None:
        """Change the desired count, as UpdateService does."""
        before = self.fleet.desired
        if desired != before:
            self.actions.append(Action(self.now - self.lead, before, desired, why))
        self.fleet.set_desired(desired, self.now)


def play(scaler: Scaler, traffic: Traffic, world: World, tasks: int, seed: int) -> Run:
    """Return the result of the traffic if `scaler` scales a service that starts with `tasks`.

    The traffic begins in a random second of a minute, so that no metric's period is in step with a
    surge; before it, the mean of its first seconds has lasted for a while. The same arguments give
    the same run.
    """
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    lead = random.randrange(LEAD)
    before = traffic.first_mean(FIRST_SECONDS)
    fleet = Fleet(world, tasks, random, lead)
    metrics = {signal: Metric(world, random, signal) for signal in scaler.signals(world.server)}
    stage = Stage(world, random, fleet, next(iter(metrics.values())), lead, metrics)
    step = latency_step(len(traffic.requests))
    unmeasured = Latencies(world.server)
    latencies = [Latencies(world.server) for _ in range(0, len(traffic.requests), step)]
    seconds: list[Second] = []
    desired: list[int] = []
    scaler.start(stage)
    for second in range(-lead, len(traffic.requests)):
        now = second + lead
        stage.play_until(now)
        measured = second >= 0
        requests = traffic.requests[second] if measured else before
        outcome = fleet.serve(requests, now, latencies[second // step] if measured else unmeasured)
        for signal, metric in metrics.items():
            metric.record(fleet, signal.measure(outcome.per_task), now, lead)
        for listener in stage.listeners:
            listener(now, outcome.per_task)
        if measured:
            seconds.append(outcome)
            desired.append(fleet.desired)
    return Run(
        seed=seed,
        origin=START + timedelta(seconds=lead),
        seconds=tuple(seconds),
        desired=tuple(desired),
        actions=tuple(action for action in stage.actions if action.at >= 0),
        records=tuple(stage.records),
        latencies=Latencies.of_all(world.server, latencies),
        latencies_over_time=tuple(latencies),
        surge_looks=sum(at >= lead for at in stage.surges),
        launches=tuple(fleet.launches),
    )


@dataclass(slots=True)
class WatchedAlarm:
    """A CloudWatch alarm on a metric of the stage; `changed` is called when its state changes."""

    definition: AlarmDefinition
    statistic: Statistic
    changed: Callable[[WatchedAlarm], None]
    signal: Signal = REQUESTS
    state: AlarmState = AlarmState.OK
    at: float = 0.0
    values: tuple[float, ...] = ()
    newest: int | None = None

    def start(self, stage: Stage) -> None:
        """Evaluate every 10 s, or every 60 s for periods of a minute, in its own phase."""
        period = self.definition.period
        minutes = constants.EVALUATION_OF_MINUTES.whole
        interval = GRID if period < minutes else minutes
        phase = stage.phase(self.definition.name, interval)
        stage.every(interval, phase, lambda: self.evaluate(stage))

    def evaluate(self, stage: Stage) -> None:
        """Evaluate the newest complete periods."""
        definition, now, metric = self.definition, stage.now, stage.metric_of(self.signal)
        period, last = definition.period, int(now // definition.period)
        periods = range(last - definition.range_periods, last)
        values = [
            None if index < 0 else metric.read(index * period, period, now, self.statistic)[0]
            for index in periods
        ]
        state = next_state(definition, values, self.state)
        known = [(i, v) for i, v in zip(periods, values, strict=True) if v is not None]
        window = known[-definition.evaluation_periods :]
        self.values = tuple(value for _, value in window)
        self.newest = window[-1][0] * period if window else None
        if state is not self.state:
            self.state, self.at = state, now
            self.changed(self)


def alarm_definition(
    policy: Policy, threshold: float, watch: Watch = Watch(), period: int | None = None
) -> AlarmDefinition:
    """Return a policy's alarm as `templates/scalable-target.yaml` makes it by default.

    Its period is its signal's shortest, and all datapoints it evaluates must breach, one to scale
    out and three to scale in, unless `watch` or `period` says otherwise.
    """
    out, signal = policy.direction is Direction.OUT, watch.signal
    needed = watch.periods or (1 if out else 3)
    return AlarmDefinition(
        name=policy.alarm,
        namespace=signal.namespace,
        metric=signal.metric,
        statistic=signal.statistic,
        period=period or watch.period or signal.period,
        threshold=threshold,
        comparison="GreaterThanThreshold" if out else "LessThanThreshold",
        evaluation_periods=needed,
        datapoints_to_alarm=watch.datapoints or needed,
        missing_data=MissingData.MISSING if out else MissingData.NOT_BREACHING,
    )


def statistic(policy: Policy) -> Statistic:
    """Return the statistic that a policy's alarm watches."""
    per_task = policy.metric_scope is MetricScope.PER_TASK
    return Statistic.AVERAGE if per_task else Statistic.TOTAL
