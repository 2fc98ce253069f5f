"""The cycle over its ports: what is called, what is recorded, and what is remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from quickstep.alarms.definition import event_definition
from quickstep.alarms.event import AlarmEvent, read_event
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Datapoint,
    Direction,
    Guard,
    Launch,
    Override,
    Pause,
    ScalingActivity,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.line import SCALE_IN, Lane, Turn
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Heartbeat, Heartbeats, Message, Recheck, write_message
from quickstep.protocol.ports import CallFailedError, LeaseLostError
from tests.builders import (
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_look,
    a_transition,
    ago,
    firing,
    known,
    load_event,
    points,
)
from tests.fakes import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.protocol.records import DecisionRecord

_A = TypeVar("_A")
_B = TypeVar("_B")


@pytest.fixture
def world() -> World:
    return World()


def in_breach(generation: int = 7, **changes: Any) -> Memory:
    """Return the memory of a target whose high alarm is in ALARM, with a re-check due now."""
    memory = Memory(alarms={HIGH: known()}, counts=Counts(4), generation=generation, check_at=NOW)
    return replace(memory, **changes)


CALM_HIGH = {HIGH: known(AlarmState.OK, 600)}


def rechecked(world: World, **changes: Any) -> DecisionRecord:
    return world.evaluate(replace(Recheck(WEB, 7), **changes))


def beat(world: World, **alarms: KnownAlarm) -> DecisionRecord | None:
    names = {"high": HIGH, "low": LOW}
    return looked_at(world, Heartbeat(WEB, {names[name]: alarm for name, alarm in alarms.items()}))


def looked_at(world: World, heartbeat: Heartbeat) -> DecisionRecord | None:
    """Return the record of a look, if it has found something."""
    message = Message(Heartbeats((heartbeat,)))
    records = world.door.on_message(json.dumps(write_message(message)))
    return records[-1] if records else None


# --- the rounds -----------------------------------------------------------------------------------


def test_a_breach_is_answered_with_one_describe_and_one_update(world: World) -> None:
    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert world.calls == ["DescribeServices", "UpdateService 6"]
    assert world.targets.records == [record]


def test_a_hold_calls_nothing_but_describe(world: World) -> None:
    world.evaluate(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,))))

    assert world.calls == ["DescribeServices"]


def test_the_latency_is_counted_from_the_alarm_s_own_timestamp(world: World) -> None:
    world.after["UpdateService"] = lambda: world.clock.advance(0.15)

    record = world.evaluate(a_transition(at=ago(0.2)))

    assert record.alarm_to_update == timedelta(seconds=0.35)


def test_what_was_decided_is_remembered_and_the_lease_released(world: World) -> None:
    world.after["UpdateService"] = lambda: world.clock.advance(0.15)

    world.evaluate(a_transition(at=ago(0.2)))

    assert world.memory == Memory(
        state=State(ScalingActivity(NOW, 4, 6), launches=(Launch(NOW, 2, 4),)),
        alarms={HIGH: KnownAlarm(AlarmState.ALARM, ago(0.2))},
        counts=Counts(6, replaced=(Count(4, NOW + timedelta(seconds=0.15)),)),
        generation=1,
        listed=True,
    )
    assert world.targets.items[WEB.resource_id].lease is None


def test_the_claim_the_description_and_the_load_before_run_at_the_same_time(world: World) -> None:
    rounds: list[int] = []

    def together(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        other = second()  # in the other order: neither may wait for the other
        rounds.append(1)
        return first(), other

    def described_before_the_claim() -> None:
        assert world.targets.items[WEB.resource_id].lease is None
        assert world.reads == [(HIGH,)], "read before it is described"

    world.after["DescribeServices"] = described_before_the_claim
    cycle = replace(world.cycle, together=together)
    (record,) = cycle.evaluate(a_look(with_metrics(a_transition())))

    assert record.outcome is Outcome.SCALED_OUT
    assert len(rounds) == 3, "claim, description and the load before; then commit and next check"


# --- stories --------------------------------------------------------------------------------------


def test_a_surge_its_cooldown_and_its_end(world: World) -> None:
    surge = a_transition(alarm=firing(250.0), at=ago(0.2))
    assert world.evaluate(surge).outcome is Outcome.SCALED_OUT
    assert world.desired == 8

    world.clock.advance(5)
    blip = a_transition(alarm=firing(120.0), at=world.clock.now)
    assert world.evaluate(blip).outcome is Outcome.HELD_COOLDOWN
    assert world.desired == 8

    world.clock.advance(20)
    over = a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,)), at=world.clock.now)
    assert world.evaluate(over).outcome is Outcome.HELD_NOT_BREACHING

    world.clock.advance(60)
    quiet = a_transition(LOW, firing(10.0, threshold=30), at=world.clock.now)
    assert world.evaluate(quiet).outcome is Outcome.SCALED_IN
    assert world.desired == 7

    assert [record.outcome for record in world.targets.records] == [
        Outcome.SCALED_OUT,
        Outcome.HELD_COOLDOWN,
        Outcome.HELD_NOT_BREACHING,
        Outcome.SCALED_IN,
    ]


def test_a_fleet_of_exact_numbers_goes_down_while_its_scale_out_alarm_fires(world: World) -> None:
    """No alarm changes its state as the backlog falls: the re-checks see it, once a datapoint."""
    bounds = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    steps = ((0, 5, 1), (5, 15, 2), (15, None, 4))
    body = {
        "AdjustmentType": "ExactCapacity",
        "Cooldown": 10,
        "StepAdjustments": [dict(zip(bounds, step, strict=True)) for step in steps],
    }
    policies = {"ScaleOutPolicies": {"jobs": body}, "ScaleInPolicies": {"jobs-in": body}}
    world.documents[WEB.parameter] = json.dumps(a_document(MinCapacity=0, **policies))
    fires = known(definition=replace(DEFINITION, threshold=0.5))
    alarms = {"jobs": fires, "jobs-in": fires}
    world.services[WEB] = Service(1, 1, 0)
    world.remember(Memory(alarms=alarms, counts=Counts(1), generation=7, check_at=NOW))

    went = []
    for backlog in (40.0, 10.0, 10.0, 3.0):
        newest = world.clock.now - timedelta(seconds=12.5)
        world.points = {key: [Datapoint(newest, backlog)] for key in alarms}
        recheck = Recheck(WEB, world.memory.generation)
        went.append((world.evaluate(recheck).outcome, world.desired))
        world.clock.advance(20)

    assert went == [
        (Outcome.SCALED_OUT, 4),
        (Outcome.SCALED_IN, 2),
        (Outcome.HELD_NOT_BREACHING, 2),
        (Outcome.SCALED_IN, 1),
    ]


def test_a_scale_in_alarm_is_held_while_the_scale_out_alarm_is_remembered_as_blind(
    world: World,
) -> None:
    blind = a_transition(alarm=Alarm(AlarmState.INSUFFICIENT_DATA, 100))
    world.evaluate(blind)

    record = world.evaluate(a_transition(LOW, firing(10.0, threshold=30)))

    assert record.outcome is Outcome.HELD_NO_DATA
    assert world.desired == 4


def test_an_alarm_of_a_policy_that_is_gone_from_the_document_holds_nothing(world: World) -> None:
    old = {"old-policy": known(seconds_ago=600), HIGH: known(AlarmState.OK, 600)}
    world.remember(Memory(alarms=old))

    record = world.evaluate(a_transition(LOW, firing(10.0, threshold=30)))

    assert record.outcome is Outcome.SCALED_IN


# --- duplicates, late and concurrent events -------------------------------------------------------


def test_the_same_transition_delivered_twice_changes_capacity_once(world: World) -> None:
    world.evaluate(a_transition())

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.IGNORED_DUPLICATE
    assert world.desired == 6
    assert world.targets.items[WEB.resource_id].lease is None


def test_a_transition_that_arrives_after_a_newer_one_is_ignored(world: World) -> None:
    world.evaluate(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,)), at=ago(1)))

    record = world.evaluate(a_transition(at=ago(11)))

    assert record.outcome is Outcome.IGNORED_STALE
    assert world.desired == 4
    assert world.memory.alarms[HIGH].state is AlarmState.OK


def test_transitions_of_different_alarms_do_not_outdate_each_other(world: World) -> None:
    world.evaluate(a_transition(LOW, Alarm(AlarmState.OK, 30, (60.0,)), at=ago(1)))

    assert world.evaluate(a_transition(at=ago(11))).outcome is Outcome.SCALED_OUT


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        pytest.param(60, Outcome.SCALED_OUT, id="a minute old: acted on"),
        pytest.param(60.5, Outcome.HELD_NO_DATA, id="older: its datapoints are not trusted"),
    ],
)
def test_an_old_event(world: World, age: float, outcome: Outcome) -> None:
    record = world.evaluate(a_transition(at=ago(age)))

    assert record.outcome is outcome


def test_the_state_of_a_late_event_is_remembered_all_the_same(world: World) -> None:
    world.evaluate(a_transition(at=ago(75)))

    assert world.memory.alarms[HIGH] == KnownAlarm(AlarmState.ALARM, ago(75))


def test_losing_the_race_is_recorded_and_touches_nothing(world: World) -> None:
    world.targets.claim(WEB.resource_id, a_lease("other"))

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.LOST_RACE
    assert record.reason == (
        "Left to another evaluation of the same target: other holds the lock until 10:00:27 UTC "
        "at the latest"
    )
    assert world.desired == 4
    assert world.targets.records == [record]
    assert world.memory == Memory(), "so that the transition counts when it comes again"


def test_an_expired_lease_is_taken_over(world: World) -> None:
    world.targets.claim(WEB.resource_id, a_lease("dead", ago(20)))

    assert world.evaluate(a_transition()).outcome is Outcome.SCALED_OUT


def test_a_commit_after_the_lease_was_lost_is_an_error_and_no_record(world: World) -> None:
    def stolen() -> None:
        world.clock.advance(20)
        world.targets.claim(WEB.resource_id, a_lease("thief", world.clock.now))

    world.after["UpdateService"] = stolen

    with pytest.raises(LeaseLostError):
        world.evaluate(a_transition())
    assert world.targets.records == []


# --- failures -------------------------------------------------------------------------------------

REFUSALS = [Outcome.FAILED_THROTTLED, Outcome.FAILED_NOT_FOUND, Outcome.FAILED_DENIED]
FAILURES = [*REFUSALS, Outcome.FAILED_OTHER]


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_description_that_fails_is_recorded_and_nothing_is_updated(
    world: World, outcome: Outcome
) -> None:
    world.failures["DescribeServices"].append(CallFailedError(outcome, "because"))

    record = world.evaluate(a_transition())

    assert (record.outcome, world.calls) == (outcome, ["DescribeServices"])
    assert world.targets.records == [record]
    assert world.targets.items[WEB.resource_id].lease is None


@pytest.mark.parametrize("outcome", REFUSALS)
def test_an_update_that_is_refused_starts_no_cooldown_and_spends_no_datapoint(
    world: World, outcome: Outcome
) -> None:
    world.failures["UpdateService"] += [CallFailedError(outcome, "because")] * 3

    record = world.evaluate(a_transition())

    assert record.outcome is outcome
    assert record.alarm_to_update is None
    assert record.decision is not None
    assert record.decision.granted == 6, "what would have been done is on record"
    assert world.memory.state == State()
    assert world.memory.alarms[HIGH].acted_on is None


def test_an_event_for_a_target_without_a_document_is_recorded_and_calls_nothing(
    world: World,
) -> None:
    record = world.evaluate(a_transition(service=ServiceName("prod", "nowhere")))

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "/quickstep/prod/nowhere: is missing" in record.reason
    assert world.calls == []
    assert world.targets.records == [record]


def test_a_document_that_breaks_a_rule_is_recorded_and_calls_nothing(world: World) -> None:
    world.documents[WEB.parameter] = json.dumps(a_document(MinCapacity=50))

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "MaxCapacity: must be at least MinCapacity (50), not 40" in record.reason
    assert world.calls == []


def test_an_alarm_without_a_policy_in_the_document_is_recorded_and_calls_nothing(
    world: World,
) -> None:
    record = world.evaluate(a_transition("high-latency"))

    assert record.outcome is Outcome.FAILED_CONFIG
    assert "has no policy high-latency" in record.reason
    assert "it has high-request-rate, low-request-rate" in record.reason
    assert world.calls == []


def test_a_service_that_does_not_exist_is_recorded(world: World) -> None:
    del world.services[WEB]

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.FAILED_NOT_FOUND
    assert world.calls == ["DescribeServices"]


def test_what_is_unexpected_is_not_swallowed(world: World) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    world.after["UpdateService"] = broken

    with pytest.raises(ZeroDivisionError):
        world.evaluate(a_transition())


# --- dry run, pause -------------------------------------------------------------------------------


def test_a_dry_run_calls_no_update_and_starts_no_cooldown(world: World) -> None:
    world.documents[WEB.parameter] = json.dumps(a_document(DryRun=True))

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.WOULD_SCALE
    assert world.calls == ["DescribeServices"]
    assert world.memory.state == State()


def test_a_pause_in_the_target_s_item_holds(world: World) -> None:
    world.remember(Memory(state=State(pause=Pause(frozenset({Direction.OUT})))))

    assert world.evaluate(a_transition()).outcome is Outcome.HELD_PAUSED
    assert world.calls == ["DescribeServices"]


# --- the record -----------------------------------------------------------------------------------


def test_a_record_says_what_was_seen_what_was_done_and_why(world: World) -> None:
    record = world.evaluate(a_transition()).as_dict

    assert record == {
        "id": "decision-1",
        "at": "2026-11-22T10:00:12.500Z",
        "resource_id": "service/prod/web",
        "outcome": "SCALED_OUT",
        "reason": "Scaled out from 4 to 6: high-request-rate is at 160, above its threshold of "
        "100: adds 2 tasks",
        "trigger": {
            "kind": "alarm",
            "alarm": "quickstep/prod/web/high-request-rate",
            "state": "ALARM",
            "at": "2026-11-22T10:00:12.300Z",
        },
        "alarms": {
            "high-request-rate": {
                "state": "ALARM",
                "threshold": 100,
                "datapoints": [160.0],
                "muted": False,
            }
        },
        "service": {
            "desired": 4,
            "running": 4,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarm_to_update_ms": 200,
        "waited_ms": None,
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
            {
                "guard": "bounds",
                "before": 6,
                "after": 6,
                "why": "within the policy's bounds of 2 to 40",
            },
        ],
        "next_check_in": 10,
    }
    json.dumps(record)


def test_a_refused_change_is_recorded_as_the_failure_it_is(world: World) -> None:
    failure = CallFailedError(Outcome.FAILED_THROTTLED, "UpdateService: ThrottlingException")
    world.failures["UpdateService"] += [failure] * 3

    record = world.evaluate(a_transition()).as_dict

    assert record["outcome"] == "FAILED_THROTTLED"
    assert record["reason"] == "Failed, AWS throttled the call: UpdateService: ThrottlingException"
    assert (record["from"], record["granted"]) == (4, 6)


# --- the chain of re-checks -----------------------------------------------------------------------


def with_metrics(transition: AlarmEvent) -> AlarmEvent:
    """Return a transition whose event shows what its alarm watches, as real ones do."""
    shown = read_event(load_event("alarm-high-step2"))
    return replace(transition, metrics=shown.metrics, newest=ago(12.5))


def test_a_breach_that_was_answered_is_looked_at_again(world: World) -> None:
    world.evaluate(with_metrics(a_transition()))

    assert world.next_recheck() == (Recheck(WEB, 1), 10)
    assert world.memory.generation == 1
    assert world.memory.check_at == NOW + timedelta(seconds=10)


def test_one_event_is_enough_for_a_surge_that_takes_many_steps(world: World) -> None:
    """The load is 1,300 requests a second; 4 tasks are to become 13 or more, 100 a task."""

    def load() -> float:
        return 1300 / world.desired

    event = a_transition(alarm=firing(load()), at=ago(0.2))
    world.evaluate(with_metrics(event))
    steps = [world.desired]
    for _ in range(60):
        recheck, delay = world.next_recheck()
        world.clock.advance(delay)
        newest = world.clock.now - timedelta(seconds=10)
        world.points[HIGH] = [Datapoint(newest, load())]
        sent = len(world.sent)
        world.cycle.evaluate(a_look(recheck))
        steps.append(world.desired)
        if len(world.sent) == sent:
            break

    assert steps[:4] == [8, 10, 11, 12]
    assert steps[-1] == 13, "100 a task: no breach any more"
    assert world.targets.records[-1].outcome is Outcome.HELD_NOT_BREACHING
    assert world.clock.now - NOW < timedelta(minutes=2)


def test_a_recheck_of_an_old_generation_is_dropped_without_a_trace(world: World) -> None:
    world.remember(in_breach(generation=8))

    assert world.cycle.evaluate(a_look(Recheck(WEB, 7))) == []
    assert world.targets.records == []
    assert world.memory == in_breach(generation=8)


def test_a_recheck_delivered_twice_counts_once(world: World) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(160.0)
    rechecked(world)

    assert world.cycle.evaluate(a_look(Recheck(WEB, 7))) == []
    assert world.desired == 6


def test_a_recheck_reads_all_alarms_in_alarm_in_one_call(world: World) -> None:
    memory = in_breach(alarms={HIGH: known(), LOW: known(definition=LOW_DEFINITION)})
    world.remember(memory)
    world.points = {HIGH: points(160.0), LOW: points(160.0)}

    record = rechecked(world)

    assert world.reads == [(HIGH, LOW)]
    assert record.outcome is Outcome.SCALED_OUT


def test_a_recheck_acts_on_the_newest_complete_datapoint(world: World) -> None:
    world.remember(in_breach())
    world.points[HIGH] = [*points(120.0, 160.0), *points(900.0, newest=2.5)]

    record = rechecked(world)

    assert record.alarms[HIGH].datapoints == (160.0,), "the period of 900 has not ended"
    assert world.memory.alarms[HIGH].acted_on == ago(12.5)


def test_no_datapoint_is_acted_on_twice(world: World) -> None:
    world.remember(in_breach(alarms={HIGH: known(acted_on=ago(12.5))}))
    world.points[HIGH] = points(160.0)

    record = rechecked(world)

    assert (record.outcome, world.desired) == (Outcome.HELD_ANSWERED, 4)
    assert record.reason == (
        "Kept 4 tasks until the next datapoint: high-request-rate is in ALARM, and its newest "
        "datapoint, of 10:00:00 UTC, was already acted on"
    )
    assert world.next_recheck() == (Recheck(WEB, 8, attempt=1), 8), "the next one ends at 10:00:20"


def test_looking_for_a_newer_datapoint_is_bounded(world: World) -> None:
    world.remember(in_breach(alarms={HIGH: known(acted_on=ago(12.5))}))
    world.points[HIGH] = points(160.0)

    rechecked(world, attempt=5)

    assert world.sent == []
    assert world.memory.check_at is None


def test_the_event_of_a_datapoint_that_was_acted_on_changes_nothing(world: World) -> None:
    world.remember(Memory(alarms={HIGH: known(seconds_ago=1, acted_on=ago(12.5))}))

    record = world.evaluate(with_metrics(a_transition()))

    assert (record.outcome, world.desired) == (Outcome.HELD_NO_DATA, 4)


def test_the_chain_ends_when_nothing_breaches_any_more(world: World) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(80.0)

    record = rechecked(world)

    assert record.outcome is Outcome.HELD_NOT_BREACHING
    assert world.sent == []
    assert (world.memory.generation, world.memory.check_at) == (8, None)


def test_the_chain_ends_with_the_alarm_s_ok(world: World) -> None:
    world.remember(in_breach())

    world.evaluate(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,))))

    assert world.sent == []
    assert world.cycle.evaluate(a_look(Recheck(WEB, 7))) == []


def test_the_chain_ends_at_the_maximum(world: World) -> None:
    world.remember(in_breach())
    world.services[WEB] = Service(40, 40, 0)
    world.points[HIGH] = points(160.0)

    assert rechecked(world).outcome is Outcome.HELD_AT_MAX
    assert world.sent == []


def test_m_of_n_datapoints_must_breach(world: World) -> None:
    definition = replace(DEFINITION, n=3, m=2)
    world.remember(in_breach(alarms={HIGH: known(definition=definition)}))
    world.points[HIGH] = points(160.0, 90.0, 90.0)

    assert rechecked(world).outcome is Outcome.HELD_NOT_BREACHING


def test_a_metric_that_cannot_be_read_holds_and_is_read_again(world: World) -> None:
    world.remember(in_breach())
    world.failures["GetMetricData"].append(
        CallFailedError(Outcome.FAILED_THROTTLED, "GetMetricData: no")
    )

    record = rechecked(world)

    assert record.outcome is Outcome.HELD_NO_DATA
    assert "its metric could not be read: GetMetricData: no" in record.reason
    assert world.next_recheck() == (Recheck(WEB, 8, attempt=1), 2)


def test_no_task_is_removed_where_the_load_before_an_event_cannot_be_read(world: World) -> None:
    world.remember(in_breach(alarms=CALM_HIGH))
    world.failures["GetMetricData"].append(
        CallFailedError(Outcome.FAILED_THROTTLED, "GetMetricData: no")
    )

    record = world.evaluate(with_metrics(a_transition(LOW, firing(10.0, threshold=30))))

    assert (record.outcome, world.desired) == (Outcome.HELD_NO_DATA, 4)
    assert world.next_recheck() == (Recheck(WEB, 8, attempt=1), 2)


def test_a_late_event_is_answered_with_a_fresh_reading(world: World) -> None:
    world.points[HIGH] = points(250.0)

    record = world.evaluate(with_metrics(a_transition(at=ago(75))))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 8)
    assert world.reads == [(HIGH,)]


def test_a_scale_in_goes_on_after_its_cooldown(world: World) -> None:
    world.remember(in_breach(alarms={**CALM_HIGH, LOW: known(definition=LOW_DEFINITION)}))
    world.points[LOW] = points(10.0)

    assert rechecked(world).outcome is Outcome.SCALED_IN
    assert world.next_recheck() == (Recheck(WEB, 8), 30)


def test_a_next_check_that_cannot_be_sent_is_an_error_behind_a_finished_commit(
    world: World,
) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(160.0)
    world.failures["SendMessage"].append(CallFailedError(Outcome.FAILED_OTHER, "SendMessage: no"))

    with pytest.raises(CallFailedError):
        world.cycle.evaluate(a_look(Recheck(WEB, 7)))

    assert world.desired == 6
    assert world.memory.desired == 6
    assert world.targets.items[WEB.resource_id].lease is None


# --- the load before ------------------------------------------------------------------------------


def guarded(world: World, **changes: Any) -> None:
    """Switch the guards of the example's policies on."""
    world.documents[WEB.parameter] = json.dumps(a_document(Guards={}, **changes))


