"""A recorded decision, made again by the engine: unchanged, and with changes. Pure.

A record has what the service and the alarms showed, and what was remembered. It lacks the earlier
load that guards and sizing look back at. CloudWatch supplies that while it keeps it; after that it
is missing, and reported so.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from quickstep.alarms.reading import coarse, judge
from quickstep.config import read_target
from quickstep.engine.backlog import Backlog, Queue, counted, share, whole
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Direction,
    Observation,
    Pause,
    ScalableTarget,
    Service,
    State,
)
from quickstep.engine.patience import Need
from quickstep.engine.policies import looks_always, window
from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json
from quickstep.loop.cycle import decided
from quickstep.loop.observing import reading_of
from quickstep.naming import ServiceName, parse_resource_id
from quickstep.protocol.backlog import read_reading
from quickstep.protocol.look import Cause, Look, Wish
from quickstep.protocol.messages import Recheck
from quickstep.protocol.remembered import read_remembered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import Datapoint, Decision, Policy
    from quickstep_cli.history import Record

THRESHOLD = "threshold"
PAUSE = "pause"
GROUPS = ("ScaleOutPolicies", "ScaleInPolicies", "TargetTrackingPolicies", "QueuePolicies")


class ReplayError(ValueError):
    """Why a record, or a change to it, cannot be played."""


@dataclass(frozen=True)
class Case:
    """A past decision's inputs: observed, remembered and requested; `missing` lists unknowns.

    `known` are the alarms in the target's item now, `points` their metrics' values then.
    """

    service: ServiceName
    at: datetime
    observation: Observation
    state: State
    look: Look
    known: Mapping[str, KnownAlarm] = field(default_factory=dict)
    points: Mapping[str, Sequence[Datapoint]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def decide(self, target: ScalableTarget) -> Decision:
        """Return the engine's decision on the case, with a document."""
        return decided(target, self.observation, self.state, self.look, self.at)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read besides a record: the alarms' definitions and datapoints, or why not.

    For a surge's look, the datapoints are the `newest_seconds`.
    """

    known: Mapping[str, KnownAlarm] = field(default_factory=dict)
    points: Mapping[str, Sequence[Datapoint]] = field(default_factory=dict)
    why: str = "it was not read"
    newest_seconds: bool = False


# --- from a record to a case ----------------------------------------------------------------------


def read_case(record: Record, target: ScalableTarget, read: Read) -> Case:
    """Return a record's decision as a case to decide again.

    Raises:
        ReplayError: the engine did not make it, or a part of it cannot be read.
    """
    if "granted" not in record or not record.get("service"):
        why = f"{record['outcome']} ends before the engine is asked: {record['reason']}"
        raise ReplayError(f"there is no decision to play in this record: {why}")
    problems = Problems()
    fields = Field(record, "", problems).members(required=("resource_id", "from"))
    name = parse_resource_id(fields["resource_id"].text()) if "resource_id" in fields else None
    if name is None:
        raise ReplayError("resource_id must name the service, service/CLUSTER/SERVICE")
    at = fields["at"].moment()
    missing: list[str] = []
    state = read_remembered(fields["state"], at) if "state" in fields else State()
    if "state" not in fields:
        missing.append("cooldowns, launches, removals and overrides: the record has no state")
    service = _service(fields["service"], fields["from"].integer(0))
    alarms = {
        policy: _alarm(each, target, policy, read, at)
        for policy, each in fields["alarms"].members().items()
    }
    backlog = _backlog(fields, target, at, missing)
    look = _look(name, fields["trigger"].members())
    try:
        problems.raise_any(InvalidDocumentError)
    except InvalidDocumentError as error:
        raise ReplayError(f"the record cannot be read: {error}") from error
    missing += _unknown(record, target, alarms, state, read)
    return Case(
        name,
        at,
        Observation(service, alarms, backlog),
        state,
        look,
        read.known,
        read.points,
        tuple(missing),
    )


def _service(field: Field, desired: int) -> Service:
    members = field.members(required=("running", "pending"))
    running, pending = (
        members[key].integer(0) if key in members else 0 for key in ("running", "pending")
    )
    rollout = members.get("deployment_in_progress")
    problem = members.get("trouble")
    return Service(
        desired,
        running,
        pending,
        rollout.boolean() if rollout else False,
        problem.text() if problem else "",
    )


def _alarm(field: Field, target: ScalableTarget, name: str, read: Read, at: datetime) -> Alarm:
    """Return an alarm as the record shows it, with its earlier load if that could be read."""
    members = field.members(required=("state", "threshold", "datapoints"))
    threshold = members["threshold"].optional() if "threshold" in members else None
    muted, next_at = members.get("muted"), members.get("next_at")
    shown = Alarm(
        members["state"].choice(AlarmState) if "state" in members else AlarmState.OK,
        threshold.number() if threshold else None,
        tuple(p.number() for p in members["datapoints"].items()) if "datapoints" in members else (),
        muted.boolean() if muted else False,
        next_at=next_at.moment() if next_at and next_at.value is not None else None,
    )
    known = read.known.get(name)
    definition = known.definition if known else None
    if known is None or definition is None:
        return shown
    shown = replace(
        shown,
        metric=definition.metric,
        alarm_period=definition.period,
        comparison=definition.comparison,
        missing_breaches=definition.missing_breaches,
    )
    if name not in read.points:
        return shown
    policy, points, seconds = target.policy(name), read.points[name], read.newest_seconds
    history = reading_of(target, policy, known, points, at, newest_seconds=seconds).alarm
    return replace(shown, recent=history.recent, period=history.period, seconds=history.seconds)


def _backlog(
    fields: Mapping[str, Field], target: ScalableTarget, at: datetime, missing: list[str]
) -> Backlog | None:
    if "queues" not in fields:
        return None
    queues: dict[str, Queue] = {}
    for name, each in fields["queues"].members().items():
        members = each.members(required=("arrivals",))
        counts = {k: v.value for k, v in members.items() if k not in ("arrivals", "trouble")}
        problem = members["trouble"].text() if "trouble" in members else ""
        reading = read_reading(Field(counts, each.path, each.problems)) if counts else None
        come = members["arrivals"].number() if "arrivals" in members else 0.0
        queues[name] = Queue(at, reading, come, problem)
    seen = {name: queue.reading for name, queue in queues.items() if queue.reading}
    needed = whole(
        sum(
            share(each, seen[each.name], queues[each.name].arrivals)
            for each in counted(target.queues, seen)
        )
    )
    missing.append("what the queues needed in the minutes before, and since when they are empty")
    return Backlog(queues, (Need(at, needed),))


def _look(service: ServiceName, trigger: Mapping[str, Field]) -> Look:
    """Return the evaluation's trigger, as far as a decision needs it: see `cycle.decided`."""
    kind = trigger["kind"].text()
    capacity = trigger["capacity"].optional() if "capacity" in trigger else None
    at = trigger["at"].moment() if capacity and "at" in trigger else None
    return Look(
        service=service,
        cause=Cause(kind),
        again=Recheck(service, 0),
        wish=Wish(capacity.integer(0), at) if capacity and at else None,
        corrects=kind in ("heartbeat", "request"),
        adds=kind == "surge",
    )


