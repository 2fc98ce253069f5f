"""What a proof does: which services, under which scaler, which surges when, and what it costs.

All tasks read one start time, and make their load by the clock: so they need no load balancer and
no load generator, and every service is overloaded in the same second. A task's load does not fall
when others come: a surge ends when the plan says so, and there are never more than `most` tasks.

Pure: a plan in, moments and quantities out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from quickstep_lab.cost.bill import Bill, bill
from quickstep_lab.cost.model import SECONDS, Line, Part
from quickstep_lab.cost.prices import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from quickstep_lab.cost.prices import Price


class Contender(StrEnum):
    """A service of the proof, named for what scales it."""

    TRACKING = "aas-target-tracking-20s"
    STEP = "aas-step-10s-alarm"
    ALARM = "quickstep-alarm"
    SURGE = "quickstep-surge"
    CPU = "quickstep-cpu-20s"

    @property
    def is_quickstep(self) -> bool:
        """Whether Quickstep scales it."""
        return self in (Contender.ALARM, Contender.SURGE, Contender.CPU)

    @property
    def watches_cpu(self) -> bool:
        """Whether its alarm watches ECS's own CPU, not what the tasks publish."""
        return self in (Contender.TRACKING, Contender.CPU)

    @property
    def period(self) -> int:
        """Seconds of its alarm's period."""
        return 20 if self.watches_cpu else 10

    @property
    def policy(self) -> str:
        """The name of the policy in Quickstep's document."""
        return "cpu" if self.watches_cpu else "request-rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The schedule of a proof; times are in whole seconds after its start.

    Each task makes `calm` of its `target` in requests per second, and `factor` times its target in
    a surge. `warm` seconds go before the first surge: services start, alarms see a calm load. After
    each surge but the last, `rest` seconds bring the services back to `fewest` tasks.
    """

    surges: int = 3
    warm: int = 240
    surge: int = 180
    rest: int = 240
    fewest: int = 2
    most: int = 6
    target: int = 100
    calm: float = 0.5
    factor: float = 3.0
    cpu: int = 256
    memory: int = 512
    set_up: int = 180
    tear_down: int = 120

    @property
    def offsets(self) -> tuple[int, ...]:
        """When each surge begins."""
        return tuple(self.warm + number * (self.surge + self.rest) for number in range(self.surges))

    @property
    def resets(self) -> tuple[int, ...]:
        """When services are set back to `fewest` tasks: early in each rest, the last one's not.

        So each surge finds all of them alike, however long their scalers take to remove tasks.
        """
        return tuple(offset + self.surge + self.rest // 4 for offset in self.offsets[:-1])

    @property
    def seconds(self) -> int:
        """From the start to the end of the last surge."""
        return self.offsets[-1] + self.surge

    @property
    def whole(self) -> int:
        """Seconds that the stack exists at most, if all goes well."""
        return self.set_up + self.seconds + self.tear_down

    def rate(self, second: int) -> float:
        """Return the requests per second that a task makes in a second after the start."""
        surging = any(0 <= second - offset < self.surge for offset in self.offsets)
        return self.target * (self.factor if surging else self.calm)

    def overloads(self, start: datetime) -> tuple[datetime, ...]:
        """Return the first overloaded second of each surge."""
        return tuple(start + timedelta(seconds=offset) for offset in self.offsets)


def task_seconds(plan: Plan, services: int = len(Contender)) -> float:
    """Return what the services use at most: `most` tasks from each surge's start to rest's end."""
    busy = plan.surges * (plan.surge + plan.rest)
    calm = plan.whole - busy
    return services * (max(0, calm) * plan.fewest + busy * plan.most)


def lines(plan: Plan, services: int = len(Contender)) -> Iterator[Line]:
    """Return what a proof uses of AWS, at most; monthly prices are prorated by the second."""
    share, seconds = plan.whole / SECONDS, task_seconds(plan, services)
    hours = seconds / 3600
    queries = plan.whole * services
    yield Line(Part.CLOUDWATCH, "Fargate vCPU", Meter.FARGATE_X86_VCPU, hours * plan.cpu / 1024)
    yield Line(Part.CLOUDWATCH, "Fargate GB", Meter.FARGATE_X86_GB, hours * plan.memory / 1024)
    yield Line(
        Part.ALARMS, "high-resolution alarms", Meter.HIGH_RESOLUTION_ALARM, (services + 1) * share
    )
    yield Line(Part.METRICS, "published metrics", Meter.METRIC, services * share)
    yield Line(Part.METRICS, "ECS's 20-s metrics", Meter.VENDED_METRIC, 2 * share)
    yield Line(Part.PUBLISHING, "PutMetricData", Meter.API_REQUEST, seconds / 5)
    yield Line(Part.CLOUDWATCH, "metrics read, once a second", Meter.METRIC_READ, queries)


def cost(plan: Plan, prices: Mapping[Meter, Price], services: int = len(Contender)) -> Bill:
    """Return the bill of a proof, by the cost model's prices; without any free tier."""
    return bill(lines(plan, services), prices)
