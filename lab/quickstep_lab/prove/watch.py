"""The collector at work: one look at all services each second, from the start to the plan's end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep_lab.prove.collect import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep_lab.clock import Clock
    from quickstep_lab.prove.collect import Seen
    from quickstep_lab.prove.plan import Contender, Plan
    from quickstep_lab.prove.result import Surge

    Look = Callable[[datetime, datetime], Mapping[Contender, Seen]]
    """Looks at the services at a moment, for what has happened since another; see `Sight`."""

POLL_SECONDS = 1.0
"""From one look to the next: no figure is more exact."""


def watch(
    plan: Plan, start: datetime, look: Look, clock: Clock, reset: Callable[[], None]
) -> tuple[Surge, ...]:
    """Look each second until the last surge is over; return what was stamped.

    A look that takes longer than a second delays the next, and never moves the end. `reset` sets
    all services back to the fewest tasks, once in each rest.
    """
    collector, end = Collector(plan, start), start + timedelta(seconds=plan.seconds)
    due = [start + timedelta(seconds=seconds) for seconds in plan.resets]
    while (now := clock.now()) < end:
        collector.saw(now, look(now, start))
        if due and now >= due[0]:
            reset()
            del due[0]
        spent = (clock.now() - now).total_seconds()
        clock.sleep(max(0.0, POLL_SECONDS - spent))
    return collector.surges()
