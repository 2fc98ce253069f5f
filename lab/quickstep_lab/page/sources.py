"""The page's three sources: the demo, a deployed table, a saved log."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.fields import Field, InvalidDocumentError, Problem, Problems, parse_json, show
from quickstep.report.dashboard.material import Material, Metric, Point, read_entries
from quickstep_lab.samples import Sample, read_sample, sample_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quickstep.report.dashboard.material import Entry
    from quickstep_lab.snapshot import Plan, Snapshot


SECOND = timedelta(seconds=1)
_NEVER = datetime.fromtimestamp(0, UTC)


class LogError(InvalidDocumentError):
    """A saved log that cannot be used; the message names the line, the rule and the value seen."""


def demo_material(resource_id: str, plan: Plan, snapshots: Sequence[Snapshot]) -> Material:
    """Return the demo's run so far, on an axis as long as the whole run."""
    if not snapshots:
        return Material(resource_id, _NEVER, _NEVER, notes=("The demo is about to begin.",))
    records = [record for shot in snapshots for record in shot.decisions]
    so_far = _sampled(resource_id, [sample_of(shot) for shot in snapshots], records)
    start, over = snapshots[0].start, len(snapshots) >= plan.seconds
    return replace(so_far, end=start + timedelta(seconds=plan.seconds), over=over)


def _sampled(
    resource_id: str, samples: Sequence[Sample], records: Sequence[Mapping[str, Any]]
) -> Material:
    """Return a run measured every second, from its first sample to its last."""
    entries, notes = read_entries(records)
    last = samples[-1]
    return Material(
        resource_id=resource_id,
        start=samples[0].at - SECOND,
        end=last.at,
        known_until=last.at,
        entries=entries,
        metrics=(
            Metric(
                "Requests per second, per task",
                tuple(Point(one.at, one.per_task) for one in samples),
                last.thresholds,
            ),
        ),
        desired=tuple(Point(one.at, one.desired) for one in samples),
        running=tuple(Point(one.at, one.running) for one in samples),
        total=tuple(Point(one.at, one.requests) for one in samples),
        failed=tuple(Point(one.at, one.failed) for one in samples),
        over=True,
        notes=notes,
    )


@dataclass(slots=True)
class _Found:
    """What a log says about one service."""

    records: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def read_log(name: str, lines: Iterable[str]) -> tuple[Material, ...]:
    """Read decision records from JSON lines: one material per target, most decisions first.

    A line is a record, a line of the scaler's log with the record as its member `decision`, or a
    second's measurement as its member `sample`. Other lines, such as metrics, are skipped. With
    samples the page shows what was measured, without them what decisions saw.

    Raises:
        LogError: a line is not a JSON object, a record or a sample cannot be read, or there is no
            record.
    """
    found: dict[str, _Found] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        data = _object(where, line)
        if "sample" in data:
            resource_id, sample = _sample(where, data["sample"])
            found.setdefault(resource_id, _Found()).samples.append(sample)
        elif (record := _record(where, data)) is not None:
            found.setdefault(str(record["resource_id"]), _Found()).records.append(record)
    decided = {resource_id: one for resource_id, one in found.items() if one.records}
    if not decided:
        raise LogError([Problem(name, "must have at least one decision record, but has none")])
    ordered = sorted(decided.items(), key=lambda item: -len(item[1].records))
    return tuple(
        _sampled(resource_id, sorted(one.samples, key=lambda sample: sample.at), one.records)
        if one.samples
        else _material(resource_id, one.records)
        for resource_id, one in ordered
    )


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        data = parse_json(line)
    except InvalidDocumentError as error:
        raise LogError([Problem(where, str(error))]) from None
    if not isinstance(data, dict):
        raise LogError([Problem(where, "must be a JSON object", show(data))])
    return data


def _sample(where: str, data: Any) -> tuple[str, Sample]:
    problems = Problems()
    found = read_sample(Field(data, "sample", problems))
    if problems.found:
        raise LogError([Problem(where, "; ".join(map(str, problems.found)))])
    return found


def _record(where: str, data: dict[str, Any]) -> dict[str, Any] | None:
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
    last = entries[-1].at
    return Material(resource_id, start, end, entries, known_until=last, over=True, notes=notes)


def span(entries: Sequence[Entry]) -> tuple[datetime, datetime]:
    """Return the time span that shows a whole log, with a small margin on either side."""
    first, last = entries[0].at, entries[-1].at
    margin = max((last - first) / 50, timedelta(seconds=5))
    return first - margin, last + margin
