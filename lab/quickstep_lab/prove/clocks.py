"""The clocks of an account, as a proof measured them, for the simulator's world. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from quickstep_lab.prove.plan import Contender
from quickstep_lab.simulator.world import CALL_SECONDS, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickstep_lab.prove.result import Result
    from quickstep_lab.simulator.world import World


@dataclass(frozen=True, slots=True)
class Clocks:
    """Durations in seconds; None where nothing was measured.

    `visibility` is from the publishers' call, at most `CALL_SECONDS` after the first overloaded
    second, until the datapoint could be read. `event` is from the alarm's change to the start of
    Quickstep's function, `call` from there until the desired count rose. `start_up` is from there
    until ECS says that a new task runs; what an application takes to listen is not in it.
    """

    visibility: Spread | None
    event: Spread | None
    call: Spread | None
    start_up: Spread | None

    def applied(self, world: World) -> World:
        """Return a world with what was measured in place of what is modelled."""
        measured = {
            name: spread
            for name in ("visibility", "event", "call", "start_up")
            if (spread := getattr(self, name)) is not None
        }
        return replace(world, **measured)


def measured(result: Result) -> Clocks:
    """Return the clocks of a proof, over all its surges and services."""
    published = [one for one in result.surges if not one.service.watches_cpu]
    own = [one for one in result.surges if one.service.is_quickstep]
    by_alarm = [one for one in own if one.service is not Contender.SURGE]
    return Clocks(
        visibility=_spread(
            seconds - CALL_SECONDS
            for one in published
            if (seconds := one.after_overload("readable")) is not None
        ),
        event=_spread(_between(one.alarm, one.event) for one in by_alarm),
        call=_spread(_between(one.event, one.update) for one in own),
        start_up=_spread(
            _between(one.update, at)
            for one in result.surges
            for at in (one.first_running, one.last_running)
        ),
    )


def _between(start: object, end: object) -> float | None:
    if start is None or end is None:
        return None
    return float((end - start).total_seconds())  # type: ignore[operator]


def _spread(samples: Iterable[float | None]) -> Spread | None:
    """Return the median and the value that one in twenty is above; with few samples, the largest.

    A clock cannot run backwards: what the polling second makes negative is 0.
    """
    known = sorted(max(0.0, sample) for sample in samples if sample is not None)
    if not known:
        return None
    middle = median(known)
    high = known[min(len(known) - 1, math.ceil(0.95 * len(known)) - 1)]
    return Spread(middle, max(middle, high))
