"""`quickstep explain`: JSON lines in, decisions with reasons out, no AWS."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickstep.alarms.reading import by_interval
from quickstep.config import MAX_TASKS, ConfigError, read_target
from quickstep.engine.decide import decide
from quickstep.engine.model import (
    ALARM_PERIOD,
    Alarm,
    AlarmState,
    Comparison,
    Datapoint,
    Launch,
    Observation,
    Removal,
    ScalableTarget,
    ScalingActivity,
    Service,
    State,
)
from quickstep.engine.policies import by_the_newest, window
from quickstep.engine.queue_policy import QUEUES
from quickstep.fields import Field, InvalidDocumentError, Problem, Problems, parse_json
from quickstep.protocol.memory import read_activity, read_batches
from quickstep.protocol.operators import read_override, read_pause
from quickstep.protocol.patience import read_patiences
from quickstep.protocol.records import decision_dict
from quickstep_cli.failures import Exit
from quickstep_cli.queues import read_queues

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.engine.patience import Patience

_KEYS = ("target", "now", "service", "alarms", "history", "override", "pause")
_OPTIONAL = ("launches", "draining", "memory", "queues")


def explain(
    file: Annotated[
        typer.FileText,
        typer.Argument(
            help="Cases as JSON lines; - reads standard input.",
            encoding="utf-8",
            errors="surrogateescape",  # an undecodable line is one bad case
        ),
    ] = "-",  # type: ignore[assignment]
) -> None:
    """Decide each case and print the decision, or the error, as one JSON line.

    Exits with 1 if any case is invalid.
    """
    bad = False
    for line in file:
        if line.strip():
            decided = answer(line)
            bad = bad or "error" in decided
            sys.stdout.write(json.dumps(decided, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    if bad:
        raise typer.Exit(Exit.NO)


def answer(line: str) -> dict[str, Any]:
    """Return a case's decision, or `{"error": ...}` naming every problem with it."""
    try:
        return _decide(parse_json(line))
    except InvalidDocumentError as error:
        return {"error": str(error)}


def _decide(case: Any) -> dict[str, Any]:
    problems = Problems()
    if isinstance(case, dict) and {"trigger", "resource_id"} <= case.keys():
        at = f" --at {case['at']}" if isinstance(case.get("at"), str) else ""
        rule = "is a past decision, not a case to decide"
        how = f"quickstep replay {case['resource_id']}{at}"
        raise InvalidDocumentError([Problem("", f"{rule}: `{how}` replays it")])
    members = Field(case, "", problems).members(required=_KEYS, optional=_OPTIONAL)
    problems.raise_any(InvalidDocumentError)
    target = _target(members["target"])
    now = members["now"].moment()
    service = _service(members["service"])
    alarms = _alarms(members["alarms"], target, now)
    history = members["history"].members(required=("scale_out", "scale_in"), optional=())
    scale_out, scale_in = history.get("scale_out"), history.get("scale_in")
    scaled_out = read_activity(scale_out.optional()) if scale_out else None
    state = State(
        scale_out=scaled_out,
        scale_in=read_activity(scale_in.optional()) if scale_in else None,
        launches=_launches(members.get("launches"), scaled_out),
        removals=_removals(members.get("draining"), now),
        override=read_override(members["override"].optional()),
        pause=read_pause(members["pause"].optional()),
        patience=_patience(members.get("memory"), target),
    )
    backlog = read_queues(members.get("queues"), target, service.desired, now)
    problems.raise_any(InvalidDocumentError)
    assert target is not None  # noqa: S101 - an invalid target has raised its problems
    return decision_dict(decide(target, Observation(service, alarms, backlog), state, now))


def _patience(field: Field | None, target: ScalableTarget | None) -> dict[str, Patience]:
    """Return what giving back has learnt, by policy, in the item's format."""
    known = read_patiences(field)
    if field is None or target is None:
        return known
    learning = [policy.name for policy in target.policies if window(policy) is not None]
    learning += [QUEUES] if target.queues else []
    for name in known.keys() - learning:
        which = ", ".join(learning) or "the target has none"
        rule = f"must be named like a policy that keeps idle tasks: {which}"
        field.child(name, None).wrong(rule, seen=False)
    return known


