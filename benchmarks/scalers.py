"""Quickstep beside AWS's scalers: what it promises, and whether the simulator says so.

    python -m benchmarks.scalers
    python -m benchmarks.scalers --traffic recorded.csv.gz --multiply 100

Prints one row for each traffic and promise, with the figures; a promise that is not kept says NO.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.experiment import EXAMPLE_POLICY, an_experiment, progress_bar, read_setup
from lab.simulator.compare import all_scalers, compare
from lab.simulator.world import World
from lab.traffic import SCENARIOS, ScenarioName, Traffic, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.simulator.measure import Measures

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
    most: float


PROMISES = (
    Promise(
        "triggers 4 times sooner than 20-s target tracking",
        "aas-target-tracking-20s",
        lambda measures: measures.time_to_trigger_s,
        1 / 4,
    ),
    Promise(
        "fails half of what 20-s target tracking does",
        "aas-target-tracking-20s",
        lambda measures: measures.failed,
        0.5,
    ),
    Promise(
        "30 % fewer task-seconds than the textbook policy",
        "textbook",
        lambda measures: measures.task_seconds,
        0.7,
    ),
    Promise(
        "fails at most 1.1 times what the textbook policy does",
        "textbook",
        lambda measures: measures.failed,
        1.1,
    ),
    Promise(
        "fails less than an AAS step policy on a 10-s alarm",
        "aas-step-10s-alarm",
        lambda measures: measures.failed,
        1.0,
    ),
    Promise(
        "and takes fewer task-seconds than it",
        "aas-step-10s-alarm",
        lambda measures: measures.task_seconds,
        1.0,
    ),
)


def main(
    traffic: Annotated[
        list[Path] | None, typer.Option(help="A recorded traffic to add. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded requests.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """Print how the promises hold on each traffic."""
    cases: list[Traffic] = [scenario_traffic(name, SCENARIOS[name].seconds) for name in CASES]
    cases += [read_traffic(file).multiplied(multiply) for file in traffic or []]
    setup = read_setup(EXAMPLE_POLICY, None)
    scalers = all_scalers(setup)
    table = Table(title=f"{seeds} seeds, medians", title_justify="left", box=SIMPLE_HEAD)
    for column in ("Traffic", "Promise: Quickstep", "Quickstep", "Other", "Ratio", "Kept"):
        table.add_column(column)
    with progress_bar("Playing", len(cases) * len(scalers) * seeds) as advance:
        for case in cases:
            experiment = an_experiment(case, setup, World(), None, seeds)
            comparison = compare(experiment, scalers, jobs=os.cpu_count() or 1, progress=advance)
            medians = {name: s.medians for name, s in comparison.scalers.items()}
            for promise in PROMISES:
                mine = promise.measure(medians["quickstep"])
                other = promise.measure(medians[promise.other])
                table.add_row(case.name, promise.words, *_verdict(mine, other, promise.most))
            table.add_section()
    Console(width=130).print(table)


def _verdict(mine: float | None, other: float | None, most: float) -> tuple[str, ...]:
    if mine is None or other is None:
        return _number(mine), _number(other), "-", "-"
    ratio = mine / other if other else (0.0 if not mine else float("inf"))
    return _number(mine), _number(other), f"{ratio:.2f}", "yes" if ratio <= most else "NO"


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


if __name__ == "__main__":
    typer.run(main)
