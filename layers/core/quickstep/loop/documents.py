"""Where a target's document comes from: this function's memory, the table's copy, or SSM.

    evaluation:  memory, for `max_age`  ->  the table's copy  ->  GetParameters, which makes one
    heartbeat:   GetParameters for ten targets at once  ->  writes the copies that have changed

SSM allows 40 reads a second per account, and a surge starts a thousand functions with empty
memories. So an evaluation asks SSM only for documents that nobody has read yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.config import ConfigError, parse_target_of
from quickstep.protocol.documents import Copy
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep.protocol.ports import Copies, Parameters

MAX_AGE_SECONDS = 30

MOST_KEPT = 2_500
"""How many targets' documents one function keeps: some 20 MB. The oldest makes room."""


@dataclass(slots=True)
class _Kept:
    """A copy in memory, when it was stored, and the target parsed from it once someone asked."""

    copy: Copy
    since: datetime
    target: ScalableTarget | None = None


@dataclass(frozen=True, slots=True)
class KeptDocuments:
    """The `PolicyDocuments` port over SSM's parameters and the table's copies of them."""

    parameters: Parameters
    copies: Copies
    max_age: timedelta
    clock: Callable[[], datetime]
    _kept: dict[ServiceName, _Kept] = field(default_factory=dict)

    def load(self, service: ServiceName) -> ScalableTarget:
        """Return the target's document; see the port."""
        now = self.clock()
        kept = self._kept.get(service)
        if kept is None or not timedelta() <= now - kept.since < self.max_age:
            kept = self._keep(service, self._current(service, now), now)
        document = kept.copy.document
        if document.problem:
            raise ConfigError.of(service.parameter, document.problem)
        if kept.target is None:
            kept.target = parse_target_of(service, document.text)
        return kept.target

    def refresh(self, services: Sequence[ServiceName]) -> set[ServiceName]:
        """Read the documents again; see the port.

        Missing documents are read along with others, and only once in a while on their own.
        """
        now = self.clock()
        known = {service: self._known(service, now) for service in services}
        missing = {
            service: copy for service, copy in known.items() if copy and copy.document.problem
        }
        if len(missing) == len(services) and not any(copy.due(now) for copy in missing.values()):
            return set(missing)
        copies = self._read(known, now)
        return {name for name, copy in missing.items() if copies[name].document == copy.document}

    def _current(self, service: ServiceName, now: datetime) -> Copy:
        """Return the table's copy, or read the document.

        A copy without a document is never trusted: the document may be new, for the very alarm that
        fires. If SSM does not answer, an old copy is better than none.
        """
        copy = self.copies.read(service)
        if copy and copy.document.text and now < copy.until:
            return copy
        try:
            return self._read({service: copy}, now)[service]
        except CallFailedError:
            if copy is None:
                raise
            return copy

    def _known(self, service: ServiceName, now: datetime) -> Copy | None:
        kept = self._kept.get(service)
        return kept.copy if kept and not kept.copy.due(now) else self.copies.read(service)

    def _read(
        self, known: Mapping[ServiceName, Copy | None], now: datetime
    ) -> Mapping[ServiceName, Copy]:
        """Read documents in one call, and write the copies that have changed."""
        copies = {}
        for service, document in self.parameters.parameters(list(known)).items():
            copy = known[service]
            if copy is None or copy.document != document or copy.due(now):
                copy = self._write(service, Copy.of(document, now), now)
            copies[service] = self._keep(service, copy, now).copy
        return copies

    def _write(self, service: ServiceName, copy: Copy, now: datetime) -> Copy:
        """Write a copy; if that fails, mark it as due at once, so that the next look writes it.

        Either way, the document that was read applies.
        """
        try:
            self.copies.write(service, copy)
        except CallFailedError:
            return Copy(copy.document, now)
        return copy

    def _keep(self, service: ServiceName, copy: Copy, now: datetime) -> _Kept:
        old = self._kept.pop(service, None)  # to the end: dicts keep the order of insertion
        target = old.target if old and old.copy.document == copy.document else None
        kept = self._kept[service] = _Kept(copy, now, target)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept
