"""Names tie alarm, policy document and service together; no table of its own is needed.

For the service `web` in the cluster `prod` and its policy `high-request-rate`:

    resource id      service/prod/web
    alarm            quickstep/prod/web/high-request-rate
    SSM parameter    /quickstep/prod/web

A target policy `request-rate` has the alarm `quickstep/prod/web/request-rate/high`. The service's
drill has `quickstep/prod/web/drill/pulse`, which no policy's alarm can be called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = "[A-Za-z0-9_-]{1,255}"
MAX_ALARM_NAME = 255
"""Characters (*PutMetricAlarm*, CloudWatch API reference)."""
POLICY_NAME = "[A-Za-z0-9._-]{1,128}"
DOCUMENTS = "/quickstep/"
"""The path below which all policy documents are."""

DRILL = "drill/pulse"
"""What the alarm of a service's drill is called. A policy's name has no slash, and only `/high` may
follow it: so no policy's alarm is ever taken for a drill, and no drill for a policy's alarm."""

QUEUE_NAME = r"(?=.{1,80}$)[A-Za-z0-9_-]{1,80}(\.fifo)?"
QUEUE_NAME_RULE = (
    "must be a queue's name, of up to 80 letters, digits, - and _; a FIFO queue's ends with .fifo"
)
RESOURCE_ID = f"service/{_NAME}/{_NAME}"
RESOURCE_ID_RULE = "must be service/<cluster>/<service>, of letters, digits, - and _"


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A service by its cluster's and its own name."""

    cluster: str
    service: str

    @property
    def resource_id(self) -> str:
        """Application Auto Scaling's name for the scalable target."""
        return f"service/{self.cluster}/{self.service}"

    @property
    def parameter(self) -> str:
        """The SSM parameter that holds the policy document."""
        return f"/quickstep/{self.cluster}/{self.service}"

    def alarm(self, alarm: str) -> str:
        """Return the whole name of the CloudWatch alarm that a policy calls so."""
        return f"quickstep/{self.cluster}/{self.service}/{alarm}"


def parse_resource_id(resource_id: str) -> ServiceName | None:
    """Return the service that a resource id names; None where it is not one."""
    if not re.fullmatch(RESOURCE_ID, resource_id):
        return None
    _, cluster, service = resource_id.split("/")
    return ServiceName(cluster, service)


def parse_parameter(parameter: str) -> ServiceName | None:
    """Return the service whose policy document an SSM parameter holds; None where it is none's."""
    match = re.fullmatch(f"/quickstep/({_NAME})/({_NAME})", parameter)
    return ServiceName(match[1], match[2]) if match else None


def parse_alarm_name(name: str) -> tuple[ServiceName, str] | None:
    """Return the service and its policy's alarm that a name ties together; None if neither."""
    match = re.fullmatch(f"quickstep/({_NAME})/({_NAME})/({POLICY_NAME}(?:/high)?)", name)
    return (ServiceName(match[1], match[2]), match[3]) if match else None


def parse_drill_name(name: str) -> tuple[ServiceName, str] | None:
    """Return the service whose drill an alarm's name says, and `DRILL`; None where it is none's."""
    match = re.fullmatch(f"quickstep/({_NAME})/({_NAME})/{DRILL}", name)
    return (ServiceName(match[1], match[2]), DRILL) if match else None
