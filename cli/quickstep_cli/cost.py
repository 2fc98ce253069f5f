"""`quickstep cost`: a service's monthly cost, line by line, next to AWS's scalers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickstep_cli.compare import MODELLED
from quickstep_cli.experiment import an_experiment, progress_bar
from quickstep_cli.options import file_option, read_file
from quickstep_cli.pricing import (
    ArchitectureOption,
    CpuOption,
    MemoryOption,
    TimesOption,
    times_a_day_of,
    usage_of,
)
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables
from quickstep_cli.trials import Trial, takes_trial
from quickstep_lab.cost.bill import EXTRACTION, billing, by_transport, hints
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.model import (
    CALLS_A_SECOND,
    OTHERS,
    Part,
    Transport,
    Watched,
)
from quickstep_lab.cost.month import OURS, Architecture, Month, TaskSize
from quickstep_lab.cost.prices import Certainty, read_prices
from quickstep_lab.simulator.compare import all_scalers, compare
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY
from quickstep_lab.traffic import ScenarioName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep_lab.cost.bill import Bill, Charge, Hint
    from quickstep_lab.cost.model import Usage
    from quickstep_lab.cost.month import Standing
    from quickstep_lab.cost.prices import Price, Prices
    from quickstep_lab.simulator.compare import Comparison
    from quickstep_lab.simulator.stage import Setup

_TINY = 0.005
_LARGE = 100


@takes_trial
def cost(
    trial: Trial,
    *,
    tasks: Annotated[
        float, typer.Option(min=0.1, max=5000, help="Tasks of the service, on average.")
    ] = 8,
    transport: Annotated[
        Transport,
        typer.Option(
            help="How tasks publish: PutMetricData, EMF over PutLogEvents, or EMF on standard "
            "output."
        ),
    ] = Transport.CLOUDWATCH,
    metrics: Annotated[
        int, typer.Option(min=1, max=100, help="Metrics that the tasks publish.")
    ] = 3,
    breaches: Annotated[
        float, typer.Option(min=0, max=1440, help="Scale-out breaches per day.")
    ] = 6,
    breach_minutes: Annotated[
        float, typer.Option(min=0, max=1440, help="Duration of each breach.")
    ] = 3,
    surges: Annotated[
        bool,
        typer.Option("--surges", help="Tasks report each breach to the scaler in surge messages."),
    ] = False,
    services: Annotated[
        int, typer.Option(min=1, max=10000, help="Services that share the account's scaler.")
    ] = 1,
    retention_days: Annotated[
        int, typer.Option(min=1, max=3650, help="Days to keep records.")
    ] = 30,
    views: Annotated[
        float, typer.Option(min=0, max=86400, help="Dashboard refreshes per day.")
    ] = 60,
    drill_minutes: Annotated[
        int, typer.Option(min=0, max=60, help="Minutes between drills; 0 turns them off.")
    ] = 0,
    task_vcpu: CpuOption = 1,
    task_memory: MemoryOption = 2,
    architecture: ArchitectureOption = Architecture.ARM,
    times_a_day: TimesOption = None,
    free_tier: Annotated[
        bool,
        typer.Option("--free-tier", help="Subtract the free tier, as if nothing else used it."),
    ] = False,
    prices: Annotated[
        Path | None,
        file_option(
            help="Your prices, in the format of prices.json; omitted ones keep their defaults."
        ),
    ] = None,
) -> None:
    """Estimate the monthly cost of scaling a service, line by line, next to AWS's scalers.

    --scenario or --traffic runs the simulator first: the cost then follows its decisions, and
    includes each scaler's task-hours.
    """
    setup = trial.setup(simulated=trial.scenario is not None or trial.traffic is not None)
    usage = replace(
        usage_of(setup, tasks),
        drill_minutes=drill_minutes,
        metrics=metrics,
        transport=transport,
        services=services,
        retention_days=retention_days,
        views=views,
    )
    month = Month(
        usage=usage,
        size=TaskSize(task_vcpu, task_memory, architecture),
        prices=_prices(prices),
        counted=read_counts(),
        free_tier=free_tier,
        rivals=_rivals(setup),
    )
    traffic = _Traffic("", 0, 0)
    if trial.scenario is None and trial.traffic is None:
        if times_a_day is not None:
            rule = "needs --scenario or --traffic, whose repetitions it counts"
            raise typer.BadParameter(rule, param_hint="--times-a-day")
        activity, standings = month.with_breaches(breaches, breach_minutes, reported=surges)
    else:
        comparison, traffic = _played(trial, times_a_day)
        activity, standings = month.simulated(comparison, traffic.times_a_day)
    total = billing(activity, month.counted, month.prices, free_tier=free_tier)
    ways, cheaper = by_transport(usage, total), hints(usage, total)
    if trial.as_json:
        shown = _as_dict(month, traffic, standings, ways, cheaper)
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    published = _publishing(usage, ways) if usage.watched is Watched.PUBLISHED else ()
    hinted = (f"Cheaper by {hint.saves:.2f}: {hint.what}. But: {hint.but}." for hint in cheaper)
    _print(month, traffic, standings, [*published, *hinted])


def _rivals(setup: Setup) -> tuple[str, ...]:
    """Return AWS's scalers for the signal of a document's alarms, else for its first queue."""
    queues = () if setup.target.policies else setup.target.queues[:1]
    alike = replace(setup, target=replace(setup.target, queues=queues))
    return tuple(one.name for one in all_scalers(alike) if one.name in OTHERS)


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What was played, if anything: its name, its length in seconds, and how often it comes."""

    name: str
    seconds: int
    times_a_day: float


