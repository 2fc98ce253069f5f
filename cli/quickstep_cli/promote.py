"""`quickstep promote`: from Application Auto Scaling to Quickstep, and back.

Whatever fails in between, something can add tasks at every moment. AAS stops removing tasks first,
and stops adding them last, after the scaler has read that the dry run is over. The way back is the
same in reverse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from quickstep.aws.ssm import DynamoCopies
from quickstep.engine.model import Direction
from quickstep.loop.documents import MAX_AGE_SECONDS
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.autoscaling import IN, OUT, SCHEDULED, read_scalable, suspend
from quickstep_cli.aws import Aws, TargetArgument, YesOption, on_aws, wait_for
from quickstep_cli.failures import CommandError, Exit, explain_error
from quickstep_cli.owners import TAG, owner_of
from quickstep_cli.targets import stored_document, the_target, write_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName

POLL = timedelta(seconds=5)
READ_WITHIN = timedelta(minutes=3)
"""Time for the heartbeat, once a minute, to read a new document and copy it into the table."""
READ_BY_ALL = timedelta(seconds=MAX_AGE_SECONDS)
"""Time for every warm function to use that copy, by default."""


@dataclass(frozen=True, slots=True)
class State:
    """Who may act: in which ways AAS is suspended, and whether Quickstep is a dry run.

    `suspended` is None if AAS has no scalable target for the service.
    """

    dry_run: bool
    suspended: Mapping[str, bool] | None = None
    scheduled: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step: suspend or resume ways of AAS, or change the dry run.

    A step that relies on the scaler waits until `once_read`: the scaler uses the new document.
    """

    what: str
    suspended: Mapping[str, bool] = field(default_factory=dict)
    dry_run: bool | None = None
    once_read: bool = False

    def is_done(self, state: State) -> bool:
        """Return whether the step is done."""
        if self.dry_run is not None:
            return state.dry_run is self.dry_run
        now = state.suspended
        return now is None or all(now[way] is value for way, value in self.suspended.items())


def steps_to(state: State, *, back: bool) -> list[Step]:
    """Return the steps that remain, in order.

    Scheduled actions set bounds, which adds and removes tasks; without any, they are not mentioned.
    """
    plans = {SCHEDULED: not back} if state.scheduled else {}
    also = " and its scheduled actions" if state.scheduled else ""
    if back:
        every = [
            Step("Application Auto Scaling adds tasks again", {OUT: False}),
            Step("Quickstep becomes a dry run", dry_run=True),
            Step(
                f"Application Auto Scaling removes tasks again{also}",
                {IN: False, **plans},
                once_read=True,
            ),
        ]
    else:
        every = [
            Step("Application Auto Scaling stops removing tasks", {IN: True}),
            Step("Quickstep's dry run ends", dry_run=False),
            Step(
                f"Application Auto Scaling stops adding tasks{also}",
                {OUT: True, **plans},
                once_read=True,
            ),
        ]
    return [step for step in every if not step.is_done(state)]


