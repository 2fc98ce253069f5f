"""How a surge ended, and how it is reported."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep.protocol.records import DecisionRecord
    from quickstep_lab.surge.fleets import Fleet
    from quickstep_lab.surge.limits import Meter


@dataclass(frozen=True)
class Result:
    """The fleets as they are in the end, and what the scaler did; times in seconds.

    `cpu` is what evaluations and the heartbeats' looks took of this machine's processor.
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
        """Those whose capacity never changed."""
        return [fleet for fleet in self.fleets if not fleet.changed]

    @property
    def throttled(self) -> int:
        """How many evaluations a throttle has ended."""
        return sum(record.outcome is Outcome.FAILED_THROTTLED for record in self.records)

    @property
    def answered_once(self) -> bool:
        """Whether the capacity of each has changed exactly once."""
        return all(len(fleet.changed) == 1 for fleet in self.fleets)

    def took(self, *, grows: bool | None = None) -> float:
        """Return when the last target was answered, of those that grow, that shrink, or all."""
        chosen = [f for f in self.fleets if grows is None or f.grows is grows]
        return max(fleet.changed[-1] for fleet in chosen)

    def waits(self, *, grows: bool) -> list[float]:
        """Return how long each target's change came after its alarm, shortest first."""
        return sorted(f.changed[0] - f.fires_at for f in self.fleets if f.grows is grows)

    def quarters(self) -> tuple[float, float]:
        """Return the median waits of the most and the least overloaded quarter that grows."""
        growing = sorted((f for f in self.fleets if f.grows), key=lambda fleet: fleet.overload)
        quarter = max(1, len(growing) // 4)
        most, least = (
            statistics.median(fleet.changed[0] - fleet.fires_at for fleet in part)
            for part in (growing[-quarter:], growing[:quarter])
        )
        return most, least


def report(result: Result) -> str:
    """Return the figures of a surge, in a few lines."""
    fleets, records, meter = result.fleets, result.records, result.meter
    twice = sum(len(fleet.changed) > 1 for fleet in fleets)
    lines = [
        f"{len(fleets)} targets, {len(result.unanswered)} unanswered, {twice} answered twice",
        f"{len(records)} evaluations, {meter.failed} invocations that failed",
        *(
            f"{name}: {number} calls, {meter.throttled[name]} throttled, "
            f"at most {meter.peak[name]} in a second"
            for name, number in sorted(meter.attempts.items())
        ),
    ]
    if not result.unanswered:
        for what, took, ideal in (
            ("all", result.took(), result.ideal),
            ("out", result.took(grows=True), result.ideal_out),
        ):
            lines.append(f"{what}: {took:.1f} s, ideal {ideal:.1f} s, ratio {took / ideal:.2f}")
        for grows, what in ((True, "out"), (False, "in")):
            if waits := result.waits(grows=grows):
                median, longest = statistics.median(waits), waits[-1]
                lines.append(
                    f"wait for scale-{what}: median {median:.1f} s, longest {longest:.1f} s"
                )
        most, least = result.quarters()
        lines.append(
            f"median wait of the most overloaded quarter {most:.1f} s, least {least:.1f} s"
        )
    outcomes = Counter(str(record.outcome) for record in records)
    lines.append(", ".join(f"{number} {name}" for name, number in outcomes.most_common()))
    attempts = [r.look.attempt for r in records]
    lines.append(f"most attempts in a row: {max(attempts, default=0)}")
    return "\n".join(lines)
