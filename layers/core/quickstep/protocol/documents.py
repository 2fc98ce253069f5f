"""A policy document in its SSM parameter, and the table's copy of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A parameter's text, or what is wrong with the parameter.

    `modified` is when SSM last changed it, which orders its versions: their numbers restart when a
    parameter is deleted and created again. It is empty if there is no document.
    """

    text: str = ""
    problem: str = ""
    modified: str = ""


MISSING = Document(problem="is missing: no such SSM parameter")


@dataclass(frozen=True, slots=True)
class Copy:
    """A document, and until when it is valid without reading its parameter, in whole seconds."""

    document: Document
    until: datetime

    @classmethod
    def of(cls, document: Document, now: datetime) -> Copy:
        """Return a copy of a document that was read just now."""
        return cls(document, (now + _good_for(document)).replace(microsecond=0))

    def due(self, now: datetime) -> bool:
        """Whether half of its time is over, so that it should be renewed."""
        return self.until - now < _good_for(self.document) / 2


def _good_for(document: Document) -> timedelta:
    """Return how long a copy is valid: longer than the heartbeat is ever away.

    A missing document is remembered for a while, too, so that an alarm without one does not cost a
    call every minute.
    """
    return timedelta(minutes=10) if document.problem else timedelta(hours=2)
