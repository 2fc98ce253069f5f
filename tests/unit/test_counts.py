"""Which desired counts ECS may show, and what each of them means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.protocol.counts import CLOCKS, LATE, MOST, STALE, Count, Counts, Meaning
from tests.builders import NOW, ago
from tests.strategies import counts as any_count

KNOWN = Counts(8, Count(12, ago(5)), (Count(4, ago(5)),), (Count(6, ago(60)),))


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (8, Meaning.COMMITTED),
        (4, Meaning.STALE),
        (12, Meaning.ANSWERED),
        (6, Meaning.LATE),
        (5, Meaning.FOREIGN),
    ],
)
def test_what_each_number_means(number: int, meaning: Meaning) -> None:
    assert KNOWN.as_of(NOW).meaning(number) is meaning


def test_where_nothing_was_committed_the_first_number_is_the_truth() -> None:
    assert Counts().meaning(4) is Meaning.FIRST


def test_a_number_that_was_replaced_and_asked_for_again_may_be_an_old_answer() -> None:
    assert Counts(8, Count(4, NOW), (Count(4, ago(5)),)).meaning(4) is Meaning.STALE


@pytest.mark.parametrize("lasts", [STALE, LATE], ids=["an old answer", "a late call"])
@pytest.mark.parametrize("skew", [-CLOCKS, timedelta(), CLOCKS], ids=["behind", "right", "ahead"])
def test_a_time_holds_for_as_long_as_its_rule_says_by_any_of_two_clocks(
    lasts: timedelta, skew: timedelta
) -> None:
    def left(age: timedelta) -> bool:
        count = (Count(4, NOW - age + skew),)
        counts = Counts(8, None, count, ()) if lasts is STALE else Counts(8, None, (), count)
        return counts.as_of(NOW).meaning(4) is not Meaning.FOREIGN

    assert left(timedelta())
    assert left(lasts)
    assert not left(lasts + 2 * CLOCKS + timedelta(seconds=1))


def test_a_time_of_an_hour_ahead_counts_from_the_first_look_at_it() -> None:
    ahead = Counts(8, None, (Count(4, NOW + timedelta(hours=1)),))

    first = ahead.as_of(NOW)

    assert first.replaced == (Count(4, NOW),)
    assert first.as_of(NOW + STALE + 2 * CLOCKS).meaning(4) is Meaning.FOREIGN


def test_what_was_asked_for_is_ours_however_late_it_is_looked_at() -> None:
    counts = Counts(4, Count(6, ago(3_600))).as_of(NOW)

    assert counts.meaning(6) is Meaning.ANSWERED
    assert counts.given_up(NOW) == Counts(4)
    assert Counts(4, Count(6, NOW - LATE)).given_up(NOW).asked is not None


def test_a_call_that_is_answered_replaces_what_was_committed() -> None:
    counts = Counts(4).ask(6, ago(1)).commit(6, NOW)

    assert counts == Counts(6, None, (Count(4, NOW),))


def test_one_that_is_answered_at_the_second_try_may_come_again() -> None:
    counts = Counts(4).ask(6, ago(1)).commit(6, NOW, unanswered=True).commit(8, NOW)

    assert counts.late == (Count(6, ago(1)),)


def test_one_without_an_answer_may_come_late_once_another_is_asked_for() -> None:
    counts = Counts(8).ask(6, ago(1)).ask(12, NOW)

    assert (counts.asked, counts.late) == (Count(12, NOW), (Count(6, ago(1)),))
    assert counts.commit(12, NOW).meaning(6) is Meaning.LATE


def test_one_that_is_found_made_is_no_longer_waited_for() -> None:
    counts = Counts(4).ask(6, ago(1)).commit(6, NOW)

    assert (counts.asked, counts.late) == (None, ())


def test_a_foreign_number_leaves_what_may_still_come() -> None:
    counts = Counts(4).ask(6, ago(1)).commit(30, NOW)

    assert [counts.meaning(number) for number in (30, 4, 6)] == [
        Meaning.COMMITTED,
        Meaning.STALE,
        Meaning.LATE,
    ]


@pytest.mark.parametrize(
    ("number", "adds", "refused"),
    [
        (7, True, True),
        (8, True, False),
        (9, True, False),
        (9, False, True),
        (8, False, False),
        (7, False, False),
    ],
)
def test_a_scale_out_never_sends_less_than_is_committed_nor_a_scale_in_more(
    number: int, *, adds: bool, refused: bool
) -> None:
    assert (Counts(8).refusal(number, adds=adds) is not None) is refused
    assert Counts().refusal(number, adds=adds) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40), any_count)
def test_however_often_it_changes_no_more_is_kept_than_there_may_be(
    steps: list[tuple[int, bool]], first: Count
) -> None:
    counts = Counts(first.number)
    for number, answered in steps:
        counts = counts.ask(number, first.at)
        counts = counts.commit(number, first.at) if answered else counts

    assert len(counts.replaced) <= MOST
    assert len(counts.late) <= MOST
