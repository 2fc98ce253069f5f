"""What the nouns of scaling answer themselves."""

from __future__ import annotations

import pytest

from quickstep.engine.model import Alarm, AlarmState, Direction, Override, Pause
from quickstep.engine.outcome import Outcome
from tests.builders import NOW, a_policy, a_scale_in_policy, a_target, ago


def test_a_policy_is_found_by_its_name_alone() -> None:
    first, second = a_policy("first"), a_scale_in_policy("second")
    target = a_target(first, second)

    assert (target.policy("first"), target.policy("second")) == (first, second)
    assert target.policy("third") is None


def test_the_policies_of_a_direction_keep_their_order() -> None:
    first, second, other = a_policy("first"), a_policy("second"), a_scale_in_policy()
    target = a_target(second, other, first)

    assert target.in_direction(Direction.OUT) == (second, first)
    assert target.in_direction(Direction.IN) == (other,)


@pytest.mark.parametrize(
    ("seconds_left", "holds"),
    [
        pytest.param(None, True, id="without an end"),
        pytest.param(0.001, True, id="before its end"),
        pytest.param(0, False, id="at its end"),
        pytest.param(-1, False, id="after its end"),
    ],
)
def test_an_override_and_a_pause_hold_until_their_end(
    seconds_left: float | None, *, holds: bool
) -> None:
    until = None if seconds_left is None else ago(-seconds_left)

    assert Override(2, None, until).active(NOW) is holds
    assert Pause(frozenset(Direction), until).holds(Direction.OUT, NOW) is holds


@pytest.mark.parametrize(
    ("alarm", "has_value"),
    [
        pytest.param(Alarm(AlarmState.ALARM, 0.0, (0.0,)), True, id="zeros are values"),
        pytest.param(Alarm(AlarmState.ALARM, None, (1.0,)), False, id="no threshold"),
        pytest.param(Alarm(AlarmState.ALARM, 1.0), False, id="no datapoint"),
    ],
)
def test_a_value_can_be_compared_where_threshold_and_datapoint_are_known(
    alarm: Alarm, *, has_value: bool
) -> None:
    assert alarm.has_value is has_value


def test_an_operator_has_to_look_at_failures_only() -> None:
    assert [outcome.value for outcome in Outcome if outcome.failed] == [
        "FAILED_THROTTLED",
        "FAILED_NOT_FOUND",
        "FAILED_DENIED",
        "FAILED_CONFIG",
        "FAILED_QUEUE",
        "FAILED_OTHER",
    ]


def test_only_two_outcomes_call_update_service() -> None:
    changing = [outcome for outcome in Outcome if outcome.changes_capacity]

    assert changing == [Outcome.SCALED_OUT, Outcome.SCALED_IN]
