"""The protocol under faults: nothing is lost, nothing happens twice, and planted bugs are found."""

from __future__ import annotations

from collections import Counter

import pytest

from quickstep.engine.outcome import Outcome
from tests.simulation.invariants import violations
from tests.simulation.mutations import MUTATIONS, planted
from tests.simulation.run import report
from tests.simulation.world import World

SEEDS = 2_000


def test_no_run_breaks_an_invariant_and_every_kind_of_trouble_occurs() -> None:
    met: Counter[Outcome] = Counter()
    for seed in range(SEEDS):
        world = World(seed).run()
        met.update(record.outcome for record in world.targets.records)

        assert not violations(world), report(world)

    troubles = {
        Outcome.RECOVERED,
        Outcome.LOST_RACE,
        Outcome.IGNORED_DUPLICATE,
        Outcome.IGNORED_STALE,
        Outcome.FAILED_THROTTLED,
        Outcome.FAILED_OTHER,
        Outcome.HELD_COOLDOWN,
        Outcome.SCALED_IN,
    }
    assert troubles <= met.keys()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_planted_bug_is_found(name: str) -> None:
    with planted(name):
        found = any(violations(World(seed).run()) for seed in range(SEEDS))

    assert found


def test_a_seed_replays_to_the_letter() -> None:
    assert World(42).run().timeline == World(42).run().timeline
