"""`quickstep decisions` and `quickstep export`: what was decided, and why."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickstep.engine.model import Direction, MetricScope
from quickstep.engine.outcome import Outcome
from quickstep.report.language import ENGLISH
from quickstep_cli.aws import Aws, JsonOption, TargetArgument, now, on_aws, wait_for
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.history import UNREADABLE, entries
from quickstep_cli.languages import LangOption, chosen
from quickstep_cli.tables import Table, named, print_tables, prose
from quickstep_cli.targets import record_before, records_between, records_since, the_target
from quickstep_cli.times import (
    UtcOption,
    age_text,
    moment_text,
    read_past,
    read_span,
    zone_of,
    zone_text,
)
from quickstep_lab.traffic import HEADER, MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.report.language import Language
    from quickstep_cli.history import Entry, Record

FOLLOW = timedelta(seconds=2)
FRESH = 60
"""Seconds for which an observed load counts as current; the heartbeat's interval."""
AROUND = timedelta(minutes=5)
"""What `--at` shows on either side of its time."""
SINCE = "1h"

SinceOption = Annotated[
    str, typer.Option("--since", metavar="SPAN", help="How far back, e.g. 2h30m.")
]
_TIME = "14:03, 2026-11-26 14:03, 1h (ago) or ISO 8601"


def _outcomes(given: list[str] | None) -> list[str]:
    """Return the outcomes that match or start with the given text: `failed` means all FAILED_."""
    found: list[str] = []
    for text in given or []:
        start = text.upper().replace("-", "_")
        begun = [str(one) for one in Outcome if f"{one}_".startswith(f"{start}_")]
        if not begun:
            which = ", ".join(str(one) for one in Outcome)
            raise typer.BadParameter(f"must be an outcome or how some begin: {which}, not {text!r}")
        found += begun
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which decisions to show: the time span, zone and language."""

    start: datetime
    end: datetime
    zone: tzinfo | None
    outcomes: tuple[str, ...] = ()
    changes: bool = False
    say: Language = ENGLISH

    def wants(self, entry: Entry) -> bool:
        """Return whether to show a decision; an unreadable one is always shown."""
        if entry.outcome == UNREADABLE:
            return True
        if self.changes and not entry.changed:
            return False
        return not self.outcomes or entry.outcome in self.outcomes


@on_aws
def decisions(
    aws: Aws,
    target: TargetArgument,
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help=f"Start: {_TIME}.", show_default=SINCE),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End, in the same formats.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Show five minutes before and after this time, in the same formats.",
        ),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OUTCOME",
            callback=_outcomes,
            help="Only outcomes that start with this, e.g. FAILED. Repeatable.",
        ),
    ] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Only decisions that changed the number of tasks.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum decisions, newest first.")] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep going until Ctrl-C.")
    ] = False,
    utc: UtcOption = False,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a target's decisions, oldest first. --json prints a JSON line each, with its trail."""
    start, end = _span(since, until, at, zone_of(utc))
    if follow and (until or at):
        raise typer.BadParameter("cannot be combined with --until or --at", param_hint="--follow")
    asked = _Asked(start, end, zone_of(utc), tuple(outcome or ()), changes, chosen(lang))
    the_target(aws, target)
    records = list(records_between(aws, target, start, end))
    every = entries(records, record_before(aws, target, start))
    wanted = [entry for entry in every if asked.wants(entry)]
    if as_json:
        _print_lines(entry.record for entry in wanted[-limit:])
    else:
        print_tables(_table(target, wanted, limit, asked))
    if follow:
        for entry in _following(aws, target, every, asked):
            if as_json:
                _print_lines([entry.record])
            else:
                _print_followed(entry, asked)
    elif any(entry.outcome == UNREADABLE for entry in wanted):
        raise typer.Exit(Exit.NO)


def _span(
    since: str | None, until: str | None, at: str | None, zone: tzinfo | None
) -> tuple[datetime, datetime]:
    moment = now()
    if at is not None:
        if since is not None or until is not None:
            raise typer.BadParameter(
                "cannot be combined with --since or --until", param_hint="--at"
            )
        around = read_past(at, "--at", moment, zone)
        return around - AROUND, around + AROUND
    end = read_past(until, "--until", moment, zone) if until else moment
    if since is None:
        return end - read_span(SINCE, "--since"), end
    start = read_past(since, "--since", moment, zone)
    if start >= end:
        why = f"must be before --until, {moment_text(end, zone)}, not {moment_text(start, zone)}"
        raise typer.BadParameter(why, param_hint="--since")
    return start, end


def _following(aws: Aws, target: ServiceName, seen: list[Entry], asked: _Asked) -> Iterator[Entry]:
    known = {entry.record["id"] for entry in seen}
    last = seen[-1].record if seen else None
    try:
        while True:
            wait_for(FOLLOW)
            # A record is written when its evaluation ends, but stamped with its start.
            since = max(asked.start, now() - timedelta(minutes=1))
            fresh = [one for one in records_since(aws, target, since) if one["id"] not in known]
            known.update(record["id"] for record in fresh)
            for entry in entries(fresh, last):
                last = entry.record
                if asked.wants(entry):
                    yield entry
    except KeyboardInterrupt:
        return


def _print_lines(records: Iterable[Record]) -> None:
    for record in records:
        typer.echo(json.dumps(record, ensure_ascii=False))


