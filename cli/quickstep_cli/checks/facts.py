"""The input of `quickstep doctor`'s checks: everything gathered about a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.engine.backlog import QueueReading
    from quickstep.engine.model import Datapoint, ScalableTarget, Service
    from quickstep.naming import ServiceName
    from quickstep.protocol.memory import Lease, Memory


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be gathered, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Scaler:
    """A scaler that receives events of the target's alarms, and through which rule."""

    rule: str
    function: str
    table: str


@dataclass(frozen=True, slots=True)
class EcsMetrics:
    """ECS's publishing interval in seconds for a service's metrics, by name, if not one minute.

    `controller` is the service's deployment controller.
    """

    seconds: Mapping[str, int]
    controller: str = "ECS"


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """A decision record of a desired count set outside Quickstep."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything gathered about a target.

    `target` is the document, or what is wrong with it. `alarms` are MetricAlarms by their names in
    the target; `datapoints` are their loads, oldest first; `elsewhere` says where else a metric is
    published if an alarm has no data. `ecs_metrics` is how often ECS publishes its own metrics,
    read only if an alarm watches one. `registered` is the table of the account's scaler, from its
    parameter; `table` is the one read here; `scalers` are those that this target's events reach.
    `drains` is how many seconds a task drains, by target group. `refused` are calls that a role
    may not make. `queues` are the readings of the document's queues, by policy. `autoscaling` is
    what still acts if the service is a scalable target of Application Auto Scaling; `alarm_actions`
    are alarms that act on the service directly. `foreign` are changes by others, oldest first.
    `dead` counts the messages in the dead-letter queues. `vcpu` is what MaxCapacity takes,
    `vcpu_quota` what Fargate allows.
    """

    service_name: ServiceName
    at: datetime
    target: ScalableTarget | str
    service: Service | Unknown
    alarms: Mapping[str, Mapping[str, Any]] | Unknown
    datapoints: Mapping[str, Sequence[Datapoint]] | Unknown = field(default_factory=dict)
    elsewhere: Mapping[str, Sequence[str]] | Unknown = field(default_factory=dict)
    ecs_metrics: EcsMetrics | Unknown | None = None
    registered: str | Unknown
    table: str | Unknown
    scalers: Sequence[Scaler] | Unknown
    drains: Mapping[str, int] | Unknown = field(default_factory=dict)
    refused: Sequence[str] | Unknown = ()
    autoscaling: Sequence[str] | Unknown | None = None
    alarm_actions: Sequence[str] | Unknown = ()
    foreign: Sequence[ForeignChange] | Unknown = ()
    item: tuple[Memory, Lease | None] | Unknown = Unknown("it was not read")
    dead: Mapping[str, int] | Unknown = field(default_factory=dict)
    vcpu: float | Unknown = 0.0
    vcpu_quota: float | Unknown = 0.0
    targets: int | Unknown = 1
    queues: Mapping[str, QueueReading | str] | Unknown = field(default_factory=dict)
