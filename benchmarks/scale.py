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
from benchmarks.throttled.account import Surge
from benchmarks.throttled.limits import published
from quickstep.protocol.quotas import (
    DESCRIBE_ALARMS,
    GET_PARAMETERS,
    PARTITION_READS,
    PARTITION_WRITES,
    PUT_METRIC_DATA,
)
from quickstep_publisher import Clock, CloudWatchTransport, Publisher
from quickstep_publisher._points import INTERVAL, SPREAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZES = (1_000, 10_000)
QUIET_SIZES = (1_000, 2_500)
HOUR = 3_600.0

WARMTH = 3
"""How much more than a new table the table can take: 12,000 units of writes a second.

Example: 10,000 evaluations in ten seconds write 8 units each: 8,000 a second; a new table takes
4,000.
"""

MOST_OVER_IDEAL = 1.1
OF_THE_LINE = (PARTITION_READS, PARTITION_WRITES)


@dataclass(frozen=True)
class Scale:
    """The result of a surge; times in seconds of its virtual clock, CPU of this machine."""

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
    parameter_calls: float
    parameters_throttled: int
    cpu_of_evaluations: float
    cpu_of_looks: float
    looks: float
    memory_kib: float


@dataclass(frozen=True)
class Quiet:
    """The result of an hour without events."""

    targets: int
    throttled_decisions: int
    throttled_calls: int
    parameters_peak: int
    describe_alarms_peak: int


@dataclass(frozen=True)
class Publishing:
    """How many tasks may publish with PutMetricData."""

    calls_of_a_point: int

    def within(self, seconds: float) -> int:
        """Return the most tasks in an account and Region that can publish within these seconds.

        Example: one call each, 500 a second: 500 tasks within 1 s, 2,500 within 5 s.
        """
        return int(PUT_METRIC_DATA.a_second * seconds / self.calls_of_a_point)


def measure(targets: int, warmth: int = WARMTH) -> Scale:
    """Run a surge; figures are per target unless called a total. Call it in its own process."""
    gc.disable()  # the run's objects live to its end, so collecting finds nothing
    before = _peak_kib()
    result = Surge(targets, limits=published(warmth=warmth)).run()
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
        line_calls=sum(attempts[quota.calls] for quota in OF_THE_LINE) / targets,
        describe_alarms_peak=result.meter.peak["DescribeAlarms"],
        parameter_calls=attempts["GetParameters"] / targets / result.heartbeats,
        parameters_throttled=result.meter.throttled["GetParameters"],
        cpu_of_evaluations=result.cpu["evaluations"] / targets,
        cpu_of_looks=result.cpu["looks"] / targets / result.heartbeats,
        looks=result.heartbeats,
        memory_kib=(peak - before) / targets,
    )


def measure_quiet(targets: int, seconds: float = HOUR) -> Quiet:
    """Let this many targets be quiet for an hour of virtual time."""
    result = Surge(targets, fires=False).run(seconds)
    return Quiet(
        targets=targets,
        throttled_decisions=result.throttled,
        throttled_calls=result.meter.throttled.total(),
        parameters_peak=result.meter.peak["GetParameters"],
        describe_alarms_peak=result.meter.peak["DescribeAlarms"],
    )


def _peak_kib() -> int:
    """Return this program's peak memory; `ru_maxrss` would include its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def measure_apart(targets: int, warmth: int = WARMTH) -> Scale:
    """Run a surge in its own process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, targets, warmth).result()


def measure_publishing(intervals: int = 12) -> Publishing:
    """Count one task's calls over this many intervals of the real publisher."""
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
    """A CloudWatch client that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def put_metric_data(self, **_: Any) -> None:
        self.calls += 1


def quiet_figures(sizes: Sequence[int] = QUIET_SIZES, seconds: float = HOUR) -> Iterator[Figure]:
    """Yield the results of quiet targets."""
    for targets in sizes:
        quiet = measure_quiet(targets, seconds)
        name = f"{targets:,} quiet targets, an hour"
        for what, number, most in (
            ("throttled decisions", quiet.throttled_decisions, 0),
            ("throttled calls", quiet.throttled_calls, 0),
            ("GetParameters, most in a second", quiet.parameters_peak, GET_PARAMETERS.a_second),
            ("DescribeAlarms, the same", quiet.describe_alarms_peak, DESCRIBE_ALARMS.a_second),
        ):
            yield Figure(f"{name}: {what}", Quantity(number), goal=Goal(at_most=most))


def figures(sizes: Sequence[int] = SIZES) -> Iterator[Figure]:
    """Yield the results of surges of several sizes, and how many tasks may publish."""
    yield from quiet_figures()
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
        yield Figure(what, peak, goal=Goal(at_most=DESCRIBE_ALARMS.a_second))
        throttled = Quantity(scale.parameters_throttled, "calls")
        yield Figure(f"{name}: GetParameters, throttled", throttled, goal=Goal(at_most=0))
        for what, number, unit in (
            ("evaluations", scale.evaluations, ""),
            ("UpdateService", scale.update_calls, "calls"),
            ("DescribeServices", scale.describe_calls, "calls"),
            ("GetParameters in a heartbeat", scale.parameter_calls, "calls"),
            ("reads and writes of the line", scale.line_calls, "calls"),
            ("CPU of evaluations", scale.cpu_of_evaluations * 1000, "ms"),
            ("CPU of a heartbeat's look", scale.cpu_of_looks * 1000, "ms"),
            ("peak of memory", scale.memory_kib, "KiB"),
        ):
            yield Figure(f"{name}: {what}, per target", Quantity(number, unit))
    new = measure_apart(max(sizes), warmth=1)
    name = f"{new.targets:,} targets, a table as it was made"
    yield Figure(f"{name}: unanswered", Quantity(new.unanswered), goal=Goal(at_most=0))
    allowed = Beside("UpdateService allows", Quantity(new.ideal, "s"))
    yield Figure(f"{name}: all answered after", Quantity(new.took, "s"), allowed)
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
    "Targets whose alarms all fire within the same ten seconds, at 1.1 to 6 times their"
    " threshold. The real door and cycle run in virtual time, on ports in memory that throttle as"
    " AWS's published limits do ([`throttled`](../benchmarks/throttled)), and each size in its own"
    " process. No function remembers a policy document when it is invoked, and the table takes"
    f" {WARMTH} times as many writes as a new one. UpdateService allows a burst of 50 and then 5 a"
    f" second. PutMetricData's {PUT_METRIC_DATA.a_second} calls a second, divided by the calls"
    " that the real publisher makes, give the number of tasks that may publish: by default all"
    " tasks publish in the last second of their interval, and `Publisher(phase=...)` spreads"
    " them.",
    figures,
)
