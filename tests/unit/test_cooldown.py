"""Cooldowns: AAS's rules, and the stricter one for scale-in."""

from __future__ import annotations

import pytest

from quickstep.engine.cooldown import scale_in_cooldown, scale_out_cooldown
from quickstep.engine.model import ScalingActivity, State
from tests.builders import NOW, a_policy, a_scale_in_policy, a_target, ago, scaled_in, scaled_out


@pytest.mark.parametrize(
    ("seconds_ago", "remaining"),
    [
        pytest.param(0, 10, id="it starts with the scale-out"),
        pytest.param(9.5, 0.5, id="half a second is left"),
        pytest.param(10, None, id="it ends on the second"),
    ],
)
def test_a_scale_out_cooldown_lasts_from_the_scale_out(
    seconds_ago: float, remaining: float | None
) -> None:
    end = scale_out_cooldown(a_policy(cooldown=10), scaled_out(seconds_ago, 2, 4), NOW)

    assert (None if end is None else (end - NOW).total_seconds()) == remaining


def test_there_is_no_cooldown_before_the_first_scale_out() -> None:
    assert scale_out_cooldown(a_policy(), State(), NOW) is None


@pytest.mark.parametrize(
    ("state", "remaining"),
    [
        pytest.param(scaled_in(5, 5, 4), 25, id="its own cooldown"),
        pytest.param(scaled_in(30, 5, 4), None, id="its own cooldown is over"),
        pytest.param(scaled_out(4, 2, 4), 6, id="the scale-out cooldown, stricter than AAS"),
        pytest.param(
            State(ScalingActivity(ago(5), 4, 6), ScalingActivity(ago(10), 5, 4)),
            5,
            id="a scale-out ends the scale-in cooldown; its own applies",
        ),
        pytest.param(
            State(ScalingActivity(ago(10), 4, 6), ScalingActivity(ago(12), 5, 4)),
            None,
            id="after both, the ended scale-in cooldown does not come back",
        ),
        pytest.param(
            State(ScalingActivity(ago(40), 4, 6), ScalingActivity(ago(3), 6, 5)),
            27,
            id="an older scale-out does not end it",
        ),
        pytest.param(
            State(ScalingActivity(ago(5), 4, 6), ScalingActivity(ago(5), 6, 5)),
            25,
            id="nor does one of the same moment: the longer of the two",
        ),
    ],
)
def test_scale_in_waits_for(state: State, remaining: float | None) -> None:
    policy = a_scale_in_policy(cooldown=30)
    target = a_target(a_policy(cooldown=10), policy)

    end = scale_in_cooldown(policy, target, state, NOW)

    assert (None if end is None else (end - NOW).total_seconds()) == remaining


def test_a_scale_out_blocks_no_scale_in_once_its_policy_is_gone_from_the_document() -> None:
    policy = a_scale_in_policy()

    assert scale_in_cooldown(policy, a_target(policy), scaled_out(0.5, 2, 4), NOW) is None


def test_scale_in_waits_for_the_longest_scale_out_cooldown_of_the_target() -> None:
    policy = a_scale_in_policy()
    target = a_target(a_policy("a", cooldown=10), a_policy("b", cooldown=60), policy)

    end = scale_in_cooldown(policy, target, scaled_out(20, 2, 4), NOW)

    assert end is not None
    assert (end - NOW).total_seconds() == 40
