"""`quickstep validate`: check policy documents before they are deployed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import STANDARD_BYTES, ConfigError, parse_target
from quickstep.engine.model import MetricScope
from quickstep_cli.advice import advice
from quickstep_cli.thresholds import read_thresholds
from quickstep_lab.thresholds import default_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep.engine.model import ScalableTarget


def validate(
    files: Annotated[list[Path], typer.Argument(help="Policy documents, as JSON files.")],
    *,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY=VALUE",
            help="Threshold of a step policy's alarm, for the warnings. Repeatable.",
            show_default="for PerTask policies, 100 to scale out and 30 to scale in",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
) -> None:
    """Check policy documents, list every problem, and exit with 1 if there is any.

    Warnings name what is allowed but probably not meant: what will flap, and what never happens.
    A valid document's alarms are listed, since each policy needs its own.
    """
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    given = read_thresholds(threshold or [])
    used: set[str] = set()
    bad = warned = 0
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            target = parse_target(text)
        except OSError as error:
            err.print(f"[red]✗[/] {escape(str(file))}: {error.strerror}", soft_wrap=True)
        except UnicodeDecodeError as error:
            why = f"must be UTF-8, but byte {error.start} is not"
            err.print(f"[red]✗[/] {escape(str(file))}: {why}", soft_wrap=True)
        except ConfigError as error:
            count = f"{len(error.problems)} problem(s)"
            err.print(f"[red]✗[/] {escape(str(file))}: {count}", soft_wrap=True)
            for problem in error.problems:
                err.print(f"    {escape(str(problem))}", soft_wrap=True)
        else:
            what = f"{target.resource_id}, with {_watched(target)}"
            out.print(f"[green]✓[/] {escape(str(file))}: {what}", soft_wrap=True)
            used |= {policy.name for policy in target.step_policies}
            for warning in (*_of_size(text), *advice(target, {**_defaults(target), **given})):
                warned += 1
                err.print(f"[yellow]![/] {escape(f'{file}: {warning}')}", soft_wrap=True)
            continue
        bad += 1
    if unknown := ", ".join(given.keys() - used):
        raise typer.BadParameter(
            f"{unknown}: no valid document has a step policy of that name", param_hint="--threshold"
        )
    if bad or (strict and warned):
        raise typer.Exit(1)


def _watched(target: ScalableTarget) -> str:
    """Return what a target's policies watch. Example: `the alarms high, low and the queue jobs`."""
    alarms = ", ".join(policy.alarm for policy in target.policies)
    queues = ", ".join(policy.queue_name for policy in target.queues)
    several = "s" if len(target.queues) > 1 else ""
    parts = (
        f"the alarms {alarms}" if alarms else "",
        f"the queue{several} {queues}" if queues else "",
    )
    return " and ".join(filter(None, parts))


def _of_size(text: str) -> Iterator[str]:
    """Warn about a document that only the paid tier of SSM parameters accepts."""
    if (size := len(text.encode())) > STANDARD_BYTES:
        yield (
            f"it has {size} bytes, and a standard-tier SSM parameter takes {STANDARD_BYTES}: "
            "set Tier to Advanced, which costs money, as `quickstep apply` does on its own"
        )


def _defaults(target: ScalableTarget) -> dict[str, float]:
    defaults = default_thresholds(target)
    return {
        policy.alarm: defaults[policy.alarm]
        for policy in target.step_policies
        if policy.metric_scope is MetricScope.PER_TASK
    }
