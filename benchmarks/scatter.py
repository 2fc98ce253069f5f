"""Failures against cost in one picture: every scaler on all traffic that the repository ships.

python -m benchmarks.scatter docs/images/scalers.svg

A point is a scaler on one traffic, the median of its seeds. Across: its task-hours, as a multiple
of the theoretical minimum. Up: the share of failed requests on a square-root scale, so that both
0.1 % and 50 % are visible. It also prints the same data as a table.
"""

from __future__ import annotations

import math
import os
from html import escape
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from benchmarks.contenders import CONTENDERS, TODAY
from quickstep_cli.experiment import an_experiment
from quickstep_lab.simulator.compare import all_scalers, compare
from quickstep_lab.simulator.measure import needed_task_seconds
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.target_tracking import labelled
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_lab.simulator.stage import Scaler

SEEDS = 5
TRAFFIC = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_60S,
    ScenarioName.RAMP_180S,
    ScenarioName.FLASH_CROWD,
    ScenarioName.SAWTOOTH,
    ScenarioName.BURSTY,
    ScenarioName.NOISY,
    ScenarioName.DIURNAL,
)
LEFT_OUT = frozenset({"quickstep", "textbook"})
"""Quickstep appears under its documents' labels, and nobody runs the textbook's policy."""


class Point(NamedTuple):
    """A scaler on one traffic: its multiple of the minimum task-hours, and its failed share."""

    cost: float
    failed: float


def points(seeds: int) -> dict[str, list[Point]]:
    """Return each scaler's points, in the order of TRAFFIC."""
    today = TODAY.setup()
    scalers: list[Scaler] = [
        Quickstep(one.setup(), f"quickstep, {one.label}")
        for one in CONTENDERS
        if one.file.is_file()
    ]
    scalers += [scaler for scaler in all_scalers(today) if scaler.name not in LEFT_OUT]
    found: dict[str, list[Point]] = {scaler.name: [] for scaler in scalers}
    for name in TRAFFIC:
        traffic = scenario_traffic(name, SCENARIOS[name].seconds)
        experiment = an_experiment(traffic, today, World(), None, seeds)
        least = needed_task_seconds(traffic, today)
        for scaler, summary in compare(
            experiment, scalers, jobs=os.cpu_count() or 1
        ).scalers.items():
            medians = summary.medians
            found[scaler].append(Point(medians.task_seconds / least, 1 - medians.success_rate))
    return found


# --- the picture ----------------------------------------------------------------------------------

# Okabe and Ito's colours, which people with any colour vision can distinguish, and three of Tol's
# muted ones, which are darker than the former with the same hue.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#000000", "#882255", "#999933", "#332288"),
)
WIDTH, HEIGHT = 940, 520
LEFT, TOP, RIGHT, BOTTOM = 64, 24, 590, 460
FAILED_TICKS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
COST_TICKS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)

_MARKS = (
    '<circle cx="{x}" cy="{y}" r="5.5" {style}/>',
    '<rect x="{x0}" y="{y0}" width="10" height="10" {style}/>',
    '<path d="M{x} {y0}l6 10h-12z" {style}/>',
    '<path d="M{x} {y1}l6 -10h-12z" {style}/>',
    '<path d="M{x} {y0}l6 5l-6 5l-6 -5z" {style}/>',
)


def picture(found: Mapping[str, Sequence[Point]]) -> str:
    """Return the picture as SVG."""
    every = [point for series in found.values() for point in series]
    most_cost = max(point.cost for point in every) * 1.05
    least_cost = min(point.cost for point in every) * 0.95
    most_failed = max(point.failed for point in every) * 1.1

    def across(cost: float) -> float:
        return LEFT + (RIGHT - LEFT) * (cost - least_cost) / (most_cost - least_cost)

    def up(failed: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * math.sqrt(failed / most_failed)

    font = 'font-family="system-ui, sans-serif" font-size="13" fill="#222"'
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" {font}>',
        f"<title>{escape(TITLE)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tick in (tick for tick in FAILED_TICKS if tick <= most_failed):
        y = up(tick)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#ddd"/>')
        label = f"{tick * 100:g} %"
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for tick in (tick for tick in COST_TICKS if least_cost <= tick <= most_cost):
        x = across(tick)
        lines.append(f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="#ddd"/>')
        lines.append(f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{tick:g}</text>')
    middle = (LEFT + RIGHT) / 2
    lines.append(
        f'<text x="{middle}" y="{BOTTOM + 42}" text-anchor="middle">task-hours, relative to the'
        " theoretical minimum</text>"
    )
    lines.append(
        f'<text transform="translate(14 {(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        "requests that failed</text>"
    )
    for number, (name, series) in reversed(list(enumerate(found.items()))):  # the first is on top
        lines += [_mark(number, across(point.cost), up(point.failed)) for point in series]
        y = TOP + 14 + 24 * number
        lines.append(_mark(number, RIGHT + 26, y - 4))
        lines.append(f'<text x="{RIGHT + 42}" y="{y}">{escape(labelled(name))}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


TITLE = "Failed requests against task-hours: each scaler on each traffic"


def _mark(number: int, x: float, y: float) -> str:
    colour = COLOURS[number % len(COLOURS)]
    style = f'fill="{colour}" fill-opacity="0.75" stroke="#fff"'
    places = {"x": x, "y": y, "x0": x - 5, "y0": y - 5, "y1": y + 5}
    shown = {name: f"{place:.1f}" for name, place in places.items()}
    return _MARKS[number % len(_MARKS)].format(style=style, **shown)


def table(found: Mapping[str, Sequence[Point]]) -> Iterator[str]:
    """Yield the table's lines: each cell has the failures and their cost."""
    names = [str(name) for name in TRAFFIC]
    yield "| Scaler | " + " | ".join(f"`{name}`" for name in names) + " |"
    yield "|" + " --- |" * (len(names) + 1)
    for name, series in found.items():
        cells = (f"{point.failed:.1%}, {point.cost:.2f}" for point in series)
        yield f"| {labelled(name)} | " + " | ".join(cells) + " |"


def main(
    out: Annotated[Path, typer.Argument(help="The SVG file to write.")],
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Write the picture, and print its table."""
    found = points(seeds)
    out.write_text(picture(found), encoding="utf-8")
    typer.echo("\n".join(table(found)))


if __name__ == "__main__":
    typer.run(main)
