"""Combine what a task's workers did: pure, from their slots to an interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep_publisher._demand import WAITING, Wait, demand, trend
from quickstep_publisher._points import INTERVAL, LONGEST_SPAN, Gauge, Interval, Sample, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quickstep_publisher._slots import Reading, Second

_TREND_SECONDS = 10
"""The most whole seconds over which the growth of queue time is measured."""


@dataclass(frozen=True)
class Kept:
    """What one interval keeps for the next.

    `waiting` is how many requests waited then, None if unknown. `held` is the demand, and `second`
    the last whole second that was read. `left` counts arrivals at workers that are gone, which are
    in no second yet.
    """

    waiting: int | None = None
    held: float = 0.0
    second: int = 0
    left: int = 0


def together(
    readings: Sequence[Reading], generation: int, span: float, before: Kept, last: int | None
) -> tuple[Interval, Kept]:
    """Return what is new in all slots since the ledger's last `generation`, `span` seconds ago.

    With `last`, a second, the interval has whole seconds up to that one.
    """
    taken = added_up(readings, generation, span)
    told = by_second(readings)
    seconds: list[TaskSecond] = []
    left = 0
    if last is not None:
        seconds = whole_seconds(readings, told, before, last)
        if not seconds:
            left = before.left + sum(each.arrived for each in readings if not each.alive)
    waits = waits_of(told[-_TREND_SECONDS:])
    full = any(reading.full for reading in readings)
    now_waiting = seconds[-1].waiting if seconds else waiting(readings)
    wait = queue_time_of(waits, now_waiting, taken.arrived / span if span > 0 else 0.0)

    steps = list(_by_second(seconds, before.waiting)) or [
        _step(taken.arrived, taken.seconds or 1.0, before.waiting, now_waiting, full=full)
    ]
    over = next((n for n, each in enumerate(seconds) if _over(each.wait, full=each.full)), None)
    if over is not None:
        steps[over:] = _shared(steps[over:])
    held = max(before.held, before_full(readings)) if full else before.held
    asked = [
        demand(
            step.began / step.seconds,
            step.growth / step.seconds,
            trend(waits),
            waiting=step.waiting,
            full=step.full,
            held=held,
        )
        for step in steps
    ]
    new = [each.second for each in seconds]
    if last is not None and not new:
        taken = replace(taken, seconds=0.0)  # the workers here began within this second
    samples = tuple(
        Sample(
            each.second, rate, each.active, _busy(each.busy, each.wait, full=each.full), each.wait
        )
        for each, rate in zip(seconds, asked, strict=bool(new))
    )
    return (
        replace(
            taken,
            demand=asked[-1],
            busy=_busy(taken.busy, wait, full=full),
            queue_time=wait,
            samples=samples,
        ),
        Kept(now_waiting, sum(asked) / len(asked), max([before.second, *new]), left),
    )


def arrivals(readings: Sequence[Reading]) -> list[tuple[int, float]]:
    """Return the newest whole seconds and how many requests arrived in each, oldest first.

    A task's first second is not whole.
    """
    told = by_second(readings)
    return [
        (each.second, max(0.0, each.arrived + (each.waiting or 0) - (before.waiting or 0)))
        for before, each in pairwise(told)
        if before.second == each.second - 1
    ]


@dataclass(frozen=True)
class _Step:
    """Requests that began in some seconds, growth of the queue, and how many wait at the end."""

    began: float
    growth: int
    waiting: int
    full: bool
    seconds: float


def _step(
    began: float, seconds: float, before: int | None, waiting_now: int | None, *, full: bool
) -> _Step:
    """Return a step; a queue of unknown length has not grown."""
    growth = 0 if before is None or waiting_now is None else waiting_now - before
    return _Step(began, growth, waiting_now or 0, full, seconds)


def _by_second(seconds: Iterable[TaskSecond], before: int | None) -> Iterator[_Step]:
    for each in seconds:
        yield _step(each.arrived, 1.0, before, each.waiting, full=each.full)
        before = each.waiting


def _shared(steps: Sequence[_Step]) -> list[_Step]:
    """Return an overload's steps, each with an equal share of all arrivals.

    Only the total is known: a server that accepts many at once may show one second's arrivals in
    another. Example: 20 begin in one second and 220 in the next: 120 in each.
    """
    began, growth = (sum(each.began for each in steps), sum(each.growth for each in steps))
    over, full = sum(each.seconds for each in steps), any(each.full for each in steps)
    return [_Step(began, growth, steps[-1].waiting, full, over)] * len(steps)


def _over(wait: float | None, *, full: bool) -> bool:
    """Return whether a task is overloaded: requests are turned away, or wait for long."""
    return full or (wait or 0.0) > WAITING


def _busy(share: float | None, wait: float | None, *, full: bool) -> float | None:
    """Return the share of slots in use: all of them if the task is overloaded."""
    return 1.0 if share is not None and _over(wait, full=full) else share


def added_up(readings: Sequence[Reading], generation: int, seconds: float) -> Interval:
    """Return what is new in all slots since the ledger's last `generation`, `seconds` ago."""
    times = None
    if finished := sum(reading.finished for reading in readings):
        total = sum(reading.total for reading in readings)
        mean = total / finished
        current = [r for r in readings if r.finished and r.generation == generation]
        times = Statistics(
            count=finished,
            total=total,
            # The mean is a bound too: the shortest and longest times of a worker without a copy
            # since the last reading are unknown.
            minimum=min([mean, *(reading.shortest for reading in current)]),
            maximum=max([mean, *(reading.longest for reading in current)]),
        )
    return Interval(
        seconds=seconds,
        arrived=sum(reading.arrived for reading in readings),
        active=sum(reading.active for reading in readings),
        times=times,
        gauges=_gauges(readings),
        busy=_mean_busy(readings),
        # All living workers have to drain, because a reload asks only the old ones to end.
        draining=all(r.draining for r in readings if r.alive) and any(r.alive for r in readings),
    )