ALL_OFF = dict.fromkeys(Guard, False)
HIGH_EVENT = a_transition()
LOW_EVENT = a_transition(LOW, firing(10.0, threshold=30))


def of_the_whole() -> dict[str, Any]:
    document = a_document()
    for group in ("ScaleOutPolicies", "ScaleInPolicies"):
        for policy in document[group].values():
            del policy["MetricScope"]
    return document


@pytest.mark.parametrize(
    ("transition", "document", "reads"),
    [
        pytest.param(HIGH_EVENT, a_document(), [(HIGH,)], id="a scale-out"),
        pytest.param(LOW_EVENT, a_document(), [(LOW,)], id="a scale-in"),
        pytest.param(
            HIGH_EVENT,
            a_document(Guards={**ALL_OFF, "RisingTrend": True}),
            [(HIGH,)],
            id="for the trend alone",
        ),
        pytest.param(
            HIGH_EVENT,
            a_document(Guards={**ALL_OFF, "CapacityOnItsWay": True}),
            [(HIGH,)],
            id="for the capacity on its way alone",
        ),
        pytest.param(
            HIGH_EVENT,
            a_document(Guards={**ALL_OFF, "WouldFlap": True}),
            [],
            id="not for a scale-out where only removals are guarded",
        ),
        pytest.param(
            LOW_EVENT,
            a_document(Guards={"WouldFlap": False}),
            [],
            id="not for a scale-in where only scale-outs are guarded",
        ),
        pytest.param(HIGH_EVENT, of_the_whole(), [], id="not of a metric of the whole service"),
        pytest.param(
            a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,))), a_document(), [], id="not at OK"
        ),
        pytest.param(
            a_transition(alarm=firing(160.0, muted=True)), a_document(), [], id="not while muted"
        ),
    ],
)
def test_the_load_before_an_event_is_read_where_a_guard_asks_for_it(
    world: World,
    transition: AlarmEvent,
    document: dict[str, Any],
    reads: list[tuple[str, ...]],
) -> None:
    world.documents[WEB.parameter] = json.dumps(document)

    world.evaluate(with_metrics(transition))

    assert world.reads == reads


