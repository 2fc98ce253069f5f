"""From Application Auto Scaling: its documentation's own policies, decided alike afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.config import read_target
from quickstep.naming import parse_alarm_name
from quickstep_cli.explain import answer
from quickstep_cli.takeover import cloudformation, take_over
from quickstep_cli.tracking_import import Tracking, seen_after
from tests.builders import WEB

if TYPE_CHECKING:
    from quickstep_cli.taken import TakeOver

TARGET: dict[str, Any] = {
    "ResourceId": WEB.resource_id,
    "MinCapacity": 1,
    "MaxCapacity": 100,
    "SuspendedState": {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": True,
        "ScheduledScalingSuspended": False,
    },
}


def a_step(lower: float | None, upper: float | None, adjustment: int) -> dict[str, Any]:
    step = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
    given = {key: value for key, value in step.items() if value is not None}
    return {**given, "ScalingAdjustment": adjustment}


def a_step_policy(
    name: str,
    *steps: dict[str, Any],
    kind: str = "PercentChangeInCapacity",
    alarms: tuple[str, ...] | None = None,
    **body: Any,
) -> dict[str, Any]:
    named = (f"{name}-alarm",) if alarms is None else alarms
    return {
        "PolicyARN": f"arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:{name}",
        "PolicyName": name,
        "ServiceNamespace": "ecs",
        "ResourceId": WEB.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": kind,
            "StepAdjustments": list(steps),
            **body,
        },
        "Alarms": [{"AlarmName": one, "AlarmARN": f"arn:{one}"} for one in named],
    }


def an_alarm(name: str, way: str = "Greater", **changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}",
        "AlarmActions": ["arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:x"],
        "Namespace": "MyApp",
        "MetricName": "Load",
        "Dimensions": [],
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 50.0,
        "ComparisonOperator": f"{way}ThanThreshold",
        "TreatMissingData": "missing",
        "StateValue": "OK",
        **changes,
    }


# The policies of "Step scaling policies overview", Application Auto Scaling User Guide.
OUT = a_step_policy("out", a_step(0, 10, 0), a_step(10, 20, 10), a_step(20, None, 30))
IN = a_step_policy("in", a_step(-10, 0, 0), a_step(-20, -10, -10), a_step(None, -20, -30))
ALARMS = {
    "out-alarm": an_alarm("out-alarm"),
    "in-alarm": an_alarm("in-alarm", "Less"),
}


def taken(*policies: dict[str, Any], dry_run: bool = False, **alarms: dict[str, Any]) -> TakeOver:
    known = {**ALARMS, **alarms}
    return take_over(WEB, TARGET, policies, known, dry_run=dry_run)


def tracked(
    policy: dict[str, Any],
    tracking: Tracking = Tracking.TARGET,
    *,
    high_resolution: bool = False,
) -> TakeOver:
    return take_over(
        WEB,
        TARGET,
        [policy],
        {},
        dry_run=True,
        tracking=tracking,
        high_resolution=high_resolution,
    )


def by_steps(policy: dict[str, Any]) -> TakeOver:
    return tracked(policy, Tracking.STEPS)


def explained(document: dict[str, Any], policy: str, metric: float, capacity: int) -> Any:
    case = {
        "target": document,
        "now": "2026-11-22T10:00:00Z",
        "service": {
            "desired": capacity,
            "running": capacity,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarms": {policy: {"state": "ALARM", "threshold": 50, "datapoints": [metric]}},
        "history": {"scale_out": None, "scale_in": None},
        "override": None,
        "pause": None,
    }
    return json.loads(json.dumps(answer(json.dumps(case))))


@pytest.mark.parametrize(
    ("policy", "metric", "before", "after"),
    [
        ("out", 55, 10, 10),
        ("out", 60, 10, 11),
        ("out", 70, 11, 14),
        ("in", 45, 10, 10),
        ("in", 40, 14, 13),
        ("in", 30, 13, 10),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "dry run"])
def test_aws_s_worked_example_is_decided_as_aws_documents_it(
    policy: str, metric: float, before: int, after: int, *, dry_run: bool
) -> None:
    made = taken(OUT, IN, dry_run=dry_run)

    decided = explained(made.document, policy, metric, before)

    assert (decided["from"], decided["granted"]) == (before, after)
    if dry_run and before != after:
        assert decided["outcome"] == "WOULD_SCALE"


@pytest.mark.parametrize(
    ("policy", "metric", "before", "after"),
    [
        pytest.param(
            a_step_policy("out", a_step(0, None, 5), kind="ChangeInCapacity"),
            *(60, 3, 8),
            id="ChangeInCapacity +5 of 3",
        ),
        pytest.param(
            a_step_policy("out", a_step(0, None, 5), kind="ExactCapacity"),
            *(60, 3, 5),
            id="ExactCapacity 5 of 3",
        ),
        pytest.param(
            a_step_policy("out", a_step(0, None, 10)), 60, 10, 11, id="PercentChange +10 % of 10"
        ),
        pytest.param(
            a_step_policy("out", a_step(0, None, 25), MinAdjustmentMagnitude=2),
            *(60, 4, 6),
            id="MinAdjustmentMagnitude 2, +25 % of 4",
        ),
        pytest.param(
            a_step_policy(
                "out",
                *(a_step(0, 15, 10), a_step(15, 25, 30), a_step(25, None, 40)),
                kind="ChangeInCapacity",
            ),
            *(65, 10, 40),
            id="60 % 10 units, 75 % 30 units",
        ),
    ],
)
def test_aws_s_other_numbers_are_decided_as_aws_documents_them(
    policy: dict[str, Any], metric: float, before: int, after: int
) -> None:
    made = taken(policy)

    (name,) = made.document["ScaleOutPolicies"]
    assert explained(made.document, name, metric, before)["granted"] == after


def test_of_two_policies_the_largest_capacity_wins_as_with_aws() -> None:
    three = a_step_policy("three", a_step(0, None, 3), kind="ChangeInCapacity")
    double = a_step_policy("double", a_step(0, None, 200))
    alarms = {f"{name}-alarm": an_alarm(f"{name}-alarm") for name in ("three", "double")}
    made = take_over(WEB, TARGET, [three, double], alarms, dry_run=False)
    case_of_three = explained(made.document, "three", 60, 10)
    case_of_double = explained(made.document, "double", 60, 10)

    assert (case_of_three["granted"], case_of_double["granted"]) == (13, 30)


def test_alarms_are_carried_over_under_names_that_tie_them_to_their_policies() -> None:
    made = taken(OUT, IN)

    assert [alarm["AlarmName"] for alarm in made.alarms] == [
        "quickstep/prod/web/out",
        "quickstep/prod/web/in",
    ]
    for alarm in made.alarms:
        named = parse_alarm_name(alarm["AlarmName"])
        assert named is not None
        assert "AlarmActions" not in alarm
        assert (alarm["Threshold"], alarm["Period"]) == (50.0, 10)
    assert made.warnings == []


def test_a_policy_of_two_alarms_becomes_two_policies() -> None:
    policy = a_step_policy("out", a_step(0, None, 10), alarms=("cpu", "load"))

    made = taken(policy, cpu=an_alarm("cpu"), load=an_alarm("load"))

    assert list(made.document["ScaleOutPolicies"]) == ["out-cpu", "out-load"]
    assert len(made.alarms) == 2


def test_names_that_are_not_allowed_here_are_changed_and_reported() -> None:
    policy = a_step_policy("scale out (prod)!", a_step(0, None, 10), alarms=("a",))

    made = taken(policy, a=an_alarm("a"))

    assert list(made.document["ScaleOutPolicies"]) == ["scale-out-prod"]
    assert "scale out (prod)! is called scale-out-prod here" in made.notes


def test_an_m_out_of_n_alarm_is_carried_over_and_reported() -> None:
    some = an_alarm("out-alarm", EvaluationPeriods=5, DatapointsToAlarm=3)

    made = take_over(WEB, TARGET, [OUT], {"out-alarm": some}, dry_run=True)

    assert made.alarms[0]["DatapointsToAlarm"] == 3
    (note,) = [one for one in made.notes if "of 5" in one]
    assert note.startswith("out: its alarm goes to ALARM by 3 of 5 datapoints: the step is chosen")
    assert made.warnings == []


def test_an_alarm_of_all_datapoints_needs_no_note() -> None:
    cases: list[dict[str, Any]] = [{}, {"DatapointsToAlarm": 5}]
    for changes in cases:
        alarm = an_alarm("out-alarm", EvaluationPeriods=5, **changes)
        made = take_over(WEB, TARGET, [OUT], {"out-alarm": alarm}, dry_run=True)
        assert not any("of 5" in note for note in made.notes)


def test_a_cpu_average_is_a_value_per_task() -> None:
    cpu = an_alarm("out-alarm", Namespace="AWS/ECS", MetricName="CPUUtilization", Period=60)

    made = take_over(WEB, TARGET, [OUT], {"out-alarm": cpu}, dry_run=True)

    assert made.document["ScaleOutPolicies"]["out"]["MetricScope"] == "PerTask"
    assert any("period of 60 s" in note for note in made.notes)


@pytest.mark.parametrize(
    ("suspended", "warned"),
    [
        pytest.param({}, "in and out", id="nothing is suspended"),
        pytest.param({"DynamicScalingInSuspended": True}, "out", id="one way is"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False], ids=["beside a dry run", "beside us"])
def test_while_aas_still_acts_that_is_said_and_in_the_way_of_what_is_no_dry_run(
    suspended: dict[str, bool], warned: str, *, dry_run: bool
) -> None:
    target = {**TARGET, "SuspendedState": suspended}

    made = take_over(WEB, target, [OUT], ALARMS, dry_run=dry_run)

    said = (
        f"Application Auto Scaling still scales {warned}: out. Two scalers undo each other: keep "
        "DryRun, or suspend it first (register-scalable-target --suspended-state "
        "DynamicScalingInSuspended=true,DynamicScalingOutSuspended=true,"
        "ScheduledScalingSuspended=true)"
    )
    assert said in (made.notes if dry_run else made.warnings)
    assert (made.warnings == []) is dry_run


@pytest.mark.parametrize(
    ("policy", "alarm", "warning"),
    [
        pytest.param(OUT, None, "its alarm out-alarm was not found", id="no such alarm"),
        pytest.param(
            OUT,
            an_alarm("out-alarm", ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold"),
            "no fixed threshold",
            id="anomaly detection",
        ),
        pytest.param(
            a_step_policy("out", a_step(0, 10, -1), a_step(10, None, 5), kind="ChangeInCapacity"),
            an_alarm("out-alarm"),
            "it adds and removes on the same side of the threshold of out-alarm",
            id="both ways on one side",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_a_warning(
    policy: dict[str, Any], alarm: dict[str, Any] | None, warning: str
) -> None:
    made = take_over(WEB, TARGET, [policy], {"out-alarm": alarm} if alarm else {}, dry_run=True)

    assert any(warning in one for one in made.warnings)


def tracking(**body: Any) -> dict[str, Any]:
    return {
        "PolicyName": "cpu50",
        "ResourceId": WEB.resource_id,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50.0, **body},
        "Alarms": [{"AlarmName": "TargetTracking-service/prod/web-AlarmHigh", "AlarmARN": "x"}],
    }


CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}


# --- target tracking as steps ---------------------------------------------------------------------


def test_target_tracking_is_explained_and_steps_are_proposed() -> None:
    made = by_steps(tracking(**CPU, ScaleOutCooldown=60))

    assert any("target tracking has no steps" in note for note in made.notes)
    out = made.document["ScaleOutPolicies"]["cpu50-out"]
    assert (out["Cooldown"], out["MetricScope"]) == (60, "PerTask")
    assert [step["ScalingAdjustment"] for step in out["StepAdjustments"]] == [10, 25, 50, 100]
    high, low = made.alarms
    assert (high["Namespace"], high["MetricName"], high["Threshold"]) == (
        "AWS/ECS",
        "CPUUtilization",
        50.0,
    )
    assert low["Threshold"] == 45.0
    assert read_target(made.document).max_capacity == 100


@pytest.mark.parametrize(
    ("load", "capacity", "after"),
    [
        pytest.param(54, 10, 11, id="8 % above asks for 11"),
        pytest.param(62, 10, 12, id="24 % above asks for 13, and percents are truncated"),
        pytest.param(74, 10, 15, id="48 % above asks for 15"),
        pytest.param(99, 10, 20, id="98 % above asks for 20"),
    ],
)
def test_the_proposed_steps_reach_what_tracking_would(
    load: float, capacity: int, after: int
) -> None:
    made = by_steps(tracking(**CPU))

    assert explained(made.document, "cpu50-out", load, capacity)["granted"] == after


@pytest.mark.parametrize(
    ("body", "metric", "statistic"),
    [
        pytest.param(
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": "app/lb/778d41231b141a0f/targetgroup/tg/943f017f100becff",
                }
            },
            "RequestCountPerTarget",
            "Sum",
            id="load balancer",
        ),
        pytest.param(
            {
                "CustomizedMetricSpecification": {
                    "MetricName": "Backlog",
                    "Namespace": "MyApp",
                    "Statistic": "Average",
                }
            },
            "Backlog",
            "Average",
            id="customized",
        ),
        pytest.param(
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ECSServiceAverageCPUUtilizationHighResolution"
                }
            },
            "CPUUtilization",
            "Average",
            id="20 s",
        ),
    ],
)
def test_the_metric_of_target_tracking_is_found(
    body: dict[str, Any], metric: str, statistic: str
) -> None:
    made = by_steps(tracking(**body, DisableScaleIn=True))

    (alarm,) = made.alarms
    assert (alarm["MetricName"], alarm["Statistic"]) == (metric, statistic)
    assert "ScaleInPolicies" not in made.document


def test_a_metric_that_is_not_known_is_a_warning() -> None:
    made = tracked(tracking(PredefinedMetricSpecification={"PredefinedMetricType": "New"}))

    assert made.alarms == []
    assert made.warnings == [
        (
            "cpu50: its metric New is not known here; it was not carried over: make a target "
            "policy on the metric you mean"
        )
    ]


# --- target tracking as a target policy -----------------------------------------------------------

ALB = {
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "ALBRequestCountPerTarget",
        "ResourceLabel": "app/lb/778d41231b141a0f/targetgroup/tg/943f017f100becff",
    }
}


def custom(statistic: str = "Average") -> dict[str, Any]:
    metric = {"MetricName": "Backlog", "Namespace": "MyApp", "Statistic": statistic}
    return {"CustomizedMetricSpecification": metric}


def ecs(kind: str) -> dict[str, Any]:
    return {"PredefinedMetricSpecification": {"PredefinedMetricType": f"ECSServiceAverage{kind}"}}


def math_of(statistic: str) -> dict[str, Any]:
    metric = {"Namespace": "MyApp", "MetricName": "Backlog"}
    queries = [
        {
            "Id": "m1",
            "MetricStat": {"Metric": metric, "Stat": statistic},
            "ReturnData": False,
        },
        {"Id": "e1", "Expression": "m1 / 2", "ReturnData": True},
    ]
    return {"CustomizedMetricSpecification": {"Metrics": queries}}


def test_target_tracking_becomes_a_target_policy_on_one_alarm() -> None:
    given = {"ScaleOutCooldown": 60, "ScaleInCooldown": 0, "DisableScaleIn": False}

    made = tracked(tracking(**CPU, **given))

    assert made.document == {
        "ResourceId": WEB.resource_id,
        "MinCapacity": 1,
        "MaxCapacity": 100,
        "TargetTrackingPolicies": {
            "cpu50": {"TargetValue": 50.0, "MetricScope": "PerTask", **given}
        },
        "DryRun": True,
    }
    assert made.alarms == [
        {
            "AlarmName": "quickstep/prod/web/cpu50/high",
            "Namespace": "AWS/ECS",
            "MetricName": "CPUUtilization",
            "Dimensions": [
                {"Name": "ClusterName", "Value": "prod"},
                {"Name": "ServiceName", "Value": "web"},
            ],
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 50.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "missing",
        }
    ]
    (policy,) = read_target(made.document).policies
    assert parse_alarm_name(made.alarms[0]["AlarmName"]) == (WEB, policy.alarm)
    assert made.warnings == []


RESTS = (
    "cpu50: AAS removes tasks after 15 minutes below 90% of the target; here a task goes once it "
    "has been idle for 120 s (ScaleInWindow), and later if it was soon needed again"
)
COOLDOWNS = [
    "cpu50: no ScaleOutCooldown is given, which means 300 s to AAS and 0 s here",
    "cpu50: no ScaleInCooldown is given, which means 300 s to AAS and 30 s here",
]
BOTH_GIVEN = {"ScaleOutCooldown": 60, "ScaleInCooldown": 60}
IN_A_MINUTE = (
    "cpu50: twice the target's load is seen after 82 s (22 to 142 s; 1 of 1 datapoints of 60 s); "
    "with --tracking steps after 202 s (142 to 262 s; 3 of 3 datapoints of 60 s). Both are modelled"
)
SLOW = "cpu50: AAS itself scaled out after 363 s in AWS's own test of 60-s metrics, June 2026"


@pytest.mark.parametrize(
    ("body", "high_resolution", "period", "notes"),
    [
        pytest.param(
            {**CPU, **BOTH_GIVEN},
            True,
            60,
            [
                RESTS,
                IN_A_MINUTE,
                SLOW,
                (
                    "cpu50: once the service's 20-s metrics are switched on "
                    "(monitoring.metricConfigurations), its alarm can have a period of 20 s"
                ),
            ],
            id="CPU by the minute",
        ),
        pytest.param(
            ecs("CPUUtilizationHighResolution"),
            False,
            20,
            [
                *COOLDOWNS,
                RESTS,
                (
                    "cpu50: twice the target's load is seen after 23 s (8 to 38 s; 1 of 1 "
                    "datapoints of 20 s); with --tracking steps after 63 s (48 to 78 s; 3 of 3 "
                    "datapoints of 20 s). Both are modelled"
                ),
                (
                    "cpu50: AAS itself scaled out after 86 s in AWS's own test of 20-s metrics, "
                    "June 2026"
                ),
            ],
            id="CPU each 20 s, and the cooldowns of AAS's default",
        ),
        pytest.param(
            {**ALB, "DisableScaleIn": True, "ScaleOutCooldown": 0},
            True,
            60,
            [
                "cpu50: DisableScaleIn is carried over: it never removes a task",
                IN_A_MINUTE,
                SLOW,
                "cpu50: the load balancer publishes once a minute; no alarm on it is faster",
            ],
            id="the load balancer's, out only",
        ),
        pytest.param(
            {**custom(), **BOTH_GIVEN},
            True,
            10,
            [
                RESTS,
                (
                    "cpu50: twice the target's load is seen after 15 s (5 to 25 s; 1 of 1 "
                    "datapoints of 10 s); with --tracking steps after 202 s (142 to 262 s; 3 of 3 "
                    "datapoints of 60 s). Both are modelled"
                ),
                SLOW,
            ],
            id="a custom metric of high resolution",
        ),
        pytest.param(
            {**custom(), **BOTH_GIVEN},
            False,
            60,
            [
                RESTS,
                IN_A_MINUTE,
                SLOW,
                (
                    "cpu50: if its metric is published with StorageResolution 1, --high-resolution "
                    "gives its alarm 10 s"
                ),
            ],
            id="a custom metric that may be of high resolution",
        ),
        pytest.param(
            {**custom("Sum"), **BOTH_GIVEN},
            True,
            60,
            [
                RESTS,
                IN_A_MINUTE,
                SLOW,
                ("cpu50: a Sum over 10 s differs from one over 60 s, so its alarm stays at 60 s"),
            ],
            id="a custom sum",
        ),
    ],
)
def test_what_each_form_means_in_seconds_is_said(
    body: dict[str, Any], period: int, notes: list[str], *, high_resolution: bool
) -> None:
    made = tracked(tracking(**body), high_resolution=high_resolution)

    (alarm,) = made.alarms
    assert alarm["Period"] == period
    assert made.notes == notes


@pytest.mark.parametrize(
    ("statistic", "period"), [pytest.param("Average", 10, id="an average"), ("SampleCount", 60)]
)
def test_metric_math_has_its_period_in_every_query(statistic: str, period: int) -> None:
    made = tracked(tracking(**math_of(statistic)), high_resolution=True)

    metric, expression = made.alarms[0]["Metrics"]
    assert metric["MetricStat"]["Period"] == expression["Period"] == period
    assert "Period" not in metric


@pytest.mark.parametrize(
    ("period", "datapoints", "seconds"),
    [
        pytest.param(60, 1, (21.5, 81.5, 141.5), id="the example"),
        pytest.param(60, 3, (141.5, 201.5, 261.5), id="three of them"),
        pytest.param(30, 1, (11.5, 31.5, 51.5), id="evaluated each 10 s"),
    ],
)
def test_when_a_surge_is_seen_is_a_sum_of_clocks(
    period: int, datapoints: int, seconds: tuple[float, float, float]
) -> None:
    assert seen_after(period, datapoints) == pytest.approx(seconds)


def test_by_steps_the_target_s_seconds_are_said_beside() -> None:
    made = by_steps(tracking(**CPU))

    assert "TargetTrackingPolicies" not in made.document
    assert (
        "cpu50: twice the target's load is seen after 202 s (142 to 262 s; 3 of 3 datapoints of 60 "
        "s); with --tracking target after 82 s (22 to 142 s; 1 of 1 datapoints of 60 s). Both are "
        "modelled"
    ) in made.notes


def test_by_steps_the_period_is_aas_s_however_fast_the_metric_is() -> None:
    made = tracked(tracking(**custom()), Tracking.STEPS, high_resolution=True)

    assert [(alarm["Period"], alarm["EvaluationPeriods"]) for alarm in made.alarms] == [
        (60, 3),
        (60, 15),
    ]


@pytest.mark.parametrize("target_first", [True, False], ids=["target first", "steps first"])
def test_steps_and_a_target_of_one_name_are_told_apart(*, target_first: bool) -> None:
    out = a_step_policy("cpu50", a_step(0, None, 10), alarms=("out-alarm",))
    policies = [out, tracking(**CPU)]
    names = ["cpu50", "cpu50-2"]

    made = taken(*(reversed(policies) if target_first else policies))

    steps, target = reversed(names) if target_first else names
    assert list(made.document["ScaleOutPolicies"]) == [steps]
    assert list(made.document["TargetTrackingPolicies"]) == [target]
    assert "cpu50 is called cpu50-2 here" in made.notes
    assert {alarm["AlarmName"] for alarm in made.alarms} == {
        WEB.alarm(steps),
        WEB.alarm(f"{target}/high"),
    }
    read_target(made.document)


def test_what_is_said_of_steps_is_said_only_where_there_are_some() -> None:
    said = [any("steps count from" in n for n in taken(p).notes) for p in (OUT, tracking(**CPU))]

    assert said == [True, False]


@pytest.mark.parametrize(
    ("load", "after"),
    [
        pytest.param(50, 10, id="as targeted"),
        pytest.param(75, 15, id="half as much again"),
        pytest.param(100, 20, id="twice as much"),
    ],
)
def test_the_target_policy_sizes_in_one_step(load: float, after: int) -> None:
    made = tracked(tracking(**custom()), high_resolution=True)
    document = {**made.document, "DryRun": False}

    assert explained(document, "cpu50/high", load, 10)["granted"] == after


def test_the_template_has_the_document_and_the_alarms() -> None:
    template = cloudformation(taken(OUT, IN))

    kinds = [one["Type"] for one in template["Resources"].values()]
    assert kinds == ["AWS::SSM::Parameter", *["AWS::CloudWatch::Alarm"] * 2]
    document = template["Resources"]["PolicyDocument"]["Properties"]
    assert document["Name"] == WEB.parameter
    assert read_target(json.loads(document["Value"])).resource_id == WEB.resource_id


@pytest.mark.parametrize(
    ("suspended", "said"),
    [
        pytest.param({"DynamicScalingInSuspended": True}, "in", id="in"),
        pytest.param({"DynamicScalingOutSuspended": True}, "out", id="out"),
        pytest.param({}, "", id="neither"),
        pytest.param(
            {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True},
            "",
            id="both, as for a take-over",
        ),
    ],
)
def test_a_direction_that_is_suspended_alone_is_named(
    suspended: dict[str, bool], said: str
) -> None:
    made = take_over(WEB, {**TARGET, "SuspendedState": suspended}, [OUT], ALARMS, dry_run=True)

    sentence = (
        f"DynamicScaling{said.title()}Suspended is true, so AAS does not scale {said} now; that is "
        f"not carried over: `quickstep pause --direction scale-{said}` does so for a while"
    )
    assert [note for note in made.notes if "Suspended is true" in note] == [sentence][: bool(said)]


def test_a_document_that_is_too_large_for_a_free_parameter_is_written_in_one_line() -> None:
    steps = [a_step(2 * n, 2 * n + 2 if n < 19 else None, n) for n in range(20)]
    policies = [a_step_policy(f"out-{n}", *steps, alarms=("out-alarm",)) for n in range(4)]

    (small, large) = (taken(*policies[:1]), taken(*policies))

    assert ("\n" in small.text, "\n" in large.text) == (True, False)
    stored = cloudformation(large)["Resources"]["PolicyDocument"]["Properties"]
    assert (len(large.text) > 4096, stored["Tier"], stored["Value"]) == (
        True,
        "Advanced",
        large.text,
    )
