"""The simulator against itself: its runs, and the same desired counts request by request.

python -m benchmarks replay
python -m benchmarks.replay --traffic recorded.csv.gz --multiply 10 --seeds 2
"""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console

from benchmarks.contenders import TODAY, enough_for
from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from benchmarks.single_requests import replay
from quickstep_cli.experiment import an_experiment
from quickstep_lab.simulator.compare import played, shared_by
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.scalers.quickstep import Quickstep, with_surge_messages
from quickstep_lab.simulator.scalers.step_scaling import percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, Traffic, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickstep_lab.simulator.compare import Experiment
    from quickstep_lab.simulator.stage import Scaler, Setup

SEEDS = 4
USUAL = World()
LONGEST = 1800
"""Seconds of a scenario to play; the bursty one is cut short of its three hours."""
SHIPPED = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_60S,
    ScenarioName.FLASH_CROWD,
    ScenarioName.BURSTY,
)
FAILED, TASK_SECONDS = 10.0, 1.0
"""Per cent by which a run may differ from the same run request by request."""


class Sums(NamedTuple):
    """A run's sums: failures, task-seconds, and the milliseconds of p50, p95 and p99."""

    failed: float
    task_seconds: float
    latencies: tuple[float, ...]


class Both(NamedTuple):
    """A run by the fluid model, and request by request."""

    fluid: Sums
    single: Sums


def scalers(setup: Setup) -> tuple[Scaler, ...]:
    """Return the scalers to replay: those in the README, and AWS's two strongest."""
    return (
        Quickstep(setup),
        with_surge_messages(setup),
        percent_ladder(setup),
        TargetTracking(setup, "aas-target-tracking-20s"),
    )


def counted(name: ScenarioName, seconds: int, seed: int = 1) -> Traffic:
    """Return a scenario as a recording would show it: whole requests with random counts."""
    random = Random(f"counted {seed}")  # noqa: S311 - repeatable, not secret
    means = scenario_traffic(name, seconds).requests
    counts = (max(0.0, round(random.gauss(mean, math.sqrt(mean)))) for mean in means)
    return Traffic(f"{name}, counted", tuple(float(count) for count in counts))


def figures(
    traffic: Sequence[Traffic] = (), seeds: int = SEEDS, world: World = USUAL
) -> Iterator[Figure]:
    """Yield by how much the fluid model differs, for each scaler on each traffic."""
    shipped = [scenario_traffic(name, min(LONGEST, SCENARIOS[name].seconds)) for name in SHIPPED]
    with shared_by(os.cpu_count() or 1) as do_all:
        for case in traffic or [*shipped, counted(ScenarioName.BURSTY, LONGEST)]:
            setup = TODAY.setup(most=enough_for(case))
            experiment = an_experiment(case, setup, world, None, seeds)
            for scaler in scalers(setup):
                one = partial(_both, experiment, scaler)
                yield from _differences(
                    f"{case.name}: {scaler.name}", list(do_all(one, range(seeds)))
                )


def _both(experiment: Experiment, scaler: Scaler, seed: int) -> Both:
    run = played(experiment, scaler, seed)
    fluid, single = measure(run, experiment.setup.load_per_task), replay(run, experiment.world)
    shares = (single.percentile(share) for share in (0.5, 0.95, 0.99))
    return Both(
        Sums(fluid.failed, fluid.task_seconds, _known(fluid.latency_ms.values())),
        Sums(single.failed, single.task_seconds, _known(s and s * 1000 for s in shares)),
    )


def _known(values: object) -> tuple[float, ...]:
    return tuple(value or 0.0 for value in values)  # type: ignore[attr-defined]


def _differences(what: str, runs: Sequence[Both]) -> Iterator[Figure]:
    for measure_, words, most in (
        ("failed", "failed", FAILED),
        ("task_seconds", "task-seconds", TASK_SECONDS),
    ):
        fluid = fmean(getattr(run.fluid, measure_) for run in runs)
        single = fmean(getattr(run.single, measure_) for run in runs)
        differs = 100 * abs(fluid / single - 1) if single else 100.0 * (fluid > 0)
        yield Figure(
            f"{what}: {words} {fluid:,.0f}, request by request {single:,.0f}: differs by",
            Quantity(differs, "%"),
            goal=Goal(at_most=most),
        )
    for at, percent in enumerate(("p50", "p95", "p99")):
        yield Figure(
            f"{what}: {percent}",
            Quantity(median(run.fluid.latencies[at] for run in runs), "ms"),
            Beside(
                "request by request", Quantity(median(run.single.latencies[at] for run in runs))
            ),
        )


BENCHMARK = Benchmark(
    "replay",
    "The simulator against itself, modelled",
    f"Each scaler runs with {SEEDS} seeds in the simulator. Then the same desired counts are"
    " played [request by request](../benchmarks/single_requests.py), without any"
    " code of the fluid model: requests at random moments within their second, round robin, a"
    " queue in each task, health checks and quotas. Each launch takes as long as it did in the"
    " run, so chance explains no difference. Failures and task-seconds are means over the seeds,"
    " latencies medians.",
    figures,
)


def main(
    traffic: Annotated[
        list[Path] | None, typer.Option(help="A recorded traffic to replay instead. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded requests.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
    refuse_checks: Annotated[
        bool, typer.Option("--refuse-checks", help="A full task refuses its health checks too.")
    ] = False,
) -> None:
    """Print by how much the fluid model differs from single requests."""
    world = World(full_refuses_checks=refuse_checks)
    recorded = [read_traffic(file).multiplied(multiply) for file in traffic or []]
    Console(width=160).print(as_table(BENCHMARK.title, figures(recorded, seeds, world)))


if __name__ == "__main__":
    typer.run(main)
