"""Builders: the smallest valid thing of each kind, with what a test is about as an argument."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.alarms.definition import AlarmDefinition
from quickstep.alarms.event import AlarmEvent
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import (
    AdjustmentType,
    Alarm,
    AlarmState,
    Comparison,
    Datapoint,
    Decision,
    Direction,
    MetricScope,
    Observation,
    Policy,
    ScalableTarget,
    ScalingActivity,
    Service,
    State,
    StepAdjustment,
    StepPolicy,
    TrailStep,
)
from quickstep.engine.outcome import Outcome
from quickstep.loop.looks import alarm_look, heartbeat_look, recheck_look, request_look
from quickstep.naming import ServiceName
from quickstep.protocol.line import LANES, Lane, Line
from quickstep.protocol.memory import Lease
from quickstep.protocol.messages import AlarmAgain, Heartbeat, Recheck, Request
from quickstep.protocol.records import DecisionRecord

if TYPE_CHECKING:
    from quickstep.protocol.look import Look

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / "events"
EXAMPLE_POLICY = ROOT / "examples" / "policies" / "web.json"

NOW = datetime(2026, 11, 22, 10, 0, 12, 500_000, tzinfo=UTC)
WEB = ServiceName("prod", "web")

HIGH = "high-request-rate"
LOW = "low-request-rate"

Steps = tuple[tuple[float | None, float | None, int], ...]

MISSION_STEPS: Steps = ((0, 50, 1), (50, 100, 2), (100, None, 4))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def a_policy(
    name: str = HIGH,
    *,
    direction: Direction = Direction.OUT,
    kind: AdjustmentType = AdjustmentType.CHANGE_IN_CAPACITY,
    steps: Iterable[tuple[float | None, float | None, int]] = MISSION_STEPS,
    cooldown: int = 10,
    magnitude: int | None = None,
    scope: MetricScope = MetricScope.TOTAL,
) -> StepPolicy:
    return StepPolicy(
        name=name,
        direction=direction,
        adjustment_type=kind,
        steps=tuple(StepAdjustment(*step) for step in steps),
        cooldown=cooldown,
        min_adjustment_magnitude=magnitude,
        metric_scope=scope,
    )


def a_scale_in_policy(
    name: str = LOW,
    *,
    kind: AdjustmentType = AdjustmentType.CHANGE_IN_CAPACITY,
    steps: Iterable[tuple[float | None, float | None, int]] = ((None, 0, -1),),
    cooldown: int = 30,
    scope: MetricScope = MetricScope.TOTAL,
) -> StepPolicy:
    return a_policy(
        name, direction=Direction.IN, kind=kind, steps=steps, cooldown=cooldown, scope=scope
    )


def a_target(
    *policies: Policy, minimum: int = 2, maximum: int = 40, dry_run: bool = False
) -> ScalableTarget:
    return ScalableTarget(
        resource_id=WEB.resource_id,
        min_capacity=minimum,
        max_capacity=maximum,
        policies=policies or (a_policy(), a_scale_in_policy()),
        warmup_seconds=45,
        publish_seconds=5,
        max_adjustment_magnitude=100,
        dry_run=dry_run,
    )


PER_TASK = a_target(
    a_policy(scope=MetricScope.PER_TASK), a_scale_in_policy(scope=MetricScope.PER_TASK)
)


def a_line(**lanes: Lane) -> Line:
    """Return a line in which only these lanes have had anybody, e.g. `lane2`."""
    return Line(tuple(lanes.get(f"lane{number}", Lane()) for number in range(LANES)))


def alarm_input(policy: str = HIGH, **changes: Any) -> Any:
    """Return what PutMetricAlarm takes for a policy's alarm on the tasks' requests."""
    way, threshold = ("Less", 30.0) if policy == LOW else ("Greater", 100.0)
    return {
        "AlarmName": WEB.alarm(policy),
        "Namespace": "Quickstep/prod/web",
        "MetricName": "RequestsPerSecond",
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": threshold,
        "ComparisonOperator": f"{way}ThanThreshold",
        "TreatMissingData": "missing",
        **changes,
    }


def firing(
    *datapoints: float,
    threshold: float = 100,
    muted: bool = False,
    recent: Iterable[Datapoint] = (),
) -> Alarm:
    return Alarm(AlarmState.ALARM, threshold, datapoints, muted, recent=tuple(recent))


QUIET = Alarm(AlarmState.OK, 100, (50.0,))
CALM = Alarm(AlarmState.OK)
"""An alarm that is known to be quiet, and nothing else."""
BLIND = Alarm(AlarmState.INSUFFICIENT_DATA, 100)


def seen(desired: int = 4, **alarms: Alarm | None) -> Observation:
    """Return what was seen; alarms are given as `high` and `low`, or by their own name.

    The scale-out alarm is quiet unless it is given; None is an alarm that is not known.
    """
    names = {"high": HIGH, "low": LOW}
    given = {names.get(name, name): alarm for name, alarm in {"high": CALM, **alarms}.items()}
    known = {name: alarm for name, alarm in given.items() if alarm}
    return Observation(Service(desired, desired, 0), known)


def in_rollout(observation: Observation) -> Observation:
    service = replace(observation.service, deployment_in_progress=True)
    return replace(observation, service=service)


def scaled_out(seconds_ago: float, before: int, after: int) -> State:
    return State(scale_out=ScalingActivity(ago(seconds_ago), before, after))


def scaled_in(seconds_ago: float, before: int, after: int) -> State:
    return State(scale_in=ScalingActivity(ago(seconds_ago), before, after))


def a_transition(
    policy: str = HIGH,
    alarm: Alarm | None = None,
    *,
    at: datetime | None = None,
    service: ServiceName = WEB,
) -> AlarmEvent:
    return AlarmEvent(service, policy, alarm or firing(160.0), at or ago(0.2))


Came = AlarmEvent | Recheck | Heartbeat | Request


def a_look(came: Came | None = None) -> Look:
    """Return the look that something sets off; an alarm's event, if nothing is said."""
    match came or a_transition():
        case AlarmEvent() as event:
            return alarm_look(event, AlarmAgain({}))
        case Recheck() as recheck:
            return recheck_look(recheck)
        case Heartbeat() as heartbeat:
            return heartbeat_look(heartbeat)
        case Request() as request:
            return request_look(request)
        case never:
            assert_never(never)


