"""What both pages share, comparison and search: one file with its charts that needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import plotly.graph_objects as go

# Okabe and Ito's colours, which people with any colour vision can tell apart, and three of Tol's
# muted ones, which are darker than those of the same hue: a page may show nine scalers.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#882255",
    "#999933",
    "#332288",
)
NEUTRAL = "#666666"
_MOST_TEXT = 300


def page(title: str, facts: Iterable[str], table: str, help_: str, figure: go.Figure) -> str:
    """Return a page: its facts, a table, a help line and the charts. `table` is HTML already."""
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


def chart_text(words: str) -> str:
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
