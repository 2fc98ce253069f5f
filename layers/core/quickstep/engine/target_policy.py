"""What a target policy asks for: the tasks that carry the load at its target value each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep.engine.cooldown import scale_in_cooldown, scale_out_cooldown
from quickstep.engine.load import (
    DAMPING,
    MOST_GROWTH,
    UPPER,
    load_of,
    loads,
    noise,
    ramp,
    scatter,
    slope_of,
    tasks_of,
)
from quickstep.engine.model import AlarmState, Direction, Guard, MetricScope
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Need, kept
from quickstep.engine.proposal import RECHECK_SECONDS, Proposal, corrected
from quickstep.engine.words import beside, clock, limit, number, tasks, unit_of, unit_of_load
from quickstep.engine.words import needs as in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from quickstep.engine.load import Load
    from quickstep.engine.model import Alarm, Datapoint, TargetPolicy
    from quickstep.engine.proposal import Case

STEADY_SECONDS = 60
"""The mean need over this many seconds is answered, however small the excess."""

STEADY_TOLERANCE = 0.02
"""The share to ignore even then: the error of the mean."""

MOST_RATIO = 2.0
"""A capped signal at most doubles the tasks: it cannot show by how much the load is too high."""

LONGEST_PAUSE = 120
"""The longest time between two looks at the load, in seconds: the metric is read as far back."""

JUMP = 1.2
"""A load this many times the previous one has jumped, or rises steeply."""

AT_ONCE = 5
"""Seconds until the next interval shows a whole jump."""

RISES = 5
"""How many differences between intervals show whether a load rises as a line."""

CLEAR = 9.0
"""A rise over RISES intervals counts if it is this many standard deviations of the load's noise."""

SURE = 2.0
"""A load exceeds what the tasks carry if by this many standard deviations of its noise."""

SETTLED = 1.3
"""While the reporting tasks grow by more than this factor, the sum of their loads is rough."""

ALIKE = 1.1
"""While the number of tasks changes by less than this factor, all carry about the same."""

DAMPING_OF_SECONDS = 0.45
"""The share of a rise in whole seconds that is expected to continue: a little less, as the rise is
trusted after 15 s, not after 30. With 0.5, a ramp of 60 s to 12 tasks peaked at 14 tasks."""

TREND_SECONDS = 15
"""Whole seconds that show whether a load rises as a line."""

FEWEST_SECONDS = 2
"""Seconds that are enough to size for after a jump: a single one may be anything."""

CLEAR_JUMP = 4.0
"""A load has jumped within seconds if by this many standard deviations of their means."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The load of all tasks, by the end of each interval, oldest first.

    `counts` are how many tasks reported each interval; if they were not counted, it is empty, and
    the load is that of the tasks `serving`. `seconds` are the newest whole seconds, likewise, if
    each task publishes every second; an interval has `period` of them.
    """

    loads: tuple[tuple[datetime, float], ...]
    serving: float
    counts: tuple[float, ...] = ()
    seconds: tuple[tuple[datetime, float], ...] = ()
    period: int = 5

    @property
    def newest(self) -> float:
        """The load of the newest interval, or of its seconds since a jump.

        While the load is `rough`, the median of the last three intervals.
        """
        if self.jumped:
            return sum(self.jumped) / len(self.jumped)
        last = [load for _, load in self.loads[-3:]]
        return sorted(last)[1] if self.rough and len(last) > 2 else last[-1]  # noqa: PLR2004

    @property
    def rough(self) -> bool:
        """Whether many tasks have just begun to report, so that the sum of their loads is rough.

        While more and more tasks share the load, one task's mean over some seconds covers another
        share of it than the next task's. Whole seconds cover the same share in all tasks.
        """
        counts = () if self.seconds else self.counts[-RISES - 1 :]
        return bool(counts) and max(counts) > SETTLED * min(counts)

    @property
    def jumped(self) -> tuple[float, ...]:
        """The seconds since a jump in the newest interval; empty without a jump, or just after it.

        The seconds of the last two intervals are split where the two parts scatter least.

        Example: 120, 120, 120, 120, 120, 120, 120, 500, 500 and 500: the last three.
        """
        last = [load for _, load in self.seconds[-2 * self.period :]]
        if len(last) < 2 * self.period:
            return ()
        at = min(range(1, len(last)), key=lambda at: scatter(last[:at]) + scatter(last[at:]))
        before, after = last[:at], last[at:]
        low, high = sum(before) / len(before), sum(after) / len(after)
        error = self.noise * math.sqrt(self.period * (1 / len(before) + 1 / len(after)))
        clear = high > JUMP * low and high - low > CLEAR_JUMP * error
        return tuple(after) if clear and FEWEST_SECONDS <= len(after) < self.period else ()

    @property
    def jumps(self) -> bool:
        """Whether a jump may have begun in the newest interval, so that the next one shows more."""
        last = [load for _, load in self.loads[-2:]]
        return len(last) > 1 and last[1] > JUMP * last[0]

    @property
    def noise(self) -> float:
        """The standard deviation of the random part of an interval's load."""
        return noise([load for _, load in self.loads], UPPER)

    @property
    def error(self) -> float:
        """The standard deviation of the random part of the newest load.

        Example: 30 in intervals of 5 s; for the 2 s since a jump, sqrt(5 / 2) times that: 47.
        """
        return self.noise * math.sqrt(self.period / len(self.jumped or range(self.period)))

    @property
    def steady(self) -> float | None:
        """The mean load of the last STEADY_SECONDS; None if the history is shorter."""
        since = self.loads[-1][0] - timedelta(seconds=STEADY_SECONDS)
        if self.loads[0][0] > since:
            return None
        values = [load for at, load in self.loads if at > since]
        return sum(values) / len(values)


