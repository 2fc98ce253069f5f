"""Thousands of targets that surge in the same ten seconds, against an account's limits.

python -m benchmarks scale
"""

from __future__ import annotations

import gc
import math
import re
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from quickstep_lab.surge.account import Surge
from quickstep_publisher import Clock, CloudWatchTransport, Publisher
from quickstep_publisher._points import INTERVAL, SPREAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


@dataclass(frozen=True)
class Publishing:
    """How many tasks may publish by PutMetricData."""

    calls_of_a_point: int

    def within(self, seconds: float) -> int:
        """Return the most tasks of an account and Region that can publish in so many seconds.

        Example: one call each, 500 a second: 500 tasks within 1 s, 2,500 within 5 s.
        """
        return int(PUT_METRIC_DATA * seconds / self.calls_of_a_point)


def measure(targets: int, seed: int = 0) -> Scale:
    """Run a surge; per target where no total is said. To be called in a process of its own."""
    gc.disable()  # the run's objects live to its end: looking through them finds nothing
    before = _peak_kib()
    result = Surge(targets, seed=seed).run()
    peak = _peak_kib()
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


def _peak_kib() -> int:
    """Return the most memory that this program has had; `ru_maxrss` counts its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


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
    return Publishing(math.ceil(client.calls / intervals))


class _Counting:
    """A client of CloudWatch that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def put_metric_data(self, **_: Any) -> None:
        self.calls += 1


def figures(sizes: Sequence[int] = SIZES) -> Iterator[Figure]:
    """Yield what became of surges of several sizes, and how many tasks may publish."""
    for targets in sizes:
        scale = measure_apart(targets)
        name = f"{targets:,} targets"
        yield Figure(f"{name}: unanswered", Quantity(scale.unanswered), goal=Goal(at_most=0))
        yield Figure(
            f"{name}: answered twice", Quantity(scale.answered_twice), goal=Goal(at_most=0)
        )
        allowed = Beside("UpdateService allows", Quantity(scale.ideal, "s"))
        took = Quantity(scale.took, "s")
        yield Figure(f"{name}: all answered after", took, allowed, Goal(at_most=MOST_OVER_IDEAL))
        least = Beside("least overloaded", Quantity(scale.wait_of_the_least_overloaded, "s"))
        most = Quantity(scale.wait_of_the_most_overloaded, "s")
        what = f"{name}: median wait of the most overloaded quarter"
        yield Figure(what, most, least, Goal(at_most=1))
        peak = Quantity(scale.describe_alarms_peak, "a second")
        what = f"{name}: DescribeAlarms, most"
        yield Figure(what, peak, goal=Goal(at_most=DESCRIBE_ALARMS))
        for what, number, unit in (
            ("evaluations", scale.evaluations, ""),
            ("UpdateService", scale.update_calls, "calls"),
            ("DescribeServices", scale.describe_calls, "calls"),
            ("reads and writes of the line", scale.line_calls, "calls"),
            ("CPU of evaluations", scale.cpu_of_evaluations * 1000, "ms"),
            ("CPU of a heartbeat's look", scale.cpu_of_looks * 1000, "ms"),
            ("peak of memory", scale.memory_kib, "KiB"),
        ):
            yield Figure(f"{name}: {what}, per target", Quantity(number, unit))
    publishing = measure_publishing()
    yield Figure(
        "tasks that PutMetricData's quota allows, all in the same second",
        Quantity(publishing.within(SPREAD), "tasks"),
    )
    yield Figure(
        "the same, spread over the whole interval; from here on EMF",
        Quantity(publishing.within(INTERVAL), "tasks"),
    )


BENCHMARK = Benchmark(
    "scale",
    "At scale, modelled",
    "Targets whose alarms all fire in the same ten seconds, at 1.1 to 6 times their threshold: the"
    " real door and cycle, in virtual time, on ports in memory that throttle as AWS's published"
    " limits do ([`surge`](../lab/quickstep_lab/surge)). Each size runs in a process of its own."
    " The bucket of UpdateService is a burst of 50 and then 5 a second. How many tasks may"
    f" publish is computed from PutMetricData's {PUT_METRIC_DATA} calls a second and the calls that"
    " the real publisher makes: by default all tasks publish in the last second of their interval,"
    " and `Publisher(phase=...)` spreads them.",
    figures,
)
