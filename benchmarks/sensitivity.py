"""How each modelled number affects the README's figures: a tornado chart.

python -m benchmarks.sensitivity docs/images/sensitivity.svg

Each number of `quickstep_lab.simulator.constants` that has a range is set to its lowest and its
highest value while all others stay, and the README's comparison is played again: same traffic, same
seeds. The picture shows each figure's widest swings. All of them are printed as a table, and
written into docs/model.md.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.contenders import TODAY
from quickstep_cli.experiment import an_experiment
from quickstep_lab.simulator.compare import compare, shared_by
from quickstep_lab.simulator.constants import TABLE, Constant
from quickstep_lab.simulator.scalers.quickstep import Quickstep, with_surge_messages
from quickstep_lab.simulator.scalers.step_scaling import percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.world import Spread, World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep_lab.simulator.measure import Measures

SEEDS = 10
SCENARIO = ScenarioName.STEP_X10
"""The README's own."""
DOCUMENT = Path(__file__).parents[1] / "docs" / "model.md"

Found = dict[str, "Measures"]
"""Each scaler's medians."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A figure in the README, and how to read it from the results."""

    words: str
    unit: str
    of: Callable[[Found], float | None]

    def shown(self, found: Found) -> str:
        """Return it in the table's format."""
        value = self.of(found)
        if value is None:
            return "never"
        return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.2f}"  # noqa: PLR2004 - digits


ALARM, SURGE, PERCENT, TRACKING = (
    "quickstep",
    "quickstep-surge",
    "aas-percent-10s-alarm",
    "aas-target-tracking-20s",
)

STATED = (
    Stated("trigger, by the alarm", "s", lambda found: found[ALARM].time_to_trigger_s),
    Stated("trigger, with surge messages", "s", lambda found: found[SURGE].time_to_trigger_s),
    Stated("capacity, by the alarm", "s", lambda found: found[ALARM].time_to_capacity_s),
    Stated("capacity, AAS's percent steps", "s", lambda found: found[PERCENT].time_to_capacity_s),
    Stated("capacity, AAS's 20-s tracking", "s", lambda found: found[TRACKING].time_to_capacity_s),
    Stated("failed, by the alarm", "%", lambda found: _failed(found, ALARM)),
    Stated("failed, with surge messages", "%", lambda found: _failed(found, SURGE)),
    Stated("failed, AAS's percent steps", "%", lambda found: _failed(found, PERCENT)),
    Stated("task-hours, by the alarm", "h", lambda found: found[ALARM].task_seconds / 3600),
)


def _failed(found: Found, scaler: str) -> float:
    return 100 * (1 - found[scaler].success_rate)


def varied(world: World, constant: Constant, value: float) -> World:
    """Return a world with another value of a constant.

    With another median, a spread's 95th percentile keeps its ratio to the median; it never falls
    below the median.

    Example: start_up.median of 60 makes Spread(30, 40) a Spread(60, 80).
    """
    name, _, part = constant.field.partition(".")
    if not part:
        return replace(world, **_changed(world, name, value))
    inner = getattr(world, name)
    if isinstance(inner, Spread) and part == "median":
        other: Any = Spread(value, inner.p95 * (value / inner.median))
    elif isinstance(inner, Spread):
        other = Spread(min(inner.median, value), value)
    else:
        other = replace(inner, **_changed(inner, part, value))
    return replace(world, **{name: other})


def _changed(owner: Any, name: str, value: float) -> dict[str, Any]:
    return {name: type(getattr(owner, name))(value)}


def play(world: World, seeds: int) -> Found:
    """Return the results of the README's scalers in a world."""
    setup = TODAY.setup()
    traffic = scenario_traffic(SCENARIO, SCENARIOS[SCENARIO].seconds)
    scalers = (
        Quickstep(setup),
        with_surge_messages(setup),
        percent_ladder(setup),
        TargetTracking(setup, TRACKING),
    )
    summaries = compare(an_experiment(traffic, setup, world, None, seeds), scalers).scalers
    return {name: summary.medians for name, summary in summaries.items()}


@dataclass(frozen=True, slots=True)
class Swing:
    """The results for a constant's lowest and highest value."""

    constant: Constant
    low: Found
    high: Found

    def width(self, stated: Stated, usual: Found) -> float:
        """Return the figure's relative range; a value that never happens is furthest."""
        middle = stated.of(usual) or 1.0
        ends = [stated.of(found) for found in (self.low, self.high)]
        return max(9.0 if end is None else abs(end - middle) / middle for end in ends)


def swings(seeds: int, constants: Sequence[Constant]) -> tuple[Found, list[Swing]]:
    """Return the usual result, and each constant's swing."""
    worlds = [World()]
    for one in constants:
        assert one.low is not None  # noqa: S101 - it is varied
        assert one.high is not None  # noqa: S101 - it is varied
        worlds += [varied(World(), one, one.low), varied(World(), one, one.high)]
    with shared_by(os.cpu_count() or 1) as do_all:
        usual, *others = do_all(play, worlds, [seeds] * len(worlds))
    pairs = zip(constants, others[::2], others[1::2], strict=True)
    return usual, [Swing(*pair) for pair in pairs]


