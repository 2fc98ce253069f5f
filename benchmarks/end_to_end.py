"""From the first overloaded second to UpdateService: how long it takes, and where the time goes.

python -m benchmarks end-to-end

Each trial draws its own phases: the surge's within CloudWatch's 10 s, each task's publishing clock,
the alarm's evaluation, and the modelled delays. The cycle and its engine are real, and the
handler's time is measured.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING

from benchmarks import crowds, surges
from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from benchmarks.story import THRESHOLD, an_event, begin
from benchmarks.trials import BEFORE, SEED, TRIALS, Case, Draw, Trial, draw, trials
from quickstep.engine.outcome import Outcome
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import SURGES as SURGE_QUEUE
from quickstep_lab.embedded_aws import create_queue, embedded_aws
from quickstep_lab.scaler import embedded_scaler
from quickstep_lab.simulator.world import Spread, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.surges import SurgeParts

RUNS = 20
"""How many times the function is measured, on the embedded AWS."""
SURGES = (2.0, 3.0, 10.0)
"""The surges' multiples of the load before them."""

MEDIAN_GOAL = Goal(at_most=15)
P99_GOAL = Goal(at_most=25)
PUBLISHED = (("20-s", 86.0), ("60-s", 363.0))
"""Seconds to the trigger that AWS published in June 2026, by its target tracking's metrics."""

_WORLD, _LATE = World(), Spread(5, 8)
VARIANTS = {
    "published each 2 s": Case(interval=2),
    "published each 1 s": Case(interval=1),
    "published anywhere in the 5 s": Case(spread=5.0),
    "readable after 5 s": Case(world=replace(_WORLD, visibility=_LATE)),
    "readable after 5 s, published anywhere in the 5 s": Case(
        spread=5.0, world=replace(_WORLD, visibility=_LATE)
    ),
    "evaluated 2 s after each period's end": Case(evaluation=2.0),
    "evaluated 9 s after each period's end": Case(evaluation=9.0),
    "readable at once": Case(world=replace(_WORLD, visibility=Spread(0, 0))),
    "no hop from alarm to function": Case(world=replace(_WORLD, event=Spread(0, 0))),
    "never a cold start": Case(world=replace(_WORLD, cold_share=0.0)),
    "always a cold start": Case(world=replace(_WORLD, cold_share=1.0)),
}
"""What one thing more, or less, would change; in words, and as a case."""

WORDS = {
    "publish": "publish: until the sample that shows it is sent",
    "period": "period: until its period has ended",
    "visibility": "visibility: until it can be read",
    "evaluation": "evaluation: until the alarm is evaluated",
    "event": "event: until the function is started",
    "function": "Lambda: until the function has decided",
    "ecs": "ECS: until UpdateService is accepted",
}
"""The labels of the parts' rows."""


HOP = _WORLD.hop
"""Seconds from a task's message to the function's start."""

SURGE_MEDIAN = Goal(at_most=6)
SURGE_P99 = Goal(at_most=10)


def surge_of(case: Case, drawn: Draw, hop: float = HOP) -> SurgeParts | None:
    """Return where a trial's seconds go if tasks report the surge; None if they do not."""
    return surges.play(
        surges.Surge(
            begins=BEFORE + drawn.surge,
            factor=case.factor,
            at_rest=case.at_rest,
            phases=drawn.publishing,
            interval=case.interval,
            visibility=case.world.visibility,
            hop=hop,
            cold=drawn.cold,
            decision=drawn.function + drawn.ecs,
            seed=drawn.seed,
        )
    )


def surge_trials(
    case: Case, function_seconds: Sequence[float], alarms: Sequence[Trial], hop: float = HOP
) -> tuple[list[float], list[SurgeParts]]:
    """Return each trial's seconds with surge messages, and the parts of those that one answered.

    If no message answers a trial, or the alarm is first, the alarm's time counts: `alarms` are the
    same trials.
    """
    totals, parts = [], []
    for number, alarm in enumerate(alarms):
        random = Random(f"{SEED} {number}")  # noqa: S311 - repeatable, not secret
        by_surge = surge_of(case, draw(case, random, function_seconds), hop)
        totals.append(min(alarm.total, sum(by_surge)) if by_surge else alarm.total)
        if by_surge and sum(by_surge) <= alarm.total:
            parts.append(by_surge)
    return totals, parts


