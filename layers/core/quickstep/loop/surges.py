"""A task feels a surge: the look it asks for, the looks that follow, and their limits.

Anything inside a task can send such a message, at any time and about any service. It can ask for a
look and nothing else: the load comes from CloudWatch. Before the limits are checked, only two calls
are made: one to the item and one to the account's count.
"""

from __future__ import annotations

from dataclasses import replace
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
"""By then, the alarm's own event is on its way."""

WINDOW = timedelta(minutes=10)
"""The window in which a service gets at most MOST_SURGES looks."""

BETWEEN = timedelta(seconds=2)
"""For this long, one task's message speaks for the whole service; any more are not Quickstep's."""

FOLLOWED = timedelta(seconds=60)
"""How long a surge is followed second by second, unless an alarm goes to ALARM first."""


def refusal(surge: Surge, now: datetime, targets: Targets, looks: SurgeLooks) -> str | None:
    """Return why a surge gets no look; None if it gets one, which is then counted.

    The service's own limits come before the account's, so that a flood of messages about one
    service leaves the other services their looks.

    Raises:
        CallFailedError: the table throttles.
    """
    if not -CLOCKS <= now - surge.at <= OLDEST:
        return f"it was felt at {write_moment(surge.at)}, too long ago or in the future"
    memory, _ = targets.peek(surge.service.resource_id)
    if not any(known.definition for known in memory.alarms.values()):
        return "the service has no known alarm"
    if any(now - at < BETWEEN for at in memory.surges):
        return f"the service was looked at less than {BETWEEN.seconds} s ago"
    if len(lately(memory, now)) >= MOST_SURGES:
        minutes = WINDOW // timedelta(minutes=1)
        return f"the service had {MOST_SURGES} looks in the last {minutes} minutes"
    return None if looks.take(now) else "this second's looks of the account are used up"


def surge_look(surge: Surge) -> Look:
    """Return the look that a task asks for."""
    look = Look(service=surge.service, cause=Cause("surge"), again=surge)
    return at_a_surge(look, surge.at)


def at_a_surge(look: Look, felt_at: datetime) -> Look:
    """Turn a look into one at a surge: it reads the newest seconds, and only adds tasks."""
    details = {"at": write_moment(felt_at), **look.cause.details}
    return replace(
        look,
        cause=Cause("surge", details),
        reads=Reads.NEWEST_SECONDS,
        adds=True,
        felt_at=felt_at,
    )


def counted(memory: Memory, look: Look, now: datetime) -> tuple[datetime, ...]:
    """Return the times of recent looks at surges, including this one if it is such a look."""
    if look.felt_at is None:
        return memory.surges
    return (*lately(memory, now), now)[-MOST_SURGES:]


def lately(memory: Memory, now: datetime) -> tuple[datetime, ...]:
    """Return the times of looks at surges within the window."""
    return tuple(at for at in memory.surges if at > now - WINDOW)


def scaled_out_since(memory: Memory, felt_at: datetime) -> bool:
    """Whether a scale-out has already answered the surge."""
    last = memory.state.scale_out
    return last is not None and last.at >= felt_at


def is_followed(memory: Memory, look: Look, now: datetime) -> bool:
    """Whether to look at a surge again: until an alarm fires after it, or a limit is reached."""
    if look.felt_at is None or now >= look.felt_at + FOLLOWED:
        return False
    said = any(
        known.state is AlarmState.ALARM and known.at > look.felt_at
        for known in memory.alarms.values()
    )
    return not said and len(lately(memory, now)) < MOST_SURGES
