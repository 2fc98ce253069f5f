"""Quickstep next to AWS's scalers: what it promises, and whether the simulator agrees.

python -m benchmarks scalers
python -m benchmarks.scalers --traffic recorded.csv.gz --traffic another.csv.gz --multiply 100

Documents that do not exist are skipped.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.console import Console

from benchmarks.contenders import (
    ANNOUNCED_20S,
    CONTENDERS,
    PERCENT,
    STEP_10S,
    STEPS,
    TEXTBOOK,
    TODAY,
    TRACKING_20S,
    UNITS,
    Contender,
    enough_for,
    needed,
    played,
    quantity_of,
    value_of,
)
from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity, as_table
from quickstep_cli.experiment import an_experiment
from quickstep_lab.simulator.compare import compare
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.scalers.target_tracking import labelled
from quickstep_lab.simulator.signals import REQUESTS
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, read_traffic, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.contenders import Played
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.stage import Stage
    from quickstep_lab.traffic import Traffic

SEEDS = 20


# --- promises -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise of the default steps relative to another scaler: a ratio, and its limit.

    A ratio is Quickstep's measure divided by the other's.
    """

    words: str
    other: str
    measure: str
    most: float


PROMISES = (
    Promise(
        "triggers 4 times sooner than 20-s target tracking",
        TRACKING_20S,
        "time_to_trigger_s",
        1 / 4,
    ),
    Promise("fails half of what 20-s target tracking does", TRACKING_20S, "failed", 0.5),
    Promise("30 % fewer task-seconds than the textbook policy", TEXTBOOK, "task_seconds", 0.7),
    Promise("fails at most 1.1 times what the textbook policy does", TEXTBOOK, "failed", 1.1),
    Promise("fails less than an AAS step policy on a 10-s alarm", STEP_10S, "failed", 1.0),
    Promise("and takes fewer task-seconds than it", STEP_10S, "task_seconds", 1.0),
)
PROMISED_ON = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_60S,
    ScenarioName.RAMP_180S,
    ScenarioName.FLASH_CROWD,
)


@dataclass(frozen=True, slots=True)
class Aim:
    """What a one-number policy should reach on a scenario.

    The limit applies to the ratio to the `other`'s measure, or to the measure itself without one.
    `NEEDED` stands for the most tasks that the load needs. With `worst`, the worst seed's measure
    counts.
    """

    words: str
    measure: str
    goal: Goal | None
    other: str | None = None
    worst: bool = False


NEEDED = "needed"

AIMS: Mapping[ScenarioName, tuple[Aim, ...]] = {
    ScenarioName.DIURNAL: (
        Aim("task-seconds", "task_seconds", Goal(at_most=1.01), TRACKING_20S),
        Aim("success", "success_rate", Goal(at_least=1.0), TRACKING_20S),
    ),
    ScenarioName.NOISY: (Aim("changes of direction", "reversals", Goal(at_most=0)),),
    ScenarioName.BURSTY: (
        Aim("failed", "failed", Goal(at_most=0.9), STEPS),
        Aim("task-seconds", "task_seconds", Goal(at_most=1.1), STEPS),
    ),
    ScenarioName.STEP_X10: (
        Aim("failed", "failed", Goal(at_most=0.86), STEPS),
        Aim("time to 95 %", "time_to_95_percent_s", Goal(at_most=52)),
        Aim("peak tasks", "peak_tasks", Goal(at_most=1.15), NEEDED),
        Aim("peak tasks, worst seed", "peak_tasks", Goal(at_most=1.25), NEEDED, worst=True),
    ),
    ScenarioName.RAMP_60S: (
        Aim("failed", "failed", Goal(at_most=0.68), STEPS),
        Aim("peak tasks", "peak_tasks", Goal(at_most=1.15), NEEDED),
        Aim("peak tasks, worst seed", "peak_tasks", Goal(at_most=1.4), NEEDED, worst=True),
    ),
    ScenarioName.RAMP_180S: (
        Aim("failed", "failed", Goal(at_most=0.78), STEPS),
        Aim("peak tasks", "peak_tasks", Goal(at_most=1.15), NEEDED),
        Aim("peak tasks, worst seed", "peak_tasks", Goal(at_most=1.4), NEEDED, worst=True),
    ),
    ScenarioName.STEP_X3: (),
    ScenarioName.FLASH_CROWD: (),
}

SUMMED = tuple(name for name in AIMS if name is not ScenarioName.DIURNAL)
"""The traffic of the sums: a day costs more than all of them, and nothing fails on it."""


@dataclass(frozen=True, slots=True)
class Rival:
    """Another scaler in the sums: the limits on failures and cost relative to it."""

    name: str
    failures: float
    task_seconds: float


RIVALS = (Rival(PERCENT, 0.35, 0.87), Rival(ANNOUNCED_20S, 0.35, 1.0), Rival(STEPS, 0.45, 0.92))
TURNS = 0.6
"""Limit on changes of direction relative to today's; on no traffic may there be more."""

# --- figures --------------------------------------------------------------------------------------


