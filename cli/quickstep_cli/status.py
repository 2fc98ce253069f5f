"""`quickstep status`: what is in force of each target, and what was decided last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.cooldown import scale_in_cooldown, scale_out_cooldown
from quickstep.engine.model import Direction
from quickstep.engine.proposal import Bounds
from quickstep.fields import Field, Problems, write_moment
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.aws import Aws, JsonOption, OptionalTargetArgument, now, on_aws, shown, wait_for
from quickstep_cli.operate import show_entry
from quickstep_cli.targets import Record, documents, newest_records, stored_document, the_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Memory


@dataclass
class Status:
    """What is in force of one target; times are ISO 8601 in UTC, or None for none."""

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
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    interval: Annotated[int, typer.Option(min=1, max=300, help="Seconds, with --watch.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show targets: capacity, alarms, cooldowns, overrides, pauses, and the last decision."""
    if target is not None:
        the_target(aws, target)
    if as_json:
        for found in _looks(aws, target, interval if watch else None):
            typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    if not watch:
        Console().print(_shown(_look(aws, target)))
        return
    with Live(auto_refresh=False) as live:
        for found in _looks(aws, target, interval):
            live.update(_shown(found), refresh=True)


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
    """Return what is in force of a target."""
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
    result.next_check_at = _text(memory.check_at)
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
    result.scale_out_cooldown_until = _text(max(out, default=None))
    result.scale_in_cooldown_until = _text(max(into, default=None))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else write_moment(moment)


def _shown(found: list[Status]) -> Table | Group:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Target", "Tasks", "Bounds", "Alarms", "In force", "Last decision"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(*(escape(shown(cell)) for cell in _row(one)))
    if found:
        return table
    return Group("No targets: there is no SSM parameter below /quickstep/ here.")


def _over(entry: Any) -> bool:
    """Whether an entry has ended; one that cannot be read has not."""
    if not isinstance(entry, dict) or not entry.get("until"):
        return False
    problems = Problems()
    until = Field(entry["until"], "until", problems).moment()
    return not problems.found and until <= now()


def _row(one: Status) -> tuple[str, ...]:
    tasks = "?"
    if one.service:
        tasks = f"{one.service['running']} of {one.service['desired']}"
        tasks += ", rollout" if one.service["deployment_in_progress"] else ""
    bounds = f"{one.bounds['min']} to {one.bounds['max']}" if one.bounds else "?"
    if one.bounds and one.bounds["of"] != "policy":
        bounds += f" ({one.bounds['of']})"
    alarms = [
        f"{name} {alarm['state']}{' (silenced)' if alarm['silenced'] else ''}"
        for name, alarm in one.alarms.items()
    ]
    in_force = [f"! {problem}" for problem in one.problems]
    in_force += ["dry run"] if one.dry_run else []
    in_force += [
        f"{name}: {show_entry(entry)}" for name, entry in one.entries.items() if not _over(entry)
    ]
    for what, until in (
        ("scale-out cooldown", one.scale_out_cooldown_until),
        ("scale-in cooldown", one.scale_in_cooldown_until),
        ("next look", one.next_check_at),
    ):
        in_force += [f"{what} {'at' if what == 'next look' else 'until'} {until}"] if until else []
    last = one.last_decision
    decided = f"{last['at']} {last['outcome']}\n{last['reason']}" if last else "none"
    return (
        one.resource_id.removeprefix("service/"),
        tasks,
        bounds,
        "\n".join(alarms) or "none known",
        "\n".join(in_force),
        decided,
    )
