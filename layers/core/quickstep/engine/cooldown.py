"""Cooldowns, with the semantics of Application Auto Scaling, and one stricter rule.

Source: "Step scaling policies overview" of the Application Auto Scaling User Guide. The stricter
rule: scale-in waits for the scale-out cooldown, too, so that Quickstep removes no task before the
effect of adding tasks is known.

A cooldown's length is read from the policy document when needed, so that a changed document takes
effect at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import Direction

if TYPE_CHECKING:
    from quickstep.engine.model import Policy, ScalableTarget, ScalingActivity, State


def scale_out_cooldown(policy: Policy, state: State, now: datetime) -> datetime | None:
    """Return when `policy` leaves the cooldown of the last scale-out; None if it is not in one."""
    return _end_ahead(state.scale_out, policy.cooldown_after(Direction.OUT), now)


def scale_in_cooldown(
    policy: Policy, target: ScalableTarget, state: State, now: datetime
) -> datetime | None:
    """Return when scale-in by `policy` stops being blocked; None if it is not.

    A scale-out ends a scale-in cooldown at once. From then on, its own cooldown applies: the
    longest of the target's scale-out policies.

    Example: after a scale-in at 10:00:00 with a cooldown of 30 s, and a scale-out at 10:00:05 with
    one of 10 s, scale-in is blocked until 10:00:15.
    """
    scaled_in, scaled_out = state.scale_in, state.scale_out
    if scaled_in and scaled_out and scaled_out.at > scaled_in.at:
        scaled_in = None
    longest = max(
        (p.cooldown_after(Direction.OUT) for p in target.in_direction(Direction.OUT)), default=0
    )
    own = policy.cooldown_after(Direction.IN)
    ends = [_end_ahead(scaled_in, own, now), _end_ahead(scaled_out, longest, now)]
    return max((end for end in ends if end), default=None)


def _end_ahead(activity: ScalingActivity | None, cooldown: int, now: datetime) -> datetime | None:
    if activity is None:
        return None
    end = activity.at + timedelta(seconds=cooldown)
    return end if now < end else None
