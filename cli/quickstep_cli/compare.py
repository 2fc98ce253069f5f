"""`quickstep simulate` and `quickstep compare`: hours of traffic in seconds, nothing deployed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quickstep_cli.experiment import (
    SeedsOption,
    TasksOption,
    Trial,
    an_experiment,
    progress_bar,
    takes_trial,
    unwritable,
)
from quickstep_cli.extra import needs_lab
from quickstep_lab.simulator.compare import Comparison, all_scalers
from quickstep_lab.simulator.compare import compare as compare_scalers
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY, KINDS
from quickstep_lab.simulator.signals import QUEUE_LAG
from quickstep_lab.traffic import ScenarioName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep_lab.simulator.measure import Ends
    from quickstep_lab.simulator.series import Series
    from quickstep_lab.simulator.stage import Setup

MODELLED = (
    "Everything is modelled but Quickstep's own code. AAS's target tracking is calibrated to the "
    "trigger times that AWS published in June 2026: "
    + " and ".join(
        f"{kind.published:g} s with {kind.period}-s metrics"
        for kind in KINDS.values()
        if kind.published is not None
    )
    + "."
)
_WIDEST = 1000
"""Columns that no table of numbers takes."""

ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write a page with zoomable charts to this file.")
]


class ScalerName(StrEnum):
    """What `simulate` can play."""

    QUICKSTEP = "quickstep"
    QUICKSTEP_SURGE = "quickstep-surge"
    TEXTBOOK = "textbook"
    AAS_STEP_10S = "aas-step-10s-alarm"
    AAS_STEP_20S = "aas-step-20s-alarm"
    AAS_STEP_60S = "aas-step-60s-alarm"
    AAS_TRACKING_60S = "aas-target-tracking-60s"
    AAS_TRACKING_20S = "aas-target-tracking-20s"
    AAS_PERCENT_10S = "aas-percent-10s-alarm"
    AAS_PERCENT_20S = "aas-percent-20s-alarm"
    AAS_PERCENT_60S = "aas-percent-60s-alarm"
    AAS_TRACKING_20S_CUSTOM = "aas-target-tracking-20s-custom"
    AAS_TRACKING_10S_CUSTOM = "aas-target-tracking-10s-custom"


@needs_lab
@takes_trial
def simulate(
    trial: Trial,
    *,
    scaler: Annotated[
        ScalerName, typer.Option(help="Which scaler to play.")
    ] = ScalerName.QUICKSTEP,
    tasks: TasksOption = None,
    seeds: SeedsOption = 1,
    report: ReportOption = None,
) -> None:
    """Play one scaler on a scenario or on your own traffic, and show what it does and why."""
    comparison = _play(trial, [scaler], tasks, seeds, report)
    actions = [_actions(series) for series in comparison.series.values()]
    _print(trial, comparison, actions, report)


@needs_lab
@takes_trial
def compare(
    trial: Trial,
    *,
    tasks: TasksOption = None,
    seeds: SeedsOption = 10,
    report: ReportOption = None,
) -> None:
    """Play Quickstep beside models of AWS's scalers, on a scenario or on your own traffic.

    It plays by its alarms alone, and once more with tasks that tell it of surges.
    """
    _print(trial, _play(trial, list(ScalerName), tasks, seeds, report), [], report)


def _play(
    trial: Trial, names: list[ScalerName], tasks: int | None, seeds: int, report: Path | None
) -> Comparison:
    unwritable(report)
    setup, played = trial.setup(), trial.played(ScenarioName.STEP_X10)
    experiment = an_experiment(played, setup, trial.world(setup), tasks, seeds)
    every = all_scalers(setup)
    scalers = [scaler for scaler in every if scaler.name in names]
    if not scalers:
        watched = "a queue" if setup.target.queues else setup.signal.name
        rule = f"must be one that can watch {watched}: {', '.join(s.name for s in every)}"
        raise typer.BadParameter(f"{rule}, not {', '.join(names)}", param_hint="--scaler")
    with progress_bar(f"Playing {played.name}", seeds * len(scalers)) as advance:
        comparison = compare_scalers(experiment, scalers, jobs=trial.jobs, progress=advance)
    if report:
        from quickstep_lab.simulator.report import report_page  # noqa: PLC0415 - plotly takes its time

        report.write_text(report_page(comparison, MODELLED), encoding="utf-8")
    return comparison


def _print(trial: Trial, comparison: Comparison, actions: list[Table], report: Path | None) -> None:
    document = comparison.as_dict()
    if trial.as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    console = Console()
    if actions:
        console.print(*actions, sep="\n")
    for table in _tables(comparison):
        print_whole(console, table)
    ideal = document["needed_task_seconds"] / 3600
    several = comparison.experiment.seeds > 1
    medians = f"Medians over the seeds{', each above its lowest and highest' if several else ''}"
    for line in (
        f"Just enough tasks for the threshold, at every moment: {ideal:.1f} task-hours.",
        f"{medians}; -: it never happened. Times are from the first overloaded second.",
        *([f"* {ANNOUNCED_ONLY}"] if document["announced"] else []),
        *signals_told(comparison.experiment.setup),
        MODELLED,
        *([f"Charts: {report}"] if report else []),
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True, style="dim")


def signals_told(setup: Setup) -> Iterator[str]:
    """Yield what the policies watch, where that is more than what their tasks publish."""
    for queue in setup.target.queues:
        yield (
            f"The traffic is of jobs that come into {queue.queue_name}, each of "
            f"{queue.seconds_per_job:g} s in one of {queue.slots_per_task} slots of a task. Late "
            "are those that waited too long before they were begun. Quickstep reads the queue "
            "every 10 s; its counts are modelled as exact, and SQS's are approximate. AWS's "
            f"scalers see SQS's own metrics, {QUEUE_LAG:g} s after each minute (assumed)."
        )
    for signal in setup.signals:
        if signal.lag is not None:
            yield (
                f"Watched: {signal.name}, which is {signal.statistic} of {signal.namespace} "
                f"{signal.metric}. Modelled: in proportion to a task's requests"
                f"{f', at most {signal.most:g}' if signal.most < math.inf else ''}, and seen "
                f"{signal.lag:g} s after each {signal.period} s (assumed; --signal-lag)."
            )


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as it is: where that does not fit, lines run on, and no cell is cut."""
    width = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(width, console.width)).print(table)


