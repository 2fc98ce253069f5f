"""The demo's clocks; a test passes one that does not wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


LOOK_SECONDS = 0.2
"""How often the demo checks for what it waits for."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Clock:
    """A source of time (aware UTC), and a way to wait (seconds).

    Code that waits for something to happen checks every `look` seconds.
    """

    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    look: float = LOOK_SECONDS

    def looks_until(self, moment: datetime) -> Iterator[None]:
        """Wait for `moment`, and yield at each look on the way; end at once if it has passed.

        Example: for a moment 0.5 s away and a look every 0.2 s, yield after 0.2 s and 0.4 s.
        """
        while (pause := (moment - self.now()).total_seconds()) > self.look:
            self.sleep(self.look)
            yield
        if pause > 0:
            self.sleep(pause)


class CatchUpClock:
    """A clock that is `behind` and catches up: it shortens waits, while work takes its real time.

    So everything measured under it is measured in real time. While it hurries, a wait takes a tenth
    of its length, until the clock has caught up; from then on it shows the real time. `clock` is
    the pair of both, for code that reads the time and waits.
    """

    def __init__(self, behind: timedelta, real: Clock) -> None:
        self.behind = behind
        self.clock = Clock(self.now, self.sleep, real.look)
        self._real = real
        self._hurries = False

    def hurry(self, hurries: bool) -> None:
        """Start or stop hurrying. While it hurries, views update once a second."""
        self._hurries = hurries and self.behind > timedelta(0)
        self.clock.look = 1 if self._hurries else self._real.look

    def now(self) -> datetime:
        """Return the clock's time."""
        return self._real.now() - self.behind

    def sleep(self, seconds: float) -> None:
        """Wait until this many seconds have passed on the clock."""
        share = 0.9 if self._hurries else 0
        skipped = min(self.behind, timedelta(seconds=seconds * share))
        self._real.sleep(seconds - skipped.total_seconds())
        self.behind -= skipped


def next_boundary(moment: datetime, seconds: int) -> datetime:
    """Return the first multiple of `seconds` on the UTC clock at or after `moment`.

    Example: 10:00:03.2 and 10 s: 10:00:10.
    """
    whole = -(-moment.timestamp() // seconds) * seconds
    return datetime.fromtimestamp(whole, UTC)


def period_start(moment: datetime, seconds: int) -> datetime:
    """Return the last multiple of `seconds` on the UTC clock at or before `moment`.

    Example: 10:00:03.2 and 10 s: 10:00:00.
    """
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)
