"""Why a target had its number of tasks at a moment: the evidence and a summary paragraph. Pure.

Any part of the evidence may be `Unknown`. The paragraph then does without it, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.times import moment_text, span_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from quickstep.engine.model import Datapoint
    from quickstep.naming import ServiceName
    from quickstep_cli.history import Entry

NEAR = timedelta(seconds=60)
"""How long one decision explains the count: the heartbeat looks at each target once a minute."""

OUR_UPDATE = "UpdateService events in CloudTrail name the caller"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alarm's state, with CloudWatch's reason."""

    at: datetime
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AlarmPast:
    """An alarm's past: its state changes, oldest first, and its datapoints around the moment.

    `began` is the state before the first known change, or None if unknown.
    `period` is that of the datapoints, in seconds; finer ones may have expired.
    """

    name: str
    direction: Direction
    threshold: float | None
    transitions: tuple[Transition, ...] = ()
    began: str | None = None
    points: tuple[Datapoint, ...] = ()
    period: int = 10

    def at(self, moment: datetime) -> tuple[str | None, datetime | None]:
        """Return the state at a moment, and since when; None where unknown."""
        before = [change for change in self.transitions if change.at <= moment]
        return (before[-1].state, before[-1].at) if before else (self.began, None)

    def value_at(self, moment: datetime) -> float | None:
        """Return the newest datapoint that was complete at a moment, from the last few periods."""
        period = timedelta(seconds=self.period)
        over = [p for p in self.points if p.at + period <= moment < p.at + 5 * period]
        return over[-1].value if over else None


