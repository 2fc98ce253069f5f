"""A decision as an event for others: what `quickstep` puts on EventBridge, in version 1.

    {"source": "quickstep", "detail-type": "Quickstep Decision", "detail": {"version": "1", ...}}

`docs/event.schema.json` is the contract for `detail`. A version may gain members; changing or
removing one makes a new version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.fields import write_moment

if TYPE_CHECKING:
    from quickstep.protocol.records import DecisionRecord

SOURCE = "quickstep"
DETAIL_TYPE = "Quickstep Decision"
VERSION = "1"

LONGEST_REASON = 1000
"""How many characters of a reason are kept: others' text within it may be long."""


def event_of(record: DecisionRecord) -> dict[str, Any]:
    """Return the detail of the event that announces a decision; see docs/event.schema.json."""
    outcome, service = record.outcome, record.look.service
    reason = record.reason[:LONGEST_REASON]
    detail: dict[str, Any] = {
        "version": VERSION,
        "id": record.id,
        "at": write_moment(record.at),
        "resourceId": record.resource_id,
        "cluster": service.cluster,
        "service": service.service,
        "kind": "change" if outcome.is_change else "failure" if outcome.failed else "hold",
        "outcome": str(outcome),
        "reason": reason,
        "trigger": record.look.cause.kind,
        "text": f"{service.cluster}/{service.service}: {reason}",
    }
    if record.decision:
        decision = record.decision
        detail |= {"from": decision.before, "wanted": decision.wanted, "granted": decision.granted}
    if record.service:
        detail |= {"desired": record.service.desired, "running": record.service.running}
    if record.missing:
        detail["missing"] = record.missing
    if record.bounds:
        bounds = record.bounds
        detail["bounds"] = {"min": bounds.minimum, "max": bounds.maximum, "by": bounds.source}
    return detail
