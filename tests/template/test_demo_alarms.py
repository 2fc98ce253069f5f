"""The demo shows what is deployed: alarms, heartbeat and batches are the templates'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickstep_lab.demo import ALARMS, SERVICE
from quickstep_lab.event_source import BATCH
from quickstep_lab.scaler import HEARTBEAT
from tests.template.stack import SCALER, TARGET, deploy

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


def test_the_demos_heartbeat_is_what_the_schedule_sends() -> None:
    schedule = deploy(SCALER).the("AWS::Scheduler::Schedule")
    assert json.loads(schedule["Target"]["Input"]) == HEARTBEAT


def test_the_demo_hands_messages_on_in_batches_of_the_same_size() -> None:
    mappings = deploy(SCALER).of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["BatchSize"] for mapping in mappings} == {BATCH}
