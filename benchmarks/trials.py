"""Trials from the first overloaded second to UpdateService; each draws its own phases.

These are the surge's phase within CloudWatch's 10 s, each task's publishing clock, the alarm's
evaluation, and the modelled delays. The cycle and its engine are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.story import POLICY, SETUP, THRESHOLD
from quickstep.engine.model import AlarmState
from quickstep_lab.simulator.fleet import Fleet
from quickstep_lab.simulator.metric import GRID, Metric, Samples
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import START, Stage
from quickstep_lab.simulator.world import Spread, World

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIALS = 1000
SEED = 8
FIRST_EVALUATION = 20
"""The alarm's first evaluation is in the 10 s from here on, when there are two periods to see."""
BEFORE = 30
"""When the period begins in which the load rises."""
PATIENCE = 60
"""Seconds within which a trial must be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What trials have in common. Loads are in requests per second and task, times in seconds.

    Tasks publish each `interval`, in their own phases within its last `spread`. The alarm's phase
    is drawn from its 10 s, unless it is `evaluation`.
    """

    factor: float = 3.0
    at_rest: float = 60.0
    tasks: int = 2
    interval: int = 5
    spread: float = 1.0
    evaluation: float | None = None
    world: World = field(default_factory=World)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One trial's random values, in seconds; `seed` stands for those without a name here.

    The load is up from `surge` after the start of a period of 10 s. Each task publishes
    `publishing` after each multiple of its interval; the alarm is evaluated `evaluation` after each
    period. `event`, `cold` and `function` are the times to the function's start, until it runs, and
    until it has decided; `ecs` runs from there until ECS has accepted.
    """

    surge: float
    publishing: tuple[float, ...]
    evaluation: float
    event: float
    cold: float
    function: float
    ecs: float
    seed: int = 0


class Parts(NamedTuple):
    """Where the seconds from the first overloaded moment to UpdateService went, in order.

    `publish` ends with the sample that lifts the visible part of the period over the threshold,
    `period` with the end of that period, `visibility` when the sample can be read, `evaluation`
    when the alarm has seen it. A wait that was over before its turn is 0.
    """

    publish: float
    period: float
    visibility: float
    evaluation: float
    event: float
    function: float
    ecs: float


class Trial(NamedTuple):
    """Seconds from the first overloaded moment to UpdateService accepted, and their parts."""

    total: float
    parts: Parts


@dataclass(frozen=True, slots=True)
class Sample:
    """A task's sample: when it is sent, the second it is stamped with, and when it can be read."""

    sent: float
    stamp: int
    value: float
    visible_at: float

    @property
    def period(self) -> int:
        """Return the number of its period of 10 s."""
        return self.stamp // GRID


def draw(case: Case, random: Random, function_seconds: Sequence[float]) -> Draw:
    """Return one trial's random values; the same random numbers give the same values in all cases.

    `function_seconds` are the function's measured times to choose from.
    """
    world = case.world
    surge, evaluation = random.uniform(0, GRID), random.uniform(0, GRID)
    return Draw(
        surge=surge,
        evaluation=evaluation if case.evaluation is None else case.evaluation,
        event=world.event.draw(random),
        cold=world.cold_start.draw(random) * (random.random() < world.cold_share),
        function=random.choice(function_seconds),
        ecs=world.call.draw(random),
        seed=random.getrandbits(32),
        publishing=tuple(case.interval - random.uniform(0, case.spread) for _ in range(case.tasks)),
    )


def timestamp(tick: float) -> int:
    """Return the publisher's timestamp for what it sends at a tick."""
    return math.ceil(round(tick, 3)) - 1


