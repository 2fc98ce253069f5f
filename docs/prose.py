# ruff: noqa: INP001 - a folder of documents, not a package
"""Check prose against the house style, docs/style/house-style.yml, with textlint.

    python -m docs.prose            lists FILE:LINE of each broken rule, and exits with 1

textlint reads Markdown. From Python files it gets docstrings, comments and messages, from other
sources every line, at their original line numbers.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tokenize
from typing import TYPE_CHECKING

from docs.tables import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTLINT = ROOT / ".cache" / "textlint"
TEXTS = TEXTLINT / "text"

SOURCES = ("cli", "lab", "layers", "publisher/src", "functions", "templates", "terraform")
SUFFIXES = (".py", ".yaml", ".tf")
SINGLE = ("template.yaml", "Makefile")
NOT_LINTED = ("README.ko.md", "CHANGELOG.md")
"""Another language, and announcements of the past."""

_FSTRING = getattr(tokenize, "FSTRING_MIDDLE", -1)  # from Python 3.12 on
_MARKS = re.compile(r"^\s*(?:#+ ?|[rbf]{0,2}\"+)?|\"+$", re.IGNORECASE)
_FIELD = re.compile(r"\{[^{}]*\}")


def documents() -> Iterator[Path]:
    """Yield the documents of the tree, without those in folders that start with a dot."""
    for path in sorted(ROOT.rglob("*.md")):
        place = path.relative_to(ROOT)
        if str(place) not in NOT_LINTED and not any(part.startswith(".") for part in place.parts):
            yield path


def sources() -> Iterator[Path]:
    """Yield the sources whose comments and messages are prose."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path
    yield from (ROOT / name for name in SINGLE)


def prose(source: str, *, python: bool) -> str:
    """Return a source's prose as Markdown, each line at its original line number.

    Strings without a space are names, and what an f-string fills in is code.

    Example: `x = told  # a note` becomes `a note`.
    """
    if not python:
        return "\n".join(line.strip().lstrip("# ") for line in source.splitlines()) + "\n"
    lines = [""] * (source.count("\n") + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        sentence = token.type == tokenize.STRING and " " in token.string.strip()
        if not sentence and token.type not in (tokenize.COMMENT, _FSTRING):
            continue
        for number, line in enumerate(token.string.splitlines(), token.start[0] - 1):
            lines[number] += " " + _without_fields(_MARKS.sub("", line))
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def _without_fields(line: str) -> str:
    """Return a line without what an f-string fills in, which may hold another f-string."""
    while (shorter := _FIELD.sub("", line)) != line:
        line = shorter
    return line


def extract() -> None:
    """Write the prose of all sources where textlint reads it."""
    shutil.rmtree(TEXTS, ignore_errors=True)
    for path in sources():
        text = TEXTS / f"{path.relative_to(ROOT)}.md"
        text.parent.mkdir(parents=True, exist_ok=True)
        source = path.read_text(encoding="utf-8")
        text.write_text(prose(source, python=path.suffix == ".py"), encoding="utf-8")


def lint() -> int:
    """Run textlint over documents and sources, print what it finds; return its exit status."""
    node = shutil.which("node")
    if node is None:
        sys.stderr.write("Node.js is not installed: prose is not linted\n")
        return 0
    extract()
    program = TEXTLINT / "node_modules" / "textlint" / "bin" / "textlint.js"
    config = ROOT / "docs" / "style" / "textlint.json"
    ran = subprocess.run(  # noqa: S603 - the locked textlint, on this tree
        [node, program, "--config", config, "--format", "unix", *documents(), TEXTS],
        cwd=TEXTLINT,
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(_at_the_source(ran.stdout))
    sys.stderr.write(ran.stderr)
    return ran.returncode


def _at_the_source(found: str) -> str:
    """Return textlint's lines with the paths of this tree, not those of the extracted texts."""
    extracted = re.compile(rf"^{re.escape(str(TEXTS))}/(.+?)\.md:", re.MULTILINE)
    return extracted.sub(r"\1:", found).replace(f"{ROOT}/", "")


if __name__ == "__main__":
    sys.exit(lint())
