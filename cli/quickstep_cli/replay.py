"""`quickstep replay`: decide a recorded case again with another threshold, key or document."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.policies import resolution
from quickstep.fields import InvalidDocumentError, parse_json
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.records import decision_dict
from quickstep_cli.aws import Aws, JsonOption, TargetArgument, now, on_aws
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.history import UNREADABLE, entries
from quickstep_cli.options import file_option
from quickstep_cli.replaying import Read, ReplayError, changed, read_case, read_setting
from quickstep_cli.tables import Table, named, print_prose, print_tables, prose
from quickstep_cli.targets import (
    document_at,
    record_before,
    records_between,
    the_target,
)
from quickstep_cli.times import UtcOption, moment_text, read_past, zone_of, zone_text

if TYPE_CHECKING:
    from datetime import tzinfo

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.history import Record
    from quickstep_cli.replaying import Setting

FINE = timedelta(hours=3)
"""How long CloudWatch keeps datapoints of periods under a minute."""
NEAR = timedelta(minutes=1)
"""How long after `--at` a decision may have been made and still match."""


@on_aws
def replay(
    aws: Aws,
    target: TargetArgument,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Replay the newest decision up to 14:03, 2026-11-26 14:03, 1h (ago) or ISO 8601.",
            show_default="the newest",
        ),
    ] = None,
    decision_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="With --at: the decision with this ID.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A change: threshold=80, MaxCapacity=60, POLICY.Cooldown=30. Repeatable.",
        ),
    ] = None,
    policy: Annotated[
        Path | None, file_option(help="Use this document instead of the one at the time.")
    ] = None,
    utc: UtcOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replay a recorded decision with changes, and show what it would have done, and why.

    Without changes, checks that this version's engine decides as recorded.
    """
    zone, moment = zone_of(utc), now()
    wanted = read_past(at, "--at", moment, zone) if at else None
    made, given = _settings(settings), _given(target, policy) if policy else None
    the_target(aws, target)
    record = _record(aws, target, wanted, decision_id, zone)
    made_at = datetime.fromisoformat(record["at"])
    then = document_at(aws, target, made_at)
    try:
        document = parse_json(then.text)
        in_force = parse_target_of(target, then.text)
        case = read_case(record, in_force, _read(aws, target, in_force, record, moment))
        other, changes = changed(given or document, case, made)
    except ReplayError as error:
        raise CommandError(Exit.NO, str(error)) from error
    except (ConfigError, InvalidDocumentError) as error:
        raise CommandError(Exit.NO, f"the policy document: {error}") from error
    missing = [*([then.doubt] if then.doubt else []), *case.missing]
    before, after = decision_dict(case.decide(in_force)), decision_dict(changes.decide(other))
    names = [*([f"--policy {policy}"] if policy else []), *map(str, made)]
    same = _is_same(record, before)
    if as_json:
        found = {"record": record, "same": same, "missing": missing}
        typer.echo(json.dumps({**found, "before": before, "after": after}, ensure_ascii=False))
    else:
        rows = [("recorded", record), ("replayed", {**record, **before})]
        rows += [(", ".join(names), {**record, **after})] if names else []
        title = f"{target.resource_id} at {moment_text(made_at, zone)} {zone_text(made_at, zone)}"
        _print(title, rows, missing)
        if not same:
            print_prose(_DIFFERS, style="yellow")
    if not same:
        raise typer.Exit(Exit.NO)


def _settings(given: list[str] | None) -> list[Setting]:
    try:
        return [read_setting(text) for text in given or []]
    except ReplayError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from error


