"""A run's result, in numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quickstep_lab.simulator.stage import Run, Setup
    from quickstep_lab.traffic import Traffic

WINDOW = 10
"""Seconds to average load over before comparing it with a threshold: an alarm's period."""

CALM = 60
"""Seconds for which the tasks must be enough before a surge counts as over."""

REVERSAL_SECONDS = 600
"""Two actions in opposite directions within ten minutes: the first was for nothing."""

GOOD_IF_HIGH = frozenset({"success_rate"})
NEITHER = frozenset({"requests"})
"""Measures that may be high without being bad; requests come from the traffic."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One run. Times in seconds, latencies in milliseconds; None if it never happened.

    A surge starts with the first second over the scale-out threshold on the desired tasks, within
    10 s that are over it on average. `time_to_trigger_s` runs from there to the first UpdateService
    that adds tasks, `time_to_95_percent_s` until 95 % of the tasks that the load needs serve, and
    `time_to_capacity_s` until they are enough for the threshold again: with 117 tasks, the last
    one's start-up decides that. All are medians over the surges. `task_seconds` are those of all
    launched tasks, which are billed. `surge_looks` are those that tasks asked for.
    """

    time_to_trigger_s: float | None
    time_to_95_percent_s: float | None
    time_to_capacity_s: float | None
    requests: float
    failed: float
    success_rate: float
    latency_ms: Mapping[str, float | None]
    task_seconds: float
    peak_tasks: int
    scale_actions: int
    reversals: int
    surge_looks: int = 0


def measure(run: Run, threshold: float) -> Measures:
    """Return a run's measures; `threshold` is in requests per second and task."""
    requests = sum(second.requests for second in run.seconds)
    failed = sum(second.failed for second in run.seconds)
    surges = list(_surges(run, threshold))
    return Measures(
        time_to_trigger_s=median_of_known(surge.trigger for surge in surges),
        time_to_95_percent_s=median_of_known(surge.most for surge in surges),
        time_to_capacity_s=median_of_known(surge.capacity for surge in surges),
        requests=requests,
        failed=failed,
        success_rate=1 - failed / requests if requests else 1.0,
        latency_ms={
            f"p{percent}": None if seconds is None else seconds * 1000
            for percent in (50, 95, 99)
            for seconds in [run.latencies.percentile(percent / 100)]
        },
        task_seconds=float(sum(second.tasks for second in run.seconds)),
        peak_tasks=max((second.tasks for second in run.seconds), default=0),
        scale_actions=len(run.actions),
        reversals=sum(
            (a.after > a.before) != (b.after > b.before) and b.at - a.at <= REVERSAL_SECONDS
            for a, b in pairwise(run.actions)
        ),
        surge_looks=run.surge_looks,
    )


def ahead(requests: Sequence[float]) -> list[float]:
    """Return, for each second, the mean requests of the WINDOW that begins with it."""
    total = [0.0, *accumulate(requests)]
    count = len(requests)
    ends = [min(count, second + WINDOW) for second in range(count)]
    return [(total[end] - total[second]) / (end - second) for second, end in enumerate(ends)]


class _Surge(NamedTuple):
    """Seconds from a surge's start: to the answer, to 95 % of the tasks it needs, to all of them.

    None if that never happened.
    """

    trigger: float | None
    most: float | None
    capacity: float | None


