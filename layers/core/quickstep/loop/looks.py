"""What becomes a look: one function for each source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.fields import write_moment
from quickstep.loop.surges import at_a_surge
from quickstep.protocol.look import Cause, Look, Reads, Wish
from quickstep.protocol.messages import AlarmAgain, Heartbeat, Heartbeats, Recheck, Request

if TYPE_CHECKING:
    from quickstep.alarms.event import AlarmEvent


def alarm_look(event: AlarmEvent, again: AlarmAgain) -> Look:
    """Return the look that an alarm's state change triggers."""
    cause = {
        "alarm": event.alarm_name,
        "state": str(event.alarm.state),
        "at": write_moment(event.at),
    }
    return Look(service=event.service, cause=Cause("alarm", cause), again=again, event=event)


def recheck_look(recheck: Recheck) -> Look:
    """Return the look that the previous one scheduled."""
    look = Look(
        service=recheck.service,
        cause=Cause("re-check", {"generation": recheck.generation, "attempt": recheck.attempt}),
        again=recheck,
        generation=recheck.generation,
        attempt=recheck.attempt,
        turn=recheck.turn,
    )
    return at_a_surge(look, recheck.felt_at) if recheck.felt_at else look


def heartbeat_look(heartbeat: Heartbeat) -> Look:
    """Return the look at a target for which the heartbeat has found something to do."""
    return Look(
        service=heartbeat.service,
        cause=Cause("heartbeat"),
        again=Heartbeats((heartbeat,)),
        described=heartbeat.alarms,
        complete=heartbeat.complete,
        listed_at=heartbeat.listed_at,
        reads=Reads.SCALE_OUT,
        corrects=True,
    )


def request_look(request: Request) -> Look:
    """Return the look that applies what an operator or a schedule has changed."""
    cause = {
        "id": request.id,
        "at": write_moment(request.at),
        "what": request.what,
        "capacity": request.capacity,
    }
    return Look(
        service=request.service,
        cause=Cause("request", cause),
        again=request,
        wish=None if request.capacity is None else Wish(request.capacity, request.at),
        reads=Reads.SCALE_OUT,
        corrects=True,
    )
