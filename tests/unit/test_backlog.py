"""What is known of queues from one reading to the next, and the tasks that they take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.backlog import (
    Backlog,
    Moment,
    Queue,
    QueuePolicy,
    QueueReading,
    arrivals,
    follow,
    occupied,
    share,
)
from quickstep.engine.patience import Need
from tests.builders import NOW, ago

JOBS = QueuePolicy("jobs", "jobs", seconds_per_job=2)
MAILS = QueuePolicy("mails", "mails.fifo", seconds_per_job=0.1, slots_per_task=4)
LONG = replace(JOBS, seconds_per_job=120)


@pytest.mark.parametrize(
    ("policy", "reading", "come", "tasks"),
    [
        pytest.param(JOBS, QueueReading(0), 0, 0.0, id="nothing"),
        pytest.param(JOBS, QueueReading(340, 24), 12, 49.333, id="what comes, and what waits"),
        pytest.param(JOBS, QueueReading(0, 24), 12, 26.0, id="in flight, each nine tenths busy"),
        pytest.param(JOBS, QueueReading(0, 27), 12, 26.667, id="what comes alone"),
        pytest.param(LONG, QueueReading(1), 0.1, 1.0, id="one long job takes one task"),
        pytest.param(MAILS, QueueReading(12, 4), 40, 1.121, id="short jobs, several at a time"),
        pytest.param(JOBS, QueueReading(0, 0, 500), 0, 0.0, id="delayed messages take none yet"),
    ],
)
def test_a_queue_takes_the_tasks_for_what_comes_and_what_waits(
    policy: QueuePolicy, reading: QueueReading, come: float, tasks: float
) -> None:
    assert share(policy, reading, come) == pytest.approx(tasks, abs=0.001)


@pytest.mark.parametrize(
    ("slots", "jobs", "tasks"),
    [(1, 0, 0), (1, 1, 1), (1, 9, 10), (1, 12, 13), (10, 12, 2), (10, 100, 11)],
)
def test_no_more_tasks_than_jobs_occupy(slots: int, jobs: int, tasks: int) -> None:
    assert occupied(replace(JOBS, slots_per_task=slots), jobs) == tasks


@pytest.mark.parametrize(
    ("last", "newest", "tasks", "come"),
    [
        pytest.param(QueueReading(0), QueueReading(50), 0, 5.0, id="from nothing"),
        pytest.param(QueueReading(0, 20), QueueReading(30, 24), 40, 14.4, id="growing"),
        pytest.param(QueueReading(90, 20), QueueReading(40, 20), 20, 5.0, id="shrinking"),
        pytest.param(QueueReading(500, 20), QueueReading(0, 20), 20, 0.0, id="purged: never below"),
        pytest.param(QueueReading(0, 90), QueueReading(0, 90), 3, 1.5, id="fetched ahead"),
    ],
)
def test_what_comes_is_what_leaves_and_what_there_is_more(
    last: QueueReading, newest: QueueReading, tasks: int, come: float
) -> None:
    assert arrivals(JOBS, last, newest, tasks, 10) == pytest.approx(come)


def at(seconds: float, tasks: int = 4) -> Moment:
    return Moment(NOW + timedelta(seconds=seconds), tasks)


def test_a_reading_that_has_not_changed_is_what_is_known_already() -> None:
    reading = {"jobs": QueueReading(3, 4)}
    known = follow([JOBS], None, reading, at(0))

    for seconds in (10, 20, 3600):
        assert follow([JOBS], known, reading, at(seconds)) is known


def test_a_change_after_quiet_hours_has_come_since_the_reading_before() -> None:
    known = follow([JOBS], None, {"jobs": QueueReading(0)}, at(0))

    changed = follow([JOBS], known, {"jobs": QueueReading(50)}, at(3600))

    assert changed.queues["jobs"] == Queue(at(3600).now, QueueReading(50), 5.0)
    assert changed.needs == (Need(at(3600).now, 15),)


def test_what_was_needed_was_so_until_the_reading_before() -> None:
    busy = follow([JOBS], None, {"jobs": QueueReading(0, 10)}, at(0, tasks=10))

    calm = follow([JOBS], busy, {"jobs": QueueReading(0, 2)}, at(300, tasks=10))

    assert calm.needs == (Need(at(300).now, 2), Need(at(290).now, 11))


def test_a_reading_soon_after_another_says_less_of_what_comes() -> None:
    known = Backlog({"jobs": Queue(ago(4), QueueReading(0), 8.0)})

    seen = follow([JOBS], known, {"jobs": QueueReading(48)}, Moment(NOW, 0))

    assert seen.queues["jobs"].arrivals == 9.6


def test_what_two_queues_take_is_added_up_before_it_is_rounded() -> None:
    readings = {"jobs": QueueReading(0, 3), "mails": QueueReading(0, 1)}

    seen = follow([JOBS, MAILS], None, readings, at(0))

    assert seen.tasks == 4  # 3 jobs take 3.33, and one of 4 slots for mails 0.28


def test_dead_letters_of_another_queue_do_not_count() -> None:
    readings = {"jobs": QueueReading(0, 1, dead_letters="mails.fifo"), "mails": QueueReading(900)}

    seen = follow([JOBS, MAILS], None, readings, at(0))

    assert seen.tasks == 1


def test_a_queue_that_cannot_be_read_is_known_as_it_was_and_counts_so() -> None:
    known = follow([JOBS], None, {"jobs": QueueReading(0, 9)}, at(0, tasks=9))

    seen = follow([JOBS], known, {"jobs": "GetQueueUrl: AccessDenied"}, at(10))
    again = follow([JOBS], seen, {"jobs": "GetQueueUrl: AccessDenied"}, at(20))

    assert seen.queues["jobs"] == replace(known.queues["jobs"], trouble="GetQueueUrl: AccessDenied")
    assert seen.tasks == known.tasks == 10
    assert again is seen


def test_it_is_empty_since_no_message_of_any_kind_is_in_any_queue() -> None:
    def seen(known: Backlog | None, seconds: float, jobs: QueueReading) -> Backlog:
        readings = {"jobs": jobs, "mails": QueueReading(0)}
        return follow([JOBS, MAILS], known, readings, at(seconds))

    delayed = seen(None, 0, QueueReading(0, 0, 1))
    in_flight = seen(delayed, 10, QueueReading(0, 1))
    empty = seen(in_flight, 20, QueueReading(0))
    still = seen(empty, 30, QueueReading(0))
    busy = seen(still, 40, QueueReading(1))

    assert [each.empty_since for each in (delayed, in_flight, busy)] == [None, None, None]
    assert [each.empty_since for each in (empty, still)] == [at(20).now] * 2


def test_a_queue_that_cannot_be_read_is_not_known_to_be_empty() -> None:
    known = follow([JOBS], None, {"jobs": QueueReading(0)}, at(0))

    assert follow([JOBS], known, {"jobs": "denied"}, at(10)).empty_since is None


COUNTS = st.integers(0, 10_000)
READINGS = st.builds(QueueReading, COUNTS, COUNTS, COUNTS)


@given(last=READINGS, newest=READINGS, more=COUNTS, tasks=COUNTS)
def test_more_waiting_never_takes_fewer_tasks(
    last: QueueReading, newest: QueueReading, more: int, tasks: int
) -> None:
    known = follow([JOBS], None, {"jobs": last}, at(0, tasks))
    larger = replace(newest, visible=newest.visible + more)

    few = follow([JOBS], known, {"jobs": newest}, at(10, tasks))
    many = follow([JOBS], known, {"jobs": larger}, at(10, tasks))

    assert few.tasks <= many.tasks <= occupied(JOBS, larger.jobs)
