r"""The timeline: the decisions, the load with its thresholds, and the tasks, on one time axis.

             ▲+4 ▲+4     ▼      pins: what changed or failed; a bar holds the looks of one breach
             ═══════     ═
1,200     /‾‾‾‾‾‾‾\      ┆      the whole service's load, and what of it failed
100 ┄┄┄┄┄┄/───\┄┄┄┄┄┄┄┄┄┄┆      a panel for each metric, with its thresholds and the band between
8         ┌─┘░░▒▒▒▒▒▒▒▒▒─┆      tasks: desired as a line; running, starting and missing as areas
    10:00   10:01      now
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from quickstep.engine.words import many
from quickstep.report.dashboard import plot
from quickstep.report.dashboard.html import Markup, element, join
from quickstep.report.dashboard.kinds import SHAPES, Kind, words
from quickstep.report.dashboard.plot import Across, Upward, number
from quickstep.report.dashboard.tasks import held
from quickstep.report.dashboard.times import (
    clock,
    local,
    localised,
    moment,
    offset_name,
    ticks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from quickstep.report.dashboard.incidents import Incident
    from quickstep.report.dashboard.loads import Demand, Line, Panel
    from quickstep.report.dashboard.material import Entry, Point, Threshold
    from quickstep.report.dashboard.view import Look, Mark, View

_TITLE, _GAP = 24, 10
_PIN_Y, _BAR_Y, _QUIET_Y, _LANE = 26, 38, 48, 56
_DIGIT_WIDTH, _GUIDE_WIDTH, _SLOT_WIDTH = 9, 24, 8
_MOST_STOPS = 24
"""Pins at which the Tab key stops. More would delay the table, which has all of them."""
_PAST_WIDTH = 1.0
"""Pixels at the right end that are too few to be called the future."""


class Opener(Protocol):
    """Where the drawing is shown: determines the link behind a pin."""

    def opening(self, entry: Entry, look: Look) -> str | None:
        """Return the address that opens a decision, or None."""
        ...


@dataclass(frozen=True, slots=True)
class _Stage:
    """What all parts of a drawing need: the view, its axis, and seconds on it."""

    view: View
    axis: Across

    def second(self, at: datetime) -> float:
        return (at - self.view.start) / timedelta(seconds=1)

    def x(self, at: datetime) -> float:
        return self.axis.x(self.second(at))

    def places(self, points: Iterable[Point]) -> list[plot.Place]:
        return [(self.second(point.at), point.value) for point in points]

    def say(self, english: str) -> str:
        return self.view.look.say(english)

    @property
    def known(self) -> float:
        """The present: the last second that is drawn."""
        return self.second(self.view.known_until)


def timeline(view: View, opener: Opener) -> Markup:
    """Return the drawing, as wide as the view asks for, with a cursor that shows its values."""
    width = min(max(view.look.width, plot.NARROWEST), plot.WIDEST)
    span = (view.end - view.start) / timedelta(seconds=1)
    stage = _Stage(view, plot.across(0, max(span, 1e-9), width))
    drawn: list[Markup] = []
    plots: list[Upward] = []
    y = float(_LANE)
    if view.demand is None and not view.panels:
        drawn.append(plot.text(stage.say("No load is known for this time."), stage.axis.left, y))
    for height, highest, draw in _panels(stage, narrow=plot.is_narrow(width)):
        one = Upward(y + _TITLE, y + _TITLE + height, highest)
        drawn.append(draw(one))
        plots.append(one)
        y = one.bottom + _GAP
    marks = [
        plot.Mark(stage.second(tick.at), [stage.say(line) for line in tick.lines])
        for tick in ticks(view.start, view.end, stage.axis.most_ticks, view.look.zone)
    ]
    height = plots[-1].bottom + 8 + plot.ROW * max((len(mark.lines) for mark in marks), default=0)
    svg = plot.drawing(
        width,
        height,
        described(view),
        plot.seen_only(
            plot.future(stage.known, stage.axis, plots) if _has_future(stage) else None,
            *drawn,
            plot.bottom_axis(marks, stage.axis, plots),
            _guides(stage, plots[-1].bottom),
            _now(stage, plots),
            *(_bar(incident, stage) for incident in view.incidents),
            *(_quiet(mark, stage) for mark in view.marks if mark.kind.is_quiet),
        ),
        *_pins(stage, opener),
    )
    return join(svg, plot.cursor(list(_readings(stage)), width, stage.say("Values over time")))


def described(view: View) -> str:
    """Describe the drawing in a sentence, for readers who cannot see it."""
    zone, say = view.look.zone, view.look.say
    span = f"{local(view.start, zone)} to {local(view.end, zone)} {offset_name(view.end, zone)}"
    said = [say(f"Timeline of {view.resource_id} from {span}")]
    if view.demand is not None and view.demand.total.newest is not None:
        newest = say(f"newest {number(view.demand.total.newest.value)}")
        said.append(f"{say(view.demand.title)}: {newest}")
    for panel in view.panels:
        values = [number(line.newest.value) for line in panel.lines if line.newest]
        newest = say(f"newest {', '.join(values)}") if values else say("no data")
        said.append(f"{say(panel.title)}: {newest}")
        said += [say(_threshold_words(threshold)) for threshold in panel.thresholds]
    for steps in (view.desired, view.running):
        if steps.newest is not None:
            said.append(f"{say(steps.name)} {steps.newest}")
    said.append(say(many(view.matching, "decision")))
    return say("; ").join(said) + "."


# --- panels ---------------------------------------------------------------------------------------


def _panels(
    stage: _Stage, *, narrow: bool
) -> Iterator[tuple[float, float, Callable[[Upward], Markup]]]:
    """Yield each plot from the top: its height, its highest value, and its draw function."""
    view, demand = stage.view, stage.view.demand
    if demand is not None:
        yield 70 if narrow else 84, plot.ceiling(demand.top), partial(_demand, demand, stage)
    for panel in view.panels:
        height = (120 if narrow else 150) if panel is view.panels[0] else 90
        yield height, plot.ceiling(panel.top), partial(_load, panel, stage)
    points = (*view.desired.points, *view.running.points)
    highest = max((point.value for point in points), default=0)
    yield 80 if narrow else 96, plot.whole_ceiling(highest), partial(_tasks, stage)


def _demand(demand: Demand, stage: _Stage, one: Upward) -> Markup:
    newest = demand.total.newest
    said = stage.say(f"newest {number(newest.value)}" if newest else "no data")
    samples = [plot.Sample("load", said)]
    if demand.lost is not None:
        samples.append(plot.Sample("lost", stage.say("failed"), area=True))
    return join(
        *_areas(demand.total, stage, one, "area"),
        *_areas(demand.failed, stage, one, "lost"),
        plot.grid(stage.axis, one),
        *(_drawn(part, stage, one, "load") for part in demand.total.parts),
        _heading(demand.title, stage, one, samples),
    )


def _load(panel: Panel, stage: _Stage, one: Upward) -> Markup:
    first = panel.lines[0]
    floor, ceiling = panel.floor, panel.ceiling
    newest = panel.newest
    return join(
        plot.band(floor.value, ceiling.value, stage.known, stage.axis, one)
        if floor and ceiling and floor.value < ceiling.value
        else None,
        *(
            plot.box(
                stage.x(since),
                one.top,
                stage.x(until) - stage.x(since),
                one.bottom - one.top,
                "breach",
            )
            for since, until in panel.breaches
        ),
        *_areas(first, stage, one, "area"),
        plot.grid(stage.axis, one),
        *(
            _drawn(part, stage, one, "load" if line is first else "load other")
            for line in panel.lines
            for part in line.parts
        ),
        *(
            plot.level(threshold.value, stage.say(_threshold_words(threshold)), stage.axis, one)
            for threshold in panel.thresholds
        ),
        _heading(
            panel.title,
            stage,
            one,
            [plot.Sample("load", stage.say(f"newest {number(newest.value)}"))] if newest else [],
        ),
    )


def _heading(title: str, stage: _Stage, one: Upward, samples: Iterable[plot.Sample]) -> Markup:
    """Return a plot's title, followed by its key; a narrow drawing has room for one only."""
    y, title = one.top - 9, stage.say(title)
    said = plot.text(title, stage.axis.left, y, "strong")
    x = stage.axis.left + plot.width_of(title, 7.2) + 18
    return said if x > stage.axis.right - 160 else join(said, plot.key(samples, x, y - 4))


