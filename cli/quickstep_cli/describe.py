"""`quickstep describe`: one target on one screen, like `kubectl describe`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from quickstep.engine.load import MISSING_AFTER
from quickstep.engine.model import AlarmState, ScalableTarget, StepPolicy, TargetPolicy
from quickstep.fields import write_optional_moment
from quickstep.loop.surges import lately
from quickstep.protocol.memory import CorruptItemError
from quickstep_cli.aws import Aws, JsonOption, TargetArgument, now, on_aws
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.decisions import COLUMNS, cells
from quickstep_cli.facts import or_unknown
from quickstep_cli.failures import Exit
from quickstep_cli.history import entries
from quickstep_cli.languages import LangOption, chosen
from quickstep_cli.status import Status, in_force, status_of
from quickstep_cli.tables import Table, named, numbers, print_fields, print_tables, prose
from quickstep_cli.targets import newest_records, stored_document, the_target, versions
from quickstep_cli.times import UtcOption, age_text, moment_text, zone_of, zone_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo

    from quickstep.engine.model import Datapoint
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory
    from quickstep.report.language import Language
    from quickstep_cli.evidence import Said
    from quickstep_cli.history import Record

SHOWN_EVENTS = 5


@dataclass(frozen=True, kw_only=True)
class Described:
    """Everything to show about one target; what could not be read is `Unknown`, with the reason."""

    service: ServiceName
    at: datetime
    status: Status
    target: ScalableTarget
    memory: Memory | Unknown
    written: str | Unknown = ""
    points: Mapping[str, Sequence[Datapoint]] | Unknown = field(default_factory=dict)
    events: Sequence[Said] | Unknown = ()
    deployments: Sequence[Said] | Unknown = ()
    records: Sequence[Record] = ()
    most: int = 0

    @property
    def missing(self) -> int:
        """Tasks that were launched long ago and are not running."""
        if isinstance(self.memory, Unknown) or not self.status.service:
            return 0
        since = self.at - timedelta(seconds=MISSING_AFTER * self.target.warmup_seconds)
        late = sum(one.count for one in self.memory.state.launches if one.at > since)
        service = self.status.service
        return max(0, int(service["desired"]) - int(service["running"]) - late)

    def newest(self, alarm: str) -> Datapoint | None:
        """Return the newest datapoint of an alarm's metric."""
        points = {} if isinstance(self.points, Unknown) else self.points
        return next(iter(points.get(alarm, ())[-1:]), None)


