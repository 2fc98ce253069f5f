"""What `quickstep doctor` gathers. A fact that could not be read is `Unknown`, with the reason."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.alarms.definition import described_definition
from quickstep.aws.cloudwatch import CloudWatchMetrics
from quickstep.aws.queues import SqsQueues
from quickstep.config import MAX_QUEUES, ConfigError, parse_target_of
from quickstep.engine.outcome import Outcome
from quickstep.loop.observing import readings_of
from quickstep.naming import DRILL
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.asked import ask_together
from quickstep_cli.autoscaling import IN, OUT, SCHEDULED, read_scalable
from quickstep_cli.aws import now
from quickstep_cli.checks.facts import (
    EcsMetrics,
    Facts,
    ForeignChange,
    Scaler,
    Unknown,
)
from quickstep_cli.checks.publishing import MINUTE, of_ecs
from quickstep_cli.failures import CommandError, Exit, explain_error
from quickstep_cli.rights import refused
from quickstep_cli.targets import documents, newest_records, stored_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.backlog import QueueReading
    from quickstep.engine.model import Datapoint, ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

DEAD_LETTERS = ("UndeliveredEvents", "FailedInvocations", "DeadMessages")
DELAY = "deregistration_delay.timeout_seconds"
NEWEST = 500
"""Maximum records to search: some hours of a breach, or days of calm."""
THREADS = 8
"""How many targets to read at a time."""
QUERIES = 500
"""GetMetricData's maximum."""

_A = TypeVar("_A")


def gather(aws: Aws, service: ServiceName) -> Facts:
    """Read everything that the checks need from AWS; nothing is changed."""
    return _gather(aws.asking_once(), service)


def gather_all(aws: Aws, stored: Mapping[ServiceName, str], there_are: int) -> Iterator[Facts]:
    """Yield the facts of targets, given by their stored documents, in the same order.

    `there_are` is how many targets the account has in all.

    What one AWS call answers for many is read for many, the rest for a few targets at a time. A
    throttled call slows down and is retried.
    """
    once = aws.patient(THREADS).asking_once()
    ask_together(once, stored)
    points = _datapoints_of_all(once, list(stored))
    with ThreadPoolExecutor(THREADS) as threads:
        yield from threads.map(
            lambda one: _gather(once, one, points.get(one), targets=there_are), stored
        )


def _gather(
    aws: Aws,
    service: ServiceName,
    points: Mapping[str, Sequence[Datapoint]] | None = None,
    *,
    targets: int | None = None,
) -> Facts:
    document = _document(aws, service)
    alarms = or_unknown(lambda: _alarms(aws, service))
    seen = {} if isinstance(alarms, Unknown) else alarms
    datapoints = or_unknown(
        lambda: _datapoints(aws, _definitions(seen)) if points is None else points
    )
    read = {} if isinstance(datapoints, Unknown) else datapoints
    return Facts(
        service_name=service,
        at=now(),
        target=document,
        service=or_unknown(lambda: aws.services.describe(service)),
        alarms=alarms,
        datapoints=datapoints,
        elsewhere=or_unknown(lambda: _elsewhere(aws, seen, read)),
        ecs_metrics=or_unknown(lambda: _ecs_metrics(aws, service, seen)),
        registered=or_unknown(lambda: aws.scaler["Table"]),
        table=or_unknown(lambda: aws.table),
        scalers=or_unknown(lambda: _scalers(aws, service)),
        drains=or_unknown(lambda: drains(aws, service)),
        refused=or_unknown(lambda: refused(aws, service, _queue_names(document))),
        queues=or_unknown(lambda: _queues(aws, document)),
        autoscaling=or_unknown(lambda: _autoscaling(aws, service)),
        alarm_actions=or_unknown(lambda: _alarm_actions(aws, service)),
        foreign=or_unknown(lambda: _foreign_changes(aws, service)),
        item=or_unknown(lambda: aws.peek(service)),
        dead=or_unknown(lambda: {name: _messages(aws, name) for name in DEAD_LETTERS}),
        vcpu=or_unknown(lambda: _vcpu(aws, service, document)),
        vcpu_quota=or_unknown(lambda: vcpu_quota(aws)),
        targets=or_unknown(lambda: len(documents(aws)) if targets is None else targets),
    )


