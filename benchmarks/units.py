"""DynamoDB's request units, from the sizes of items.

The rules come from two pages of the DynamoDB Developer Guide: *CapacityUnitCalculations* (sizes)
and *read-write-operations* (units); a failed conditional write costs as much as a successful one
(*WorkingWithItems*).
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from quickstep_lab.cost.counts import READ_UNIT, WRITE_UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEXED = 100
"""Bytes that each stored item takes beyond its own size."""


def item_size(item: Mapping[str, Any]) -> int:
    """Return the size in bytes of an item, given as DynamoDB's attribute values.

    Example: `{"pk": {"S": "a"}, "n": {"N": "12.5"}}` takes 2 + 1 for the first attribute, and
    1 + 3 for the second: three significant digits are two pairs, and one byte more.
    """
    return sum(_length(name) + _value_size(value) for name, value in item.items())


def _value_size(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return _length(value)
        case "N":
            return _number_size(value)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_size(member) for member in value)
        case "M":
            return 3 + sum(1 + _length(name) + _value_size(of) for name, of in value.items())
        case _:
            rule = "must be one of the types that Quickstep writes: S, N, BOOL, NULL, L, M"
            raise ValueError(f"{rule}; not {kind}")


def _number_size(text: str) -> int:
    digits = Decimal(text).normalize().as_tuple().digits
    return math.ceil(len(digits) / 2) + 1


def _length(text: str) -> int:
    return len(text.encode())


def write_units(before: int, after: int, *, in_transaction: bool = False) -> int:
    """Return the write request units of one write; sizes are in bytes, 0 for no item.

    The larger size counts. Example: an item that grows from 900 to 1,100 bytes takes 2, in a
    transaction 4.
    """
    units = max(1, math.ceil(max(before, after) / WRITE_UNIT))
    return 2 * units if in_transaction else units


def read_units(size: int, *, consistent: bool) -> float:
    """Return the read request units of one read of `size` bytes; nothing counts as one item.

    Example: 5,000 bytes take 2, or 1 if the read need not be consistent.
    """
    units = max(1, math.ceil(size / READ_UNIT))
    return float(units) if consistent else units / 2
