"""`quickstep shadow`: a dry run beside Application Auto Scaling, and what it would have done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from quickstep.fields import write_moment
from quickstep_cli.autoscaling import read_activities, read_scalable
from quickstep_cli.aws import (
    Aws,
    JsonOption,
    TargetArgument,
    now,
    on_aws,
)
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.decisions import SinceOption  # noqa: TC001 - Typer reads annotations at run time
from quickstep_cli.extra import INSTALL, has_lab
from quickstep_cli.facts import or_unknown
from quickstep_cli.running import present_scaler, read_metrics, task_size
from quickstep_cli.shadowing import changes, sentence, surges
from quickstep_cli.tables import Table, named, print_prose, print_tables, prose
from quickstep_cli.targets import records_since, the_target
from quickstep_cli.times import UtcOption, moment_text, read_span, span_text, zone_of, zone_text
from quickstep_cli.watched import NAMED
from quickstep_lab.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.shadowing import Change

_FINE = timedelta(hours=3)
"""How long CloudWatch keeps datapoints of periods under a minute."""


@on_aws
def shadow(
    aws: Aws,
    target: TargetArgument,
    *,
    since: SinceOption = "24h",
    utc: UtcOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what a dry run would have done with what Application Auto Scaling did, and when.

    If the tasks publish their requests, both are also simulated on the recorded load.
    """
    span = read_span(since, "--since")
    document, start = the_target(aws, target), now() - span
    records = list(records_since(aws, target, start))
    activities = or_unknown(lambda: read_activities(aws, target, start))
    known = [] if isinstance(activities, Unknown) else activities
    every = changes(records, known)
    if as_json:
        typer.echo(json.dumps(_as_dict(every, since), ensure_ascii=False))
        return
    console = Console(highlight=False)
    print_tables(_table(target, every, since, zone_of(utc)), console=console)
    print_prose(sentence(every, since), console=console)
    print_prose(*_remarks(document, activities, records), console=console, style="dim")
    _simulate(aws, console, target, document, span)


def _remarks(
    document: ScalableTarget, activities: Any, records: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if not document.dry_run:
        yield "This is not a dry run: Quickstep made these changes."
    if isinstance(activities, Unknown):
        yield f"Application Auto Scaling's activities are unknown: {activities.why}."
    if not records:
        yield "No decision was recorded. If an alarm was in breach, `quickstep doctor` says why."


def _as_dict(every: Sequence[Change], since: str) -> dict[str, Any]:
    return {
        "since": since,
        "sentence": sentence(every, since),
        "changes": [
            {
                "at": write_moment(change.at),
                "who": change.who.value,
                "from": change.before,
                "to": change.to,
                "until": write_moment(change.until) if change.until else None,
                "why": change.why,
            }
            for change in every
        ],
        "surges": [
            {
                "at": write_moment(surge.at),
                "quickstep": surge.most,
                "aas": surge.answer,
                "aas_later_s": surge.later,
            }
            for surge in surges(every)
        ],
    }


def _table(target: ServiceName, every: Sequence[Change], since: str, zone: tzinfo | None) -> Table:
    count = f"{len(every)} change{'' if len(every) == 1 else 's'}"
    title = f"{target.resource_id}: {count} in {since}, {zone_text(now(), zone)}"
    table = Table((*named("At", "Who", "Tasks", "For"), *prose("Why")), title)
    for change in every:
        before, to = (
            "?" if number is None else str(number) for number in (change.before, change.to)
        )
        table.add(
            moment_text(change.at, zone),
            change.who.value,
            f"{before} → {to}",
            span_text(change.until - change.at) if change.until else "",
            change.why,
        )
    return table


# --- on the recorded load -------------------------------------------------------------------------


def _simulate(
    aws: Aws, console: Console, service: ServiceName, target: ScalableTarget, span: timedelta
) -> None:
    recorded = or_unknown(lambda: _recorded(aws, service, target, span))
    if not isinstance(recorded, Traffic):
        why = f"Not simulated on the recorded load: {recorded.why}."
        print_prose(why, console=console, style="dim")
        return
    from quickstep_cli.beside import Beside, play, show  # noqa: PLC0415 - takes its time

    scalable = or_unknown(lambda: read_scalable(aws, service))
    policies = [] if isinstance(scalable, Unknown) or scalable is None else scalable.policies
    size = task_size(aws, service)
    desired = aws.services.describe(service).desired
    beside = Beside(target, present_scaler(policies), max(1, desired), size)
    show(console, beside, play(beside, recorded))


def _recorded(
    aws: Aws, service: ServiceName, target: ScalableTarget, span: timedelta
) -> Traffic | Unknown:
    """Return each second's requests as the tasks published them, or why not."""
    if not has_lab():
        return Unknown(f"that needs the extra lab: {INSTALL}")
    names = [one.alarm for one in target.policies if NAMED.get(one.name) == "requests"]
    if not names or len(names) < len(target.policies):
        return Unknown("only the tasks' RequestsPerSecond says how many requests there were")
    described = aws.client("cloudwatch").describe_alarms(AlarmNames=[service.alarm(names[0])])
    alarms = described["MetricAlarms"]
    if not alarms or "MetricName" not in alarms[0]:
        return Unknown(f"there is no alarm {service.alarm(names[0])} on a metric")
    period = 10 if span <= _FINE else 60
    metric = {key: alarms[0][key] for key in ("Namespace", "MetricName", "Dimensions")}
    query = {
        "Id": "load",
        "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"},
    }
    datapoints = read_metrics(aws, [query], span)["load"]
    if not datapoints:
        return Unknown(f"{alarms[0]['Namespace']} {alarms[0]['MetricName']} has no datapoint")
    return traffic_of(datapoints, period, target.publish_seconds)


def traffic_of(datapoints: Mapping[datetime, float], period: int, publish_seconds: int) -> Traffic:
    """Return each second's requests, from sums over all samples of a period.

    Each task has a sample every `publish_seconds`. In gaps, the last load is assumed to continue.
    Example: a sum of 4,800 in 10 s from tasks that publish each second: 480 a second.
    """
    first, last = min(datapoints), max(datapoints)
    seconds: list[float] = []
    load, at = 0.0, first
    while at <= last:
        if at in datapoints:
            load = datapoints[at] * publish_seconds / period
        seconds += [load] * period
        at += timedelta(seconds=period)
    return Traffic("the recorded load", tuple(seconds))
