"""Which tasks serve, and the load they carry: what a per-task metric says about a whole target.

A datapoint is an average over the tasks that reported it. Multiplied by their number, it is the
target's load, whichever of them serve, because starting and draining tasks have reported 0.

Of a target's tasks, *settled* ones run and were launched more than WarmupSeconds ago. *Starting*
ones were launched since, or are late. *Missing* ones were launched MISSING_AFTER times as long ago
and do not run. *Draining* ones were removed, and may report until their deregistration delay ends.
*Silent* ones are settled and do not report, because not every task carries the publisher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from quickstep.engine.model import Alarm, Datapoint
    from quickstep.engine.proposal import Case

HISTORY_SECONDS = 180
"""How far back to look at the load, to distinguish a rise from noise."""

MISSING_AFTER = 3
"""A task that has not come after this many times WarmupSeconds is not on its way."""

COUNT_SECONDS = 10
"""The longest span for counting reporters: two publishing intervals, in any phase."""

TOLERANCE = 0.1
"""The share of excess reporters that late datapoints may explain; any more are not ours."""

DILUTING = 0.2
"""Draining tasks below this share of the desired tasks change little."""

TREND_POINTS = 4
"""How many datapoints show a trend, or the lack of one."""

CERTAIN = 3
"""A slope counts if it is at least this many standard errors from zero."""

DAMPING = 0.5
"""The share of a rise that is expected to continue."""

MOST_GROWTH = 1.0
"""A rise is expected to at most double the load."""

FEWEST_KINKS = 4
"""With fewer second differences than this, a load's noise is unknown, and taken as zero."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """A target's tasks now, according to ECS and the remembered launches."""

    settled: int
    missing: int
    draining: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a metric's value stands for: the average of `reporting` tasks.

    `serving` tasks carry the load; `silent` ones are assumed to carry the average. `doubt` says why
    the reporters were not counted. In that case, settled and draining tasks are assumed to report.
    """

    reporting: float
    serving: float
    silent: int = 0
    doubt: str = ""

    @property
    def factor(self) -> float:
        """The factor from the reported value to a serving task's value.

        Example: 25 on average over 12 tasks, of which 10 drain: 300 in all, 150 for each of 2.
        """
        return self.reporting / self.serving if self.serving > 0 else 1.0

    @property
    def unseen(self) -> str:
        """Why not every serving task is seen, so that none may be removed; empty if all are."""
        if self.silent:
            silent = f"{self.silent} of {self.serving:.3g} serving tasks"
            return f"{silent} {'is' if self.silent == 1 else 'are'} not reporting"
        return self.doubt


def tasks_of(case: Case) -> Tasks:
    """Return the tasks by their state.

    Example: 10 desired and 8 running for two hours: 8 settled, 2 missing. A minute after a launch
    of 2: 8 settled, none missing.
    """
    service = case.observation.service
    late = _launched(case, MISSING_AFTER * case.target.warmup_seconds)
    draining = timedelta(seconds=case.target.deregistration_delay_seconds)
    return Tasks(
        settled=_settled(case, case.now),
        missing=max(0, service.desired - service.running - late),
        draining=sum(r.count for r in case.state.removals if r.at > case.now - draining),
    )


def _settled(case: Case, moment: datetime) -> int:
    """Return the running tasks that had been launched for WarmupSeconds at a moment."""
    return max(0, min(case.observation.service.running, _old(case, moment)))


def _old(case: Case, moment: datetime) -> int:
    """Return the desired tasks that had been launched for WarmupSeconds at a moment.

    This is the lowest count before any launch since then. Summing the launches would be less exact:
    some of the launched tasks may have been removed again, newest first, or may never have come.

    Example: 4 tasks, 10 more, 6 of those removed, 18 more: 4 of 26, and not 26 - 28.
    """
    warmup = timedelta(seconds=case.target.warmup_seconds)
    since = [launch for launch in case.state.launches if launch.at > moment - warmup]
    before = [launch.before for launch in since if launch.before is not None]
    if len(before) < len(since):
        return case.desired - sum(launch.count for launch in since)
    return min([case.desired, *before])


def diluted(case: Case) -> bool:
    """Whether enough tasks may be draining to hide the load in the reporters' average.

    Example: 10 of 12 tasks were removed just now: the load of 2 tasks shows as a sixth of it.
    """
    return tasks_of(case).draining > DILUTING * case.desired