def test_an_event_that_does_not_show_its_metric_is_answered_without_the_load_before(
    world: World,
) -> None:
    guarded(world)

    assert world.evaluate(a_transition()).outcome is Outcome.SCALED_OUT
    assert world.reads == []


def test_the_event_s_own_datapoints_stay_the_ones_acted_on(world: World) -> None:
    """The metric may show a newer one already; it is looked at when its time has come."""
    guarded(world, PublishSeconds=5)
    world.points[HIGH] = points(50.0, 160.0, 900.0, newest=10, samples=8)

    record = world.evaluate(with_metrics(a_transition()))

    assert record.alarms[HIGH].datapoints == (160.0,)
    assert {point.value for point in record.alarms[HIGH].recent} == {50.0, 160.0, 900.0}
    assert world.memory.alarms[HIGH].acted_on == ago(12.5), "the start of the event's datapoint"


def test_the_load_before_that_cannot_be_read_only_leaves_the_guards_without(world: World) -> None:
    guarded(world)
    world.points[HIGH] = points(70.0, 100.0, 130.0, 160.0, samples=4)
    world.failures["GetMetricData"].append(
        CallFailedError(Outcome.FAILED_THROTTLED, "GetMetricData: no")
    )

    record = world.evaluate(with_metrics(a_transition()))

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 6)
    assert record.alarms[HIGH].recent == ()


