"""How long idle tasks are kept, and what is learnt of each number."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.patience import (
    FINE_LEVELS,
    LONGEST_WINDOW,
    MOST_TASKS,
    PEAK_SECONDS,
    TOPS,
    Level,
    Need,
    Patience,
    grown,
    kept,
    learnt,
    level_of,
    returned,
)
from tests.builders import NOW, ago

if TYPE_CHECKING:
    from datetime import datetime

WINDOW = 120
LONG_AGO = ago(9_000)


def needed(*needs: tuple[float, int]) -> tuple[Need, ...]:
    """Return needs by how many seconds ago they were, newest first."""
    return tuple(Need(ago(seconds), tasks) for seconds, tasks in needs)


def remembered(*needs: tuple[float, int], tasks: int = 12, **changes: Any) -> Patience:
    return replace(Patience(tasks, LONG_AGO, needed(*needs)), **changes)


def keep(known: Patience, now: datetime = NOW, share: float = 0.7) -> int:
    return kept(known, WINDOW, share, now).tasks


# --- levels ---------------------------------------------------------------------------------------


def test_up_to_fifty_every_task_has_a_level_of_its_own_and_then_they_grow_by_a_twentieth() -> None:
    assert TOPS[: FINE_LEVELS + 1] == tuple(range(FINE_LEVELS + 1))
    assert TOPS[FINE_LEVELS:][:4] == (50, 53, 56, 59)
    assert TOPS[-1] == MOST_TASKS
    assert all(low < high <= low * 1.05 + 1 for low, high in pairwise(TOPS[FINE_LEVELS:]))


@pytest.mark.parametrize(
    ("tasks", "level"), [(0, 0), (9, 9), (50, 50), (51, 53), (53, 53), (54, 56), (6_000, 5_000)]
)
def test_a_task_number_s_level(tasks: int, level: int) -> None:
    assert level_of(tasks) == level


# --- keeping --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "tasks", "why"),
    [
        pytest.param(
            [(0, 6), (100, 12)],
            12,
            "task 12 has been idle for 100 s, and is removed after 120 s",
            id="idle for less than the window",
        ),
        pytest.param(
            [(0, 6), (121, 12)],
            9,
            "70% of the 12 tasks needed at 09:58:11 UTC are kept",
            id="then seven tenths of it",
        ),
        pytest.param(
            [(0, 6), (419, 12)],
            9,
            "70% of the 12 tasks needed at 09:53:13 UTC are kept",
            id="for seven minutes",
        ),
        pytest.param(
            [(0, 6), (421, 12)],
            6,
            "task 6 has been idle for 0 s, and is removed after 120 s",
            id="and what is needed",
        ),
        pytest.param(
            [(0, 2), (90, 5), (300, 9)],
            7,
            "70% of the 9 tasks needed at 09:55:12 UTC are kept",
            id="the most of several reasons",
        ),
    ],
)
def test_what_is_kept(needs: list[tuple[float, int]], tasks: int, why: str) -> None:
    kept_now = kept(remembered(*needs), WINDOW, 0.7, NOW)

    assert (kept_now.tasks, kept_now.why) == (tasks, why)


def test_tasks_that_were_just_added_are_kept_whatever_is_needed() -> None:
    guess = remembered((0, 6), tasks=15, grown_at=ago(100))

    assert keep(guess) == 15
    assert kept(guess, WINDOW, 0.7, NOW).why == (
        "tasks were last added at 09:58:32 UTC, and are kept for 120 s"
    )
    assert keep(guess, NOW + timedelta(seconds=21)) == 6


def test_it_says_until_when_at_least() -> None:
    now = kept(remembered((0, 6), (100, 12)), WINDOW, 0.7, NOW)

    assert now.until == NOW + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("level", "tasks", "why"),
    [
        pytest.param(
            Level(9, 960, missed=(True, False, True)),
            9,
            "task 9 was soon needed again 2 of the last 3 times, so it is kept idle for 16 min",
            id="for as long as it was missed",
        ),
        pytest.param(
            Level(9, 480),
            2,
            "70% of the 2 tasks needed at 10:00:12 UTC are kept",
            id="and then it is not",
        ),
    ],
)
def test_a_task_that_was_missed_is_kept_for_longer(level: Level, tasks: int, why: str) -> None:
    kept_now = kept(remembered((0, 2), (500, 9), levels=(level,)), WINDOW, 0.7, NOW)

    assert (kept_now.tasks, kept_now.why) == (tasks, why)


def test_a_patient_level_keeps_those_below_it_and_not_those_above() -> None:
    known = remembered((0, 2), (500, 20), levels=(Level(9, 960),))

    assert keep(known) == 9


# --- learning -------------------------------------------------------------------------------------


def learn(known: Patience | None, *needs: tuple[float, int], desired: int = 12) -> Patience:
    return learnt(known, desired, needed(*needs)[::-1], WINDOW, NOW)


def test_without_a_memory_every_task_counts_as_needed_just_now() -> None:
    known = learn(None, (5, 3), (1, 3))

    assert keep(known) == 12
    assert keep(known, NOW + timedelta(seconds=WINDOW + 1)) == 9
    later = NOW + timedelta(seconds=PEAK_SECONDS + 1)
    assert keep(learnt(known, 12, [Need(later, 3)], WINDOW, later), later) == 3


def test_of_the_needs_those_are_remembered_that_no_later_one_exceeds() -> None:
    known = learn(remembered((60, 9), tasks=12), (5, 7), (10, 9), (15, 8))

    assert known.needs == needed((5, 7), (10, 9))


def test_what_was_seen_before_is_not_learnt_again() -> None:
    given = remembered((10, 4), tasks=5, levels=(Level(9, WINDOW, ago(60)),))

    assert learn(given, (10, 9), (20, 9), desired=5) == given


@pytest.mark.parametrize(
    ("ago_returned", "level", "after"),
    [
        pytest.param(400, Level(9, 120), Level(9, 240, missed=(True,)), id="soon: for longer"),
        pytest.param(
            481, Level(9, 240), Level(9, 480, missed=(True,)), id="soon is four of its windows"
        ),
        pytest.param(
            3000,
            Level(9, 400, missed=(True, True, True)),
            Level(9, 380, missed=(True, True, False)),
            id="later: a little less",
        ),
        pytest.param(10_000, Level(9, 120), None, id="never below the window"),
        pytest.param(
            3000,
            Level(9, 3000),
            Level(9, LONGEST_WINDOW, missed=(True,)),
            id="never more than an hour",
        ),
    ],
)
def test_a_task_that_is_needed_again(
    ago_returned: float, level: Level, after: Level | None
) -> None:
    level = Level(level.top, level.window, ago(ago_returned), level.missed)
    known = learn(remembered((5_000, 4), tasks=5, levels=(level,)), (5, 9), desired=5)

    assert known.levels == ((after,) if after else ())


@pytest.mark.parametrize(
    ("need", "seconds_ago"),
    [
        pytest.param(8, 5, id="a smaller number is needed"),
        pytest.param(9, 70, id="it was needed before it was given back"),
    ],
)
def test_a_task_is_not_missed_where(need: int, seconds_ago: float) -> None:
    level = Level(9, 240, ago(60))

    known = learn(remembered((500, 4), tasks=5, levels=(level,)), (seconds_ago, need), desired=5)

    assert known.levels == (level,)


def test_each_number_that_is_given_back_is_marked_and_what_is_known_of_it_stays() -> None:
    known = remembered((0, 2), tasks=6, levels=(Level(5, 480, missed=(True,)), Level(9, 240)))

    back = returned(known, 6, 4, WINDOW, NOW)

    assert back.tasks == 4
    assert back.levels == (
        Level(5, 480, NOW, (True,)),
        Level(6, WINDOW, NOW),
        Level(9, 240),
    )


def test_large_fleets_mark_levels_and_not_tasks() -> None:
    back = returned(remembered((0, 2), tasks=5000), 5000, 50, WINDOW, NOW)

    assert len(back.levels) == len(TOPS) - 1 - FINE_LEVELS


def test_that_tasks_were_added_begins_their_idleness() -> None:
    assert grown(remembered((0, 2)), 15, NOW) == remembered((0, 2), tasks=15, grown_at=NOW)
    assert learn(remembered((0, 2), tasks=4), desired=8).grown_at == NOW, "by whoever it was"
    assert learn(remembered((0, 2), tasks=8), desired=4).grown_at == LONG_AGO


def test_what_can_say_nothing_any_more_is_forgotten() -> None:
    old = remembered((400, 4), (3_000, 9), (9_000, 20), levels=(Level(9, WINDOW, ago(481)),))

    assert learn(old, (5, 3)).needs == needed((5, 3), (400, 4))
    assert learn(old, (5, 3)).levels == ()


def test_old_needs_of_a_level_are_one() -> None:
    old = remembered((5, 10), (130, 51), (140, 52), (150, 53), (160, 54))

    assert learn(old).needs == needed((5, 10), (130, 53), (160, 54))


needs: st.SearchStrategy[list[tuple[float, int]]] = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 200)), max_size=30, unique_by=lambda need: need[0]
).map(lambda drawn: sorted(drawn, reverse=True))


@given(needs, st.integers(0, 200))
def test_no_task_that_was_needed_within_the_window_is_given_back(
    drawn: list[tuple[float, int]], desired: int
) -> None:
    known = learnt(
        Patience(desired, LONG_AGO, needed((500, 0))),
        desired,
        [Need(ago(seconds), tasks) for seconds, tasks in drawn],
        WINDOW,
        NOW,
    )

    lately = max((tasks for seconds, tasks in drawn if seconds <= WINDOW), default=0)
    highest = max((tasks for _, tasks in drawn), default=0)
    assert max(lately, 0.7 * highest - 1e-6) <= keep(known) <= max(highest, lately)


@given(needs, needs)
def test_it_does_not_matter_in_how_many_looks_the_needs_were_seen(
    first: list[tuple[float, int]], second: list[tuple[float, int]]
) -> None:
    drawn = sorted(dict([*first, *second]).items(), reverse=True)
    start = Patience(5, LONG_AGO, needed((500, 0)), (Level(9, 240, ago(450)),))
    every = [Need(ago(seconds), tasks) for seconds, tasks in drawn]
    half = len(every) // 2

    at_once = learnt(start, 5, every, WINDOW, NOW)
    twice = learnt(learnt(start, 5, every[:half], WINDOW, NOW), 5, every, WINDOW, NOW)

    assert keep(at_once) == keep(twice)
    assert at_once.levels == twice.levels
