r"""The timeline as SVG: load and thresholds, the decisions, and the tasks, on one time axis.

100 ┄┄┄┄┄┄┄┄┄┄/───\┄┄┄┄┄┄   a panel for each metric, with its thresholds
  0 ─────────/     \─────
              ▲ ▲  ▬  ▼     decisions: changes and failures above, the others below
  8           ┌─┘▒▒▒▒▒└──   tasks: desired as a line, running as an area
      10:00   10:01   10:02
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.report.dashboard.html import Markup, element, join
from quickstep.report.dashboard.kinds import SHAPES, Kind, words
from quickstep.report.dashboard.times import Tick, local, offset_name, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from quickstep.report.dashboard.material import Point, Threshold
    from quickstep.report.dashboard.view import Mark, Panel, Steps, View

NARROWEST, NARROW, WIDEST = 280, 520, 2400
_TITLE, _LANE = 22, 48
_TICK_WIDTH, _DIGIT_WIDTH, _GUIDE_WIDTH = 84, 9, 24


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where moments and values are on the drawing, in pixels."""

    start: datetime
    span: float
    left: float
    right: float

    def x(self, at: datetime) -> float:
        share = (at - self.start) / timedelta(seconds=1) / self.span
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 1)


@dataclass(frozen=True, slots=True)
class _Band:
    """A part of the drawing from `top` to `bottom`, for values from 0 to `highest`."""

    top: float
    bottom: float
    highest: float

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.highest))
        return round(self.bottom - share * (self.bottom - self.top), 1)


