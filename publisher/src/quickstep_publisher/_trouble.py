"""Why nothing is published, logged once, in words that say what to do."""

from __future__ import annotations

import logging
from enum import Enum

logger = logging.getLogger("quickstep_publisher")

SAID_AGAIN_AFTER = 3600
"""Seconds until the same problem is worth another line."""
LATER = 60
"""Seconds until the next attempt where trying sooner cannot help."""


class Kind(Enum):
    """Kinds of problems; the value says whether the next attempt waits for LATER."""

    SWITCHED_OFF = ("switched off", True)
    SETTINGS = ("settings", True)
    NO_NAMES = ("no names", False)
    NO_REGION = ("no Region", True)
    CREDENTIALS = ("credentials", True)
    DENIED = ("denied", True)
    THROTTLED = ("throttled", False)
    UNREACHABLE = ("unreachable", False)
    REFUSED = ("refused", True)
    NOT_SHARED = ("not shared", False)
    OBSERVATION = ("observation", False)
    GAUGE = ("gauge", False)
    SURGE = ("surge", False)
    UNEXPECTED = ("unexpected", False)

    @property
    def later(self) -> bool:
        """Whether to try again only after LATER seconds."""
        return self.value[1]


class NotPublishedError(Exception):
    """A point was not published; `kind` and the message say why."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Announcer:
    """Writes to the log; the same problem once in SAID_AGAIN_AFTER, however often it comes.

    Its memory is a time for each Kind. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._said: dict[Kind, float] = {}
        self._dropped = 0
        self._announced_failing = False
        self._published = False

    def trouble(self, kind: Kind, message: str, now: float) -> None:
        """Say what is wrong, unless it was said already."""
        if self._is_news(kind, now):
            level = logging.INFO if kind is Kind.SWITCHED_OFF else logging.WARNING
            logger.log(level, "%s", message)

    def unexpected(self, error: Exception, now: float) -> None:
        """Say that there is a bug, with the exception's traceback."""
        if self._is_news(Kind.UNEXPECTED, now):
            said = "Unexpected error in the publisher; the application is not affected"
            logger.error(said, exc_info=error)

    def dropped(self) -> None:
        """Count a point that was not even tried, as it was too soon after the last failure."""
        self._dropped += 1

    def not_published(self, error: NotPublishedError, now: float) -> None:
        """Say that a point is not accepted, and why."""
        self._dropped += 1
        again = f"every {LATER} s" if error.kind.later else "with the next point"
        if self._is_news(error.kind, now):
            self._announced_failing = True
            # As text: a handler that keeps records is not to keep the frames of the exception.
            logger.warning("Metrics are not published: %s. Trying again %s.", str(error), again)

    def published(self, what: str) -> None:
        """Say that publishing has begun, or has begun again after a problem that was logged."""
        if not self._published:
            logger.info("Publishing metrics of %s", what)
        elif self._announced_failing:
            # A warning like the one before: who reads only warnings is to know that it is over.
            logger.warning("Metrics are published again; points not accepted: %d.", self._dropped)
        self._published = True
        self._announced_failing = False
        self._dropped = 0

    def _is_news(self, kind: Kind, now: float) -> bool:
        if kind in self._said and now - self._said[kind] < SAID_AGAIN_AFTER:
            return False
        self._said[kind] = now
        return True
