"""Virtual time, and the invocations that take turns in it.

Invocations are greenlets: at every call of a port the agenda takes over, so that any other
invocation, message or event may come in between. Each runs on a host, whose clock may be wrong.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from greenlet import GreenletExit, getcurrent, greenlet

from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
TIMEOUT = 10.0  # the function's, in seconds


class AnswerLostError(Exception):
    """A call that took effect, and whose caller will never hear of it."""


INJECTED = (AnswerLostError, CallFailedError)
"""What a world itself raises; anything else out of an invocation is a bug."""


class ActedOn(NamedTuple):
    """A datapoint of a policy's alarm; of a surge also when its newest seconds began.

    While tasks have not reported, seconds are filled with what was before: with the same value.
    """

    policy: str
    value: float
    at: datetime | None = None


@dataclass(slots=True)
class Invocation:
    """One run of the function, on a host whose clock is `skew` seconds ahead.

    `decided_at` is when its present evaluation began; `acts_on` are the datapoints that
    the engine has been shown in it, unless it `sets` what an operator wishes. A task has asked for
    it if it is `of_surge`; a fault has met it if it is `harmed`.
    """

    number: int
    what: str
    started: float
    host: int
    skew: float
    sets: bool = False
    evaluations: int = 0
    decision: str = ""
    decided_at: float = 0.0
    acts_on: tuple[ActedOn, ...] = ()
    of_surge: bool = False
    harmed: bool = False
    ended: float | None = None


def moment(seconds: float) -> datetime:
    """Return the time of day so many seconds into a run."""
    return START + timedelta(seconds=seconds)


def seconds(at: datetime) -> float:
    """Return how far into a run a time of day is."""
    return (at - START).total_seconds()


class Clockwork:
    """The agenda of one run; `skews` are the hosts' clocks."""

    def __init__(self, rng: random.Random, skews: tuple[float, ...]) -> None:
        self.now = 0.0
        self.rng = rng
        self.skews = skews
        self.closed = False
        self.timeline: list[str] = []
        self.unexpected: list[Exception] = []
        self.invocations: list[Invocation] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._root = getcurrent()
        self._threads: dict[greenlet, Invocation] = {}

    def log(self, text: str) -> None:
        self.timeline.append(f"{self.now:7.2f}  {text}")

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def run(self) -> None:
        """Run until nothing is left on the agenda."""
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        # The frames of an invocation that was killed would keep the world in memory for ever.
        for thread in filter(None, self._threads):
            thread.throw(GreenletExit)

    # --- as an invocation sees it -----------------------------------------------------------------

    @property
    def invocation(self) -> Invocation:
        return self._threads[getcurrent()]

    def clock(self) -> datetime:
        """Return the time of the present invocation's host."""
        return moment(self.now + self.invocation.skew)

    def sleep(self, duration: float) -> None:
        self._root.switch(duration)

    def kill(self) -> None:
        self._root.switch(None)

    # --- invocations ------------------------------------------------------------------------------

    def invoke(
        self, what: str, body: Callable[[], object], failed: Callable[[], None] = lambda: None
    ) -> None:
        """Start an invocation; `failed` is called when it ends without success."""
        if self.closed:
            return
        host = self.rng.randrange(len(self.skews))
        invocation = Invocation(len(self.invocations) + 1, what, self.now, host, self.skews[host])
        self.invocations.append(invocation)
        self.log(f"#{invocation.number} {what} starts")

        def run() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - what a check is to find
                others = error.split(INJECTED)[1] if isinstance(error, ExceptionGroup) else error
                found = others.exceptions if isinstance(others, ExceptionGroup) else (others,)
                self.unexpected += [one for one in found if one and not isinstance(one, INJECTED)]
                self.log(f"#{invocation.number} fails: {error!r}")
                invocation.harmed = True
                failed()
            else:
                self.log(f"#{invocation.number} ends")
                invocation.ended = self.now

        thread = greenlet(run, parent=self._root)
        self._threads[thread] = invocation
        self._resume(thread, failed)

    def _resume(self, thread: greenlet, failed: Callable[[], None]) -> None:
        invocation = self._threads[thread]
        timed_out = self.now - invocation.started > TIMEOUT
        verdict = None if timed_out else thread.switch()
        if thread.dead:
            return
        if verdict is None:  # whatever it held, it will never run again
            self.log(f"#{invocation.number} {'times out' if timed_out else 'is killed'}")
            invocation.harmed = True
            failed()
            return
        self.at(self.now + verdict, lambda: self._resume(thread, failed))
