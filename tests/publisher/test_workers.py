"""The workers of a task add up to one value: who reads, what is counted once, who has died."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_publisher import _workers
from quickstep_publisher._points import Gauge, Interval
from quickstep_publisher._workers import Workers, task_folder
from tests.publisher.fakes import forked, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return task_folder(str(tmp_path), "task")


def taken(interval: Interval | None) -> tuple[int, int | None]:
    """How many requests arrived, and how many finished."""
    assert interval is not None
    return interval.arrived, interval.times.count if interval.times else None


def test_several_workers_add_up_to_one_interval(folder: Path) -> None:
    first, second = Workers(folder, 0, 0), Workers(folder, 0, 0)
    first.recorder.observe(0.010)
    first.recorder.begin()
    second.recorder.observe(0.030, requests=2)
    second.copy()

    interval = first.take(1, 5)

    assert interval is not None
    assert (interval.seconds, interval.arrived, interval.active) == (5, 4, 1)
    assert interval.times is not None
    assert interval.times.count == 3
    assert interval.times.total == pytest.approx(70)
    assert (interval.times.minimum, interval.times.maximum) == pytest.approx((10, 30))


def test_an_interval_is_taken_once_by_any_worker(folder: Path) -> None:
    first, second = Workers(folder, 0, 0), Workers(folder, 0, 0)
    first.recorder.count(5)
    first.copy()

    assert taken(second.take(1, 5)) == (5, None)
    assert first.take(1, 5.1) is None
    assert first.take(1, 9.9) is None, "long enough for a rate, but taken"
    assert taken(first.take(2, 10)) == (0, None)


def test_the_one_that_published_last_is_the_one_to_do_it_again(folder: Path) -> None:
    first, second = Workers(folder, 0, 0), Workers(folder, 0, 0)
    assert (first.holds, second.holds) == (True, False)

    second.take(1, 5)

    assert (first.holds, second.holds) == (False, True)


def test_each_interval_has_its_own_shortest_and_longest_time(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    seen = []
    for number, milliseconds in enumerate([(500, 20, 900), (40, 60), (), (70,)], start=1):
        for each in milliseconds:
            worker.recorder.observe(each / 1000)
        interval = worker.take(number, 5 * number)
        assert interval is not None
        times = interval.times
        seen.append(times and (times.minimum, times.maximum))

    assert seen[2] is None
    assert [pytest.approx(each) for each in seen if each] == [(20, 900), (40, 60), (70, 70)]


def test_a_new_tasks_rate_over_less_than_half_an_interval_waits_for_the_next(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    worker.recorder.count(10)

    assert worker.take(1, 2.4) is None
    assert worker.take(1, 2.6) is None, "its tick has passed"
    assert taken(worker.take(2, 7.4)) == (10, None)


def test_what_is_older_than_a_minute_is_dropped(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    worker.recorder.count(10)

    assert worker.take(1, 61) is None
    worker.recorder.count(3)
    assert taken(worker.take(2, 66)) == (3, None)


def test_a_clock_set_back_does_not_stop_publishing(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    assert worker.take(800, 5) is not None
    back = worker.take(80, 10)

    assert back is not None
    assert back.missed == 0


def test_a_clock_set_forward_misses_no_more_ticks_than_there_was_time_for(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    assert worker.take(1, 5) is not None
    forward = worker.take(800, 15)

    assert forward is not None
    assert forward.missed == 1


def test_the_last_counts_of_a_dead_worker_are_taken_and_its_slot_is_removed(folder: Path) -> None:
    living = Workers(folder, 0, 0)

    def live_and_die() -> None:
        worker = Workers(folder, 0, 0)
        worker.recorder.observe(0.1)
        worker.recorder.begin()
        worker.copy()
        worker.set_gauges({"QueueLength": Gauge(9, "Count")}, 0)

    forked(live_and_die)
    assert len(list(folder.glob("*.slot"))) == 2

    interval = living.take(1, 5)

    assert taken(interval) == (2, 1)
    assert interval is not None
    assert (interval.active, interval.gauges) == (0, {}), "what it had open is gone with it"
    assert len(list(folder.glob("*.slot"))) == 1
    assert taken(living.take(2, 10)) == (0, None)


def test_another_worker_goes_on_where_a_dead_one_has_published(folder: Path) -> None:
    living = Workers(folder, 0, 0)
    living.recorder.count(1)
    living.copy()

    def publish_and_die() -> None:
        worker = Workers(folder, 0, 0)
        worker.recorder.count(4)
        assert taken(worker.take(1, 5)) == (5, None)
        worker.recorder.count(2)
        worker.copy()

    forked(publish_and_die)
    living.recorder.count(1)
    assert not living.holds

    interval = living.take(2, 11)

    assert taken(interval) == (3, None)
    assert interval is not None
    assert interval.seconds == 6


def test_a_worker_that_leaves_has_nothing_to_publish_while_others_live(folder: Path) -> None:
    first, second = Workers(folder, 0, 0), Workers(folder, 0, 0)
    first.recorder.count(4)

    first.recorder.observe(0.1)

    assert first.leave(1, times=True) is None
    first.recorder.count(100)
    assert taken(second.take(1, 5)) == (5, 1)
    assert len(list(folder.glob("*.slot"))) == 1


def test_the_last_worker_publishes_response_times_and_hands_on_what_arrived(folder: Path) -> None:
    last = Workers(folder, 0, 0)
    last.recorder.count(4)
    last.recorder.observe(0.1)

    left = last.leave(2, times=True)
    successor = Workers(folder, 0, 4)
    successor.recorder.observe(0.2, requests=2)

    assert left is not None
    assert (left.seconds, left.arrived) == (0, 0)
    assert left.times is not None
    assert (left.times.count, left.times.total) == (1, 100)
    assert taken(successor.take(1, 5)) == (7, 2)


@pytest.mark.parametrize(
    ("comes", "shares"),
    [
        pytest.param(4.9, [(1, 5, 0), (2, 5, 0)], id="before the tick"),
        pytest.param(8.0, [(1, 8, 0), (2, 2, 0)], id="3 s after it"),
        pytest.param(13.0, [(2, 13, 1), (3, 2, 0)], id="after the next: one is missed"),
        pytest.param(57.0, [(11, 57, 10), (12, 3, 0)], id="within a minute"),
    ],
)
def test_a_successor_makes_up_for_ticks_without_a_worker(
    folder: Path, comes: float, shares: list[tuple[int, float, int]]
) -> None:
    first = Workers(folder, -1, -5)
    first.take(0, 0)
    first.leave(1, times=True)
    successor = Workers(folder, int(comes // 5), comes)

    seen = []
    for now in (max(5.0, comes), comes // 5 * 5 + (10 if comes < 5 else 5)):
        interval = successor.take(int(now // 5), now)
        assert interval is not None
        seen.append((int(now // 5), interval.seconds, interval.missed))

    assert seen == shares


def test_the_only_worker_of_a_task_that_is_killed_leaves_its_counts_to_its_successor(
    folder: Path,
) -> None:
    def publish_and_die() -> None:
        worker = Workers(folder, 0, 0)
        worker.recorder.count(7)
        worker.take(1, 5)
        worker.recorder.observe(0.1, requests=4)
        worker.copy()

    forked(publish_and_die)
    successor = Workers(folder, 1, 7)
    successor.recorder.count(1)

    assert taken(successor.take(2, 10)) == (5, 4)


def test_workers_that_come_long_after_all_others_have_died_start_anew(folder: Path) -> None:
    def count_and_die() -> None:
        worker = Workers(folder, 0, 1_000_000)
        worker.recorder.count(4)
        worker.copy()

    forked(count_and_die)

    worker = Workers(folder, 0, 3)
    worker.recorder.count(1)

    assert taken(worker.take(1, 8)) == (1, None)


def test_gauges_are_summed_over_workers_and_shared_ones_are_not(folder: Path) -> None:
    workers = [Workers(folder, 0, 0) for _ in range(3)]
    for n, worker in enumerate(workers, start=1):
        gauges = {"QueueLength": Gauge(n, "Count"), "InRedis": Gauge(10 * n, "Count", shared=True)}
        worker.set_gauges(gauges, now=4 + n / 10)

    interval = workers[0].take(1, 5)

    assert interval is not None
    assert {name: gauge.value for name, gauge in interval.gauges.items()} == {
        "QueueLength": 6,
        "InRedis": 30,
    }


def test_a_gauge_that_was_not_read_for_two_intervals_is_no_longer_published(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    worker.set_gauges({"QueueLength": Gauge(5, "Count")}, now=0)

    published = [worker.take(n, 5 * n) for n in (1, 2, 3)]

    assert [bool(interval and interval.gauges) for interval in published] == [True, True, False]


def test_counts_from_many_threads_are_exact() -> None:
    worker = Workers(None, 0, 0)
    begun = threading.Barrier(8)

    def work() -> None:
        begun.wait()
        for _ in range(2_000):
            worker.recorder.begin()
            worker.recorder.end(0.002)
            worker.recorder.observe(0.001)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    interval = worker.take(1, 5)

    assert taken(interval) == (32_000, 32_000)
    assert interval is not None
    assert interval.times is not None
    assert interval.active == 0
    assert interval.times.total == pytest.approx(16_000 * 3)


def count_in_a_process(folder: Path, requests: int, go: Any) -> None:
    worker = Workers(folder, 0, 0)
    go.wait()
    random = seeded()
    for _ in range(requests):
        worker.recorder.observe(random.randint(1, 100) / 1000)
        worker.copy()
    os._exit(9)  # without a word, as if it were killed


def test_counts_of_processes_that_are_read_while_they_count_are_exact(folder: Path) -> None:
    reader = Workers(folder, 0, 0)
    go = get_context("spawn").Event()
    processes = [
        get_context("spawn").Process(target=count_in_a_process, args=(folder, 30_000, go))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    while len(list(folder.glob("*.slot"))) < 4:
        assert all(process.is_alive() for process in processes)
    go.set()
    intervals = []
    number = 0
    while any(process.is_alive() for process in processes):
        number += 1
        intervals.append(reader.take(number, 5.0 * number))
    intervals.append(reader.take(number + 1, 5.0 * number + 5))

    times = [interval.times for interval in intervals if interval and interval.times]
    random = seeded()
    total = 3 * sum(random.randint(1, 100) for _ in range(30_000))
    assert len(times) > 3, "read while they counted"
    assert sum(each.count for each in times) == 90_000
    assert sum(each.total for each in times) == pytest.approx(total)
    assert all(0.99 < t.minimum <= t.total / t.count <= t.maximum < 100.01 for t in times)


def test_after_a_fork_the_parent_keeps_its_lock_and_the_child_writes_nowhere(folder: Path) -> None:
    parent, reader = Workers(folder, 0, 0), Workers(folder, 0, 0)

    def count() -> None:
        parent.abandon()
        parent.recorder.observe(1)
        parent.copy()

    forked(count)

    assert taken(reader.take(1, 5)) == (0, None)
    assert len(list(folder.glob("*.slot"))) == 2


def test_a_child_that_outlives_its_parent_does_not_keep_the_parents_slot(folder: Path) -> None:
    reader = Workers(folder, 0, 0)
    to_child, from_child = os.pipe(), os.pipe()

    def leave_a_child() -> None:
        worker = Workers(folder, 0, 0)
        worker.recorder.count(3)
        worker.copy()
        if os.fork() == 0:
            worker.abandon()
            os.write(from_child[1], b".")
            os.read(to_child[0], 1)

    forked(leave_a_child)
    assert os.read(from_child[0], 1) == b"."

    assert taken(reader.take(1, 5)) == (3, None)
    assert len(list(folder.glob("*.slot"))) == 1, "taken for dead, though its child lives"
    os.write(to_child[1], b".")
    for fd in (*to_child, *from_child):
        os.close(fd)


@pytest.fixture
def stopped(folder: Path) -> Iterator[Callable[[], None]]:
    """Let somebody hold the ledger's lock for the rest of the test."""
    opened: list[int] = []

    def hold() -> None:
        opened.append(os.open(folder / "ledger", os.O_RDWR))
        fcntl.flock(opened[-1], fcntl.LOCK_EX)

    yield hold
    for fd in opened:
        os.close(fd)


def test_a_worker_that_was_stopped_with_the_lock_delays_no_other(
    folder: Path, stopped: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workers, "_LOCK_PAUSE", 0)
    worker = Workers(folder, 0, 0)
    stopped()

    assert worker.take(1, 5) is None
    with pytest.raises(TimeoutError, match="another process holds the lock"):
        Workers(folder, 0, 0)


def test_the_folder_of_a_task_is_its_users_alone(tmp_path: Path) -> None:
    folder = task_folder(str(tmp_path), "task")
    Workers(folder, 0, 0)

    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("trap", ["readable by others", "a link", "a file"])
def test_a_folder_that_somebody_else_has_prepared_is_not_used(tmp_path: Path, trap: str) -> None:
    place = tmp_path / f"quickstep-{os.getuid()}"
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    elif trap == "a file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o755)

    with pytest.raises(OSError, match="quickstep"):
        task_folder(str(tmp_path), "task")


def test_a_damaged_slot_is_left_out(folder: Path) -> None:
    worker = Workers(folder, 0, 0)
    (folder / "1-0.slot").write_bytes(b"short")
    worker.recorder.count(2)

    assert taken(worker.take(1, 5)) == (2, None)
