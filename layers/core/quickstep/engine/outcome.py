"""Every way an evaluation can end, with the one sentence that reports it."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How an evaluation ended; `sentence` fills the outcome's template."""

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
        """Whether an operator has to look: the evaluation could not do its work."""
        return self.name.startswith("FAILED_")

    @property
    def changes_capacity(self) -> bool:
        """Whether UpdateService is to be called."""
        return self in (Outcome.SCALED_OUT, Outcome.SCALED_IN)

    def sentence(self, *, before: int | None, granted: int | None, why: str) -> str:
        """Return the sentence that reports this outcome; `why` is the rule's own explanation.

        Example: SCALED_OUT from 4 to 6 because "160 is 60 above the threshold 100: step [50, 100)
        adds 2" reads "Scaled out from 4 to 6: 160 is 60 above the threshold 100: step ...".
        """
        return _SENTENCES[self].format(before=before, granted=granted, why=why)


_SENTENCES = {
    Outcome.SCALED_OUT: "Scaled out from {before} to {granted}: {why}",
    Outcome.SCALED_IN: "Scaled in from {before} to {granted}: {why}",
    Outcome.WOULD_SCALE: "Would scale from {before} to {granted}, but this is a dry run: {why}",
    Outcome.HELD_COOLDOWN: "Held at {before}, in cooldown: {why}",
    Outcome.HELD_CAPACITY_ON_ITS_WAY: "Held at {before}, enough capacity is on its way: {why}",
    Outcome.HELD_NO_CAPACITY: "Held at {before}, tasks that were asked for never came: {why}",
    Outcome.HELD_ANSWERED: "Held at {before}, this datapoint has had its say: {why}",
    Outcome.HELD_WOULD_FLAP: "Held at {before}, a smaller fleet would breach again: {why}",
    Outcome.HELD_DEPLOYMENT: "Held at {before} during a deployment: {why}",
    Outcome.HELD_AT_MAX: "Held at {before}, at the maximum: {why}",
    Outcome.HELD_AT_MIN: "Held at {before}, at the minimum: {why}",
    Outcome.HELD_NOT_BREACHING: "Held at {before}, no policy asks for a change: {why}",
    Outcome.HELD_NO_DATA: "Held at {before}, the load cannot be seen: {why}",
    Outcome.HELD_PAUSED: "Held at {before}, scaling is paused: {why}",
    Outcome.HELD_MUTED: "Held at {before}, the alarm is muted: {why}",
    Outcome.IGNORED_DUPLICATE: "Ignored, this was handled before: {why}",
    Outcome.IGNORED_STALE: "Ignored, out of date: {why}",
    Outcome.IGNORED_SURGE: "Ignored, no look at this surge: {why}",
    Outcome.LOST_RACE: "Left to another evaluation of the same target: {why}",
    Outcome.RECOVERED: "Made good a change whose author did not finish: {why}",
    Outcome.FOREIGN_CHANGE: "Somebody else went from {before} to {granted} tasks: {why}",
    Outcome.FAILED_THROTTLED: "Failed, AWS throttled the call: {why}",
    Outcome.FAILED_NOT_FOUND: "Failed, there is no such service: {why}",
    Outcome.FAILED_DENIED: "Failed, permission denied: {why}",
    Outcome.FAILED_CONFIG: "Failed, the policy document cannot be used: {why}",
    Outcome.FAILED_QUEUE: "Failed, a queue cannot be read, so no task is removed: {why}",
    Outcome.FAILED_OTHER: "Failed: {why}",
}