def test_an_unknown_failure_is_not_taken_for_a_known_one(world: World) -> None:
    world.failures["GetMetricData"].append(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        world.evaluate(with_metrics(a_transition()))


def test_a_rise_is_seen_at_the_first_event(world: World) -> None:
    guarded(world, PublishSeconds=10)
    world.points[HIGH] = points(70.0, 100.0, 130.0, 160.0, samples=4)

    record = world.evaluate(with_metrics(a_transition()))

    assert world.desired == 8, "160 adds 2, and 227 adds 4"
    assert record.decision is not None
    assert "rising trend" in [step.guard for step in record.decision.trail]


def test_the_tasks_that_have_reported_are_counted_at_the_first_event(world: World) -> None:
    guarded(world, PublishSeconds=5)
    world.remember(Memory(state=State(launches=(Launch(ago(20), 2),)), counts=Counts(4)))
    world.points[HIGH] = points(160.0, samples=8)

    world.evaluate(with_metrics(a_transition()))

    assert world.desired == 6, "all 4 have reported, so those launched 20 s ago serve by now"


@pytest.mark.parametrize(
    ("datapoints", "outcome", "desired"),
    [
        pytest.param((60.0, 90.0, 70.0), Outcome.HELD_WOULD_FLAP, 4, id="360 take 4"),
        pytest.param((60.0, 70.0, 50.0), Outcome.SCALED_IN, 3, id="280 take 3"),
    ],
)
def test_a_removal_is_compared_with_the_scale_out_alarm_that_the_heartbeat_described(
    world: World, datapoints: tuple[float, ...], outcome: Outcome, desired: int
) -> None:
    guarded(world)
    described_high = known(AlarmState.OK, 600, watched_by_events(DEFINITION))
    world.remember(Memory(alarms={HIGH: described_high}, counts=Counts(4)))

    event = a_transition(LOW, firing(*datapoints, threshold=95))
    record = world.evaluate(with_metrics(event))

    assert (record.outcome, world.desired) == (outcome, desired)


def watched_by_events(definition: AlarmDefinition) -> AlarmDefinition:
    """Return a definition over the metric that the sample events show."""
    shown = read_event(load_event("alarm-high-step2"))
    from_event = event_definition(shown.metrics, shown.alarm, Direction.OUT)
    assert from_event
    return replace(definition, queries=from_event.queries)


def test_a_recheck_has_the_load_before_too(world: World) -> None:
    guarded(world, PublishSeconds=10)
    world.remember(in_breach())
    world.points[HIGH] = points(70.0, 100.0, 130.0, 160.0, samples=4)

    rechecked(world)

    assert world.desired == 8
    assert world.reads == [(HIGH,)], "one reading shows both"


@pytest.mark.parametrize("age", [60, 75], ids=["just young enough", "too old"])
def test_of_an_old_event_the_metric_is_read_once(world: World, age: float) -> None:
    guarded(world, PublishSeconds=10)
    world.points[HIGH] = points(70.0, 100.0, 130.0, 160.0, samples=4)

    world.evaluate(with_metrics(a_transition(at=ago(age))))

    assert world.desired == 8
    assert world.reads == [(HIGH,)]


# --- throttles ------------------------------------------------------------------------------------


WAITING = Turn(ago(20))
"""A target that was first throttled 20 s ago, and has taken no number."""

IN_LANE_3 = 3
"""The lane of a load of 160 where 100 are the threshold."""


def throttled(world: World, call: str = "UpdateService", times: int = 3) -> None:
    failure = CallFailedError(Outcome.FAILED_THROTTLED, f"{call}: no")
    world.failures[call] += [failure] * times


def test_a_throttled_scale_out_is_tried_again_in_the_same_evaluation(world: World) -> None:
    throttled(world, times=2)

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert world.calls == ["DescribeServices", *["UpdateService 6"] * 3]
    assert world.sleeps == [timedelta(seconds=0.3), timedelta(seconds=0.9)]


def test_a_throttled_scale_in_is_not(world: World) -> None:
    world.remember(Memory(alarms=CALM_HIGH))
    throttled(world, times=1)

    record = world.evaluate(a_transition(LOW, firing(10.0, threshold=30)))

    assert record.outcome is Outcome.FAILED_THROTTLED
    assert world.calls == ["DescribeServices", "UpdateService 3"]


def test_an_update_that_broke_and_was_not_made_is_tried_again(world: World) -> None:
    world.failures["UpdateService"].append(CallFailedError(Outcome.FAILED_OTHER, "500"))

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert world.calls == ["DescribeServices", "UpdateService 6"] * 2


@pytest.mark.parametrize(("attempt", "delay"), [(0, 2), (1, 3), (2, 6), (3, 12), (4, 22), (9, 22)])
def test_a_throttled_change_comes_back_after_a_growing_delay(
    world: World, attempt: int, delay: float
) -> None:
    world.remember(in_breach(turn=WAITING))
    world.points[HIGH] = points(160.0)
    throttled(world)

    record = rechecked(world, attempt=attempt, turn=WAITING)

    assert record.outcome is Outcome.FAILED_THROTTLED
    assert world.next_recheck() == (
        Recheck(WEB, 8, attempt + 1, Turn(ago(20), IN_LANE_3, 1)),
        delay,
    )


def test_where_no_number_can_be_taken_scale_in_stays_away_longest(world: World) -> None:
    world.remember(in_breach(alarms={**CALM_HIGH, LOW: known(definition=LOW_DEFINITION)}))
    world.points[LOW] = points(10.0)
    throttled(world)
    cannot_be_reached(world)

    rechecked(world)

    assert world.next_recheck() == (Recheck(WEB, 8, 1, Turn(NOW, SCALE_IN)), 22)


def test_a_throttled_describe_comes_back_too(world: World) -> None:
    world.remember(in_breach())
    throttled(world, "DescribeServices")

    assert rechecked(world).outcome is Outcome.FAILED_THROTTLED
    assert world.next_recheck()[0] == Recheck(WEB, 8, 1, Turn(NOW))


def test_the_record_says_how_long_a_throttled_change_has_waited(world: World) -> None:
    world.remember(in_breach(turn=Turn(ago(17))))
    world.points[HIGH] = points(160.0)

    record = rechecked(world, attempt=3)

    assert record.waited == timedelta(seconds=17)
    assert record.as_dict["waited_ms"] == 17_000


def test_attempts_under_throttling_are_bounded(world: World) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(160.0)
    throttled(world)

    rechecked(world, attempt=30, turn=WAITING)

    assert world.sent == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED_DENIED, Outcome.FAILED_NOT_FOUND])
