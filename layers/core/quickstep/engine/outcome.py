"""Every way an evaluation can end, with the one sentence that reports it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from quickstep.engine.words import tasks


class Outcome(StrEnum):
    """How an evaluation ended; `sentence` fills in the outcome's template.

    A template has the slots `before`, `granted`, `kept` and `why`.
    """

    template: str

    def __new__(cls, value: str, template: str = "") -> Self:
        """Make an outcome; code that reads a stored one passes its name alone."""
        outcome = str.__new__(cls, value)
        outcome._value_ = value
        outcome.template = template
        return outcome

    SCALED_OUT = "SCALED_OUT", "Scaled out from {before} to {granted}: {why}"
    SCALED_IN = "SCALED_IN", "Scaled in from {before} to {granted}: {why}"
    WOULD_SCALE = (
        "WOULD_SCALE",
        "Would scale from {before} to {granted}, but this is a dry run: {why}",
    )
    HELD_COOLDOWN = "HELD_COOLDOWN", "Kept {kept} for now: {why}"
    HELD_CAPACITY_ON_ITS_WAY = "HELD_CAPACITY_ON_ITS_WAY", "Kept {kept}: {why}"
    HELD_NO_CAPACITY = "HELD_NO_CAPACITY", "Kept {kept}, but not all of them started: {why}"
    HELD_ANSWERED = "HELD_ANSWERED", "Kept {kept} until the next datapoint: {why}"
    HELD_WOULD_FLAP = "HELD_WOULD_FLAP", "Kept {kept}, as fewer would breach again: {why}"
    HELD_DEPLOYMENT = "HELD_DEPLOYMENT", "Kept {kept} during a deployment: {why}"
    HELD_AT_MAX = "HELD_AT_MAX", "Kept {kept}, at the maximum: {why}"
    HELD_AT_MIN = "HELD_AT_MIN", "Kept {kept}, at the minimum: {why}"
    HELD_NOT_BREACHING = "HELD_NOT_BREACHING", "Kept {kept}: {why}"
    HELD_NO_DATA = "HELD_NO_DATA", "Kept {kept}, load unknown: {why}"
    HELD_PAUSED = "HELD_PAUSED", "Kept {kept} while paused: {why}"
    HELD_MUTED = "HELD_MUTED", "Kept {kept} while the alarm is muted: {why}"
    IGNORED_DUPLICATE = "IGNORED_DUPLICATE", "Ignored, already handled: {why}"
    IGNORED_STALE = "IGNORED_STALE", "Ignored, out of date: {why}"
    IGNORED_SURGE = "IGNORED_SURGE", "Ignored a surge: {why}"
    LOST_RACE = "LOST_RACE", "Left to another evaluation of the same target: {why}"
    RECOVERED = "RECOVERED", "Recovered an unfinished change: {why}"
    FOREIGN_CHANGE = (
        "FOREIGN_CHANGE",
        "Changed from {before} to {granted} tasks outside Quickstep: {why}",
    )
    FAILED_THROTTLED = "FAILED_THROTTLED", "Failed, AWS throttled the call: {why}"
    FAILED_NOT_FOUND = "FAILED_NOT_FOUND", "Failed, there is no such service: {why}"
    FAILED_DENIED = "FAILED_DENIED", "Failed, permission denied: {why}"
    FAILED_CONFIG = "FAILED_CONFIG", "Failed, the policy document cannot be used: {why}"
    FAILED_QUEUE = "FAILED_QUEUE", "Failed, a queue cannot be read, so no task is removed: {why}"
    FAILED_OTHER = "FAILED_OTHER", "Failed: {why}"

    @property
    def failed(self) -> bool:
        """Whether an operator should look: the evaluation could not do its work."""
        return self.name.startswith("FAILED_")

    @property
    def changes_capacity(self) -> bool:
        """Whether to call UpdateService."""
        return self in (Outcome.SCALED_OUT, Outcome.SCALED_IN)

    @property
    def is_change(self) -> bool:
        """Whether the desired count changed."""
        return self in _CHANGES

    @property
    def is_incident(self) -> bool:
        """Whether this is a state that lasts until someone acts; one look announces it."""
        return self.failed or self in _LASTING

    def sentence(self, *, before: int | None, granted: int | None, why: str) -> str:
        """Return the sentence that reports this outcome; `why` is the rule's own explanation.

        Example: HELD_AT_MAX at 40 because "44 would exceed the policy's maximum of 40" reads "Kept
        40 tasks, at the maximum: 44 would exceed the policy's maximum of 40".
        """
        kept = "" if before is None else tasks(before)
        return self.template.format(before=before, granted=granted, kept=kept, why=why)


_CHANGES = (
    Outcome.SCALED_OUT,
    Outcome.SCALED_IN,
    Outcome.RECOVERED,
    Outcome.FOREIGN_CHANGE,
)
_LASTING = (
    Outcome.WOULD_SCALE,
    Outcome.HELD_AT_MAX,
    Outcome.HELD_NO_CAPACITY,
    Outcome.HELD_NO_DATA,
)