def surge_figures(
    found: dict[float, list[Trial]], function_seconds: Sequence[float]
) -> Iterator[Figure]:
    """Yield the distributions with surge messages, their parts, and the clocks' effects."""
    for factor, alarms in found.items():
        case, name = Case(factor=factor), f"x{factor:g}, surge"
        totals, parts = surge_trials(case, function_seconds, alarms)
        by_surge = factor > surges.LEVEL * THRESHOLD / case.at_rest
        for words, percent, goal in (("median", 50, SURGE_MEDIAN), ("p99", 99, SURGE_P99)):
            by_alarm = Beside("by the alarm alone", _s(_percentile(alarms, percent)))
            seconds = _s(_of(totals, percent))
            yield Figure(f"{name}: {words}", seconds, goal=goal if by_surge else None)
            yield Figure(f"{name}: {words}", seconds, by_alarm)
        share = Quantity(100 * len(parts) / len(totals), "%")
        yield Figure(f"{name}: answered before the alarm", share)
        whole = Beside("of", _s(fmean(totals)))
        for part, words in surges.WORDS.items() if parts else ():
            spent = _s(fmean(getattr(each, part) for each in parts))
            yield Figure(f"{name}, {words}: mean", spent, whole)
    base = Case()
    for visible in (0.5, 1.5, 3.0, 5.0):
        world = replace(base.world, visibility=Spread(visible, visible))
        yield from _sensitive(replace(base, world=world), f"readable after {visible:g} s", found)
    for hop in (0.05, 0.2, 1.0):
        yield from _sensitive(base, f"SQS to Lambda {hop:g} s", found, hop)


def _sensitive(
    case: Case, words: str, found: dict[float, list[Trial]], hop: float = HOP
) -> Iterator[Figure]:
    """Yield the time of a surge with a clock of another length; the alarm's stays the same."""
    totals, _ = surge_trials(case, [FUNCTION], found[case.factor], hop)
    for name, percent in (("median", 50), ("p99", 99)):
        yield Figure(f"x{case.factor:g}, surge, {words}: {name}", _s(_of(totals, percent)))


FUNCTION = 0.05
"""The handler's seconds while the clocks are varied: one look of many."""


def measure_function(runs: int = RUNS) -> list[float]:
    """Return the real, warm handler's seconds from an event until ECS has accepted.

    AWS is embedded: no network, and no distance. The first run, which connects, is left out.

    Raises:
        RuntimeError: it did not scale out.
    """
    taken: list[float] = []
    with embedded_aws() as account:
        create_queue(account)
        create_queue(account, SURGE_QUEUE)
        scaler = embedded_scaler(account, Clock(), io.StringIO())
        for _ in range(runs + 1):
            begin(account)
            (record,) = scaler.on_event(an_event(datetime.now(UTC)))
            if record["outcome"] != Outcome.SCALED_OUT:
                raise RuntimeError(f"the function did not scale out: {record['reason']}")
            taken.append(record["alarm_to_update_ms"] / 1000)
    return taken[1:]


