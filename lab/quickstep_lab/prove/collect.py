"""From observations of the services, one per second, to the timestamps of each surge. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quickstep_lab.prove.plan import Contender
from quickstep_lab.prove.result import Surge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep_lab.prove.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look showed about a service; times are AWS's own stamps.

    `breached` is the start of the newest readable period whose datapoint is above the alarm's
    threshold. `alarmed` is when its alarm last went into ALARM. `evaluated` are the starts of the
    scaler's function in its decision records; of AAS, the starts of its scaling activities.
    `started` are its tasks' starts.
    """

    desired: int
    breached: datetime | None = None
    alarmed: datetime | None = None
    evaluated: tuple[datetime, ...] = ()
    started: tuple[datetime, ...] = ()


@dataclass(slots=True)
class Collector:
    """Stamps each step of each surge when it is first seen, or with AWS's own stamp of it.

    What only a look can tell, the readable datapoint and the desired count, is as late as the
    looks are apart: one polling second.
    """

    plan: Plan
    start: datetime
    _surges: dict[tuple[Contender, int], Surge] = field(default_factory=dict)
    _desired: dict[Contender, int] = field(default_factory=dict)

    def saw(self, now: datetime, seen: Mapping[Contender, Seen]) -> None:
        """Take in what was seen at a moment."""
        number = self._number(now)
        for service, each in seen.items():
            if number is not None:
                before = self._desired.get(service, each.desired)
                surge = self._surges.get((service, number)) or Surge(
                    service=service,
                    number=number,
                    overloaded=self.plan.overloads(self.start)[number],
                    before=before,
                    after=before,
                )
                self._surges[service, number] = stamped(surge, now, each)
            self._desired[service] = each.desired

    def surges(self) -> tuple[Surge, ...]:
        """Return what was stamped so far, by service and surge."""
        order = sorted(self._surges, key=lambda key: (list(Contender).index(key[0]), key[1]))
        return tuple(self._surges[key] for key in order)

    def _number(self, now: datetime) -> int | None:
        """Return the surge that a moment is in, or in the rest after; None before the first."""
        begun = [n for n, at in enumerate(self.plan.overloads(self.start)) if at <= now]
        return begun[-1] if begun else None


def stamped(surge: Surge, now: datetime, seen: Seen) -> Surge:
    """Return a surge with the steps stamped that had not been seen before."""
    begins = surge.overloaded
    alarmed = seen.alarmed if seen.alarmed and seen.alarmed >= begins else None
    evaluated = min((at for at in seen.evaluated if at >= begins), default=None)
    risen = seen.desired > surge.before
    readable = seen.breached is not None and seen.breached >= begins
    started = sorted(at for at in seen.started if at >= begins)
    return replace(
        surge,
        readable=surge.readable or (now if readable else None),
        alarm=surge.alarm or alarmed,
        event=surge.event or evaluated,
        update=surge.update or (now if risen else None),
        first_running=surge.first_running or (started[0] if started else None),
        last_running=started[-1] if started else surge.last_running,
        after=max(surge.after, seen.desired),
    )
