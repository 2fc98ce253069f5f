"""What the cycle makes of the counts that ECS shows, and of changes that were never answered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.decide import decide
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Direction,
    Override,
    Pause,
    ScalingActivity,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.loop import cycle
from quickstep.loop.cycle import LEASE
from quickstep.protocol.counts import CLOCKS, LATE, STALE, Count, Counts
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Recheck, Request
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory.table import ITEM_BYTES
from tests.builders import (
    HIGH,
    LOW,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_transition,
    ago,
    firing,
    known,
    points,
)
from tests.fakes import World
from tests.unit.test_cycle import beat, in_breach, quiet, rechecked

if TYPE_CHECKING:
    from quickstep.engine.model import Decision


@pytest.fixture
def world() -> World:
    return World()


# --- a change of which nobody has heard ----------------------------------------------------------

OVER = Alarm(AlarmState.OK, 100, (60.0,))


def unanswered(world: World, *, made: bool) -> None:
    """Ask for 6 tasks instead of 4 as an evaluation does that dies before it hears of them."""

    def die() -> None:
        raise SystemExit

    world.after["UpdateService" if made else "ask"] = die
    with pytest.raises(SystemExit):
        world.evaluate(a_transition())
    world.after.clear()
    world.clock.advance(20)
    assert world.desired == (6 if made else 4)
    assert world.memory.counts == Counts(4, Count(6, NOW))


def test_a_change_whose_author_died_is_adopted_with_its_cooldown(world: World) -> None:
    unanswered(world, made=True)

    world.evaluate(a_transition(alarm=OVER, at=world.clock.now))

    recovered, own = world.targets.records
    assert (recovered.outcome, own.outcome) == (Outcome.RECOVERED, Outcome.HELD_NOT_BREACHING)
    assert recovered.reason == (
        "Recovered an unfinished change: ECS had not confirmed the 6 tasks asked for at "
        "10:00:12 UTC"
    )
    assert world.memory.state.scale_out == ScalingActivity(NOW, 4, 6)
    assert (world.memory.desired, world.memory.counts.asked) == (6, None)


def test_an_adopted_change_is_committed_before_another_one_is_made(world: World) -> None:
    unanswered(world, made=True)

    def die() -> None:
        raise SystemExit

    world.after["UpdateService"] = die
    with pytest.raises(SystemExit):
        world.evaluate(a_transition(alarm=firing(250.0), at=world.clock.now))

    (recovered,) = world.targets.records
    assert recovered.outcome is Outcome.RECOVERED
    assert world.memory.counts.committed == 6
    assert world.memory.counts.asked == Count(10, world.clock.now)


def test_a_change_that_was_never_made_is_asked_for_again_while_its_breach_lasts(
    world: World,
) -> None:
    unanswered(world, made=False)

    record = beat(world, high=known())  # without a newer datapoint

    assert record is not None
    assert (record.outcome, world.desired) == (Outcome.RECOVERED, 6)
    assert record.reason == (
        "Recovered an unfinished change: the answer to an earlier request for 6 tasks was lost"
    )
    assert (world.memory.desired, world.memory.state.scale_out) == (6, ScalingActivity(NOW, 4, 6))


def test_nor_is_it_repeated_once_its_breach_is_over(world: World) -> None:
    unanswered(world, made=False)

    record = world.evaluate(a_transition(alarm=OVER, at=world.clock.now))

    assert (record.outcome, world.desired) == (Outcome.HELD_NOT_BREACHING, 4)
    assert world.memory.counts.asked == Count(6, NOW), "it may still be carried out"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"pause": Pause(frozenset(Direction))}, Outcome.HELD_PAUSED, id="paused"),
        pytest.param({"override": Override(None, 4)}, Outcome.RECOVERED, id="at a new maximum"),
    ],
)
def test_nor_against_what_is_in_force_now(
    world: World, changes: dict[str, Any], outcome: Outcome
) -> None:
    unanswered(world, made=False)
    item = world.targets.items[WEB.resource_id]
    item.memory = replace(item.memory, state=replace(item.memory.state, **changes))

    world.evaluate(a_transition(alarm=firing(160.0), at=world.clock.now))

    assert (world.desired, outcome in [r.outcome for r in world.targets.records]) == (4, True)


def test_a_scale_out_sends_no_less_than_may_be_on_its_way(world: World) -> None:
    unanswered(world, made=False)

    record = world.evaluate(a_transition(alarm=firing(110.0), at=world.clock.now))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 6)


def test_an_operator_s_wish_is_not_raised_by_it(world: World) -> None:
    unanswered(world, made=False)

    record = world.evaluate(Request(WEB, "r-1", world.clock.now, "by hand", 5))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 5)


def test_a_removal_without_an_answer_is_not_repeated_in_a_surge(world: World) -> None:
    world.remember(Memory(counts=Counts(8, Count(6, ago(5)))))
    world.services[WEB] = Service(8, 8, 0)

    record = world.evaluate(a_transition(alarm=firing(110.0)))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 9)
    assert world.memory.counts.late == (Count(6, ago(5)),)


def test_a_removal_that_is_carried_out_in_a_surge_is_undone_at_once(world: World) -> None:
    world.remember(in_breach(counts=Counts(12, late=(Count(6, ago(30)),))))
    world.services[WEB] = Service(6, 12, 0)

    record = rechecked(world)

    assert (record.outcome, world.desired) == (Outcome.RECOVERED, 12)


def test_an_unanswered_change_is_looked_after_within_seconds(world: World) -> None:
    world.failures["UpdateService"] += [CallFailedError(Outcome.FAILED_OTHER, "time-out")] * 3

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.FAILED_OTHER
    assert world.next_recheck() == (Recheck(WEB, 1, 1), 2)
    assert world.targets.items[WEB.resource_id].lease is None
    assert world.memory.counts == Counts(4, Count(6, NOW))


LATENCY = "high-latency"

# --- what ECS shows -------------------------------------------------------------------------------


def shows(world: World, number: int) -> None:
    world.services[WEB] = Service(number, number, 0)


def test_an_old_answer_makes_no_scale_out_remove_tasks(world: World) -> None:
    """Two alarms 0.4 s apart, the second description is old."""
    document = a_document(Guards={"CapacityOnItsWay": False})
    policies = document["ScaleOutPolicies"]
    policies[LATENCY] = {**policies[HIGH], "Cooldown": 0}
    world.documents[WEB.parameter] = json.dumps(document)
    world.evaluate(a_transition(alarm=firing(250.0)))
    shows(world, 4)
    world.clock.advance(0.4)

    record = world.evaluate(a_transition(LATENCY, firing(160.0), at=world.clock.now))

    assert record.decision is not None
    assert (record.decision.before, world.calls[-1]) == (8, "UpdateService 10")


@pytest.mark.parametrize("skew", [-2.0, 0.0, 2.0, 3_600.0])
def test_an_old_answer_is_recognized_by_its_number_whatever_the_clocks_say(
    world: World, skew: float
) -> None:
    world.remember(Memory(counts=Counts(8, replaced=(Count(4, ago(-skew)),))))

    world.evaluate(a_transition(alarm=firing(110.0)))

    assert world.calls == ["DescribeServices", "UpdateService 9"]


def test_a_number_of_before_is_somebody_s_once_no_answer_can_be_that_old(world: World) -> None:
    world.remember(Memory(counts=Counts(8, replaced=(Count(4, NOW - STALE - CLOCKS * 2),))))

    record = world.evaluate(a_transition(alarm=firing(110.0)))

    foreign, own = world.targets.records
    assert foreign.outcome is Outcome.FOREIGN_CHANGE
    assert foreign.reason == (
        "Changed from 8 to 4 tasks outside Quickstep: an operator, a deployment or another tool "
        "set it; Quickstep counts from there"
    )
    assert own == record
    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 5)


def test_a_late_call_of_ours_is_undone_for_two_minutes(world: World) -> None:
    world.remember(quiet_at(8, late=(Count(6, NOW - LATE),)))
    shows(world, 6)

    record = world.evaluate(a_transition(alarm=OVER))

    assert (record.outcome, world.desired) == (Outcome.RECOVERED, 8)


def test_and_after_them_it_is_somebody_s(world: World) -> None:
    world.remember(quiet_at(8, late=(Count(6, NOW - LATE - CLOCKS * 2),)))
    shows(world, 6)

    world.evaluate(a_transition(alarm=OVER))

    assert (world.memory.desired, world.desired) == (6, 6)


def quiet_at(number: int, **others: Any) -> Memory:
    return replace(quiet(), counts=Counts(number, **others))


def test_the_heartbeat_sees_a_foreign_hand_and_leaves_its_number(world: World) -> None:
    world.remember(quiet_at(6))
    shows(world, 30)

    record = beat(world, high=known(AlarmState.OK, 600))

    assert record is not None
    assert [r.outcome for r in world.targets.records] == [
        Outcome.FOREIGN_CHANGE,
        Outcome.HELD_NOT_BREACHING,
    ]
    assert (world.memory.desired, world.desired) == (30, 30)
    assert beat(world, high=known(AlarmState.OK, 600)) is None


@pytest.mark.parametrize("outcome", [Outcome.SCALED_OUT, Outcome.SCALED_IN])
def test_a_number_that_must_not_be_sent_is_recorded_and_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    """Nothing asks for one: here the engine is made to."""
    wrong = 3 if outcome is Outcome.SCALED_OUT else 5

    def decide_wrongly(*arguments: Any) -> Decision:
        return replace(decide(*arguments), outcome=outcome, granted=wrong)

    monkeypatch.setattr(cycle, "decide", decide_wrongly)

    record = world.evaluate(a_transition())

    assert (record.outcome, world.desired) == (Outcome.FAILED_OTHER, 4)
    assert f"{wrong} would be a scale-" in record.reason


def test_a_change_that_cannot_be_remembered_is_not_made_and_said_loudly(world: World) -> None:
    world.targets.items[WEB.resource_id].entries = {"override": {"reason": "x" * ITEM_BYTES}}

    record = world.evaluate(a_transition())

    assert (record.outcome, world.desired) == (Outcome.FAILED_OTHER, 4)
    assert "has no room" in record.reason
    assert world.targets.records == [record]


# --- the clock of another host --------------------------------------------------------------------

HOUR = timedelta(hours=1)


def test_a_cooldown_of_an_hour_ahead_holds_no_longer_than_a_cooldown(world: World) -> None:
    ahead = ScalingActivity(NOW + HOUR, 4, 6)
    world.remember(Memory(state=State(scale_out=ahead, scale_in=ahead), counts=Counts(4)))
    world.evaluate(a_transition(alarm=OVER))
    world.clock.advance(31)

    record = world.evaluate(a_transition(LOW, firing(10.0, threshold=30), at=world.clock.now))

    assert record.outcome is Outcome.SCALED_IN


def test_a_lease_of_an_hour_ahead_holds_no_longer_than_a_lease(world: World) -> None:
    world.targets.claim(WEB.resource_id, a_lease("ahead", NOW + HOUR))

    assert world.evaluate(a_transition()).outcome is Outcome.LOST_RACE
    world.clock.advance(LEASE.total_seconds())
    assert world.evaluate(a_transition()).outcome is Outcome.SCALED_OUT


def test_a_re_check_of_an_hour_ahead_is_no_chain(world: World) -> None:
    world.remember(in_breach(check_at=NOW + HOUR))
    world.points[HIGH] = points(160.0)

    beat(world, high=known())

    assert world.desired == 6


def test_the_heartbeat_finds_a_holder_that_died(world: World) -> None:
    unanswered(world, made=True)

    assert beat(world) is not None
    assert world.targets.records[0].outcome is Outcome.RECOVERED


def test_where_even_the_description_fails_the_change_is_found_by_the_next_look(
    world: World,
) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(160.0)

    def done_but_unanswered() -> None:
        world.failures["DescribeServices"].append(CallFailedError(Outcome.FAILED_OTHER, "no"))
        world.failures["UpdateService"].append(CallFailedError(Outcome.FAILED_DENIED, "no"))
        raise CallFailedError(Outcome.FAILED_OTHER, "UpdateService: no")

    world.after["UpdateService"] = done_but_unanswered
    assert rechecked(world).outcome is Outcome.FAILED_DENIED
    world.after.clear()
    recheck, _ = world.next_recheck()

    world.evaluate(recheck)

    recovered = next(r for r in world.targets.records if r.outcome is Outcome.RECOVERED)
    assert recovered.reason == (
        "Recovered an unfinished change: ECS had not confirmed the 6 tasks asked for at "
        "10:00:12 UTC"
    )
    assert world.memory.state.scale_out == ScalingActivity(NOW, 4, 6)
