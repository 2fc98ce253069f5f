"""Each alarm's default threshold, as in the templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.engine.model import TargetPolicy
from quickstep_lab.files import DEFAULT_THRESHOLDS

if TYPE_CHECKING:
    from quickstep.engine.model import Policy, ScalableTarget


def default_threshold(policy: Policy) -> float:
    """Return the threshold of a policy's alarm: its target, or the default for its direction."""
    if isinstance(policy, TargetPolicy):
        return policy.target_value
    return DEFAULT_THRESHOLDS[policy.direction]


def default_thresholds(target: ScalableTarget) -> dict[str, float]:
    """Return the threshold of each of a target's alarms."""
    return {policy.alarm: default_threshold(policy) for policy in target.policies}
