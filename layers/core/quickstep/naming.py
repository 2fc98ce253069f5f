"""Names link alarm, policy document and service, so no table is needed for that.

For the service `web` in the cluster `prod` and its policy `high-request-rate`:

    resource id      service/prod/web
    alarm            quickstep/prod/web/high-request-rate
    SSM parameter    /quickstep/prod/web

A target policy `request-rate` has the alarm `quickstep/prod/web/request-rate/high`. The service's
drill has `quickstep/prod/web/drill/pulse`, a name that no policy's alarm can have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = "[A-Za-z0-9_-]{1,255}"
MAX_ALARM_NAME = 255
"""Characters (*PutMetricAlarm*, CloudWatch API reference)."""
POLICY_NAME = "[A-Za-z0-9._-]{1,128}"
DOCUMENTS = "/quickstep/"
"""The path that contains all policy documents."""

DRILL = "drill/pulse"
"""The name of a drill's alarm. A policy's name has no slash, and only `/high` may follow it. So no
policy's alarm is ever taken for a drill's, or a drill's for a policy's."""

QUEUE_NAME = r"(?=.{1,80}$)[A-Za-z0-9_-]{1,80}(\.fifo)?"
QUEUE_NAME_RULE = (
    "must be a queue's name, of up to 80 letters, digits, - and _; a FIFO queue's ends with .fifo"
)
RESOURCE_ID = f"service/{_NAME}/{_NAME}"
RESOURCE_ID_RULE = "must be service/<cluster>/<service>, of letters, digits, - and _"


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A service, by the names of its cluster and itself."""

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
        """Return the full CloudWatch name of a policy's alarm."""
        return f"quickstep/{self.cluster}/{self.service}/{alarm}"


def parse_resource_id(resource_id: str) -> ServiceName | None:
    """Return the service that a resource id names; None if it names none."""
    if not re.fullmatch(RESOURCE_ID, resource_id):
        return None
    _, cluster, service = resource_id.split("/")
    return ServiceName(cluster, service)


def parse_parameter(parameter: str) -> ServiceName | None:
    """Return the service whose policy document a parameter holds; None if it holds none."""
    match = re.fullmatch(f"/quickstep/({_NAME})/({_NAME})", parameter)
    return ServiceName(match[1], match[2]) if match else None


def parse_alarm_name(name: str) -> tuple[ServiceName, str] | None:
    """Return the service and the policy's alarm in an alarm name; None if it is not one."""
    match = re.fullmatch(f"quickstep/({_NAME})/({_NAME})/({POLICY_NAME}(?:/high)?)", name)
    return (ServiceName(match[1], match[2]), match[3]) if match else None


def parse_drill_name(name: str) -> tuple[ServiceName, str] | None:
    """Return the service in a drill's alarm name, and `DRILL`; None if it is not one."""
    match = re.fullmatch(f"quickstep/({_NAME})/({_NAME})/{DRILL}", name)
    return (ServiceName(match[1], match[2]), DRILL) if match else None
