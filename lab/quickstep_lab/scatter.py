"""What it costs against what fails, one point each: down and to the left is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.report.dashboard import plot
from quickstep.report.dashboard.html import Markup, element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HEIGHT, _RADIUS = 320, 10
_SPARE = 0.08


@dataclass(frozen=True, slots=True)
class Dot:
    """A point: what it costs, what fails in percent, its class, all of it in words, its number.

    One without a number is small.
    """

    cost: float
    failed: float
    css: str
    said: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Axes:
    """What stands at the axes: how a cost is written, what both are, and what fails at most."""

    cost: Callable[[float], str]
    across: str
    upward: str
    allowed: float | None = None


def scatter(
    dots: Sequence[Dot], axes: Axes, *, width: float, label: str, front: Sequence[Dot] = ()
) -> Markup:
    """Return the points; those of the `front` are connected by stairs."""
    lowest, highest = (side(dot.cost for dot in dots) for side in (min, max))
    spare = max(highest - lowest, 0.02 * highest, 1e-6) * _SPARE
    axis = plot.across(lowest - spare, highest + spare, width)
    most = max([*(dot.failed for dot in dots), axes.allowed or 0, 1e-3])
    upward = plot.Upward(30, 30 + _HEIGHT, plot.ceiling(most * (1 + _SPARE)))
    costs = list(_round(axis.first, axis.last, axis.most_ticks))
    return plot.drawing(
        width,
        upward.bottom + 2 * plot.ROW + 14,
        label,
        plot.seen_only(
            plot.grid(axis, upward),
            plot.bottom_axis([plot.Mark(at, (axes.cost(at),)) for at in costs], axis, [upward]),
            plot.text(axes.upward, 4, 16, "strong"),
            plot.text(axes.across, axis.right, upward.bottom + 2 * plot.ROW + 6, "strong", "end"),
            plot.path(_stairs(front, axis, upward), "front") if front else None,
            plot.level(axes.allowed, f"at most {axes.allowed:g} %", axis, upward)
            if axes.allowed is not None
            else None,
        ),
        *(_dot(dot, axis, upward) for dot in sorted(dots, key=lambda d: d.number is not None)),
    )


def _dot(dot: Dot, axis: plot.Across, upward: plot.Upward) -> Markup:
    x, y = axis.x(dot.cost), upward.y(dot.failed)
    small = dot.number is None
    circle = {"class": dot.css, "cx": x, "cy": y, "r": 3 if small else _RADIUS}
    return element(
        "g",
        {"role": "img", "aria-label": dot.said} if not small else {"aria-hidden": "true"},
        element("title", None, dot.said),
        element("circle", circle),
        None if small else plot.text(str(dot.number), x, y + 4, "on-dot", "middle"),
    )


def _stairs(front: Sequence[Dot], axis: plot.Across, upward: plot.Upward) -> str:
    ordered = sorted(front, key=lambda dot: dot.cost)
    first, *rest = ordered
    steps = (f"H{axis.x(dot.cost):g}V{upward.y(dot.failed):g}" for dot in rest)
    return "".join([f"M{axis.x(first.cost):g} {upward.y(first.failed):g}", *steps])


def _round(first: float, last: float, most: int) -> Iterator[float]:
    """Yield at most so many round numbers of a stretch. Example: 3.1 to 8.2 and 4: 4, 6, 8."""
    least = (last - first) / max(1, most)
    magnitude = 10.0 ** math.floor(math.log10(least))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= least)
    for n in range(math.ceil(first / step), math.floor(last / step) + 1):
        yield n * step
