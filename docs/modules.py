# ruff: noqa: INP001 - a folder of documents, not a package
"""The page of all modules: each with its docstring's first sentence, by folder."""

from __future__ import annotations

import ast
import re
from itertools import groupby
from typing import TYPE_CHECKING

from docs.tables import ROOT, table

if TYPE_CHECKING:
    from pathlib import Path

ROOMS = (
    "layers/core/quickstep",
    "functions",
    "publisher/src/quickstep_publisher",
    "lab/quickstep_lab",
    "cli/quickstep_cli",
)
_SENTENCE_END = re.compile(r"(?<=[.?!])\s")


def modules() -> str:
    """Return a table for each folder that has modules, under a heading with its path.

    A folder's own sentence, from its `__init__.py`, stands above its table.
    """
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"), key=_place)]
    folders = groupby(paths, key=lambda path: path.parent)
    return "\n\n".join(_folder(folder, list(inside)) for folder, inside in folders)


def _place(path: Path) -> tuple[Path, str]:
    return path.parent, path.name


def _folder(folder: Path, paths: list[Path]) -> str:
    own = [said(path) for path in paths if path.name == "__init__.py"]
    rows = [(_link(path), said(path)) for path in paths if path.name != "__init__.py"]
    parts = [f"## `{folder.relative_to(ROOT)}/`", *own]
    return "\n\n".join([*parts, *([table(("Module", "What it is"), rows)] if rows else [])])


def _link(path: Path) -> str:
    return f"[`{path.name}`](../{path.relative_to(ROOT)})"


def said(path: Path) -> str:
    """Return the first sentence of a module's docstring.

    Raises:
        ValueError: it has none.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{path} must have a docstring")
    return _SENTENCE_END.split(" ".join(docstring.split()), maxsplit=1)[0]
