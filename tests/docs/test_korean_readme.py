"""README.ko.md says in Korean what README.md says: the same code, figures and links by section."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
KOREAN = (ROOT / "README.ko.md").read_text(encoding="utf-8")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a translator may change in a block, by its language; any other language: nothing.
TRANSLATED = {
    "sh": r"\s+# .*",  # a comment
    "mermaid": r'"[^"]*"',  # a label
}


def sections(text: str) -> list[str]:
    """Return the text before the first heading of level 2, and each section from its heading on."""
    prose_only = FENCE.sub(lambda block: re.sub(r"^#", " ", block[0], flags=re.MULTILINE), text)
    starts = [0, *(match.start() for match in re.finditer(r"^## ", prose_only, re.MULTILINE))]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def prose(section: str) -> str:
    return FENCE.sub("", section)


def headings(section: str) -> list[str]:
    return re.findall(r"^(#+) ", prose(section), re.MULTILINE)


def blocks(section: str) -> list[tuple[str, str]]:
    """Return language and text of each block, without what is translated.

    `make build   # with Python 3.13` is `make build` in either language.
    """
    return [
        (language, re.sub(TRANSLATED[language], " ", text) if language in TRANSLATED else text)
        for language, text in FENCE.findall(section)
    ]


def links(section: str) -> list[str]:
    """Return where the links lead; to which section of the page itself is a matter of language."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(section))
    return sorted("#" if link.startswith("#") else link for link in found)


def images(section: str) -> list[str]:
    return re.findall(r'src(?:set)?="([^"]+)"', section)


def code_in_prose(section: str) -> list[str]:
    return sorted(re.findall(r"`([^`\n]+)`", prose(section)))


def shape(section: str) -> Counter[str]:
    """Return how many list items and rows of tables a section has; its paragraphs are its own."""
    return Counter(re.findall(r"^(- |\| |\d\. )", prose(section), re.MULTILINE))


PAIRS = list(zip(sections(ENGLISH), sections(KOREAN), strict=False))
NAMES = [english.splitlines()[0].strip("# ") for english, _ in PAIRS]


def test_it_has_the_same_sections() -> None:
    assert len(sections(KOREAN)) == len(sections(ENGLISH))


@pytest.mark.parametrize(("english", "korean"), PAIRS, ids=NAMES)
@pytest.mark.parametrize("part", [headings, blocks, images, code_in_prose, shape])
def test_a_section_has_the_same(english: str, korean: str, part: Callable[[str], object]) -> None:
    assert part(korean) == part(english), "README.ko.md and README.md differ"


@pytest.mark.parametrize(("english", "korean"), PAIRS, ids=NAMES)
def test_a_section_leads_to_the_same_pages(english: str, korean: str) -> None:
    other = {"README.md": "README.ko.md"}  # each page leads to the other at its top

    assert sorted(other.get(link, link) for link in links(korean)) == links(english)


@pytest.mark.parametrize(("english", "korean"), PAIRS, ids=NAMES)
def test_every_figure_of_a_section_is_in_the_korean_one(english: str, korean: str) -> None:
    """Korean writes more of them in digits: "two tasks", "June" and "once a minute", too."""
    figures = [
        Counter(re.findall(r"\d+(?:[.,]\d+)*", prose(section))) for section in (english, korean)
    ]

    assert figures[0] - figures[1] == Counter(), "in README.md, and not in README.ko.md"


def test_korean_has_no_semicolons() -> None:
    assert [line for line in prose(KOREAN).splitlines() if ";" in line] == []
