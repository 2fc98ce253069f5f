"""What an evaluation leaves in CloudWatch: one structured log line that contains its metrics (EMF).

Quickstep / Decisions             by ResourceId and Outcome
Quickstep / AlarmToUpdateLatency  by ResourceId; from the alarm's own timestamp to the moment
                                  ECS accepted UpdateService
Quickstep / SurgeToUpdateLatency  by ResourceId; likewise from when a task felt a surge
Quickstep / DrillLatency          by ResourceId; from the start of the period of a drill's pulse to
                                  the decision; the only metric of a drill that decided
Quickstep / DesiredCount          by ResourceId; the desired count that the evaluation left behind
Quickstep / RunningCount          by ResourceId; the tasks that it saw running
Quickstep / MissingTasks          by ResourceId; launched and never came, while there are any
Quickstep / MinimumInForce        by ResourceId and BoundsBy, which is override or schedule, while
Quickstep / MaximumInForce        one of these replaces the document's bounds
Quickstep / FailedDecisions       over all targets, for the stack's own alarm
Quickstep / NoCapacityDecisions   over all targets: held, because some tasks are missing
Quickstep / IgnoredSurges         over all targets: tasks' messages that got no look
Quickstep / UnsentEvents          over all targets: calls that failed to announce decisions
Quickstep / RefusedEvents         over all targets: events and scheduled actions that break a rule
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger

from quickstep.alarms.event import EventError
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import DOCUMENT
from quickstep.fields import write_moment
from quickstep.loop.schedules import ScheduleError
from quickstep.protocol.messages import MessageError, read_records
from quickstep.protocol.ports import CallFailedError
from quickstep.report.emf import Metric, MetricSet, embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickstep.fields import InvalidDocumentError
    from quickstep.loop.schedules import Schedules
    from quickstep.protocol.records import DecisionRecord

# ASCII, because a character that cannot be encoded, such as a lone surrogate, would lose the line
# and its metrics.
logger = Logger(
    service="quickstep",
    json_serializer=partial(json.dumps, default=str, separators=(",", ":")),
)


def report(record: DecisionRecord) -> None:
    """Log a decision, and count it in the same line."""
    metrics = embedded(record.at, *_metric_sets(record))
    decision = {"decision": record.as_dict}
    if record.outcome.failed:
        logger.error(record.reason, extra={**decision, **metrics})
    elif logger.log_level <= logging.INFO:
        logger.info(record.reason, extra={**decision, **metrics})
    else:
        # The log level removes the decision from the log, but not from the metrics.
        print(json.dumps(metrics))  # noqa: T201 - to the same stream, for CloudWatch to read
    if record.unreadable:
        logger.warning("An operator's entry cannot be read", extra={"problems": record.unreadable})


def _metric_sets(record: DecisionRecord) -> Iterator[MetricSet]:
    if record.outcome is Outcome.IGNORED_SURGE:
        # Their sender names the service, and each name would add a metric to the bill.
        yield MetricSet((Metric("IgnoredSurges", 1),))
        return
    target = {"ResourceId": record.resource_id}
    if record.drill_latency is not None:
        # A drill changes nothing, so it must not count as a decision or add another metric to the
        # bill.
        yield MetricSet((_milliseconds("DrillLatency", record.drill_latency),), target)
        return
    outcome = {"Outcome": str(record.outcome)}
    yield MetricSet((Metric("Decisions", 1),), {**target, **outcome})
    if record.outcome.failed:
        yield MetricSet((Metric("FailedDecisions", 1),))
    if record.outcome is Outcome.HELD_NO_CAPACITY:
        yield MetricSet((Metric("NoCapacityDecisions", 1),))
    of_target = []
    if record.service is not None:
        desired = record.service.desired
        if record.decision is not None and record.outcome.changes_capacity:
            desired = record.decision.granted
        of_target += [
            Metric("DesiredCount", desired),
            Metric("RunningCount", record.service.running),
        ]
    if record.missing:
        of_target.append(Metric("MissingTasks", record.missing))
    if record.bounds and record.bounds.source != DOCUMENT:
        # Only then, because each target's metric is billed for the hours in which it has values.
        yield MetricSet(
            (
                Metric("MinimumInForce", record.bounds.minimum),
                Metric("MaximumInForce", record.bounds.maximum),
            ),
            {**target, "BoundsBy": record.bounds.source.partition(" ")[0]},
        )
    latencies = {
        "AlarmToUpdateLatency": record.alarm_to_update,
        "SurgeToUpdateLatency": record.surge_to_update,
    }
    of_target += [
        _milliseconds(name, latency) for name, latency in latencies.items() if latency is not None
    ]
    if of_target:
        yield MetricSet(tuple(of_target), target)


def _milliseconds(name: str, duration: timedelta) -> Metric:
    return Metric(name, duration / timedelta(milliseconds=1), "Milliseconds")


_T = TypeVar("_T")


def tell(
    announce: Callable[[list[DecisionRecord]], list[str]], records: list[DecisionRecord]
) -> None:
    """Announce committed decisions; log what could not be sent, and go on."""
    for why in announce(records):
        metrics = embedded(datetime.now(UTC), MetricSet((Metric("UnsentEvents", 1),)))
        logger.warning("Events could not be sent", extra={"why": why, **metrics})


def deliver(
    receive: Callable[[_T], list[DecisionRecord]],
    what: _T,
    announce: Callable[[list[DecisionRecord]], list[str]],
) -> dict[str, Any]:
    """Evaluate what came, report it and announce it; refuse foreign input without a retry."""
    try:
        records = receive(what)
    except (EventError, MessageError) as error:
        return {"refused": refuse(error)}
    except (CallFailedError, ExceptionGroup) as error:
        for why in sorted(set(_denials(error))):
            _count_denied(why)
        raise
    for record in records:
        report(record)
    tell(announce, records)
    return {"decisions": [record.as_dict for record in records]}


def _denials(error: Exception) -> Iterator[str]:
    """Yield the denied calls among the errors of targets that have no record."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _denials(each)
    elif isinstance(error, CallFailedError) and error.outcome is Outcome.FAILED_DENIED:
        yield error.why


