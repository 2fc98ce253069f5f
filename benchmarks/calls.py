"""What each evaluation calls, writes and logs: the real functions on the embedded AWS, counted.

python -m benchmarks calls
python -m benchmarks.calls    writes lab/cost/counts.json, which `quickstep cost` goes by
"""

from __future__ import annotations

import io
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from benchmarks.figures import Benchmark, Figure, Quantity
from benchmarks.ledger import Ledger, stored_bytes
from functions.dashboard.handler import handler as dashboard_handler
from functions.scaler.handler import handler as scaler_handler
from functions.schedule.handler import handler as schedule_handler
from lab.clock import period_start
from lab.cost.counts import FILE, Case, Counted, Counts, Deployed, Platform, Published
from lab.cost.units import item_size
from lab.demo import DIMENSIONS, METRIC, NAMESPACE, SERVICE, prepare
from lab.embedded_aws import QUEUE, TABLE, EmbeddedAws, create_queue, reset
from lab.event_source import deliver, open_queue
from lab.scaler import HEARTBEAT, Invocation, printing_to
from quickstep.aws.dynamodb import RETENTION, DynamoTargets
from quickstep.cycle import MAX_EVENT_AGE
from quickstep.fields import write_moment
from quickstep.memory import Lease
from quickstep.messages import Message, read_message, write_message
from quickstep.triggers import Recheck
from quickstep.wiring import (
    ScheduleSettings,
    Settings,
    make_dashboard,
    make_intake,
    make_schedules,
)
from quickstep_publisher._points import INTERVAL, Address, Gauge, Interval, Statistics, build
from quickstep_publisher.transports import EmfTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.embedded_aws import Account

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / "events"
AT = datetime(2026, 11, 22, 10, 0, 12, 600_000, tzinfo=UTC)
"""The moment that the sample events speak of."""
HOUR = timedelta(hours=1)
TASKS = 4
RUNS = 3
SHOWN = 60
"""Decisions of the hour that the widget shows."""
HIGH, LOW = SERVICE.alarm("high-request-rate"), SERVICE.alarm("low-request-rate")
INBOX = f"{QUEUE}-due"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

# As Lambda writes them in its text format (*python-logging*, Lambda Developer Guide).
_REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
_PLATFORM_LINES = f"""\
START RequestId: {_REQUEST} Version: 12
END RequestId: {_REQUEST}
REPORT RequestId: {_REQUEST}\tDuration: 115.06 ms\tBilled Duration: 116 ms\t\
Memory Size: 1024 MB\tMax Memory Used: 156 MB\t
""".splitlines()


