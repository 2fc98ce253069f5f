"""A search as one page: success against cost of every policy that was tried."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from quickstep_lab.simulator.html_page import COLOURS, NEUTRAL, chart_text, page
from quickstep_lab.simulator.tuning_reasons import reasons
from quickstep_lab.simulator.tuning_space import described

if TYPE_CHECKING:
    from quickstep_lab.simulator.tune import Candidate, Tuning


def tuning_page(tuning: Tuning, traffic: str) -> str:
    """Return the page of a search: success against cost of every policy that was tried."""
    facts = (
        f"{len(tuning.tried)} policies were tried. Each point is one, on the part of the traffic "
        "that was used to tune; those on the line are beaten by no other. The table shows them on "
        "the part that was held out as well: a policy that does much worse there is fitted to the "
        "past."
    )
    return page(
        f"Policies for {traffic}",
        [facts, " ".join(reasons(tuning))],
        f"<thead>{_head()}</thead><tbody>{_rows(tuning)}</tbody>",
        "Point at a policy for its thresholds. The dotted line is the success rate to reach.",
        _trade_off(tuning),
    )


_HEADINGS = (
    "Policy",
    "Form",
    "Scale out above",
    "Scale in below",
    "Success",
    "Task-hours",
    "Success, held out",
    "Task-hours, held out",
)


def _head() -> str:
    cells = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    return f"<tr>{cells}</tr>"


def _rows(tuning: Tuning) -> str:
    rows = []
    for number, candidate in enumerate(tuning.shown, start=1):
        name = f"{number}{_role(candidate, tuning)}"
        out, *in_ = (f"{threshold:g}" for threshold in candidate.thresholds.values())
        scores = (candidate.tuned, candidate.held_out)
        cells = (
            escape(described(candidate.document)),
            out,
            in_[0] if in_ else "-",
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
        ("tried", tuning.tried, {"mode": "markers", "marker": {"color": NEUTRAL, "size": 6}}),
        (
            "not beaten",
            tuning.front,
            {"mode": "lines+markers", "line": {"color": COLOURS[0], "shape": "hv"}},
        ),
        ("yours", [tuning.baseline], _point(COLOURS[1], "diamond")),
        ("chosen", [tuning.chosen], _point(COLOURS[2], "star")),
    ):
        figure.add_scatter(
            x=[candidate.tuned.task_hours for candidate in candidates],
            y=[candidate.tuned.success_rate for candidate in candidates],
            text=[chart_text(_thresholds(candidate)) for candidate in candidates],
            hoverinfo="x+y+text",
            name=name,
            **style,
        )
    figure.add_hline(y=tuning.floor, line={"color": NEUTRAL, "dash": "dot"})
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
    numbers = ", ".join(f"{name} {value:g}" for name, value in candidate.thresholds.items())
    return f"{described(candidate.document)}: {numbers}"
