"""A queue's jobs: none is lost, each waits its turn, and those that wait too long are late."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_lab.simulator.jobs import JobQueue, Jobs, Waits

if TYPE_CHECKING:
    from collections.abc import Iterable


def worked(queue: JobQueue, arrivals: Iterable[float], tasks: int, start: int = 0) -> int:
    """Run the queue for as many seconds as there are arrivals, and return the jobs found late."""
    return sum(
        queue.run(come, second, tasks).late for second, come in enumerate(arrivals, start=start)
    )


@pytest.mark.parametrize(
    ("jobs", "tasks", "done"),
    [
        pytest.param(Jobs(2), 3, 30, id="2 s each: 3 tasks do 30 in 20 s"),
        pytest.param(Jobs(2, slots=4), 3, 120, id="four slots do four times as many"),
        pytest.param(Jobs(2.5), 1, 8, id="2.5 s each: 8 in 20 s"),
        pytest.param(Jobs(0.5), 1, 40, id="half a second each: 2 a second"),
        pytest.param(Jobs(0.03), 1, 666, id="short ones: a step holds several"),
    ],
)
def test_tasks_work_off_as_many_jobs_as_their_slots_allow(
    jobs: Jobs, tasks: int, done: int
) -> None:
    queue = JobQueue(jobs)
    worked(queue, [1000, *[0] * 20], tasks)

    assert queue.done == pytest.approx(done, abs=max(1, 0.02 * done) + 1 / jobs.seconds)
    assert jobs.per_second * tasks * 20 == pytest.approx(done, rel=0.01)


def test_fractions_of_jobs_add_up_to_whole_ones() -> None:
    queue = JobQueue(Jobs(1))

    came = [queue.run(0.25, second, 0).arrived for second in range(8)]

    assert came == [0, 0, 0, 1, 0, 0, 0, 1]


def test_without_a_task_jobs_wait_and_are_late_once_they_have_waited_too_long() -> None:
    queue = JobQueue(Jobs(1, late_after=30))
    worked(queue, [10, *[0] * 30], tasks=0)

    assert (queue.visible, queue.in_flight, queue.overdue(30), queue.overdue(31)) == (10, 0, 0, 10)
    assert worked(queue, [0] * 5, tasks=10, start=31) == 10
    assert (queue.visible, queue.done) == (0, 10)


def test_the_oldest_jobs_are_begun_first() -> None:
    queue = JobQueue(Jobs(1, late_after=5))
    worked(queue, [4, *[0] * 9, 4], tasks=0)

    assert worked(queue, [0], tasks=4, start=11) == 4
    assert worked(queue, [0], tasks=4, start=12) == 0


def test_a_task_that_is_stopped_ends_its_jobs_and_costs_until_then() -> None:
    queue = JobQueue(Jobs(10, slots=2))
    worked(queue, [8], tasks=4)

    queue.run(0, 1, 3)
    assert (queue.stopping, queue.in_flight, queue.visible) == (1, 8, 0)
    worked(queue, [0] * 9, tasks=3, start=2)
    assert (queue.stopping, queue.in_flight, queue.done) == (0, 0, 8)


def test_jobs_longer_than_a_task_may_take_to_stop_wait_again_as_old_as_they_are() -> None:
    queue = JobQueue(Jobs(100, late_after=30))
    worked(queue, [4], tasks=4)

    worked(queue, [0] * 40, tasks=2, start=1)
    assert (queue.visible, queue.in_flight, queue.done) == (2, 2, 0)
    assert queue.overdue(41) == 2


def test_how_long_jobs_waited_is_known_by_shares() -> None:
    waits = Waits()
    assert waits.percentile(0.5) is None
    waits.add(0.2, 98)
    waits.add(40.5, 2)

    assert [waits.percentile(share) for share in (0.5, 0.98, 0.99)] == [1, 1, 41]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=80),
    st.sampled_from([0.05, 0.3, 1, 2, 2.5, 7, 45]),
    st.integers(1, 4),
)
def test_no_job_is_lost_whatever_is_started_and_stopped(
    seconds: list[tuple[int, int]], takes: float, slots: int
) -> None:
    queue = JobQueue(Jobs(takes, slots))
    for second, (come, tasks) in enumerate(seconds):
        queue.run(come, second, tasks)
        assert queue.visible >= 0
        assert queue.in_flight >= 0
    last, work = len(seconds), takes * sum(come for come, _ in seconds)
    for second in range(last, last + 200 + math.ceil(work / (6 * slots))):
        queue.run(0, second, 6)

    assert queue.arrived == queue.done == sum(come for come, _ in seconds)
    assert (queue.visible, queue.in_flight, queue.stopping) == (0, 0, 0)
