"""`quickstep prove`: what a proof would create and cost, and whether a result holds together."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from quickstep_cli.experiment import unwritable
from quickstep_cli.extra import needs_lab
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.prove.plan import Contender, Plan, cost
from quickstep_lab.prove.predict import predicted
from quickstep_lab.prove.result import (
    AWS_CAPACITY,
    AWS_TRIGGER,
    STEPS,
    Result,
    ResultError,
    figures,
    read_result,
)
from quickstep_lab.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

_INVALID = 1
_HEADS = {
    "readable": "readable",
    "alarm": "alarm",
    "event": "function",
    "update": "desired",
    "first_running": "first task",
    "last_running": "last task",
}


@needs_lab
def prove(
    *,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Recompute every figure of a result file; refuse one that does not hold together.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Draw it, too.")
    ] = None,
) -> None:
    """Say what a proof on AWS would create and cost, or check the result of one."""
    unwritable(picture)
    console = Console()
    if check is None:
        if picture:
            raise typer.BadParameter("it takes the result of --check", param_hint="--picture")
        _print_plan(console, Plan())
        return
    result = read_file(check)
    found, expected = figures(result.surges), _predicted(result.plan)
    console.print(_table(found, expected))
    console.print(f"{check}: every figure follows from its timestamps ({_where(result)}).")
    if picture:
        from quickstep_lab.prove.picture import picture as draw  # noqa: PLC0415 - the option's name

        title = f"From the first overloaded second, {_where(result)}"
        picture.write_text(draw(found, expected, title), encoding="utf-8")


def read_file(file: Path) -> Result:
    """Return the result of a file; exit with 1, and all its problems, where it does not hold."""
    try:
        return read_result(file.read_text(encoding="utf-8"))
    except ResultError as error:
        for problem in error.problems:
            typer.echo(f"{file}: {problem}", err=True)
    except UnicodeDecodeError:
        typer.echo(f"{file}: must be UTF-8", err=True)
    raise typer.Exit(_INVALID)


def _where(result: Result) -> str:
    on = "on an emulator with planted clocks, not on AWS" if result.where == "emulator" else "AWS"
    return f"{on}, {result.region}, {result.start:%Y-%m-%d}"


def _predicted(plan: Plan) -> dict[str, float | None]:
    return {one.value: seconds for one, seconds in predicted(plan, World()).items()}


def _table(found: Mapping[str, Mapping[str, Any]], expected: Mapping[str, float | None]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="Seconds from the first overloaded second: medians")
    table.add_column("service")
    table.add_column("answered", justify="right")
    for step in STEPS:
        table.add_column(_HEADS[step], justify="right")
    table.add_column("desired, simulated", justify="right")
    for name, row in found.items():
        cells = [_seconds(row[step]) for step in STEPS]
        answered = f"{row['answered']} of {row['surges']}"
        table.add_row(name, answered, *cells, _seconds(expected.get(name)))
    blank = [""] * 3
    table.add_row(
        "AWS's benchmark, 20-s metrics", "", *blank, f"{AWS_TRIGGER:g}", "", f"{AWS_CAPACITY:g}", ""
    )
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _print_plan(console: Console, plan: Plan) -> None:
    bill = cost(plan, read_prices())
    minutes = round(plan.whole / 60)
    console.print(
        f"A proof creates one stack in the default VPC: a cluster, {len(Contender)} services on "
        f"Fargate of {plan.fewest} to {plan.most} tasks with {plan.cpu / 1024:g} vCPU and "
        f"{plan.memory / 1024:g} GB, their alarms and scalers, and no load balancer."
    )
    surges = ", ".join(f"{offset // 60}" for offset in plan.offsets)
    console.print(
        f"It takes {minutes} minutes, with surges of {plan.surge} s at minutes {surges}, and costs "
        f"at most ${bill.total:.2f} by the cost model's prices:"
    )
    table = Table(box=SIMPLE_HEAD)
    table.add_column("what")
    table.add_column("quantity", justify="right")
    table.add_column("US dollars", justify="right")
    for charge in bill.charges:
        quantity = f"{charge.line.quantity:,.4g} {charge.price.unit}"
        table.add_row(charge.line.what, quantity, f"{charge.dollars:.4f}")
    console.print(table)
    console.print("Running it is not built yet: only its plan, its figures and their check are.")
