"""A look at a target: what every trigger becomes before it is evaluated.

An alarm's event, a re-check, the heartbeat and somebody's request differ in what they teach, read
and ask for, and all of that is said here. The evaluation never asks which of them it was.
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
    """Whose metrics a look reads, beside what an event shows."""

    NOTHING = auto()
    IN_ALARM = auto()
    SCALE_OUT = auto()
    NEWEST_SECONDS = auto()
    """Of scale-out alarms, whatever their state: what they will say once their period is over."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What set a look off, as a record shows it: a kind, and what is to be said of it."""

    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {"kind": self.kind, **self.details}


@dataclass(frozen=True, slots=True)
class Wish:
    """A capacity that somebody wants to be set once; `at` is the asker's clock."""

    capacity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at one target.

    It teaches what an alarm's `event` shows and how the alarms are `described`; where those are
    `complete`, all others have been deleted. It `reads` metrics, sets a `wish`ed capacity, and
    `corrects` capacity outside its bounds where policies leave it as it is.

    One that was announced counts in its `generation` only; `attempt` numbers those that got
    nowhere: throttled ones if it comes for a `turn`, else looks for a newer datapoint. `again` is
    what comes back where it loses the race for the lease.

    Where a task asks for it, `felt_at` is when the task has felt a surge: it is followed by others
    until an alarm says so, too. A look that only `adds` removes no task.

    A poll brings the `backlog` of queues along that it has read; any other look reads them. Where
    the load before an event may not be read, `denied` says so.
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
        """Whether the holder of the lease can do its work for it.

        What an event tells is left in the item, and a re-check asks for a look and nothing else.
        """
        return self.event is not None or self.generation is not None

    @property
    def moments(self) -> tuple[datetime, ...]:
        """The times of others' clocks that would be remembered."""
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
