"""The inputs of an experiment: documents, thresholds and clocks, read and checked."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quickstep.config import parse_target
from quickstep.engine.model import Direction, MetricScope, ScalableTarget
from quickstep_cli.options import read_file
from quickstep_cli.thresholds import read_thresholds
from quickstep_cli.watched import Given, what_is_watched
from quickstep_lab.simulator.compare import Experiment, tasks_at_start
from quickstep_lab.simulator.signals import REQUESTS
from quickstep_lab.simulator.stage import Setup
from quickstep_lab.thresholds import default_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from quickstep_lab.simulator.stage import Watch
    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic


def read_setup(
    policy: Path,
    thresholds: list[str] | None,
    given: Given | None = None,
    *,
    simulated: bool = True,
) -> Setup:
    """Return what to try. Unless it is to be `simulated`, a document may have any content.

    Raises:
        typer.BadParameter: the document or a threshold breaks a rule, or a policy's signal is
            unknown or cannot be simulated.
    """
    # A dry run is played as if it scaled: the question is what it would do.
    target = replace(read_file(policy, parse_target, "--policy"), dry_run=False)
    return setup_of(target, str(policy), thresholds, given, simulated=simulated)


def setup_of(
    target: ScalableTarget,
    policy: str,
    thresholds: list[str] | None = None,
    given: Given | None = None,
    *,
    simulated: bool = True,
) -> Setup:
    """Return what to try from a document, which errors call `policy`; see `read_setup`.

    Raises:
        typer.BadParameter: a threshold breaks a rule, or a policy's signal is unknown or cannot be
            simulated.
    """
    if target.queues and (simulated or not target.policies):
        return Setup(_worker(policy, target) if simulated else target, {})
    if not any(
        policy.metric_scope is MetricScope.PER_TASK for policy in target.in_direction(Direction.OUT)
    ):
        rule = "must have a scale-out policy with MetricScope PerTask to be simulated"
        raise typer.BadParameter(f"{policy}: {rule}", param_hint="--policy")
    watched, of_alarms = what_is_watched(target, given or Given())
    thresholds_ = _thresholds(target, thresholds or [], watched, of_alarms)
    return Setup(target, thresholds_, watched)


def _worker(policy: str, target: ScalableTarget) -> ScalableTarget:
    """Return a target that works off a queue, if it can be simulated.

    Raises:
        typer.BadParameter: it has other policies, or another queue.
    """
    if target.policies or len(target.queues) > 1:
        names = ", ".join(each.name for each in (*target.queues, *target.policies))
        rule = "must have one queue, or policies with alarms, to be simulated"
        raise typer.BadParameter(f"{policy}: {rule}, not {names}", param_hint="--policy")
    return target


def _thresholds(
    target: ScalableTarget,
    given: list[str],
    watched: Mapping[str, Watch],
    of_alarms: Mapping[str, float],
) -> dict[str, float]:
    """Return each alarm's threshold: the given one, its alarm's own, or the template's."""
    defaults = default_thresholds(target)
    thresholds = read_thresholds(given)
    if unknown := sorted(thresholds.keys() - defaults.keys()):
        rule = f"must name one of the policies {', '.join(defaults)}"
        raise typer.BadParameter(f"{rule}, not {', '.join(unknown)}", param_hint="--threshold")
    known = {**of_alarms, **thresholds}
    for policy in target.step_policies:
        signal = watched[policy.alarm].signal
        if policy.alarm not in known and signal != REQUESTS:
            rule = f"must give the threshold of {policy.alarm}, because it watches {signal.name}"
            raise typer.BadParameter(rule, param_hint="--threshold")
    return {**defaults, **known}


def an_experiment(
    traffic: Traffic, setup: Setup, world: World, tasks: int | None, seeds: int
) -> Experiment:
    """Return the experiment, by default with enough tasks for the traffic's first seconds."""
    return Experiment(traffic, setup, world, tasks or tasks_at_start(traffic, setup), seeds)


def command_line() -> str:
    """Return how this command was called, ready to paste into a shell."""
    return shlex.join(["quickstep", *sys.argv[1:]])


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show progress on stderr if it is a terminal; yields a function to call after each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def unwritable(file: Path | None) -> None:
    """Refuse an unwritable file before the work rather than after it.

    Raises:
        typer.BadParameter: its directory does not exist, or it is a directory.
    """
    if file is None:
        return
    if file.is_dir():
        raise typer.BadParameter(f"{file}: must be a file, not a directory")
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{file}: its directory must exist")
