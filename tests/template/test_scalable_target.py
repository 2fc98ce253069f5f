"""`templates/scalable-target.yaml`: its alarms and its policy document belong together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern
from samcli.yamlhelper import yaml_dump  # type: ignore[import-untyped]

from quickstep.config import parse_target
from quickstep.engine.model import MetricScope, TargetPolicy
from quickstep.loop.schedules import read_action
from quickstep.naming import parse_alarm_name
from quickstep_cli.owners import TAG
from tests.builders import HIGH, LOW, NOW, ROOT, WEB, example_document, load_event
from tests.template.stack import DASHBOARD, SCALER, STORED, TARGET, Stack, deploy, refusals, source

if TYPE_CHECKING:
    from pathlib import Path

    from quickstep.engine.model import ScalableTarget

STACK = deploy(TARGET, ClusterName=WEB.cluster, ServiceName=WEB.service)


def document(stack: Stack = STACK) -> Any:
    return json.loads(stack.the("AWS::SSM::Parameter")["Value"])


def alarms(stack: Stack = STACK) -> dict[str, dict[str, Any]]:
    """Return the alarms by name; a period that a parameter gives is a number to CloudFormation."""
    return {
        alarm["AlarmName"]: {
            key: int(value) if key == "Period" else value for key, value in alarm.items()
        }
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
    }


def test_the_default_document_is_the_example() -> None:
    assert document() == example_document()


def test_the_document_is_valid_and_found_under_its_service_s_name() -> None:
    parameter = STACK.the("AWS::SSM::Parameter")

    assert parse_target(parameter["Value"]).resource_id == WEB.resource_id
    assert parameter["Name"] == WEB.parameter
    assert parameter["Type"] == "String"
    assert len(parameter["Value"]) < 4096, "more would need the paid tier"


def test_parameters_arrive_in_the_document() -> None:
    stack = deploy(
        TARGET,
        ClusterName="blue-1",
        ServiceName="api_v2",
        MinCapacity="0",
        MaxCapacity="5",
        ScaleOutCooldown="0",
        ScaleInCooldown="90",
        WarmupSeconds="60",
        PublishSeconds="5",
        DryRun="true",
    )

    target = parse_target(stack.the("AWS::SSM::Parameter")["Value"])
    assert target.resource_id == "service/blue-1/api_v2"
    assert (target.min_capacity, target.max_capacity) == (0, 5)
    assert [policy.cooldown for policy in target.step_policies] == [0, 90]
    assert (target.warmup_seconds, target.publish_seconds) == (60, 5)
    assert target.dry_run


def test_every_alarm_drives_a_policy_and_every_policy_has_an_alarm() -> None:
    driven = [parse_alarm_name(name) for name in alarms()]

    assert driven == [(WEB, HIGH), (WEB, LOW)]
    target = parse_target(STACK.the("AWS::SSM::Parameter")["Value"])
    assert {policy.name for policy in target.policies} == {HIGH, LOW}


def test_the_scaler_s_rule_matches_every_alarm() -> None:
    pattern = deploy(SCALER).the("AWS::Events::Rule")["EventPattern"]
    rule = EventPattern(json.dumps(pattern), pattern)

    for name in alarms():
        event: Any = load_event("alarm-high-step1")
        event["detail"]["alarmName"] = name
        assert rule.matches_event(event)


@pytest.mark.parametrize("policy", [HIGH, LOW])
def test_an_alarm_reads_the_load_of_one_task_every_ten_seconds(policy: str) -> None:
    alarm = alarms()[WEB.alarm(policy)]

    assert (alarm["Namespace"], alarm["MetricName"]) == ("Quickstep/prod/web", "RequestsPerSecond")
    assert (alarm["Statistic"], alarm["Period"]) == ("Average", 10)
    assert alarm["Dimensions"] == [
        {"Name": "ClusterName", "Value": WEB.cluster},
        {"Name": "ServiceName", "Value": WEB.service},
    ]


def test_the_sample_events_are_of_these_alarms_in_a_namespace_of_their_own() -> None:
    stack = deploy(TARGET, ClusterName="prod", ServiceName="web", Namespace="MyApp/Performance")
    for name in ("alarm-high-step1", "alarm-low"):
        detail = load_event(name)["detail"]
        alarm = alarms(stack)[detail["alarmName"]]
        (metric,) = detail["configuration"]["metrics"]
        reason = json.loads(detail["state"]["reasonData"])
        assert metric["metricStat"]["period"] == alarm["Period"]
        assert metric["metricStat"]["metric"]["name"] == alarm["MetricName"]
        assert metric["metricStat"]["metric"]["namespace"] == alarm["Namespace"]
        assert reason["threshold"] == float(alarm["Threshold"])


def test_one_high_datapoint_scales_out_and_silence_is_seen_as_such() -> None:
    alarm = alarms()[WEB.alarm(HIGH)]

    assert (alarm["EvaluationPeriods"], alarm["ComparisonOperator"]) == (1, "GreaterThanThreshold")
    assert alarm["Threshold"] == "100"
    assert alarm["TreatMissingData"] == "missing"


def test_scaling_in_takes_half_a_minute_of_low_load_and_silence_is_not_low() -> None:
    alarm = alarms()[WEB.alarm(LOW)]

    assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == 3
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == ("30", "LessThanThreshold")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_by_default_scaling_in_cannot_cause_scaling_out() -> None:
    """Of two tasks or more, the removal of one at most doubles the load of the others."""
    parameters = source(TARGET)["Parameters"]

    low, high = (parameters[f"Scale{way}Threshold"]["Default"] for way in ("In", "Out"))
    assert 2 * low < high


# One number

ONE_NUMBER = deploy(TARGET, ClusterName=WEB.cluster, ServiceName=WEB.service, TargetValue="100")


def target_of(stack: Stack) -> ScalableTarget:
    return parse_target(stack.the("AWS::SSM::Parameter")["Value"])


def test_one_number_makes_one_target_policy_that_leaves_everything_else_to_its_defaults() -> None:
    target = target_of(ONE_NUMBER)

    assert target == replace(target_of(STACK), policies=(TargetPolicy("request-rate", 100.0),))


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        pytest.param({}, "request-rate", id="the load that the publisher counts"),
        pytest.param({"Metric": "Utilization"}, "Utilization", id="another metric"),
    ],
)
def test_one_number_makes_the_alarm_of_its_policy_and_no_other(
    given: dict[str, str], policy: str
) -> None:
    stack = deploy(
        TARGET, ClusterName=WEB.cluster, ServiceName=WEB.service, TargetValue="100", **given
    )

    (alarm,) = alarms(stack).values()
    (tracking,) = target_of(stack).policies
    assert tracking.name == policy
    assert parse_alarm_name(alarm["AlarmName"]) == (WEB, tracking.alarm)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == ("100", "GreaterThanThreshold")
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (10, 1)
    assert "DatapointsToAlarm" not in alarm
    assert alarm["TreatMissingData"] == "missing"


def test_the_alarm_of_one_number_reads_what_those_of_steps_read() -> None:
    read = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period")
    (alarm,) = alarms(ONE_NUMBER).values()

    assert [alarm[key] for key in read] == [alarms()[WEB.alarm(HIGH)][key] for key in read]


@pytest.mark.parametrize("path", [SCALER, TARGET], ids=lambda path: str(path.stem))
def test_new_services_publish_whole_seconds(path: Path) -> None:
    parameter = source(path)["Parameters"]["PublishSeconds"]

    assert (parameter["Default"], parameter["MinValue"], parameter["MaxValue"]) == (1, 1, 60)
    assert target_of(STACK).publish_seconds == target_of(ONE_NUMBER).publish_seconds == 1


@pytest.mark.parametrize(
    ("metric", "number", "policy"),
    [
        pytest.param(
            "Utilization", "0.6", TargetPolicy("Utilization", 0.6), id="a share, both ways"
        ),
        pytest.param(
            "QueueTime",
            "50",
            TargetPolicy("QueueTime", 50.0, disable_scale_in=True),
            id="milliseconds, which only add tasks",
        ),
    ],
)
def test_a_signal_of_full_tasks_is_a_number_in_its_own_unit(
    metric: str, number: str, policy: TargetPolicy
) -> None:
    given = {"ClusterName": WEB.cluster, "ServiceName": WEB.service, "Metric": metric}
    stack = deploy(TARGET, **given, TargetValue=number)

    assert target_of(stack).policies == (policy,)
    assert float(stack.the("AWS::CloudWatch::Alarm")["Threshold"]) == float(number)
    assert refusals(TARGET, **given, TargetValue=number) == []
    assert refusals(TARGET, **given) == [
        "with Utilization or QueueTime as Metric, give TargetValue, e.g. 0.6 or 50"
    ]


@pytest.mark.parametrize("number", ["", "60"])
def test_every_alarm_watches_the_metric_that_is_given(number: str) -> None:
    stack = deploy(
        TARGET,
        ClusterName=WEB.cluster,
        ServiceName=WEB.service,
        TargetValue=number,
        Metric="Utilization",
    )

    assert {alarm["MetricName"] for alarm in alarms(stack).values()} == {"Utilization"}


@pytest.mark.parametrize("number", ["0.5", "100", "999999999.999999"])
def test_a_number_that_the_template_takes_is_the_target_and_the_threshold(number: str) -> None:
    given = {"ClusterName": WEB.cluster, "ServiceName": WEB.service, "TargetValue": number}
    assert refusals(TARGET, **given) == []
    stack = deploy(TARGET, **given)

    assert target_of(stack).policies == (TargetPolicy("request-rate", float(number)),)
    assert float(stack.the("AWS::CloudWatch::Alarm")["Threshold"]) == float(number)


# Signals

SERVICE = {"ClusterName": WEB.cluster, "ServiceName": WEB.service}
OF_THE_SERVICE = [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "web"}]
GROUP = "TargetGroup=targetgroup/web/73e2d6bc24d8a067"
BALANCER = "LoadBalancer=app/web/50dc6c495c0c9188"


def as_cloudformation_reads(node: Any) -> Any:
    """Return a resource with its numbers as texts: to CloudFormation, 10 and "10" are the same."""
    if isinstance(node, dict):
        return {key: as_cloudformation_reads(value) for key, value in node.items()}
    if isinstance(node, list):
        return [as_cloudformation_reads(value) for value in node]
    return str(node) if isinstance(node, int) and not isinstance(node, bool) else node


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param({}, "by-steps", id="by steps"),
        pytest.param({"TargetValue": "100"}, "one-number", id="one number"),
        pytest.param({"TargetValue": "0.6", "Metric": "Utilization"}, "utilization", id="share"),
    ],
)
def test_a_stack_without_a_signal_is_what_it_was_before_there_were_signals(
    given: dict[str, str], kept: str
) -> None:
    """The resources kept were made by the template before it had any of these parameters."""
    before = json.loads((ROOT / f"tests/template/resources/{kept}.json").read_text("utf-8"))

    made = {
        name: {key: resource[key] for key in ("Type", "Properties")}
        for name, resource in deploy(TARGET, **SERVICE, **given).resources.items()
    }

    # Whose the document is has been said since; a tag changes nothing that is in force.
    assert made["PolicyDocumentParameter"]["Properties"].pop("Tags") == {TAG: "stack"}
    assert as_cloudformation_reads(made) == as_cloudformation_reads(before)


@pytest.mark.parametrize("path", [SCALER, DASHBOARD, TARGET], ids=lambda path: str(path.stem))
def test_a_template_can_be_given_inline(path: Path) -> None:
    """CloudFormation takes 51,200 bytes in a call, of what SAM has built: a tenth of it is left."""
    assert len(yaml_dump(source(path)).encode()) <= 46_080


@dataclass(frozen=True)
class Watched:
    """What an alarm watches, and the policy that it drives."""

    policy: TargetPolicy
    metric: tuple[str, str]
    statistic: tuple[str, int]
    dimensions: list[dict[str, str]] = field(default_factory=lambda: OF_THE_SERVICE)


def dimension(text: str) -> dict[str, str]:
    name, value = text.split("=")
    return {"Name": name, "Value": value}


SIGNALS = [
    pytest.param(
        {"Signal": "cpu", "TargetValue": "60"},
        Watched(TargetPolicy("cpu", 60.0), ("AWS/ECS", "CPUUtilization"), ("Average", 20)),
        id="cpu",
    ),
    pytest.param(
        {"Signal": "memory", "TargetValue": "70"},
        Watched(TargetPolicy("memory", 70.0), ("AWS/ECS", "MemoryUtilization"), ("Average", 20)),
        id="memory",
    ),
    pytest.param(
        {"Signal": "requests-per-target", "TargetValue": "6000", "Dimensions": GROUP},
        Watched(
            TargetPolicy("requests-per-target", 6000.0),
            ("AWS/ApplicationELB", "RequestCountPerTarget"),
            ("Sum", 60),
            [dimension(GROUP)],
        ),
        id="requests per target",
    ),
    pytest.param(
        {"Signal": "response-time", "TargetValue": "0.3", "Dimensions": f"{BALANCER},{GROUP}"},
        Watched(
            TargetPolicy("response-time", 0.3, disable_scale_in=True),
            ("AWS/ApplicationELB", "TargetResponseTime"),
            ("Average", 60),
            [dimension(BALANCER), dimension(GROUP)],
        ),
        id="response time only adds tasks",
    ),
    pytest.param(
        {"Signal": "queue-depth", "TargetValue": "20", "Dimensions": "QueueName=jobs"},
        Watched(
            TargetPolicy("queue-depth", 20.0, MetricScope.TOTAL),
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
            ("Average", 60),
            [dimension("QueueName=jobs")],
        ),
        id="queue depth, of the whole service",
    ),
    pytest.param(
        {
            "Metric": "OpenOrders",
            "Namespace": "Shop",
            "TargetValue": "40",
            "HalvesWhenTasksDouble": "no",
            "Statistic": "Maximum",
            "Period": "30",
            "Dimensions": "Shop=de,Kind=express,Stage=prod",
        },
        Watched(
            TargetPolicy("OpenOrders", 40.0, MetricScope.TOTAL),
            ("Shop", "OpenOrders"),
            ("Maximum", 30),
            [dimension("Shop=de"), dimension("Kind=express"), dimension("Stage=prod")],
        ),
        id="a number of one's own, of the whole service",
    ),
]


@pytest.mark.parametrize(("given", "watched"), SIGNALS)
def test_a_signal_makes_the_alarm_and_the_policy_that_go_together(
    given: dict[str, str], watched: Watched
) -> None:
    assert refusals(TARGET, **SERVICE, **given) == []
    stack = deploy(TARGET, **SERVICE, **given)

    (alarm,) = alarms(stack).values()
    assert target_of(stack).policies == (watched.policy,)
    assert parse_alarm_name(alarm["AlarmName"]) == (WEB, watched.policy.alarm)
    assert float(alarm["Threshold"]) == watched.policy.target_value
    assert (alarm["Namespace"], alarm["MetricName"]) == watched.metric
    assert (alarm["Statistic"], alarm["Period"]) == watched.statistic
    assert alarm["Dimensions"] == watched.dimensions


def test_metric_math_is_over_the_signal_s_metric_and_a_second_one_beside_it() -> None:
    given = {
        "Signal": "queue-depth",
        "TargetValue": "20",
        "Dimensions": "QueueName=jobs",
        "Expression": "m1 + m2",
        "SecondMetric": "ApproximateNumberOfMessagesNotVisible",
    }
    assert refusals(TARGET, **SERVICE, **given) == []

    alarm = deploy(TARGET, **SERVICE, **given).the("AWS::CloudWatch::Alarm")

    def stat(metric: str) -> Any:
        watched = {"Namespace": "AWS/SQS", "MetricName": metric}
        watched["Dimensions"] = [dimension("QueueName=jobs")]  # type: ignore[assignment]
        return {"Metric": watched, "Stat": "Average", "Period": 60}

    assert alarm["Metrics"] == [
        {"Id": "result", "Expression": "m1 + m2", "ReturnData": True},
        {
            "Id": "m1",
            "ReturnData": False,
            "MetricStat": stat("ApproximateNumberOfMessagesVisible"),
        },
        {
            "Id": "m2",
            "ReturnData": False,
            "MetricStat": stat("ApproximateNumberOfMessagesNotVisible"),
        },
    ]
    assert not {"MetricName", "Namespace", "Statistic", "Period", "Dimensions"} & alarm.keys()
    assert alarm["AlarmName"] == WEB.alarm("queue-depth/high")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(
            {"Signal": "cpu"},
            "Signal, Dimensions, HalvesWhenTasksDouble, Statistic, Period and Expression go with "
            "TargetValue",
            id="no number",
        ),
        pytest.param(
            {"Signal": "none"},
            "Signal none makes no alarm, so it goes with Document, and without TargetValue",
            id="no alarm and no document",
        ),
        pytest.param(
            {"Signal": "none", "Document": "{}", "TargetValue": "20"},
            "Signal none makes no alarm, so it goes with Document, and without TargetValue",
            id="a number for no alarm",
        ),
        pytest.param(
            {"Signal": "queue-depth", "TargetValue": "20"},
            "with this Signal, give Dimensions, e.g. QueueName=jobs",
            id="no queue",
        ),
        pytest.param(
            {"TargetValue": "20", "SecondMetric": "Other"},
            "SecondMetric is m2 of Expression, e.g. 100 * m1 / m2",
            id="a metric too many",
        ),
        pytest.param(
            {"Signal": "queue-depth", "TargetValue": "20", "Dimensions": "jobs"},
            "Dimensions: 'jobs'",
            id="no name of a dimension",
        ),
    ],
)
def test_half_a_signal_is_refused(given: dict[str, str], why: str) -> None:
    assert refusals(TARGET, **SERVICE, **given) == [why]


# A document of one's own


def test_a_document_of_queues_alone_has_no_alarm() -> None:
    document = (ROOT / "examples" / "policies" / "queue.json").read_text(encoding="utf-8")
    given = {"Document": document, "Signal": "none"}
    assert refusals(TARGET, **SERVICE, **given) == []

    stack = deploy(TARGET, **SERVICE, **given)
    assert stack.resources.keys() == {"PolicyDocumentParameter"}
    assert stack.the("AWS::SSM::Parameter")["Value"] == document


TUNED = json.dumps({**example_document(), "WarmupSeconds": 90, "PublishSeconds": 10})


@pytest.mark.parametrize("stack", [STACK, ONE_NUMBER], ids=["by steps", "one number"])
def test_a_document_is_stored_as_it_is_given_and_the_alarms_stay(stack: Stack) -> None:
    number = "100" if stack is ONE_NUMBER else ""
    given = {"ClusterName": WEB.cluster, "ServiceName": WEB.service, "TargetValue": number}
    assert refusals(TARGET, **given, Document=TUNED) == []

    stored = deploy(TARGET, **given, Document=TUNED)

    assert stored.the("AWS::SSM::Parameter")["Value"] == TUNED
    assert alarms(stored) == alarms(stack)


def test_the_alarms_of_one_number_are_those_of_the_example_with_one_number() -> None:
    text = (ROOT / "examples" / "policies" / "one-number.json").read_text(encoding="utf-8")
    stack = deploy(TARGET, ClusterName="prod", ServiceName="web", TargetValue="100", Document=text)

    assert list(alarms(stack)) == [WEB.alarm(policy.alarm) for policy in target_of(stack).policies]


# Schedules

WITH_SCHEDULES = {
    "ClusterName": WEB.cluster,
    "ServiceName": WEB.service,
    "OffHoursStart": "cron(0 20 ? * MON-FRI *)",
    "OffHoursEnd": "cron(0 7 ? * MON-FRI *)",
    "ExpectedTrafficStart": "cron(50 8 ? * MON-FRI *)",
    "ExpectedTrafficEnd": "cron(0 10 ? * MON-FRI *)",
    "ScheduleTimeZone": "Europe/Berlin",
}


def actions(stack: Stack) -> dict[str, Any]:
    """Return what each schedule sends, as the Scheduler fills it in."""
    return {
        name: json.loads(
            schedule["Target"]["Input"].replace(
                "<aws.scheduler.scheduled-time>", "2026-11-22T10:00:12Z"
            )
        )
        for name, schedule in stack.of_type("AWS::Scheduler::Schedule").items()
    }


def test_without_a_start_there_is_no_schedule() -> None:
    assert not STACK.of_type("AWS::Scheduler::Schedule")


def test_off_hours_and_expected_traffic_begin_and_end_by_the_clocks_of_the_time_zone() -> None:
    assert refusals(TARGET, **WITH_SCHEDULES) == []
    schedules = deploy(TARGET, **WITH_SCHEDULES).of_type("AWS::Scheduler::Schedule")

    assert {name: one["ScheduleExpression"] for name, one in schedules.items()} == {
        "OffHoursBegin": "cron(0 20 ? * MON-FRI *)",
        "OffHoursOver": "cron(0 7 ? * MON-FRI *)",
        "ExpectedTrafficBegin": "cron(50 8 ? * MON-FRI *)",
        "ExpectedTrafficOver": "cron(0 10 ? * MON-FRI *)",
    }
    for schedule in schedules.values():
        assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        target = schedule["Target"]
        assert target["Arn"] == "Schedule.Arn"
        assert target["RoleArn"] == "SchedulerRole.Arn"
        assert target["DeadLetterConfig"] == {"Arn": "UndeliveredEvents.Arn"}


def test_what_the_schedules_send_is_what_the_function_reads() -> None:
    read = {
        name: read_action(action, NOW)
        for name, action in actions(deploy(TARGET, **WITH_SCHEDULES)).items()
    }

    off, over = read["OffHoursBegin"], read["OffHoursOver"]
    assert (off.service, off.name, over.name) == (WEB, "off-hours", "off-hours")
    assert (off.min_capacity, off.max_capacity, (off.until - off.at).days) == (1, 2, 3)
    assert over.until == over.at
    more = read["ExpectedTrafficBegin"]
    assert (more.name, more.min_capacity, more.max_capacity) == ("expected-traffic", 10, None)
    assert read["ExpectedTrafficOver"].name == more.name


def test_in_a_region_without_a_scaler_the_stack_is_refused_by_the_parameter_s_name() -> None:
    """CloudFormation looks the parameter up before it makes anything."""
    parameter = source(TARGET)["Parameters"]["Scaler"]

    assert parameter["Type"] == STORED
    assert parameter["Default"] == deploy(SCALER).the("AWS::SSM::Parameter")["Name"]
    assert "Fn::ImportValue" not in TARGET.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"OffHoursEnd": ""}, "OffHoursStart and OffHoursEnd go together", id="end"),
        pytest.param({"OffHoursEnd": "7:00"}, "OffHoursEnd: '7:00'", id="no cron"),
        pytest.param(
            {"ExpectedTrafficStart": ""},
            "ExpectedTrafficStart and ExpectedTrafficEnd go together",
            id="start",
        ),
        pytest.param({"ScheduleTimeZone": "Mars Time"}, "ScheduleTimeZone: 'Mars Time'", id="zone"),
        pytest.param({"OffHoursLongest": "3 days"}, "OffHoursLongest: '3 days'", id="span"),
    ],
)
def test_half_a_schedule_is_refused(change: dict[str, str], why: str) -> None:
    (refused,) = refusals(TARGET, **{**WITH_SCHEDULES, **change})

    assert refused.startswith(why)
