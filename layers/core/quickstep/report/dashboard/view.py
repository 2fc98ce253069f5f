"""What is to be shown, as plain data: chosen, counted, thinned out and paged. No HTML here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.incidents import incidents
from quickstep.report.dashboard.material import Metric, Point, Threshold, read_seen
from quickstep.report.language import ENGLISH, Language

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from quickstep.report.dashboard.incidents import Incident
    from quickstep.report.dashboard.kinds import Kind
    from quickstep.report.dashboard.material import Entry, Material

    _Spans = Sequence[tuple[datetime, datetime | None]]

PAGE = 50
GAP = 3
"""A line is broken where a point comes later than so many of the usual intervals."""
MAX_PANELS = 4
COMPARABLE = 10
"""Two thresholds that differ by no more than this factor share an axis."""


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at it: which decisions, a page of them, a width, a zone, a language.

    Decisions that neither changed anything nor failed are shown with `everything` only, or where
    one `outcome` is asked for. `page` counts from 1; one beyond the last is the last. The decision
    `opened` is shown open, on whatever page it is.
    """

    outcome: Outcome | None = None
    page: int = 1
    width: int = 960
    zone: tzinfo = UTC
    page_size: int = PAGE
    everything: bool = False
    opened: str | None = None
    say: Language = ENGLISH

    def shows(self, entry: Entry) -> bool:
        """Whether a decision is among those that are shown."""
        if self.outcome is not None:
            return entry.outcome is self.outcome
        return self.everything or not entry.kind.is_quiet


@dataclass(frozen=True, slots=True)
class Line:
    """A metric as lines between which data is missing, and what it is called."""

    name: str
    parts: tuple[tuple[Point, ...], ...]

    @property
    def newest(self) -> Point | None:
        """The newest point, if there is one."""
        return self.parts[-1][-1] if self.parts else None


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one axis, the thresholds on them, and when one of scale-out was exceeded."""

    title: str
    lines: tuple[Line, ...]
    thresholds: tuple[Threshold, ...]
    breaches: tuple[tuple[datetime, datetime], ...]
    top: float

    @property
    def newest(self) -> Point | None:
        """The newest point of its first line."""
        return self.lines[0].newest if self.lines else None

    @property
    def ceiling(self) -> Threshold | None:
        """The lowest threshold above which a scale-out is asked for."""
        return min((t for t in self.thresholds if t.above), key=_value, default=None)

    @property
    def floor(self) -> Threshold | None:
        """The highest threshold below which a scale-in is asked for."""
        return max((t for t in self.thresholds if not t.above), key=_value, default=None)


def _value(threshold: Threshold) -> float:
    return threshold.value


@dataclass(frozen=True, slots=True)
class Demand:
    """The whole service's requests a second, and those of them that failed, where that is known.

    `title` says whether it was counted or worked out. `requests` and `lost` are how many there were
    and how many of them failed over the whole time; None where nobody counted.
    """

    title: str
    total: Line
    failed: Line
    top: float
    requests: float | None = None
    lost: float | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """A count that holds until the next point; oldest first."""

    name: str
    points: tuple[Point, ...]

    @property
    def newest(self) -> int | None:
        """The count now, if it is known."""
        return int(self.points[-1].value) if self.points else None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A stretch in which fewer tasks ran than were desired: they start, or are missing."""

    since: datetime
    until: datetime
    running: float
    desired: float
    missing: bool

    @property
    def tasks(self) -> int:
        """How many tasks that is."""
        return int(self.desired - self.running)

    def is_like(self, other: Shortfall) -> bool:
        """Whether nothing but the time differs."""
        return replace(self, since=other.since, until=other.until) == other


@dataclass(frozen=True, slots=True)
class Mark:
    """Decisions of one kind that are too close to be told apart; `entry` is the newest."""

    at: datetime
    kind: Kind
    entry: Entry
    count: int
    change: int


