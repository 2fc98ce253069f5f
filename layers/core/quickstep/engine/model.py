"""The nouns of scaling, as frozen data. Words are those of Application Auto Scaling and ECS.

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
    """Which way a policy may move capacity; it also fixes which step bound is inclusive."""

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
    """How the datapoints of the alarm's evaluation window become the one value compared."""

    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"


class MetricScope(StrEnum):
    """Whether the metric is a value per task (it falls as tasks are added) or of the whole."""

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
        """Return what an alarm of a direction compares by, where nothing says otherwise."""
        return cls.GREATER if direction is Direction.OUT else cls.LESS

    @property
    def upward(self) -> bool:
        """Whether it is high values that breach."""
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
"""The part of what was needed of late that is kept, where nothing else says so."""


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """A step scaling policy: what one alarm in breach asks for.

    A scale-in with a `scale_in_window` keeps a task until it has been idle for so many seconds, and
    longer where that has been too soon before.
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
        """What its alarm is called among those of its target."""
        return self.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it is asked: the one that its steps go in."""
        return (self.direction,)

    def cooldown_after(self, _direction: Direction) -> int:
        """Return how long it waits after it has scaled, in seconds."""
        return self.cooldown


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """A target tracking policy: the load that one task should carry, in both directions.

    A scale-in waits until a task has been idle for `scale_in_window` seconds, and longer where
    that has been too soon before. It leaves `kept_share` of what was needed of late. A load is
    answered that is more than `tolerance` above what the tasks should carry.
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
        """What its alarm is called among those of its target: `request-rate/high`."""
        return f"{self.name}/high"

    @property
    def direction(self) -> Direction:
        """The direction that its alarm asks for."""
        return Direction.OUT

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it is asked."""
        return (Direction.OUT,) if self.disable_scale_in else (Direction.OUT, Direction.IN)

    def cooldown_after(self, direction: Direction) -> int:
        """Return how long it waits after it has scaled in a direction, in seconds."""
        return self.scale_out_cooldown if direction is Direction.OUT else self.scale_in_cooldown


Policy: TypeAlias = StepPolicy | TargetPolicy
"""The forms of policy.

Each has a `name`, an `alarm`, the `direction` that this asks for, the `directions` that it is asked
in, and a `cooldown_after` it has scaled. What else there is to a form is asked in `policies`.
"""


class Guard(StrEnum):
    """What a target may switch off; the values are the policy document's keys."""

    CAPACITY_ON_ITS_WAY = "CapacityOnItsWay"
    RISING_TREND = "RisingTrend"
    WOULD_FLAP = "WouldFlap"
    DEPLOYMENT = "Deployment"


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """One ECS service, its bounds and its policies: a validated policy document.

    `policies` have alarms, and the largest capacity wins; `queues` are read, and are added up.
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
        """Return the policy whose alarm is called so, or None."""
        return next((policy for policy in self.policies if policy.alarm == alarm), None)

    @property
    def step_policies(self) -> tuple[StepPolicy, ...]:
        """The policies that go by steps."""
        return tuple(policy for policy in self.policies if isinstance(policy, StepPolicy))

    def in_direction(self, direction: Direction) -> tuple[Policy, ...]:
        """Return the policies that move capacity in `direction`."""
        return tuple(policy for policy in self.policies if direction in policy.directions)


@dataclass(frozen=True, slots=True)
class Service:
    """What DescribeServices said of the service; `trouble` is why it says that no task comes."""

    desired: int
    running: int
    pending: int
    deployment_in_progress: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Datapoint:
    """A metric's value in the period that starts `at`, and how many samples it is made of.

    `samples` is None where that is not known.
    """

    at: datetime
    value: float
    samples: float | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is known of one policy's alarm.

    `datapoints` is the evaluation window, oldest first. It is empty, or `threshold` is None, where
    no number may be acted on: then `no_data` says why.

    `recent` is the metric's complete datapoints of the last minutes, oldest first, one each
    `period` seconds unless some are missing; empty where they were not read. The alarm itself has
    one each `alarm_period` seconds. Where each task publishes every second, `seconds` are the same
    last minutes by the second. Alarms that watch the same `metric` name it by the same text.

    `comparison` is None where it is not known. `missing_breaches` says that the alarm takes missing
    data for a breach. Where the newest datapoint was already acted on, the next one can be complete
    at `next_at`.
    """

    state: AlarmState
    threshold: float | None = None
    datapoints: tuple[float, ...] = ()
    muted: bool = False
    no_data: str = "the alarm carries no datapoint"
    recent: tuple[Datapoint, ...] = ()
    period: int = 10
    seconds: tuple[Datapoint, ...] = ()
    metric: str = ""
    alarm_period: int = 10
    comparison: Comparison | None = None
    missing_breaches: bool = False
    next_at: datetime | None = None

    @property
    def has_value(self) -> bool:
        """Whether there is a number to compare with a threshold."""
        return self.threshold is not None and bool(self.datapoints)

    @property
    def capped(self) -> bool:
        """Whether its metric tells that tasks are too few, and not by how many.

        A utilization ends at a task that is full: every metric of AWS's that does so is called one,
        and so is the publisher's. A queue time, and with it a response time, goes on growing while
        tasks are too few.
        """
        return any(name in self.metric for name in ("Utilization", "QueueTime", "ResponseTime"))

    def compared(self, direction: Direction) -> Comparison:
        """Return how values are compared: the alarm's own way, else what is usual."""
        return self.comparison or Comparison.usual(direction)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen at one moment: the service, the alarms by policy name, and its queues.

    The backlog is None where no queue was looked at.
    """

    service: Service
    alarms: Mapping[str, Alarm]
    backlog: Backlog | None = None


@dataclass(frozen=True, slots=True)
class ScalingActivity:
    """A change of capacity that happened: the start of a cooldown.

    `before` is the capacity that the initiating activity counted from, which is the one seen unless
    that was out of bounds. A larger step that passes inside the cooldown moves `at` and `after`,
    and keeps `before`.
    """

    at: datetime
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Tasks that were asked for at one moment: for a while they do not serve yet.

    `before` is how many there were; None where an older version has not written it.
    """

    at: datetime
    count: int
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """Tasks that were removed at one moment: while they drain, they go on reporting."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Override:
    """Bounds that replace the policy's from `begins` until `until`; a schedule's has its `name`.

    A maximum waits until the load leaves its tasks idle, unless it is to be `forced`.
    """

    min_capacity: int | None
    max_capacity: int | None
    until: datetime | None = None
    reason: str = ""
    name: str = ""
    begins: datetime | None = None
    forced: bool = False

    def active(self, now: datetime) -> bool:
        """Whether the override holds; one without an end holds until it is removed."""
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
    """What is remembered of a target from one decision to the next.

    `override` was made by hand, `schedules` by scheduled actions. `unreadable` says what is wrong
    with something that an operator wrote: whatever was meant, it may forbid a removal. `patience`
    is what giving back has learnt, by policy.
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

    `before` is the desired count seen, `wanted` what the policies ask for, `granted` what is left
    after the guards. `state` is the state to remember once the change has been made.
    """

    outcome: Outcome
    before: int
    wanted: int
    granted: int
    reason: str
    trail: tuple[TrailStep, ...]
    state: State
    next_check_in: int | None = None