def test_other_failures_are_left_to_the_heartbeat(world: World, outcome: Outcome) -> None:
    world.remember(in_breach())
    world.points[HIGH] = points(160.0)
    world.failures["UpdateService"].append(CallFailedError(outcome, "no"))

    assert rechecked(world).outcome is outcome
    assert world.sent == []


def test_an_update_whose_answer_was_lost_counts_as_made(world: World) -> None:
    lost = CallFailedError(Outcome.FAILED_OTHER, "UpdateService: read time-out")

    def made_but_unanswered() -> None:
        raise lost

    world.after["UpdateService"] = made_but_unanswered

    record = world.evaluate(a_transition())

    assert record.outcome is Outcome.SCALED_OUT
    assert world.memory.desired == 6
    assert world.calls == ["DescribeServices", "UpdateService 6", "DescribeServices"]


# --- the heartbeat --------------------------------------------------------------------------------


def quiet() -> Memory:
    return Memory(alarms={HIGH: known(AlarmState.OK, 600)}, counts=Counts(4))


def test_the_heartbeat_of_a_quiet_target_claims_and_records_nothing(world: World) -> None:
    world.remember(quiet())

    assert beat(world, high=known(AlarmState.OK, 600)) is None
    assert world.targets.items[WEB.resource_id].lease is None
    assert world.calls == ["DescribeServices"]


