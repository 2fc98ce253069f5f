"""The building blocks of drawings: scales, round marks, lines, bands, pins, and a cursor.

Plain numbers in, SVG out; the caller knows what they stand for. Every colour is a class in
`style.css`, so that drawings follow the theme and look alike. They contain no script: the cursor is
a radio group, which the arrow keys move in any browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from quickstep.report.dashboard.html import Markup, element, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quickstep.report.dashboard.html import Child

NARROWEST, NARROW, WIDEST = 280, 700, 2400
"""Pixels; below NARROW, a drawing uses more of its width for the numbers at its side."""
ROW = 14
"""The height of a line of text, in pixels."""
_SIDES = {True: (0.115, 0.03), False: (0.06, 0.02)}
"""The plots' left and right margins as shares of the width, narrow or not; also in `style.css`."""
_TICK_WIDTH, _WORD_WIDTH = 70, 60

Place = tuple[float, float]
"""A value's place: along the axis (in seconds, for example), and upwards."""


@dataclass(frozen=True, slots=True)
class Across:
    """The axis that all plots of a drawing share: from `first` to `last`, in pixels."""

    first: float
    last: float
    left: float
    right: float

    def x(self, place: float) -> float:
        """Return a place's position; a place outside is at the edge."""
        share = (place - self.first) / max(self.last - self.first, 1e-9)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 1)

    @property
    def most_ticks(self) -> int:
        """How many labelled marks fit next to each other."""
        return max(2, int((self.right - self.left) / _TICK_WIDTH))


