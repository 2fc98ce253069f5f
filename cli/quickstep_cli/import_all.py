"""`quickstep import --all`: one set of files per service in a folder, and a table of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.import_one import answer_of, import_one, write
from quickstep_cli.tables import Table, named, numbers, print_prose, print_tables, prose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quickstep.naming import ServiceName
    from quickstep_cli.found import Found
    from quickstep_cli.import_one import Imported, Wish

REPORT = "report.json"
"""Written last: a folder that has it is complete."""

_COLUMNS = (
    *named("Service", "Result"),
    *numbers("Policies", "Alarms", "Schedules", "Alike", "Differ"),
    *prose("Why"),
)
OK, NAMED, FAILED = "ok", "not all", "failed"
"""Everything was carried over; some was not, and is named; nothing was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """A service's result; `before` means that an earlier run imported it."""

    service: str
    result: str
    policies: int = 0
    alarms: int = 0
    schedules: int = 0
    alike: int = 0
    differ: int = 0
    troubles: tuple[str, ...] = ()
    before: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """The table's row."""
        numbers = (self.policies, self.alarms, self.schedules, self.alike, self.differ)
        result = f"{self.result} (before)" if self.before else self.result
        return (self.service, result, *map(str, numbers), "; ".join(self.troubles))


def import_all(
    found: Found,
    services: Sequence[ServiceName],
    wish: Wish,
    folder: Path,
    *,
    again: bool,
    as_json: bool,
) -> None:
    """Import services into one folder each, and print one row each.

    Existing files stay, unless `again`. A service that fails gets its row and does not affect the
    others.

    Raises:
        typer.Exit: with 1, if not everything of every service was carried over.
    """
    rows = [_row(found, service, wish, folder, again=again) for service in services]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
    else:
        table = Table(_COLUMNS)
        for row in rows:
            table.add(*row.cells)
        print_tables(table)
        done = sum(row.result == OK for row in rows)
        print_prose(f"{done} of {len(rows)} services carried over completely, to {folder}")
    if any(row.result != OK for row in rows):
        raise typer.Exit(Exit.NO)


def _row(found: Found, service: ServiceName, wish: Wish, folder: Path, *, again: bool) -> Row:
    own = folder / service.cluster / service.service
    try:
        if not again and (known := _read_report(own / REPORT)):
            return known
        made = import_one(found, service, wish)
        row = _row_of(made)
        write(own, made)
        _write_report(own / REPORT, row, made)
    except CommandError as error:
        return Row(service.resource_id, FAILED, troubles=(str(error),))
    return row


def _row_of(made: Imported) -> Row:
    taken, proof = made.taken, made.proof
    groups = ("ScaleOutPolicies", "ScaleInPolicies", "TargetTrackingPolicies")
    return Row(
        taken.service.resource_id,
        NAMED if made.problems else OK,
        policies=sum(len(taken.document.get(group, ())) for group in groups),
        alarms=len(taken.alarms),
        schedules=len(taken.schedules),
        alike=proof.alike if proof else 0,
        differ=len(proof.differences) if proof else 0,
        troubles=tuple(made.problems),
    )


def _write_report(file: Path, row: Row, made: Imported) -> None:
    said = {key: value for key, value in answer_of(made).items() if key in {"notes", "proof"}}
    try:
        report = {"row": asdict(row), **said}
        file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(Exit.NO, f"{file}: {error.strerror}") from error


def _read_report(file: Path) -> Row | None:
    """Return an earlier run's row, or None.

    Raises:
        CommandError: the file is not a report.
    """
    try:
        document = parse_json(file.read_text(encoding="utf-8"), 2**24)
    except FileNotFoundError:
        return None
    except (InvalidDocumentError, UnicodeDecodeError, OSError) as error:
        raise CommandError(Exit.NO, f"{file}: {error}; --again rewrites it") from error
    problems = Problems()
    row = Field(document, "", problems).members().get("row")
    members = row.members() if row else {}
    if not row or not {"service", "result", "troubles"} <= members.keys():
        raise CommandError(Exit.NO, f"{file}: not an import report; --again rewrites it")
    troubles = tuple(item.text() for item in members["troubles"].items())
    numbers = {
        key: members[key].integer(0, 10**9)
        for key in ("policies", "alarms", "schedules", "alike", "differ")
        if key in members
    }
    result = members["result"].text()
    service = members["service"].text()
    if problems.found:
        raise CommandError(Exit.NO, f"{file}: {problems.found[0]}; --again rewrites it")
    return Row(service, result, **numbers, troubles=troubles, before=True)
