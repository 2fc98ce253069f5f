"""The search for a policy: what it tries, what it chooses, and what it never looks at."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quickstep_lab.simulator.tune
from quickstep.config import read_target
from quickstep_lab.simulator.compare import tasks_at_start
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import Setup, play
from quickstep_lab.simulator.tune import (
    HELD_OUT_SEED,
    Candidate,
    Score,
    Search,
    Tuning,
    choose,
    front,
    split,
    tune,
)
from quickstep_lab.simulator.tuning_space import (
    Form,
    form_of,
)
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.builders import HIGH, LOW, a_document

if TYPE_CHECKING:
    from quickstep_lab.simulator.stage import Run, Scaler

QUIET = (120.0,) * 30
TUNED = Traffic("tuned", QUIET + (600.0,) * 60 + QUIET)
HELD_OUT = Traffic("held out", QUIET + (900.0,) * 60 + QUIET)


def a_search(**changes: Any) -> Search:
    document = a_document()
    search = Search(
        document=document,
        baseline=Setup(read_target(document), {HIGH: 100, LOW: 30}),
        tuned=(TUNED,),
        held_out=(HELD_OUT,),
        world=World(),
        floor=0.9,
        candidates=8,
        seeds=1,
    )
    return replace(search, **changes)


@cache
def a_tuning() -> Tuning:
    return tune(a_search())


def scored(success: float, hours: float, held_out: float | None = None) -> Candidate:
    """Return a candidate, named by its scores."""
    other = None if held_out is None else Score(held_out, hours)
    return Candidate({"hours": hours, "success": success}, {}, Score(success, hours), other)


def scores(*candidates: Candidate) -> list[tuple[float, float]]:
    return [(c.tuned.success_rate, c.tuned.task_hours) for c in candidates]


# --- choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("all_of_them", "not_beaten"),
    [
        pytest.param([(0.99, 4), (0.98, 5), (0.999, 6)], [(0.99, 4), (0.999, 6)], id="the example"),
        pytest.param([(0.9, 5), (0.9, 4)], [(0.9, 4)], id="the same success for less"),
        pytest.param([(0.9, 4), (0.95, 4)], [(0.95, 4)], id="more success for the same"),
        pytest.param([(0.9, 4), (0.9, 4)], [(0.9, 4)], id="the same twice"),
        pytest.param([(0.0, 1)], [(0.0, 1)], id="nothing succeeds"),
        pytest.param([], [], id="none"),
    ],
)
def test_the_front_are_those_that_no_other_beats_cheapest_first(
    all_of_them: list[tuple[float, float]], not_beaten: list[tuple[float, float]]
) -> None:
    assert scores(*front([scored(*each) for each in all_of_them])) == not_beaten


CHOICES = [(0.99, 4), (0.98, 3), (0.999, 6), (0.999, 7), (0.9995, 9)]


@pytest.mark.parametrize(
    ("floor", "chosen"),
    [
        pytest.param(0.98, (0.98, 3), id="the cheapest that reaches it exactly"),
        pytest.param(0.985, (0.99, 4), id="the cheapest that reaches it"),
        pytest.param(0.995, (0.999, 6), id="of two that succeed as often the cheaper one"),
        pytest.param(0.9999, (0.9995, 9), id="if none does, the most successful"),
        pytest.param(0.0, (0.98, 3), id="no floor: the cheapest of all"),
    ],
)
def test_the_floor_comes_first_and_then_the_cost(floor: float, chosen: tuple[float, float]) -> None:
    assert scores(choose([scored(*each) for each in CHOICES], floor)) == [chosen]


candidates = st.lists(
    st.builds(scored, st.sampled_from([0.9, 0.95, 0.99, 1.0]), st.integers(1, 5)), min_size=1
)


@given(candidates, st.floats(0, 1))
def test_what_is_chosen_is_on_the_front(found: list[Candidate], floor: float) -> None:
    assert scores(choose(found, floor))[0] in scores(*front(found))


@given(candidates)
def test_no_candidate_beats_one_of_the_front(found: list[Candidate]) -> None:
    for success, hours in scores(*front(found)):
        assert not [
            other
            for other in scores(*found)
            if other[0] >= success and other[1] <= hours and other != (success, hours)
        ]


@pytest.mark.parametrize(
    ("tuned", "held_out", "reached", "holds"),
    [
        pytest.param(0.999, 0.999, True, True, id="on both parts"),
        pytest.param(0.999, 0.99, True, False, id="missed on the part held out"),
        pytest.param(0.99, 0.999, False, True, id="missed on the part tuned on"),
        pytest.param(0.99, None, False, False, id="never tried on the part held out"),
    ],
)
def test_missing_the_floor_on_either_part_shows(
    tuned: float, held_out: float | None, *, reached: bool, holds: bool
) -> None:
    chosen = scored(tuned, 4, held_out)
    tuning = Tuning(chosen, (chosen,), chosen, (chosen,), floor=0.995)
    assert (tuning.reached, tuning.holds) == (reached, holds)


@pytest.mark.parametrize(
    ("seconds", "share", "parts"),
    [
        pytest.param(3600, 1 / 3, (2400, 1200), id="the example"),
        pytest.param(10, 0.5, (5, 5), id="half"),
        pytest.param(10, 0.1, (9, 1), id="as little as can be held out"),
        pytest.param(10, 0.9, (1, 9), id="as much as can be"),
    ],
)
def test_the_last_part_of_the_traffic_is_held_out(
    seconds: int, share: float, parts: tuple[int, int]
) -> None:
    traffic = Traffic("t", tuple(float(second) for second in range(seconds)))
    tuned, held_out = split(traffic, share)
    assert (len(tuned.requests), len(held_out.requests)) == parts
    assert tuned.requests + held_out.requests == traffic.requests


# --- the search -----------------------------------------------------------------------------------


def test_the_search_is_the_same_however_many_processes_do_it() -> None:
    steps: list[int] = []
    assert tune(a_search(), jobs=2, progress=lambda: steps.append(1)) == a_tuning()
    assert 4 <= len(steps) <= 8


def test_another_random_seed_is_another_search() -> None:
    assert tune(a_search(random_seed=1)).tried != a_tuning().tried


def test_the_given_policy_is_a_candidate_like_the_others() -> None:
    search = a_search(floor=0.0)
    tuning = tune(search)
    assert tuning.baseline.document == search.document
    assert tuning.baseline.thresholds == {HIGH: 100, LOW: 30}
    assert any(map(tuning.baseline.same_as, tuning.tried))
    assert any(map(tuning.baseline.same_as, tuning.shown))
    assert any(map(tuning.chosen.same_as, tuning.front))
    cheapest = min(candidate.tuned.task_hours for candidate in tuning.tried)
    assert tuning.chosen.tuned.task_hours == cheapest


def test_the_part_held_out_is_never_played_while_searching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played: list[tuple[str, int]] = []

    def watched(scaler: Scaler, traffic: Traffic, world: World, tasks: int, seed: int) -> Run:
        played.append((traffic.name, seed))
        return play(scaler, traffic, world, tasks, seed)

    monkeypatch.setattr(quickstep_lab.simulator.tune, "play", watched)
    tuning = tune(a_search(seeds=2, candidates=4))

    names = [name for name, _ in played]
    searching = names.index("held out")
    assert set(names[:searching]) == {"tuned"}
    assert set(names[searching:]) == {"held out"}
    assert searching == 2 * len(tuning.tried)
    seeds = {name: {seed for other, seed in played if other == name} for name in set(names)}
    assert seeds == {"tuned": {0, 1}, "held out": {HELD_OUT_SEED, HELD_OUT_SEED + 1}}


def test_what_is_held_out_makes_no_difference_to_what_is_chosen() -> None:
    one, other = a_tuning(), tune(a_search(held_out=(Traffic("other", (50.0,) * 100),)))
    assert one.tried == other.tried
    assert one.chosen.same_as(other.chosen)
    assert one.chosen.held_out != other.chosen.held_out


def test_a_score_is_the_worst_seeds_success_and_the_mean_cost() -> None:
    search = a_search(seeds=3, candidates=2)
    baseline = tune(search).baseline
    runs = [
        measure(
            play(
                Quickstep(search.baseline),
                TUNED,
                World(),
                tasks_at_start(TUNED, search.baseline),
                n,
            ),
            100,
        )
        for n in range(3)
    ]
    assert baseline.tuned.success_rate == min(run.success_rate for run in runs)
    assert baseline.tuned.task_hours == pytest.approx(
        sum(run.task_seconds for run in runs) / 3 / 3600
    )
    assert baseline.held_out is not None
    assert baseline.held_out.success_rate < baseline.tuned.success_rate


def test_no_policy_is_played_twice_on_the_part_tuned_on() -> None:
    tuning = tune(a_search(candidates=20))
    found = [(str(c.document), str(c.thresholds)) for c in tuning.tried]
    assert len(found) == len(set(found))


def test_the_search_begins_with_the_usual_policy_of_each_form_at_the_given_threshold() -> None:
    given, *tried = a_tuning().tried
    assert form_of(given.document) is Form.STEPS
    assert [form_of(candidate.document) for candidate in tried[:3]] == [
        Form.TARGET,
        Form.PERCENT,
        Form.STEPS,
    ]
    assert tried[0].document["TargetTrackingPolicies"] == {
        "request-rate": {"TargetValue": 100, "MetricScope": "PerTask"}
    }
    assert tried[0].thresholds == {"request-rate/high": 100}
    assert [candidate.thresholds[HIGH] for candidate in tried[1:3]] == [100, 100]


def test_a_candidate_is_judged_by_its_worst_traffic_and_pays_for_all_of_them() -> None:
    quiet = Traffic("quiet", QUIET * 4)
    both = tune(a_search(tuned=(quiet, TUNED), held_out=(quiet, HELD_OUT))).baseline
    calm = tune(a_search(tuned=(quiet,))).baseline
    hard = a_tuning().baseline

    assert hard.tuned.success_rate < calm.tuned.success_rate == 1.0
    assert both.tuned.success_rate == hard.tuned.success_rate
    assert both.tuned.task_hours == pytest.approx(calm.tuned.task_hours + hard.tuned.task_hours)
    assert both.held_out is not None
    assert hard.held_out is not None
    assert both.held_out.success_rate == hard.held_out.success_rate


def test_what_a_candidate_does_is_measured_by_the_threshold_that_was_given() -> None:
    search = a_search(seeds=1)
    behaviour = a_tuning().baseline.tuned.behaviour
    assert behaviour is not None
    run = play(
        Quickstep(search.baseline), TUNED, World(), tasks_at_start(TUNED, search.baseline), 0
    )
    measured = measure(run, 100)
    outs = [a.after - a.before for a in run.actions if a.after > a.before]
    assert behaviour.time_to_trigger_s == measured.time_to_trigger_s
    assert behaviour.time_to_capacity_s == measured.time_to_capacity_s
    assert behaviour.added == sum(outs) / len(outs)


def test_idle_are_tasks_that_serve_beyond_what_the_load_needs() -> None:
    # 120 requests a second take 2 of the 5 tasks, which is MinCapacity as well: 3 are idle.
    document = a_document(MinCapacity=5, MaxCapacity=5)
    least = a_document(MinCapacity=2, MaxCapacity=5)
    calm = Traffic("calm", (120.0,) * 600)
    search = a_search(
        document=document,
        baseline=Setup(read_target(least), {HIGH: 100, LOW: 30}),
        tuned=(calm,),
    )
    behaviour = tune(search).tried[0].tuned.behaviour
    assert behaviour is not None
    assert behaviour.idle_task_hours == pytest.approx(3 * 600 / 3600)
    assert (behaviour.added, behaviour.time_to_trigger_s) == (0, None)


def test_a_candidate_is_shown_as_json_with_both_scores() -> None:
    assert scored(0.99, 4).as_dict()["held_out"] is None
    shown = scored(0.99, 4, 0.98).as_dict()
    assert shown["tuned"] == {"success_rate": 0.99, "task_hours": 4}
    assert shown["held_out"] == {"success_rate": 0.98, "task_hours": 4}
