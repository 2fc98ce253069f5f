"""What is to be shown, as plain data: chosen, counted, thinned out and paged. No HTML here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.material import Metric, Point, Threshold, read_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from quickstep.report.dashboard.kinds import Kind
    from quickstep.report.dashboard.material import Entry, Material

PAGE = 50
GAP = 3
"""A line is broken where a point comes later than so many of the usual intervals."""
MAX_PANELS = 4
COMPARABLE = 10
"""Two thresholds that differ by no more than this factor share an axis."""


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at it: only one outcome, a page of the table, a width in pixels, a zone.

    `page` counts from 1; one beyond the last is the last.
    """

    outcome: Outcome | None = None
    page: int = 1
    width: int = 960
    zone: tzinfo = UTC
    page_size: int = PAGE


@dataclass(frozen=True, slots=True)
class Line:
    """A metric as lines between which data is missing, and what it is called."""

    name: str
    parts: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one axis, the thresholds on them, and when one of scale-out was exceeded."""

    title: str
    lines: tuple[Line, ...]
    thresholds: tuple[Threshold, ...]
    breaches: tuple[tuple[datetime, datetime], ...]
    top: float


@dataclass(frozen=True, slots=True)
class Steps:
    """A count that holds until the next point; oldest first."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Decisions of one kind that are too close to be told apart; `entry` is the newest."""

    at: datetime
    kind: Kind
    entry: Entry
    count: int
    change: int


@dataclass(frozen=True, slots=True)
class View:
    """One target between two moments, ready to be drawn."""

    resource_id: str
    start: datetime
    end: datetime
    look: Look
    panels: tuple[Panel, ...]
    desired: Steps
    running: Steps
    marks: tuple[Mark, ...]
    outcomes: tuple[tuple[Outcome, int], ...]
    total: int
    matching: int
    rows: tuple[Entry, ...]
    page: int
    pages: int
    newest: Entry | None
    latency_ms: float | None
    notes: tuple[str, ...]


