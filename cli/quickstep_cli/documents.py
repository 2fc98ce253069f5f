"""`quickstep diff` and `quickstep apply`: policy documents, from files to SSM parameters.

With `--alarms`, `apply` also brings the alarms in line with the document. A folder stands for all
its documents, so one command deploys a repository of them.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import ConfigError, parse_target
from quickstep.naming import ServiceName, parse_resource_id
from quickstep_cli.advice import advice
from quickstep_cli.alarm_plan import AlarmPlan, PlanError, plan_alarms
from quickstep_cli.aws import Aws, JsonOption, YesOption, on_aws
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.owners import own, refuse_those_of_others
from quickstep_cli.targets import stored_documents, write_document
from quickstep_cli.thresholds import read_thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep.engine.model import ScalableTarget

FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Policy documents: JSON files, or folders of them."),
]


@dataclass(frozen=True)
class Change:
    """A document in a file and as stored; None where missing."""

    file: Path
    service: ServiceName
    target: ScalableTarget
    text: str
    stored: str | None
    alarms: AlarmPlan = field(default_factory=AlarmPlan)

    @property
    def differs(self) -> bool:
        """Whether the file differs from the stored document in more than layout."""
        return self.stored is None or _normal(self.stored) != _normal(self.text)

    def lines(self) -> list[str]:
        """Return the difference as a unified diff."""
        before = [] if self.stored is None else _normal(self.stored)
        return list(
            difflib.unified_diff(
                before, _normal(self.text), self.service.parameter, str(self.file), lineterm=""
            )
        )


@on_aws
def diff(aws: Aws, files: FilesArgument, *, as_json: JsonOption = False) -> None:
    """Compare documents with the deployed ones; exit with 1 if any differs."""
    changes = _changes(aws, files)
    _print(changes, as_json=as_json)
    if any(change.differs for change in changes):
        raise typer.Exit(Exit.NO)


@on_aws
def apply(
    aws: Aws,
    files: FilesArgument,
    *,
    alarms: Annotated[
        bool,
        typer.Option(
            "--alarms",
            help="Also bring the service's alarms in line with the document: set thresholds, "
            "create missing alarms, and delete those that no policy uses.",
        ),
    ] = False,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY=VALUE",
            help="With --alarms: the threshold of a step policy's alarm. Repeatable.",
            show_default="as deployed",
        ),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Also deploy documents that a stack or Terraform owns."),
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy policy documents if all are valid. They take effect within 90 s by default.

    Leaves documents of a stack or of Terraform alone: change them there, or pass --take-over.
    """
    thresholds = read_thresholds(threshold or [])
    changes = _changes(aws, files)
    aws = aws.patient()  # not earlier: without a network, its first call would take minutes
    if alarms:
        changes = _with_alarms(aws, changes, thresholds)
    elif thresholds:
        raise typer.BadParameter("requires --alarms", param_hint="--threshold")
    documents = [change for change in changes if change.differs]
    if not take_over:
        there = [one.service.parameter for one in documents if one.stored is not None]
        refuse_those_of_others(aws.client("ssm"), there)
    lines = [line for change in changes for line in change.alarms.lines]
    _print(changes, as_json=as_json)
    err = Console(stderr=True, highlight=False)
    for change in documents:
        for warning in advice(change.target, {}):
            err.print(f"[yellow]![/] {escape(f'{change.file}: {warning}')}", soft_wrap=True)
    if not documents and not lines:
        return
    if not yes:
        also = f" and change {len(lines)} alarm(s)" if lines else ""
        where = f"{len(documents)} document(s) in {aws.region}"
        typer.confirm(f"Deploy {where}{also}?", abort=True, err=True)
    for change in documents:
        write_document(aws, change.service, change.text)
        own(aws.client("ssm"), change.service.parameter)
        err.print(f"[green]✓[/] {escape(change.service.parameter)}", soft_wrap=True)
    for change in changes:
        _put_alarms(aws, change.alarms, err)


def _found(files: list[Path]) -> list[Path]:
    """Return the files that are meant; for a folder, each JSON file in it, by name.

    Raises:
        CommandError: a folder has none.
    """
    found = []
    for path in files:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise CommandError(Exit.USAGE, f"{path}: this folder has no *.json file")
        found += inside
    return found


def _with_alarms(aws: Aws, changes: list[Change], thresholds: Mapping[str, float]) -> list[Change]:
    """Return the changes, with what to do to their alarms.

    Raises:
        typer.BadParameter: a threshold belongs to no step policy.
        CommandError: an alarm is missing and nothing defines it.
    """
    names = {policy.name for change in changes for policy in change.target.step_policies}
    if unknown := sorted(thresholds.keys() - names):
        rule = f"must name a step policy of the documents, not {', '.join(unknown)}"
        raise typer.BadParameter(rule, param_hint="--threshold")
    planned = []
    for change in changes:
        there = aws.alarms(AlarmNamePrefix=change.service.alarm(""))
        try:
            plan = plan_alarms(change.service, change.target, there, thresholds)
        except PlanError as error:
            raise CommandError(Exit.NO, f"{change.file}: nothing was changed: {error}") from error
        planned.append(replace(change, alarms=plan))
    return planned


def _put_alarms(aws: Aws, plan: AlarmPlan, err: Console) -> None:
    """Put alarms before deleting any: the ones to delete may be all that scales the service."""
    client = aws.client("cloudwatch")
    known = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    for alarm in plan.put:
        client.put_metric_alarm(**{key: alarm[key] for key in known if key in alarm})
        err.print(f"[green]✓[/] {escape(alarm['AlarmName'])}", soft_wrap=True)
    if plan.delete:
        client.delete_alarms(AlarmNames=list(plan.delete))
        err.print(f"[green]✓[/] {escape(', '.join(plan.delete))}: deleted", soft_wrap=True)


def _changes(aws: Aws, files: list[Path]) -> list[Change]:
    """Pair each file's document with the stored one."""
    read = [_read(file) for file in _found(files)]
    stored = stored_documents(aws, [one.service for one in read])
    return [replace(one, stored=stored.get(one.service)) for one in read]


def _read(file: Path) -> Change:
    try:
        text = file.read_text(encoding="utf-8")
        target = parse_target(text)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(Exit.USAGE, f"{file}: must be UTF-8") from error
    except ConfigError as error:
        listed = "".join(f"\n    {problem}" for problem in error.problems)
        raise CommandError(Exit.NO, f"{file}: nothing was changed:{listed}") from error
    service = parse_resource_id(target.resource_id)
    assert service is not None  # noqa: S101 - a valid document names one
    return Change(file, service, target, text, stored=None)


def _normal(text: str) -> list[str]:
    """Return a document's lines in one layout; text that is not JSON keeps its own."""
    try:
        document: Any = json.loads(text)
    except ValueError:
        return text.splitlines()
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _print(changes: list[Change], *, as_json: bool) -> None:
    if as_json:
        listed = [
            {
                "file": str(change.file),
                "parameter": change.service.parameter,
                "differs": change.differs,
                "diff": change.lines(),
                "alarms": list(change.alarms.lines),
            }
            for change in changes
        ]
        typer.echo(json.dumps(listed, ensure_ascii=False))
        return
    colours = {"+": "green", "-": "red", "@": "cyan"}
    console = Console(highlight=False)
    for change in changes:
        if not change.differs:
            console.print(escape(f"{change.service.parameter}: as in {change.file}"))
        for line in change.lines():
            console.print(escape(line), style=colours.get(line[:1], ""), soft_wrap=True)
        for line in change.alarms.lines:
            console.print(escape(line), soft_wrap=True)
