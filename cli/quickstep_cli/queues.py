"""Queues in a case of `quickstep explain`.

    {"jobs": {"visible": 340, "in_flight": 24, "delayed": 0, "before": {"at": "…", "visible": 280}}}

`before` is the previous reading: arrivals follow from the two. Without it, arrivals are assumed to
equal departures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.engine.backlog import Moment, QueueReading, follow
from quickstep.fields import Field
from quickstep.protocol.backlog import read_reading

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.engine.backlog import Backlog, QueuePolicy
    from quickstep.engine.model import ScalableTarget

UNREAD = "it could not be read"


def read_queues(
    field: Field | None, target: ScalableTarget | None, desired: int, now: datetime
) -> Backlog | None:
    """Read a case's queues, by policy; None if its target has none.

    A missing queue is empty; null is one that could not be read. Each `before` must have the same
    time, or none has one; queues that were empty then have been empty since.
    """
    policies = {policy.name: policy for policy in target.queues} if target else {}
    given = field.members() if field else {}
    for name in given.keys() - policies.keys() if target else ():
        which = ", ".join(policies) or "the target has none"
        given[name].wrong(f"must be named like a queue policy of the target: {which}", seen=False)
    if not policies:
        return None
    before: dict[str, QueueReading | str] = {}
    moments: set[datetime] = set()
    newest: dict[str, QueueReading | str] = dict.fromkeys(policies, QueueReading(0))
    for name, member in given.items():
        newest[name] = UNREAD if member.value is None else _reading(member, name, before, moments)
    if len(moments) > 1 and field:
        field.wrong("must have one time before for all queues", seen=False)
    return _seen(list(policies.values()), (before, moments), newest, Moment(now, desired))


def _reading(
    field: Field, name: str, before: dict[str, QueueReading | str], moments: set[datetime]
) -> QueueReading:
    members = field.members()
    if "before" in members:
        earlier = members["before"].members(required=("at",))
        if "at" in earlier:
            moments.add(earlier["at"].moment())
        counts = {key: each.value for key, each in earlier.items() if key != "at"}
        before[name] = read_reading(Field(counts, members["before"].path, field.problems))
    counts = {key: each.value for key, each in members.items() if key != "before"}
    return read_reading(Field(counts, field.path, field.problems))


def _seen(
    policies: list[QueuePolicy],
    before: tuple[dict[str, QueueReading | str], set[datetime]],
    newest: dict[str, QueueReading | str],
    moment: Moment,
) -> Backlog:
    earlier, moments = before
    known: Backlog | None = None
    if moments and earlier:
        first = min(moments)
        known = follow(policies, None, earlier, Moment(first, moment.tasks))
        apart = max(1.0, (moment.now - first).total_seconds())
        moment = Moment(moment.now, moment.tasks, apart)
    return follow(policies, known, newest, moment)
