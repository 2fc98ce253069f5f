"""Which alarms a document asks for: thresholds that change, new ones, and those that are left."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep.config import read_target
from quickstep_cli.alarm_plan import AlarmPlan, PlanError, plan_alarms
from tests.builders import HIGH, LOW, WEB, a_document

METRIC = {
    "Namespace": "MyApp",
    "MetricName": "RequestsPerSecond",
    "Dimensions": [{"Name": "ServiceName", "Value": "web"}],
    "Statistic": "Average",
    "Period": 10,
}


def an_alarm(name: str, threshold: float | None, **changes: Any) -> dict[str, Any]:
    alarm = {
        "AlarmName": WEB.alarm(name),
        "AlarmActions": ["arn:mine"],
        **METRIC,
        "EvaluationPeriods": 1,
        "StateValue": "OK",
        **changes,
    }
    return alarm if threshold is None else {**alarm, "Threshold": threshold}


BOTH = [an_alarm(HIGH, 100.0), an_alarm(LOW, 30.0)]
ONE_NUMBER = {"TargetTrackingPolicies": {"request-rate": {"TargetValue": 98}}}


def steps() -> dict[str, Any]:
    return a_document()


def a_target_document() -> dict[str, Any]:
    return {**a_document(ScaleOutPolicies=None, ScaleInPolicies=None), **ONE_NUMBER}


def planned(
    document: dict[str, Any], there: list[dict[str, Any]], **thresholds: float
) -> AlarmPlan:
    named = {name.replace("_", "-"): value for name, value in thresholds.items()}
    return plan_alarms(WEB, read_target(document), there, named)


def test_alarms_that_are_right_stay_as_they_are() -> None:
    assert planned(steps(), BOTH) == AlarmPlan()
    assert planned(steps(), BOTH, high_request_rate=100) == AlarmPlan()


def test_a_threshold_changes_and_nothing_else_does() -> None:
    plan = planned(steps(), BOTH, high_request_rate=98.5)

    assert plan.put == ({**BOTH[0], "Threshold": 98.5},)
    assert plan.delete == ()
    assert plan.lines == ("quickstep/prod/web/high-request-rate: threshold 100 becomes 98.5",)


def test_one_number_in_place_of_steps_is_a_new_alarm_on_the_same_metric() -> None:
    plan = planned(a_target_document(), BOTH)

    assert plan.put == (
        {
            "AlarmName": "quickstep/prod/web/request-rate/high",
            **METRIC,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "Threshold": 98.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "missing",
        },
    )
    assert plan.delete == (WEB.alarm(HIGH), WEB.alarm(LOW))
    assert plan.lines == (
        "quickstep/prod/web/request-rate/high: new, with a threshold of 98",
        "quickstep/prod/web/high-request-rate: deleted, because no policy in the document uses it",
        "quickstep/prod/web/low-request-rate: deleted, because no policy in the document uses it",
    )


def test_steps_in_place_of_one_number_are_two_alarms() -> None:
    there = [an_alarm("request-rate/high", 98.0)]

    plan = planned(steps(), there, high_request_rate=100, low_request_rate=30)

    evaluated = [
        (
            alarm["AlarmName"],
            alarm["Threshold"],
            alarm["ComparisonOperator"],
            alarm["EvaluationPeriods"],
            alarm["DatapointsToAlarm"],
            alarm["TreatMissingData"],
        )
        for alarm in plan.put
    ]
    assert evaluated == [
        (WEB.alarm(HIGH), 100, "GreaterThanThreshold", 1, 1, "missing"),
        (WEB.alarm(LOW), 30, "LessThanThreshold", 3, 3, "notBreaching"),
    ]
    assert plan.delete == (WEB.alarm("request-rate/high"),)


def test_a_target_value_is_its_alarm_s_threshold() -> None:
    plan = planned(a_target_document(), [an_alarm("request-rate/high", 100.0)])

    assert [alarm["Threshold"] for alarm in plan.put] == [98.0]
    assert planned(a_target_document(), [an_alarm("request-rate/high", 98.0)]) == AlarmPlan()


def test_alarms_of_others_are_left_alone() -> None:
    others = [
        {**an_alarm(HIGH, 1.0), "AlarmName": name}
        for name in ("mine", "quickstep/prod/api/high-request-rate", WEB.alarm("a/b/c"))
    ]

    assert planned(steps(), [*others, *BOTH]) == AlarmPlan()


@pytest.mark.parametrize(
    ("there", "why"),
    [
        pytest.param(
            [],
            "the alarms of service/prod/web watch no metric yet: make the alarms of a new policy "
            "first",
            id="no alarm",
        ),
        pytest.param(
            [BOTH[0], an_alarm(LOW, 30.0, MetricName="Backlog")],
            "the alarms of service/prod/web watch 2 different metrics: make the alarms of a new "
            "policy first",
            id="two metrics",
        ),
    ],
)
def test_what_a_new_alarm_is_to_watch_is_never_guessed(
    there: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(PlanError) as refused:
        planned(a_target_document(), there)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    "there", [[], [an_alarm(HIGH, None)]], ids=["no alarm", "anomaly detection"]
)
def test_a_threshold_is_never_guessed(there: list[dict[str, Any]]) -> None:
    with pytest.raises(PlanError) as refused:
        planned(steps(), there)
    assert str(refused.value) == (
        "high-request-rate: its alarm has no threshold yet; pass --threshold "
        "high-request-rate=VALUE"
    )