def waiting(readings: Iterable[Reading]) -> int | None:
    """Return how many connections wait on all sockets together; None if no worker listens.

    Workers that share their sockets see the same queue, so it counts once.
    """
    queues = {reading.key: reading.waiting for reading in readings if reading.key}
    return sum(queues.values()) if queues else None


@dataclass(frozen=True)
class TaskSecond:
    """A whole second of all workers together; unknown values are None."""

    second: int
    arrived: float
    active: int
    busy: float | None
    waiting: int | None
    wait: float | None
    requests: int
    full: bool


def by_second(readings: Iterable[Reading]) -> list[TaskSecond]:
    """Return the whole seconds in the slots, oldest first."""
    told: dict[int, list[tuple[int, Second]]] = {}
    arrived: dict[int, int] = {}
    for reading in readings:
        before: Second | None = None
        for second in reading.seconds:
            told.setdefault(second.second, []).append((reading.key, second))
            if before is not None and before.second == second.second - 1:
                new = second.arrived - before.arrived
                arrived[second.second] = arrived.get(second.second, 0) + new
            before = second
    return [
        replace(_together(second, told[second]), arrived=arrived.get(second, 0))
        for second in sorted(told)
    ]


def before_full(readings: Iterable[Reading]) -> float:
    """Return how many requests per second arrived before the listen queue was full.

    Workers that share their ports see the same queue grow, so it counts once.
    """
    told = [reading for reading in readings if reading.began_rate or reading.growth_rate]
    growth = {reading.key: reading.growth_rate for reading in told}
    return sum(reading.began_rate for reading in told) + sum(growth.values())


def _together(second: int, told: Sequence[tuple[int, Second]]) -> TaskSecond:
    shares = [each.busy for _, each in told if each.busy is not None]
    queues = {key: each.waiting for key, each in told if key}
    timed = [(each.wait, each.requests) for _, each in told if each.wait is not None]
    requests = sum(n for _, n in timed)
    wait: float | None = None
    if requests:
        wait = sum(seconds * n for seconds, n in timed) / requests
    elif timed:
        wait = max(seconds for seconds, _ in timed)
    return TaskSecond(
        second,
        0,
        sum(each.active for _, each in told),
        sum(shares) / len(shares) if shares else None,
        sum(queues.values()) if queues else None,
        wait,
        requests,
        any(each.full for _, each in told),
    )


def whole_seconds(
    readings: Iterable[Reading], seconds: Sequence[TaskSecond], before: Kept, last: int
) -> list[TaskSecond]:
    """Return the seconds after those `before` and up to the `last`, with each one's arrivals.

    Late counts belong to the first of them, and a dead worker's remaining counts to the last, so
    nothing is lost.
    """
    new = {each.second: each for each in seconds if before.second < each.second <= last}
    if not new:
        return []
    first, newest = min(new), max(new)
    arrived = {**dict.fromkeys(new, 0), first: before.left}
    for reading in readings:
        up_to = reading.arrived_before
        for second in reading.seconds:
            if second.arrived > up_to and second.second <= last:
                arrived[min(max(second.second, first), newest)] += second.arrived - up_to
                up_to = second.arrived
        if not reading.alive:
            arrived[newest] += reading.arrived_before + reading.arrived - up_to
    told = [replace(new[second], arrived=arrived[second]) for second in sorted(new)]
    return list(_without_gaps(told, before.second))


def _without_gaps(told: Sequence[TaskSecond], after: int) -> Iterator[TaskSecond]:
    """Yield the seconds, and before them those without a living worker, which share the counts.

    Example: second 3 was the last to be read, and 6 counts 30 arrivals: 10 in each of 4, 5
    and 6. A task's seconds begin with its first.
    """
    for each in told:
        since = max(after, each.second - LONGEST_SPAN) if after else each.second - 1
        share = each.arrived / (each.second - since)
        for second in range(since + 1, each.second + 1):
            yield replace(each, second=second, arrived=share)
        after = each.second


def waits_of(seconds: Iterable[TaskSecond]) -> list[Wait]:
    """Return the seconds' known queue times."""
    return [
        Wait(each.second, each.wait, each.requests) for each in seconds if each.wait is not None
    ]


def queue_time_of(waits: Sequence[Wait], waiting: int | None, begun: float) -> float | None:
    """Return how long requests waited, in seconds; None if unknown.

    If no request shows it, Little's law does: 200 connections to accept, of which 100 are taken
    each second, wait for 2 s. An empty listen queue shows nothing, because the server may have its
    own queue.
    """
    newest = [wait for wait in waits if wait.second > waits[-1].second - INTERVAL]
    if requests := sum(wait.requests for wait in newest):
        return sum(wait.seconds * wait.requests for wait in newest) / requests
    told = max((wait.seconds for wait in newest), default=None)
    queued = waiting / begun if waiting and begun > 0 else None
    known = [seconds for seconds in (told, queued) if seconds is not None]
    return max(known, default=None)


def _mean_busy(readings: Sequence[Reading]) -> float | None:
    looks = sum(reading.looks for reading in readings)
    return sum(reading.busy for reading in readings) / looks if looks else None


def _gauges(readings: Sequence[Reading]) -> dict[str, Gauge]:
    """Add up the workers' gauges; for a shared one, keep the newest value."""
    added: dict[str, Gauge] = {}
    for reading in sorted(readings, key=lambda reading: reading.gauges_at):
        for name, gauge in reading.gauges.items():
            before = 0.0 if gauge.shared or name not in added else added[name].value
            added[name] = replace(gauge, value=before + gauge.value)
    return added
