"""A service's monthly usage of AWS for scaling, with Quickstep and without.

Pure: counts and usage in, lines out; `bill` adds prices. A month has 30 days.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.engine.outcome import Outcome
from quickstep_lab.cost.counts import LOG_EVENT, Case
from quickstep_lab.cost.prices import Meter
from quickstep_lab.simulator.world import CALL_SECONDS
from quickstep_publisher._surge import SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from quickstep_lab.cost.counts import Counted, Counts
    from quickstep_lab.simulator.series import Mark

DAYS = 30
HOURS = 24.0 * DAYS
SECONDS = 3600 * HOURS
HEARTBEATS = SECONDS / 60
RECHECK = 10
"""Seconds between looks in a breach."""

POLLS = 5 * SECONDS / 20
"""Lambda's empty polls of one queue in a month; there are two, the scaler's own and the tasks'.
Five pollers (*services-sqs-scaling*, Lambda Developer Guide) each wait 20 s, SQS's maximum. Not
measured; that a FIFO queue has as many is assumed."""

TAKEN = 2
"""Requests by which Lambda takes a message: ReceiveMessage and DeleteMessage."""

LOGS_KEPT = 1
"""Minimum days that a log group keeps lines: they become metrics within seconds."""

BY_THE_SECOND = 2
"""Metrics of each whole second beyond the first three: Utilization and QueueTime."""

CALLS_A_SECOND = 500
"""PutMetricData calls per second of an account and Region (*cloudwatch_limits*, CloudWatch User
Guide). All tasks call in the same second of five, so this many tasks reach it."""

SURGE = "surge"
"""The triggers of an evaluation that a task has asked for."""

ADDED = 4
"""Tasks that a breach adds without a simulation: the example policy's largest step."""

_MEGABYTES = 1024
_EVENTS = (Case.SCALE_OUT_EVENT, Case.HELD_EVENT, Case.OK_EVENT, Case.LOST_RACE)


class Transport(StrEnum):
    """How the tasks publish; the publisher's own names."""

    CLOUDWATCH = "cloudwatch"
    LOGS = "logs"
    EMF = "emf"


class Watched(StrEnum):
    """Who publishes what the policies watch, and so what it costs."""

    PUBLISHED = "published by the tasks"
    OF_ECS = "ECS's own, every 20 s"
    MINUTE = "AWS's own, once a minute"
    QUEUE = "a queue that is read"


class Part(StrEnum):
    """The bill's part that a line belongs to."""

    ALARMS = "Alarms"
    METRICS = "Metrics"
    PUBLISHING = "Publishing"
    LAMBDA = "Lambda"
    DYNAMODB = "DynamoDB"
    SQS = "SQS"
    LOGS = "Logs"
    CLOUDWATCH = "CloudWatch API"
    EVENTBRIDGE = "EventBridge"
    SSM = "SSM"
    DASHBOARD = "Dashboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A service: `tasks` on average, each publishing `metrics` every `publish_seconds`.

    The fourth and fifth metric are the publisher's `Utilization` and `QueueTime`, further ones are
    gauges. `services` share an account's scaler. `views` are the dashboard's refreshes per day. It
    has `alarms`, by default those of the template's steps; a policy that always looks at its metric
    does so `own_looks` times a month. If what is `watched` is not published by the tasks, none of
    their metrics and calls are needed. The service works off `queues` queues. The scaler runs a
    drill every `drill_minutes`; 0 for none.
    """

    tasks: float = 8
    metrics: int = 3
    publish_seconds: int = 1
    transport: Transport = Transport.CLOUDWATCH
    services: int = 1
    retention_days: int = 30
    views: float = 60
    alarms: int | None = None
    own_looks: float = 0.0
    watched: Watched = Watched.PUBLISHED
    queues: int = 0
    drill_minutes: int = 0

    @property
    def calls(self) -> float:
        """All tasks' calls in a month: whole seconds travel together.

        Example: one task, a call every 5 s: 518,400.
        """
        return self.task_hours * 3600 / max(CALL_SECONDS, self.publish_seconds)

    @property
    def task_hours(self) -> float:
        """Task-hours of a month."""
        return self.tasks * HOURS


@dataclass(frozen=True, slots=True)
class Activity:
    """A scaler's month: evaluations by case, and hours in which its metrics are sent.

    `surges` are the evaluations that tasks asked for.
    """

    cases: Mapping[Case, float] = field(default_factory=dict)
    metric_hours: float = 0.0
    surges: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a service's monthly bill: a shared one is already divided."""

    part: Part
    what: str
    meter: Meter
    quantity: float
    shared: bool = False


# --- what Quickstep does --------------------------------------------------------------------------


