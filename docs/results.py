# ruff: noqa: INP001 - a folder of documents, not a package
"""The page of results that others have measured: each file of `results/`, checked, a row a scaler.

`CHECK` is the one place where the format of a result file comes in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docs.tables import ROOT, table
from quickstep.fields import InvalidDocumentError
from quickstep_lab.prove import result as prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    Check = Callable[[str], "Result"]
    """Takes a file's text. Raises ResultError where a figure does not follow from timestamps."""

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


@dataclass(frozen=True, slots=True)
class Seconds:
    """Medians over the surges of a run, in seconds since the first overloaded second.

    `to_update` ends when ECS accepts `UpdateService`, `to_capacity` when enough tasks serve; None
    where that never happened.
    """

    to_update: float | None
    to_capacity: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """What is shown of a file, all of it recomputed from its timestamps."""

    day: date
    region: str
    version: str
    surges: int
    scalers: Mapping[str, Seconds]


def proven(text: str) -> Result:
    """Return what a result of `quickstep prove` shows, if it holds together and is AWS's.

    Raises:
        ResultError: it does not hold together, or was measured on an emulator.
    """
    try:
        result = prove.read_result(text)
    except InvalidDocumentError as error:
        raise ResultError(str(error)) from None
    if result.where != "aws":
        raise ResultError(f"was measured on {result.where}, and only AWS counts here")
    rows = prove.figures(result.surges)
    return Result(
        day=result.start.date(),
        region=result.region,
        version=result.quickstep,
        surges=max(surge.number for surge in result.surges) + 1 if result.surges else 0,
        scalers={name: Seconds(row["update"], row["last_running"]) for name, row in rows.items()},
    )


CHECK: Check = proven


def shown(folder: Path = RESULTS, check: Check | None = None) -> str:
    """Return the table of all results, the newest first; or that there is none.

    Raises:
        ResultError: a file breaks a rule.
    """
    rows = [row for path in _files(folder) for row in _rows(path, read(path, check or CHECK))]
    if not rows:
        return NONE
    head = ("Measured", "Region", "Version", "Surges", "Scaler", "Seconds to `UpdateService`")
    return table((*head, "Seconds to capacity"), rows)


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.json"), key=lambda path: path.name, reverse=True)


def read(path: Path, check: Check) -> Result:
    """Return what a result file shows.

    Raises:
        ResultError: it breaks a rule; the message names the file and every problem.
    """
    text = path.read_text(encoding="utf-8")
    named = _NAME.fullmatch(path.name)
    problems = [] if named else ["must be called <day>-<Region>-<anything>.json"]
    problems += _problems(text)
    if problems:
        raise ResultError(f"results/{path.name}: {'; '.join(problems)}")
    try:
        result = check(text)
    except ResultError as error:
        raise ResultError(f"results/{path.name}: {error}") from None
    measured = (result.day.isoformat(), result.region)
    if named and named.groups() != measured:
        rule = f"was measured on {measured[0]} in {measured[1]}, which its name must say"
        raise ResultError(f"results/{path.name}: {rule}")
    return result


def _problems(text: str) -> Iterator[str]:
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
    link = f"[{result.day}](../results/{path.name})"
    for name, seconds in result.scalers.items():
        times = (_seconds(seconds.to_update), _seconds(seconds.to_capacity))
        yield (link, result.region, result.version, f"{result.surges}", f"`{name}`", *times)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"
