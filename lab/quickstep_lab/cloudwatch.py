"""CloudWatch's alarm evaluation, which the embedded AWS leaves out.

Definitions, states and datapoints are CloudWatch's, read and written with boto3; the rules come
from `lab.alarms`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import AlarmState
from quickstep_lab.alarms import (
    INITIAL_REASON,
    AlarmDefinition,
    AlarmStatus,
    Datapoint,
    alarm_event,
    evaluate,
    evaluation_range,
    read_definition,
)
from quickstep_lab.simulator import constants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import (
        MetricAlarmTypeDef,
        MetricDataQueryTypeDef,
        PutMetricAlarmInputTypeDef,
    )

EVALUATION_SECONDS = constants.EVALUATION.whole
"""How often CloudWatch evaluates an alarm with a period under a minute."""
VISIBILITY_DELAY = constants.DEMO_VISIBILITY.whole
"""Seconds from a period's end to the evaluation that sees its datapoint."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One alarm after an evaluation: its definition, what it saw, its status before and now."""

    definition: AlarmDefinition
    datapoints: tuple[Datapoint, ...]
    previous: AlarmStatus
    status: AlarmStatus

    @property
    def newest(self) -> float | None:
        """The newest datapoint's value; None if missing."""
        return self.datapoints[-1].value

    def event(self) -> dict[str, Any] | None:
        """Return the event that the evaluation sends; None if the state is unchanged."""
        if self.status is self.previous:
            return None
        return alarm_event(self.definition, self.status, self.previous, str(uuid.uuid4()))


def create_alarms(client: CloudWatchClient, alarms: Iterable[PutMetricAlarmInputTypeDef]) -> None:
    """Create alarms in CloudWatch's initial state; the emulator would start them in OK."""
    for alarm in alarms:
        client.put_metric_alarm(**alarm)
        client.set_alarm_state(
            AlarmName=alarm["AlarmName"],
            StateValue="INSUFFICIENT_DATA",
            StateReason=INITIAL_REASON,
        )


def evaluate_alarms(
    client: CloudWatchClient, prefix: str, clock: Callable[[], datetime]
) -> Iterator[Evaluation]:
    """Evaluate the alarms whose names start with `prefix`, one by one; store changed states.

    Each alarm is evaluated on demand, so its event can leave before the next alarm's turn.
    """
    answer = client.describe_alarms(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"])
    for alarm in answer["MetricAlarms"]:
        yield _evaluate(client, alarm, clock)


def _evaluate(
    client: CloudWatchClient, alarm: MetricAlarmTypeDef, clock: Callable[[], datetime]
) -> Evaluation:
    definition, previous = read_definition(alarm), _status(alarm)
    queried_at = clock()
    datapoints = _datapoints(client, definition, queried_at)
    status = evaluate(definition, datapoints, previous, queried_at=queried_at, now=clock())
    if status is not previous:
        client.set_alarm_state(
            AlarmName=definition.name,
            StateValue=status.state.value,
            StateReason=status.reason,
            StateReasonData=status.reason_data or "{}",
        )
    return Evaluation(definition, datapoints, previous, status)


def _status(alarm: MetricAlarmTypeDef) -> AlarmStatus:
    return AlarmStatus(
        AlarmState(alarm["StateValue"]),
        alarm["StateUpdatedTimestamp"].astimezone(UTC),
        alarm["StateReason"],
        alarm.get("StateReasonData") or None,
    )


def _datapoints(
    client: CloudWatchClient, definition: AlarmDefinition, now: datetime
) -> tuple[Datapoint, ...]:
    """Return the evaluation range, with None for periods without data.

    StartTime is on the period grid, where CloudWatch's buckets start, and so the emulator's.
    """
    starts = evaluation_range(definition, now)
    answer = client.get_metric_data(
        MetricDataQueries=[
            metric_query("value", definition, definition.statistic),
            metric_query("samples", definition, "SampleCount"),
        ],
        StartTime=starts[0],
        EndTime=starts[-1] + timedelta(seconds=definition.period),
    )
    found = {
        result["Id"]: dict(
            zip((t.astimezone(UTC) for t in result["Timestamps"]), result["Values"], strict=True)
        )
        for result in answer["MetricDataResults"]
    }
    return tuple(
        Datapoint(start, found["value"].get(start), found["samples"].get(start)) for start in starts
    )


def metric_query(query_id: str, definition: AlarmDefinition, stat: str) -> MetricDataQueryTypeDef:
    """Return the part of GetMetricData that reads an alarm's metric."""
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": definition.namespace,
                "MetricName": definition.metric,
                "Dimensions": [
                    {"Name": name, "Value": value} for name, value in definition.dimensions.items()
                ],
            },
            "Period": definition.period,
            "Stat": stat,
        },
    }
