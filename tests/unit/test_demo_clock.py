"""The demo's clock: waiting for a moment, and looking around on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quickstep_lab.clock import Clock

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
