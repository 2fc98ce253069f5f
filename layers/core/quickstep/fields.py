"""Reading untrusted JSON: a cursor that notes each problem with its path, its rule and the value.

A `Field` is a value and its path. Each reader returns the checked value, or notes a `Problem` and
returns a harmless placeholder. So one pass over a document finds all of its problems, and
`Problems.raise_any` stops before anyone can use a placeholder.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

_E = TypeVar("_E", bound="StrEnum")
_MAX_SHOWN = 60
_MAX_KEY = 128
_MAX_PROBLEMS = 100

MAX_BYTES = 262_144
"""More than an alarm's event, or a batch of SQS messages that the scaler sends."""
_BYTES_A_VALUE = 10
"""A lower limit for the average, keys included; nobody writes thousands of `0,`."""
MAX_DEPTH = 20
"""Twice as deep as an event; DynamoDB stores 32 levels, of which an item uses a few itself."""
_TOO_LONG = 10**38
"""A whole number with more digits than DynamoDB stores."""

LARGEST = 2.0**360
"""The largest value that CloudWatch accepts; the smallest above 0 is its inverse."""
EXACT = 2**53
"""JSON's whole numbers are exact up to here."""

FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(3000, 1, 1, tzinfo=UTC)
"""Any time span in a document, an alarm or a message can be added to a time within these."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: where, which rule, and the value seen."""

    path: str
    rule: str
    seen: str = ""

    def __str__(self) -> str:
        """Return e.g. `MaxCapacity: must be at least MinCapacity (4), not 2`."""
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.rule}{f', not {self.seen}' if self.seen else ''}"


