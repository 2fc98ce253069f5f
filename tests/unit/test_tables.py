"""The one table of all commands: what stays whole, what is wrapped, and what a pipe gets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from quickstep_cli.tables import Table, named, numbers, print_fields, print_tables, prose, wrapped
from tests.builders import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WHY = "Held at 6, no policy asks for a change: no alarm is in ALARM"


def a_table(*, head: bool = True) -> Table:
    columns = (*named("At", "Outcome"), *numbers("Tasks"), *prose("Why"))
    table = Table(columns, "prod/web", head=head)
    table.add("14:03:12", "HELD_NOT_BREACHING", 6, WHY)
    table.add("14:03:22", "SCALED_OUT", 12, "")
    return table


def lines(table: Table, width: int | None) -> list[str]:
    return [line.text for line in table.lines(width)]


def test_in_a_pipe_each_row_is_one_line() -> None:
    assert lines(a_table(), None) == [
        "prod/web",
        "At        Outcome             Tasks  Why",
        f"14:03:12  HELD_NOT_BREACHING      6  {WHY}",
        "14:03:22  SCALED_OUT             12",
    ]


def test_in_a_pipe_no_prose_is_too_long_for_its_line() -> None:
    table = Table((*named("At"), *prose("Why")))
    table.add("14:03:12", WHY * 20)

    assert lines(table, None)[1] == f"14:03:12  {WHY * 20}"


def test_with_room_prose_is_wrapped_in_its_own_column() -> None:
    assert lines(a_table(), 80) == [
        "prod/web",
        "At        Outcome             Tasks  Why",
        "14:03:12  HELD_NOT_BREACHING      6  Held at 6, no policy asks for a change: no",
        "                                     alarm is in ALARM",
        "14:03:22  SCALED_OUT             12",
    ]


def test_without_room_prose_stands_below_its_row() -> None:
    assert lines(a_table(), 60) == [
        "prod/web",
        "At        Outcome             Tasks",
        "14:03:12  HELD_NOT_BREACHING      6",
        "    Held at 6, no policy asks for a change: no alarm is in",
        "    ALARM",
        "14:03:22  SCALED_OUT             12",
    ]


def test_columns_that_do_not_fit_stand_below_behind_the_first_one() -> None:
    table = Table((*named("Scaler"), *numbers("Trigger", "Capacity", "Failed")))
    table.add("quickstep-surge", "5 s", "78 s", "36,084")

    assert lines(table, 35) == [
        "Scaler           Trigger  Capacity",
        "quickstep-surge      5 s      78 s",
        "",
        "Scaler           Failed",
        "quickstep-surge  36,084",
    ]


def test_a_cell_that_is_wider_than_the_terminal_is_left_whole() -> None:
    table = Table(named("Target", "Tasks"))
    table.add("prod/" + "x" * 60, "4")

    assert any("prod/" + "x" * 60 in line for line in lines(table, 40))


def test_without_a_row_it_is_said_what_there_is_not() -> None:
    assert lines(Table(named("At"), "Decisions", empty="none recorded"), 80) == [
        "Decisions",
        "none recorded",
    ]


def test_without_a_head_titles_are_widths() -> None:
    assert lines(a_table(head=False), None)[1].startswith("14:03:12  HELD_NOT_BREACHING")


def test_wide_characters_count_as_two_cells() -> None:
    table = Table(named("Target", "Tasks"))
    table.add("운영/웹", "4")

    assert lines(table, 80) == ["Target   Tasks", "운영/웹  4"]


def test_a_cell_can_neither_control_the_terminal_nor_break_its_line() -> None:
    table = Table((*named("Target"), *prose("Why")))
    table.add("prod/\x1b[2Jweb", "first\nsecond\r\nthird")

    assert lines(table, None)[1] == "prod/\ufffd[2Jweb  first second\ufffd third"


def test_a_row_has_as_many_cells_as_there_are_columns() -> None:
    with pytest.raises(ValueError, match=r"^a row of 2 cells, not 1$"):
        Table(named("At", "Outcome")).add("14:03:12")


@given(
    cells=st.lists(
        st.tuples(*[st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)] * 3),
        min_size=1,
        max_size=4,
    ),
    width=st.one_of(st.none(), st.integers(10, 120)),
)
def test_at_any_width_every_cell_stands_whole_on_a_line(
    cells: list[tuple[str, str, str]], width: int | None
) -> None:
    table = Table(named("One", "Two", "Three"))
    for row in cells:
        table.add(*row)

    printed = lines(table, width)

    assert [cell for row in cells for cell in row if not any(cell in one for one in printed)] == []
    widest = max(cell_len(cell) for row in cells for cell in row)
    if width is not None and width >= 2 * widest + 12:
        assert max(map(cell_len, printed)) <= width


@given(st.text(), st.integers(1, 40))
def test_wrapped_text_keeps_every_word_in_its_order(text: str, width: int) -> None:
    parts = wrapped(text, width)

    assert " ".join(parts).split() == text.split()
    assert all(cell_len(part) <= width or " " not in part for part in parts)


@pytest.mark.parametrize(
    ("terminal", "expected"),
    [
        pytest.param(False, "Bounds:  2 to 40, the policy's", id="a pipe"),
        pytest.param(True, "Bounds:  2 to 40,\n         the\n         policy's", id="a terminal"),
    ],
)
def test_a_field_s_value_is_wrapped_under_itself(*, terminal: bool, expected: str) -> None:
    file = io.StringIO()
    console = Console(file=file, width=18, force_terminal=terminal, color_system=None)

    print_fields([("Bounds", "2 to 40, the policy's")], console)

    assert file.getvalue() == f"{expected}\n"


def test_what_is_printed_is_not_marked_up() -> None:
    file = io.StringIO()
    table = Table(named("[bold]Target"))
    table.add("[red]web")

    print_tables(table, console=Console(file=file, width=80))

    assert file.getvalue() == "[bold]Target\n[red]web\n"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "cli").rglob("*.py")), ids=lambda file: str(file.stem)
)
def test_no_command_prints_a_table_of_another_kind(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert "rich.table" not in text
    assert "rich.columns" not in text
