"""Changing a service's capacity, and what is remembered of it."""

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
"""Before further attempts at UpdateService in one evaluation; each half to one and a half of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What ECS has answered in the end; None says that it has done it.

    `unanswered` says that an attempt was never answered: it may still be carried out.
    """

    error: CallFailedError | None
    unanswered: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """Sets desired counts; `sleep` waits, `jitter` gives a number from 0 up to 1."""

    services: Services
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def change(self, service: ServiceName, decision: Decision) -> Answer:
        """Call UpdateService, up to three times if need be.

        A throttle says that nothing was done. After a failure of no known kind, such as a time-out,
        only ECS knows: described as granted, the change is made; described as before, it may be
        made later. Tasks are removed in one attempt or later: the calls that are left are for those
        who add some.
        """
        failure: CallFailedError | None = None
        unanswered = False
        adds = decision.outcome is not Outcome.SCALED_IN
        for wait in (timedelta(), *(RETRY_SLEEPS if adds else ())):
            if wait:
                self.sleep(wait * (0.5 + self.jitter()))
            try:
                self.services.set_desired_count(service, decision.granted)
            except CallFailedError as error:
                failure = error
            else:
                return Answer(None, unanswered)
            if failure.outcome is Outcome.FAILED_OTHER:
                unanswered = True
                if self._shows(service, decision.granted):
                    return Answer(None, unanswered)
            elif failure.outcome is not Outcome.FAILED_THROTTLED:
                break
        return Answer(failure, unanswered)

    def _shows(self, service: ServiceName, granted: int) -> bool:
        try:
            return self.services.describe(service).desired == granted
        except CallFailedError:
            return False


def changed(memory: Memory, decision: Decision, seen: Seen, now: datetime) -> Memory:
    """Return the memory of a change that is about to be asked of ECS.

    All datapoints that were in breach have had their say in it; in a scale-out those of an alarm
    that is OK, too, for an average that draining tasks dilute is looked through.
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
