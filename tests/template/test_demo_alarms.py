"""The demo shows what is deployed: alarms, heartbeat and batches are the templates'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.config import parse_target
from quickstep_lab.demo import SERVICE, alarms_of
from quickstep_lab.event_source import BATCH
from quickstep_lab.files import EXAMPLE_POLICY, ONE_NUMBER_POLICY
from quickstep_lab.scaler import HEARTBEAT
from tests.template.stack import SCALER, TARGET, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def compared(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alarm as CloudWatch reads it, without its description."""
    spelt_out = {"DatapointsToAlarm": alarm["EvaluationPeriods"], **alarm}
    spelt_out |= {"Threshold": float(alarm["Threshold"]), "Period": int(alarm["Period"])}
    return {key: value for key, value in spelt_out.items() if key != "AlarmDescription"}


@pytest.mark.parametrize(
    ("policy", "parameters"),
    [
        pytest.param(EXAMPLE_POLICY, {}, id="steps"),
        pytest.param(ONE_NUMBER_POLICY, {"TargetValue": "100"}, id="one number"),
    ],
)
def test_the_demos_alarms_are_those_of_the_template(
    policy: Path, parameters: dict[str, str]
) -> None:
    names = {"ClusterName": SERVICE.cluster, "ServiceName": SERVICE.service}
    stack = deploy(TARGET, **names, **parameters)
    deployed = stack.of_type("AWS::CloudWatch::Alarm").values()
    made = alarms_of(parse_target(policy.read_text(encoding="utf-8")))
    assert [compared(alarm) for alarm in made] == [compared(alarm) for alarm in deployed]


def test_the_demos_heartbeat_is_what_the_schedule_sends() -> None:
    schedule = deploy(SCALER).the("AWS::Scheduler::Schedule")
    assert json.loads(schedule["Target"]["Input"]) == HEARTBEAT


def test_the_demo_hands_messages_on_in_batches_of_the_same_size() -> None:
    mappings = deploy(SCALER).of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["BatchSize"] for mapping in mappings} == {BATCH}
