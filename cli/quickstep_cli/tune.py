"""`quickstep tune`: find the policy that fits your own traffic."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from quickstep.fields import InvalidDocumentError
from quickstep_cli.compare import MODELLED
from quickstep_cli.experiment import command_line, progress_bar, unwritable
from quickstep_cli.extra import needs_lab
from quickstep_cli.pricing import (  # noqa: TC001 - Typer reads annotations
    ArchitectureOption,
    CpuOption,
    MemoryOption,
)
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables
from quickstep_cli.traffic import TrafficFilesOption  # noqa: TC001 - Typer reads annotations
from quickstep_cli.trials import Trials, takes_trials
from quickstep_lab.cost.month import Architecture, TaskSize
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.simulator.report import Made
from quickstep_lab.simulator.signals import REQUESTS
from quickstep_lab.simulator.tune import Candidate, Score, Search, Tuning, split
from quickstep_lab.simulator.tune import tune as search_policies
from quickstep_lab.simulator.tuning_reasons import reasons
from quickstep_lab.simulator.tuning_report import tuning_page
from quickstep_lab.simulator.tuning_space import check_tunable, form_of
from quickstep_lab.traffic import ScenarioName, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST = 600
"""Seconds below which a part of the traffic is too short to be evidence."""

_TUNED = Path("tuned.json")
"""File name of a document that is only printed, in the command that deploys it."""


@needs_lab
@takes_trials
def tune(
    trial: Trials,
    *,
    traffic: TrafficFilesOption = None,
    floor: Annotated[
        float, typer.Option(min=0, max=1, help="Success rate to reach, from 0 to 1.")
    ] = 0.999,
    hold_out: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=0.9,
            help="Share at the end of each traffic to hold out from tuning.",
            show_default="a third",
        ),
    ] = 1 / 3,
    candidates: Annotated[
        int, typer.Option(min=4, max=100_000, help="How many policies to try.")
    ] = 100,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Runs per candidate and traffic.")] = 3,
    out: Annotated[
        Path | None, typer.Option(help="Write the policy document to this file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report as an HTML page to this file.")
    ] = None,
    task_vcpu: CpuOption = 1,
    task_memory: MemoryOption = 2,
    architecture: ArchitectureOption = Architecture.ARM,
) -> None:
    """Search for the policy that reaches your success rate with the fewest task-hours.

    Tries step ladders, percent ladders and target policies. Holds out the last part of the
    traffic, and shows the results on both parts. Exits with 1 if the best policy misses the
    success rate on either.
    """
    unwritable(out)
    unwritable(report)
    setup = trial.setup()
    try:
        check_tunable(setup)
    except InvalidDocumentError as error:
        raise typer.BadParameter(f"{trial.policy}: {error}", param_hint="--policy") from None
    files: list[Path | None] = [*traffic] if traffic else [None]
    played = [trial.chosen(file, ScenarioName.BURSTY) for file in files]
    parts = [_parts(one, hold_out) for one in played]
    document = json.loads(trial.policy.read_text(encoding="utf-8"))
    search = Search(
        document,
        setup,
        tuple(tuned for tuned, _ in parts),
        tuple(held_out for _, held_out in parts),
        trial.world(setup),
        floor,
        candidates,
        seeds,
    )
    name = _name(search)
    with progress_bar(f"Tuning on {name}", candidates) as advance:
        tuning = search_policies(search, jobs=trial.jobs, progress=advance)
    text = json.dumps(tuning.chosen.document, indent=2) + "\n"
    if out:
        out.write_text(text, encoding="utf-8")
    if report:
        made = Made(command_line(), trial.policy.read_text(encoding="utf-8"), MODELLED)
        an_hour = TaskSize(task_vcpu, task_memory, architecture).an_hour(read_prices())
        report.write_text(tuning_page(tuning, name, made, an_hour), encoding="utf-8")
    if trial.as_json:
        typer.echo(json.dumps(_as_dict(tuning, search, out), ensure_ascii=False))
    else:
        _print(tuning, search, text, out)
    if not (tuning.reached and tuning.holds):
        raise typer.Exit(1)


def _parts(traffic: Traffic, hold_out: float) -> tuple[Traffic, Traffic]:
    seconds = len(traffic.requests)
    shortest = round(seconds * min(hold_out, 1 - hold_out))
    if shortest < _SHORTEST:
        rule = f"both parts of the {seconds} seconds must have at least {_SHORTEST}"
        raise typer.BadParameter(
            f"{rule}, not {shortest} ({traffic.name})", param_hint="--hold-out"
        )
    return split(traffic, hold_out)


def _name(search: Search) -> str:
    return ", ".join(traffic.name for traffic in search.tuned)


def _as_dict(tuning: Tuning, search: Search, out: Path | None) -> dict[str, Any]:
    return {
        "traffic": _name(search),
        "floor": tuning.floor,
        "reached": tuning.reached,
        "holds": tuning.holds,
        "candidates": len(tuning.tried),
        "chosen": tuning.chosen.as_dict(),
        "baseline": tuning.baseline.as_dict(),
        "front": [candidate.as_dict() for candidate in tuning.front],
        "traffics": [traffic.name for traffic in search.tuned],
        "reasons": reasons(tuning),
        "deploy": deployment(tuning.chosen, out),
    }


def deployment(candidate: Candidate, file: Path | None) -> str:
    """Return the command that deploys a policy: its document and its alarms' thresholds.

    A target policy's threshold is its TargetValue, which is in the document.
    """
    steps = {n: v for n, v in candidate.thresholds.items() if not n.endswith("/high")}
    options = [f"--threshold {name}={value:g}" for name, value in steps.items()]
    return " ".join(["quickstep apply", shlex.quote(str(file or _TUNED)), "--alarms", *options])


def _print(tuning: Tuning, search: Search, document: str, out: Path | None) -> None:
    print_tables(_table(tuning, search))
    print_prose(*_notes(tuning, search), console=Console(stderr=True, highlight=False))
    print_prose(*_conclusion(tuning, search, out))
    if out:
        print_prose(f"Policy document: {out}")
    else:
        typer.echo(document, nl=False)


def _conclusion(tuning: Tuning, search: Search, out: Path | None) -> Iterator[str]:
    yield from reasons(tuning)
    thresholds = ", ".join(f"{name} {value:g}" for name, value in tuning.chosen.thresholds.items())
    signal = search.baseline.signal
    unit = "requests per second and task" if signal == REQUESTS else f"{signal.metric}"
    yield f"Alarm thresholds, in {unit}: {thresholds}"
    saved = "" if out else f" after saving it as {_TUNED}"
    yield f"Deploy it{saved}: {deployment(tuning.chosen, out)}"


def _notes(tuning: Tuning, search: Search) -> list[str]:
    notes = []
    if not tuning.reached:
        notes.append(f"No policy reached a success rate of {tuning.floor:.4g}; this came closest.")
    elif not tuning.holds:
        notes.append(
            "It misses the success rate on the held-out part: it overfits the part it was "
            "tuned on. Give it more traffic, or a higher --floor."
        )
    for tuned, held_out in zip(search.tuned, search.held_out, strict=True):
        if max(held_out.requests) < max(tuned.requests) / 2:
            of = f" of {tuned.name}" if len(search.tuned) > 1 else ""
            notes.append(
                f"The held-out part{of} peaks at less than half of the tuned part: it does not "
                "test a surge."
            )
    return notes


def _table(tuning: Tuning, search: Search) -> Table:
    parts = (search.tuned, search.held_out)
    tuned, held_out = (f"{sum(len(t.requests) for t in part) / 3600:.1f} h" for part in parts)
    columns = numbers("Out", "In", "Success", "Task-h", "Held out", "Task-h")
    table = Table(
        (*named("Form"), *columns, *named("")),
        f"{len(tuning.tried)} policies tried on {tuned}, {held_out} held out. "
        "Pareto-optimal policies, and yours:",
    )
    for candidate in tuning.shown:
        table.add(*_row(candidate), _mark(candidate, tuning))
    return table


def _row(candidate: Candidate) -> tuple[str, ...]:
    out, *in_ = (f"{threshold:g}" for threshold in candidate.thresholds.values())
    return (
        form_of(candidate.document),
        out,
        in_[0] if in_ else "-",
        *_cells(candidate.tuned),
        *_cells(candidate.held_out),
    )


def _cells(score: Score | None) -> tuple[str, str]:
    return (f"{score.success_rate:.3%}", f"{score.task_hours:.2f}") if score else ("-", "-")


def _mark(candidate: Candidate, tuning: Tuning) -> str:
    marks = []
    if candidate.same_as(tuning.chosen):
        marks.append("chosen")
    if candidate.same_as(tuning.baseline):
        marks.append("yours")
    return ", ".join(marks)
