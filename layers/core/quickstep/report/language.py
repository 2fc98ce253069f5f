"""Sentences in the reader's language: an English one is recognised and translated.

Records and the engine use only English. Where a reason or a label is shown, its English text goes
through a `Language`. A text that no rule matches stays entirely English, never partly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from quickstep.report.dashboard.korean import LABELS
from quickstep.report.korean import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_SMALL = 20
"""Kinds with no more sentences than this are inlined into the patterns that use them."""
LONGEST = 1_000
"""The longest text to translate, in characters: matching a long text takes time."""
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class _Rule:
    """An English sentence of a kind, the literal texts between its slots, and its translation."""

    kind: str
    english: str
    literals: tuple[str, ...]
    said: str


@dataclass(frozen=True, eq=False)
class Language:
    """Translates English texts into one language; English itself has no rules.

    `rules` maps English templates to translations, by kind. A slot `{n}` or `{n2}` keeps its value;
    a slot named after a kind is translated by that kind's rules.

    Example: `Kept {tasks}: {why}` is of the kind `reason`, `{n} tasks` of the kind `tasks`.
    """

    tag: str
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, english: str) -> str:
        """Return a text in this language, or unchanged if no rule matches it."""
        if not self.rules or len(english) > LONGEST:
            return english
        return _said(self, "text", english) or english


ENGLISH = Language("en")
KOREAN = Language(
    "ko", {**REASONS, **LABELS, "text": {"{label}": "{label}", "{reason}": "{reason}"}}
)
LANGUAGES = {language.tag: language for language in (ENGLISH, KOREAN)}


def language_of(tag: str) -> Language | None:
    """Return the language for a tag or a locale; None if it is not supported.

    Examples: `ko`, `ko-KR` and `ko_KR.UTF-8` are Korean.
    """
    return LANGUAGES.get(re.split(r"[-_.@]", tag.strip().lower(), maxsplit=1)[0])


def preferred(header: str) -> Language:
    """Return the supported language that an Accept-Language header prefers; English without one.

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
def _rules(language: Language, kind: str) -> tuple[_Rule, ...]:
    return tuple(
        _Rule(kind, english, tuple(_SLOT.split(english)[::2]), said)
        for english, said in language.rules[kind].items()
    )


@cache
def _compiled(language: Language, rule: _Rule) -> re.Pattern[str]:
    """Return a rule's pattern, compiled only for a text that contains all of its literals."""
    return re.compile(_pattern(rule.english, language.rules, (rule.kind,), "(%s)"), re.DOTALL)


def _pattern(
    english: str, rules: Mapping[str, Mapping[str, str]], within: tuple[str, ...], group: str
) -> str:
    """Return the pattern of a sentence of the last kind in `within`, nested in the kinds before.

    Raises:
        ValueError: the sentence has a slot of an unknown kind.
    """
    pattern, done = "", 0
    for found in _SLOT.finditer(english):
        kind = found[1]
        if kind in _VALUES:
            slot = _VALUES[kind]
        elif kind not in rules:
            raise ValueError(f"{english!r} has the slot {found[0]}, which is not a known kind")
        elif kind in within or len(rules[kind]) > _SMALL:
            slot = ".+"
        else:
            inner = (_pattern(each, rules, (*within, kind), "(?:%s)") for each in rules[kind])
            slot = "|".join(inner)
        pattern += re.escape(english[done : found.start()]) + group % slot
        done = found.end()
    return pattern + re.escape(english[done:])


@lru_cache(_REMEMBERED)
def _said(language: Language, kind: str, english: str) -> str | None:
    """Return a text of a kind in a language; None if no rule matches all of it."""
    for rule in _rules(language, kind):
        if not all(literal in english for literal in rule.literals):
            continue
        found = _compiled(language, rule).fullmatch(english)
        if found is None:
            continue
        filled = {
            slot[0][1:-1]: text if slot[1] in _VALUES else _said(language, slot[1], text)
            for slot, text in zip(_SLOT.finditer(rule.english), found.groups(), strict=True)
        }
        if None not in filled.values():
            return rule.said.format(**filled)
    return None
