"""`--lang`: the language of displayed decisions; records and JSON are always in English."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from quickstep.report.language import ENGLISH, LANGUAGES, language_of

if TYPE_CHECKING:
    from quickstep.report.language import Language

_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""POSIX's variables for a machine's language; the first one set counts."""


def _tag(given: str | None) -> str | None:
    if given is not None and language_of(given) is None:
        raise typer.BadParameter(f"must be one of {', '.join(LANGUAGES)}, not {given!r}")
    return given


LangOption = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="LANGUAGE",
        callback=_tag,
        help="The language of reasons: en or ko.",
        show_default="the locale's",
    ),
]


def chosen(given: str | None) -> Language:
    """Return the language that `--lang` names, or the locale's; English for any other."""
    locale = next((value for name in _LOCALE if (value := os.environ.get(name))), "")
    return language_of(given or locale) or ENGLISH
