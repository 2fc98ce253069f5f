"""The benchmark beside AWS's scalers: what is compared with what, and what misses its goal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from benchmarks.contenders import (
    ANNOUNCED_20S,
    PERCENT,
    STEPS,
    TODAY,
    Contender,
    enough_for,
    multiplied,
    needed,
    rivals,
)
from benchmarks.figures import Goal
from benchmarks.scalers import (
    NEEDED,
    PROMISES,
    Aim,
    AtOnce,
    failure_rates,
    kept_promises,
    mean_task_seconds,
    reached_aims,
    sums,
)
from benchmarks.scatter import TRAFFIC as TRAFFIC_OF_SCATTER
from benchmarks.scatter import Point, picture, table
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.measure import Measures, Summary, summarise
from quickstep_lab.traffic import Traffic
from tests.unit.simulator.worlds import a_run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Contender("other", EXAMPLE_POLICY)
"""A policy under test that is not today's: the goals are for it."""

TRAFFIC = Traffic("surge", (120.0,) * 10 + (1200.0,) * 20)


def some(**changes: Any) -> Measures:
    measures = {
        "time_to_trigger_s": 10.0,
        "time_to_95_percent_s": 50.0,
        "time_to_capacity_s": 60.0,
        "requests": 1000.0,
        "failed": 100.0,
        "success_rate": 0.9,
        "latency_ms": {"p99": 50.0},
        "task_seconds": 100.0,
        "peak_tasks": 12,
        "scale_actions": 4,
        "reversals": 2,
    }
    return Measures(**{**measures, **changes})


def a_summary(**changes: Any) -> Summary:
    return summarise([some(**changes)])


def cells(figures: Any) -> list[tuple[str, ...]]:
    return [figure.cells() for figure in figures]


# --- documents ------------------------------------------------------------------------------------


def test_a_document_for_another_metric_has_its_bounds_and_targets_multiplied_and_nothing_else() -> (
    None
):
    document = {
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"rate": {"TargetValue": 100, "ScaleInCooldown": 30}},
        "ScaleOutPolicies": {
            "high": {
                "Cooldown": 10,
                "StepAdjustments": [
                    {
                        "MetricIntervalLowerBound": 0,
                        "MetricIntervalUpperBound": 50,
                        "ScalingAdjustment": 2,
                    }
                ],
            }
        },
    }
    assert multiplied(document, 0.1) == {
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"rate": {"TargetValue": 10, "ScaleInCooldown": 30}},
        "ScaleOutPolicies": {
            "high": {
                "Cooldown": 10,
                "StepAdjustments": [
                    {
                        "MetricIntervalLowerBound": 0,
                        "MetricIntervalUpperBound": 5,
                        "ScalingAdjustment": 2,
                    }
                ],
            }
        },
    }


def test_thresholds_go_with_the_document_and_a_larger_fleet_gets_room() -> None:
    usual, twentyfold = TODAY.setup(), TODAY.setup(times=20, most=3000)
    assert (usual.scale_out_threshold, twentyfold.scale_out_threshold) == (100, 2000)
    assert (usual.target.max_capacity, twentyfold.target.max_capacity) == (40, 3000)
    assert TODAY.setup(most=1).target.max_capacity == 40, "never less than the document's"


def test_room_is_twice_what_the_highest_ten_seconds_need() -> None:
    assert (needed(TRAFFIC), enough_for(TRAFFIC)) == (12, 24)


def test_the_rivals_go_by_the_names_that_the_goals_use(tmp_path: Path) -> None:
    assert {promise.other for promise in PROMISES} | {PERCENT, ANNOUNCED_20S} == set(
        rivals(TODAY.setup())
    )
    copy = tmp_path / "mine.json"
    copy.write_text(json.dumps(json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))))
    assert Contender("mine", copy).setup() == TODAY.setup()


def test_who_knows_asks_for_all_tasks_in_the_surges_first_second() -> None:
    run = a_run(AtOnce(12, 10), TRAFFIC, seed=3)
    assert [(action.at, action.before, action.after) for action in run.actions] == [(10, 2, 12)]


# --- promises and aims ----------------------------------------------------------------------------