def play(case: Case, drawn: Draw) -> Trial:
    """Return how long one trial took, and where its seconds went.

    Raises:
        RuntimeError: nothing answered the surge.
    """
    surge = BEFORE + drawn.surge
    random = Random(drawn.seed)  # noqa: S311 - repeatable, not secret
    samples = _samples(case, drawn, surge, random)
    call = drawn.cold + drawn.function + drawn.ecs
    event, call_takes = Spread(drawn.event, drawn.event), Spread(call, call)
    world = replace(case.world, event=event, cold_share=0.0, call=call_takes)
    metric = Metric(world, random)
    for sample in samples:
        metric.put(sample.stamp, Samples(sample.visible_at, 1, sample.value))
    phases = {POLICY.name: FIRST_EVALUATION + drawn.evaluation}
    stage = Stage(world, random, Fleet(world, case.tasks, random), metric, phases=phases)
    Quickstep(SETUP).start(stage)
    while not stage.actions and stage.now < surge + PATIENCE:
        stage.play_until(stage.now + 1)
    # A heartbeat may have been faster than the event, which is then still to come.
    stage.play_until(stage.now + drawn.event + call)
    evaluated = _alarmed_at(stage)
    if evaluated is None or not stage.actions:
        raise RuntimeError(f"{case}: no tasks were added within {PATIENCE} s of {drawn}")
    accepted = stage.actions[0].at
    decisive = decisive_sample(samples, evaluated)
    period_ends = (decisive.period + 1) * GRID
    started = evaluated + drawn.event
    moments = (
        decisive.sent,
        max(decisive.sent, period_ends),
        max(decisive.visible_at, period_ends),
        evaluated,
        started,
        started + drawn.cold + drawn.function,
        accepted,
    )
    ends = [min(moment, accepted) for moment in moments]
    parts = (end - begin for begin, end in pairwise((surge, *ends)))
    return Trial(accepted - surge, Parts(*parts))


def _samples(case: Case, drawn: Draw, surge: float, random: Random) -> list[Sample]:
    """Return what all tasks publish, in timestamp order.

    Example: 60 before, three times that from second 42 on. The sample sent in second 44 covers 39
    to 44: 60 x (1 + 2 x 2/5) = 108.
    """
    made = []
    for phase in drawn.publishing:
        for number in range((BEFORE + GRID + PATIENCE) // case.interval):
            tick = number * case.interval + phase
            share = min(1.0, max(0.0, (tick - surge) / case.interval))
            value = case.at_rest * (1 + (case.factor - 1) * share)
            visible_at = tick + case.world.visibility.draw(random)
            made.append(Sample(tick, timestamp(tick), value, visible_at))
    return sorted(made, key=lambda sample: sample.stamp)


def _alarmed_at(stage: Stage) -> float | None:
    """Return when the alarm went to ALARM."""
    for record in stage.records:
        event = record.look.event
        if event and event.alarm.state is AlarmState.ALARM:
            return (event.at - START).total_seconds()
    return None


def decisive_sample(samples: Sequence[Sample], evaluated: float) -> Sample:
    """Return the sample that lifted the evaluated period's average over the threshold.

    Example: samples of 84 and 180 are readable, in this order: the second, as 132 is over 100.
    """
    complete = [s for s in samples if s.visible_at <= evaluated and s.period < evaluated // GRID]
    newest = max(sample.period for sample in complete)
    decisive, total = None, 0.0
    seen = sorted((s for s in complete if s.period == newest), key=lambda s: s.visible_at)
    for count, sample in enumerate(seen, start=1):
        total += sample.value
        if total / count <= THRESHOLD:
            decisive = None
        elif decisive is None:
            decisive = sample
    assert decisive is not None  # noqa: S101 - the alarm has gone to ALARM on these samples
    return decisive


def trials(case: Case, function_seconds: Sequence[float], number: int = TRIALS) -> list[Trial]:
    """Return this many trials of a case; the same arguments give the same ones."""
    found = []
    for trial in range(number):
        random = Random(f"{SEED} {trial}")  # noqa: S311 - repeatable, not secret
        found.append(play(case, draw(case, random, function_seconds)))
    return found
