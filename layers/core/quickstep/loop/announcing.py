"""Which decisions are announced: every change, and the first look of each incident.

Announcements follow the commit and everything else in an invocation. Nothing waits for them, and a
failed one loses only the message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.protocol.events import event_of
from quickstep.protocol.ports import MOST_EVENTS, CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quickstep.protocol.ports import Events
    from quickstep.protocol.records import DecisionRecord


ANNOUNCEABLE = tuple(outcome for outcome in Outcome if outcome.is_change or outcome.is_incident)
"""The outcomes that may be announced."""

KINDS = {
    "CHANGES": tuple(outcome for outcome in ANNOUNCEABLE if outcome.is_change),
    "FAILURES": tuple(outcome for outcome in ANNOUNCEABLE if outcome.failed),
    "HOLDS": tuple(
        outcome for outcome in ANNOUNCEABLE if not (outcome.is_change or outcome.failed)
    ),
}
"""Kinds of outcomes, each under one name."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """Announces decisions with one of `outcomes` on the bus; without a bus, announces nothing.

    A failure before the claim leaves no trace in the item, so each function instance remembers it,
    and may announce what another has announced already.
    """

    events: Events | None = None
    outcomes: frozenset[Outcome] = frozenset()
    _unclaimed: dict[str, Outcome] = field(default_factory=dict)

    def announce(self, records: Sequence[DecisionRecord]) -> list[str]:
        """Put events on the bus; return the reasons of those that failed."""
        if self.events is None:
            return []
        news = [record for record in records if self._is_news(record)]
        events = [event_of(record) for record in news if record.outcome in self.outcomes]
        return [
            why
            for start in range(0, len(events), MOST_EVENTS)
            for why in self._put(events[start : start + MOST_EVENTS])
        ]

    def _put(self, events: Sequence[dict[str, object]]) -> Iterable[str]:
        assert self.events is not None  # noqa: S101 - asked above
        try:
            self.events.put(events)
        except CallFailedError as error:
            return [error.why]
        return []

    def _is_news(self, record: DecisionRecord) -> bool:
        if record.drill_latency is not None:
            return False  # a drill's decision changes nothing
        if record.outcome.is_change or not record.outcome.is_incident:
            self._unclaimed.pop(record.resource_id, None)
            return record.outcome.is_change
        if record.service or record.decision:  # it was claimed, and its item remembers
            return not record.repeated
        known = self._unclaimed.get(record.resource_id)
        self._unclaimed[record.resource_id] = record.outcome
        return known is not record.outcome and not record.repeated
