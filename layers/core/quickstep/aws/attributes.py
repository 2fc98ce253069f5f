"""JSON-like data as DynamoDB attribute values, and back.

boto3's own conversion would load the rest of boto3 at a cold start, reads half as fast, and
supports neither floats nor numbers beyond DynamoDB's.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALLEST, _LARGEST = Decimal("1e-128"), Decimal("9e125")
_EXACT_INTEGERS = 2**53
_ALWAYS_EXACT = 16
"""A whole number with fewer digits is below 2**53."""


def to_item(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON-like data as DynamoDB attribute values; floats keep all their digits.

    A float beyond DynamoDB's range (1e-130 to 9.9e125) becomes 0 or the largest storable number. A
    metric-math alarm may send any number, and must not prevent a commit.

    Raises:
        TypeError: a value is not valid in JSON.
        ValueError: a float is not finite, which JSON cannot express either.
    """
    return {key: _attribute(value) for key, value in data.items()}


def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": _storable(value)}
        case str():
            return {"S": str(value)}
        case dict():
            return {"M": {str(key): _attribute(member) for key, member in value.items()}}
        case list() | tuple():
            return {"L": [_attribute(member) for member in value]}
        case _:
            raise TypeError(f"{value!r} is no JSON")


def _storable(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored")
    number = Decimal(repr(value))
    if number.adjusted() > _LARGEST.adjusted():
        number = _LARGEST.copy_sign(number)
    return str(number) if number.adjusted() >= _SMALLEST.adjusted() else "0"


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return DynamoDB attribute values as JSON-like data: the inverse of `to_item`."""
    return {key: _plain(value) for key, value in item.items()}


def _plain(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "M":
            return {key: _plain(member) for key, member in value.items()}
        case "L":
            return [_plain(member) for member in value]
        case "NULL":
            return None
        case _:  # a set or bytes that others wrote: the reader may refuse it
            return f"{kind}: {value}"


def _number(text: str) -> float:
    if text.isdecimal() and len(text) < _ALWAYS_EXACT:
        return int(text)
    number = Decimal(text)
    whole = abs(number) < _EXACT_INTEGERS and number == number.to_integral_value()
    return int(number) if whole else float(number)