def _prices(file: Path | None) -> Prices:
    base = read_prices()
    if file is None:
        return base
    return read_file(file, lambda text: read_prices(text, base=base), "--prices")


def _played(trial: Trial, times_a_day: float | None) -> tuple[Comparison, _Traffic]:
    setup, played = trial.setup(), trial.played(ScenarioName.STEP_X10)
    seconds = len(played.requests)
    a_day = times_a_day_of(times_a_day, seconds)
    experiment = an_experiment(played, setup, trial.world(setup), None, 1)
    scalers = all_scalers(setup)
    with progress_bar(f"Playing {played.name}", len(scalers)) as advance:
        comparison = compare(experiment, scalers, jobs=trial.jobs, progress=advance)
    return comparison, _Traffic(played.name, seconds, a_day)


# --- output ---------------------------------------------------------------------------------------


def _as_dict(
    month: Month,
    traffic: _Traffic,
    standings: Mapping[str, Standing],
    ways: Mapping[Transport, float],
    cheaper: list[Hint],
) -> dict[str, Any]:
    ours = standings[OURS].bill
    return {
        "usage": asdict(month.usage),
        "traffic": asdict(traffic) if traffic.name else None,
        "free_tier": month.free_tier,
        "lines": [
            {
                "part": str(charge.line.part),
                "what": charge.line.what,
                "quantity": charge.line.quantity,
                "meter": str(charge.line.meter),
                "shared": charge.line.shared,
                "dollars": charge.dollars,
            }
            for charge in ours.charges
        ],
        "total": ours.total,
        "largest": str(ours.largest),
        "scalers": {
            name: {
                "scaling": standing.bill.total,
                "task_hours": standing.task_hours,
                "tasks": standing.tasks,
                "total": standing.total,
                "success_rate": standing.success,
            }
            for name, standing in standings.items()
        },
        "transports": {str(transport): total for transport, total in ways.items()},
        "hints": [asdict(hint) for hint in cheaper],
        "unverified": sorted(unverified(standings)),
    }


def unverified(standings: Mapping[str, Standing]) -> set[str]:
    """Return the meters in any bill whose prices could not be verified."""
    return {
        str(charge.line.meter)
        for standing in standings.values()
        for charge in standing.bill.charges
        if charge.price.certainty is Certainty.UNVERIFIED
    }


def _print(
    month: Month, traffic: _Traffic, standings: Mapping[str, Standing], remarks: list[str]
) -> None:
    ours = standings[OURS].bill
    print_tables(_bill_table(month, ours), _standings_table(month, traffic, standings))
    print_prose(*_remarks(month, traffic, standings, remarks), style="dim")


