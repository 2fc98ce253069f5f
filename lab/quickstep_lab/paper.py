"""Pages in the dashboard's colours: the race, and the simulator's reports.

Each is one file that loads nothing: the style sheet is inside, and drawings are SVG. A `str` is
text, as everywhere in `html.py`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from quickstep.report.dashboard.html import Markup, element, join
from quickstep.report.dashboard.page import FRAME_STYLE
from quickstep.report.dashboard.style import Theme, stylesheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quickstep.report.dashboard.html import Child

DESK, TABLET, PHONE = 1120, 700, 340
"""A drawing's width in pixels at which its text is about the page's own size."""

_RULES = Path(__file__).with_name("paper.css")


@cache
def paper_style() -> str:
    """Return these pages' rules beyond the dashboard's; constants only."""
    return re.sub(r"\s+", " ", _RULES.read_text(encoding="utf-8"))


def paper(title: str, *body: Child, script: str | None = None) -> str:
    """Return a whole page; `script` is the address of its only script, if it has one."""
    head = join(
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("title", None, title),
        *(
            element("style", None, Markup(style))
            for style in (FRAME_STYLE, stylesheet(Theme.AUTO), paper_style())
        ),
        element("script", {"src": script, "defer": ""}) if script else None,
    )
    main = element("main", None, element("div", {"class": "qs"}, *body))
    html = element("html", {"lang": "en"}, element("head", None, head), element("body", None, main))
    return f"<!doctype html>{html}\n"


def table(head: Sequence[Child], rows: Iterable[Markup]) -> Markup:
    """Return a table that scrolls on its own if it is wider than the page."""
    columns = (element("th", {"scope": "col"}, name) for name in head)
    return element(
        "div",
        {"class": "wide", "tabindex": "0", "role": "region", "aria-label": "Table"},
        element(
            "table",
            None,
            element("thead", None, element("tr", None, *columns)),
            element("tbody", None, *rows),
        ),
    )


def row(name: Child, cells: Iterable[Child], css: str | None = None) -> Markup:
    """Return a table's row; a cell that is already an element stays unchanged."""
    return element(
        "tr",
        {"class": css},
        element("th", {"scope": "row"}, name),
        *(
            cell
            if isinstance(cell, Markup) and cell.startswith("<td")
            else element("td", None, cell)
            for cell in cells
        ),
    )


def figure(draw: Callable[[int], Markup]) -> Markup:
    """Return a drawing in three widths, of which the style sheet shows the one that fits."""
    return join(
        *(
            element("figure", {"class": f"chart {css}"}, draw(width))
            for css, width in (("on-desk", DESK), ("on-tablet", TABLET), ("on-phone", PHONE))
        )
    )


def noted(said: Child, note: Child) -> Markup:
    """Return a cell's content with a note below it, in small print."""
    return join(said, element("small", None, note))


def remark(*said: Child) -> Markup:
    """Return a paragraph of explanation."""
    return element("p", {"class": "told"}, *said)


def more(title: Child, *body: Child, is_open: bool = False) -> Markup:
    """Return a part that the reader can unfold."""
    return element(
        "details",
        {"class": "more", "open": "" if is_open else None},
        element("summary", None, title),
        *body,
    )