class Rehearsal:
    """The deployed functions over an embedded AWS of one service, at a time that is set.

    A quiet service: `TASKS` run, both alarms are OK and known, load has been published.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.ledger = Ledger(self.client("dynamodb"))
        self.now = AT
        self._log = io.StringIO()
        self._seconds, self._invocations = 0.0, 0
        self._changed: dict[str, datetime] = {}
        session = self.ledger.session()
        session.events.register("after-call.cloudwatch.DescribeAlarms", self._on_our_clock)
        counted = replace(account, session=session).client
        reset(account)
        # Messages are sent with a delay. Those that are due wait in a queue of their own.
        queue, inbox = create_queue(account), create_queue(account, INBOX)
        self._inbox = open_queue(counted("sqs"), inbox)
        settings = Settings(TABLE, queue, 0, MAX_EVENT_AGE, RETENTION)
        made = make_intake(settings, counted)
        self._intake = replace(made, cycle=replace(made.cycle, clock=lambda: self.now))
        made_schedules = make_schedules(ScheduleSettings(TABLE, inbox), counted)
        self._schedules = replace(made_schedules, clock=lambda: self.now)
        self._deployed = make_dashboard(TABLE, counted)

    @cache  # noqa: B019 - there is one rehearsal, and it lives as long as the embedded AWS
    def client(self, service: Any) -> Any:
        """Return a client whose calls are not counted."""
        return self.account.client(service)

    def begin(self) -> None:
        """Forget everything, and let the service be quiet for an hour."""
        reset(self.account)
        prepare(self.account)
        create_queue(self.account, INBOX)
        self.set_tasks(TASKS)
        self.now = AT - HOUR
        for name in (HIGH, LOW):
            self.set_alarm(name, "OK")
        self.publish(60, *(AT - timedelta(seconds=back) for back in range(10, 200, 10)))
        self.now = AT - timedelta(seconds=60)
        self.heartbeat()
        self.now = AT

    def set_tasks(self, desired: int) -> None:
        """Have somebody set the desired count."""
        self.client("ecs").update_service(
            cluster=SERVICE.cluster, service=SERVICE.service, desiredCount=desired
        )

    def set_alarm(self, name: str, state: str) -> None:
        """Have an alarm change its state, and nobody told of it."""
        self.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="counted"
        )
        self._changed[name] = self.now

    def _on_our_clock(self, parsed: dict[str, Any], **_: Any) -> None:
        """Say when alarms changed: the embedded AWS knows this machine's clock only."""
        for alarm in parsed["MetricAlarms"]:
            alarm["StateUpdatedTimestamp"] = self._changed[alarm["AlarmName"]]
            alarm.pop("StateTransitionedTimestamp", None)

    def publish(self, value: float, *moments: datetime) -> None:
        """Publish samples of the periods that the moments are in: two of each task."""
        data = [
            {
                "MetricName": METRIC,
                "Dimensions": DIMENSIONS,
                "Timestamp": period_start(moment, 10),
                "Value": value,
                "StorageResolution": 1,
            }
            for moment in moments
            for _ in range(2 * TASKS)
        ]
        self.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)

    # --- what AWS does -----------------------------------------------------------------------

    def event(self, name: str) -> None:
        """Deliver a sample event, as if it had happened now."""
        text = (EVENTS / f"{name}.json").read_text(encoding="utf-8")
        event = json.loads(_MOMENT.sub(self._shifted, text))
        self._invoke(scaler_handler, event, intake=self._intake)

    def _shifted(self, moment: re.Match[str]) -> str:
        shifted = datetime.fromisoformat(moment[0]) + (self.now - AT)
        return f"{shifted:%Y-%m-%dT%H:%M:%S}"

    def heartbeat(self) -> None:
        """Deliver the minute's heartbeat."""
        self._invoke(scaler_handler, HEARTBEAT, intake=self._intake)

    def recheck(self) -> None:
        """Deliver the re-check that the scaler has sent last."""
        memory, _ = DynamoTargets(self.client("dynamodb"), TABLE).peek(SERVICE.resource_id)
        self._send(json.dumps(write_message(Message(Recheck(SERVICE, memory.generation)))))
        self._deliver()

    def scheduled(self) -> None:
        """Deliver a scheduled action, and the message that it sends."""
        action = {
            "ResourceId": SERVICE.resource_id,
            "Name": "expected-traffic",
            "At": f"{self.now:%Y-%m-%dT%H:%M:%SZ}",
            "For": "2h",
            "MinCapacity": 10,
            "Reason": "expected traffic",
        }
        self._invoke(schedule_handler, action, schedules=self._schedules)
        self._deliver()

    def widget(self) -> None:
        """Show the last hour in the dashboard."""
        start, end = ((self.now - age).timestamp() * 1000 for age in (HOUR, timedelta()))
        context = {"timeRange": {"start": start, "end": end}, "theme": "dark", "width": 1200}
        event = {"service": SERVICE.resource_id, "widgetContext": context}
        self._invoke(dashboard_handler, event, deployed=self._deployed)

    def _send(self, body: str) -> None:
        read_message(body)  # what is counted is one of the scaler's own messages
        self.client("sqs").send_message(QueueUrl=self._inbox.url, MessageBody=body)

    def _deliver(self) -> None:
        def invoke(event: Any) -> Any:
            return self._invoke(scaler_handler, event, intake=self._intake)

        deliver(self._inbox, invoke)

    def _invoke(self, handler: Any, event: Any, **made: Any) -> Any:
        context: Any = Invocation(_REQUEST)
        with printing_to(self._log):
            began = time.perf_counter()
            try:
                return handler(event, context, **made)
            finally:
                self._seconds += time.perf_counter() - began
                self._invocations += 1

    # --- what came of it ------------------------------------------------------------------------

    def counted(self, act: Act) -> Counts:
        """Return what `act` takes."""
        before = self.ledger.sizes()
        self._log.seek(0)
        self._log.truncate()
        self._invocations = 0
        with self.ledger.running(before):
            act(self)
        lines = self._log.getvalue().splitlines()
        return Counts(
            calls=dict(sorted(self.ledger.calls.items())),
            invocations=self._invocations,
            write_units=self.ledger.write_units,
            read_units=self.ledger.read_units,
            stored=stored_bytes(self.ledger.sizes()) - stored_bytes(before),
            metrics_read=self.ledger.metrics_read,
            log_lines=len(lines),
            log_bytes=sum(len(line.encode()) for line in lines),
            metrics=tuple(sorted({metric for line in lines for metric in emf_metrics(line)})),
        )

    def timed(self, act: Act) -> float:
        """Return the milliseconds in which the functions do it; nothing is counted meanwhile."""
        self._seconds = 0.0
        act(self)
        return self._seconds * 1000

    def outcome(self) -> str:
        """Return the outcome of the newest decision."""
        return str(self._decisions()[-1]["outcome"]["S"])

    def _decisions(self) -> list[dict[str, Any]]:
        answer = self.client("dynamodb").query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :decision)",
            ExpressionAttributeValues={
                ":pk": {"S": SERVICE.resource_id},
                ":decision": {"S": "decision#"},
            },
        )
        return list(answer["Items"])

    def fill(self, count: int) -> None:
        """Put decisions like the largest one into the last hour."""
        item, requests = max(self._decisions(), key=item_size), []
        for number in range(count):
            moment = write_moment(self.now - HOUR + timedelta(seconds=30 * number))
            copy = {**item, "at": {"S": moment}, "sk": {"S": f"decision#{moment}#{number:032x}"}}
            requests.append({"PutRequest": {"Item": copy}})
        for start in range(0, count, 25):  # the most that one call takes
            batch = {TABLE: requests[start : start + 25]}
            self.client("dynamodb").batch_write_item(RequestItems=batch)


