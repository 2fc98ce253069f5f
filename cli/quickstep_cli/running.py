"""What `quickstep init` asks AWS about a running service; it reports what it may not read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep_cli.autoscaling import read_scalable
from quickstep_cli.aws import now
from quickstep_cli.checks.facts import EcsMetrics, Unknown
from quickstep_cli.facts import described_services, drains, or_unknown, published_by_ecs
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.proposal import MINUTE, Running, Signal, StartUp
from quickstep_lab.cost.month import Architecture, TaskSize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName
    from quickstep_cli.autoscaling import Scalable
    from quickstep_cli.aws import Aws

_TASKS = 20
"""How many tasks to take start-up times from."""
_DAY = timedelta(days=1)
_LOADED = 5.0
"""CPU percent from which a minute shows load; below it, a task mostly idles."""
_MINUTES = 30
"""Minutes with load needed to derive a number from them."""
_TRACKED = {
    "ECSServiceAverageCPUUtilization": Signal.CPU,
    "ECSServiceAverageCPUUtilizationHighResolution": Signal.CPU,
    "ALBRequestCountPerTarget": Signal.BALANCER,
}
_ECR = r"(\d{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com[a-z.]*/([^:@]+)"


def look_at(aws: Aws, service: ServiceName) -> Running:
    """Return what is known about a service, without changing anything.

    A question that AWS does not allow is left out and named in `unknown`.

    Raises:
        CommandError: there is no such service.
    """
    return _Asked(aws, service).running()


class _Asked:
    """The questions, and why some have no answer."""

    def __init__(self, aws: Aws, service: ServiceName) -> None:
        self._aws, self._service = aws, service
        self._unknown: dict[str, str] = {}

    def _ask(self, what: str, ask: Callable[[], Any], otherwise: Any = None) -> Any:
        answer = or_unknown(ask)
        if isinstance(answer, Unknown):
            self._unknown[what] = answer.why
            return otherwise
        return answer

    def running(self) -> Running:
        aws, service = self._aws, self._service
        found = _described(aws, service)
        definition = self._ask("its task definition", lambda: _definition(aws, found), {})
        tasks = self._ask("its tasks", lambda: _tasks(aws, service), [])
        groups = _groups(found)
        scalable: Scalable | None = self._ask(
            "Application Auto Scaling", lambda: read_scalable(aws, service)
        )
        ecs: EcsMetrics | None = self._ask(
            "how often ECS publishes CPU", lambda: published_by_ecs(aws.client("ecs"), service)
        )
        published = self._ask("its metrics", lambda: _publishes(aws, service), False)
        containers = definition.get("containerDefinitions", [])
        image = str(containers[0].get("image", "")) if containers else ""
        group = groups[0].rpartition(":")[2] if groups else None
        return Running(
            service=service,
            desired=int(found["desiredCount"]),
            image=image,
            image_bytes=self._ask("the image's size", lambda: _image_bytes(aws, image, tasks)),
            size=_size(definition),
            start_ups=list(_start_ups(tasks)),
            healthy_after=self._ask("its health checks", lambda: _healthy_after(aws, groups)),
            drains=self._ask(
                "its deregistration delay", lambda: max(drains(aws, service).values(), default=None)
            ),
            target_group=group,
            controller=found.get("deploymentController", {}).get("type", "ECS"),
            cpu_seconds=ecs.seconds.get("CPUUtilization", MINUTE) if ecs else None,
            publishes=published,
            requests_per_percent=self._ask(
                "its load", lambda: _requests_per_percent(aws, service, group, published=published)
            ),
            bounds=scalable.bounds if scalable else None,
            tracked=dict(_tracked(scalable.policies)) if scalable else {},
            present=present_scaler(scalable.policies) if scalable else None,
            policies=[one["PolicyName"] for one in scalable.policies] if scalable else [],
            scheduled=scalable.scheduled if scalable else [],
            unknown=[f"{what}: {why}" for what, why in self._unknown.items()],
        )


def _described(aws: Aws, service: ServiceName) -> Mapping[str, Any]:
    found = described_services(aws.client("ecs"), service)
    active = [one for one in found if one.get("status") != "INACTIVE"]
    if not active:
        why = f"ECS has no service {service.service} in the cluster {service.cluster} here"
        raise CommandError(Exit.NOT_FOUND, why)
    return active[0]


def _definition(aws: Aws, found: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = aws.client("ecs").describe_task_definition(taskDefinition=found["taskDefinition"])
    definition: Mapping[str, Any] = answer["taskDefinition"]
    return definition


def _size(definition: Mapping[str, Any]) -> TaskSize:
    """Return a task's size. Example: cpu 256 and memory 512: 0.25 vCPU and 0.5 GB."""
    platform = definition.get("runtimePlatform", {}).get("cpuArchitecture")
    return TaskSize(
        int(definition.get("cpu") or 1024) / 1024,
        int(definition.get("memory") or 2048) / 1024,
        Architecture.ARM if platform == "ARM64" else Architecture.X86,
    )


def _tasks(aws: Aws, service: ServiceName) -> Sequence[Mapping[str, Any]]:
    client, of = aws.client("ecs"), {"cluster": service.cluster}
    arns = client.list_tasks(**of, serviceName=service.service, maxResults=_TASKS)["taskArns"]
    return list(client.describe_tasks(**of, tasks=arns)["tasks"]) if arns else []


