"""Thousands of targets that surge in the same ten seconds: `python -m benchmarks.scale`.

The real intake and cycle answer, in virtual time, on ports in memory that throttle as AWS's
published limits do (`lab/surge`). Each size runs in a process of its own. What is modelled is AWS;
what is measured is what the scaler calls, when each target is answered, and what that takes of this
machine's processor and memory. How many tasks may publish is computed from the limit of
PutMetricData and the calls that the real publisher makes.
"""

from __future__ import annotations

import argparse
import gc
import math
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lab.surge.account import Surge
from quickstep_publisher import CloudWatchTransport, Publisher
from quickstep_publisher._points import INTERVAL
from quickstep_publisher.publisher import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZES = (1_000, 10_000)
PUT_METRIC_DATA = 500
"""Calls a second in an account and Region (*cloudwatch_limits*, CloudWatch User Guide)."""

DESCRIBE_ALARMS = 9
"""The same."""

MOST_OVER_IDEAL = 1.1


@dataclass(frozen=True)
class Scale:
    """What became of a surge; times in seconds of its virtual clock, CPU of this machine's."""

    targets: int
    unanswered: int
    answered_twice: int
    took: float
    ideal: float
    wait_of_the_most_overloaded: float
    wait_of_the_least_overloaded: float
    evaluations: float
    update_calls: float
    describe_calls: float
    line_calls: float
    describe_alarms_peak: int
    cpu_of_evaluations: float
    cpu_of_looks: float
    looks: float
    memory_kib: float

    @property
    def ratio(self) -> float:
        """How much longer it took than the bucket of UpdateService allows."""
        return self.took / self.ideal

    @property
    def kept(self) -> bool:
        """Whether each was answered once, in time, and within the heartbeat's limit."""
        once = self.unanswered == self.answered_twice == 0
        calls = self.describe_alarms_peak <= DESCRIBE_ALARMS
        return once and calls and self.ratio <= MOST_OVER_IDEAL


@dataclass(frozen=True)
class Publishing:
    """How many tasks may publish by PutMetricData."""

    calls_of_a_point: int
    interval: float

    @property
    def most_tasks(self) -> int:
        """The most tasks of an account and Region whose calls are within the limit.

        Example: one call each 5 s, 500 a second: 2,500 tasks.
        """
        return int(PUT_METRIC_DATA * self.interval / self.calls_of_a_point)


def measure(targets: int, seed: int = 0) -> Scale:
    """Run a surge; per target where no total is said. To be called in a process of its own."""
    gc.disable()  # the run's objects live to its end: looking through them finds nothing
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = Surge(targets, seed=seed).run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attempts = result.meter.attempts
    most, least = result.quarters()
    return Scale(
        targets=targets,
        unanswered=len(result.unanswered),
        answered_twice=sum(len(fleet.changed) > 1 for fleet in result.fleets),
        took=result.took(),
        ideal=result.ideal,
        wait_of_the_most_overloaded=most,
        wait_of_the_least_overloaded=least,
        evaluations=len(result.records) / targets,
        update_calls=attempts["UpdateService"] / targets,
        describe_calls=attempts["DescribeServices"] / targets,
        line_calls=sum(n for name, n in attempts.items() if name.endswith("line")) / targets,
        describe_alarms_peak=result.meter.peak["DescribeAlarms"],
        cpu_of_evaluations=result.cpu["evaluations"] / targets,
        cpu_of_looks=result.cpu["looks"] / targets / result.heartbeats,
        looks=result.heartbeats,
        memory_kib=(peak - before) / targets,
    )


def measure_apart(targets: int, seed: int = 0) -> Scale:
    """Run a surge in a process of its own, so that its peak of memory is its own, too."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, targets, seed).result()


def measure_publishing(intervals: int = 12) -> Publishing:
    """Count the calls that the real publisher makes in so many of its intervals, one task's."""
    client, seconds = _Counting(), 0.0
    start = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
    clock = Clock(lambda: start + timedelta(seconds=seconds), lambda: seconds, lambda: seconds)
    with tempfile.TemporaryDirectory() as directory:
        publisher = Publisher(
            cluster="prod",
            service="web",
            transport=CloudWatchTransport(client),
            directory=directory,
            thread=False,
            phase=0,
            clock=clock,
        )
        for _ in range(intervals):
            publisher.observe(0.01)
            seconds += INTERVAL
            publisher.publish()
        publisher.close()
    return Publishing(math.ceil(client.calls / intervals), INTERVAL)


class _Counting:
    """A client of CloudWatch that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def put_metric_data(self, **_: Any) -> None:
        self.calls += 1


ROWS: tuple[tuple[str, Callable[[Scale], str]], ...] = (
    ("unanswered; answered twice", lambda s: f"{s.unanswered}; {s.answered_twice}"),
    ("all are answered after, s", lambda s: f"{s.took:,.1f}"),
    ("what UpdateService allows, s", lambda s: f"{s.ideal:,.1f}"),
    ("ratio, at most 1.1", lambda s: f"{s.ratio:.3f}"),
    ("wait, most overloaded quarter, s", lambda s: f"{s.wait_of_the_most_overloaded:,.1f}"),
    (
        "median wait, least overloaded quarter, s",
        lambda s: f"{s.wait_of_the_least_overloaded:,.1f}",
    ),
    ("evaluations per target", lambda s: f"{s.evaluations:.2f}"),
    ("UpdateService per target", lambda s: f"{s.update_calls:.2f}"),
    ("DescribeServices per target", lambda s: f"{s.describe_calls:.2f}"),
    ("calls of the line per target", lambda s: f"{s.line_calls:.2f}"),
    ("DescribeAlarms in a second, at most 9", lambda s: f"{s.describe_alarms_peak}"),
    ("heartbeats", lambda s: f"{s.looks:,.0f}"),
    ("CPU of evaluations per target, ms", lambda s: f"{s.cpu_of_evaluations * 1000:.2f}"),
    ("CPU of looks per target and heartbeat, ms", lambda s: f"{s.cpu_of_looks * 1000:.3f}"),
    ("peak of memory per target, KiB", lambda s: f"{s.memory_kib:.1f}"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--targets", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if min(options.targets) < 1:
        parser.error(f"argument --targets: must be at least 1, not {min(options.targets)}")
    found = [measure_apart(targets, options.seed) for targets in options.targets]
    table = Table("targets", *(f"{scale.targets:,}" for scale in found))
    for name, text in ROWS:
        table.add_row(name, *(text(scale) for scale in found))
    publishing = measure_publishing()
    console = Console(width=100)
    console.print(table)
    console.print(
        f"PutMetricData: {PUT_METRIC_DATA} calls a second are {publishing.most_tasks:,} tasks, "
        f"each with {publishing.calls_of_a_point} every {publishing.interval:g} s. "
        "More publish by EMF."
    )
    return 0 if all(scale.kept for scale in found) else 1


if __name__ == "__main__":
    sys.exit(main())