def emf_metrics(line: str) -> Iterator[str]:
    """Yield the metrics of a log line in the embedded metric format, without the service's name.

    Example: `Decisions Outcome=SCALED_OUT ResourceId`.
    """
    document = json.loads(line)
    for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
        for dimensions in directive["Dimensions"] or [[]]:
            names = (
                name if name == "ResourceId" else f"{name}={document[name]}"
                for name in sorted(dimensions)
            )
            suffix = "".join(f" {name}" for name in names)
            yield from (f"{metric['Name']}{suffix}" for metric in directive["Metrics"])


Act = Callable[[Rehearsal], None]


# --- the story -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens so many seconds after AT, and what the world does before it.

    `outcome` is that of the newest decision afterwards: it shows that the case was what it says.
    """

    case: Case
    at: int
    before: Act
    act: Act
    outcome: str


def _load(value: float) -> Act:
    return lambda scaler: scaler.publish(value, scaler.now - timedelta(seconds=10))


def _idle(scaler: Rehearsal) -> None:
    scaler.set_tasks(2)  # the policy's minimum


def _missed_event(scaler: Rehearsal) -> None:
    scaler.set_alarm(HIGH, "ALARM")
    scaler.publish(160, scaler.now - timedelta(seconds=10))


def _held_by_another(scaler: Rehearsal) -> None:
    lease = Lease("another", scaler.now, scaler.now + timedelta(seconds=15))
    DynamoTargets(scaler.client("dynamodb"), TABLE).claim(SERVICE.resource_id, lease)


def _no_alarms(scaler: Rehearsal) -> None:
    scaler.client("cloudwatch").delete_alarms(AlarmNames=[HIGH, LOW])


def _nothing(_: Rehearsal) -> None:
    pass


_HEARTBEAT, _RECHECK = Rehearsal.heartbeat, Rehearsal.recheck
_HIGH, _OK, _LOW = (
    (lambda scaler, name=name: scaler.event(name))
    for name in ("alarm-high-step2", "alarm-ok", "alarm-low")
)
_QUIET, _LOST = "HELD_NOT_BREACHING", "LOST_RACE"

STORY = (
    Step(Case.QUIET_HEARTBEAT, 0, _nothing, _HEARTBEAT, _QUIET),
    Step(Case.SCALE_OUT_EVENT, 60, _load(160), _HIGH, "SCALED_OUT"),
    Step(Case.HELD_RECHECK, 70, _load(140), _RECHECK, "HELD_CAPACITY_ON_ITS_WAY"),
    Step(Case.CHANGED_RECHECK, 80, _load(400), _RECHECK, "SCALED_OUT"),
    Step(Case.OK_EVENT, 90, _load(74), _OK, "HELD_NOT_BREACHING"),
    Step(Case.HELD_EVENT, 300, _idle, _LOW, "HELD_AT_MIN"),
    Step(Case.ANSWERED_HEARTBEAT, 360, _missed_event, _HEARTBEAT, "SCALED_OUT"),
    Step(Case.SCHEDULED_ACTION, 600, _nothing, Rehearsal.scheduled, "SCALED_OUT"),
    Step(Case.LOST_RACE, 660, _held_by_another, _HIGH, _LOST),
    Step(Case.NO_TARGET_HEARTBEAT, 720, _no_alarms, _HEARTBEAT, _LOST),
    Step(Case.WIDGET, 725, lambda s: s.fill(SHOWN), Rehearsal.widget, _LOST),
)
"""A quarter of an hour in the life of a service; every case has its place in it."""


def played(scaler: Rehearsal, take: Callable[[Act], T]) -> dict[Case, T]:
    """Return what `take` takes of each step's act, as the story goes on.

    Raises:
        RuntimeError: a step did not end as it should; so it is not what was to be counted.
    """
    scaler.begin()
    taken = {}
    for step in STORY:
        scaler.now = AT + timedelta(seconds=step.at)
        step.before(scaler)
        taken[step.case] = take(step.act)
        if (outcome := scaler.outcome()) != step.outcome:
            raise RuntimeError(f"{step.case}: must end {step.outcome}, not {outcome}")
    return taken


def count_all() -> Counted:
    """Return all counts, without times."""
    with EmbeddedAws() as account:
        scaler = Rehearsal(account)
        cases = played(scaler, scaler.counted)
    return Counted(
        cases={case: cases[case] for case in Case},
        deployed=deployed(),
        published=published(),
        platform=Platform(
            log_lines=len(_PLATFORM_LINES),
            log_bytes=sum(len(line.encode()) for line in _PLATFORM_LINES),
        ),
    )


def measured() -> Counted:
    """Return all counts, with times: medians of the runs, of which the first warms up."""
    counted = count_all()
    with EmbeddedAws() as account:
        scaler = Rehearsal(account)
        _, *runs = (played(scaler, scaler.timed) for _ in range(1 + RUNS))
    return replace(
        counted,
        cases={
            case: replace(counts, milliseconds=round(statistics.median(run[case] for run in runs)))
            for case, counts in counted.cases.items()
        },
    )


def deployed() -> Deployed:
    """Return what the templates make by default."""
    scaler = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    target = yaml_parse((ROOT / "templates" / "scalable-target.yaml").read_text(encoding="utf-8"))
    functions = _of_type(scaler, "AWS::Serverless::Function")
    return Deployed(
        service_alarms=len(_of_type(target, "AWS::CloudWatch::Alarm")),
        stack_alarms=len(_of_type(scaler, "AWS::CloudWatch::Alarm")),
        dashboards=len(_of_type(scaler, "AWS::CloudWatch::Dashboard")),
        memory=scaler["Parameters"]["MemorySize"]["Default"],
        widget_memory=functions["DashboardWidget"]["MemorySize"],
    )


def _of_type(template: Any, kind: str) -> dict[str, Any]:
    resources = template["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == kind}


def published() -> Published:
    """Return what the publisher sends of an interval in which a task has been at work."""
    times = Statistics(count=600, total=12_345.678, minimum=4.321, maximum=98.765)
    gauge = {"QueueLength": Gauge(12, "Count")}
    lines = []
    for gauges in ({}, gauge):
        point = build(Interval(INTERVAL, 620, 12, times, gauges), AT)
        assert point is not None  # noqa: S101 - the interval is long enough
        stream = io.StringIO()
        EmfTransport(stream).send(Address(NAMESPACE, SERVICE.cluster, SERVICE.service), point)
        lines.append((len(point.metrics), len(stream.getvalue().rstrip("\n").encode())))
    (metrics, line), (_, longer) = lines
    return Published(seconds=INTERVAL, metrics=metrics, line_bytes=line, gauge_bytes=longer - line)


def figures() -> Iterator[Figure]:
    """Yield what each case takes."""
    for case, counts in measured().cases.items():
        calls = sum(counts.calls.values())
        listed = ", ".join(f"{call} {n}" for call, n in counts.calls.items())
        yield Figure(f"{case}: calls ({listed})", Quantity(calls))
        units = (counts.write_units, "WRU"), (counts.read_units, "RRU")
        yield from (Figure(f"{case}: DynamoDB", Quantity(n, unit)) for n, unit in units if n)
        yield Figure(f"{case}: log, {counts.log_lines} lines", Quantity(counts.log_bytes, "B"))
        yield Figure(f"{case}: time", Quantity(counts.milliseconds, "ms"))


BENCHMARK = Benchmark(
    "calls",
    "Calls of an evaluation",
    "The real functions on the embedded AWS, one service with two alarms: AWS calls from botocore's"
    " events, DynamoDB's request units from the sizes of the items by AWS's rules, log bytes from"
    " the functions' output. The times are on the embedded AWS, in this process. What it costs:"
    " [costs](costs.md).",
    figures,
)


def main() -> None:
    """Count everything anew, and write it to the file that the cost model goes by."""
    FILE.write_text(measured().as_text(), encoding="utf-8")
    typer.echo(f"Written to {FILE.relative_to(ROOT)}; now: python -m docs.generate")


if __name__ == "__main__":
    typer.run(main)
