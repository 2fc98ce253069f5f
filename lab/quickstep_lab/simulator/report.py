"""A comparison as one page: charts on one time axis, and the numbers. It needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from plotly.subplots import make_subplots

from quickstep_lab.simulator.html_page import COLOURS, NEUTRAL, chart_text, page
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY, labelled

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from quickstep_lab.simulator.compare import Comparison
    from quickstep_lab.simulator.measure import Measures
    from quickstep_lab.simulator.series import Series

_ROWS = ("Requests per second", "Tasks", "Failed requests per second", "Decisions of Quickstep")
_OF_JOBS = {
    "Requests per second": "Jobs per second",
    "Failed requests per second": "Late jobs per second",
    "Failed": "Late",
    "Success": "On time",
    "p95": "p95 wait",
    "p99": "p99 wait",
}
"""What is called otherwise where the traffic is of jobs."""
_SHOWN_AT_FIRST = ("quickstep", "textbook", "aas-step-10s-alarm", "aas-target-tracking-20s")


def report_page(comparison: Comparison, note: str) -> str:
    """Return the page as HTML; `note` says what is modelled."""
    title = f"Quickstep on {comparison.experiment.traffic.name}"
    return page(
        title,
        [
            _facts(comparison),
            note,
            *([ANNOUNCED_ONLY] if ANNOUNCED & comparison.scalers.keys() else []),
        ],
        f"<thead>{_head(comparison)}</thead><tbody>{_rows(comparison)}</tbody>",
        _HELP,
        _figure(comparison),
    )


def _facts(comparison: Comparison) -> str:
    experiment = comparison.experiment
    world, what = experiment.world, "jobs" if experiment.world.jobs else "requests"
    server, threshold = world.server, experiment.setup.load_per_task
    task = (
        f"{server.capacity:g} requests a second, takes {server.service_seconds * 1000:g} ms for "
        f"one when idle, holds at most {server.limit:g}"
    )
    if world.jobs:
        task = (
            f"{world.jobs.per_second:g} jobs a second, {world.jobs.seconds:g} s each in "
            f"{world.jobs.slots} slots, which are late after {world.jobs.late_after:g} s"
        )
    return (
        f"{len(experiment.traffic.requests):,} seconds, {experiment.seeds} seeds. A task serves "
        f"{task}, and is launched in {world.start_up.median:g} s (median). Scale-out begins above "
        f"{threshold:g} {what} per second and task; the service starts with {experiment.tasks} "
        "tasks. The table has medians over the seeds, and their range below; the charts show the "
        "first seed."
    )


def _called(name: str, comparison: Comparison) -> str:
    """Return what a chart or column is called."""
    return _OF_JOBS.get(name, name) if comparison.experiment.world.jobs else name


_HEADINGS = (
    ("Scaler", ""),
    ("Time to trigger", "time_to_trigger_s"),
    ("Time to 95 %", "time_to_95_percent_s"),
    ("Time to capacity", "time_to_capacity_s"),
    ("Failed", "failed"),
    ("Success", "success_rate"),
    ("p95", ""),
    ("p99", ""),
    ("Task-hours", "task_seconds"),
    ("Peak tasks", "peak_tasks"),
    ("Actions", "scale_actions"),
    ("Reversals", "reversals"),
)


def _head(comparison: Comparison) -> str:
    names = [_called(heading, comparison) for heading, _ in _HEADINGS]
    cells = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<tr>{cells}</tr>"


def _rows(comparison: Comparison) -> str:
    rows = []
    for name, summary in comparison.scalers.items():
        mark = "<small>announced, not shipped</small>" if name in ANNOUNCED else ""
        cells = [f'<th scope="row">{escape(name)}{mark}</th>']
        for heading, key in _HEADINGS[1:]:
            low, high = (_cell_value(key, end) for end in summary.ranges[key]) if key else ("", "")
            spread = f"<small>{low} to {high}</small>" if low != high else ""
            cells.append(f"<td>{_cell(summary.medians, heading)}{spread}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(rows)


def _cell(measures: Measures, heading: str) -> str:
    if heading in ("p95", "p99"):
        value = measures.latency_ms[heading]
        return "never" if value is None else f"{value:,.0f} ms"
    key = dict(_HEADINGS)[heading]
    return _cell_value(key, getattr(measures, key))


def _cell_value(key: str, value: float | None) -> str:
    if value is None:
        return "never"
    if key == "success_rate":
        return f"{value:.3%}"
    if key == "task_seconds":
        return f"{value / 3600:.2f}"
    return f"{value:.0f} s" if key.endswith("_s") else f"{value:,.0f}"


def _figure(comparison: Comparison) -> go.Figure:
    figure = make_subplots(
        rows=len(_ROWS),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.045,
        row_heights=[0.26, 0.34, 0.2, 0.2],
        subplot_titles=[_called(row, comparison) for row in _ROWS],
    )
    experiment = comparison.experiment
    colours = dict(zip(comparison.series, COLOURS, strict=False))
    first = next(iter(comparison.series.values()))
    seconds = _seconds(first)
    threshold = experiment.setup.load_per_task
    figure.add_scatter(
        x=seconds, y=first.load, name="load", line={"color": NEUTRAL, "width": 1}, row=1, col=1
    )
    figure.add_scatter(
        x=seconds,
        y=[load / threshold for load in first.load],
        name="tasks wanted by the load",
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
        row=2,
        col=1,
    )
    for name, series in comparison.series.items():
        _add_scaler(figure, name, series, colours[name], threshold)
    if marks := comparison.series.get("quickstep"):
        _add_marks(figure, marks, colours["quickstep"])
    figure.update_layout(
        height=1100,
        template="plotly_white",
        hovermode="closest",
        legend={"orientation": "h", "y": -0.06, "groupclick": "togglegroup"},
        margin={"l": 60, "r": 20, "t": 40, "b": 40},
        font={"family": "system-ui, sans-serif"},
    )
    figure.update_yaxes(rangemode="tozero", row=1)
    figure.update_yaxes(rangemode="tozero", row=2)
    figure.update_yaxes(rangemode="tozero", row=3)
    figure.update_xaxes(title_text="seconds of the traffic", row=len(_ROWS))
    return figure


def _seconds(series: Series) -> list[int]:
    return [index * series.step for index in range(len(series.load))]


def _add_scaler(
    figure: go.Figure, name: str, series: Series, colour: str, threshold: float
) -> None:
    visible = True if name in _SHOWN_AT_FIRST else "legendonly"
    common = {"legendgroup": name, "visible": visible, "col": 1}
    seconds = _seconds(series)
    figure.add_scatter(
        x=seconds,
        y=[serving * threshold for serving in series.serving],
        name=f"{name}: load that its tasks take",
        line={"color": colour, "width": 1, "shape": "hv", "dash": "dash"},
        showlegend=False,
        row=1,
        **common,
    )
    figure.add_scatter(
        x=seconds,
        y=series.desired,
        name=labelled(name),
        line={"color": colour, "width": 2, "shape": "hv"},
        row=2,
        **common,
    )
    figure.add_scatter(
        x=seconds,
        y=series.serving,
        name=f"{name}: serving",
        line={"color": colour, "width": 1, "shape": "hv", "dash": "dash"},
        showlegend=False,
        row=2,
        **common,
    )
    figure.add_scatter(
        x=[action.at for action in series.actions],
        y=[action.after for action in series.actions],
        text=[
            chart_text(f"{name}: {action.before} to {action.after}. {action.why}")
            for action in series.actions
        ],
        hoverinfo="x+text",
        mode="markers",
        marker={
            "color": colour,
            "size": 8,
            "symbol": [
                "triangle-up" if action.after > action.before else "triangle-down"
                for action in series.actions
            ],
        },
        name=f"{name}: changes",
        showlegend=False,
        row=2,
        **common,
    )
    figure.add_scatter(
        x=seconds,
        y=series.failed,
        name=f"{name}: failed",
        line={"color": colour, "width": 1},
        showlegend=False,
        row=3,
        **common,
    )


def _add_marks(figure: go.Figure, series: Series, colour: str) -> None:
    figure.add_scatter(
        x=[mark.at for mark in series.marks],
        y=[mark.outcome for mark in series.marks],
        text=[chart_text(mark.reason) for mark in series.marks],
        hoverinfo="x+text",
        mode="markers",
        marker={"color": colour, "size": 6},
        name="decisions",
        showlegend=False,
        row=4,
        col=1,
    )


_HELP = (
    "Drag to zoom into a time, double-click to zoom out; click a scaler's name to hide or show it. "
    "Solid lines are the desired count, dashed ones the tasks that serve; triangles are changes of "
    "the desired count, with their reason."
)