class InvalidDocumentError(ValueError):
    """A document that breaks at least one rule; `problems` lists every one found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


def show(value: Any) -> str:
    """Return a value as JSON for a message, cut to a readable length and valid in UTF-8."""
    text = ""
    for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        text += part[: _MAX_SHOWN + 1]
        if len(text) > _MAX_SHOWN:
            text = f"{text[: _MAX_SHOWN - 1]}…"
            break
    return text.encode("utf-8", "backslashreplace").decode()


def parse_json(text: str, most: int = MAX_BYTES) -> Any:
    """Parse strict JSON of at most `most` bytes that can be written again, and stored.

    It must have no duplicate keys, no NaN or Infinity, no lone surrogates, and no more depth or
    digits than DynamoDB stores.

    Raises:
        InvalidDocumentError: the text is not such JSON; the message says where.
    """
    if len(text if text.isascii() else text.encode(errors="replace")) > most:
        raise _refused(f"must have at most {most} bytes")
    _check_count(text.count(",") + text.count("{"), most)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _refused(
            f"must be JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except InvalidDocumentError:
        raise
    except RecursionError:
        raise _refused("must be JSON: nested too deeply") from None
    except ValueError:  # Python's limit on the digits of a number
        raise _refused("must be JSON: a number is too long") from None
    return checked_json(value, most)


def checked_json(value: Any, most: int = MAX_BYTES) -> Any:
    """Return decoded JSON if it can be written again, and stored.

    Lambda decodes an event before its function sees it, and accepts whatever Python's reader does.

    Raises:
        InvalidDocumentError: it cannot; the message says why.
    """
    level, seen = [value], 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        _check_count(seen, most)
        texts = "".join(each for each in level if isinstance(each, str))
        if not _is_writable(texts):
            raise _refused("must hold no lone surrogate", show(_SURROGATE.findall(texts)[0]))
        if not all(math.isfinite(each) for each in level if isinstance(each, float)):
            raise _refused("must hold finite numbers")
        if any(abs(each) >= _TOO_LONG for each in level if isinstance(each, int)):
            raise _refused("must be JSON: a number is too long")
        objects = [each for each in level if isinstance(each, dict)]
        lists = [each for each in level if isinstance(each, list)]
        level = list(chain(*objects, *(each.values() for each in objects), *lists))
        if not level:
            return value
    raise _refused("must be JSON: nested too deeply")


def _check_count(count: int, most: int) -> None:
    if count > most // _BYTES_A_VALUE:
        raise _refused(f"must have at most {most // _BYTES_A_VALUE} values")


def _refused(rule: str, seen: str = "") -> InvalidDocumentError:
    return InvalidDocumentError([Problem("", rule, seen)])


def _is_writable(text: str) -> bool:
    """Whether a text has no lone surrogate, which JSON can express and UTF-8 cannot."""
    return text.isascii() or not _SURROGATE.search(text)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidDocumentError([Problem(key, "must be given once, but stands twice")])
        result[key] = value
    return result


def _refuse_constant(constant: str) -> float:
    raise _refused("must hold finite numbers", constant)


@dataclass(slots=True)
class Problems:
    """A document's problems, in the order found; only the first of many are kept."""

    found: list[Problem] = field(default_factory=list)
    met: int = 0

    def raise_any(self, error: type[InvalidDocumentError]) -> None:
        """Raise `error` with everything found, if anything was."""
        more = self.met - _MAX_PROBLEMS
        if self.found:
            raise error([*self.found, *([Problem("", f"has {more} more")] if more > 0 else [])])


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a document, its path, and where to note its problems."""

    value: Any
    path: str
    problems: Problems

    def wrong(self, rule: str, *, seen: bool = True) -> None:
        """Note that the value breaks `rule`."""
        self.problems.met += 1
        if self.problems.met <= _MAX_PROBLEMS:
            self.problems.found.append(Problem(self.path, rule, show(self.value) if seen else ""))

    def child(self, key: str, value: Any) -> Field:
        """Return the field of a member called `key`."""
        key = key if len(key) <= _MAX_KEY else f"{key[: _MAX_KEY - 1]}…"
        return Field(value, f"{self.path}.{key}" if self.path else key, self.problems)

    def members(
        self,
        *,
        required: Iterable[str] = (),
        optional: Iterable[str] | None = None,
        at_most: int | None = None,
    ) -> dict[str, Field]:
        """Return an object's members by name; with `optional` given, unknown keys are problems.

        More members than `at_most` are a problem, too; then none is returned.
        """
        if at_most is not None and isinstance(self.value, dict) and len(self.value) > at_most:
            self.wrong(f"must have at most {at_most} members, not {len(self.value)}", seen=False)
            return {}
        required = tuple(required)
        known = None if optional is None else (*required, *optional)
        read = self._object(required, known)
        return {key: self.child(key, read[key]) for key in read if known is None or key in known}

    def whole(
        self, *required: str, optional: Iterable[str] = (), strict: bool = False
    ) -> dict[str, Field]:
        """Return an object's named members.

        A missing one reads as null; if it is required, that is one problem. Its readers return
        their placeholders and note nothing more. With `strict`, unknown keys are problems.
        """
        named = (*required, *optional)
        read = self._object(required, named if strict else None)
        # Full already, so it notes no further problem.
        missing = Field(None, self.path, Problems(met=_MAX_PROBLEMS))
        return {key: self.child(key, read[key]) if key in read else missing for key in named}

    def _object(self, required: Iterable[str], known: tuple[str, ...] | None) -> Mapping[str, Any]:
        """Return an object as it is; note which keys are missing, or not known."""
        if not isinstance(self.value, dict):
            self.wrong("must be an object")
            return {}
        for key in required:
            if key not in self.value:
                self.child(key, None).wrong("is required, but missing", seen=False)
        if known is not None:
            rule = f"is not a known key; known are {', '.join(known)}"
            for key in self.value:
                if key not in known:
                    self.child(key, None).wrong(rule, seen=False)
        return self.value

    def items(self, *, at_least: int = 0, at_most: int | None = None) -> list[Field]:
        """Return a list's fields; only the first ones if the list is too long."""
        if not isinstance(self.value, list):
            self.wrong("must be a list")
            return []
        count = len(self.value)
        if count < at_least or (at_most is not None and count > at_most):
            most = "" if at_most is None else f" and at most {at_most}"
            rule = f"must have at least {at_least}{most} entries, not {count}"
            self.wrong(rule, seen=False)
        return [
            Field(value, f"{self.path}[{index}]", self.problems)
            for index, value in enumerate(self.value[:at_most])
        ]

    def integer(self, minimum: int = -EXACT, maximum: int = EXACT) -> int:
        """Return a whole number within the limits; 0 after a problem."""
        if type(self.value) is not int:
            self.wrong("must be a whole number")
            return 0
        if self.value < minimum:
            self.wrong(f"must be at least {minimum}")
        elif self.value > maximum:
            self.wrong(f"must be at most {maximum}")
        return self.value

    def number(self) -> float:
        """Return a finite number, as `bounded` makes it; 0.0 after a problem."""
        if type(self.value) not in (int, float):
            self.wrong("must be a number")
            return 0.0
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.wrong("must be a finite number")
            return 0.0
        return bounded(number)

    def boolean(self) -> bool:
        """Return true or false; False after a problem."""
        if type(self.value) is not bool:
            self.wrong("must be true or false")
            return False
        return self.value

    def text(self, pattern: str | None = None, rule: str = "") -> str:
        """Return a string that fully matches `pattern`; `rule` states the pattern in words."""
        if not isinstance(self.value, str):
            self.wrong("must be a string")
            return ""
        if not _is_writable(self.value):
            self.wrong("must hold no lone surrogate")
            return ""
        if pattern is not None and not re.fullmatch(pattern, self.value):
            self.wrong(rule)
        return self.value

    def choice(self, options: type[_E]) -> _E:
        """Return the enumeration member that the string names; the first one after a problem."""
        if isinstance(self.value, str):
            try:
                return options(self.value)
            except ValueError:
                pass
        self.wrong(f"must be one of {', '.join(map(str, options))}")
        return next(iter(options))

    def moment(self) -> datetime:
        """Return an ISO 8601 time with an offset, as UTC; the epoch after a problem."""
        try:
            moment = datetime.fromisoformat(self.value)
        except (TypeError, ValueError):
            self.wrong("must be a time like 2026-11-22T10:00:00Z")
            return FIRST_MOMENT
        if moment.tzinfo is None:
            self.wrong("must be a time with an offset, like 2026-11-22T10:00:00Z")
            return FIRST_MOMENT
        if not FIRST_MOMENT <= moment < LAST_MOMENT:
            self.wrong(f"must be a time of the years {FIRST_MOMENT.year} to {LAST_MOMENT.year - 1}")
            return FIRST_MOMENT
        return moment.astimezone(UTC)

    def duration(self, longest: timedelta) -> timedelta:
        """Return the length of `1d`, `2h30m` or `90s`; 0 after a problem."""
        length = parse_duration(self.text())
        if length is None:
            self.wrong(DURATION_RULE)
            return timedelta()
        if length > longest:
            self.wrong(f"must be at most {longest.days}d")
        return length

    def optional(self) -> Field | None:
        """Return the field itself, or None if its value is null."""
        return None if self.value is None else self

    def optional_integer(self, minimum: int = -EXACT, maximum: int = EXACT) -> int | None:
        """Return a whole number as `integer` does, or None if the value is null."""
        return None if self.value is None else self.integer(minimum, maximum)

    def optional_moment(self) -> datetime | None:
        """Return a time as `moment` does, or None if the value is null."""
        return None if self.value is None else self.moment()


def bounded(value: float) -> float:
    """Limit a metric's value to CloudWatch's range; metric math may produce any number.

    Examples: 1e-310 becomes 0, as dividing a load by it would overflow; 1e300, 2.0**360.
    """
    if abs(value) * LARGEST < 1:
        return math.copysign(0.0, value)
    return max(-LARGEST, min(LARGEST, value))


DURATION_RULE = "must be a time span like 2h30m, of days, hours, minutes and seconds"


def parse_duration(text: str) -> timedelta | None:
    """Return the time span that a text like `2h30m` gives; None if it gives none, or 0."""
    found = re.fullmatch(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?", text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds) or None


def write_moment(moment: datetime) -> str:
    """Return a UTC time with milliseconds, e.g. `2026-11-22T10:00:00.000Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_optional_moment(moment: datetime | None) -> str | None:
    """Return a time as `write_moment` does, or None."""
    return None if moment is None else write_moment(moment)
