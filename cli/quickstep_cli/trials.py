"""The options of `simulate`, `compare`, `tune` and `cost`: the traffic, the policies, the world."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from quickstep_cli.experiment import read_setup
from quickstep_cli.options import file_option, made_of_options, read_file
from quickstep_cli.traffic import (
    FromOption,
    MultiplyOption,
    ScenarioOption,
    TrafficOption,
    chosen_traffic,
)
from quickstep_cli.watched import Given
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.prove.clocks import measured
from quickstep_lab.prove.result import read_result
from quickstep_lab.simulator import constants
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.signals import BALANCER_LAG, ECS_LAG, SIMULATED
from quickstep_lab.simulator.workers import jobs_of
from quickstep_lab.simulator.world import Spread, World
from quickstep_lab.traffic import MAX_SECONDS

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Setup
    from quickstep_lab.traffic import ScenarioName, Traffic


_START_UP_SPREAD = constants.START_UP_P95.value / constants.START_UP.value
"""One start-up in twenty takes at least a third longer than the median."""

TasksOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=5000, help="Initial number of tasks.", show_default="enough for the first 10 s"
    ),
]
SeedsOption = Annotated[
    int, typer.Option(min=1, max=1000, help="Runs of each scaler, each with its own random seed.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEFAULTS = World()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """A trial on any traffic: the options that all commands of the simulator take."""

    scenario: ScenarioOption = None
    multiply: MultiplyOption = 1.0
    start: FromOption = 0
    end: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            max=MAX_SECONDS,
            help="Last second of the traffic.",
            show_default="its end",
        ),
    ] = None
    policy: Annotated[
        Path,
        file_option(
            help="The policy document.", show_default="the example's, with the default numbers"
        ),
    ] = EXAMPLE_POLICY
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY=VALUE",
            help="An alarm's threshold, in its signal's unit. Repeatable.",
            show_default="100 to scale out, 30 to scale in, of requests",
        ),
    ] = None
    signal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[POLICY=]SIGNAL",
            help=f"Signal that a policy watches, or that all do: {', '.join(SIMULATED)}. "
            "Repeatable.",
            show_default="as --alarms says, or the policy's name",
        ),
    ] = None
    alarms: Annotated[
        Path | None,
        file_option(
            help="The policies' alarms: alarms.json of `import`, or the output of describe-alarms."
        ),
    ] = None
    signal_lag: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=600,
            help="Seconds from the end of a period until AWS's own metrics show it.",
            show_default=f"{ECS_LAG:g} for cpu, {BALANCER_LAG:g} for requests-per-target; assumed",
        ),
    ] = None
    task_capacity: Annotated[
        float, typer.Option(min=1, max=1e6, help="Requests per second that a task can serve.")
    ] = DEFAULTS.server.capacity
    service_time: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds a request takes on an idle task.")
    ] = DEFAULTS.server.service_seconds
    queue_limit: Annotated[
        float,
        typer.Option(min=1, max=1e6, help="Requests that a task holds before it refuses more."),
    ] = DEFAULTS.server.queue_limit
    time_out: Annotated[
        float, typer.Option(min=0.1, max=300, help="Client timeout in seconds.")
    ] = DEFAULTS.server.time_out
    start_up: Annotated[
        float, typer.Option(min=0, max=3600, help="Median seconds until a new task listens.")
    ] = DEFAULTS.start_up.median
    never_come_from: Annotated[
        int | None,
        typer.Option(
            metavar="SECOND",
            min=0,
            max=MAX_SECONDS,
            help="Tasks launched from this second on never run: no image, IP address or "
            "Spot capacity.",
            show_default="all start",
        ),
    ] = None
    refuse_checks: Annotated[
        bool,
        typer.Option(
            "--refuse-checks", help="A full task fails its health checks and is replaced."
        ),
    ] = False
    deregistration_delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=3600,
            help="Seconds that a removed task drains, still costing and publishing 0.",
            show_default="the policy's",
        ),
    ] = None
    protected_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of tasks with scale-in protection, which ECS may not stop for 2 h.",
        ),
    ] = DEFAULTS.protected_share
    silent_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of tasks without a publisher.")
    ] = DEFAULTS.silent_share
    lost_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of datapoints that get lost.")
    ] = DEFAULTS.lost_share
    publish_seconds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=60,
            help="How tasks publish: 1 for every second, in one call per 5 s; 5 for the "
            "mean of 5 s.",
            show_default="the policy's",
        ),
    ] = None
    outage: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM-TO", help="Seconds FROM-TO without metrics. Repeatable."),
    ] = None
    late_after: Annotated[
        float,
        typer.Option(
            min=1, max=86_400, help="With a queue: seconds after which a waiting job is late."
        ),
    ] = Jobs().late_after
    world_file: Annotated[
        Path | None,
        file_option(
            "--world",
            metavar="FILE",
            help="Play with the clocks that a result of `prove` measured, including start-up.",
        ),
    ] = None
    jobs: Annotated[
        int, typer.Option(min=1, max=256, help="Number of processes.", show_default="one per core")
    ] = CORES
    as_json: JsonOption = False

    def setup(self, *, simulated: bool = True) -> Setup:
        """Return the policy document, its thresholds and its signals; see `read_setup`."""
        given = Given(tuple(self.signal or ()), self.alarms, self.signal_lag, self.server())
        setup = read_setup(self.policy, self.threshold, given, simulated=simulated)
        if self.publish_seconds is None:
            return setup
        return replace(setup, target=replace(setup.target, publish_seconds=self.publish_seconds))

    def chosen(self, file: Path | None, default: ScenarioName) -> Traffic:
        """Return the file's traffic, or the scenario's; see `chosen_traffic`."""
        return chosen_traffic(
            self.scenario,
            file,
            multiply=self.multiply,
            start=self.start,
            end=self.end,
            default=default,
        )

    def server(self) -> Server:
        """Return a task's capabilities."""
        return Server(self.task_capacity, self.service_time, self.queue_limit, self.time_out)

    def world(self, setup: Setup) -> World:
        """Return the world that the options describe; tasks drain and publish as in the document.

        Raises:
            typer.BadParameter: an outage does not have the form FROM-TO, or the result of `prove`
                is inconsistent.
        """
        never, delay = self.never_come_from, self.deregistration_delay
        jobs = [jobs_of(policy, self.late_after) for policy in setup.target.queues]
        world = World(
            jobs=jobs[0] if jobs else None,
            server=self.server(),
            start_up=Spread(self.start_up, self.start_up * _START_UP_SPREAD),
            full_refuses_checks=self.refuse_checks,
            never_come_from=math.inf if never is None else never,
            deregistration_delay=(
                setup.target.deregistration_delay_seconds if delay is None else delay
            ),
            protected_share=self.protected_share,
            silent_share=self.silent_share,
            lost_share=self.lost_share,
            publish_seconds=setup.target.publish_seconds,
            outages=tuple(_outage(text) for text in self.outage or []),
        )
        if self.world_file is None:
            return world
        clocks = read_file(self.world_file, lambda text: measured(read_result(text)), "--world")
        return clocks.applied(world)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Trials):
    """A trial on one traffic."""

    traffic: TrafficOption = None

    def played(self, default: ScenarioName) -> Traffic:
        """Return the traffic; see `chosen_traffic`."""
        return self.chosen(self.traffic, default)


takes_trial = made_of_options(Trial)
"""Lets a command whose first argument is a trial take a trial's options."""


takes_trials = made_of_options(Trials)
"""The same, for a command that has its own option for traffic files."""


def _outage(text: str) -> tuple[int, int]:
    start, _, end = text.partition("-")
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        rule = "must be FROM-TO in whole seconds, the first below the second"
        raise typer.BadParameter(f"{rule}, not {text!r}", param_hint="--outage")
    return int(start), int(end)
