"""Outcomes in a few kinds, each with its own word, shape and colour: any of these is enough."""

from __future__ import annotations

from enum import StrEnum

from quickstep.engine.outcome import Outcome


class Kind(StrEnum):
    """A kind of outcome; the value is its CSS class."""

    OUT = "out"
    IN = "in"
    DRY_RUN = "dry"
    RECOVERED = "recovered"
    HELD = "held"
    IGNORED = "ignored"
    FAILED = "failed"

    @property
    def changes(self) -> bool:
        """Whether capacity changed, or would have."""
        return self in (Kind.OUT, Kind.IN, Kind.DRY_RUN, Kind.RECOVERED)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was done and nothing went wrong."""
        return self in (Kind.HELD, Kind.IGNORED)


_KINDS = {
    Outcome.SCALED_OUT: Kind.OUT,
    Outcome.SCALED_IN: Kind.IN,
    Outcome.WOULD_SCALE: Kind.DRY_RUN,
    Outcome.RECOVERED: Kind.RECOVERED,
    Outcome.FOREIGN_CHANGE: Kind.RECOVERED,
    Outcome.LOST_RACE: Kind.IGNORED,
}
_PREFIXES = {"HELD": Kind.HELD, "IGNORED": Kind.IGNORED, "FAILED": Kind.FAILED}

# Centred at (0, 0), at most 14 wide. Paths, because CloudWatch removes <use>.
SHAPES = {
    Kind.OUT: "M0 -7 L7 6 L-7 6 Z",
    Kind.IN: "M0 7 L7 -6 L-7 -6 Z",
    Kind.DRY_RUN: "M0 -7 L7 0 L0 7 L-7 0 Z M0 -3 L-3 0 L0 3 L3 0 Z",
    Kind.RECOVERED: "M0 -7 L7 0 L0 7 L-7 0 Z",
    Kind.HELD: "M-5 -2 H5 V2 H-5 Z",
    Kind.IGNORED: "M4 0 A4 4 0 1 1 -4 0 A4 4 0 1 1 4 0 M2 0 A2 2 0 1 0 -2 0 A2 2 0 1 0 2 0",
    Kind.FAILED: "M-6 -4 L-4 -6 L0 -2 L4 -6 L6 -4 L2 0 L6 4 L4 6 L0 2 L-4 6 L-6 4 L-2 0 Z",
}


def kind_of(outcome: Outcome) -> Kind:
    """Return an outcome's kind."""
    return _KINDS.get(outcome) or _PREFIXES[outcome.name.partition("_")[0]]


def words(outcome: Outcome) -> str:
    """Return an outcome in words, e.g. HELD_CAPACITY_ON_ITS_WAY as `Held: capacity on its way`."""
    first, _, rest = outcome.name.lower().partition("_")
    text = f"{first}: {rest.replace('_', ' ')}" if first in ("held", "failed", "ignored") else ""
    return (text or outcome.name.lower().replace("_", " ")).capitalize()