def build_view(material: Material, look: Look) -> View:
    """Return what to show of the material to somebody who looks at it that way."""
    shown = tuple(e for e in material.entries if material.start <= e.at <= material.end)
    counted = Counter(entry.outcome for entry in shown)
    matching = [entry for entry in shown if look.outcome in (None, entry.outcome)]
    pages = max(1, -(-len(matching) // look.page_size))
    page = min(max(1, look.page), pages)
    newest_first = matching[::-1]
    latencies = [e.alarm_to_update_ms for e in shown if e.alarm_to_update_ms is not None]
    known = [entry for entry in (material.earlier, *shown) if entry is not None]
    return View(
        resource_id=material.resource_id,
        start=material.start,
        end=material.end,
        look=replace(look, page=page),
        panels=tuple(_panels(material, shown, look.width)),
        desired=_steps("desired", material.desired or tuple(_desired(known)), material, look),
        running=_steps("running", material.running or tuple(_running(known)), material, look),
        marks=tuple(_marks(matching, material.start, material.end, look.width)),
        outcomes=tuple((outcome, counted[outcome]) for outcome in Outcome if counted[outcome]),
        total=len(shown),
        matching=len(matching),
        rows=tuple(newest_first[(page - 1) * look.page_size : page * look.page_size]),
        page=page,
        pages=pages,
        newest=shown[-1] if shown else None,
        latency_ms=median(latencies) if latencies else None,
        notes=material.notes,
    )


# --- tasks ----------------------------------------------------------------------------------------


def _steps(name: str, points: Sequence[Point], material: Material, look: Look) -> Steps:
    """Return a count without the points at which it stays what it was."""
    changes = [
        point for n, point in enumerate(points) if not n or point.value != points[n - 1].value
    ]
    return Steps(name, _thinned(tuple(changes), material, look.width))


def _desired(entries: Iterable[Entry]) -> Iterator[Point]:
    """Yield what was seen, and right after it what was made of it."""
    for entry in entries:
        if entry.service is not None:
            yield Point(entry.at, entry.service.desired)
        if entry.desired_after is not None:
            yield Point(entry.at, entry.desired_after)


def _running(entries: Iterable[Entry]) -> Iterator[Point]:
    for entry in entries:
        if entry.service is not None:
            yield Point(entry.at, entry.service.running)


# --- decisions on the time axis -------------------------------------------------------------------

_MARK_WIDTH = 12


def _marks(entries: Sequence[Entry], start: datetime, end: datetime, width: int) -> Iterator[Mark]:
    """Yield one mark for the decisions of a kind that fall on the same few pixels.

    Example: 960 pixels for 80 minutes are 80 places: a mark stands for a minute.
    """
    places = max(1, width // _MARK_WIDTH)
    span = max((end - start) / timedelta(seconds=1), 1e-9)
    gathered: dict[tuple[int, Kind], list[Entry]] = {}
    for entry in entries:
        place = int((entry.at - start) / timedelta(seconds=1) / span * places)
        gathered.setdefault((place, entry.kind), []).append(entry)
    for (_, kind), group in gathered.items():
        change = sum(_change(entry) for entry in group)
        yield Mark(group[-1].at, kind, group[-1], len(group), change)


def _change(entry: Entry) -> int:
    if not entry.kind.changes or entry.granted is None or entry.before is None:
        return 0
    return entry.granted - entry.before


# --- the load -------------------------------------------------------------------------------------


def _panels(material: Material, entries: Sequence[Entry], width: int) -> Iterator[Panel]:
    groups = [[metric] for metric in material.metrics if metric.points]
    if not groups:
        groups = _grouped(_seen_metrics(entries))
    for group in groups[:MAX_PANELS]:
        yield _panel(group, material, width)


def _grouped(metrics: Iterable[Metric]) -> list[list[Metric]]:
    """Return metrics together whose thresholds are of one size: they are probably the same one."""
    groups: list[list[Metric]] = []
    for metric in metrics:
        group = next((one for one in groups if _comparable(one[0], metric)), None)
        if group is None:
            groups.append([metric])
        else:
            group.append(metric)
    return groups


def _seen_metrics(entries: Iterable[Entry]) -> Iterator[Metric]:
    """Yield what the decisions themselves saw: the newest datapoint of each alarm."""
    points: dict[str, list[Point]] = {}
    thresholds: dict[str, Threshold] = {}
    for entry in entries:
        for seen in read_seen(entry):
            if seen.datapoints and seen.threshold is not None:
                value = seen.datapoints[-1]
                points.setdefault(seen.policy, []).append(Point(entry.at, value))
                if seen.state == "ALARM" or seen.policy not in thresholds:
                    above = (value > seen.threshold) == (seen.state == "ALARM")
                    thresholds[seen.policy] = Threshold(seen.policy, seen.threshold, above)
    for policy, found in points.items():
        yield Metric(f"{policy}, as decisions saw it", tuple(found), (thresholds[policy],))


def _comparable(one: Metric, other: Metric) -> bool:
    low, high = sorted(abs(metric.thresholds[0].value) for metric in (one, other))
    return high <= COMPARABLE * low


def _panel(metrics: Sequence[Metric], material: Material, width: int) -> Panel:
    thresholds = tuple(threshold for metric in metrics for threshold in metric.thresholds)
    inside = [
        tuple(point for point in metric.points if material.start <= point.at <= material.end)
        for metric in metrics
    ]
    values = [point.value for points in inside for point in points]
    tops = [1.1 * value for value in (*values, *(one.value for one in thresholds))]
    return Panel(
        title=" · ".join(metric.name for metric in metrics),
        lines=tuple(
            Line(metric.name, tuple(_thinned(part, material, width) for part in _unbroken(points)))
            for metric, points in zip(metrics, inside, strict=True)
        ),
        thresholds=thresholds,
        breaches=tuple(
            span
            for metric, points in zip(metrics, inside, strict=True)
            for threshold in metric.thresholds
            if threshold.above
            for span in _breaches(points, threshold.value)
        ),
        top=max([*tops, 0.0]) or 1.0,
    )


def _unbroken(points: Sequence[Point]) -> Iterator[tuple[Point, ...]]:
    """Yield the stretches between which points are missing.

    Example: one every 10 s, then none for 40 s, then one again: two stretches.
    """
    if not points:
        return
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(points)]
    usual = median(gaps or [0])
    part = [points[0]]
    for before, after in pairwise(points):
        if (after.at - before.at).total_seconds() > GAP * usual:
            yield tuple(part)
            part = []
        part.append(after)
    yield tuple(part)


def _thinned(points: tuple[Point, ...], material: Material, width: int) -> tuple[Point, ...]:
    """Return the first, lowest, highest and last point of each pixel: the line looks the same.

    Example: 86,400 points on 960 pixels are 90 each, of which at most 4 are kept.
    """
    if len(points) <= width:
        return points
    span = max((material.end - material.start) / timedelta(seconds=1), 1e-9)
    pixels: dict[int, list[int]] = {}
    for n, point in enumerate(points):
        place = int((point.at - material.start) / timedelta(seconds=1) / span * width)
        pixels.setdefault(place, []).append(n)
    kept: list[int] = []
    for group in pixels.values():
        lowest = min(group, key=lambda n: points[n].value)
        highest = max(group, key=lambda n: points[n].value)
        kept += sorted({group[0], lowest, highest, group[-1]})
    return tuple(points[n] for n in kept)


def _breaches(points: Sequence[Point], threshold: float) -> Iterator[tuple[datetime, datetime]]:
    """Yield from when to when the line was above a threshold, to the next point."""
    since = None
    for before, after in pairwise(points):
        if before.value > threshold:
            since = since or before.at
            if after.value <= threshold or after is points[-1]:
                yield since, after.at
                since = None
