"""What a run came to: runs with known numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quickstep_lab.simulator.fleet import Second
from quickstep_lab.simulator.measure import (
    Measures,
    ahead,
    measure,
    most_of,
    needed_task_seconds,
    summarise,
)
from quickstep_lab.simulator.queueing import Latencies, Served, Server
from quickstep_lab.simulator.stage import START, Action, Run
from quickstep_lab.traffic import Traffic
from tests.unit.simulator.worlds import a_setup

if TYPE_CHECKING:
    from collections.abc import Sequence


def spells(*parts: tuple[int, float]) -> list[float]:
    return [number for length, number in parts for _ in range(length)]


def a_played(
    load: Sequence[float],
    *,
    serving: Sequence[float] | None = None,
    actions: Sequence[tuple[float, int, int]] = (),
    tasks: int = 2,
    failed: float = 0.0,
) -> Run:
    """Return a run; `serving` are the tasks that serve, `actions` the changes of the desired count.

    All tasks that serve cost, and no others.
    """
    count = len(load)
    served = [int(number) for number in serving or [tasks] * count]
    desired = []
    for second in range(count):
        done = [after for at, _, after in actions if at < second]
        desired.append(done[-1] if done else tasks)
    return Run(
        seed=0,
        origin=START,
        seconds=tuple(
            Second(requests, failed, requests / number if number else 0.0, number, number)
            for requests, number in zip(load, served, strict=True)
        ),
        desired=tuple(desired),
        actions=tuple(Action(at, before, after, "because") for at, before, after in actions),
        records=(),
        latencies=Latencies(Server()),
    )


SURGE = spells((20, 100), (100, 300), (100, 100))
"""On two tasks and a threshold of 100 it begins in second 20, and is over in second 120."""


def test_a_surge_counts_from_its_first_second_to_the_action_and_to_tasks_enough() -> None:
    run = a_played(SURGE, serving=spells((70, 2), (150, 4)), actions=[(30.4, 2, 4)])
    measures = measure(run, threshold=100)
    assert measures.time_to_trigger_s == pytest.approx(10.4)
    assert measures.time_to_capacity_s == 50


@pytest.mark.parametrize(
    ("load", "serving", "actions", "trigger", "capacity"),
    [
        pytest.param(SURGE, None, [], None, None, id="nobody answers it"),
        pytest.param(
            spells((20, 100), (200, 300)), None, [], None, None, id="nor until the traffic ends"
        ),
        pytest.param(
            SURGE, spells((70, 2), (150, 3)), [(30, 2, 3)], 10, 50, id="exactly enough tasks"
        ),
        pytest.param(
            spells((20, 100), (100, 301), (100, 100)),
            spells((70, 2), (150, 3)),
            [(30, 2, 3)],
            10,
            None,
            id="never enough while it lasts",
        ),
        pytest.param(
            spells((20, 100), (10, 300), (190, 100)),
            spells((40, 2), (180, 4)),
            [(35, 2, 4)],
            15,
            None,
            id="over before the tasks serve",
        ),
        pytest.param(
            spells((20, 100), (50, 210), (50, 195), (80, 100)), None, [], None, None, id="it abates"
        ),
        pytest.param(SURGE, None, [(30, 2, 1)], None, None, id="removing is no answer"),
        pytest.param(
            SURGE, None, [(10, 2, 3)], None, None, id="what is on its way already is no surge"
        ),
        pytest.param(spells((220, 200)), None, [], None, None, id="at the threshold: no surge"),
        pytest.param(
            spells((20, 100), (1, 700), (199, 100)), None, [], None, None, id="one loud second"
        ),
    ],
)
def test_times_are_none_where_it_never_happened(
    load: list[float],
    serving: list[float] | None,
    actions: list[tuple[float, int, int]],
    trigger: float | None,
    capacity: float | None,
) -> None:
    measures = measure(a_played(load, serving=serving, actions=actions), threshold=100)
    assert (measures.time_to_trigger_s, measures.time_to_capacity_s) == (trigger, capacity)


@pytest.mark.parametrize(
    ("needed", "most"),
    [(1, 1), (2, 2), (12, 12), (19, 19), (20, 19), (21, 20), (40, 38), (117, 112), (1800, 1710)],
)
def test_95_per_cent_of_the_tasks_are_rounded_up(needed: int, most: int) -> None:
    assert most_of(needed) == most


def test_95_per_cent_of_the_needed_tasks_may_serve_well_before_the_last_one_does() -> None:
    # 2,400 requests need 24 tasks; 23 of them are there after 50 s, the last one after 80 s.
    load = spells((20, 100), (200, 2400), (100, 100))
    serving = spells((60, 2), (10, 22), (30, 23), (220, 24))
    measures = measure(a_played(load, serving=serving, actions=[(30, 2, 24)]), threshold=100)
    assert (measures.time_to_95_percent_s, measures.time_to_capacity_s) == (50, 80)


@pytest.mark.parametrize(
    ("load", "serving", "actions", "most"),
    [
        pytest.param(
            spells((20, 100), (200, 2400), (100, 100)),
            spells((70, 2), (250, 23)),
            [(30, 2, 23)],
            50,
            id="the last one never comes",
        ),
        pytest.param(
            spells((20, 100), (200, 2400), (100, 100)),
            spells((70, 2), (250, 22)),
            [(30, 2, 22)],
            None,
            id="one fewer is not 95 %",
        ),
        pytest.param(
            spells((20, 100), (200, 2400), (100, 100)),
            spells((70, 2), (250, 24)),
            [],
            None,
            id="nobody answered it",
        ),
        pytest.param(
            SURGE, spells((70, 2), (150, 3)), [(30, 2, 3)], 50, id="of three tasks all of them"
        ),
    ],
)
def test_the_time_to_95_per_cent_is_that_of_the_tasks_that_serve(
    load: list[float],
    serving: list[float],
    actions: list[tuple[float, int, int]],
    most: float | None,
) -> None:
    measures = measure(a_played(load, serving=serving, actions=actions), threshold=100)
    assert measures.time_to_95_percent_s == most


def test_of_several_surges_the_times_are_the_medians() -> None:
    # Each is over after a minute of calm; they are answered after 5, 10 and 30 s.
    load = spells((20, 100), *[(60, 300), (120, 100)] * 3)
    starts, delays = (20, 200, 380), (5, 10, 30)
    actions = [
        change
        for start, delay in zip(starts, delays, strict=True)
        for change in ((start + delay, 2, 4), (start + 100.0, 4, 2))
    ]
    serving = [
        4 if any(start + delay <= second < start + 100 for start, delay in answered) else 2
        for answered in [list(zip(starts, delays, strict=True))]
        for second in range(len(load))
    ]
    measures = measure(a_played(load, serving=serving, actions=actions), threshold=100)
    assert (measures.time_to_trigger_s, measures.time_to_capacity_s) == (10, 10)


def test_a_lull_of_less_than_a_minute_does_not_end_a_surge() -> None:
    load = spells((20, 100), (30, 300), (40, 100), (60, 300), (100, 100))
    run = a_played(load, actions=[(95, 2, 4)], serving=spells((130, 2), (120, 4)))
    assert measure(run, threshold=100).time_to_trigger_s == 75


def test_requests_failures_and_task_seconds_are_added_up() -> None:
    run = a_played(spells((10, 40)), serving=spells((4, 2), (6, 5)), failed=10)
    measures = measure(run, threshold=100)
    assert (measures.requests, measures.failed, measures.success_rate) == (400, 100, 0.75)
    assert (measures.task_seconds, measures.peak_tasks) == (4 * 2 + 6 * 5, 5)


def test_launched_tasks_are_paid_for_whether_they_serve_or_not() -> None:
    run = a_played(spells((10, 40)))
    starting = replace(run, seconds=tuple(second._replace(tasks=7) for second in run.seconds))
    assert measure(starting, threshold=100).task_seconds == 70


def test_without_requests_none_has_failed() -> None:
    measures = measure(a_played(spells((10, 0))), threshold=100)
    assert (measures.requests, measures.failed, measures.success_rate) == (0, 0, 1)
    assert measures.latency_ms == {"p50": None, "p95": None, "p99": None}


def test_latencies_are_in_milliseconds() -> None:
    run = a_played(spells((10, 40)))
    assert isinstance(run.latencies, Latencies)
    run.latencies.add(Served(0, 1, 0, 0.1, 1, 1, settled=False), 98)
    run.latencies.add(Served(0, 1, 0, 2.0, 1, 1, settled=False), 2)
    found = measure(run, threshold=100).latency_ms
    # 15 services of 1/150 s each vary by 26 ms, 300 by 115 ms.
    assert found == pytest.approx({"p50": 150, "p95": 198, "p99": 2050}, rel=0.02)


@pytest.mark.parametrize(
    ("actions", "reversals"),
    [
        pytest.param([], 0, id="nothing done"),
        pytest.param([(0, 2, 4), (30, 4, 6)], 0, id="twice the same way"),
        pytest.param([(0, 2, 4), (600, 4, 3)], 1, id="back within ten minutes"),
        pytest.param([(0, 2, 4), (601, 4, 3)], 0, id="back later"),
        pytest.param([(0, 4, 3), (60, 3, 4)], 1, id="in, then out again"),
        pytest.param([(0, 2, 4), (60, 4, 3), (120, 3, 4)], 2, id="there and back again"),
        pytest.param([(0, 2, 4), (500, 4, 6), (700, 6, 5)], 1, id="counted from the last one"),
    ],
)
def test_a_change_of_direction_within_ten_minutes_is_a_reversal(
    actions: list[tuple[float, int, int]], reversals: int
) -> None:
    measures = measure(a_played([100] * 10, actions=actions), threshold=100)
    assert (measures.reversals, measures.scale_actions) == (reversals, len(actions))


def test_load_is_the_mean_of_the_10_s_that_begin_with_a_second() -> None:
    assert ahead(spells((5, 0), (10, 100)))[:7] == [50, 60, 70, 80, 90, 100, 100]
    assert ahead([3, 5]) == [4, 5]
    assert ahead([]) == []


@pytest.mark.parametrize(
    ("requests", "needed"),
    [
        pytest.param(spells((10, 250)), 30, id="the example"),
        pytest.param(spells((10, 10)), 20, id="at least the minimum"),
        pytest.param(spells((10, 1e6)), 400, id="at most the maximum"),
        pytest.param(spells((10, 300)), 30, id="exactly enough"),
        pytest.param(spells((10, 250), (10, 450)), 89, id="as much as the next 10 s take"),
    ],
)
def test_the_task_seconds_needed_are_those_of_just_enough_tasks(
    requests: list[float], needed: float
) -> None:
    assert needed_task_seconds(Traffic("t", tuple(requests)), a_setup()) == needed


# --- over several seeds ---------------------------------------------------------------------------


def some(trigger: float | None = 10, failed: float = 0, p99: float | None = 50) -> Measures:
    return Measures(
        time_to_trigger_s=trigger,
        time_to_95_percent_s=None,
        time_to_capacity_s=None,
        requests=1000,
        failed=failed,
        success_rate=1 - failed / 1000,
        latency_ms={"p50": 50, "p95": 50, "p99": p99},
        task_seconds=100,
        peak_tasks=2,
        scale_actions=1,
        reversals=0,
    )


@pytest.mark.parametrize(
    ("triggers", "middle", "ends"),
    [
        pytest.param([30, 10, 20], 20, (10, 30), id="the middle one"),
        pytest.param([10, 20, 30, 40], 20, (10, 40), id="the lower of two"),
        pytest.param([10, None, 20], 20, (10, None), id="never is later than any time"),
        pytest.param([None, 10, None], None, (10, None), id="mostly never"),
        pytest.param([None], None, (None, None), id="never"),
        pytest.param([0, None], 0, (0, None), id="0 is a time"),
    ],
)
def test_runs_are_summed_up_by_their_median_and_range(
    triggers: list[float | None], middle: float | None, ends: tuple[float | None, float | None]
) -> None:
    summary = summarise([some(trigger) for trigger in triggers])
    assert summary.medians.time_to_trigger_s == middle
    assert summary.ranges["time_to_trigger_s"] == ends


def test_each_measure_has_a_median_of_its_own() -> None:
    runs = [some(10, 5, 70), some(30, 1, None), some(20, 9, 60)]
    medians = summarise(runs).medians
    assert (medians.time_to_trigger_s, medians.failed) == (20, 5)
    assert medians.success_rate == pytest.approx(0.995)
    assert medians.latency_ms == {"p50": 50, "p95": 50, "p99": 70}
    percentiles = {f"latency_ms.{name}" for name in ("p50", "p95", "p99")}
    measures = set(summarise(runs).as_dict()) - {"latency_ms"}
    assert set(summarise(runs).ranges) == measures | percentiles
    assert summarise(runs).ranges["latency_ms.p99"] == (60, None)


@pytest.mark.parametrize(
    ("failed", "middle_half"),
    [
        pytest.param([5], (5, 5), id="one run"),
        pytest.param([1, 2, 3, 4], (1, 4), id="of four, none is left out"),
        pytest.param([5, 4, 3, 2, 1], (2, 4), id="of five, the outermost"),
        pytest.param([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], (3, 8), id="of ten, two on each side"),
    ],
)
def test_quartiles_are_the_ends_of_the_middle_half(
    failed: list[int], middle_half: tuple[int, int]
) -> None:
    assert summarise([some(1, one) for one in failed]).quartiles["failed"] == middle_half


def test_the_worst_of_each_measure_is_its_own_seeds_and_never_is_the_worst_time() -> None:
    worst = summarise([some(10, 5), some(None, 1), some(20, 9)]).worst
    assert worst == {
        "time_to_trigger_s": None,
        "time_to_95_percent_s": None,
        "time_to_capacity_s": None,
        "failed": 9,
        "success_rate": pytest.approx(0.991),
        "task_seconds": 100,
        "peak_tasks": 2,
        "scale_actions": 1,
        "reversals": 0,
        "surge_looks": 0,
        "latency_ms.p50": 50,
        "latency_ms.p95": 50,
        "latency_ms.p99": 50,
    }
