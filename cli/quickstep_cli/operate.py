"""`quickstep pause | resume | override | scale`: an operator's actions.

Each writes or requests one thing, notifies the scaler and shows its answer. Everything written
expires.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import MAX_TASKS
from quickstep.engine.model import Direction, Override, ScalableTarget
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from quickstep.fields import Field, Problems, show, write_moment
from quickstep.loop.schedules import MAX_REASON
from quickstep.protocol.messages import Message, Request
from quickstep.protocol.operators import bounds_entry, bounds_text
from quickstep_cli.aws import Aws, JsonOption, TargetArgument, YesOption, now, on_aws
from quickstep_cli.failures import CommandError, Exit, shown
from quickstep_cli.guard_rails import check_forced, past_bounds, preview
from quickstep_cli.options import made_of_options
from quickstep_cli.targets import awaited, the_target
from quickstep_cli.times import ForOption, UntilOption, end_of, moment_text, zone_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from quickstep_cli.history import Record


class Directions(StrEnum):
    """What a pause stops."""

    BOTH = "both"
    OUT = "scale-out"
    IN = "scale-in"


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_REASON:
        raise typer.BadParameter(f"must have 1 to {MAX_REASON} characters")
    return text


ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", callback=_reason, help="Reason, shown with every decision it affects."
    ),
]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one target: shown, confirmed, made, and answered by the scaler.

    The options are those of all commands that change a target.
    """

    aws: Aws
    target: TargetArgument
    _: KW_ONLY
    yes: YesOption = False
    wait: Annotated[
        int,
        typer.Option(
            min=0, max=300, help="Seconds to wait for the scaler's answer; 0 does not wait."
        ),
    ] = 20
    as_json: JsonOption = False

    def say(self, text: str) -> None:
        """Print something for the user, outside `--json`."""
        Console(stderr=self.as_json, highlight=False).print(escape(shown(text)), soft_wrap=True)

    def confirm(self) -> None:
        """Ask for confirmation, unless the command line gave it.

        Raises:
            typer.Abort: the answer is no, or nobody can give one.
        """
        if not self.yes:
            typer.confirm("Go on?", abort=True, err=self.as_json)

    def entry(
        self, name: str, entry: dict[str, Any] | None, what: str, *, said: bool = False
    ) -> None:
        """Replace an entry of the target's item, and notify the scaler.

        `said` means that the change was shown already, in more detail.

        Raises:
            CommandError: the entry has changed since it was shown, or there is no answer.
        """
        resource_id = self.target.resource_id
        seen = self.aws.operators.entries(resource_id).get(name)
        if entry is None and seen is None:
            self.say(f"{resource_id} has no {name}: nothing to do")
            self._print_json({"request": None, "decision": None})
            return
        if not said:
            self.say(f"{resource_id}: {what}")
        if seen is not None:
            self.say(f"it {'replaces' if entry else 'is'} {show_entry(seen)}")
        self.confirm()
        if not self.aws.operators.replace(resource_id, name, seen, entry):
            why = f"the {name} of {resource_id} has changed in the meantime; look again"
            raise CommandError(Exit.CHANGED, why)
        self.say("written; waiting for the scaler")
        self.tell(f"{what} ({self.aws.caller})", None)

    def tell(self, what: str, capacity: int | None) -> None:
        """Notify the scaler, and show its answer.

        Raises:
            CommandError: it does not answer in time, or its answer is a failure.
        """
        at = now()
        request = Request(self.target, uuid.uuid4().hex, at, what, capacity)
        self.aws.messages.send(Message(request), timedelta())
        if self.wait == 0:
            self._print_json({"request": request.id, "decision": None})
            return
        record = self._answer(request.id, at)
        if record is None:
            then = (
                "the change is in force, and will be applied within two minutes"
                if capacity is None
                else "it will not set the capacity later than a minute from now"
            )
            why = (
                f"the scaler has not answered within {self.wait} s; {then}. "
                "`quickstep doctor` looks for the cause"
            )
            raise CommandError(Exit.NO_ANSWER, why)
        self._print_json({"request": request.id, "decision": record})
        if not self.as_json:
            self.say(record["reason"])
        outcome = Outcome(record["outcome"])
        if outcome.failed or outcome is Outcome.IGNORED_STALE:
            raise typer.Exit(Exit.NO)

    def _answer(self, request: str, at: datetime) -> Record | None:
        """Return the record that answers a request; a lost race is no answer."""

        def answers(record: Record) -> bool:
            asked: bool = record["trigger"].get("id") == request
            return asked and record["outcome"] != Outcome.LOST_RACE

        # The scaler's clock may be behind this one.
        return awaited(self.aws, self.target, at - timedelta(minutes=2), answers, self.wait)

    def _print_json(self, answer: dict[str, Any]) -> None:
        if self.as_json:
            typer.echo(json.dumps(answer, ensure_ascii=False))