def demand(case: Case, policy: TargetPolicy, alarm: Alarm) -> Demand | None:
    """Return the load that a policy should size for; None if its alarm shows none.

    Example: 100 on average in 20 samples, one every 5 s in 5 s: 2,000 in all.
    """
    if not alarm.recent and not alarm.datapoints:
        return None
    period = timedelta(seconds=alarm.period)
    if policy.metric_scope is MetricScope.TOTAL:
        values = tuple((point.at + period, point.value) for point in alarm.recent)
        return Demand(values or ((case.now, alarm.datapoints[-1]),), 0.0)
    load = load_of(case, alarm)
    known = [point for point in alarm.recent if point.samples is not None]
    if not known or known[-1] is not alarm.recent[-1] or load.doubt:
        values = tuple((at + period, value) for at, value in loads(case, alarm, load))
        newest = ((case.now, alarm.datapoints[-1] * load.reporting),) if not values else ()
        return Demand(values or newest, load.serving)
    return _counted(case, alarm, known, load)


def _counted(case: Case, alarm: Alarm, known: Sequence[Datapoint], load: Load) -> Demand:
    """Return the load of intervals whose samples are `known`.

    Only some tasks may have reported the newest interval. The others are assumed to be like them,
    unless the reporting tasks alone could carry all of the previous load.
    """
    share, period = case.target.publish_seconds / alarm.period, timedelta(seconds=alarm.period)
    counts = [share * (point.samples or 0.0) for point in known]
    sums = [point.value * count for point, count in zip(known, counts, strict=True)]
    newest, seen, all_of_it = known[-1], sums[-1], True
    everybody = _all_reporters(case, counts)
    if everybody > counts[-1]:
        counts[-1], sums[-1] = everybody, newest.value * everybody
        all_of_it = seen > ALIKE * sums[-2] or _carry_alike(case, counts)
        sums[-1] = sums[-1] if all_of_it else sums[-2]
    # Tasks that serve without reporting are assumed to carry the average.
    unseen = load.reporting / max(1.0, load.reporting - load.silent) if load.silent else 1.0
    kept = -max(TREND_SECONDS, 2 * alarm.period)
    return Demand(
        tuple((p.at + period, value * unseen) for p, value in zip(known, sums, strict=True)),
        load.serving,
        tuple(counts),
        tuple(
            (second.at, each * unseen)
            for second, each in _by_the_second(alarm, newest.at, everybody)
            if all_of_it or second.at < newest.at
        )[kept:],
        alarm.period,
    )


def _all_reporters(case: Case, counts: Sequence[float]) -> float:
    """Return how many tasks report the newest interval; some may have yet to report.

    This assumes as many as in the previous interval, but no more than there can be.

    Example: 12, 12 and 9 of 12 tasks: 12; with 9 left, after 3 were removed and drained: 9.
    """
    service, before = case.observation.service, counts[-2] if len(counts) > 1 else 0.0
    there = max(service.desired, service.running) + tasks_of(case).draining
    return max(counts[-1], min(before, there))


def _carry_alike(case: Case, counts: Sequence[float]) -> bool:
    """Whether tasks that have yet to report carry what the others do.

    They do not while tasks start or drain, because those report 0. If the tasks seen could account
    for the whole load, it is then no sign of a change.

    Example: 10 tasks at 120 and 2 that only listen report 100 on average. In the next interval, the
    10 report first, with 120. That is 1,200 as before, and not 12 times 120.
    """
    last = counts[-RISES - 1 :]
    return max(last) <= ALIKE * min(last) and not tasks_of(case).draining


