"""The ECS service: its tasks, how they drain, and who else scales it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep.engine.model import Direction, ScalableTarget
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.checks.findings import Finding, Verdict, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickstep_cli.checks.facts import Facts

FIGHT = timedelta(hours=1)
"""Two foreign changes within this time are a tool at work, not a person."""
OTHERS_NUMBER = (
    "who sets it? In Terraform use lifecycle { ignore_changes = [desired_count] }, in "
    "CloudFormation no DesiredCount, by hand `quickstep scale` or `override`"
)


def service(facts: Facts) -> Iterator[Finding]:
    """Check that the service exists, and that no rollout holds scale-in."""
    if isinstance(facts.service, Unknown):
        yield Finding("service", Verdict.PROBLEM, facts.service.why, "are cluster and name right?")
        return
    counts = f"{facts.service.running} of {facts.service.desired} tasks are running"
    if facts.service.deployment_in_progress:
        what = f"{counts}; a rollout is in progress, so nothing scales in"
        yield Finding("service", Verdict.WARNING, what, "wait for it to end, or roll it back")
    if facts.service.trouble:
        fix = (
            "see docs/runbook.md, tasks that never come; nothing to fix if the missing ones are "
            "just starting"
        )
        what = f"{counts}, and ECS says: {facts.service.trouble}"
        yield Finding("service", Verdict.WARNING, what, fix)
    elif not facts.service.deployment_in_progress:
        yield Finding("service", Verdict.OK, counts)


def draining(facts: Facts) -> Iterator[Finding]:
    """Check that the document knows how long a task drains, and the cooldown waits for it."""
    check = "draining"
    if isinstance(facts.drains, Unknown):
        yield unknown(check, facts.drains)
        return
    if isinstance(facts.target, str) or not facts.drains:
        return
    group, delay = max(facts.drains.items(), key=lambda one: one[1])
    known = facts.target.deregistration_delay_seconds
    what = f"a task drains for {delay} s in {group}, and DeregistrationDelaySeconds is {known}"
    if known < delay:
        then = "after that, draining tasks count as serving, and the load looks smaller than it is"
        fix = f"set DeregistrationDelaySeconds to {delay}, or deregistration_delay to {known}"
        yield Finding(check, Verdict.WARNING, f"{what}: {then}", fix)
    else:
        yield Finding(check, Verdict.OK, what)
    for policy in facts.target.step_policies:
        if policy.direction is Direction.IN and policy.cooldown < delay:
            what = (
                f"{policy.name}: its Cooldown ({policy.cooldown} s) ends before a removed task "
                f"has drained ({delay} s): at the next removal the alarm's average still includes "
                "tasks that report 0, so the decision depends on the count of serving tasks"
            )
            fix = "make deregistration_delay as short as requests allow, or the Cooldown longer"
            yield Finding(check, Verdict.WARNING, what, fix)


def other_scalers(facts: Facts) -> Iterator[Finding]:
    """Check that no Application Auto Scaling policy or alarm action scales the same service."""
    check = "other scalers"
    for fact in (facts.autoscaling, facts.alarm_actions):
        if isinstance(fact, Unknown):
            yield unknown(check, fact)
    if facts.autoscaling is not None and not isinstance(facts.autoscaling, Unknown):
        yield _autoscaling(facts.autoscaling, facts.target)
    actions = () if isinstance(facts.alarm_actions, Unknown) else facts.alarm_actions
    for line in actions:
        fix = "remove the action from the alarm; Quickstep's rule needs none"
        yield Finding(check, Verdict.WARNING, f"an alarm acts on its own: {line}", fix)
    if facts.autoscaling is None and not facts.alarm_actions:
        what = "neither Application Auto Scaling nor an alarm's action acts on the service"
        yield Finding(check, Verdict.OK, what)


def _autoscaling(acting: Sequence[str], target: ScalableTarget | str) -> Finding:
    if not acting:
        what = "the service is still a scalable target of Application Auto Scaling"
        fix = "deregister it once you are sure not to go back"
        return Finding("other scalers", Verdict.WARNING, what, fix)
    dry = isinstance(target, ScalableTarget) and target.dry_run
    what = f"Application Auto Scaling acts on the service: {', '.join(acting)}"
    fix = "fine beside a dry run; delete or suspend them before that ends"
    return Finding("other scalers", Verdict.WARNING if dry else Verdict.PROBLEM, what, fix)


def foreign_changes(facts: Facts) -> Iterator[Finding]:
    """Check that nobody else sets the desired count; two changes in an hour are a fight."""
    check = "foreign changes"
    if isinstance(facts.foreign, Unknown):
        yield unknown(check, facts.foreign)
        return
    if not facts.foreign:
        yield Finding(check, Verdict.OK, "no recent decision found a foreign change")
        return
    last = facts.foreign[-1]
    what = f"{last.at:%Y-%m-%d %H:%M:%S} UTC: {last.reason}"
    for before, after in pairwise(facts.foreign):
        if after.at - before.at <= FIGHT:
            what = f"{len(facts.foreign)}, two of them within an hour; the last {what}"
            yield Finding(check, Verdict.PROBLEM, what, OTHERS_NUMBER)
            return
    yield Finding(check, Verdict.WARNING, what, OTHERS_NUMBER)