def _given(service: ServiceName, file: Path) -> Any:
    """Return the document in a file, which must be valid and the service's own."""
    try:
        text = file.read_text(encoding="utf-8")
        parse_target_of(service, text)
        return parse_json(text)
    except (ConfigError, InvalidDocumentError) as error:
        raise CommandError(Exit.NO, f"{file}: {error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(Exit.NO, f"{file}: must be text in UTF-8") from error
    except OSError as error:
        raise CommandError(Exit.NO, f"{file}: {error.strerror}") from error


def _is_same(record: Record, decision: dict[str, Any]) -> bool:
    """Return whether a decision matches the record; a refused one is compared by its numbers."""
    refused = record["outcome"].startswith("FAILED_") and record["from"] != record["granted"]
    keys = ("from", "granted") if refused else ("outcome", "from", "granted")
    return all(decision[key] == record[key] for key in keys)


_DIFFERS = (
    "Replayed without a change, the decision differs from the record: missing data matters, or "
    "this version of the engine decides otherwise. Do not rely on the result of the change."
)


def _record(
    aws: Aws, target: ServiceName, at: datetime | None, decision_id: str | None, zone: tzinfo | None
) -> Record:
    """Return the newest record with a decision within a minute of a moment.

    Without a moment, return the newest record with a decision.
    """
    moment, at = at, at or now()
    near = list(records_between(aws, target, at - NEAR, at + NEAR))
    if decision_id:
        named_so = [one for one in near if one.get("id") == decision_id]
        if not named_so:
            why = f"no decision {decision_id} within a minute of {moment_text(at, zone)}"
            raise CommandError(Exit.NOT_FOUND, f"{why}: pass its time as --at")
        return named_so[0]
    decided = [one for one in near if "granted" in one and one["outcome"] != UNREADABLE]
    before = [one for one in decided if datetime.fromisoformat(one["at"]) <= at]
    if before or decided:
        return before[-1] if before else decided[0]
    last = record_before(aws, target, at)
    if last is None:
        why = f"no decision of {target.resource_id} is recorded up to {moment_text(at, zone)}"
        raise CommandError(Exit.NOT_FOUND, why)
    if moment:
        made_at = moment_text(datetime.fromisoformat(last["at"]), zone)
        why = (
            f"no decision was made within a minute of {moment_text(at, zone)}, so nothing can "
            f"be replayed: the previous one was at {made_at}. `quickstep why` says what is known"
        )
        raise CommandError(Exit.NOT_FOUND, why)
    return last


def _read(
    aws: Aws, service: ServiceName, target: ScalableTarget, record: Record, moment: datetime
) -> Read:
    """Read the values the alarms' metrics had at a decision, while CloudWatch keeps them."""
    at = datetime.fromisoformat(record["at"])
    try:
        memory, _ = aws.peek(service)
    except CorruptItemError as error:
        return Read(why=f"the target's item cannot be read: {error}")
    newest = record["trigger"]["kind"] == "surge"
    known = {name: one for name, one in memory.alarms.items() if name in record["alarms"]}
    if moment - at > FINE:
        return Read(known, why="CloudWatch keeps sub-minute datapoints for 3 hours")
    definitions = {
        name: one.definition.fine(1 if newest else resolution(target, target.policy(name)))
        for name, one in known.items()
        if one.definition
    }
    if not definitions:
        return Read(known, why="no alarm's definition is known")
    from quickstep.aws.cloudwatch import CloudWatchMetrics  # noqa: PLC0415 - boto3 takes its time

    try:
        points = CloudWatchMetrics(aws.client("cloudwatch")).read(definitions, at)
    except CallFailedError as error:
        return Read(known, why=error.why)
    seen = {name: each for name, each in points.items() if each}
    return Read(known, seen, "CloudWatch has no datapoint for it", newest)


def _print(title: str, rows: list[tuple[str, Record]], missing: list[str]) -> None:
    table = Table((*named("", "Tasks", "Outcome"), *prose("Why")), title)
    for what, one in rows:
        (entry,) = entries([one])
        table.add(what, entry.tasks, entry.outcome, entry.reason)
    shown, trail = [table], rows[-1][1]["trail"]
    if trail:
        steps = Table((*named("Guard", "Tasks"), *prose("Why")), "What each rule did to the number")
        for step in trail:
            steps.add(step["guard"], f"{step['before']} → {step['after']}", step["why"])
        shown.append(steps)
    print_tables(*shown)
    print_prose(*(f"Not known: {one}." for one in missing), style="dim")
