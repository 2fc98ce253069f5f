"""`quickstep status`: what is in force for each target, and its last decision."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.cooldown import scale_in_cooldown, scale_out_cooldown
from quickstep.engine.model import Direction
from quickstep.engine.proposal import Bounds
from quickstep.fields import write_moment, write_optional_moment
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.aws import Aws, JsonOption, OptionalTargetArgument, now, on_aws, wait_for
from quickstep_cli.failures import Exit
from quickstep_cli.operate import show_entry, written_moment
from quickstep_cli.tables import Table, named, print_tables, prose, rendered
from quickstep_cli.targets import documents, newest_records, stored_document, the_target
from quickstep_cli.times import age_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory
    from quickstep_cli.history import Record


@dataclass
class Status:
    """What is in force for one target; times are ISO 8601 in UTC, or None."""

    resource_id: str
    problems: list[str] = field(default_factory=list)
    dry_run: bool | None = None
    bounds: dict[str, Any] | None = None
    service: dict[str, Any] | None = None
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    scale_out_cooldown_until: str | None = None
    scale_in_cooldown_until: str | None = None
    entries: dict[str, Any] = field(default_factory=dict)
    next_check_at: str | None = None
    last_decision: Record | None = None


@on_aws
def status(
    aws: Aws,
    target: OptionalTargetArgument = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Keep going until Ctrl-C.")] = False,
    interval: Annotated[
        int, typer.Option(min=1, max=300, help="With --watch: seconds between refreshes.")
    ] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show targets: capacity, alarms, cooldowns, overrides, pauses, and the last decision."""
    if target is not None:
        the_target(aws, target)
    found: list[Status] = []
    if as_json:
        for found in _looks(aws, target, interval if watch else None):
            typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    elif not watch:
        found = _look(aws, target)
        print_tables(_table(found))
    else:
        console = Console(highlight=False)
        with Live(console=console, auto_refresh=False) as live:
            for found in _looks(aws, target, interval):
                live.update(rendered(console, _table(found)), refresh=True)
    if any(one.problems for one in found):
        raise typer.Exit(Exit.NO)


def _looks(aws: Aws, target: ServiceName | None, interval: int | None) -> Iterator[list[Status]]:
    try:
        yield _look(aws, target)
        while interval is not None:
            wait_for(timedelta(seconds=interval))
            yield _look(aws, target)
    except KeyboardInterrupt:
        return


def _look(aws: Aws, target: ServiceName | None) -> list[Status]:
    if target is not None:
        return [status_of(aws, target, stored_document(aws, target) or "", now())]
    found = sorted(documents(aws).items(), key=lambda item: item[0].resource_id)
    return [status_of(aws, service, text, now()) for service, text in found]


def status_of(aws: Aws, service: ServiceName, document: str, moment: datetime) -> Status:
    """Return what is in force for a target."""
    result = Status(service.resource_id)
    result.entries = dict(aws.operators.entries(service.resource_id))
    result.last_decision = next(iter(newest_records(aws, service, 1)), None)
    try:
        result.service = asdict(aws.services.describe(service))
    except CallFailedError as error:
        result.problems.append(error.why)
    try:
        memory, _ = aws.peek(service)
    except CorruptItemError as error:
        result.problems.append(f"its item cannot be read: {error}")
        return result
    if memory.state.unreadable:
        result.problems.append(f"cannot be read, so nothing scales in: {memory.state.unreadable}")
    result.next_check_at = write_optional_moment(memory.check_at)
    result.alarms = {
        policy: {
            "state": str(known.state),
            "since": write_moment(known.at),
            "silenced": known.silenced(moment),
        }
        for policy, known in memory.alarms.items()
    }
    try:
        target = parse_target_of(service, document)
    except ConfigError as error:
        result.problems.append(f"policy document: {error}")
        return result
    result.dry_run = target.dry_run
    bounds = Bounds.in_force(target, memory.state, moment)
    result.bounds = {"min": bounds.minimum, "max": bounds.maximum, "of": bounds.source}
    _set_cooldowns(result, target, memory, moment)
    return result


def _set_cooldowns(
    result: Status, target: ScalableTarget, memory: Memory, moment: datetime
) -> None:
    out = [
        end
        for policy in target.in_direction(Direction.OUT)
        if (end := scale_out_cooldown(policy, memory.state, moment))
    ]
    into = [
        end
        for policy in target.in_direction(Direction.IN)
        if (end := scale_in_cooldown(policy, target, memory.state, moment))
    ]
    result.scale_out_cooldown_until = write_optional_moment(max(out, default=None))
    result.scale_in_cooldown_until = write_optional_moment(max(into, default=None))


_COLUMNS = (
    *named("Target", "Tasks", "Bounds", "Alarms", "Last decision", "Age"),
    *prose("In force, and why"),
)


def _table(found: list[Status]) -> Table:
    table = Table(_COLUMNS, empty="No targets: no SSM parameter starts with /quickstep/ here.")
    moment = now()
    for one in found:
        table.add(*_row(one, moment))
    return table


def is_over(entry: Any, moment: datetime) -> bool:
    """Return whether an entry has ended; an unreadable one has not."""
    until = written_moment(entry.get("until")) if isinstance(entry, dict) else None
    return until is not None and until <= moment


def _row(one: Status, moment: datetime) -> tuple[str, ...]:
    tasks = f"{one.service['running']} of {one.service['desired']}" if one.service else "?"
    bounds = f"{one.bounds['min']} to {one.bounds['max']}" if one.bounds else "?"
    if one.bounds and one.bounds["of"] != "policy":
        bounds += f" ({one.bounds['of']})"
    states = [alarm["state"] for alarm in one.alarms.values()]
    alarms = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    last = one.last_decision
    decided = written_moment(last["at"]) if last else None
    said = [*in_force(one, moment), *([last["reason"]] if last else [])]
    return (
        one.resource_id.removeprefix("service/"),
        tasks,
        bounds,
        alarms or "none known",
        last["outcome"] if last else "none",
        age_text(decided, moment) if decided else "",
        "; ".join(said),
    )


def in_force(one: Status, moment: datetime, zone: tzinfo | None = None) -> Iterator[str]:
    """Yield what is in force for a target besides its policies, and until when."""
    yield from (f"! {problem}" for problem in one.problems)
    if one.dry_run:
        yield "dry run"
    if one.service and one.service["deployment_in_progress"]:
        yield "a rollout is in progress"
    for name, entry in one.entries.items():
        if not is_over(entry, moment):
            yield f"{name}: {show_entry(entry, zone)}"
    for name, alarm in one.alarms.items():
        if alarm["silenced"]:
            yield f"{name} is silenced"
    for what, until in (
        ("scale-out cooldown", one.scale_out_cooldown_until),
        ("scale-in cooldown", one.scale_in_cooldown_until),
    ):
        end = written_moment(until)
        if end and end > moment:
            yield f"{what} ends {age_text(end, moment)}"
    check = written_moment(one.next_check_at)
    if check:
        yield f"next look {age_text(check, moment)}" if check > moment else "next look due now"
