# ruff: noqa: INP001 - a folder of documents, not a package
"""The table on draining tasks in `docs/tuning.md`: the simulator with the shipped policy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickstep.config import read_target
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import Run, Setup, play
from quickstep_lab.simulator.world import World
from quickstep_lab.thresholds import default_thresholds
from quickstep_lab.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS, CALM, SURGE, SURGE_AT = 12, 300.0, 2400.0, 180
DELAYS = (0, 15, 300)
REMOVALS = {"-1": ("ChangeInCapacity", -1), "-20 %": ("PercentChangeInCapacity", -20)}
SEEDS = range(3)

CONSTANT = Traffic("constant", (CALM,) * 1200)
SURGING = Traffic("surge", (CALM,) * SURGE_AT + (SURGE,) * 300 + (CALM,) * 420)
"""When the surge comes: while tasks drain, if they drain for long."""


def a_setup(delay: int, removal: str) -> Setup:
    """Return the shipped policy with another removal, for a service with this drain time."""
    document: dict[str, Any] = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
    kind, adjustment = REMOVALS[removal]
    for policy in document["ScaleInPolicies"].values():
        step = {"MetricIntervalUpperBound": 0, "ScalingAdjustment": adjustment}
        policy.update(AdjustmentType=kind, StepAdjustments=[step])
    target = read_target({**document, "DeregistrationDelaySeconds": delay})
    thresholds = default_thresholds(target)
    return Setup(target, thresholds)


def runs(setup: Setup, traffic: Traffic, **changes: Any) -> Iterator[Run]:
    """Yield a run for each seed, in a world where tasks drain as the document says."""
    delay = setup.target.deregistration_delay_seconds
    world = replace(World(deregistration_delay=delay), **changes)
    return (play(Quickstep(setup), traffic, world, TASKS, seed) for seed in SEEDS)


def over(run: Run, setup: Setup) -> int:
    """Return the seconds in which a task got more than the scale-out threshold."""
    return sum(second.per_task > setup.scale_out_threshold for second in run.seconds)


def failed(run: Run) -> float:
    """Return the failed requests."""
    return sum(second.failed for second in run.seconds)


def draining() -> list[tuple[str, ...]]:
    """Return the rows, the head first; each figure is the worst of the seeds."""
    return [HEAD, *(_row(delay, removal) for delay in DELAYS for removal in REMOVALS)]


HEAD = (
    "Drains for",
    "Removes",
    "Calm: fewest tasks",
    "Seconds over the threshold",
    "Failed",
    "Surge: fewest tasks before it",
    "Failed",
    "Task-hours",
)


def _row(delay: int, removal: str) -> tuple[str, ...]:
    setup = a_setup(delay, removal)
    calm, surge = list(runs(setup, CONSTANT)), list(runs(setup, SURGING))
    hours = max(sum(second.tasks for second in run.seconds) for run in surge) / 3600
    return (
        f"{delay} s",
        removal,
        str(min(min(run.desired) for run in calm)),
        str(max(over(run, setup) for run in calm)),
        f"{max(map(failed, calm)):,.0f}",
        str(min(min(run.desired[:SURGE_AT]) for run in surge)),
        f"{max(map(failed, surge)):,.0f}",
        f"{hours:.2f}",
    )
