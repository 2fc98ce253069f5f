"""What each preset of a target policy costs, and how much it fails: a table for the docs.

python -m benchmarks.presets --seeds 5
"""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from benchmarks.contenders import ONE_NUMBER
from quickstep.config import Preset, parse_target
from quickstep_cli.experiment import an_experiment
from quickstep_lab.simulator.compare import compare
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import Setup
from quickstep_lab.simulator.world import World
from quickstep_lab.thresholds import default_thresholds
from quickstep_lab.traffic import SCENARIOS, ScenarioName, scenario_traffic

TRAFFIC = (ScenarioName.DIURNAL, ScenarioName.BURSTY, ScenarioName.STEP_X10, ScenarioName.RAMP_60S)


def setup_of(preset: Preset) -> Setup:
    """Return the one-number document with a preset."""
    document = json.loads(ONE_NUMBER.read_text(encoding="utf-8"))
    target = parse_target(json.dumps({**document, "Preset": preset}))
    return Setup(target, default_thresholds(target))


def main(seeds: Annotated[int, typer.Option(min=1)] = 5) -> None:
    """Print each preset's failures and task-hours, medians of the seeds, as a table."""
    setups = {preset: setup_of(preset) for preset in Preset}
    scalers = [Quickstep(setup, preset) for preset, setup in setups.items()]
    typer.echo(f"| Traffic | {' | '.join(Preset)} |\n| --- |{' --- |' * len(setups)}")
    for name in TRAFFIC:
        traffic = scenario_traffic(name, SCENARIOS[name].seconds)
        experiment = an_experiment(traffic, setups[Preset.NORMAL], World(), None, seeds)
        played = compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers
        cells = [
            f"{m.failed:,.0f} failed, {m.task_seconds / 3600:.1f} task-h, "
            f"{m.reversals} changes of direction"
            for m in (played[preset].medians for preset in Preset)
        ]
        typer.echo(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
