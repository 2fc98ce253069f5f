"""Search for the policy that fits recorded traffic, and test it on a part held out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

from quickstep_lab.simulator.compare import shared_by, tasks_at_start
from quickstep_lab.simulator.measure import ahead, measure, median_of_known
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import Setup, play
from quickstep_lab.simulator.tuning_space import (
    Choice,
    changed,
    drawn,
    forms_for,
    policy_of,
    setup_of,
    usual,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from quickstep_lab.simulator.stage import Run
    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic

HELD_OUT_SEED = 1000
"""The held-out part is played with other seeds than the search."""

NEIGHBOURS = 0.5
"""The share of candidates that vary the best so far instead of being random."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a candidate does over all runs: the reasons for its score.

    Surges are those of the given policy, for all candidates alike. Times are in seconds, medians
    of the runs, None if no run has one; `added` is the average number of tasks that a scale-out
    adds; `idle_task_hours` count tasks that served while that policy's threshold needed fewer.
    """

    time_to_trigger_s: float | None
    time_to_capacity_s: float | None
    added: float
    idle_task_hours: float


@dataclass(frozen=True, slots=True)
class Score:
    """A candidate's result on one part of the traffic.

    `success_rate` is that of its worst seed on the worst traffic; `task_hours` are the seeds' mean
    over all traffic.
    """

    success_rate: float
    task_hours: float
    behaviour: Behaviour | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy document with its thresholds, and its results; `held_out` only if requested."""

    document: Mapping[str, Any]
    thresholds: Mapping[str, float]
    tuned: Score
    held_out: Score | None = None

    def same_as(self, other: Candidate) -> bool:
        """Return whether it is the same policy with the same thresholds."""
        return (self.document, self.thresholds) == (other.document, other.thresholds)

    def as_dict(self) -> dict[str, Any]:
        """Return the candidate as JSON-ready data."""
        scores = {"tuned": self.tuned, "held_out": self.held_out}
        return {
            "document": self.document,
            "thresholds": dict(self.thresholds),
            **{
                part: score and {"success_rate": score.success_rate, "task_hours": score.task_hours}
                for part, score in scores.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of a search.

    `front` are the Pareto-optimal candidates by success and cost, cheapest first; `chosen` is the
    cheapest that reached the floor, or the most successful if none did.
    """

    baseline: Candidate
    front: tuple[Candidate, ...]
    chosen: Candidate
    tried: tuple[Candidate, ...]
    floor: float

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The candidates worth showing: the front, and the given one."""
        others = [] if any(map(self.baseline.same_as, self.front)) else [self.baseline]
        return (*self.front, *others)

    @property
    def reached(self) -> bool:
        """Whether the chosen candidate reached the floor on the traffic it was chosen on."""
        return self.chosen.tuned.success_rate >= self.floor

    @property
    def holds(self) -> bool:
        """Whether it also reached the floor on traffic that the search has not seen."""
        held_out = self.chosen.held_out
        return held_out is not None and held_out.success_rate >= self.floor


@dataclass(frozen=True, slots=True)
class Search:
    """The input of a search.

    `document` must be tunable (`check_tunable`); its other keys are kept. `tuned` and `held_out`
    are the two parts of each traffic. `floor` is the success rate to reach on each.
    """

    document: Mapping[str, Any]
    baseline: Setup
    tuned: tuple[Traffic, ...]
    held_out: tuple[Traffic, ...]
    world: World
    floor: float
    candidates: int
    seeds: int
    random_seed: int = 0


def split(traffic: Traffic, share: float) -> tuple[Traffic, Traffic]:
    """Return the part to tune on and the part to hold out: the last `share` of it.

    The later part is held out, as the future is. Example: 3,600 s and 1/3: 2,400 and 1,200 s.
    """
    at = round(len(traffic.requests) * (1 - share))
    tuned = traffic.ending_at(at)
    return tuned, traffic.starting_at(at)


def tune(search: Search, *, jobs: int = 1, progress: Callable[[], None] = lambda: None) -> Tuning:
    """Return the best policy from a random search and then variations of its best results.

    The search starts with each form's defaults at the given threshold, and draws from the forms in
    turn. `progress` is called once per candidate. The same search gives the same result, whatever
    the number of `jobs`.
    """
    random = Random(search.random_seed)  # noqa: S311 - repeatable, not secret
    capacity = search.world.server.capacity / search.baseline.signal.unit
    given = Candidate(search.document, search.baseline.thresholds, Score(0, 0))
    tried: dict[Choice, Candidate] = {}
    known = {_key(given)}
    score = partial(_score, search)
    with shared_by(jobs) as do_all:

        def try_all(choices: Iterable[Choice]) -> None:
            new: dict[Choice, Candidate] = {}
            for choice in choices:
                made = policy_of(search.document, choice, capacity)
                candidate = Candidate(*made, Score(0, 0))
                if (key := _key(candidate)) not in known:
                    known.add(key)
                    new[choice] = candidate
            scores = do_all(score, new.values())
            for (choice, candidate), tuned in zip(new.items(), scores, strict=True):
                tried[choice] = replace(candidate, tuned=tuned)
                progress()

        scores = do_all(score, [given])
        baseline = replace(given, tuned=next(iter(scores)))
        wide = round(search.candidates * (1 - NEIGHBOURS))
        try_all(_begun(search, wide, random))
        for size in _batches(search.candidates - wide):
            best = [c for c, candidate in tried.items() if candidate in front(list(tried.values()))]
            try_all([changed(random.choice(best), random) for _ in range(size)] if best else [])
        everything = [baseline, *tried.values()]
        chosen = choose(everything, search.floor)
        shown = [*front(everything), chosen, baseline]
        held_out = do_all(partial(score, held_out=True), shown)
    *found, chosen, baseline = (
        replace(candidate, held_out=held) for candidate, held in zip(shown, held_out, strict=True)
    )
    return Tuning(baseline, tuple(found), chosen, tuple(everything), search.floor)


def _begun(search: Search, count: int, random: Random) -> list[Choice]:
    """Return the search's first choices: each form's usual one first, then random ones.

    A usual threshold above a task's capacity is replaced by full tasks.
    """
    forms = forms_for(search.baseline.target)
    utilisation = min(1.0, search.baseline.load_per_task / search.world.server.capacity)
    first = [usual(form, utilisation) for form in forms]
    rest = [drawn(forms[number % len(forms)], random) for number in range(count - len(first))]
    return [*first, *rest][:count]


def _key(candidate: Candidate) -> str:
    """Return a key that is equal for the same policy with the same thresholds."""
    return json.dumps([candidate.document, dict(candidate.thresholds)], sort_keys=True)


_BATCH = 12
"""Neighbours to try before the best ones are determined again."""


def _batches(count: int) -> Iterator[int]:
    while count > 0:
        yield min(_BATCH, count)
        count -= _BATCH


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the Pareto-optimal candidates by success and cost, cheapest first.

    Example: (99 %, 4 h), (98 %, 5 h) and (99.9 %, 6 h): the first beats the second.
    """
    ordered = sorted(candidates, key=lambda c: (c.tuned.task_hours, -c.tuned.success_rate))
    best, found = -1.0, []
    for candidate in ordered:
        if candidate.tuned.success_rate > best:
            best = candidate.tuned.success_rate
            found.append(candidate)
    return found


def choose(candidates: Sequence[Candidate], floor: float) -> Candidate:
    """Return the cheapest candidate that reaches the floor; the most successful if none does."""
    reached = [c for c in candidates if c.tuned.success_rate >= floor]
    if reached:
        return min(reached, key=lambda c: (c.tuned.task_hours, -c.tuned.success_rate))
    return max(candidates, key=lambda c: (c.tuned.success_rate, -c.tuned.task_hours))


def _score(search: Search, candidate: Candidate, *, held_out: bool = False) -> Score:
    """Play a candidate on every traffic with all seeds, starting with its right number of tasks."""
    yardstick, first = search.baseline, HELD_OUT_SEED if held_out else 0
    setup = setup_of(candidate.document, candidate.thresholds, yardstick.signal)
    runs = [
        [
            play(Quickstep(setup), traffic, search.world, tasks_at_start(traffic, setup), seed)
            for seed in range(first, first + search.seeds)
        ]
        for traffic in (search.held_out if held_out else search.tuned)
    ]
    threshold = yardstick.load_per_task
    measures = [[measure(run, threshold) for run in of_one] for of_one in runs]
    every = [measured for of_one in measures for measured in of_one]
    added = [
        action.after - action.before
        for of_one in runs
        for run in of_one
        for action in run.actions
        if action.after > action.before
    ]
    return Score(
        min(m.success_rate for m in every),
        sum(fmean(m.task_seconds for m in of_one) for of_one in measures) / 3600,
        Behaviour(
            median_of_known(m.time_to_trigger_s for m in every),
            median_of_known(m.time_to_capacity_s for m in every),
            fmean(added) if added else 0.0,
            sum(fmean(_idle(run, yardstick) for run in of_one) for of_one in runs) / 3600,
        ),
    )


def _idle(run: Run, yardstick: Setup) -> float:
    """Return the task-seconds of serving tasks that the load does not need.

    Example: 250 requests a second, a threshold of 100 and 5 serving tasks: 2 a second.
    """
    threshold, least = yardstick.load_per_task, yardstick.target.min_capacity
    load = ahead([second.requests for second in run.seconds])
    return sum(
        max(0.0, second.serving - max(least, math.ceil(requests / threshold)))
        for second, requests in zip(run.seconds, load, strict=True)
    )
