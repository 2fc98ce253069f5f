"""Quickstep beside AWS's scalers: what it promises, and whether the simulator says so.

python -m benchmarks scalers
python -m benchmarks.scalers --traffic recorded.csv.gz --multiply 100
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import all_scalers, compare
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep_lab.simulator.measure import Measures
    from quickstep_lab.traffic import Traffic

SEEDS = 20
CASES = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_60S,
    ScenarioName.RAMP_180S,
    ScenarioName.FLASH_CROWD,
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What Quickstep is to be, beside another scaler: a ratio of one measure of both, and a limit.

    A ratio is Quickstep's measure divided by the other's.
    """

    words: str
    other: str
    measure: Callable[[Measures], float | None]
    unit: str
    most: float


PROMISES = (
    Promise(
        "triggers 4 times sooner than 20-s target tracking",
        "aas-target-tracking-20s",
        lambda measures: measures.time_to_trigger_s,
        "s",
        1 / 4,
    ),
    Promise(
        "fails half of what 20-s target tracking does",
        "aas-target-tracking-20s",
        lambda measures: measures.failed,
        "requests",
        0.5,
    ),
    Promise(
        "30 % fewer task-seconds than the textbook policy",
        "textbook",
        lambda measures: measures.task_seconds,
        "task-s",
        0.7,
    ),
    Promise(
        "fails at most 1.1 times what the textbook policy does",
        "textbook",
        lambda measures: measures.failed,
        "requests",
        1.1,
    ),
    Promise(
        "fails less than an AAS step policy on a 10-s alarm",
        "aas-step-10s-alarm",
        lambda measures: measures.failed,
        "requests",
        1.0,
    ),
    Promise(
        "and takes fewer task-seconds than it",
        "aas-step-10s-alarm",
        lambda measures: measures.task_seconds,
        "task-s",
        1.0,
    ),
)


def figures(traffic: Sequence[Traffic] = (), seeds: int = SEEDS) -> Iterator[Figure]:
    """Yield each promise on each scenario, and on any other traffic that is given."""
    cases = [scenario_traffic(name, SCENARIOS[name].seconds) for name in CASES]
    setup = read_setup(EXAMPLE_POLICY, None)
    scalers = all_scalers(setup)
    for case in (*cases, *traffic):
        experiment = an_experiment(case, setup, World(), None, seeds)
        comparison = compare(experiment, scalers, jobs=os.cpu_count() or 1)
        medians = {name: s.medians for name, s in comparison.scalers.items()}
        for promise in PROMISES:
            yield Figure(
                f"{case.name}: {promise.words}",
                Quantity(promise.measure(medians["quickstep"]), promise.unit),
                Beside(promise.other, Quantity(promise.measure(medians[promise.other]))),
                Goal(at_most=promise.most),
            )


BENCHMARK = Benchmark(
    "scalers",
    "Beside AWS's scalers, modelled",
    f"Medians of {SEEDS} seeds in the simulator: the real engine and cycle on a modelled CloudWatch"
    " and Fargate, beside models of AWS's scalers, of which target tracking is calibrated to AWS's"
    " own benchmark (363 s and 86 s). What is missed, and why: [tuning](tuning.md).",
    figures,
)


def main(
    traffic: Annotated[
        list[Path] | None, typer.Option(help="A recorded traffic to add. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded requests.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Print how the promises hold on each scenario and traffic."""
    recorded = [read_traffic(file).multiplied(multiply) for file in traffic or []]
    title = f"{BENCHMARK.title}: {seeds} seeds"
    Console(width=160).print(as_table(title, figures(recorded, seeds)))


if __name__ == "__main__":
    typer.run(main)
