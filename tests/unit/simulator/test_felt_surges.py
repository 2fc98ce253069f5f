"""Tasks of the simulator that feel a surge: what they publish at once, and what is sent of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quickstep.engine.outcome import Outcome
from quickstep_lab.simulator.metric import Statistic
from quickstep_lab.simulator.scalers.quickstep import Quickstep, with_surge_messages
from quickstep_lab.simulator.surges import FeltSurges
from quickstep_lab.simulator.world import World
from tests.unit.simulator.worlds import a_run, a_setup, a_stage, a_surge, exactly, serve_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep_lab.simulator.stage import Stage

SETUP = a_setup()
ALONE, WITH_SURGES = Quickstep(SETUP), with_surge_messages(SETUP)


def messages_at(stage: Stage, loads: Sequence[float], *, first: int = 0) -> list[int]:
    """Return the seconds at whose ends tasks are sent so much and a message of them is taken."""
    felt, taken = FeltSurges(stage, 100), []
    for second, load in enumerate(loads, start=first):
        stage.play_until(second)
        serve_for(stage.fleet, load * stage.fleet.serving, [second])
        stage.metric.record(stage.fleet, load, second)
        at = felt.message_at(second, load)
        if at is not None:
            assert second + 1 <= at < second + 2
            taken.append(second + 1)
    return taken


def test_500_tasks_that_feel_a_surge_are_one_message_in_two_seconds_until_its_alarm_has_it() -> (
    None
):
    """The mean is 175 first and 300 then, which is another surge: five more messages."""
    assert messages_at(a_stage(500), [50] * 10 + [300] * 20) == [11, 13, 15, 17, 19, 21]


@pytest.mark.parametrize(
    ("loads", "messages"),
    [
        pytest.param([100, 149, 151], [], id="no more than 1.5 times the target"),
        pytest.param([100, 149, 152], [3], id="the mean of the last two seconds"),
        pytest.param([50, 249, 50, 249, 50], [], id="a second alone"),
    ],
)
def test_a_task_feels_a_surge_by_the_publishers_own_rule(
    loads: Sequence[float], messages: list[int]
) -> None:
    assert messages_at(a_stage(2), loads) == messages


def test_a_task_without_a_publisher_feels_nothing() -> None:
    assert messages_at(a_stage(10, silent_share=1), [300] * 10) == []


def test_what_a_task_publishes_early_is_seen_before_its_call_and_not_twice() -> None:
    stage = a_stage(1, visibility=exactly(1))
    assert messages_at(stage, [50] * 11 + [300]) == [12]
    metric = stage.metric

    def seen(second: int, now: float) -> tuple[float | None, float]:
        return metric.read(second, 1, now, Statistic.AVERAGE)

    assert seen(11, 12.99) == (None, 0)
    assert seen(11, 14) == (300, 1)
    messages_at(stage, [300, 300, 300], first=12)  # its call is in second 14
    assert [seen(second, 20) for second in (10, 11, 12, 13)] == [(50, 1), *[(300, 1)] * 3]


def test_in_an_outage_of_metrics_nothing_arrives_early_either() -> None:
    stage = a_stage(2, outages=((0, 100),))
    assert messages_at(stage, [50] * 11 + [300]) == [12], "the message does"
    assert stage.metric.read(11, 1, 20, Statistic.AVERAGE) == (None, 0)


def test_a_surge_is_answered_seconds_before_the_alarm_and_by_the_real_door() -> None:
    early, late = (a_run(scaler, a_surge(10)) for scaler in (WITH_SURGES, ALONE))
    first = next(record for record in early.records if record.outcome is Outcome.SCALED_OUT)
    assert first.look.cause.kind == "surge"
    assert 61 < early.actions[0].at < 70 < late.actions[0].at
    failed = [sum(second.failed for second in run.seconds) for run in (early, late)]
    assert failed[0] < failed[1]


def test_the_same_seed_gives_the_same_surge() -> None:
    one, again, other = (a_run(WITH_SURGES, a_surge(10), seed=seed) for seed in (1, 1, 2))
    assert one.actions == again.actions
    assert one.seconds == again.seconds
    assert one.actions != other.actions


def test_tasks_that_publish_means_announce_nothing() -> None:
    means = World(publish_seconds=5)
    answered, alone = (a_run(scaler, a_surge(10), world=means) for scaler in (WITH_SURGES, ALONE))
    assert answered.actions == alone.actions


def test_in_calm_there_is_no_message_and_the_run_is_that_without() -> None:
    answered, alone = (a_run(scaler, a_surge(1)) for scaler in (WITH_SURGES, ALONE))
    assert answered.seconds == alone.seconds
    assert not [record for record in answered.records if record.look.cause.kind == "surge"]