def test_an_alarm_whose_event_was_missed_is_answered(world: World) -> None:
    world.remember(quiet())
    world.points[HIGH] = points(250.0)

    record = beat(world, high=known(seconds_ago=30))

    assert record is not None
    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 8)
    assert world.next_recheck() == (Recheck(WEB, 1), 10)


def test_an_ok_whose_event_was_missed_is_learnt(world: World) -> None:
    world.remember(in_breach(check_at=NOW + timedelta(seconds=5)))

    record = beat(world, high=known(AlarmState.OK, 3))

    assert record is not None
    assert record.outcome is Outcome.HELD_NOT_BREACHING
    assert world.memory.alarms[HIGH].state is AlarmState.OK


def test_a_description_older_than_the_newest_event_teaches_nothing(world: World) -> None:
    world.remember(quiet())

    assert beat(world, high=known(seconds_ago=700)) is None


@pytest.mark.parametrize(
    ("due", "restarted"),
    [
        pytest.param(None, True, id="there is none"),
        pytest.param(-5.0, True, id="its message is 5 s late"),
        pytest.param(-4.9, False, id="its message is a little late"),
        pytest.param(3.0, False, id="its message is due"),
    ],
)
def test_a_chain_that_died_is_restarted(
    world: World, due: float | None, *, restarted: bool
) -> None:
    check_at = None if due is None else NOW + timedelta(seconds=due)
    world.remember(in_breach(check_at=check_at))
    world.points[HIGH] = points(160.0)

    beat(world, high=known())

    assert (world.desired == 6) is restarted
    assert (len(world.sent) == 1) is restarted


