"""One policy of AAS becomes one for each way that it scales, in each state that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep_cli.step_import import runs
from quickstep_cli.taken import TakeOver, TakeOverError
from quickstep_cli.takeover import take_over
from tests.builders import WEB

ARN = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1-2:resource/ecs"
TARGET = {
    "MinCapacity": 1,
    "MaxCapacity": 20,
    "SuspendedState": {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": True,
        "ScheduledScalingSuspended": True,
    },
}


def arn_of(name: str, resource: str = WEB.resource_id) -> str:
    return f"{ARN}/{resource}:policyName/{name}"


def a_policy(
    name: str, *steps: tuple[float | None, float | None, int], kind: str = "ChangeInCapacity"
) -> dict[str, Any]:
    keys = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    return {
        "PolicyName": name,
        "PolicyARN": arn_of(name),
        "PolicyType": "StepScaling",
        "ResourceId": WEB.resource_id,
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": kind,
            "StepAdjustments": [dict(zip(keys, step, strict=True)) for step in steps],
        },
        "Alarms": [{"AlarmName": "load"}],
    }


def an_alarm(**changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": "load",
        "AlarmActions": [],
        "OKActions": [],
        "Namespace": "Shop",
        "MetricName": "Orders",
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 50.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing",
        **changes,
    }


def taken(policy: dict[str, Any], **changes: Any) -> TakeOver:
    return take_over(WEB, TARGET, [policy], {"load": an_alarm(**changes)}, dry_run=True)


def ways(made: TakeOver) -> dict[str, list[tuple[float | None, float | None, int]]]:
    """Return the steps of each policy, by its direction and name."""
    keys = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    return {
        f"{group[5:-8].lower()} {name}": [
            tuple(step.get(key) for key in keys) for step in body["StepAdjustments"]
        ]
        for group in ("ScaleOutPolicies", "ScaleInPolicies")
        for name, body in made.document.get(group, {}).items()
    }


BOTH = a_policy("p", (None, -10, -2), (-10, 0, -1), (0, 10, 1), (10, None, 3))
IN_ALARM, IN_OK = {"AlarmActions": [arn_of("p")]}, {"OKActions": [arn_of("p")]}


@pytest.mark.parametrize(
    ("policy", "alarm", "expected"),
    [
        pytest.param(BOTH, IN_ALARM, {"out p": [(0, 10, 1), (10, None, 3)]}, id="above: what adds"),
        pytest.param(
            BOTH, IN_OK, {"in p": [(None, -10, -2), (-10, 0, -1)]}, id="below: what removes"
        ),
        pytest.param(
            BOTH,
            IN_ALARM | IN_OK,
            {
                "out p-out": [(0, 10, 1), (10, None, 3)],
                "in p-ok-in": [(None, -10, -2), (-10, 0, -1)],
            },
            id="above and below: one policy each",
        ),
        pytest.param(
            BOTH,
            {**IN_ALARM, "ComparisonOperator": "LessThanThreshold"},
            {"in p": [(None, -10, -2), (-10, 0, -1)]},
            id="an alarm that fires below",
        ),
        pytest.param(
            a_policy("p", (None, 10, 2)),
            IN_ALARM | IN_OK,
            {"out p-out": [(0, 10, 2)], "out p-ok-out": [(None, 0, 2)]},
            id="a step on both sides is cut at the threshold",
        ),
        pytest.param(
            a_policy("p", (0, None, 5), kind="ExactCapacity"),
            IN_ALARM,
            {"out p-out": [(0, None, 5)], "in p-in": [(0, None, 5)]},
            id="an exact capacity adds and removes",
        ),
        pytest.param(
            a_policy("p", (None, 0, 0), kind="ExactCapacity"),
            IN_OK,
            {"in p": [(None, 0, 0)]},
            id="an exact capacity of 0 only removes",
        ),
        pytest.param(
            BOTH,
            {},
            {"out p": [(0, 10, 1), (10, None, 3)]},
            id="no action names it: in ALARM",
        ),
    ],
)
def test_the_states_and_the_signs_say_which_way_a_policy_goes(
    policy: dict[str, Any],
    alarm: dict[str, Any],
    expected: dict[str, list[tuple[float | None, float | None, int]]],
) -> None:
    assert ways(taken(policy, **alarm)) == expected


@pytest.mark.parametrize(
    ("alarm", "opposite"),
    [
        pytest.param({}, ("LessThanOrEqualToThreshold", 1, "missing"), id="greater"),
        pytest.param(
            {"ComparisonOperator": "GreaterThanOrEqualToThreshold"},
            ("LessThanThreshold", 1, "missing"),
            id="greater or equal",
        ),
        pytest.param(
            {"ComparisonOperator": "LessThanThreshold"},
            ("GreaterThanOrEqualToThreshold", 1, "missing"),
            id="less",
        ),
        pytest.param(
            {"ComparisonOperator": "LessThanOrEqualToThreshold"},
            ("GreaterThanThreshold", 1, "missing"),
            id="less or equal",
        ),
        pytest.param(
            {"EvaluationPeriods": 3},
            ("LessThanOrEqualToThreshold", 1, "missing"),
            id="3 of 3 are OK as soon as one is",
        ),
        pytest.param(
            {"EvaluationPeriods": 5, "DatapointsToAlarm": 2},
            ("LessThanOrEqualToThreshold", 4, "missing"),
            id="2 of 5 are OK when 4 are",
        ),
        pytest.param(
            {"TreatMissingData": "notBreaching"},
            ("LessThanOrEqualToThreshold", 1, "breaching"),
            id="what is missing is OK",
        ),
        pytest.param(
            {"TreatMissingData": "breaching"},
            ("LessThanOrEqualToThreshold", 1, "notBreaching"),
            id="what is missing is a breach",
        ),
        pytest.param(
            {"TreatMissingData": "ignore"},
            ("LessThanOrEqualToThreshold", 1, "ignore"),
            id="what is missing changes nothing",
        ),
    ],
)
def test_an_ok_action_gets_the_opposite_alarm(
    alarm: dict[str, Any], opposite: tuple[str, int, str]
) -> None:
    policy = a_policy("p", (None, 0, -1), (0, None, -1))

    (made,) = taken(policy, **IN_OK, **alarm).alarms

    keys = ("ComparisonOperator", "DatapointsToAlarm", "TreatMissingData")
    assert tuple(made[key] for key in keys) == opposite
    assert (made["AlarmDescription"], made["Threshold"]) == ("OK of load", 50.0)


@pytest.mark.parametrize(
    ("action", "is_run"),
    [
        pytest.param(arn_of("p"), True, id="its ARN"),
        pytest.param(arn_of("p").replace("1-2", "3"), True, id="its name and service"),
        pytest.param(arn_of("p", "service/prod/api"), False, id="of another service"),
        pytest.param(arn_of("q"), False, id="another policy"),
        pytest.param("arn:aws:autoscaling:us-east-1:1:scalingPolicy:x", True, id="shortened"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:p", False, id="a topic"),
        pytest.param("arn:aws:automate:us-east-1:ec2:stop", False, id="something of EC2"),
    ],
)
def test_an_action_is_a_policy_s_by_its_arn(action: str, is_run: object) -> None:
    assert runs(action, BOTH) is is_run


def test_two_ways_of_one_alarm_have_an_alarm_each() -> None:
    made = taken(BOTH, **IN_ALARM, **IN_OK)

    assert [alarm["AlarmName"] for alarm in made.alarms] == [
        "quickstep/prod/web/p-out",
        "quickstep/prod/web/p-ok-in",
    ]
    assert made.by_steps == ["p-out", "p-ok-in"]


def test_a_policy_that_no_name_is_left_for_is_an_error() -> None:
    taken_already: dict[str, Any] = {"p": {}, **{f"p-{number}": {} for number in range(2, 60)}}
    groups = {"ScaleOutPolicies": taken_already, "ScaleInPolicies": {}}
    made = TakeOver(WEB, {**groups, "TargetTrackingPolicies": {}})

    with pytest.raises(TakeOverError, match=r"^service/prod/web: no name is left for p$"):
        made.name("p")
