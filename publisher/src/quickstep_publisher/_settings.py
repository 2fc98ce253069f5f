"""Read what to publish, and where: from arguments, environment and ECS's task metadata."""

from __future__ import annotations

import json
import math
import os
import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep_publisher._points import INTERVAL, SPREAD, Address, own_namespace
from quickstep_publisher._trouble import Kind, NotPublishedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLUSTER = "QUICKSTEP_CLUSTER"
SERVICE = "QUICKSTEP_SERVICE"
NAMESPACE_VARIABLE = "QUICKSTEP_NAMESPACE"
TRANSPORT = "QUICKSTEP_TRANSPORT"
DIRECTORY = "QUICKSTEP_DIRECTORY"
SLOTS = "QUICKSTEP_SLOTS"
SECONDS = "QUICKSTEP_SECONDS"
SPREAD_OVER = "QUICKSTEP_SPREAD"
SURGE_QUEUE = "QUICKSTEP_SURGE_QUEUE"
TARGET = "QUICKSTEP_TARGET"
METADATA = "ECS_CONTAINER_METADATA_URI_V4"

LOG_GROUP = "QUICKSTEP_LOG_GROUP"
CALM_SECONDS = "QUICKSTEP_CALM_SECONDS"
LEAVE_OUT = "QUICKSTEP_LEAVE_OUT"
DRAIN = "QUICKSTEP_DRAIN"

TRANSPORTS = ("cloudwatch", "logs", "emf", "print", "off")
HEALTH_CHECKS = ("/health", "/healthz", "/health-check", "/healthcheck", "/livez", "/readyz")
"""Paths that are left out by default."""
LONGEST_CALM = 30
"""Seconds; a task that calls less often leaves the scaler without data."""
TIMEOUT = 2
"""Seconds for the metadata endpoint to connect, and to respond."""
_LONGEST_ANSWER = 1_000_000

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NAMESPACE = re.compile(r"[^:\s][^\s]{0,254}")


def fetch(url: str) -> Any:
    """Return the JSON document at a URL of the task metadata endpoint.

    Raises:
        OSError: the endpoint does not respond in time.
        ValueError: the URL is invalid, or the response is not JSON.
    """
    if not url.startswith("http://"):
        raise ValueError(f"{METADATA} must start with http://, not {url!r}")
    # The endpoint is link-local: a proxy from the environment cannot reach it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT) as answer:
        return json.loads(answer.read(_LONGEST_ANSWER))


@dataclass(frozen=True)
class Settings:
    """Names as given: by argument, else by environment variable, else None."""

    cluster: str | None
    service: str | None
    namespace: str | None
    transport: str
    directory: str | None
    metadata: str | None
    slots: int | None = None
    seconds: bool = False
    log_group: str | None = None
    calm_seconds: int = 0
    leave_out: frozenset[str] = frozenset(HEALTH_CHECKS)
    drain: bool = False
    surge_queue: str | None = None
    target: float | None = None
    spread: int = SPREAD

    def address(self, get: Callable[[str], Any] = fetch) -> Address:
        """Return the metrics' owner; `get` fetches names that were not given.

        Raises:
            NotPublishedError: a name is missing or invalid.
        """
        cluster, service = self.cluster, self.service
        if cluster is None or service is None:
            task = self._task(get)
            # The name, or the whole ARN: arn:aws:ecs:eu-west-1:123456789012:cluster/prod
            cluster = cluster or str(task.get("Cluster") or "").rpartition("/")[2] or None
            service = service or task.get("ServiceName")
        if cluster is None:
            raise _no_name("a Cluster", CLUSTER)
        if service is None:
            # The task definition's family is no substitute: it only looks like the service's name,
            # and an alarm on a metric with other dimensions silently sees nothing.
            raise _no_name("a ServiceName (does a service run this task?)", SERVICE)
        namespace = self.namespace or own_namespace(cluster, service)
        check_names(cluster, service, namespace)
        return Address(namespace, cluster, service)

    def seed(self, host: str) -> str:
        """Return what distinguishes this task from others, shared by one publisher's workers.

        The metadata URI names the container, and survives a restart of its processes. Outside ECS,
        as on a laptop, two applications may share their names. So `host` also names what was
        started together: a server and its workers are one process group.
        """
        return json.dumps(
            [self.metadata or host, self.cluster, self.service, self.namespace, self.transport]
        )

    def _task(self, get: Callable[[str], Any]) -> Mapping[str, Any]:
        if not self.metadata:
            raise NotPublishedError(
                Kind.NO_NAMES,
                f"this is not an ECS task ({METADATA} is not set), so give {CLUSTER} and "
                f"{SERVICE}, or the arguments cluster and service",
            )
        try:
            task = get(f"{self.metadata}/task")
        except (OSError, ValueError) as error:
            reason = f"cannot read ECS's task metadata: {error}"
            raise NotPublishedError(Kind.NO_NAMES, reason) from error
        if not isinstance(task, dict):
            raise NotPublishedError(Kind.NO_NAMES, "ECS's task metadata is not a JSON object")
        return task


