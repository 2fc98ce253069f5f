"""All scalers on one traffic, with several seeds, on all cores."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from quickstep.config import parse_target
from quickstep.engine.model import Direction
from quickstep_lab.files import DEFAULT_THRESHOLDS, EXAMPLE_POLICY
from quickstep_lab.simulator.measure import (
    Measures,
    Summary,
    measure,
    needed_task_seconds,
    summarise,
)
from quickstep_lab.simulator.scalers.quickstep import Quickstep, textbook, with_surge_messages
from quickstep_lab.simulator.scalers.step_scaling import StepScaling, percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, TargetTracking, kinds_for
from quickstep_lab.simulator.series import Series, series_of
from quickstep_lab.simulator.signals import REQUESTS
from quickstep_lab.simulator.stage import FIRST_SECONDS, Run, Scaler, Setup, Watch, play
from quickstep_lab.simulator.workers import play_jobs, queue_scalers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quickstep.engine.model import StepPolicy
    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic


MINUTE = 60
"""Period in seconds of the alarms under AWS's defaults."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to try; `tasks` is how many serve at the start."""

    traffic: Traffic
    setup: Setup
    world: World
    tasks: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The results by scaler; the series are those of the first seed."""

    experiment: Experiment
    scalers: Mapping[str, Summary]
    series: Mapping[str, Series]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready data."""
        experiment = self.experiment
        return {
            "traffic": experiment.traffic.name,
            "of": "jobs" if experiment.world.jobs else "requests",
            "seconds": len(experiment.traffic.requests),
            "seeds": experiment.seeds,
            "needed_task_seconds": needed_task_seconds(experiment.traffic, experiment.setup),
            "scalers": {name: summary.as_dict() for name, summary in self.scalers.items()},
            "ranges": {name: dict(summary.ranges) for name, summary in self.scalers.items()},
            "quartiles": {name: dict(summary.quartiles) for name, summary in self.scalers.items()},
            "worst": {name: summary.worst for name, summary in self.scalers.items()},
            "watched": {
                policy.alarm: experiment.setup.watch(policy.alarm).signal.name
                for policy in experiment.setup.target.policies
            },
            "announced": [name for name in self.scalers if name in ANNOUNCED],
        }


def tasks_at_start(traffic: Traffic, setup: Setup) -> int:
    """Return how many tasks a service has that has always met the first seconds' load.

    Without requests that is 1, since nothing would publish a load; a worker may have none.

    Example: 250 requests a second on average and a threshold of 100: 3.
    """
    needed = math.ceil(traffic.first_mean(FIRST_SECONDS) / setup.load_per_task - 1e-9)
    least = 0 if setup.target.queues else 1
    return min(setup.target.max_capacity, max(setup.target.min_capacity, needed, least))


def by_steps(setup: Setup) -> Setup:
    """Return a setup's steps; without any, the default steps at its target.

    Example: a target of 50 and no steps: +1 from 50 on, +2 from 75, +4 from 100, and -1 below 15.
    """
    policies = setup.target.step_policies
    if policies:
        return replace(setup, target=replace(setup.target, policies=policies))
    example = parse_target(EXAMPLE_POLICY.read_text(encoding="utf-8"))
    times = setup.scale_out_threshold / DEFAULT_THRESHOLDS[Direction.OUT]
    scaled = tuple(_multiplied(policy, times) for policy in example.step_policies)
    thresholds = {policy.alarm: DEFAULT_THRESHOLDS[policy.direction] * times for policy in scaled}
    watched = dict.fromkeys(thresholds, Watch(setup.signal))
    return Setup(replace(setup.target, policies=scaled), thresholds, watched)


def _multiplied(policy: StepPolicy, times: float) -> StepPolicy:
    """Return a step policy for a metric that is `times` as high."""

    def bound(value: float | None) -> float | None:
        return None if value is None else value * times

    steps = (replace(s, lower=bound(s.lower), upper=bound(s.upper)) for s in policy.steps)
    return replace(policy, steps=tuple(steps))


def all_scalers(setup: Setup) -> tuple[Scaler, ...]:
    """Return Quickstep, with alarms only and with surge messages, and its rivals.

    The rivals are its steps without its guards, and the models of AWS's scalers on the same signal,
    at the shortest interval possible. Only a publisher reports surges.
    """
    if setup.target.queues:
        return queue_scalers(setup)
    steps, signal = by_steps(setup), setup.signal
    surges = [with_surge_messages(setup)] if signal == REQUESTS else []
    kinds = kinds_for(signal)
    return (
        Quickstep(setup),
        *surges,
        textbook(steps),
        *(StepScaling(steps, period) for period in sorted({signal.period, MINUTE})),
        *(TargetTracking(setup, name) for name in kinds if name not in ANNOUNCED),
        percent_ladder(setup),
        *(TargetTracking(setup, name) for name in kinds if name in ANNOUNCED),
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
    return compare_each([(experiment, scalers)], jobs=jobs, progress=progress)[0]


def compare_each(
    experiments: Sequence[tuple[Experiment, Sequence[Scaler]]],
    *,
    jobs: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> list[Comparison]:
    """Do the same for several experiments with their own scalers; they share the work."""
    work = [
        (experiment, scaler, seed)
        for experiment, scalers in experiments
        for scaler in scalers
        for seed in range(experiment.seeds)
    ]
    results = []
    with shared_by(jobs) as do_all:
        for result in do_all(_run, work):
            results.append(result)
            progress()
    done = iter(results)
    return [
        _compared(experiment, {s.name: list(islice(done, experiment.seeds)) for s in scalers})
        for experiment, scalers in experiments
    ]


_Result = tuple[Measures, Series | None]


def _compared(experiment: Experiment, results: Mapping[str, Sequence[_Result]]) -> Comparison:
    """Return the comparison of each scaler's runs, one with each seed."""
    return Comparison(
        experiment,
        {name: summarise([measures for measures, _ in runs]) for name, runs in results.items()},
        {name: series for name, runs in results.items() if (series := runs[0][1])},
    )


@contextmanager
def shared_by(jobs: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a `map` over this many processes, or over this one."""
    if jobs == 1:
        yield map
        return
    # Spawned, not forked, because a progress bar runs a thread.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def _run(work: tuple[Experiment, Scaler, int]) -> _Result:
    experiment, scaler, seed = work
    run = played(experiment, scaler, seed)
    measures = measure(run, experiment.setup.load_per_task)
    return measures, series_of(run) if seed == 0 else None


def played(experiment: Experiment, scaler: Scaler, seed: int) -> Run:
    """Return one run of an experiment."""
    how = play_jobs if experiment.world.jobs else play
    return how(scaler, experiment.traffic, experiment.world, experiment.tasks, seed)
