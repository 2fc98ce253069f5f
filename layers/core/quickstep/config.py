"""Policy documents: what a target's SSM parameter holds, parsed and validated.

Each step policy is a StepScalingPolicyConfiguration as `aws application-autoscaling
put-scaling-policy` accepts it, with its rules (Application Auto Scaling API reference,
StepScalingPolicyConfiguration and StepAdjustment), plus `MetricScope` and `ScaleInWindow`. A target
policy uses the names of TargetTrackingScalingPolicyConfiguration. Queue policies have no
counterpart in AAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from quickstep.engine.backlog import QueuePolicy
from quickstep.engine.model import (
    AdjustmentType,
    Direction,
    Guard,
    MetricAggregationType,
    MetricScope,
    Policy,
    ScalableTarget,
    StepAdjustment,
    StepPolicy,
    TargetPolicy,
)
from quickstep.engine.patience import LONGEST_WINDOW
from quickstep.fields import Field, InvalidDocumentError, Problem, Problems, parse_json
from quickstep.naming import (
    MAX_ALARM_NAME,
    POLICY_NAME,
    QUEUE_NAME,
    QUEUE_NAME_RULE,
    RESOURCE_ID,
    RESOURCE_ID_RULE,
    parse_resource_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quickstep.naming import ServiceName

_T = TypeVar("_T")

MAX_BYTES = 8192  # in an SSM parameter of the advanced tier
STANDARD_BYTES = 4096  # in one of the standard tier, which is free
MAX_TASKS = 5000  # ECS service quota "Tasks per service", not adjustable
MAX_POLICIES = 50  # AAS quota "Scaling policies per scalable target"
MAX_STEPS = 20  # AAS quota "Step adjustments per step scaling policy"
MAX_SECONDS = 86_400

DEFAULT_COOLDOWN = 300  # AAS's default for step scaling
DEFAULT_WARMUP_SECONDS = 45  # Fargate starts a task in 30 to 45 s
DEFAULT_PUBLISH_SECONDS = 5  # the publisher's interval
MAX_PUBLISH_SECONDS = 60
DEFAULT_DEREGISTRATION_DELAY = 300  # a target group's default
MAX_DEREGISTRATION_DELAY = 3600  # ELB: deregistration_delay.timeout_seconds
DEFAULT_MAX_ADJUSTMENT_MAGNITUDE = 100  # far beyond any intended step

_DIRECTIONS = {"ScaleOutPolicies": Direction.OUT, "ScaleInPolicies": Direction.IN}
_TARGETS = "TargetTrackingPolicies"
_QUEUES = "QueuePolicies"
_GROUPS = (*_DIRECTIONS, _TARGETS, _QUEUES)

MAX_TARGET = 1e9
MAX_SLOTS = 1000
MAX_QUEUES = 10  # per target: each is read every ten seconds


class Preset(StrEnum):
    """How much idle capacity a target or queue policy may cost, unless it says so itself."""

    RELAXED = "relaxed"
    NORMAL = "normal"
    AGGRESSIVE = "aggressive"


@dataclass(frozen=True, slots=True)
class Usual:
    """The values that a preset sets, see `TargetPolicy`; the last two are a `QueuePolicy`'s."""

    scale_in_window: int
    scale_in_cooldown: int
    kept_share: float
    tolerance: float
    drain_seconds: int
    queue_window: int


PRESETS = {
    Preset.RELAXED: Usual(120, 30, 0.5, 0.2, drain_seconds=60, queue_window=120),
    Preset.NORMAL: Usual(120, 30, 0.7, 0.1, drain_seconds=30, queue_window=300),
    Preset.AGGRESSIVE: Usual(300, 30, 0.9, 0.0, drain_seconds=15, queue_window=600),
}


class ConfigError(InvalidDocumentError):
    """A policy document that breaks a rule; lists every problem with path and value seen."""

    @classmethod
    def of(cls, path: str, rule: str) -> ConfigError:
        """Return the error for a single problem."""
        return cls([Problem(path, rule)])


def parse_target(text: str) -> ScalableTarget:
    """Parse a policy document from its JSON text.

    Raises:
        ConfigError: the text is not JSON, or breaks a rule.
    """
    try:
        document = parse_json(text, MAX_BYTES)
    except InvalidDocumentError as error:
        raise ConfigError(error.problems) from None
    return read_target(document)


