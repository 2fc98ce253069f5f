# ruff: noqa: INP001 - a folder of documents, not a package
"""The protocol's clocks and bounds, and what its fault simulation checks and has to find."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from typing import Any

from docs.tables import ROOT, table
from quickstep.alarms import definition as alarm_definitions
from quickstep.aws import cloudwatch, sqs
from quickstep.engine.proposal import RECHECK_SECONDS
from quickstep.loop import cycle, progress
from quickstep.loop import door as intake
from quickstep.loop import heartbeat as rounds
from quickstep.protocol import line as turns
from quickstep.wiring import CLIENT_CONFIG

SIMULATION = ROOT / "tests" / "simulation"


def limits() -> str:
    """Return the table of the protocol's clocks and bounds, as code and template have them."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")

    calls: Any = CLIENT_CONFIG
    retries = calls.retries

    def set_to(key: str) -> int:
        (value,) = set(re.findall(rf"^ +{key}: (\d+)\b", template, re.MULTILINE))
        return int(value)

    rows = (
        ("function's timeout", set_to("Timeout"), "`template.yaml`"),
        ("attempts of a call", f"{retries['total_max_attempts']}", "`wiring.CLIENT_CONFIG`"),
        ("waiting for a connection", calls.connect_timeout, "`wiring.CLIENT_CONFIG`"),
        ("waiting for an answer", calls.read_timeout, "`wiring.CLIENT_CONFIG`"),
        ("lease, from the start of an evaluation", cycle.LEASE, "`cycle.LEASE`"),
        ("oldest event whose datapoints count", cycle.MAX_EVENT_AGE, "`MAX_EVENT_AGE_SECONDS`"),
        ("next look in a scale-out breach", RECHECK_SECONDS, "`proposal.RECHECK_SECONDS`"),
        ("next look for a newer datapoint", progress.NEWER_DATAPOINT, "`progress.NEWER_DATAPOINT`"),
        ("such looks in a row", f"{progress.MAX_LOOKS}", "`progress.MAX_LOOKS`"),
        ("a metric is read back", alarm_definitions.HISTORY, "`alarm_definitions.HISTORY`"),
        ("longest pause after a throttle", progress.LONGEST_BACKOFF, "`progress.LONGEST_BACKOFF`"),
        (
            "re-checks in a row after throttles",
            f"{progress.MAX_THROTTLES}",
            "`progress.MAX_THROTTLES`",
        ),
        (
            "longest pause before the line is looked at again",
            turns.LONGEST_WAIT,
            "`turns.LONGEST_WAIT`",
        ),
        ("a line that has not moved holds nobody up after", turns.STANDSTILL, "`turns.STANDSTILL`"),
        ("longest time in the line", turns.LONGEST_LINE, "`turns.LONGEST_LINE`"),
        ("races that a message may lose", f"{intake.MAX_RACES}", "`intake.MAX_RACES`"),
        ("a re-check counts as dead after its time by", progress.OVERDUE, "`progress.OVERDUE`"),
        ("alarms in a page", f"{cloudwatch.PAGE}", "`cloudwatch.PAGE`"),
        ("pages in one invocation", f"{rounds.PAGES}", "`rounds.PAGES`"),
        ("pause between pages", rounds.PAGE_PAUSE, "`rounds.PAGE_PAUSE`"),
        ("targets before the queue is used", f"{rounds.INLINE_TARGETS}", "`rounds.INLINE_TARGETS`"),
        ("time before the queue is used", rounds.INLINE_TIME, "`rounds.INLINE_TIME`"),
        ("DescribeServices of a heartbeat", f"{rounds.CALLS}", "`rounds.CALLS`"),
        ("longest delay of a message", sqs.LONGEST_DELAY, "`sqs.LONGEST_DELAY`"),
        ("a message that failed comes back after", set_to("VisibilityTimeout"), "`template.yaml`"),
        ("deliveries of a message", f"{set_to('maxReceiveCount')}", "`template.yaml`"),
    )
    return table(("What", "Value", "Where"), ((a, _value(b), c) for a, b, c in rows))


def _value(value: timedelta | float | str) -> str:
    if isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return f"{seconds:g} s"


# --- the fault simulation -------------------------------------------------------------------------


def invariants() -> str:
    """Return what the simulation checks after each run, from the names of its checks."""
    names = (
        name.strip("_").replace("_", " ").replace("ecs", "ECS") for name in _called("violations")
    )
    return "\n".join(f"- {name}" for name in names)


def _called(name: str) -> list[str]:
    """Return which private functions a function of the simulation's invariants calls, in order."""
    tree = ast.parse((SIMULATION / "invariants.py").read_text(encoding="utf-8"))
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [call.id for call in calls if isinstance(call, ast.Name) and call.id.startswith("_")]


def planted_bugs() -> str:
    """Return the bugs that the simulation has to find."""
    tree = ast.parse((SIMULATION / "mutations.py").read_text(encoding="utf-8"))
    (bugs,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MUTATIONS"
    )
    assert isinstance(bugs, ast.Dict)  # noqa: S101 - else the simulation has none
    return "\n".join(f"- {ast.literal_eval(key)}" for key in bugs.keys if key)
