"""A service's month next to AWS's scalers: their bills, and the tasks that each of them runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.model import (
    DAYS,
    HOURS,
    NATIVE,
    OTHERS,
    Activity,
    aas,
    activity_of_breaches,
    activity_of_marks,
    quickstep,
    shared,
)
from quickstep_lab.cost.prices import Meter
from quickstep_lab.cost.queues import Polling, polling_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep_lab.cost.bill import Bill
    from quickstep_lab.cost.counts import Counted
    from quickstep_lab.cost.model import Line, Usage
    from quickstep_lab.cost.prices import Price
    from quickstep_lab.simulator.compare import Comparison

OURS = "quickstep"
WITH_SURGES = "quickstep-surge"
TEXTBOOK = "textbook"
_DAY = 86400


class Architecture(StrEnum):
    """A Fargate task's CPU architecture, with Linux."""

    ARM = "arm"
    X86 = "x86"


_METERS = {
    Architecture.ARM: (Meter.FARGATE_ARM_VCPU, Meter.FARGATE_ARM_GB),
    Architecture.X86: (Meter.FARGATE_X86_VCPU, Meter.FARGATE_X86_GB),
}


@dataclass(frozen=True, slots=True)
class TaskSize:
    """A Fargate task: vCPU, GB of memory and architecture."""

    vcpu: float = 1
    memory: float = 2
    architecture: Architecture = Architecture.ARM

    def an_hour(self, prices: Mapping[Meter, Price]) -> float:
        """Return dollars per hour. Example: 1 vCPU at 0.03238 and 2 GB at 0.00356: 0.0395."""
        vcpu, memory = (prices[meter] for meter in _METERS[self.architecture])
        return vcpu.of(self.vcpu) + memory.of(self.memory)


@dataclass(frozen=True, slots=True)
class Standing:
    """A scaler's month in US dollars: its bill, and the tasks that it ran.

    `success` is the share of requests served in a simulated traffic.
    """

    bill: Bill
    task_hours: float
    tasks: float
    success: float | None = None

    @property
    def total(self) -> float:
        """The cost of both."""
        return self.bill.total + self.tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The inputs of a month's calculation."""

    usage: Usage
    size: TaskSize
    prices: Mapping[Meter, Price]
    counted: Counted
    free_tier: bool = False
    rivals: tuple[str, ...] = tuple(NATIVE)

    def with_breaches(
        self, a_day: float, minutes: float, *, reported: bool = False
    ) -> tuple[Activity, dict[str, Standing]]:
        """Return Quickstep's activity, and all bills, for these breaches and the same tasks."""
        activity = activity_of_breaches(a_day, minutes, self.counted, reported=reported)
        names = (OURS, *self.rivals)
        hours = self.usage.task_hours
        return activity, {name: self._standing(name, activity, hours) for name in names}

    def simulated(
        self, comparison: Comparison, a_day: float
    ) -> tuple[Activity, dict[str, Standing]]:
        """Return the same for a traffic that all scalers played and that repeats daily.

        In the rest of the month the service has its average of tasks, under any scaler. Example:
        8 tasks, and half an hour a day in which a scaler ran 5 task-hours: 8 x (720 - 15) + 150 =
        5,790 task-hours.
        """
        a_month = DAYS * a_day
        played = len(comparison.experiment.traffic.requests) / 3600
        rest = self.usage.tasks * (HOURS - a_month * played)
        activities = {
            name: activity_of_marks(comparison.series[name].marks, a_month, self.counted)
            for name in (OURS, WITH_SURGES, TEXTBOOK)
            if name in comparison.series
        }
        ours = activities.get(OURS, Activity())
        standings = {}
        for name, summary in comparison.scalers.items():
            hours = rest + a_month * summary.medians.task_seconds / 3600
            activity = activities.get(name, ours)
            standing = self._standing(name, activity, hours)
            standings[name] = replace(standing, success=summary.medians.success_rate)
        return ours, standings

    def _standing(self, name: str, activity: Activity, task_hours: float) -> Standing:
        usage = replace(self.usage, tasks=task_hours / HOURS)
        lines = (
            aas(name, usage, self.counted)
            if name in OTHERS
            else (*quickstep(usage, activity, self.counted), *self._polls())
        )
        services = usage.services
        made = bill(lines, self.prices, services=services, free_tier=self.free_tier)
        return Standing(made, task_hours, task_hours * self.size.an_hour(self.prices))

    def _polls(self) -> Iterator[Line]:
        """Return a service's share of polling costs, if all services have such queues."""
        services, queues = self.usage.services, self.usage.queues
        lines = polling_lines(Polling(services, services, queues), self.counted) if queues else ()
        return shared(lines, services)


def longest_times(seconds: int) -> float:
    """Return how often a traffic fits into a day. Example: one of a week, 1/7."""
    return _DAY / seconds
