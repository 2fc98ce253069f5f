"""What workers say together of their seconds: what arrived, what waited, and when it was full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quickstep_publisher._load import Look
from quickstep_publisher._slots import SLOT_SIZE, Reading, Recorder, Slot, read
from quickstep_publisher._together import Kept, together

if TYPE_CHECKING:
    from quickstep_publisher._points import Interval

NOW = 1_800_000_000
CALM = Look(0.5, key=7)


class Worker:
    """A worker whose copies are made by hand, each a quarter of a second after the other."""

    def __init__(self) -> None:
        self.memory = bytearray(SLOT_SIZE)
        self.wall = float(NOW)
        self.recorder = Recorder(lambda: self.wall)
        self.slot = Slot(self.memory, self.recorder)
        self.slot.copy(1, CALM, self.wall)

    def pass_a_quarter(self, begun: int, waiting: int, *, full: bool = False) -> None:
        for _ in range(begun):
            self.recorder.begin()
        self.wall += 0.25
        self.slot.copy(1, Look(1.0, 7, waiting, full), self.wall)

    def reading(self, *, alive: bool = True) -> Reading:
        return read(bytes(self.memory), 0.0, alive=alive)


def of(worker: Worker, before: Kept | None = None, last: int = NOW + 100) -> Interval:
    return together([worker.reading()], 1, 4.0, before or Kept(0, 0.0, NOW - 1), last)[0]


def test_each_second_has_what_began_in_it_and_by_how_much_more_waited() -> None:
    worker = Worker()
    for waiting in (10, 20, 30, 40, 40, 40, 40, 40, 30, 20, 10, 0, 0):
        worker.pass_a_quarter(25, waiting)

    interval = of(worker)

    assert [(each.second - NOW, each.rate) for each in interval.samples] == [
        (0, 140.0),
        (1, 100.0),
        (2, 60.0),
    ]


@pytest.mark.parametrize(
    ("waits", "rate"),
    [
        pytest.param([0, 30, 130, 230, 300], 480, id="100 more each quarter, and 20 that begin"),
        pytest.param([0, 0, 60, 300], 680, id="within half a second: at least that"),
        pytest.param([0, 300], 1280, id="at once: at least that"),
    ],
)
def test_what_arrived_until_the_queue_was_full_is_held_while_it_is(
    waits: list[int], rate: float
) -> None:
    worker = Worker()
    for waiting in waits[:-1]:
        worker.pass_a_quarter(20, waiting)
    for _ in range(16):
        worker.pass_a_quarter(20, waits[-1], full=True)

    interval = of(worker)

    assert interval.samples[-1].rate == rate
    assert interval.samples[-1].busy == 1.0


def test_a_queue_that_is_full_now_and_then_keeps_what_it_was_before_until_it_is_empty() -> None:
    worker = Worker()
    for waiting, full in ((30, False), (130, False), (230, False), (300, True)):
        worker.pass_a_quarter(20, waiting, full=full)
    for _ in range(8):
        worker.pass_a_quarter(20, 299)
        worker.pass_a_quarter(20, 300, full=True)
    held = worker.reading()
    worker.pass_a_quarter(300, 0)
    empty = worker.reading()

    assert (held.began_rate, held.growth_rate) == (80, 400)
    assert (empty.began_rate, empty.growth_rate) == (0, 0)


def test_the_seconds_of_an_overload_share_its_demand() -> None:
    worker = Worker()
    for began in (20, 0, 0, 220) * 4:  # taken in bursts; requests waited for 3 s
        for _ in range(32):
            worker.recorder.sample(f"Root=1-{int(worker.wall) - 3:08x}-a")
        worker.pass_a_quarter(began, 0)

    interval = of(worker, Kept(0, 240.0, NOW - 1))

    assert {each.rate for each in interval.samples} == {240.0}


def test_seconds_before_an_overload_keep_what_arrived_in_them() -> None:
    worker = Worker()
    for began in (10, 10, 10, 10, 60, 60, 60, 60):
        for _ in range(32):
            waited = 0 if began == 10 else 3
            worker.recorder.sample(f"Root=1-{int(worker.wall) - waited:08x}-a")
        worker.pass_a_quarter(began, 0)

    interval = of(worker)

    assert [each.rate for each in interval.samples] == [40.0, 240.0]


def test_seconds_without_a_worker_share_what_the_next_one_tells() -> None:
    worker = Worker()
    for _ in range(5):
        worker.pass_a_quarter(10, 0)

    interval = of(worker, Kept(0, 0.0, NOW - 4))

    assert [(each.second - NOW, each.rate) for each in interval.samples] == [
        (-3, 10.0),
        (-2, 10.0),
        (-1, 10.0),
        (0, 10.0),
    ]


def test_what_a_dead_worker_leaves_before_any_second_is_over_is_kept_for_the_next() -> None:
    gone = Worker()
    gone.pass_a_quarter(9, 0)
    interval, kept = together([gone.reading(alive=False)], 1, 4.0, Kept(0, 0.0, NOW - 1), NOW + 100)
    successor = Worker()
    for _ in range(4):
        successor.pass_a_quarter(10, 0)

    assert (interval.seconds, interval.samples, kept.left) == (0.0, (), 9)
    assert [each.rate for each in of(successor, kept).samples] == [39.0 + 10.0]
