"""The protocol under faults: nothing is lost, nothing happens twice, and planted bugs are found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from quickstep.engine.model import Direction, Pause, State
from quickstep.engine.outcome import Outcome
from quickstep.loop import learning
from tests.simulation.invariants import violations, violations_with_requests
from tests.simulation.mutations import IN_A_CROWD, MUTATIONS, planted
from tests.simulation.run import report
from tests.simulation.world import TARGET, World

SEEDS = 2_000
FEWER = 400


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


def test_a_dry_run_never_calls_update_service_whatever_goes_wrong() -> None:
    would = 0
    for seed in range(FEWER):
        world = World(seed, target=replace(TARGET, dry_run=True), requests=2).run()
        records = world.targets.records
        would += any(record.outcome is Outcome.WOULD_SCALE for record in records)

        assert not any("UpdateService" in line for line in world.timeline), report(world)
        assert not world.unexpected, report(world)
    assert would > FEWER / 2


def test_a_paused_target_is_left_alone_whatever_goes_wrong() -> None:
    paused = State(pause=Pause(frozenset(Direction), reason="incident"))
    held = 0
    for seed in range(FEWER):
        world = World(seed, operators=paused).run()
        held += any(record.outcome is Outcome.HELD_PAUSED for record in world.targets.records)

        assert not any("UpdateService" in line for line in world.timeline), report(world)
        assert not world.unexpected, report(world)
    assert held > FEWER / 2


def test_requests_break_no_invariant_and_each_is_carried_out_once() -> None:
    met: Counter[Outcome] = Counter()
    for seed in range(FEWER):
        world = World(seed, requests=4).run()
        wrong = violations_with_requests(world)
        met.update(r.outcome for r in world.targets.records if r.look.cause.kind == "request")

        assert not wrong, f"{report(world)}\n{wrong}"
    assert {Outcome.IGNORED_DUPLICATE, Outcome.IGNORED_STALE, Outcome.SCALED_OUT} <= met.keys()


def test_a_long_line_of_throttled_targets_breaks_no_invariant() -> None:
    sent_away = 0
    for seed in range(FEWER):
        world = World(seed, crowded=True).run()
        sent_away += any("waits until" in line for line in world.timeline)

        assert not violations(world), report(world)
    assert sent_away > FEWER / 5


def test_a_request_that_is_not_remembered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_known_wish", lambda *_: None)

    assert any(violations_with_requests(World(s, requests=4).run()) for s in range(FEWER))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_planted_bug_is_found(name: str) -> None:
    with planted(name):
        crowded = name in IN_A_CROWD
        found = any(violations(World(seed, crowded=crowded).run()) for seed in range(SEEDS))

    assert found


def test_a_seed_replays_to_the_letter() -> None:
    assert World(42).run().timeline == World(42).run().timeline