def figures(
    traffic: Sequence[Traffic] = (),
    seeds: int = SEEDS,
    tested: Sequence[Contender] = CONTENDERS,
) -> Iterator[Figure]:
    """Yield every promise and aim; for given traffic, its sums."""
    there = [one for one in tested if one.file.is_file()]
    shipped: list[Played] = []
    for name, aims in AIMS.items():
        case = scenario_traffic(name, SCENARIOS[name].seconds)
        others = {aim.other for aim in aims if aim.other not in (None, NEEDED, STEPS)}
        if name in PROMISED_ON:
            others |= {promise.other for promise in PROMISES}
        if name in SUMMED:
            others |= {rival.name for rival in RIVALS if rival.name != STEPS}
        results = played(case, there, sorted(filter(None, others)), seeds=seeds)
        if name in SUMMED:
            shipped.append(results)
        if name in PROMISED_ON:
            yield from kept_promises(case, results)
        for one in there:
            yield from reached_aims(case, one, aims, results)
    for one in there:
        yield from _fleets(one, seeds)
        yield from _targets(one, seeds)
    yield from sums("shipped traffic", there, shipped, given=False)
    if traffic:
        names = [rival.name for rival in RIVALS if rival.name != STEPS]
        recorded = [played(one, there, names, seeds=seeds, most=enough_for(one)) for one in traffic]
        yield from sums("given traffic", there, recorded, given=True)


def kept_promises(case: Traffic, results: Played) -> Iterator[Figure]:
    """Yield the promises of the default steps, next to the scalers they refer to."""
    for promise in PROMISES:
        yield Figure(
            f"{case.name}: {promise.words}",
            quantity_of(results[STEPS], promise.measure),
            Beside(promise.other, Quantity(value_of(results[promise.other], promise.measure))),
            Goal(at_most=promise.most),
        )


def reached_aims(
    case: Traffic, one: Contender, aims: Iterable[Aim], results: Played
) -> Iterator[Figure]:
    """Yield how well a policy meets one traffic's aims."""
    for aim in aims:
        if aim.other == one.label:
            beside = None
        elif aim.other == NEEDED:
            beside = Beside(NEEDED, Quantity(needed(case)))
        elif aim.other is not None:
            beside = Beside(aim.other, Quantity(value_of(results[aim.other], aim.measure)))
        else:
            beside = None
        yield Figure(
            f"{case.name}: {one.label}: {aim.words}",
            quantity_of(results[one.label], aim.measure, worst=aim.worst),
            beside,
            _goal(one, aim.goal),
        )


def _goal(one: Contender, goal: Goal | None) -> Goal | None:
    """Return the goal, or None for today's steps, which are the baseline."""
    return None if one == TODAY else goal


# --- fleets ---------------------------------------------------------------------------------------

FLEETS = (60, 600)
FLEET_SECONDS = 660
"""Seconds until the surge of `step-x3` is over."""

SOON = 52.0
"""Seconds in which a small fleet reaches 95 % of its tasks."""
QUOTA_ROOM = 5.0
"""Seconds beyond what the launch quotas allow, after the first answer."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Requests all tasks in the surge's first second: only quotas and start-ups delay it."""

    tasks: int
    second: int
    name: ClassVar[str] = "all asked for at once"

    def signals(self, _server: Server) -> tuple[Signal, ...]:
        """Requests per second, which nothing watches."""
        return (REQUESTS,)

    def start(self, stage: Stage) -> None:
        """Plan the only change."""
        stage.at(stage.lead + self.second, lambda: stage.scale(self.tasks, "it knows"))


def _fleets(one: Contender, seeds: int) -> Iterator[Figure]:
    surge = scenario_traffic(ScenarioName.STEP_X3, FLEET_SECONDS)
    for tasks in FLEETS:
        # As many requests as this many tasks can just take: 60 tasks at a threshold of 100, 6,000.
        threshold = TODAY.setup().scale_out_threshold
        traffic = surge.multiplied(tasks * threshold / surge.requests[0])
        most = needed(traffic)
        setup = one.setup(most=2 * most)
        first = next(s for s, load in enumerate(traffic.requests) if load > traffic.requests[0])
        experiment = an_experiment(traffic, setup, World(), tasks, seeds)
        scalers = (one.scaler(setup), AtOnce(most, first))
        results = compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers
        mine, ideal = (value_of(results[scaler.name], "time_to_95_percent_s") for scaler in scalers)
        trigger = value_of(results[one.label], "time_to_trigger_s")
        what = f"step-x3 on {tasks} tasks: {one.label}: time to 95 %"
        small = tasks == min(FLEETS)
        yield Figure(
            what, Quantity(mine, "s"), goal=_goal(one, Goal(at_most=SOON)) if small else None
        )
        if not small:
            later = None if None in (mine, ideal, trigger) else mine - trigger - ideal  # type: ignore[operator] # none is None
            yield Figure(
                f"{what}, later than the launch quotas allow once it has triggered",
                Quantity(later, "s"),
                goal=_goal(one, Goal(at_most=QUOTA_ROOM)),
            )


# --- targets --------------------------------------------------------------------------------------

TARGETS = (10.0, 100.0, 2000.0)
ALIKE = 1.1


