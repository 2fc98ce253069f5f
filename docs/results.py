# ruff: noqa: INP001 - a folder of documents, not a package
"""The page of results that others have measured: each file of `results/`, checked, a row a scaler.

A file is what `quickstep prove` wrote, and every figure is recomputed from its timestamps.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from docs.tables import ROOT, table
from quickstep.fields import InvalidDocumentError
from quickstep_lab.prove.result import Result, figures, read_result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESULTS = ROOT / "results"
MOST_BYTES = 1_000_000

NONE = """\
**Nobody has sent a result yet.** So no figure of Quickstep's in this repository comes from an AWS
account: what is stated elsewhere was measured on an emulated AWS, or is modelled, and says so."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)-([a-z]{2}(?:-[a-z]+)+-\d)-[A-Za-z0-9-]+\.json")
_PRIVATE = {
    "an account number": re.compile(r"(?<![0-9.])\d{12}(?![0-9.])"),
    "an ARN": re.compile(r"\barn:aws[a-z-]*:"),
    "an IP address": re.compile(r"(?<![0-9.])\d{1,3}(?:\.\d{1,3}){3}(?![0-9.])"),
}


class ResultError(ValueError):
    """A file that is not shown; the message names it, and every problem."""


def shown(folder: Path = RESULTS) -> str:
    """Return the table of all results, the newest first; or that there is none.

    Raises:
        ResultError: a file breaks a rule.
    """
    newest_first = sorted(folder.glob("*.json"), key=lambda path: path.name, reverse=True)
    rows = [row for path in newest_first for row in _rows(path, read(path))]
    if not rows:
        return NONE
    head = ("Measured", "Region", "Version", "Surges", "Scaler", "Seconds to `UpdateService`")
    return table((*head, "Seconds to capacity"), rows)


def read(path: Path) -> Result:
    """Return the result of a file, if it holds together and is AWS's.

    Raises:
        ResultError: it breaks a rule; the message names the file and every problem.
    """
    text = path.read_text(encoding="utf-8")
    named = _NAME.fullmatch(path.name)
    problems = [] if named else ["must be called <day>-<Region>-<anything>.json"]
    problems += problems_of(text)
    if problems:
        raise ResultError(f"results/{path.name}: {'; '.join(problems)}")
    try:
        result = read_result(text)
    except InvalidDocumentError as error:
        raise ResultError(f"results/{path.name}: {error}") from None
    if result.where != "aws":
        rule = f"was measured on {result.where}, and only AWS counts here"
        raise ResultError(f"results/{path.name}: {rule}")
    measured = (result.start.date().isoformat(), result.region)
    if named and named.groups() != measured:
        rule = f"was measured on {measured[0]} in {measured[1]}, which its name must say"
        raise ResultError(f"results/{path.name}: {rule}")
    return result


def problems_of(text: str) -> Iterator[str]:
    """Yield what is wrong with a file whatever its format is."""
    if (size := len(text.encode())) > MOST_BYTES:
        yield f"must have at most {MOST_BYTES:,} bytes, not {size:,}"
    try:
        document = json.loads(text)
    except ValueError as error:
        yield f"must be JSON: {error}"
    else:
        if not isinstance(document, dict):
            yield "must be a JSON object"
    for what, pattern in _PRIVATE.items():
        if found := pattern.search(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"must not have {what}: line {line}"


def _rows(path: Path, result: Result) -> Iterator[tuple[str, ...]]:
    link = f"[{result.start.date()}](../results/{path.name})"
    surges = max(surge.number for surge in result.surges) + 1 if result.surges else 0
    for name, row in figures(result.surges).items():
        times = (_seconds(row["update"]), _seconds(row["last_running"]))
        yield (link, result.region, result.quickstep, f"{surges}", f"`{name}`", *times)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"
