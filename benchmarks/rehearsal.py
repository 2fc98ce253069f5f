"""The deployed functions on an embedded AWS, with everything they use counted."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.ledger import Ledger, stored_bytes
from benchmarks.units import item_size
from functions.dashboard.handler import handler as dashboard_handler
from functions.scaler.handler import handler as scaler_handler
from functions.schedule.handler import handler as schedule_handler
from quickstep.aws.dynamodb import RETENTION, DynamoTargets
from quickstep.fields import write_moment
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.loop.documents import KeptDocuments
from quickstep.protocol.messages import Message, Recheck, read_message, write_message
from quickstep.settings import ScheduleSettings, Settings
from quickstep.wiring import make_dashboard, make_door, make_schedules
from quickstep_lab.clock import period_start
from quickstep_lab.cost.counts import Counts
from quickstep_lab.demo import DIMENSIONS, METRIC, NAMESPACE, SERVICE, prepare
from quickstep_lab.embedded_aws import QUEUE, TABLE, create_queue, reset
from quickstep_lab.event_source import deliver, open_queue
from quickstep_lab.scaler import HEARTBEAT, Invocation, printing_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / "events"
AT = datetime(2026, 11, 22, 10, 0, 12, 600_000, tzinfo=UTC)
"""The moment of the sample events."""
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TASKS = 4
HIGH, LOW = SERVICE.alarm("high-request-rate"), SERVICE.alarm("low-request-rate")
INBOX = f"{QUEUE}-due"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
"""The ID of every invocation, as long as a real one."""


class Rehearsal:
    """The deployed functions over an embedded AWS with one service, at a fixed time.

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
        # Messages are sent with a delay. Due ones wait in a separate queue.
        queue, inbox = create_queue(account), create_queue(account, INBOX)
        self._inbox = open_queue(counted("sqs"), inbox)
        settings = Settings(TABLE, queue, 0, MAX_EVENT_AGE, RETENTION)
        made = make_door(settings, counted)
        self._door = replace(made, cycle=replace(made.cycle, clock=lambda: self.now))
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
        self._forget_documents()
        self.set_tasks(TASKS)
        self.now = AT - HOUR
        for name in (HIGH, LOW):
            self.set_alarm(name, "OK")
        self.publish(60, *(AT - timedelta(seconds=back) for back in range(10, 200, 10)))
        self.now = AT - timedelta(seconds=60)
        self.heartbeat()
        self.now = AT

    def _forget_documents(self) -> None:
        """Make functions forget every document older than this very second.

        So each evaluation reads the table's copy, except the heartbeat's, which has just read it.
        """
        cycle = self._door.cycle
        known: Any = cycle.policies
        cold = KeptDocuments(known.parameters, known.copies, SECOND, lambda: self.now)
        self._door = replace(self._door, cycle=replace(cycle, policies=cold))

    def set_tasks(self, desired: int) -> None:
        """Set the desired count as somebody else would."""
        self.client("ecs").update_service(
            cluster=SERVICE.cluster, service=SERVICE.service, desiredCount=desired
        )

    def set_alarm(self, name: str, state: str) -> None:
        """Change an alarm's state without an event."""
        self.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="counted"
        )
        self._changed[name] = self.now

    def _on_our_clock(self, parsed: dict[str, Any], **_: Any) -> None:
        """Correct the times of alarm changes: the embedded AWS only knows this machine's clock."""
        for alarm in parsed["MetricAlarms"]:
            alarm["StateUpdatedTimestamp"] = self._changed[alarm["AlarmName"]]
            alarm.pop("StateTransitionedTimestamp", None)

    def publish(self, value: float, *moments: datetime) -> None:
        """Publish samples in the periods of these moments: two per task."""
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

    # --- AWS's part ---------------------------------------------------------------------------

    def event(self, name: str) -> None:
        """Deliver a sample event, as if it had just happened."""
        text = (EVENTS / f"{name}.json").read_text(encoding="utf-8")
        event = json.loads(_MOMENT.sub(self._shifted, text))
        self._invoke(scaler_handler, event, door=self._door)

    def _shifted(self, moment: re.Match[str]) -> str:
        shifted = datetime.fromisoformat(moment[0]) + (self.now - AT)
        return f"{shifted:%Y-%m-%dT%H:%M:%S}"

    def heartbeat(self) -> None:
        """Deliver the minute's heartbeat."""
        self._invoke(scaler_handler, HEARTBEAT, door=self._door)

    def recheck(self) -> None:
        """Deliver the re-check that the scaler sent last."""
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
        read_message(body)  # fails unless it is one of the scaler's own messages
        self.client("sqs").send_message(QueueUrl=self._inbox.url, MessageBody=body)

    def _deliver(self) -> None:
        def invoke(event: Any) -> Any:
            return self._invoke(scaler_handler, event, door=self._door)

        deliver(self._inbox, invoke)

    def _invoke(self, handler: Any, event: Any, **made: Any) -> Any:
        context: Any = Invocation(REQUEST)
        with printing_to(self._log):
            began = time.perf_counter()
            try:
                return handler(event, context, **made)
            finally:
                self._seconds += time.perf_counter() - began
                self._invocations += 1

    # --- the result ---------------------------------------------------------------------------

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
        """Return the milliseconds that the functions take for it; nothing is counted meanwhile."""
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
        """Add decisions like the largest one to the last hour."""
        item, requests = max(self._decisions(), key=item_size), []
        for number in range(count):
            moment = write_moment(self.now - HOUR + timedelta(seconds=30 * number))
            copy = {**item, "at": {"S": moment}, "sk": {"S": f"decision#{moment}#{number:032x}"}}
            requests.append({"PutRequest": {"Item": copy}})
        for start in range(0, count, 25):  # the maximum per call
            batch = {TABLE: requests[start : start + 25]}
            self.client("dynamodb").batch_write_item(RequestItems=batch)


def emf_metrics(line: str) -> Iterator[str]:
    """Yield the metrics of an EMF log line, without the service's name.

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
