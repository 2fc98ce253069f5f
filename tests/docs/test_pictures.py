"""The pictures' generator: it needs minutes and a browser, so its pictures are not taken here."""

from __future__ import annotations

import re

import pytest

from docs import pictures
from tests.builders import ROOT


def test_every_screenshot_in_the_documents_has_a_command_that_takes_it() -> None:
    taken = {*pictures.THEMES, *pictures.PICTURES}
    assert {path.stem for path in pictures.IMAGES.glob("*.png")} == taken


def test_a_picture_of_no_known_name_is_refused() -> None:
    refusal = "must be one of race, dashboard, report, not 'logo'"
    with pytest.raises(SystemExit, match=f"^{re.escape(refusal)}$"):
        pictures.main(["report", "logo"])


def test_every_picture_stands_in_a_document() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert [path.name for path in pictures.IMAGES.iterdir() if path.name not in text] == []
