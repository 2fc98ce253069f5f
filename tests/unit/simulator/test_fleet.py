"""The fleet: who gets requests, how fast tasks come, which of them go."""

from __future__ import annotations

import pytest

import quickstep_lab.simulator.fleet
from quickstep_lab.simulator.fleet import Fleet
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.world import World
from tests.unit.simulator.worlds import PROMPT, a_fleet, a_random, exactly, serve_for

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


def test_a_removed_task_drains_it_costs_and_no_longer_runs_or_gets_requests() -> None:
    fleet = a_fleet(12, deregistration_delay=300)
    fleet.set_desired(2, 10)

    seconds = dict(zip(range(10, 320), serve_for(fleet, 200, range(10, 320)), strict=True))

    assert {second.per_task for second in seconds.values()} == {100}
    assert fleet.running(10) == 2
    assert [seconds[second].tasks for second in (10, 309, 310)] == [12, 12, 2]


def test_a_task_that_does_not_listen_yet_is_stopped_without_draining() -> None:
    fleet = a_fleet(2, deregistration_delay=300)
    fleet.set_desired(4, 0)
    fleet.set_desired(2, 10)
    assert fleet.tasks == 2


def test_ecs_stops_no_protected_task_and_runs_more_than_are_desired_until_it_may() -> None:
    fleet = a_fleet(6, protected_share=1 / 3, protection=100)
    protected = [task for task in fleet.publishing() if task.protected_until]
    assert {task.protected_until for task in protected} == {40}

    fleet.set_desired(1, 0)
    assert set(fleet.publishing()) == set(protected)
    assert (fleet.desired, fleet.running(0), fleet.serving) == (1, 2, 2)
    serve_for(fleet, 100, range(39))
    assert fleet.serving == 2
    serve_for(fleet, 100, [40])
    assert fleet.serving == 1


def test_from_a_second_of_the_traffic_on_no_launch_ever_comes() -> None:
    fleet = a_fleet(2, never_come_from=100)
    fleet.set_desired(4, 50)
    assert fleet.problem == ""
    serve_for(fleet, 100, range(50, 100))
    fleet.set_desired(14, 100)
    serve_for(fleet, 100, range(100, 200))
    assert (fleet.desired, fleet.running(200), fleet.tasks) == (14, 4, 4)
    assert "unable to place a task" in fleet.problem

    fleet.set_desired(4, 200)
    assert (fleet.running(200), fleet.problem) == (4, ""), "who never came goes first"


def test_the_second_from_which_none_comes_is_one_of_the_traffic() -> None:
    world = World(never_come_from=0)
    fleet = Fleet(world, 2, a_random(), lead=30)
    fleet.set_desired(3, 29)
    fleet.set_desired(4, 30)
    assert fleet.tasks == 3


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
        # Of 100 held, a task that serves 10 a second still holds more than 40 five seconds later.
        pytest.param(1000, [8, 8, 14, 16], id="two: it is replaced"),
        pytest.param(90, [-60, -60, 8, 8], id="one: it stays"),
    ],
)
def test_a_task_may_be_too_slow_for_one_health_check_but_not_for_two(
    requests: float, then: list[float]
) -> None:
    fleet = a_fleet(2, server=WEAK, start_up=exactly(3))
    fleet.set_desired(4, 5)
    serve_for(fleet, requests, [6, 7])
    serve_for(fleet, 0, range(8, 40))
    assert sorted(listening(fleet)) == then
    assert (fleet.serving, fleet.tasks, fleet.desired) == (4, 4, 4)


def test_health_checks_fail_a_task_only_in_a_row() -> None:
    fleet = a_fleet(2, server=WEAK, start_up=exactly(3))
    for start in (6, 16, 26):  # each task is checked in between, when it holds less than 40
        serve_for(fleet, 90, [start, start + 1])
        assert held(fleet) / 2 > 40
        serve_for(fleet, 0, range(start + 2, start + 10))
    assert (listening(fleet), fleet.tasks) == ([-60, -60], 2)


def test_an_unhealthy_task_gets_no_requests_while_others_are_healthy_and_stays_until_replaced() -> (
    None
):
    fleet = a_fleet(2, server=WEAK, start_up=exactly(20), deregistration_delay=60)
    serve_for(fleet, 1000, [0])
    fleet.set_desired(4, 1)
    serve_for(fleet, 0, range(1, 4))
    seconds = dict(zip(range(4, 60), serve_for(fleet, 8, range(4, 60)), strict=True))

    # One fails its second check in second 6, the other in second 8: then none is healthy.
    found = [(seconds[at].serving, seconds[at].per_task) for at in (6, 7, 8, 9)]
    assert found == [(2, 4), (1, 8), (1, 8), (2, 4)]
    assert [seconds[at].tasks for at in (5, 7, 9)] == [4, 5, 6], "others are on their way"
    assert seconds[59].serving == 4


def test_where_all_tasks_are_too_slow_all_of_them_get_requests() -> None:
    fleet = a_fleet(2, server=WEAK)
    seconds = serve_for(fleet, 1000, range(30))
    assert {second.per_task for second in seconds[15:]} == {500}
    assert [seconds[at].tasks for at in (0, 29)] == [2, 4], "others are on their way"
    assert listening(fleet)[:2] == [-60, -60]


@pytest.mark.parametrize(
    ("refuses", "tasks"), [pytest.param(False, 2, id="no"), pytest.param(True, 4, id="yes")]
)
def test_a_full_task_may_refuse_its_checks_as_often_as_requests_and_is_replaced(
    refuses: bool, tasks: int
) -> None:
    fleet = a_fleet(2, start_up=exactly(8), full_refuses_checks=refuses)
    seconds = serve_for(fleet, 100_000, range(12))  # of a thousand, each task takes three
    assert (seconds[-1].serving, fleet.tasks) == (2, tasks)
    serve_for(fleet, 100, range(12, 40))
    assert (fleet.serving, fleet.tasks) == (2, 2)
    assert all((task.listens_at > 0) == refuses for task in fleet.serving_tasks())


def test_a_task_that_refuses_few_requests_passes_its_checks() -> None:
    fleet = a_fleet(2, full_refuses_checks=True)
    serve_for(fleet, 310, range(60))  # a thirtieth too many
    assert fleet.tasks == 2


def test_an_unhealthy_task_whose_replacement_is_given_up_is_stopped() -> None:
    fleet = a_fleet(3, full_refuses_checks=True)
    serve_for(fleet, 100_000, range(12))
    assert (fleet.tasks, fleet.desired) == (6, 3)
    fleet.set_desired(1, 12)
    assert (fleet.serving, fleet.tasks) == (1, 2)


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