@dataclass(frozen=True, slots=True)
class Said:
    """Something that ECS, an operator or Application Auto Scaling did or said at a moment."""

    at: datetime
    what: str
    by: str = ""
    until: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Return whether it was in force at a moment."""
        return self.at <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Runs:
    """How often the scaler's function ran around the moment, and how often it failed."""

    invocations: int
    errors: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about a target around a moment.

    `entries` are the decisions from `start` to `end`, oldest first; `last` and `following` are
    their neighbours. `known_since` is when the target's document was first written, `bounds` are
    the document's at that time. `kept` is how long decisions are kept. `in_force` are the overrides
    and pauses still in the item, `acts` the requests of operators around the moment, `others` the
    activities of Application Auto Scaling.
    """

    service: ServiceName
    at: datetime
    asked_at: datetime
    start: datetime
    end: datetime
    zone: tzinfo | None
    entries: Sequence[Entry] | Unknown = ()
    last: Entry | None = None
    following: Entry | None = None
    known_since: datetime | Unknown | None = None
    bounds: tuple[int, int] | None = None
    dry_run: bool = False
    kept: timedelta = timedelta(days=30)
    alarms: Sequence[AlarmPast] | Unknown = ()
    runs: Runs | Unknown = field(default_factory=lambda: Unknown("it was not read"))
    events: Sequence[Said] | Unknown = ()
    deployments: Sequence[Said] | Unknown = ()
    in_force: Sequence[Said] | Unknown = ()
    acts: Sequence[Said] = ()
    others: Sequence[Said] | Unknown = ()

    def when(self, moment: datetime) -> str:
        """Return a moment in the zone, with its date unless the question names the same day."""
        return moment_text(moment, self.zone, self.at)

    def had(self, part: Sequence[Said] | Unknown) -> Sequence[Said]:
        """Return a part of the evidence; empty if unknown."""
        return () if isinstance(part, Unknown) else part

    @property
    def known_entries(self) -> Sequence[Entry]:
        """The decisions in the span, if they could be read."""
        return () if isinstance(self.entries, Unknown) else self.entries

    @property
    def deciding(self) -> Entry | None:
        """The decision in force then: the newest of the minute before, else the first after."""
        near = [one for one in self.known_entries if abs(one.at - self.at) <= NEAR]
        deciders = [one for one in near if not _is_aside(one)] or near
        before = [one for one in deciders if one.at <= self.at]
        return before[-1] if before else next(iter(deciders), None)

    @property
    def tasks(self) -> int | None:
        """The desired count at the moment, according to the decisions around it."""
        around = [one for one in (self.last, *self.known_entries, self.following) if one]
        before = [one.after for one in around if one.at <= self.at and one.after is not None]
        after = [one.before for one in around if one.at > self.at and one.before is not None]
        return before[-1] if before else next(iter(after), None)

    def changes(self) -> tuple[Entry | None, Entry | None]:
        """Return the last change up to the moment, and the next one after it."""
        around = [one for one in (self.last, *self.known_entries, self.following) if one]
        made = [one for one in around if one.changed]
        before = [one for one in made if one.at <= self.at]
        after = [one for one in made if one.at > self.at]
        return (before[-1] if before else None, after[0] if after else None)


def _is_aside(entry: Entry) -> bool:
    """Return whether a record says nothing about the load: a duplicate, a lost race."""
    return entry.outcome.startswith(("IGNORED_", "LOST_"))


# --- the paragraph --------------------------------------------------------------------------------


def paragraph(seen: Evidence) -> str:
    """Return why the target had its number of tasks, as far as the evidence shows."""
    return " ".join(_sentences(seen))


def _sentences(seen: Evidence) -> Iterator[str]:
    name = f"{seen.service.cluster}/{seen.service.service}"
    known_since = seen.known_since
    if isinstance(known_since, datetime) and known_since > seen.at:
        yield (
            f"At {seen.when(seen.at)} Quickstep did not know {name}: its policy document was first "
            f"written at {seen.when(known_since)}."
        )
        yield from _by_others(seen)
        return
    yield _where_it_stood(seen, name)
    deciding = seen.deciding
    if isinstance(seen.entries, Unknown):
        yield f"Its decisions cannot be read: {seen.entries.why}."
    elif deciding:
        yield from _decided(seen, deciding)
    else:
        yield from _undecided(seen)
    yield from _in_force(seen)
    yield from _by_others(seen)
    yield from _neighbours(seen, deciding)


def _where_it_stood(seen: Evidence, name: str) -> str:
    bounds = f" Its document allows {seen.bounds[0]} to {seen.bounds[1]}." if seen.bounds else ""
    if seen.tasks is None:
        return f"No record says how many tasks {name} had at {seen.when(seen.at)}.{bounds}"
    tasks = f"{seen.tasks} task{'' if seen.tasks == 1 else 's'}"
    return f"At {seen.when(seen.at)} {name} was set to {tasks}.{bounds}"


def _decided(seen: Evidence, entry: Entry) -> Iterator[str]:
    away = entry.at - seen.at
    when = (
        f"{span_text(away)} later" if away > timedelta(seconds=1) else f"At {seen.when(entry.at)}"
    )
    yield f"{when}, {_cause(entry)}, the decision was {entry.outcome}: {_sentence(entry.reason)}"
    if entry.outcome == Outcome.FOREIGN_CHANGE:
        yield from _foreign(seen, entry)


def _cause(entry: Entry) -> str:
    trigger = entry.record["trigger"]
    match trigger["kind"]:
        case "alarm":
            return f"after {entry.cause.replace(' ', ' went to ')}"
        case "request":
            return f"at an operator's request ({trigger.get('what', 'of an unknown kind')})"
        case "surge":
            return "after a task announced a surge"
        case "re-check":
            return "at a re-check"
        case kind:
            return f"at a {kind}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _undecided(seen: Evidence) -> Iterator[str]:
    """Yield what is known if no decision was recorded."""
    none = f"No decision is recorded within {span_text(NEAR)} of it"
    if seen.asked_at - seen.at > seen.kept:
        yield f"{none}: records are kept for {span_text(seen.kept)}, and this one has expired."
        yield from _alarms_then(seen)
        return
    if isinstance(seen.runs, Runs) and not seen.runs.invocations:
        yield (
            f"{none}, because the scaler did not run: its function was not invoked from "
            f"{seen.when(seen.start)} to {seen.when(seen.end)}, though the heartbeat invokes it "
            "each minute. `quickstep doctor` looks for the cause."
        )
        return
    if isinstance(seen.alarms, Unknown):
        yield f"{none}, and its alarms' states are unknown: {seen.alarms.why}."
        return
    firing = [alarm for alarm in seen.alarms if alarm.at(seen.at)[0] == AlarmState.ALARM]
    if any(alarm.direction is Direction.OUT for alarm in firing):
        yield f"{none}, although an alarm asked for one: `quickstep doctor` follows its path."
    elif firing:
        yield f"{none}."
    elif not seen.alarms:
        yield f"{none}: it has no alarm, so nothing triggers decisions."
    else:
        yield f"{none}, because no alarm was in ALARM: there was nothing to decide."
    yield from _alarms_then(seen)
    if isinstance(seen.runs, Runs) and seen.runs.errors:
        yield (
            f"The scaler's function ran {seen.runs.invocations} times in these minutes and failed "
            f"{seen.runs.errors} times."
        )


def _alarms_then(seen: Evidence) -> Iterator[str]:
    for alarm in seen.alarms if not isinstance(seen.alarms, Unknown) else ():
        state, since = alarm.at(seen.at)
        if state is None:
            yield f"The state of {alarm.name} then is no longer known."
            continue
        value = alarm.value_at(seen.at)
        began = f" since {seen.when(since)}" if since else ""
        level = "" if value is None else f", at {value:,.4g}"
        limit = "" if alarm.threshold is None else f" (threshold {alarm.threshold:,.4g})"
        yield f"{alarm.name} was {state}{began}{level}{limit}."


def _in_force(seen: Evidence) -> Iterator[str]:
    if isinstance(seen.in_force, Unknown):
        yield f"Whether an override or a pause was in force is unknown: {seen.in_force.why}."
        return
    for one in seen.in_force:
        if one.holds(seen.at):
            yield f"In force was {_sentence(one.what)}"
    if seen.dry_run:
        yield "The document is a dry run: Quickstep changes nothing."


def _foreign(seen: Evidence, entry: Entry) -> Iterator[str]:
    """Yield what is known about a change from outside Quickstep that an evaluation found."""
    begun = [
        one for one in seen.had(seen.deployments) if abs(one.at - entry.at) <= timedelta(minutes=5)
    ]
    for one in begun:
        yield f"An ECS deployment had begun at {seen.when(one.at)}: {_sentence(one.what)}"
    if not begun and not any(abs(one.at - entry.at) <= NEAR for one in seen.had(seen.others)):
        yield f"No deployment began then; {OUR_UPDATE}."


def _by_others(seen: Evidence) -> Iterator[str]:
    for one in seen.had(seen.others):
        if abs(one.at - seen.at) <= timedelta(minutes=5):
            yield f"Application Auto Scaling acted at {seen.when(one.at)}: {_sentence(one.what)}"


def _neighbours(seen: Evidence, deciding: Entry | None) -> Iterator[str]:
    """Yield when the count last changed, and when it next changed."""
    before, after = seen.changes()
    if before and before is not deciding:
        yield f"It had last changed at {seen.when(before.at)} ({_change(before)})."
        if before.outcome == Outcome.FOREIGN_CHANGE:
            yield from _foreign(seen, before)
    if after and after is not deciding:
        yield f"It next changed at {seen.when(after.at)} ({_change(after)})."
    elif not after and seen.following is None and seen.tasks is not None:
        yield "It has not changed since."


def _change(entry: Entry) -> str:
    if entry.outcome == Outcome.FOREIGN_CHANGE:
        return f"{entry.tasks}, by something else"
    what = entry.record["trigger"].get("what")
    return f"{entry.tasks}, {entry.outcome}" + (f": {what}" if what else "")
