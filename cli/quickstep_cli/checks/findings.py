"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickstep_cli.checks.facts import Unknown


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found; `fix` says what to do about it."""

    check: str
    verdict: Verdict
    what: str
    fix: str = ""


def unknown(check: str, fact: Unknown) -> Finding:
    """Return the finding of a fact that could not be had."""
    fix = "docs/operations.md lists the permissions that the doctor needs"
    return Finding(check, Verdict.WARNING, f"could not be checked: {fact.why}", fix)
