"""The demo's clock: waiting for a moment, and looking around on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quickstep_lab.clock import CatchUpClock, Clock

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class SetTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


def looks(seconds: float, look: float) -> tuple[list[float], float]:
    """Return when there is a look on the way to a moment, and when the way ends."""
    time = SetTime()
    clock = Clock(time.now, time.sleep, look)
    seen = [time.passed for _ in clock.looks_until(START + timedelta(seconds=seconds))]
    return seen, time.passed


def test_on_the_way_to_a_moment_there_is_a_look_in_regular_intervals() -> None:
    assert looks(1, 0.25) == ([0.25, 0.5, 0.75], 1)


def test_the_last_wait_is_shorter_where_the_intervals_do_not_fit() -> None:
    assert looks(0.5, 0.2) == ([0.2, 0.4], 0.5)


def test_a_moment_nearer_than_an_interval_is_waited_for_without_a_look() -> None:
    assert looks(1, 1) == ([], 1)


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    assert looks(-1, 0.2) == ([], 0)


class TestCatchingUp:
    """A clock a minute behind, in a real time that passes by sleeping alone."""

    def clock(self) -> tuple[CatchUpClock, SetTime]:
        time = SetTime()
        return CatchUpClock(timedelta(seconds=60), Clock(time.now, time.sleep, 0.2)), time

    def test_it_begins_behind_and_waits_as_long_as_it_says_unless_it_hurries(self) -> None:
        pace, time = self.clock()
        pace.sleep(5)
        assert (time.passed, pace.now()) == (5, START + timedelta(seconds=5 - 60))

    def test_while_it_hurries_a_wait_takes_a_tenth_of_its_time(self) -> None:
        pace, time = self.clock()
        pace.hurry(True)
        pace.sleep(10)
        assert (time.passed, pace.now()) == (1, START + timedelta(seconds=10 - 60))
        assert pace.clock.look == 1

    def test_work_takes_what_it_takes_however_much_it_hurries(self) -> None:
        pace, time = self.clock()
        pace.hurry(True)
        before = pace.now()
        time.passed += 0.25
        assert pace.now() - before == timedelta(seconds=0.25)

    def test_once_it_has_caught_up_it_tells_and_takes_the_real_time(self) -> None:
        pace, time = self.clock()
        pace.hurry(True)
        pace.sleep(200)
        assert pace.now() == time.now()
        assert time.passed == 140
        pace.hurry(True)
        pace.sleep(5)
        assert (time.passed, pace.clock.look) == (145, 0.2)
