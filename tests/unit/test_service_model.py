"""The model of a Fargate service: tasks start late, and share the load once they serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep_lab.service_model import FargateService, Load

START_UP = 30.0


def a_service(tasks: int = 2) -> FargateService:
    """A service whose tasks serve from second 0 on."""
    return FargateService(START_UP, capacity=150).with_desired(tasks, now=-START_UP)


def test_a_task_serves_only_after_its_start_up_delay() -> None:
    service = a_service(2).with_desired(6, now=22)
    serving = [len(service.serving(now)) for now in (0, 22, 51.9, 52)]
    starting = [len(service.starting(now)) for now in (22, 51.9, 52)]
    assert (serving, starting) == ([2, 2, 2, 6], [4, 4, 0])


def test_the_same_desired_count_changes_nothing() -> None:
    service = a_service(3)
    assert service.with_desired(3, now=10) == service


def test_the_newest_tasks_are_stopped_first_so_those_still_starting_go_before_any_that_serves() -> (
    None
):
    service = a_service(2).with_desired(4, now=10).with_desired(3, now=12).with_desired(1, now=13)
    assert [task.number for task in service.tasks] == [1]


def test_a_task_that_replaces_a_stopped_one_starts_anew() -> None:
    service = a_service(2).with_desired(1, now=10).with_desired(2, now=11)
    assert [(task.number, task.serves_from) for task in service.tasks] == [(1, 0), (3, 41)]


@pytest.mark.parametrize(
    ("requests", "tasks", "per_task", "served", "failed"),
    [
        pytest.param(120, 2, 60, 120, 0, id="within capacity"),
        pytest.param(300, 2, 150, 300, 0, id="at capacity"),
        pytest.param(450, 2, 225, 300, 150, id="beyond capacity"),
        pytest.param(0, 2, 0, 0, 0, id="no requests"),
        pytest.param(120, 0, 0, 0, 120, id="no task"),
    ],
)
def test_the_load_is_spread_evenly_and_fails_beyond_the_capacity(
    requests: float, tasks: int, per_task: float, served: float, failed: float
) -> None:
    load = a_service(tasks).serve(requests, now=0)
    assert load == Load(requests, per_task, served, failed, tuple(range(1, tasks + 1)))


def test_a_removed_task_gets_no_requests_and_drains_for_its_deregistration_delay() -> None:
    service = replace(a_service(4), deregistration_delay=20).with_desired(2, now=10)
    assert service.serve(100, now=11) == Load(100, 50, 100, 0, (1, 2), draining=(3, 4))
    again = service.with_desired(1, now=25)
    assert [again.serve(100, now=now).draining for now in (29, 30, 45)] == [(3, 4, 2), (2,), ()]


def test_a_task_that_never_served_does_not_drain() -> None:
    service = a_service(2).with_desired(4, now=10).with_desired(2, now=12)
    assert service.serve(100, now=13).draining == ()


def test_only_serving_tasks_receive_requests() -> None:
    service = a_service(2).with_desired(6, now=0)
    assert service.serve(450, now=29).per_task == 225
    assert service.serve(450, now=30).per_task == 75