def timeline(view: View) -> Markup:
    """Return the drawing, as wide as the view asks for."""
    width = min(max(view.look.width, NARROWEST), WIDEST)
    narrow = width < NARROW
    frame = _Frame(
        view.start,
        max((view.end - view.start) / timedelta(seconds=1), 1e-9),
        38 if narrow else 52,
        width - (12 if narrow else 18),
    )
    parts: list[Markup] = []
    y = 2.0
    bands: list[_Band] = []
    for panel in view.panels:
        height = (150 if narrow else 180) if panel is view.panels[0] else 100
        band = _Band(y + _TITLE, y + _TITLE + height, _ceiling(panel.top))
        parts.append(_load(panel, band, frame, y))
        bands.append(band)
        y = band.bottom + 6
    if not view.panels:
        parts.append(_text("No metric and no datapoint in this time.", frame.left, y + 18))
        y += 28
    lane = y + _LANE / 2
    y += _LANE
    highest = max(
        (point.value for point in (*view.desired.points, *view.running.points)), default=0
    )
    band = _Band(y + _TITLE, y + _TITLE + (80 if narrow else 90), max(4.0, -(-highest // 4) * 4))
    tasks = _tasks(view, band, frame, y)
    bottom = band.bottom
    marks = list(ticks(view.start, view.end, _most_ticks(frame), view.look.zone))
    total = bottom + 8 + 14 * max((len(tick.lines) for tick in marks), default=0)
    return element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {total:g}",
            "width": width,
            "height": f"{total:g}",
            "role": "img",
            "aria-label": described(view),
        },
        *parts,
        _guides(view.marks, frame, [*bands, band]),
        tasks,
        _axis(marks, frame, bottom, [*bands, band]),
        _marks(view, frame, lane),
    )


def described(view: View) -> str:
    """Return the drawing in a sentence, for those who do not see it."""
    zone = view.look.zone
    span = f"{local(view.start, zone)} to {local(view.end, zone)} {offset_name(view.end, zone)}"
    said = [f"Timeline of {view.resource_id} from {span}"]
    for panel in view.panels:
        newest = [line.parts[-1][-1].value for line in panel.lines if line.parts]
        said.append(f"{panel.title}: newest {', '.join(map(number, newest)) or 'no data'}")
        said += [_threshold_words(threshold) for threshold in panel.thresholds]
    for steps in (view.desired, view.running):
        if steps.points:
            said.append(f"{steps.name} {steps.points[-1].value:g}")
    said.append(f"{view.matching:,} decision{'' if view.matching == 1 else 's'}")
    return "; ".join(said) + "."


def number(value: float) -> str:
    """Return a value to three digits, e.g. `98.3`, `160`, `12,345`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


# --- panels ---------------------------------------------------------------------------------------


def _load(panel: Panel, band: _Band, frame: _Frame, y: float) -> Markup:
    floor = band.bottom
    first = panel.lines[0]
    return join(
        *(
            element(
                "rect",
                {
                    "class": "breach",
                    "x": frame.x(since),
                    "y": band.top,
                    "width": max(1.0, round(frame.x(until) - frame.x(since), 1)),
                    "height": floor - band.top,
                },
            )
            for since, until in panel.breaches
        ),
        *(
            _path(f"{_line(part, band, frame)}V{floor:g}H{frame.x(part[0].at):g}Z", "area")
            for part in first.parts
            if len(part) > 1
        ),
        _grid(band, frame),
        *(
            _drawn(part, band, frame, "load" if line is first else "load other")
            for line in panel.lines
            for part in line.parts
        ),
        *_thresholds(panel.thresholds, band, frame),
        _text(panel.title, frame.left, y + 13, "strong"),
    )


def _drawn(part: Sequence[Point], band: _Band, frame: _Frame, css: str) -> Markup:
    if len(part) > 1:
        return _path(_line(part, band, frame), css)
    centre = {"cx": frame.x(part[0].at), "cy": band.y(part[0].value)}
    return element("circle", {"class": "dot", "r": 2.5, **centre})


def _line(part: Sequence[Point], band: _Band, frame: _Frame) -> str:
    return "M" + "L".join(f"{frame.x(p.at):g} {band.y(p.value):g}" for p in part)


def _thresholds(thresholds: Iterable[Threshold], band: _Band, frame: _Frame) -> Iterator[Markup]:
    for threshold in thresholds:
        y = band.y(threshold.value)
        yield element(
            "line",
            {"class": "threshold", "x1": frame.left, "x2": frame.right, "y1": y, "y2": y},
        )
        yield _text(
            _threshold_words(threshold), frame.right - 4, y - 5, "threshold-text halo", "end"
        )


def _threshold_words(threshold: Threshold) -> str:
    side = "above" if threshold.above else "below"
    return f"{threshold.policy}: {side} {number(threshold.value)}"


def _tasks(view: View, band: _Band, frame: _Frame, y: float) -> Markup:
    running, desired = view.running.points, view.desired.points
    area = (
        f"{_stairs(view.running, band, frame)}V{band.bottom:g}H{frame.x(running[0].at):g}Z"
        if running
        else None
    )
    return join(
        _path(area, "running") if area else None,
        _grid(band, frame),
        _path(_stairs(view.desired, band, frame), "desired") if desired else None,
        _text("Tasks", frame.left, y + 13, "strong"),
        _key(view, frame.left + 50, y + 9),
    )


def _key(view: View, x: float, y: float) -> Markup:
    """Return what line and area stand for, or that there is neither."""
    desired, running = view.desired.points, view.running.points
    if not desired and not running:
        return _text("no evaluation has seen the service in this time", x, y + 4)
    return join(
        _path(f"M{x:g} {y:g}h16", "desired"),
        _text(f"desired {desired[-1].value:g}" if desired else "desired unknown", x + 22, y + 4),
        element("rect", {"class": "running", "x": x + 96, "y": y - 5, "width": 14, "height": 10}),
        _text(f"running {running[-1].value:g}" if running else "running unknown", x + 116, y + 4),
    )


def _stairs(steps: Steps, band: _Band, frame: _Frame) -> str:
    """Return a path that stays at a count until the next one, and goes on to the right edge."""
    first, *rest = steps.points
    path = [f"M{frame.x(first.at):g} {band.y(first.value):g}"]
    path += [f"H{frame.x(p.at):g}V{band.y(p.value):g}" for p in rest]
    return "".join([*path, f"H{frame.right:g}"])


def _grid(band: _Band, frame: _Frame) -> Markup:
    values = [band.highest / 4 * n for n in range(5)]
    return join(
        *(
            join(
                element(
                    "line",
                    {
                        "class": "rule",
                        "x1": frame.left,
                        "x2": frame.right,
                        "y1": band.y(value),
                        "y2": band.y(value),
                    },
                ),
                _text(number(value), frame.left - 6, band.y(value) + 4, "", "end"),
            )
            for value in values
        )
    )


def _ceiling(value: float) -> float:
    """Return a round number that is not below, and divides by 4 without a long fraction.

    Examples: 375 is 400, 8.8 is 12, 0.07 is 0.08.
    """
    magnitude = 1e-9
    while magnitude * 10 < value:
        magnitude *= 10
    fits = (factor * magnitude for factor in (1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10))
    return next((round(fit, 12) for fit in fits if fit >= value), magnitude * 10)


# --- time and decisions ---------------------------------------------------------------------------


def _most_ticks(frame: _Frame) -> int:
    return max(2, int((frame.right - frame.left) / _TICK_WIDTH))


def _axis(marks: Iterable[Tick], frame: _Frame, bottom: float, bands: Sequence[_Band]) -> Markup:
    return join(
        *(
            join(
                *(
                    element(
                        "line",
                        {
                            "class": "rule",
                            "x1": frame.x(tick.at),
                            "x2": frame.x(tick.at),
                            "y1": band.top,
                            "y2": band.bottom,
                        },
                    )
                    for band in bands
                ),
                _label(tick, frame, bottom),
            )
            for tick in marks
        )
    )


def _label(tick: Tick, frame: _Frame, bottom: float) -> Markup:
    x = frame.x(tick.at)
    # In the middle of its mark, but where the drawing ends it would be cut off.
    near_start, near_end = x - frame.left < _TICK_WIDTH / 4, frame.right - x < _TICK_WIDTH / 4
    anchor = "start" if near_start else "end" if near_end else "middle"
    return join(
        *(_text(line, x, bottom + 15 + 14 * row, "", anchor) for row, line in enumerate(tick.lines))
    )


def _guides(marks: Iterable[Mark], frame: _Frame, bands: Sequence[_Band]) -> Markup:
    """Return a thin line through all panels where capacity changed, unless they would be a wall."""
    changes = [mark for mark in marks if mark.kind.changes]
    if len(changes) * _GUIDE_WIDTH > frame.right - frame.left:
        return join()
    return join(
        *(
            element(
                "line",
                {
                    "class": f"guide {mark.kind}",
                    "x1": frame.x(mark.at),
                    "x2": frame.x(mark.at),
                    "y1": bands[0].top,
                    "y2": bands[-1].bottom,
                },
            )
            for mark in changes
        )
    )


def _marks(view: View, frame: _Frame, lane: float) -> Markup:
    """Return the decisions: what changed or failed above, what was held or ignored below."""
    drawn = []
    labelled = 0.0
    for mark in sorted(view.marks, key=lambda mark: (_is_quiet(mark.kind), mark.at)):
        y = lane + 14 if _is_quiet(mark.kind) else lane - 5
        x = frame.x(mark.at)
        text = f"{mark.change:+,d}".replace("-", "\u2212")
        half = len(text) * _DIGIT_WIDTH / 2
        label = None
        if mark.change and x - half > labelled:  # or it would run into the one before
            label, labelled = _text(text, x, y - 9, f"delta halo {mark.kind}", "middle"), x + half
        drawn.append(
            element(
                "g",
                {"class": mark.kind, "data-decision": mark.entry.id},
                element("title", None, _told(mark, view)),
                element("path", {"d": SHAPES[mark.kind], "transform": f"translate({x:g} {y:g})"}),
                label,
            )
        )
    return join(*drawn)


def _is_quiet(kind: Kind) -> bool:
    return kind in (Kind.HELD, Kind.IGNORED)


def _told(mark: Mark, view: View) -> str:
    at = f"{local(mark.at, view.look.zone)} {offset_name(mark.at, view.look.zone)}"
    if mark.count > 1:
        return f"{mark.count} decisions up to {at}, the newest: {mark.entry.reason}"
    return f"{at} {words(mark.entry.outcome)}: {mark.entry.reason}"


def _path(d: str, css: str) -> Markup:
    return element("path", {"class": css, "d": d})


def _text(text: str, x: float, y: float, css: str = "", anchor: str | None = None) -> Markup:
    return element(
        "text", {"class": css or None, "x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}, text
    )
