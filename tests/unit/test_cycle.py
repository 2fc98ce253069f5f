"""The cycle over its ports: what is called, what is recorded, and what is remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Direction,
    Pause,
    ScalingActivity,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.naming import ServiceName
from quickstep.ports import CallFailedError, LeaseLostError
from quickstep.records import Memory, SeenTransition
from tests.builders import HIGH, LOW, NOW, WEB, a_document, a_transition, ago, firing
from tests.fakes import World

if TYPE_CHECKING:
    from collections.abc import Callable

_A = TypeVar("_A")
_B = TypeVar("_B")


@pytest.fixture
def world() -> World:
    return World()


def remember(world: World, memory: Memory) -> None:
    world.targets.items[WEB.resource_id].memory = memory


# --- the rounds -----------------------------------------------------------------------------------


def test_a_breach_is_answered_with_one_describe_and_one_update(world: World) -> None:
    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert world.services.calls == ["DescribeServices", "UpdateService 6"]
    assert world.targets.records == [record]


def test_a_hold_calls_nothing_but_describe(world: World) -> None:
    world.cycle.on_alarm(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,))))

    assert world.services.calls == ["DescribeServices"]


def test_the_latency_is_counted_from_the_alarm_s_own_timestamp(world: World) -> None:
    world.services.on_update = lambda: world.clock.advance(0.15)

    record = world.cycle.on_alarm(a_transition(at=ago(0.2)))

    assert record.alarm_to_update_ms == 350


def test_what_was_decided_is_remembered_and_the_lease_released(world: World) -> None:
    world.services.on_update = lambda: world.clock.advance(0.15)

    world.cycle.on_alarm(a_transition(at=ago(0.2)))

    assert world.memory == Memory(
        state=State(scale_out=ScalingActivity(NOW, 4, 6)),
        alarms={HIGH: SeenTransition(AlarmState.ALARM, ago(0.2))},
        changed_at=NOW + timedelta(seconds=0.15),
    )
    assert world.targets.items[WEB.resource_id].lease is None


def test_the_claim_and_the_description_run_at_the_same_time(world: World) -> None:
    rounds: list[int] = []

    def together(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        described = second()  # before the claim: neither may wait for the other
        rounds.append(1)
        return first(), described

    record = replace(world.cycle, together=together).on_alarm(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert rounds == [1]


# --- stories --------------------------------------------------------------------------------------


def test_a_surge_its_cooldown_and_its_end(world: World) -> None:
    surge = a_transition(alarm=firing(250.0), at=ago(0.2))
    assert world.cycle.on_alarm(surge).outcome is Outcome.SCALED_OUT
    assert world.desired == 8

    world.clock.advance(5)
    blip = a_transition(alarm=firing(120.0), at=world.clock.now)
    assert world.cycle.on_alarm(blip).outcome is Outcome.HELD_COOLDOWN
    assert world.desired == 8

    world.clock.advance(20)
    over = a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,)), at=world.clock.now)
    assert world.cycle.on_alarm(over).outcome is Outcome.HELD_NOT_BREACHING

    world.clock.advance(60)
    quiet = a_transition(LOW, firing(10.0, threshold=30), at=world.clock.now)
    assert world.cycle.on_alarm(quiet).outcome is Outcome.SCALED_IN
    assert world.desired == 7

    assert [record.outcome for record in world.targets.records] == [
        Outcome.SCALED_OUT,
        Outcome.HELD_COOLDOWN,
        Outcome.HELD_NOT_BREACHING,
        Outcome.SCALED_IN,
    ]


def test_a_scale_in_alarm_is_held_while_the_scale_out_alarm_is_remembered_as_blind(
    world: World,
) -> None:
    blind = a_transition(alarm=Alarm(AlarmState.INSUFFICIENT_DATA, 100))
    world.cycle.on_alarm(blind)

    record = world.cycle.on_alarm(a_transition(LOW, firing(10.0, threshold=30)))

    assert record.outcome is Outcome.HELD_NO_DATA
    assert world.desired == 4


def test_an_alarm_of_a_policy_that_is_gone_from_the_document_holds_nothing(world: World) -> None:
    remember(world, Memory(alarms={"old-policy": SeenTransition(AlarmState.ALARM, ago(600))}))

    record = world.cycle.on_alarm(a_transition(LOW, firing(10.0, threshold=30)))

    assert record.outcome is Outcome.SCALED_IN


# --- duplicates, late and concurrent events -------------------------------------------------------


def test_the_same_transition_delivered_twice_changes_capacity_once(world: World) -> None:
    world.cycle.on_alarm(a_transition())

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.IGNORED_DUPLICATE
    assert world.desired == 6
    assert world.targets.items[WEB.resource_id].lease is None


def test_a_transition_that_arrives_after_a_newer_one_is_ignored(world: World) -> None:
    world.cycle.on_alarm(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,)), at=ago(1)))

    record = world.cycle.on_alarm(a_transition(at=ago(11)))

    assert record.outcome is Outcome.IGNORED_STALE
    assert world.desired == 4
    assert world.memory.alarms[HIGH].state is AlarmState.OK


def test_transitions_of_different_alarms_do_not_outdate_each_other(world: World) -> None:
    world.cycle.on_alarm(a_transition(LOW, Alarm(AlarmState.OK, 30, (60.0,)), at=ago(1)))

    assert world.cycle.on_alarm(a_transition(at=ago(11))).outcome is Outcome.SCALED_OUT


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        pytest.param(60, Outcome.SCALED_OUT, id="a minute old: acted on"),
        pytest.param(60.5, Outcome.HELD_NO_DATA, id="older: its datapoints are not trusted"),
    ],
)
def test_an_old_event(world: World, age: float, outcome: Outcome) -> None:
    record = world.cycle.on_alarm(a_transition(at=ago(age)))

    assert record.outcome is outcome


def test_the_state_of_a_late_event_is_remembered_all_the_same(world: World) -> None:
    world.cycle.on_alarm(a_transition(at=ago(75)))

    assert world.memory.alarms[HIGH] == SeenTransition(AlarmState.ALARM, ago(75))


def test_losing_the_race_is_recorded_and_touches_nothing(world: World) -> None:
    other = world.targets.claim(WEB.resource_id, "other", NOW, NOW + timedelta(seconds=15))
    assert isinstance(other, Memory)

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.LOST_RACE
    assert "other holds it until 10:00:27" in record.reason
    assert world.desired == 4
    assert world.targets.records == [record]
    assert world.memory == Memory(), "so that the transition counts when it comes again"


def test_an_expired_lease_is_taken_over(world: World) -> None:
    world.targets.claim(WEB.resource_id, "dead", ago(20), ago(5))

    assert world.cycle.on_alarm(a_transition()).outcome is Outcome.SCALED_OUT


def test_a_description_older_than_the_last_change_is_repeated(world: World) -> None:
    remember(world, Memory(changed_at=NOW))

    world.cycle.on_alarm(a_transition())

    assert world.services.calls == ["DescribeServices", "DescribeServices", "UpdateService 6"]


def test_the_repeated_description_is_the_one_that_counts(world: World) -> None:
    remember(world, Memory(changed_at=NOW))

    def together(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        described = second()
        world.services.services[WEB] = Service(9, 4, 5)  # the change that was just committed
        return first(), described

    record = replace(world.cycle, together=together).on_alarm(a_transition())

    assert record.decision is not None
    assert (record.decision.before, world.desired) == (9, 11)


def test_a_commit_after_the_lease_was_lost_is_an_error_and_no_record(world: World) -> None:
    def stolen() -> None:
        world.clock.advance(20)
        now = world.clock.now
        world.targets.claim(WEB.resource_id, "thief", now, now + timedelta(seconds=15))

    world.services.on_update = stolen

    with pytest.raises(LeaseLostError):
        world.cycle.on_alarm(a_transition())
    assert world.targets.records == []


# --- failures -------------------------------------------------------------------------------------

FAILURES = [
    Outcome.FAILED_THROTTLED,
    Outcome.FAILED_NOT_FOUND,
    Outcome.FAILED_DENIED,
    Outcome.FAILED_OTHER,
]


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_description_that_fails_is_recorded_and_nothing_is_updated(
    world: World, outcome: Outcome
) -> None:
    world.services.failures["DescribeServices"].append(CallFailedError(outcome, "because"))

    record = world.cycle.on_alarm(a_transition())

    assert (record.outcome, world.services.calls) == (outcome, ["DescribeServices"])
    assert world.targets.records == [record]
    assert world.targets.items[WEB.resource_id].lease is None


@pytest.mark.parametrize("outcome", FAILURES)
def test_an_update_that_fails_starts_no_cooldown_and_can_be_answered_again(
    world: World, outcome: Outcome
) -> None:
    world.services.failures["UpdateService"].append(CallFailedError(outcome, "because"))

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is outcome
    assert record.alarm_to_update_ms is None
    assert record.decision is not None
    assert record.decision.granted == 6, "what would have been done is on record"
    assert world.memory == Memory()

    assert world.cycle.on_alarm(a_transition()).outcome is Outcome.SCALED_OUT


def test_an_event_for_a_target_without_a_document_is_recorded_and_calls_nothing(
    world: World,
) -> None:
    record = world.cycle.on_alarm(a_transition(service=ServiceName("prod", "nowhere")))

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "/quickstep/prod/nowhere: is missing" in record.reason
    assert world.services.calls == []
    assert world.targets.records == [record]


def test_a_document_that_breaks_a_rule_is_recorded_and_calls_nothing(world: World) -> None:
    world.policies.documents[WEB.parameter] = json.dumps(a_document(MinCapacity=50))

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "MaxCapacity: must be at least MinCapacity (50), not 40" in record.reason
    assert world.services.calls == []


def test_an_alarm_without_a_policy_in_the_document_is_recorded_and_calls_nothing(
    world: World,
) -> None:
    record = world.cycle.on_alarm(a_transition("high-latency"))

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "has no policy high-latency" in record.reason
    assert "it has high-request-rate, low-request-rate" in record.reason
    assert world.services.calls == []


def test_a_service_that_does_not_exist_is_recorded(world: World) -> None:
    del world.services.services[WEB]

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.FAILED_NOT_FOUND
    assert world.services.calls == ["DescribeServices"]


def test_what_is_unexpected_is_not_swallowed(world: World) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    world.services.on_update = broken

    with pytest.raises(ZeroDivisionError):
        world.cycle.on_alarm(a_transition())


# --- dry run, pause -------------------------------------------------------------------------------


def test_a_dry_run_calls_no_update_and_starts_no_cooldown(world: World) -> None:
    world.policies.documents[WEB.parameter] = json.dumps(a_document(DryRun=True))

    record = world.cycle.on_alarm(a_transition())

    assert record.outcome is Outcome.WOULD_SCALE
    assert world.services.calls == ["DescribeServices"]
    assert world.memory.state == State()


def test_a_pause_in_the_target_s_item_holds(world: World) -> None:
    remember(world, Memory(state=State(pause=Pause(frozenset({Direction.OUT})))))

    assert world.cycle.on_alarm(a_transition()).outcome is Outcome.HELD_PAUSED
    assert world.services.calls == ["DescribeServices"]


# --- the record -----------------------------------------------------------------------------------


def test_a_record_says_what_was_seen_what_was_done_and_why(world: World) -> None:
    record = world.cycle.on_alarm(a_transition()).as_dict()

    assert record == {
        "id": "decision-1",
        "at": "2026-11-22T10:00:12.500Z",
        "resource_id": "service/prod/web",
        "outcome": "SCALED_OUT",
        "reason": "Scaled out from 4 to 6: high-request-rate: 160 is 60 above the threshold 100: "
        "step [50, 100) adds 2",
        "alarm": {
            "name": "quickstep/prod/web/high-request-rate",
            "state": "ALARM",
            "at": "2026-11-22T10:00:12.300Z",
            "threshold": 100,
            "datapoints": [160.0],
        },
        "service": {
            "desired": 4,
            "running": 4,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarm_to_update_ms": 200,
        "from": 4,
        "wanted": 6,
        "granted": 6,
        "trail": [
            {
                "guard": "steps",
                "before": 4,
                "after": 6,
                "why": "high-request-rate: 160 is 60 above the threshold 100: step [50, 100) "
                "adds 2",
            },
            {"guard": "bounds", "before": 6, "after": 6, "why": "within the policy's 2 to 40"},
        ],
        "next_check_in": 10,
    }
    json.dumps(record)


def test_a_refused_change_is_recorded_as_the_failure_it_is(world: World) -> None:
    throttled = CallFailedError(Outcome.FAILED_THROTTLED, "UpdateService: ThrottlingException")
    world.services.failures["UpdateService"].append(throttled)

    record = world.cycle.on_alarm(a_transition()).as_dict()

    assert record["outcome"] == "FAILED_THROTTLED"
    assert record["reason"] == "Failed, AWS throttled the call: UpdateService: ThrottlingException"
    assert (record["from"], record["granted"]) == (4, 6)
