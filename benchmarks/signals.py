"""Quickstep next to AWS's own scaler on the same signal, for every signal that a service may have.

python -m benchmarks signals
python -m benchmarks.signals --seeds 20 --traffic jobs.csv.gz --multiply 0.1
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks import jobs as queue_jobs
from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_cli.watched import Given
from quickstep_lab.cost.month import TaskSize
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import compare
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.step_scaling import percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.signals import ECS_LAG
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_lab.simulator.measure import Summary
    from quickstep_lab.simulator.stage import Setup
    from quickstep_lab.traffic import Traffic

SEEDS = 10

POLICIES = EXAMPLE_POLICY.parent
SCENARIOS_PLAYED = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_180S,
    ScenarioName.BURSTY,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A signal: a document on it, AWS's scaler on the same one, and the goals.

    `sooner` and `failed` limit ratios by scenario: of the time to the trigger, and of failed
    requests.
    """

    name: str
    document: str
    rival: str
    sooner: float
    failed: Mapping[ScenarioName, float]
    surges: bool = False

    def setup(self, lag: float | None = None) -> Setup:
        """Return the document; its tasks publish whole seconds, as all simulated tasks do."""
        return read_setup(POLICIES / self.document, None, Given(lag=lag))


ROWS = (
    Row(
        "publisher, with surge messages",
        "one-number.json",
        "aas-target-tracking-20s",
        1 / 4,
        dict.fromkeys(SCENARIOS_PLAYED, 0.5),
        surges=True,
    ),
    Row(
        "ECS's CPU at 20 s",
        "cpu.json",
        "aas-target-tracking-20s",
        0.4,
        {
            ScenarioName.STEP_X3: 0.43,
            ScenarioName.STEP_X10: 0.43,
            ScenarioName.RAMP_180S: 0.18,
            ScenarioName.BURSTY: 0.2,
        },
    ),
    Row(
        "load balancer's requests per target",
        "requests-per-target.json",
        "aas-target-tracking-60s",
        1 / 3,
        dict.fromkeys(SCENARIOS_PLAYED, 0.5),
    ),
)

LAGS = (0.0, ECS_LAG, World().tracking_delay_20s)
"""Possible lags of ECS's metrics in seconds: from none to everything unexplained."""


def figures(seeds: int = SEEDS, jobs: Sequence[Traffic] = ()) -> Iterator[Figure]:
    """Yield every signal on every scenario, and the effect of the lag that AWS does not publish.

    `jobs` are recordings of jobs per second, for a worker's queue.
    """
    for row in ROWS:
        for scenario in SCENARIOS_PLAYED:
            yield from _beside(row, scenario, seeds)
    cpu = next(row for row in ROWS if row.document == "cpu.json")
    for lag in LAGS:
        results = _played(cpu, ScenarioName.STEP_X3, seeds, lag)
        mine, other = results["quickstep"].medians, results[cpu.rival].medians
        what = f"step-x3: {cpu.name}, if it is seen {lag:g} s late"
        yield Figure(
            f"{what}: trigger",
            Quantity(mine.time_to_trigger_s, "s"),
            Beside(cpu.rival, Quantity(other.time_to_trigger_s, "s")),
        )
        yield Figure(
            f"{what}: failed",
            Quantity(mine.failed, "requests"),
            Beside(cpu.rival, Quantity(other.failed)),
        )
    yield from queue_jobs.figures(jobs, seeds)


def _played(
    row: Row, scenario: ScenarioName, seeds: int, lag: float | None = None
) -> Mapping[str, Summary]:
    setup = row.setup(lag)
    traffic = scenario_traffic(scenario, SCENARIOS[scenario].seconds)
    experiment = an_experiment(traffic, setup, World(), None, seeds)
    scalers = (
        Quickstep(setup, surges=row.surges),
        TargetTracking(setup, row.rival),
        percent_ladder(setup),
    )
    return compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers


def _beside(row: Row, scenario: ScenarioName, seeds: int) -> Iterator[Figure]:
    results = _played(row, scenario, seeds)
    mine, an_hour = results["quickstep"].medians, TaskSize().an_hour(read_prices())
    for name, summary in results.items():
        if name == "quickstep":
            continue
        other, promised = summary.medians, name == row.rival
        what = f"{scenario}: {row.name}"
        yield Figure(
            f"{what}: trigger",
            Quantity(mine.time_to_trigger_s, "s"),
            Beside(name, Quantity(other.time_to_trigger_s, "s")),
            Goal(at_most=row.sooner) if promised and other.time_to_trigger_s else None,
        )
        yield Figure(
            f"{what}: failed",
            Quantity(mine.failed, "requests"),
            Beside(name, Quantity(other.failed)),
            Goal(at_most=row.failed[scenario]) if promised else None,
        )
        yield Figure(
            f"{what}: task-hours",
            Quantity(mine.task_seconds / 3600, "task-h"),
            Beside(name, Quantity(other.task_seconds / 3600)),
            Goal(at_most=1.0) if promised else None,
        )
        if promised:
            yield Figure(
                f"{what}: dollars of tasks of 1 vCPU and 2 GB",
                Quantity(mine.task_seconds / 3600 * an_hour, "$"),
                Beside(name, Quantity(other.task_seconds / 3600 * an_hour)),
            )


BENCHMARK = Benchmark(
    "signals",
    "Each signal compared with AWS's scaler on it, modelled",
    f"Medians of {SEEDS} seeds in the simulator, with the documents in `examples/policies` and the"
    " same target for both scalers. The goals of CPU were measured without any lag of ECS's metric."
    f" AWS does not publish that lag: {ECS_LAG:g} s are assumed, and further rows assume less and"
    " more. A queue's jobs take 2 s each, in one of four slots of a task, and are late after 30 s."
    " Target tracking uses the metrics that AWS documents, and the steps are a ladder that doubles."
    " [Signals](signals.md) says which signal to choose, and what is missed.",
    figures,
)


def main(
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
    traffic: Annotated[
        list[Path] | None, typer.Option(help="Recorded jobs a second, for a queue. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded jobs.")] = 1.0,
) -> None:
    """Print every signal next to AWS's scaler on it."""
    jobs = [read_traffic(file).multiplied(multiply) for file in traffic or []]
    Console(width=160).print(as_table(f"{BENCHMARK.title}: {seeds} seeds", figures(seeds, jobs)))


if __name__ == "__main__":
    typer.run(main)
