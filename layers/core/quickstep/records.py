"""What is kept of a target: its memory between decisions, and a record of each decision.

The dictionaries made here are the one shape of a decision: in the table, in the logs, in the demo.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import (
    AlarmState,
    Decision,
    Direction,
    Override,
    Pause,
    ScalingActivity,
    Service,
    State,
)
from quickstep.fields import Field, InvalidDocumentError, Problems

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarm_events import AlarmTransition
    from quickstep.engine.outcome import Outcome


class CorruptItemError(InvalidDocumentError):
    """An item of the table that does not hold what this version wrote."""


@dataclass(frozen=True, slots=True)
class SeenTransition:
    """The newest transition of an alarm that was acted on."""

    state: AlarmState
    at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What a target's item remembers from one decision to the next.

    `changed_at` is when ECS accepted the last committed change: a description of the service that
    was asked for before then may be out of date.
    """

    state: State = field(default_factory=State)
    alarms: Mapping[str, SeenTransition] = field(default_factory=dict)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One evaluation: what was seen, what came of it, and why."""

    id: str
    at: datetime
    trigger: AlarmTransition
    outcome: Outcome
    reason: str
    decision: Decision | None = None
    service: Service | None = None
    alarm_to_update_ms: int | None = None

    @property
    def resource_id(self) -> str:
        """The scalable target the record belongs to."""
        return self.trigger.service.resource_id

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready data; times are ISO 8601 in UTC."""
        alarm = self.trigger.alarm
        record = {
            "id": self.id,
            "at": write_moment(self.at),
            "resource_id": self.resource_id,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "alarm": {
                "name": self.trigger.alarm_name,
                "state": str(alarm.state),
                "at": write_moment(self.trigger.at),
                "threshold": alarm.threshold,
                "datapoints": list(alarm.datapoints),
            },
            "service": asdict(self.service) if self.service else None,
            "alarm_to_update_ms": self.alarm_to_update_ms,
        }
        if self.decision is None:
            return record
        # What came of the decision wins: a change that ECS refused is a failure, and says so.
        return {**decision_dict(self.decision), **record}


def decision_dict(decision: Decision) -> dict[str, Any]:
    """Return a decision as `quickstep explain` prints it."""
    return {
        "outcome": str(decision.outcome),
        "from": decision.before,
        "wanted": decision.wanted,
        "granted": decision.granted,
        "reason": decision.reason,
        "trail": [asdict(step) for step in decision.trail],
        "next_check_in": decision.next_check_in,
    }


def write_moment(moment: datetime) -> str:
    """Return a UTC time with milliseconds, e.g. `2026-11-22T10:00:00.000Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def memory_dict(memory: Memory) -> dict[str, Any]:
    """Return what a commit writes. Override and pause are the operators', and left alone."""
    state = memory.state
    return {
        "scale_out": _write_activity(state.scale_out),
        "scale_in": _write_activity(state.scale_in),
        "alarms": {
            policy: {"state": str(seen.state), "at": write_moment(seen.at)}
            for policy, seen in memory.alarms.items()
        },
        "changed_at": write_moment(memory.changed_at) if memory.changed_at else None,
    }


def read_memory(item: Mapping[str, Any]) -> Memory:
    """Read a target's item, as plain data.

    Raises:
        CorruptItemError: an attribute is not what `memory_dict` writes.
    """
    problems = Problems()
    members = {key: Field(value, key, problems) for key, value in item.items()}
    alarms = members["alarms"].members() if "alarms" in members else {}
    changed = _present(members, "changed_at")
    memory = Memory(
        state=State(
            scale_out=read_activity(_present(members, "scale_out")),
            scale_in=read_activity(_present(members, "scale_in")),
            override=read_override(_present(members, "override")),
            pause=read_pause(_present(members, "pause")),
        ),
        alarms={policy: _read_seen(seen) for policy, seen in alarms.items()},
        changed_at=changed.moment() if changed else None,
    )
    problems.raise_any(CorruptItemError)
    return memory


def _present(members: Mapping[str, Field], key: str) -> Field | None:
    return members[key].optional() if key in members else None


def _read_seen(field: Field) -> SeenTransition:
    members = field.members(required=("state", "at"))
    if len(members) < 2:  # noqa: PLR2004 - state and at; what is missing has been noted
        members = {key: field.child(key, None) for key in ("state", "at")}
    return SeenTransition(members["state"].choice(AlarmState), members["at"].moment())


def _write_activity(activity: ScalingActivity | None) -> dict[str, Any] | None:
    if activity is None:
        return None
    return {"at": write_moment(activity.at), "from": activity.before, "to": activity.after}


def read_activity(field: Field | None) -> ScalingActivity | None:
    """Read `{"at", "from", "to"}`; None where there is none, or after a problem."""
    if field is None:
        return None
    members = field.members(required=("at", "from", "to"), optional=())
    if not {"at", "from", "to"} <= members.keys():
        return None
    return ScalingActivity(
        members["at"].moment(), members["from"].integer(0), members["to"].integer(0)
    )


def read_override(field: Field | None) -> Override | None:
    """Read `{"min", "max", "until", "reason"}`, each of them optional."""
    if field is None:
        return None
    members = field.members(optional=("min", "max", "until", "reason"))
    minimum, maximum = _present(members, "min"), _present(members, "max")
    until, reason = _present(members, "until"), _present(members, "reason")
    override = Override(
        minimum.integer(0) if minimum else None,
        maximum.integer(0) if maximum else None,
        until.moment() if until else None,
        reason.text() if reason else "",
    )
    lowest, highest = override.min_capacity, override.max_capacity
    if lowest is not None and highest is not None and lowest > highest:
        members["max"].wrong(f"must be at least min ({lowest})")
    return override


def read_pause(field: Field | None) -> Pause | None:
    """Read `{"directions", "until", "reason"}`, of which only the first is required."""
    if field is None:
        return None
    members = field.members(required=("directions",), optional=("until", "reason"))
    until, reason = _present(members, "until"), _present(members, "reason")
    listed = members["directions"].items(at_least=1) if "directions" in members else []
    return Pause(
        frozenset(direction.choice(Direction) for direction in listed),
        until.moment() if until else None,
        reason.text() if reason else "",
    )