def _areas(line: Line, stage: _Stage, one: Upward, css: str) -> Iterator[Markup]:
    for part in line.parts:
        if len(part) > 1:
            places = stage.places(part)
            sloped = plot.sloped(places, stage.axis, one)
            yield plot.path(plot.filled(sloped, places[0][0], stage.axis, one), css)


def _drawn(part: Sequence[Point], stage: _Stage, one: Upward, css: str) -> Markup:
    if len(part) > 1:
        return plot.path(plot.sloped(stage.places(part), stage.axis, one), css)
    centre = {"cx": stage.x(part[0].at), "cy": one.y(part[0].value)}
    return element("circle", {"class": "dot", "r": 2.5, **centre})


def _threshold_words(threshold: Threshold) -> str:
    side = "above" if threshold.above else "below"
    return f"{threshold.policy}: {side} {number(threshold.value)}"


def _tasks(stage: _Stage, one: Upward) -> Markup:
    view, axis = stage.view, stage.axis
    running, desired = view.running.points, view.desired.points
    if not desired and not running:
        return join(
            plot.grid(axis, one),
            _heading("Tasks", stage, one, []),
            plot.text(
                stage.say("No look has seen the service in this time."),
                axis.left + 50,
                one.top - 9,
            ),
        )
    ran = plot.stepped(stage.places(running), stage.known, axis, one) if running else ""
    return join(
        plot.path(plot.filled(ran, stage.second(running[0].at), axis, one), "running")
        if running
        else None,
        *(
            plot.path(_short(stage, one, missing=missing), "missing" if missing else "starting")
            for missing in (False, True)
            if any(gap.missing is missing for gap in view.shortfalls)
        ),
        plot.grid(axis, one),
        plot.path(plot.stepped(stage.places(desired), stage.known, axis, one), "desired")
        if desired
        else None,
        _heading("Tasks", stage, one, _key_of_tasks(view)),
    )


