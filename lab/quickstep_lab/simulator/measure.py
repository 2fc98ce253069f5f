"""What a run came to, in numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_lab.simulator.stage import Run, Setup
    from quickstep_lab.traffic import Traffic

WINDOW = 10
"""Seconds over which load is averaged before it is compared with a threshold: an alarm's period."""

CALM = 60
"""Seconds for which the tasks have to be enough before a surge counts as over."""

REVERSAL_SECONDS = 600
"""Two actions in opposite directions within ten minutes: the first one was for nothing."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One run. Times in seconds, latencies in milliseconds; None where it never happened.

    A surge starts with the first second that is over the scale-out threshold on the desired tasks,
    in 10 s that are so on average. `time_to_trigger_s` is from there to the first UpdateService
    that adds tasks, `time_to_capacity_s` until those that serve are enough for the threshold
    again; both are medians over the surges. `task_seconds` are those of all launched tasks: what
    is paid for.
    """

    time_to_trigger_s: float | None
    time_to_capacity_s: float | None
    requests: float
    failed: float
    success_rate: float
    latency_ms: Mapping[str, float | None]
    task_seconds: float
    peak_tasks: int
    scale_actions: int
    reversals: int


def measure(run: Run, threshold: float) -> Measures:
    """Return what a run came to; `threshold` is in requests per second and task."""
    requests = sum(second.requests for second in run.seconds)
    failed = sum(second.failed for second in run.seconds)
    surges = list(_surges(run, threshold))
    triggers = [trigger for trigger, _ in surges if trigger is not None]
    capacities = [capacity for _, capacity in surges if capacity is not None]
    return Measures(
        time_to_trigger_s=median(triggers) if triggers else None,
        time_to_capacity_s=median(capacities) if capacities else None,
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
    )


def ahead(requests: Sequence[float]) -> list[float]:
    """Return, for each second, the mean requests of the WINDOW that begins with it."""
    total = [0.0, *accumulate(requests)]
    count = len(requests)
    ends = [min(count, second + WINDOW) for second in range(count)]
    return [(total[end] - total[second]) / (end - second) for second, end in enumerate(ends)]


def _surges(run: Run, threshold: float) -> Iterator[tuple[float | None, float | None]]:
    """Yield of each surge when it was answered, and when there were tasks enough for it.

    One that is over before anything was done, as a burst of a few seconds is, has neither.
    """
    load = ahead([second.requests for second in run.seconds])
    outs = [action.at for action in run.actions if action.after > action.before]
    start, calm, peak = None, 0, 0.0
    enough_at: float | None = None
    for second, requests in enumerate(load):
        if start is None:
            limit = threshold * run.desired[second]
            if requests <= limit or run.seconds[second].requests <= limit:
                continue
            start, calm, peak, enough_at = second, 0, 0.0, None
        peak = max(peak, requests)
        limit = threshold * run.seconds[second].serving
        enough = requests <= limit
        # Enough because the load has gone, or is about to, is not enough for it.
        there = requests >= peak * 0.9 and run.seconds[second].requests <= limit
        if enough and there and enough_at is None:
            enough_at = float(second)
        calm = calm + 1 if enough else 0
        if calm >= CALM or second == len(load) - 1:
            trigger = next((at - start for at in outs if start <= at <= second), None)
            answered = trigger is not None and enough_at is not None
            yield trigger, enough_at - start if answered and enough_at is not None else None
            start = None


def needed_task_seconds(traffic: Traffic, setup: Setup) -> float:
    """Return the task-seconds of a scaler that always has just enough tasks for the threshold.

    Example: 250 requests a second for 10 s, a threshold of 100 and at least 2 tasks: 30.
    """
    threshold, target = setup.scale_out_threshold, setup.target
    return float(
        sum(
            min(target.max_capacity, max(target.min_capacity, math.ceil(requests / threshold)))
            for requests in ahead(traffic.requests)
        )
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """A scaler's runs with several seeds: the median of each measure, and its lowest and highest.

    None counts as never, later than any time.
    """

    medians: Measures
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

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
    ranges = {name: _range([row[name] for row in rows]) for name in rows[0]}
    return Summary(Measures(**medians), ranges)


def _never_last(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


def _median(values: Sequence[float | None]) -> float | None:
    """Return the middle one, the lower of two: a value that some run has had."""
    return sorted(values, key=_never_last)[(len(values) - 1) // 2]


def _range(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    ordered = sorted(values, key=_never_last)
    return ordered[0], ordered[-1]
