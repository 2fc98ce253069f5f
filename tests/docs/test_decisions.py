"""The decision records: numbered without a gap, and marked where a later one changed them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.builders import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DECISIONS = ROOT / "docs" / "decisions"
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
BY_NAME = {path.name: path for path in RECORDS}

LINK = re.compile(r"\[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\)")
STATUS = re.compile(
    rf"accepted|(?:superseded by|accepted, changed by) {LINK.pattern}(?:, {LINK.pattern})*"
)


def head(path: Path, key: str) -> str:
    """Return a line of a record's head; empty where it has no such line."""
    found = re.search(rf"^- {key}: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def test_the_numbers_have_no_gap() -> None:
    numbers = [int(path.name[:4]) for path in RECORDS]

    assert numbers == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_headed_by_its_number(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} ")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_status_names_later_records_in_order(path: Path) -> None:
    status = head(path, "Status")
    named = [name for _, name in LINK.findall(status)]

    assert STATUS.fullmatch(status)
    assert all(name in BY_NAME for name in named)
    assert all(one < other for one, other in pairwise([path.name, *named]))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_superseded_record_and_its_successor_name_each_other(path: Path) -> None:
    superseded = head(path, "Status").startswith("superseded")
    successors = [name for _, name in LINK.findall(head(path, "Status"))] if superseded else []
    predecessors = [name for _, name in LINK.findall(head(path, "Supersedes"))]

    assert all(path.name in head(BY_NAME[name], "Supersedes") for name in successors)
    assert all(
        path.name in head(BY_NAME[name], "Status").removeprefix("accepted") for name in predecessors
    )


@pytest.mark.parametrize(
    "path",
    [p for p in ROOT.rglob("*.md") if not any(q[0] == "." for q in p.relative_to(ROOT).parts)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_link_that_shows_a_records_number_leads_to_it(path: Path) -> None:
    links = re.findall(r"\[(\d{4})\]\([^)]*?(\d{4})-[a-z0-9-]+\.md\)", path.read_text("utf-8"))

    assert all(shown == meant for shown, meant in links)