def activity_of_breaches(
    a_day: float, minutes: float, counted: Counted, *, reported: bool = False
) -> Activity:
    """Return the activity of `a_day` breaches, each of which lasts `minutes`.

    Each is an event that scales out, a re-check every 10 s and an OK event. Then the added tasks
    are removed: an event, a re-check for each task, an OK event. Example: one breach a day of 3
    minutes: 18 re-checks that hold and 4 that change, times 30.

    If tasks have `reported` it, each slot in which they do has one look, which is assumed to cost
    as much as a re-check that holds.

    Quickstep's metrics are sent in the hours of a breach: at least one hour each.
    """
    surges = SLOTS if reported else 0
    each = {
        Case.SCALE_OUT_EVENT: 1.0,
        Case.HELD_RECHECK: math.floor(minutes * 60 / RECHECK) + surges,
        Case.OK_EVENT: 2,
        Case.HELD_EVENT: 1,
        Case.CHANGED_RECHECK: ADDED,
    }
    busy = DAYS * min(24.0, a_day * max(1, math.ceil(minutes / 60)))
    names = {name for case in each for name in counted.cases[case].metrics}
    cases = {case: DAYS * a_day * number for case, number in each.items()}
    return Activity(cases, busy * len(names) if a_day else 0.0, DAYS * a_day * surges)


