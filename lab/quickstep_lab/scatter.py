"""Cost against failures, one point each: down and to the left is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.report.dashboard import plot
from quickstep.report.dashboard.html import Markup, element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HEIGHT, _RADIUS, _SMALL = 320, 6, 2.5
_WIDE, _HIGH = 13, 12
"""Pixels that a number takes."""
_PLACES = ((14, 0), (-14, 0), (0, -14), (0, 14), (14, -12), (-14, -12), (14, 12), (-14, 12))
"""Where a number may stand next to its point, the best place first."""
_SPARE = 0.08


@dataclass(frozen=True, slots=True)
class Dot:
    """A point: its cost, its failures in percent, its class, its description, its number.

    A point without a number is small, and is not listed.
    """

    cost: float
    failed: float
    css: str
    said: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes' labels: how to write a cost, both titles, and the allowed failure rate."""

    cost: Callable[[float], str]
    across: str
    upward: str
    allowed: float | None = None


def scatter(
    dots: Sequence[Dot], axes: Axes, *, width: float, label: str, front: Sequence[Dot] = ()
) -> Markup:
    """Return the points; stairs connect those of the `front`."""
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
        *_dots(dots, axis, upward),
    )


def _dots(dots: Sequence[Dot], axis: plot.Across, upward: plot.Upward) -> Iterator[Markup]:
    """Yield small points first, then numbered ones, each number where it covers no other."""
    taken: list[tuple[float, float]] = [
        (axis.x(dot.cost), upward.y(dot.failed)) for dot in dots if dot.number is not None
    ]
    for dot in sorted(dots, key=lambda dot: dot.number is not None):
        x, y = axis.x(dot.cost), upward.y(dot.failed)
        if dot.number is None:
            yield element("circle", {"class": dot.css, "cx": x, "cy": y, "r": _SMALL})
            continue
        beside = ((x + dx, y + dy) for dx, dy in _PLACES)
        place = next((one for one in beside if not _covers(one, taken)), (x + 13, y))
        taken.append(place)
        yield element(
            "g",
            {"role": "img", "aria-label": dot.said},
            element("title", None, dot.said),
            element("circle", {"class": dot.css, "cx": x, "cy": y, "r": _RADIUS}),
            plot.text(str(dot.number), place[0], place[1] + 4, "dot-number halo", "middle"),
        )


def _covers(place: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    return any(abs(place[0] - x) < _WIDE and abs(place[1] - y) < _HIGH for x, y in taken)


def _stairs(front: Sequence[Dot], axis: plot.Across, upward: plot.Upward) -> str:
    ordered = sorted(front, key=lambda dot: dot.cost)
    first, *rest = ordered
    steps = (f"H{axis.x(dot.cost):g}V{upward.y(dot.failed):g}" for dot in rest)
    return "".join([f"M{axis.x(first.cost):g} {upward.y(first.failed):g}", *steps])


def _round(first: float, last: float, most: int) -> Iterator[float]:
    """Yield at most `most` round numbers in a range. Example: 3.1 to 8.2 and 4: 4, 6, 8."""
    least = (last - first) / max(1, most)
    magnitude = 10.0 ** math.floor(math.log10(least))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= least)
    for n in range(math.ceil(first / step), math.floor(last / step) + 1):
        yield n * step
