"""Log once why nothing is published, and what to do."""

from __future__ import annotations

import logging
from enum import Enum

logger = logging.getLogger("quickstep_publisher")

SAID_AGAIN_AFTER = 3600
"""Seconds until the same problem is logged again."""
LATER = 60
"""Seconds until the next attempt if trying sooner cannot help."""


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
        """Whether the next attempt waits for LATER seconds."""
        return self.value[1]


class NotPublishedError(Exception):
    """A point was not published; `kind` and the message say why."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Announcer:
    """Write to the log, each problem once in SAID_AGAIN_AFTER, however often it occurs.

    It remembers one time per Kind. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._said: dict[Kind, float] = {}
        self._dropped = 0
        self._announced_failing = False
        self._published = False

    def trouble(self, kind: Kind, message: str, now: float) -> None:
        """Log a problem, unless it was logged recently."""
        if self._is_news(kind, now):
            level = logging.INFO if kind is Kind.SWITCHED_OFF else logging.WARNING
            logger.log(level, "%s", message)

    def unexpected(self, error: Exception, now: float) -> None:
        """Log a bug with the exception's traceback."""
        if self._is_news(Kind.UNEXPECTED, now):
            said = "Unexpected error in the publisher; the application is not affected"
            logger.error(said, exc_info=error)

    def dropped(self) -> None:
        """Count a point that was not sent because the last failure was too recent."""
        self._dropped += 1

    def not_published(self, error: NotPublishedError, now: float) -> None:
        """Log that a point was not accepted, and why."""
        self._dropped += 1
        again = f"every {LATER} s" if error.kind.later else "with the next point"
        if self._is_news(error.kind, now):
            self._announced_failing = True
            # As text, so that a handler that keeps records does not keep the exception's frames.
            logger.warning("Metrics are not published: %s. Trying again %s.", str(error), again)

    def published(self, what: str) -> None:
        """Log that publishing has begun, or has resumed after a logged problem."""
        if not self._published:
            logger.info("Publishing metrics of %s", what)
        elif self._announced_failing:
            # A warning like the first, so that readers of warnings see that the problem is over.
            logger.warning("Metrics are published again; points not accepted: %d.", self._dropped)
        self._published = True
        self._announced_failing = False
        self._dropped = 0

    def _is_news(self, kind: Kind, now: float) -> bool:
        if kind in self._said and now - self._said[kind] < SAID_AGAIN_AFTER:
            return False
        self._said[kind] = now
        return True