def or_unknown(ask: Callable[[], _A]) -> _A | Unknown:
    """Return the answer, or why it is missing: one failed question does not stop the rest."""
    try:
        return ask()
    except (CallFailedError, CommandError, CorruptItemError, ClientError, BotoCoreError) as error:
        return Unknown(explain_error(error)[1])


def _document(aws: Aws, service: ServiceName) -> ScalableTarget | str:
    text = stored_document(aws, service)
    if text is None:
        return f"{service.parameter} does not exist"
    try:
        return parse_target_of(service, text)
    except ConfigError as error:
        return f"{service.parameter}: {error}"


def _queue_names(target: ScalableTarget | str) -> list[str]:
    policies = () if isinstance(target, str) else target.queues
    return [policy.queue_name for policy in policies]


def _queues(aws: Aws, target: ScalableTarget | str) -> dict[str, QueueReading | str]:
    """Return the readings of a target's queues, or why one is missing, by policy."""
    if isinstance(target, str) or not target.queues:
        return {}
    with ThreadPoolExecutor(MAX_QUEUES) as threads:
        read = SqsQueues(aws.client("sqs"), threads).read(_queue_names(target))
    return readings_of(target.queues, read)


def _alarms(aws: Aws, service: ServiceName) -> dict[str, Mapping[str, Any]]:
    """Return the target's alarms by their names in it, including those without a policy.

    The drill's alarm is excluded: it scales nothing.
    """
    found = {
        alarm["AlarmName"].removeprefix(service.alarm("")): alarm
        for alarm in aws.alarms(AlarmNamePrefix=service.alarm(""))
    }
    found.pop(DRILL, None)
    return found


def _definitions(alarms: Mapping[str, Mapping[str, Any]]) -> dict[str, AlarmDefinition]:
    return {
        policy: definition
        for policy, alarm in alarms.items()
        if (definition := described_definition(alarm))
    }


def _datapoints(
    aws: Aws, definitions: Mapping[str, AlarmDefinition]
) -> Mapping[str, Sequence[Datapoint]]:
    if not definitions:
        return {}
    return CloudWatchMetrics(aws.client("cloudwatch")).read(definitions, now())


def _datapoints_of_all(
    aws: Aws, services: Sequence[ServiceName]
) -> dict[ServiceName, Mapping[str, Sequence[Datapoint]]]:
    """Return the services' datapoints by policy, a few hundred alarms per call.

    CloudWatch rejects a whole call for one bad query. The services in it are then left out, and
    each asks for itself.
    """
    found: dict[ServiceName, Mapping[str, Sequence[Datapoint]]] = {}
    for some in _calls({service: _seen(aws, service) for service in services}):
        together = {
            f"{service.resource_id} {policy}": definition
            for service, definitions in some.items()
            for policy, definition in definitions.items()
        }
        read = or_unknown(partial(_datapoints, aws, together))
        if not isinstance(read, Unknown):
            found |= {
                service: {policy: read[f"{service.resource_id} {policy}"] for policy in definitions}
                for service, definitions in some.items()
            }
    return found


def _seen(aws: Aws, service: ServiceName) -> dict[str, AlarmDefinition]:
    alarms = or_unknown(lambda: _alarms(aws, service))
    return {} if isinstance(alarms, Unknown) else _definitions(alarms)


def _calls(
    wanted: Mapping[ServiceName, dict[str, AlarmDefinition]],
) -> Iterator[dict[ServiceName, dict[str, AlarmDefinition]]]:
    """Yield services with their alarms, as many as fit the queries of one call."""
    some: dict[ServiceName, dict[str, AlarmDefinition]] = {}
    left = QUERIES
    for service, definitions in wanted.items():
        queries = sum(len(one.queries) + 1 for one in definitions.values())  # and the samples
        if some and queries > left:
            yield some
            some, left = {}, QUERIES
        if definitions:
            some[service] = definitions
            left -= queries
    if some:
        yield some


