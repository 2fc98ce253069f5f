"""A search as one page: the chosen policy and why, and what each candidate costs and fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quickstep.report.dashboard.html import Markup, element, join
from quickstep_lab.paper import figure, more, noted, paper, remark, row, table
from quickstep_lab.scatter import Axes, Dot, scatter
from quickstep_lab.simulator.tuning_reasons import reasons
from quickstep_lab.simulator.tuning_space import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.simulator.report import Made
    from quickstep_lab.simulator.tune import Candidate, Score, Tuning


def tuning_page(tuning: Tuning, traffic: str, made: Made, an_hour: float) -> str:
    """Return a search's page; a task costs `an_hour` dollars per hour."""
    chosen = _number(tuning.chosen, tuning)
    return paper(
        f"Policies for {traffic}",
        element("header", None, element("h1", None, f"Policies for {traffic}")),
        element("p", {"class": "headline"}, _headline(tuning, an_hour)),
        remark(" ".join(reasons(tuning))),
        _result(tuning, an_hour),
        remark(
            f"{len(tuning.tried)} policies were tried on the part of the traffic to tune on. The "
            "table shows the Pareto-optimal ones, and yours. The search has not seen the held-out "
            "part: a policy that does much worse there is overfitted. "
            f"Dollars are for the tasks on this traffic, at {an_hour:.4f} per task-hour."
        ),
        element("h2", None, "Cost against failed requests"),
        _trade_off(tuning),
        element("h2", None, "The policies"),
        *(_document(number, one, tuning) for number, one in enumerate(tuning.shown, start=1)),
        element("h2", None, "How it was made"),
        element("pre", None, made.command),
        remark(f"Policy {chosen} was chosen. ", made.note),
        more("The initial policy document", element("pre", None, made.policy)),
    )


def _headline(tuning: Tuning, an_hour: float) -> str:
    """Return the result in one sentence.

    Example: `Policy 3 fails 0.090% of the requests in its worst run for 8.21 task-hours ($0.32),
    yours 2.771% for 9.96.`
    """
    chosen, yours = tuning.chosen, tuning.baseline
    name = f"policy {_number(chosen, tuning)}"
    hours = chosen.tuned.task_hours
    fails = f"fails {_failed(chosen.tuned)} of the requests in its worst run"
    said = f"{fails} for {hours:.2f} task-hours (${hours * an_hour:,.2f})"
    if not tuning.reached:
        allowed = f"{1 - tuning.floor:.2%}"
        said = f"No policy kept failures within {allowed}, and {name} came closest: it {said}"
    else:
        said = f"{name.capitalize()} {said}"
    if chosen.same_as(yours):
        return f"{said}, and it is yours."
    return f"{said}, yours {_failed(yours.tuned)} for {yours.tuned.task_hours:.2f}."


def _number(candidate: Candidate, tuning: Tuning) -> int:
    return next(n for n, one in enumerate(tuning.shown, start=1) if one.same_as(candidate))


def _failed(score: Score) -> str:
    return f"{1 - score.success_rate:.3%}"


_HEADINGS = (
    "Policy",
    "Scale out above",
    "Scale in below",
    "Failed, worst run",
    "Task-hours",
    "Dollars",
    "Failed, held out",
    "Task-hours, held out",
)


def _result(tuning: Tuning, an_hour: float) -> Markup:
    rows = (
        row(
            noted(f"{number}. {described(one.document)}", _role(one, tuning)),
            _cells(one, an_hour),
            "mine" if one.same_as(tuning.chosen) else None,
        )
        for number, one in enumerate(tuning.shown, start=1)
    )
    return element("div", {"class": "wordy"}, table(_HEADINGS, rows))


def _cells(candidate: Candidate, an_hour: float) -> Iterator[str | Markup]:
    out, *in_ = (f"{threshold:g}" for threshold in candidate.thresholds.values())
    yield out
    yield in_[0] if in_ else "-"
    yield element("td", {"class": "lost"}, _failed(candidate.tuned))
    yield f"{candidate.tuned.task_hours:.2f}"
    yield f"{candidate.tuned.task_hours * an_hour:,.2f}"
    held_out = candidate.held_out
    yield _failed(held_out) if held_out else "-"
    yield f"{held_out.task_hours:.2f}" if held_out else "-"


def _role(candidate: Candidate, tuning: Tuning) -> str:
    roles = [("chosen", tuning.chosen), ("yours", tuning.baseline)]
    return ", ".join(role for role, other in roles if candidate.same_as(other))


def _trade_off(tuning: Tuning) -> Markup:
    numbered = [_dot(one, tuning, number) for number, one in enumerate(tuning.shown, start=1)]
    others = [one for one in tuning.tried if not any(map(one.same_as, tuning.shown))]
    dots = [*(_dot(one, tuning) for one in others), *numbered]
    front = [_dot(one, tuning) for one in tuning.front]
    axes = Axes(
        lambda hours: f"{hours:,.4g}",
        "task-hours",
        "Failed requests in the worst run, %",
        round(100 * (1 - tuning.floor), 6),
    )
    label = "Task-hours against failed requests of every candidate policy."
    return join(
        figure(lambda width: scatter(dots, axes, width=width, label=label, front=front)),
        remark(
            "Numbers as in the table; small points are not Pareto-optimal. Lower and further left "
            "is better. The dashed line is the allowed failure rate."
        ),
    )


def _dot(candidate: Candidate, tuning: Tuning, number: int | None = None) -> Dot:
    failed = 100 * (1 - candidate.tuned.success_rate)
    css = "tried"
    if number is not None:
        css = "theirs"
        if candidate.same_as(tuning.baseline):
            css = "mine"
        if candidate.same_as(tuning.chosen):
            css = "chosen"
    said = (
        f"{number}. {described(candidate.document)}: {candidate.tuned.task_hours:.2f} task-hours, "
        f"{_failed(candidate.tuned)} failed"
    )
    return Dot(candidate.tuned.task_hours, failed, css, said, number)


def _document(number: int, candidate: Candidate, tuning: Tuning) -> Markup:
    role = _role(candidate, tuning)
    return more(
        f"{number}. {described(candidate.document)}{f' ({role})' if role else ''}",
        element("pre", None, json.dumps(candidate.document, indent=2)),
        is_open="chosen" in role,
    )
