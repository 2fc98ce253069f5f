"""The models of AWS's scalers: what is documented of them, and the times that AWS published."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.model import Direction
from quickstep.engine.steps import apply_step, select_step
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.step_scaling import StepScaling, percent_ladder
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, KINDS, TargetTracking
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.builders import HIGH, LOW, a_document
from tests.unit.simulator.worlds import a_run, a_setup, a_surge, exactly

if TYPE_CHECKING:
    from quickstep.engine.model import StepPolicy
    from quickstep_lab.simulator.stage import Run, Setup

SETUP = a_setup()
STEP = StepScaling(SETUP, 10)
LADDER = percent_ladder(SETUP)
SLOW, FAST, CUSTOM_20S, CUSTOM_10S = (TargetTracking(SETUP, name) for name in KINDS)


def times(run: Run) -> list[float]:
    return [action.at for action in run.actions]


def changes(run: Run) -> list[tuple[int, int]]:
    return [(action.before, action.after) for action in run.actions]


def with_cooldowns(scale_out: int, scale_in: int, **changes: Any) -> Setup:
    document = a_document(**changes)
    document["ScaleOutPolicies"][HIGH]["Cooldown"] = scale_out
    document["ScaleInPolicies"][LOW]["Cooldown"] = scale_in
    return a_setup(**document)


# --- step scaling ---------------------------------------------------------------------------------


def test_a_step_policy_acts_when_the_alarm_goes_off_and_then_once_a_minute() -> None:
    run = a_run(STEP, a_surge(20))
    first, *_ = times(run)
    assert 60 < first < 60 + 10 + 5 + 10 + 6
    assert len(times(run)) >= 4
    gaps = [later - earlier for earlier, later in pairwise(times(run)[:4])]
    assert gaps == pytest.approx([60, 60, 60], abs=6)


def test_a_step_policy_on_a_minutes_alarm_waits_for_the_minute() -> None:
    triggers = [
        times(a_run(StepScaling(SETUP, 60), a_surge(3), seed=seed))[0] - 60 for seed in range(10)
    ]
    assert min(triggers) > 20  # 20 s at three times the load bring a minute's mean to 100
    assert max(triggers) < 20 + 60 + 60 + 10
    assert max(triggers) - min(triggers) > 20


def test_a_step_policy_counts_from_the_tasks_that_run_not_from_those_on_their_way() -> None:
    # Starting takes longer than three looks: each of them asks for at most 2 + 4.
    world = World(start_up=exactly(200))
    run = a_run(STEP, a_surge(20, during=180), world=world)
    assert max(run.desired) == 6


def test_a_scale_out_never_lowers_what_is_on_its_way() -> None:
    # The surge is over before its tasks run; what is left of it asks for one more than the two.
    world = World(start_up=exactly(200))
    traffic = Traffic("less", (120.0,) * 60 + (2400.0,) * 30 + (240.0,) * 150)
    run = a_run(STEP, traffic, world=world)
    assert changes(run)
    assert all(after > before for before, after in changes(run))


def test_a_scale_in_does_not_wait_for_the_cooldown_of_a_scale_out() -> None:
    setup = with_cooldowns(600, 30)
    traffic = Traffic("up and down", (120.0,) * 60 + (500.0,) * 60 + (40.0,) * 300)
    theirs, mine = (a_run(scaler, traffic) for scaler in (StepScaling(setup, 10), Quickstep(setup)))
    assert [after > before for before, after in changes(theirs)][:2] == [True, False]
    assert all(after > before for before, after in changes(mine))


def test_a_scale_in_waits_for_its_own_cooldown() -> None:
    down = Traffic("down", (700.0,) * 30 + (20.0,) * 600)
    often, seldom = (
        a_run(StepScaling(with_cooldowns(10, cooldown), 10), down, tasks=8) for cooldown in (30, 90)
    )
    assert changes(seldom)[:3] == [(8, 7), (7, 6), (6, 5)]
    assert all(later - earlier > 110 for earlier, later in pairwise(times(seldom)))
    assert all(later - earlier < 70 for earlier, later in pairwise(times(often)))


def test_it_stays_within_the_bounds() -> None:
    up = a_run(StepScaling(a_setup(MaxCapacity=5), 10), a_surge(20))
    down = a_run(STEP, Traffic("down", (700.0,) * 30 + (20.0,) * 900), tasks=8)
    assert (max(up.desired), min(down.desired)) == (5, 2)


# --- the percent ladder ---------------------------------------------------------------------------


def a_ladder(scale_out: float = 100, least: int = 2) -> dict[Direction, StepPolicy]:
    setup = percent_ladder(a_setup(scale_out, MinCapacity=least, MaxCapacity=5000)).setup
    return {policy.direction: policy for policy in setup.target.step_policies}


def asked(policy: StepPolicy, base: int, breach: float) -> int:
    step = select_step(policy, breach)
    assert step is not None
    return apply_step(policy, step, base)


@pytest.mark.parametrize("least", [0, 1, 2, 50])
@pytest.mark.parametrize("target", [0.5, 10, 100, 2000])
def test_the_ladder_keeps_the_rules_of_step_adjustments(target: float, least: int) -> None:
    for policy in a_ladder(target, least).values():
        assert len(policy.steps) == 20
        steps = sorted(
            policy.steps, key=lambda step: -math.inf if step.lower is None else step.lower
        )
        assert all(one.upper == other.lower for one, other in pairwise(steps)), "no gap, no overlap"
        out = policy.direction is Direction.OUT
        assert (steps[0].lower, steps[-1].upper) == ((0, None) if out else (None, 0))
        assert all((step.adjustment > 0) == out for step in steps)
        assert out or all(step.adjustment > -100 for step in steps)


@pytest.mark.parametrize("tasks", [2, 3, 10, 60, 600])
def test_the_ladder_asks_for_what_the_load_needs_and_at_most_an_eighth_more(tasks: int) -> None:
    out = a_ladder()[Direction.OUT]
    for value in range(101, 1000, 7):
        needed = tasks * value / 100
        # Truncated to whole tasks, so one short at most; a percentage is rounded up to a whole one.
        assert (
            math.floor(needed)
            <= asked(out, tasks, value - 100)
            <= max(tasks + 1, needed * 1.13 + 1)
        )


@pytest.mark.parametrize("least", [1, 2, 10])
def test_what_the_ladder_removes_leaves_no_task_over_its_target(least: int) -> None:
    policy = a_ladder(least=least)[Direction.IN]
    low = percent_ladder(a_setup(MinCapacity=least)).setup.thresholds["percent-in"]
    for tasks in range(least + 1, 300):
        for tenth in range(1, 101):
            value = low * tenth / 100
            left = max(least, asked(policy, tasks, value - low))
            assert left < tasks
            assert value * tasks / left <= 100 + 1e-9


@pytest.mark.parametrize(
    ("least", "low"), [(0, 50), (1, 50), (2, 200 / 3), (3, 75), (9, 90), (39, 90)]
)
def test_the_ladder_begins_to_remove_where_the_smallest_fleet_bears_it(
    least: int, low: float
) -> None:
    thresholds = percent_ladder(a_setup(MinCapacity=least)).setup.thresholds
    assert thresholds == {"percent-out": 100, "percent-in": pytest.approx(low)}


def test_the_ladder_is_there_in_a_few_actions_a_minute_apart() -> None:
    for seed in range(5):
        run = a_run(LADDER, a_surge(10), seed=seed)
        assert max(run.desired) >= 12
        outs = [action.at for action in run.actions if action.after > action.before]
        assert len(outs) <= 3
        assert all(later - earlier > 50 for earlier, later in pairwise(outs))


def test_the_ladder_removes_nothing_before_ten_minutes_are_calm() -> None:
    run = a_run(LADDER, Traffic("down", (700.0,) * 30 + (300.0,) * 900), tasks=8)
    assert 630 <= times(run)[0] < 630 + 10 + 5 + 10 + 6
    assert changes(run)[0] == (8, 4)


def test_the_ladder_has_no_limit_of_ours_on_one_step() -> None:
    assert LADDER.setup.target.max_adjustment_magnitude == LADDER.setup.target.max_capacity
    setup = a_setup(MaxCapacity=2000)
    traffic = Traffic("large", (6_000.0,) * 60 + (60_000.0,) * 60)
    run = a_run(percent_ladder(setup), traffic, tasks=60)
    assert run.actions[0].after > 60 + 100


# --- target tracking ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaler", "published", "seeds"),
    [pytest.param(SLOW, 363, 60, id="60 s"), pytest.param(FAST, 86, 100, id="20 s")],
)
def test_target_tracking_triggers_when_aws_published_that_it_does(
    scaler: TargetTracking, published: int, seeds: int
) -> None:
    traffic = a_surge(3, before=10, during=published + 80)
    runs = [a_run(scaler, traffic, seed=seed) for seed in range(seeds)]
    triggers = [measure(run, SETUP.scale_out_threshold).time_to_trigger_s for run in runs]
    known = [trigger for trigger in triggers if trigger is not None]
    assert len(known) == len(runs)
    assert median(known) == pytest.approx(published, rel=0.03)
    assert scaler.kind.published == published


@pytest.mark.parametrize("scaler", [SLOW, FAST], ids=["60 s", "20 s"])
def test_target_tracking_removes_tasks_after_15_minutes_below_90_per_cent(
    scaler: TargetTracking,
) -> None:
    low = Traffic("low", (380.0,) * 60 + (85 * 4.0,) * 1800)
    run = a_run(scaler, low, tasks=4)
    assert changes(run) == []  # 85 each ask for 4 tasks still

    lower = Traffic("lower", (380.0,) * 60 + (200.0,) * 1800)
    run = a_run(scaler, lower, tasks=4)
    assert changes(run)[0] == (4, 2)
    assert 60 + 900 <= times(run)[0] < 60 + 900 + 300


def test_target_tracking_leaves_a_load_between_90_per_cent_and_its_target_alone() -> None:
    run = a_run(FAST, Traffic("between", (95 * 4.0,) * 1800), tasks=4)
    assert changes(run) == []


def test_target_tracking_answers_in_proportion_where_the_metric_shows_all_of_the_load() -> None:
    run = a_run(SLOW, a_surge(10, during=900))
    assert changes(run) == [(2, 12)]


def test_cpu_is_full_at_a_tasks_capacity_so_that_a_large_surge_takes_several_actions() -> None:
    run = a_run(FAST, a_surge(10, during=900))
    assert changes(run)[0] == (2, 3)  # 150 of 100 on two tasks, whatever is sent to them
    assert len(run.actions) > 3
    assert max(run.desired) >= 12


def test_a_scale_out_cooldown_spaces_the_actions_unless_the_surge_grows() -> None:
    run = a_run(FAST, a_surge(10, during=900))
    assert all(later - earlier > 55 for earlier, later in pairwise(times(run)))


def test_in_its_cooldown_a_larger_answer_counts_from_where_the_scale_out_began() -> None:
    # Twice the load asks for one task more; within 300 s of that, ten times the load for many.
    traffic = Traffic("grows", (120.0,) * 60 + (240.0,) * 390 + (1200.0,) * 200)
    answers = 0
    for seed in range(5):
        first, *more = a_run(SLOW, traffic, seed=seed).actions
        assert (first.before, first.after) == (2, 3)
        for action in more:
            assert action.at < first.at + 300
            seen = float(action.why.split()[0])
            assert action.after == math.ceil(first.before * seen / 100)
            answers += 1
    assert answers >= 5


def test_a_scale_in_of_target_tracking_waits_for_its_cooldown() -> None:
    # The load falls further right after the first action, and the alarm stays.
    traffic = Traffic("down", (380.0,) * 60 + (200.0,) * 925 + (20.0,) * 600)
    run = a_run(TargetTracking(a_setup(MinCapacity=1), FAST.name), traffic, tasks=4)
    ins = [action.at for action in run.actions if action.after < action.before]
    assert changes(run) == [(4, 2), (2, 1)]
    assert 300 <= ins[1] - ins[0] < 300 + 60 + 10


@pytest.mark.parametrize("scaler", [CUSTOM_20S, CUSTOM_10S], ids=lambda scaler: scaler.name)
def test_announced_target_tracking_acts_on_three_datapoints_without_a_hidden_delay(
    scaler: TargetTracking,
) -> None:
    period = scaler.kind.period
    runs = [a_run(scaler, a_surge(3, before=60), seed=seed) for seed in range(20)]
    triggers = [times(run)[0] - 60 for run in runs]
    # Three periods over the target; the first may be the one in which the surge begins.
    assert min(triggers) > 2 * period
    assert max(triggers) < 4 * period + 5 + 10 + 6
    assert all(run.actions[0].after >= 4 for run in runs), "the whole load is seen at once"


def test_only_what_is_not_shipped_is_marked_as_announced() -> None:
    assert [name for name in KINDS if name in ANNOUNCED] == [CUSTOM_20S.name, CUSTOM_10S.name]
    assert all(kind.delay(World()) == 0 for name, kind in KINDS.items() if name in ANNOUNCED)


def test_an_action_that_finds_no_datapoint_any_more_changes_nothing() -> None:
    # The alarm repeats its action just before the last datapoint leaves its range.
    for start in range(160, 220, 10):
        world = World(outages=((start, start + 200),), aas_action=exactly(12))
        run = a_run(FAST, a_surge(10, during=500), world=world)
        assert not [at for at in times(run) if start + 140 < at < start + 200]
