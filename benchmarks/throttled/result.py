"""How a surge ended, in figures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.throttled.fleets import Fleet
    from benchmarks.throttled.limits import Meter
    from quickstep.protocol.records import DecisionRecord


@dataclass(frozen=True)
class Result:
    """The fleets at the end, and what the scaler did; times in seconds.

    `cpu` is this machine's processor time for evaluations and the heartbeats' looks.
    """

    fleets: list[Fleet]
    records: list[DecisionRecord]
    meter: Meter
    cpu: Mapping[str, float]
    heartbeats: int
    ideal: float
    ideal_out: float

    @property
    def unanswered(self) -> list[Fleet]:
        """Fleets whose capacity never changed."""
        return [fleet for fleet in self.fleets if not fleet.changed]

    @property
    def throttled(self) -> int:
        """How many evaluations a throttle ended."""
        return sum(record.outcome is Outcome.FAILED_THROTTLED for record in self.records)

    def took(self, *, grows: bool | None = None) -> float:
        """Return when the last target was answered: of those that grow, that shrink, or of all."""
        chosen = [f for f in self.fleets if grows is None or f.grows is grows]
        return max(fleet.changed[-1] for fleet in chosen)

    def waits(self, *, grows: bool) -> list[float]:
        """Return each target's delay from its alarm to its change, shortest first."""
        return sorted(f.changed[0] - f.fires_at for f in self.fleets if f.grows is grows)

    def quarters(self) -> tuple[float, float]:
        """Return the median waits of the most and least overloaded quarter of growing fleets."""
        growing = sorted((f for f in self.fleets if f.grows), key=lambda fleet: fleet.overload)
        quarter = max(1, len(growing) // 4)
        most, least = (
            statistics.median(fleet.changed[0] - fleet.fires_at for fleet in part)
            for part in (growing[-quarter:], growing[:quarter])
        )
        return most, least
