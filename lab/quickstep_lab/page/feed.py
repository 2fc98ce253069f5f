"""The newest material, from whoever makes it to whoever looks; they live in different threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.report.dashboard.material import Material


@dataclass(frozen=True)
class Edition:
    """What is shown until the next edition; `live` says whether there may be one."""

    number: int
    material: Callable[[], Material]
    live: bool


class Feed:
    """Holds one edition at a time. To replace a reference is atomic, so no lock is needed."""

    def __init__(self, material: Callable[[], Material], *, live: bool = True) -> None:
        self.edition = Edition(1, material, live)

    def publish(self, material: Callable[[], Material]) -> None:
        """Replace the edition. The material is made when somebody looks at it."""
        self.edition = Edition(self.edition.number + 1, material, live=True)

    def end(self) -> None:
        """Say that no edition will follow."""
        newest = self.edition
        self.edition = Edition(newest.number + 1, newest.material, live=False)