def _count_denied(why: str) -> None:
    """Log and count a denied call that ended more than one evaluation, or preceded all of them."""
    metrics = embedded(datetime.now(UTC), MetricSet((Metric("FailedDecisions", 1),)))
    reason = Outcome.FAILED_DENIED.sentence(before=None, granted=None, why=why)
    logger.error(reason, extra=metrics)


def deliver_each(
    receive: Callable[[str, str], list[DecisionRecord]],
    records: Any,
    announce: Callable[[list[DecisionRecord]], list[str]],
) -> dict[str, Any]:
    """Evaluate a queue's messages; return the ids of failed ones, which come back alone.

    Similar records from another source are refused.

    Raises:
        ExceptionGroup: all failed, as a batch of one does; Lambda counts that as an error.
    """
    try:
        messages = read_records(records)
    except MessageError as error:
        return {"refused": refuse(error)}
    failed: dict[str, Exception] = {}
    decided: list[DecisionRecord] = []

    def later(records: list[DecisionRecord]) -> list[str]:
        decided.extend(records)
        return []

    for message in messages:
        try:
            deliver(partial(receive, message.body), message.queue, later)
        except Exception as error:
            logger.exception("A message failed", extra={"message_id": message.id})
            failed[message.id] = error
    tell(announce, decided)
    if failed and len(failed) == len(messages):
        raise ExceptionGroup("every message failed", list(failed.values()))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def carry_out(schedules: Schedules, event: Any) -> dict[str, Any]:
    """Carry out a scheduled action and report it; refuse anything else without a retry.

    The answer says what is written now, or why nothing is.
    """
    try:
        action, written = schedules.on_action(event)
    except ScheduleError as error:
        return {"refused": refuse(error)}
    target = {"resource_id": action.service.resource_id, "schedule": action.name}
    if not written:
        asked_at = write_moment(action.asked_at)
        why = f"an action of this name that is later than this one's {asked_at} was written before"
        logger.warning("Not written: %s", action, extra={**target, "why": why})
        return {"not_written": {**target, "why": why}}
    logger.info(str(action), extra=target)
    return {"scheduled": {**target, **action.entry}}


def refuse(error: InvalidDocumentError) -> list[str]:
    """Log and count what cannot be evaluated; return its problems."""
    problems = [str(problem) for problem in error.problems]
    metrics = embedded(datetime.now(UTC), MetricSet((Metric("RefusedEvents", 1),)))
    what = "Refused: neither an alarm event nor a Quickstep message"
    logger.error(what, extra={"problems": problems, **metrics})
    return problems
