"""The one way in which commands print tables.

Names, numbers, times and outcomes stay on one line at any width. Prose, such as a reason, is
wrapped between words: in its column if there is room, else below its row. Columns that do not fit
go to a second table below, behind the first column. A pipe has no width: each row is one line, so
`grep`, `wc -l` and `awk` count rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from quickstep_cli.failures import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP = "  "
INDENT = "    "
ROOM = 40
"""Cells that prose needs for its own column; with fewer it goes below its row."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether its cells are numbers or prose."""

    title: str
    right: bool = False
    prose: bool = False


def named(*titles: str) -> tuple[Column, ...]:
    """Return columns of names, times and outcomes."""
    return tuple(Column(title) for title in titles)


def numbers(*titles: str) -> tuple[Column, ...]:
    """Return right-aligned columns."""
    return tuple(Column(title, right=True) for title in titles)


def prose(title: str) -> tuple[Column, ...]:
    """Return the one column that may wrap; it comes last."""
    return (Column(title, prose=True),)


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line of a table, and its style."""

    text: str
    style: str = ""


@dataclass
class Table:
    """Rows of cells under columns, of which only the last may be prose.

    `empty` is printed if there is no row; without a `head`, the titles only set widths.
    """

    columns: Sequence[Column]
    title: str = ""
    empty: str = ""
    head: bool = True
    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def add(self, *cells: object, style: str = "") -> None:
        """Add a row. Control characters and line breaks are removed before printing."""
        if len(cells) != len(self.columns):
            raise ValueError(f"a row of {len(self.columns)} cells, not {len(cells)}")
        self.rows.append((tuple(_one_line(cell) for cell in cells), style))

    def lines(self, width: int | None) -> Iterator[Line]:
        """Yield the table's lines for a terminal of `width` cells, or for a pipe."""
        if self.title:
            yield Line(shown(self.title), "bold")
        if not self.rows:
            yield from [Line(self.empty)] if self.empty else []
            return
        blocks = self._blocks(width)
        for number, block in enumerate(blocks):
            if number:
                yield Line("")
            yield from self._block(block, width, last=number == len(blocks) - 1)

    @property
    def _fixed(self) -> list[int]:
        return [index for index, column in enumerate(self.columns) if not column.prose]

    def _width(self, index: int) -> int:
        head = cell_len(self.columns[index].title)
        return max(head, *(cell_len(cells[index]) for cells, _ in self.rows))

    def _blocks(self, width: int | None) -> list[list[int]]:
        """Return which columns share a block; the first is in every one."""
        first, *others = self._fixed
        blocks, room = [[first]], 0
        for index in others:
            needs = self._width(index) + len(GAP)
            used = self._width(first) + room
            if width is not None and len(blocks[-1]) > 1 and used + needs > width:
                blocks.append([first])
                room = 0
            blocks[-1].append(index)
            room += needs
        return blocks

    def _block(self, block: list[int], width: int | None, *, last: bool) -> Iterator[Line]:
        widths = [self._width(index) for index in block]
        free = None if width is None else width - sum(widths) - len(GAP) * len(widths)
        prose = [index for index, column in enumerate(self.columns) if column.prose and last]
        beside = bool(prose) and self._fits(prose[0], free)
        titles = [self.columns[index].title for index in block]
        tail = self.columns[prose[0]].title if beside else ""
        if self.head:
            yield Line(self._row(block, widths, titles, tail), "bold")
        for cells, style in self.rows:
            head = self._row(block, widths, [cells[index] for index in block], "")
            if not prose or not cells[prose[0]]:
                yield Line(head, style)
            elif beside:
                first, *more = wrapped(cells[prose[0]], free)
                start = sum(widths) + len(GAP) * len(widths)
                yield Line(head + " " * (start - cell_len(head)) + first, style)
                yield from (Line(" " * start + line, style) for line in more)
            else:
                yield Line(head, style)
                below = wrapped(cells[prose[0]], None if width is None else width - len(INDENT))
                yield from (Line(INDENT + line, style or "dim") for line in below)

    def _fits(self, index: int, free: int | None) -> bool:
        """Return whether prose gets its own column: it is short enough, or there is room."""
        return free is None or free >= min(ROOM, self._width(index))

    def _row(self, block: list[int], widths: list[int], cells: Sequence[str], tail: str) -> str:
        padded = [
            " " * (width - cell_len(cell)) + cell
            if self.columns[index].right
            else cell + " " * (width - cell_len(cell))
            for index, width, cell in zip(block, widths, cells, strict=True)
        ]
        return GAP.join([*padded, *([tail] if tail else [])]).rstrip()


def _one_line(cell: object) -> str:
    """Return a cell's text; leading spaces indent it."""
    return " ".join(part.rstrip() for part in shown(cell).splitlines())


def wrapped(text: str, width: int | None) -> list[str]:
    """Split a text into lines of at most `width` cells; a longer word stays whole."""
    if width is None:
        return [text]
    lines: list[str] = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def width_of(console: Console) -> int | None:
    """Return how many cells a line may have; None in a pipe or a file."""
    return console.width if console.is_terminal else None


def rendered(console: Console, *tables: Table) -> Text:
    """Return tables laid out for a console, separated by empty lines."""
    text = Text(no_wrap=True, overflow="ignore", end="")
    for number, table in enumerate(tables):
        if number:
            text.append("\n")
        for line in table.lines(width_of(console)):
            text.append(f"{line.text}\n", line.style)
    return text


def print_tables(*tables: Table, console: Console | None = None) -> None:
    """Print tables, separated by empty lines."""
    console = console or Console(highlight=False)
    console.print(rendered(console, *tables), soft_wrap=True, end="")


def print_prose(*lines: str, console: Console | None = None, style: str = "") -> None:
    """Print sentences, wrapped between words in a terminal, on one line each in a pipe."""
    console = console or Console(highlight=False)
    for line in lines:
        for part in wrapped(_one_line(line), width_of(console)):
            console.print(Text(part, style), soft_wrap=True)


def print_fields(fields: Sequence[tuple[str, str]], console: Console | None = None) -> None:
    """Print names and their values, one per line, like `kubectl describe`."""
    console = console or Console(highlight=False)
    width = max((cell_len(name) for name, _ in fields), default=0) + len(GAP) + 1
    room = width_of(console)
    for name, value in fields:
        first, *more = wrapped(_one_line(value), None if room is None else room - width)
        head = f"{name}:" if name else ""
        console.print(Text.assemble((head.ljust(width), "bold"), first), soft_wrap=True)
        for line in more:
            console.print(Text(" " * width + line), soft_wrap=True)
