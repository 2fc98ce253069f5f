# ruff: noqa: INP001 - a folder of documents, not a package
"""The protocol's clocks and bounds, and what its fault simulation checks and must find."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from docs.tables import ROOT, table
from quickstep.alarms import reading
from quickstep.aws import cloudwatch, queues, sqs
from quickstep.engine.backlog import POLL_SECONDS
from quickstep.engine.proposal import RECHECK_SECONDS
from quickstep.engine.queue_policy import EMPTY_SECONDS
from quickstep.loop import cycle, door, heartbeat, next_look, polls, surges
from quickstep.protocol import counts, line, operators, ports
from quickstep.protocol import polls as poll_messages
from quickstep.protocol.quotas import QUOTAS
from quickstep.wiring import CLIENT_CONFIG
from tests.simulation import invariants as tests_invariants
from tests.simulation import mutations

if TYPE_CHECKING:
    from types import ModuleType


def limits() -> str:
    """Return the table of the protocol's clocks and bounds, from code and template."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")

    calls: Any = CLIENT_CONFIG
    retries = calls.retries

    def set_to(key: str, resource: str = "Scaler") -> int:
        _, _, properties = template.partition(f"\n  {resource}:\n")
        value = re.search(rf"^ +{key}: (\d+)\b", properties, re.MULTILINE)
        assert value is not None  # noqa: S101 - the template has it
        return int(value[1])

    def of(module: ModuleType, name: str) -> tuple[Any, str]:
        return getattr(module, name), f"`{module.__name__.rsplit('.', 1)[-1]}.{name}`"

    rows = (
        ("the function's timeout", _seconds(set_to("Timeout")), "`template.yaml`"),
        ("attempts per call", retries["total_max_attempts"], "`wiring.CLIENT_CONFIG`"),
        (
            "longest wait for a connection",
            _seconds(calls.connect_timeout),
            "`wiring.CLIENT_CONFIG`",
        ),
        ("longest wait for an answer", _seconds(calls.read_timeout), "`wiring.CLIENT_CONFIG`"),
        ("lease, from an evaluation's start", *of(cycle, "LEASE")),
        (
            "oldest event whose datapoints count",
            cycle.MAX_EVENT_AGE,
            "`Observer.max_age`, from `MAX_EVENT_AGE_SECONDS`",
        ),
        (
            "next look during a scale-out breach",
            _seconds(RECHECK_SECONDS),
            "`proposal.RECHECK_SECONDS`",
        ),
        ("next look for a newer datapoint", *of(next_look, "NEWER_DATAPOINT")),
        ("such looks in a row", *of(next_look, "MAX_ATTEMPTS_FOR_NEWER")),
        ("how far back a metric is read", *of(reading, "HISTORY")),
        ("longest wait after a throttle", *of(next_look, "LONGEST_BACKOFF")),
        ("re-checks in a row after throttles", *of(next_look, "MAX_THROTTLES")),
        ("longest wait before the next look at the line", *of(line, "LONGEST_WAIT")),
        ("a line that has not moved delays nobody after", *of(line, "STANDSTILL")),
        ("longest time in the line", *of(line, "LONGEST_LINE")),
        ("most races that a message may lose", *of(door, "MAX_RACES")),
        ("time between a queue's polls", _seconds(POLL_SECONDS), "`backlog.POLL_SECONDS`"),
        ("oldest valid poll", *of(polls, "OLDEST")),
        ("most targets in one poll", *of(poll_messages, "MOST_POLLED")),
        ("longest time to read one poll's queues", *of(queues, "WITHIN")),
        ("how long polls leave a target alone after a failure", *of(polls, "AGAIN")),
        (
            "the last task goes after no message for",
            _seconds(EMPTY_SECONDS),
            "`queue_policy.EMPTY_SECONDS`",
        ),
        ("reads per second, of all long-empty queues", *of(polls, "READS_A_SECOND")),
        ("a queue counts as long empty after", *of(polls, "EMPTY_FOR")),
        ("oldest surge that gets a look", *of(surges, "OLDEST")),
        ("shortest time between two looks at a service's surges", *of(surges, "BETWEEN")),
        ("most looks at a service's surges", *of(surges, "MOST_SURGES")),
        ("… within", *of(surges, "WINDOW")),
        ("most looks at surges per account and second", *of(ports, "MOST_SURGES_A_SECOND")),
        ("next look if no second shows a surge", *of(next_look, "NEXT_SECOND")),
        ("longest time that looks follow a surge", *of(surges, "FOLLOWED")),
        ("ECS may show a replaced count for", *of(counts, "STALE")),
        ("an unanswered call may take effect for", *of(counts, "LATE")),
        ("two hosts' clocks may differ by", *of(counts, "CLOCKS")),
        ("an operator's entry stays after its end for", *of(operators, "KEPT")),
        ("most schedules per target", *of(operators, "MOST_SCHEDULES")),
        ("a re-check counts as dead when overdue by", *of(next_look, "OVERDUE")),
        ("alarms per page", *of(cloudwatch, "PAGE")),
        ("pages per invocation", *of(heartbeat, "PAGES")),
        ("time between pages", *of(heartbeat, "PAGE_SLEEP")),
        ("targets before the rest go to the queue", *of(heartbeat, "INLINE_TARGETS")),
        ("time before the rest go to the queue", *of(heartbeat, "INLINE_TIME")),
        ("DescribeServices per heartbeat", *of(heartbeat, "CALLS")),
        ("longest message delay", *of(sqs, "LONGEST_DELAY")),
        (
            "a failed message comes back after",
            _seconds(set_to("VisibilityTimeout", "Rechecks")),
            "`template.yaml`",
        ),
        ("deliveries per message", set_to("maxReceiveCount", "Rechecks"), "`template.yaml`"),
    )
    return table(("What", "Value", "Where"), ((a, _value(b), c) for a, b, c in rows))


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def _value(value: timedelta | int) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else f"{value}"


# --- the fault simulation -------------------------------------------------------------------------


def quotas() -> str:
    """Return the table of AWS's quotas, which the surge model also uses."""
    return table(
        ("Calls", "At once", "A second", "Source", "Note"),
        [
            (quota.calls, f"{quota.burst:,}", f"{quota.a_second:,}", quota.source, quota.note)
            for quota in QUOTAS
        ],
    )


def invariants() -> str:
    """Return what the simulation checks after each run, from each check's name and docstring."""
    rows = []
    for check in tests_invariants.INVARIANTS:
        name = check.__name__.strip("_").replace("_", " ").replace("ecs", "ECS")
        sentence = " ".join((check.__doc__ or "").split("\n\n")[0].split())
        rows.append((name, sentence))
    return table(("What must hold", "In detail"), rows)


def planted_bugs() -> str:
    """Return the planted bugs and what finds each: a seed, or a unit test and the reason."""
    seeds = mutations.known_seeds()
    rows = (
        (
            name,
            f"seed {seeds[name]}" if name in seeds else f"`{bug.unit_test.partition('::')[2]}`",
            bug.reason,
        )
        for name, bug in mutations.MUTATIONS.items()
    )
    return table(("Bug", "Found by", "Why no seed finds it"), rows)
