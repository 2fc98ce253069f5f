"""The rules that a proposal must pass in its direction, whichever form of policy it comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quickstep.engine.model import Direction, Guard
from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from quickstep.engine.proposal import Case, Proposal

_AT_A_BOUND = {
    Direction.OUT: ("would exceed", "added", Outcome.HELD_AT_MAX),
    Direction.IN: ("would be below", "removed", Outcome.HELD_AT_MIN),
}


def guard(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Return what remains of a proposal: held, or a capacity within the bounds."""
    for rule in (_change, obstacles, _bound):
        if not proposal.held:
            proposal = rule(case, proposal, direction)
    return proposal


def obstacles(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Apply what blocks any change of capacity: a pause; for a removal, also a rollout."""
    for rule in (_unreadable, _pause, _deployment):
        if not proposal.held:
            proposal = rule(case, proposal, direction)
    return proposal


def _change(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Hold a proposal without a change in its direction, unless scale-in is at 0, its minimum."""
    at_nothing = direction is Direction.IN and proposal.capacity == case.desired == 0
    if direction.beyond(proposal.capacity, case.desired) or at_nothing:
        return proposal
    return replace(proposal, capacity=case.desired, held=Outcome.HELD_NOT_BREACHING)


def _unreadable(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Hold removals while an operator's entry is unreadable: it may forbid them."""
    if direction is Direction.OUT or not case.state.unreadable:
        return proposal
    why = f"no task is removed while an operator's entry is unreadable: {case.state.unreadable}"
    return proposal.hold("pause", case.desired, Outcome.HELD_PAUSED, why)


def _pause(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Hold while an operator has paused this direction."""
    paused = case.state.pause
    if paused is None or not paused.holds(direction, case.now):
        return proposal
    until = "" if paused.until is None else f" until {paused.until:%Y-%m-%d %H:%M:%S} UTC"
    why = f"{direction} is paused{until}{f': {paused.reason}' if paused.reason else ''}"
    return proposal.hold("pause", case.desired, Outcome.HELD_PAUSED, why)


def _deployment(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Hold a removal during a rollout, as AAS does: old and new tasks share the load."""
    if direction is Direction.OUT or Guard.DEPLOYMENT not in case.target.guards:
        return proposal
    if case.observation.service.deployment_in_progress:
        why = "no task is removed until the rollout is complete"
        return proposal.hold("deployment", case.desired, Outcome.HELD_DEPLOYMENT, why)
    return proposal.after("deployment", proposal.capacity, "no rollout is in progress")


def _bound(case: Case, proposal: Proposal, direction: Direction) -> Proposal:
    """Stop at a direction's bound. Capacity already beyond it stays as it is [AAS].

    Example: with a maximum of 40 and 50 wanted, 38 goes to 40, and 45 stays.
    """
    seen, wanted, bounds = case.desired, proposal.capacity, case.bounds
    cut, moved, outcome = _AT_A_BOUND[direction]
    bound = bounds.maximum if direction is Direction.OUT else bounds.minimum
    if direction.beyond(seen, bound):
        capacity, why = seen, f"{bounds.crossed(seen)}, so none is {moved}"
    elif direction.beyond(wanted, bound):
        capacity, why = bound, f"{wanted} {cut} {bounds.bound(direction)}"
    else:
        capacity, why = wanted, f"within {bounds.named}"
    if capacity == seen:
        return proposal.hold("bounds", seen, outcome, why).checked_again_in(None)
    return proposal.after("bounds", capacity, why)
