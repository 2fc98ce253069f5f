"""`templates/drill.yaml`: what it makes fits together, and may do no more than it does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from quickstep.naming import DRILL, ServiceName, parse_alarm_name, parse_drill_name
from quickstep.report.telemetry import report
from quickstep_lab.embedded_aws import REGION
from tests.builders import WEB, a_record
from tests.log_lines import metrics_in, overhear
from tests.template.stack import DRILLS, NO_VALUE, deploy, source

QUEUE = "arn:aws:sqs:us-east-1:123456789012:undelivered"
TOPIC = "arn:aws:sns:us-east-1:123456789012:notifications"
STACK = deploy(DRILLS, DrillTarget=WEB.resource_id, UndeliveredEvents=QUEUE)
ALARMS = STACK.of_type("AWS::CloudWatch::Alarm")
SCHEDULE = STACK.the("AWS::Scheduler::Schedule")
SENT: dict[str, Any] = json.loads(SCHEDULE["Target"]["Input"])


def test_the_schedule_sends_what_put_metric_data_takes() -> None:
    client = boto3.Session(region_name=REGION).client("cloudwatch")

    with Stubber(client) as stub:
        stub.add_response("put_metric_data", {}, SENT)
        client.put_metric_data(**SENT)

    assert SCHEDULE["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:cloudwatch:putMetricData"


def test_the_role_allows_exactly_that_call_and_the_dead_letter() -> None:
    role = STACK.the("AWS::IAM::Role")
    (policy,) = role["Policies"]

    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Sid": "SendThePulse",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": SENT["Namespace"]}},
        },
        {
            "Sid": "SendUndeliveredPulses",
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": SCHEDULE["Target"]["DeadLetterConfig"]["Arn"],
        },
    ]
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    ]


def test_the_pulse_is_what_its_alarm_watches_and_passes_its_threshold() -> None:
    (pulse,) = SENT["MetricData"]
    alarm = ALARMS["Pulse"]

    assert (alarm["Namespace"], alarm["MetricName"]) == (SENT["Namespace"], pulse["MetricName"])
    assert alarm["Dimensions"] == pulse["Dimensions"]
    assert pulse["StorageResolution"] == 1, "or there is no value in a period of 10 s"
    assert pulse["Value"] > alarm["Threshold"]


def test_the_pulse_s_alarm_is_a_drill_s_by_its_name_and_no_policy_s() -> None:
    name = ALARMS["Pulse"]["AlarmName"]

    assert name == WEB.alarm(DRILL)
    assert parse_drill_name(name) == (WEB, DRILL)
    assert parse_alarm_name(name) is None


@pytest.mark.parametrize(
    "policy", ["drill", "drill/high", "pulse", "drill.pulse", "drill-pulse/high"]
)
def test_no_policy_s_alarm_is_taken_for_a_drill_s(policy: str) -> None:
    name = WEB.alarm(policy)

    assert parse_alarm_name(name) == (WEB, policy)
    assert parse_drill_name(name) is None


@pytest.mark.parametrize(
    "name",
    ["quickstep/prod/web/drill/pulse/high", "quickstep/web/drill/pulse", "x/prod/web/drill/pulse"],
)
def test_what_is_called_only_much_like_a_drill_is_none(name: str) -> None:
    assert parse_drill_name(name) is None


def test_the_watching_alarm_goes_by_the_metric_that_a_drill_leaves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = overhear(capsys)
    report(replace(a_record(), drill_latency=timedelta(seconds=12)))
    (watched,) = (one["MetricStat"] for one in ALARMS["MissedDrill"]["Metrics"][1:])

    metric = watched["Metric"]
    emitted = (f"{metric['Namespace']}/{metric['MetricName']}", "ResourceId")
    assert metrics_in(written()) == {emitted: 12_000}
    assert metric["Dimensions"] == [{"Name": "ResourceId", "Value": WEB.resource_id}]


@pytest.mark.parametrize("minutes", source(DRILLS)["Parameters"]["DrillMinutes"]["AllowedValues"])
def test_one_missed_drill_is_seen_and_one_that_is_a_little_late_is_not(minutes: str) -> None:
    stack = deploy(
        DRILLS, DrillTarget=WEB.resource_id, UndeliveredEvents=QUEUE, DrillMinutes=minutes
    )
    alarm = stack.of_type("AWS::CloudWatch::Alarm")["MissedDrill"]
    period = alarm["Metrics"][1]["MetricStat"]["Period"]

    assert stack.the("AWS::Scheduler::Schedule")["ScheduleExpression"] == f"rate({minutes} minutes)"
    between = 60 * int(minutes)
    # The Scheduler's precision is a minute, the decision may take DrillSeconds, its metric minutes.
    assert between + 300 <= period <= 2 * between
    assert period % 60 == 0
    assert period * alarm["EvaluationPeriods"] <= 86_400


@pytest.mark.parametrize(
    ("given", "actions"),
    [
        pytest.param({}, NO_VALUE, id="nobody"),
        pytest.param({"Notifications": TOPIC}, [TOPIC], id="topic"),
    ],
)
def test_a_missed_drill_notifies_a_given_topic(given: dict[str, str], actions: Any) -> None:
    stack = deploy(DRILLS, DrillTarget=WEB.resource_id, UndeliveredEvents=QUEUE, **given)
    alarms = stack.of_type("AWS::CloudWatch::Alarm")

    assert alarms["MissedDrill"].get("AlarmActions", NO_VALUE) == actions
    assert "AlarmActions" not in alarms["Pulse"]


def test_two_services_of_one_name_have_drills_of_their_own() -> None:
    other = ServiceName("stage", "web")
    stack = deploy(DRILLS, DrillTarget=other.resource_id, UndeliveredEvents=QUEUE)

    assert stack.of_type("AWS::CloudWatch::Alarm")["Pulse"]["AlarmName"] == other.alarm(DRILL)
