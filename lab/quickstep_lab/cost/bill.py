"""The bill of one service and month, and what would reduce it.

Pure: lines and prices in, charges out. Free tiers are not subtracted unless asked for, because an
account has only one of each, and other uses for it. No figure has been compared with a real bill.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from quickstep_lab.cost.model import Part, Transport, quickstep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quickstep_lab.cost.counts import Counted
    from quickstep_lab.cost.model import Activity, Line, Usage
    from quickstep_lab.cost.prices import Meter, Price


@dataclass(frozen=True, slots=True)
class Charge:
    """A line with its price, in US dollars per month."""

    line: Line
    price: Price
    dollars: float


@dataclass(frozen=True, slots=True)
class Bill:
    """The charges of one service and month."""

    charges: tuple[Charge, ...]

    @property
    def total(self) -> float:
        """US dollars per month."""
        return sum(charge.dollars for charge in self.charges)

    def of(self, part: Part) -> float:
        """Return a part's cost."""
        return sum(charge.dollars for charge in self.charges if charge.line.part is part)

    @property
    def largest(self) -> Part:
        """The most expensive part."""
        return max(Part, key=self.of)


def bill(
    lines: Iterable[Line],
    prices: Mapping[Meter, Price],
    *,
    services: int = 1,
    free_tier: bool = False,
) -> Bill:
    """Return the lines with their prices.

    With the free tier, an account's free quantity of a meter is subtracted from all of its lines in
    proportion; `services` share it. Example: 2 services of 750,000 requests each, 1,000,000 of
    them free: a third of each line is paid.
    """
    by_meter = sorted(lines, key=lambda line: line.meter)
    paid = {}
    for meter, group in groupby(by_meter, key=lambda line: line.meter):
        whole = services * sum(line.quantity for line in group)
        free = prices[meter].free if free_tier else 0.0
        paid[meter] = max(0.0, whole - free) / whole if whole else 0.0
    parts = list(Part)
    charges = [
        Charge(line, prices[line.meter], prices[line.meter].of(line.quantity) * paid[line.meter])
        for line in by_meter
    ]
    return Bill(tuple(sorted(charges, key=lambda one: (parts.index(one.line.part), -one.dollars))))


# --- savings --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hint:
    """A possible saving: its dollars per month, and its drawback."""

    what: str
    saves: float
    but: str


EXTRACTION = "how long CloudWatch Logs takes to turn lines into metrics"

_ALTERNATIVES = (
    (
        "publish by logs (QUICKSTEP_TRANSPORT=logs)",
        {"transport": Transport.LOGS},
        f"it has not been measured {EXTRACTION}: that delays every reaction",
    ),
    (
        "publish only the metric that drives scaling",
        {"metrics": 1},
        "no response times or connections",
    ),
    (
        "let ten services share the scaler",
        {"services": 10},
        "it is deployed once per account and Region in any case",
    ),
)
LEAST = 0.01
"""Dollars per month below which a hint is dropped."""


def billing(
    activity: Activity,
    counted: Counted,
    prices: Mapping[Meter, Price],
    *,
    free_tier: bool = False,
) -> Callable[[Usage], float]:
    """Return a function for the monthly dollars of a service with this activity."""

    def total(usage: Usage) -> float:
        lines = quickstep(usage, activity, counted)
        return bill(lines, prices, services=usage.services, free_tier=free_tier).total

    return total


def hints(usage: Usage, total: Callable[[Usage], float]) -> list[Hint]:
    """Return possible savings, the largest first. `total` comes from `billing`."""
    now, found = total(usage), []
    for what, change, but in _ALTERNATIVES:
        other = replace(usage, **change)
        if other.services < usage.services or other.metrics > usage.metrics:
            continue
        if usage.transport is not Transport.CLOUDWATCH and other.transport is not usage.transport:
            continue
        saves = now - total(other)
        if saves >= LEAST:
            found.append(Hint(what, saves, but))
    return sorted(found, key=lambda hint: -hint.saves)


def by_transport(usage: Usage, total: Callable[[Usage], float]) -> dict[Transport, float]:
    """Return the monthly cost for each way of publishing. `total` comes from `billing`."""
    return {each: total(replace(usage, transport=each)) for each in Transport}
