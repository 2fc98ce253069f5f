"""A target beside what scales the service now: both simulated on one traffic, and their month."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep_cli.compare import MODELLED, signal_notes
from quickstep_cli.experiment import an_experiment, setup_of
from quickstep_cli.pricing import usage_of
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables
from quickstep_cli.trials import DEFAULTS, Trial
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.model import OTHERS
from quickstep_lab.cost.month import OURS, Architecture, Month, TaskSize, longest_times
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.simulator.compare import Comparison, all_scalers, compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from quickstep.engine.model import ScalableTarget
    from quickstep_lab.cost.month import Standing
    from quickstep_lab.traffic import Traffic

USUAL = "aas-target-tracking-60s"
"""What a service is beside that nothing scales: target tracking as it is by default."""
_SERVED = 0.8
"""Of its target, the load that the tasks of now are taken to have before a scenario begins."""
LONGEST = 3 * 3600
"""Seconds of a traffic that are played: its busiest hours say what a day of them would."""
SPARE = 1.5
"""How much a task of the model can serve, in targets."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is compared: a target, what scales the service now, and its tasks.

    `present` names a model of AWS's scalers; None where nothing scales it.
    """

    target: ScalableTarget
    present: str | None
    tasks: int
    size: TaskSize


def size_of(vcpu: float, memory: float, *, x86: bool) -> TaskSize:
    """Return a Fargate task by its vCPU, its GB and its processor."""
    return TaskSize(vcpu, memory, Architecture.X86 if x86 else Architecture.ARM)


def for_tasks(traffic: Traffic, beside: Beside) -> Traffic:
    """Return a scenario as large as the service is: its first seconds load the tasks of now.

    Example: 4 tasks, a target of 100 requests/s, a scenario that begins with 120: times 2.67.
    """
    setup = setup_of(beside.target, "the proposal")
    first = traffic.first_mean(10)
    wanted = _SERVED * max(1, beside.tasks) * setup.load_per_task
    return traffic.multiplied(wanted / first) if first > 0 else traffic


def busiest(traffic: Traffic, seconds: int = LONGEST) -> Traffic:
    """Return at most so many seconds of a traffic, those around its busiest one.

    Example: a day with its peak at 18:00: 16:30 to 19:30.
    """
    length = len(traffic.requests)
    if length <= seconds:
        return traffic
    peak = max(range(length), key=traffic.requests.__getitem__)
    start = min(max(0, peak - seconds // 2), length - seconds)
    return traffic.ending_at(start + seconds).starting_at(start)


def play(beside: Beside, traffic: Traffic) -> Comparison:
    """Return what Quickstep and the present scaler make of a traffic, one seed of each.

    Raises:
        typer.BadParameter: what the policies watch cannot be simulated; the reason is said.
    """
    setup = setup_of(replace(beside.target, dry_run=False), beside.target.resource_id)
    # A task of the model can serve half as much again as its target. Of CPU it is the other way
    # round: what 100 % is decides how many requests its target is.
    of_cpu = setup.signal.name == "cpu"
    serves = DEFAULTS.server.capacity if of_cpu else SPARE * setup.load_per_task
    trial = Trial(start_up=float(beside.target.warmup_seconds), task_capacity=serves)
    names = {scaler.name for scaler in all_scalers(setup)}
    rival = beside.present if beside.present in names else USUAL
    scalers = [one for one in all_scalers(setup) if one.name in (OURS, rival)]
    played = busiest(traffic)
    return compare(an_experiment(played, setup, trial.world(setup), None, 1), scalers)


def month(beside: Beside, comparison: Comparison) -> Mapping[str, Standing]:
    """Return what each comes to in a month in which the traffic comes once a day."""
    setup = comparison.experiment.setup
    reckoned = Month(
        usage=usage_of(setup, max(1, beside.tasks)),
        size=beside.size,
        prices=read_prices(),
        counted=read_counts(),
        rivals=tuple(name for name in comparison.scalers if name in OTHERS),
    )
    a_day = min(1.0, longest_times(len(comparison.experiment.traffic.requests)))
    return reckoned.simulated(comparison, a_day)[1]


def show(console: Console, beside: Beside, comparison: Comparison) -> None:
    """Print the comparison with its month, never cut, and what is modelled of it."""
    standings = month(beside, comparison)
    traffic = comparison.experiment.traffic
    hours = len(traffic.requests) / 3600
    title = f"{traffic.name}, {hours:.1f} h, simulated; US dollars a month of it once a day"
    columns = ("Trigger", "Failed", "Success", "Task-h", "Peak", "Scaling $", "Tasks $")
    table = Table((*named("Scaler"), *numbers(*columns)), title)
    for name, summary in comparison.scalers.items():
        measured, standing = summary.medians, standings[name]
        trigger = measured.time_to_trigger_s
        table.add(
            name,
            "-" if trigger is None else f"{trigger:.0f} s",
            f"{measured.failed:,.0f}",
            f"{measured.success_rate:.2%}",
            f"{measured.task_seconds / 3600:,.2f}",
            f"{measured.peak_tasks:,}",
            f"{standing.bill.total:,.2f}",
            f"{standing.tasks:,.2f}",
        )
    print_tables(table, console=console)
    print_prose(*remarks(beside, comparison), console=console, style="dim")


def remarks(beside: Beside, comparison: Comparison) -> Iterator[str]:
    """Yield what the table stands on."""
    rival = next(name for name in comparison.scalers if name != OURS)
    if beside.present is None:
        yield f"Nothing scales the service now; {rival} is what it would have by default."
    elif rival != beside.present:
        yield f"{beside.present} cannot watch the same signal here; {rival} stands in its place."
    elif rival.startswith("aas-step"):
        yield f"{rival} has the simulator's own steps: quickstep import and compare play yours."
    yield f"A task of the model can serve {SPARE:g} times its target; yours may break earlier."
    yield from signal_notes(comparison.experiment.setup)
    yield MODELLED
