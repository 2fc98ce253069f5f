"""A search for thresholds, steps and cooldowns on recorded traffic, some of which it never sees."""

from __future__ import annotations

import copy
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

from quickstep.config import read_target
from quickstep.engine.model import Direction, MetricScope
from quickstep.fields import InvalidDocumentError, Problem
from quickstep_lab.simulator.compare import tasks_at_start
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import Setup, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quickstep_lab.simulator.world import World
    from quickstep_lab.traffic import Traffic

HELD_OUT_SEED = 1000
"""The part held out is played with seeds that the search has not seen either."""

NEIGHBOURS = 0.5
"""The share of the candidates that are changes of the best ones so far, instead of random."""

_CHANGES = (
    ("ChangeInCapacity", (1, 2, 4)),
    ("ChangeInCapacity", (1, 2, 3)),
    ("ChangeInCapacity", (1, 3, 6)),
    ("ChangeInCapacity", (2, 4, 8)),
    ("ChangeInCapacity", (1, 1, 2)),
    ("PercentChangeInCapacity", (10, 25, 50)),
    ("PercentChangeInCapacity", (20, 50, 100)),
    ("PercentChangeInCapacity", (50, 100, 200)),
)
_REMOVALS = (("ChangeInCapacity", -1), ("ChangeInCapacity", -2), ("PercentChangeInCapacity", -10))
_SPACE: Mapping[str, Sequence[Any]] = {
    "utilisation": (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9),
    "step": (0.25, 0.5, 1.0),
    "changes": range(len(_CHANGES)),
    "cooldown": (10, 20, 30, 60),
    "scale_in_share": (0.3, 0.4, 0.5, 0.6, 0.7),
    "removal": range(len(_REMOVALS)),
    "scale_in_cooldown": (30, 60, 120, 300),
}
"""What is searched: the scale-out threshold as a share of a task's capacity, the width of a step as
a share of that threshold, the scale-in threshold as a share of it too, and the rest as it is."""

Choice = tuple[Any, ...]
"""One value of each dimension of the space, in its order."""


@dataclass(frozen=True, slots=True)
class Score:
    """How a candidate did on one part of the traffic: its worst seed's success, its mean cost."""

    success_rate: float
    task_hours: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy document with its thresholds, and how it did; `held_out` only where it was asked."""

    document: Mapping[str, Any]
    thresholds: Mapping[str, float]
    tuned: Score
    held_out: Score | None = None

    def same_as(self, other: Candidate) -> bool:
        """Whether it is the same policy with the same thresholds."""
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
    """What a search found.

    `front` are the candidates that no other beats in both success and cost, cheapest first;
    `chosen` is the cheapest that reached the floor, or the most successful where none did.
    """

    baseline: Candidate
    front: tuple[Candidate, ...]
    chosen: Candidate
    tried: tuple[Candidate, ...]
    floor: float

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The candidates worth a look: the front, and the one that was given."""
        others = [] if any(map(self.baseline.same_as, self.front)) else [self.baseline]
        return (*self.front, *others)

    @property
    def reached(self) -> bool:
        """Whether the chosen candidate reached the floor on the traffic it was chosen on."""
        return self.chosen.tuned.success_rate >= self.floor

    @property
    def holds(self) -> bool:
        """Whether it reached the floor on traffic that the search has not seen, too."""
        held_out = self.chosen.held_out
        return held_out is not None and held_out.success_rate >= self.floor


@dataclass(frozen=True, slots=True)
class Search:
    """What is to be searched.

    `document` has one policy in each direction, both with MetricScope PerTask; its other keys are
    kept. `floor` is the success rate to reach.
    """

    document: Mapping[str, Any]
    baseline: Setup
    tuned: Traffic
    held_out: Traffic
    world: World
    floor: float
    candidates: int
    seeds: int
    random_seed: int = 0


def check_tunable(setup: Setup) -> None:
    """Refuse what the search cannot vary.

    Raises:
        InvalidDocumentError: there is not one policy in each direction, with MetricScope PerTask.
    """
    policies = setup.target.policies
    kinds = sorted((policy.direction, policy.metric_scope) for policy in policies)
    if kinds != [(direction, MetricScope.PER_TASK) for direction in sorted(Direction)]:
        rule = "must have one scale-out and one scale-in policy, both PerTask, to be tuned"
        names = ", ".join(policy.name for policy in policies)
        raise InvalidDocumentError([Problem("ScaleOutPolicies and ScaleInPolicies", rule, names)])


def split(traffic: Traffic, share: float) -> tuple[Traffic, Traffic]:
    """Return the part to tune on and the part to hold out: the last `share` of it.

    The later part is held out, as the future is. Example: 3,600 s and 1/3: 2,400 and 1,200 s.
    """
    at = round(len(traffic.requests) * (1 - share))
    tuned = traffic.ending_at(at)
    return tuned, traffic.starting_at(at)


