# ruff: noqa: INP001 - a folder of documents, not a package
"""The table of outcomes. The engine supplies their sentences; their meanings are written here."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from docs.tables import ROOT, table
from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

LAYER = ROOT / "layers" / "core" / "quickstep"

MEANINGS = {
    Outcome.SCALED_OUT: "ECS accepted a larger desired count",
    Outcome.SCALED_IN: "ECS accepted a smaller desired count",
    Outcome.WOULD_SCALE: "the document sets `DryRun`, so nothing was called",
    Outcome.HELD_COOLDOWN: "an earlier change is still taking effect, or an idle task is kept",
    Outcome.HELD_CAPACITY_ON_ITS_WAY: "once the starting tasks serve, there will be enough",
    Outcome.HELD_NO_CAPACITY: (
        "tasks are missing, and the load needs no more than are already desired"
    ),
    Outcome.HELD_ANSWERED: "the newest datapoint has already changed capacity; waits for the next",
    Outcome.HELD_WOULD_FLAP: "the load needs all current tasks",
    Outcome.HELD_DEPLOYMENT: "no task is removed while a rollout is in progress",
    Outcome.HELD_AT_MAX: "no more tasks are allowed; the load may not be met",
    Outcome.HELD_AT_MIN: "no fewer tasks are allowed",
    Outcome.HELD_NOT_BREACHING: "no alarm is in breach, no step matches, or it changes nothing",
    Outcome.HELD_NO_DATA: (
        "no number to act on, or serving tasks do not report; see the data rules"
    ),
    Outcome.HELD_PAUSED: "an operator paused this direction, or wrote an unreadable entry",
    Outcome.HELD_MUTED: "a mute rule or suppressor is active, or the alarm's actions are disabled",
    Outcome.IGNORED_DUPLICATE: "the same transition of an alarm, or the same request, came twice",
    Outcome.IGNORED_STALE: (
        "a later transition or request was handled, a request is over 60 s old, or the time of "
        "either is over 60 s ahead"
    ),
    Outcome.IGNORED_SURGE: (
        "a task asked for a look too late, too often, or for a service without a known alarm; "
        "logged, not stored"
    ),
    Outcome.LOST_RACE: "another evaluation held the lease; this one's trigger comes back",
    Outcome.RECOVERED: (
        "an earlier change had no known result: it turned out made, or was asked for again"
    ),
    Outcome.FOREIGN_CHANGE: (
        "an operator, a deployment or another tool set the desired count; it is kept"
    ),
    Outcome.FAILED_THROTTLED: "AWS throttled every attempt of the invocation; tried again later",
    Outcome.FAILED_NOT_FOUND: "no such cluster or service, or it is not ACTIVE",
    Outcome.FAILED_DENIED: (
        "the function's role may not make the call; no task is removed without data"
    ),
    Outcome.FAILED_CONFIG: "the policy document is missing, breaks a rule, or has no such policy",
    Outcome.FAILED_QUEUE: (
        "a queue in the document does not exist or does not answer; recorded when it begins, and "
        "once a minute"
    ),
    Outcome.FAILED_OTHER: "any other error from a call to SSM or ECS; the sentence names it",
}


def outcomes() -> str:
    """Return the table of all outcomes."""
    used = _attributes(path for path in LAYER.rglob("*.py") if path.name != "outcome.py")
    rows = [
        (
            f"`{outcome}`",
            f"`{_template(outcome)}`",
            MEANINGS[outcome] + ("" if outcome.name in used else " (**not produced yet**)"),
        )
        for outcome in Outcome
    ]
    return table(("Outcome", "Sentence", "Meaning"), rows)


def _template(outcome: Outcome) -> str:
    """Return the outcome's sentence with the names that a decision record uses."""
    sentence: Callable[..., str] = outcome.sentence
    return sentence(before="{from}", granted="{granted}", why="{why}")


def _attributes(paths: Iterable[Path]) -> set[str]:
    """Return the name of every attribute that the modules use, e.g. `HELD_AT_MAX`, `cooldown`."""
    return {
        node.attr
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