@dataclass(frozen=True, slots=True)
class Upward:
    """One plot from `top` to `bottom`, for values from 0 to `highest`."""

    top: float
    bottom: float
    highest: float

    def y(self, value: float) -> float:
        """Return a value's position; a value outside is at the edge."""
        share = min(1.0, max(0.0, value / self.highest))
        return round(self.bottom - share * (self.bottom - self.top), 1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on the axis, and the lines of text below it."""

    place: float
    lines: Sequence[str]


def is_narrow(width: float) -> bool:
    """Whether a drawing is for a phone or the like."""
    return width < NARROW


def across(first: float, last: float, width: float) -> Across:
    """Return the axis of a drawing that is `width` pixels wide."""
    left, right = _SIDES[is_narrow(width)]
    return Across(first, last, round(width * left, 1), round(width * (1 - right), 1))


def drawing(width: float, height: float, label: str, *children: Child) -> Markup:
    """Return a drawing; `label` describes it to readers who cannot see it."""
    return element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "group",
            "aria-label": label,
        },
        *children,
    )


def seen_only(*children: Child) -> Markup:
    """Hide from screen readers what the drawing's label, pins or cursor already say in words."""
    return element("g", {"aria-hidden": "true"}, *children)


# --- numbers --------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a value to three digits, e.g. `98.3`, `160`, `12,345`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def ceiling(value: float) -> float:
    """Round up to a number that divides by 4 without a long fraction.

    Examples: 375 becomes 400, 8.8 becomes 12, 0.07 becomes 0.08.
    """
    magnitude = 1e-9
    while magnitude * 10 < value:
        magnitude *= 10
    fits = (factor * magnitude for factor in (1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10))
    return next((round(fit, 12) for fit in fits if fit >= value), magnitude * 10)


def whole_ceiling(value: float) -> float:
    """Round a count up to a multiple of 4, at least 4."""
    return max(4.0, -(-value // 4) * 4)


# --- shapes ---------------------------------------------------------------------------------------


def path(d: str, css: str) -> Markup:
    """Return a path with a class."""
    return element("path", {"class": css, "d": d})


def text(said: str, x: float, y: float, css: str = "", anchor: str | None = None) -> Markup:
    """Return a text; `anchor` is `middle` or `end`, or None for its start."""
    return element(
        "text", {"class": css or None, "x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}, said
    )


def box(x: float, y: float, width: float, height: float, css: str) -> Markup:
    """Return a rectangle, at least one pixel wide so that it is visible."""
    wide = max(1.0, round(width, 1))
    return element(
        "rect", {"class": css, "x": x, "y": y, "width": wide, "height": round(height, 1)}
    )


def rule(x1: float, y1: float, x2: float, y2: float, css: str = "rule") -> Markup:
    """Return a straight line."""
    return element("line", {"class": css, "x1": x1, "x2": x2, "y1": y1, "y2": y2})


def sloped(places: Sequence[Place], axis: Across, plot: Upward) -> str:
    """Return the path of a line from value to value."""
    return "M" + "L".join(f"{axis.x(at):g} {plot.y(value):g}" for at, value in places)


def stepped(places: Sequence[Place], until: float, axis: Across, plot: Upward) -> str:
    """Return the path of a line that holds each value until the next, the last until `until`."""
    (first, value), *rest = places
    steps = [f"H{axis.x(at):g}V{plot.y(one):g}" for at, one in rest]
    start = f"M{axis.x(first):g} {plot.y(value):g}"
    return "".join([start, *steps, f"H{axis.x(until):g}"])


def filled(line: str, first: float, axis: Across, plot: Upward) -> str:
    """Return the path of the area below a line that began at `first`."""
    return f"{line}V{plot.bottom:g}H{axis.x(first):g}Z"


def between(spans: Iterable[tuple[Place, float, float]], axis: Across, plot: Upward) -> str:
    """Return the path of boxes from a lower to a higher value, each for a span `(from, to)`."""
    boxes = []
    for (since, until), low, high in spans:
        foot = f"{plot.y(low):g}"
        boxes.append(f"M{axis.x(since):g} {foot}V{plot.y(high):g}H{axis.x(until):g}V{foot}Z")
    return "".join(boxes)


# --- what stands around the lines -----------------------------------------------------------------


def grid(axis: Across, plot: Upward) -> Markup:
    """Return four rules above the base line, with their numbers on the left."""
    return join(
        *(
            join(
                rule(axis.left, plot.y(value), axis.right, plot.y(value)),
                text(number(value), axis.left - 6, plot.y(value) + 4, "", "end"),
            )
            for value in (plot.highest / 4 * n for n in range(5))
        )
    )


def level(value: float, said: str, axis: Across, plot: Upward) -> Markup:
    """Return a threshold: a dashed line, and its text above the line's right end."""
    y = plot.y(value)
    return join(
        rule(axis.left, y, axis.right, y, "threshold"),
        text(said, axis.right - 4, y - 5, "threshold-text halo", "end"),
    )


def band(low: float, high: float, until: float, axis: Across, plot: Upward) -> Markup:
    """Return the area between two thresholds, in which no policy acts, up to `until`."""
    y = plot.y(high)
    return box(axis.left, y, axis.x(until) - axis.left, plot.y(low) - y, "band")


def future(now: float, axis: Across, plots: Iterable[Upward]) -> Markup:
    """Return the area right of the present, where nothing is known; it lies behind everything."""
    x = axis.x(now)
    return join(
        *(box(x, plot.top, axis.right - x, plot.bottom - plot.top, "future") for plot in plots)
    )


def upright(place: float, axis: Across, top: float, bottom: float, css: str) -> Markup:
    """Return a line through all plots, e.g. at a change or at the present."""
    x = axis.x(place)
    return rule(x, top, x, bottom, css)


def now_line(now: float, said: str, axis: Across, top: float, bottom: float) -> Markup:
    """Return the line for the present, with the word next to it."""
    x = axis.x(now)
    near_end = axis.right - x < _WORD_WIDTH
    return join(
        upright(now, axis, top, bottom, "now"),
        text(
            said,
            x - 5 if near_end else x + 5,
            top + 11,
            "now-text halo",
            "end" if near_end else None,
        ),
    )


def bottom_axis(marks: Iterable[Mark], axis: Across, plots: Sequence[Upward]) -> Markup:
    """Return the axis's marks: a rule through each plot, and the labels below the last one."""
    return join(
        *(
            join(
                *(upright(mark.place, axis, plot.top, plot.bottom, "rule") for plot in plots),
                _label(mark, axis, plots[-1].bottom),
            )
            for mark in marks
        )
    )


def _label(mark: Mark, axis: Across, bottom: float) -> Markup:
    x = axis.x(mark.place)
    # Centred on its mark, except near the edges, where it would be cut off.
    near_start, near_end = x - axis.left < _TICK_WIDTH / 4, axis.right - x < _TICK_WIDTH / 4
    anchor = "start" if near_start else "end" if near_end else "middle"
    return join(
        *(text(line, x, bottom + 15 + ROW * row, "", anchor) for row, line in enumerate(mark.lines))
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry in a key: a short line or area of a class, and its text."""

    css: str
    said: str
    area: bool = False


def key(samples: Iterable[Sample], x: float, y: float) -> Markup:
    """Return the samples in a row; `y` is the row's middle."""
    parts = []
    for sample in samples:
        mark = (
            box(x, y - 5, 14, 10, sample.css)
            if sample.area
            else path(f"M{x:g} {y:g}h14", sample.css)
        )
        parts += [mark, text(sample.said, x + 19, y + 4)]
        x += 19 + width_of(sample.said, 5.6) + 14
    return join(*parts)


def width_of(said: str, letter: float) -> float:
    """Return a text's approximate width; East Asian letters are about twice as wide."""
    return sum(1 + (east_asian_width(each) in "WF") for each in said) * letter


# --- pins and cursor ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pin:
    """Something that happened: a shape of a class at a place, a few digits, and the full text.

    `leads_to` is the address it opens, if any. The Tab key skips pins that are not a `stop`.
    """

    place: float
    shape: str
    css: str
    label: str
    said: str
    leads_to: str | None = None
    data: str | None = None
    stop: bool = True


def pin(one: Pin, axis: Across, y: float) -> Markup:
    """Return a pin whose shape is at `y`; a link if it leads somewhere."""
    x = axis.x(one.place)
    drawn = join(
        element("title", None, one.said),
        element("rect", {"class": "touch", "x": x - 12, "y": y - 24, "width": 24, "height": 36}),
        element("path", {"d": one.shape, "transform": f"translate({x:g} {y:g})"}),
        text(one.label, x, y - 11, f"delta halo {one.css}", "middle") if one.label else None,
    )
    common = {
        "class": f"pin {one.css}",
        "data-decision": one.data,
        # The visible text is part of the pin's name, for people who control their browser by voice.
        "aria-label": f"{one.label}: {one.said}" if one.label else one.said,
    }
    if one.leads_to is None:
        return element("g", {**common, "role": "img"}, drawn)
    order = None if one.stop else "-1"
    return element("a", {**common, "href": one.leads_to, "tabindex": order}, drawn)


@dataclass(frozen=True, slots=True)
class Reading:
    """All values in one slot of the axis: its title, and lines of text."""

    title: str
    lines: Sequence[str]


def cursor(readings: Sequence[Reading | None], width: float, label: str) -> Markup:
    """Return a cursor over slots of equal width; slots that are None show nothing.

    A slot shows its values under the pointer, or when the arrow keys reach it; then screen readers
    read them, too.
    """
    half = len(readings) / 2
    narrow = is_narrow(width)
    return element(
        "div",
        {
            "class": "cursor narrow" if narrow else "cursor",
            "role": "radiogroup",
            "aria-label": label,
        },
        *(
            element("i", None)
            if reading is None
            else _slot(reading, f"moment-{width:g}", n, right=n < half)
            for n, reading in enumerate(readings)
        ),
    )


def _slot(reading: Reading, group: str, n: int, *, right: bool) -> Markup:
    said = f"{reading.title}: {', '.join(reading.lines)}"
    return element(
        "label",
        {"class": "on-right" if right else "on-left"},
        element(
            "input",
            {"type": "radio", "name": group, "value": n, "aria-label": said},
        ),
        element(
            "span",
            {"aria-hidden": "true"},
            element("b", None, reading.title),
            *(element("span", None, line) for line in reading.lines),
        ),
    )
