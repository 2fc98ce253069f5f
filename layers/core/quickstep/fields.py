"""Reading untrusted JSON: a cursor that checks types and collects every problem it meets.

A `Field` is a value and the path that leads to it. Each reader returns the checked value, or a
harmless placeholder after noting a `Problem`; so one pass over a document finds all of its
problems, and `Problems.raise_any` ends it before a placeholder can be used.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

_E = TypeVar("_E", bound="StrEnum")
_MAX_SHOWN = 60


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
    """Return a value as JSON for a message, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def parse_json(text: str) -> Any:
    """Parse strict JSON: no duplicate keys, no NaN or Infinity.

    Raises:
        InvalidDocumentError: the text is not such JSON; the message says where.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        rule = f"must be JSON: {error.msg} at line {error.lineno} column {error.colno}"
        raise InvalidDocumentError([Problem("", rule)]) from None
    except InvalidDocumentError:
        raise
    except RecursionError:
        raise InvalidDocumentError([Problem("", "must be JSON: nested too deeply")]) from None
    except ValueError:  # Python's limit on the digits of a number
        raise InvalidDocumentError([Problem("", "must be JSON: a number is too long")]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidDocumentError([Problem(key, "must be given once, but stands twice")])
        result[key] = value
    return result


def _refuse_constant(constant: str) -> float:
    raise InvalidDocumentError([Problem("", "must hold finite numbers", constant)])


@dataclass(slots=True)
class Problems:
    """The problems of one document, in the order they were met."""

    found: list[Problem] = field(default_factory=list)

    def raise_any(self, error: type[InvalidDocumentError]) -> None:
        """Raise `error` with everything found, if anything was."""
        if self.found:
            raise error(self.found)


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a document, the path that leads to it, and where its problems go."""

    value: Any
    path: str
    problems: Problems

    def wrong(self, rule: str, *, seen: bool = True) -> None:
        """Note that the value breaks `rule`."""
        self.problems.found.append(Problem(self.path, rule, show(self.value) if seen else ""))

    def child(self, key: str, value: Any) -> Field:
        """Return the field of a member called `key`."""
        return Field(value, f"{self.path}.{key}" if self.path else key, self.problems)

    def members(
        self, *, required: Iterable[str] = (), optional: Iterable[str] | None = None
    ) -> dict[str, Field]:
        """Return an object's members by name; with `optional` given, unknown keys are problems."""
        if not isinstance(self.value, dict):
            self.wrong("must be an object")
            return {}
        required = tuple(required)
        for key in required:
            if key not in self.value:
                self.child(key, None).wrong("is required, but missing", seen=False)
        if optional is not None:
            known = (*required, *optional)
            for key in self.value:
                if key not in known:
                    rule = f"is not a known key; known are {', '.join(known)}"
                    self.child(key, None).wrong(rule, seen=False)
        return {key: self.child(key, value) for key, value in self.value.items()}

    def items(self, *, at_least: int = 0, at_most: int | None = None) -> list[Field]:
        """Return the fields of a list."""
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
            for index, value in enumerate(self.value)
        ]

    def integer(self, minimum: int | None = None, maximum: int | None = None) -> int:
        """Return a whole number within the limits; 0 after a problem."""
        if type(self.value) is not int:
            self.wrong("must be a whole number")
            return 0
        if minimum is not None and self.value < minimum:
            self.wrong(f"must be at least {minimum}")
        elif maximum is not None and self.value > maximum:
            self.wrong(f"must be at most {maximum}")
        return self.value

    def number(self) -> float:
        """Return a finite number; 0.0 after a problem."""
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
        return number

    def boolean(self) -> bool:
        """Return true or false; False after a problem."""
        if type(self.value) is not bool:
            self.wrong("must be true or false")
            return False
        return self.value

    def text(self, pattern: str | None = None, rule: str = "") -> str:
        """Return a string that matches `pattern` as a whole; `rule` says in words what it asks."""
        if not isinstance(self.value, str):
            self.wrong("must be a string")
            return ""
        if pattern is not None and not re.fullmatch(pattern, self.value):
            self.wrong(rule)
        return self.value

    def choice(self, options: type[_E]) -> _E:
        """Return the member of an enumeration that the string names; the first after a problem."""
        names = [str(option) for option in options]
        if self.value not in names:
            self.wrong(f"must be one of {', '.join(names)}")
            return next(iter(options))
        return options(self.value)

    def moment(self) -> datetime:
        """Return an ISO 8601 time with an offset, as UTC; the epoch after a problem."""
        epoch = datetime.fromtimestamp(0, UTC)
        try:
            moment = datetime.fromisoformat(self.value)
        except (TypeError, ValueError):
            self.wrong("must be a time like 2026-11-22T10:00:00Z")
            return epoch
        if moment.tzinfo is None:
            self.wrong("must be a time with an offset, like 2026-11-22T10:00:00Z")
            return epoch
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.wrong("must be a time within years 1 to 9999 UTC")
            return epoch

    def duration(self, longest: timedelta) -> timedelta:
        """Return how long `1d`, `2h30m` or `90s` is; 0 after a problem."""
        length = parse_duration(self.text())
        if length is None:
            self.wrong(DURATION_RULE)
            return timedelta()
        if length > longest:
            self.wrong(f"must be at most {longest.days}d")
        return length

    def optional(self) -> Field | None:
        """Return the field itself, or None where its value is null."""
        return None if self.value is None else self


DURATION_RULE = "must be a time span like 2h30m, of days, hours, minutes and seconds"


def parse_duration(text: str) -> timedelta | None:
    """Return the time span that a text like `2h30m` names; None where it is none, or 0."""
    found = re.fullmatch(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?", text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds) or None


def write_moment(moment: datetime) -> str:
    """Return a UTC time with milliseconds, e.g. `2026-11-22T10:00:00.000Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_optional_moment(moment: datetime | None) -> str | None:
    """Return a time as `write_moment` does; None where there is none."""
    return None if moment is None else write_moment(moment)


def read_optional_moment(field: Field | None) -> datetime | None:
    """Read a time, where there is one."""
    return None if field is None or field.value is None else field.moment()


def present(members: Mapping[str, Field], key: str) -> Field | None:
    """Return a member whose value is not null; None where there is none."""
    return members[key].optional() if key in members else None
