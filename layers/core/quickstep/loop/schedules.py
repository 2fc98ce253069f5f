"""Scheduled actions: EventBridge Scheduler sends one, and it becomes an override at once.

    {"ResourceId": "service/prod/web", "Name": "night", "MaxCapacity": 2, "For": "12h",
     "At": "<aws.scheduler.scheduled-time>", "Reason": "nobody is there"}

It holds from `At`, the schedule's time, for as long as `For` says; `Until` gives an end time
instead. If `At` is in the future, it begins then. `"End": true` ends the action that the same
`Name` has begun, or would begin. A maximum waits until the load leaves its tasks idle; with
`"Force": true` it does not.

Each name has one action: the last one requested. A repeated one changes nothing. One that arrives
after a later one is not written, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.config import MAX_TASKS
from quickstep.fields import Field, InvalidDocumentError, Problems, checked_json, write_moment
from quickstep.naming import RESOURCE_ID, RESOURCE_ID_RULE, ServiceName, parse_resource_id
from quickstep.protocol.messages import Message, Request
from quickstep.protocol.operators import SCHEDULED, bounds_entry, bounds_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.protocol.ports import Messages, Operators

DEFAULT_NAME = "schedule"
LONGEST = timedelta(days=366)
MAX_REASON = 200

AHEAD = timedelta(seconds=60)
"""How far two hosts' clocks may differ."""

WITHIN_REACH = timedelta(minutes=14)
"""Messages can be delayed by 15 minutes. A heartbeat finds later beginnings, within a minute."""

_NAME = "[A-Za-z0-9._-]{1,64}"
_SHOWN = "%Y-%m-%d %H:%M:%S"
_OPTIONAL = ("Name", "At", "MinCapacity", "MaxCapacity", "For", "Until", "End", "Reason", "Force")


class ScheduleError(InvalidDocumentError):
    """A scheduled action that breaks a rule; lists every problem found."""


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """Bounds that hold from `at` until `until`; the two are equal for an action that is an end.

    Of a name's actions, the one `asked_at` last counts: that is an action's own time, unless it is
    in the future.
    """

    service: ServiceName
    name: str
    asked_at: datetime
    at: datetime
    until: datetime
    min_capacity: int | None = None
    max_capacity: int | None = None
    reason: str = ""
    force: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        """The attribute of the target's item."""
        bounds = (self.min_capacity, self.max_capacity)
        return bounds_entry(
            bounds,
            self.until,
            reason=self.reason,
            by=self.name,
            at=self.asked_at,
            begins=self.at if self.at > self.asked_at else None,
            force=self.force,
        )

    def __str__(self) -> str:
        """Return what a decision record says about the action."""
        if self.until == self.at:
            return f"schedule {self.name} is over"
        bounds = bounds_text(self.min_capacity, self.max_capacity, force=self.force)
        begins = f" from {self.at:{_SHOWN}}" if self.at > self.asked_at else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"schedule {self.name}: {bounds}{begins} until {self.until:{_SHOWN}} UTC{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """Writes scheduled actions to their targets' items, and has the scaler apply them."""

    operators: Operators
    messages: Messages
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def on_action(self, event: Any) -> tuple[ScheduledAction, bool]:
        """Carry out what the Scheduler sent; return the action, and whether it was written.

        It is not written if a later action with its name was written before.

        Raises:
            ScheduleError: it breaks a rule; nothing was written.
            CallFailedError: it was written, but the scaler could not be notified; the scaler finds
                it at its next look.
        """
        now = self.clock()
        action = read_action(event, now)
        name = f"{SCHEDULED}{action.name}"
        written = self.operators.schedule(action.service.resource_id, name, action.entry)
        begins_in = action.at - now
        if written and begins_in <= WITHIN_REACH:
            request = Request(action.service, self.new_id(), now, str(action))
            # One second more, so that it cannot arrive before the scaler's clock reaches that time.
            delay = begins_in + timedelta(seconds=1) if begins_in > timedelta() else timedelta()
            self.messages.send(Message(request), delay)
        return action, written


def read_action(event: Any, now: datetime) -> ScheduledAction:
    """Read an action as the Scheduler delivers it at `now`.

    Raises:
        ScheduleError: it breaks a rule; every problem is listed.
    """
    problems = Problems()
    try:
        root = Field(checked_json(event), "", problems)
    except InvalidDocumentError as error:
        raise ScheduleError(error.problems) from None
    members = root.members(required=("ResourceId",), optional=_OPTIONAL)
    problems.raise_any(ScheduleError)
    service = parse_resource_id(members["ResourceId"].text(RESOURCE_ID, RESOURCE_ID_RULE))
    name = DEFAULT_NAME
    if "Name" in members:
        rule = "must be 1 to 64 letters, digits, '.', '-' and '_'"
        name = members["Name"].text(_NAME, rule)
    at = members["At"].moment() if "At" in members else now
    reason = members["Reason"].text() if "Reason" in members else ""
    if len(reason) > MAX_REASON:
        members["Reason"].wrong(f"must have at most {MAX_REASON} characters", seen=False)
    ends = members["End"].boolean() if "End" in members else False
    if ends:
        for key in ("MinCapacity", "MaxCapacity", "For", "Until", "Force"):
            if key in members:
                members[key].wrong("must not stand beside End", seen=False)
        if at - now > AHEAD:
            rule = "must not be ahead where End is true; an action ends by its own For or Until"
            members["At"].wrong(rule)
        bounds: tuple[int | None, int | None] = (None, None)
        until = at = min(at, now)
    else:
        bounds, until = _bounds(root, members), _until(root, members, at, now)
    force = members["Force"].boolean() if "Force" in members else False
    if force and not ends and "MaxCapacity" not in members:
        members["Force"].wrong("must stand beside MaxCapacity", seen=False)
    problems.raise_any(ScheduleError)
    assert service is not None  # noqa: S101 - a missing one has raised its problem
    return ScheduledAction(service, name, min(at, now), at, until, *bounds, reason, force)


def _bounds(root: Field, members: dict[str, Field]) -> tuple[int | None, int | None]:
    given = {
        key: members[key].integer(0, MAX_TASKS)
        for key in ("MinCapacity", "MaxCapacity")
        if key in members
    }
    if not given:
        root.wrong("must have MinCapacity, MaxCapacity or both, or End", seen=False)
    minimum, maximum = given.get("MinCapacity"), given.get("MaxCapacity")
    if minimum is not None and maximum is not None and minimum > maximum:
        members["MaxCapacity"].wrong(f"must be at least MinCapacity ({minimum})")
    return minimum, maximum


def _until(root: Field, members: dict[str, Field], at: datetime, now: datetime) -> datetime:
    if ("For" in members) == ("Until" in members):
        root.wrong("must have one of For and Until, or End", seen=False)
        return at
    key = "For" if "For" in members else "Until"
    until = at + members[key].duration(LONGEST) if key == "For" else members[key].moment()
    if not members[key].problems.found:
        if until <= now:
            members[key].wrong(f"must end after {write_moment(now)}: it is over already")
        elif until - now > LONGEST:
            members[key].wrong(f"must end within {LONGEST.days} days")
        elif until <= at:
            members[key].wrong(f"must end after At, {write_moment(at)}")
    return until
