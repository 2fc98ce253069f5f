"""A deployed target's material: the decisions in its table, and the metrics that its alarms watch.

An unreadable record is reported and does not affect the others. Without metrics, the page still
shows the decisions, and what they saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep.report.dashboard.material import Material, read_entries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.protocol.memory import Memory
    from quickstep.report.dashboard.material import Metric

MOST = 10_000
"""The most decisions to read; older ones are left out, and the page says so."""


@dataclass(frozen=True, slots=True)
class Found:
    """Records in a time span, newest first; `earlier` is the newest one before it.

    `complete` is False if there were more records than requested; then the oldest are missing.
    """

    records: tuple[Mapping[str, Any], ...]
    earlier: Mapping[str, Any] | None
    complete: bool


class Decisions(Protocol):
    """The source of decision records."""

    def between(self, resource_id: str, start: datetime, end: datetime, most: int) -> Found:
        """Return the newest records of a span, at most `most`."""
        ...

    def memory(self, resource_id: str) -> Memory:
        """Return what is remembered about a target."""
        ...


class Series(Protocol):
    """The source of metrics."""

    def read(
        self,
        definitions: Mapping[str, AlarmDefinition],
        start: datetime,
        end: datetime,
        now: datetime,
    ) -> tuple[Metric, ...]:
        """Return the metrics that alarms watch, in one call."""
        ...


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed table and its metrics; it only reads."""

    decisions: Decisions
    series: Series
    most: int = MOST

    def material(self, resource_id: str, start: datetime, end: datetime, now: datetime) -> Material:
        """Return the material for a target from `start` to `end`.

        Raises:
            CallFailedError: the records cannot be read.
        """
        found = self.decisions.between(resource_id, start, end, self.most)
        entries, unread = read_entries(found.records)
        earlier, _ = read_entries([found.earlier] if found.earlier else [])
        notes = list(unread)
        if not found.complete:
            notes.append(
                f"Only the newest {self.most:,} decisions are shown; a shorter time has them all."
            )
        metrics: tuple[Metric, ...] = ()
        try:
            alarms = self.decisions.memory(resource_id).alarms
            watched = {name: one.definition for name, one in alarms.items() if one.definition}
            metrics = self.series.read(watched, start, end, now)
        except (CallFailedError, CorruptItemError) as error:
            notes.append(f"Cannot read the metrics: {error}")
        return Material(
            resource_id,
            start,
            end,
            entries,
            earlier=earlier[0] if earlier else None,
            metrics=metrics,
            notes=tuple(notes),
        )
