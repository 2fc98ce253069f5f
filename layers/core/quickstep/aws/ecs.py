"""ECS services: DescribeServices and UpdateService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.aws.failures import calling
from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.naming import ServiceName
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef


LONGEST_PROBLEM = 300
"""Characters of ECS's own words that a decision keeps."""


class EcsServices:
    """The `Services` port over ECS clients.

    `updates` makes each call only once. If the SDK retried, a throttle would no longer prove that
    nothing was done, because an earlier attempt's answer may have been lost.
    """

    def __init__(self, client: ECSClient, updates: ECSClient) -> None:
        self._client = client
        self._updates = updates

    def describe(self, service: ServiceName) -> Service:
        """Return the service as it is now; see the port."""
        with calling("DescribeServices"):
            answer = self._client.describe_services(
                cluster=service.cluster, services=[service.service]
            )
        if not answer["services"]:
            reasons = ", ".join(failure.get("reason", "?") for failure in answer["failures"])
            why = f"{service.resource_id}: {reasons or 'not in the answer'}"
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, why)
        found = answer["services"][0]
        if found["status"] != "ACTIVE":
            why = f"{service.resource_id} is {found['status']}"
            raise CallFailedError(Outcome.FAILED_NOT_FOUND, why)
        return _service(found)

    def describe_all(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Service]:
        """Return services of one cluster as they are now; see the port."""
        cluster = services[0].cluster
        with calling("DescribeServices"):
            answer = self._client.describe_services(
                cluster=cluster, services=[service.service for service in services]
            )
        return {
            ServiceName(cluster, found["serviceName"]): _service(found)
            for found in answer["services"]
            if found["status"] == "ACTIVE"
        }

    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        """Set the desired count; see the port.

        Any further argument could start a deployment, so none is ever passed.
        """
        with calling("UpdateService"):
            self._updates.update_service(
                cluster=service.cluster, service=service.service, desiredCount=desired
            )


def _service(found: ServiceTypeDef) -> Service:
    return Service(
        desired=found["desiredCount"],
        running=found["runningCount"],
        pending=found["pendingCount"],
        deployment_in_progress=deployment_in_progress(found),
        trouble=_problem(found),
    )


def _problem(service: ServiceTypeDef) -> str:
    """Return ECS's reasons for missing tasks, if fewer run than are desired.

    Example: `3 tasks failed; (service web) was unable to place a task because ...`.
    """
    if service["runningCount"] >= service["desiredCount"]:
        return ""
    failed = sum(deployment.get("failedTasks", 0) for deployment in service.get("deployments", []))
    said = [event.get("message", "") for event in service.get("events", [])[:1]]
    parts = [f"{failed} tasks failed" if failed else "", *said]
    return "; ".join(part for part in parts if part)[:LONGEST_PROBLEM]


def deployment_in_progress(service: ServiceTypeDef) -> bool:
    """Return whether a rollout's old and new tasks run side by side.

    Rolling deployments have a rolloutState, except behind a Classic Load Balancer, where a second
    deployment is the sign. Completed deployments may leave old tasks running for a long time (early
    success criteria), so their number alone proves nothing. CODE_DEPLOY shows a second task set. An
    EXTERNAL controller's rollouts are its own business, and never hold scale-in [AAS].
    """
    controller = service.get("deploymentController", {}).get("type", "ECS")
    if controller == "EXTERNAL":
        return False
    if controller == "CODE_DEPLOY":
        return len(service.get("taskSets", [])) > 1
    deployments = service.get("deployments", [])
    states = [deployment.get("rolloutState") for deployment in deployments]
    return "IN_PROGRESS" in states or (len(states) > 1 and None in states)
