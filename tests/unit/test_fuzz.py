"""20,000 spoilt inputs over all readers; `python -m tests.fuzz` gives as many as wanted."""

from __future__ import annotations

import pytest

from tests.fuzz import READERS, findings

INPUTS = 20_000


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_or_refuses_whatever_comes_in_time(name: str) -> None:
    share = -(-INPUTS // len(READERS))

    assert [str(finding) for finding in findings(name, range(share))] == []