def parse_target_of(service: ServiceName, text: str) -> ScalableTarget:
    """Parse the document stored for `service`.

    Raises:
        ConfigError: the document breaks a rule, or names another service.
    """
    target = parse_target(text)
    if target.resource_id != service.resource_id:
        rule = f"must be {service.resource_id} in {service.parameter}"
        raise ConfigError([Problem("ResourceId", rule, target.resource_id)])
    return target


def read_target(document: Any) -> ScalableTarget:
    """Validate a decoded policy document and return its target.

    Raises:
        ConfigError: the document breaks at least one rule; all of them are listed.
    """
    problems = Problems()
    members = Field(document, "", problems).members(
        required=("ResourceId", "MinCapacity", "MaxCapacity"),
        optional=(
            *_GROUPS,
            "$schema",
            "Preset",
            "MaxAdjustmentMagnitude",
            "WarmupSeconds",
            "PublishSeconds",
            "DeregistrationDelaySeconds",
            "Guards",
            "DryRun",
        ),
    )
    minimum, maximum = _bounds(members)
    resource_id = _read(members, "ResourceId", _resource_id, "")
    policies = _policies(members, resource_id, problems)
    target = ScalableTarget(
        resource_id=resource_id,
        min_capacity=minimum,
        max_capacity=maximum,
        policies=tuple(each for each in policies if not isinstance(each, QueuePolicy)),
        queues=tuple(each for each in policies if isinstance(each, QueuePolicy)),
        warmup_seconds=_read(members, "WarmupSeconds", _seconds, DEFAULT_WARMUP_SECONDS),
        publish_seconds=_read(members, "PublishSeconds", _publish_seconds, DEFAULT_PUBLISH_SECONDS),
        deregistration_delay_seconds=_read(
            members,
            "DeregistrationDelaySeconds",
            lambda f: f.integer(0, MAX_DEREGISTRATION_DELAY),
            DEFAULT_DEREGISTRATION_DELAY,
        ),
        max_adjustment_magnitude=_read(
            members, "MaxAdjustmentMagnitude", _magnitude, DEFAULT_MAX_ADJUSTMENT_MAGNITUDE
        ),
        guards=_read(members, "Guards", _guards, frozenset(Guard)),
        dry_run=_read(members, "DryRun", Field.boolean, default=False),
    )
    problems.raise_any(ConfigError)
    return target


def _read(members: dict[str, Field], key: str, read: Callable[[Field], _T], default: _T) -> _T:
    return read(members[key]) if key in members else default


def _resource_id(field: Field) -> str:
    return field.text(RESOURCE_ID, RESOURCE_ID_RULE)


def _seconds(field: Field) -> int:
    return field.integer(0, MAX_SECONDS)


def _magnitude(field: Field) -> int:
    return field.integer(1, MAX_TASKS)


def _publish_seconds(field: Field) -> int:
    return field.integer(1, MAX_PUBLISH_SECONDS)


def _bounds(members: dict[str, Field]) -> tuple[int, int]:
    minimum = _read(members, "MinCapacity", lambda f: f.integer(0, MAX_TASKS), 0)
    maximum = _read(members, "MaxCapacity", lambda f: f.integer(0, MAX_TASKS), MAX_TASKS)
    if minimum > maximum and "MaxCapacity" in members:
        members["MaxCapacity"].wrong(f"must be at least MinCapacity ({minimum})")
    return minimum, maximum


def _guards(field: Field) -> frozenset[Guard]:
    every, members = frozenset(Guard), field.members(optional=Guard).items()
    return every.difference(key for key, on in members if key in every and not on.boolean())


def _check_alarm_name(resource_id: str, name: str, field: Field, *, target: bool) -> None:
    """Check the length of the alarm name for a policy, with /high for a target policy."""
    service = parse_resource_id(resource_id)
    alarm = service.alarm(f"{name}/high" if target else name) if service else ""
    if len(alarm) > MAX_ALARM_NAME:
        rule = f"must have an alarm's name of at most {MAX_ALARM_NAME} characters, and {alarm} has"
        field.wrong(f"{rule} {len(alarm)}", seen=False)


