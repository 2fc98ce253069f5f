"""A target beside the service's present scaler: both simulated on one traffic, and their cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep_cli.compare import MODELLED, signal_notes
from quickstep_cli.experiment import an_experiment, setup_of
from quickstep_cli.pricing import times_a_day_of, usage_of
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables
from quickstep_cli.trials import DEFAULTS, Trial
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.model import OTHERS
from quickstep_lab.cost.month import OURS, Month
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.simulator.compare import Comparison, all_scalers, compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from quickstep.engine.model import ScalableTarget
    from quickstep_lab.cost.month import Standing, TaskSize
    from quickstep_lab.traffic import Traffic

USUAL = "aas-target-tracking-60s"
"""The rival of a service that nothing scales: target tracking with its defaults."""
_SERVED = 0.8
"""Share of its target that each present task carries before a scenario begins."""
LONGEST = 3 * 3600
"""Seconds of traffic to play: a day's busiest hours show as much as the whole day."""
SPARE = 1.5
"""How much a modelled task can serve, as a multiple of its target."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is compared: a target, the service's present scaler, and its tasks.

    `present` names a model of AWS's scalers, or None if nothing scales the service.
    """

    target: ScalableTarget
    present: str | None
    tasks: int
    size: TaskSize


def for_tasks(traffic: Traffic, beside: Beside) -> Traffic:
    """Return a scenario scaled to the service: its first seconds load the present tasks.

    Example: 4 tasks, a target of 100 requests/s, a scenario that begins with 120: times 2.67.
    """
    setup = setup_of(beside.target, "the proposal")
    first = traffic.first_mean(10)
    wanted = _SERVED * max(1, beside.tasks) * setup.load_per_task
    return traffic.multiplied(wanted / first) if first > 0 else traffic


def busiest(traffic: Traffic, seconds: int = LONGEST) -> Traffic:
    """Return at most `seconds` of a traffic, around its busiest one.

    Example: a day with its peak at 18:00: 16:30 to 19:30.
    """
    length = len(traffic.requests)
    if length <= seconds:
        return traffic
    peak = max(range(length), key=traffic.requests.__getitem__)
    start = min(max(0, peak - seconds // 2), length - seconds)
    return traffic.ending_at(start + seconds).starting_at(start)


def play(beside: Beside, traffic: Traffic) -> Comparison:
    """Return how Quickstep and the present scaler handle a traffic, one seed each.

    Raises:
        typer.BadParameter: the policies' signal cannot be simulated; the message says why.
    """
    setup = setup_of(replace(beside.target, dry_run=False), beside.target.resource_id)
    # A modelled task can serve half as much again as its target. CPU works the other way round:
    # the load that means 100 % decides how many requests its target is.
    of_cpu = setup.signal.name == "cpu"
    serves = DEFAULTS.server.capacity if of_cpu else SPARE * setup.load_per_task
    trial = Trial(start_up=float(beside.target.warmup_seconds), task_capacity=serves)
    names = {scaler.name for scaler in all_scalers(setup)}
    rival = beside.present if beside.present in names else USUAL
    scalers = [one for one in all_scalers(setup) if one.name in (OURS, rival)]
    played = busiest(traffic)
    return compare(an_experiment(played, setup, trial.world(setup), None, 1), scalers)


def month(beside: Beside, comparison: Comparison) -> Mapping[str, Standing]:
    """Return each scaler's monthly cost if the traffic comes once a day."""
    setup = comparison.experiment.setup
    reckoned = Month(
        usage=usage_of(setup, max(1, beside.tasks)),
        size=beside.size,
        prices=read_prices(),
        counted=read_counts(),
        rivals=tuple(name for name in comparison.scalers if name in OTHERS),
    )
    a_day = times_a_day_of(None, len(comparison.experiment.traffic.requests))
    return reckoned.simulated(comparison, a_day)[1]


def show(console: Console, beside: Beside, comparison: Comparison) -> None:
    """Print the comparison with its monthly cost, untruncated, and what is modelled."""
    standings = month(beside, comparison)
    traffic = comparison.experiment.traffic
    hours = len(traffic.requests) / 3600
    title = f"{traffic.name}, {hours:.1f} h, simulated; US dollars per month at one run a day"
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
    """Yield the table's assumptions."""
    rival = next(name for name in comparison.scalers if name != OURS)
    if beside.present is None:
        yield f"Nothing scales the service now; {rival} is what it would get by default."
    elif rival != beside.present:
        yield f"{beside.present} cannot watch the same signal here; {rival} stands in its place."
    elif rival.startswith("aas-step"):
        yield f"{rival} uses the simulator's own steps: quickstep import and compare play yours."
    yield f"A modelled task can serve {SPARE:g} times its target; yours may break earlier."
    yield from signal_notes(comparison.experiment.setup)
    yield MODELLED
