"""A task feels a surge: the look that it asks for, those that follow, and how many there may be.

Whatever is in a task can send such a message, at any time, and about any service. It can ask for a
look and nothing else: the load is CloudWatch's, and what it asks for is bounded before any call is
made but one to the item and one to the account's count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState
from quickstep.fields import write_moment
from quickstep.protocol.counts import CLOCKS
from quickstep.protocol.look import Cause, Look, Reads
from quickstep.protocol.memory import MOST_SURGES

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.protocol.memory import Memory
    from quickstep.protocol.messages import Surge
    from quickstep.protocol.ports import SurgeLooks, Targets

OLDEST = timedelta(seconds=10)
"""By then the alarm's own event is under way."""

WINDOW = timedelta(minutes=10)
"""MOST_SURGES looks of a service are made in it."""

BETWEEN = timedelta(seconds=2)
"""A task's message stands for all of a service in so long; more of them are somebody else's."""

FOLLOWED = timedelta(seconds=60)
"""So long a surge is looked at in seconds, unless an alarm is in ALARM before."""


@dataclass(frozen=True, slots=True)
class SurgeBounds:
    """Says which surges are looked at."""

    targets: Targets
    looks: SurgeLooks

    def refusal(self, surge: Surge, now: datetime) -> str | None:
        """Return why there is no look at a surge; None where there is one, which is counted.

        The service's own bounds come before the account's: a flood of one service's messages leaves
        the others theirs.

        Raises:
            CallFailedError: the table throttles.
        """
        if not -CLOCKS <= now - surge.at <= OLDEST:
            return f"it was felt at {write_moment(surge.at)}, too long ago or in the future"
        memory, _ = self.targets.peek(surge.service.resource_id)
        if not any(known.definition for known in memory.alarms.values()):
            return "the service has no known alarm"
        if any(now - at < BETWEEN for at in memory.surges):
            return f"the service was looked at less than {BETWEEN.seconds} s ago"
        if len(lately(memory, now)) >= MOST_SURGES:
            minutes = WINDOW // timedelta(minutes=1)
            return f"the service had {MOST_SURGES} looks in the last {minutes} minutes"
        return None if self.looks.take(now) else "this second's looks of the account are used up"


def surge_look(surge: Surge) -> Look:
    """Return the look that a task asks for."""
    look = Look(service=surge.service, cause=Cause("surge"), again=surge)
    return at_a_surge(look, surge.at)


def at_a_surge(look: Look, felt_at: datetime) -> Look:
    """Return a look as one at a surge: it reads the newest seconds, and only adds."""
    details = {"at": write_moment(felt_at), **look.cause.details}
    return replace(
        look,
        cause=Cause("surge", details),
        reads=Reads.NEWEST_SECONDS,
        adds=True,
        felt_at=felt_at,
    )


def counted(memory: Memory, look: Look, now: datetime) -> tuple[datetime, ...]:
    """Return when surges were looked at of late, this look included, if it is one at a surge."""
    if look.felt_at is None:
        return memory.surges
    return (*lately(memory, now), now)[-MOST_SURGES:]


def lately(memory: Memory, now: datetime) -> tuple[datetime, ...]:
    """Return when surges were looked at in the last minutes."""
    return tuple(at for at in memory.surges if at > now - WINDOW)


def scaled_out_since(memory: Memory, felt_at: datetime) -> bool:
    """Whether a surge has been answered before."""
    last = memory.state.scale_out
    return last is not None and last.at >= felt_at


def is_followed(memory: Memory, look: Look, now: datetime) -> bool:
    """Whether a surge is looked at again: until an alarm has said so since, or at a bound."""
    if look.felt_at is None or now >= look.felt_at + FOLLOWED:
        return False
    said = any(
        known.state is AlarmState.ALARM and known.at > look.felt_at
        for known in memory.alarms.values()
    )
    return not said and len(lately(memory, now)) < MOST_SURGES
