"""The nouns of scaling, as frozen data. The terms are those of Application Auto Scaling and ECS.

Capacities are numbers of tasks, times are aware UTC datetimes, durations are seconds.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep.engine.backlog import Backlog, QueuePolicy
    from quickstep.engine.outcome import Outcome
    from quickstep.engine.patience import Patience


class Direction(StrEnum):
    """Which way a policy may move capacity; it also determines which step bound is inclusive."""

    OUT = "scale-out"
    IN = "scale-in"

    def beyond(self, capacity: int, other: int) -> bool:
        """Whether a capacity is further in this direction: 5 than 4 for OUT, 4 than 5 for IN."""
        return capacity > other if self is Direction.OUT else capacity < other


class AdjustmentType(StrEnum):
    """How a step's number changes capacity; the values are Application Auto Scaling's."""

    CHANGE_IN_CAPACITY = "ChangeInCapacity"
    PERCENT_CHANGE_IN_CAPACITY = "PercentChangeInCapacity"
    EXACT_CAPACITY = "ExactCapacity"


class MetricAggregationType(StrEnum):
    """How the datapoints in the alarm's evaluation window become the one value compared."""

    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"


class MetricScope(StrEnum):
    """Whether the metric is a value per task (it falls as tasks are added) or a total."""

    PER_TASK = "PerTask"
    TOTAL = "Total"


class AlarmState(StrEnum):
    """The three states of a CloudWatch alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Comparison(StrEnum):
    """How an alarm compares a value with its threshold; the values are CloudWatch's."""

    GREATER = "GreaterThanThreshold"
    GREATER_OR_EQUAL = "GreaterThanOrEqualToThreshold"
    LESS = "LessThanThreshold"
    LESS_OR_EQUAL = "LessThanOrEqualToThreshold"

    def breached(self, value: float, threshold: float) -> bool:
        """Whether a value is on the breaching side of a threshold."""
        return _BREACHED[self](value, threshold)

    @classmethod
    def usual(cls, direction: Direction) -> Comparison:
        """Return the usual comparison for an alarm in a direction."""
        return cls.GREATER if direction is Direction.OUT else cls.LESS

    @property
    def upward(self) -> bool:
        """Whether high values breach."""
        return self in (Comparison.GREATER, Comparison.GREATER_OR_EQUAL)


_BREACHED: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_OR_EQUAL: operator.ge,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
}


@dataclass(frozen=True, slots=True)
class StepAdjustment:
    """One step: bounds relative to the alarm's threshold, `None` for unbounded, and a number."""

    lower: float | None
    upper: float | None
    adjustment: int


KEPT_SHARE = 0.7
"""The share of the recent need to keep, unless something else is given."""


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """A step scaling policy: what it asks for when its alarm breaches.

    A scale-in with a `scale_in_window` keeps a task until it has been idle for that many seconds,
    and longer if earlier removals came too soon.
    """

    name: str
    direction: Direction
    adjustment_type: AdjustmentType
    steps: tuple[StepAdjustment, ...]
    cooldown: int
    min_adjustment_magnitude: int | None = None
    aggregation: MetricAggregationType = MetricAggregationType.AVERAGE
    metric_scope: MetricScope = MetricScope.TOTAL
    scale_in_window: int | None = None

    @property
    def alarm(self) -> str:
        """The name of the policy's alarm among its target's alarms."""
        return self.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which the policy is asked: the one direction of its steps."""
        return (self.direction,)

    def cooldown_after(self, _direction: Direction) -> int:
        """Return the seconds that the policy waits after it has scaled."""
        return self.cooldown


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """A target tracking policy: the load that one task should carry, in both directions.

    Scale-in waits until a task has been idle for `scale_in_window` seconds, and longer if earlier
    removals came too soon. It leaves `kept_share` of the recent need. The policy answers a load
    that exceeds what the tasks should carry by more than `tolerance`.
    """

    name: str
    target_value: float
    metric_scope: MetricScope = MetricScope.PER_TASK
    scale_out_cooldown: int = 0
    scale_in_cooldown: int = 30
    disable_scale_in: bool = False
    scale_in_window: int = 120
    kept_share: float = KEPT_SHARE
    tolerance: float = 0.1

    @property
    def alarm(self) -> str:
        """The name of the policy's alarm among its target's alarms: `request-rate/high`."""
        return f"{self.name}/high"

    @property
    def direction(self) -> Direction:
        """The direction that the policy's alarm asks for."""
        return Direction.OUT

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which the policy is asked."""
        return (Direction.OUT,) if self.disable_scale_in else (Direction.OUT, Direction.IN)

    def cooldown_after(self, direction: Direction) -> int:
        """Return the seconds that the policy waits after it has scaled in a direction."""
        return self.scale_out_cooldown if direction is Direction.OUT else self.scale_in_cooldown


Policy: TypeAlias = StepPolicy | TargetPolicy
"""The forms of policy.

Each has a `name`, an `alarm`, the `direction` that the alarm asks for, the `directions` in which it
is asked, and a `cooldown_after` it has scaled. `policies` handles everything else about a form.
"""


class Guard(StrEnum):
    """The guards that a target may switch off; the values are the policy document's keys."""

    CAPACITY_ON_ITS_WAY = "CapacityOnItsWay"
    RISING_TREND = "RisingTrend"
    WOULD_FLAP = "WouldFlap"
    DEPLOYMENT = "Deployment"


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """One ECS service, its bounds and its policies: a validated policy document.

    `policies` have alarms, and the largest capacity wins; `queues` are read, and added up.
    """

    resource_id: str
    min_capacity: int
    max_capacity: int
    policies: tuple[Policy, ...]
    warmup_seconds: int
    publish_seconds: int
    max_adjustment_magnitude: int
    guards: frozenset[Guard] = frozenset(Guard)
    dry_run: bool = False
    deregistration_delay_seconds: int = 300
    queues: tuple[QueuePolicy, ...] = ()

    def policy(self, alarm: str) -> Policy | None:
        """Return the policy whose alarm has this name, or None."""
        return next((policy for policy in self.policies if policy.alarm == alarm), None)

    @property
    def step_policies(self) -> tuple[StepPolicy, ...]:
        """The target's step policies."""
        return tuple(policy for policy in self.policies if isinstance(policy, StepPolicy))

    def in_direction(self, direction: Direction) -> tuple[Policy, ...]:
        """Return the policies that move capacity in `direction`."""
        return tuple(policy for policy in self.policies if direction in policy.directions)


