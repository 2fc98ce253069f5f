"""The result of a check."""

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
    """What a check found; `fix` says what to do about it."""

    check: str
    verdict: Verdict
    what: str
    fix: str = ""


def unknown(check: str, fact: Unknown) -> Finding:
    """Return the finding for a fact that could not be read."""
    fix = "docs/operations.md lists the permissions that the doctor needs"
    return Finding(check, Verdict.WARNING, f"could not be checked: {fact.why}", fix)
