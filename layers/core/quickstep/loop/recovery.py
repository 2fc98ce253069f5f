"""Adopting the change of an evaluation that died between UpdateService and its commit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.model import Launch, ScalingActivity
from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from quickstep.engine.model import Service
    from quickstep.protocol.memory import Lease, Memory
    from quickstep.protocol.records import DecisionRecord


def recover(
    memory: Memory, abandoned: Lease, service: Service, draft: DecisionRecord
) -> tuple[Memory, DecisionRecord | None]:
    """Return the memory with the change of a holder that died before its commit, and its record.

    What differs from the last commit is taken for its work: it happened after the lease's start,
    and its cooldown counts from there. Where nothing was ever committed, a cooldown starts all the
    same: that it changed nothing cannot be known. Nor can it be known which datapoints it acted on:
    all that begin before the lease are spent.
    """
    before, after = memory.desired, service.desired
    if before == after:
        return memory, None
    activity = ScalingActivity(abandoned.since, after if before is None else before, after)
    lower = before is not None and after < before
    launched = Launch(abandoned.since, activity.after - activity.before)
    state = (
        replace(memory.state, scale_in=activity)
        if lower
        else replace(
            memory.state,
            scale_out=activity,
            launches=(*memory.state.launches, launched),
        )
    )
    from_ = "an unknown number" if before is None else before
    why = f"{abandoned.owner} left {after} tasks, where {from_} had been committed"
    outcome = Outcome.RECOVERED
    record = replace(
        draft,
        outcome=outcome,
        reason=outcome.sentence(before=before, granted=after, why=why),
        service=service,
    )
    alarms = {
        name: replace(known, acted_on=max(known.acted_on or abandoned.since, abandoned.since))
        for name, known in memory.alarms.items()
    }
    memory = replace(
        memory, state=state, alarms=alarms, desired=after, spent_before=abandoned.since
    )
    return memory, record