DEFINITION = AlarmDefinition(
    queries=(
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {"Namespace": "MyApp/Performance", "MetricName": "RequestsPerSecond"},
                "Period": 10,
                "Stat": "Average",
            },
            "ReturnData": True,
        },
    ),
    period=10,
    threshold=100.0,
    comparison=Comparison.GREATER,
    n=1,
    m=1,
)
LOW_DEFINITION = replace(DEFINITION, threshold=30.0, comparison=Comparison.LESS)


def known(
    state: AlarmState = AlarmState.ALARM,
    seconds_ago: float = 10,
    definition: AlarmDefinition | None = DEFINITION,
    **changes: Any,
) -> KnownAlarm:
    return KnownAlarm(state, ago(seconds_ago), definition, **changes)


def points(
    *values: float, newest: float = 12.5, samples: float | Iterable[float | None] | None = None
) -> list[Datapoint]:
    """Return datapoints 10 s apart, the newest of which began `newest` seconds ago.

    `samples` is that of each of them, or of all.
    """
    counts = list(samples) if isinstance(samples, Iterable) else [samples for _ in values]
    begins = [ago(newest + 10 * age) for age in range(len(values) - 1, -1, -1)]
    return [
        Datapoint(at, value, count) for at, value, count in zip(begins, values, counts, strict=True)
    ]


def seconds(*reports: tuple[float, float] | None) -> list[Datapoint]:
    """Return datapoints of a second each, of (value, samples); the newest ended half a second ago.

    None is a second that no task has reported.
    """
    first = ago(0.5 + len(reports))
    return [
        Datapoint(first + timedelta(seconds=number), *report)
        for number, report in enumerate(reports)
        if report
    ]


def a_lease(owner: str = "me", since: datetime = NOW, seconds: float = 15) -> Lease:
    return Lease(owner, since, since + timedelta(seconds=seconds))


def a_record(record_id: str = "decision-1", outcome: Outcome = Outcome.LOST_RACE) -> DecisionRecord:
    return DecisionRecord(record_id, NOW, a_look(), outcome, "because")


def a_scale_out_record(record_id: str = "decision-1", at: datetime = NOW) -> DecisionRecord:
    """Return the record of a scale-out from 2 to 6 that ECS accepted, while 3 tasks ran."""
    before, granted, why = 2, 6, "375 is 275 above the threshold 100: step [100, ∞) adds 4"
    reason = Outcome.SCALED_OUT.sentence(before=before, granted=granted, why=why)
    trail = (TrailStep("steps", before, granted, why), TrailStep("bounds", granted, granted, "ok"))
    return DecisionRecord(
        record_id,
        at,
        a_look(),
        Outcome.SCALED_OUT,
        reason,
        decision=Decision(
            Outcome.SCALED_OUT, before, granted, granted, reason, trail, State(), next_check_in=10
        ),
        service=Service(desired=before, running=3, pending=0),
        alarms={HIGH: Alarm(AlarmState.ALARM, 100, (375,))},
        alarm_to_update=timedelta(milliseconds=32),
    )


def load_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def example_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
    return document


def a_document(**changes: Any) -> dict[str, Any]:
    """Return the example's document with top-level keys replaced; None takes a key away."""
    document = copy.deepcopy(example_document())
    document.update(changes)
    return {key: value for key, value in document.items() if value is not None}
