# ruff: noqa: INP001 - a folder of documents, not a package
"""The protocol's clocks and bounds, and what its fault simulation checks and has to find."""

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
    """Return the table of the protocol's clocks and bounds, as code and template have them."""
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
        ("function's timeout", _seconds(set_to("Timeout")), "`template.yaml`"),
        ("attempts of a call", retries["total_max_attempts"], "`wiring.CLIENT_CONFIG`"),
        (
            "waiting for a connection",
            _seconds(calls.connect_timeout),
            "`wiring.CLIENT_CONFIG`",
        ),
        ("waiting for an answer", _seconds(calls.read_timeout), "`wiring.CLIENT_CONFIG`"),
        ("lease, from the start of an evaluation", *of(cycle, "LEASE")),
        ("oldest event whose datapoints count", cycle.MAX_EVENT_AGE, "`MAX_EVENT_AGE_SECONDS`"),
        (
            "next look in a scale-out breach",
            _seconds(RECHECK_SECONDS),
            "`proposal.RECHECK_SECONDS`",
        ),
        ("next look for a newer datapoint", *of(next_look, "NEWER_DATAPOINT")),
        ("such looks in a row", *of(next_look, "MAX_ATTEMPTS_FOR_NEWER")),
        ("a metric is read back", *of(reading, "HISTORY")),
        ("longest wait after a throttle", *of(next_look, "LONGEST_BACKOFF")),
        ("re-checks in a row after throttles", *of(next_look, "MAX_THROTTLES")),
        ("longest wait before the line is looked at again", *of(line, "LONGEST_WAIT")),
        ("a line that has not moved holds nobody up after", *of(line, "STANDSTILL")),
        ("longest time in the line", *of(line, "LONGEST_LINE")),
        ("races that a message may lose", *of(door, "MAX_RACES")),
        ("time between two polls of a queue", _seconds(POLL_SECONDS), "`backlog.POLL_SECONDS`"),
        ("oldest poll that is heeded", *of(polls, "OLDEST")),
        ("targets of one poll", *of(poll_messages, "MOST_POLLED")),
        ("longest that the queues of one poll are read", *of(queues, "WITHIN")),
        ("what a poll leaves alone after a failure", *of(polls, "AGAIN")),
        (
            "the last task goes without a message for",
            _seconds(EMPTY_SECONDS),
            "`queue_policy.EMPTY_SECONDS`",
        ),
        ("reads a second of queues that are long empty", *of(polls, "READS_A_SECOND")),
        ("a queue is long empty after", *of(polls, "EMPTY_FOR")),
        ("oldest surge that is looked at", *of(surges, "OLDEST")),
        ("surges of a service are looked at again after", *of(surges, "BETWEEN")),
        ("looks at surges of a service", *of(surges, "MOST_SURGES")),
        ("in the last", *of(surges, "WINDOW")),
        ("surges that an account looks at in a second", *of(ports, "MOST_SURGES_A_SECOND")),
        ("next look where no second shows a surge", *of(next_look, "NEXT_SECOND")),
        ("longest that a surge is followed", *of(surges, "FOLLOWED")),
        ("a count that was replaced may be shown for", *of(counts, "STALE")),
        ("a call without an answer may be carried out for", *of(counts, "LATE")),
        ("clocks of two hosts may differ by", *of(counts, "CLOCKS")),
        ("an operators' entry that is over stays for", *of(operators, "KEPT")),
        ("schedules of a target", *of(operators, "MOST_SCHEDULES")),
        ("a re-check counts as dead after its time by", *of(next_look, "OVERDUE")),
        ("alarms in a page", *of(cloudwatch, "PAGE")),
        ("pages in one invocation", *of(heartbeat, "PAGES")),
        ("time between pages", *of(heartbeat, "PAGE_SLEEP")),
        ("targets before the queue is used", *of(heartbeat, "INLINE_TARGETS")),
        ("time before the queue is used", *of(heartbeat, "INLINE_TIME")),
        ("DescribeServices of a heartbeat", *of(heartbeat, "CALLS")),
        ("longest delay of a message", *of(sqs, "LONGEST_DELAY")),
        (
            "a message that failed comes back after",
            _seconds(set_to("VisibilityTimeout", "Rechecks")),
            "`template.yaml`",
        ),
        ("deliveries of a message", set_to("maxReceiveCount", "Rechecks"), "`template.yaml`"),
    )
    return table(("What", "Value", "Where"), ((a, _value(b), c) for a, b, c in rows))


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def _value(value: timedelta | int) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else f"{value}"


# --- the fault simulation -------------------------------------------------------------------------


def quotas() -> str:
    """Return the table of AWS's quotas, as the surge model has them."""
    return table(
        ("Calls", "At once", "A second", "Source", "Not in it"),
        [
            (quota.calls, f"{quota.burst:,}", f"{quota.a_second:,}", quota.source, quota.note)
            for quota in QUOTAS
        ],
    )


def invariants() -> str:
    """Return what the simulation checks after each run, from its checks' names and sentences."""
    rows = []
    for check in tests_invariants.INVARIANTS:
        name = check.__name__.strip("_").replace("_", " ").replace("ecs", "ECS")
        sentence = " ".join((check.__doc__ or "").split("\n\n")[0].split())
        rows.append((name, sentence))
    return table(("What must hold", "That is"), rows)


def planted_bugs() -> str:
    """Return the bugs that are planted, and what finds each: a seed, or a unit test, and why."""
    seeds = mutations.known_seeds()
    rows = (
        (
            name,
            f"seed {seeds[name]}" if name in seeds else f"`{bug.unit_test.partition('::')[2]}`",
            bug.reason,
        )
        for name, bug in mutations.MUTATIONS.items()
    )
    return table(("Bug", "Found by", "Why not by a seed"), rows)
