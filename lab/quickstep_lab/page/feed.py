"""Passes the newest material from its maker to its viewers in other threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.report.dashboard.material import Material
    from quickstep_lab.race import Race


@dataclass(frozen=True)
class Edition:
    """What is shown until the next edition; `live` says whether one may follow.

    Only the demo has a `race`.
    """

    number: int
    material: Callable[[], Material]
    live: bool
    race: Race | None = None


class Feed:
    """Holds one edition at a time. Replacing a reference is atomic, so no lock is needed."""

    def __init__(self, material: Callable[[], Material], *, live: bool = True) -> None:
        self.edition = Edition(1, material, live)

    def publish(self, material: Callable[[], Material], race: Race | None = None) -> None:
        """Replace the edition. The material is built when a viewer asks for it."""
        self.edition = Edition(self.edition.number + 1, material, live=True, race=race)

    def end(self) -> None:
        """Announce that no edition will follow."""
        newest = self.edition
        self.edition = replace(newest, number=newest.number + 1, live=False)
