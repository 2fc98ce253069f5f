"""`quickstep prove`: a proof on the reader's own account, its plan before, its check after."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import WaiterError
from rich.console import Console

from quickstep_cli import prove_run
from quickstep_cli.aws import Aws, YesOption, on_aws
from quickstep_cli.experiment import unwritable
from quickstep_cli.extra import needs_lab
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.options import file_option
from quickstep_cli.tables import Table, named, numbers, print_tables
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.prove.carry_out import DeadlineError, NotRemovedError, TakenError
from quickstep_lab.prove.plan import Contender, Plan, cost
from quickstep_lab.prove.predict import predicted
from quickstep_lab.prove.result import (
    AWS_CAPACITY,
    AWS_TRIGGER,
    STEPS,
    Result,
    ResultError,
    document,
    figures,
    read_result,
)
from quickstep_lab.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep_lab.cost.bill import Bill

_INVALID = 1
_HEADS = {
    "readable": "readable",
    "alarm": "alarm",
    "event": "scaler",
    "update": "desired",
    "first_running": "first task",
    "last_running": "last task",
}


@needs_lab
@on_aws
def prove(
    aws: Aws,
    *,
    run: Annotated[bool, typer.Option("--run", help="Carry it out, on the account.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete the stack of a proof that was left behind.")
    ] = False,
    only: Annotated[
        list[Contender] | None,
        typer.Option(help="Prove this service alone. Repeatable.", show_default="all"),
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0, help="US dollars; a proof that may cost more ends.")
    ] = 1.0,
    deadline: Annotated[int, typer.Option(min=1, help="Minutes; then the stack is deleted.")] = 30,
    result: Annotated[
        Path, typer.Option(metavar="FILE", help="Where --run writes its result.")
    ] = Path("proof.json"),
    check: Annotated[
        Path | None,
        file_option(
            metavar="FILE",
            help="Recompute every figure of a result file; refuse one that does not hold together.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the figures, too.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Measure Quickstep beside AWS's scalers on your account; by default, say what it takes.

    Five services of one stack make their own load by the clock. The scaler has to be deployed.
    """
    if sum((run, clean, check is not None)) > 1:
        raise typer.BadParameter("give one of --run, --clean and --check")
    unwritable(picture)
    unwritable(result)
    console = Console()
    if clean:
        for line in prove_run.clean(aws):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    elif check is not None:
        _show(console, read_file(check), str(check), picture)
    else:
        contenders = tuple(only or Contender)
        bill = _print_plan(console, Plan(), contenders)
        if not run:
            return
        if bill.total > budget:
            raise CommandError(Exit.NO, f"it may cost more than --budget ${budget:g}")
        if (minutes := Plan().whole / 60) > deadline:
            why = f"it takes {minutes:g} minutes, longer than --deadline {deadline}"
            raise CommandError(Exit.NO, why)
        for obstacle in prove_run.obstacles(aws, Plan(), contenders):
            console.print(f"Obstacle: {obstacle}", style="yellow")
        if not yes:
            typer.confirm("Go on?", abort=True)
        most = timedelta(minutes=deadline)
        _carry_out(aws, console, contenders, result, picture, deadline=most)


def _carry_out(
    aws: Aws,
    console: Console,
    contenders: tuple[Contender, ...],
    file: Path,
    picture: Path | None,
    *,
    deadline: timedelta,
) -> None:
    where = "emulator" if aws.endpoint_url else "aws"
    try:
        found = prove_run.run(aws, Plan(), contenders, where, console.print, deadline=deadline)
    except (TakenError, NotRemovedError) as error:
        raise CommandError(Exit.NO, f"{error}; see `quickstep prove --clean`") from error
    except DeadlineError as error:
        raise CommandError(Exit.NO, f"{error}; the stack is deleted") from error
    except WaiterError as error:
        raise CommandError(
            Exit.NO, f"the stack was not completed, and is deleted: {error}"
        ) from error
    file.write_text(json.dumps(document(found), indent=1) + "\n", encoding="utf-8")
    _show(console, found, str(file), picture)


def _show(console: Console, result: Result, name: str, picture: Path | None) -> None:
    found, expected = figures(result.surges), _predicted(result.plan)
    print_tables(_table(found, expected), console=console)
    console.print(f"{name}: every figure follows from its timestamps ({_where(result)}).")
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
    heads = (*(_HEADS[step] for step in STEPS), "desired, simulated")
    columns = (*named("service"), *numbers("answered", *heads))
    table = Table(columns, title="Seconds from the first overloaded second: medians")
    for name, row in found.items():
        cells = [_seconds(row[step]) for step in STEPS]
        answered = f"{row['answered']} of {row['surges']}"
        table.add(name, answered, *cells, _seconds(expected.get(name)))
    blank = [""] * 3
    table.add(
        "AWS's benchmark, 20-s metrics", "", *blank, f"{AWS_TRIGGER:g}", "", f"{AWS_CAPACITY:g}", ""
    )
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _print_plan(console: Console, plan: Plan, contenders: tuple[Contender, ...]) -> Bill:
    bill = cost(plan, read_prices(), len(contenders))
    minutes = round(plan.whole / 60)
    console.print(
        f"A proof creates one stack in the default VPC: a cluster, {len(contenders)} services on "
        f"Fargate of {plan.fewest} to {plan.most} tasks with {plan.cpu / 1024:g} vCPU and "
        f"{plan.memory / 1024:g} GB, their alarms and scalers, and no load balancer."
    )
    surges = ", ".join(f"{offset // 60}" for offset in plan.offsets)
    console.print(
        f"It takes {minutes} minutes, with surges of {plan.surge} s at minutes {surges}, and costs "
        f"at most ${bill.total:.2f} by the cost model's prices:"
    )
    table = Table((*named("what"), *numbers("quantity", "US dollars")))
    for charge in bill.charges:
        quantity = f"{charge.line.quantity:,.4g} {charge.price.unit}"
        table.add(charge.line.what, quantity, f"{charge.dollars:.4f}")
    print_tables(table, console=console)
    console.print("--run carries it out. The stack is deleted in the end, whatever happens.")
    return bill
