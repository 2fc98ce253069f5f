"""The record of one evaluation: what it saw, what it decided, and why.

The dictionaries made here give a decision its one shape: in the table, the logs and the demo.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quickstep.engine.proposal import DOCUMENT
from quickstep.fields import write_moment
from quickstep.protocol.backlog import reading_dict
from quickstep.protocol.remembered import remembered_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.engine.backlog import Backlog, Queue
    from quickstep.engine.model import Alarm, Decision, Service, State
    from quickstep.engine.outcome import Outcome
    from quickstep.engine.proposal import Bounds
    from quickstep.protocol.look import Look


@dataclass(frozen=True)
class DecisionRecord:
    """One evaluation.

    `alarms` is what they showed, by policy; `backlog` is what is known about the target's queues.
    `alarm_to_update` is the time from the alarm's own timestamp to UpdateService accepted;
    `surge_to_update` starts when a task felt a surge; `drill_latency` runs from a drill's pulse to
    its decision; `waited` is the time that throttles have cost before. `unreadable` is what was
    wrong with an operator's entry. An `unclaimed` evaluation was throttled before it could claim
    its target: only the message that comes back remembers it. `state` is what the decision was
    based on; it is stored, and not logged. `bounds` are those in force, and `missing` tasks were
    launched and never came. A `repeated` one continues the previous look's incident.
    """

    id: str
    at: datetime
    look: Look
    outcome: Outcome
    reason: str
    decision: Decision | None = None
    service: Service | None = None
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    alarm_to_update: timedelta | None = None
    surge_to_update: timedelta | None = None
    waited: timedelta | None = None
    drill_latency: timedelta | None = None
    unreadable: str = ""
    unclaimed: bool = False
    backlog: Backlog | None = None
    state: State | None = None
    bounds: Bounds | None = None
    missing: int = 0
    repeated: bool = False

    @property
    def resource_id(self) -> str:
        """The scalable target that the record belongs to."""
        return self.look.service.resource_id

    def ended(self, outcome: Outcome, why: str) -> DecisionRecord:
        """Return the record of an evaluation that ended so, without changing capacity."""
        reason = outcome.sentence(before=None, granted=None, why=why)
        return replace(self, outcome=outcome, reason=reason)

    @cached_property
    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-ready data; times are ISO 8601 in UTC, `_ms` are milliseconds."""
        record: dict[str, Any] = {
            "id": self.id,
            "at": write_moment(self.at),
            "resource_id": self.resource_id,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "trigger": self.look.cause.as_dict(),
            "service": _service_dict(self.service) if self.service else None,
            "alarms": {policy: _alarm_dict(alarm) for policy, alarm in self.alarms.items()},
            "alarm_to_update_ms": _millis(self.alarm_to_update),
            "waited_ms": _millis(self.waited),
        }
        if self.surge_to_update is not None:
            record["surge_to_update_ms"] = _millis(self.surge_to_update)
        if self.drill_latency is not None:
            record["drill_latency_ms"] = _millis(self.drill_latency)
        if self.backlog:
            queues = {policy: _queue_dict(queue) for policy, queue in self.backlog.queues.items()}
            record["queues"] = queues
        if self.bounds and self.bounds.source != DOCUMENT:
            bounds = self.bounds
            record["bounds"] = {"min": bounds.minimum, "max": bounds.maximum, "by": bounds.source}
        if self.missing:
            record["missing"] = self.missing
        if self.unreadable:
            record["unreadable"] = self.unreadable
        if self.decision is None:
            return record
        # The final outcome wins over the decision's: a change that ECS refused is a failure.
        return {**decision_dict(self.decision), **record}

    @property
    def stored(self) -> dict[str, Any]:
        """The record as the table keeps it: with the remembered state, for `quickstep replay`."""
        if self.state is None or self.decision is None:
            return self.as_dict
        removes = self.decision.granted < self.decision.before
        return {
            **self.as_dict,
            "state": remembered_dict(self.state, self.at, patience=removes),
        }


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


def _service_dict(service: Service) -> dict[str, Any]:
    """Return what ECS showed of a service, with its problem if it has one."""
    seen = asdict(service)
    return seen if service.trouble else {key: seen[key] for key in seen if key != "trouble"}


def _queue_dict(queue: Queue) -> dict[str, Any]:
    seen = reading_dict(queue.reading) if queue.reading else {}
    problem = {"trouble": queue.trouble} if queue.trouble else {}
    return {**seen, "arrivals": queue.arrivals, **problem}


def _alarm_dict(alarm: Alarm) -> dict[str, Any]:
    seen = {
        "state": str(alarm.state),
        "threshold": alarm.threshold,
        "datapoints": list(alarm.datapoints),
        "muted": alarm.muted,
    }
    return {**seen, "next_at": write_moment(alarm.next_at)} if alarm.next_at else seen


def _millis(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration / timedelta(milliseconds=1))
