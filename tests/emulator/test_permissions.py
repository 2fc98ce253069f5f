"""Each permission of the deployed roles, taken away once: every time a record says so, aloud."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.aws.dynamodb import DynamoTargets
from quickstep.fields import write_moment
from quickstep.naming import ServiceName, parse_resource_id
from quickstep.protocol.messages import Heartbeat, Heartbeats, Message, Request, write_message
from quickstep.protocol.polls import Poll, Survey
from quickstep_lab.embedded_aws import REGION, Account, create_service, put_policy
from quickstep_lab.event_source import sqs_event
from tests.emulator.scene import ACCOUNT, QUEUE, TARGET, a_policy, invoke, soon
from tests.emulator.server import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_sqs.type_defs import MessageTypeDef

JOBS = ServiceName("prod", "jobs")

Event = Callable[[Stack, ServiceName], Any]


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission of a deployed role, what needs it, and how it is missed."""

    role: str
    statement: str
    action: str
    function: str
    event: Event
    loud: str = "FAILED_DENIED"
    """The outcome of a decision, recorded at the level ERROR and counted by an alarm; or ERROR, the
    function's, counted by an alarm, its event kept in a dead-letter queue; or what WIDGET shows."""

    def __str__(self) -> str:
        return f"{self.role}-{self.statement}-{self.action}"


ERROR = "ERROR"
WIDGET = "WIDGET"


def heartbeat(_stack: Stack, _service: ServiceName) -> Any:
    return {"heartbeat": {}}


def message(stack: Stack, content: Any, queue: str = "RechecksQueue") -> Any:
    """Return a message of one of the scaler's queues as Lambda hands it on."""
    name = stack.outputs[queue].rsplit("/", 1)[-1]
    body = content if isinstance(content, str) else json.dumps(write_message(Message(content)))
    received: MessageTypeDef = {"MessageId": "1", "ReceiptHandle": "1", "Body": body}
    received["MD5OfBody"] = "1"
    return sqs_event(f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", [received])


def a_request(stack: Stack, service: ServiceName) -> Any:
    return message(stack, Request(service, uuid.uuid4().hex, datetime.now(UTC), "a test", 3))


def a_look_at_its_queue(stack: Stack, _service: ServiceName) -> Any:
    return message(stack, Request(JOBS, uuid.uuid4().hex, datetime.now(UTC), "a test"))


def a_look_at_a_queue_not_seen_before(stack: Stack, _service: ServiceName) -> Any:
    """A function keeps the URL of a queue that it has seen."""
    stack.account.client("sqs").create_queue(QueueName=f"{QUEUE}-new")
    name = ServiceName("prod", "new-jobs")
    make_target(stack.account, name, QueuePolicies=a_queue(f"{QUEUE}-new"))
    return message(stack, Request(name, uuid.uuid4().hex, datetime.now(UTC), "a test"))


def a_survey(stack: Stack, _service: ServiceName) -> Any:
    return message(stack, Survey())


def a_poll(stack: Stack, _service: ServiceName) -> Any:
    return message(stack, Poll(datetime.now(UTC), {JOBS: (QUEUE,)}, 1))


def a_look_after_it_has_gone(stack: Stack, service: ServiceName) -> Any:
    ecs = stack.account.client("ecs")
    ecs.delete_service(cluster=service.cluster, service=service.service, force=True)
    return message(stack, Heartbeats((Heartbeat(service, {}, complete=True),)))


def a_surge(stack: Stack, service: ServiceName) -> Any:
    said = {"resource_id": service.resource_id, "at": write_moment(datetime.now(UTC))}
    return message(stack, json.dumps(said), "SurgeQueue")


def an_action(_stack: Stack, service: ServiceName) -> Any:
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "ResourceId": service.resource_id,
        "Name": "a-test",
        "At": at,
        "For": "1h",
        "MinCapacity": 2,
        "Reason": "a test",
    }


def a_page(_stack: Stack, service: ServiceName) -> Any:
    return {"service": service.resource_id, "widgetContext": {}}