def activity_of_marks(marks: Iterable[Mark], a_month: float, counted: Counted) -> Activity:
    """Return the activity of a simulated traffic's decisions that repeats `a_month` times.

    Quickstep's metrics are sent in the traffic's hours with a decision that has them: each outcome
    has its own metric.
    """
    cases: Counter[Case] = Counter()
    sent, surges = set(), 0
    for mark in marks:
        case = _case_of(mark)
        cases[case] += 1
        surges += mark.trigger == SURGE
        others = (name for name in counted.cases[case].metrics if not name.startswith("Decisions"))
        sent |= {(mark.at // 3600, name) for name in (mark.outcome, *others)}
    made = {case: n * a_month for case, n in cases.items()}
    return Activity(made, len(sent) * a_month, surges * a_month)


def _case_of(mark: Mark) -> Case:
    changed = Outcome(mark.outcome).changes_capacity
    match mark.trigger:
        case "alarm OK":
            return Case.OK_EVENT
        case "heartbeat":
            return Case.ANSWERED_HEARTBEAT
        case "re-check" | "surge":
            return Case.CHANGED_RECHECK if changed else Case.HELD_RECHECK
        case _:
            return Case.SCALE_OUT_EVENT if changed else Case.HELD_EVENT


def quickstep(usage: Usage, activity: Activity, counted: Counted) -> tuple[Line, ...]:
    """Return the lines of a service that Quickstep scales."""
    cases, deployed = counted.cases, counted.deployed
    quiet, nobody = cases[Case.QUIET_HEARTBEAT], cases[Case.NO_TARGET_HEARTBEAT]
    own = [
        (_beyond(cases[of], quiet) if of is Case.ANSWERED_HEARTBEAT else cases[of], n)
        for of, n in activity.cases.items()
    ]
    events = sum(n for of, n in activity.cases.items() if of in _EVENTS)
    own.append((cases[Case.HELD_RECHECK], usage.own_looks))
    looks = [(_beyond(quiet, nobody), HEARTBEATS)]
    views = [(cases[Case.WIDGET], DAYS * usage.views)]
    lines = [
        _alarms(usage, counted),
        *publishing(usage, counted),
        Line(Part.METRICS, "Quickstep's own", Meter.METRIC, activity.metric_hours / HOURS),
        *_functions(own, "evaluations", counted, usage, deployed.memory),
        *_functions(looks, "heartbeat looks", counted, usage, deployed.memory),
        *shared(_scaler(usage, counted), usage.services),
        *_functions(views, "widget", counted, usage, deployed.widget_memory),
        Line(Part.SQS, "surge messages", Meter.FIFO_REQUEST, _messages(usage, activity)),
        Line(Part.EVENTBRIDGE, "alarm events", Meter.AWS_EVENT, events),
        *shared(drills(usage, counted), usage.services),
    ]
    return tuple(line for line in lines if line.quantity)


def _scaler(usage: Usage, counted: Counted) -> Iterator[Line]:
    """Yield the cost of the scaler itself, however many services it scales."""
    deployed = counted.deployed
    heartbeats = [(counted.cases[Case.NO_TARGET_HEARTBEAT], HEARTBEATS)]
    yield Line(Part.ALARMS, "the scaler's own alarms", Meter.ALARM, deployed.stack_alarms)
    yield from _functions(heartbeats, "heartbeat", counted, usage, deployed.memory)
    yield Line(Part.SQS, "empty SQS polls", Meter.QUEUE_REQUEST, POLLS)
    yield Line(Part.SQS, "empty polls, surge queue", Meter.FIFO_REQUEST, POLLS)
    yield Line(Part.EVENTBRIDGE, "heartbeat", Meter.SCHEDULE, HEARTBEATS)
    yield Line(Part.DASHBOARD, "dashboard", Meter.DASHBOARD, deployed.dashboards)


def drills(usage: Usage, counted: Counted) -> Iterator[Line]:
    """Yield the cost of a scaler's drills: two alarms, two metrics, and what each drill takes.

    Both metrics have a value in each hour, since an hour is the longest time between two drills.

    Example: one every 15 minutes: 2,880 a month.
    """
    if not usage.drill_minutes:
        return
    number = HOURS * 60 / usage.drill_minutes
    yield Line(Part.ALARMS, "drill's 10-s alarm", Meter.HIGH_RESOLUTION_ALARM, 1)
    yield Line(Part.ALARMS, "missed-drill alarm", Meter.ALARM, 1)
    yield Line(Part.METRICS, "drill pulse and latency", Meter.METRIC, 2)
    yield Line(Part.EVENTBRIDGE, "drills", Meter.SCHEDULE, number)
    yield Line(Part.CLOUDWATCH, "pulses of drills", Meter.API_REQUEST, number)
    each = [(counted.cases[Case.DRILL], number)]
    yield from _functions(each, "drills", counted, usage, counted.deployed.memory)


def _alarms(usage: Usage, counted: Counted) -> Line:
    """Return the line of a service's alarms. Below a minute they are high-resolution ones."""
    alarms = counted.deployed.service_alarms if usage.alarms is None else usage.alarms
    match usage.watched:
        case Watched.PUBLISHED:
            return Line(Part.ALARMS, "high-resolution alarms", Meter.HIGH_RESOLUTION_ALARM, alarms)
        case Watched.OF_ECS:
            return Line(Part.ALARMS, "20-s alarms", Meter.HIGH_RESOLUTION_ALARM, alarms)
        case Watched.MINUTE | Watched.QUEUE:
            return Line(Part.ALARMS, "60-s alarms", Meter.ALARM, alarms)
        case _:
            assert_never(usage.watched)


def _messages(usage: Usage, activity: Activity) -> float:
    """Return the requests for tasks' surge messages: each task sends one, the queue keeps one.

    Consecutive looks without a message are counted as if each had been asked for.
    """
    return activity.surges * (usage.tasks + TAKEN)


def publishing(usage: Usage, counted: Counted) -> Iterator[Line]:
    """Yield the cost of the tasks' metrics, whichever scaler reads them.

    A call costs the same whatever it carries, up to 1,000 values. Log lines are paid by the byte;
    those of `logs` have their own group, which need not keep them for longer than a day.

    Example: 1 task for a month: 518,400 calls, or as many times 5 lines of the embedded metric
    format, of 2,180 bytes together: 1.13 GB.
    """
    if usage.watched is not Watched.PUBLISHED:
        if usage.watched is Watched.OF_ECS:
            yield Line(Part.METRICS, "ECS's 20-s metric", Meter.VENDED_METRIC, 1)
        return
    yield Line(Part.METRICS, "published by the tasks", Meter.METRIC, usage.metrics)
    if usage.transport is Transport.CLOUDWATCH:
        yield Line(Part.PUBLISHING, "PutMetricData", Meter.API_REQUEST, usage.calls)
        return
    lines, size = lines_of(usage, counted)
    logged = usage.calls * (size + lines * LOG_EVENT)
    yield Line(Part.PUBLISHING, "EMF lines", Meter.LOG_INGESTED, logged)
    days = LOGS_KEPT if usage.transport is Transport.LOGS else usage.retention_days
    yield Line(Part.PUBLISHING, "EMF lines, stored", Meter.LOG_STORED, logged * days / DAYS)


def lines_of(usage: Usage, counted: Counted) -> tuple[int, int]:
    """Return how many EMF lines a call makes, and their bytes without CloudWatch Logs' overhead.

    Example: a call of whole seconds has 5 lines with three metrics; with Utilization and QueueTime,
    each line has 80 bytes more per metric.
    """
    published = counted.published
    more = usage.metrics - published.metrics
    if usage.publish_seconds > 1:
        return 1, published.line_bytes + more * published.gauge_bytes
    each_second = min(more, BY_THE_SECOND)
    size = published.lines_bytes + each_second * published.seconds * published.second_bytes
    return published.lines, size + (more - each_second) * published.gauge_bytes


def _functions(
    taken: Sequence[tuple[Counts, float]],
    what: str,
    counted: Counted,
    usage: Usage,
    memory: int,
) -> Iterator[Line]:
    """Yield the functions' lines: each case with how often it happens in a month."""
    kept = usage.retention_days / DAYS
    platform = counted.platform
    bytes_each = platform.log_bytes + platform.log_lines * LOG_EVENT

    def total(of: Callable[[Counts], float]) -> float:
        return sum(of(counts) * n for counts, n in taken)

    logged = total(lambda c: c.log_bytes + c.log_lines * LOG_EVENT + c.invocations * bytes_each)
    stored = total(lambda c: c.stored) * kept
    gigabytes = memory / _MEGABYTES
    busy = total(lambda c: c.milliseconds / 1000 * gigabytes)
    for part, meter, quantity in (
        (Part.LAMBDA, Meter.LAMBDA_REQUEST, total(lambda c: c.invocations)),
        (Part.LAMBDA, Meter.LAMBDA_GB_SECOND, busy),
        (Part.DYNAMODB, Meter.WRITE_UNIT, total(lambda c: c.write_units)),
        (Part.DYNAMODB, Meter.READ_UNIT, total(lambda c: c.read_units)),
        (Part.DYNAMODB, Meter.TABLE_STORED, stored),
        (Part.DYNAMODB, Meter.TABLE_BACKUP, stored),
        (Part.SQS, Meter.QUEUE_REQUEST, total(lambda c: c.calls_of("sqs"))),
        (Part.SSM, Meter.PARAMETER_READ, total(lambda c: c.calls_of("ssm"))),
        (Part.LOGS, Meter.LOG_INGESTED, logged),
        (Part.LOGS, Meter.LOG_STORED, logged * kept),
        (Part.CLOUDWATCH, Meter.METRIC_READ, total(lambda c: c.metrics_read)),
        (Part.CLOUDWATCH, Meter.API_REQUEST, total(lambda c: c.cloudwatch_requests)),
    ):
        yield Line(part, what, meter, quantity)


def _beyond(whole: Counts, part: Counts) -> Counts:
    """Return what one more target adds to a heartbeat: no invocation, but time in the same one."""
    return replace(
        whole,
        calls={call: n - part.calls.get(call, 0) for call, n in whole.calls.items()},
        invocations=whole.invocations - part.invocations,
        write_units=whole.write_units - part.write_units,
        read_units=whole.read_units - part.read_units,
        log_lines=whole.log_lines - part.log_lines,
        log_bytes=whole.log_bytes - part.log_bytes,
        milliseconds=max(0.0, whole.milliseconds - part.milliseconds),
    )


def shared(lines: Iterable[Line], services: int) -> Iterator[Line]:
    """Yield a service's share of lines that all services of an account cause together."""
    for line in lines:
        yield replace(line, quantity=line.quantity / services, shared=True)


# --- AWS's scalers --------------------------------------------------------------------------------


def aas(name: str, usage: Usage, counted: Counted) -> tuple[Line, ...]:
    """Return the lines of one of AWS's scalers: its alarms and its metric. The scaler is free.

    Example: target tracking on 20-s metrics has two alarms, and pays for ECS's metric.
    """
    own = replace(usage, **OTHERS[name])
    return (_alarms(own, counted), *publishing(own, counted))


_STEPS: dict[str, Any] = {"alarms": None}
_TWO: dict[str, Any] = {"alarms": 2}
_TWO_FREE: dict[str, Any] = {"alarms": 2, "watched": Watched.MINUTE}
_TWO_OF_ECS: dict[str, Any] = {"alarms": 2, "watched": Watched.OF_ECS}

NATIVE = {
    "aas-step-10s-alarm": _STEPS,
    "aas-step-60s-alarm": _TWO_FREE,
    "aas-target-tracking-60s": _TWO_FREE,
    "aas-target-tracking-20s": _TWO_OF_ECS,
    "aas-percent-10s-alarm": _TWO,
    "aas-target-tracking-20s-custom": _TWO,
    "aas-target-tracking-10s-custom": _TWO,
}
"""How the usage of AWS's scalers differs, by the simulator's names.

Steps use the template's alarms; all others have two, one each way. Those on 60 s use a load
balancer's or ECS's metric. That target tracking's alarms are charged as high-resolution ones is
assumed for the announced custom metrics, and not verified for ECS's 20-s metric.
"""

OTHERS = {
    **NATIVE,
    "aas-step-20s-alarm": _STEPS,
    "aas-percent-20s-alarm": _TWO,
    "aas-percent-60s-alarm": _TWO_FREE,
}
"""All rivals, including those on signals that tasks do not publish."""
