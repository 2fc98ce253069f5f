"""Count what each evaluation calls, writes and logs: the real functions on the embedded AWS.

python -m benchmarks calls
python -m benchmarks.calls    writes counts.json, which `quickstep cost` uses
"""

from __future__ import annotations

import io
import json
import statistics
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from benchmarks.figures import Benchmark, Figure, Quantity
from benchmarks.rehearsal import AT, HIGH, LOW, REQUEST, Act, Rehearsal
from quickstep.aws.attributes import to_item
from quickstep.aws.dynamodb import STATE, TARGETS, DynamoTargets
from quickstep.protocol.memory import Lease
from quickstep_lab.cost.counts import FILE, Case, Counted, Deployed, Platform, Published
from quickstep_lab.demo import NAMESPACE, SERVICE
from quickstep_lab.embedded_aws import TABLE, embedded_aws
from quickstep_publisher._points import (
    INTERVAL,
    Address,
    Gauge,
    Interval,
    Sample,
    Statistics,
    build,
)
from quickstep_publisher.transports import EmfTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


T = TypeVar("T")

ROOT = Path(__file__).parents[1]
RUNS = 3
SHOWN = 60
"""Decisions in the hour that the widget shows."""

# In Lambda's text format (*python-logging*, Lambda Developer Guide).
_PLATFORM_LINES = f"""\
START RequestId: {REQUEST} Version: 12
END RequestId: {REQUEST}
REPORT RequestId: {REQUEST}\tDuration: 115.06 ms\tBilled Duration: 116 ms\t\
Memory Size: 1024 MB\tMax Memory Used: 156 MB\t
""".splitlines()


# --- the story -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens some seconds after AT, and the world's state before it.

    `outcome` is the newest decision's afterwards: it shows that the case is what it claims to be.
    """

    case: Case
    at: int
    before: Act
    act: Act
    outcome: str


def _load(value: float) -> Act:
    return lambda scaler: scaler.publish(value, scaler.now - timedelta(seconds=10))


def _idle(scaler: Rehearsal) -> None:
    scaler.set_tasks(2)  # the policy's minimum, as if the scaler had set it
    scaler.client("dynamodb").update_item(
        TableName=TABLE,
        Key=to_item({"pk": SERVICE.resource_id, "sk": STATE}),
        UpdateExpression="SET desired = :minimum",
        ExpressionAttributeValues=to_item({":minimum": 2}),
    )


def _missed_event(scaler: Rehearsal) -> None:
    scaler.set_alarm(HIGH, "ALARM")
    scaler.publish(160, scaler.now - timedelta(seconds=10))


def _held_by_another(scaler: Rehearsal) -> None:
    lease = Lease("another", scaler.now, scaler.now + timedelta(seconds=15))
    DynamoTargets(scaler.client("dynamodb"), TABLE).claim(SERVICE.resource_id, lease)


def _no_alarms(scaler: Rehearsal) -> None:
    scaler.client("cloudwatch").delete_alarms(AlarmNames=[HIGH, LOW])
    entry = to_item({"pk": TARGETS, "sk": SERVICE.resource_id})
    scaler.client("dynamodb").delete_item(TableName=TABLE, Key=entry)


def _nothing(_: Rehearsal) -> None:
    pass


_HEARTBEAT, _RECHECK = Rehearsal.heartbeat, Rehearsal.recheck
_HIGH, _OK, _LOW = (
    (lambda scaler, name=name: scaler.event(name))
    for name in ("alarm-high-step2", "alarm-ok", "alarm-low")
)


def _drill(scaler: Rehearsal) -> None:
    scaler.event("alarm-drill")
    scaler.event("alarm-drill-over")


_QUIET, _LOST = "HELD_NOT_BREACHING", "LOST_RACE"

STORY = (
    Step(Case.QUIET_HEARTBEAT, 0, _nothing, _HEARTBEAT, _QUIET),
    Step(Case.SCALE_OUT_EVENT, 60, _load(160), _HIGH, "SCALED_OUT"),
    Step(Case.HELD_RECHECK, 70, _load(140), _RECHECK, "HELD_CAPACITY_ON_ITS_WAY"),
    Step(Case.CHANGED_RECHECK, 80, _load(400), _RECHECK, "SCALED_OUT"),
    Step(Case.OK_EVENT, 90, _load(74), _OK, "HELD_NOT_BREACHING"),
    Step(Case.HELD_EVENT, 300, _idle, _LOW, "HELD_AT_MIN"),
    Step(Case.DRILL, 310, _load(20), _drill, "HELD_NOT_BREACHING"),
    Step(Case.ANSWERED_HEARTBEAT, 360, _missed_event, _HEARTBEAT, "SCALED_OUT"),
    Step(Case.SCHEDULED_ACTION, 600, _nothing, Rehearsal.scheduled, "SCALED_OUT"),
    Step(Case.LOST_RACE, 660, _held_by_another, _HIGH, _LOST),
    Step(Case.NO_TARGET_HEARTBEAT, 720, _no_alarms, _HEARTBEAT, _LOST),
    Step(Case.WIDGET, 725, lambda s: s.fill(SHOWN), Rehearsal.widget, _LOST),
)
"""A quarter of an hour in a service's life, in which every case has its place."""


