"""What a run came to, in numbers."""

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
"""Seconds over which load is averaged before it is compared with a threshold: an alarm's period."""

CALM = 60
"""Seconds for which the tasks have to be enough before a surge counts as over."""

REVERSAL_SECONDS = 600
"""Two actions in opposite directions within ten minutes: the first one was for nothing."""

GOOD_IF_HIGH = frozenset({"success_rate"})
NEITHER = frozenset({"requests"})
"""Measures that are not bad if they are high; requests are the traffic's own."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One run. Times in seconds, latencies in milliseconds; None where it never happened.

    A surge starts with the first second that is over the scale-out threshold on the desired tasks,
    in 10 s that are so on average. `time_to_trigger_s` is from there to the first UpdateService
    that adds tasks, `time_to_95_percent_s` until 95 % of the tasks that the load needs serve, and
    `time_to_capacity_s` until they are enough for the threshold again: of 117 tasks the last one's
    start-up decides that. All are medians over the surges. `task_seconds` are those of all launched
    tasks: what is paid for. `surge_looks` are those that tasks have asked for.
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
    """Return what a run came to; `threshold` is in requests per second and task."""
    requests = sum(second.requests for second in run.seconds)
    failed = sum(second.failed for second in run.seconds)
    surges = list(_surges(run, threshold))
    return Measures(
        time_to_trigger_s=_median_of_known(surge.trigger for surge in surges),
        time_to_95_percent_s=_median_of_known(surge.most for surge in surges),
        time_to_capacity_s=_median_of_known(surge.capacity for surge in surges),
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

    None where that never happened.
    """

    trigger: float | None
    most: float | None
    capacity: float | None


def _median_of_known(times: Iterable[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return median(known) if known else None


def most_of(needed: int) -> int:
    """Return 95 % of the tasks that are needed, rounded up: 114 of 120, and 12 of 12."""
    return -(-needed * 95 // 100)  # in integers: 0.95 * 20 may be a little more than 19


def _surges(run: Run, threshold: float) -> Iterator[_Surge]:
    """Yield of each surge when it was answered, and when there were tasks enough for it.

    One that is over before anything was done, as a burst of a few seconds is, has neither.
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
        # Enough because the load has gone, or is about to, is not enough for it.
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
"""The lower and the upper end of what runs have come to."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A scaler's runs with several seeds: the median of each measure, and how far they lie apart.

    `ranges` are from the lowest to the highest, `quartiles` hold the middle half; a percentile goes
    by `latency_ms.p99`. None counts as never, later than any time.
    """

    medians: Measures
    ranges: Mapping[str, Ends] = field(default_factory=dict)
    quartiles: Mapping[str, Ends] = field(default_factory=dict)

    @property
    def worst(self) -> dict[str, float | None]:
        """The bad end of each range: of success the lowest, of all else the highest.

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
    """Return the medians of runs of one scaler, and their ranges."""
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
    """Return the middle one, the lower of two: a value that some run has had."""
    return sorted(values, key=_never_last)[(len(values) - 1) // 2]


def _quartiles(ordered: Sequence[float | None]) -> Ends:
    """Return the ends of the middle half: values that some run has had."""
    outside = (len(ordered) - 1) // 4
    return ordered[outside], ordered[-1 - outside]
