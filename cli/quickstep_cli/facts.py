"""What `quickstep doctor` gathers. A fact that cannot be had is `Unknown`, and says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.alarms.definition import described_definition
from quickstep.aws.cloudwatch import CloudWatchMetrics
from quickstep.config import ConfigError, parse_target_of
from quickstep.naming import parse_alarm_name
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.aws import CommandError, explain_error, now
from quickstep_cli.checks import Facts, Unknown
from quickstep_cli.targets import documents, stored_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

RULE = "ScalerAlarmStateChange"
ROLE = "ScalerRole"
DEAD_LETTERS = ("UndeliveredEvents", "FailedInvocations", "DeadMessages")
ACTIONS = ["ecs:DescribeServices", "ecs:UpdateService"]
FARGATE_VCPU = ("fargate", "L-3032A538")
DIMENSION = "ecs:service:DesiredCount"

_A = TypeVar("_A")


def gather(aws: Aws, service: ServiceName) -> Facts:
    """Ask AWS for everything that the checks look at; nothing is changed."""
    document = _document(aws, service)
    alarms = _or_unknown(lambda: _alarms(aws, service))
    seen = {} if isinstance(alarms, Unknown) else alarms
    return Facts(
        service_name=service,
        at=now(),
        target=document,
        service=_or_unknown(lambda: aws.services.describe(service)),
        alarms=alarms,
        datapoints=_or_unknown(lambda: _datapoints(aws, seen)),
        rule=_or_unknown(lambda: _rule_matches(aws, service)),
        refused=_or_unknown(lambda: _refused(aws, service)),
        scaling_policies=_or_unknown(lambda: _scaling_policies(aws, service)),
        item=_or_unknown(lambda: aws.peek(service)),
        dead=_or_unknown(lambda: {name: _messages(aws, name) for name in DEAD_LETTERS}),
        vcpu=_or_unknown(lambda: _vcpu(aws, service, document)),
        vcpu_quota=_or_unknown(lambda: _vcpu_quota(aws)),
        targets=_or_unknown(lambda: len(documents(aws))),
    )


def _or_unknown(ask: Callable[[], _A]) -> _A | Unknown:
    """Return the answer, or why there is none: one question that fails is no reason to stop."""
    try:
        return ask()
    except CallFailedError as error:
        return Unknown(error.why)
    except (CommandError, CorruptItemError) as error:
        return Unknown(str(error))
    except (ClientError, BotoCoreError) as error:
        return Unknown(explain_error(error)[1])


def _document(aws: Aws, service: ServiceName) -> ScalableTarget | str:
    text = stored_document(aws, service)
    if text is None:
        return f"{service.parameter} does not exist"
    try:
        return parse_target_of(service, text)
    except ConfigError as error:
        return f"{service.parameter}: {error}"


def _alarms(aws: Aws, service: ServiceName) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    pages = aws.client("cloudwatch").get_paginator("describe_alarms")
    for page in pages.paginate(AlarmNamePrefix=service.alarm("")):
        for alarm in page["MetricAlarms"]:
            if named := parse_alarm_name(alarm["AlarmName"]):
                found[named[1]] = alarm
    return found


def _datapoints(aws: Aws, alarms: Mapping[str, Mapping[str, Any]]) -> Any:
    definitions = {
        policy: definition
        for policy, alarm in alarms.items()
        if (definition := described_definition(alarm))
    }
    if not definitions:
        return {}
    return CloudWatchMetrics(aws.client("cloudwatch")).read(definitions, now())


def _rule_matches(aws: Aws, service: ServiceName) -> bool:
    events = aws.client("events")
    rule = events.describe_rule(Name=aws.resource(RULE))
    event = {
        "id": "1",
        "account": aws.account,
        "source": "aws.cloudwatch",
        "time": "2026-11-22T10:00:00Z",
        "region": aws.region,
        "resources": [],
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": service.alarm("any"), "state": {"value": "ALARM"}},
    }
    return rule["State"] == "ENABLED" and matches(events, rule["EventPattern"], event)


def matches(events: Any, pattern: str, event: Mapping[str, Any]) -> bool:
    """Return whether EventBridge matches an event with a pattern."""
    answer = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    return bool(answer["Result"])


def _refused(aws: Aws, service: ServiceName) -> list[str]:
    """Return which calls IAM would refuse the function, by its own simulation."""
    partition = aws.caller.split(":")[1]
    role = f"arn:{partition}:iam::{aws.account}:role/{aws.resource(ROLE)}"
    arn = f"arn:{partition}:ecs:{aws.region}:{aws.account}:{service.resource_id}"
    return simulated(aws.client("iam"), role, arn, aws.region)


def simulated(iam: Any, role: str, resource: str, region: str) -> list[str]:
    """Return which of ACTIONS IAM would refuse a role on a resource."""
    context = {
        "ContextKeyName": "aws:RequestedRegion",
        "ContextKeyValues": [region],
        "ContextKeyType": "string",
    }
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=ACTIONS,
        ResourceArns=[resource],
        ContextEntries=[context],
    )
    results = answer["EvaluationResults"]
    return [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]


def _scaling_policies(aws: Aws, service: ServiceName) -> list[str]:
    client = aws.client("application-autoscaling")
    asked = {"ServiceNamespace": "ecs", "ScalableDimension": DIMENSION}
    targets = client.describe_scalable_targets(ResourceIds=[service.resource_id], **asked)
    if not targets["ScalableTargets"]:
        return []
    suspended = targets["ScalableTargets"][0].get("SuspendedState", {})
    if suspended.get("DynamicScalingInSuspended") and suspended.get("DynamicScalingOutSuspended"):
        return []
    policies = client.describe_scaling_policies(ResourceId=service.resource_id, **asked)
    return [policy["PolicyName"] for policy in policies["ScalingPolicies"]]


def _messages(aws: Aws, name: str) -> int:
    number = "ApproximateNumberOfMessages"
    answer = aws.client("sqs").get_queue_attributes(
        QueueUrl=aws.resource(name), AttributeNames=[number]
    )
    return int(answer["Attributes"][number])


def _vcpu(aws: Aws, service: ServiceName, target: ScalableTarget | str) -> float:
    """Return the vCPU that MaxCapacity tasks take. Example: 40 of 256 CPU units: 10."""
    if isinstance(target, str):
        return 0.0
    ecs = aws.client("ecs")
    found = ecs.describe_services(cluster=service.cluster, services=[service.service])["services"]
    if not found:
        return 0.0
    definition = ecs.describe_task_definition(taskDefinition=found[0]["taskDefinition"])
    return int(definition["taskDefinition"].get("cpu", 0)) / 1024 * target.max_capacity


def _vcpu_quota(aws: Aws) -> float:
    service, code = FARGATE_VCPU
    answer = aws.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    return float(answer["Quota"]["Value"])