def _tables(comparison: Comparison) -> tuple[Table, Table]:
    """Return what users felt, and what it cost: together they are too wide for a terminal."""
    experiment = comparison.experiment
    seeds = f"{experiment.seeds} seed{'' if experiment.seeds == 1 else 's'}"
    length, jobs = len(experiment.traffic.requests) / 3600, experiment.world.jobs
    felt = _empty(
        f"{experiment.traffic.name}: {length:.1f} h, {seeds}",
        ("Trigger", "95 %", "Capacity", *(("Late", "On time") if jobs else ("Failed", "Success"))),
    )
    cost = _empty("", ("p99 wait" if jobs else "p99", "Task-h", "Peak", "Actions", "Reversals"))
    for name, summary in comparison.scalers.items():
        shown = f"{name} *" if name in ANNOUNCED else name
        medians = asdict(summary.medians)
        felt.add_row(shown, *_felt(medians))
        wait = _wait if jobs else _millis
        cost.add_row(shown, wait(medians["latency_ms"]["p99"]), *_cost(medians))
        if experiment.seeds > 1:
            felt.add_row("  from-to", *_felt_ends(summary.ranges), style="dim")
            ends = summary.ranges["latency_ms.p99"]
            p99 = _ends(ends, times=0.001) if jobs else _ends(ends)
            cost.add_row("  from-to", p99, *_cost_ends(summary.ranges), style="dim")
    return felt, cost


def _felt_ends(ranges: Mapping[str, Ends]) -> tuple[str, ...]:
    """Return the lowest and the highest of each column, in its unit, which the median has."""
    times = ("time_to_trigger_s", "time_to_95_percent_s", "time_to_capacity_s")
    return (
        *(_ends(ranges[time]) for time in times),
        _ends(ranges["failed"]),
        _ends(ranges["success_rate"], "{:.1f}", 100),
    )


def _cost_ends(ranges: Mapping[str, Ends]) -> tuple[str, ...]:
    counts = ("peak_tasks", "scale_actions", "reversals")
    return (
        _ends(ranges["task_seconds"], "{:,.2f}", 1 / 3600),
        *(_ends(ranges[count]) for count in counts),
    )


def _ends(ends: Ends, form: str = "", times: float = 1) -> str:
    """Return both ends, or the one where they are shown alike. Example: 38k-48k."""
    shown = [
        "never" if end is None else form.format(end * times) if form else _brief(end * times)
        for end in ends
    ]
    return "-".join(dict.fromkeys(shown))


def _brief(value: float) -> str:
    """Return a number in few characters, as two of them share a column: 9,999, 38k, 375k."""
    return f"{value:,.0f}" if value < 9999.5 else f"{value / 1000:,.0f}k"  # noqa: PLR2004 - four digits


def _felt(measures: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _seconds(measures["time_to_trigger_s"]),
        _seconds(measures["time_to_95_percent_s"]),
        _seconds(measures["time_to_capacity_s"]),
        f"{measures['failed']:,.0f}",
        f"{measures['success_rate']:.2%}",
    )


def _cost(measures: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{measures['task_seconds'] / 3600:,.2f}",
        f"{measures['peak_tasks']:,}",
        f"{measures['scale_actions']:,}",
        f"{measures['reversals']:,}",
    )


def _empty(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("Scaler", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _wait(milliseconds: float | None) -> str:
    return _seconds(None if milliseconds is None else milliseconds / 1000)


def _millis(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"


def _actions(series: Series) -> Table:
    table = Table(title="What it did (first seed)", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("Second", justify="right")
    table.add_column("Tasks", justify="right")
    table.add_column("Why")
    for action in series.actions:
        table.add_row(f"{action.at:.1f}", f"{action.before} → {action.after}", escape(action.why))
    return table