def host_of(name: str) -> str:
    """Return a name for a task outside ECS: the machine, and this process's group on it."""
    group = os.getpgrp() if hasattr(os, "getpgrp") else 0
    return f"{name} {group}"


def settings(
    environment: Mapping[str, str],
    *,
    cluster: str | None = None,
    service: str | None = None,
    namespace: str | None = None,
    transport: str | None = None,
    directory: str | None = None,
    slots: int | None = None,
    seconds: bool | None = None,
    target: float | None = None,
) -> Settings:
    """Return the settings; arguments override the environment, an empty variable is unset."""
    return Settings(
        cluster=cluster or environment.get(CLUSTER) or None,
        service=service or environment.get(SERVICE) or None,
        namespace=namespace or environment.get(NAMESPACE_VARIABLE) or None,
        transport=transport or environment.get(TRANSPORT) or "cloudwatch",
        directory=directory or environment.get(DIRECTORY) or None,
        metadata=environment.get(METADATA) or None,
        slots=slots or _whole(environment.get(SLOTS)),
        seconds=environment.get(SECONDS) != "0" if seconds is None else seconds,
        log_group=environment.get(LOG_GROUP) or None,
        calm_seconds=min(_whole(environment.get(CALM_SECONDS)) or 0, LONGEST_CALM),
        leave_out=_paths(environment.get(LEAVE_OUT)),
        drain=environment.get(DRAIN) == "1",
        surge_queue=environment.get(SURGE_QUEUE) or None,
        spread=min(_whole(environment.get(SPREAD_OVER)) or SPREAD, INTERVAL),
        target=target or _target(environment.get(TARGET)),
    )


def _paths(text: str | None) -> frozenset[str]:
    """Return the paths in a list such as "/health,/ping"; an empty list leaves nothing out."""
    if text is None:
        return frozenset(HEALTH_CHECKS)
    return frozenset(path.strip() for path in text.split(",") if path.strip())


def _target(text: str | None) -> float | None:
    """Return a number above 0, else None: without a target, a task compares with its own past."""
    with suppress(ValueError):
        target = float(text or "")
        return target if 0 < target < math.inf else None
    return None


def _whole(text: str | None) -> int | None:
    """Return a whole number above 0, else None."""
    return int(text) if text and text.isdigit() and int(text) > 0 else None


def check_names(cluster: str | None, service: str | None, namespace: str | None) -> None:
    """Check names that are not None.

    Raises:
        NotPublishedError: a name is invalid.
    """
    for what, name in (("cluster", cluster), ("service", service)):
        if name is not None and not _NAME.fullmatch(name):
            raise NotPublishedError(
                Kind.SETTINGS,
                f"{what} must be a name of up to 255 letters, digits, - and _, not {name!r}",
            )
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        rule = "must be up to 255 characters without spaces, the first no colon"
        raise NotPublishedError(Kind.SETTINGS, f"namespace {rule}, not {namespace!r}")


def _no_name(what: str, variable: str) -> NotPublishedError:
    reason = f"ECS's task metadata does not name {what}; give {variable}"
    return NotPublishedError(Kind.NO_NAMES, reason)
