"""What `cost` and the reports price: the task's size, how often traffic repeats, and usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quickstep.engine.policies import looks_always
from quickstep.engine.target_policy import LONGEST_PAUSE
from quickstep_lab.cost.model import HOURS, Usage, Watched
from quickstep_lab.cost.month import Architecture, longest_times
from quickstep_lab.simulator.compare import MINUTE
from quickstep_lab.simulator.signals import Source

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Setup

CpuOption = Annotated[float, typer.Option(min=0.25, max=32, help="vCPU of a Fargate task.")]
MemoryOption = Annotated[
    float, typer.Option(min=0.5, max=244, help="GB of memory of a Fargate task.")
]
ArchitectureOption = Annotated[
    Architecture, typer.Option(help="CPU architecture of the tasks; the OS is Linux.")
]
TimesOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=1440,
        help="How many times a day the simulated traffic comes.",
        show_default="once, or as often as it fits",
    ),
]


def times_a_day_of(given: float | None, seconds: int) -> float:
    """Return how many times a day the traffic comes.

    By default that is once, or less often if it lasts longer than a day.

    Raises:
        typer.BadParameter: it does not fit into a day that often.
    """
    most = longest_times(seconds)
    if given is not None and given > most:
        rule = f"must be at most {most:g}: {seconds} s fit into a day that often"
        raise typer.BadParameter(f"{rule}, not {given:g}", param_hint="--times-a-day")
    return min(1.0, most) if given is None else given


def usage_of(setup: Setup, tasks: float) -> Usage:
    """Return the usage of a document's service with this many tasks, with defaults elsewhere."""
    target = setup.target
    looks = any(looks_always(policy) for policy in target.policies)
    return Usage(
        alarms=len(target.policies),
        queues=len(target.queues),
        own_looks=HOURS * 3600 / LONGEST_PAUSE if looks else 0.0,
        tasks=tasks,
        publish_seconds=target.publish_seconds,
        watched=watched_by(setup),
    )


def watched_by(setup: Setup) -> Watched:
    """Return who publishes the metrics that a document watches."""
    if setup.target.queues and not setup.target.policies:
        return Watched.QUEUE
    if any(signal.source is Source.TASKS for signal in setup.signals):
        return Watched.PUBLISHED
    fine = any(signal.period < MINUTE for signal in setup.signals)
    return Watched.OF_ECS if fine else Watched.MINUTE
