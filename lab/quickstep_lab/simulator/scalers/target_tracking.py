"""Application Auto Scaling's target tracking: the shipped kinds, and those AWS has announced."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep_lab.alarms import AlarmDefinition
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.metric import Statistic
from quickstep_lab.simulator.scalers.application_auto_scaling import repeat
from quickstep_lab.simulator.signals import Source, cpu
from quickstep_lab.simulator.stage import Setup, WatchedAlarm

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.stage import Stage
    from quickstep_lab.simulator.world import World


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a kind of target tracking watches its metric; `delay` calibrates it.

    A `capped` kind watches ECS's CPU, whatever the tasks' own signal is.

    `delay` is the seconds from its alarm to its first action, a clock of the world, chosen so that
    a surge's median trigger time is the one that AWS `published`; that is None if the kind is not
    shipped yet. The delay stands for everything unknown on the way, including the lag of AWS's own
    metrics: a signal's own lag is subtracted. The action then uses the newest datapoint, which is
    the most favourable reading: if the metric itself were that late, the policy would also
    overshoot.
    """

    period: int
    out_cooldown: int
    delay: Callable[[World], float] = lambda _: 0.0
    published: float | None = None
    capped: bool = False


KINDS = {
    "aas-target-tracking-60s": Tracking(
        constants.MINUTES_PERIOD.whole,
        constants.COOLDOWN.whole,
        lambda world: world.tracking_delay_60s,
        constants.TRACKING_60S.value,
    ),
    "aas-target-tracking-20s": Tracking(
        constants.ECS_PERIOD.whole,
        constants.CAPPED_COOLDOWN.whole,
        lambda world: world.tracking_delay_20s,
        constants.TRACKING_20S.value,
        capped=True,
    ),
    "aas-target-tracking-20s-custom": Tracking(
        constants.ECS_PERIOD.whole, constants.ANNOUNCED_COOLDOWN.whole
    ),
    "aas-target-tracking-10s-custom": Tracking(
        constants.ANNOUNCED_PERIOD.whole, constants.ANNOUNCED_COOLDOWN.whole
    ),
}
"""What target tracking watches, by the scaler's name.

60-s metrics may be the application's own, requests per second; 20-s ones are CPU and memory only.
CPU is assumed proportional to requests, and is never over 100 %. So it shows at most a full task in
a surge, and several actions are needed to answer a large one. A cooldown of a minute then serves it
better than AAS's default of 300 s, which the 60-s kind has.

The last two are announced but not shipped: AWS said in September 2026 that ECS target tracking will
take high-resolution custom metrics "soon". Assumed for them: the application's own metric at full
range, periods of 20 s and of 10 s (EC2 Auto Scaling's finest is 10 s), the other kinds' alarms (3
of 3 datapoints out, 15 minutes in), none of the calibrating delay, and a cooldown of 30 s, about a
start-up, which lets them follow a rising load. All of it favours them.
"""

ANNOUNCED = frozenset(name for name, kind in KINDS.items() if kind.published is None)
"""Kinds that AWS has announced but not shipped; a page that shows their results says so."""

ANNOUNCED_ONLY = (
    "Announced by AWS, not shipped: target tracking on high-resolution custom metrics. It is "
    "modelled without the delays that AWS's published trigger times imply."
)


def labelled(name: str) -> str:
    """Return a scaler's name for results, which marks an announced one."""
    return f"{name} (announced)" if name in ANNOUNCED else name


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """An AAS target tracking policy, with the scale-out threshold as its target."""

    setup: Setup
    name: str

    @property
    def kind(self) -> Tracking:
        """Its period, delay and metric."""
        return KINDS[self.name]

    def signals(self, server: Server) -> tuple[Signal, ...]:
        """The signal of the setup's first policy, once per period of this kind.

        If this kind watches CPU, then CPU instead of the tasks' own signal: in the same unit, so
        the target stays the same.
        """
        own, kind = self.setup.signal, self.kind
        if own.source is not Source.TASKS:
            return (replace(own, period=kind.period),)
        if not kind.capped:
            return (own,)
        full = server.capacity / own.unit
        return (replace(cpu(server, period=kind.period), unit=own.unit, most=full, lag=None),)

    def start(self, stage: Stage) -> None:
        """Watch the two alarms."""
        known = self.setup.signal.lag or 0.0
        delay = max(0.0, self.kind.delay(stage.world) - known)
        (signal,) = self.signals(stage.world.server)
        _TrackingPlayer(self.setup, self.kind, delay, signal, stage)


def kinds_for(signal: Signal) -> tuple[str, ...]:
    """Return the kinds of target tracking that can watch a signal, or CPU instead of it.

    The load balancer's metrics have one-minute periods; high-resolution custom metrics are
    announced.
    """
    if signal.source is Source.TASKS:
        return tuple(KINDS)
    shipped = (name for name in KINDS if name not in ANNOUNCED)
    return tuple(name for name in shipped if KINDS[name].period >= signal.period)


class _TrackingPlayer:
    def __init__(
        self, setup: Setup, kind: Tracking, delay: float, signal: Signal, stage: Stage
    ) -> None:
        self._stage = stage
        self._kind = kind
        self._bounds = setup.target.min_capacity, setup.target.max_capacity
        self._goal = setup.scale_out_threshold
        self._out: tuple[datetime, int] | None = None
        self._in: datetime | None = None
        for comparison, threshold, n, act in (
            ("GreaterThanThreshold", self._goal, constants.TRACKING_PERIODS.whole, self._scale_out),
            (
                "LessThanThreshold",
                constants.TRACKING_ROOM.value * self._goal,
                constants.TRACKING_IN.whole // kind.period,
                self._scale_in,
            ),
        ):
            definition = AlarmDefinition(
                name=comparison,
                period=kind.period,
                threshold=threshold,
                comparison=comparison,
                evaluation_periods=n,
                datapoints_to_alarm=n,
            )
            alarm = WatchedAlarm(definition, Statistic.AVERAGE, lambda _: None, signal)
            repeat(stage, alarm, act, delay)

    def _wanted(self, base: int, value: float) -> int:
        """Return the tasks that bring the metric back to its target: 4 at 160 of 100 are 7.

        From 0 tasks AWS adds "the minimum possible amount", once a datapoint shows demand.
        """
        least, most = self._bounds
        wanted = math.ceil(base * value / self._goal) if base else math.ceil(min(1.0, value))
        return min(most, max(least, wanted))

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
        if self._in and stage.clock < self._in + timedelta(seconds=constants.COOLDOWN.value):
            return
        running = stage.fleet.running(stage.now)
        wanted = self._wanted(running, alarm.values[-1])
        if wanted < min(running, stage.fleet.desired):
            self._in = stage.clock
            stage.scale(wanted, f"{alarm.values[-1]:g} is under the target {self._goal:g}")
