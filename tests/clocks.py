"""Clocks that are set: time passes when a test says so, on the embedded AWS as well."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import living_by

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class SetClock:
    """Time that passes only by sleeping; Ctrl-C is pressed when `interrupted_at` comes."""

    at: datetime = START - timedelta(seconds=3)
    interrupted_at: datetime | None = None

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        if self.interrupted_at is not None and self.at >= self.interrupted_at:
            raise KeyboardInterrupt

    @property
    def clock(self) -> Clock:
        """The clock; between two whole seconds nothing happens under it, so none looks there."""
        return Clock(self.now, self.sleep, look=1)


@contextmanager
def same_time(time: SetClock) -> Iterator[None]:
    """Let the embedded AWS live by a set clock: the delays of its queue, the times of alarms."""
    with living_by(lambda: time.at):
        yield
