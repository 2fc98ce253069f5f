"""How fast the simulator is: a day with all scalers, and whether time grows with hours.

python -m benchmarks.simulator
"""

from __future__ import annotations

import os
import time

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.experiment import EXAMPLE_POLICY, an_experiment, read_setup
from lab.simulator.compare import all_scalers, compare
from lab.simulator.world import World
from lab.traffic import ScenarioName, scenario_traffic

HOURS = (6, 12, 24, 48)


def main() -> None:
    """Print the seconds that each length takes."""
    setup = read_setup(EXAMPLE_POLICY, None)
    jobs = os.cpu_count() or 1
    table = Table(
        title=f"diurnal traffic, all six scalers, 1 seed, {jobs} processes",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for column in ("Simulated", "Took", "A simulated hour and scaler"):
        table.add_column(column, justify="right")
    for hours in HOURS:
        traffic = scenario_traffic(ScenarioName.DIURNAL, hours * 3600)
        scalers = all_scalers(setup)
        started = time.perf_counter()
        compare(an_experiment(traffic, setup, World(), None, 1), scalers, jobs=jobs)
        took = time.perf_counter() - started
        each = took / hours / len(scalers)
        table.add_row(f"{hours} h", f"{took:.1f} s", f"{each * 1000:.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
