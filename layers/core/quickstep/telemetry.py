"""What an evaluation leaves in CloudWatch: one structured log line, and its metrics (EMF).

Quickstep / Decisions             by ResourceId and Outcome
Quickstep / AlarmToUpdateLatency  by ResourceId; from the alarm's own timestamp to the moment
                                  ECS accepted UpdateService
Quickstep / DesiredCount          by ResourceId; the desired count that the evaluation left behind
Quickstep / RunningCount          by ResourceId; the tasks that it saw running
Quickstep / FailedDecisions       over all targets, for the stack's own alarm
Quickstep / RefusedEvents         over all targets: events and scheduled actions that break a rule
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from quickstep.alarm_events import EventError
from quickstep.messages import MessageError
from quickstep.scheduled import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.fields import InvalidDocumentError
    from quickstep.records import DecisionRecord
    from quickstep.scheduled import Schedules

NAMESPACE = "Quickstep"

logger = Logger(service="quickstep")


def report(record: DecisionRecord) -> None:
    """Log a decision and count it."""
    write = logger.error if record.outcome.failed else logger.info
    write(record.reason, extra={"decision": record.as_dict()})
    if record.unreadable:
        logger.warning("An operator's entry cannot be read", extra={"problems": record.unreadable})
    _count("Decisions", ResourceId=record.resource_id, Outcome=str(record.outcome))
    if record.outcome.failed:
        _count("FailedDecisions")
    if record.service is not None:
        running, desired = record.service.running, record.service.desired
        if record.decision is not None and record.outcome.changes_capacity:
            desired = record.decision.granted
        _measure("DesiredCount", MetricUnit.Count, desired, ResourceId=record.resource_id)
        _measure("RunningCount", MetricUnit.Count, running, ResourceId=record.resource_id)
    if record.alarm_to_update is not None:
        latency = record.alarm_to_update / timedelta(milliseconds=1)
        _measure(
            "AlarmToUpdateLatency",
            MetricUnit.Milliseconds,
            latency,
            ResourceId=record.resource_id,
        )


_T = TypeVar("_T")


def deliver(receive: Callable[[_T], list[DecisionRecord]], what: _T) -> dict[str, Any]:
    """Evaluate what came and report it; refuse, without a retry, what is none of ours."""
    try:
        records = receive(what)
    except (EventError, MessageError) as error:
        return {"refused": refuse(error)}
    for record in records:
        report(record)
    return {"decisions": [record.as_dict() for record in records]}


def deliver_each(
    receive: Callable[[str], list[DecisionRecord]], messages: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Evaluate messages of the queue; return the ids of those that failed, and come back alone.

    Raises:
        ExceptionGroup: all failed, as a batch of one does; Lambda counts that as an error.
    """
    failed: dict[str, Exception] = {}
    for message in messages:
        try:
            deliver(receive, message["body"])
        except Exception as error:
            logger.exception("A message failed", extra={"message_id": message["messageId"]})
            failed[message["messageId"]] = error
    if failed and len(failed) == len(messages):
        raise ExceptionGroup("every message failed", list(failed.values()))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def carry_out(schedules: Schedules, event: Any) -> dict[str, Any]:
    """Carry out a scheduled action and report it; refuse, without a retry, what is none."""
    try:
        action = schedules.on_action(event)
    except ScheduleError as error:
        return {"refused": refuse(error)}
    logger.info(str(action), extra={"resource_id": action.service.resource_id})
    return {"scheduled": {"resource_id": action.service.resource_id, **action.entry}}


def refuse(error: InvalidDocumentError) -> list[str]:
    """Log and count what cannot be evaluated; return its problems."""
    problems = [str(problem) for problem in error.problems]
    logger.error("Refused what is no event or message of ours", extra={"problems": problems})
    _count("RefusedEvents")
    return problems


def _count(name: str, **dimensions: str) -> None:
    _measure(name, MetricUnit.Count, 1, **dimensions)


def _measure(name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
    with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE) as metric:
        for dimension, of in dimensions.items():
            metric.add_dimension(dimension, of)
