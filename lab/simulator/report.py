"""A comparison as one page: charts on one time axis, and the numbers. It needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.simulator.compare import Comparison
    from lab.simulator.measure import Measures
    from lab.simulator.series import Series
    from lab.simulator.tune import Candidate, Tuning

# Okabe and Ito's colours, which people with any colour vision can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_NEUTRAL = "#666666"
_ROWS = ("Requests per second", "Tasks", "Failed requests per second", "Decisions of Quickstep")
_SHOWN_AT_FIRST = ("quickstep", "textbook", "aas-step-10s-alarm", "aas-target-tracking-20s")
_MOST_TEXT = 300


def report_page(comparison: Comparison, note: str) -> str:
    """Return the page as HTML; `note` says what is modelled."""
    title = f"Quickstep on {comparison.experiment.traffic.name}"
    return _page(
        title,
        [_facts(comparison), note],
        f"<thead>{_head()}</thead><tbody>{_rows(comparison)}</tbody>",
        _HELP,
        _figure(comparison),
    )


def tuning_page(tuning: Tuning, traffic: str) -> str:
    """Return the page of a search: success against cost of every policy that was tried."""
    facts = (
        f"{len(tuning.tried)} policies were tried. Each point is one, on the part of the traffic "
        "that was used to tune; those on the line are beaten by no other. The table shows them on "
        "the part that was held out as well: a policy that does much worse there is fitted to the "
        "past."
    )
    return _page(
        f"Policies for {traffic}",
        [facts],
        f"<thead>{_tuning_head()}</thead><tbody>{_tuning_rows(tuning)}</tbody>",
        "Point at a policy for its thresholds. The dotted line is the success rate to reach.",
        _trade_off(tuning),
    )


def _page(title: str, facts: Iterable[str], table: str, help_: str, figure: go.Figure) -> str:
    chart = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        config={"displaylogo": False, "responsive": True, "scrollZoom": True},
        div_id="charts",
    )
    return _PAGE.format(
        title=escape(title),
        facts="\n".join(f"<p>{escape(fact)}</p>" for fact in facts),
        table=table,
        help=escape(help_),
        chart=chart,
    )


def _facts(comparison: Comparison) -> str:
    experiment = comparison.experiment
    server = experiment.world.server
    threshold = experiment.setup.scale_out_threshold
    return (
        f"{len(experiment.traffic.requests):,} seconds, {experiment.seeds} seeds. A task serves "
        f"{server.capacity:g} requests a second, takes {server.service_seconds * 1000:g} ms for "
        f"one when idle, holds at most {server.limit:g}, and is launched in "
        f"{experiment.world.start_up.median:g} s (median). Scale-out begins above {threshold:g} "
        f"requests per second and task; the service starts with {experiment.tasks} tasks. The "
        "table has medians over the seeds, and their range below; the charts show the first seed."
    )


_HEADINGS = (
    ("Scaler", ""),
    ("Time to trigger", "time_to_trigger_s"),
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


def _head() -> str:
    cells = "".join(f'<th scope="col">{heading}</th>' for heading, _ in _HEADINGS)
    return f"<tr>{cells}</tr>"


def _rows(comparison: Comparison) -> str:
    rows = []
    for name, summary in comparison.scalers.items():
        cells = [f'<th scope="row">{escape(name)}</th>']
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
        subplot_titles=_ROWS,
    )
    experiment = comparison.experiment
    colours = dict(zip(comparison.series, _COLOURS, strict=False))
    first = next(iter(comparison.series.values()))
    seconds = _seconds(first)
    threshold = experiment.setup.scale_out_threshold
    figure.add_scatter(
        x=seconds, y=first.load, name="load", line={"color": _NEUTRAL, "width": 1}, row=1, col=1
    )
    figure.add_scatter(
        x=seconds,
        y=[load / threshold for load in first.load],
        name="tasks wanted by the load",
        line={"color": _NEUTRAL, "width": 1, "dash": "dot"},
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
        name=name,
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
            _text(f"{name}: {action.before} to {action.after}. {action.why}")
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
        text=[_text(mark.reason) for mark in series.marks],
        hoverinfo="x+text",
        mode="markers",
        marker={"color": colour, "size": 6},
        name="decisions",
        showlegend=False,
        row=4,
        col=1,
    )


_TUNING_HEADINGS = (
    "Policy",
    "Scale out above",
    "Scale in below",
    "Success",
    "Task-hours",
    "Success, held out",
    "Task-hours, held out",
)


def _tuning_head() -> str:
    cells = "".join(f'<th scope="col">{heading}</th>' for heading in _TUNING_HEADINGS)
    return f"<tr>{cells}</tr>"


def _tuning_rows(tuning: Tuning) -> str:
    rows = []
    for number, candidate in enumerate(tuning.shown, start=1):
        name = f"{number}{_role(candidate, tuning)}"
        out, in_ = candidate.thresholds.values()
        scores = (candidate.tuned, candidate.held_out)
        cells = (
            f"{out:g}",
            f"{in_:g}",
            *(
                cell
                for score in scores
                if score
                for cell in (f"{score.success_rate:.3%}", f"{score.task_hours:.2f}")
            ),
        )
        columns = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{name}</th>{columns}</tr>')
    return "".join(rows)


def _role(candidate: Candidate, tuning: Tuning) -> str:
    roles = [("chosen", tuning.chosen), ("yours", tuning.baseline)]
    return "".join(f", {role}" for role, other in roles if candidate.same_as(other))


def _trade_off(tuning: Tuning) -> go.Figure:
    figure = go.Figure()
    for name, candidates, style in (
        ("tried", tuning.tried, {"mode": "markers", "marker": {"color": _NEUTRAL, "size": 6}}),
        (
            "not beaten",
            tuning.front,
            {"mode": "lines+markers", "line": {"color": _COLOURS[0], "shape": "hv"}},
        ),
        ("yours", [tuning.baseline], _point(_COLOURS[1], "diamond")),
        ("chosen", [tuning.chosen], _point(_COLOURS[2], "star")),
    ):
        figure.add_scatter(
            x=[candidate.tuned.task_hours for candidate in candidates],
            y=[candidate.tuned.success_rate for candidate in candidates],
            text=[_text(_thresholds(candidate)) for candidate in candidates],
            hoverinfo="x+y+text",
            name=name,
            **style,
        )
    figure.add_hline(y=tuning.floor, line={"color": _NEUTRAL, "dash": "dot"})
    figure.update_layout(
        height=600,
        template="plotly_white",
        font={"family": "system-ui, sans-serif"},
        xaxis_title="task-hours",
        yaxis={"title": "success rate of the worst seed", "tickformat": ".2%"},
    )
    return figure


def _point(colour: str, symbol: str) -> dict[str, Any]:
    return {"mode": "markers", "marker": {"color": colour, "size": 12, "symbol": symbol}}


def _thresholds(candidate: Candidate) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in candidate.thresholds.items())


def _text(words: str) -> str:
    """Return a text for a chart, which takes some markup: none is left in it. Lines are broken."""
    lines, line = [], ""
    for word in words[:_MOST_TEXT].split():
        if len(line) + len(word) > 80:  # noqa: PLR2004 - characters that fit beside a marker
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join(escape(text) for text in _nonempty([*lines, line]))


def _nonempty(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line]


_HELP = (
    "Drag to zoom into a time, double-click to zoom out; click a scaler's name to hide or show it. "
    "Solid lines are the desired count, dashed ones the tasks that serve; triangles are changes of "
    "the desired count, with their reason."
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem;
  color: #222; background: #fff; line-height: 1.45; }}
h1 {{ font-size: 1.6rem; margin-bottom: .25rem; }}
p {{ max-width: 60rem; color: #444; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }}
th, td {{ padding: .4rem .6rem; border-bottom: 1px solid #ddd; text-align: right;
  vertical-align: top; white-space: nowrap; }}
th:first-child {{ text-align: left; }}
small {{ display: block; color: #666; }}
</style>
</head>
<body>
<h1>{title}</h1>
{facts}
<div class="wide"><table>{table}</table></div>
<p>{help}</p>
{chart}
</body>
</html>
"""