@dataclass(frozen=True, slots=True)
class Group:
    """Rows next to each other that are of one incident, or of none; newest first."""

    incident: Incident | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One target between two moments, ready to be drawn.

    `known_until` is the present, or the end where that is past: nothing is drawn after it.
    `shortfall` is that of the present.
    """

    resource_id: str
    start: datetime
    end: datetime
    known_until: datetime
    over: bool
    look: Look
    demand: Demand | None
    panels: tuple[Panel, ...]
    desired: Steps
    running: Steps
    shortfalls: tuple[Shortfall, ...]
    shortfall: Shortfall | None
    marks: tuple[Mark, ...]
    incidents: tuple[Incident, ...]
    outcomes: tuple[tuple[Outcome, int], ...]
    total: int
    changes: int
    matching: int
    groups: tuple[Group, ...]
    page: int
    pages: int
    newest: Entry | None
    newest_look: Entry | None
    last_change: Entry | None
    latency_ms: float | None
    notes: tuple[str, ...]


def build_view(material: Material, look: Look) -> View:
    """Return what to show of the material to somebody who looks at it that way."""
    known_until = min(material.known_until or material.end, material.end)
    shown = tuple(e for e in material.entries if material.start <= e.at <= material.end)
    counted = Counter(entry.outcome for entry in shown)
    matching = [entry for entry in shown if look.shows(entry)]
    pages = max(1, -(-len(matching) // look.page_size))
    newest_first = matching[::-1]
    page = min(max(1, _page_of(newest_first, look)), pages)
    rows = newest_first[(page - 1) * look.page_size : page * look.page_size]
    latencies = [e.alarm_to_update_ms for e in shown if e.alarm_to_update_ms is not None]
    known = [entry for entry in (material.earlier, *shown) if entry is not None]
    desired = material.desired or tuple(_desired(known))
    running = material.running or tuple(_running(known))
    missing = _missing(known)
    gathered = incidents(shown)
    panels = tuple(_panels(material, shown, look.width))
    return View(
        resource_id=material.resource_id,
        start=material.start,
        end=material.end,
        known_until=known_until,
        over=material.over,
        look=replace(look, page=page),
        demand=_demand(material, running, look.width),
        panels=panels,
        desired=_steps("desired", desired, material, look),
        running=_steps("running", running, material, look),
        shortfalls=tuple(_shortfalls(desired, running, missing, material, known_until)),
        shortfall=_shortfall(desired, running, missing, known_until),
        marks=tuple(_marks(matching, material.start, material.end, look.width)),
        incidents=_told_of(gathered.values(), matching),
        outcomes=tuple((outcome, counted[outcome]) for outcome in Outcome if counted[outcome]),
        total=len(shown),
        changes=sum(not entry.kind.is_quiet for entry in shown),
        matching=len(matching),
        groups=tuple(
            Group(incident, tuple(entries))
            for incident, entries in groupby(rows, key=lambda entry: gathered.get(entry.id))
        ),
        page=page,
        pages=pages,
        newest=shown[-1] if shown else None,
        newest_look=next((e for e in reversed(known) if e.looked or e.outcome.failed), None),
        last_change=next((e for e in reversed(known) if e.outcome.changes_capacity), None),
        latency_ms=median(latencies) if latencies else None,
        notes=material.notes,
    )


def _page_of(newest_first: Sequence[Entry], look: Look) -> int:
    """Return the page on which the opened decision is, if it is on any; else the one asked for."""
    if look.opened is None:
        return look.page
    places = (n for n, entry in enumerate(newest_first) if entry.id == look.opened)
    place = next(places, None)
    return look.page if place is None else place // look.page_size + 1


def _told_of(gathered: Iterable[Incident], matching: Iterable[Entry]) -> tuple[Incident, ...]:
    """Return the incidents of which a decision is shown, oldest first."""
    shown = {entry.id for entry in matching}
    different = {id(incident): incident for incident in gathered}
    return tuple(
        incident
        for incident in different.values()
        if any(entry.id in shown for entry in incident.entries)
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


def _missing(entries: Iterable[Entry]) -> _Spans:
    """Return from when to when tasks were missing, as the decisions say; to None: they still are.

    One that says so is believed until more tasks run, or another number of them is asked for.
    """
    spans: list[tuple[datetime, datetime | None]] = []
    said: Entry | None = None
    for entry in entries:
        if entry.service is None:
            continue
        if said is not None and said.service is not None:
            ran, wanted = said.service.running, said.desired_after
            if entry.service.running > ran or entry.desired_after != wanted:
                spans[-1] = (spans[-1][0], entry.at)
                said = None
        if said is None and entry.outcome is Outcome.HELD_NO_CAPACITY:
            spans.append((entry.at, None))
            said = entry
    return tuple(spans)


def _shortfalls(
    desired: Sequence[Point],
    running: Sequence[Point],
    missing: _Spans,
    material: Material,
    known_until: datetime,
) -> Iterator[Shortfall]:
    """Yield the stretches of the time shown in which fewer tasks ran than were desired."""
    ends = (at for span in missing for at in span if at is not None)
    moments = sorted({point.at for point in (*desired, *running)} | {*ends, known_until})
    wanted_at, ran_at = _Counts(desired), _Counts(running)
    newest: Shortfall | None = None
    for since, until in pairwise(moments):
        wanted, ran = wanted_at.at(since), ran_at.at(since)
        shown = max(since, material.start), min(until, known_until)
        if wanted is None or ran is None or wanted <= ran or shown[0] >= shown[1]:
            continue
        following = Shortfall(*shown, ran, wanted, _is_in(missing, since))
        if newest is not None and newest.until == following.since and newest.is_like(following):
            newest = replace(newest, until=following.until)
            continue
        if newest is not None:
            yield newest
        newest = following
    if newest is not None:
        yield newest


def _shortfall(
    desired: Sequence[Point], running: Sequence[Point], missing: _Spans, now: datetime
) -> Shortfall | None:
    """Return the shortfall of the present, which may have begun this very moment."""
    wanted, ran = _Counts(desired).at(now), _Counts(running).at(now)
    if wanted is None or ran is None or wanted <= ran:
        return None
    return Shortfall(now, now, ran, wanted, _is_in(missing, now))


def _is_in(spans: _Spans, at: datetime) -> bool:
    return any(since <= at and (until is None or at < until) for since, until in spans)


class _Counts:
    """A count at moments that are asked for in their order."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._next = 0

    def at(self, moment: datetime) -> float | None:
        """Return the newest value at a moment; None before the first."""
        while self._next < len(self._points) and self._points[self._next].at <= moment:
            self._next += 1
        return self._points[self._next - 1].value if self._next else None