def _launched(case: Case, seconds: float) -> int:
    """Return the tasks launched in the last `seconds`: as many may still come."""
    since = case.now - timedelta(seconds=seconds)
    return sum(launch.count for launch in case.state.launches if launch.at > since)


def load_of(case: Case, alarm: Alarm) -> Load:
    """Return what the value of a per-task metric stands for.

    Example: 6 desired, 4 of them launched just now, and 4 samples in 10 s at one every 5 s: 2 tasks
    report and serve, so 225 each are 450. If 12 report, and 10 of them have been removed: 2 serve.
    """
    service, tasks = case.observation.service, tasks_of(case)
    counts = reporters(case, alarm)
    reporting = _of_newest_period(alarm, counts)
    if reporting is None:
        return Load(tasks.settled, tasks.settled)
    explained = max(service.desired, service.running) + tasks.draining
    if reporting > explained * (1 + TOLERANCE) + 0.5:
        why = f"{reporting:.3g} tasks are reporting, more than the {explained} there can be"
        return Load(tasks.settled + tasks.draining, tasks.settled, doubt=why)
    serving = min(service.desired, max(tasks.settled, reporting - tasks.draining))
    return Load(max(reporting, tasks.settled), serving, _silent(case, alarm, reporting))


def _silent(case: Case, alarm: Alarm, reporting: float) -> int:
    """Return the tasks that do not report, and had settled before the counted span began.

    Some tasks may have yet to report the newest interval, so the interval before counts, too.

    Example: 12 tasks have just settled, and 9 report the last two intervals of 5 s: none is silent.
    If the 12 settled a minute ago, 3 are silent.
    """
    began = alarm.recent[-2:][0].at if alarm.recent else case.now
    return max(0, round(_settled(case, began) - max(reporting, _at_once(alarm))))


def _of_newest_period(alarm: Alarm, counts: Sequence[float | None]) -> float | None:
    """Return the count at the end of the alarm's newest period, whose average is its value.

    Example: with periods of 10 s and datapoints every 5 s, the one of 10:00:05 ends a period and
    counts, and the one of 10:00:10 does not.
    """
    ends = [
        count
        for point, count in zip(alarm.recent, counts, strict=True)
        if (point.at.timestamp() + alarm.period) % alarm.alarm_period == 0
    ]
    return (ends or counts or [None])[-1]


def _at_once(alarm: Alarm) -> float:
    """Return how many tasks have reported in one recent second; 0 if not known.

    If tasks join within an interval, their average over it is lower than their number at its end.

    Example: 8, 8, 9, 10 and 12 samples in one second each: 12 tasks, not 9.4.
    """
    last = alarm.seconds[-COUNT_SECONDS:]
    return max((point.samples or 0.0 for point in last), default=0.0)


