"""Counting in plain numbers, and what a reader may see of a slot while its worker copies."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from quickstep_publisher import Publisher
from quickstep_publisher._load import Look
from quickstep_publisher._slots import SLOT_SIZE, Recorder, Slot, how_far, read
from tests.publisher.fakes import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Watched(bytearray):
    """Shared memory that notes what it holds after each time it is written into."""

    def __init__(self) -> None:
        super().__init__(SLOT_SIZE)
        self.seen: list[bytes] = []

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)  # type: ignore[call-overload]
        self.seen.append(bytes(self))


def test_a_copy_is_one_write_and_is_never_cleared_in_between() -> None:
    memory = Watched()
    recorder = Recorder()
    slot = Slot(memory, recorder)

    recorder.begin()
    slot.copy(0, Look(), 0)
    recorder.end(0.02)
    recorder.observe(0.03, requests=2)
    slot.copy(0, Look(), 0)

    counted = [int.from_bytes(how_far(content)[:8], "little") for content in memory.seen]
    assert counted == [1, 3], "one write each: `pack_into` would clear the slot first"


def test_shortest_and_longest_are_those_since_the_last_reading() -> None:
    memory = bytearray(SLOT_SIZE)
    recorder = Recorder()
    slot = Slot(memory, recorder)
    seen = []
    for generation, seconds in ((0, 0.5), (0, 0.02), (1, 0.3), (1, 0.4), (2, 0.1)):
        recorder.observe(seconds)
        slot.copy(generation, Look(), 0)
        reading = read(bytes(memory), 0, alive=True)
        seen.append((reading.shortest, reading.longest))

    assert seen == [(500, 500), (20, 500), (300, 300), (300, 400), (100, 100)]


@pytest.fixture
def eager() -> Iterator[None]:
    """Let threads change places, and the garbage collector run, as often as they can."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1, 1, 1)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


class Unclosed:
    """A request that ends when the garbage collector finds it, in the midst of whatever."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.cycle = recorder, self
        recorder.begin()

    def __del__(self) -> None:
        self.recorder.end(0.001)


@pytest.mark.usefixtures("eager")
def test_requests_that_the_garbage_collector_ends_are_exact_in_all_threads() -> None:
    recorder = Recorder()

    def work() -> None:
        for _ in range(2_000):
            Unclosed(recorder)
            recorder.observe(0.001)
            recorder.begin()
            recorder.end(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "waits for itself"
    gc.collect()

    assert (recorder.begun, recorder.ended) == (16_000, 16_000)
    assert (recorder.counted, recorder.observed) == (8_000, 8_000)
    assert recorder.total == pytest.approx(24_000)


@pytest.mark.usefixtures("eager")
def test_a_finalizer_that_counts_while_the_publisher_starts_waits_for_nothing(
    tmp_path: Path,
) -> None:
    publisher = Publisher(cluster="c", service="s", transport=Kept(), directory=tmp_path)
    started = threading.Event()

    class Finalized:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            publisher.observe(0.001)

    def start() -> None:
        for _ in range(20):
            Finalized()
            publisher.count()
            publisher.close()
        started.set()

    threading.Thread(target=start, daemon=True).start()

    assert started.wait(60), "waits for itself"


def test_no_more_requests_are_looked_at_between_two_copies_than_tell_the_queue_time() -> None:
    recorder = Recorder(lambda: 0x67891234 + 0.5)
    looked = 0
    for n in range(1000):
        if recorder.wanted > 0:
            looked += 1
            recorder.sample("Root=1-67891234-a" if n % 2 else None)

    assert looked == 64
    assert recorder.sampled() == [0.5] * 32
    assert recorder.sampled() == []
    assert recorder.wanted == 64