def test_a_promise_is_a_ratio_to_another_scaler_in_the_same_run() -> None:
    results = {name: a_summary(failed=300.0) for name in rivals(TODAY.setup())}
    results[STEPS] = a_summary(failed=100.0, time_to_trigger_s=5.0)
    shown = cells(kept_promises(TRAFFIC, results))
    assert len(shown) == len(PROMISES)
    assert shown[0] == (
        "surge: triggers 4 times sooner than 20-s target tracking",
        "5 s",
        "aas-target-tracking-20s: 10",
        "0.50",
        "at most 0.25",
        "NO",
    )
    assert shown[1][-1] == "yes"


AIMS = (
    Aim("failed", "failed", Goal(at_most=0.9), STEPS),
    Aim("time to 95 %", "time_to_95_percent_s", Goal(at_most=52)),
    Aim("peak tasks", "peak_tasks", Goal(at_most=1.15), NEEDED),
    Aim("peak tasks, worst seed", "peak_tasks", Goal(at_most=1.25), NEEDED, worst=True),
    Aim("success", "success_rate", Goal(at_least=1), PERCENT),
)


def test_an_aim_is_of_the_ratio_to_a_scaler_or_to_the_tasks_needed_else_of_the_measure() -> None:
    mine = summarise([some(failed=95.0, peak_tasks=13)] * 2 + [some(peak_tasks=16)])
    results = {STEPS: a_summary(), "other": mine, PERCENT: a_summary()}
    assert cells(reached_aims(TRAFFIC, OTHER, AIMS, results)) == [
        (
            "surge: other: failed",
            "95 requests (95 to 100)",
            f"{STEPS}: 100",
            "0.95",
            "at most 0.9",
            "NO",
        ),
        ("surge: other: time to 95 %", "50 s", "", "", "at most 52", "yes"),
        (
            "surge: other: peak tasks",
            "13 tasks (13 to 16)",
            "needed: 12",
            "1.08",
            "at most 1.15",
            "yes",
        ),
        (
            "surge: other: peak tasks, worst seed",
            "16 tasks",
            "needed: 12",
            "1.33",
            "at most 1.25",
            "NO",
        ),
        ("surge: other: success", "90 %", f"{PERCENT}: 90", "1.00", "at least 1", "yes"),
    ]


def test_what_never_happened_misses_its_goal() -> None:
    results = {"other": a_summary(time_to_95_percent_s=None)}
    (shown,) = cells(reached_aims(TRAFFIC, OTHER, AIMS[1:2], results))
    assert shown[1:] == ("never", "", "", "at most 52", "NO")


def test_todays_steps_are_a_row_without_a_goal_and_not_compared_with_themselves() -> None:
    results = {STEPS: a_summary(), PERCENT: a_summary()}
    shown = cells(reached_aims(TRAFFIC, TODAY, AIMS[:3], results))
    assert [(row[1], row[2], row[4], row[5]) for row in shown] == [
        ("100 requests", "", "", ""),
        ("50 s", "", "", ""),
        ("12 tasks", "needed: 12", "", ""),
    ]


# --- sums -----------------------------------------------------------------------------------------


def played(**scalers: tuple[float, float, int]) -> dict[str, Summary]:
    """Return what came of a traffic: of each scaler success, task-seconds and reversals."""
    names = {"today": STEPS, "percent": PERCENT, "announced": ANNOUNCED_20S, "other": "other"}
    return {
        names[name]: a_summary(success_rate=success, task_seconds=seconds, reversals=turns)
        for name, (success, seconds, turns) in scalers.items()
    }


TWO = [
    played(
        today=(0.875, 100, 4),
        percent=(0.75, 100, 0),
        announced=(0.75, 400, 0),
        other=(0.9375, 100, 1),
    ),
    played(
        today=(0.9375, 400, 2),
        percent=(0.75, 100, 0),
        announced=(1.0, 100, 0),
        other=(0.96875, 400, 3),
    ),
]


def test_failure_rates_are_added_up_and_task_seconds_have_a_geometric_mean() -> None:
    assert failure_rates(TWO, STEPS) == pytest.approx(12.5 + 6.25)
    assert mean_task_seconds(TWO, STEPS) == pytest.approx(200)