def test_a_new_or_changed_alarm_is_picked_up(world: World) -> None:
    world.remember(quiet())
    definition = replace(DEFINITION, threshold=120.0)

    assert beat(world, high=known(AlarmState.OK, 600, definition=definition)) is not None
    assert world.memory.alarms[HIGH].definition == definition


def test_an_alarm_without_a_policy_is_left_alone(world: World) -> None:
    world.remember(quiet())

    record = looked_at(world, Heartbeat(WEB, {"someone-else-s": known()}))

    assert record is None


@pytest.mark.parametrize(
    ("desired", "outcome", "after"),
    [(1, Outcome.SCALED_OUT, 2), (50, Outcome.SCALED_IN, 40)],
    ids=["below the minimum", "above the maximum"],
)
def test_capacity_outside_its_bounds_is_corrected_without_a_cooldown(
    world: World, desired: int, outcome: Outcome, after: int
) -> None:
    world.remember(quiet())
    world.services[WEB] = Service(desired, desired, 0)

    record = beat(world, high=known(AlarmState.OK, 600))

    assert record is not None
    assert (record.outcome, world.desired) == (outcome, after)
    assert (world.memory.state.scale_out, world.memory.state.scale_in) == (None, None)


def test_a_pause_holds_a_correction_too(world: World) -> None:
    paused = State(pause=Pause(frozenset({Direction.OUT})))
    world.remember(replace(quiet(), state=paused))
    world.services[WEB] = Service(1, 1, 0)

    record = beat(world, high=known(AlarmState.OK, 600))

    assert record is not None
    assert (record.outcome, world.desired) == (Outcome.HELD_PAUSED, 1)


def test_a_quiet_target_that_somebody_holds_is_left_to_them(world: World) -> None:
    world.remember(quiet())
    world.targets.claim(WEB.resource_id, a_lease("other"))

    assert beat(world, high=known(AlarmState.OK, 600)) is None


def test_the_heartbeat_may_lose_a_race_like_everybody_else(world: World) -> None:
    world.remember(quiet())
    world.targets.claim(WEB.resource_id, a_lease("other"))

    record = beat(world, high=known())

    assert record is not None
    assert record.outcome is Outcome.LOST_RACE


def test_a_mute_window_that_ended_while_the_alarm_fires_is_noticed(world: World) -> None:
    muted = known(muted=True, muted_until=NOW)
    world.remember(in_breach(alarms={HIGH: muted}, check_at=None))
    world.points[HIGH] = points(160.0)

    record = beat(world, high=known())

    assert record is not None
    assert record.outcome is Outcome.SCALED_OUT


@pytest.mark.parametrize(
    "alarm",
    [
        pytest.param(known(muted=True, muted_until=NOW + timedelta(minutes=1)), id="muted"),
        pytest.param(known(disabled=True), id="its actions are disabled"),
    ],
)
def test_a_silenced_alarm_has_no_chain(world: World, alarm: KnownAlarm) -> None:
    world.remember(in_breach(alarms={HIGH: alarm}, check_at=None))

    assert beat(world, high=known(disabled=alarm.disabled)) is None


def test_the_heartbeat_records_what_keeps_it_from_looking(world: World) -> None:
    world.remember(quiet())
    del world.services[WEB]

    record = beat(world, high=known(AlarmState.OK, 600))

    assert record is not None
    assert record.outcome is Outcome.FAILED_NOT_FOUND


def test_an_alarm_that_was_deleted_is_forgotten(world: World) -> None:
    memory = quiet()
    world.remember(replace(memory, alarms={**memory.alarms, LOW: known()}))

    looked_at(world, Heartbeat(WEB, {HIGH: known(AlarmState.OK, 600)}, complete=True))

    assert list(world.memory.alarms) == [HIGH]


def test_an_alarm_that_is_only_on_another_page_is_not_forgotten(world: World) -> None:
    memory = quiet()
    world.remember(replace(memory, alarms={**memory.alarms, LOW: known(AlarmState.OK)}))

    assert looked_at(world, Heartbeat(WEB, {HIGH: known(AlarmState.OK, 600)})) is None


def test_a_look_that_is_throttled_goes_by_what_is_remembered(world: World) -> None:
    world.remember(quiet())
    throttled(world, "DescribeServices", times=1)

    assert beat(world, high=known(AlarmState.OK, 600)) is None
    assert world.targets.records == []


def test_and_finds_what_was_missed_all_the_same(world: World) -> None:
    world.remember(quiet())
    world.points[HIGH] = points(160.0)
    throttled(world, "DescribeServices", times=1)

    record = beat(world, high=known())

    assert record is not None
    assert record.outcome is Outcome.SCALED_OUT


# --- turns ----------------------------------------------------------------------------------------


def cannot_be_reached(world: World) -> None:
    """Have every call of the line fail."""
    for name in ("take", "serve", "read"):
        unanswered = CallFailedError(Outcome.FAILED_OTHER, f"{name} of the line: read time-out")
        world.failures[f"{name} of the line"] += [unanswered] * 9


def others_wait(world: World, count: int, lane: int = 0) -> None:
    for _ in range(count):
        world.turns.take(lane, world.clock.now)


def test_where_nothing_is_throttled_the_line_is_left_alone(world: World) -> None:
    world.points[HIGH] = points(160.0)

    world.evaluate(a_transition())
    world.clock.advance(10)
    rechecked(world, generation=1)
    beat(world, high=known(), low=known(AlarmState.OK, 600))

    assert world.desired > 4
    assert not [call for call in world.made if call.name.endswith("of the line")]


def test_a_throttled_change_waits_for_those_before_it(world: World) -> None:
    others_wait(world, 52)
    throttled(world)

    world.evaluate(a_transition(alarm=firing(160.0)))

    recheck, delay = world.next_recheck()
    assert (recheck.turn, delay) == (Turn(NOW, IN_LANE_3, 1), 11), "52 take 10.4 s"
    assert world.memory.turn == recheck.turn
    assert world.memory.check_at == NOW + timedelta(seconds=11)


