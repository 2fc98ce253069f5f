"""ministack, with what AWS does and it does not: started as a script, by ministack's own Python.

Each shim says in words what it stands in for. They patch private functions, so ministack's version
is pinned. What is left out all the same is listed in docs/emulators.md.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import cloudwatch, ecs, eventbridge
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
_RESOLVED_IN_CONDITIONS = {"Fn::FindInMap", "Fn::Join", "Fn::Split", "Fn::Sub"}


def alarms_are_evaluated_elsewhere() -> str:
    """ministack's rule mixes all dimensions and knows no M of N: the lab evaluates instead."""
    cloudwatch._evaluate_all_alarms = lambda: None
    return "alarms are evaluated by the lab's rules, from outside, not by ministack's"


def events_of_alarms_are_put() -> str:
    """CloudWatch's own event is put by whoever evaluates; AWS refuses that source to callers."""
    put_events: Callable[..., Any] = eventbridge._put_events
    eventbridge._put_events = lambda data, **_: put_events(data, allow_aws_source=True)
    return "PutEvents takes the source aws.cloudwatch, in which the lab tells of alarms"


def calls_are_authorised_by_what_they_name() -> str:
    """ECS checks a service's own ARN, not its cluster's, and SSM each parameter or path."""
    found = iam_actions.extract_resource_arn

    def extract(service: str, *request: Any) -> str:
        *_, body, _query, region, account = request
        named = _named(service, body)
        return (
            f"arn:aws:{service}:{region}:{account}:{named}" if named else found(service, *request)
        )

    iam_actions.extract_resource_arn = extract
    return "ECS and SSM calls are authorised by the service's, parameter's or path's own ARN"


def _named(service: str, body: bytes) -> str | None:
    """Return the resource of a call that names one service, parameters or their path; else None."""
    if service not in ("ecs", "ssm"):
        return None
    asked = json.loads(body or b"{}")
    if service == "ssm":
        path = next(iter(asked.get("Names", [])), asked.get("Path"))
        return f"parameter/{path.strip('/')}" if path else None
    names = [asked["service"]] if "service" in asked else asked.get("services", [])
    if len(names) != 1 or "cluster" not in asked:
        return None
    return f"service/{asked['cluster'].split('/')[-1]}/{names[0].split('/')[-1]}"


def batches_need_the_right_to_their_parts() -> str:
    """SQS authorises SendMessageBatch as SendMessage: IAM knows no action of the batch's name."""
    found = iam_actions.extract_iam_action

    def extract(service: str, *request: Any) -> str | None:
        action: str | None = found(service, *request)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract
    return "SendMessageBatch is authorised as SendMessage"


def metrics_name_their_namespace() -> str:
    """CloudWatch knows the condition key cloudwatch:namespace, by which tasks may publish."""
    found = iam_actions.request_tag_context

    def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys: dict[str, Any] = found(service, action, body, params)
        if action == "cloudwatch:PutMetricData":
            asked = json.loads(body) if body[:1] == b"{" else params
            keys["cloudwatch:namespace"] = asked.get("Namespace", "")
        return keys

    iam_actions.request_tag_context = context
    return "PutMetricData has the condition key cloudwatch:namespace"


def loopback_stands_for_tls() -> str:
    """The queues refuse what is not encrypted on its way; nothing leaves this machine."""
    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, _secure: pin(address, True)
    return "aws:SecureTransport is true: plain HTTP on loopback stands for TLS"


def schedules_say_their_time() -> str:
    """EventBridge Scheduler writes the scheduled time into an input that asks for it."""
    invoke: Callable[..., Any] = eventbridge._invoke_target

    def with_time(
        target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None
    ) -> Any:
        if event.get("Source") == "aws.scheduler" and SCHEDULED_TIME in target.get("Input", ""):
            at = f"{datetime.fromtimestamp(int(event['Time']), UTC):%Y-%m-%dT%H:%M:%SZ}"
            target = {**target, "Input": target["Input"].replace(SCHEDULED_TIME, at)}
        return invoke(target, event, rule, view)

    eventbridge._invoke_target = with_time
    return f"a schedule's input gets its time for {SCHEDULED_TIME}"


