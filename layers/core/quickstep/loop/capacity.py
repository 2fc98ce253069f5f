"""Changing a service's capacity, and remembering the change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quickstep.engine.model import Decision
    from quickstep.loop.observing import Seen
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.ports import Services

RETRY_SLEEPS = (timedelta(seconds=0.3), timedelta(seconds=0.9))
"""Pauses before further UpdateService attempts in one evaluation, each jittered by ±50 %."""


@dataclass(frozen=True, slots=True)
class Answer:
    """ECS's final answer to a change; no error means that the change was made.

    `unanswered` says that an attempt got no answer, and may still be carried out.
    """

    error: CallFailedError | None
    unanswered: bool


def request_change(
    services: Services,
    service: ServiceName,
    decision: Decision,
    *,
    sleep: Callable[[timedelta], None],
    jitter: Callable[[], float],
) -> Answer:
    """Call UpdateService, up to three times if needed.

    A throttle means that nothing was done. After an unknown failure, such as a time-out, only ECS
    knows: if it describes the granted count, the change is made; if it describes the old count, the
    change may still come. A scale-in gets one attempt and is retried later, which leaves the
    remaining calls to targets that add tasks.
    """
    failure: CallFailedError | None = None
    unanswered = False
    adds = decision.outcome is not Outcome.SCALED_IN
    for wait in (timedelta(), *(RETRY_SLEEPS if adds else ())):
        if wait:
            sleep(wait * (0.5 + jitter()))
        try:
            services.set_desired_count(service, decision.granted)
        except CallFailedError as error:
            failure = error
        else:
            return Answer(None, unanswered)
        if failure.outcome is Outcome.FAILED_OTHER:
            unanswered = True
            if _shows(services, service, decision.granted):
                return Answer(None, unanswered)
        elif failure.outcome is not Outcome.FAILED_THROTTLED:
            break
    return Answer(failure, unanswered)


def _shows(services: Services, service: ServiceName, granted: int) -> bool:
    try:
        return services.describe(service).desired == granted
    except CallFailedError:
        return False


def changed(memory: Memory, decision: Decision, seen: Seen, now: datetime) -> Memory:
    """Return the memory of a change that is about to be requested from ECS.

    All breaching datapoints are now spent. For a scale-out, that includes those of an alarm in OK,
    because Quickstep sees through an average that draining tasks dilute.
    """
    out = decision.granted > decision.before
    spent = {
        name: memory.alarms[name].after(seen.newest[name])
        for name, alarm in seen.alarms.items()
        if alarm.has_value and name in seen.newest and (out or alarm.state is AlarmState.ALARM)
    }
    return replace(
        memory,
        state=decision.state,
        alarms={**memory.alarms, **spent},
        counts=memory.counts.ask(decision.granted, now),
    )
