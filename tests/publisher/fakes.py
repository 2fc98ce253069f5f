"""A time that is set, and transports that keep, refuse or are slow."""

from __future__ import annotations

import json
import os
import random
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from quickstep_publisher import Address, Clock, Point, Publisher, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class Time:
    """A time that passes only when it is told to; all clocks of a publisher are this one."""

    at: datetime = START

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        """Seconds since START."""
        return (self.at - START).total_seconds()

    @property
    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.at, monotonic=lambda: self.seconds, timer=lambda: self.seconds
        )


@dataclass
class Kept:
    """A transport that keeps what it is given."""

    points: list[Point] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)

    def send(self, address: Address, point: Point) -> None:
        self.addresses.append(address)
        self.points.append(point)

    def values(self, name: str) -> list[float | Statistics]:
        """The values of one metric, in order."""
        return [m.value for point in self.points for m in point.metrics if m.name == name]

    def rates(self) -> list[float]:
        """The values of RequestsPerSecond."""
        return [v for v in self.values("RequestsPerSecond") if not isinstance(v, Statistics)]

    def seconds(self) -> list[float]:
        """How the points are stamped, in seconds since START."""
        return [(point.timestamp - START).total_seconds() for point in self.points]


@dataclass
class Broken:
    """A transport that does `act` instead of sending, as long as it is set."""

    act: Callable[[], None] | None = None
    attempts: int = 0
    kept: Kept = field(default_factory=Kept)

    def send(self, address: Address, point: Point) -> None:
        self.attempts += 1
        if self.act is not None:
            self.act()
        self.kept.send(address, point)


def a_publisher(time: Time, transport: Any, **options: Any) -> Publisher:
    """A publisher without a thread, on the tick of the clock, with one value for each tick."""
    names = {"cluster": "prod", "service": "web", "phase": 0.0, "seconds": False, **options}
    return Publisher(transport=transport, thread=False, clock=time.clock, **names)


def drive(publisher: Publisher, time: Time, seconds: float, step: float = 0.5) -> Iterator[None]:
    """Let time pass in steps, and the publisher publish what is due; yield before each step."""
    end = time.seconds + seconds
    while time.seconds < end - step / 2:
        yield
        time.pass_(step)
        publisher.publish()


def emf_lines(stream: TextIO) -> list[dict[str, Any]]:
    """The documents that were written to a stream."""
    stream.seek(0)
    return [json.loads(line) for line in stream]


def forked(act: Callable[[], None]) -> None:
    """Do something in a forked child, which then dies without a word, as if it were killed."""
    with warnings.catch_warnings():
        # Python 3.12 warns of the threads that the test's process may have; the child uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, "failed in the child, see its traceback"


def seeded() -> random.Random:
    """The same numbers in every run."""
    return random.Random(5)  # noqa: S311 - test data