def _unknown(
    record: Record,
    target: ScalableTarget,
    alarms: Mapping[str, Alarm],
    state: State,
    read: Read,
) -> list[str]:
    """Return what the decision may have used that neither the record nor CloudWatch has."""
    blind = [name for name, alarm in alarms.items() if not alarm.recent]
    missing = []
    if blind:
        missing.append(f"the load before, of {', '.join(blind)}: {read.why}")
    keeps = any(window(policy) is not None for policy in target.policies) or bool(target.queues)
    if keeps and not state.patience and record["from"] == record["granted"]:
        missing.append("what giving back has learnt, recorded only where tasks were removed")
    return missing


# --- changes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """A change: a key, as `--set` names it, and its value."""

    key: str
    value: Any

    def __str__(self) -> str:
        """Return the change as it was given. Example: threshold=80."""
        value = self.value if isinstance(self.value, str) else json.dumps(self.value)
        return f"{self.key}={value}"


def read_setting(text: str) -> Setting:
    """Read `KEY=VALUE`; a value that is not JSON is a string.

    Raises:
        ReplayError: the text has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise ReplayError(f"must be KEY=VALUE, such as threshold=80, not {text!r}")
    try:
        return Setting(key.strip(), parse_json(value))
    except InvalidDocumentError:
        return Setting(key.strip(), value.strip())


def changed(
    document: Mapping[str, Any], case: Case, settings: Sequence[Setting]
) -> tuple[ScalableTarget, Case]:
    """Return the document and the case with changes.

    `threshold` is that of the only scale-out alarm; `NAME.threshold` that of any alarm.
    `pause` is an operator's: both, scale-out, scale-in, or false.
    `KEY` is a key of the document, `NAME.KEY` one of a policy, `A.B.C` any by its path.

    Raises:
        ReplayError: a key names nothing, or a change needs something unknown.
        ConfigError: the changed document breaks a rule.
    """
    other, state = copy.deepcopy(dict(document)), case.state
    thresholds: dict[str, float] = {}
    for setting in settings:
        name, _, last = setting.key.rpartition(".")
        if last == THRESHOLD:
            alarm = name or _the_scale_out_alarm(other, case)
            thresholds[alarm] = _number(setting)
            policy = other.get("TargetTrackingPolicies", {}).get(alarm.removesuffix("/high"))
            if policy is not None:
                policy["TargetValue"] = setting.value
        elif setting.key == PAUSE:
            state = replace(state, pause=_pause(setting))
        else:
            _put(other, setting)
    target = read_target(other)
    alarms = dict(case.observation.alarms)
    for name, threshold in thresholds.items():
        policy = target.policy(name)
        if policy is None:
            which = ", ".join(policy.alarm for policy in target.policies)
            raise ReplayError(f"{name}.{THRESHOLD} must name an alarm of the target: {which}")
        alarms[name] = _at_threshold(case, policy, threshold)
    observation = replace(case.observation, alarms=alarms)
    return target, replace(case, observation=observation, state=state)


def _pause(setting: Setting) -> Pause | None:
    """Return the pause for `pause=both`, `pause=scale-in` and so on; `pause=false` ends one."""
    directions = {
        "both": frozenset(Direction),
        **{str(one): frozenset([one]) for one in Direction},
    }
    if setting.value is False:
        return None
    if setting.value not in directions:
        which = ", ".join(directions)
        raise ReplayError(f"{PAUSE} must be {which} or false, not {setting.value!r}")
    return Pause(directions[setting.value], reason=str(setting))


def _the_scale_out_alarm(document: Mapping[str, Any], case: Case) -> str:
    target = read_target(document)
    out = [policy.alarm for policy in target.in_direction(Direction.OUT)]
    if len(out) == 1:
        return out[0]
    firing = [name for name in out if (a := case.observation.alarms.get(name)) and a.datapoints]
    if len(firing) == 1:
        return firing[0]
    which = ", ".join(f"{name}.{THRESHOLD}" for name in out) or "the target has no scale-out alarm"
    raise ReplayError(f"{THRESHOLD} must say of which alarm: {which}")


def _number(setting: Setting) -> float:
    problems = Problems()
    number = Field(setting.value, setting.key, problems).number()
    if problems.found:
        raise ReplayError(str(problems.found[0]))
    return number


def _put(document: dict[str, Any], setting: Setting) -> None:
    """Set a key of a document, by its path or in the policy of that name."""
    path = setting.key.split(".")
    if len(path) > 1 and path[0] not in document:
        groups = [name for name in GROUPS if path[0] in document.get(name, {})]
        if not groups:
            known = [n for group in GROUPS for n in document.get(group, {})]
            rule = f"must begin with a key of the document, or a policy: {', '.join(known)}"
            raise ReplayError(f"{setting.key}: {rule}")
        path = [groups[0], *path]
    at: Any = document
    for key in path[:-1]:
        at = at.setdefault(key, {}) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise ReplayError(f"{setting.key}: the part before the last point must be an object")
    at[path[-1]] = setting.value


def _at_threshold(case: Case, policy: Policy, threshold: float) -> Alarm:
    """Return an alarm as it would have been with another threshold: M of the newest N breach.

    Raises:
        ReplayError: its metric's values are unknown.
    """
    alarm, known = case.observation.alarms.get(policy.alarm), case.known.get(policy.alarm)
    definition = known.definition if known else None
    if definition and policy.alarm in case.points:
        judged = judge(
            replace(definition, threshold=threshold),
            coarse(case.points[policy.alarm], definition.period),
            None,
            case.at,
        ).alarm
        if judged.datapoints and not (alarm and alarm.datapoints):
            old = alarm or judged
            return replace(
                judged, muted=old.muted, recent=old.recent, period=old.period, seconds=old.seconds
            )
    if alarm is None or not (alarm.datapoints or (looks_always(policy) and alarm.recent)):
        why = f"the record has no datapoint of {policy.alarm}, and CloudWatch no longer keeps any"
        raise ReplayError(f"{why}: what it would have done at {threshold:g} is not known")
    comparison = alarm.compared(policy.direction)
    m, n = (definition.m, definition.n) if definition else (1, 1)
    breaching = sum(comparison.breached(value, threshold) for value in alarm.datapoints[-n:])
    state = AlarmState.ALARM if breaching >= m else AlarmState.OK
    return replace(alarm, threshold=threshold, state=state)