def _short(stage: _Stage, one: Upward, *, missing: bool) -> str:
    """Return the path of the starting tasks, or of the missing ones."""
    spans = (
        ((stage.second(gap.since), stage.second(gap.until)), gap.running, gap.desired)
        for gap in stage.view.shortfalls
        if gap.missing is missing
    )
    return plot.between(spans, stage.axis, one)


def _key_of_tasks(view: View) -> Iterator[plot.Sample]:
    desired, running = view.desired.newest, view.running.newest
    say = view.look.say
    yield plot.Sample("desired", say("desired") + ("" if desired is None else f" {desired}"))
    ran = "" if running is None else f" {running}"
    yield plot.Sample("running", say("running") + ran, area=True)
    for missing, name in ((False, "starting"), (True, "missing")):
        if any(gap.missing is missing for gap in view.shortfalls):
            now = view.shortfall
            count = f" {now.tasks}" if now is not None and now.missing is missing else ""
            yield plot.Sample(name, f"{say(name)}{count}", area=True)


def _has_future(stage: _Stage) -> bool:
    """Whether the axis extends beyond the present."""
    return stage.axis.right - stage.axis.x(stage.known) > _PAST_WIDTH


def _now(stage: _Stage, plots: Sequence[Upward]) -> Markup | None:
    """Return the line for the present, unless it is the end; a finished run has none."""
    if not _has_future(stage) or stage.view.over:
        return None
    return plot.now_line(stage.known, stage.say("now"), stage.axis, plots[0].top, plots[-1].bottom)


# --- decisions ------------------------------------------------------------------------------------


def _guides(stage: _Stage, bottom: float) -> Markup:
    """Return a thin line through all panels at each capacity change, unless too dense."""
    changes = [mark for mark in stage.view.marks if mark.kind.changes]
    if len(changes) * _GUIDE_WIDTH > stage.axis.right - stage.axis.left:
        return join()
    return join(
        *(
            plot.upright(
                stage.second(mark.at), stage.axis, _PIN_Y + 7, bottom, f"guide {mark.kind}"
            )
            for mark in changes
        )
    )


def _bar(incident: Incident, stage: _Stage) -> Markup:
    x = stage.x(incident.start)
    css = "incident quiet" if incident.is_quiet else "incident"
    return plot.box(x - 4, _BAR_Y, stage.x(incident.end) - x + 8, 4, css)


def _quiet(mark: Mark, stage: _Stage) -> Markup:
    return element(
        "path",
        {
            "class": f"{mark.kind} quiet",
            "d": SHAPES[mark.kind],
            "transform": f"translate({stage.x(mark.at):g} {_QUIET_Y})",
        },
    )