def _by_the_second(
    alarm: Alarm, newest: datetime, everybody: float
) -> Iterator[tuple[Datapoint, float]]:
    """Yield each second and its load; in the newest interval, for all tasks reporting by now."""
    for second in alarm.seconds:
        samples = second.samples or 0.0
        yield second, second.value * (max(samples, everybody) if second.at >= newest else samples)


def tasks_for(load: float, target: float) -> int:
    """Return how many tasks carry a load. Example: 2,385 at 100 each need 24."""
    return math.ceil(load / target - 1e-9)


def needed(case: Case, policy: TargetPolicy, alarm: Alarm) -> list[Need]:
    """Return how many tasks were needed, by the end of each interval, oldest first."""
    seen = demand(case, policy, alarm)
    if seen is None:
        return []
    return [Need(at, tasks_for(load, policy.target_value)) for at, load in seen.loads]


def needs(case: Case, policy: TargetPolicy, alarm: Alarm) -> int:
    """Return how many tasks the load needs now; 0 if it is not known."""
    seen = demand(case, policy, alarm)
    return tasks_for(seen.newest, policy.target_value) if seen else 0


def ask(case: Case, policy: TargetPolicy, alarm: Alarm, direction: Direction) -> Proposal | None:
    """Return the capacity that the load needs, or how many idle tasks to keep.

    None if a direction asks for nothing: out, if there are more tasks than the load needs, or
    enough and no alarm fires.
    """
    seen = demand(case, policy, alarm)
    if seen is None:
        return None
    if direction is Direction.OUT:
        return _more(case, policy, alarm, seen)
    return _fewer(case, policy, alarm, seen)


def _more(case: Case, policy: TargetPolicy, alarm: Alarm, seen: Demand) -> Proposal | None:
    base = max(case.desired, case.bounds.minimum)
    sized = tasks_for(seen.newest, policy.target_value)
    why = f"{policy.name}: {_sum(policy, alarm, seen.newest, sized, seen)}"
    proposal = Proposal(case.desired, base, base, why)
    if _is_capped(policy, alarm):
        proposal = _by_ratio(case, policy, seen, proposal)
    else:
        proposal = _by_load(case, policy, alarm, seen, proposal)
    if proposal.capacity <= case.desired:
        asked = alarm.state is AlarmState.ALARM and sized >= case.desired
        return _enough(case, policy, proposal, seen) if asked else None
    proposal = replace(proposal, wanted=proposal.capacity)
    proposal = proposal.checked_again_in(AT_ONCE if seen.jumps else RECHECK_SECONDS)
    return _in_cooldown(case, policy, largest_step(case, proposal))


def _by_load(
    case: Case, policy: TargetPolicy, alarm: Alarm, seen: Demand, proposal: Proposal
) -> Proposal:
    """Size for the newest load, grown by its trend, or for what the last minute needed.

    Example: 10 tasks and a target of 100: a load of 1,090 is within a tenth of what they carry, and
    1,110 needs 12. A mean of 1,090 over the last minute needs 11.
    """
    base, why, carried = proposal.base, proposal.why, policy.target_value * case.desired
    sized, unit = tasks_for(seen.newest, policy.target_value), unit_of_load(alarm.metric)
    expected, slope = _expected(case, seen)
    above = expected > (1 + policy.tolerance) * carried and expected - SURE * seen.error > carried
    answered = sized if above else min(sized, case.desired)
    proposal = corrected(case, proposal).after("target", max(base, answered), why)
    if above and (wanted := tasks_for(expected, policy.target_value)) > proposal.capacity:
        soon = f"in {case.target.warmup_seconds} s, expect {number(expected)}{unit}"
        why = f"the load is rising by {number(slope)} a second; {soon}"
        proposal = proposal.after("rising trend", wanted, why)
    mean = seen.steady
    if mean is None:
        return proposal
    steady = tasks_for(mean / (1 + STEADY_TOLERANCE), policy.target_value)
    if steady <= proposal.capacity:
        return proposal
    return proposal.after(
        "last minute",
        steady,
        f"the last minute's mean of {number(mean)}{unit} needs {tasks(steady)}",
    )


def _expected(case: Case, seen: Demand) -> tuple[float, float]:
    """Return the load expected when a new task serves, and its rise per second.

    The rise is assumed to continue for WarmupSeconds, damped and capped.

    Example: 20 a second from 1,100, of which half is expected to continue for 45 s: 1,550.
    """
    if Guard.RISING_TREND not in case.target.guards or seen.rough:
        return seen.newest, 0.0
    slope = _slope_of_seconds(seen) if seen.seconds else _slope_of_intervals(seen)
    if slope <= 0:
        return seen.newest, 0.0
    damping = DAMPING_OF_SECONDS if seen.seconds else DAMPING
    more = damping * slope * case.target.warmup_seconds
    return seen.newest + min(MOST_GROWTH * seen.newest, more), slope