def test_the_heartbeat_leaves_a_target_alone_that_waits_for_its_turn(world: World) -> None:
    world.remember(quiet())
    others_wait(world, 1_000)
    throttled(world)
    world.evaluate(a_transition())
    calls = len(world.calls)
    world.clock.advance(60)

    assert beat(world, high=known()) is None
    assert world.calls[calls:] == ["DescribeServices"]


def test_a_target_whose_turn_has_not_come_waits_again_without_a_decision(world: World) -> None:
    turn = Turn(NOW, IN_LANE_3, 1)
    world.remember(in_breach(turn=turn))
    others_wait(world, 52)

    assert world.cycle.evaluate(a_look(Recheck(WEB, 7, 1, turn))) == []

    assert world.next_recheck() == (Recheck(WEB, 7, 1, turn), 11)
    assert world.memory.check_at == NOW + timedelta(seconds=11)
    assert (world.calls, world.targets.records) == ([], [])


def test_a_re_check_of_an_old_generation_does_not_wait_again(world: World) -> None:
    world.remember(in_breach(generation=8))
    others_wait(world, 52)

    assert world.cycle.evaluate(a_look(Recheck(WEB, 7, 1, Turn(NOW, IN_LANE_3, 1)))) == []
    assert world.sent == []
    assert world.memory.check_at == NOW


@pytest.mark.parametrize("value", [160.0, 60.0], ids=["a change", "nothing to do"])
def test_a_target_that_was_served_passes_the_turn_on(world: World, value: float) -> None:
    others_wait(world, 5, IN_LANE_3)
    turn = Turn(ago(5), IN_LANE_3, 4)
    world.remember(in_breach(turn=turn))
    world.points[HIGH] = points(value)

    rechecked(world, attempt=1, turn=turn)

    assert world.turns.line.lanes[IN_LANE_3] == Lane(5, 4, NOW)
    assert world.memory.turn is None


def test_one_that_is_throttled_at_its_turn_takes_another_number(world: World) -> None:
    others_wait(world, 5, IN_LANE_3)
    turn = Turn(ago(5), IN_LANE_3, 1)
    world.turns.serve(IN_LANE_3, 2, NOW)
    world.remember(in_breach(turn=turn))
    world.points[HIGH] = points(160.0)
    throttled(world)

    rechecked(world, attempt=1, turn=turn)

    assert world.memory.turn == Turn(ago(5), IN_LANE_3, 6)
    assert world.turns.line.lanes[IN_LANE_3].served == 2


def test_one_that_is_throttled_before_its_turn_keeps_its_number(world: World) -> None:
    others_wait(world, 5, IN_LANE_3)
    turn = Turn(ago(5), IN_LANE_3, 4)
    world.remember(in_breach(turn=turn))
    throttled(world)

    world.evaluate(a_transition())

    assert world.memory.turn == turn


def test_how_long_a_change_has_waited_is_known_whatever_makes_it(world: World) -> None:
    throttled(world)
    world.evaluate(a_transition())
    world.clock.advance(40)
    world.points[HIGH] = [Datapoint(world.clock.now - timedelta(seconds=12), 160.0, 2)]

    record = beat(world, high=known())

    assert record is not None
    assert (record.outcome, record.waited) == (Outcome.SCALED_OUT, timedelta(seconds=40))


def test_an_unreachable_line_delays_no_evaluation(world: World) -> None:
    turn = Turn(ago(5), IN_LANE_3, 1)
    world.remember(in_breach(turn=turn))
    world.points[HIGH] = points(160.0)
    cannot_be_reached(world)

    record = rechecked(world, attempt=1, turn=turn)

    assert record.outcome is Outcome.SCALED_OUT


def test_nor_is_a_throttled_target_lost_by_it(world: World) -> None:
    cannot_be_reached(world)
    throttled(world)

    world.evaluate(a_transition())

    assert world.next_recheck() == (Recheck(WEB, 1, 1, Turn(NOW, IN_LANE_3)), 2)


# --- what may not be read -------------------------------------------------------------------------

DENIED = CallFailedError(Outcome.FAILED_DENIED, "GetMetricData: AccessDenied: not allowed")
SAID = "Failed, permission denied: GetMetricData: AccessDenied: not allowed"


def test_a_metric_that_may_not_be_read_is_a_denied_call_and_changes_nothing(world: World) -> None:
    world.remember(in_breach())
    world.failures["GetMetricData"].append(DENIED)

    record = rechecked(world)

    assert (record.outcome, record.reason) == (Outcome.FAILED_DENIED, SAID)
    assert world.services[WEB].desired == 4
    assert world.sent == [], "the heartbeat looks again, within a minute"
    assert world.memory.failed_at is None, "polls of its queues go on"


def test_what_an_event_shows_is_answered_where_the_load_before_may_not_be_read(
    world: World,
) -> None:
    guarded(world)
    world.failures["GetMetricData"].append(DENIED)

    record = world.evaluate(with_metrics(HIGH_EVENT))

    assert (record.outcome, world.services[WEB].desired) == (Outcome.SCALED_OUT, 6)


def test_nothing_is_removed_where_the_load_before_may_not_be_read(world: World) -> None:
    guarded(world)
    world.remember(Memory(counts=Counts(4), alarms={HIGH: KnownAlarm(AlarmState.OK, ago(60))}))
    world.failures["GetMetricData"].append(DENIED)

    record = world.evaluate(with_metrics(LOW_EVENT))

    assert (record.outcome, record.reason) == (Outcome.FAILED_DENIED, SAID)
    assert world.services[WEB].desired == 4
    assert world.memory.state.scale_in is None


def test_a_record_has_the_bounds_in_force_and_the_tasks_that_are_missing(world: World) -> None:
    state = State(override=Override(min_capacity=5, max_capacity=None))
    world.remember(Memory(counts=Counts(6), state=state))
    world.services[WEB] = Service(6, 4, 0)

    record = world.evaluate(a_transition())

    assert record.as_dict["bounds"] == {"min": 5, "max": 40, "by": "override"}
    assert record.as_dict["missing"] == 2
