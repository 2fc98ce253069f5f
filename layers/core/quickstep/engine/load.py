"""Who serves, and the load that they carry: what a metric per task says of a whole target.

A datapoint is an average over the tasks that reported it. Times their number it is the load of the
target, whichever of them serve: those that start or drain have reported 0.

Of a target's tasks, *settled* ones run and were launched more than WarmupSeconds ago; *starting*
ones were launched since, or are late; *missing* ones were launched MISSING_AFTER times as long ago
and do not run; *draining* ones were removed, and may report until their deregistration delay is
over. *Silent* ones are settled and do not report: not every task carries the publisher.
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
"""How far back the load is looked at, to tell a rise from noise."""

MISSING_AFTER = 3
"""A task that has not come after so many times WarmupSeconds is not on its way."""

COUNT_SECONDS = 10
"""Over how long reporters are counted at most: two intervals of the publisher, in any phase."""

TOLERANCE = 0.1
"""More reporters than can be explained, by this part, are late datapoints; more are not ours."""

DILUTING = 0.2
"""Draining tasks that are fewer than this part of the desired ones change little."""

TREND_POINTS = 4
"""Datapoints that show a trend, or the lack of one."""

CERTAIN = 3
"""A slope counts if it is so many standard errors from none."""

DAMPING = 0.5
"""The part of a rise that is expected to go on."""

MOST_GROWTH = 1.0
"""A rise is expected to at most double the load."""

FEWEST_KINKS = 4
"""Second differences below which the noise of a load is not known, and taken for none."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """A target's tasks at this moment, as ECS and the launches remembered have them."""

    settled: int
    missing: int
    draining: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a metric's value stands for: it is that of so many `reporting` tasks.

    `serving` of the tasks carry it. `silent` ones are taken to carry the average. A `doubt` says
    why the reporters were not counted; then they are taken to be those that have settled or drain.
    """

    reporting: float
    serving: float
    silent: int = 0
    doubt: str = ""

    @property
    def factor(self) -> float:
        """By what the value is to be multiplied for that of a task that serves.

        Example: 25 on average over 12 tasks, of which 10 drain: 300 in all, 150 for each of 2.
        """
        return self.reporting / self.serving if self.serving > 0 else 1.0

    @property
    def unseen(self) -> str:
        """Why not every task that serves is seen, so that none may go; empty where all are."""
        if self.silent:
            silent = f"{self.silent} of {self.serving:.3g} serving tasks"
            return f"{silent} {'is' if self.silent == 1 else 'are'} not reporting"
        return self.doubt


def tasks_of(case: Case) -> Tasks:
    """Return who is there.

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
    """Return the tasks that run, and at a moment had been launched for WarmupSeconds."""
    return max(0, min(case.observation.service.running, _old(case, moment)))


def _old(case: Case, moment: datetime) -> int:
    """Return the desired tasks that at a moment had been launched for WarmupSeconds.

    They are as many as there were before any launch since: of those launched some may have been
    removed again, the newest first, or may never have come about, so their sum says less.

    Example: 4 tasks, 10 more, 6 of those removed, 18 more: 4 of 26, and not 26 - 28.
    """
    warmup = timedelta(seconds=case.target.warmup_seconds)
    since = [launch for launch in case.state.launches if launch.at > moment - warmup]
    before = [launch.before for launch in since if launch.before is not None]
    if len(before) < len(since):
        return case.desired - sum(launch.count for launch in since)
    return min([case.desired, *before])


def diluted(case: Case) -> bool:
    """Whether so many tasks may drain that an average over all that report hides the load.

    Example: 10 of 12 were removed just now: what 2 tasks carry shows as a sixth of it.
    """
    return tasks_of(case).draining > DILUTING * case.desired


def _launched(case: Case, seconds: float) -> int:
    """Return the tasks launched in the last seconds: so many may still come."""
    since = case.now - timedelta(seconds=seconds)
    return sum(launch.count for launch in case.state.launches if launch.at > since)


