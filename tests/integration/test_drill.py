"""A drill, from the schedule's pulse to the alarm that says whether a decision came in time.

The schedule's input, the alarms and the rule's pattern are those of `template.yaml` and
`templates/drill.yaml`. CloudWatch's evaluation is the laboratory's, time is set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.naming import DRILL
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.alarms import AlarmDefinition, MissingData, next_state
from quickstep_lab.cloudwatch import VISIBILITY_DELAY, create_alarms, evaluate_alarms
from quickstep_lab.embedded_aws import put_policy
from quickstep_lab.scaler import HEARTBEAT
from tests.builders import WEB, a_document, load_event
from tests.clocks import SetClock, same_time
from tests.integration.scene import (
    a_door,
    an_event,
    at,
    decisions,
    invoke,
    publish_all,
    put_alarm,
    remembered,
    tasks,
)
from tests.log_lines import overhear
from tests.template.stack import DRILLS, SCALER, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep.loop.door import Door
    from quickstep_lab.embedded_aws import Account
    from tests.log_lines import Lines

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PULSE = WEB.alarm(DRILL)
STACK = deploy(
    DRILLS,
    DrillTarget=WEB.resource_id,
    UndeliveredEvents="arn:aws:sqs:us-east-1:123456789012:undelivered",
)
ALARMS = STACK.of_type("AWS::CloudWatch::Alarm")
RULE: Any = EventPattern("", deploy(SCALER).the("AWS::Events::Rule")["EventPattern"])
MINUTES = 15
POLICY = "request-rate/high"


@dataclass
class Scene:
    """An account in which drills are carried out: CloudWatch and its rule, the scaler, the time."""

    account: Account
    door: Door
    written: Lines
    time: SetClock
    has_rule: bool = True
    latencies: list[tuple[datetime, float]] = field(default_factory=list)

    def pulse(self) -> None:
        """Send what the schedule sends."""
        given = json.loads(STACK.the("AWS::Scheduler::Schedule")["Target"]["Input"])
        self.account.client("cloudwatch").put_metric_data(**given)

    def event(self, prefix: str = PULSE) -> dict[str, Any] | None:
        """Evaluate an alarm; return the event of its change."""
        client = self.account.client("cloudwatch")
        (evaluation,) = evaluate_alarms(client, prefix, self.time.now)
        return evaluation.event()

    def run_for(self, seconds: int) -> None:
        """Let time pass; the drill's alarm is evaluated every ten seconds, 2 s after its period."""
        for _ in range(seconds):
            self.time.sleep(1)
            event = self.event() if self.time.at.second % 10 == VISIBILITY_DELAY else None
            if event and self.has_rule and RULE.matches_event(event):
                invoke(self.door, event)
                metrics = [line["DrillLatency"] for line in self.lines if "DrillLatency" in line]
                self.latencies += [(self.time.at, one) for one in metrics[len(self.latencies) :]]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log of the function, metrics included."""
        return self.written()

    def watched(self) -> AlarmState:
        """Return the state of the alarm that watches drills."""
        return state_of_drill(self.latencies, self.time.at)

    def drill_records(self) -> list[dict[str, Any]]:
        return [one for one in decisions(self.account) if one["trigger"]["kind"] == "drill"]


@pytest.fixture
def scene(account: Account, queue_url: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Scene]:
    time = SetClock(NOON)
    target = {"request-rate": {"TargetValue": 100, "MetricScope": "PerTask"}}
    document = a_document(ScaleOutPolicies={}, ScaleInPolicies={}, TargetTrackingPolicies=target)
    put_policy(account, WEB, json.dumps(document))
    with same_time(time):
        create_alarms(account.client("cloudwatch"), [ALARMS["Pulse"]])  # type: ignore[list-item]
        door = at(a_door(account, queue_url, time.now), time.now)
        yield Scene(account, door, overhear(capsys), time)


# --- what is watched ------------------------------------------------------------------------------


def state_of_drill(latencies: list[tuple[datetime, float]], now: datetime) -> AlarmState:
    """Return what the drill's alarm says, by its own definition.

    CloudWatch looks back over three periods; FILL puts its value where one has none, but leaves a
    series without a value empty.
    """
    drill = ALARMS["MissedDrill"]
    stat = next(one["MetricStat"] for one in drill["Metrics"] if "MetricStat" in one)
    (expression,) = (one["Expression"] for one in drill["Metrics"] if "Expression" in one)
    assert expression == "FILL(latency, 3600000) / 1000"
    period = timedelta(seconds=stat["Period"])
    ends = [now - period * back for back in (2, 1, 0)]
    values = [
        max((ms / 1000 for made_at, ms in latencies if end - period < made_at <= end), default=None)
        for end in ends
    ]
    filled = [3600.0 if one is None and any(values) else one for one in values]
    definition = AlarmDefinition(
        name="drill",
        arn="",
        namespace="",
        metric="",
        description="",
        dimensions={},
        statistic=stat["Stat"],
        period=stat["Period"],
        threshold=float(drill["Threshold"]),
        comparison=drill["ComparisonOperator"],
        evaluation_periods=drill["EvaluationPeriods"],
        datapoints_to_alarm=drill["EvaluationPeriods"],
        missing_data=MissingData(drill["TreatMissingData"]),
    )
    return next_state(definition, filled, AlarmState.OK)


@pytest.mark.parametrize(
    ("ago", "seconds", "state"),
    [
        pytest.param([1], 25, AlarmState.OK, id="in time"),
        pytest.param([1], 60, AlarmState.OK, id="just in time"),
        pytest.param([1], 61, AlarmState.ALARM, id="late"),
        pytest.param([16, 31], 25, AlarmState.OK, id="the next one is due"),
        pytest.param(
            [21, 36], 25, AlarmState.ALARM, id="one was missed, and those before were not"
        ),
        pytest.param([], 25, AlarmState.ALARM, id="none ever came"),
    ],
)
def test_the_alarm_of_drills_goes_off_where_a_decision_is_late_or_missing(
    ago: list[int], seconds: float, state: AlarmState
) -> None:
    latencies = [(NOON - timedelta(minutes=one), seconds * 1000) for one in ago]

    assert state_of_drill(latencies, NOON) is state


# --- the whole way --------------------------------------------------------------------------------


def test_a_drill_is_decided_and_recorded_and_changes_nothing(scene: Scene) -> None:
    known(scene, 95.0)
    before = remembered(scene.account)
    scene.run_for(3)
    scene.pulse()

    scene.run_for(60)

    (record,) = scene.drill_records()
    assert record["trigger"] == {
        "kind": "drill",
        "alarm": "quickstep/prod/web/drill/pulse",
        "at": "2026-11-22T12:00:12.000Z",
        "pulse": "2026-11-22T12:00:00.000Z",
    }
    assert (record["outcome"], record["from"], record["granted"]) == ("HELD_NOT_BREACHING", 4, 4)
    assert record["drill_latency_ms"] == 12_000
    assert scene.latencies == [(NOON + timedelta(seconds=12), 12_000)]
    assert scene.watched() is AlarmState.OK
    assert tasks(scene.account) == 4
    assert remembered(scene.account) == before


def test_what_a_drill_would_do_in_a_surge_is_recorded_and_not_done(scene: Scene) -> None:
    known(scene, 260.0)
    scene.pulse()

    scene.run_for(20)

    (record,) = scene.drill_records()
    assert (record["outcome"], record["from"], record["granted"]) == ("WOULD_SCALE", 4, 11)
    assert tasks(scene.account) == 4


def test_a_surge_during_a_drill_is_answered_as_without_one(scene: Scene) -> None:
    """Its event comes while the drill reads the metrics; the drill's event comes a second time."""
    known(scene, 260.0)
    scene.pulse()
    scene.time.sleep(12)
    drill, answers = scene.event(), []

    class Meanwhile:
        def read(self, *given: Any) -> Any:
            answers.append(invoke(scene.door, a_surge(scene)))
            return scene.door.cycle.metrics.read(*given)

    drilling = replace(scene.door, cycle=replace(scene.door.cycle, metrics=Meanwhile()))
    (drilled,) = invoke(drilling, drill)["decisions"]
    invoke(scene.door, drill)

    ((decision,),) = [one["decisions"] for one in answers]
    assert (decision["outcome"], decision["from"], decision["granted"]) == ("SCALED_OUT", 4, 11)
    assert drilled["trigger"]["kind"] == "drill"
    assert tasks(scene.account) == 11
    memory, lease = remembered(scene.account)
    assert (memory.desired, lease) == (11, None)


