"""The load over time: of the whole service, and in panels with their thresholds, as lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from quickstep.report.dashboard.material import Metric, Point, Threshold, read_seen
from quickstep.report.dashboard.tasks import held

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from quickstep.report.dashboard.material import Entry, Material


GAP = 3
"""A line breaks before a point more than this many usual intervals after the previous one."""
MAX_PANELS = 4
COMPARABLE = 10
"""Thresholds that differ by at most this factor share an axis."""


@dataclass(frozen=True, slots=True)
class Line:
    """A metric as line segments with gaps for missing data, and its name."""

    name: str
    parts: tuple[tuple[Point, ...], ...]

    @property
    def newest(self) -> Point | None:
        """The newest point, if there is one."""
        return self.parts[-1][-1] if self.parts else None


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one axis, their thresholds, and when a scale-out threshold was exceeded."""

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
        """The lowest threshold above which a policy asks for scale-out."""
        return min((t for t in self.thresholds if t.above), key=_value, default=None)

    @property
    def floor(self) -> Threshold | None:
        """The highest threshold below which a policy asks for scale-in."""
        return max((t for t in self.thresholds if not t.above), key=_value, default=None)

    @property
    def is_above(self) -> bool:
        """Whether its newest point is above that ceiling."""
        return bool(self.newest and self.ceiling and self.newest.value > self.ceiling.value)


def _value(threshold: Threshold) -> float:
    return threshold.value


@dataclass(frozen=True, slots=True)
class Demand:
    """The whole service's requests a second, and, if known, those that failed.

    `title` says whether the load was counted or estimated. `requests` and `lost` are the total and
    failed requests over the whole time; None if nobody counted them.
    """

    title: str
    total: Line
    failed: Line
    top: float
    requests: float | None = None
    lost: float | None = None


def demand_of(material: Material, running: Sequence[Point], width: int) -> Demand | None:
    """Return the whole service's requests, counted or estimated; None if neither is possible."""
    total, title = material.total, "Requests per second, whole service"
    if not total:
        metric = next((one for one in material.metrics if one.per_task and one.points), None)
        if metric is None or not running:
            return None
        tasks = ((point, held(running, point.at)) for point in metric.points)
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
    """Return the total from rates that each held for the usual time between two points."""
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(points)]
    return sum(point.value for point in points) * (median(gaps) if gaps else 1)


def _inside(points: Sequence[Point], material: Material) -> tuple[Point, ...]:
    return tuple(point for point in points if material.start <= point.at <= material.end)


def _line(name: str, points: Sequence[Point], material: Material, width: int) -> Line:
    return Line(name, tuple(thinned(part, material, width) for part in _unbroken(points)))


def panels_of(material: Material, entries: Sequence[Entry], width: int) -> Iterator[Panel]:
    """Yield a panel for each metric; if none was read, for what decisions saw."""
    groups = [[metric] for metric in material.metrics if metric.points]
    if not groups:
        groups = _grouped(_seen_metrics(entries))
    for group in groups[:MAX_PANELS]:
        yield _panel(group, material, width)


def _grouped(metrics: Iterable[Metric]) -> list[list[Metric]]:
    """Group metrics with thresholds of similar size: they are probably the same metric."""
    groups: list[list[Metric]] = []
    for metric in metrics:
        group = next((one for one in groups if _comparable(one[0], metric)), None)
        if group is None:
            groups.append([metric])
        else:
            group.append(metric)
    return groups


def _seen_metrics(entries: Iterable[Entry]) -> Iterator[Metric]:
    """Yield what the decisions themselves saw: each alarm's newest datapoint."""
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
    """Yield the segments between which points are missing.

    Example: one point every 10 s, then none for 40 s, then one again: two segments.
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


def thinned(points: tuple[Point, ...], material: Material, width: int) -> tuple[Point, ...]:
    """Keep each pixel's first, lowest, highest and last point: the line looks the same.

    Example: 86,400 points on 960 pixels are 90 per pixel, of which at most 4 are kept.
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
    """Yield the spans in which the line was above a threshold, each up to the next point."""
    since = None
    for before, after in pairwise(points):
        if before.value > threshold:
            since = since or before.at
            if after.value <= threshold or after is points[-1]:
                yield since, after.at
                since = None
