"""`quickstep doctor --all`: every target in one table, and each problem once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from quickstep_cli.checks import examine
from quickstep_cli.checks.findings import Finding, Verdict
from quickstep_cli.failures import CommandError, Exit, shown
from quickstep_cli.tables import Table, named
from quickstep_cli.targets import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickstep_cli.aws import Aws

MARKS = {Verdict.OK: "[green]✓[/]", Verdict.WARNING: "[yellow]![/]", Verdict.PROBLEM: "[red]✗[/]"}
_NAMED = 5
"""How many targets to name next to a problem; above that, only their number."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A target and the findings of every check."""

    target: str
    findings: Sequence[Finding]

    def having(self, verdict: Verdict) -> int:
        """Return how many findings have this verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def worst(self) -> Verdict:
        """The worst finding's verdict."""
        return next((v for v in (Verdict.PROBLEM, Verdict.WARNING) if self.having(v)), Verdict.OK)


def check_all(aws: Aws, cluster: str | None, *, as_json: bool) -> None:
    """Check all targets in the Region, or a cluster's, and print one row each.

    A finding with the same words for several targets is printed once. Progress shows on stderr if
    it is a terminal.

    Raises:
        CommandError: there is no target.
        typer.Exit: with 1, if a target has a problem.
    """
    from quickstep_cli.facts import gather_all  # noqa: PLC0415 - boto3 takes its time

    found = documents(aws)
    chosen = {one: found[one] for one in sorted(found, key=str) if cluster in (None, one.cluster)}
    if not chosen:
        of = f" of the cluster {cluster}" if cluster else ""
        why = f"no target{of} in {aws.region}: /quickstep has no policy document"
        raise CommandError(Exit.NOT_FOUND, why)
    err = Console(stderr=True)
    progress = track(
        gather_all(aws, chosen, len(found)),
        "Checking targets",
        total=len(chosen),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    rows = [
        Checked(facts.service_name.resource_id.removeprefix("service/"), examine(facts))
        for facts in progress
    ]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
    else:
        _print(rows)
    if any(row.worst is Verdict.PROBLEM for row in rows):
        raise typer.Exit(Exit.NO)


def _print(rows: Sequence[Checked]) -> None:
    console = Console(highlight=False)
    for mark, line in zip((" ", *(MARKS[row.worst] for row in rows)), table(rows), strict=True):
        console.print(f"{mark} {escape(shown(line))}", soft_wrap=True)
    for finding, targets in problems(rows):
        of = ", ".join(targets[:_NAMED])
        if len(targets) > _NAMED:
            of += f" and {len(targets) - _NAMED} more"
        line = escape(shown(f"{of}: {finding.check}: {finding.what}"))
        console.print(f"{MARKS[Verdict.PROBLEM]} {line}", soft_wrap=True)
        console.print(f"    {escape(shown(finding.fix))}", soft_wrap=True, style="dim")
    for check, number in warned(rows):
        of = "1 target" if number == 1 else f"{number} targets"
        console.print(f"{MARKS[Verdict.WARNING]} {check}: warnings for {of}")
    failed = sum(row.worst is Verdict.PROBLEM for row in rows)
    console.print(
        f"{len(rows)} targets, {failed} with problems; for details, run quickstep doctor TARGET"
    )


def table(rows: Sequence[Checked]) -> Iterator[str]:
    """Yield aligned lines: a heading, then each target with its number of findings."""
    found = Table(named("TARGET", "PROBLEMS", "WARNINGS", "FAILING CHECKS"))
    for row in rows:
        failing = [one.check for one in row.findings if one.verdict is Verdict.PROBLEM]
        counts = (row.having(Verdict.PROBLEM), row.having(Verdict.WARNING))
        found.add(row.target, *counts, ", ".join(dict.fromkeys(failing)))
    return (line.text for line in found.lines(None))


def problems(rows: Sequence[Checked]) -> list[tuple[Finding, list[str]]]:
    """Return each problem with the targets that have it.

    A finding that names its own target still counts as the same: `TARGET` stands for the name.
    """
    found: dict[Finding, list[tuple[str, Finding]]] = {}
    for row in rows:
        for one in row.findings:
            if one.verdict is Verdict.PROBLEM:
                what, fix = (text.replace(row.target, "TARGET") for text in (one.what, one.fix))
                alike = Finding(one.check, one.verdict, what, fix)
                found.setdefault(alike, []).append((row.target, one))
    return [
        (alike if len(those) > 1 else those[0][1], [target for target, _ in those])
        for alike, those in found.items()
    ]


def warned(rows: Sequence[Checked]) -> list[tuple[str, int]]:
    """Return the checks that warn, each with its number of targets, highest first."""
    found = Counter(
        check
        for row in rows
        for check in {one.check for one in row.findings if one.verdict is Verdict.WARNING}
    )
    return sorted(found.items(), key=lambda it: (-it[1], it[0]))