@pytest.mark.parametrize("where", ["reason", "reasonData", "description", "metrics"])
def test_nothing_that_a_real_alarm_s_event_says_makes_a_drill_of_it(
    scene: Scene, where: str
) -> None:
    known(scene, 260.0)
    event, drill = a_surge(scene), load_event("alarm-drill")
    state, configuration = event["detail"]["state"], event["detail"]["configuration"]
    match where:
        case "reason":
            state[where] = drill["detail"]["state"][where]
        case "reasonData":
            said = {**json.loads(state[where]), "alarmName": PULSE, "drill": True, "dryRun": True}
            state[where] = json.dumps(said)
        case _:
            configuration[where] = drill["detail"]["configuration"][where]

    (decision,) = invoke(scene.door, event)["decisions"]

    assert (decision["outcome"], decision["trigger"]["kind"]) == ("SCALED_OUT", "alarm")
    assert tasks(scene.account) == 11


def known(scene: Scene, load: float) -> None:
    """Let each task have a load, and the scaler know the alarm that watches it."""
    put_alarm(scene.account, "OK", WEB.alarm(POLICY))
    invoke(scene.door, HEARTBEAT)
    seconds = [scene.time.at + timedelta(seconds=second) for second in range(-60, 13)]
    publish_all(scene.account, dict.fromkeys(seconds, load))