def _pins(stage: _Stage, opener: Opener) -> Iterator[Markup]:
    """Yield pins for changes and failures, without labels that would overlap the previous one."""
    view = stage.view
    labelled = 0.0
    shown = sorted((m for m in view.marks if not m.kind.is_quiet), key=lambda mark: mark.at)
    for mark in shown:
        label = _label(mark)
        x, half = stage.x(mark.at), len(label) * _DIGIT_WIDTH / 2
        fits = bool(label) and x - half > labelled
        labelled = x + half if fits else labelled
        pin = plot.Pin(
            stage.second(mark.at),
            SHAPES[mark.kind],
            str(mark.kind),
            label if fits else "",
            _described(mark, view),
            opener.opening(mark.entry, view.look),
            mark.entry.id,
            stop=len(shown) <= _MOST_STOPS,
        )
        yield plot.pin(pin, stage.axis, _PIN_Y)


def _label(mark: Mark) -> str:
    if mark.kind is Kind.FAILED:
        return f"{mark.count:,}" if mark.count > 1 else ""
    return f"{mark.change:+,d}".replace("-", "\u2212") if mark.change else ""


def _described(mark: Mark, view: View) -> str:
    zone, say = view.look.zone, view.look.say
    at = say(moment(mark.at, zone))
    reason = localised(say(mark.entry.reason), mark.at, zone, say)
    if mark.count > 1:
        return f"{say(f'{mark.count} decisions up to')} {at}, {say('the newest')}: {reason}"
    return f"{at} {say(words(mark.entry.outcome))}: {reason}"


# --- values under the cursor ----------------------------------------------------------------------


def _readings(stage: _Stage) -> Iterator[plot.Reading | None]:
    """Yield what is known in each slot of the axis; None for slots in the future."""
    view, axis = stage.view, stage.axis
    slots = max(2, int((axis.right - axis.left) // _SLOT_WIDTH))
    length = view.end - view.start
    if not length:
        return
    lines = list(_named_lines(view))
    desired, running = view.desired.points, view.running.points
    changes = [mark for mark in view.marks if not mark.kind.is_quiet]
    for n in range(slots):
        since, until = (view.start + length * edge / slots for edge in (n, n + 1))
        if since > view.known_until:
            yield None
            continue
        at = min(until, view.known_until)
        said = [
            f"{stage.say(name)}: {number(value)}"
            for name, line in lines
            if (value := _shown(line, since, at)) is not None
        ]
        tasks = _counted(held(desired, at), held(running, at), stage, at)
        said += [stage.say(tasks)] if tasks else []
        said += [
            stage.say(f"{words(mark.entry.outcome)} at {clock(mark.at, at, view.look.zone)}")
            for mark in changes
            if since <= mark.at < until
        ]
        zone = view.look.zone
        title = f"{local(at, zone)} {offset_name(at, zone)}"
        if offset_name(at, zone) != "UTC":
            title += f" ({local(at, UTC)} UTC)"
        yield plot.Reading(title, said or [stage.say("nothing is known")])


def _named_lines(view: View) -> Iterator[tuple[str, Line]]:
    if view.demand is not None:
        yield "whole service", view.demand.total
        if view.demand.lost is not None:
            yield "failed", view.demand.failed
    for panel in view.panels:
        yield from ((line.name, line) for line in panel.lines)


def _counted(desired: float | None, running: float | None, stage: _Stage, at: datetime) -> str:
    if desired is None and running is None:
        return ""
    known = (("desired", desired), ("running", running))
    said = [f"{value:g} {name}" for name, value in known if value is not None]
    if desired is not None and running is not None and running < desired:
        gaps = stage.view.shortfalls
        place = bisect_right(gaps, at, key=lambda gap: gap.since) - 1
        missing = place >= 0 and at <= gaps[place].until and gaps[place].missing
        said.append(f"{desired - running:g} {'missing' if missing else 'starting'}")
    return f"tasks: {', '.join(said)}"


def _shown(line: Line, since: datetime, until: datetime) -> float | None:
    """Return a line's newest value in a time span, or the last one before it; None in a gap."""
    place = bisect_right(line.parts, until, key=lambda part: part[0].at) - 1
    if place < 0 or line.parts[place][-1].at < since:
        return None
    return held(line.parts[place], until)
