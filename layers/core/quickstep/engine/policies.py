"""The questions to a policy, whatever its form: the only place that distinguishes the forms.

A new form joins the union `model.Policy`; mypy then finds every question below that does not answer
for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from quickstep.engine import step_policy, target_policy
from quickstep.engine.model import AlarmState, Direction, StepPolicy, TargetPolicy

if TYPE_CHECKING:
    from quickstep.engine.model import Alarm, Policy, ScalableTarget
    from quickstep.engine.patience import Need
    from quickstep.engine.proposal import Case, Proposal

SURGE_SECONDS = 2
"""How many whole seconds show a surge."""

TREND_SECONDS = 5


def ask(case: Case, policy: Policy, alarm: Alarm, direction: Direction) -> Proposal | None:
    """Return the capacity that a policy asks for in a direction, from what was seen.

    None if it asks for nothing; a held proposal if it opposes any change. `alarm` is the policy's
    own, and it `speaks`.
    """
    match policy:
        case StepPolicy():
            return step_policy.ask(case, policy, alarm, direction)
        case TargetPolicy():
            return target_policy.ask(case, policy, alarm, direction)
        case _:
            assert_never(policy)


def speaks(policy: Policy, alarm: Alarm) -> bool:
    """Whether a policy has a say: a step policy if its alarm fires, a target policy if it has data.

    A target policy without data stays silent in both directions.
    """
    match policy:
        case StepPolicy():
            return alarm.state is AlarmState.ALARM
        case TargetPolicy():
            return alarm.state is not AlarmState.INSUFFICIENT_DATA
        case _:
            assert_never(policy)


def is_content(policy: Policy, alarm: Alarm) -> bool:
    """Whether a policy that asks for nothing has seen all it needs, whatever its alarm says.

    A firing step alarm that no step answers deserves a reason. A target's alarm may fire although
    the tasks are enough.
    """
    match policy:
        case StepPolicy():
            return False
        case TargetPolicy():
            return bool(alarm.recent or alarm.datapoints)
        case _:
            assert_never(policy)


def looks_back(
    target: ScalableTarget, policy: Policy, direction: Direction, state: AlarmState
) -> bool:
    """Whether to look at the load before an alarm's event that shows this state."""
    match policy:
        case StepPolicy():
            fires = state is AlarmState.ALARM
            return fires and step_policy.looks_back(target, policy, direction)
        case TargetPolicy():
            return True
        case _:
            assert_never(policy)


def looks_always(policy: Policy) -> bool:
    """Whether a policy always looks at its metric, and not only while its alarm fires."""
    return window(policy) is not None


def by_the_newest(policy: Policy | None) -> bool:
    """Whether a policy follows the newest visible seconds instead of its alarm's periods."""
    match policy:
        case TargetPolicy():
            return True
        case StepPolicy() | None:
            return False
        case _:
            assert_never(policy)


def resolution(target: ScalableTarget, policy: Policy | None) -> int:
    """Return the resolution, in seconds, at which to read a policy's metric if it has it."""
    return 1 if by_the_newest(policy) else target.publish_seconds


def surge_interval(target: ScalableTarget, policy: Policy | None) -> int:
    """Return the seconds in each interval of the load where a surge begins.

    A target policy sizes by the newest interval, which contains no second from before the surge.
    Steps look for a trend, which in short intervals a jump resembles if tasks report it in turn.
    """
    shortest = SURGE_SECONDS if by_the_newest(policy) else TREND_SECONDS
    return max(shortest, target.publish_seconds)


def window(policy: Policy) -> int | None:
    """Return the least seconds to keep an idle task; None if steps alone decide."""
    return policy.scale_in_window


def needed(case: Case, policy: Policy, alarm: Alarm) -> list[Need]:
    """Return how many tasks were needed recently, oldest first, for a policy with a window."""
    match policy:
        case StepPolicy():
            return step_policy.needed(case, policy, alarm)
        case TargetPolicy():
            return target_policy.needed(case, policy, alarm)
        case _:
            assert_never(policy)


def needs(case: Case, policy: Policy, alarm: Alarm) -> int:
    """Return the tasks at which a scale-out policy stays quiet under this load; 0 if not known."""
    match policy:
        case StepPolicy():
            return step_policy.needs(case, policy, alarm)
        case TargetPolicy():
            return target_policy.needs(case, policy, alarm)
        case _:
            assert_never(policy)
