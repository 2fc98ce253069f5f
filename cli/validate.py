"""`quickstep validate`: check policy documents before they are deployed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import ConfigError, parse_target


def validate(
    files: Annotated[list[Path], typer.Argument(help="Policy documents, as JSON files.")],
) -> None:
    """Check policy documents; list every problem of each, and exit with 1 if there is any."""
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    bad = 0
    for file in files:
        try:
            target = parse_target(file.read_text(encoding="utf-8"))
        except OSError as error:
            err.print(f"[red]✗[/] {escape(str(file))}: {error.strerror}", soft_wrap=True)
        except UnicodeDecodeError as error:
            why = f"must be UTF-8, not so at byte {error.start}"
            err.print(f"[red]✗[/] {escape(str(file))}: {why}", soft_wrap=True)
        except ConfigError as error:
            count = f"{len(error.problems)} problem(s)"
            err.print(f"[red]✗[/] {escape(str(file))}: {count}", soft_wrap=True)
            for problem in error.problems:
                err.print(f"    {escape(str(problem))}", soft_wrap=True)
        else:
            policies = len(target.policies)
            what = f"{target.resource_id}, {policies} policies"
            out.print(f"[green]✓[/] {escape(str(file))}: {what}", soft_wrap=True)
            continue
        bad += 1
    if bad:
        raise typer.Exit(1)