def test_sums_are_compared_with_every_rival_and_with_today() -> None:
    shown = cells(sums("given traffic", [OTHER], TWO, given=True))
    title = "given traffic, 2 in all: other: "
    assert shown == [
        (
            f"{title}sum of failure rates",
            "9.4 %",
            f"{PERCENT}: 50",
            "0.19",
            "at most 0.35",
            "yes",
        ),
        (
            f"{title}task-seconds, geometric mean",
            "200 task-s",
            f"{PERCENT}: 100",
            "2.00",
            "at most 0.87",
            "NO",
        ),
        (
            f"{title}sum of failure rates",
            "9.4 %",
            f"{ANNOUNCED_20S} (announced): 25",
            "0.38",
            "at most 0.35",
            "NO",
        ),
        (
            f"{title}task-seconds, geometric mean",
            "200 task-s",
            f"{ANNOUNCED_20S} (announced): 200",
            "1.00",
            "at most 1",
            "yes",
        ),
        (f"{title}sum of failure rates", "9.4 %", f"{STEPS}: 18.8", "0.50", "at most 0.45", "NO"),
        (
            f"{title}task-seconds, geometric mean",
            "200 task-s",
            f"{STEPS}: 200",
            "1.00",
            "at most 0.92",
            "NO",
        ),
        (
            f"{title}changes of direction within ten minutes",
            "4",
            f"{STEPS}: 6",
            "0.67",
            "at most 0.6",
            "NO",
        ),
        (f"{title}traffic with more of them than today's", "1", "", "", "at most 0", "NO"),
    ]


def test_todays_sums_stand_beside_the_rivals_without_a_goal() -> None:
    shown = cells(sums("given traffic", [TODAY], TWO, given=True))
    assert len(shown) == 4
    assert all(row[4:] == ("", "") for row in shown)
    assert [row[3] for row in shown] == ["0.38", "2.00", "0.75", "1.00"]


def test_on_shipped_traffic_only_changes_of_direction_have_a_goal() -> None:
    shown = cells(sums("shipped traffic", [OTHER], TWO, given=False))
    assert [row[4] for row in shown] == ["", "", "", "", "", "", "at most 0.6", "at most 0"]


# --- the scatter ----------------------------------------------------------------------------------

FOUND = {
    "quickstep, a <policy>": [Point(1.0, 0.0)] * 8 + [Point(2.0, 0.04)],
    ANNOUNCED_20S: [Point(1.5, 0.01)] * 9,
}


def drawing() -> Element:
    return fromstring(picture(FOUND))  # noqa: S314 - our own


def test_the_scatter_has_a_mark_for_every_point_and_one_beside_every_name() -> None:
    drawn = list(drawing())
    marks = [mark for mark in drawn if "fill-opacity" in mark.attrib]
    words = [text.text for text in drawn if text.tag.endswith("text")]
    assert len(marks) == 9 + 1 + 9 + 1
    assert {"quickstep, a <policy>", f"{ANNOUNCED_20S} (announced)"} < set(words)


def test_what_costs_more_is_further_right_and_what_fails_more_is_higher() -> None:
    drawn = list(drawing())
    circles = [mark.attrib for mark in drawn if mark.tag.endswith("circle")]
    calm, failing = circles[0], circles[8]
    assert float(failing["cx"]) > float(calm["cx"])
    assert float(failing["cy"]) < float(calm["cy"])


def test_the_scatters_table_says_of_each_traffic_what_failed_and_at_what_cost() -> None:
    head, rule, ours, theirs = table(FOUND)
    assert head.startswith("| Scaler | `step-x3` | `step-x10` |")
    assert head.count("|") == rule.count("|") == ours.count("|") == len(TRAFFIC_OF_SCATTER) + 2
    assert ours.startswith("| quickstep, a <policy> | 0.0%, 1.00 |")
    assert ours.endswith("| 4.0%, 2.00 |")
    assert theirs.startswith(f"| {ANNOUNCED_20S} (announced) | 1.0%, 1.50 |")