def _targets(one: Contender, seeds: int) -> Iterator[Figure]:
    """Yield how far results for the same service vary with the requests per task."""
    found: dict[str, dict[float, float | None]] = {"time_to_95_percent_s": {}, "task_seconds": {}}
    usual = one.setup()
    for target in TARGETS:
        times = target / usual.scale_out_threshold
        server = Server()
        world = World(
            server=replace(
                server, capacity=server.capacity * times, queue_limit=server.queue_limit * times
            )
        )
        scenario = ScenarioName.STEP_X10
        traffic = scenario_traffic(scenario, SCENARIOS[scenario].seconds).multiplied(times)
        setup = one.setup(times=times)
        experiment = an_experiment(traffic, setup, world, None, seeds)
        scalers = [one.scaler(setup)]
        summary = compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers[one.label]
        for measure, values in found.items():
            values[target] = value_of(summary, measure)
    for measure, values in found.items():
        (low, lowest), *_, (high, highest) = sorted(
            values.items(), key=lambda item: (item[1] is None, item[1] or 0.0)
        )
        words = "time to 95 %" if measure == "time_to_95_percent_s" else "task-seconds"
        yield Figure(
            f"targets of 10, 100 and 2,000: {one.label}: {words}, the most, at {high:g}",
            Quantity(highest, UNITS[measure]),
            Beside(f"the least, at {low:g}", Quantity(lowest)),
            _goal(one, Goal(at_most=ALIKE)),
        )


# --- sums -----------------------------------------------------------------------------------------


def failure_rates(results: Sequence[Played], scaler: str) -> float:
    """Return the sum of a scaler's failure rates over all traffic, in per cent."""
    return sum(100 * (1 - case[scaler].medians.success_rate) for case in results)


def mean_task_seconds(results: Sequence[Played], scaler: str) -> float:
    """Return the geometric mean of its task-seconds, in which every traffic counts equally."""
    logs = [math.log(case[scaler].medians.task_seconds) for case in results]
    return math.exp(sum(logs) / len(logs))


def sums(
    what: str, tested: Iterable[Contender], results: Sequence[Played], *, given: bool
) -> Iterator[Figure]:
    """Yield failures, cost and changes of direction over several traffics, next to every rival.

    The limits on failures and cost apply to `given` recordings. On the shipped traffic, most
    failures happen before any task can start, with every scaler.
    """
    title = f"{what}, {len(results)} in all"
    for one in tested:
        for rival in RIVALS:
            if rival.name == one.label:
                continue
            yield Figure(
                f"{title}: {one.label}: sum of failure rates",
                Quantity(failure_rates(results, one.label), "%"),
                Beside(labelled(rival.name), Quantity(failure_rates(results, rival.name))),
                _goal(one, Goal(at_most=rival.failures)) if given else None,
            )
            yield Figure(
                f"{title}: {one.label}: task-seconds, geometric mean",
                Quantity(mean_task_seconds(results, one.label), "task-s"),
                Beside(labelled(rival.name), Quantity(mean_task_seconds(results, rival.name))),
                _goal(one, Goal(at_most=rival.task_seconds)) if given else None,
            )
        if one == TODAY:
            continue
        turns = {
            label: [case[label].medians.reversals for case in results]
            for label in (one.label, STEPS)
        }
        yield Figure(
            f"{title}: {one.label}: changes of direction within ten minutes",
            Quantity(sum(turns[one.label])),
            Beside(STEPS, Quantity(sum(turns[STEPS]))),
            Goal(at_most=TURNS),
        )
        more = sum(mine > todays for mine, todays in zip(*turns.values(), strict=True))
        yield Figure(
            f"{title}: {one.label}: traffic with more of them than today's",
            Quantity(more),
            goal=Goal(at_most=0),
        )


BENCHMARK = Benchmark(
    "scalers",
    "Compared with AWS's scalers, modelled",
    f"Medians of {SEEDS} seeds in the simulator, with the lowest and the highest in brackets. The"
    " real engine and cycle run on a modelled CloudWatch and Fargate, compared with models of"
    " AWS's scalers. Their target tracking is calibrated to AWS's own benchmark (363 s and 86 s)."
    " `aas-target-tracking-20s-custom`, which AWS has announced but not shipped, is modelled"
    " without those delays. Rows without a goal are there for comparison. [Tuning](tuning.md)"
    " says which goals are missed, and why.",
    figures,
)


def main(
    traffic: Annotated[
        list[Path] | None, typer.Option(help="A recorded traffic to sum over. Repeatable.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Multiply the recorded requests.")] = 1.0,
    policy: Annotated[
        list[Path] | None, typer.Option(help="Another document to test. Repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Print how promises and goals hold on each scenario, and on recorded traffic."""
    recorded = [read_traffic(file).multiplied(multiply) for file in traffic or []]
    tested = (*CONTENDERS, *(Contender(file.stem, file) for file in policy or []))
    title = f"{BENCHMARK.title}: {seeds} seeds"
    Console(width=160).print(as_table(title, figures(recorded, seeds, tested)))


if __name__ == "__main__":
    typer.run(main)