def _slope_of_seconds(seen: Demand) -> float:
    """Return the load's rise per second over the newest TREND_SECONDS; 0 if it is not a line.

    Whole seconds distinguish a line from a jump: see `ramp`. The rise must stand out from the
    load's noise.
    """
    last = seen.seconds[-TREND_SECONDS:]
    if len(last) < TREND_SECONDS or seen.jumped:
        return 0.0
    times = [(at - last[0][0]).total_seconds() for at, _ in last]
    loads = [load for _, load in last]
    slope = min(ramp(times, loads), slope_of(times[-seen.period :], loads[-seen.period :]))
    return slope if slope * times[-1] >= CLEAR * seen.noise else 0.0


def _slope_of_intervals(seen: Demand) -> float:
    """Return the load's rise per second over the newest RISES intervals; 0 if it is not a line.

    The second lowest of their differences counts: a jump shows in two of them, because each sample
    is a mean over seconds, and a line shows in all. The rise must stand out from the load's noise.

    Example: 700, 800, 900, 1,000 and 1,100 at 5 s each: 20 a second. For 100, 100, 100, 650 and
    1,200, the second lowest difference is 0.
    """
    every = seen.loads[-RISES - 1 :]
    if len(every) <= RISES:
        return 0.0
    rises = sorted(
        (b - a) / (end - start).total_seconds() for (start, a), (end, b) in pairwise(every)
    )
    slope, span = rises[1], (every[-1][0] - every[0][0]).total_seconds()
    return slope if slope * span >= CLEAR * seen.noise else 0.0


def _by_ratio(case: Case, policy: TargetPolicy, seen: Demand, proposal: Proposal) -> Proposal:
    """Grow the serving tasks by the ratio, at most to twice as many, and then wait for them.

    Example: 4 tasks at 90 % and a target of 60: 6. At 100 % and a target of 30: 8, not 14.
    """
    serving = max(1.0, seen.serving)
    ratio = seen.newest / serving / policy.target_value
    if ratio <= 1 + policy.tolerance:
        return proposal
    coming = case.desired - tasks_of(case).missing
    if seen.serving < coming - 0.5:
        return proposal.after("target", case.desired, proposal.why)
    wanted = math.ceil(serving * min(MOST_RATIO, ratio) - 1e-9)
    why = proposal.why
    if ratio > MOST_RATIO:
        why = f"one decision adds no more tasks than the {serving:.3g} that are serving"
    return corrected(case, proposal).after("target", max(proposal.base, wanted), why)


def _is_capped(policy: TargetPolicy, alarm: Alarm) -> bool:
    """Whether a task's value cannot show by how much the load is too high."""
    return alarm.capped and policy.metric_scope is MetricScope.PER_TASK


def _enough(case: Case, policy: TargetPolicy, proposal: Proposal, seen: Demand) -> Proposal:
    """Hold, because the alarm fires although enough tasks are desired."""
    missing = tasks_of(case).missing
    why = proposal.why
    if missing:
        problem = case.observation.service.trouble
        why = f"{missing} of {case.desired} are missing ({why})"
        why = f"{why}. ECS says: {problem}" if problem else why
        return proposal.hold("target", case.desired, Outcome.HELD_NO_CAPACITY, why)
    if 0 < seen.serving < case.desired - 0.5:
        late = max(1, round(case.desired - seen.serving))
        why = f"{late} {'has' if late == 1 else 'have'} yet to serve ({why})"
        return proposal.hold("target", case.desired, Outcome.HELD_CAPACITY_ON_ITS_WAY, why)
    carried = policy.target_value * case.desired
    if carried < seen.newest <= (1 + policy.tolerance) * carried:
        why = f"{why}, within {policy.tolerance:.0%} of what {tasks(case.desired)} should carry"
    elif carried < seen.newest:
        why = f"{why}, within noise of what {tasks(case.desired)} should carry"
    return proposal.hold("target", case.desired, Outcome.HELD_NOT_BREACHING, why)


def _in_cooldown(case: Case, policy: TargetPolicy, proposal: Proposal) -> Proposal:
    until = scale_out_cooldown(policy, case.state, case.now)
    if until is None or case.desired < case.bounds.minimum:
        return proposal
    why = f"in cooldown, no scale-out until {clock(until)}"
    held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why)
    return held.checked_again_in(min(RECHECK_SECONDS, case.seconds_until(until)))


