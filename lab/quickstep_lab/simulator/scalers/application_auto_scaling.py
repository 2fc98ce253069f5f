"""Application Auto Scaling, modelled after its documentation and AWS's own benchmark.

Sources: "Step scaling policies overview", "How target tracking works" and "Alarm actions" of the
AWS guides; the two trigger times are those that AWS published with its faster service auto scaling
in June 2026. What is not documented is assumed, and said to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from quickstep.engine.decide import decide
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Direction,
    Observation,
    ScalingActivity,
    Service,
    State,
)
from quickstep_lab.alarms import AlarmDefinition, MissingData
from quickstep_lab.simulator.metric import Statistic
from quickstep_lab.simulator.stage import Setup, WatchedAlarm, alarm_definition, statistic
from quickstep_lab.simulator.world import Spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.engine.model import Policy
    from quickstep_lab.simulator.stage import Stage

REPEAT_SECONDS = 60
"""An alarm repeats its Auto Scaling actions once a minute while it stays in its state."""

ACTION = Spread(1.0, 3.0)
"""From an alarm's action to UpdateService, in seconds: not published, assumed."""


@dataclass(frozen=True, slots=True)
class StepScaling:
    """A step scaling policy of AAS, on alarms of the given period.

    The steps are those of the policy document, counted from the running count. Unlike Quickstep's,
    a scale-in does not wait for the cooldown of a scale-out.
    """

    setup: Setup
    period: int
    by_ecs: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What results call it."""
        return f"aas-step-{self.period}s-alarm"

    def measure(self, per_task: float, _capacity: float) -> float:
        """Requests per second, as each task publishes them."""
        return per_task

    def start(self, stage: Stage) -> None:
        """Watch the alarms."""
        _StepPlayer(self.setup, self.period, stage)


class _StepPlayer:
    def __init__(self, setup: Setup, period: int, stage: Stage) -> None:
        self._target = replace(setup.target, guards=frozenset())
        self._stage = stage
        self._state = State()
        for policy in setup.target.policies:
            definition = alarm_definition(policy, setup.thresholds[policy.name], period=period)
            act = self._action(policy)
            alarm = WatchedAlarm(definition, statistic(policy), lambda _: None)
            _repeat(stage, alarm, act)

    def _action(self, policy: Policy) -> Callable[[WatchedAlarm], None]:
        out = policy.direction is Direction.OUT
        target = replace(self._target, policies=(policy,))  # no policy knows of another's alarm

        def act(alarm: WatchedAlarm) -> None:
            stage = self._stage
            fleet = stage.fleet
            running = fleet.running(stage.now)
            seen = Alarm(AlarmState.ALARM, alarm.definition.threshold, alarm.values)
            observed = Observation(Service(running, running, 0), {policy.name: seen})
            state = self._state if out else _without_scale_out(self._state)
            decision = decide(target, observed, state, stage.clock)
            wanted = decision.granted
            further = wanted > fleet.desired if out else wanted < min(running, fleet.desired)
            if not decision.outcome.changes_capacity or not further:
                return
            activity = ScalingActivity(stage.clock, running, wanted)
            self._state = (
                replace(self._state, scale_out=activity)
                if out
                else replace(self._state, scale_in=activity)
            )
            stage.scale(wanted, decision.reason)

        return act


def _without_scale_out(state: State) -> State:
    """Return the state that a scale-in looks at: only its own cooldown, unless that was ended."""
    out, in_ = state.scale_out, state.scale_in
    ended = out is not None and in_ is not None and out.at > in_.at
    return replace(state, scale_out=None, scale_in=None if ended else in_)


def _repeat(
    stage: Stage, alarm: WatchedAlarm, act: Callable[[WatchedAlarm], None], delay: float = 0.0
) -> None:
    """Evaluate the alarm; act when it goes to ALARM, and once a minute while it is there."""

    def changed(_: WatchedAlarm) -> None:
        if alarm.state is AlarmState.ALARM:
            since = alarm.at
            stage.at(stage.now + delay, lambda: fire(since))

    def fire(since: float) -> None:
        if alarm.state is not AlarmState.ALARM or alarm.at != since:
            return
        stage.at(stage.now + ACTION.draw(stage.random), take)
        stage.at(stage.now + REPEAT_SECONDS, lambda: fire(since))

    def take() -> None:
        if alarm.values:  # in an outage, the last of them may have gone since the alarm's action
            act(alarm)

    alarm.changed = changed
    alarm.start(stage)


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a kind of target tracking looks at its metric; `delay` is what calibrates it.

    `delay` is the seconds from its alarm to its first action, chosen so that the median trigger
    time of a surge is the one that AWS published. It stands for everything on the way that is not
    known. The action then uses the newest datapoint, which is the most favourable reading: were the
    metric that late instead, the policy would overshoot as well.
    """

    period: int
    delay: float
    published: float
    capped: bool
    out_cooldown: int


