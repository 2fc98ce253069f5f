"""The permissions that the roles of the scaler's stack need, as `template.yaml` grants them.

A test keeps both equal. The doctor runs each through IAM's simulation, which sees what a template
does not show: a boundary, an organization's policy, a manual edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.naming import DOCUMENTS
from quickstep_cli.failures import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

SERVICE, PARAMETER, PATH, EVERYTHING = "the service", "its document", "all documents", "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role's actions on a resource of the stack, by logical ID, or on one of the above."""

    role: str
    resource: str
    actions: tuple[str, ...]


_SEND = ("sqs:SendMessage",)
_INVOKE = ("lambda:InvokeFunction",)
_OF_THE_TABLE = ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
_RECEIVE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")

READ_QUEUE = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")
"""On the documents' queues, which the stack's parameter QueueArns names."""

PUT_EVENTS = ("events:PutEvents",)
"""On the default bus, if the stack's parameter EventOutcomes names an outcome."""

GRANTS = (
    Grant("ScalerRole", SERVICE, ("ecs:DescribeServices", "ecs:UpdateService")),
    Grant("ScalerRole", PARAMETER, ("ssm:GetParameters",)),
    Grant("ScalerRole", PATH, ("ssm:GetParametersByPath",)),
    Grant(
        "ScalerRole",
        "Table",
        tuple(f"dynamodb:{action}" for action in _OF_THE_TABLE),
    ),
    Grant("ScalerRole", EVERYTHING, ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData")),
    Grant("ScalerRole", "Rechecks", (*_RECEIVE, *_SEND)),
    Grant("ScalerRole", "Surges", _RECEIVE),
    Grant("ScalerRole", "FailedInvocations", _SEND),
    Grant("ScalerRole", "ScalerLogs", _LOG),
    Grant("HeartbeatRole", "ScalerAliaslive", _INVOKE),
    Grant("HeartbeatRole", "UndeliveredEvents", _SEND),
    Grant("ScheduleRole", "Table", ("dynamodb:UpdateItem",)),
    Grant("ScheduleRole", "Rechecks", _SEND),
    Grant("ScheduleRole", "FailedInvocations", _SEND),
    Grant("ScheduleRole", "ScalerLogs", _LOG),
    Grant("SchedulerRole", "Schedule", _INVOKE),
    Grant("SchedulerRole", "UndeliveredEvents", _SEND),
    Grant("DashboardWidgetRole", "Table", ("dynamodb:GetItem", "dynamodb:Query")),
    Grant("DashboardWidgetRole", EVERYTHING, ("cloudwatch:GetMetricData",)),
    Grant("DashboardWidgetRole", "DashboardWidgetLogs", _LOG),
)

_QUEUE = "sqs:{place}:{id}"
_FUNCTION = "lambda:{place}:function:{id}"
_LOGS = "logs:{place}:log-group:{id}:log-stream:doctor"
_ARNS = {
    SERVICE: "ecs:{place}:{id}",
    PARAMETER: "ssm:{place}:parameter{id}",
    PATH: "ssm:{place}:parameter{id}",
    "Table": "dynamodb:{place}:table/{id}",
    "Rechecks": _QUEUE,
    "Surges": _QUEUE,
    "FailedInvocations": _QUEUE,
    "UndeliveredEvents": _QUEUE,
    "ScalerLogs": _LOGS,
    "DashboardWidgetLogs": _LOGS,
    "Schedule": _FUNCTION,
    "ScalerAliaslive": _FUNCTION,
}


def refused(aws: Aws, service: ServiceName, queues: Iterable[str] = ()) -> list[str]:
    """Return the permissions, including reading these queues, that IAM's simulation refuses."""
    roles = f"arn:{_partition(aws)}:iam::{aws.account}:role"
    return [
        f"{what} {action} on {arn}"
        for role, actions, arn, what in _needed(aws, service, queues)
        for action in simulated(
            aws.client("iam"), f"{roles}/{aws.resource(role)}", actions, arn, aws.region
        )
    ]


def _needed(
    aws: Aws, service: ServiceName, queues: Iterable[str]
) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Yield a role, its actions, on which ARN, and how a refusal's sentence begins."""
    partition, place = _partition(aws), f"{aws.region}:{aws.account}"
    for grant in GRANTS:
        arn = EVERYTHING
        if grant.resource != EVERYTHING:
            name = _name(aws, service, grant.resource)
            arn = f"arn:{partition}:" + _ARNS[grant.resource].format(place=place, id=name)
        yield grant.role, grant.actions, arn, f"{grant.role} may not call"
    for queue in queues:
        arn = f"arn:{partition}:sqs:{place}:{queue}"
        yield "ScalerRole", READ_QUEUE, arn, "ScalerRole may not read a queue:"
    try:
        aws.resource("EventTargets")
    except CommandError:
        return  # the stack lacks this optional part, so nobody is notified
    arn = f"arn:{partition}:events:{place}:event-bus/default"
    yield "ScalerRole", PUT_EVENTS, arn, "ScalerRole may not publish events:"


def _partition(aws: Aws) -> str:
    return aws.caller.split(":")[1]


def _name(aws: Aws, service: ServiceName, resource: str) -> str:
    """Return a resource's name in an ARN; its physical ID may be a URL, or itself an ARN.

    Example: https://sqs.eu-west-1.amazonaws.com/123456789012/q-Rechecks-1A: q-Rechecks-1A.
    """
    if resource == SERVICE:
        return service.resource_id
    if resource == PARAMETER:
        return service.parameter
    if resource == PATH:
        return DOCUMENTS
    physical = aws.resource(resource)
    if physical.startswith("http"):
        return physical.rpartition("/")[2]
    return physical.rpartition(":function:")[2]


def simulated(
    iam: Any, role: str, actions: tuple[str, ...], resource: str, region: str
) -> list[str]:
    """Return the actions on a resource that IAM would refuse a role."""
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=list(actions),
        ResourceArns=[resource],
        ContextEntries=[
            {
                "ContextKeyName": "aws:RequestedRegion",
                "ContextKeyValues": [region],
                "ContextKeyType": "string",
            }
        ],
    )
    results = answer["EvaluationResults"]
    return [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]
