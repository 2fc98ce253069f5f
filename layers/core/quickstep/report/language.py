"""Sentences in the reader's language: an English one is recognised, and written anew.

Records and the engine know English only. Where a reason or a label is shown, its English text goes
through a `Language`. A text that no rule knows stays English as a whole, never in part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from quickstep.report.dashboard.korean import LABELS
from quickstep.report.korean import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SLOT = re.compile(r"\{([a-z]+)\d?\}")

_VALUES = {
    "n": r"-?[\d,.]+(?:e[+-]?\d+)?%?|-?inf|nan",
    "name": r"\S+",
    "clock": r"\d\d:\d\d:\d\d(?: UTC)?",
    "moment": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC|\+00:00)?",
    "zone": r"UTC(?:[+-]\d{1,2}(?::\d\d)?)?",
    "interval": r"[\[(][^,]+, [^\])]+[\])]",
    "names": r".+",
    "quoted": r".+",
}
"""Slots whose text is kept as it is. `quoted` is what an operator, AWS or a validator wrote."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """An English sentence, cut at its slots of a name and a kind, and the other language's."""

    literals: tuple[str, ...]
    slots: tuple[tuple[str, str], ...]
    said: str


@dataclass(frozen=True, eq=False)
class Language:
    """Says English texts in a language; of English itself there are no rules.

    `rules` are English templates and their translations by kind. A slot `{n}` or `{n2}` is a value
    that is kept, a slot with the name of a kind is said by that kind's rules.

    Example: of the kinds `reason` and `tasks`, `Kept {tasks}: {why}` is one, `{n} tasks` the other.
    """

    tag: str
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, english: str) -> str:
        """Return a text in this language; as it is where no rule knows it."""
        if not self.rules:
            return english
        return _said(self, "text", english) or english

    def knows(self, english: str) -> bool:
        """Whether a text is known as a whole."""
        return not self.rules or _said(self, "text", english) is not None


ENGLISH = Language("en")
KOREAN = Language("ko", {**REASONS, **LABELS, "text": {"{label}": "{label}", "{reason}": "{reason}"}})
LANGUAGES = {language.tag: language for language in (ENGLISH, KOREAN)}


def language_of(tag: str) -> Language | None:
    """Return the language of a tag or a locale; None where it is not spoken.

    Examples: `ko`, `ko-KR` and `ko_KR.UTF-8` are Korean.
    """
    return LANGUAGES.get(re.split(r"[-_.@]", tag.strip().lower(), maxsplit=1)[0])


def preferred(header: str) -> Language:
    """Return the spoken language that an Accept-Language header likes best; English without one.

    Example: `fr;q=0.9, ko-KR, en;q=0.8` is Korean.
    """
    best, language = 0.0, ENGLISH
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        likes = float(match[1]) if match else float(not weight)
        spoken = language_of(tag)
        if spoken and likes > best:
            best, language = likes, spoken
    return language


@cache
def _compiled(language: Language) -> Mapping[str, tuple[_Rule, ...]]:
    return {
        kind: tuple(_rule(english, said, language) for english, said in rules.items())
        for kind, rules in language.rules.items()
    }


def _rule(english: str, said: str, language: Language) -> _Rule:
    literals, slots, done = [], [], 0
    for found in _SLOT.finditer(english):
        if found[1] not in _VALUES and found[1] not in language.rules:
            raise ValueError(f"{english!r} has the slot {found[0]}, which is no kind")
        literals.append(english[done : found.start()])
        slots.append((found[0][1:-1], found[1]))
        done = found.end()
    return _Rule((*literals, english[done:]), tuple(slots), said)


@cache
def _said(language: Language, kind: str, english: str) -> str | None:
    """Return a text of a kind in a language; None where no rule knows all of it."""
    for rule in _compiled(language)[kind]:
        if all(literal in english for literal in rule.literals):
            filled = _filled(language, rule, english, 0)
            if filled is not None:
                return rule.said.format(**filled)
    return None


def _filled(language: Language, rule: _Rule, english: str, at: int) -> dict[str, str] | None:
    """Return what the slots of a rule hold, from its literal `at` on; None where it does not fit.

    A literal may stand in the text of a slot, too: each of its places is tried.
    """
    literal = rule.literals[at]
    if at == len(rule.slots):
        return {} if english == literal else None
    if not english.startswith(literal):
        return None
    rest, (slot, kind) = english[len(literal) :], rule.slots[at]
    for end in _ends(rest, rule.literals[at + 1]):
        following = _filled(language, rule, rest[end:], at + 1)
        if following is None:
            continue
        said = _slot(language, kind, rest[:end])
        if said is not None:
            return {slot: said, **following}
    return None


def _ends(text: str, literal: str) -> Iterator[int]:
    """Yield where a slot may end: with the text, or before each place of the literal after it."""
    if not literal:
        yield from range(len(text), 0, -1)
        return
    end = text.find(literal, 1)
    while end > 0:
        yield end
        end = text.find(literal, end + 1)


def _slot(language: Language, kind: str, text: str) -> str | None:
    if kind in _VALUES:
        return text if re.fullmatch(_VALUES[kind], text, re.DOTALL) else None
    return _said(language, kind, text)