def load_of(case: Case, alarm: Alarm) -> Load:
    """Return what the value of a metric per task stands for.

    Example: 6 desired, 4 of them launched just now, and 4 samples in 10 s, one each 5 s: 2 report
    and serve, so 225 each are 450. Of 12 that report, 10 of them removed since: 2 serve.
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
    """Return the tasks that do not report, and had settled before what is counted began.

    Some tasks may have yet to report the newest interval, so the one before counts, too.

    Example: 12 tasks have settled just now, and 9 report the last two intervals of 5 s: none is
    silent. Of 12 that settled a minute ago, 3 are.
    """
    began = alarm.recent[-2:][0].at if alarm.recent else case.now
    return max(0, round(_settled(case, began) - max(reporting, _at_once(alarm))))


def _of_newest_period(alarm: Alarm, counts: Sequence[float | None]) -> float | None:
    """Return the count at the end of the alarm's newest period: its value is the average of that.

    Example: periods of 10 s and datapoints each 5 s: that of 10:00:05 ends a period, and counts,
    that of 10:00:10 does not.
    """
    ends = [
        count
        for point, count in zip(alarm.recent, counts, strict=True)
        if (point.at.timestamp() + alarm.period) % alarm.alarm_period == 0
    ]
    return (ends or counts or [None])[-1]


def _at_once(alarm: Alarm) -> float:
    """Return how many tasks have reported one and the same second of late; 0 where not known.

    Tasks that join within an interval are fewer on average over it than they are at its end.

    Example: 8, 8, 9, 10 and 12 samples in a second each: 12 tasks, not 9.4.
    """
    last = alarm.seconds[-COUNT_SECONDS:]
    return max((point.samples or 0.0 for point in last), default=0.0)


def reporters(case: Case, alarm: Alarm) -> list[float | None]:
    """Return how many tasks reported each recent datapoint; None where that was not counted.

    Each publishes a sample every PublishSeconds. They are counted over twice as long, so that it
    does not matter in which phase they publish. What is newest may not be seen in full yet, so the
    count before speaks too.

    Example: 8 samples in 10 s, one each 5 s: 4 tasks. 3, 5 and 4 in 5 s each: 4 and 4.5, so 4.5.
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
    """Return the target's load at each recent datapoint: when it began, and the load of all tasks.

    Where its reporters were not counted: the desired tasks, without those launched within
    WarmupSeconds before the middle of it.

    Example: 100 in each of 8 samples, one each 5 s in 10 s: 4 tasks, so 400.
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
    """Where in a sorted series of deviations to look, and how many standard ones that is."""

    share: float
    deviations: float


MEDIAN = Rank(0.5, 0.6745)
UPPER = Rank(0.8, 1.2816)
"""So many of a normal distribution's deviations are smaller than that."""


def noise(values: Sequence[float], rank: Rank = MEDIAN) -> float:
    """Return the standard deviation of what is random in a series of values.

    Second differences of a steady rise are 0, and of pure noise they have sqrt(1 + 4 + 1) times its
    standard deviation. Their median, which for a normal distribution is 0.6745 of that, does not
    see the few at which a surge begins; one further up sees bursts that come again and again.

    Example: 100, 110, 120, 130, 160, 190, 220: all second differences are 0 but one, so 0. Of 100,
    120, 100, 120, 100, 120 all are 40: 40 / 0.6745 / 2.449 is 24.
    """
    kinks = sorted(
        abs(first - 2 * second + third)
        for first, second, third in zip(values, values[1:], values[2:], strict=False)
    )
    if len(kinks) < FEWEST_KINKS:
        return 0.0
    return kinks[int(len(kinks) * rank.share)] / rank.deviations / math.sqrt(6)


def expected_growth(case: Case, alarm: Alarm, load: Load) -> tuple[float, float]:
    """Return by what the load will have grown once a new task serves, as a factor, and its slope.

    The slope, per second, is that of the least-squares line through the newest TREND_POINTS loads.
    It counts if it is a rise of more than CERTAIN standard errors, and if a line fits better than
    a step does: two levels, split where they fit best. It goes on for WarmupSeconds, damped and
    capped, from the newest load on: a rise has taken that beyond the alarm's own value.

    Example: 240, 280, 320 and 360 at 5 s each: 8 a second, so 0.5 * 8 * 45 = 180 more: a factor of
    1.5. Of 200, 200, 400 and 400, two levels say all there is: a factor of 1.
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
    """Return the slope of values that rise as a line; 0 where they do not.

    Example: 200, 240, 280, 320, 360 each 5 s: 8. With 380 instead of 280 the line misses by up to
    80, so that 8 is not three times its standard error: 0.
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
    """Return the slope of the line that fits values best, by least squares."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    return sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread


def scatter(values: Sequence[float]) -> float:
    """Return how far values are from their mean: the sum of the squares."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)
