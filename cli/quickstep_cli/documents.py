"""`quickstep diff` and `quickstep apply`: policy documents, from files to SSM parameters."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import ConfigError, parse_target
from quickstep.naming import ServiceName, parse_resource_id
from quickstep_cli.advice import advice
from quickstep_cli.aws import Aws, CommandError, Exit, JsonOption, YesOption, on_aws
from quickstep_cli.targets import stored_document

if TYPE_CHECKING:
    from quickstep.engine.model import ScalableTarget

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Policy documents, as JSON files.")
]


@dataclass(frozen=True)
class Change:
    """A document as it is in a file, and as it is stored; None where it is not."""

    file: Path
    service: ServiceName
    target: ScalableTarget
    text: str
    stored: str | None

    @property
    def differs(self) -> bool:
        """Whether it says something else than what is stored; layout does not count."""
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
    """Show how documents differ from those in force; exit with 1 if any does."""
    changes = [_change(aws, file) for file in files]
    _print(changes, as_json=as_json)
    if any(change.differs for change in changes):
        raise typer.Exit(Exit.NO)


@on_aws
def apply(
    aws: Aws, files: FilesArgument, *, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Put policy documents in force, once all of them are valid; within 30 s by default.

    A document that a stack made is the stack's: change it there, or the next deployment undoes it.
    """
    changes = [_change(aws, file) for file in files]
    changed = [change for change in changes if change.differs]
    _print(changes, as_json=as_json)
    err = Console(stderr=True, highlight=False)
    for change in changed:
        for warning in advice(change.target, {}):
            err.print(f"[yellow]![/] {escape(f'{change.file}: {warning}')}", soft_wrap=True)
    if not changed:
        return
    if not yes:
        where = f"{len(changed)} document(s) in {aws.region}"
        typer.confirm(f"Put {where} in force?", abort=True, err=True)
    for change in changed:
        aws.client("ssm").put_parameter(
            Name=change.service.parameter,
            Value=change.text,
            Type="String",
            Overwrite=True,
            Tier="Intelligent-Tiering",  # beyond 4 KB the standard tier takes none
        )
        err.print(f"[green]✓[/] {escape(change.service.parameter)}", soft_wrap=True)


def _change(aws: Aws, file: Path) -> Change:
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
    return Change(file, service, target, text, stored_document(aws, service))


def _normal(text: str) -> list[str]:
    """Return a document's lines in one layout; of one that is no JSON, its own."""
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
