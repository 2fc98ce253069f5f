"""DynamoDB's request units: sizes of items, and what reads and writes of them take."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.units import item_size, read_units, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param({"S": "ab"}, 2, id="a string"),
        pytest.param({"S": "ü"}, 2, id="a string beyond ASCII, in UTF-8"),
        pytest.param({"N": "7"}, 2, id="a number of one digit"),
        pytest.param({"N": "1200"}, 2, id="zeros at the end do not count"),
        pytest.param({"N": "12.5"}, 3, id="three digits are two pairs"),
        pytest.param({"N": "-12345"}, 4, id="five digits are three pairs"),
        pytest.param({"BOOL": True}, 1, id="a boolean"),
        pytest.param({"NULL": True}, 1, id="a null"),
        pytest.param({"L": []}, 3, id="an empty list"),
        pytest.param({"L": [{"S": "a"}, {"S": "b"}]}, 3 + 2 * (1 + 1), id="a list"),
        pytest.param({"M": {"k": {"N": "1"}}}, 3 + 1 + 1 + 2, id="a map, with its names"),
    ],
)
def test_the_size_of_a_value(value: dict[str, Any], size: int) -> None:
    assert item_size({"name": value}) == len("name") + size


def test_a_type_that_is_not_written_has_no_size() -> None:
    with pytest.raises(ValueError, match="NULL, L, M; not SS"):
        item_size({"name": {"SS": ["a"]}})


@pytest.mark.parametrize(
    ("before", "after", "alone", "in_transaction"),
    [
        pytest.param(0, 100, 1, 2, id="a small new item"),
        pytest.param(1024, 1024, 1, 2, id="just one unit"),
        pytest.param(900, 1025, 2, 4, id="it grows beyond one"),
        pytest.param(3000, 10, 3, 6, id="it shrinks: the larger size counts"),
        pytest.param(0, 0, 1, 2, id="nothing there, and nothing written: a refused condition"),
    ],
)
def test_the_units_of_a_write(before: int, after: int, alone: int, in_transaction: int) -> None:
    assert write_units(before, after) == alone
    assert write_units(before, after, in_transaction=True) == in_transaction


@pytest.mark.parametrize(
    ("size", "consistent", "units"),
    [
        pytest.param(0, True, 1, id="of nothing"),
        pytest.param(4096, True, 1, id="of just one unit"),
        pytest.param(4097, True, 2, id="of more"),
        pytest.param(5000, False, 1, id="half of it, not consistent"),
    ],
)
def test_the_units_of_a_read(size: int, consistent: bool, units: float) -> None:
    assert read_units(size, consistent=consistent) == units
