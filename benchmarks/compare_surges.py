"""What surge messages gain: the same policies with and without them, modelled.

python -m benchmarks compare-surges
python -m benchmarks.compare_surges --traffic recorded.csv.gz --multiply 100 --seeds 3
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.contenders import (
    NORMAL,
    ONE_NUMBER,
    STEPS,
    TODAY,
    Contender,
    enough_for,
    played,
    quantity_of,
    value_of,
)
from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from benchmarks.scalers import Aim, failure_rates, mean_task_seconds, reached_aims
from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.counts import Case, read_counts
from quickstep_lab.cost.model import Activity, Usage, quickstep
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.traffic import SCENARIOS, ScenarioName, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.contenders import Played
    from quickstep_lab.traffic import Traffic

SEEDS = 20

WITHOUT = Contender(NORMAL, ONE_NUMBER)
WITH = replace(WITHOUT, label="normal, surges", surges=True)
STEPS_WITH = replace(TODAY, label="default steps, surges", surges=True)
TESTED = (WITHOUT, WITH, STEPS_WITH)
PAIRS = ((WITHOUT, WITH), (TODAY, STEPS_WITH))

AIMS: Mapping[ScenarioName, tuple[Aim, ...]] = {
    ScenarioName.STEP_X10: (
        Aim("failed", "failed", Goal(at_most=0.68), STEPS),
        Aim("time to 95 %", "time_to_95_percent_s", Goal(at_most=42)),
    ),
    ScenarioName.STEP_X3: (
        Aim("failed", "failed", Goal(at_most=0.65), STEPS),
        Aim("time to 95 %", "time_to_95_percent_s", Goal(at_most=40)),
    ),
    ScenarioName.RAMP_60S: (Aim("failed", "failed", Goal(at_most=0.6), STEPS),),
    ScenarioName.FLASH_CROWD: (
        Aim("failed", "failed", Goal(at_most=0.83), STEPS),
        Aim("task-seconds", "task_seconds", Goal(at_most=1.3), STEPS),
    ),
    ScenarioName.BURSTY: (
        Aim("failed", "failed", Goal(at_most=0.85), STEPS),
        Aim("task-seconds", "task_seconds", Goal(at_most=1.1), STEPS),
    ),
}

RECORDED_FAILURES, RECORDED_COST = 0.30, 0.95
"""Limits relative to today's policy, over all recordings."""
NO_DEARER = 1.03
"""Limit relative to the task-seconds without surges, on each traffic."""
FALSE_ALARMS = 1.05
"""The same limit if tasks report nothing but noise."""


def figures(traffic: Sequence[Traffic] = (), seeds: int = SEEDS) -> Iterator[Figure]:
    """Yield every aim, the cost of false alarms, and the sums over given traffic."""
    for name, aims in AIMS.items():
        case = scenario_traffic(name, SCENARIOS[name].seconds)
        results = played(case, TESTED, (), seeds=seeds)
        for one in (WITH, STEPS_WITH):
            yield from reached_aims(case, one, aims if one is WITH else _no_goals(aims), results)
        yield from _beside_without(case, results, NO_DEARER)
    noisy = scenario_traffic(ScenarioName.NOISY, SCENARIOS[ScenarioName.NOISY].seconds)
    results = played(noisy, TESTED, (), seeds=seeds)
    yield from _looks(noisy, results)
    yield from _beside_without(noisy, results, FALSE_ALARMS)
    if not traffic:
        return
    recorded = []
    for given in traffic:
        results = played(given, TESTED, (), seeds=seeds, most=enough_for(given))
        recorded.append(results)
        yield from _looks(given, results)
        yield from _beside_without(given, results, NO_DEARER)
    yield from _sums(recorded)


def _no_goals(aims: Sequence[Aim]) -> Iterator[Aim]:
    return (replace(aim, goal=None) for aim in aims)


def _beside_without(case: Traffic, results: Played, most: float) -> Iterator[Figure]:
    """Yield the cost of surge messages, and how many changes of direction they cause."""
    for without, surged in PAIRS:
        for measure, words, goal in (
            ("failed", "failed", None),
            ("task_seconds", "task-seconds", Goal(at_most=most)),
        ):
            yield Figure(
                f"{case.name}: {surged.label}: {words}",
                quantity_of(results[surged.label], measure),
                Beside("without", Quantity(value_of(results[without.label], measure))),
                goal if surged is WITH else None,
            )


def _looks(case: Traffic, results: Played) -> Iterator[Figure]:
    """Yield how many looks tasks ask for, and what they cost."""
    hours = len(case.requests) / 3600
    looks = (value_of(results[WITH.label], "surge_looks") or 0.0) / hours
    yield Figure(f"{case.name}: looks that tasks ask for, an hour", Quantity(looks))
    yield Figure(
        f"{case.name}: what they cost, if it goes on for a month",
        Quantity(720 * looks * A_LOOK, "$"),
    )


def _price_of_a_look() -> float:
    """Return a look's dollars, including the messages of 8 tasks."""
    counted, prices, usage = read_counts(), read_prices(), Usage(tasks=8)
    with_one, without = (
        bill(quickstep(usage, activity, counted), prices, services=1, free_tier=False).total
        for activity in (Activity({Case.HELD_RECHECK: 1.0}, surges=1.0), Activity())
    )
    return with_one - without


A_LOOK = _price_of_a_look()


def _sums(recorded: Sequence[Played]) -> Iterator[Figure]:
    title = f"given traffic, {len(recorded)} in all"
    for one in TESTED:
        goals = (
            (Goal(at_most=RECORDED_FAILURES), Goal(at_most=RECORDED_COST)) if one is WITH else ()
        )
        failures, cost = goals or (None, None)
        yield Figure(
            f"{title}: {one.label}: sum of failure rates",
            Quantity(failure_rates(recorded, one.label), "%"),
            Beside(STEPS, Quantity(failure_rates(recorded, STEPS))),
            failures,
        )
        yield Figure(
            f"{title}: {one.label}: task-seconds, geometric mean",
            Quantity(mean_task_seconds(recorded, one.label), "task-s"),
            Beside(STEPS, Quantity(mean_task_seconds(recorded, STEPS))),
            cost,
        )


BENCHMARK = Benchmark(
    "compare-surges",
    "Surge messages compared with the alarm alone, modelled",
    f"Medians of {SEEDS} seeds in the simulator, with the lowest and the highest in brackets. Tasks"
    " publish whole seconds and report surges. *default steps* are the shipped steps, by the alarm"
    " alone. The rows of those steps with surges have no goal.",
    figures,
)


def main(
    traffic: Annotated[
        list[Path] | None, typer.Option(help="A recorded traffic to sum over. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded requests.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Print what surge messages gain on each scenario, and on recorded traffic."""
    recorded = [read_traffic(file).multiplied(multiply) for file in traffic or []]
    title = f"{BENCHMARK.title}: {seeds} seeds"
    Console(width=160).print(as_table(title, figures(recorded, seeds)))


if __name__ == "__main__":
    typer.run(main)