def median_of_known(values: Iterable[float | None]) -> float | None:
    """Return the median of what is not None; None if nothing is."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def most_of(needed: int) -> int:
    """Return 95 % of the needed tasks, rounded up: 114 of 120, and 12 of 12."""
    return -(-needed * 95 // 100)  # in integers: 0.95 * 20 may be a little more than 19


def _surges(run: Run, threshold: float) -> Iterator[_Surge]:
    """Yield for each surge when it was answered, and when tasks were enough for it.

    A surge that ends before any answer, such as a burst of a few seconds, has neither.
    """
    load = ahead([second.requests for second in run.seconds])
    outs = [action.at for action in run.actions if action.after > action.before]
    start, calm, peak = None, 0, 0.0
    most_at: float | None = None
    enough_at: float | None = None
    for second, requests in enumerate(load):
        arriving = run.seconds[second].requests
        if start is None:
            limit = threshold * run.desired[second]
            if requests <= limit or arriving <= limit:
                continue
            start, calm, peak, most_at, enough_at = second, 0, 0.0, None, None
        peak = max(peak, requests)
        serving = run.seconds[second].serving
        enough = requests <= threshold * serving
        # Tasks that are enough only because the load is going away do not count.
        there = requests >= peak * 0.9
        if there and most_at is None:
            needed = math.ceil(max(requests, arriving) / threshold)
            most_at = float(second) if serving >= most_of(needed) else None
        if enough and there and arriving <= threshold * serving and enough_at is None:
            enough_at = float(second)
        calm = calm + 1 if enough else 0
        if calm >= CALM or second == len(load) - 1:
            trigger = next((at - start for at in outs if start <= at <= second), None)
            yield _Surge(trigger, *_since(start, trigger, most_at, enough_at))
            start = None


def _since(start: int, trigger: float | None, *times: float | None) -> Iterator[float | None]:
    """Yield the seconds from a surge's start to each time; None if nobody answered the surge."""
    for time in times:
        yield None if trigger is None or time is None else time - start


def needed_task_seconds(traffic: Traffic, setup: Setup) -> float:
    """Return the task-seconds of a scaler that always has just enough tasks for the threshold.

    Example: 250 requests a second for 10 s, a threshold of 100 and at least 2 tasks: 30.
    """
    threshold, target = setup.load_per_task, setup.target
    return float(
        sum(
            min(target.max_capacity, max(target.min_capacity, math.ceil(requests / threshold)))
            for requests in ahead(traffic.requests)
        )
    )


Ends = tuple[float | None, float | None]
"""The lowest and the highest value over several runs."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A scaler's runs with several seeds: each measure's median and spread.

    `ranges` go from the lowest to the highest value, `quartiles` hold the middle half; a
    percentile's key is like `latency_ms.p99`. None counts as never, later than any time.
    """

    medians: Measures
    ranges: Mapping[str, Ends] = field(default_factory=dict)
    quartiles: Mapping[str, Ends] = field(default_factory=dict)

    @property
    def worst(self) -> dict[str, float | None]:
        """The bad end of each range: the lowest for success, the highest for all else.

        Each measure has its own worst seed.
        """
        return {
            name: low if name in GOOD_IF_HIGH else high
            for name, (low, high) in self.ranges.items()
            if name not in NEITHER
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the medians as JSON-ready data."""
        return asdict(self.medians)


def summarise(measures: Sequence[Measures]) -> Summary:
    """Return the medians and ranges of one scaler's runs."""
    rows = [asdict(measure) for measure in measures]
    latencies = [row.pop("latency_ms") for row in rows]
    medians: dict[str, Any] = {name: _median([row[name] for row in rows]) for name in rows[0]}
    medians["latency_ms"] = {
        name: _median([latency[name] for latency in latencies]) for name in latencies[0]
    }
    for row, latency in zip(rows, latencies, strict=True):
        row.update({f"latency_ms.{name}": value for name, value in latency.items()})
    values = {name: sorted((row[name] for row in rows), key=_never_last) for name in rows[0]}
    return Summary(
        Measures(**medians),
        ranges={name: (ordered[0], ordered[-1]) for name, ordered in values.items()},
        quartiles={name: _quartiles(ordered) for name, ordered in values.items()},
    )


def _never_last(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


def _median(values: Sequence[float | None]) -> float | None:
    """Return the middle value, the lower of two, so that some run has it."""
    return sorted(values, key=_never_last)[(len(values) - 1) // 2]


def _quartiles(ordered: Sequence[float | None]) -> Ends:
    """Return the ends of the middle half, values that some run has."""
    outside = (len(ordered) - 1) // 4
    return ordered[outside], ordered[-1 - outside]
