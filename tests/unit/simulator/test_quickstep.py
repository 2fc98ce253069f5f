"""Quickstep on the stage: the real cycle, with its re-checks and its heartbeat."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from quickstep.engine.model import Guard
from quickstep.engine.outcome import Outcome
from quickstep_lab.simulator.scalers.quickstep import Quickstep, textbook
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.unit.simulator.worlds import a_run, a_setup, a_stage, a_surge, exactly, play_loads

if TYPE_CHECKING:
    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.simulator.stage import Run

SETUP = a_setup()
QUICKSTEP = Quickstep(SETUP)
GUARDS = {"capacity on its way", "rising trend", "would flap", "deployment"}


def seconds(run: Run, record: DecisionRecord) -> float:
    return (record.at - run.origin).total_seconds()


def guards(run: Run) -> set[str]:
    """Return the guards that have left a line in any trail."""
    lines = {
        step.guard for record in run.records if record.decision for step in record.decision.trail
    }
    return lines & GUARDS


def outcomes(run: Run) -> set[Outcome]:
    return {record.outcome for record in run.records}


def test_a_surge_is_answered_by_the_alarms_event_within_a_second_or_so() -> None:
    run = a_run(QUICKSTEP, a_surge(10))
    first = next(record for record in run.records if record.outcome is Outcome.SCALED_OUT)
    assert first.look.event
    assert first.alarm_to_update is not None
    assert 0.05 < first.alarm_to_update.total_seconds() < 2
    assert 60 < run.actions[0].at < 60 + 10 + 5 + 10 + 2


def test_in_a_sustained_breach_it_looks_again_every_10_s() -> None:
    run = a_run(QUICKSTEP, a_surge(10))
    looks = [seconds(run, r) for r in run.records if r.look.cause.kind == "re-check"]
    breach = [at for at in looks if 60 < at < 150]
    assert len(breach) >= 5
    assert all(10 <= later - earlier < 13 for earlier, later in pairwise(breach))


def test_every_change_is_a_decision_with_its_reason() -> None:
    run = a_run(QUICKSTEP, a_surge(10, during=200, after=400))
    changed = [record for record in run.records if record.outcome.changes_capacity]
    assert {action.after > action.before for action in run.actions} == {True, False}
    assert [action.why for action in run.actions] == [record.reason for record in changed]
    assert [action.at for action in run.actions] == pytest.approx(
        [seconds(run, record) for record in changed]
    )


def test_its_heartbeat_looks_at_the_target_and_corrects_what_is_out_of_bounds() -> None:
    setup = a_setup(MinCapacity=5)
    stage = a_stage(5)
    Quickstep(setup).start(stage)
    play_loads(stage, [50] * 200)
    assert not stage.actions

    stage.fleet.set_desired(3, stage.now)  # by someone else
    play_loads(stage, [50] * 60)

    ((corrected, outcome),) = [(r.look.cause.kind, r.outcome) for r in stage.records[-1:]]
    assert (corrected, outcome) == ("heartbeat", Outcome.SCALED_OUT)
    assert stage.fleet.desired == 5


def test_it_holds_while_capacity_is_on_its_way() -> None:
    runs = [a_run(QUICKSTEP, a_surge(3), seed=seed) for seed in range(5)]
    held = [run for run in runs if Outcome.HELD_CAPACITY_ON_ITS_WAY in outcomes(run)]
    assert len(held) >= 3
    assert set.union(*map(guards, runs)) == {"capacity on its way"}, "a step is no ramp"


def test_a_ramp_is_expected_to_go_on() -> None:
    ramp = Traffic("ramp", tuple(120.0 + 8 * max(0, second - 60) for second in range(180)))
    assert "rising trend" in guards(a_run(QUICKSTEP, ramp))


def test_the_textbook_policy_is_the_same_without_guards() -> None:
    bare = textbook(SETUP)
    mine, without = a_run(QUICKSTEP, a_surge(3)), a_run(bare, a_surge(3))
    assert guards(without) == set()
    assert bare.name == "textbook"
    assert without.actions[0].at == mine.actions[0].at
    assert max(without.desired) > max(mine.desired)


def test_textbook_leaves_the_document_that_it_is_given_as_it_is() -> None:
    textbook(SETUP)
    assert SETUP.target.guards == frozenset(Guard)


def test_it_scales_in_again_to_the_minimum_and_not_below() -> None:
    run = a_run(QUICKSTEP, Traffic("down", (700.0,) * 60 + (20.0,) * 600), tasks=8)
    assert run.desired[0] == 8
    assert run.desired[-1] == SETUP.target.min_capacity == 2
    assert all(action.after < action.before for action in run.actions)


def test_it_adds_no_more_than_the_maximum() -> None:
    run = a_run(Quickstep(a_setup(MaxCapacity=5)), a_surge(30))
    assert max(run.desired) == 5


def test_in_an_outage_it_changes_nothing_and_goes_on_when_data_comes_back() -> None:
    world = World(outages=((50, 300),))
    run = a_run(QUICKSTEP, a_surge(10, during=600), world=world)
    assert run.actions
    assert run.actions[0].at > 300
    assert run.actions[0].at < 330


def test_a_dry_run_changes_nothing_and_says_what_it_would_do() -> None:
    run = a_run(Quickstep(a_setup(DryRun=True)), a_surge(10))
    assert not run.actions
    assert set(run.desired) == {2}
    assert Outcome.WOULD_SCALE in outcomes(run)


def test_an_invocation_takes_the_time_from_the_alarm_until_ecs_has_accepted() -> None:
    world = World(event=exactly(2), call=exactly(3), cold_share=1.0, cold_start=exactly(4))
    run = a_run(QUICKSTEP, a_surge(10), world=world)
    took = [
        (record.at - record.look.event.at).total_seconds()
        for record in run.records
        if record.look.event
    ]
    assert took == pytest.approx([2 + 3 + 4] * len(took), abs=0.01)
    assert len(took) >= 3