def _start_ups(tasks: Sequence[Mapping[str, Any]]) -> Iterator[StartUp]:
    for task in tasks:
        if not {"createdAt", "startedAt"} <= task.keys():
            continue
        pulled = {"pullStartedAt", "pullStoppedAt"} <= task.keys()
        yield StartUp(
            (task["startedAt"] - task["createdAt"]).total_seconds(),
            (task["pullStoppedAt"] - task["pullStartedAt"]).total_seconds() if pulled else None,
        )


def _image_bytes(aws: Aws, image: str, tasks: Sequence[Mapping[str, Any]]) -> int | None:
    """Return an image's stored size in ECR; None for another registry's."""
    named = re.match(_ECR, image)
    digests = [one["imageDigest"] for t in tasks for one in t["containers"] if "imageDigest" in one]
    if not named or not digests:
        return None
    answer = aws.client("ecr").describe_images(
        registryId=named[1], repositoryName=named[2], imageIds=[{"imageDigest": digests[0]}]
    )
    return int(answer["imageDetails"][0]["imageSizeInBytes"])


def _groups(found: Mapping[str, Any]) -> list[str]:
    return [one["targetGroupArn"] for one in found["loadBalancers"] if "targetGroupArn" in one]


def _healthy_after(aws: Aws, groups: Sequence[str]) -> float | None:
    """Return the seconds until a running task gets requests. Example: 2 checks, 5 s apart: 10."""
    if not groups:
        return None
    found = aws.client("elbv2").describe_target_groups(TargetGroupArns=groups)["TargetGroups"]
    return float(
        max(one["HealthCheckIntervalSeconds"] * one["HealthyThresholdCount"] for one in found)
    )


def _publishes(aws: Aws, service: ServiceName) -> bool:
    """Return whether tasks published to the service's own namespace in the last hours."""
    listed = aws.client("cloudwatch").list_metrics(
        Namespace=f"Quickstep/{service.cluster}/{service.service}",
        MetricName="RequestsPerSecond",
        RecentlyActive="PT3H",
    )
    return bool(listed["Metrics"])


def _tracked(policies: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Signal, float]]:
    for policy in policies:
        body = policy.get("TargetTrackingScalingPolicyConfiguration", {})
        kind = body.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if kind in _TRACKED:
            yield _TRACKED[kind], float(body["TargetValue"])


def present_scaler(policies: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the AAS model closest to a service's policies; None if it has no policy."""
    kinds = [
        policy.get("TargetTrackingScalingPolicyConfiguration", {})
        .get("PredefinedMetricSpecification", {})
        .get("PredefinedMetricType", "")
        for policy in policies
        if policy["PolicyType"] == "TargetTrackingScaling"
    ]
    if kinds:
        fine = any(kind.endswith("HighResolution") for kind in kinds)
        return "aas-target-tracking-20s" if fine else "aas-target-tracking-60s"
    return "aas-step-60s-alarm" if policies else None


def _requests_per_percent(
    aws: Aws, service: ServiceName, group: str | None, *, published: bool
) -> float | None:
    """Return a task's requests per second for each percent of CPU, from the last day.

    None if too few minutes had load, or nothing counts requests. Example: 126 requests/s at
    60 % in one minute and 63 at 30 % in another: 189 / 90 = 2.1.
    """
    if not published and not group:
        return None
    own = {"ClusterName": service.cluster, "ServiceName": service.service}
    cpu = metric_query("cpu", "AWS/ECS", "CPUUtilization", "Average", own)
    namespace = f"Quickstep/{service.cluster}/{service.service}"
    if published:
        load = metric_query("load", namespace, "RequestsPerSecond", "Average", own)
    else:
        of_group = {"TargetGroup": str(group)}
        load = metric_query("load", "AWS/ApplicationELB", "RequestCountPerTarget", "Sum", of_group)
    answer = read_metrics(aws, [cpu, load], _DAY)
    minutes = [
        (requests / (1 if published else MINUTE), answer["cpu"][at])
        for at, requests in answer["load"].items()
        if answer["cpu"].get(at, 0.0) >= _LOADED
    ]
    if len(minutes) < _MINUTES:
        return None
    return sum(requests for requests, _ in minutes) / sum(percent for _, percent in minutes)


def metric_query(
    name: str, namespace: str, metric: str, statistic: str, dimensions: Mapping[str, str]
) -> dict[str, Any]:
    """Return a query of GetMetricData, by the minute."""
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
            "Period": MINUTE,
            "Stat": statistic,
        },
    }


def read_metrics(
    aws: Aws, queries: Sequence[Mapping[str, Any]], span: timedelta
) -> dict[str, dict[Any, float]]:
    """Return each query's datapoints of the newest `span`, by time."""
    end = now().replace(second=0, microsecond=0)
    found: dict[str, dict[Any, float]] = {query["Id"]: {} for query in queries}
    pages = aws.client("cloudwatch").get_paginator("get_metric_data")
    for page in pages.paginate(
        MetricDataQueries=list(queries),
        StartTime=end - span,
        EndTime=end,
        ScanBy="TimestampAscending",
    ):
        for one in page["MetricDataResults"]:
            found[one["Id"]].update(zip(one["Timestamps"], one["Values"], strict=True))
    return found


def task_size(aws: Aws, service: ServiceName) -> TaskSize:
    """Return the size of a service's tasks."""
    return _size(_definition(aws, _described(aws, service)))
