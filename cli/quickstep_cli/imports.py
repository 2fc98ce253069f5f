"""`quickstep import`: take over a service from Application Auto Scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import ConfigError, read_target
from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json
from quickstep_cli.advice import advice
from quickstep_cli.aws import Aws, CommandError, Exit, JsonOption, on_aws
from quickstep_cli.aws import read_target as read_service
from quickstep_cli.takeover import TakeOver, Tracking, cloudformation, take_over

if TYPE_CHECKING:
    from quickstep.naming import ServiceName

DIMENSION = "ecs:service:DesiredCount"
_NAMES = 100  # the most that DescribeAlarms takes

FromFilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--from-file",
        exists=True,
        dir_okay=False,
        help="Saved output of describe-scalable-targets, describe-scaling-policies or "
        "describe-alarms, instead of asking AWS. Repeatable.",
    ),
]


@on_aws
def import_(
    aws: Aws,
    *,
    resource_id: Annotated[
        str, typer.Option("--resource-id", help="service/CLUSTER/SERVICE, as AAS names it.")
    ],
    from_file: FromFilesOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Write policy.json, alarms.json and template.json to this folder."
        ),
    ] = None,
    tracking: Annotated[
        Tracking,
        typer.Option(
            help="Carry target tracking over as a target policy on its metric's fastest alarm, or "
            "as steps on alarms that evaluate as AAS does."
        ),
    ] = Tracking.TARGET,
    high_resolution: Annotated[
        bool,
        typer.Option(
            "--high-resolution",
            help="Custom metrics of target tracking are published with StorageResolution 1.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Make the document a dry run, to run beside AAS.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Make a policy document and alarms of what Application Auto Scaling has for a service.

    Nothing is changed in AWS. Exits with 1 if something could not be carried over.
    """
    service = read_service(resource_id)
    found = _read_files(from_file) if from_file else _ask(aws, service)
    targets = [
        one
        for one in found["ScalableTargets"]
        if one.get("ResourceId") == service.resource_id
        and one.get("ScalableDimension", DIMENSION) == DIMENSION
    ]
    if not targets:
        why = f"Application Auto Scaling has no scalable target {service.resource_id} here"
        raise CommandError(Exit.NOT_FOUND, why)
    policies = [
        one for one in found["ScalingPolicies"] if one.get("ResourceId") == service.resource_id
    ]
    alarms = {one["AlarmName"]: one for one in found["MetricAlarms"]}
    try:
        made = take_over(
            service,
            targets[0],
            policies,
            alarms,
            dry_run=dry_run,
            tracking=tracking,
            high_resolution=high_resolution,
        )
    except KeyError as error:
        why = f"this is not what AWS describes: {error} is missing"
        raise CommandError(Exit.NO, why) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CommandError(Exit.NO, f"this is not what AWS describes: {error}") from error
    _check(made)
    if out:
        _write(out, service, made)
    _print(service, made, out, as_json=as_json)
    if made.warnings:
        raise typer.Exit(Exit.NO)


def _ask(aws: Aws, service: ServiceName) -> dict[str, list[Any]]:
    scaling = aws.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[service.resource_id], ScalableDimension=DIMENSION
    )["ScalableTargets"]
    pages = scaling.get_paginator("describe_scaling_policies").paginate(
        ServiceNamespace="ecs", ResourceId=service.resource_id, ScalableDimension=DIMENSION
    )
    policies = [policy for page in pages for policy in page["ScalingPolicies"]]
    names = sorted(
        {alarm["AlarmName"] for policy in policies for alarm in policy.get("Alarms", [])}
    )
    alarms: list[Any] = []
    for start in range(0, len(names), _NAMES):
        answer = aws.client("cloudwatch").describe_alarms(
            AlarmNames=names[start : start + _NAMES], AlarmTypes=["MetricAlarm"]
        )
        alarms += answer["MetricAlarms"]
    return {"ScalableTargets": targets, "ScalingPolicies": policies, "MetricAlarms": alarms}


MAX_EXPORT = 2**26
"""Bytes; some 1,000 alarms take one or two millions."""


def _read_files(files: list[Path]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        "ScalableTargets": [],
        "ScalingPolicies": [],
        "MetricAlarms": [],
    }
    for file in files:
        try:
            document = parse_json(file.read_text(encoding="utf-8"), MAX_EXPORT)
        except (InvalidDocumentError, UnicodeDecodeError) as error:
            raise CommandError(Exit.USAGE, f"{file}: {error}") from error
        problems = Problems()
        members = Field(document, "", problems).members()
        known = found.keys() & members.keys()
        if not known and not problems.found:
            Field(None, "", problems).wrong(f"must have one of {', '.join(found)}", seen=False)
        for key in known:
            for item in members[key].items():
                item.members()
                found[key].append(item.value)
        if problems.found:
            listed = "; ".join(str(problem) for problem in problems.found)
            raise CommandError(Exit.USAGE, f"{file}: {listed}")
    return found


def _check(made: TakeOver) -> None:
    """Add what the validator and its advice say of the document."""
    try:
        target = read_target(made.document)
    except ConfigError as error:
        made.warnings += [f"policy document: {problem}" for problem in error.problems]
        return
    made.notes += advice(target, {})


def _write(folder: Path, service: ServiceName, made: TakeOver) -> None:
    files = {
        "policy.json": made.document,
        "alarms.json": made.alarms,
        "template.json": cloudformation(service, made),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(Exit.NO, f"{folder}: {error.strerror}") from error


def _print(service: ServiceName, made: TakeOver, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        answer = {
            "policy": made.document,
            "alarms": made.alarms,
            "notes": made.notes,
            "warnings": made.warnings,
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(f"[bold]Policy document {escape(service.parameter)}[/]")
    typer.echo(json.dumps(made.document, indent=2, ensure_ascii=False))
    console.print("[bold]Alarms[/]")
    for alarm in made.alarms:
        metric = alarm.get("MetricName", "metric math")
        rule = f"{alarm['ComparisonOperator']} {alarm['Threshold']:g}"
        console.print(escape(f"  {alarm['AlarmName']}: {metric} {rule}"), soft_wrap=True)
    for note in made.notes:
        console.print(escape(f"- {note}"), soft_wrap=True)
    for warning in made.warnings:
        console.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
    if out:
        console.print(escape(f"Written to {out}: policy.json, alarms.json, template.json"))
        files = f"--policy {out / 'policy.json'} --alarms {out / 'alarms.json'}"
        console.print(escape(f"Try it first: quickstep compare {files}"), soft_wrap=True)
