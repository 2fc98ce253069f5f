"""What if the threshold, or a task's start-up, were different: the same scaler once more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep.engine.model import TargetPolicy
from quickstep_lab.simulator.compare import compare_each, tasks_at_start
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.world import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quickstep_lab.simulator.compare import Comparison, Experiment
    from quickstep_lab.simulator.stage import Setup

THRESHOLDS = (0.75, 1.0, 1.25)
START_UPS = (0.5, 1.0, 2.0)
"""Factors for the experiment's own values."""
MOST_SEEDS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the lowest load that adds tasks, the median start-up, and the result.

    The comparison has one scaler, called `quickstep`; `times` is the threshold's factor.
    """

    times: float
    load_per_task: float
    start_up: float
    comparison: Comparison


def cases_of(experiment: Experiment) -> list[tuple[float, Experiment]]:
    """Return the experiments to try, each with its threshold's factor.

    A queue has no threshold, so only its start-up varies.
    """
    setup, world = experiment.setup, experiment.world
    thresholds = (1.0,) if setup.target.queues else THRESHOLDS
    found = []
    for times in thresholds:
        other = multiplied(setup, times)
        tasks = experiment.tasks if times == 1 else tasks_at_start(experiment.traffic, other)
        for factor in START_UPS:
            spread = Spread(world.start_up.median * factor, world.start_up.p95 * factor)
            found.append(
                (
                    times,
                    replace(
                        experiment,
                        setup=other,
                        world=replace(world, start_up=spread),
                        tasks=tasks,
                        seeds=min(experiment.seeds, MOST_SEEDS),
                    ),
                )
            )
    return found


def what_if(
    experiments: Sequence[tuple[float, Experiment]],
    *,
    surges: bool,
    jobs: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Case, ...]:
    """Play Quickstep in each case; with `surges`, tasks report surges."""
    played = compare_each(
        [(one, [Quickstep(one.setup, surges=surges)]) for _, one in experiments],
        jobs=jobs,
        progress=progress,
    )
    return tuple(
        Case(times, one.setup.load_per_task, one.world.start_up.median, comparison)
        for (times, one), comparison in zip(experiments, played, strict=True)
    )


def multiplied(setup: Setup, times: float) -> Setup:
    """Return a setup whose thresholds and target values are `times` as high."""
    policies = tuple(
        replace(policy, target_value=policy.target_value * times)
        if isinstance(policy, TargetPolicy)
        else policy
        for policy in setup.target.policies
    )
    thresholds = {alarm: value * times for alarm, value in setup.thresholds.items()}
    return replace(setup, target=replace(setup.target, policies=policies), thresholds=thresholds)