def _scalers(aws: Aws, service: ServiceName) -> list[Scaler]:
    """Return every scaler function that the target's alarm events invoke, and by which rule."""
    events = aws.client("events")
    return [
        Scaler(rule["Name"], function, table)
        for page in events.get_paginator("list_rules").paginate()
        for rule in page["Rules"]
        if rule["State"] != "DISABLED"
        and "quickstep/" in rule.get("EventPattern", "")
        and matches(events, rule["EventPattern"], _event(aws, service, rule["EventPattern"]))
        for function in _functions(events, rule["Name"])
        if (table := _table_of(aws, function))
    ]


def _event(aws: Aws, service: ServiceName, pattern: str) -> dict[str, Any]:
    """Return an alarm's event: of any service, if the pattern matches those of all."""
    name = service.alarm("any")
    if json.loads(pattern).get("detail", {}).get("alarmName") == [{"prefix": "quickstep/"}]:
        name = "quickstep/any/any/any"
    return {
        "id": "1",
        "account": aws.account,
        "source": "aws.cloudwatch",
        "time": "2026-11-22T10:00:00Z",
        "region": aws.region,
        "resources": [],
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": name, "state": {"value": "ALARM"}},
    }


def _functions(events: Any, rule: str) -> list[str]:
    pages = events.get_paginator("list_targets_by_rule").paginate(Rule=rule)
    arns = [target["Arn"] for page in pages for target in page["Targets"]]
    return [arn for arn in arns if ":lambda:" in arn]


def _table_of(aws: Aws, function: str) -> str | None:
    """Return a scaler's table, or None for another function, such as one that posts to a chat."""
    found = aws.client("lambda").get_function_configuration(FunctionName=function)
    variables = found.get("Environment", {}).get("Variables", {})
    return variables["TABLE_NAME"] if {"TABLE_NAME", "QUEUE_URL"} <= variables.keys() else None


def matches(events: Any, pattern: str, event: Mapping[str, Any]) -> bool:
    """Return whether an EventBridge pattern matches an event."""
    answer = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    return bool(answer["Result"])


def _autoscaling(aws: Aws, service: ServiceName) -> list[str] | None:
    scalable = read_scalable(aws, service)
    if scalable is None:
        return None
    acting, suspended = [], scalable.suspended
    if not (suspended[IN] and suspended[OUT]):
        acting += [policy["PolicyName"] for policy in scalable.policies]
    if not suspended[SCHEDULED]:
        acting += [f"scheduled action {name}" for name in scalable.scheduled]
    return acting


def _alarm_actions(aws: Aws, service: ServiceName) -> list[str]:
    """Return the alarms whose own action scales the service or invokes a function."""
    prefix = f"arn:{aws.caller.split(':')[1]}:autoscaling:"
    return sorted(
        {
            f"{alarm['AlarmName']}: {action}"
            for way in ({"ActionPrefix": prefix}, {"AlarmNamePrefix": service.alarm("")})
            for alarm in aws.alarms(**way)
            if alarm["ActionsEnabled"]
            for state in ("AlarmActions", "OKActions", "InsufficientDataActions")
            for action in alarm.get(state, ())
            if f":resource/ecs/{service.resource_id}:" in action
            or (":lambda:" in action and alarm["AlarmName"].startswith(service.alarm("")))
        }
    )


def _foreign_changes(aws: Aws, service: ServiceName) -> list[ForeignChange]:
    return [
        ForeignChange(datetime.fromisoformat(record["at"]), record["reason"])
        for record in reversed(newest_records(aws, service, NEWEST, Outcome.FOREIGN_CHANGE))
    ]