def _bill_table(month: Month, ours: Bill) -> Table:
    usage = month.usage
    title = f"A service of {usage.tasks:g} tasks, one of {usage.services}: US dollars per month"
    table = Table((*named("For"), *numbers("Quantity", "Price", "Dollars")), title)
    for part in sorted(Part, key=lambda part: -ours.of(part)):
        charges = [charge for charge in ours.charges if charge.line.part is part]
        if not charges:
            continue
        table.add(str(part), "", "", f"{ours.of(part):.2f}", style="bold")
        for charge in charges:
            if charge.dollars >= _TINY:
                what, *amounts = charge_cells(charge)
                table.add(f"  {what}", *amounts)
    table.add("Total", "", "", f"{ours.total:.2f}", style="bold")
    return table


def charge_cells(charge: Charge) -> tuple[str, str, str, str]:
    """Return a charge's purpose, quantity, price and dollars."""
    line, price = charge.line, charge.price
    return (
        f"{line.what}{' (shared)' if line.shared else ''}",
        f"{_short(line.quantity / _scale(price))} {price.unit}",
        price_cell(price),
        f"{charge.dollars:.2f}",
    )


def price_cell(price: Price) -> str:
    """Return a price with its unit count. Example: 0.01 / 1,000."""
    per = price.per / _scale(price)
    return f"{price.dollars:.7g}" if per == 1 else f"{price.dollars:g} / {per:,.0f}"


def _scale(price: Price) -> float:
    """Return how many counted units make one of the price's unit, such as bytes in a GB."""
    return 1e9 if price.unit.startswith("GB") and price.per > 1 else 1


def _short(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) or number >= _LARGE else f"{number:,.2f}"


def _standings_table(month: Month, traffic: _Traffic, standings: Mapping[str, Standing]) -> Table:
    size = month.size
    title = (
        f"Next to AWS's scalers, with tasks of {size.vcpu:g} vCPU and {size.memory:g} GB on"
        f" {size.architecture}"
    )
    if traffic.name:
        title += f"; {traffic.name}, simulated, {traffic.times_a_day:g} a day"
    columns = ("Scaling", "Task-hours", "Tasks", "More", *(["Success"] if traffic.name else []))
    table = Table((*named("Scaler"), *numbers(*columns)), title)
    ours = standings[OURS].total
    for name, standing in standings.items():
        success = [] if standing.success is None else [f"{standing.success:.1%}"]
        table.add(
            f"{name} *" if name in ANNOUNCED else name,
            f"{standing.bill.total:,.2f}",
            f"{standing.task_hours:,.0f}",
            f"{standing.tasks:,.2f}",
            f"{standing.total - ours:+,.2f}",
            *success,
        )
    return table


def _publishing(usage: Usage, ways: Mapping[Transport, float]) -> Iterator[str]:
    """Yield the total for each way of publishing, and the limit of the default one."""
    each = ", ".join(f"{total:.2f} by {transport}" for transport, total in ways.items())
    yield f"Total by way of publishing: {each}; {Transport.CLOUDWATCH} is the default."
    if usage.transport is Transport.CLOUDWATCH:
        yield (
            "Tasks in an account and Region publish in the same second:"
            f" {CALLS_A_SECOND} of them reach CloudWatch's limit of {CALLS_A_SECOND} PutMetricData"
            " calls a second."
        )
    elif usage.transport is Transport.LOGS:
        yield f"Not measured: {EXTRACTION}."


def _remarks(
    month: Month, traffic: _Traffic, standings: Mapping[str, Standing], remarks: list[str]
) -> Iterator[str]:
    ours = standings[OURS].bill
    largest = ours.largest
    yield f"Largest item: {largest}, {ours.of(largest) / ours.total:.0%}."
    yield from remarks
    base = read_prices()
    yield (
        f"{'P' if month.prices == base else 'Your prices; otherwise p'}rices of us-east-1, read"
        f" by {max(price.read for price in base.values())}, mostly from secondary sources:"
        " docs/costs.md lists each."
    )
    if ANNOUNCED & standings.keys():
        yield f"* {ANNOUNCED_ONLY}"
    if names := ", ".join(sorted(unverified(standings))):
        yield f"Not verified: {names}."
    free = "subtracted, as if nothing else used it" if month.free_tier else "not subtracted"
    yield f"The free tier is {free}. A month has 30 days. Calls are counted on an embedded AWS."
    if traffic.name:
        yield MODELLED
