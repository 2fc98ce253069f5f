"""`quickstep why`: why a target had its number of tasks, as `evidence.py` explains it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from quickstep_cli.aws import Aws, JsonOption, TargetArgument, now, on_aws
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.decisions import COLUMNS, cells
from quickstep_cli.evidence import paragraph
from quickstep_cli.languages import LangOption, chosen
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables, prose
from quickstep_cli.targets import record_before, the_target
from quickstep_cli.times import UtcOption, moment_text, read_past, zone_of, zone_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickstep.report.language import Language
    from quickstep_cli.evidence import AlarmPast, Evidence, Said


@on_aws
def why(
    aws: Aws,
    target: TargetArgument,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When: 14:03, 2026-11-26 14:03, 1h (ago) or ISO 8601.",
            show_default="now",
        ),
    ] = None,
    utc: UtcOption = False,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain in a paragraph why a target had its number of tasks, with the evidence.

    Also works without a record, and when another tool changed the number of tasks.
    """
    zone, asked_at = zone_of(utc), now()
    moment = read_past(at, "--at", asked_at, zone) if at else asked_at
    from quickstep_cli.gathering import as_json as data  # noqa: PLC0415 - boto3 takes its time
    from quickstep_cli.gathering import gather  # noqa: PLC0415

    if record_before(aws, target, asked_at) is None:
        the_target(aws, target)
    seen = gather(aws, target, moment, asked_at, zone)
    text = paragraph(seen)
    if as_json:
        typer.echo(json.dumps(data(seen, text), ensure_ascii=False))
        return
    print_prose(text)
    print_prose("")
    print_tables(*_tables(seen, chosen(lang)))
    for what, reason in _unknown(seen):
        print_prose(f"Not known: {what}: {reason}.", style="dim")


def _tables(seen: Evidence, say: Language) -> Iterator[Table]:
    span = f"{moment_text(seen.start, seen.zone)} to {moment_text(seen.end, seen.zone)}"
    decided = Table(
        COLUMNS,
        f"Decisions, {span} {zone_text(seen.at, seen.zone)}",
        empty="none recorded",
    )
    for entry in seen.known_entries:
        decided.add(*cells(entry, seen.asked_at, seen.zone, say))
    yield decided
    yield from _alarms(seen)
    parts = (
        ("ECS events", seen.events),
        ("Deployments started", seen.deployments),
        ("Requests, schedules and document changes", seen.acts),
        ("Application Auto Scaling", seen.others),
    )
    for title, part in parts:
        if said := seen.had(part):
            yield _said(seen, title, said)


def _alarms(seen: Evidence) -> Iterator[Table]:
    if isinstance(seen.alarms, Unknown):
        return
    changes = Table((*named("At", "Alarm", "State"), *prose("Why")), "Alarm state changes")
    for alarm in seen.alarms:
        for one in alarm.transitions:
            if seen.start <= one.at <= seen.end:
                at = moment_text(one.at, seen.zone)
                changes.add(at, alarm.name, one.state, one.reason)
    if changes.rows:
        yield changes
    shown = [alarm for alarm in seen.alarms if alarm.points]
    if shown:
        yield _datapoints(seen, shown)


def _datapoints(seen: Evidence, alarms: Sequence[AlarmPast]) -> Table:
    """Return one row per period and one column per alarm."""
    titles = [
        alarm.name + ("" if alarm.threshold is None else f" ({alarm.threshold:g})")
        for alarm in alarms
    ]
    periods = " and ".join(f"{period} s" for period in sorted({alarm.period for alarm in alarms}))
    table = Table((*named("At"), *numbers(*titles)), f"Datapoints every {periods} (thresholds)")
    values = [{point.at: f"{point.value:.6g}" for point in alarm.points} for alarm in alarms]
    for at in sorted({at for each in values for at in each}):
        table.add(moment_text(at, seen.zone), *(each.get(at, "-") for each in values))
    return table


def _said(seen: Evidence, title: str, part: Sequence[Said]) -> Table:
    table = Table((*named("At", "By"), *prose("What")), title)
    for one in part:
        table.add(moment_text(one.at, seen.zone), one.by or "-", one.what)
    return table


def _unknown(seen: Evidence) -> Iterator[tuple[str, str]]:
    parts = {
        "when the target became known": seen.known_since,
        "alarms": seen.alarms,
        "how often the scaler ran": seen.runs,
        "ECS events": seen.events,
        "overrides and pauses": seen.in_force,
        "Application Auto Scaling's activities": seen.others,
    }
    for what, part in parts.items():
        if isinstance(part, Unknown):
            yield what, part.why
