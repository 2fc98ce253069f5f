"""A policy document as it lies in its SSM parameter, and the copy of it that the table keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a parameter, or what is wrong with the parameter.

    `modified` is SSM's time of its last change, which orders its versions: their numbers restart
    where a parameter was deleted and made again. It is empty where there is no document.
    """

    text: str = ""
    problem: str = ""
    modified: str = ""


MISSING = Document(problem="is missing: no such SSM parameter")


@dataclass(frozen=True, slots=True)
class Copy:
    """A document, and until when it is good without a look at its parameter, in whole seconds."""

    document: Document
    until: datetime

    @classmethod
    def of(cls, document: Document, now: datetime) -> Copy:
        """Return the copy of a document that was read just now."""
        return cls(document, (now + _good_for(document)).replace(microsecond=0))

    def due(self, now: datetime) -> bool:
        """Whether half its time is over, so that it is to be made again."""
        return self.until - now < _good_for(self.document) / 2


def _good_for(document: Document) -> timedelta:
    """Return how long a copy is good: longer than the heartbeat is ever away.

    That there is no document is remembered for a while, so that an alarm without one costs no call
    each minute.
    """
    return timedelta(minutes=10) if document.problem else timedelta(hours=2)
