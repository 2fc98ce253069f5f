"""A capacity on its way through the rules, and what every rule may look at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState, Direction, TrailStep

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.engine.model import Alarm, Observation, Override, Policy, ScalableTarget, State
    from quickstep.engine.outcome import Outcome

DOCUMENT = "policy"
"""The source of the bounds if nothing replaces the document's."""

RECHECK_SECONDS = 10
"""When to look at a breach again: after one evaluation of a high-resolution alarm."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The minimum and maximum in force, and their source; `forced` ones ignore the load."""

    minimum: int
    maximum: int
    source: str
    forced: bool = False

    @classmethod
    def in_force(cls, target: ScalableTarget, state: State, now: datetime) -> Bounds:
        """Return the policy's bounds, or those of an active override or of schedules.

        An override by hand beats all schedules. Among schedules, the larger minimum and the larger
        maximum win, as the largest capacity does among policies.

        Example: with a policy of 4 to 40, the schedule `night` with maximum 2 gives 2 to 2, and
        `sale` with minimum 20 gives 20 to 40. While both are active: 20 to 40.
        """
        if state.override and state.override.active(now):
            return cls._overridden(target, state.override, "override")
        scheduled = [
            cls._overridden(target, schedule, schedule.name)
            for schedule in state.schedules
            if schedule.active(now)
        ]
        if not scheduled:
            return cls(target.min_capacity, target.max_capacity, DOCUMENT)
        return cls(
            max(bounds.minimum for bounds in scheduled),
            max(bounds.maximum for bounds in scheduled),
            f"schedule {' and '.join(bounds.source for bounds in scheduled)}",
            all(bounds.forced for bounds in scheduled),
        )

    @classmethod
    def _overridden(cls, target: ScalableTarget, override: Override, source: str) -> Bounds:
        """Return the policy's bounds, each replaced by the override's.

        If an overridden bound crosses the other one, the override wins and moves that one, too.
        Example: policy 2 to 10, override minimum 20: 20 to 20. The last task goes only if the
        policy's own minimum is 0. Example: policy 2 to 10, override maximum 0: 1 to 1.
        """
        least = 0 if target.min_capacity == 0 else 1
        minimum, maximum = target.min_capacity, target.max_capacity
        if override.min_capacity is not None:
            minimum = max(least, override.min_capacity)
            maximum = max(minimum, maximum)
        if override.max_capacity is not None:
            maximum = max(least, override.max_capacity)
            minimum = min(minimum, maximum)
        return cls(minimum, maximum, source, override.forced)

    @property
    def named(self) -> str:
        """The bounds as a reason names them, e.g. `the policy's bounds of 2 to 40`."""
        return f"the {self.source}'s bounds of {self.minimum} to {self.maximum}"

    def bound(self, direction: Direction) -> str:
        """Return a direction's bound as a reason names it, e.g. `the policy's maximum of 40`."""
        if direction is Direction.OUT:
            return f"the {self.source}'s maximum of {self.maximum}"
        return f"the {self.source}'s minimum of {self.minimum}"

    def crossed(self, capacity: int) -> str:
        """Return which bound a capacity is beyond; empty if none.

        Example: `6 is below the override's minimum of 200`.
        """
        if capacity < self.minimum:
            return f"{capacity} is below {self.bound(Direction.IN)}"
        return f"{capacity} is above {self.bound(Direction.OUT)}" if capacity > self.maximum else ""

    def nearest(self, capacity: int) -> int:
        """Return the nearest capacity within the bounds."""
        return min(max(capacity, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class Case:
    """What every rule may look at: the arguments of `decide`, and the bounds in force."""

    target: ScalableTarget
    observation: Observation
    state: State
    now: datetime
    bounds: Bounds

    @property
    def desired(self) -> int:
        """The desired count seen: the base of every step, unlike AAS's running count."""
        return self.observation.service.desired

    def corrected_to(self, base: int) -> bool:
        """Whether a step counts from this base because the capacity seen is beyond a bound."""
        return base == self.bounds.nearest(self.desired) != self.desired

    def alarms(self, direction: Direction) -> list[tuple[Policy, Alarm]]:
        """Return a direction's policies whose alarm is known, each with its alarm."""
        return [
            (policy, self.observation.alarms[policy.alarm])
            for policy in self.target.in_direction(direction)
            if policy.alarm in self.observation.alarms
        ]

    def in_alarm(self, direction: Direction) -> list[tuple[Policy, Alarm]]:
        """Return a direction's policies whose alarm is in ALARM, each with its alarm."""
        return [pair for pair in self.alarms(direction) if pair[1].state is AlarmState.ALARM]

    def seconds_until(self, moment: datetime) -> int:
        """Return the whole seconds to wait for `moment`, at least 1."""
        return max(1, math.ceil((moment - self.now).total_seconds()))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A capacity, and what the rules have done to it so far.

    `why` is the policy's reason, and `decided` that of the rule that last moved it, both as worded
    for people; the trail has every digit.

    `base` is the capacity from which the step counted. `held` is the outcome of the rule that
    returned the capacity to the one seen; later rules skip a held proposal. A scale-out that
    `yields` has more than it wants, and leaves it to a scale-in to ask for fewer.
    """

    capacity: int
    wanted: int
    base: int
    why: str
    trail: tuple[TrailStep, ...] = ()
    held: Outcome | None = None
    check_again: int | None = RECHECK_SECONDS
    yields: bool = False
    decided: str = ""

    @property
    def leaves_it(self) -> bool:
        """Whether it asks for nothing, and does not block a removal."""
        return self.yields and self.held is not None

    def after(self, guard: str, capacity: int, why: str, said: str = "") -> Proposal:
        """Return the proposal after a rule has set or kept its capacity.

        `why` is for the trail, and `said` for the reason, if that is worded differently.
        """
        step = TrailStep(guard, self.capacity, capacity, why)
        decided = self.decided if capacity == self.capacity else said or why
        return replace(self, capacity=capacity, trail=(*self.trail, step), decided=decided)

    def hold(
        self, guard: str, desired: int, outcome: Outcome, why: str, said: str = ""
    ) -> Proposal:
        """Return the proposal held at the capacity seen."""
        return replace(self.after(guard, desired, why), why=said or why, held=outcome)

    def checked_again_in(self, seconds: int | None) -> Proposal:
        """Return the proposal with another time for the next look; None for no look."""
        return replace(self, check_again=seconds)


def hold(case: Case, guard: str, outcome: Outcome, why: str) -> Proposal:
    """Return a proposal that holds before any step was chosen."""
    seen = case.desired
    return Proposal(seen, seen, seen, why).hold(guard, seen, outcome, why)


def corrected(case: Case, proposal: Proposal) -> Proposal:
    """Return the proposal at its base, with a trail line if a bound moved the base."""
    if not case.corrected_to(proposal.base):
        return proposal
    return proposal.after("bounds", proposal.base, case.bounds.crossed(case.desired))


def largest(proposals: list[Proposal]) -> Proposal:
    """Return the proposal with the largest capacity: in both directions the safest one.

    Example: at 10 tasks, +3 (13) and +200 % (30) breach together: 30.
    """
    winner = max(proposals, key=lambda p: (p.capacity, p.wanted, not p.yields))
    if len(proposals) == 1:
        return winner
    others = tuple(line for p in proposals if p is not winner for line in p.trail)
    asked = " and ".join(str(proposal.capacity) for proposal in proposals)
    why = f"the largest of {asked} wins"
    line = TrailStep("several policies", winner.capacity, winner.capacity, why)
    return replace(winner, trail=(*others, *winner.trail, line))