def _launches(field: Field | None, scaled_out: ScalingActivity | None) -> tuple[Launch, ...]:
    """Return a case's launches; without any, those of the last scale-out."""
    if field is not None:
        return tuple(Launch(*each) for each in read_batches(field))
    if scaled_out is None or scaled_out.after <= scaled_out.before:
        return ()
    return (Launch(scaled_out.at, scaled_out.after - scaled_out.before),)


def _removals(field: Field | None, now: datetime) -> tuple[Removal, ...]:
    """Return tasks that drain as if just removed."""
    count = field.integer(0, MAX_TASKS) if field else 0
    return (Removal(now, count),) if count else ()


def _target(field: Field) -> ScalableTarget | None:
    try:
        return read_target(field.value)
    except ConfigError as error:
        field.problems.found += [
            Problem(f"{field.path}.{p.path}" if p.path else field.path, p.rule, p.seen)
            for p in error.problems
        ]
        return None


def _service(field: Field) -> Service:
    members = field.members(
        required=("desired", "running", "pending", "deployment_in_progress"), optional=()
    )
    desired, running, pending = (
        members[key].integer(0) if key in members else 0
        for key in ("desired", "running", "pending")
    )
    rollout = members.get("deployment_in_progress")
    return Service(desired, running, pending, rollout.boolean() if rollout else False)


def _alarms(field: Field, target: ScalableTarget | None, now: datetime) -> dict[str, Alarm]:
    """Read a case's alarms; one left out is known and quiet, null means unknown."""
    policies = target.policies if target else ()
    alarms = {policy.alarm: Alarm(AlarmState.OK) for policy in policies}
    for name, member in field.members().items():
        if member.value is None:
            alarms.pop(name, None)
            continue
        if target is not None and target.policy(name) is None:
            which = ", ".join(policy.alarm for policy in policies)
            member.wrong(f"must be named like an alarm of the target: {which}", seen=False)
        parts = member.members(
            required=("state", "threshold", "datapoints"),
            optional=("recent", "metric", "comparison"),
        )
        if not {"state", "threshold", "datapoints"} <= parts.keys():
            continue
        threshold = parts["threshold"].optional()
        recent = _recent(parts["recent"]) if "recent" in parts else ()
        alarms[name] = Alarm(
            state=parts["state"].choice(AlarmState),
            threshold=threshold.number() if threshold else None,
            datapoints=tuple(point.number() for point in parts["datapoints"].items()),
            **_load_before(target, name, recent, now),
            metric=parts["metric"].text() if "metric" in parts else "",
            comparison=parts["comparison"].choice(Comparison) if "comparison" in parts else None,
        )
    return alarms


def _load_before(
    target: ScalableTarget | None, alarm: str, recent: tuple[Datapoint, ...], now: datetime
) -> dict[str, Any]:
    """Return an alarm's earlier load; seconds are merged into intervals, as the scaler does."""
    period = _spacing(recent)
    if target is None or period > 1 or target.publish_seconds > 1:
        return {"recent": recent, "period": period}
    newest = by_the_newest(target.policy(alarm))
    return by_interval(recent, target.publish_seconds, now, newest=newest)


def _spacing(recent: tuple[Datapoint, ...]) -> int:
    """Return the seconds from one recent datapoint to the next."""
    apart = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(recent)]
    return max(1, int(min(apart, default=ALARM_PERIOD)))


def _recent(field: Field) -> tuple[Datapoint, ...]:
    """Read the earlier load: `{"at", "value", "samples"}` each, with `samples` optional."""
    problems_before = field.problems.met
    points: list[Datapoint] = []
    for item in field.items():
        members = item.whole("at", "value", optional=("samples",), strict=True)
        samples = members["samples"].optional()
        count = samples.number() if samples else None
        if samples and count is not None and count < 0:
            samples.wrong("must be at least 0")
        points.append(Datapoint(members["at"].moment(), members["value"].number(), count))
    moments = [point.at for point in points]
    if field.problems.met == problems_before and moments != sorted(set(moments)):
        field.wrong("must be oldest first, each at its own time", seen=False)
    return tuple(points)