@on_aws
def promote(
    aws: Aws,
    target: TargetArgument,
    *,
    back: Annotated[
        bool, typer.Option("--back", help="Hand the service back to Application Auto Scaling.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Hand a service over from Application Auto Scaling to Quickstep; --back reverses it.

    Suspends AAS, and keeps its policies and alarms. If a run fails midway, run it again: it skips
    the steps that are done.
    """
    document = the_target(aws, target)
    owner = owner_of(aws.client("ssm"), target.parameter)
    scalable = read_scalable(aws, target)
    state = State(
        document.dry_run,
        scalable.suspended if scalable else None,
        scalable.scheduled if scalable else (),
    )
    steps = steps_to(state, back=back)
    console = Console(highlight=False)
    if not steps:
        whose = "Application Auto Scaling's" if back else "Quickstep's"
        console.print(f"{escape(target.resource_id)} is {whose} already: nothing to do")
        return
    if back and state.suspended is None:
        console.print(
            "[yellow]![/] Application Auto Scaling has no settings for it: nothing will scale it"
        )
    if not back:
        _check_that_it_sees(aws, target, document)
    console.print(f"[bold]{escape(target.resource_id)}[/], in this order:")
    for number, step in enumerate(steps, start=1):
        console.print(escape(f"  {number}. {step.what}"), soft_wrap=True)
    if not back and state.scheduled:
        names = ", ".join(state.scheduled)
        console.print(
            f"[yellow]![/] {escape(names)} will not run: replace them with schedules of the target",
            soft_wrap=True,
        )
    if any(step.dry_run is not None for step in steps):
        drift = _drift(target.parameter, owner, dry_run=back)
        console.print(f"[yellow]![/] {escape(drift)}", soft_wrap=True)
    if not yes:
        typer.confirm("Go on?", abort=True, err=True)
    _do(aws, target, state, steps)
    if not back:
        name = f"{target.cluster}/{target.service}"
        console.print(escape(f"To go back: quickstep promote {name} --back"), soft_wrap=True)


def _check_that_it_sees(aws: Aws, service: ServiceName, target: ScalableTarget) -> None:
    """Refuse to promote a target that cannot see its load: nothing would scale the service.

    Raises:
        CommandError: an alarm that adds tasks does not exist, or has no data.
    """
    names = [service.alarm(policy.alarm) for policy in target.in_direction(Direction.OUT)]
    if not names:
        return
    described = aws.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in described}
    blind = [
        f"{name} {'has no data' if name in states else 'does not exist'}"
        for name in names
        if states.get(name, "INSUFFICIENT_DATA") == "INSUFFICIENT_DATA"
    ]
    if blind:
        why = f"nothing was changed, because Quickstep would not see the load: {', '.join(blind)}"
        raise CommandError(Exit.NO, f"{why}; quickstep doctor says what to fix")


def _do(aws: Aws, service: ServiceName, state: State, steps: Sequence[Step]) -> None:
    """Carry out the steps in order.

    Raises:
        CommandError: one failed; the message says what was done, what was not, and how to go on.
    """
    err = Console(stderr=True, highlight=False)
    suspended = dict(state.suspended or {})
    for number, step in enumerate(steps):
        try:
            if step.once_read:
                err.print("  waiting until the scaler has read its document", soft_wrap=True)
                _wait_until_read(aws, service)
            if step.dry_run is None:
                suspended |= step.suspended
                suspend(aws, service, suspended)
            else:
                _put_dry_run(aws, service, dry_run=step.dry_run)
        except (CommandError, CallFailedError, ClientError, BotoCoreError) as error:
            code, why = explain_error(error)
            raise CommandError(code, _half_done(why, steps, number)) from error
        err.print(f"[green]✓[/] {escape(step.what)}", soft_wrap=True)


def _half_done(why: str, steps: Sequence[Step], number: int) -> str:
    done = "; ".join(step.what for step in steps[:number]) or "nothing"
    left = "; ".join(step.what for step in steps[number:])
    return (
        f"{why}. Done: {done}. Not done: {left}. One of the two scalers still adds tasks. Run the "
        "same command again to go on, or reverse it: promote --back, or promote without it"
    )


def _put_dry_run(aws: Aws, service: ServiceName, *, dry_run: bool) -> None:
    """Change one key of the stored document."""
    stored = json.loads(stored_document(aws, service) or "{}")
    write_document(aws, service, json.dumps({**stored, "DryRun": dry_run}, indent=2))


def _wait_until_read(aws: Aws, service: ServiceName) -> None:
    """Wait until every function uses the stored document.

    Raises:
        CommandError: no heartbeat has read it in time: the scaler is down, or is another one.
    """
    text = stored_document(aws, service)
    copies = DynamoCopies(aws.client("dynamodb"), aws.table)
    for _ in range(READ_WITHIN // POLL):
        copy = copies.read(service)
        if copy and copy.document.text == text:
            wait_for(READ_BY_ALL)
            return
        wait_for(POLL)
    minutes = READ_WITHIN // timedelta(minutes=1)
    why = f"{service.parameter} is written, but the scaler has not read it in {minutes} minutes"
    raise CommandError(Exit.NO_ANSWER, f"{why}; is its heartbeat running? quickstep doctor says")


def _drift(parameter: str, owner: str | None, *, dry_run: bool) -> str:
    """Return who would undo the change of DryRun, and how to prevent it."""
    value = str(dry_run).lower()
    match owner:
        case "stack":
            what = f"a stack's, whose next deployment undoes this without DryRun={value}"
        case "terraform":
            what = f"Terraform's, whose next apply undoes this without dry_run = {value}"
        case "apply":
            what = f"quickstep apply's, whose file undoes this unless it has DryRun {value}"
        case None:
            what = f"untagged, so its owner is unknown: set DryRun {value} at its source"
        case _:
            what = f"owned by {owner} ({TAG}), which must set DryRun {value} from now on"
    return f"{parameter} is {what}"