def conditions_take_functions() -> str:
    """CloudFormation resolves Split, Sub, Join and FindInMap in Conditions, ministack Select."""
    evaluate = engine._evaluate_conditions

    def with_functions(template: dict[str, Any], params: dict[str, Any]) -> Any:
        mappings = template.get("Mappings", {})

        def resolved(node: Any) -> Any:
            if isinstance(node, dict):
                if _RESOLVED_IN_CONDITIONS & set(node):
                    return engine._resolve_refs(node, {}, params, {}, mappings, "", "")
                return {key: resolved(member) for key, member in node.items()}
            return [resolved(member) for member in node] if isinstance(node, list) else node

        conditions = resolved(copy.deepcopy(template.get("Conditions", {})))
        return evaluate({**template, "Conditions": conditions}, params)

    for module in (engine, changesets, handlers, stacks):
        module._evaluate_conditions = with_functions
    return "CloudFormation's Conditions take Split, Sub, Join and FindInMap"


def tasks_take_time_to_start() -> str:
    """Fargate takes its time; ministack's tasks run at once. Only DescribeTasks shows it."""
    start_up = timedelta(seconds=float(os.environ.get("PLANTED_START_UP", "0")))
    describe = ecs._ACTION_MAP["DescribeTasks"]

    def started_later(data: dict[str, Any]) -> Any:
        status, headers, body = describe(data)
        answer = json.loads(body)
        for task in answer.get("tasks", []):
            if "startedAt" not in task:
                continue
            started = datetime.fromisoformat(task["startedAt"]) + start_up
            task["startedAt"] = started.isoformat()
            if started > datetime.now(UTC):
                del task["startedAt"]
                task["lastStatus"] = "PENDING"
        return status, headers, json.dumps(answer).encode()

    ecs._ACTION_MAP["DescribeTasks"] = started_later
    return f"DescribeTasks shows a task as running {start_up.total_seconds():g} s after its launch"


def stamps_have_fractions() -> str:
    """CloudWatch and ECS stamp to the millisecond, ministack's alarms and tasks to the second."""
    set_state = cloudwatch._set_alarm_state

    def stamped(params: dict[str, Any], data: dict[str, Any], *how: bool) -> Any:
        answer = set_state(params, data, *how)
        if alarm := cloudwatch._alarms.get((data or params).get("AlarmName")):
            alarm["StateUpdatedTimestamp"] = time.time()
        return answer

    cloudwatch._set_alarm_state = stamped
    ecs._ts_to_epoch = lambda at: (
        datetime.fromisoformat(at).timestamp() if isinstance(at, str) else at
    )
    return "alarms and tasks are stamped in fractions of a second"


TARGETS: dict[str, dict[str, Any]] = {}
POLICIES: dict[str, dict[str, Any]] = {}
ACTIVITIES: list[dict[str, Any]] = []


def application_auto_scaling_remembers() -> str:
    """What a stack declares to Application Auto Scaling, and what it has done; it never acts."""
    kinds = {"ScalableTarget": (_put_target, TARGETS), "ScalingPolicy": (_put_policy, POLICIES)}
    for kind, (create, kept) in kinds.items():
        provisioners._RESOURCE_HANDLERS[f"AWS::ApplicationAutoScaling::{kind}"] = {
            "create": create,
            "delete": lambda key, _properties, kept=kept: _forget(kept.pop(key, {})),
        }
    in_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: "ApplicationAutoScaling" in kind or in_thread(kind)
    router.SERVICE_PATTERNS["application-autoscaling"] = {
        "target_prefixes": ["AnyScaleFrontendService"]
    }
    app.SERVICE_HANDLERS["application-autoscaling"] = _describe
    update = ecs._ACTION_MAP["UpdateService"]

    def counted(data: dict[str, Any]) -> Any:
        cluster, name = data["cluster"].split("/")[-1], data["service"].split("/")[-1]
        before = _desired(cluster, name)
        begun, answer = time.time(), update(data)
        resource_id, wanted = f"service/{cluster}/{name}", data.get("desiredCount", before)
        if wanted > before and any(one["ResourceId"] == resource_id for one in TARGETS.values()):
            activity = {"ResourceId": resource_id, "StartTime": begun, "StatusCode": "Successful"}
            ACTIVITIES.append(activity | {"Description": f"Setting desired count to {wanted}."})
        return answer

    ecs._ACTION_MAP["UpdateService"] = counted
    return (
        "CloudFormation takes AWS::ApplicationAutoScaling's targets and policies, and makes the "
        "alarms of target tracking; Describe* shows them, and each rise of a target as an activity"
    )