def figures() -> Iterator[Figure]:
    """Yield each surge's distribution, the parts of one, and the effect of changes."""
    function_seconds = measure_function()
    found = {factor: trials(Case(factor=factor), function_seconds) for factor in SURGES}
    for factor, some in found.items():
        name, middle = f"x{factor:g}", _s(_percentile(some, 50))
        yield Figure(f"{name}: median", middle, goal=MEDIAN_GOAL)
        yield Figure(f"{name}: p90", _s(_percentile(some, 90)))
        yield Figure(f"{name}: p99", _s(_percentile(some, 99)), goal=P99_GOAL)
        for resolution, seconds in PUBLISHED:
            other = f"AWS's target tracking of {resolution} metrics, published"
            yield Figure(f"{name}: median", middle, Beside(other, _s(seconds)))
    yield from surge_figures(found, function_seconds)
    yield from crowds.figures()
    milliseconds = Quantity(median(function_seconds) * 1000, "ms")
    yield Figure("the handler on the embedded AWS: median", milliseconds)
    base = found[Case().factor]
    whole = Beside("of", _s(fmean(trial.total for trial in base)))
    for part, words in WORDS.items():
        spent = [getattr(trial.parts, part) for trial in base]
        yield Figure(f"x{Case().factor:g}, {words}: mean", _s(fmean(spent)), whole)
        yield Figure(f"x{Case().factor:g}, {words}: median", _s(median(spent)))
    for words, case in VARIANTS.items():
        changed = trials(case, function_seconds)
        for name, percent in (("median", 50), ("p99", 99)):
            as_it_is = Beside("as it is", _s(_percentile(base, percent)))
            what = f"x{case.factor:g}, {words}: {name}"
            yield Figure(what, _s(_percentile(changed, percent)), as_it_is)
    for words, case in VARIANTS.items():
        if case.interval != Case().interval:
            as_it_is = Beside("as it is", _calls(Case()))
            yield Figure(f"{words}: PutMetricData of a task", _calls(case), as_it_is)


def _percentile(found: Sequence[Trial], percent: int) -> float:
    return _of([trial.total for trial in found], percent)


def _of(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100, method="inclusive")[percent - 1]


def _s(seconds: float) -> Quantity:
    return Quantity(seconds, "s")


def _calls(case: Case) -> Quantity:
    return Quantity(3600 / case.interval, "an hour")


ABOUT = f"""\
{TRIALS:,} trials of a surge that begins at any moment: the load of two tasks rises from
{Case().at_rest:g} requests/s each to 2, 3 or 10 times that, and stays there. The alarm is the
template's: Average, period 10, 1 of 1, threshold {THRESHOLD:g}. The policy is
[`web.json`](../examples/policies/web.json). Time runs from the first overloaded moment until ECS
accepts `UpdateService`.

The cycle and its engine are the real code, on the laboratory's implementation of the documented
rules of alarms. Tests hold the tasks' sends and timestamps to the publisher's. This run measures
the warm handler {RUNS} times on the embedded AWS, from an event until ECS accepts the change; one
row has the median. The rest is modelled, since AWS publishes none of it: how soon a sample can be
read, the phase in which an alarm is evaluated, the event's delivery, cold starts, and calls over a
network, which the part ECS adds to the measured time. The numbers are those of
[`world.py`](../lab/quickstep_lab/simulator/world.py). The 86 s and 363 s come from AWS's own
benchmark of target tracking (June 2026), which has another workload.

An average over 10 s breaches once the load has been high for long enough: for two thirds of the
period at twice the load, for less than a tenth at ten times. So a small surge takes longer.

In the rows with *surge*, the same tasks publish whole seconds and report surges: a task that has
received one and a half times its target of {THRESHOLD:g}, and at least three standard deviations
more, for two whole seconds publishes and sends its message at any moment of the next second. SQS to
Lambda is modelled with {HOP:g} s. A surge that no task feels, such as twice the load, is left to
the alarm. The looks are the real door's, one each second until the seconds can be read. Parts with
*surge* are means over the surges that were answered that way; the others are the alarm's.

To show what a further second would cost, some rows change one thing each. Publishing more often
costs calls. A direct alarm action saves at most what the row without a hop shows, and provisioned
concurrency what the row without cold starts shows. CloudWatch has no period below 10 s, and the
phase of an alarm's evaluation cannot be chosen: two rows show what it is worth. A p99 of {TRIALS:,}
trials rests on ten of them, so it is accurate to a few tenths of a second."""

BENCHMARK = Benchmark("end-to-end", "End to end, modelled", ABOUT, figures)