def _print_followed(entry: Entry, asked: _Asked) -> None:
    """Print a row below the table, under columns as wide as their widest cells."""
    titles = (column.title.ljust(most) for column, most in zip(COLUMNS, _WIDEST, strict=False))
    table = Table((*named(*titles), *prose("Why")), head=False)
    table.add(*cells(entry, now(), asked.zone, asked.say))
    print_tables(table)


_WIDEST = (19, 6, 9, 24, 9)
COLUMNS = (*named("At", "Age", "Tasks", "Outcome", "Trigger"), *prose("Why"))


def cells(entry: Entry, moment: datetime, zone: tzinfo | None, say: Language) -> tuple[str, ...]:
    """Return a decision's row under `COLUMNS`, with its reason in a language."""
    trigger = entry.record["trigger"]
    asked = f" (asked for: {trigger['what']})" if trigger.get("what") else ""
    return (
        moment_text(entry.at, zone),
        age_text(entry.at, moment),
        entry.tasks,
        entry.outcome,
        trigger["kind"],
        f"{say(entry.reason)}{asked}",
    )


def _table(target: ServiceName, wanted: list[Entry], limit: int, asked: _Asked) -> Table:
    shown, moment = wanted[-limit:], now()
    what = f"{len(shown)} decision{'' if len(shown) == 1 else 's'}"
    more = f", the newest of {len(wanted)} (--limit)" if len(wanted) > len(shown) else ""
    span = f"{moment_text(asked.start, asked.zone)} to {moment_text(asked.end, asked.zone)}"
    where = f"{span} {zone_text(asked.end, asked.zone)}"
    table = Table(COLUMNS, f"{target.resource_id}: {what}{more}, {where}")
    for entry in shown:
        table.add(*cells(entry, moment, asked.zone, asked.say))
    return table


# --- export ---------------------------------------------------------------------------------------


class Format(StrEnum):
    """What `export` writes."""

    TRAFFIC = "traffic"
    DECISIONS = "decisions"


@on_aws
def export(
    aws: Aws,
    target: TargetArgument,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="File to write.")],
    *,
    kind: Annotated[
        Format,
        typer.Option(
            "--format", help="A CSV for `compare --traffic`, or all records as JSON lines."
        ),
    ] = Format.TRAFFIC,
    since: SinceOption = "3h",
    policy: Annotated[
        str | None,
        typer.Option(
            help="The policy whose alarm shows requests per second.",
            show_default="the first scale-out policy with MetricScope PerTask",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a target's decisions to a file that `compare` and `simulate` can replay.

    The traffic is the load that each decision saw, held until the next. Without a breach Quickstep
    decides nothing, so the traffic in between is unknown.
    """
    start = now() - read_span(since, "--since")
    if file.exists() and not force:
        raise CommandError(Exit.NO, f"{file} exists; --force overwrites it")
    document = the_target(aws, target)
    records = list(records_since(aws, target, start))
    if kind is Format.DECISIONS:
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        with _opened(file) as out:
            out.writelines(lines)
        typer.echo(f"{len(records)} decisions written to {file}")
        return
    alarms = {one.name: one.alarm for one in document.policies}
    name = alarms.get(policy, policy) if policy else _load_alarm(document)
    seen = [load for record in records if (load := load_seen(record, name))]
    if not seen:
        why = f"no decision since {start:%Y-%m-%d %H:%M} UTC has seen a datapoint of {name}"
        raise CommandError(Exit.NO, why)
    rows, known = traffic_rows(seen)
    with _opened(file) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)
    typer.echo(
        f"{len(rows)} seconds of traffic written to {file}, from {len(seen)} loads that decisions "
        f"saw; in {len(rows) - known} of these seconds the last load seen was over {FRESH} s "
        f"old. Play it: quickstep compare --traffic {file}"
    )


def _load_alarm(document: ScalableTarget) -> str:
    for policy in document.in_direction(Direction.OUT):
        if policy.metric_scope is MetricScope.PER_TASK:
            return policy.alarm
    why = "no scale-out policy has MetricScope PerTask: name one that shows the load with --policy"
    raise CommandError(Exit.NO, why)


def load_seen(record: Record, policy: str) -> tuple[datetime, float] | None:
    """Return when a decision was made, and the load it saw: its newest datapoint of all tasks.

    Example: 160 requests a second and task, with 4 running: 640.
    """
    alarm = record["alarms"].get(policy)
    service = record["service"]
    if not alarm or not alarm["datapoints"] or not service:
        return None
    tasks = max(1, min(service["running"], service["desired"]))
    return datetime.fromisoformat(record["at"]), alarm["datapoints"][-1] * tasks


def traffic_rows(seen: list[tuple[datetime, float]]) -> tuple[list[tuple[int, float]], int]:
    """Return `second, requests` since the first load seen, and how many seconds are fresh.

    Example: 640 at 10:00:00 and 300 at 10:00:03: 0,640 1,640 2,640 3,300.
    """
    first = seen[0][0]
    moments = [(round((at - first).total_seconds()), load) for at, load in seen]
    length = min(moments[-1][0] + 1, MAX_SECONDS)
    rows: list[tuple[int, float]] = []
    fresh, index = 0, 0
    for second in range(length):
        while index + 1 < len(moments) and moments[index + 1][0] <= second:
            index += 1
        at, load = moments[index]
        rows.append((second, round(load, 3)))
        fresh += second - at <= FRESH
    return rows, fresh


def _opened(file: Path) -> Any:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(Exit.NO, f"{file}: {error.strerror}") from error