# --- the whole service's load ---------------------------------------------------------------------


def _demand(material: Material, running: Sequence[Point], width: int) -> Demand | None:
    """Return the whole service's requests, counted or worked out; None where neither can be."""
    total, title = material.total, "Requests per second, whole service"
    if not total:
        metric = next((one for one in material.metrics if one.per_task and one.points), None)
        if metric is None or not running:
            return None
        counts = _Counts(running)
        tasks = ((point, counts.at(point.at)) for point in metric.points)
        total = tuple(Point(point.at, point.value * n) for point, n in tasks if n is not None)
        title = f"Whole service, about: {metric.name} times running tasks"
    inside = _inside(total, material)
    if not inside:
        return None
    failed = _inside(material.failed, material)
    return Demand(
        title,
        _line("total", inside, material, width),
        _line("failed", failed, material, width),
        top=1.1 * max(point.value for point in inside) or 1.0,
        requests=_sum(inside) if material.total else None,
        lost=_sum(failed) if failed else None,
    )


def _sum(points: Sequence[Point]) -> float:
    """Return how many there were, of rates that each held for the usual time between two."""
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(points)]
    return sum(point.value for point in points) * (median(gaps) if gaps else 1)


def _inside(points: Sequence[Point], material: Material) -> tuple[Point, ...]:
    return tuple(point for point in points if material.start <= point.at <= material.end)


def _line(name: str, points: Sequence[Point], material: Material, width: int) -> Line:
    return Line(name, tuple(_thinned(part, material, width) for part in _unbroken(points)))


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
    inside = [_inside(metric.points, material) for metric in metrics]
    values = [point.value for points in inside for point in points]
    tops = [1.1 * value for value in (*values, *(one.value for one in thresholds))]
    return Panel(
        title=" · ".join(metric.name for metric in metrics),
        lines=tuple(
            _line(metric.name, points, material, width)
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
