"""The tasks of a world: who serves, who starts, drains, is missing, and what of it is reported."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.ecs import Change

WARMUP = 30.0
"""The document's WarmupSeconds; a task serves within it, if it ever does."""

DELAYS = (15.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the tasks of a world are like. The first one, with every default, is as ECS says.

    A task serves `start` seconds after its launch. One that is removed reports 0 for `drains`
    seconds more, and the document knows of them; a protected one for as long as its work takes,
    which here is the whole delay, too. From `never` on no task that is launched ever serves. One
    task in `carry` carries the publisher, and each sample is counted `counted` times. Each task
    publishes `every` so many seconds: whole ones, means of 5 s, or one value a period.
    """

    start: float = 0.0
    drains: float = 0.0
    never: float = math.inf
    carry: int = 1
    counted: float = 1.0
    every: int = 10

    @property
    def comes(self) -> bool:
        """Whether every task that is launched serves, and is counted once."""
        return self.never == math.inf and self.counted == 1 and self.carry == 1


AS_ECS_SAYS = Fleet()


@dataclass(frozen=True, slots=True)
class Tasks:
    """How many serve at a moment, how many of these report, and how many drain and report."""

    serving: int
    reporting: int
    draining: int

    @property
    def reporters(self) -> int:
        """All that report, of which those that drain report 0."""
        return self.reporting + self.draining


EVERY = (1, 1, 5, 10)
"""Of how many seconds the values of a world's tasks are."""


def fleet_of(seed: int) -> Fleet:
    """Return the tasks of a seed: in half of the worlds they publish whole seconds."""
    draw = random.Random(f"publishers of {seed}")  # noqa: S311
    return replace(_fleet_of(seed), every=draw.choice(EVERY))


def _fleet_of(seed: int) -> Fleet:
    """Return the tasks of a seed: in five worlds of six they are as ECS says."""
    draw = random.Random(f"fleet of {seed}")  # noqa: S311
    if draw.randrange(6):
        return AS_ECS_SAYS
    start = draw.uniform(5, WARMUP)
    match draw.choice(("drains", "drains", "never", "carry", "counted", "all")):
        case "drains":
            return Fleet(start, drains=draw.choice(DELAYS))
        case "never":
            return Fleet(start, never=draw.uniform(20, 120))
        case "carry":
            return Fleet(start, carry=draw.choice((2, 3)))
        case "counted":
            return Fleet(start, counted=draw.choice((0.5, 2.0, 10.0)))
        case _:
            return Fleet(
                start,
                drains=draw.choice(DELAYS),
                never=draw.uniform(20, 240),
                carry=draw.choice((1, 3)),
                counted=draw.choice((1.0, 2.0)),
            )


def tasks_at(fleet: Fleet, first: int, changes: Iterable[Change], now: float) -> Tasks:
    """Return who is there at a moment: of `first` tasks, and of those of every change since.

    The newest are removed first. Each task has a number; those whose number `carry` divides carry
    the publisher.
    """
    ready = [(number, -math.inf) for number in range(first)]
    drained: list[tuple[int, float]] = []
    launched = first
    for change in changes:
        if change.at > now:
            break
        for _ in range(change.before, change.after):
            comes = change.at + fleet.start if change.at < fleet.never else math.inf
            ready.append((launched, comes))
            launched += 1
        for _ in range(change.after, change.before):
            number, since = ready.pop()
            if since <= change.at:
                drained.append((number, change.at))
    serving = [number for number, since in ready if since <= now]
    draining = [number for number, at in drained if now < at + fleet.drains]
    return Tasks(
        len(serving),
        sum(number % fleet.carry == 0 for number in serving),
        sum(number % fleet.carry == 0 for number in draining),
    )
