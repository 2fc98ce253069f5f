"""A look at a target: what every trigger becomes before it is evaluated.

Alarm events, re-checks, heartbeats and requests differ in what they teach, read and ask for. A look
states all of that, so the evaluation never asks which of them it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarms.event import AlarmEvent
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog
    from quickstep.naming import ServiceName
    from quickstep.protocol.line import Turn
    from quickstep.protocol.messages import Content


class Reads(Enum):
    """Whose metrics a look reads, in addition to what an event shows."""

    NOTHING = auto()
    IN_ALARM = auto()
    SCALE_OUT = auto()
    NEWEST_SECONDS = auto()
    """Of scale-out alarms, whatever their state: what they will say once their period is over."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What triggered a look, as a record shows it: a kind, and its details."""

    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the cause as JSON-ready data."""
        return {"kind": self.kind, **self.details}


@dataclass(frozen=True, slots=True)
class Wish:
    """A capacity that someone wants to set once; `at` is the asker's clock."""

    capacity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at one target.

    It teaches what an alarm's `event` shows and how the alarms are `described`; if these are
    `complete`, all others have been deleted. It `reads` metrics, sets a `wish`ed capacity, and
    `corrects` capacity outside its bounds if policies leave it unchanged.

    A scheduled look counts in its `generation` only. `attempt` counts fruitless attempts: throttled
    ones if the look comes for a `turn`, otherwise looks for a newer datapoint. `again` is what
    comes back if the look loses the race for the lease.

    If a task asked for it, `felt_at` is when the task felt a surge; more looks follow until an
    alarm confirms it. A look that only `adds` removes no task.

    A poll brings the `backlog` that it has read; any other look reads the queues. `denied` says why
    the load before an event may not be read.
    """

    service: ServiceName
    cause: Cause
    again: Content
    event: AlarmEvent | None = None
    described: Mapping[str, KnownAlarm] = field(default_factory=dict)
    complete: bool = False
    listed_at: datetime | None = None
    reads: Reads = Reads.IN_ALARM
    wish: Wish | None = None
    corrects: bool = False
    generation: int | None = None
    attempt: int = 0
    turn: Turn | None = None
    felt_at: datetime | None = None
    adds: bool = False
    backlog: Backlog | None = None
    denied: str = ""

    @property
    def waits(self) -> bool:
        """Whether the lease's holder can do this look's work.

        An event's news is left in the item, and a re-check asks for a look and nothing else.
        """
        return self.event is not None or self.generation is not None

    @property
    def moments(self) -> tuple[datetime, ...]:
        """Times from others' clocks that would be remembered."""
        times = [alarm.at for alarm in self.described.values()]
        if self.listed_at:
            times.append(self.listed_at)
        if self.event:
            times += [self.event.at, self.event.newest or self.event.at]
        if self.wish:
            times.append(self.wish.at)
        if self.felt_at:
            times.append(self.felt_at)
        return tuple(times)
