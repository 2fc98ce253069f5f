"""What an evaluation learns from its look, and what it refuses to believe."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.known import KnownAlarm
from quickstep.engine.outcome import Outcome
from quickstep.fields import write_moment
from quickstep.loop.surges import counted
from quickstep.protocol.memory import Deletion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarms.event import AlarmEvent
    from quickstep.engine.model import ScalableTarget
    from quickstep.protocol.look import Look, Wish
    from quickstep.protocol.memory import Memory


SAME_TRANSITION = timedelta(seconds=1)
"""How far an event and DescribeAlarms may differ on one transition's time (not verified)."""


def ahead_of_time(look: Look, now: datetime, max_age: timedelta) -> str | None:
    """Return what is wrong with a look that comes from the future; None if nothing is.

    Once remembered, a future time would make everything until then look outdated. So a time may be
    ahead by no more than an event may be old.

    Example: an event dated 2099 cannot be CloudWatch's. Remembered, it would make Quickstep ignore
    the alarm's real events for decades.
    """
    latest = max(look.moments, default=now)
    if latest - now <= max_age:
        return None
    return f"its time, {write_moment(latest)}, is more than {max_age.seconds} s in the future"


def ignored(
    memory: Memory, look: Look, now: datetime, max_age: timedelta
) -> tuple[Outcome, str] | None:
    """Return how a look ends that is too late or brings nothing new; None for any other look.

    A look without an event or a wish is valid at any time, and any number of times. An event that
    is merely old still counts, but `observing` reads its metric again instead of its datapoints.
    """
    if look.event:
        return _known_event(memory, look.event)
    return _known_wish(memory, look.wish, now, max_age) if look.wish else None


def _known_event(memory: Memory, event: AlarmEvent) -> tuple[Outcome, str] | None:
    last = memory.alarms.get(event.policy)
    gone = memory.deleted.get(event.policy)
    if last is None and gone and event.at <= gone.at:
        why = f"the alarm of {event.policy} was found deleted at {write_moment(gone.at)}"
        return Outcome.IGNORED_STALE, why
    if last is None or event.at > last.at:
        return None
    why = f"{event.policy} went to {last.state} at {write_moment(last.at)}"
    return _repeated(event.at, last.at), why


def _known_wish(
    memory: Memory, wish: Wish, now: datetime, max_age: timedelta
) -> tuple[Outcome, str] | None:
    last = memory.requested_at
    if last is not None and wish.at <= last:
        return _repeated(wish.at, last), f"the newest request is of {write_moment(last)}"
    if now - wish.at > max_age:
        why = f"the request is of {write_moment(wish.at)}, more than {max_age.seconds} s ago"
        return Outcome.IGNORED_STALE, why
    return None


def _repeated(at: datetime, last: datetime) -> Outcome:
    return Outcome.IGNORED_DUPLICATE if at == last else Outcome.IGNORED_STALE


def known_from(event: AlarmEvent) -> KnownAlarm:
    """Return what an event shows about its alarm."""
    return KnownAlarm(
        state=event.alarm.state,
        at=event.at,
        definition=event.definition,
        muted=event.alarm.muted,
        muted_until=event.muted_until,
    )


def learn(
    target: ScalableTarget,
    memory: Memory,
    look: Look,
    now: datetime,
    waiting: Mapping[str, KnownAlarm] | None = None,
) -> Memory:
    """Return the memory with what the look teaches, and what waiting events have left.

    Deleted alarms, and alarms whose policies are gone from the document, are forgotten. For a
    deleted alarm, the memory keeps when it was last found missing, so that an older event or list
    that arrives late cannot bring it back. An older list does not delete an alarm that a newer
    event has shown. The queues are the document's.
    """
    alarms, deleted, listed_at = dict(memory.alarms), dict(memory.deleted), look.listed_at or now
    for name, alarm in memory.alarms.items() if look.complete else ():
        if name not in look.described and alarm.at <= listed_at:
            deleted[name] = Deletion(listed_at, alarms.pop(name).acted_on)
    for policy, described in look.described.items():
        if policy in alarms or policy not in deleted or listed_at > deleted[policy].at:
            alarms[policy] = _described(alarms.get(policy), described)
    for policy, shown in (waiting or {}).items():
        if policy in alarms or policy not in deleted or shown.at > deleted[policy].at:
            alarms[policy] = _changed(alarms.get(policy), shown)
    if event := look.event:
        alarms[event.policy] = _changed(alarms.get(event.policy), known_from(event))
    return replace(
        memory,
        alarms={
            name: _anew(alarm, deleted.get(name))
            for name, alarm in alarms.items()
            if target.policy(name)
        },
        deleted={
            name: gone
            for name, gone in deleted.items()
            if target.policy(name) and name not in alarms
        },
        requested_at=look.wish.at if look.wish else memory.requested_at,
        surges=counted(memory, look, now),
        queues=tuple(policy.queue_name for policy in target.queues),
    )


def _anew(alarm: KnownAlarm, gone: Deletion | None) -> KnownAlarm:
    """Return an alarm that has come back, with the datapoint it had acted on."""
    if gone is None or alarm.acted_on:
        return alarm
    return replace(alarm, acted_on=gone.acted_on)


def _changed(last: KnownAlarm | None, shown: KnownAlarm) -> KnownAlarm:
    """Return what an event adds: a newer state, and a definition until one is described."""
    if last is None:
        return shown
    if shown.at <= last.at:
        return last
    new, known = shown.definition, last.definition
    if known is None or (new and new.threshold != known.threshold):
        known = new or known
    return replace(shown, definition=known, acted_on=last.acted_on, disabled=last.disabled)


def _described(last: KnownAlarm | None, described: KnownAlarm) -> KnownAlarm:
    """Return what DescribeAlarms adds: always the definition, and the state if it is newer.

    A state that was entered again since counts as newer: the events in between were missed.
    """
    if last is None:
        return replace(described, muted=False, muted_until=None)
    last = replace(last, definition=described.definition, disabled=described.disabled)
    newest = last.at + SAME_TRANSITION if described.state is last.state else last.at
    if described.at < newest:
        return last
    return replace(last, state=described.state, at=described.at, muted=False, muted_until=None)