def _policies(
    members: dict[str, Field], resource_id: str, problems: Problems
) -> tuple[Policy | QueuePolicy, ...]:
    policies: list[Policy | QueuePolicy] = []
    names: dict[str, str] = {}
    groups = {key: members[key].members() for key in _GROUPS if key in members}
    preset = _read(members, "Preset", lambda f: f.choice(Preset), Preset.NORMAL)
    count = sum(map(len, groups.values()))
    if members and not 1 <= count <= MAX_POLICIES:
        Field(None, f"{', '.join(_GROUPS[:-1])} and {_GROUPS[-1]}", problems).wrong(
            f"must have 1 to {MAX_POLICIES} policies in all, not {count}", seen=False
        )
        return ()
    for key, group in groups.items():
        for name, field in group.items():
            Field(name, field.path, problems).text(
                POLICY_NAME, "must be named with 1 to 128 letters, digits, '.', '-' and '_'"
            )
            if key != _QUEUES:
                _check_alarm_name(resource_id, name, field, target=key == _TARGETS)
            if name in names:
                field.wrong(f"must have its own name; {names[name]} has it too", seen=False)
            names[name] = key
            if key in _DIRECTIONS:
                policies.append(_step_policy(name, _DIRECTIONS[key], field))
            elif key == _TARGETS:
                policies.append(_target_policy(name, field, preset))
            else:
                policies.append(_queue_policy(name, field, preset))
    _check_queues(members, policies)
    return tuple(policies)


def _check_queues(members: dict[str, Field], policies: Iterable[Policy | QueuePolicy]) -> None:
    """Check the rules across all queue policies: each has its own queue, and they are few."""
    queues = [each for each in policies if isinstance(each, QueuePolicy)]
    if len(queues) > MAX_QUEUES:
        members[_QUEUES].wrong(f"must have at most {MAX_QUEUES}, not {len(queues)}", seen=False)
    first: dict[str, str] = {}
    for policy in queues:
        other = first.setdefault(policy.queue_name, policy.name)
        if other != policy.name and policy.queue_name:
            field = members[_QUEUES].child(policy.name, None).child("QueueName", policy.queue_name)
            field.wrong(f"must be its own queue; {other} has it too", seen=False)


def _queue_policy(name: str, field: Field, preset: Preset) -> QueuePolicy:
    members = field.members(
        required=("QueueName", "SecondsPerJob"),
        optional=("SlotsPerTask", "DrainSeconds", "ScaleInWindow"),
    )
    usual = PRESETS[preset]
    return QueuePolicy(
        name=name,
        queue_name=_read(members, "QueueName", lambda f: f.text(QUEUE_NAME, QUEUE_NAME_RULE), ""),
        seconds_per_job=_read(members, "SecondsPerJob", _seconds_per_job, 1.0),
        slots_per_task=_read(members, "SlotsPerTask", lambda f: f.integer(1, MAX_SLOTS), 1),
        drain_seconds=_read(
            members, "DrainSeconds", lambda f: f.integer(1, MAX_SECONDS), usual.drain_seconds
        ),
        scale_in_window=_read(members, "ScaleInWindow", _window, usual.queue_window),
        kept_share=usual.kept_share,
    )


def _seconds_per_job(field: Field) -> float:
    seconds = field.number()
    if not 0 < seconds <= MAX_SECONDS:
        field.wrong(f"must be above 0 and at most {MAX_SECONDS:,}")
        return 1.0
    return seconds


def _target_policy(name: str, field: Field, preset: Preset) -> TargetPolicy:
    members = field.members(
        required=("TargetValue",),
        optional=(
            "MetricScope",
            "ScaleOutCooldown",
            "ScaleInCooldown",
            "DisableScaleIn",
            "ScaleInWindow",
        ),
    )
    usual = PRESETS[preset]
    return TargetPolicy(
        name=name,
        target_value=_read(members, "TargetValue", _target_value, 1.0),
        metric_scope=_read(
            members, "MetricScope", lambda f: f.choice(MetricScope), MetricScope.PER_TASK
        ),
        scale_out_cooldown=_read(members, "ScaleOutCooldown", _seconds, 0),
        scale_in_cooldown=_read(members, "ScaleInCooldown", _seconds, usual.scale_in_cooldown),
        disable_scale_in=_read(members, "DisableScaleIn", Field.boolean, default=False),
        scale_in_window=_read(members, "ScaleInWindow", _window, usual.scale_in_window),
        kept_share=usual.kept_share,
        tolerance=usual.tolerance,
    )


def _window(field: Field) -> int:
    return field.integer(0, LONGEST_WINDOW)


def _target_value(field: Field) -> float:
    value = field.number()
    if not 0 < value <= MAX_TARGET:
        field.wrong(f"must be above 0 and at most {MAX_TARGET:,.0f}")
        return 1.0
    return value