def _elsewhere(
    aws: Aws, alarms: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Sequence[Datapoint]]
) -> dict[str, list[str]]:
    """Return other namespaces that have the metric of an alarm without data, by policy."""
    client = aws.client("cloudwatch")
    found = {}
    for policy, alarm in alarms.items():
        if "Namespace" not in alarm or seen.get(policy):
            continue
        listed = client.list_metrics(
            MetricName=alarm["MetricName"],
            Dimensions=[
                {"Name": one["Name"], "Value": one["Value"]} for one in alarm.get("Dimensions", [])
            ],
            RecentlyActive="PT3H",
        )
        spaces = {one["Namespace"] for one in listed["Metrics"]} - {alarm["Namespace"]}
        found[policy] = sorted(spaces)
    return found


def _ecs_metrics(
    aws: Aws, service: ServiceName, alarms: Mapping[str, Mapping[str, Any]]
) -> EcsMetrics | None:
    """Return how often ECS publishes the service's metrics; None if no alarm watches one."""
    if not any(of_ecs(alarm) for alarm in alarms.values()):
        return None
    return published_by_ecs(aws.client("ecs"), service)


def described_services(ecs: Any, service: ServiceName) -> list[dict[str, Any]]:
    """Return what ECS has of a service: one description, or none."""
    answer = ecs.describe_services(cluster=service.cluster, services=[service.service])
    described: list[dict[str, Any]] = answer["services"]
    return described


def published_by_ecs(ecs: Any, service: ServiceName) -> EcsMetrics:
    """Return how often ECS publishes a service's metrics.

    Only a service's revisions say so. During a deployment there are two, and the slower one counts,
    because tasks of both publish.
    """
    found = described_services(ecs, service)
    arns = [one["arn"] for it in found for one in it.get("currentServiceRevisions", [])]
    if not arns:
        raise CommandError(Exit.NOT_FOUND, f"ECS has no revision of {service.resource_id}")
    revisions = ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
    configured = [
        {
            name: config["resolutionSeconds"]
            for config in revision.get("monitoring", {}).get("metricConfigurations", [])
            for name in config["metricNames"]
        }
        for revision in revisions
    ]
    names = {name for one in configured for name in one}
    slowest = {name: max(one.get(name, MINUTE) for one in configured) for name in names}
    controller = found[0].get("deploymentController", {}).get("type", "ECS")
    return EcsMetrics(slowest, controller)


def _messages(aws: Aws, name: str) -> int:
    number = "ApproximateNumberOfMessages"
    queue = aws.resource(name)
    answer = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[number])
    return int(answer["Attributes"][number])


def drains(aws: Aws, service: ServiceName) -> dict[str, int]:
    """Return how many seconds the service's tasks drain, by target group name."""
    ecs, elb = aws.client("ecs"), aws.client("elbv2")
    found = described_services(ecs, service)
    balancers = [balancer for one in found for balancer in one.get("loadBalancers", [])]
    arns = {
        arn
        for balancer in balancers
        for arn in (
            balancer.get("targetGroupArn"),
            balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"),
        )
        if arn
    }
    found_delays = {}
    for arn in sorted(arns):
        answer = elb.describe_target_group_attributes(TargetGroupArn=arn)
        attributes = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        if DELAY in attributes:
            found_delays[arn.split("/")[1]] = int(attributes[DELAY])
    return found_delays


def _vcpu(aws: Aws, service: ServiceName, target: ScalableTarget | str) -> float:
    """Return the vCPU that MaxCapacity tasks take. Example: 40 of 256 CPU units: 10."""
    if isinstance(target, str):
        return 0.0
    ecs = aws.client("ecs")
    found = described_services(ecs, service)
    if not found:
        return 0.0
    definition = ecs.describe_task_definition(taskDefinition=found[0]["taskDefinition"])
    return int(definition["taskDefinition"].get("cpu", 0)) / 1024 * target.max_capacity


def vcpu_quota(aws: Aws) -> float:
    """Return the quota of Fargate On-Demand vCPUs."""
    quotas = aws.client("service-quotas")
    answer = quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")
    return float(answer["Quota"]["Value"])
