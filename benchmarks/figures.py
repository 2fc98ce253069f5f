"""A benchmark's figures, each next to its goal and a comparison from the same run.

With a comparison, a goal limits the ratio, otherwise the figure itself: a cold start of 200 ms
next to a floor of 180 ms, at most 1.15 times it, meets the goal (1.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

COLUMNS = ("Figure", "Measured", "Compared with", "Ratio", "Goal", "Met")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit; None is an event that never happened.

    `ends` are the lowest and highest of the runs whose median it is.
    """

    value: float | None
    unit: str = ""
    ends: tuple[float | None, float | None] | None = None

    def __str__(self) -> str:
        """Return it with its significant digits."""
        shown = f"{_digits(self.value)} {self.unit}".rstrip()
        if self.value is None:
            shown = "never"
        if self.ends is None or self.ends[0] == self.ends[1]:
            return shown
        return f"{shown} ({_digits(self.ends[0])} to {_digits(self.ends[1])})"


def _digits(value: float | None) -> str:
    if value is None:
        return "never"
    digits = 0 if value == round(value) or abs(value) >= 100 else 1  # noqa: PLR2004
    digits = 2 if 0 < abs(value) < 1 else digits
    return f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True)
class Beside:
    """What a figure is compared with."""

    name: str
    quantity: Quantity

    def __str__(self) -> str:
        """Return name and figure."""
        return f"{self.name}: {self.quantity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The promised maximum or minimum; exactly one is given."""

    at_most: float | None = None
    at_least: float | None = None

    def kept(self, value: float | None) -> bool:
        """Return whether a figure or ratio meets it; what never happened meets no goal."""
        if value is None:
            return False
        if self.at_most is not None:
            return value <= self.at_most
        return self.at_least is not None and value >= self.at_least

    def __str__(self) -> str:
        """Return the limit in words."""
        limit = self.at_least if self.at_most is None else self.at_most
        return f"at {'least' if self.at_most is None else 'most'} {limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, and its comparison and goal, if any.

    `paired` is the median ratio of neighbouring measurements, if they alternated: neighbours saw
    the same machine, so it says more than the ratio of two medians.
    """

    what: str
    measured: Quantity
    beside: Beside | None = None
    goal: Goal | None = None
    paired: float | None = None

    @property
    def ratio(self) -> float | None:
        """Return the figure divided by its comparison; None if that is missing or zero."""
        if self.paired is not None:
            return self.paired
        if self.beside is None or self.measured.value is None or not self.beside.quantity.value:
            return None
        return self.measured.value / self.beside.quantity.value

    @property
    def kept(self) -> bool | None:
        """Return whether the goal is met; None without a goal.

        If the comparison is zero, there is no ratio: only zero is at most any multiple of it.
        """
        if self.goal is None:
            return None
        if self.beside is not None and self.beside.quantity.value == 0:
            return self.measured.value == 0 and self.goal.at_most is not None
        return self.goal.kept(self.measured.value if self.beside is None else self.ratio)

    def cells(self) -> tuple[str, ...]:
        """Return the row's cells, in the order of COLUMNS."""
        return (
            self.what,
            str(self.measured),
            "" if self.beside is None else str(self.beside),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if self.goal is None else str(self.goal),
            {None: "", True: "yes", False: "NO"}[self.kept],
        )


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One part of the suite. `about` says in Markdown what is measured, and how."""

    name: str
    title: str
    about: str
    figures: Callable[[], Iterable[Figure]]


def as_table(title: str, figures: Iterable[Figure]) -> Table:
    """Return the figures as a table for the terminal; missed goals stand out."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column)
    for figure in figures:
        table.add_row(*figure.cells(), style="bold red" if figure.kept is False else None)
    return table


def as_markdown(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the lines of the figures' table in a document."""
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * len(COLUMNS)
    for figure in figures:
        cells = (cell.replace("|", "\\|") for cell in figure.cells())
        yield "| " + " | ".join("**NO**" if cell == "NO" else cell for cell in cells) + " |"
