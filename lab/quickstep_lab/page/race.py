"""The race as a page: one row per scaler on a shared axis, two numbers each, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.report.dashboard.html import Markup, element, join
from quickstep_lab.lanes import Row, lanes
from quickstep_lab.paper import DESK, paper, remark, row, table
from quickstep_lab.race import MODELS, enough, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep_lab.race import Race

_NARROWEST, _WIDEST, _HEIGHT = 280, 1360, 110
_LIVE = {"data-live": "● live", "data-lost": "○ not connected"}


def race_page(race: Race | None, *, live: bool) -> str:
    """Return the race as a whole page, which its script updates part by part."""
    parts = race_parts(race, live=live).items()
    body = (element("div", {"data-part": name}, part) for name, part in parts)
    return paper("The race · Quickstep", *body, script="/page.js")


def race_parts(race: Race | None, *, live: bool, width: float = DESK) -> Mapping[str, Markup]:
    """Return the page's parts by name, in order, for a column `width` pixels wide."""
    return {
        "head": element(
            "header",
            None,
            element("h1", None, "One surge, three scalers"),
            element("span", {"class": "live", **_LIVE}, "● live") if live else None,
        ),
        "said": element("p", {"class": "headline"}, _said(race, live=live)),
        "result": _result(race) if race else join(),
        "chart": element("figure", {"class": "chart"}, _chart(race, width) if race else None),
        "told": _notes(),
    }


def _said(race: Race | None, *, live: bool) -> str:
    if race is None or not race.lanes[0].requests:
        return "The race is about to begin."
    seconds = len(race.lanes[0].requests)
    if live and seconds < race.seconds:
        return f"Second {seconds} of {race.seconds}: the same traffic for all of them."
    return sentence(race)


def _result(race: Race) -> Markup:
    return table(
        ("Scaler", "Surge to enough tasks", "Failed requests"),
        (
            row(
                lane.name,
                (enough(race, lane), element("td", {"class": "lost"}, f"{lane.lost:,.0f}")),
                "mine" if lane is race.lanes[0] else None,
            )
            for lane in race.lanes
        ),
    )


def _chart(race: Race, width: float) -> Markup:
    rows = [
        Row(
            lane.name,
            f"{lane.lost:,.0f} failed, enough tasks: {enough(race, lane)}",
            came=list(enumerate(lane.requests)),
            failed=list(enumerate(lane.failed)),
            target=[(n, tasks * race.target) for n, tasks in enumerate(lane.serving)],
        )
        for lane in race.lanes
    ]
    return lanes(
        rows,
        seconds=race.seconds,
        width=min(max(width, _NARROWEST), _WIDEST),
        height=_HEIGHT,
        label=f"Requests per second of each scaler, and those that failed. {sentence(race)}",
        keys=("requests per second", "failed", "the serving tasks' target load"),
    )


def _notes() -> Markup:
    return join(
        remark(MODELS),
        element("p", None, element("a", {"href": "/"}, "Every decision of Quickstep, and why")),
    )
