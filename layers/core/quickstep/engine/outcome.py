"""Every way an evaluation can end, with the one sentence that reports it."""

from __future__ import annotations

from enum import StrEnum

from quickstep.engine.words import tasks


class Outcome(StrEnum):
    """How an evaluation ended; `sentence` fills in the outcome's template."""

    SCALED_OUT = "SCALED_OUT"
    SCALED_IN = "SCALED_IN"
    WOULD_SCALE = "WOULD_SCALE"
    HELD_COOLDOWN = "HELD_COOLDOWN"
    HELD_CAPACITY_ON_ITS_WAY = "HELD_CAPACITY_ON_ITS_WAY"
    HELD_NO_CAPACITY = "HELD_NO_CAPACITY"
    HELD_ANSWERED = "HELD_ANSWERED"
    HELD_WOULD_FLAP = "HELD_WOULD_FLAP"
    HELD_DEPLOYMENT = "HELD_DEPLOYMENT"
    HELD_AT_MAX = "HELD_AT_MAX"
    HELD_AT_MIN = "HELD_AT_MIN"
    HELD_NOT_BREACHING = "HELD_NOT_BREACHING"
    HELD_NO_DATA = "HELD_NO_DATA"
    HELD_PAUSED = "HELD_PAUSED"
    HELD_MUTED = "HELD_MUTED"
    IGNORED_DUPLICATE = "IGNORED_DUPLICATE"
    IGNORED_STALE = "IGNORED_STALE"
    IGNORED_SURGE = "IGNORED_SURGE"
    LOST_RACE = "LOST_RACE"
    RECOVERED = "RECOVERED"
    FOREIGN_CHANGE = "FOREIGN_CHANGE"
    FAILED_THROTTLED = "FAILED_THROTTLED"
    FAILED_NOT_FOUND = "FAILED_NOT_FOUND"
    FAILED_DENIED = "FAILED_DENIED"
    FAILED_CONFIG = "FAILED_CONFIG"
    FAILED_QUEUE = "FAILED_QUEUE"
    FAILED_OTHER = "FAILED_OTHER"

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

    @property
    def template(self) -> str:
        """The sentence with its slots: `before`, `granted`, `kept` and `why`."""
        return _SENTENCES[self]


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

_SENTENCES = {
    Outcome.SCALED_OUT: "Scaled out from {before} to {granted}: {why}",
    Outcome.SCALED_IN: "Scaled in from {before} to {granted}: {why}",
    Outcome.WOULD_SCALE: "Would scale from {before} to {granted}, but this is a dry run: {why}",
    Outcome.HELD_COOLDOWN: "Kept {kept} for now: {why}",
    Outcome.HELD_CAPACITY_ON_ITS_WAY: "Kept {kept}: {why}",
    Outcome.HELD_NO_CAPACITY: "Kept {kept}, but not all of them started: {why}",
    Outcome.HELD_ANSWERED: "Kept {kept} until the next datapoint: {why}",
    Outcome.HELD_WOULD_FLAP: "Kept {kept}, as fewer would breach again: {why}",
    Outcome.HELD_DEPLOYMENT: "Kept {kept} during a deployment: {why}",
    Outcome.HELD_AT_MAX: "Kept {kept}, at the maximum: {why}",
    Outcome.HELD_AT_MIN: "Kept {kept}, at the minimum: {why}",
    Outcome.HELD_NOT_BREACHING: "Kept {kept}: {why}",
    Outcome.HELD_NO_DATA: "Kept {kept}, load unknown: {why}",
    Outcome.HELD_PAUSED: "Kept {kept} while paused: {why}",
    Outcome.HELD_MUTED: "Kept {kept} while the alarm is muted: {why}",
    Outcome.IGNORED_DUPLICATE: "Ignored, already handled: {why}",
    Outcome.IGNORED_STALE: "Ignored, out of date: {why}",
    Outcome.IGNORED_SURGE: "Ignored a surge: {why}",
    Outcome.LOST_RACE: "Left to another evaluation of the same target: {why}",
    Outcome.RECOVERED: "Recovered an unfinished change: {why}",
    Outcome.FOREIGN_CHANGE: "Changed from {before} to {granted} tasks outside Quickstep: {why}",
    Outcome.FAILED_THROTTLED: "Failed, AWS throttled the call: {why}",
    Outcome.FAILED_NOT_FOUND: "Failed, there is no such service: {why}",
    Outcome.FAILED_DENIED: "Failed, permission denied: {why}",
    Outcome.FAILED_CONFIG: "Failed, the policy document cannot be used: {why}",
    Outcome.FAILED_QUEUE: "Failed, a queue cannot be read, so no task is removed: {why}",
    Outcome.FAILED_OTHER: "Failed: {why}",
}
