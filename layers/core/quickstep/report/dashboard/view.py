"""What to show, as plain data: selected, counted, thinned out and paged. No HTML here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.incidents import incidents
from quickstep.report.dashboard.loads import Demand, Panel, demand_of, panels_of, thinned
from quickstep.report.dashboard.tasks import (
    Shortfall,
    desired_of,
    missing_of,
    running_of,
    shortfall_of,
    shortfalls_of,
)
from quickstep.report.language import ENGLISH, Language

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from quickstep.report.dashboard.incidents import Incident
    from quickstep.report.dashboard.kinds import Kind
    from quickstep.report.dashboard.material import Entry, Material, Point

PAGE = 50


@dataclass(frozen=True, slots=True)
class Look:
    """What a viewer selects: which decisions, a page of them, a width, a zone, a language.

    Decisions that neither changed anything nor failed are shown only with `everything`, or if one
    `outcome` is selected. `page` counts from 1; any number beyond the last page means the last. The
    decision `opened` is shown open, on whatever page it is.
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
        """Whether a decision is among those shown."""
        if self.outcome is not None:
            return entry.outcome is self.outcome
        return self.everything or not entry.kind.is_quiet


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
class Mark:
    """Decisions of one kind that are too close to be told apart; `entry` is the newest."""

    at: datetime
    kind: Kind
    entry: Entry
    count: int
    change: int


@dataclass(frozen=True, slots=True)
class Group:
    """Adjacent rows of one incident, or of none; newest first."""

    incident: Incident | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One target between two moments, ready to be drawn.

    `known_until` is the present, or the end if that is past: nothing is drawn after it. `shortfall`
    is the present one.
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
    """Return what to show of the material to a viewer with this look."""
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
    desired = material.desired or tuple(desired_of(known))
    running = material.running or tuple(running_of(known))
    missing = missing_of(known)
    gathered = incidents(shown)
    panels = tuple(panels_of(material, shown, look.width))
    return View(
        resource_id=material.resource_id,
        start=material.start,
        end=material.end,
        known_until=known_until,
        over=material.over,
        look=replace(look, page=page),
        demand=demand_of(material, running, look.width),
        panels=panels,
        desired=_steps("desired", desired, material, look),
        running=_steps("running", running, material, look),
        shortfalls=tuple(shortfalls_of(desired, running, missing, material, known_until)),
        shortfall=shortfall_of(desired, running, missing, known_until),
        marks=tuple(_marks(matching, material.start, material.end, look.width)),
        incidents=_shown_incidents(gathered.values(), matching),
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
    """Return the opened decision's page, if it is on any; otherwise the selected page."""
    if look.opened is None:
        return look.page
    places = (n for n, entry in enumerate(newest_first) if entry.id == look.opened)
    place = next(places, None)
    return look.page if place is None else place // look.page_size + 1


def _shown_incidents(
    gathered: Iterable[Incident], matching: Iterable[Entry]
) -> tuple[Incident, ...]:
    """Return the incidents with at least one decision shown, oldest first."""
    shown = {entry.id for entry in matching}
    return tuple(
        incident
        for incident in dict.fromkeys(gathered)
        if any(entry.id in shown for entry in incident.entries)
    )


def _steps(name: str, points: Sequence[Point], material: Material, look: Look) -> Steps:
    """Return a count without the points at which it does not change."""
    changes = [
        point for n, point in enumerate(points) if not n or point.value != points[n - 1].value
    ]
    return Steps(name, thinned(tuple(changes), material, look.width))


# --- decisions on the time axis -------------------------------------------------------------------

_MARK_WIDTH = 12


def _marks(entries: Sequence[Entry], start: datetime, end: datetime, width: int) -> Iterator[Mark]:
    """Yield one mark for the decisions of a kind that fall on the same few pixels.

    Example: 960 pixels for 80 minutes are 80 places, so a mark stands for a minute.
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
