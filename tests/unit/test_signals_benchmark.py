"""The benchmark of signals: what its rows watch, and what its yardstick for queues does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.jobs import DOCUMENT, KnowsAtOnce
from benchmarks.signals import LAGS, ROWS, SCENARIOS_PLAYED, Row
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.simulator.compare import all_scalers, played
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.signals import ECS_LAG
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Scaler


@pytest.mark.parametrize(
    ("row", "signal"),
    list(zip(ROWS, ("requests", "cpu", "requests-per-target"), strict=True)),
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_row_is_played_beside_aws_s_scaler_on_the_same_signal(row: Row, signal: str) -> None:
    setup = row.setup()

    assert setup.signal.name == signal
    assert row.rival in [scaler.name for scaler in all_scalers(setup)]
    assert set(row.failed) == set(SCENARIOS_PLAYED)
    assert setup.load_per_task == pytest.approx(100, rel=0.11)


def test_the_lags_go_from_none_to_all_that_is_not_explained() -> None:
    assert sorted(LAGS) == [0, ECS_LAG, 18.8]


def test_what_is_late_with_the_yardstick_is_so_because_tasks_take_their_time_to_start() -> None:
    """A surge of ten times: what comes before the first new task can start waits for it."""
    setup = read_setup(DOCUMENT, None)
    (policy,) = setup.target.queues
    world = World(jobs=Jobs(policy.seconds_per_job, policy.slots_per_task))
    traffic = Traffic("surge", (12.0,) * 60 + (120.0,) * 240)
    experiment = an_experiment(traffic, setup, world, None, 1)

    def late(scaler: Scaler) -> float:
        return sum(second.failed for second in played(experiment, scaler, 0).seconds)

    mine, *others = (late(scaler) for scaler in all_scalers(setup))
    assert late(KnowsAtOnce(setup)) <= mine < min(others)
