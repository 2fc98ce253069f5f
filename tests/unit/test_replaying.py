"""A recorded decision, made again: as it was, and with changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.alarms.known import KnownAlarm
from quickstep.config import ConfigError, parse_target, read_target
from quickstep.engine.model import (
    AlarmState,
    Direction,
    Override,
    Pause,
    ScalingActivity,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.memory import Memory
from quickstep_cli.replaying import Read, ReplayError, Setting, changed, read_case, read_setting
from tests.builders import HIGH, LOW, NOW, WEB, a_document, ago, known, load_event
from tests.fakes import World

if TYPE_CHECKING:
    from quickstep.engine.model import Decision
    from quickstep.protocol.records import DecisionRecord

DOCUMENT = a_document(Guards={"CapacityOnItsWay": False})
TARGET = read_target(DOCUMENT)


def stored(record: DecisionRecord) -> dict[str, Any]:
    """Return a record as it comes from the table."""
    loaded: dict[str, Any] = json.loads(json.dumps(record.stored))
    return loaded


def evaluated(world: World) -> dict[str, Any]:
    from quickstep.alarms.event import read_event  # noqa: PLC0415 - beside what reads it

    return stored(world.evaluate(read_event(load_event("alarm-high-step2"))))


def replayed(record: dict[str, Any], *settings: str, read: Read | None = None) -> Decision:
    case = read_case(record, TARGET, read or Read())
    target, other = changed(DOCUMENT, case, [read_setting(text) for text in settings])
    return other.decide(target)


STATES: dict[str, tuple[State, Outcome]] = {
    "nothing is remembered": (State(), Outcome.SCALED_OUT),
    "a cooldown runs": (
        State(scale_out=ScalingActivity(ago(5), 2, 4)),
        Outcome.HELD_COOLDOWN,
    ),
    "an override is in force": (
        State(override=Override(None, 4, NOW + timedelta(hours=1), "freeze")),
        Outcome.HELD_AT_MAX,
    ),
    "a pause holds": (State(pause=Pause(frozenset(Direction))), Outcome.HELD_PAUSED),
    "a schedule is in force": (
        State(schedules=(Override(8, None, NOW + timedelta(hours=1), "", "sale"),)),
        Outcome.SCALED_OUT,
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_decision_comes_out_as_it_was_recorded(name: str) -> None:
    state, outcome = STATES[name]
    world = World()
    world.remember(Memory(state=state, counts=Counts(Count(4, ago(600)).number)))

    record = evaluated(world)

    assert record["outcome"] == outcome
    again = replayed(record, read=Read(known=world.memory.alarms))
    for key, value in (
        ("outcome", str(again.outcome)),
        ("from", again.before),
        ("wanted", again.wanted),
        ("granted", again.granted),
        ("reason", again.reason),
    ):
        assert record[key] == value, key


@pytest.mark.parametrize(
    ("settings", "outcome", "granted"),
    [
        pytest.param(["threshold=120"], "SCALED_OUT", 5, id="a higher threshold: a smaller step"),
        pytest.param(["threshold=170"], "HELD_NOT_BREACHING", 4, id="no breach"),
        pytest.param([f"{HIGH}.threshold=50"], "SCALED_OUT", 8, id="a lower one, by its name"),
        pytest.param(["MaxCapacity=5"], "SCALED_OUT", 5, id="a key of the document"),
        pytest.param(["MinCapacity=20"], "SCALED_OUT", 22, id="another"),
        pytest.param(["DryRun=true"], "WOULD_SCALE", 6, id="a dry run"),
        pytest.param(
            [f'{HIGH}.StepAdjustments=[{{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 7}}]'],
            "SCALED_OUT",
            11,
            id="a policy's steps",
        ),
        pytest.param(["Guards.RisingTrend=false"], "SCALED_OUT", 6, id="by its path"),
        pytest.param(["pause=scale-out"], "HELD_PAUSED", 4, id="a pause"),
        pytest.param(["pause=scale-in"], "SCALED_OUT", 6, id="a pause of the other way"),
    ],
)
def test_a_change_is_played(settings: list[str], outcome: str, granted: int) -> None:
    decision = replayed(evaluated(World()), *settings)

    assert (str(decision.outcome), decision.granted) == (outcome, granted)


def test_a_change_that_breaks_a_rule_is_the_validator_s_to_name() -> None:
    with pytest.raises(ConfigError) as refused:
        replayed(evaluated(World()), f"{HIGH}.StepAdjustments=[]")

    assert str(refused.value) == (
        f"ScaleOutPolicies.{HIGH}.StepAdjustments: must have at least 1 and at most 20 entries, "
        "not 0"
    )


def test_a_pause_that_was_can_be_taken_away() -> None:
    world = World()
    world.remember(Memory(state=State(pause=Pause(frozenset(Direction))), counts=Counts(4)))

    assert replayed(evaluated(world), "pause=false").outcome is Outcome.SCALED_OUT


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        pytest.param(
            ["threshold"], "must be KEY=VALUE, such as threshold=80, not 'threshold'", id="no value"
        ),
        pytest.param(["=80"], "must be KEY=VALUE, such as threshold=80, not '=80'", id="no key"),
        pytest.param(["threshold=high"], 'threshold: must be a number, not "high"', id="no number"),
        pytest.param(
            ["cpu.threshold=80"],
            f"cpu.threshold must name an alarm of the target: {HIGH}, {LOW}",
            id="no alarm",
        ),
        pytest.param(
            ["cpu.Cooldown=80"],
            f"cpu.Cooldown: must begin with a key of the document, or a policy: {HIGH}, {LOW}",
            id="no policy",
        ),
        pytest.param(
            ["MaxCapacity.x.y=80"],
            "MaxCapacity.x.y: the part before the last point must be an object",
            id="no object",
        ),
        pytest.param(
            ["pause=all"],
            "pause must be both, scale-out, scale-in or false, not 'all'",
            id="no direction",
        ),
        pytest.param(
            [f"{LOW}.threshold=80"],
            f"the record has no datapoint of {LOW}, and CloudWatch no longer keeps any: what it "
            "would have done at 80 is not known",
            id="an alarm that was not read",
        ),
    ],
)
def test_what_names_nothing_is_refused(settings: list[str], why: str) -> None:
    with pytest.raises(ReplayError) as refused:
        replayed(evaluated(World()), *settings)

    assert str(refused.value) == why


def test_a_target_policy_s_threshold_is_its_target_value() -> None:
    document = {
        "ResourceId": WEB.resource_id,
        "MinCapacity": 2,
        "MaxCapacity": 200,
        "TargetTrackingPolicies": {"rate": {"TargetValue": 100, "MetricScope": "PerTask"}},
    }
    target = parse_target(json.dumps(document))
    record = {
        **evaluated(World()),
        "alarms": {
            "rate/high": {"state": "ALARM", "threshold": 100, "datapoints": [160], "muted": False}
        },
    }
    case = read_case(record, target, Read())

    other, _ = changed(document, case, [Setting("threshold", 80)])

    assert [policy.target_value for policy in other.policies] == [80]  # type: ignore[union-attr]


def test_what_is_neither_in_the_record_nor_in_cloudwatch_is_named() -> None:
    record = evaluated(World())
    old = {key: value for key, value in record.items() if key != "state"}
    read = Read(why="CloudWatch keeps sub-minute datapoints for 3 hours")

    assert read_case(old, TARGET, read).missing == (
        "cooldowns, launches, removals and overrides: the record has no state",
        f"the load before, of {HIGH}: CloudWatch keeps sub-minute datapoints for 3 hours",
    )


def test_a_record_that_ended_before_the_engine_is_none_to_play() -> None:
    world = World()
    evaluated(world)
    duplicate = evaluated(world)

    with pytest.raises(ReplayError) as refused:
        read_case(duplicate, TARGET, Read())

    assert str(refused.value).startswith(
        "there is no decision to play in this record: IGNORED_DUPLICATE ends before the engine is "
        "asked: Ignored, already handled: "
    )


def test_a_spoilt_record_is_named() -> None:
    record = {**evaluated(World()), "state": {"launches": [1]}}

    with pytest.raises(ReplayError) as refused:
        read_case(record, TARGET, Read())

    assert str(refused.value) == (
        "the record cannot be read: state.launches: must have 3 numbers of each"
    )


def test_a_look_of_the_heartbeat_corrects_as_it_did() -> None:
    record = {**evaluated(World()), "trigger": {"kind": "heartbeat"}, "alarms": {}}
    out_of_bounds = {**record, "from": 1, "granted": 2}

    decision = replayed(out_of_bounds)

    assert (decision.outcome, decision.before, decision.granted) == (Outcome.SCALED_OUT, 1, 2)


def test_a_wished_capacity_is_set_as_it_was() -> None:
    trigger = {"kind": "request", "capacity": 9, "at": "2026-11-22T10:00:00Z"}
    record = {**evaluated(World()), "trigger": trigger, "alarms": {}}

    assert replayed(record).granted == 9


def test_an_alarm_s_definition_is_the_item_s() -> None:
    record = evaluated(World())
    alarm = replace(known(), state=AlarmState.OK)
    assert isinstance(alarm, KnownAlarm)

    case = read_case(record, TARGET, Read({HIGH: alarm}))

    assert alarm.definition is not None
    assert case.observation.alarms[HIGH].metric == alarm.definition.metric
