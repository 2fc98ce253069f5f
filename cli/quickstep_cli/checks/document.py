"""The policy document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep_cli.advice import advice
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.checks.findings import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_cli.checks.facts import Facts


def policy_document(facts: Facts) -> Iterator[Finding]:
    """Check that the policy document exists, is valid, and probably means what it should."""
    check = "policy document"
    if isinstance(facts.target, str):
        fix = "`quickstep validate` checks a file, `quickstep apply` deploys it"
        yield Finding(check, Verdict.PROBLEM, facts.target, fix)
        return
    yield Finding(check, Verdict.OK, f"{facts.service_name.parameter} is valid")
    alarms = {} if isinstance(facts.alarms, Unknown) else facts.alarms
    thresholds = {
        name: alarm["Threshold"] for name, alarm in alarms.items() if "Threshold" in alarm
    }
    for line in advice(facts.target, thresholds):
        yield Finding(check, Verdict.WARNING, line, "see docs/policy-reference.md")
    if facts.target.dry_run:
        yield Finding(check, Verdict.WARNING, "a dry run: nothing is scaled", "set DryRun to false")
