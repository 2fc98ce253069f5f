"""How CloudWatch evaluates a metric alarm, and the event that a state change sends.

Sources in the CloudWatch User Guide: "Alarm evaluation", "Configuring how CloudWatch alarms treat
missing data", "Alarm events and EventBridge". Pure: the datapoints and the time are arguments.
"""

from __future__ import annotations

import json
import operator
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from quickstep.alarms.event import DETAIL_TYPE
from quickstep.engine.model import AlarmState
from quickstep_lab.clock import period_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

RANGE_BEYOND_WINDOW = 2
"""How many periods the evaluation range goes back beyond EvaluationPeriods.

CloudWatch does not publish the number for a 10-s period; its guide's example is a range of 5 for
3 periods.
"""

INITIAL_REASON = "Unchecked: Initial alarm creation"
"""Why a new alarm is in INSUFFICIENT_DATA."""

_COMPARISONS = {
    "GreaterThanThreshold": (operator.gt, ">", "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, ">=", "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "<", "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "<=", "less than or equal to"),
}
_HIGH_RESOLUTION_PERIODS = (10, 20, 30)
_ALARM, _OK, _UNKNOWN = AlarmState.ALARM, AlarmState.OK, AlarmState.INSUFFICIENT_DATA


class UnmodelledAlarmError(ValueError):
    """An alarm of a kind without rules in the model, or that CloudWatch would refuse."""


class MissingData(StrEnum):
    """How to treat a missing datapoint; the values are CloudWatch's `TreatMissingData`."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """A static-threshold alarm on one metric. `period` is in seconds.

    One that is only modelled needs neither its own address nor its metric's.

    The scaler has its own `AlarmDefinition`, for reading a metric back; this one stands for
    CloudWatch. Shared comparisons would hide their own mistakes.
    """

    name: str
    arn: str = ""
    namespace: str = ""
    metric: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    period: int
    threshold: float
    comparison: str
    evaluation_periods: int
    datapoints_to_alarm: int
    missing_data: MissingData = MissingData.MISSING
    description: str = ""

    def breached_by(self, value: float) -> bool:
        """Return whether a datapoint is on the breaching side of the threshold."""
        compare, _, _ = _COMPARISONS[self.comparison]
        return bool(compare(value, self.threshold))

    @property
    def condition(self) -> str:
        """The condition in short, e.g. `> 100, 1 of 1 x 10 s`."""
        _, sign, _ = _COMPARISONS[self.comparison]
        times = f"{self.datapoints_to_alarm} of {self.evaluation_periods} x {self.period} s"
        return f"{sign} {self.threshold:g}, {times}"

    @property
    def range_periods(self) -> int:
        """How many periods CloudWatch retrieves to evaluate the alarm."""
        return self.evaluation_periods + RANGE_BEYOND_WINDOW


@dataclass(frozen=True, slots=True)
class Datapoint:
    """A metric's value in the period that starts `at`; None if nothing was published."""

    at: datetime
    value: float | None
    sample_count: float | None = None


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """An alarm's state, since when, and why. `reason_data` is JSON in a string, as in events."""

    state: AlarmState
    at: datetime
    reason: str
    reason_data: str | None = None


def read_definition(alarm: MetricAlarmTypeDef) -> AlarmDefinition:
    """Return one of the `MetricAlarms` of DescribeAlarms.

    Raises:
        UnmodelledAlarmError: it is not a static-threshold alarm on one metric and statistic, or
            CloudWatch does not accept its period.
    """
    name, comparison, period = alarm["AlarmName"], alarm["ComparisonOperator"], alarm.get("Period")
    if alarm.get("Metrics") or "Statistic" not in alarm or period is None:
        raise UnmodelledAlarmError(f"{name}: must watch one metric with a Statistic and a Period")
    if comparison not in _COMPARISONS:
        known = ", ".join(_COMPARISONS)
        raise UnmodelledAlarmError(
            f"{name}: ComparisonOperator must be one of {known}, not {comparison}"
        )
    if period not in _HIGH_RESOLUTION_PERIODS and (period <= 0 or period % 60):
        raise UnmodelledAlarmError(
            f"{name}: Period must be 10, 20, 30 or a multiple of 60, not {period}"
        )
    return AlarmDefinition(
        name=name,
        arn=alarm["AlarmArn"],
        description=alarm.get("AlarmDescription", ""),
        namespace=alarm["Namespace"],
        metric=alarm["MetricName"],
        dimensions={d["Name"]: d["Value"] for d in alarm.get("Dimensions", [])},
        statistic=alarm["Statistic"],
        period=period,
        threshold=alarm["Threshold"],
        comparison=comparison,
        evaluation_periods=alarm["EvaluationPeriods"],
        datapoints_to_alarm=alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
        missing_data=MissingData(alarm.get("TreatMissingData") or MissingData.MISSING),
    )


def evaluation_range(definition: AlarmDefinition, now: datetime) -> tuple[datetime, ...]:
    """Return the starts of the periods to retrieve, oldest first; all have ended.

    Example: 1 period of 10 s at 10:00:32: 10:00:00, 10:00:10, 10:00:20.
    """
    end = period_start(now, definition.period)
    steps = range(definition.range_periods, 0, -1)
    return tuple(end - timedelta(seconds=definition.period * step) for step in steps)


def next_state(
    definition: AlarmDefinition, values: Sequence[float | None], previous: AlarmState
) -> AlarmState:
    """Return the state that follows from the evaluation range, oldest first, None for missing.

    If there are enough real datapoints for the window, the newest of them decide, and missing ones
    do not count. Otherwise `missing_data` fills the window:

        M of N = 3 of 3, range 5     missing             ignore     breaching   notBreaching
        0 X X - X  enough            ALARM               ALARM      ALARM       ALARM
        - - - - -  3 filled          INSUFFICIENT_DATA   previous   ALARM       OK
        0 - - - -  2 filled          OK                  OK         OK          OK
        - - X - -  2 filled          ALARM               previous   ALARM       OK
        - - - - X  2 filled          previous            previous   ALARM       OK

    The last two differ under `missing` by the rule on premature alarms: if all known datapoints
    breach, the alarm fires once the oldest of them is M periods old. Until then, and in the case
    that the guide leaves open, the state stays.
    """
    treatment, needed = definition.missing_data, definition.datapoints_to_alarm
    window = definition.evaluation_periods
    breaches = [definition.breached_by(value) for value in values if value is not None][-window:]
    breaching, filled = sum(breaches), window - len(breaches)
    if breaching + (filled if treatment is MissingData.BREACHING else 0) >= needed:
        return _ALARM
    all_known = filled == 0 or treatment in (MissingData.BREACHING, MissingData.NOT_BREACHING)
    if all_known or breaching < len(breaches):
        return _OK
    if treatment is MissingData.IGNORE:
        return previous
    if not breaches:
        return _UNKNOWN
    oldest = next(len(values) - n for n, value in enumerate(values) if value is not None)
    return _ALARM if oldest >= needed else previous


def evaluate(
    definition: AlarmDefinition,
    datapoints: Sequence[Datapoint],
    previous: AlarmStatus,
    *,
    queried_at: datetime,
    now: datetime,
) -> AlarmStatus:
    """Return the alarm's status after an evaluation: `previous` itself if the state stays.

    `datapoints` are those of `evaluation_range`, one per period; `queried_at` is when they were
    read.
    """
    state = next_state(definition, [point.value for point in datapoints], previous.state)
    if state is previous.state:
        return previous
    real = [point for point in datapoints if point.value is not None]
    real = real[-definition.evaluation_periods :]
    reason = _reason(definition, real, previous.state, state)
    data = _reason_data(definition, datapoints, real, queried_at)
    return AlarmStatus(state, now, reason, json.dumps(data, separators=(",", ":")))


def _reason(
    definition: AlarmDefinition,
    real: Sequence[Datapoint],
    before: AlarmState,
    state: AlarmState,
) -> str:
    """Return the state's reason in CloudWatch's words; newest datapoint first."""
    missing = definition.evaluation_periods - len(real)
    if state is _UNKNOWN:
        return f"Insufficient Data: {_count(missing, 'datapoint')} {_were(missing)} unknown."
    _, _, words = _COMPARISONS[definition.comparison]
    crossed = state is _ALARM
    side = [p for p in real if p.value is not None and definition.breached_by(p.value) == crossed]
    listed = ", ".join(f"{p.value} ({p.at:%d/%m/%y %H:%M:%S})" for p in reversed(side))
    comparison = f"{'' if crossed else 'not '}{words} the threshold ({definition.threshold})"
    filler = {MissingData.BREACHING: "Breaching", MissingData.NOT_BREACHING: "NonBreaching"}
    if missing and (treated := filler.get(definition.missing_data)):
        seen = (
            f"{_count(len(side), 'datapoint')} [{listed}] {_were(len(side))} {comparison}"
            if side
            else f"no datapoints were received for {_count(missing, 'period')}"
        )
        filled = f"{_count(missing, 'missing datapoint')} {_were(missing)} treated as [{treated}]"
        return f"Threshold Crossed: {seen} and {filled}."
    needed = definition.datapoints_to_alarm
    minimum = needed if crossed else definition.evaluation_periods - needed + 1
    return (
        f"Threshold Crossed: {len(side)} out of the last {len(real)} datapoints "
        f"[{listed}] {_were(len(side))} {comparison} "
        f"(minimum {_count(minimum, 'datapoint')} for {before} -> {state} transition)."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _reason_data(
    definition: AlarmDefinition,
    datapoints: Sequence[Datapoint],
    real: Sequence[Datapoint],
    queried_at: datetime,
) -> dict[str, Any]:
    """Return `reasonData`: `recentDatapoints` oldest first, `evaluatedDatapoints` newest first."""
    lacking = definition.evaluation_periods - len(real)
    missing = [p for p in reversed(datapoints) if p.value is None][:lacking]
    evaluated = sorted([*real, *missing], key=lambda point: point.at, reverse=True)
    return {
        "version": "1.0",
        "queryDate": write_time(queried_at),
        **({"startDate": write_time(real[0].at)} if real else {}),
        "statistic": definition.statistic,
        "period": definition.period,
        "recentDatapoints": [point.value for point in real],
        "threshold": definition.threshold,
        "evaluatedDatapoints": [_evaluated(point) for point in evaluated],
    }


def _evaluated(point: Datapoint) -> dict[str, Any]:
    members = {
        "timestamp": write_time(point.at),
        "sampleCount": point.sample_count,
        "value": point.value,
    }
    return {key: member for key, member in members.items() if member is not None}


def alarm_event(
    definition: AlarmDefinition, status: AlarmStatus, previous: AlarmStatus, event_id: str
) -> dict[str, Any]:
    """Return the EventBridge event of a change from `previous` to `status`."""
    _, _, _, region, account, _ = definition.arn.split(":", 5)
    metric = {
        "dimensions": dict(definition.dimensions),
        "name": definition.metric,
        "namespace": definition.namespace,
    }
    stat = {"metric": metric, "period": definition.period, "stat": definition.statistic}
    # A UUID that changes only with the definition.
    metric_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{definition.arn}/{definition.metric}"))
    configuration: dict[str, Any] = {
        "metrics": [{"id": metric_id, "metricStat": stat, "returnData": True}]
    }
    if definition.description:
        configuration["description"] = definition.description
    return {
        "version": "0",
        "id": event_id,
        "detail-type": DETAIL_TYPE,
        "source": "aws.cloudwatch",
        "account": account,
        "time": f"{status.at:%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [definition.arn],
        "detail": {
            "alarmName": definition.name,
            "state": _state(status),
            "previousState": _state(previous),
            "configuration": configuration,
        },
    }


def _state(status: AlarmStatus) -> dict[str, str]:
    data = {} if status.reason_data is None else {"reasonData": status.reason_data}
    return {
        "value": str(status.state),
        "reason": status.reason,
        **data,
        "timestamp": write_time(status.at),
    }


def write_time(moment: datetime) -> str:
    """Return a UTC time as alarm events write it, e.g. `2026-11-22T10:00:00.123+0000`."""
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}+0000"
