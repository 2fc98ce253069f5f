"""`quickstep decisions` and `quickstep export`: what was decided, and why."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quickstep.engine.model import Direction, MetricScope
from quickstep_cli.aws import (
    Aws,
    CommandError,
    Exit,
    JsonOption,
    TargetArgument,
    now,
    on_aws,
    shown,
    wait_for,
)
from quickstep_cli.targets import records_since, the_target
from quickstep_cli.times import read_span
from quickstep_lab.traffic import HEADER, MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.targets import Record

FOLLOW = timedelta(seconds=2)
FRESH = 60
"""Seconds for which a load that was seen is taken for seen; a heartbeat's."""

SinceOption = Annotated[
    str, typer.Option("--since", metavar="SPAN", help="How far back, e.g. 2h30m.")
]


@on_aws
def decisions(
    aws: Aws,
    target: TargetArgument,
    *,
    since: SinceOption = "1h",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many of them.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a target's decisions, oldest first; with --json one JSON line each, the trail in it."""
    start = now() - read_span(since, "--since")
    the_target(aws, target)
    records = list(records_since(aws, target, start))[-limit:]
    if as_json:
        _print_lines(records)
    else:
        Console().print(_table(target, records, since))
    if not follow:
        return
    for record in _following(aws, target, records, start):
        if as_json:
            _print_lines([record])
        else:
            typer.echo(shown(f"{record['at']} {record['outcome']} {record['reason']}"))


def _following(
    aws: Aws, target: ServiceName, seen: list[Record], start: datetime
) -> Iterator[Record]:
    known = {record["id"] for record in seen}
    try:
        while True:
            wait_for(FOLLOW)
            # A record is written when its evaluation ends, and stamped with when it began.
            since = max(start, now() - timedelta(minutes=1))
            for record in records_since(aws, target, since):
                if record["id"] not in known:
                    known.add(record["id"])
                    yield record
    except KeyboardInterrupt:
        return


def _print_lines(records: Iterable[Record]) -> None:
    for record in records:
        typer.echo(json.dumps(record, ensure_ascii=False))


def _table(target: ServiceName, records: list[Record], since: str) -> Table:
    title = f"{target.resource_id}: {len(records)} decisions in {since}"
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("At", "Set off by", "Outcome", "Why"):
        table.add_column(column, overflow="fold")
    for record in records:
        cells = (record["at"], _trigger(record["trigger"]), record["outcome"], record["reason"])
        table.add_row(*(escape(shown(cell)) for cell in cells))
    return table


def _trigger(trigger: dict[str, Any]) -> str:
    match trigger["kind"]:
        case "alarm":
            return f"{trigger['alarm'].rsplit('/', 1)[-1]} {trigger['state']}"
        case "request":
            return str(trigger["what"])
        case kind:
            return str(kind)


# --- export ---------------------------------------------------------------------------------------


class Format(StrEnum):
    """What `export` writes."""

    TRAFFIC = "traffic"
    DECISIONS = "decisions"


@on_aws
def export(
    aws: Aws,
    target: TargetArgument,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write.")],
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
    """Write a target's decisions to a file that `compare` or `simulate` can replay.

    The traffic is what the decisions have seen: one load a decision, held until the next one. While
    nothing was in breach there is no decision, and the traffic in between is not known.
    """
    start = now() - read_span(since, "--since")
    document = the_target(aws, target)
    if file.exists() and not force:
        raise CommandError(Exit.NO, f"{file} exists; --force overwrites it")
    records = list(records_since(aws, target, start))
    if kind is Format.DECISIONS:
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        _write(file, "".join(lines))
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
        f"have seen; for {len(rows) - known} of the seconds the last load seen was over {FRESH} s "
        f"old. Play it: quickstep compare --traffic {file}"
    )


def _load_alarm(document: ScalableTarget) -> str:
    for policy in document.in_direction(Direction.OUT):
        if policy.metric_scope is MetricScope.PER_TASK:
            return policy.alarm
    why = "no scale-out policy has MetricScope PerTask: name the one of the load with --policy"
    raise CommandError(Exit.NO, why)


def load_seen(record: Record, policy: str) -> tuple[datetime, float] | None:
    """Return when a decision was made, and the load that it saw: its newest datapoint of all tasks.

    Example: 160 requests a second and task, with 4 running: 640.
    """
    alarm = record["alarms"].get(policy)
    service = record["service"]
    if not alarm or not alarm["datapoints"] or not service:
        return None
    tasks = max(1, min(service["running"], service["desired"]))
    return datetime.fromisoformat(record["at"]), alarm["datapoints"][-1] * tasks


def traffic_rows(seen: list[tuple[datetime, float]]) -> tuple[list[tuple[int, float]], int]:
    """Return `second, requests` from the first load seen on, and how many seconds are fresh.

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


def _write(file: Path, text: str) -> None:
    with _opened(file) as out:
        out.write(text)


def _opened(file: Path) -> Any:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(Exit.NO, f"{file}: {error.strerror}") from error
