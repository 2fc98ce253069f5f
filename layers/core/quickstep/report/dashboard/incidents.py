"""Which decisions belong together: all looks at one breach are one incident.

An alarm fires once, and then the scaler looks repeatedly until the breach is over. To a reader,
that is one event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickstep.engine.words import many
from quickstep.report.dashboard.times import lasted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from quickstep.report.dashboard.material import Entry


@dataclass(slots=True, eq=False)
class Incident:
    """The looks at one breach, oldest first, and the policies whose alarms were in ALARM then.

    Compared by identity.
    """

    policies: set[str]
    entries: list[Entry] = field(default_factory=list)

    @property
    def start(self) -> datetime:
        """The time of the first look."""
        return self.entries[0].at

    @property
    def end(self) -> datetime:
        """The time of the last look."""
        return self.entries[-1].at

    @property
    def is_quiet(self) -> bool:
        """Whether nothing changed and nothing failed."""
        return all(entry.kind.is_quiet for entry in self.entries)

    @property
    def summary(self) -> str:
        """Its result: `high-request-rate in breach for 38 s: 2 → 10 tasks in 2 changes`."""
        breach = f"{', '.join(sorted(self.policies))} in breach"
        duration = f" for {lasted(self.end - self.start)}" if self.end > self.start else ""
        return f"{breach}{duration}: {self._came}, {many(len(self.entries), 'look')}"

    @property
    def _came(self) -> str:
        known = [entry for entry in self.entries if entry.outcome.changes_capacity]
        if not known:
            return "no change"
        changes = many(len(known), "change")
        before, after = known[0].before, known[-1].granted
        return changes if None in (before, after) else f"{before} → {after} tasks in {changes}"


def incidents(entries: Iterable[Entry]) -> Mapping[str, Incident]:
    """Return the incident by the id of each decision in one; `entries` are oldest first.

    An incident lasts while looks see one of its alarms in ALARM, and ends with a look that sees
    none of them. A decision without a look (ignored, or lost a race) belongs to the current one.
    """
    found: dict[str, Incident] = {}
    current: Incident | None = None
    for entry in entries:
        breaching = entry.breaching
        if current is not None and entry.looked and not breaching & current.policies:
            current = None
        if breaching and current is None:
            current = Incident(set())
        if current is None:
            continue
        current.policies |= breaching
        current.entries.append(entry)
        found[entry.id] = current
    for incident in dict.fromkeys(found.values()):
        while not incident.entries[-1].looked and len(incident.entries) > 1:
            found.pop(incident.entries.pop().id, None)
    return found
