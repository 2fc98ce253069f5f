"""Policies under test, the scalers they are compared with, and their results on a traffic.

A policy under test is a document with a label. The default steps with alarms only are called
*today's*, and the others are compared with them.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Quantity
from quickstep.config import parse_target
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import compare
from quickstep_lab.simulator.measure import ahead
from quickstep_lab.simulator.scalers.quickstep import Quickstep, textbook
from quickstep_lab.simulator.scalers.step_scaling import StepScaling, percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.stage import Setup
from quickstep_lab.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quickstep_lab.simulator.measure import Summary
    from quickstep_lab.simulator.stage import Scaler
    from quickstep_lab.traffic import Traffic

STEPS = "default steps"
NORMAL = "normal"
ONE_NUMBER = EXAMPLE_POLICY.with_name("one-number.json")

TRACKING_20S = "aas-target-tracking-20s"
ANNOUNCED_20S = "aas-target-tracking-20s-custom"
PERCENT = "aas-percent-10s-alarm"
STEP_10S = "aas-step-10s-alarm"
TEXTBOOK = "textbook"


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy document under test, with its label; with `surges`, tasks report surges."""

    label: str
    file: Path
    surges: bool = False

    def setup(self, *, times: float = 1.0, most: int | None = None) -> Setup:
        """Return the document with its numbers of requests per second multiplied.

        Its maximum capacity is at least `most`: a fleet of 600 tasks needs room. All documents are
        played on the same tasks, so all describe their publishing alike.
        """
        document = json.loads(self.file.read_text(encoding="utf-8"))
        document["PublishSeconds"] = World().publish_seconds
        if most is not None:
            document["MaxCapacity"] = max(document["MaxCapacity"], most)
        thresholds = read_setup(self.file, None).thresholds
        return Setup(
            parse_target(json.dumps(multiplied(document, times))),
            {name: value * times for name, value in thresholds.items()},
        )

    def scaler(self, setup: Setup) -> Quickstep:
        """Return the scaler that plays it."""
        return Quickstep(setup, self.label, surges=self.surges)


TODAY = Contender(STEPS, EXAMPLE_POLICY)
CONTENDERS = (TODAY, Contender(NORMAL, ONE_NUMBER))

_IN_REQUESTS = frozenset({"MetricIntervalLowerBound", "MetricIntervalUpperBound", "TargetValue"})
"""Keys whose numbers are in the metric's unit."""


def multiplied(document: Any, times: float) -> Any:
    """Return a policy document for a metric that is `times` as high. Example: 50 by 0.1 is 5."""
    if isinstance(document, dict):
        return {
            key: value * times if key in _IN_REQUESTS else multiplied(value, times)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [multiplied(value, times) for value in document]
    return document


UNITS = {
    "time_to_trigger_s": "s",
    "time_to_95_percent_s": "s",
    "failed": "requests",
    "task_seconds": "task-s",
    "success_rate": "%",
    "peak_tasks": "tasks",
    "reversals": "",
    "surge_looks": "",
}

Played = dict[str, "Summary"]
"""The results on a traffic, by scaler name; a policy under test goes by its label."""


def rivals(setup: Setup) -> dict[str, Scaler]:
    """Return the other scalers by name; their target is the scale-out threshold of `setup`."""
    every: tuple[Scaler, ...] = (
        textbook(setup),
        StepScaling(setup, 10),
        TargetTracking(setup, TRACKING_20S),
        percent_ladder(setup),
        TargetTracking(setup, ANNOUNCED_20S),
    )
    return {scaler.name: scaler for scaler in every}


def played(
    traffic: Traffic,
    tested: Iterable[Contender],
    others: Iterable[str],
    *,
    seeds: int,
    most: int | None = None,
) -> Played:
    """Return the results of the policies under test and other scalers; always includes today's."""
    today = TODAY.setup(most=most)
    known = rivals(today)
    policies = {one.label: one for one in (TODAY, *tested)}
    scalers: list[Scaler] = [one.scaler(one.setup(most=most)) for one in policies.values()]
    scalers += [known[name] for name in dict.fromkeys(others)]
    experiment = an_experiment(traffic, today, World(), None, seeds)
    return dict(compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers)


def value_of(summary: Summary, measure: str, *, worst: bool = False) -> float | None:
    """Return a measure's median, or its worst seed's; shares are in per cent."""
    value: float | None = (summary.worst if worst else summary.as_dict())[measure]
    return value * 100 if value is not None and UNITS[measure] == "%" else value


def quantity_of(summary: Summary, measure: str, *, worst: bool = False) -> Quantity:
    """Return a measure's median with its unit, and the range over the seeds."""
    value = value_of(summary, measure, worst=worst)
    if worst:
        return Quantity(value, UNITS[measure])
    times = 100 if UNITS[measure] == "%" else 1
    low, high = (None if end is None else end * times for end in summary.ranges[measure])
    return Quantity(value, UNITS[measure], (low, high))


def enough_for(traffic: Traffic) -> int:
    """Return a maximum capacity that never limits: twice what the traffic's peak needs."""
    return 2 * needed(traffic)


def needed(traffic: Traffic) -> int:
    """Return the most tasks that any 10 s of a traffic need, at today's threshold."""
    threshold = TODAY.setup().scale_out_threshold
    return math.ceil(max(ahead(traffic.requests), default=0.0) / threshold)
