"""What Application Auto Scaling and CloudWatch say about services: live, or from saved output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json
from quickstep.naming import parse_resource_id
from quickstep_cli.asked import by_cluster, parts
from quickstep_cli.autoscaling import CALLS, DIMENSION, scaling_answers
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.options import MAX_EXPORT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

_NAMES = 100  # DescribeAlarms' maximum
_ALARMS = ("MetricAlarms", "CompositeAlarms")
_ANSWERS = ("ScalableTargets", "ScalingPolicies", *_ALARMS, "ScheduledActions")


@dataclass(frozen=True, slots=True)
class Found:
    """Members of the answers, under AWS's names; `where` says where they come from."""

    where: str
    answers: dict[str, list[Any]] = field(default_factory=lambda: {key: [] for key in _ANSWERS})

    def of(self, service: ServiceName, key: str) -> list[Any]:
        """Return an answer's entries about one service's desired count."""
        return [
            one
            for one in self.answers[key]
            if one.get("ResourceId") == service.resource_id
            and one.get("ScalableDimension", DIMENSION) == DIMENSION
        ]

    @property
    def alarms(self) -> dict[str, Any]:
        """The metric alarms by name."""
        return {one["AlarmName"]: one for one in self.answers["MetricAlarms"]}

    @property
    def composites(self) -> set[str]:
        """The names of the composite alarms."""
        return {str(one.get("AlarmName")) for one in self.answers["CompositeAlarms"]}

    @property
    def services(self) -> list[ServiceName]:
        """The services that have a scalable target, by name."""
        ids = {str(one.get("ResourceId")) for one in self.answers["ScalableTargets"]}
        return [named for one in sorted(ids) if (named := parse_resource_id(one))]


def ask(aws: Aws, service: ServiceName | None = None) -> Found:
    """Return what AWS has on one service, or on all in the Region."""
    found = Found(f"in {aws.region}")
    for key in CALLS:
        found.answers[key] += scaling_answers(aws, key, service)
    policies = found.answers["ScalingPolicies"]
    steps = (policy for policy in policies if policy["PolicyType"] == "StepScaling")
    names = {alarm["AlarmName"] for policy in steps for alarm in policy.get("Alarms", [])}
    for some in parts(sorted(names), _NAMES):
        answer = aws.client("cloudwatch").describe_alarms(
            AlarmNames=some, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for key in _ALARMS:
            found.answers[key] += answer.get(key, [])
    return found


def tagged(aws: Aws, services: Sequence[ServiceName], tags: Sequence[str]) -> list[ServiceName]:
    """Return the services that have all the given tags, each `Key=Value`.

    Raises:
        CommandError: a tag is malformed.
    """
    wanted = dict(map(_read_tag, tags))
    having = {
        (cluster, described["serviceName"])
        for cluster, names in by_cluster(services)
        for described in aws.client("ecs").describe_services(
            cluster=cluster, services=names, include=["TAGS"]
        )["services"]
        if wanted.items() <= {tag["key"]: tag["value"] for tag in described.get("tags", [])}.items()
    }
    return [service for service in services if (service.cluster, service.service) in having]


def _read_tag(tag: str) -> tuple[str, str]:
    key, given, value = tag.partition("=")
    if not (key and given):
        raise CommandError(Exit.USAGE, f"--tag must be KEY=VALUE, not {tag!r}")
    return key, value


def read_files(files: Sequence[Path]) -> Found:
    """Return the contents of saved output.

    Raises:
        CommandError: a file is not the output of an AWS describe call.
    """
    found = Found(f"in {', '.join(str(file) for file in files)}")
    for file in files:
        try:
            read_answer(found, file.read_text(encoding="utf-8"))
        except (InvalidDocumentError, UnicodeDecodeError) as error:
            raise CommandError(Exit.USAGE, f"{file}: {error}") from error
    return found


def read_answer(found: Found, text: str) -> None:
    """Add one saved answer.

    Raises:
        InvalidDocumentError: it is not one; every problem is listed.
    """
    problems = Problems()
    members = Field(parse_json(text, MAX_EXPORT), "", problems).members()
    known = found.answers.keys() & members.keys()
    if not known and not problems.found:
        rule = f"must have one of {', '.join(_ANSWERS)}"
        Field(None, "", problems).wrong(rule, seen=False)
    for key in known:
        for item in members[key].items():
            item.members()
            found.answers[key].append(item.value)
    problems.raise_any(InvalidDocumentError)
