"""Application Auto Scaling's step policies: the document's steps, or a percent ladder."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep.engine.decide import decide
from quickstep.engine.model import (
    AdjustmentType,
    Alarm,
    AlarmState,
    Direction,
    MetricScope,
    Observation,
    ScalingActivity,
    Service,
    State,
    StepAdjustment,
    StepPolicy,
)
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.scalers.application_auto_scaling import repeat
from quickstep_lab.simulator.stage import (
    Setup,
    Watch,
    WatchedAlarm,
    alarm_definition,
    statistic,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.engine.model import Policy
    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.stage import Stage


@dataclass(frozen=True, slots=True)
class StepScaling:
    """An AAS step scaling policy, on alarms of the given period.

    The steps are those of the setup's policies, counted from the running count. Unlike Quickstep's,
    a scale-in does not wait for the cooldown of a scale-out. `in_periods` is how many datapoints in
    a row the scale-in alarm needs, if not the template's number.
    """

    setup: Setup
    period: int
    kind: str = "step"
    in_periods: int | None = None

    @property
    def name(self) -> str:
        """Its name in results."""
        return f"aas-{self.kind}-{self.period}s-alarm"

    def signals(self, _server: Server) -> tuple[Signal, ...]:
        """The signals that the setup's alarms watch."""
        return self.setup.signals

    def start(self, stage: Stage) -> None:
        """Watch the alarms."""
        _StepPlayer(self, stage)


MOST_STEPS = constants.LADDER_STEPS.whole
"""Maximum step adjustments per policy: a quota of Application Auto Scaling."""

REACH = constants.LADDER_REACH.value
"""The surge that the ladder's last step is for: ten times the target on each task."""

IN_ROOM = constants.LADDER_ROOM.value
"""A scale-in loads the remaining tasks to at most this share of the target."""


def percent_ladder(setup: Setup) -> StepScaling:
    """Return AAS's strongest native rival: a step policy as nearly proportional as it can be.

    Its target is the lowest scale-out threshold of `setup`, per task; only the bounds come from the
    document. Application Auto Scaling User Guide, "Step scaling policies overview" and "Quotas": at
    most 20 steps per policy, whole percentages of the running count, truncated to whole tasks but
    at least one.

    Out, above the target, in one of the signal's shortest periods: 20 steps, each 10^(1/20) = 1.122
    times as high as the one before. A step adds what its upper end needs, since a shortage shows
    only a minute later. Example: 10 tasks at 250 with a target of 100 are in the step from 2.24 to
    2.51 times the target, which adds 152 %, so 15; exactly 15 are needed.

    In, after ten minutes (60 of 60 periods of 10 s): below the load that the smallest fleet that
    can shrink may carry without exceeding the target with a task less, at most 0.9 of the target.
    Example: a minimum of 2, so 3 tasks at 2/3 of the target are 2 at all of it. 20 equal steps down
    to 0; each leaves as many tasks as its upper end loads to 0.9 of the target. With more, the
    truncation, which removes at least one task, would make a small fleet flap.
    """
    target = setup.scale_out_threshold
    least = max(1, setup.target.min_capacity)
    low = min(IN_ROOM, least / (least + 1))
    policies = (
        _by_percent(
            "percent-out", Direction.OUT, _steps_out(target), constants.LADDER_OUT_COOLDOWN.whole
        ),
        _by_percent("percent-in", Direction.IN, _steps_in(target, low), constants.COOLDOWN.whole),
    )
    document = replace(
        setup.target,
        policies=policies,
        max_adjustment_magnitude=setup.target.max_capacity,  # AAS has no such limit
    )
    thresholds = {"percent-out": target, "percent-in": low * target}
    watch = Watch(setup.signal)
    ladder = Setup(document, thresholds, dict.fromkeys(thresholds, watch))
    period = setup.signal.period
    return StepScaling(ladder, period, "percent", constants.LADDER_IN_SECONDS.whole // period)


def _by_percent(
    name: str, direction: Direction, steps: tuple[StepAdjustment, ...], cooldown: int
) -> StepPolicy:
    return StepPolicy(
        name,
        direction,
        AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
        steps,
        cooldown,
        metric_scope=MetricScope.PER_TASK,
    )


def _steps_out(target: float) -> tuple[StepAdjustment, ...]:
    times = [REACH ** (step / MOST_STEPS) for step in range(MOST_STEPS + 1)]
    return tuple(
        StepAdjustment(
            target * (lower - 1),
            target * (upper - 1) if upper < REACH else None,
            math.ceil(100 * (upper - 1)),
        )
        for lower, upper in pairwise(times)
    )


def _steps_in(target: float, low: float) -> tuple[StepAdjustment, ...]:
    shares = [low * (1 - step / MOST_STEPS) for step in range(MOST_STEPS + 1)]
    return tuple(
        StepAdjustment(
            target * (lower - low) if lower else None,
            target * (upper - low),
            -math.floor(100 * (1 - upper / IN_ROOM)) or -1,
        )
        for upper, lower in pairwise(shares)
    )


class _StepPlayer:
    def __init__(self, scaler: StepScaling, stage: Stage) -> None:
        setup = scaler.setup
        self._target = replace(setup.target, guards=frozenset())
        self._stage = stage
        self._state = State()
        for policy in setup.target.policies:
            watch = setup.watch(policy.alarm)
            if policy.direction is Direction.IN and scaler.in_periods:
                watch = replace(watch, periods=scaler.in_periods)
            definition = alarm_definition(
                policy, setup.thresholds[policy.alarm], watch, scaler.period
            )
            act = self._action(policy)
            alarm = WatchedAlarm(definition, statistic(policy), lambda _: None, watch.signal)
            repeat(stage, alarm, act)

    def _action(self, policy: Policy) -> Callable[[WatchedAlarm], None]:
        out = policy.direction is Direction.OUT
        target = replace(self._target, policies=(policy,))  # no policy knows another's alarm

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
    """Return the state that a scale-in looks at: only its own cooldown, unless that has ended."""
    out, in_ = state.scale_out, state.scale_in
    ended = out is not None and in_ is not None and out.at > in_.at
    return replace(state, scale_out=None, scale_in=None if ended else in_)
