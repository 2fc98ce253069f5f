"""What is asked of a policy, whatever its form: the one place that tells the forms apart.

A new form joins the union `model.Policy`; mypy then finds every question below that has no answer
of it.
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
"""So many whole seconds show a surge."""

TREND_SECONDS = 5


def ask(case: Case, policy: Policy, alarm: Alarm, direction: Direction) -> Proposal | None:
    """Return the capacity that a policy asks for in a direction, from what was seen.

    None where it has nothing to say; a held proposal where it speaks against any change. `alarm` is
    the policy's own, and it `speaks`.
    """
    match policy:
        case StepPolicy():
            return step_policy.ask(case, policy, alarm, direction)
        case TargetPolicy():
            return target_policy.ask(case, policy, alarm, direction)
        case _:
            assert_never(policy)


def speaks(policy: Policy, alarm: Alarm) -> bool:
    """Whether a policy has a say: by steps, where its alarm fires; by a target, whenever it sees.

    One by a target that is blind does not speak either way.
    """
    match policy:
        case StepPolicy():
            return alarm.state is AlarmState.ALARM
        case TargetPolicy():
            return alarm.state is not AlarmState.INSUFFICIENT_DATA
        case _:
            assert_never(policy)


def is_content(policy: Policy, alarm: Alarm) -> bool:
    """Whether a policy that asks for nothing has seen all that it goes by, whatever its alarm says.

    An alarm of steps that fires and that no step answers is worth a word; a target's alarm may fire
    while the tasks are enough.
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
    """Whether the load before an alarm's event is looked at, which shows a state."""
    match policy:
        case StepPolicy():
            fires = state is AlarmState.ALARM
            return fires and step_policy.looks_back(target, policy, direction)
        case TargetPolicy():
            return True
        case _:
            assert_never(policy)


def looks_always(policy: Policy) -> bool:
    """Whether a policy looks at its metric all the time, and not only while its alarm fires."""
    return window(policy) is not None


def by_the_newest(policy: Policy | None) -> bool:
    """Whether a policy goes by the newest seconds that can be seen, not by its alarm's periods."""
    match policy:
        case TargetPolicy():
            return True
        case StepPolicy() | None:
            return False
        case _:
            assert_never(policy)


def resolution(target: ScalableTarget, policy: Policy | None) -> int:
    """Return at how many seconds' resolution a policy's metric is read, where it has it."""
    return 1 if by_the_newest(policy) else target.publish_seconds


def surge_interval(target: ScalableTarget, policy: Policy | None) -> int:
    """Return the seconds of each interval in which the load is shown where a surge begins.

    A target is sized by the newest one, which has no second from before the surge. Steps look for
    a trend in theirs, and in short ones a jump is a trend if tasks report it one after the other.
    """
    shortest = SURGE_SECONDS if by_the_newest(policy) else TREND_SECONDS
    return max(shortest, target.publish_seconds)


def window(policy: Policy) -> int | None:
    """Return how long an idle task is kept at least, in seconds; None where steps alone say it."""
    return policy.scale_in_window


def needed(case: Case, policy: Policy, alarm: Alarm) -> list[Need]:
    """Return how many tasks were needed lately, oldest first, for a policy with a window."""
    match policy:
        case StepPolicy():
            return step_policy.needed(case, policy, alarm)
        case TargetPolicy():
            return target_policy.needed(case, policy, alarm)
        case _:
            assert_never(policy)


def needs(case: Case, policy: Policy, alarm: Alarm) -> int:
    """Return how many tasks a scale-out policy needs to stay quiet at this load; 0 if not known."""
    match policy:
        case StepPolicy():
            return step_policy.needs(case, policy, alarm)
        case TargetPolicy():
            return target_policy.needs(case, policy, alarm)
        case _:
            assert_never(policy)
