"""The result of converting Application Auto Scaling's settings, and the names used for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickstep.config import STANDARD_BYTES
from quickstep.engine.model import Comparison
from quickstep.naming import MAX_ALARM_NAME
from quickstep_cli.alarm_metric import METRIC_KEYS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from quickstep.naming import ServiceName

GROUPS = ("ScaleOutPolicies", "ScaleInPolicies", "TargetTrackingPolicies")
_LONGEST = 120
"""Maximum length of a policy's name; leaves room for a number if the name is taken."""
_END = 12
_OF_A_TARGET = "/high"
"""Suffix of a target policy's alarm."""

_NOT_OURS = frozenset(
    {
        *("AlarmName", "AlarmArn", "AlarmConfigurationUpdatedTimestamp", "ActionsEnabled"),
        *("OKActions", "AlarmActions", "InsufficientDataActions", "Tags"),
        *("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp"),
        *("StateTransitionedTimestamp", "EvaluationState"),
    }
)
"""An alarm's name, state and actions, all of which are replaced."""

_ALARM_KEYS = (
    "AlarmDescription",
    *METRIC_KEYS,
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
)

COMPARISONS = tuple(str(comparison) for comparison in Comparison)


class TakeOverError(Exception):
    """Why a service cannot be taken over."""


@dataclass
class TakeOver:
    """The result of converting a service's Application Auto Scaling settings.

    `alarms` are inputs of PutMetricAlarm, `schedules` properties of AWS::Scheduler::Schedule.
    `by_steps` names the document's policies that were made from step policies. `notes` say what
    is different, `warnings` what was not carried over or needs attention.
    """

    service: ServiceName
    document: dict[str, Any]
    alarms: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    by_steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The document's text, on one line if it is too large for a free parameter."""
        readable = json.dumps(self.document, indent=2)
        if len(readable) < STANDARD_BYTES:
            return readable
        return json.dumps(self.document, separators=(",", ":"))

    def name(self, title: str) -> str:
        """Return a policy's new name: valid, free, and short enough for its alarm's name.

        Raises:
            TakeOverError: the names of cluster and service leave no room.
        """
        room = MAX_ALARM_NAME - len(self.service.alarm("")) - len(_OF_A_TARGET)
        if room < 1:
            taken = len(self.service.alarm(""))
            raise TakeOverError(
                f"{self.service.resource_id}: an alarm's name takes {MAX_ALARM_NAME} characters, "
                f"and {self.service.alarm('')} alone has {taken}: give the cluster or the service "
                "a shorter name"
            )
        longest = min(_LONGEST, room)
        name = _cut(re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-") or "policy", longest)
        used = {used for group in GROUPS for used in self.document[group]}
        tries = (name, *(f"{name[: longest - 3]}-{number}" for number in range(2, 60)))
        free = next((one for one in tries if one not in used), None)
        if free is None:
            raise TakeOverError(f"{self.service.resource_id}: no name is left for {title}")
        if free != title:
            long = f", because an alarm's name takes {MAX_ALARM_NAME} characters"
            self.notes.append(f"{title} is called {free} here{long if len(title) > room else ''}")
        return free


def _cut(name: str, longest: int) -> str:
    """Cut the middle out of a name that is too long: its end often gives the direction.

    Example: `checkout-cpu-scale-down` in 12 characters: `checko` and `e-down`.
    """
    end = min(_END, longest // 2)
    return name if len(name) <= longest else f"{name[: longest - end]}{name[-end:]}"


def carried_alarm(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Return a MetricAlarm's inputs of PutMetricAlarm, except its name and its actions."""
    carried = {key: alarm[key] for key in _ALARM_KEYS if key in alarm}
    return {"EvaluationPeriods": 1, **carried}


def has_threshold(alarm: Mapping[str, Any]) -> bool:
    """Return whether an alarm has a threshold: anomaly detection and PromQL alarms have none."""
    return alarm.get("ComparisonOperator") in COMPARISONS and alarm.get("Threshold") is not None


def other_keys(alarm: Mapping[str, Any]) -> list[str]:
    """Return an alarm's keys that are neither carried over nor known to be irrelevant here."""
    return left_out(alarm, {*_ALARM_KEYS, *_NOT_OURS})


def left_out(given: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """Return the keys in AWS's description that are unknown here, with their values."""
    return [
        f"{key} ({value})"
        for key, value in given.items()
        if key not in known and value not in (None, [], {}, "")
    ]
