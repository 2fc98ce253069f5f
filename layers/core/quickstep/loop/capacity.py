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
class Failed:
    """How UpdateService failed in the end; `certain` says that it is known what came of it."""

    error: CallFailedError
    certain: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """Sets desired counts; `sleep` waits, `jitter` gives a number from 0 up to 1."""

    services: Services
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def change(self, service: ServiceName, decision: Decision) -> Failed | None:
        """Call UpdateService, up to three times if need be; None where it was done.

        A throttle says that nothing was done. After a failure of no known kind, such as a time-out,
        only ECS knows: described as granted, the change is made. Tasks are removed in one attempt
        or later: the calls that are left are for those who add some.
        """
        failure: CallFailedError | None = None
        adds = decision.granted > decision.before
        for wait in (timedelta(), *(RETRY_SLEEPS if adds else ())):
            if wait:
                self.sleep(wait * (0.5 + self.jitter()))
            try:
                self.services.set_desired_count(service, decision.granted)
            except CallFailedError as error:
                failure = error
            else:
                return None
            if failure.outcome is Outcome.FAILED_OTHER:
                seen = self._desired(service)
                if seen is None:
                    return Failed(failure, certain=False)
                if seen == decision.granted:
                    return None
            elif failure.outcome is not Outcome.FAILED_THROTTLED:
                break
        assert failure is not None  # noqa: S101 - every attempt has returned or failed
        return Failed(failure, certain=True)

    def _desired(self, service: ServiceName) -> int | None:
        try:
            return self.services.describe(service).desired
        except CallFailedError:
            return None


def changed(memory: Memory, decision: Decision, seen: Seen, accepted_at: datetime) -> Memory:
    """Return the memory after ECS has accepted a change.

    All datapoints that were in breach have had their say in it.
    """
    spent = {
        name: replace(memory.alarms[name], acted_on=seen.newest[name])
        for name, alarm in seen.alarms.items()
        if alarm.state is AlarmState.ALARM and alarm.has_value and name in seen.newest
    }
    return replace(
        memory,
        state=decision.state,
        alarms={**memory.alarms, **spent},
        desired=decision.granted,
        changed_at=accepted_at,
    )
