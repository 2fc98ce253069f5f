"""What happened to changes whose answer was lost, and of changes that others made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState, Direction, Launch, Removal, TrailStep
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from quickstep.engine.words import clock, tasks
from quickstep.protocol.counts import Meaning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.engine.model import Alarm, Decision, ScalableTarget, Service, State
    from quickstep.protocol.counts import Counts
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.records import DecisionRecord

_IN_BREACH = (
    Outcome.HELD_NO_DATA,
    Outcome.HELD_COOLDOWN,
    Outcome.HELD_CAPACITY_ON_ITS_WAY,
    Outcome.HELD_AT_MAX,
)
"""How a scale-out holds whose breach has been answered before."""


def adopted(counts: Counts, service: Service, draft: DecisionRecord) -> DecisionRecord | None:
    """Return the record of a change found in ECS; None if ECS shows the committed count.

    A change that Quickstep requested without an answer already has its cooldown and its spent
    datapoints. A change by anyone else has neither, and Quickstep never fights it.
    """
    before, after = counts.committed, service.desired
    meaning = counts.meaning(after)
    if meaning is Meaning.ANSWERED and counts.asked:
        outcome = Outcome.RECOVERED
        asked_at = clock(counts.asked.at)
        why = f"ECS had not confirmed the {tasks(after)} asked for at {asked_at}"
    elif meaning is Meaning.FOREIGN:
        outcome = Outcome.FOREIGN_CHANGE
        why = _whose(service)
    else:
        return None
    reason = outcome.sentence(before=before, granted=after, why=why)
    return replace(draft, outcome=outcome, reason=reason, service=service)


def _whose(service: Service) -> str:
    """Return who may have set a desired count that Quickstep did not request."""
    if service.deployment_in_progress:
        return "a deployment is in progress, and may have set it; Quickstep counts from there"
    return "an operator, a deployment or another tool set it; Quickstep counts from there"


def adopt(memory: Memory, service: Service, adoption: DecisionRecord) -> Memory:
    """Return the memory after adopting a change found in ECS.

    Launches of an unanswered request are remembered since before the request; launches by anyone
    else are remembered from now on.
    """
    counts, state, now = memory.counts, memory.state, adoption.at
    if adoption.outcome is Outcome.FOREIGN_CHANGE:
        state = moved(state, counts.committed or 0, service.desired, now)
    committed = counts.commit(service.desired, now, unanswered=True)
    return replace(memory, state=state, counts=committed)


def moved(state: State, before: int, after: int, now: datetime) -> State:
    """Return the state after tasks were launched or removed by now, by anyone.

    Launched tasks are on their way, and removed tasks may be draining.
    """
    if after > before:
        return replace(state, launches=(*state.launches, Launch(now, after - before, before)))
    if after < before:
        return replace(state, removals=(*state.removals, Removal(now, before - after)))
    return state


def insist(
    target: ScalableTarget, memory: Memory, decision: Decision, draft: DecisionRecord
) -> Decision | None:
    """Return the decision with the number to send; None if nothing is to be sent.

    A scale-out sends at least the last unanswered request, which may be on its way. While that
    request's breach lasts, it is sent again. The committed count is sent again if our own late call
    has undone it. All this stays within the current bounds, and never overrides an operator's wish,
    a pause, a mute or a dry run.

    Example: 8 were requested at 4 tasks, the answer was lost, and ECS shows 4. A step of 2 asks for
    6, so 8 are sent. Without a newer datapoint, 8 are sent, too.
    """
    counts, outcome = memory.counts, decision.outcome
    why = (
        f"the answer to an earlier request for {tasks(counts.asked.number)} was lost"
        if counts.asked
        else ""
    )
    bounds = Bounds.in_force(target, memory.state, draft.at)
    unanswered = 0 if counts.asked is None else min(counts.asked.number, bounds.maximum)
    number, state = decision.granted, decision.state
    if outcome.changes_capacity:
        if outcome is Outcome.SCALED_OUT and not draft.look.wish:
            number = max(number, unanswered)
        if number == decision.granted:
            return decision
    elif target.dry_run or outcome in (Outcome.HELD_PAUSED, Outcome.HELD_MUTED):
        return None
    elif draft.service and counts.meaning(draft.service.desired) is not Meaning.LATE:
        if not counts.asked or outcome not in _IN_BREACH or not _in_breach(target, draft.alarms):
            return None
        number = max(number, unanswered)
    elif draft.service:
        why = f"an earlier call took effect late and set {tasks(draft.service.desired)}"
        state = moved(state, draft.service.desired, number, draft.at)
    if not outcome.changes_capacity and _paused(memory, draft, number):
        return None
    if not outcome.changes_capacity:
        outcome = Outcome.RECOVERED
    return replace(
        decision,
        outcome=outcome,
        granted=number,
        state=state,
        reason=outcome.sentence(before=decision.before, granted=number, why=why),
        trail=(*decision.trail, TrailStep("unanswered", decision.granted, number, why)),
    )


def _paused(memory: Memory, draft: DecisionRecord, number: int) -> bool:
    """Whether an operator has paused the direction from the current count to a number."""
    pause, service = memory.state.pause, draft.service
    if pause is None or service is None:
        return False
    direction = Direction.OUT if number > service.desired else Direction.IN
    return pause.holds(direction, draft.at)


def _in_breach(target: ScalableTarget, alarms: Mapping[str, Alarm]) -> bool:
    out = (alarms.get(policy.alarm) for policy in target.in_direction(Direction.OUT))
    return any(each and each.state is AlarmState.ALARM and not each.muted for each in out)
