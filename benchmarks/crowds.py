"""Hundreds and thousands of tasks that feel a surge in the same second, modelled."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from benchmarks import surges
from benchmarks.figures import Figure, Goal, Quantity
from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.counts import Case, read_counts
from quickstep_lab.cost.model import Activity, Usage, quickstep
from quickstep_lab.cost.prices import Meter, read_prices
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_A_SERVICE = 500
SERVICES = (1, 10)
INTERVAL = 5
QUOTA = 500
"""An account's default quota of PutMetricData calls per second."""
FACTOR, AT_REST = 3.0, 60.0
HOP, DECISION = constants.HOP.value, constants.DECISION.value
SOON = Goal(at_most=10)


def figures() -> Iterator[Figure]:
    """Yield each crowd's results, with the default quota, or the one it needs without a surge.

    5,000 tasks make 1,000 calls a second anyway.
    """
    for services in SERVICES:
        tasks = services * OF_A_SERVICE
        quota = max(QUOTA, tasks // INTERVAL)
        made = surges.crowd(_surge(tasks, services, quota))
        where = "one service" if services == 1 else f"{services} services"
        name = f"x{FACTOR:g}, surge of {tasks:,} tasks of {where} at once"
        answered = made.answered if len(made.answered) == services else (*made.answered, None)
        yield Figure(f"{name}: first answered", Quantity(answered[0], "s"), goal=SOON)
        yield Figure(f"{name}: last answered", Quantity(answered[-1], "s"), goal=SOON)
        yield Figure(f"{name}: looks until the alarm has it", Quantity(made.looks))
        yield Figure(f"{name}: messages sent", Quantity(made.messages))
        yield Figure(f"{name}: messages that the queue keeps", Quantity(made.slots))
        yield Figure(f"{name}: PutMetricData beside the usual", Quantity(made.early))
        words = f"{name}: calls over a quota of {quota:,} a second"
        yield Figure(words, Quantity(made.refused))
        yield Figure(f"{name}: cost", Quantity(_dollars(made, tasks), "$"))


def _surge(tasks: int, services: int, quota: int) -> surges.Surge:
    random = Random(tasks)  # noqa: S311 - repeatable, not secret
    return surges.Surge(
        begins=30.0,
        factor=FACTOR,
        at_rest=AT_REST,
        phases=tuple(random.uniform(0, INTERVAL) for _ in range(tasks)),
        interval=INTERVAL,
        visibility=World().visibility,
        hop=HOP,
        cold=0.0,
        decision=DECISION,
        seed=tasks,
        quota=quota,
        services=services,
    )


def _dollars(made: surges.Crowd, tasks: int) -> float:
    """Return the cost of looks, messages and calls at the prices of `quickstep cost`."""
    counted, prices = read_counts(), read_prices()
    usage = Usage(tasks=tasks)
    looked, quiet = (
        bill(quickstep(usage, activity, counted), prices, services=1, free_tier=False).total
        for activity in (
            Activity({Case.HELD_RECHECK: made.looks}, surges=made.messages / tasks),
            Activity(),
        )
    )
    return looked - quiet + prices[Meter.API_REQUEST].of(made.early)
