"""All scalers on one traffic, with several seeds, on all cores."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep_lab.simulator.measure import (
    Measures,
    Summary,
    measure,
    needed_task_seconds,
    summarise,
)
from quickstep_lab.simulator.scalers.quickstep import Quickstep, textbook
from quickstep_lab.simulator.scalers.step_scaling import StepScaling, percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, KINDS, TargetTracking
from quickstep_lab.simulator.series import Series, series_of
from quickstep_lab.simulator.stage import FIRST_SECONDS, Run, Scaler, Setup, play

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is to be tried; `tasks` is how many serve at the start."""

    traffic: Traffic
    setup: Setup
    world: World
    tasks: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it, by scaler; the series are those of the first seed."""

    experiment: Experiment
    scalers: Mapping[str, Summary]
    series: Mapping[str, Series]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready data."""
        experiment = self.experiment
        return {
            "traffic": experiment.traffic.name,
            "seconds": len(experiment.traffic.requests),
            "seeds": experiment.seeds,
            "needed_task_seconds": needed_task_seconds(experiment.traffic, experiment.setup),
            "scalers": {name: summary.as_dict() for name, summary in self.scalers.items()},
            "ranges": {name: dict(summary.ranges) for name, summary in self.scalers.items()},
            "worst": {name: summary.worst for name, summary in self.scalers.items()},
            "announced": [name for name in self.scalers if name in ANNOUNCED],
        }


def tasks_at_start(traffic: Traffic, setup: Setup) -> int:
    """Return how many tasks a service has that has met the first seconds' load all along.

    Example: 250 requests a second on average and a threshold of 100: 3.
    """
    needed = math.ceil(traffic.first_mean(FIRST_SECONDS) / setup.scale_out_threshold)
    return min(setup.target.max_capacity, max(setup.target.min_capacity, needed, 1))


def all_scalers(setup: Setup) -> tuple[Scaler, ...]:
    """Return Quickstep, the same policies without its guards, and the models of AWS's scalers."""
    return (
        Quickstep(setup),
        textbook(setup),
        StepScaling(setup, 10),
        StepScaling(setup, 60),
        *(TargetTracking(setup, name) for name in KINDS if name not in ANNOUNCED),
        percent_ladder(setup),
        *(TargetTracking(setup, name) for name in KINDS if name in ANNOUNCED),
    )


def compare(
    experiment: Experiment,
    scalers: Sequence[Scaler],
    *,
    jobs: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> Comparison:
    """Play every scaler with every seed; `progress` is called after each run.

    With `jobs` above 1, that many processes share the work. The result is the same.
    """
    runs = [(scaler, seed) for seed in range(experiment.seeds) for scaler in scalers]
    results: dict[tuple[str, int], tuple[Measures, Series | None]] = {}
    if jobs == 1:
        for scaler, seed in runs:
            results[scaler.name, seed] = _run(experiment, scaler, seed)
            progress()
    else:
        # Spawned, not forked: a progress bar has a thread.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            started = {pool.submit(_run, experiment, *run): run for run in runs}
            for future in as_completed(started):
                scaler, seed = started[future]
                results[scaler.name, seed] = future.result()
                progress()
    seeds = range(experiment.seeds)
    return Comparison(
        experiment,
        {
            scaler.name: summarise([results[scaler.name, seed][0] for seed in seeds])
            for scaler in scalers
        },
        {scaler.name: series for scaler in scalers if (series := results[scaler.name, 0][1])},
    )


def _run(experiment: Experiment, scaler: Scaler, seed: int) -> tuple[Measures, Series | None]:
    run = played(experiment, scaler, seed)
    measures = measure(run, experiment.setup.scale_out_threshold)
    return measures, series_of(run) if seed == 0 else None


def played(experiment: Experiment, scaler: Scaler, seed: int) -> Run:
    """Return one run of an experiment."""
    return play(scaler, experiment.traffic, experiment.world, experiment.tasks, seed)
