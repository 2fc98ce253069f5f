"""The load of a whole target, as the datapoints of a metric per task show it.

A datapoint is an average over the tasks that reported it. Times their number it is the load of the
target, whichever of them serve already: those that do not have reported 0.
"""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from quickstep.engine.model import Alarm
    from quickstep.engine.proposal import Case

HISTORY_SECONDS = 180
"""How far back the load is looked at, to tell a rise from noise."""

RISES = 2
"""Intervals in a row over which the load must have risen to be called rising."""

DAMPING = 0.6
"""The part of a rise that is expected to go on."""

MOST_GROWTH = 1.0
"""A rise is expected to at most double the load."""

RISE_MARGIN = 2
"""A rise counts by as much as it is above this many standard deviations of the load's noise."""

FEWEST_KINKS = 4
"""Second differences below which the noise of a load is not known, and taken for none."""


def _warming_by_ecs_or_launches(case: Case) -> int:
    """Return how many of the desired tasks do not serve yet, as far as that is known without them.

    ECS's own count misses tasks that run but are not healthy behind the load balancer; the launches
    within WarmupSeconds miss those that take longer. The larger of the two counts.
    """
    service = case.observation.service
    starting = max(service.desired - service.running, _launched_and_not_serving(case, case.now))
    return min(service.desired, starting)


def reporting(case: Case, alarm: Alarm) -> float:
    """Return how many of the desired tasks have reported the newest datapoint.

    Each publishes a sample every PublishSeconds. The newest period may not be seen in full yet, so
    the one before speaks too. Never fewer than the tasks that are not warming, nor more than are
    desired: a metric that is published in another way is thereby no worse than no count.

    Example: 8 samples in 10 s, one each 5 s: 4 tasks. Of 6 desired, all 4 launched just now: 4.
    """
    least = case.desired - _warming_by_ecs_or_launches(case)
    counts = [point.samples for point in alarm.recent[-2:] if point.samples is not None]
    counted = max(counts, default=0.0) * case.target.publish_seconds / alarm.period
    return min(case.desired, max(least, counted))


def loads(case: Case, alarm: Alarm) -> tuple[tuple[datetime, float], ...]:
    """Return the target's load in each recent period: when it began, and the load of all tasks.

    Example: 100 in each of 8 samples, one each 5 s in 10 s: 4 tasks, so 400.
    """
    return tuple(
        (point.at, point.value * tasks)
        for point, tasks in zip(alarm.recent, _reporters_of_each(case, alarm), strict=True)
    )


def _reporters_of_each(case: Case, alarm: Alarm) -> Iterator[float]:
    """Yield how many tasks reported each recent datapoint.

    Where they were not counted: the desired ones, without those launched within WarmupSeconds
    before the middle of the period.
    """
    half = timedelta(seconds=alarm.period / 2)
    before: float = 0
    for point in alarm.recent:
        if point.samples is None:
            yield max(1, case.desired - _launched_and_not_serving(case, point.at + half))
        else:
            # As above: a period that is not seen in full yet has too few of them.
            yield max(point.samples, before) * case.target.publish_seconds / alarm.period
        before = point.samples or 0


def _launched_and_not_serving(case: Case, moment: datetime) -> int:
    """Return the launches that did not serve yet at `moment`, be they before or after it."""
    since = moment - timedelta(seconds=case.target.warmup_seconds)
    return sum(launch.count for launch in case.state.launches if launch.at > since)


def noise(values: Sequence[float]) -> float:
    """Return the standard deviation of what is random in a series of values.

    Second differences of a steady rise are 0, and of pure noise they have sqrt(1 + 4 + 1) times its
    standard deviation. Their median, which for a normal distribution is 0.6745 of that, does not
    see the few at which a surge begins.

    Example: 100, 110, 120, 130, 160, 190, 220: all second differences are 0 but one, so 0. Of 100,
    120, 100, 120, 100, 120 all are 40: 40 / 0.6745 / 2.449 is 24.
    """
    kinks = sorted(
        abs(first - 2 * second + third)
        for first, second, third in zip(values, values[1:], values[2:], strict=False)
    )
    if len(kinks) < FEWEST_KINKS:
        return 0.0
    return kinks[len(kinks) // 2] / 0.6745 / math.sqrt(6)


def expected_growth(case: Case, alarm: Alarm) -> tuple[float, float]:
    """Return by what the load will have grown once a new task serves, as a factor, and its slope.

    The slope, per second, is the smallest of the last RISES intervals, less what may be noise; 0
    unless the load rose in all of them by more than that. It goes on for WarmupSeconds, damped and
    capped.

    Example: 200, 260 and 340 at 10 s each, without noise: 6 a second, so 0.6 * 6 * 45 = 162 more: a
    factor of 1.48. With a noise of 20: 6 - 2 * 20 / 10 = 2 a second, and a factor of 1.16.
    """
    every = loads(case, alarm)
    newest = every[-RISES - 1 :]
    longest = timedelta(seconds=alarm.period * (RISES + 1))
    if len(newest) <= RISES or newest[-1][0] - newest[0][0] > longest or newest[-1][1] <= 0:
        return 1.0, 0.0
    slope = min((b - a) / (later - at).total_seconds() for (at, a), (later, b) in pairwise(newest))
    slope = max(0.0, slope - RISE_MARGIN * noise([load for _, load in every]) / alarm.period)
    growth = DAMPING * slope * case.target.warmup_seconds / newest[-1][1]
    return 1 + min(MOST_GROWTH, growth), slope
