"""The scaler: whether events reach it, its permissions, its state, and what it gave up on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import Direction
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.checks.findings import Finding, Verdict, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_cli.checks.facts import Facts

MOST_TARGETS = 750
"""How many targets the heartbeat can look at within its minute."""


def scalers(facts: Facts) -> Iterator[Finding]:
    """Check that exactly one scaler exists, is the one read here, and gets each event once."""
    check = "scaler"
    if isinstance(facts.registered, Unknown):
        yield unknown(check, facts.registered)
    elif facts.table != facts.registered and not isinstance(facts.table, Unknown):
        what = f"the scaler of this account and Region has the table {facts.registered}, not "
        fix = "omit --stack and --table, or check the one that you are replacing it with"
        yield Finding(check, Verdict.WARNING, f"{what}{facts.table}, which is read here", fix)
    if isinstance(facts.scalers, Unknown):
        yield unknown(check, facts.scalers)
        return
    lines = [f"{one.rule} invokes {one.function}" for one in facts.scalers]
    if not lines:
        what = "no enabled rule sends events of this target's alarms to a scaler"
        yield Finding(check, Verdict.PROBLEM, what, "deploy template.yaml again")
    elif len(lines) > 1:
        what = f"{len(lines)} act on each event of this target: {'; '.join(lines)}"
        fix = "an account and Region has one: delete the others' stacks"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    elif not isinstance(facts.table, Unknown) and facts.scalers[0].table != facts.table:
        what = f"{lines[0]}, whose table is {facts.scalers[0].table}, not {facts.table}"
        fix = "is the rule of this scaler's stack disabled? Delete the other scaler's stack"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    else:
        yield Finding(check, Verdict.OK, f"{lines[0]}, on events of this target's alarms")


def rights(facts: Facts) -> Iterator[Finding]:
    """Check that every role of the scaler's stack has its permissions."""
    if isinstance(facts.refused, Unknown):
        yield unknown("rights", facts.refused)
        return
    for line in facts.refused:
        fix = "deploy template.yaml again; does a boundary or an organization's policy deny it?"
        if " ecs:" in line:
            fix = "is the cluster in ClusterNames of the scaler's stack?"
        if "may not read a queue" in line:
            fix = "is the queue in QueueArns of the scaler's stack?"
        yield Finding("rights", Verdict.PROBLEM, line, fix)
    if not facts.refused:
        yield Finding("rights", Verdict.OK, "every role may make the calls it needs")


def item(facts: Facts) -> Iterator[Finding]:
    """Check that the target's item is readable, and that no lease was abandoned."""
    check = "state"
    if isinstance(facts.item, Unknown):
        fix = "fix or delete the item: a new one starts without cooldowns"
        yield Finding(check, Verdict.PROBLEM, facts.item.why, fix)
        return
    memory, lease = facts.item
    if memory.state.unreadable:
        fix = "`quickstep resume` and `quickstep override --clear` remove what was set by hand"
        what = f"cannot be read, so nothing scales in: {memory.state.unreadable}"
        yield Finding(check, Verdict.PROBLEM, what, fix)
    if lease and lease.until + timedelta(minutes=2) < facts.at:
        what = f"{lease.owner}'s lease expired at {lease.until:%H:%M:%S}, and nobody took it over"
        yield Finding(check, Verdict.PROBLEM, what, "does the heartbeat reach the function?")
    paused = memory.state.pause
    for direction in Direction:
        if paused and paused.holds(direction, facts.at):
            what = f"{direction} is paused: {paused.reason or 'no reason given'}"
            yield Finding(check, Verdict.WARNING, what, "`quickstep resume` ends it")
    if not memory.state.unreadable:
        yield Finding(check, Verdict.OK, "the target's item can be read")


def dead_letters(facts: Facts) -> Iterator[Finding]:
    """Check that the dead-letter queues are empty."""
    check = "dead letters"
    if isinstance(facts.dead, Unknown):
        yield unknown(check, facts.dead)
        return
    full = {name: count for name, count in facts.dead.items() if count}
    for name, count in full.items():
        what = f"{count} messages in {name}"
        yield Finding(check, Verdict.WARNING, what, f"see docs/runbook.md, {name}Alarm")
    if not full:
        yield Finding(check, Verdict.OK, "the dead-letter queues are empty")


def quotas(facts: Facts) -> Iterator[Finding]:
    """Check that Fargate's quota allows MaxCapacity, and that the heartbeat keeps up."""
    check = "quotas"
    for fact in (facts.vcpu, facts.vcpu_quota, facts.targets):
        if isinstance(fact, Unknown):
            yield unknown(check, fact)
            return
    assert not isinstance(facts.vcpu, Unknown)  # noqa: S101 - checked above, as the others
    assert not isinstance(facts.vcpu_quota, Unknown)  # noqa: S101
    assert not isinstance(facts.targets, Unknown)  # noqa: S101
    what = f"MaxCapacity takes {facts.vcpu:g} vCPU of Fargate's {facts.vcpu_quota:g} on demand"
    if facts.vcpu_quota and facts.vcpu > 0.8 * facts.vcpu_quota:
        fix = "request an increase of Fargate On-Demand vCPU resource count in Service Quotas"
        over = facts.vcpu > facts.vcpu_quota
        yield Finding(check, Verdict.PROBLEM if over else Verdict.WARNING, what, fix)
    elif facts.vcpu:
        yield Finding(check, Verdict.OK, what)
    if facts.targets > MOST_TARGETS:
        what = f"{facts.targets} targets: the heartbeat's looks are throttled beyond {MOST_TARGETS}"
        yield Finding(check, Verdict.WARNING, what, "docs/architecture.md describes the limit")
