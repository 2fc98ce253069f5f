"""How fast the simulator is: a day with all scalers, and whether time grows with length.

python -m benchmarks simulator
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import all_scalers, compare
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import ScenarioName, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

HOURS = (6, 12, 24)
DAY = 24
PROMISED_DAY = 30.0
"""Limit in seconds for a day with all scalers."""


def figures() -> Iterator[Figure]:
    """Yield each length's seconds, and an hour of it next to an hour of the shortest."""
    setup = read_setup(EXAMPLE_POLICY, None)
    first: float | None = None
    for hours in HOURS:
        traffic = scenario_traffic(ScenarioName.DIURNAL, hours * 3600)
        started = time.perf_counter()
        experiment = an_experiment(traffic, setup, World(), None, 1)
        compare(experiment, all_scalers(setup), jobs=os.cpu_count() or 1)
        took = time.perf_counter() - started
        if hours == DAY:
            goal = Goal(at_most=PROMISED_DAY)
            yield Figure(f"{hours} h of traffic, all scalers", Quantity(took, "s"), goal=goal)
        each = Quantity(took / hours * 1000, "ms")
        beside = Beside(f"of {HOURS[0]} h", Quantity(first, "ms")) if first else None
        yield Figure(f"a simulated hour of {hours} h", each, beside)
        first = first or each.value


BENCHMARK = Benchmark(
    "simulator",
    "The simulator",
    "Wall-clock time to play daily traffic through all scalers, with one seed, on all cores.",
    figures,
)
