"""Why a search prefers its policy, in a sentence or two: from the measures and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep_lab.simulator.tune import Behaviour, Candidate, Score, Tuning
from quickstep_lab.simulator.tuning_reasons import reasons


def a_candidate(
    success: float, hours: float, threshold: float = 100, **behaviour: Any
) -> Candidate:
    usual = {"time_to_trigger_s": 14.0, "time_to_capacity_s": 80.0, "added": 3.0}
    made = Behaviour(**{**usual, "idle_task_hours": 2.0, **behaviour})
    document = {"success": success, "hours": hours}
    return Candidate(document, {"out": threshold}, Score(success, hours, made))


YOURS = a_candidate(0.97, 8)


FAILS = "Yours fails 3.000% of the requests in its worst run, the chosen policy 1.000%"
COSTS = "takes 8.00 task-hours, the chosen policy"
SLOWER = "scales out 14 s after a surge begins instead of 8 s"
LESS = "adds 3.0 tasks at a time instead of 7.1"
WAITS = "has enough tasks serving 80 s after a surge begins instead of 52 s"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        pytest.param(YOURS, ["Yours was chosen: no policy that was tried does better."], id="none"),
        pytest.param(
            a_candidate(0.99, 9, time_to_trigger_s=8.0), [f"{FAILS}: it {SLOWER}."], id="later"
        ),
        pytest.param(
            a_candidate(0.99, 7, added=7.1, time_to_capacity_s=52.0, idle_task_hours=0.5),
            [
                f"{FAILS}: it {LESS} and {WAITS}.",
                f"It {COSTS} 7.00: it keeps 2.00 task-hours of idle tasks instead of 0.50.",
            ],
            id="in smaller steps, and idle",
        ),
        pytest.param(
            a_candidate(0.99, 9, time_to_trigger_s=8.0, added=7.1, time_to_capacity_s=52.0),
            [f"{FAILS}: it {SLOWER} and {LESS}."],
            id="of three causes the first two",
        ),
        pytest.param(
            a_candidate(0.99, 9, idle_task_hours=4.0),
            [f"{FAILS}: it keeps 2.00 task-hours in reserve instead of 4.00."],
            id="too little in reserve",
        ),
        pytest.param(
            a_candidate(0.99, 9, idle_task_hours=2.1), [f"{FAILS}."], id="hardly more in reserve"
        ),
        pytest.param(
            a_candidate(0.99, 9, threshold=75),
            [
                f"{FAILS}: it lets a task carry 100 requests/s before it scales out instead of 75.",
            ],
            id="fuller tasks",
        ),
        pytest.param(
            a_candidate(0.99, 8, time_to_trigger_s=12.5), [f"{FAILS}."], id="a clock's phase only"
        ),
        pytest.param(
            a_candidate(0.99, 8, time_to_capacity_s=75.0), [f"{FAILS}."], id="not clearly later"
        ),
        pytest.param(
            a_candidate(0.99, 8, time_to_trigger_s=None), [f"{FAILS}."], id="no surge, no time"
        ),
        pytest.param(
            a_candidate(0.96, 6, idle_task_hours=0.1),
            [f"Yours {COSTS} 6.00: it keeps 2.00 task-hours of idle tasks instead of 0.10."],
            id="dearer only",
        ),
        pytest.param(
            a_candidate(0.97, 7), [f"Yours {COSTS} 7.00."], id="dearer, and no reason to see"
        ),
    ],
)
def test_why_yours_loses_is_said_from_what_was_measured(chosen: Candidate, said: list[str]) -> None:
    assert reasons(Tuning(YOURS, (chosen,), chosen, (YOURS, chosen), 0.99)) == said


def test_without_measures_only_the_results_are_said() -> None:
    yours = Candidate({"yours": 1}, {"out": 100}, Score(0.9, 8))
    chosen = Candidate({}, {"out": 75}, Score(0.99, 7))
    assert reasons(Tuning(yours, (chosen,), chosen, (yours, chosen), 0.99)) == [
        "Yours fails 10.000% of the requests in its worst run, the chosen policy 1.000%.",
        "It takes 8.00 task-hours, the chosen policy 7.00.",
    ]
