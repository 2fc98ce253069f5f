"""A worker's queue: Quickstep next to AWS's scalers on the same queue, shipped and given traffic.

python -m benchmarks signals
python -m benchmarks.signals --traffic recorded.csv.gz --traffic another.csv.gz --multiply 0.1
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.figures import Beside, Figure, Goal, Quantity
from quickstep.engine.backlog import QueueReading, share, whole
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import compare
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.workers import jobs_of, queue_scalers
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_lab.simulator.measure import Measures
    from quickstep_lab.simulator.queueing import Server
    from quickstep_lab.simulator.signals import Signal
    from quickstep_lab.simulator.stage import Setup, Stage
    from quickstep_lab.traffic import Traffic

DOCUMENT = EXAMPLE_POLICY.with_name("queue.json")
SHIPPED = (
    ScenarioName.STEP_X3,
    ScenarioName.STEP_X10,
    ScenarioName.RAMP_180S,
    ScenarioName.BURSTY,
)
TENTH = 0.1
"""Share of a scenario's requests per second that are jobs: 12 of 120."""

TODAY = "aas-step-60s-alarm"
TRACKING = "aas-target-tracking-60s"
MINE = "quickstep"
SHORT = "quickstep, ScaleInWindow 60"
AT_ONCE = "knows at once"

LATE = 0.1
"""Limits: share of all jobs, and share of those that today's policy makes late avoidably."""
COST = 0.85


@dataclass(frozen=True, slots=True)
class KnowsAtOnce:
    """Sizes by the same rule each second, from that second's arrivals: it sees nothing late.

    Jobs that are late with it are late only because tasks take time to start.
    """

    setup: Setup
    name: str = AT_ONCE

    def signals(self, _server: Server) -> tuple[Signal, ...]:
        """It reads the queue itself."""
        return ()

    def start(self, stage: Stage) -> None:
        """Look once a second; give back a task that has been idle for ScaleInWindow."""
        (policy,) = self.setup.target.queues
        target, queue = self.setup.target, stage.queue
        assert queue is not None  # noqa: S101 - a worker has one
        seen, needed = 0, [0] * policy.scale_in_window

        def look() -> None:
            nonlocal seen
            come, seen = queue.arrived - seen, queue.arrived
            reading = QueueReading(queue.visible, queue.in_flight)
            needed.append(whole(share(policy, reading, come)))
            del needed[0]
            wanted = min(target.max_capacity, max(target.min_capacity, *needed))
            if wanted != stage.fleet.desired:
                stage.scale(wanted, "it knows")

        stage.every(1.0, 0.0, look)


def figures(traffic: Sequence[Traffic], seeds: int) -> Iterator[Figure]:
    """Yield the jobs' results on each shipped scenario, and the sums over given traffic."""
    shipped = [
        scenario_traffic(name, SCENARIOS[name].seconds).multiplied(TENTH) for name in SHIPPED
    ]
    yield from _of_all("shipped", shipped, seeds)
    if traffic:
        yield from _of_all("given", traffic, seeds)


def _of_all(what: str, traffic: Sequence[Traffic], seeds: int) -> Iterator[Figure]:
    played = []
    for one in traffic:
        results = _played(one, seeds)
        played.append(results)
        yield from _of_one(one, results)
    title = f"queue, {len(traffic)} {what} traffics"
    for name in (MINE, SHORT):
        yield Figure(
            f"{title}: {name}: late without need, beside today's",
            Quantity(_avoidable(played, name), "jobs"),
            Beside(f"{TODAY} on depth", Quantity(_avoidable(played, TODAY))),
            Goal(at_most=LATE),
        )
        yield Figure(
            f"{title}: {name}: task-seconds, geometric mean",
            Quantity(_mean(played, name), "task-s"),
            Beside(f"{TODAY} on depth", Quantity(_mean(played, TODAY))),
            Goal(at_most=COST),
        )


def _of_one(traffic: Traffic, results: Mapping[str, Measures]) -> Iterator[Figure]:
    mine, what = results[MINE], f"{traffic.name}, jobs"
    yield Figure(f"{what}: late", Quantity(100 * _late(mine), "%"), goal=Goal(at_most=100 * LATE))
    for name, words in ((TODAY, "on depth"), (TRACKING, "on backlog per task")):
        other, beside = results[name], f"{name} {words}"
        yield Figure(
            f"{what}: trigger",
            Quantity(mine.time_to_trigger_s, "s"),
            Beside(beside, Quantity(other.time_to_trigger_s, "s")),
        )
        yield Figure(
            f"{what}: late",
            Quantity(100 * _late(mine), "%"),
            Beside(beside, Quantity(100 * _late(other), "%")),
        )
        yield Figure(
            f"{what}: task-hours",
            Quantity(mine.task_seconds / 3600, "task-h"),
            Beside(beside, Quantity(other.task_seconds / 3600)),
        )


def _played(traffic: Traffic, seeds: int) -> Mapping[str, Measures]:
    setup = read_setup(DOCUMENT, None)
    (policy,) = setup.target.queues
    enough = math.ceil(max(traffic.requests) / policy.jobs_per_second)
    target = replace(setup.target, max_capacity=max(setup.target.max_capacity, 2 * enough))
    setup = replace(setup, target=target)
    short = replace(setup, target=replace(target, queues=(replace(policy, scale_in_window=60),)))
    world = World(jobs=jobs_of(policy, Jobs().late_after))
    experiment = an_experiment(traffic, setup, world, None, seeds)
    scalers = (*queue_scalers(setup), Quickstep(short, SHORT), KnowsAtOnce(setup))
    played = compare(experiment, scalers, jobs=os.cpu_count() or 1).scalers
    return {name: summary.medians for name, summary in played.items()}


def _late(measures: Measures) -> float:
    return measures.failed / measures.requests if measures.requests else 0.0


def _avoidable(played: Sequence[Mapping[str, Measures]], name: str) -> float:
    """Return the late jobs that would be on time if changes were known at once."""
    return sum(max(0.0, each[name].failed - each[AT_ONCE].failed) for each in played)


def _mean(played: Sequence[Mapping[str, Measures]], name: str) -> float:
    logs = [math.log(each[name].task_seconds) for each in played]
    return math.exp(sum(logs) / len(logs))