def tune(search: Search, *, jobs: int = 1, progress: Callable[[], None] = lambda: None) -> Tuning:
    """Return the best policy that a random search, and then changes of its best results, found.

    `progress` is called once for each candidate. The same search gives the same result, whatever
    the number of `jobs`.
    """
    random = Random(search.random_seed)  # noqa: S311 - repeatable, not secret
    tried: dict[Choice, Candidate] = {}
    with _pool(jobs) as run_all:

        def try_all(choices: Sequence[Choice]) -> None:
            new = [choice for choice in dict.fromkeys(choices) if choice not in tried]
            setups = [_setup(*_policy(search, choice)) for choice in new]
            scores = run_all(_jobs(search, setups, held_out=False))
            for choice, score in zip(new, scores, strict=True):
                tried[choice] = Candidate(*_policy(search, choice), score)
                progress()

        given = Candidate(search.document, search.baseline.thresholds, Score(0, 0))
        scores = run_all(_jobs(search, [search.baseline], held_out=False))
        baseline = replace(given, tuned=next(iter(scores)))
        wide = round(search.candidates * (1 - NEIGHBOURS))
        try_all([_drawn(random) for _ in range(wide)])
        for size in _batches(search.candidates - wide):
            best = [c for c, candidate in tried.items() if candidate in front(list(tried.values()))]
            try_all([_changed(random.choice(best), random) for _ in range(size)] if best else [])
        everything = [baseline, *tried.values()]
        chosen = choose(everything, search.floor)
        shown = [*front(everything), chosen, baseline]
        setups = [_setup(c.document, c.thresholds) for c in shown]
        held_out = run_all(_jobs(search, setups, held_out=True))
    *found, chosen, baseline = (
        replace(candidate, held_out=score) for candidate, score in zip(shown, held_out, strict=True)
    )
    return Tuning(baseline, tuple(found), chosen, tuple(everything), search.floor)


_BATCH = 12
"""Neighbours that are tried before the best ones are looked for again."""


def _batches(count: int) -> Iterator[int]:
    while count > 0:
        yield min(_BATCH, count)
        count -= _BATCH


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that no other beats in both success and cost, cheapest first.

    Example: (99 %, 4 h), (98 %, 5 h) and (99.9 %, 6 h): the second one is beaten by the first.
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


def _drawn(random: Random) -> Choice:
    return tuple(random.choice(values) for values in _SPACE.values())


def _changed(choice: Choice, random: Random) -> Choice:
    """Return the choice with one dimension changed."""
    index = random.randrange(len(choice))
    value = random.choice(tuple(_SPACE.values())[index])
    return (*choice[:index], value, *choice[index + 1 :])


def _policy(search: Search, choice: Choice) -> tuple[dict[str, Any], dict[str, float]]:
    """Return a choice as a policy document, and the thresholds that go with it.

    Example: a utilisation of 0.7 at a capacity of 150: a threshold of 105; with steps of half of
    it, bounds of 52 and 104.
    """
    values = dict(zip(_SPACE, choice, strict=True))
    threshold = _rounded(values["utilisation"] * search.world.server.capacity)
    width = _rounded(threshold * values["step"])
    kind, (small, middle, large) = _CHANGES[values["changes"]]
    removal_kind, removal = _REMOVALS[values["removal"]]
    document = copy.deepcopy(dict(search.document))
    ((out, out_body),) = document["ScaleOutPolicies"].items()
    ((in_, in_body),) = document["ScaleInPolicies"].items()
    low, high = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
    document["ScaleOutPolicies"][out] = _body(
        out_body,
        kind,
        values["cooldown"],
        [
            {low: 0, high: width, "ScalingAdjustment": small},
            {low: width, high: 2 * width, "ScalingAdjustment": middle},
            {low: 2 * width, "ScalingAdjustment": large},
        ],
    )
    document["ScaleInPolicies"][in_] = _body(
        in_body,
        removal_kind,
        values["scale_in_cooldown"],
        [{high: 0, "ScalingAdjustment": removal}],
    )
    thresholds = {out: threshold, in_: _rounded(threshold * values["scale_in_share"])}
    return document, {name: float(value) for name, value in thresholds.items()}


def _rounded(value: float) -> float:
    """Return a whole number; a small one keeps three digits, so that 0.4 does not become 0."""
    return round(value) if value >= 10 else float(f"{value:.3g}")  # noqa: PLR2004 - small


def _body(
    given: Mapping[str, Any], kind: str, cooldown: int, steps: list[dict[str, float]]
) -> dict[str, Any]:
    """Return a policy's body: new numbers, and what else it says."""
    kept = {key: given[key] for key in ("MetricAggregationType", "MetricScope") if key in given}
    percent = {"MinAdjustmentMagnitude": 1} if kind == "PercentChangeInCapacity" else {}
    return {
        "AdjustmentType": kind,
        **percent,
        "Cooldown": cooldown,
        **kept,
        "StepAdjustments": steps,
    }


def _setup(document: Mapping[str, Any], thresholds: Mapping[str, float]) -> Setup:
    return Setup(read_target(document), thresholds)


@dataclass(frozen=True, slots=True)
class _Job:
    setup: Setup
    traffic: Traffic
    world: World
    seeds: tuple[int, ...]


def _jobs(search: Search, setups: Sequence[Setup], *, held_out: bool) -> list[_Job]:
    first = HELD_OUT_SEED if held_out else 0
    traffic = search.held_out if held_out else search.tuned
    seeds = tuple(range(first, first + search.seeds))
    return [_Job(setup, traffic, search.world, seeds) for setup in setups]


def _score(job: _Job) -> Score:
    """Play one candidate with all seeds; its fleet at the start is right for its threshold."""
    tasks = tasks_at_start(job.traffic, job.setup)
    measures = [
        measure(
            play(Quickstep(job.setup), job.traffic, job.world, tasks, seed),
            job.setup.scale_out_threshold,
        )
        for seed in job.seeds
    ]
    return Score(
        min(m.success_rate for m in measures), fmean(m.task_seconds for m in measures) / 3600
    )


@contextmanager
def _pool(jobs: int) -> Iterator[Callable[[Sequence[_Job]], Iterator[Score]]]:
    """Yield what scores many candidates, in order."""
    if jobs == 1:
        yield lambda work: map(_score, work)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda work: pool.map(_score, work)
