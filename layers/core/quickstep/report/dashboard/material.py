"""What the dashboard is made of: stored decision records, and metrics.

Records come from a table or a file, and are not trusted: an unreadable record is listed among the
problems, and does not affect the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import AlarmState, Service, TrailStep
from quickstep.engine.outcome import Outcome
from quickstep.fields import Field, Problems
from quickstep.naming import parse_alarm_name
from quickstep.report.dashboard.kinds import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment (aware UTC)."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """An alarm's threshold on a metric; `above` says whether values above or below breach."""

    policy: str
    value: float
    above: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the load, oldest point first, and the thresholds on it.

    A `per_task` metric is a task's average; multiplied by the tasks, it is the whole load.
    """

    name: str
    points: tuple[Point, ...]
    thresholds: tuple[Threshold, ...] = ()
    per_task: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What an evaluation saw of one policy's alarm."""

    policy: str
    state: str
    threshold: float | None
    datapoints: tuple[float, ...]
    muted: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision record, as far as the timeline and the table need it.

    Numbers are None if the evaluation did not get that far. `record` is the whole record, for
    `read_details`: of thousands of decisions, only those on one page are opened.
    """

    id: str
    at: datetime
    outcome: Outcome
    reason: str
    before: int | None = None
    granted: int | None = None
    service: Service | None = None
    alarm_to_update_ms: int | None = None
    surge_to_update_ms: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> Kind:
        """The kind of its outcome."""
        return kind_of(self.outcome)

    @property
    def looked(self) -> bool:
        """Whether the evaluation saw the service; an ignored one says nothing about it."""
        return self.service is not None

    @property
    def breaching(self) -> frozenset[str]:
        """The policies whose alarms it saw in ALARM; empty if that is unreadable."""
        alarms = self.record.get("alarms")
        if not isinstance(alarms, dict):
            return frozenset()
        return frozenset(
            policy
            for policy, alarm in alarms.items()
            if isinstance(alarm, dict) and alarm.get("state") == AlarmState.ALARM
        )

    @property
    def desired_after(self) -> int | None:
        """The desired count in ECS afterwards; None if it is not known."""
        if self.outcome.changes_capacity:
            return self.granted
        return self.service.desired if self.service else None


@dataclass(frozen=True, slots=True)
class Details:
    """What else a record says; `problems` lists what is unreadable in it."""

    cause: str
    wanted: int | None
    seen: tuple[Seen, ...]
    trail: tuple[TrailStep, ...]
    waited_ms: int | None
    next_check_in: int | None
    problems: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to show about one target between two moments.

    `entries` are oldest first. `earlier` is the newest decision before `start`, which shows the
    number of tasks then. `desired` and `running` are counts from elsewhere; without them, the
    counts that the decisions saw are drawn. `total` is the whole service's requests a second, and
    `failed` those that failed; empty if not known. Nothing is known after `known_until`; None
    stands for `end`. A run that is `over` has ended. `notes` say what is missing.
    """

    resource_id: str
    start: datetime
    end: datetime
    entries: tuple[Entry, ...] = ()
    earlier: Entry | None = None
    metrics: tuple[Metric, ...] = ()
    desired: tuple[Point, ...] = ()
    running: tuple[Point, ...] = ()
    total: tuple[Point, ...] = ()
    failed: tuple[Point, ...] = ()
    known_until: datetime | None = None
    over: bool = False
    notes: tuple[str, ...] = field(default=())


def read_entries(
    records: Iterable[Mapping[str, Any]],
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return the records, oldest first, and a note that names the unreadable ones."""
    entries: list[Entry] = []
    problems: list[str] = []
    for record in records:
        found = Problems()
        entry = _read(Field(record, "", found))
        if found.found:
            problems.append("; ".join(map(str, found.found)))
        else:
            entries.append(entry)
    entries.sort(key=lambda entry: (entry.at, entry.id))
    if not problems:
        return tuple(entries), ()
    count = len(problems)
    what = "1 record is not shown" if count == 1 else f"{count} records are not shown; the first"
    return tuple(entries), (f"{what}, as it cannot be read: {problems[0]}",)


_REQUIRED = ("id", "at", "outcome", "reason")
_OPTIONAL = ("from", "granted", "service", "alarm_to_update_ms", "surge_to_update_ms")


def _read(record: Field) -> Entry:
    members = record.whole(*_REQUIRED, optional=_OPTIONAL)
    service = members["service"].optional()
    return Entry(
        id=members["id"].text(),
        at=members["at"].moment(),
        outcome=members["outcome"].choice(Outcome),
        reason=members["reason"].text(),
        before=members["from"].optional_integer(),
        granted=members["granted"].optional_integer(),
        service=_service(service) if service else None,
        alarm_to_update_ms=members["alarm_to_update_ms"].optional_integer(),
        surge_to_update_ms=members["surge_to_update_ms"].optional_integer(),
        record=record.value,
    )


_DETAILS = ("trigger", "wanted", "alarms", "trail", "waited_ms", "next_check_in")


def read_details(entry: Entry) -> Details:
    """Return what an entry's record says beyond the entry."""
    problems = Problems()
    members = Field(_present(entry.record), "", problems).whole(optional=_DETAILS)
    details = Details(
        cause=_cause(members["trigger"]),
        wanted=members["wanted"].optional_integer(),
        seen=_all_seen(members["alarms"]),
        trail=tuple(map(_line, members["trail"].items())),
        waited_ms=members["waited_ms"].optional_integer(),
        next_check_in=members["next_check_in"].optional_integer(),
    )
    if not problems.found:
        return details
    said = "; ".join(map(str, problems.found))
    return Details(details.cause, None, (), (), None, None, problems=said)


def read_seen(entry: Entry) -> tuple[Seen, ...]:
    """Return what an entry's evaluation saw of its alarms; empty if that is unreadable."""
    problems = Problems()
    members = Field(_present(entry.record), "", problems).whole(optional=("alarms",))
    seen = _all_seen(members["alarms"])
    return () if problems.found else seen


def _present(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are not null."""
    return {key: value for key, value in record.items() if value is not None}


def _all_seen(alarms: Field) -> tuple[Seen, ...]:
    return tuple(_seen(policy, alarm) for policy, alarm in alarms.members().items())


def _cause(trigger: Field) -> str:
    """Return e.g. `high-request-rate went to ALARM`, `Re-check` or `Heartbeat`."""
    members = trigger.whole(optional=("kind", "alarm", "state"))
    kind, alarm, state = (members[key].text() for key in ("kind", "alarm", "state"))
    if not alarm or not state:
        return kind.capitalize()
    named = parse_alarm_name(alarm)
    return f"{named[1] if named else alarm} went to {state}"


def _service(service: Field) -> Service:
    members = service.whole("desired", "running", "pending", "deployment_in_progress")
    return Service(
        members["desired"].integer(0),
        members["running"].integer(0),
        members["pending"].integer(0),
        members["deployment_in_progress"].boolean(),
    )


def _seen(policy: str, alarm: Field) -> Seen:
    members = alarm.whole("state", "threshold", "datapoints", "muted")
    threshold = members["threshold"].optional()
    return Seen(
        policy,
        members["state"].text(),
        threshold.number() if threshold else None,
        tuple(point.number() for point in members["datapoints"].items()),
        muted=members["muted"].boolean(),
    )


def _line(line: Field) -> TrailStep:
    members = line.whole("guard", "before", "after", "why")
    return TrailStep(
        members["guard"].text(),
        members["before"].integer(),
        members["after"].integer(),
        members["why"].text(),
    )
