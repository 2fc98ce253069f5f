"""The stage: virtual time, what a run is, and the alarms that look at the metric."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from quickstep.engine.model import AlarmState, MetricScope
from quickstep_lab.alarms import MissingData
from quickstep_lab.files import DEFAULT_THRESHOLDS
from quickstep_lab.simulator.compare import all_scalers
from quickstep_lab.simulator.metric import Statistic
from quickstep_lab.simulator.queueing import Latencies
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import (
    START,
    Setup,
    Watch,
    WatchedAlarm,
    alarm_definition,
    statistic,
)
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import Traffic
from tests.builders import HIGH, LOW, a_policy, a_scale_in_policy, a_target
from tests.template.stack import TARGET, deploy
from tests.unit.simulator.worlds import a_run, a_setup, a_stage, a_surge, exactly, play_loads

if TYPE_CHECKING:
    from quickstep_lab.alarms import AlarmDefinition
    from quickstep_lab.simulator.stage import Scaler, Stage

SETUP = a_setup()
OUT, IN = a_policy(HIGH), a_scale_in_policy(LOW)
OK, ALARM, UNKNOWN = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA


# --- virtual time ---------------------------------------------------------------------------------


def test_what_is_planned_happens_in_order_of_time_and_then_of_planning() -> None:
    stage, seen = a_stage(), list[tuple[float, str]]()
    for moment, name in ((5.0, "c"), (1.0, "a"), (5.0, "d"), (2.5, "b"), (9.0, "too late")):
        stage.at(moment, lambda name=name: seen.append((stage.now, name)))  # type: ignore[misc]

    stage.play_until(9)

    assert seen == [(1.0, "a"), (2.5, "b"), (5.0, "c"), (5.0, "d")]
    assert stage.clock == START + timedelta(seconds=9)


def test_what_repeats_does_so_without_end() -> None:
    stage, seen = a_stage(), list[float]()
    stage.every(10, 3, lambda: seen.append(stage.now))
    stage.play_until(40)
    assert seen == [3, 13, 23, 33]


def test_a_change_is_kept_with_the_second_of_the_traffic_and_none_where_nothing_changes() -> None:
    stage = a_stage(2)
    stage.lead = 30
    stage.play_until(42.5)
    stage.scale(2, "the same")
    stage.scale(5, "more")
    assert [(action.at, action.before, action.after) for action in stage.actions] == [(12.5, 2, 5)]
    assert stage.fleet.tasks == 5


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaler", all_scalers(SETUP), ids=lambda scaler: scaler.name)
def test_the_same_arguments_give_the_same_run_and_another_seed_another_one(scaler: Scaler) -> None:
    traffic = a_surge(5)
    first, again, other = (a_run(scaler, traffic, seed=seed) for seed in (7, 7, 8))
    assert first.actions, "nothing was scaled, so there is nothing to compare"
    assert first == again
    assert first.actions != other.actions
    assert first.origin != other.origin


def test_a_run_has_every_second_of_the_traffic_and_nothing_from_before_it() -> None:
    traffic = a_surge(3, before=20, during=100, after=30)
    run = a_run(Quickstep(SETUP), traffic)
    assert len(run.seconds) == len(run.desired) == 150
    assert tuple(second.requests for second in run.seconds) == traffic.requests
    assert all(action.at >= 0 for action in run.actions)
    assert isinstance(run.latencies, Latencies)
    assert sum(run.latencies.counts.values()) == pytest.approx(
        sum(second.requests - second.failed for second in run.seconds)
    )


def test_what_was_done_before_the_traffic_has_its_effect_but_is_not_counted() -> None:
    traffic = Traffic("high all along", (500.0,) * 30)
    runs = [a_run(Quickstep(SETUP), traffic, seed=seed) for seed in range(10)]
    assert max(run.desired[0] for run in runs) > 2
    assert all(action.at >= 0 for run in runs for action in run.actions)


def test_the_traffic_begins_in_any_second_of_a_minute() -> None:
    begins = {a_run(Quickstep(SETUP), a_surge(1, during=0), seed=seed).origin for seed in range(40)}
    seconds = sorted((begin - START).total_seconds() for begin in begins)
    assert len(seconds) > 20
    assert 0 <= seconds[0] < 10
    assert 50 <= seconds[-1] < 60


def test_a_service_that_starts_with_tasks_enough_stays_as_it_is() -> None:
    run = a_run(Quickstep(SETUP), Traffic("steady", (150.0,) * 600))
    assert set(run.desired) == {2}
    assert not run.actions
    assert sum(second.failed for second in run.seconds) == 0


# --- alarms ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class ObservedAlarm(WatchedAlarm):
    """An alarm that keeps when it was evaluated, and its states."""

    evaluated: list[float] = field(default_factory=list)
    states: list[tuple[float, AlarmState]] = field(default_factory=list)

    def evaluate(self, stage: Stage) -> None:
        self.evaluated.append(stage.now)
        WatchedAlarm.evaluate(self, stage)


def observed(definition: AlarmDefinition, stage: Stage) -> ObservedAlarm:
    alarm = ObservedAlarm(definition, Statistic.AVERAGE, lambda _: None)
    alarm.changed = lambda changed: alarm.states.append((stage.now, changed.state))
    alarm.start(stage)
    return alarm


def of_missing(definition: AlarmDefinition, missing: MissingData) -> AlarmDefinition:
    return replace(definition, missing_data=missing)


@pytest.mark.parametrize(("period", "interval"), [(10, 10), (20, 10), (30, 10), (60, 60)])
def test_alarms_of_a_minute_are_evaluated_once_a_minute_others_every_10_s(
    period: int, interval: int
) -> None:
    stage = a_stage()
    alarm = observed(alarm_definition(OUT, 100, period=period), stage)
    stage.play_until(600)
    first, *_ = alarm.evaluated
    assert 0 <= first < interval
    assert alarm.evaluated == pytest.approx([first + interval * n for n in range(600 // interval)])


def test_alarms_are_evaluated_in_phases_of_their_own() -> None:
    firsts = set()
    for seed in range(10):
        stage = a_stage(seed=seed)
        alarm = observed(alarm_definition(OUT, 100), stage)
        stage.play_until(10)
        firsts.add(alarm.evaluated[0])
    assert len(firsts) == 10


@pytest.mark.parametrize(
    ("n", "periods", "states"),
    [
        pytest.param(1, 1, [ALARM, OK], id="1 of 1: one is enough"),
        pytest.param(3, 2, [], id="3 of 3: two are not"),
        pytest.param(3, 3, [ALARM, OK], id="3 of 3: three are"),
    ],
)
def test_as_many_periods_have_to_breach_as_the_alarm_takes(
    n: int, periods: int, states: list[AlarmState]
) -> None:
    stage = a_stage(5)  # one of them publishes in each second
    alarm = observed(alarm_definition(OUT, 100, Watch(periods=n)), stage)
    play_loads(stage, [50] * 100 + [130] * (10 * periods) + [50] * 100)
    assert [state for at, state in alarm.states if at > 60] == states


@pytest.mark.parametrize(
    ("missing", "states"),
    [
        pytest.param(MissingData.MISSING, [UNKNOWN, OK], id="missing"),
        pytest.param(MissingData.IGNORE, [], id="ignore"),
        pytest.param(MissingData.BREACHING, [ALARM, OK], id="breaching"),
        pytest.param(MissingData.NOT_BREACHING, [], id="not breaching"),
    ],
)
def test_an_outage_shows_as_the_alarm_treats_missing_data(
    missing: MissingData, states: list[AlarmState]
) -> None:
    stage = a_stage(2, outages=((100, 200),))
    alarm = observed(of_missing(alarm_definition(OUT, 100), missing), stage)
    play_loads(stage, [50] * 300)

    found = [(at, state) for at, state in alarm.states if at > 60]
    assert [state for _, state in found] == states
    if states:
        # Its last datapoint is evaluated again for the three periods of the evaluation range.
        (lost, _), (back, _) = found
        assert 120 <= lost <= 140
        assert 200 <= back <= 220


def test_a_scaler_learns_that_the_load_cannot_be_seen() -> None:
    world = World(outages=((100, 200),))
    run = a_run(Quickstep(SETUP), Traffic("steady", (150.0,) * 300), world=world)
    seen = {
        str(record.outcome)
        for record in run.records
        if 100 < (record.at - run.origin).total_seconds() < 200
    }
    assert "HELD_NO_DATA" in seen
    assert not run.actions


def test_what_an_alarm_saw_is_what_was_visible_when_it_was_evaluated() -> None:
    stage = a_stage(5, visibility=exactly(3))
    alarm = observed(alarm_definition(OUT, 100), stage)
    play_loads(stage, [50] * 100)
    assert list(alarm.values) == [50]
    assert alarm.newest is not None
    assert stage.now - 20 - 10 <= alarm.newest <= stage.now - 10


def test_alarms_and_thresholds_are_those_of_the_template() -> None:
    stack = deploy(TARGET, ClusterName="prod", ServiceName="web")
    deployed = stack.of_type("AWS::CloudWatch::Alarm").values()
    simulated = [
        alarm_definition(policy, DEFAULT_THRESHOLDS[policy.direction]) for policy in (OUT, IN)
    ]
    assert [
        (
            alarm["Period"],
            float(alarm["Threshold"]),
            alarm["ComparisonOperator"],
            alarm["EvaluationPeriods"],
            alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
            alarm["TreatMissingData"],
        )
        for alarm in deployed
    ] == [
        (
            alarm.period,
            alarm.threshold,
            alarm.comparison,
            alarm.evaluation_periods,
            alarm.datapoints_to_alarm,
            alarm.missing_data,
        )
        for alarm in simulated
    ]


@pytest.mark.parametrize(
    ("scope", "watched"),
    [(MetricScope.PER_TASK, Statistic.AVERAGE), (MetricScope.TOTAL, Statistic.TOTAL)],
)
def test_an_alarm_watches_what_its_policy_is_about(scope: MetricScope, watched: Statistic) -> None:
    assert statistic(a_policy(scope=scope)) is watched


def test_the_load_that_adds_tasks_is_the_lowest_threshold_per_task() -> None:
    per_task = [a_policy(name, scope=MetricScope.PER_TASK) for name in ("early", "late")]
    target = a_target(a_policy("total"), *per_task, a_scale_in_policy(LOW))
    setup = Setup(target, {"total": 10, "early": 80, "late": 120, LOW: 30})
    assert setup.scale_out_threshold == 80
