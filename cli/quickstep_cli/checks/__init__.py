"""The checks of `quickstep doctor`. Pure: facts in, findings out.

One module per subject; `facts.py` defines the input, `findings.py` the output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep_cli.checks import alarms, document, publishing, scaler, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickstep_cli.checks.facts import Facts
    from quickstep_cli.checks.findings import Finding

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    document.policy_document,
    service.service,
    service.draining,
    alarms.alarms,
    publishing.ecs_metrics,
    publishing.load,
    publishing.queues,
    publishing.namespaces,
    scaler.scalers,
    scaler.rights,
    service.other_scalers,
    service.foreign_changes,
    scaler.item,
    scaler.dead_letters,
    scaler.quotas,
)


def examine(facts: Facts) -> list[Finding]:
    """Return the findings of every check."""
    return [finding for check in CHECKS for finding in check(facts)]