def of_the_scaler(
    statement: str, action: str, event: Event, loud: str = "FAILED_DENIED"
) -> Permission:
    return Permission("ScalerRole", statement, action, "ScalerFunction", event, loud)


def of_a_schedule(statement: str, action: str) -> Permission:
    return Permission("ScheduleRole", statement, action, "Schedule", an_action, ERROR)


def of_the_dashboard(statement: str, action: str, loud: str = WIDGET) -> Permission:
    return Permission("DashboardWidgetRole", statement, action, "DashboardWidget", a_page, loud)


SCALE, STATE = "ScaleServicesOfTheNamedClusters", "KeepStateAndRecords"
READ, QUEUES = "ReadMetricsAndAlarms", "ReadTheLengthOfTheNamedQueues"
TRIED = (
    of_the_scaler(SCALE, "ecs:DescribeServices", a_request),
    of_the_scaler(SCALE, "ecs:UpdateService", a_request),
    of_the_scaler("ReadPolicyDocuments", "ssm:GetParameters", heartbeat, ERROR),
    of_the_scaler("FindPolicyDocuments", "ssm:GetParametersByPath", a_survey, ERROR),
    of_the_scaler(STATE, "dynamodb:BatchGetItem", a_poll, ERROR),
    of_the_scaler(STATE, "dynamodb:DeleteItem", a_look_after_it_has_gone, ERROR),
    of_the_scaler(STATE, "dynamodb:GetItem", a_request),
    of_the_scaler(STATE, "dynamodb:PutItem", a_request, ERROR),
    of_the_scaler(STATE, "dynamodb:Query", heartbeat, ERROR),
    of_the_scaler(STATE, "dynamodb:UpdateItem", a_request),
    of_the_scaler(READ, "cloudwatch:DescribeAlarms", heartbeat, ERROR),
    of_the_scaler(READ, "cloudwatch:GetMetricData", a_surge),
    of_the_scaler("SendAndReceiveRechecks", "sqs:SendMessage", heartbeat, ERROR),
    of_the_scaler(QUEUES, "sqs:GetQueueAttributes", a_look_at_its_queue),
    of_the_scaler(QUEUES, "sqs:GetQueueUrl", a_look_at_a_queue_not_seen_before),
    of_a_schedule("WriteScheduledOverrides", "dynamodb:UpdateItem"),
    of_a_schedule("HaveItHeeded", "sqs:SendMessage"),
    of_the_dashboard("ReadStateAndRecords", "dynamodb:GetItem"),
    of_the_dashboard("ReadStateAndRecords", "dynamodb:Query", ERROR),
    of_the_dashboard("ReadMetrics", "cloudwatch:GetMetricData"),
)
NOT_CHECKED = {
    ("ScalerRole", "SendAndReceiveRechecks"): "Lambda's poller, which ministack lets pass",
    ("ScalerRole", "ReceiveSurges"): "Lambda's poller, which ministack lets pass",
    ("ScalerRole", "SendFailedInvocations"): "Lambda's destination, which ministack lets pass",
    ("ScalerRole", "WriteLogs"): "ministack writes the log itself",
    ("ScheduleRole", "SendFailedInvocations"): "Lambda's destination, which ministack lets pass",
    ("ScheduleRole", "WriteLogs"): "ministack writes the log itself",
    ("DashboardWidgetRole", "WriteLogs"): "ministack writes the log itself",
    ("HeartbeatRole", "InvokeTheAlias"): "ministack's Scheduler assumes no role",
    ("HeartbeatRole", "SendUndeliveredHeartbeats"): "ministack's Scheduler has no dead letters",
    ("SchedulerRole", "InvokeTheFunction"): "ministack's Scheduler assumes no role",
    ("SchedulerRole", "SendUndeliveredActions"): "ministack's Scheduler has no dead letters",
}
"""Statements of which ministack checks nothing, or nothing beside what is tried, and why."""
ROLES = {"ScalerRole", "ScheduleRole", "DashboardWidgetRole", "HeartbeatRole", "SchedulerRole"}


