"""`quickstep import`: take services over from Application Auto Scaling, and prove it."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from quickstep_cli.aws import Aws, JsonOption, on_aws
from quickstep_cli.aws import read_target as read_service
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.found import ask, read_files, tagged
from quickstep_cli.import_all import import_all
from quickstep_cli.import_one import FILES, Imported, Wish, answer_of, import_one, write
from quickstep_cli.options import file_option
from quickstep_cli.tracking_import import Tracking

_SHOWN_DIFFERENCES = 10


@on_aws
def import_(
    aws: Aws,
    *,
    resource_id: Annotated[
        str | None, typer.Option(help="service/CLUSTER/SERVICE, as in AAS.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All services of a --cluster, or with a --tag.")
    ] = False,
    cluster: Annotated[str | None, typer.Option(help="With --all: only this cluster.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="With --all: only services with this tag. Repeatable."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --all: redo those already in the folder.")
    ] = False,
    from_file: Annotated[
        list[Path] | None,
        file_option(
            help="Saved output of describe-scalable-targets, describe-scaling-policies, "
            "describe-scheduled-actions or describe-alarms, instead of asking AWS. Repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Write policy.json, alarms.json and template.json to this folder; with --all, to "
            "a folder CLUSTER/SERVICE in it.",
        ),
    ] = None,
    tracking: Annotated[
        Tracking,
        typer.Option(
            help="Convert target tracking to a target policy on its metric's fastest alarm, or "
            "to steps on alarms that evaluate like AAS's."
        ),
    ] = Tracking.TARGET,
    high_resolution: Annotated[
        bool,
        typer.Option(
            "--high-resolution",
            help="Target tracking's custom metrics have StorageResolution 1.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Make the document a dry run, to run alongside AAS.")
    ] = True,
    proof: Annotated[
        bool,
        typer.Option(help="Compare the steps with what AAS documents, over a grid of cases."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Convert a service's Application Auto Scaling policies to a policy document and alarms.

    Changes nothing in AWS. Exits with 1 if anything could not be carried over, or behaves
    differently from what AAS documents.
    """
    wish = Wish(dry_run, tracking, high_resolution=high_resolution, proof=proof)
    if every:
        if resource_id or not (cluster or tag) or not out:
            raise typer.BadParameter(
                "requires --out and --cluster or --tag, and excludes --resource-id",
                param_hint="--all",
            )
        found = read_files(from_file) if from_file else ask(aws)
        services = [one for one in found.services if cluster in (None, one.cluster)]
        chosen = tagged(aws, services, tag) if tag else services
        if not chosen:
            of = " ".join(part for part in (cluster, *(tag or ())) if part)
            why = f"Application Auto Scaling has no scalable target of {of} {found.where}"
            raise CommandError(Exit.NOT_FOUND, why)
        import_all(found, chosen, wish, out, again=again, as_json=as_json)
        return
    if cluster or tag or again:
        raise typer.BadParameter("require --all", param_hint="--cluster, --tag and --again")
    if not resource_id:
        raise typer.BadParameter("is missing; or pass --all", param_hint="--resource-id")
    service = read_service(resource_id)
    made = import_one(read_files(from_file) if from_file else ask(aws, service), service, wish)
    if out:
        write(out, made)
    _print(made, out, as_json=as_json)
    if made.problems:
        raise typer.Exit(Exit.NO)


def _print(made: Imported, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer_of(made), ensure_ascii=False))
        return
    console = Console(highlight=False)
    taken = made.taken
    console.print(f"[bold]Policy document {escape(taken.service.parameter)}[/]")
    typer.echo(json.dumps(taken.document, indent=2, ensure_ascii=False))
    console.print("[bold]Alarms[/]")
    for alarm in taken.alarms:
        metric = alarm.get("MetricName", "metric math")
        rule = f"{alarm['ComparisonOperator']} {alarm['Threshold']:g}"
        console.print(escape(f"  {alarm['AlarmName']}: {metric} {rule}"), soft_wrap=True)
    if taken.schedules:
        console.print("[bold]Schedules[/]")
    for schedule in taken.schedules:
        line = f"  {schedule['ScheduleExpression']}: {schedule['Input']}"
        console.print(escape(line), soft_wrap=True)
    for note in taken.notes:
        console.print(escape(f"- {note}"), soft_wrap=True)
    for warning in taken.warnings:
        console.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
    _print_proof(console, made)
    if out:
        console.print(escape(f"Written to {out}: {', '.join(FILES)}"), soft_wrap=True)
        if '"PerTask"' in taken.text:  # what a simulation plays
            files = f"--policy {out / 'policy.json'} --alarms {out / 'alarms.json'}"
            console.print(escape(f"Try it first: quickstep compare {files}"), soft_wrap=True)


def _print_proof(console: Console, made: Imported) -> None:
    if made.proof is None:
        return
    console.print(escape(made.proof.sentence), soft_wrap=True)
    for why, cases in made.proof.announced.items():
        console.print(escape(f"- {cases:,}: {why}"), soft_wrap=True)
    for difference in made.proof.differences[:_SHOWN_DIFFERENCES]:
        console.print(f"[red]✗[/] {escape(str(difference))}", soft_wrap=True)
    if (more := len(made.proof.differences) - _SHOWN_DIFFERENCES) > 0:
        console.print(f"[red]✗[/] and {more:,} more", soft_wrap=True)
