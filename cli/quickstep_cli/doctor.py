"""`quickstep doctor`: check a deployed target end to end."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.engine.model import Direction
from quickstep_cli.aws import Aws, JsonOption, UnlessAllArgument, YesOption, now, on_aws
from quickstep_cli.checks import examine
from quickstep_cli.checks.findings import Finding, Verdict
from quickstep_cli.doctor_all import MARKS, check_all
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.targets import awaited, the_target

if TYPE_CHECKING:
    from quickstep.naming import ServiceName
    from quickstep_cli.history import Record


@on_aws
def doctor(
    aws: Aws,
    target: UnlessAllArgument = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Check all targets of the Region, in one table.")
    ] = False,
    cluster: Annotated[str | None, typer.Option(help="With --all: only this cluster.")] = None,
    fire: Annotated[
        bool,
        typer.Option(
            "--fire", help="Also set a dry run's alarm to ALARM, and time the whole path."
        ),
    ] = False,
    wait: Annotated[
        int, typer.Option(min=1, max=300, help="With --fire: seconds to wait for the decision.")
    ] = 60,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check deployed targets end to end, say what to fix, and exit with 1 on a problem."""
    from quickstep_cli.facts import gather  # noqa: PLC0415 - boto3 takes its time

    if every:
        if target or fire:
            raise typer.BadParameter(
                "cannot be combined with a target or --fire", param_hint="--all"
            )
        check_all(aws, cluster, as_json=as_json)
        return
    if cluster:
        raise typer.BadParameter("requires --all", param_hint="--cluster")
    if not target:
        raise typer.BadParameter("is missing; or pass --all", param_hint="TARGET")
    findings = examine(gather(aws, target))
    if fire:
        findings.append(_fired(aws, target, wait, yes=yes, as_json=as_json))
    _print(findings, as_json=as_json)
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        raise typer.Exit(Exit.NO)


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
        return
    console = Console(highlight=False)
    for finding in findings:
        line = escape(f"{finding.check}: {finding.what}")
        console.print(f"{MARKS[finding.verdict]} {line}", soft_wrap=True)
        if finding.fix and finding.verdict is not Verdict.OK:
            console.print(f"    {escape(finding.fix)}", soft_wrap=True, style="dim")


# --- the whole path -------------------------------------------------------------------------------


def _fired(aws: Aws, target: ServiceName, wait: int, *, yes: bool, as_json: bool) -> Finding:
    """Set an alarm to ALARM and wait for the decision. CloudWatch resets it on its own.

    The alarm carries no datapoint, so the decision uses the metric's real value.
    """
    document = the_target(aws, target)
    if not document.dry_run:
        why = f"--fire needs a dry run: {target.resource_id} would be scaled. Set DryRun to true"
        raise CommandError(Exit.NO, why)
    policies = document.in_direction(Direction.OUT)
    if not policies:
        raise CommandError(Exit.NO, "--fire needs a scale-out policy")
    alarm = target.alarm(policies[0].name)
    if not yes:
        Console(stderr=as_json, highlight=False).print(
            f"{escape(alarm)} will be set to ALARM; CloudWatch resets it within seconds."
        )
        typer.confirm("Go on?", abort=True, err=as_json)
    return fired(aws, target, alarm, wait)


def fired(aws: Aws, target: ServiceName, alarm: str, wait: int) -> Finding:
    """Set the alarm, and return how long the decision took."""
    check, set_at = "whole path", now()
    aws.client("cloudwatch").set_alarm_state(
        AlarmName=alarm, StateValue="ALARM", StateReason="quickstep doctor --fire"
    )
    slack = timedelta(seconds=30)  # clocks differ
    record = awaited(aws, target, set_at - slack, lambda it: _answers(it, alarm, set_at), wait)
    if record:
        seconds = (now() - set_at).total_seconds()
        hop = (datetime.fromisoformat(record["at"]) - _changed_at(record)).total_seconds()
        what = (
            f"{record['outcome']} {hop:.1f} s after the alarm's change; its record could be read "
            f"{seconds:.1f} s after the call (polled twice a second)"
        )
        return Finding(check, Verdict.OK, what)
    fix = "was the alarm in ALARM before? If not, check the rule, the log and the dead letters"
    what = f"no decision within {wait} s of {alarm}'s change"
    return Finding(check, Verdict.PROBLEM, what, fix)


def _answers(record: Record, alarm: str, set_at: datetime) -> bool:
    """Return whether a record is of the alarm's change to ALARM."""
    trigger = record["trigger"]
    ours = (trigger.get("alarm"), trigger.get("state")) == (alarm, "ALARM")
    return ours and _changed_at(record) >= set_at - timedelta(seconds=5)


def _changed_at(record: Record) -> datetime:
    """Return when CloudWatch says the alarm was set."""
    return datetime.fromisoformat(record["trigger"]["at"]).astimezone(UTC)
