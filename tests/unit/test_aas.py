"""The model of Application Auto Scaling beside the numbers of its own documentation."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep_cli.aas import Answer, Case, answer, state_of, states_that_run

ARN = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/prod/web"
GREATER, LESS = "GreaterThanThreshold", "LessThanThreshold"
FREE = ("LessThanOrEqualToThreshold", "GreaterThanOrEqualToThreshold")


def a_policy(
    name: str,
    *steps: tuple[float | None, float | None, int],
    kind: str = "ChangeInCapacity",
    **body: Any,
) -> dict[str, Any]:
    keys = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    return {
        "PolicyName": name,
        "PolicyARN": f"{ARN}:policyName/{name}",
        "ResourceId": "service/prod/web",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": kind,
            "StepAdjustments": [dict(zip(keys, step, strict=True)) for step in steps],
            **body,
        },
        "Alarms": [{"AlarmName": "load"}],
    }


def an_alarm(
    way: str = GREATER, *, ok: str = "", alarm: str = "", **changes: Any
) -> dict[str, Any]:
    return {
        "AlarmName": "load",
        "ComparisonOperator": way,
        "Threshold": 50.0,
        "EvaluationPeriods": 1,
        "AlarmActions": [f"{ARN}:policyName/{alarm}"] if alarm else [],
        "OKActions": [f"{ARN}:policyName/{ok}"] if ok else [],
        **changes,
    }


def after(policy: dict[str, Any], alarm: dict[str, Any], value: float, capacity: int) -> int:
    return asked([policy], alarm, [value], capacity).capacity


def asked(
    policies: list[dict[str, Any]],
    alarm: dict[str, Any],
    values: list[float],
    capacity: int,
    *,
    by_side: bool = False,
) -> Answer:
    case = Case((0, 100), policies, {"load": alarm}, {"load": values})
    return answer(case, capacity, by_side=by_side)


OUT = a_policy("out", (0, 10, 0), (10, 20, 10), (20, None, 30), kind="PercentChangeInCapacity")
IN = a_policy("in", (-10, 0, 0), (-20, -10, -10), (None, -20, -30), kind="PercentChangeInCapacity")


@pytest.mark.parametrize(
    ("metric", "before", "capacity"),
    [(55, 10, 10), (60, 10, 11), (70, 11, 14), (45, 14, 14), (40, 14, 13), (30, 13, 10)],
)
def test_the_guide_s_worked_example(metric: float, before: int, capacity: int) -> None:
    policy, alarm = (OUT, an_alarm()) if metric > 50 else (IN, an_alarm(LESS))

    assert after(policy, alarm, metric, before) == capacity


@pytest.mark.parametrize(
    ("policy", "before", "capacity"),
    [
        pytest.param(a_policy("p", (0, None, 5)), 3, 8, id="ChangeInCapacity"),
        pytest.param(a_policy("p", (0, None, 5), kind="ExactCapacity"), 3, 5, id="exact, up"),
        pytest.param(a_policy("p", (0, None, 5), kind="ExactCapacity"), 8, 5, id="exact, down"),
        pytest.param(
            a_policy("p", (0, None, 25), kind="PercentChangeInCapacity", MinAdjustmentMagnitude=2),
            *(4, 6),
            id="MinAdjustmentMagnitude",
        ),
        pytest.param(
            a_policy("p", (0, None, 127), kind="PercentChangeInCapacity"), 10, 22, id="12.7 is 12"
        ),
        pytest.param(
            a_policy("p", (0, None, 67), kind="PercentChangeInCapacity"), 1, 2, id="0.67 is 1"
        ),
        pytest.param(
            a_policy("p", (0, None, -58), kind="PercentChangeInCapacity"), 1, 0, id="-0.58 is -1"
        ),
        pytest.param(
            a_policy("p", (0, None, -29), kind="PercentChangeInCapacity"), 23, 17, id="-6.67 is -6"
        ),
        pytest.param(a_policy("p", (0, None, 500)), 3, 100, id="the maximum"),
        pytest.param(a_policy("p", (0, None, -500)), 3, 0, id="the minimum"),
    ],
)
def test_the_documented_arithmetic(policy: dict[str, Any], before: int, capacity: int) -> None:
    assert after(policy, an_alarm(), 60, before) == capacity


@pytest.mark.parametrize(
    ("way", "value", "added"),
    [
        pytest.param(FREE[0], 50, 1, id="below, at the threshold: the upper bound is inclusive"),
        pytest.param(FREE[0], 45, 3, id="below, at a bound: the lower one is exclusive"),
        pytest.param(FREE[0], 45.5, 1, id="below, between"),
        pytest.param(FREE[1], 50, 5, id="above, at the threshold: the lower bound is inclusive"),
        pytest.param(FREE[1], 60, 7, id="above, at a bound: the upper one is exclusive"),
    ],
)
def test_which_bound_is_inclusive_depends_on_the_side(way: str, value: float, added: int) -> None:
    policy = a_policy("p", (None, -5, 3), (-5, 0, 1), (0, 10, 5), (10, None, 7))

    assert after(policy, an_alarm(way), value, 10) == 10 + added


def test_of_several_policies_the_largest_capacity_is_provided() -> None:
    three = a_policy("three", (0, None, 3))
    double = a_policy("double", (0, None, 200), kind="PercentChangeInCapacity")

    assert asked([three, double], an_alarm(), [60], 10) == Answer(30)


def test_a_policy_runs_in_the_states_whose_actions_name_it() -> None:
    up, down = a_policy("up", (0, None, 3)), a_policy("down", (None, 0, -1))
    alarm = an_alarm(alarm="up", ok="down")

    assert (states_that_run(up, alarm), states_that_run(down, alarm)) == ({"ALARM"}, {"OK"})
    for value, capacity in ((60, 13), (50, 9), (40, 9)):
        assert asked([up, down], alarm, [value], 10).capacity == capacity


def test_a_policy_that_runs_and_has_no_step_is_named() -> None:
    assert asked([a_policy("p", (5, None, 1))], an_alarm(), [52], 4) == Answer(4, ("p",))


def test_an_alarm_whose_actions_are_disabled_runs_nothing() -> None:
    assert after(a_policy("p", (0, None, 3)), an_alarm(ActionsEnabled=False), 60, 4) == 4


@pytest.mark.parametrize(
    ("kind", "capacity"), [("Average", 11), ("Minimum", 14), ("Maximum", 12), (None, 11)]
)
def test_datapoints_are_aggregated(kind: str | None, capacity: int) -> None:
    policy = a_policy("p", (0, 5, 4), (5, 10, 1), (10, None, 2), MetricAggregationType=kind)
    alarm = an_alarm(EvaluationPeriods=2)

    assert asked([policy], alarm, [51, 62], 10).capacity == capacity


@pytest.mark.parametrize(("by_side", "capacity"), [(False, 10), (True, 11)])
def test_with_quickstep_only_the_datapoints_that_breach_count(by_side: bool, capacity: int) -> None:
    alarm = an_alarm(EvaluationPeriods=3, DatapointsToAlarm=2)

    found = asked([a_policy("p", (0, None, 1))], alarm, [60, 20, 60], 10, by_side=by_side)

    assert found.capacity == capacity


@pytest.mark.parametrize(
    ("changes", "values", "state"),
    [
        pytest.param({}, [51], "ALARM", id="above"),
        pytest.param({}, [50], "OK", id="at the threshold"),
        pytest.param({"ComparisonOperator": FREE[1]}, [50], "ALARM", id="or equal"),
        pytest.param({"EvaluationPeriods": 3}, [60, 40, 60], "OK", id="2 of 3, where 3 are needed"),
        pytest.param(
            {"EvaluationPeriods": 3, "DatapointsToAlarm": 2}, [60, 40, 60], "ALARM", id="2 of 3"
        ),
        pytest.param({}, [60, 40], "OK", id="the newest counts"),
        pytest.param({}, [], "INSUFFICIENT_DATA", id="missing"),
        pytest.param({"TreatMissingData": "breaching"}, [], "ALARM", id="missing is a breach"),
        pytest.param({"TreatMissingData": "notBreaching"}, [], "OK", id="missing is none"),
    ],
)
def test_the_state_of_an_alarm(changes: dict[str, Any], values: list[float], state: str) -> None:
    assert state_of(an_alarm(**changes), values) == state
