"""An item's entries in words, whatever an operator wrote there."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quickstep_cli.operate import show_entry


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/Sao_Paulo"])
@pytest.mark.parametrize(
    ("until", "shown"),
    [
        pytest.param("9999-12-31T23:59:59Z", '"9999-12-31T23:59:59Z"', id="after all times"),
        pytest.param("0001-01-01T00:00:00Z", '"0001-01-01T00:00:00Z"', id="before all times"),
        pytest.param("2026-11-27T10:00:00", '"2026-11-27T10:00:00"', id="no offset"),
        pytest.param("soon", '"soon"', id="a word"),
        pytest.param(5, "5", id="a number"),
    ],
)
def test_an_end_that_cannot_be_read_is_shown_as_it_is_written(
    until: Any, shown: str, zone: str
) -> None:
    entry = {"min": 2, "until": until, "reason": "sale"}

    assert show_entry(entry, ZoneInfo(zone)) == f"at least 2 until {shown}: sale"


def test_an_end_is_shown_in_the_reader_s_zone() -> None:
    entry = {"min": 2, "until": "2026-11-27T10:00:00Z"}

    shown = show_entry(entry, ZoneInfo("Asia/Seoul"))

    assert shown == "at least 2 until 2026-11-27 19:00:00 KST (UTC+9)"
    assert show_entry({"min": 2}) == "at least 2 until further notice"
