"""What makes a target be evaluated: an alarm, a re-check, the heartbeat, or somebody's request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.alarms.event import AlarmTransition
from quickstep.fields import write_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import AlarmState
    from quickstep.naming import ServiceName
    from quickstep.protocol.line import Turn


@dataclass(frozen=True, slots=True)
class Recheck:
    """A look at a target that was announced earlier; it counts only in its `generation`.

    `attempt` numbers looks that got nowhere: throttled ones if it comes for a `turn`, else looks
    for a newer datapoint.
    """

    service: ServiceName
    generation: int
    attempt: int = 0
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class DescribedAlarm:
    """What DescribeAlarms says of an alarm; `at` is its last change of state."""

    state: AlarmState
    at: datetime
    definition: AlarmDefinition | None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The minute's look at a target: its alarms as DescribeAlarms has them, by policy.

    `complete` says that there are no others: those known from before have been deleted.
    """

    service: ServiceName
    alarms: Mapping[str, DescribedAlarm]
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Something that an operator or a schedule has changed, to be heeded at once.

    `what` says in words what it was. A `capacity` is to be set once; without one, the target is
    evaluated as it is, and its capacity brought within its bounds. `at` is the asker's clock.
    """

    service: ServiceName
    id: str
    at: datetime
    what: str
    capacity: int | None = None


Trigger = AlarmTransition | Recheck | Heartbeat | Request


def trigger_dict(trigger: Trigger) -> dict[str, Any]:
    """Return what set an evaluation off, as a record shows it."""
    match trigger:
        case AlarmTransition():
            return {
                "kind": "alarm",
                "alarm": trigger.alarm_name,
                "state": str(trigger.alarm.state),
                "at": write_moment(trigger.at),
            }
        case Recheck():
            return {
                "kind": "re-check",
                "generation": trigger.generation,
                "attempt": trigger.attempt,
            }
        case Heartbeat():
            return {"kind": "heartbeat"}
        case Request():
            return {
                "kind": "request",
                "id": trigger.id,
                "at": write_moment(trigger.at),
                "what": trigger.what,
                "capacity": trigger.capacity,
            }