# --- the picture ----------------------------------------------------------------------------------

MOST = 8
"""Bars per figure: the widest."""
WIDTH, LEFT, RIGHT = 960, 430, 880
BAR, HEAD = 20, 50
LOW, HIGH = "#3b6ea5", "#c2571a"
BARELY = 0.02
"""A swing below two per cent is not drawn."""


def picture(usual: Found, found: Sequence[Swing]) -> str:
    """Return one tornado per figure, one below the other, as SVG."""
    parts: list[str] = []
    top = 64
    for stated in STATED:
        widest = sorted(found, key=lambda swing: -swing.width(stated, usual))[:MOST]
        drawn = [swing for swing in widest if swing.width(stated, usual) >= BARELY]
        parts += _tornado(stated, usual, drawn, top)
        top += HEAD + BAR * max(1, len(drawn)) + 16
    font = 'font-family="system-ui, sans-serif" font-size="13" fill="#222"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" {font}>',
        f"<title>{escape(TITLE)}</title>",
        f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600">{escape(TITLE)}</text>',
        f'<rect x="16" y="38" width="12" height="12" fill="{LOW}"/>',
        '<text x="34" y="49">at the lowest value</text>',
        f'<rect x="180" y="38" width="12" height="12" fill="{HIGH}"/>',
        '<text x="198" y="49">at the highest</text>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


TITLE = f"What each modelled number is worth, on {SCENARIO}"


def _tornado(stated: Stated, usual: Found, found: Sequence[Swing], top: float) -> Iterator[str]:
    middle = stated.of(usual) or 0.0
    ends = [middle]
    for swing in found:
        ends += [end for side in (swing.low, swing.high) if (end := stated.of(side)) is not None]
    least, most = min(ends), max(ends)
    span = (most - least) or 1.0

    def across(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - least) / span

    x = across(middle)
    bottom = top + HEAD + BAR * len(found)
    words = f"{stated.words}: {stated.shown(usual)} {stated.unit}"
    yield f'<text x="16" y="{top + 28}" font-weight="600">{escape(words)}</text>'
    for row, swing in enumerate(found):
        y = top + HEAD - 8 + BAR * row
        one = swing.constant
        label = f"{one.field}, {one.low:g} to {one.high:g} {one.unit}".rstrip()
        yield (
            f'<text x="{LEFT - 14}" y="{y + 13}" text-anchor="end" font-size="11">'
            f"{escape(label)}</text>"
        )
        for side, colour in ((swing.low, LOW), (swing.high, HIGH)):
            end = stated.of(side)
            to = RIGHT if end is None else across(end)
            begin, width = min(x, to), abs(to - x)
            yield f'<rect x="{begin:.1f}" y="{y}" width="{width:.1f}" height="15" fill="{colour}"/>'
    yield f'<path d="M{x:.1f} {top + HEAD - 12}V{bottom - 8}" stroke="#222"/>'
    for value, anchor in ((least, "start"), (most, "end")):
        if abs(across(value) - x) > 60:  # noqa: PLR2004 - room for both labels
            shown = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - digits
            yield (
                f'<text x="{across(value):.1f}" y="{top + 28}" text-anchor="{anchor}"'
                f' font-size="11">{shown} {stated.unit}</text>'
            )


# --- the table ------------------------------------------------------------------------------------


def rows(usual: Found, found: Sequence[Swing]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table's head and rows: each figure at the lowest and the highest value."""
    head = ("Modelled number", "From, to", *(f"{one.words}, {one.unit}" for one in STATED))
    body = [("**unchanged**", "", *(f"**{one.shown(usual)}**" for one in STATED))]
    for swing in found:
        one = swing.constant
        unit = f" {one.unit}" if one.unit else ""
        cells = (_cell(stated, usual, swing) for stated in STATED)
        body.append((f"{one.part}: {one.what}", f"{one.low:g}, {one.high:g}{unit}", *cells))
    return head, body


def _markdown(head: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(stated: Stated, usual: Found, swing: Swing) -> str:
    ends = (stated.shown(swing.low), stated.shown(swing.high))
    return "=" if set(ends) == {stated.shown(usual)} else f"{ends[0]}, {ends[1]}"


def written(text: str, block: str) -> str:
    """Return a document with this benchmark's block filled in."""
    marked = r"(<!-- measured:sensitivity -->\n).*?(<!-- /measured:sensitivity -->)"
    return re.sub(marked, lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text, flags=re.DOTALL)


def main(
    out: Annotated[Path, typer.Argument(help="The SVG file to write.")],
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Write the picture and the table in docs/model.md, and print the table."""
    usual, found = swings(seeds, [one for one in TABLE if one.varied])
    out.write_text(picture(usual, found), encoding="utf-8")
    block = _markdown(*rows(usual, found))
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), block), encoding="utf-8")
    typer.echo(block)


if __name__ == "__main__":
    typer.run(main)
