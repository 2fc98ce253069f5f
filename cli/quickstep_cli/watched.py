"""What a document's policies watch, according to its alarms, their names or the command line.

A document names no metric. Policies named as in the templates are known, such as `cpu` and
`request-rate`; for any other name, only its alarm says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import typer

from quickstep.engine.model import MetricScope
from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json
from quickstep.naming import parse_alarm_name
from quickstep_cli.options import MAX_EXPORT
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.signals import NOT_SIMULATED, SIMULATED, signal_of
from quickstep_lab.simulator.stage import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from quickstep.engine.model import Policy, ScalableTarget

MINUTE = 60

NAMED: Mapping[str, str] = {
    "high-request-rate": "requests",
    "low-request-rate": "requests",
    "request-rate": "requests",
    "RequestsPerSecond": "requests",
    "Utilization": "utilization",
    "QueueTime": "queue-time",
    **{name: name for name in ("cpu", "memory", "requests-per-target")},
    **{name: name for name in ("response-time", "queue-depth")},
}
"""Signals of policies that have a name from `templates/scalable-target.yaml`."""

_METRICS: Mapping[tuple[str, str, str], str] = {
    ("AWS/ECS", "CPUUtilization", "Average"): "cpu",
    ("AWS/ECS", "MemoryUtilization", "Average"): "memory",
    ("AWS/ApplicationELB", "RequestCountPerTarget", "Sum"): "requests-per-target",
    ("AWS/ApplicationELB", "TargetResponseTime", "Average"): "response-time",
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Average"): "queue-depth",
}
_PUBLISHED: Mapping[tuple[str, str], str] = {
    ("RequestsPerSecond", "Average"): "requests",
    ("Utilization", "Average"): "utilization",
    ("QueueTime", "Average"): "queue-time",
}
"""Metrics that the publisher sends, in any namespace."""


@dataclass(frozen=True, slots=True)
class Given:
    """The command line's signals, and the server whose requests they follow."""

    signals: tuple[str, ...] = ()
    alarms: Path | None = None
    lag: float | None = None
    server: Server = field(default_factory=Server)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about a policy's alarm: its signal and numbers, or why it is `refused`."""

    signal: str = ""
    refused: str = ""
    threshold: float | None = None
    period: int | None = None
    periods: int | None = None
    datapoints: int | None = None


def what_is_watched(
    target: ScalableTarget, given: Given
) -> tuple[dict[str, Watch], dict[str, float]]:
    """Return what each of a document's alarms watches, and the thresholds in an alarms file.

    Raises:
        typer.BadParameter: a signal is unknown or cannot be simulated; the message says why.
    """
    of_file = read_alarms(given.alarms) if given.alarms else {}
    by_hand = _by_hand(target, given.signals)
    watched, thresholds, wrong = {}, {}, []
    for policy in target.policies:
        found = _checked(policy, _found(policy, of_file, by_hand))
        if found.refused:
            wrong.append(f"{policy.name}: {found.refused}")
            continue
        signal = signal_of(found.signal, given.server, given.lag)
        watched[policy.alarm] = Watch(signal, found.period, found.periods, found.datapoints)
        if found.threshold is not None:
            thresholds[policy.alarm] = found.threshold
    if wrong:
        raise typer.BadParameter("\n".join(["not simulated:", *wrong]), param_hint="--policy")
    return watched, thresholds


def _found(policy: Policy, of_file: Mapping[str, Found], by_hand: Mapping[str, str]) -> Found:
    """Return what is known about a policy's alarm: by hand, from its alarm, or from its name."""
    seen = of_file.get(policy.alarm)
    if name := by_hand.get(policy.name) or by_hand.get(""):
        return replace(seen or Found(), signal=name, refused="", period=None)
    if seen:
        return seen
    if policy.name in NAMED:
        return Found(NAMED[policy.name])
    why = (
        "the document does not say what this policy watches, and no template uses its name; "
        f"pass --signal {policy.name}=SIGNAL, or its alarms as --alarms. The signals "
        f"are {', '.join(SIMULATED)}"
    )
    return Found(refused=why)


