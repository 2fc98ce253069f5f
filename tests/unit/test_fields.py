"""Untrusted JSON: what its cursor says of the text itself, and how times are written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quickstep.fields import InvalidDocumentError, parse_json, write_moment


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "must be JSON: Expecting value at line 1 column 1", id="empty"),
        pytest.param("{'a': 1}", "must be JSON: Expecting property name", id="single quotes"),
        pytest.param('{"a": 1, "a": 2}', "a: must be given once, but stands twice", id="twice"),
        pytest.param('{"a": NaN}', "must hold finite numbers, not NaN", id="NaN"),
        pytest.param("[" * 100_000, "must be JSON: nested too deeply", id="deep"),
        pytest.param("1" * 5000, "must be JSON: a number is too long", id="many digits"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        parse_json(text)

    assert str(caught.value).startswith(problem)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 11, 22, 10, 0, 12, 345_678, tzinfo=UTC)

    assert write_moment(moment) == "2026-11-22T10:00:12.345Z"
