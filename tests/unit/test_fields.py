"""Untrusted JSON: what its cursor says of the text itself, and how times are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quickstep.fields import (
    LARGEST,
    MAX_BYTES,
    Field,
    InvalidDocumentError,
    Problems,
    checked_json,
    parse_json,
    show,
    write_moment,
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "must be JSON: Expecting value at line 1 column 1", id="empty"),
        pytest.param("{'a': 1}", "must be JSON: Expecting property name", id="single quotes"),
        pytest.param('{"a": 1, "a": 2}', "a: must be given once, but stands twice", id="twice"),
        pytest.param('{"a": NaN}', "must hold finite numbers, not NaN", id="NaN"),
        pytest.param("[" * 100_000, "must be JSON: nested too deeply", id="deep"),
        pytest.param("[" * 21 + "]" * 21, "must be JSON: nested too deeply", id="21 deep"),
        pytest.param("1" * 5000, "must be JSON: a number is too long", id="many digits"),
        pytest.param("1" * 39, "must be JSON: a number is too long", id="more than DynamoDB's"),
        pytest.param("1e999", "must hold finite numbers", id="a number that is read as Infinity"),
        pytest.param(r'{"a": "\ud83d"}', "must hold no lone surrogate", id="half of a character"),
        pytest.param(r'{"\ude00": 1}', "must hold no lone surrogate", id="half of one, in a key"),
        pytest.param('"' + "é" * 2**17 + '"', f"must have at most {MAX_BYTES} bytes", id="bytes"),
        pytest.param("[" + "0," * 30_000 + "0]", "must have at most 26214 values", id="values"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        parse_json(text)

    assert str(caught.value).startswith(problem)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 11, 22, 10, 0, 12, 345_678, tzinfo=UTC)

    assert write_moment(moment) == "2026-11-22T10:00:12.345Z"


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', "[" * 20 + "]" * 20, "9" * 38, "1e-310"])
def test_what_can_be_written_again_is_read(text: str) -> None:
    assert parse_json(text) is not None


@pytest.mark.parametrize("value", [{"a": ["\udc80"]}, float("nan"), [10**38], [[[]] * 30_000]])
def test_decoded_json_is_held_to_the_same(value: Any) -> None:
    with pytest.raises(InvalidDocumentError):
        checked_json(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(1e-310, 0.0), (-5e-324, 0.0), (1e308, LARGEST), (-1e308, -LARGEST), (LARGEST, LARGEST)],
)
def test_a_number_beyond_cloudwatch_s_own_is_the_nearest_of_them(
    value: float, number: float
) -> None:
    """So a load divided by a threshold, or both added up, stay numbers."""
    assert Field(value, "", Problems()).number() == number


@pytest.mark.parametrize(
    ("text", "year"), [("1970-01-01T00:00:00Z", 1970), ("3000-01-01T13:59:59+14:00", 2999)]
)
def test_a_time_of_these_years_can_be_reckoned_with(text: str, year: int) -> None:
    assert Field(text, "", Problems()).moment().year == year


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59.999Z"]
)
def test_a_time_that_no_span_could_be_added_to_is_a_problem(text: str) -> None:
    problems = Problems()

    Field(text, "at", problems).moment()

    assert [one.rule for one in problems.found] == ["must be a time of the years 1970 to 2999"]


def test_of_many_problems_the_first_hundred_are_listed_and_the_others_counted() -> None:
    problems = Problems()
    for item in Field(["x"] * 250, "list", problems).items():
        item.integer()

    with pytest.raises(InvalidDocumentError) as caught:
        problems.raise_any(InvalidDocumentError)

    assert len(caught.value.problems) == 101
    assert str(caught.value).endswith("; has 150 more")


def test_what_is_shown_of_a_value_is_short_and_can_be_printed() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]

    assert show("\ud83d") == '"\\ud83d"'
    assert show(deep) == "[" * 59 + "…"
