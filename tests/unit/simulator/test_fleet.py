"""The fleet: who gets requests, how fast tasks come, which of them go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import quickstep_lab.simulator.fleet
from quickstep_lab.simulator.queueing import Server
from tests.unit.simulator.worlds import PROMPT, a_fleet, exactly, serve_for

if TYPE_CHECKING:
    from quickstep_lab.simulator.fleet import Fleet

WEAK = Server(capacity=10, queue_limit=100, time_out=10)
"""It is slower than a health check waits, 4 s, once it holds more than 40."""


def held(fleet: Fleet) -> float:
    """Return the requests that all tasks hold."""
    return sum(len(group.tasks) * group.length for group in groups(fleet))


def groups(fleet: Fleet) -> list[quickstep_lab.simulator.fleet._Group]:
    return fleet._groups  # noqa: SLF001 - what is held shows nowhere else


def listening(fleet: Fleet) -> list[float]:
    return [task.listens_at for task in fleet.publishing()]


# --- requests -------------------------------------------------------------------------------------


def test_requests_are_spread_evenly_over_the_tasks_that_serve() -> None:
    fleet = a_fleet(3)
    fleet.set_desired(6, 0)

    seconds = serve_for(fleet, 300, range(60))

    seen = sorted({(second.serving, second.per_task) for second in seconds})
    assert [seen[0], seen[-1]] == [(3, 100), (6, 50)]
    assert all(serving * per_task == pytest.approx(300) for serving, per_task in seen)


def test_without_a_task_every_request_fails() -> None:
    (second,) = serve_for(a_fleet(0), 300, [0])
    assert (second.requests, second.failed, second.per_task, second.serving) == (300, 300, 0, 0)


def test_the_last_task_gone_every_request_fails() -> None:
    fleet = a_fleet(2)
    fleet.set_desired(0, 5)
    assert [second.failed for second in serve_for(fleet, 30, range(5, 8))] == [30, 30, 30]


# --- launching ------------------------------------------------------------------------------------


def test_a_task_costs_from_its_launch_runs_once_it_listens_and_serves_after_a_health_check() -> (
    None
):
    fleet = a_fleet(1)
    fleet.set_desired(9, 10)

    assert (fleet.tasks, fleet.running(39.9), fleet.running(40)) == (9, 1, 9)
    serving = [second.serving for second in serve_for(fleet, 30, range(10, 60))]
    # They listen at 40; each is checked for the first time within the next 5 s.
    assert serving[:30] == [1] * 30
    assert serving[35:] == [9] * 15
    assert serving == sorted(serving)
    assert 1 < serving[32] < 9


def test_a_task_that_takes_no_time_serves_at_once() -> None:
    fleet = a_fleet(1, start_up=PROMPT, health_interval=0.01)
    fleet.set_desired(2, 10)
    assert [second.serving for second in serve_for(fleet, 30, [10, 11])] == [1, 2]


@pytest.mark.parametrize(
    ("second", "launched"),
    [
        pytest.param(0, 100, id="a burst of 100"),
        pytest.param(1, 120, id="then 20 a second"),
        pytest.param(10, 300, id="for as long as the service's 500 last"),
        pytest.param(34, 780, id="and the 8.3 a second that come to them"),
        pytest.param(40, 833, id="then 500 a minute"),
        pytest.param(60, 1000, id="and that is what it stays at"),
        pytest.param(120, 1500, id="minute by minute"),
    ],
)
def test_tasks_are_launched_at_the_rates_of_the_account_and_of_the_service(
    second: int, launched: int
) -> None:
    fleet = a_fleet(0, start_up=PROMPT)
    fleet.set_desired(5000, 0)
    serve_for(fleet, 0, range(second + 1))
    assert fleet.tasks == pytest.approx(launched, abs=1)


def test_the_quotas_of_a_small_region_hold_as_well() -> None:
    fleet = a_fleet(0, launch_burst=25, launch_rate=5, service_launch_rate=125 / 60)
    fleet.set_desired(200, 0)
    counts = [second.tasks for second in serve_for(fleet, 0, range(61))]
    assert (counts[0], counts[10]) == (25, 75)
    assert counts[60] == pytest.approx(200, abs=1)


def test_a_quota_that_was_not_used_comes_back_but_no_further_than_the_burst() -> None:
    fleet = a_fleet(0)
    fleet.set_desired(100, 0)
    fleet.set_desired(400, 600)
    assert fleet.tasks == 200


# --- stopping -------------------------------------------------------------------------------------


def test_the_newest_tasks_are_stopped_first() -> None:
    fleet = a_fleet(2)
    fleet.set_desired(4, 0)
    serve_for(fleet, 600, range(40))  # the first two hold more than the others, which are new
    fleet.set_desired(5, 40)
    fleet.set_desired(6, 41)
    assert listening(fleet) == [-60, -60, 30, 30, 70, 71]

    fleet.set_desired(5, 42)
    assert listening(fleet) == [-60, -60, 30, 30, 70]
    fleet.set_desired(3, 42)
    assert listening(fleet) == [-60, -60, 30]
    fleet.set_desired(1, 43)
    assert listening(fleet) == [-60]


def test_tasks_that_wait_for_a_quota_are_given_up_before_any_that_was_launched() -> None:
    fleet = a_fleet(2)
    fleet.set_desired(300, 0)
    assert fleet.tasks == 102
    fleet.set_desired(110, 1)
    assert fleet.tasks == 102
    fleet.set_desired(50, 1)
    serve_for(fleet, 10, range(2, 60))
    assert (fleet.tasks, fleet.serving) == (50, 50)


def test_the_same_desired_count_changes_nothing() -> None:
    fleet = a_fleet(3)
    fleet.set_desired(3, 0)
    assert (fleet.tasks, fleet.running(0)) == (3, 3)


# --- health ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "then"),
    [
        # With 4 to 8 more each second, the full tasks still hold more than 40 when checked again.
        pytest.param(16, [8, 8, 18, 18], id="two: it is replaced"),
        pytest.param(0, [-60, -60, 8, 8], id="one: it stays"),
    ],
)
def test_a_task_may_be_too_slow_for_one_health_check_but_not_for_two(
    requests: float, then: list[float]
) -> None:
    fleet = a_fleet(2, server=WEAK, start_up=exactly(3))
    fleet.set_desired(4, 5)
    serve_for(fleet, 1000, [6, 7])

    serve_for(fleet, requests, range(8, 15))
    assert listening(fleet) == [-60, -60, 8, 8]
    serve_for(fleet, requests, range(15, 30))

    assert listening(fleet) == then
    assert (fleet.serving, fleet.tasks, fleet.desired) == (4, 4, 4)


def test_health_checks_fail_a_task_only_in_a_row() -> None:
    fleet = a_fleet(2, server=WEAK, start_up=exactly(3))
    serve_for(fleet, 1000, [6, 7])  # they hold 80 at the check of second 10
    serve_for(fleet, 0, range(8, 19))  # and 30 at that of second 15
    serve_for(fleet, 60, [19, 20])  # and 40 to 60 at that of second 20
    assert 40 < held(fleet) / 2 < 50
    fleet.set_desired(4, 21)
    serve_for(fleet, 0, [21])
    serve_for(fleet, 20, range(22, 40))  # what two of them can just serve
    assert listening(fleet) == [-60, -60, 24, 24]


def test_where_all_tasks_are_too_slow_all_of_them_get_requests() -> None:
    fleet = a_fleet(2, server=WEAK)
    seconds = serve_for(fleet, 1000, range(60))
    assert {(second.serving, second.tasks) for second in seconds} == {(2, 2)}
    assert listening(fleet) == [-60, -60]


# --- groups of tasks ------------------------------------------------------------------------------


def test_tasks_that_have_come_to_hold_equally_many_are_one_queue_and_hold_as_many_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merging, apart = a_fleet(2), a_fleet(2)
    for fleet in (merging, apart):
        serve_for(fleet, 450, range(20))
        fleet.set_desired(5, 20)

    for second in range(20, 80):
        requests = 450 + 200 * (second % 2)
        monkeypatch.setattr(quickstep_lab.simulator.fleet, "_SAME_LENGTH", -1)
        (expected,) = serve_for(apart, requests, [second])
        monkeypatch.undo()
        (seen,) = serve_for(merging, requests, [second])
        assert held(merging) == pytest.approx(held(apart), rel=0.01, abs=0.5)
        assert seen.failed == pytest.approx(expected.failed, rel=0.01, abs=0.5)

    assert len(groups(apart)) > 1
    assert len(groups(merging)) == 1
    assert [len(group.tasks) for group in groups(merging)] == [5]


def test_what_a_fleet_accepts_is_what_its_tasks_serve_and_still_hold() -> None:
    fleet = a_fleet(2)
    accepted = sum(second.requests - second.failed for second in serve_for(fleet, 900, range(30)))
    most = 2 * 150 * 30
    assert held(fleet) == pytest.approx(600)
    assert accepted - held(fleet) == pytest.approx(most, rel=0.02)