@on_aws
def describe(
    aws: Aws,
    target: TargetArgument,
    *,
    decisions: Annotated[
        int, typer.Option(min=0, max=50, help="Number of newest decisions and events to show.")
    ] = 5,
    utc: UtcOption = False,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one target on one screen: bounds, tasks, alarms, overrides, pauses and events."""
    seen = _gather(aws, target, the_target(aws, target), now(), decisions)
    if as_json:
        typer.echo(json.dumps(_as_dict(seen), ensure_ascii=False))
    else:
        console, zone = Console(highlight=False), zone_of(utc)
        print_fields(list(_fields(seen, zone)), console)
        for table in _tables(seen, zone, chosen(lang)):
            console.print()
            print_tables(table, console=console)
    if seen.status.problems:
        raise typer.Exit(Exit.NO)


def _gather(
    aws: Aws, service: ServiceName, target: ScalableTarget, at: datetime, most: int
) -> Described:
    from quickstep_cli.gathering import said_by_ecs  # noqa: PLC0415 - boto3 takes its time

    memory = or_unknown(lambda: _memory(aws, service))
    ecs = or_unknown(lambda: said_by_ecs(aws, service))
    return Described(
        service=service,
        at=at,
        status=status_of(aws, service, stored_document(aws, service) or "", at),
        target=target,
        memory=memory,
        written=or_unknown(lambda: _written(aws, service, at)),
        points=or_unknown(lambda: _points(aws, memory, at)),
        events=ecs if isinstance(ecs, Unknown) else ecs[0],
        deployments=ecs if isinstance(ecs, Unknown) else ecs[1],
        records=newest_records(aws, service, most + 1) if most else (),
        most=most,
    )


def _memory(aws: Aws, service: ServiceName) -> Memory | Unknown:
    try:
        return aws.peek(service)[0]
    except CorruptItemError as error:
        return Unknown(f"its item cannot be read: {error}")


def _written(aws: Aws, service: ServiceName, at: datetime) -> str:
    newest = versions(aws, service)[-1]
    by = f" by {newest.by}" if newest.by else ""
    return f"version {newest.number}, {age_text(newest.at, at)} ago{by}" if newest.at else ""


def _points(aws: Aws, memory: Memory | Unknown, at: datetime) -> Mapping[str, Sequence[Datapoint]]:
    """Return the complete datapoints of the last minutes, by alarm."""
    from quickstep.aws.cloudwatch import CloudWatchMetrics  # noqa: PLC0415 - boto3 takes its time

    alarms = {} if isinstance(memory, Unknown) else memory.alarms
    definitions = {name: one.definition for name, one in alarms.items() if one.definition}
    if not definitions:
        return {}
    read = CloudWatchMetrics(aws.client("cloudwatch")).read(definitions, at)
    return {
        name: [
            point
            for point in points
            if point.at + timedelta(seconds=definitions[name].period) <= at
        ]
        for name, points in read.items()
    }


# --- output ---------------------------------------------------------------------------------------


def _fields(seen: Described, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    status = seen.status
    yield "Target", status.resource_id
    yield "Time", f"{moment_text(seen.at, zone)} {zone_text(seen.at, zone)}"
    written = f"unknown: {seen.written.why}" if isinstance(seen.written, Unknown) else seen.written
    yield "Document", f"{seen.service.parameter}, {written}".rstrip(", ")
    for number, policy in enumerate((*seen.target.policies, *seen.target.queues)):
        yield ("" if number else "Policies"), _policy(policy)
    if status.bounds:
        yield (
            "Bounds",
            f"{status.bounds['min']} to {status.bounds['max']}, the {status.bounds['of']}'s",
        )
    yield "Tasks", _tasks(seen)
    if status.service and status.service.get("trouble"):
        yield "ECS says", str(status.service["trouble"])
    yield "Reporting", _reporting(seen)
    memory = None if isinstance(seen.memory, Unknown) else seen.memory
    if memory and memory.surges:
        last = age_text(memory.surges[-1], seen.at)
        yield "Surges", f"{len(lately(memory, seen.at))} looks in 10 minutes, the last {last} ago"
    said = list(in_force(status, seen.at, zone))
    for number, one in enumerate(said or ["nothing but the document"]):
        yield ("" if number else "In force"), one
    if not any("next look" in one for one in said):
        yield "Next look", "at the next alarm or heartbeat, within a minute"


def _policy(policy: Any) -> str:
    match policy:
        case StepPolicy():
            count = len(policy.steps)
            steps = f"{count} step{'' if count == 1 else 's'} of {policy.adjustment_type}"
            return f"{policy.name}: {policy.direction}, {steps}, cooldown {policy.cooldown}s"
        case TargetPolicy():
            return (
                f"{policy.name}: target {policy.target_value:g} ({policy.metric_scope}), cooldowns "
                f"{policy.scale_out_cooldown}s out and {policy.scale_in_cooldown}s in"
            )
        case _:
            return f"{policy.name}: queue {policy.queue_name}, {policy.seconds_per_job:g}s a job"


def _tasks(seen: Described) -> str:
    service = seen.status.service
    if not service:
        return "unknown"
    parts = [f"{service['desired']} desired", f"{service['running']} running"]
    parts += [f"{service['pending']} pending"] if service["pending"] else []
    parts += [f"{seen.missing} missing"] if seen.missing else []
    return ", ".join(parts)


def _reporting(seen: Described) -> str:
    """Return how many tasks publish, from the samples in their newest whole period."""
    if isinstance(seen.points, Unknown):
        return f"unknown: {seen.points.why}"
    memory, target = seen.memory, seen.target
    if isinstance(memory, Unknown):
        return "unknown"
    shown = []
    for name, points in seen.points.items():
        definition = memory.alarms[name].definition
        if not definition or not points or points[-1].samples is None:
            continue
        tasks = points[-1].samples * target.publish_seconds / definition.period
        shown.append((points[-1].at, round(tasks), definition.period))
    if not shown:
        return "no task has published in the last minutes"
    at, tasks, period = max(shown)
    age = age_text(at + timedelta(seconds=period), seen.at)
    return f"about {tasks} task{'' if tasks == 1 else 's'}, the newest period ended {age} ago"


def _tables(seen: Described, zone: tzinfo | None, say: Language) -> Iterator[Table]:
    yield _alarms(seen)
    memory = None if isinstance(seen.memory, Unknown) else seen.memory
    if memory and memory.backlog:
        queues = Table(
            (
                *named("Queue"),
                *numbers("Visible", "In flight", "Delayed", "Arrivals/s"),
                *prose("Trouble"),
            )
        )
        for name, queue in memory.backlog.queues.items():
            read = queue.reading
            counts = (read.visible, read.in_flight, read.delayed) if read else ("?", "?", "?")
            queues.add(name, *counts, f"{queue.arrivals:.3g}", queue.trouble)
        yield queues
    if seen.records:
        decisions = entries(reversed(seen.records))
        decisions = decisions[1:] if len(decisions) > seen.most else decisions
        decided = Table(COLUMNS, "Last decisions")
        for entry in decisions:
            decided.add(*cells(entry, seen.at, zone, say))
        yield decided
    for title, part in (("ECS deployments", seen.deployments), ("ECS events", seen.events)):
        table = Table((*named("At", "Age"), *prose("What")), title, empty="none")
        if isinstance(part, Unknown):
            table.empty = f"unknown: {part.why}"
        else:
            for one in part[-SHOWN_EVENTS:]:
                table.add(moment_text(one.at, zone), age_text(one.at, seen.at), one.what)
        yield table


def _alarms(seen: Described) -> Table:
    columns = (*named("Alarm", "State", "Age"), *numbers("Newest", "Threshold"), *named("Of"))
    table = Table(columns, empty="No alarm is known: the heartbeat learns them within a minute.")
    known = {} if isinstance(seen.memory, Unknown) else seen.memory.alarms
    for name, alarm in known.items():
        point, definition = seen.newest(name), alarm.definition
        silenced = " (silenced)" if alarm.silenced(seen.at) else ""
        table.add(
            name,
            f"{alarm.state}{silenced}",
            age_text(alarm.at, seen.at),
            f"{point.value:,.4g}" if point else "-",
            f"{definition.threshold:,.4g}" if definition else "?",
            f"{age_text(point.at, seen.at)} ago" if point else "no datapoint",
            style="bold" if alarm.state is AlarmState.ALARM else "",
        )
    return table


def _as_dict(seen: Described) -> dict[str, Any]:
    def said(part: Sequence[Said] | Unknown) -> Any:
        if isinstance(part, Unknown):
            return {"unknown": part.why}
        return [{"at": write_optional_moment(one.at), "what": one.what} for one in part]

    memory = None if isinstance(seen.memory, Unknown) else seen.memory
    return {
        **asdict(seen.status),
        "document": seen.written
        if isinstance(seen.written, str)
        else {"unknown": seen.written.why},
        "missing": seen.missing,
        "reporting": _reporting(seen),
        "surges": [write_optional_moment(at) for at in memory.surges] if memory else [],
        "decisions": list(reversed(seen.records[: seen.most])),
        "deployments": said(seen.deployments),
        "events": said(seen.events),
    }
