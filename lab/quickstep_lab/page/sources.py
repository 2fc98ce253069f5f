"""What the page shows, from three sources: the demo, a deployed table, a saved log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import Direction
from quickstep.fields import InvalidDocumentError, Problem, parse_json, show
from quickstep.report.dashboard.material import Material, Metric, Point, Threshold, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quickstep.report.dashboard.material import Entry
    from quickstep_lab.snapshot import Plan, Snapshot


_NEVER = datetime.fromtimestamp(0, UTC)


class LogError(InvalidDocumentError):
    """A saved log that cannot be used; the message names the line, the rule and the value seen."""


def demo_material(resource_id: str, plan: Plan, snapshots: Sequence[Snapshot]) -> Material:
    """Return a run of the demo so far, on an axis that is as long as the whole run."""
    entries, notes = read_entries(record for shot in snapshots for record in shot.decisions)
    if not snapshots:
        return Material(resource_id, _NEVER, _NEVER, notes=("The demo is about to begin.",))
    start, alarms = snapshots[0].start, snapshots[-1].alarms
    return Material(
        resource_id=resource_id,
        start=start,
        end=start + timedelta(seconds=plan.seconds),
        entries=entries,
        metrics=(
            Metric(
                "Requests per second and task",
                tuple(Point(shot.at, shot.load.per_task) for shot in snapshots),
                tuple(
                    Threshold(alarm.policy, alarm.threshold, alarm.direction is Direction.OUT)
                    for alarm in alarms
                ),
            ),
        ),
        desired=tuple(Point(shot.at, shot.desired) for shot in snapshots),
        running=tuple(Point(shot.at, shot.serving) for shot in snapshots),
        notes=notes,
    )


def read_log(name: str, lines: Iterable[str]) -> tuple[Material, ...]:
    """Read decision records from JSON lines: one material a target, most decisions first.

    A line is a record, or a line of the scaler's log with the record as its member `decision`. Its
    other lines, such as metrics, hold no decision and are passed over.

    Raises:
        LogError: a line is not a JSON object, a record cannot be read, or there is none.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _record(f"{name}, line {number}", line)
        if record is not None:
            found.setdefault(str(record["resource_id"]), []).append(record)
    if not found:
        raise LogError([Problem(name, "must have at least one decision record, but has none")])
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return tuple(_material(resource_id, records) for resource_id, records in ordered)


def _record(where: str, line: str) -> dict[str, Any] | None:
    try:
        data = parse_json(line)
    except InvalidDocumentError as error:
        raise LogError([Problem(where, str(error))]) from None
    if not isinstance(data, dict):
        raise LogError([Problem(where, "must be a JSON object", show(data))])
    record = data.get("decision", data)
    if not isinstance(record, dict) or "outcome" not in record:
        return None
    _, notes = read_entries([record])
    if notes or not isinstance(record.get("resource_id"), str):
        why = notes[0] if notes else "resource_id must be a string"
        raise LogError([Problem(where, why)])
    return record


def _material(resource_id: str, records: list[dict[str, Any]]) -> Material:
    entries, notes = read_entries(records)
    start, end = span(entries)
    return Material(resource_id, start, end, entries, notes=notes)


def span(entries: Sequence[Entry]) -> tuple[datetime, datetime]:
    """Return from when to when to show a log: all of it, and a little to either side."""
    first, last = entries[0].at, entries[-1].at
    margin = max((last - first) / 50, timedelta(seconds=5))
    return first - margin, last + margin
