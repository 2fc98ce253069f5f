"""What is asked of a policy, whatever its form: the one place that tells the forms apart.

A new form joins the union `model.Policy`, with a `name`, `directions` and a `cooldown`; mypy then
finds every question below that has no answer of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from quickstep.engine import step_policy
from quickstep.engine.model import StepPolicy

if TYPE_CHECKING:
    from quickstep.engine.model import Alarm, Direction, Policy, ScalableTarget
    from quickstep.engine.proposal import Case, Proposal


def ask(case: Case, policy: Policy, alarm: Alarm, direction: Direction) -> Proposal | None:
    """Return the capacity that a policy asks for in a direction, from what was seen.

    None where it has nothing to say; a held proposal where it speaks against any change. `alarm` is
    the policy's own, in ALARM.
    """
    match policy:
        case StepPolicy():
            return step_policy.ask(case, policy, alarm, direction)
        case _:
            assert_never(policy)


def looks_back(target: ScalableTarget, policy: Policy, direction: Direction) -> bool:
    """Whether a guard that is switched on looks at the load before an alarm's event."""
    match policy:
        case StepPolicy():
            return step_policy.looks_back(target, policy, direction)
        case _:
            assert_never(policy)


def needs(case: Case, policy: Policy, alarm: Alarm) -> int:
    """Return how many tasks a scale-out policy needs to stay quiet at this load; 0 if not known."""
    match policy:
        case StepPolicy():
            return step_policy.needs(case, policy, alarm)
        case _:
            assert_never(policy)
