"""`quickstep simulate` and `quickstep compare`: hours of traffic in seconds, nothing deployed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from quickstep_cli.experiment import an_experiment, command_line, progress_bar, unwritable
from quickstep_cli.extra import needs_lab
from quickstep_cli.pricing import (
    ArchitectureOption,
    CpuOption,
    MemoryOption,
    TimesOption,
    times_a_day_of,
    usage_of,
)
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables, prose
from quickstep_cli.trials import SeedsOption, TasksOption, Trial, takes_trial
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.month import OURS, WITH_SURGES, Architecture, Month, TaskSize
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.simulator.compare import Comparison, all_scalers
from quickstep_lab.simulator.compare import compare as compare_scalers
from quickstep_lab.simulator.report import Made, Money, report_page
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY, KINDS
from quickstep_lab.simulator.signals import QUEUE_LAG
from quickstep_lab.simulator.what_if import cases_of, what_if
from quickstep_lab.traffic import ScenarioName

if TYPE_CHECKING:
    from collections.abc import Iterator

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
ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write a report as an HTML page to this file.")
]


class ScalerName(StrEnum):
    """The scalers that `simulate` can play."""

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
    scaler: Annotated[ScalerName, typer.Option(help="Scaler to simulate.")] = ScalerName.QUICKSTEP,
    tasks: TasksOption = None,
    seeds: SeedsOption = 1,
    report: ReportOption = None,
) -> None:
    """Simulate one scaler on a scenario or your own traffic, and show what it does and why."""
    asked = Report(report, TaskSize()) if report else None
    comparison = _play(trial, [scaler], tasks, seeds, asked)
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
    task_vcpu: CpuOption = 1,
    task_memory: MemoryOption = 2,
    architecture: ArchitectureOption = Architecture.ARM,
    times_a_day: TimesOption = None,
) -> None:
    """Simulate Quickstep next to models of AWS's scalers, on a scenario or your own traffic.

    Quickstep runs twice: with its alarms alone, and with tasks that announce surges. The report
    adds costs in dollars, from the size of a task and how often the traffic repeats.
    """
    if times_a_day is not None and report is None:
        rule = "requires --report, which shows dollars"
        raise typer.BadParameter(rule, param_hint="--times-a-day")
    size = TaskSize(task_vcpu, task_memory, architecture)
    asked = Report(report, size, times_a_day) if report else None
    _print(trial, _play(trial, list(ScalerName), tasks, seeds, asked), [], report)


@dataclass(frozen=True, slots=True)
class Report:
    """Where to write a report, and what its dollars are calculated from."""

    file: Path
    size: TaskSize
    times_a_day: float | None = None


def _play(
    trial: Trial, names: list[ScalerName], tasks: int | None, seeds: int, report: Report | None
) -> Comparison:
    unwritable(report.file if report else None)
    setup, played = trial.setup(), trial.played(ScenarioName.STEP_X10)
    experiment = an_experiment(played, setup, trial.world(setup), tasks, seeds)
    every = all_scalers(setup)
    scalers = [scaler for scaler in every if scaler.name in names]
    if not scalers:
        watched = "a queue" if setup.target.queues else setup.signal.name
        rule = f"must be a scaler that can watch {watched}: {', '.join(s.name for s in every)}"
        raise typer.BadParameter(f"{rule}, not {', '.join(names)}", param_hint="--scaler")
    a_day = times_a_day_of(report.times_a_day if report else None, len(played.requests))
    ours = [scaler.name for scaler in scalers if scaler.name in (OURS, WITH_SURGES)]
    others = cases_of(experiment) if report and ours else []
    more = sum(other.seeds for _, other in others)
    with progress_bar(f"Playing {played.name}", seeds * len(scalers) + more) as advance:
        comparison = compare_scalers(experiment, scalers, jobs=trial.jobs, progress=advance)
        cases = what_if(others, surges=WITH_SURGES in ours, jobs=trial.jobs, progress=advance)
    if report:
        usage = usage_of(setup, max(1, experiment.tasks))
        month = Month(usage=usage, size=report.size, prices=read_prices(), counted=read_counts())
        made = Made(command_line(), trial.policy.read_text(encoding="utf-8"), MODELLED)
        page = report_page(comparison, cases, Money(month, a_day), made)
        report.file.write_text(page, encoding="utf-8")
    return comparison


def _print(trial: Trial, comparison: Comparison, actions: list[Table], report: Path | None) -> None:
    document = comparison.as_dict()
    if trial.as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    print_tables(*actions, _table(comparison))
    ideal = document["needed_task_seconds"] / 3600
    several = comparison.experiment.seeds > 1
    medians = "Medians over the seeds" + (", each above its range" if several else "")
    print_prose(
        f"Theoretical minimum: {ideal:.1f} task-hours.",
        f"{medians}; -: never happened. Times count from the first overloaded second.",
        *([f"* {ANNOUNCED_ONLY}"] if document["announced"] else []),
        *signal_notes(comparison.experiment.setup),
        MODELLED,
        *([f"Charts: {report}"] if report else []),
        style="dim",
    )


def signal_notes(setup: Setup) -> Iterator[str]:
    """Yield what the policies watch, if it is more than their tasks publish."""
    for queue in setup.target.queues:
        yield (
            f"The traffic consists of jobs in the queue {queue.queue_name}. Each takes "
            f"{queue.seconds_per_job:g} s in one of a task's {queue.slots_per_task} slots. A job "
            "is late if it waits too long before it starts. Quickstep reads the queue every 10 s; "
            "its counts are modelled as exact, though SQS's are approximate. AWS's "
            f"scalers see SQS's own metrics, {QUEUE_LAG:g} s after each minute (assumed)."
        )
    for signal in setup.signals:
        if signal.lag is not None:
            yield (
                f"Watched: {signal.name}, the {signal.statistic} of {signal.namespace} "
                f"{signal.metric}. Modelled: proportional to a task's requests"
                f"{f', at most {signal.most:g}' if signal.most < math.inf else ''}, and visible "
                f"{signal.lag:g} s after each {signal.period} s (assumed; --signal-lag)."
            )


class _Column(NamedTuple):
    """A measure's column: `form` shows its median, divided by `unit`, and the ends of its range.

    `ends` shows the ends in another form.
    """

    title: str
    key: str
    form: str
    unit: float = 1
    ends: str = ""


_REQUESTS = (
    _Column("Failed", "failed", "{:,.0f}"),
    _Column("Success", "success_rate", "{:.2%}", ends="{:.1%}"),
    _Column("p99", "latency_ms.p99", "{:,.0f} ms"),
)
_JOBS = (
    _Column("Late", "failed", "{:,.0f}"),
    _Column("On time", "success_rate", "{:.2%}", ends="{:.1%}"),
    _Column("p99 wait", "latency_ms.p99", "{:.0f} s", 1000),
)


def _table(comparison: Comparison) -> Table:
    """Return what users felt and what it cost."""
    experiment = comparison.experiment
    seeds = f"{experiment.seeds} seed{'' if experiment.seeds == 1 else 's'}"
    length, jobs = len(experiment.traffic.requests) / 3600, experiment.world.jobs
    columns = (
        _Column("Trigger", "time_to_trigger_s", "{:.0f} s"),
        _Column("95 %", "time_to_95_percent_s", "{:.0f} s"),
        _Column("Capacity", "time_to_capacity_s", "{:.0f} s"),
        *(_JOBS if jobs else _REQUESTS),
        _Column("Task-h", "task_seconds", "{:,.2f}", 3600, "{:,.2f}"),
        _Column("Peak", "peak_tasks", "{:,}"),
        _Column("Actions", "scale_actions", "{:,}"),
        _Column("Reversals", "reversals", "{:,}"),
    )
    table = Table(
        (*named("Scaler"), *numbers(*(column.title for column in columns))),
        f"{experiment.traffic.name}: {length:.1f} h, {seeds}",
    )
    for name, summary in comparison.scalers.items():
        shown = f"{name} *" if name in ANNOUNCED else name
        medians = {**asdict(summary.medians), "latency_ms.p99": summary.medians.latency_ms["p99"]}
        table.add(shown, *(_median(medians[one.key], one) for one in columns))
        if experiment.seeds > 1:
            row = (_ends(summary.ranges[one.key], one.ends, 1 / one.unit) for one in columns)
            table.add("  from-to", *row, style="dim")
    return table


def _median(value: float | None, column: _Column) -> str:
    if value is None:
        return "-"
    return column.form.format(value if column.unit == 1 else value / column.unit)


def _ends(ends: Ends, form: str = "", times: float = 1) -> str:
    """Return both ends without a unit, or one if they look alike. Example: 38k-48k."""
    shown = [
        "never" if end is None else form.format(end * times) if form else _brief(end * times)
        for end in ends
    ]
    return "-".join(dict.fromkeys(one.rstrip("%") for one in shown))


def _brief(value: float) -> str:
    """Return a number in few characters, since two share a column: 9,999, 38k, 375k."""
    return f"{value:,.0f}" if value < 9999.5 else f"{value / 1000:,.0f}k"  # noqa: PLR2004 - four digits


def _actions(series: Series) -> Table:
    table = Table((*numbers("Second"), *named("Tasks"), *prose("Why")), "What it did (first seed)")
    for action in series.actions:
        table.add(f"{action.at:.1f}", f"{action.before} → {action.after}", action.why)
    return table