def played(scaler: Rehearsal, take: Callable[[Act], T]) -> dict[Case, T]:
    """Return the result of `take` for each step's act, as the story proceeds.

    Raises:
        RuntimeError: a step ended otherwise, so it is not the case to count.
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
    with embedded_aws() as account:
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
    """Return all counts, with times: medians of the runs, the first of which warms up."""
    counted = count_all()
    with embedded_aws() as account:
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
    """Return what the templates create by default."""
    scaler = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    target = yaml_parse((ROOT / "templates" / "scalable-target.yaml").read_text(encoding="utf-8"))
    dashboard = yaml_parse((ROOT / "templates" / "dashboard.yaml").read_text(encoding="utf-8"))
    functions = _of_type(scaler, "AWS::Serverless::Function")
    return Deployed(
        service_alarms=len(_of_type(target, "AWS::CloudWatch::Alarm", "HasSteps")),
        stack_alarms=len(_of_type(scaler, "AWS::CloudWatch::Alarm")),
        dashboards=len(_of_type(dashboard, "AWS::CloudWatch::Dashboard")),
        memory=scaler["Parameters"]["MemorySize"]["Default"],
        widget_memory=functions["DashboardWidget"]["MemorySize"],
    )


def _of_type(template: Any, kind: str, condition: str | None = None) -> dict[str, Any]:
    """Return the properties of a template's resources of a kind, and of a condition if given."""
    return {
        name: one["Properties"]
        for name, one in template["Resources"].items()
        if one["Type"] == kind and condition in (None, one.get("Condition"))
    }


def published() -> Published:
    """Return what the publisher sends in an interval in which a task is busy."""
    times = Statistics(count=600, total=12_345.678, minimum=4.321, maximum=98.765)
    means = Interval(INTERVAL, 620, 12, times)
    gauges = {"QueueLength": Gauge(12, "Count")}
    first = int(AT.timestamp()) - INTERVAL
    alone = tuple(Sample(first + n, 124.0, 12) for n in range(INTERVAL))
    busy = tuple(replace(one, busy=0.4321) for one in alone)
    one, longer, whole, more = (
        _lines(interval)
        for interval in (
            means,
            replace(means, gauges=gauges),
            replace(means, samples=alone),
            replace(means, samples=busy),
        )
    )
    return Published(
        seconds=INTERVAL,
        metrics=len({name for line in whole for name in _metrics(line)}),
        line_bytes=_size(one),
        gauge_bytes=_size(longer) - _size(one),
        lines=len(whole),
        lines_bytes=_size(whole),
        second_bytes=(_size(more) - _size(whole)) // INTERVAL,
    )


def _lines(interval: Interval) -> list[str]:
    point = build(interval, AT)
    assert point is not None  # noqa: S101 - the interval is long enough
    stream = io.StringIO()
    EmfTransport(stream).send(Address(NAMESPACE, SERVICE.cluster, SERVICE.service), point)
    return stream.getvalue().splitlines()


def _metrics(line: str) -> list[str]:
    (directive,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    return [metric["Name"] for metric in directive["Metrics"]]


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) for line in lines)


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
    "The real functions run on the embedded AWS, for one service with two alarms. AWS calls are"
    " counted from botocore's events, DynamoDB's request units from the sizes of the items by AWS's"
    " rules, and log bytes from the functions' output. Times are those of the embedded AWS, in this"
    " process. [Costs](costs.md) says what it costs.",
    figures,
)


def as_text(counted: Counted) -> str:
    """Return the text of the file that `read_counts` reads."""
    members = asdict(counted)
    members["cases"] = {case.name: asdict(counts) for case, counts in counted.cases.items()}
    return json.dumps(members, indent=2) + "\n"


def main() -> None:
    """Count everything again, and write the file that the cost model uses."""
    FILE.write_text(as_text(measured()), encoding="utf-8")
    typer.echo(f"Written to {FILE.relative_to(ROOT)}; now: python -m docs.generate")


if __name__ == "__main__":
    typer.run(main)
