"""The demo shows what is deployed: its alarms are the template's, with their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.demo import ALARMS, SERVICE
from tests.template.stack import TARGET, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping


def compared(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alarm as CloudWatch reads it, without its description."""
    spelt_out = {"DatapointsToAlarm": alarm["EvaluationPeriods"], **alarm}
    spelt_out["Threshold"] = float(alarm["Threshold"])
    return {key: value for key, value in spelt_out.items() if key != "AlarmDescription"}


def test_the_demos_alarms_are_those_of_the_template() -> None:
    stack = deploy(TARGET, ClusterName=SERVICE.cluster, ServiceName=SERVICE.service)
    deployed = stack.of_type("AWS::CloudWatch::Alarm").values()
    assert [compared(alarm) for alarm in ALARMS] == [compared(alarm) for alarm in deployed]