def _checked(policy: Policy, found: Found) -> Found:
    """Return the finding, refused if it cannot be simulated."""
    if found.signal in NOT_SIMULATED:
        return Found(refused=f"{NOT_SIMULATED[found.signal]} ({found.signal})")
    total = policy.metric_scope is MetricScope.TOTAL
    if total and found.signal and found.signal not in ("requests", "requests-per-target"):
        return Found(refused=f"{found.signal} has no sum over the tasks; use MetricScope PerTask")
    return found


def _by_hand(target: ScalableTarget, signals: tuple[str, ...]) -> dict[str, str]:
    """Return the signals given by policy; an empty name holds the one for all."""
    names = {policy.name for policy in target.policies}
    known = [*SIMULATED, *NOT_SIMULATED]
    given = {}
    for item in signals:
        policy, equals, signal = item.rpartition("=")
        if equals and policy not in names:
            rule = f"must name one of the policies {', '.join(sorted(names))}, not {policy!r}"
            raise typer.BadParameter(rule, param_hint="--signal")
        if signal not in known:
            rule = f"must be SIGNAL or POLICY=SIGNAL, of {', '.join(SIMULATED)}, not {item!r}"
            raise typer.BadParameter(rule, param_hint="--signal")
        given[policy] = signal
    return given


def read_alarms(file: Path) -> dict[str, Found]:
    """Return what the alarms in a file watch, by their policies' names for them.

    The file is `alarms.json` from `quickstep import`, or the output of `describe-alarms`. Alarms
    that are not Quickstep's are left out.

    Raises:
        typer.BadParameter: the file cannot be read, or has other contents.
    """
    try:
        document = parse_json(file.read_text(encoding="utf-8"), MAX_EXPORT)
    except (InvalidDocumentError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--alarms") from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--alarms") from None
    problems = Problems()
    alarms = document.get("MetricAlarms") if isinstance(document, dict) else document
    found = dict(_of_alarms(Field(alarms, "MetricAlarms", problems)))
    if problems.found:
        listed = "; ".join(str(problem) for problem in problems.found)
        raise typer.BadParameter(f"{file}: {listed}", param_hint="--alarms")
    return found


def _of_alarms(alarms: Field) -> Iterator[tuple[str, Found]]:
    for item in alarms.items():
        members = item.members(required=("AlarmName",))
        named = parse_alarm_name(members["AlarmName"].text()) if "AlarmName" in members else None
        if named is None:
            continue
        period, periods, datapoints = (
            members[key].integer(1) if key in members else None
            for key in ("Period", "EvaluationPeriods", "DatapointsToAlarm")
        )
        found = _of_metric(item.value, period or MINUTE)
        yield (
            named[1],
            replace(
                found,
                threshold=members["Threshold"].number() if "Threshold" in members else None,
                period=period,
                periods=periods,
                datapoints=datapoints,
            ),
        )


def _of_metric(alarm: Mapping[str, Any], period: int) -> Found:
    """Return the signal that an alarm watches."""
    if "MetricName" not in alarm:
        why = "its alarm uses metric math, which has no model; --signal names a similar signal"
        return Found(refused=why)
    space, name, stat = (str(alarm.get(key)) for key in ("Namespace", "MetricName", "Statistic"))
    signal = _METRICS.get((space, name, stat))
    if signal is None and not space.startswith("AWS/"):
        signal = _PUBLISHED.get((name, stat))
    if signal is None:
        why = (
            f"its alarm watches the {stat} of {space} {name}, which has no model; if it is "
            "proportional to a modelled signal, name that with --signal"
        )
        return Found(refused=why)
    return Found("cpu-60s" if signal == "cpu" and period >= MINUTE else signal)
