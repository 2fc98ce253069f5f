"""The metric: published by each task every 5 s, its mean or each second, and seen a bit later."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_lab.simulator.metric import Metric, Samples, Statistic
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.signals import cpu
from quickstep_lab.simulator.world import World
from quickstep_publisher import _points
from tests.unit.simulator import worlds
from tests.unit.simulator.worlds import PROMPT, exactly, play_loads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickstep_lab.simulator.stage import Stage

AVERAGE, TOTAL = Statistic.AVERAGE, Statistic.TOTAL
LATER = 1e6
"""When everything can be seen."""
OF_ECS = cpu(Server(), lag=None)
"""What ECS publishes, sample by sample."""


def a_stage(tasks: int = 2, **world: Any) -> Stage:
    """Return a stage whose tasks publish the mean of 5 s."""
    return worlds.a_stage(tasks, **{"publish_seconds": 5, **world})


def a_published(tasks: int, loads: Iterable[float], **world: Any) -> Stage:
    stage = a_stage(tasks, **world)
    play_loads(stage, loads)
    return stage


def test_every_task_publishes_twice_in_each_period_of_10_s() -> None:
    metric = a_published(7, [50] * 60).metric
    assert [metric.read(start, 10, LATER, AVERAGE)[1] for start in range(0, 60, 10)] == [14] * 6
    assert metric.read(0, 60, LATER, AVERAGE)[1] == 84


def test_the_average_is_that_of_a_task_and_the_total_that_of_all() -> None:
    metric = a_published(3, [50] * 40).metric
    assert metric.read(20, 10, LATER, AVERAGE) == (50, 6)
    assert metric.read(20, 10, LATER, TOTAL) == (150, 6)
    assert metric.read(10, 30, LATER, TOTAL) == (150, 18)


def test_a_period_is_read_anew_until_its_last_sample_can_be_seen_and_then_stays() -> None:
    metric = a_stage(1).metric
    for second, visible_at in ((3, 5.0), (8, 40.0), (13, 15.0)):
        metric.put(second, Samples(visible_at, 1, float(second)))
    assert metric.read(0, 10, 20.0, AVERAGE) == (3, 1)
    assert metric.read(0, 10, 50.0, AVERAGE) == (5.5, 2)
    assert metric.read(0, 10, 60.0, AVERAGE) == (5.5, 2)
    assert metric.read(0, 10, 60.0, TOTAL) == (5.5, 2)


def test_a_period_that_goes_on_is_read_anew() -> None:
    metric = a_stage(1).metric
    metric.put(3, Samples(4.0, 1, 3.0))
    assert metric.read(0, 10, 5.0, AVERAGE) == (3, 1)
    metric.put(8, Samples(9.0, 1, 8.0))
    assert metric.read(0, 10, 10.0, AVERAGE) == (5.5, 2)


def test_a_rising_load_is_averaged_over_the_5_s_before_each_datapoint() -> None:
    # Five tasks publish in one second each; those of second 10 and 15 speak of 6 to 10 and 11 to 15
    # and so on: on average of second 10.5 + 2, that is 12.5.
    metric = a_published(5, range(40)).metric
    assert metric.read(10, 10, LATER, AVERAGE)[0] == pytest.approx(12.5)


def test_a_task_that_listens_but_gets_no_requests_yet_publishes_0() -> None:
    stage = a_stage(1, start_up=PROMPT, health_interval=1000.0)
    stage.fleet.set_desired(2, 0)
    play_loads(stage, [60] * 20)
    assert stage.fleet.serving == 1
    assert stage.metric.read(10, 10, LATER, AVERAGE) == (30, 4)


def test_a_task_that_does_not_listen_yet_publishes_nothing() -> None:
    stage = a_stage(1, start_up=exactly(30))
    stage.fleet.set_desired(2, 0)
    play_loads(stage, [60] * 20)
    assert stage.metric.read(10, 10, LATER, AVERAGE) == (60, 2)


@pytest.mark.parametrize("seed", range(5))
def test_a_starting_task_publishes_what_it_was_sent_and_no_more(seed: int) -> None:
    stage = a_stage(1, seed=seed, start_up=exactly(7.5))
    stage.fleet.set_desired(4, 0)
    play_loads(stage, [100] * 60)

    published = 0.0
    for start in range(0, 60, 10):
        published += 10 * (stage.metric.read(start, 10, LATER, TOTAL)[0] or 0)

    # A task is sent requests from the first whole second on in which it serves, and has published
    # those up to the last second in which it publishes; second 0 is the first one of all.
    expected = 0
    for task in stage.fleet.publishing():
        last = max(second for second in range(60) if second % 5 == task.slot)
        expected += 100 * (last + 1 - max(0, math.ceil(task.serves_at)))
    assert published == pytest.approx(expected)


def test_a_task_that_drains_goes_on_publishing_0_until_it_is_stopped() -> None:
    stage = a_stage(4, deregistration_delay=20)
    play_loads(stage, [60] * 20)
    stage.play_until(20)
    stage.fleet.set_desired(1, 20)
    play_loads(stage, [60] * 40)
    found = [stage.metric.read(start, 10, LATER, AVERAGE) for start in (10, 30, 50)]
    assert found == [(60, 8), (15, 8), (60, 2)]


def test_a_task_publishes_of_the_seconds_before_it_left_what_it_was_sent_in_them() -> None:
    stage = a_stage(5, deregistration_delay=20)
    play_loads(stage, [60] * 20)
    stage.play_until(20)
    stage.fleet.set_desired(0, 20)
    play_loads(stage, [0] * 10)
    # One publishes in each second, of the five before: of 20 to 24 what of 15 to 19 is in it.
    assert stage.metric.read(20, 5, LATER, TOTAL)[0] == pytest.approx(60 * (4 + 3 + 2 + 1) / 5)


def test_silent_tasks_publish_nothing_and_ecs_counts_them_all_the_same() -> None:
    metric = a_published(6, [60] * 20, silent_share=2 / 3).metric
    assert metric.read(10, 10, LATER, AVERAGE) == (60, 4)
    stage = a_stage(6, silent_share=2 / 3)
    stage.metric = Metric(stage.world, stage.random, OF_ECS)
    play_loads(stage, [60] * 20)
    assert stage.metric.read(10, 10, LATER, AVERAGE) == (60, 12)


def test_a_metric_of_ecs_is_not_of_tasks_that_drain() -> None:
    stage = a_stage(4)
    stage.metric = Metric(stage.world, stage.random, OF_ECS)
    stage.fleet.set_desired(1, 0)
    play_loads(stage, [60] * 20)
    assert stage.metric.read(10, 10, LATER, AVERAGE) == (60, 2)


def test_a_share_of_the_datapoints_never_arrives() -> None:
    value, count = a_published(10, [60] * 200, lost_share=0.3).metric.read(0, 200, LATER, AVERAGE)
    assert value == pytest.approx(60, rel=0.05)
    assert count == pytest.approx(0.7 * 400, rel=0.1)


def test_the_newest_period_is_seen_in_part_until_its_last_datapoint_has_arrived() -> None:
    metric = a_published(5, [10 * (second >= 15) for second in range(30)], visibility=exactly(3))
    read = {now: metric.metric.read(10, 10, now, AVERAGE)[1] for now in (13.9, 14, 18, 20, 22, 23)}
    assert read == {13.9: 0, 14: 1, 18: 5, 20: 7, 22: 9, 23: 10}


def test_where_nothing_can_be_seen_there_is_no_value() -> None:
    metric = a_published(2, [50] * 20, visibility=exactly(3)).metric
    assert metric.read(10, 10, 13.5, AVERAGE) == (None, 0)
    assert metric.read(100, 10, LATER, TOTAL) == (None, 0)


def test_without_a_task_nothing_is_published() -> None:
    assert a_published(0, [0] * 20).metric.read(0, 10, LATER, AVERAGE) == (None, 0)


def test_in_an_outage_nothing_arrives_and_afterwards_it_goes_on_as_before() -> None:
    metric = a_published(2, [50] * 60, outages=((20, 40),)).metric
    found = [metric.read(start, 10, LATER, AVERAGE) for start in range(10, 60, 10)]
    assert found == [(50, 4), (None, 0), (None, 0), (50, 4), (50, 4)]


def test_an_outage_is_counted_in_seconds_of_the_traffic() -> None:
    stage = a_stage(2, outages=((0, 10),))
    for second in range(40):
        stage.metric.record(stage.fleet, 50, second, lead=20)
    found = [stage.metric.read(start, 10, LATER, AVERAGE)[1] for start in range(0, 40, 10)]
    assert found == [4, 4, 0, 4]


def test_15_minutes_are_kept() -> None:
    metric = a_published(1, [50] * 4000).metric
    assert metric.read(4000 - 17 * 60, 60, LATER, AVERAGE) == (50, 12)
    assert metric.read(0, 60, LATER, AVERAGE) == (None, 0)


# --- whole seconds --------------------------------------------------------------------------------


def by_the_second(tasks: int, loads: Iterable[float], **world: Any) -> Stage:
    return a_published(tasks, loads, publish_seconds=1, **world)


def test_a_call_comes_as_often_as_the_publisher_s() -> None:
    assert World().publish_interval == _points.INTERVAL
    assert World(publish_seconds=10).publish_interval == 10


def test_whole_seconds_are_published_each_with_its_own_load() -> None:
    metric = by_the_second(3, range(30)).metric
    assert [metric.read(second, 1, LATER, AVERAGE) for second in (9, 10, 11)] == [
        (9, 3),
        (10, 3),
        (11, 3),
    ]
    assert metric.read(10, 10, LATER, AVERAGE) == (14.5, 30)
    assert metric.read(10, 10, LATER, TOTAL)[0] == pytest.approx(3 * 14.5)


def test_a_call_comes_in_the_last_second_of_5_and_that_one_waits_for_the_next() -> None:
    """Seen a second after the calls between 14.0 and 14.8; 14 itself with those of 19."""
    metric = by_the_second(5, [50] * 30, visibility=exactly(1)).metric
    seen = [
        [metric.read(second, 1, now, AVERAGE)[1] for second in (8, 9, 13, 14)]
        for now in (14.9, 15.0, 15.45, 15.85, 19.9, 20.85)
    ]
    assert seen == [
        [5, 0, 0, 0],
        [5, 1, 1, 0],
        [5, 3, 3, 0],
        [5, 5, 5, 0],
        [5, 5, 5, 0],
        [5, 5, 5, 5],
    ]


def test_of_a_task_that_joins_or_leaves_each_second_has_what_it_was_sent_in_it() -> None:
    stage = worlds.a_stage(1, start_up=exactly(6.0), health_interval=1.0, deregistration_delay=20)
    stage.fleet.set_desired(2, 0)
    play_loads(stage, [60] * 20)
    stage.play_until(20.5)
    stage.fleet.set_desired(1, 20.5)
    play_loads(stage, [60] * 30)
    read = [stage.metric.read(s, 1, LATER, AVERAGE) for s in (5, 6, 7, 20, 21, 30, 42)]
    assert read == [(60, 1), (30, 2), (60, 2), (60, 2), (30, 2), (30, 2), (60, 1)]


def test_what_does_not_arrive_of_whole_seconds_is_a_call_of_5() -> None:
    metric = by_the_second(1, [60] * 400, lost_share=0.3).metric
    counts = [metric.read(at, 5, LATER, AVERAGE)[1] for at in range(4, 394, 5)]
    assert set(counts) == {0, 5}


def test_in_an_outage_no_call_arrives() -> None:
    metric = by_the_second(2, [50] * 60, outages=((20, 40),)).metric
    found = [metric.read(start, 5, LATER, AVERAGE)[1] for start in range(4, 54, 5)]
    assert found == [10, 10, 10, 0, 0, 0, 0, 10, 10, 10]


def test_a_metric_of_ecs_is_a_mean_whatever_tasks_publish() -> None:
    stage = worlds.a_stage(4)
    stage.metric = Metric(stage.world, stage.random, OF_ECS)
    play_loads(stage, [60] * 20)
    assert stage.metric.read(10, 10, LATER, AVERAGE) == (60, 8)