KINDS = {
    "aas-target-tracking-60s": Tracking(60, 163.0, 363.0, capped=False, out_cooldown=300),
    "aas-target-tracking-20s": Tracking(20, 18.8, 86.0, capped=True, out_cooldown=60),
}
"""60-s metrics may be the application's own, requests per second; 20-s ones are CPU and memory
only. CPU is taken to be in proportion to requests, and is never over 100 %: what it shows of a
surge is at most a full task, so it takes several actions to answer a large one, and a cooldown of
a minute serves it better than AAS's default of 300 s, which the other one has."""

OUT_PERIODS = 3
IN_SECONDS = 900
"""Target tracking's alarms: 3 of 3 datapoints above the target, 15 minutes below 90 % of it."""

IN_COOLDOWN = 300
"""Seconds: AAS's default for ECS."""


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """A target tracking policy of AAS, with the scale-out threshold as its target."""

    setup: Setup
    name: str

    @property
    def kind(self) -> Tracking:
        """Its period, delay and metric."""
        return KINDS[self.name]

    @property
    def by_ecs(self) -> bool:
        """CPU is ECS's own metric: tasks that drain are not in it."""
        return self.kind.capped

    def measure(self, per_task: float, capacity: float) -> float:
        """Requests per second of a task; those that it can serve, where the metric is CPU."""
        return min(per_task, capacity) if self.kind.capped else per_task

    def start(self, stage: Stage) -> None:
        """Watch the two alarms."""
        _TrackingPlayer(self.setup, self.kind, stage)


class _TrackingPlayer:
    def __init__(self, setup: Setup, kind: Tracking, stage: Stage) -> None:
        self._stage = stage
        self._kind = kind
        self._bounds = setup.target.min_capacity, setup.target.max_capacity
        self._goal = setup.scale_out_threshold
        self._out: tuple[datetime, int] | None = None
        self._in: datetime | None = None
        for comparison, threshold, n, act in (
            ("GreaterThanThreshold", self._goal, OUT_PERIODS, self._scale_out),
            ("LessThanThreshold", 0.9 * self._goal, IN_SECONDS // kind.period, self._scale_in),
        ):
            definition = AlarmDefinition(
                name=comparison,
                arn="",
                namespace="",
                metric="",
                dimensions={},
                statistic="Average",
                period=kind.period,
                threshold=threshold,
                comparison=comparison,
                evaluation_periods=n,
                datapoints_to_alarm=n,
                missing_data=MissingData.MISSING,
            )
            _repeat(
                stage, WatchedAlarm(definition, Statistic.AVERAGE, lambda _: None), act, kind.delay
            )

    def _wanted(self, base: int, value: float) -> int:
        """Return the tasks that bring the metric back to its target: 4 at 160 of 100 are 7."""
        least, most = self._bounds
        return min(most, max(least, math.ceil(base * value / self._goal)))

    def _scale_out(self, alarm: WatchedAlarm) -> None:
        stage = self._stage
        base = stage.fleet.running(stage.now)
        if self._out and stage.clock < self._out[0] + timedelta(seconds=self._kind.out_cooldown):
            base = self._out[1]
        wanted = self._wanted(base, alarm.values[-1])
        if wanted > stage.fleet.desired:
            self._out = stage.clock, base
            stage.scale(wanted, f"{alarm.values[-1]:g} is over the target {self._goal:g}")

    def _scale_in(self, alarm: WatchedAlarm) -> None:
        stage = self._stage
        if self._in and stage.clock < self._in + timedelta(seconds=IN_COOLDOWN):
            return
        running = stage.fleet.running(stage.now)
        wanted = self._wanted(running, alarm.values[-1])
        if wanted < min(running, stage.fleet.desired):
            self._in = stage.clock
            stage.scale(wanted, f"{alarm.values[-1]:g} is under the target {self._goal:g}")
