"""Patience: how long to keep an idle task before removing it.

Keeping an idle task or starting one again later is the choice between renting and buying. A task is
removed once it has been idle for as long as it would be missed, which never costs more than twice
as much as knowing the future (S. Irani, S. Shukla and R. Gupta, *Online strategies for dynamic
power management in systems with multiple power-saving states*, 2003; for servers, each with its own
timer: T. Lu, M. Chen and L. L. H. Andrew, *Simple and effective dynamic provisioning for
power-proportional data centers*, 2013). How long a task would be missed is learnt from the history
of its number: a service may need its ninth task every quarter of an hour, and its twentieth once a
day.

Tasks are numbered from 1, and the highest numbers go first. Above FINE_LEVELS, numbers within
LEVEL_STEP of each other share what is learnt.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.words import clock, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

LONGEST_WINDOW = 3600
"""No task is kept idle for longer, in seconds."""

SOON = 4
"""A task that is needed again within this many times its window was removed too soon."""

SHRINK = 0.95
"""The share of its window that a level keeps if a task was missed later than that."""

PEAK_SECONDS = 420
"""How long a share of the highest need is kept."""

REMEMBERED = 3
"""How many removals each level remembers."""

MINUTES_FROM = 180
"""Durations of this many seconds or more are given in minutes."""

FINE_LEVELS = 50
LEVEL_STEP = 1.05
MOST_TASKS = 5000


def _tops() -> tuple[int, ...]:
    """Return the highest task number of each level: 1 to 50, 53, 56, 59 ... 5,000."""
    tops = list(range(FINE_LEVELS + 1))
    while tops[-1] < MOST_TASKS:
        tops.append(min(MOST_TASKS, math.ceil(tops[-1] * LEVEL_STEP)))
    return tuple(tops)


TOPS = _tops()


def level_of(tasks: int) -> int:
    """Return the highest number in the level of a task's number.

    Example: 9 for 9; 53, 54 and 56 share the level 56.
    """
    return TOPS[bisect_left(TOPS, min(tasks, MOST_TASKS))]


@dataclass(frozen=True, slots=True)
class Need:
    """How many tasks were needed up to this moment."""

    at: datetime
    tasks: int


@dataclass(frozen=True, slots=True)
class Level:
    """What has been learnt about the tasks up to number `top`, down to the next lower level.

    They are kept idle for `window` seconds. `returned_at` is when they were removed, unless they
    have been needed since. `missed` says, for the last removals, whether they came too soon.
    """

    top: int
    window: int
    returned_at: datetime | None = None
    missed: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """What is remembered about removing tasks.

    `needs` are newest first, each larger than those before it, because a need smaller than a later
    one no longer matters. `tasks` is the desired count at the last look, and `grown_at` is when it
    last grew.
    """

    tasks: int
    grown_at: datetime
    needs: tuple[Need, ...] = ()
    levels: tuple[Level, ...] = ()

    def level(self, top: int) -> Level | None:
        """Return what is known about a level; None if nothing is."""
        return next((level for level in self.levels if level.top == top), None)


@dataclass(frozen=True, slots=True)
class Kept:
    """How many tasks are kept, `until` when, and `why`."""

    tasks: int
    until: datetime
    why: str


# --- learning -------------------------------------------------------------------------------------


def learnt(
    known: Patience | None, desired: int, needs: Sequence[Need], window: int, now: datetime
) -> Patience:
    """Return the memory after new needs, given oldest first.

    Without a memory, every task counts as needed just now.

    Example: from 8, 9 and 7 tasks needed, after 9 a minute before, 9 and 7 are remembered: 8 is
    less than the need that follows it.
    """
    if known is None:
        known = Patience(desired, now, (Need(now, desired),))
    seen = known.needs[0].at if known.needs else None
    new = [need for need in needs if seen is None or need.at > seen]
    levels = known.levels
    for need in new:
        levels = tuple(_judged(level, need, window) for level in levels)
    return Patience(
        tasks=desired,
        grown_at=now if desired > known.tasks else known.grown_at,
        needs=_staircase([*reversed(new), *known.needs], levels, window, now),
        levels=tuple(level for level in levels if _matters(level, window, now)),
    )


def returned(known: Patience, before: int, after: int, window: int, now: datetime) -> Patience:
    """Return the memory after tasks were removed: `before` became `after`."""
    tops = TOPS[bisect_left(TOPS, after + 1) : bisect_left(TOPS, before) + 1]
    given = {top: known.level(top) or Level(top, window) for top in tops}
    others = tuple(level for level in known.levels if level.top not in given)
    back = tuple(replace(level, returned_at=now) for level in given.values())
    return replace(
        known, tasks=after, levels=tuple(sorted((*others, *back), key=lambda level: level.top))
    )


def grown(known: Patience, tasks: int, now: datetime) -> Patience:
    """Return the memory after tasks were added: no task has been idle for longer than since now."""
    return replace(known, tasks=tasks, grown_at=now)


def _judged(level: Level, need: Need, window: int) -> Level:
    """Return a level after a need: if its tasks had been removed, judge whether that was too soon.

    Example: removed after 120 s and needed again 300 s later, which is within 4 * 120 s: from now
    on, kept for 240 s. Needed again after an hour: 228 s.
    """
    below = TOPS[bisect_left(TOPS, level.top) - 1]
    if level.returned_at is None or need.at <= level.returned_at or need.tasks <= below:
        return level
    soon = (need.at - level.returned_at).total_seconds() <= SOON * level.window
    longer = min(LONGEST_WINDOW, 2 * level.window)
    return Level(
        level.top,
        longer if soon else max(window, int(level.window * SHRINK)),
        missed=(*level.missed, soon)[-REMEMBERED:],
    )


def _matters(level: Level, window: int, now: datetime) -> bool:
    """Whether a level differs from an unknown one."""
    since = level.returned_at
    return level.window > window or (
        since is not None and (now - since).total_seconds() <= SOON * level.window
    )


def _staircase(
    needs: Sequence[Need], levels: Sequence[Level], window: int, now: datetime
) -> tuple[Need, ...]:
    """Return the needs that still matter, from needs that are newest first.

    Needs older than the window and of the same level merge into one: the larger, at the later time.
    """
    longest = max((level.window for level in levels), default=window)
    oldest = now - timedelta(seconds=max(PEAK_SECONDS, longest, window))
    recent = now - timedelta(seconds=window)
    steps: list[Need] = []
    for need in needs:
        if steps and (need.tasks <= steps[-1].tasks or need.at < oldest):
            continue
        if steps and steps[-1].at < recent and level_of(need.tasks) == level_of(steps[-1].tasks):
            steps[-1] = replace(steps[-1], tasks=need.tasks)
        else:
            steps.append(need)
    return tuple(steps)


# --- keeping --------------------------------------------------------------------------------------


def kept(known: Patience, window: int, share: float, now: datetime) -> Kept:
    """Return how many tasks to keep, and until when at least.

    Example: 12 were needed two minutes ago and 6 now, and the window is 120 s: 12. A minute later:
    9, which is 0.7 of 12 rounded up, until 12 have not been needed for seven minutes.
    """
    every = list(_reasons(known, window, share, now))
    holding = [each for each in every if each.until >= now]
    if not holding:
        return Kept(known.needs[0].tasks if known.needs else known.tasks, now, "no task is idle")
    most = max(each.tasks for each in holding)
    return max((each for each in holding if each.tasks == most), key=lambda each: each.until)


def _reasons(known: Patience, window: int, share: float, now: datetime) -> Iterator[Kept]:
    added = f"tasks were last added at {clock(known.grown_at)}, and are kept for {_span(window)}"
    yield Kept(known.tasks, known.grown_at + timedelta(seconds=window), added)
    for need in known.needs:
        yield _patient(known, need, need.tasks, window, now)
        part = math.ceil(share * need.tasks - 1e-9)
        until = need.at + timedelta(seconds=PEAK_SECONDS)
        peak = f"the {tasks(need.tasks)} needed at {clock(need.at)}"
        yield Kept(part, until, f"{share:.0%} of {peak} are kept")
    for level in known.levels:
        reached = next((n for n in known.needs if n.tasks >= level.top), None)
        if reached:
            yield _patient(known, reached, level.top, window, now)


def _patient(known: Patience, need: Need, number: int, window: int, now: datetime) -> Kept:
    level = known.level(level_of(number))
    patience = level.window if level else window
    since = need.at
    missed = sum(level.missed) if level else 0
    if level and missed:
        again = f"was soon needed again {missed} of the last {len(level.missed)} times"
        why = f"task {number} {again}, so it is kept idle for {_span(patience)}"
    else:
        idle = f"has been idle for {_span((now - since).total_seconds())}"
        why = f"task {number} {idle}, and is removed after {_span(patience)}"
    return Kept(number, since + timedelta(seconds=patience), why)


def _span(seconds: float) -> str:
    """Return a duration in words. Example: 80 s, 16 min."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < MINUTES_FROM else f"{whole / 60:.0f} min"
