"""The race: the demo's run beside models of AWS's scalers, on the same traffic and tasks."""

from __future__ import annotations

from functools import cache

import pytest

from quickstep_lab.files import ONE_NUMBER_POLICY
from quickstep_lab.page.race import race_page, race_parts
from quickstep_lab.race import SEEDS, Lane, Race, enough, race_of, rivals_of, sentence
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName, Traffic, scenario_traffic

PLAN = Plan(scenario_traffic(ScenarioName.SURGE_180S, 210), 210, policy=ONE_NUMBER_POLICY)


def a_lane(name: str, *tasks: int, load: tuple[float, ...] = (120.0, *(750.0,) * 4)) -> Lane:
    """Return a lane of as many tasks in each second, each of which serves 150."""
    failed = tuple(max(0.0, came - 150 * n) for came, n in zip(load, tasks, strict=True))
    return Lane(name, load, failed, tasks)


def a_race(*lanes: Lane) -> Race:
    return Race(lanes, 100, 5)


@cache
def rivals() -> tuple[Lane, ...]:
    return rivals_of(PLAN, 2)


@pytest.mark.parametrize(
    ("lane", "expected"),
    [
        pytest.param(a_lane("in time", 2, 2, 2, 8, 8), "2 s", id="enough tasks serve"),
        pytest.param(a_lane("short", 2, 2, 2, 7, 7), "not within 4 s", id="one is missing"),
        pytest.param(
            a_lane("gone", 2, 2, 2, 4, 4, load=(120, 750, 750, 750, 120)),
            "not within 3 s",
            id="the load has gone",
        ),
        pytest.param(a_lane("at once", 2, 8, 8, 8, 8), "0 s", id="they were there already"),
    ],
)
def test_tasks_are_enough_when_each_carries_its_target_while_the_surge_lasts(
    lane: Lane, expected: str
) -> None:
    first = a_lane("first", 2, 2, 2, 2, 2, load=lane.requests)
    assert enough(a_race(first, lane), lane) == expected


def test_one_sentence_says_what_it_came_to() -> None:
    race = a_race(
        a_lane("Quickstep", 2, 2, 8, 8, 8),
        a_lane("one rival", 2, 2, 2, 2, 8),
        a_lane("the other", 2, 2, 2, 2, 4),
    )
    assert sentence(race) == (
        "Quickstep had enough tasks in 1 s and failed 450 requests, while one rival took 3 s and "
        "failed 1,350, and the other did not have enough within 4 s and failed 1,500."
    )


def test_without_an_overloaded_second_there_is_nothing_to_answer() -> None:
    calm = a_lane("Quickstep", 2, 2, 2, 2, 2, load=(120.0,) * 5)
    assert sentence(a_race(calm, calm)) == (
        "No second was overloaded, so there was nothing to answer."
    )


def test_the_rivals_are_the_simulator_s_models_and_each_median_run_is_always_the_same() -> None:
    steps, tracking = rivals()
    race = Race(rivals(), 100, 210)
    assert steps.requests == tracking.requests == PLAN.traffic.requests
    assert (race.surge_at, race.lasted()) == (20, 180)
    assert (round(steps.lost), enough(race, steps)) == (21_150, "168 s")
    assert (round(tracking.lost), enough(race, tracking)) == (71_850, "not within 180 s")
    assert rivals_of(PLAN, 2) == rivals()
    assert SEEDS % 2 == 1, "a median that some run has had"


def test_a_rival_scales_on_the_demo_s_own_tasks() -> None:
    """Each launch of the step policy serves 30 s later, and what two tasks cannot serve fails."""
    steps, _ = rivals()
    first = next(second for second, tasks in enumerate(steps.serving) if tasks > 2)
    assert 20 + 30 < first < 20 + 30 + 25, "an alarm on 10-s periods, and an action of AAS"
    assert steps.failed[20] == 750 - 2 * 150


def test_a_race_without_a_snapshot_has_not_begun() -> None:
    race = race_of(PLAN, (), rivals())
    assert [len(lane.requests) for lane in race.lanes] == [0, 0, 0]
    assert "The race is about to begin." in race_page(race, live=True)
    assert "The race is about to begin." in race_page(None, live=True)


def test_the_page_says_how_far_it_is_and_then_what_it_came_to() -> None:
    lanes = (a_lane("Quickstep", 2, 2, 8, 8, 8), a_lane("<b>rival</b>", 2, 2, 2, 2, 8))
    race = Race(lanes, 100, 6)
    live, ended = race_parts(race, live=True), race_parts(race, live=False)
    assert "Second 5 of 6" in live["said"]
    assert "Quickstep had enough tasks in 1 s" in ended["said"]
    assert "&lt;b&gt;rival" in ended["result"]
    assert "the simulator&#x27;s models" in ended["told"]
    assert all("<b>" not in part for part in ended.values())


def test_a_plan_of_other_traffic_races_on_that() -> None:
    traffic = Traffic("mine", (100.0,) * 30 + (400.0,) * 90)
    lanes = rivals_of(Plan(traffic, 120, policy=ONE_NUMBER_POLICY), 2)
    assert [lane.requests for lane in lanes] == [traffic.requests] * 2