def largest_step(case: Case, proposal: Proposal) -> Proposal:
    """Limit every step to MaxAdjustmentMagnitude, or to as many tasks as there are."""
    most = max(case.target.max_adjustment_magnitude, proposal.base)
    capacity = min(proposal.capacity, proposal.base + most)
    if capacity == proposal.capacity:
        return proposal
    cap = f"one decision adds at most {tasks(most)}"
    return proposal.after("largest step", capacity, cap)


def _fewer(case: Case, policy: TargetPolicy, alarm: Alarm, seen: Demand) -> Proposal:
    patience = case.state.patience.get(policy.name)
    # A maximum waits until the load leaves its tasks idle, unless it is forced.
    base = min(case.desired, case.bounds.maximum) if case.bounds.forced else case.desired
    sized = tasks_for(seen.newest, policy.target_value)
    why = f"{policy.name}: {_sum(policy, alarm, seen.newest, sized, seen)}"
    proposal = Proposal(base, base, base, why).after("target", min(base, sized), why)
    if patience is None:
        return proposal.hold(
            "patience", case.desired, Outcome.HELD_NO_DATA, "there is no history yet"
        )
    keep = kept(patience, policy.scale_in_window, policy.kept_share, case.now)
    soon = max(RECHECK_SECONDS, min(LONGEST_PAUSE, case.seconds_until(keep.until)))
    if alarm.state is AlarmState.ALARM:  # the alarm reports no further rise
        soon = RECHECK_SECONDS
    if (capacity := min(base, keep.tasks)) > proposal.capacity:
        why_kept = f"kept at {capacity}: {keep.why}"
        proposal = proposal.after("patience", capacity, why_kept, keep.why)
    proposal = beside_missing(case, proposal, base)
    capacity = proposal.capacity
    if capacity >= case.desired:
        idle = sized < case.desired
        outcome = Outcome.HELD_COOLDOWN if idle else Outcome.HELD_NOT_BREACHING
        held = keep.why if idle else why
        proposal = replace(proposal, capacity=case.desired, held=outcome, why=held)
        return proposal.checked_again_in(soon)
    return _waits(case, policy, alarm, proposal.checked_again_in(soon))


def beside_missing(case: Case, proposal: Proposal, base: int) -> Proposal:
    """Leave room for missing tasks: nobody knows whether ECS would stop those.

    Example: 12 desired, 6 of them missing, and a load for 2: 8, so that 2 of the 6 that serve stay.
    """
    missing = tasks_of(case).missing
    capacity = min(base, proposal.capacity + missing)
    if capacity == proposal.capacity:
        return proposal
    why = f"{missing} of {case.desired} are missing, and ECS may stop others instead"
    return proposal.after("missing tasks", capacity, why)


def _waits(case: Case, policy: TargetPolicy, alarm: Alarm, proposal: Proposal) -> Proposal:
    """Hold during a scale-in cooldown, and while some serving tasks are unseen."""
    if policy.metric_scope is MetricScope.PER_TASK and (unseen := load_of(case, alarm).unseen):
        why = f"{unseen}, so none is removed"
        return proposal.hold("reporting", case.desired, Outcome.HELD_NO_DATA, why)
    until = scale_in_cooldown(policy, case.target, case.state, case.now)
    if until is None:
        return proposal
    why = f"in cooldown, no scale-in until {clock(until)}"
    held = proposal.hold("cooldown", case.desired, Outcome.HELD_COOLDOWN, why)
    return held.checked_again_in(max(RECHECK_SECONDS, case.seconds_until(until)))


def _sum(policy: TargetPolicy, alarm: Alarm, load: float, sized: int, seen: Demand) -> str:
    """Return the sum in words. Example: `2,385 requests/s need 24 tasks at 100 each`.

    For a capped signal: `4 tasks at 90% need 6 at 60%`.
    """
    each = limit(policy.target_value)
    if _is_capped(policy, alarm):
        value, unit = seen.newest / max(1.0, seen.serving), unit_of(alarm.metric)
        serving = tasks(f"{seen.serving:.3g}") if seen.serving != 1 else tasks(1)
        needs = "needs" if seen.serving == 1 else "need"
        at = f"{beside(value, policy.target_value)}{unit}"
        return f"{serving} at {at} {needs} {sized} at {each}{unit}"
    by_task = policy.metric_scope is MetricScope.PER_TASK
    counted = "" if seen.counts or not by_task else f", assuming {seen.serving:.3g} are serving"
    return f"{in_words(load, alarm.metric)} {tasks(sized)} at {each} each{counted}"