def _step_policy(name: str, direction: Direction, field: Field) -> StepPolicy:
    known = ("Cooldown", "MinAdjustmentMagnitude", "MetricAggregationType", "MetricScope")
    patient = ("ScaleInWindow",) if direction is Direction.IN else ()
    members = field.members(
        required=("AdjustmentType", "StepAdjustments"), optional=(*known, *patient)
    )
    change = AdjustmentType.CHANGE_IN_CAPACITY
    kind = _read(members, "AdjustmentType", lambda f: f.choice(AdjustmentType), change)
    magnitude = members.get("MinAdjustmentMagnitude")
    if magnitude and kind is not AdjustmentType.PERCENT_CHANGE_IN_CAPACITY:
        magnitude.wrong(f"must go with PercentChangeInCapacity; AdjustmentType is {kind}")
    return StepPolicy(
        name=name,
        direction=direction,
        adjustment_type=kind,
        steps=_read(members, "StepAdjustments", lambda f: _steps(f, kind, direction), ()),
        cooldown=_read(members, "Cooldown", _seconds, DEFAULT_COOLDOWN),
        min_adjustment_magnitude=_magnitude(magnitude) if magnitude else None,
        aggregation=_read(
            members,
            "MetricAggregationType",
            lambda f: f.choice(MetricAggregationType),
            MetricAggregationType.AVERAGE,
        ),
        metric_scope=_read(
            members, "MetricScope", lambda f: f.choice(MetricScope), MetricScope.TOTAL
        ),
        scale_in_window=_read(members, "ScaleInWindow", _window, None),
    )


def _steps(field: Field, kind: AdjustmentType, direction: Direction) -> tuple[StepAdjustment, ...]:
    before = field.problems.met
    fields = field.items(at_least=1, at_most=MAX_STEPS)
    steps = [_step(f, kind, direction) for f in fields]
    if field.problems.met > before:  # the intervals of broken steps are meaningless
        return ()
    _check_coverage(field, steps)
    return tuple(steps)


def _step(field: Field, kind: AdjustmentType, direction: Direction) -> StepAdjustment:
    members = field.members(
        required=("ScalingAdjustment",),
        optional=("MetricIntervalLowerBound", "MetricIntervalUpperBound"),
    )
    lower = _read(members, "MetricIntervalLowerBound", _bound, None)
    upper = _read(members, "MetricIntervalUpperBound", _bound, None)
    if lower is None and upper is None:
        field.wrong("must have MetricIntervalLowerBound or MetricIntervalUpperBound")
    elif lower is not None and upper is not None and lower >= upper:
        rule = f"must be greater than MetricIntervalLowerBound ({lower:g})"
        members["MetricIntervalUpperBound"].wrong(rule)
    adjustment = _read(members, "ScalingAdjustment", Field.integer, 0)
    if "ScalingAdjustment" in members:
        _check_sign(members["ScalingAdjustment"], adjustment, kind, direction)
    return StepAdjustment(lower, upper, adjustment)


def _bound(field: Field) -> float | None:
    return None if field.value is None else field.number()


def _check_sign(field: Field, adjustment: int, kind: AdjustmentType, direction: Direction) -> None:
    if kind is AdjustmentType.EXACT_CAPACITY:
        if adjustment < 0:
            field.wrong("must be at least 0 for ExactCapacity")
    elif direction is Direction.OUT and adjustment < 0:
        field.wrong("must be at least 0 in a scale-out policy")
    elif direction is Direction.IN and adjustment > 0:
        field.wrong("must be at most 0 in a scale-in policy")


def _check_coverage(field: Field, steps: list[StepAdjustment]) -> None:
    """Check the rules across a policy's steps: no overlap, no gap, open ends where needed."""
    inf = float("inf")
    intervals = sorted(
        (
            -inf if step.lower is None else step.lower,
            inf if step.upper is None else step.upper,
            index,
        )
        for index, step in enumerate(steps)
    )
    for (low_a, high_a, a), (low_b, high_b, b) in pairwise(intervals):
        if low_b == high_a:
            continue
        broken = "overlap" if low_b < high_a else "leave a gap"
        both = f"[{a}] ({low_a:g} to {high_a:g}) and [{b}] ({low_b:g} to {high_b:g})"
        field.wrong(f"steps must not {broken}, as {both} do", seen=False)
    # AAS: a negative lower bound requires a step without one, and a positive upper bound likewise.
    if -inf < intervals[0][0] < 0:
        lowest = f"{intervals[0][0]:g}"
        rule = f"one step must have no MetricIntervalLowerBound, as the lowest is {lowest}"
        field.wrong(rule, seen=False)
    if 0 < intervals[-1][1] < inf:
        highest = f"{intervals[-1][1]:g}"
        rule = f"one step must have no MetricIntervalUpperBound, as the highest is {highest}"
        field.wrong(rule, seen=False)