def a_surge(scene: Scene) -> dict[str, Any]:
    """Return the event of that alarm."""
    return an_event(scene.time.at, policy=POLICY, values=[260.0])


# --- what a drill is there to find ----------------------------------------------------------------


def test_without_the_rule_no_decision_comes_and_the_alarm_of_drills_says_so(scene: Scene) -> None:
    scene.pulse()
    scene.run_for(60)
    assert scene.watched() is AlarmState.OK
    scene.has_rule = False

    states = []
    for _ in range(2):
        scene.time.sleep(60 * MINUTES - 60)
        scene.pulse()
        scene.run_for(60)
        states.append(scene.watched())

    assert len(scene.drill_records()) == 1
    assert states == [AlarmState.OK, AlarmState.ALARM], (
        "five minutes after the drill that was missed"
    )


REFUSED = CallFailedError(Outcome.FAILED_DENIED, "not authorized to perform the call")


@dataclass
class Refusing:
    """A port that fails whatever is asked of it."""

    error: CallFailedError

    def __getattr__(self, _: str) -> Any:
        def refuse(*_: Any) -> Any:
            raise self.error

        return refuse


@pytest.mark.parametrize("port", ["services", "metrics"])
def test_a_right_that_is_missing_fails_the_drill_loudly(scene: Scene, port: str) -> None:
    known(scene, 30.0)
    refused: dict[str, Any] = {port: Refusing(REFUSED)}
    scene.door = replace(scene.door, cycle=replace(scene.door.cycle, **refused))
    scene.pulse()

    scene.run_for(20)

    (record,) = scene.drill_records()
    sentence = Outcome.FAILED_DENIED.sentence(before=None, granted=None, why=REFUSED.why)
    assert (record["outcome"], record["reason"]) == ("FAILED_DENIED", sentence)
    assert scene.watched() is AlarmState.ALARM
    failed = [line for line in scene.lines if line.get("FailedDecisions")]
    assert len(failed) == 1


def test_a_drill_that_is_throttled_fails_and_writes_no_record(scene: Scene) -> None:
    """It may be the table that throttles."""
    throttled = CallFailedError(Outcome.FAILED_THROTTLED, "Rate exceeded")
    services: Any = Refusing(throttled)
    scene.door = replace(scene.door, cycle=replace(scene.door.cycle, services=services))
    scene.pulse()

    scene.run_for(20)

    assert decisions(scene.account) == []
    assert scene.watched() is AlarmState.ALARM
    assert len([line for line in scene.lines if line.get("FailedDecisions")]) == 1


def test_a_drill_of_a_service_without_a_document_fails(scene: Scene) -> None:
    scene.account.client("ssm").delete_parameter(Name=WEB.parameter)
    scene.pulse()

    scene.run_for(20)

    (record,) = scene.drill_records()
    assert record["outcome"] == "FAILED_CONFIG"
    assert record["reason"] == (
        "Failed, the policy document cannot be used: /quickstep/prod/web: is missing: no such SSM "
        "parameter"
    )
    assert scene.watched() is AlarmState.ALARM


@pytest.mark.parametrize("seconds", [-61, 61])
def test_a_drill_whose_event_is_of_another_minute_proves_nothing(
    scene: Scene, seconds: int
) -> None:
    event = an_event(scene.time.at + timedelta(seconds=seconds))
    event["detail"]["alarmName"] = PULSE

    (record,) = invoke(scene.door, event)["decisions"]

    assert record["outcome"] == "IGNORED_STALE"
    assert record["reason"].startswith("Ignored, out of date: it is of 2026-11-22T1")
    assert [line for line in scene.lines if "DrillLatency" in line] == []


def test_a_drill_s_alarm_is_none_of_the_alarms_that_a_service_is_scaled_by(scene: Scene) -> None:
    put_alarm(scene.account, "OK", WEB.alarm(POLICY))

    alarms, _ = scene.door.alarms.page(None)

    assert list(alarms) == [(WEB, POLICY)]