takes_change = made_of_options(Change)
"""Lets a command whose first argument is a change take a change's options."""


@on_aws
@takes_change
def pause(
    change: Change,
    *,
    reason: ReasonOption,
    span: ForOption = None,
    until: UntilOption = None,
    direction: Annotated[Directions, typer.Option(help="Direction to stop.")] = Directions.BOTH,
) -> None:
    """Stop scaling a target for a while. Capacity stays as it is; `scale` still works."""
    at = now()
    end = end_of(span, until, at)
    the_target(change.aws, change.target)
    stopped = list(Direction) if direction is Directions.BOTH else [Direction(direction)]
    entry = {
        "directions": [str(one) for one in stopped],
        "until": write_moment(end),
        "reason": reason,
        "by": change.aws.caller,
        "at": write_moment(at),
    }
    what = f"pause {' and '.join(entry['directions'])} until {_moment(end)}: {reason}"
    change.entry("pause", entry, what)


@on_aws
@takes_change
def resume(change: Change) -> None:
    """End a pause. Alarms in breach take effect at once."""
    the_target(change.aws, change.target)
    change.entry("pause", None, "end the pause")


@on_aws
@takes_change
def override(
    change: Change,
    *,
    minimum: Annotated[
        int | None, typer.Option("--min", min=0, max=MAX_TASKS, help="Minimum number of tasks.")
    ] = None,
    maximum: Annotated[
        int | None, typer.Option("--max", min=0, max=MAX_TASKS, help="Maximum number of tasks.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Exceed the document's bounds, and go down to --max at once despite the load.",
        ),
    ] = False,
    clear: Annotated[bool, typer.Option("--clear", help="End the current override.")] = False,
    span: ForOption = None,
    until: UntilOption = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Reason, shown with every decision it affects.")
    ] = "",
) -> None:
    """Override a target's minimum, maximum or both for a while. Capacity follows at once.

    No cooldown delays it. A maximum keeps the tasks that the load needs, unless you pass --force.
    While it lasts, it takes precedence over all schedules.
    """
    aws, target = change.aws, change.target
    if clear:
        if force or any(given is not None for given in (minimum, maximum, span, until)):
            raise typer.BadParameter("--clear cannot be combined with bounds, an end or --force")
        the_target(aws, target)
        change.entry("override", None, "end the override")
        return
    _check_bounds(minimum, maximum)
    _reason(reason)
    at = now()
    end = end_of(span, until, at)
    document = the_target(aws, target)
    _keeps_the_last_task(document, minimum, maximum)
    past = past_bounds(document, (("--min", minimum), ("--max", maximum)))
    if force and maximum is None and not past:
        rule = "requires --max, or bounds past the document's"
        raise typer.BadParameter(rule, param_hint="--force")
    check_forced(past, force=force)
    at_once = force and maximum is not None
    caller = aws.caller
    entry = bounds_entry((minimum, maximum), end, reason=reason, by=caller, at=at, force=at_once)
    bounds = bounds_text(minimum, maximum, force=at_once)
    state = aws.peek(target)[0].state
    written = replace(state, override=Override(minimum, maximum, end, forced=at_once))
    then = Bounds.in_force(document, written, at)
    change.say(f"{target.resource_id}: override: {bounds} until {_moment(end)}: {reason}")
    for line in preview(aws, target, document, Bounds.in_force(document, state, at), then):
        change.say(f"  {line}")
    change.entry("override", entry, f"override: {bounds} until {_moment(end)}: {reason}", said=True)