def _desired(cluster: str, service: str) -> int:
    """Return the desired count of a service; 0 where there is none."""
    asked = {"cluster": cluster, "services": [service]}
    _, _, body = ecs._ACTION_MAP["DescribeServices"](asked)
    return sum(one["desiredCount"] for one in json.loads(body)["services"])


def _put_target(_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
    key = "|".join(
        properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")
    )
    bounds = {name: int(properties[name]) for name in ("MinCapacity", "MaxCapacity")}
    TARGETS[key] = {**properties, **bounds}
    return key, {}


def _put_policy(_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
    resource_id = properties["ScalingTargetId"].split("|")[0]
    arn = f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{resource_id}"
    policy = {**properties, "ResourceId": resource_id, "PolicyARN": arn, "Alarms": []}
    tracking = properties.get("TargetTrackingScalingPolicyConfiguration")
    if tracking:
        target = float(tracking["TargetValue"])
        for level, periods, threshold, comparison in (
            ("High", 3, target, "GreaterThanThreshold"),
            ("Low", 45, 0.9 * target, "LessThanThreshold"),
        ):
            name = f"TargetTracking-{resource_id}-Alarm{level}-{len(resource_id):08x}"
            cloudwatch.cloudformation_put_metric_alarm(
                _alarm_of_cpu(name, resource_id, periods, threshold, comparison)
            )
            policy["Alarms"].append({"AlarmName": name})
    POLICIES[arn] = policy
    return arn, {}


def _alarm_of_cpu(
    name: str, resource_id: str, periods: int, threshold: float, comparison: str
) -> dict[str, Any]:
    _, cluster, service = resource_id.split("/")
    names = {"ClusterName": cluster, "ServiceName": service}
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}",
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": key, "Value": value} for key, value in names.items()],
        "Statistic": "Average",
        "Period": 20,
        "EvaluationPeriods": periods,
        "Threshold": threshold,
        "ComparisonOperator": comparison,
        "TreatMissingData": "missing",
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": time.time(),
        "AlarmConfigurationUpdatedTimestamp": time.time(),
    }


def _forget(gone: dict[str, Any]) -> None:
    """AAS deletes a policy's alarms with it. It takes a moment, in which a proof can be killed."""
    if "PolicyARN" in gone:
        time.sleep(1)
    for alarm in gone.get("Alarms", []):
        cloudwatch.cloudformation_delete_metric_alarm(alarm["AlarmName"])


async def _describe(
    _method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
) -> Any:
    asked = json.loads(body)
    wanted = asked.get("ResourceIds") or [asked["ResourceId"]]
    what = headers["x-amz-target"].rsplit(".Describe", 1)[-1]
    kept = {
        "ScalableTargets": TARGETS.values(),
        "ScalingPolicies": POLICIES.values(),
        "ScalingActivities": reversed(ACTIVITIES),
    }[what]
    return json_response({what: [one for one in kept if one["ResourceId"] in wanted]})


SHIMS = (
    alarms_are_evaluated_elsewhere,
    events_of_alarms_are_put,
    calls_are_authorised_by_what_they_name,
    batches_need_the_right_to_their_parts,
    metrics_name_their_namespace,
    loopback_stands_for_tls,
    schedules_say_their_time,
    conditions_take_functions,
    tasks_take_time_to_start,
    stamps_have_fractions,
    application_auto_scaling_remembers,
)


def main() -> None:
    """Install the shims, say what they do, and serve."""
    for shim in SHIMS:
        sys.stderr.write(f"shim: {shim()}\n")
    sys.stderr.flush()
    app.main()


if __name__ == "__main__":
    main()
