"""Which desired counts ECS may show now, and what each means; pure.

The ECS API is eventually consistent, an unanswered UpdateService may be carried out later, and
others set the count, too. So a target's item keeps the committed count, those before it, and those
requested without an answer, each with a time:

    what DescribeServices shows            what it means             committed from now on
    the committed count                    the truth                 as before
    one that it replaced, for 15 s         a stale answer            as before
    the unanswered request                 it was carried out        that one
    one left unanswered, for 120 s         our own late call         as before, and sent again
    any other                              a foreign change          that one

Example: 8 tasks have been committed since 10:00:00, and 4 before. If ECS shows 4 at 10:00:05, that
is a stale answer, and a step of 4 more asks for 12. If ECS shows 4 at 10:00:30, someone has set
them, and they stand, unless an UpdateService to 4 was never answered. In that case, it took effect
late, and 8 are sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from quickstep.fields import write_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.fields import Field

STALE = timedelta(seconds=15)
"""How long ECS may show a replaced count."""

LATE = timedelta(seconds=120)
"""How long ECS may still carry out a call whose answer never came."""

CLOCKS = timedelta(seconds=2)
"""How far two hosts' clocks may differ; every comparison between them allows for it."""

MOST = 8
"""How many counts of each kind are kept: the newest."""


class Meaning(Enum):
    """What a desired count shown by ECS means."""

    FIRST = auto()
    COMMITTED = auto()
    STALE = auto()
    ANSWERED = auto()
    LATE = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Count:
    """A desired count that Quickstep set, and when it was replaced or requested."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """The committed count, and what else ECS may show.

    `asked` was requested after it and not answered. `replaced` counts were committed before it.
    `late` counts were requested without an answer, and something else has been committed since.
    """

    committed: int | None = None
    asked: Count | None = None
    replaced: tuple[Count, ...] = ()
    late: tuple[Count, ...] = ()

    def as_of(self, now: datetime) -> Counts:
        """Return the counts that still matter now; an unanswered request stays: see `given_up`.

        A time in the future comes from a clock that was ahead, and is replaced by now.
        """
        return Counts(
            self.committed,
            self.asked and _counted(self.asked, now),
            _left(self.replaced, STALE, now),
            _left(self.late, LATE, now),
        )

    def meaning(self, number: int) -> Meaning:
        """Return what it means that ECS shows a number; see above."""
        if self.committed is None:
            return Meaning.FIRST
        if number == self.committed:
            return Meaning.COMMITTED
        if any(count.number == number for count in self.replaced):
            return Meaning.STALE
        if self.asked and number == self.asked.number:
            return Meaning.ANSWERED
        if any(count.number == number for count in self.late):
            return Meaning.LATE
        return Meaning.FOREIGN

    def given_up(self, now: datetime) -> Counts:
        """Return the counts after a look that does not show the unanswered request.

        Once the request is too old to still come, Quickstep stops waiting for it. If ECS shows it
        after all, it is our own, however late the look.
        """
        if self.asked is None or now - self.asked.at <= LATE + CLOCKS:
            return self
        return replace(self, asked=None)

    def ask(self, number: int, now: datetime) -> Counts:
        """Return the counts just before a request: a holder that dies now has recorded it."""
        return replace(self, asked=Count(number, now), late=self._unanswered())

    def commit(self, number: int, now: datetime, *, unanswered: bool = False) -> Counts:
        """Return the counts after a number has become, or turned out to be, the truth.

        `unanswered` says that a call for it got no answer, and may take effect again.
        """
        was = self.committed
        replaced = self.replaced if was in (None, number) else (*self.replaced, Count(was, now))
        other = self.asked is not None and self.asked.number != number
        late = self._unanswered() if unanswered or other else self.late
        return Counts(number, None, replaced[-MOST:], late)

    def refusal(self, number: int, *, adds: bool) -> str | None:
        """Return why a number must not be sent; None if it may.

        Whatever decides, a scale-out never removes committed tasks, and a scale-in never adds any.
        Nothing should ever ask for that.
        """
        if self.committed is None or not (
            number < self.committed if adds else number > self.committed
        ):
            return None
        way = "a scale-out to fewer" if adds else "a scale-in to more"
        return f"{number} would be {way} than the committed {self.committed} tasks"

    def _unanswered(self) -> tuple[Count, ...]:
        return (*self.late, self.asked)[-MOST:] if self.asked else self.late


def _left(counts: tuple[Count, ...], lasts: timedelta, now: datetime) -> tuple[Count, ...]:
    """Return the counts that ECS may still show."""
    return tuple(_counted(count, now) for count in counts if now - count.at <= lasts + CLOCKS)


def _counted(count: Count, now: datetime) -> Count:
    return count if count.at <= now + CLOCKS else replace(count, at=now)


def counts_dict(counts: Counts) -> dict[str, Any]:
    """Return the attributes of a target's item."""
    return {
        "desired": counts.committed,
        "asked": counts.asked and _count_dict(counts.asked),
        "replaced": [_count_dict(count) for count in counts.replaced],
        "late": [_count_dict(count) for count in counts.late],
    }


def read_counts(item: Mapping[str, Field]) -> Counts:
    """Read what `counts_dict` wrote."""
    asked = item["asked"].optional()
    return Counts(
        item["desired"].optional_integer(0),
        _read_count(asked) if asked else None,
        tuple(map(_read_count, item["replaced"].items())),
        tuple(map(_read_count, item["late"].items())),
    )


def _count_dict(count: Count) -> dict[str, Any]:
    return {"number": count.number, "at": write_moment(count.at)}


def _read_count(field: Field) -> Count:
    members = field.whole("number", "at")
    return Count(members["number"].integer(0), members["at"].moment())