@on_aws
@takes_change
def scale(
    change: Change,
    capacity: Annotated[int, typer.Argument(min=0, max=MAX_TASKS, help="Number of tasks.")],
    *,
    reason: ReasonOption,
    force: Annotated[
        bool, typer.Option("--force", help="Exceed the document's bounds, but not an override's.")
    ] = False,
) -> None:
    """Set a target's capacity once, within its current bounds. Policies continue from there.

    Ignores cooldowns and pauses. To keep capacity where it is, use `override`.
    """
    aws, target = change.aws, change.target
    document = the_target(aws, target)
    memory, _ = aws.peek(target)
    bounds = Bounds.in_force(document, memory.state, now())
    if not bounds.minimum <= capacity <= bounds.maximum:
        why = (
            f"{capacity} is outside {bounds.named}: `quickstep override` changes these for a while"
        )
        raise CommandError(Exit.NO, why)
    check_forced(past_bounds(document, [("a capacity of", capacity)]), force=force)
    before = aws.services.describe(target).desired
    dry = ", but a dry run changes nothing" if document.dry_run else ""
    change.say(f"{target.resource_id}: {before} → {capacity} tasks, once{dry}: {reason}")
    for line in preview(aws, target, document, bounds, bounds, capacity):
        change.say(f"  {line}")
    change.confirm()
    change.tell(f"scale to {capacity} by {aws.caller}: {reason}", capacity)


def _check_bounds(minimum: int | None, maximum: int | None) -> None:
    if minimum is None and maximum is None:
        raise typer.BadParameter("give --min, --max or both")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise typer.BadParameter(f"must be at least --min ({minimum})", param_hint="--max")


def _keeps_the_last_task(
    document: ScalableTarget, minimum: int | None, maximum: int | None
) -> None:
    if document.min_capacity > 0 and 0 in (minimum, maximum):
        why = (
            "bounds of 0 would stop the service, and the policy document's MinCapacity is "
            f"{document.min_capacity}: unless that is 0, the last task stays"
        )
        raise CommandError(Exit.NO, why)


def show_entry(entry: Any, zone: tzinfo | None = None) -> str:
    """Return an item's entry in words, whatever an operator wrote there."""
    if not isinstance(entry, dict):
        return f"something that cannot be read: {show(entry)}"
    bounds = (entry.get("min"), entry.get("max"))
    directions = entry.get("directions")
    what = (
        f"a pause of {' and '.join(str(one) for one in directions)}"
        if isinstance(directions, list)
        else "no bounds"
        if bounds == (None, None)
        else bounds_text(*bounds, force=entry.get("force") is True)
    )
    by = f" by {entry['by']}" if entry.get("by") else ""
    why = f": {entry['reason']}" if entry.get("reason") else ""
    return f"{what} until {_written_end(entry, zone)}{by}{why}"


def _written_end(entry: Mapping[str, Any], zone: tzinfo | None) -> str:
    """Return an entry's end as people read it; as it is written where it cannot be read."""
    if "until" not in entry:
        return "further notice"
    end = written_moment(entry["until"])
    return _moment(end, zone) if end else show(entry["until"])


def written_moment(value: Any) -> datetime | None:
    """Return the moment that an item's entry has; None where the scaler could not read it."""
    problems = Problems()
    moment = Field(value, "", problems).moment()
    return None if problems.found else moment


def _moment(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return a moment in a zone, which it names; by default in this machine's."""
    return f"{moment_text(moment, zone)} {zone_text(moment, zone)}"
