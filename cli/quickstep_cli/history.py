"""Decision records read back: when, what, and from how many tasks to how many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quickstep.engine.outcome import Outcome
from quickstep.fields import (
    FIRST_MOMENT,
    Field,
    InvalidDocumentError,
    Problems,
    write_moment,
)
from quickstep.naming import parse_alarm_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Record = dict[str, Any]

UNREADABLE = "UNREADABLE"
"""The outcome shown for an unreadable record, which hides no other."""

_NEVER = write_moment(FIRST_MOMENT)

FOUND = (Outcome.FOREIGN_CHANGE, Outcome.RECOVERED)
"""Marks a recorded count that something else had changed."""


def read_record(item: Mapping[str, Any]) -> Record:
    """Return a table item as a record; an unreadable one has an error in place of its reason."""
    record = {key: value for key, value in item.items() if key not in ("pk", "sk", "expires_at")}
    problems = Problems()
    members = Field(record, "", problems).members(required=("at", "outcome", "reason", "trigger"))
    for key in ("outcome", "reason"):
        if key in members:
            members[key].text()
    if "at" in members:
        members["at"].moment()
    trigger = members["trigger"].members(required=("kind",)) if "trigger" in members else {}
    if "kind" in trigger:
        trigger["kind"].text()
    service = members["service"].optional() if "service" in members else None
    counts = service.members(required=("desired", "running")) if service else {}
    decided = [members[key].optional() for key in ("from", "wanted", "granted") if key in members]
    for count in (counts.get("desired"), counts.get("running"), *decided):
        if count:
            count.integer(0)
    alarms = members["alarms"].members() if "alarms" in members else {}
    for alarm in alarms.values():
        alarm.members(required=("state", "threshold", "datapoints"))
    if not problems.found:
        return {"service": None, "alarms": {}, **record}
    when = str(item.get("sk", "")).removeprefix("decision#").partition("#")[0]
    return {
        "id": str(item.get("sk", "")),
        "at": next((text for text in (record.get("at"), when) if _is_time(text)), _NEVER),
        "outcome": UNREADABLE,
        "reason": f"This record cannot be read: {InvalidDocumentError(problems.found)}",
        "trigger": {"kind": "?"},
        "service": None,
        "alarms": {},
    }


def _is_time(text: Any) -> bool:
    problems = Problems()
    Field(text, "", problems).moment()
    return not problems.found


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with the desired count before it and after it; None where unknown.

    `would` is the number that a dry run does not request.
    """

    record: Record
    at: datetime
    before: int | None
    after: int | None
    would: int | None = None

    @property
    def outcome(self) -> str:
        """How the evaluation ended."""
        return str(self.record["outcome"])

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return str(self.record["reason"])

    @property
    def changed(self) -> bool:
        """Whether the evaluation changed the desired count."""
        return self.outcome == Outcome.FOREIGN_CHANGE or (
            self.after is not None and self.before != self.after
        )

    @property
    def tasks(self) -> str:
        """Tasks before and after. Examples: `4 → 6`, `6`, and for a dry run `4 (→ 6)`."""
        before, after = ("?" if n is None else str(n) for n in (self.before, self.after))
        if self.would is not None:
            return f"{before} (→ {self.would})"
        return f"{before} → {after}" if self.changed else after

    @property
    def cause(self) -> str:
        """The trigger in a word; for an alarm, its name and new state."""
        trigger = self.record["trigger"]
        if trigger["kind"] != "alarm":
            return str(trigger["kind"])
        named = parse_alarm_name(str(trigger.get("alarm")))
        return f"{named[1] if named else trigger.get('alarm')} {trigger.get('state')}"


def entries(records: Iterable[Record], earlier: Record | None = None) -> list[Entry]:
    """Return records, oldest first, with their effect on the desired count.

    If a record lacks the count before it, the previous record's result stands in.
    """
    found: list[Entry] = []
    last = _entry(earlier, None).after if earlier else None
    for record in records:
        entry = _entry(record, last)
        last = last if entry.after is None else entry.after
        found.append(entry)
    return found


def _entry(record: Record, last: int | None) -> Entry:
    at = datetime.fromisoformat(record["at"])
    outcome, service = record["outcome"], record["service"]
    seen = int(service["desired"]) if service else last
    if outcome in FOUND and "granted" not in record:
        return Entry(record, at, last, seen)
    if "granted" not in record:
        return Entry(record, at, seen, seen)
    before, granted = int(record["from"]), int(record["granted"])
    if outcome == Outcome.WOULD_SCALE:
        return Entry(record, at, before, before, would=granted)
    return Entry(record, at, before, before if outcome.startswith("FAILED_") else granted)