def test_each_permission_of_each_role_is_tried_or_named_as_not_checked(stack: Stack) -> None:
    granted = {
        (role, statement["Sid"], action)
        for role in ROLES
        for statement in granted_to(stack, role)[1]["Statement"]
        for action in actions_of(statement)
    }
    tried = {(one.role, one.statement, one.action) for one in TRIED}

    assert tried <= granted
    assert {(role, sid) for role, sid, _ in granted - tried} == set(NOT_CHECKED)


@pytest.fixture(scope="module")
def services(stack: Stack) -> Mapping[Permission, ServiceName]:
    """A service for each permission to be tried on, as a denial may leave its lease behind.

    The scaler knows their alarms, and that `JOBS` has a queue.
    """
    names = {tried: ServiceName("prod", f"s{number}") for number, tried in enumerate(TRIED)}
    target = {"request-rate": {"TargetValue": TARGET}}
    make_target(stack.account, JOBS, QueuePolicies=a_queue(QUEUE))
    cloudwatch = stack.account.client("cloudwatch")
    for name in names.values():
        make_target(stack.account, name, TargetTrackingPolicies=target)
        cloudwatch.put_metric_alarm(
            AlarmName=name.alarm("request-rate/high"),
            Namespace=f"Quickstep/{name.cluster}/{name.service}",
            MetricName="RequestsPerSecond",
            Dimensions=[
                {"Name": "ClusterName", "Value": name.cluster},
                {"Name": "ServiceName", "Value": name.service},
            ],
            Statistic="Average",
            Period=10,
            EvaluationPeriods=1,
            Threshold=TARGET,
            ComparisonOperator="GreaterThanThreshold",
        )
    invoke(stack, "ScalerFunction", {"heartbeat": {}})
    assert soon(lambda: {JOBS, *names.values()} <= listed(stack))
    return names


def listed(stack: Stack) -> set[ServiceName]:
    """Return the targets that the scaler knows."""
    table = DynamoTargets(stack.account.client("dynamodb"), stack.outputs["TableName"])
    return {name for one in table.listed() if (name := parse_resource_id(one))}


def a_queue(name: str) -> dict[str, Any]:
    return {"jobs": {"QueueName": name, "SecondsPerJob": 2}}


def make_target(account: Account, name: ServiceName, **policies: Any) -> None:
    create_service(account, name, 1)
    bounds = {"ResourceId": name.resource_id, "MinCapacity": 1, "MaxCapacity": 9}
    put_policy(account, name, json.dumps({**bounds, **policies}))


@pytest.mark.parametrize("tried", TRIED, ids=str)
def test_without_a_permission_the_function_fails_loudly_and_names_it(
    stack: Stack, services: Mapping[Permission, ServiceName], tried: Permission
) -> None:
    service = services[tried]

    with without(stack, tried):
        answer = invoke(stack, tried.function, tried.event(stack, service))

    assert tried.action in answer.text
    if tried.loud == ERROR:
        assert answer.error
    elif tried.loud == WIDGET:
        assert "not authorized" in answer.payload
    else:
        assert f'"outcome":"{tried.loud}"' in answer.log
        assert '"level":"ERROR"' in answer.log


@contextmanager
def without(stack: Stack, tried: Permission) -> Iterator[None]:
    """Take one action of one statement from a deployed role; give it back in the end."""
    iam, role = stack.account.client("iam"), stack.physical(tried.role)
    name, document = granted_to(stack, tried.role)
    statements = []
    for statement in document["Statement"]:
        actions = actions_of(statement)
        if statement["Sid"] == tried.statement:
            actions = [action for action in actions if action != tried.action]
            assert len(actions) == len(actions_of(statement)) - 1
        if actions:
            statements.append({**statement, "Action": actions})
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=a_policy(*statements))
    try:
        yield
    finally:
        given = a_policy(*document["Statement"])
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=given)


def granted_to(stack: Stack, role: str) -> tuple[str, Any]:
    """Return a role's policy: its name, and the document."""
    iam, physical = stack.account.client("iam"), stack.physical(role)
    (name,) = iam.list_role_policies(RoleName=physical)["PolicyNames"]
    return name, iam.get_role_policy(RoleName=physical, PolicyName=name)["PolicyDocument"]


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)