def reporters(case: Case, alarm: Alarm) -> list[float | None]:
    """Return how many tasks reported each recent datapoint; None if they were not counted.

    Each task publishes a sample every PublishSeconds. Counting over twice as long makes its phase
    irrelevant. The newest datapoint may still be incomplete, so the count before matters, too.

    Example: 8 samples in 10 s, one every 5 s: 4 tasks. 3, 5 and 4 in 5 s each: 4 and 4.5, so 4.5.
    """
    window = max(1, min(COUNT_SECONDS, 2 * case.target.publish_seconds) // alarm.period)
    share = case.target.publish_seconds / alarm.period
    samples = [point.samples for point in alarm.recent]
    counts = [_mean(samples[max(0, end - window) : end]) for end in range(1, len(samples) + 1)]
    seen = [
        [c for c in counts[max(0, index - 1) : index + 1] if c is not None]
        for index in range(len(counts))
    ]
    return [share * max(around) if around else None for around in seen]


def _mean(samples: Sequence[float | None]) -> float | None:
    known = [sample for sample in samples if sample is not None]
    return sum(known) / len(known) if known and samples[-1] is not None else None


def loads(case: Case, alarm: Alarm, load: Load) -> tuple[tuple[datetime, float], ...]:
    """Return the target's load at each recent datapoint: its start, and the load of all tasks.

    If the reporters were not counted, this assumes the desired tasks without those launched in the
    WarmupSeconds before the datapoint's middle.

    Example: 100 in each of 8 samples, one every 5 s in 10 s: 4 tasks, so 400.
    """
    counts = reporters(case, alarm)
    if load.doubt:
        counts = [None] * len(counts)
    return tuple(
        (point.at, point.value * (_derived(case, alarm, point) if count is None else count))
        for point, count in zip(alarm.recent, counts, strict=True)
    )


def _derived(case: Case, alarm: Alarm, point: Datapoint) -> int:
    return max(1, _old(case, point.at + timedelta(seconds=alarm.period / 2)))


class Rank(NamedTuple):
    """A rank in a sorted series of deviations, and how many standard deviations it stands for."""

    share: float
    deviations: float


MEDIAN = Rank(0.5, 0.6745)
UPPER = Rank(0.8, 1.2816)
"""The share of a normal distribution's deviations below that many standard deviations."""


def noise(values: Sequence[float], rank: Rank = MEDIAN) -> float:
    """Return the standard deviation of the random part of a series of values.

    Second differences of a steady rise are 0; those of pure noise have sqrt(1 + 4 + 1) times its
    standard deviation. Their median, 0.6745 of that for a normal distribution, ignores the few
    values at which a surge begins. A higher rank notices bursts that keep coming back.

    Example: 100, 110, 120, 130, 160, 190, 220: all second differences but one are 0, so the noise
    is 0. For 100, 120, 100, 120, 100, 120, all are 40: 40 / 0.6745 / 2.449 is 24.
    """
    kinks = sorted(
        abs(first - 2 * second + third)
        for first, second, third in zip(values, values[1:], values[2:], strict=False)
    )
    if len(kinks) < FEWEST_KINKS:
        return 0.0
    return kinks[int(len(kinks) * rank.share)] / rank.deviations / math.sqrt(6)


def expected_growth(case: Case, alarm: Alarm, load: Load) -> tuple[float, float]:
    """Return the expected growth of the load until a new task serves, as a factor, and its slope.

    The slope, per second, is that of the least-squares line through the newest TREND_POINTS loads.
    It counts if it rises by more than CERTAIN standard errors, and if a line fits better than a
    step (two levels, split where they fit best). It goes on for WarmupSeconds, damped and capped,
    from the newest load, which is beyond the alarm's own value.

    Example: 240, 280, 320 and 360 at 5 s each: 8 a second, so 0.5 * 8 * 45 = 180 more: a factor of
    1.5. For 200, 200, 400 and 400, two levels explain everything: a factor of 1.
    """
    every = loads(case, alarm, load)[-TREND_POINTS:]
    longest = timedelta(seconds=alarm.period * TREND_POINTS)
    if len(every) < TREND_POINTS or every[-1][0] - every[0][0] > longest or every[-1][1] <= 0:
        return 1.0, 0.0
    times = [(at - every[0][0]).total_seconds() for at, _ in every]
    slope = ramp(times, [value for _, value in every])
    seen = alarm.datapoints[-1] * load.serving if alarm.datapoints else 0.0
    if slope <= 0 or seen <= 0:
        return 1.0, slope
    expected = every[-1][1] + DAMPING * slope * case.target.warmup_seconds
    return 1 + min(MOST_GROWTH, max(0.0, expected / seen - 1)), slope


def ramp(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of values that rise as a line; 0 if they do not.

    Example: 200, 240, 280, 320 and 360 every 5 s: 8. With 380 instead of 280, the line misses by up
    to 80, so 8 is less than three times its standard error: 0.
    """
    count = len(values)
    middle, mean = sum(times) / count, sum(values) / count
    spread = sum((time - middle) ** 2 for time in times)
    slope = slope_of(times, values)
    missed = sum((v - mean - slope * (t - middle)) ** 2 for t, v in zip(times, values, strict=True))
    error = math.sqrt(missed / (count - 2) / spread)
    stepped = min(scatter(values[:at]) + scatter(values[at:]) for at in range(1, count))
    return slope if slope > CERTAIN * error and missed < stepped else 0.0


def slope_of(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of the least-squares line through values."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    return sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread


def scatter(values: Sequence[float]) -> float:
    """Return how far values are from their mean: the sum of squares."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)