@dataclass(frozen=True, slots=True)
class Service:
    """What DescribeServices returned; `trouble` is why, by its own account, no task comes."""

    desired: int
    running: int
    pending: int
    deployment_in_progress: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Datapoint:
    """A metric's value in the period that starts `at`, and the number of its samples.

    `samples` is None if not known.
    """

    at: datetime
    value: float
    samples: float | None = None


ALARM_PERIOD = 10
"""The period of a high-resolution alarm, in seconds, assumed unless another one is known."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is known about one policy's alarm.

    `datapoints` is the evaluation window, oldest first. If no number may be acted on, it is empty
    or `threshold` is None, and `no_data` says why.

    `recent` is the metric's complete datapoints of the last minutes, oldest first, one every
    `period` seconds unless some are missing; empty if they were not read. The alarm itself has one
    every `alarm_period` seconds. If each task publishes every second, `seconds` are the same last
    minutes by the second. Alarms that watch the same `metric` have the same text in it.

    `comparison` is None if not known. `missing_breaches` says that the alarm treats missing data as
    breaching. If the newest datapoint was already acted on, the next one may be complete at
    `next_at`.
    """

    state: AlarmState
    threshold: float | None = None
    datapoints: tuple[float, ...] = ()
    muted: bool = False
    no_data: str = "the alarm carries no datapoint"
    recent: tuple[Datapoint, ...] = ()
    period: int = ALARM_PERIOD
    seconds: tuple[Datapoint, ...] = ()
    metric: str = ""
    alarm_period: int = ALARM_PERIOD
    comparison: Comparison | None = None
    missing_breaches: bool = False
    next_at: datetime | None = None

    @property
    def has_value(self) -> bool:
        """Whether there is a number to compare with a threshold."""
        return self.threshold is not None and bool(self.datapoints)

    @property
    def capped(self) -> bool:
        """Whether the metric shows that there are too few tasks, but not how many are missing.

        A utilization is capped when a task is full: AWS's capped metrics all have that word in
        their names, and so does the publisher's. A queue time, and with it a response time, keeps
        growing while there are too few tasks.
        """
        return any(name in self.metric for name in ("Utilization", "QueueTime", "ResponseTime"))

    def compared(self, direction: Direction) -> Comparison:
        """Return how values are compared: the alarm's own way, or the usual one."""
        return self.comparison or Comparison.usual(direction)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen at one moment: the service, its alarms by policy name, and its queues.

    The backlog is None if no queue was looked at.
    """

    service: Service
    alarms: Mapping[str, Alarm]
    backlog: Backlog | None = None


@dataclass(frozen=True, slots=True)
class ScalingActivity:
    """A capacity change that happened: the start of a cooldown.

    `before` is the capacity from which the initiating activity counted: the one seen, unless that
    was out of bounds. A larger step that passes inside the cooldown moves `at` and `after`, and
    keeps `before`.
    """

    at: datetime
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Tasks requested at one moment, which do not serve for a while.

    `before` is the count before them; None if an older version did not write it.
    """

    at: datetime
    count: int
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """Tasks removed at one moment; while they drain, they keep reporting."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Override:
    """Bounds that replace the policy's from `begins` until `until`; a schedule's has its `name`.

    A maximum waits until the load leaves its tasks idle, unless it is `forced`.
    """

    min_capacity: int | None
    max_capacity: int | None
    until: datetime | None = None
    reason: str = ""
    name: str = ""
    begins: datetime | None = None
    forced: bool = False

    def active(self, now: datetime) -> bool:
        """Whether the override holds; without an end, it holds until it is removed."""
        begun = self.begins is None or self.begins <= now
        return begun and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Pause:
    """Directions in which an operator has stopped scaling for a while."""

    directions: frozenset[Direction]
    until: datetime | None = None
    reason: str = ""

    def holds(self, direction: Direction, now: datetime) -> bool:
        """Whether scaling in `direction` is stopped at `now`."""
        return direction in self.directions and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered about a target from one decision to the next.

    An operator made the `override`, scheduled actions made the `schedules`. `unreadable` says what
    is wrong with an operator's entry; whatever it meant, it may forbid a removal. `patience` is
    what removing tasks has taught, by policy.
    """

    scale_out: ScalingActivity | None = None
    scale_in: ScalingActivity | None = None
    launches: tuple[Launch, ...] = ()
    removals: tuple[Removal, ...] = ()
    override: Override | None = None
    pause: Pause | None = None
    schedules: tuple[Override, ...] = ()
    unreadable: str = ""
    patience: Mapping[str, Patience] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrailStep:
    """What one rule did to the number, and why."""

    guard: str
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: what to do, why, and what to remember.

    `before` is the desired count seen, `wanted` what the policies ask for, `granted` what the
    guards leave. `state` is the state to remember once the change has been made.
    """

    outcome: Outcome
    before: int
    wanted: int
    granted: int
    reason: str
    trail: tuple[TrailStep, ...]
    state: State
    next_check_in: int | None = None
