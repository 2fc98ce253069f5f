"""The stack of a proof, as a template: valid, closed in itself, and what the plan says."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quickstep.config import parse_target
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.template import alarm_of, template

PLAN, START = Plan(), datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
TEXT = template(PLAN, START, "quickstep-proof")
MOST_CHARACTERS = 51_200
"""What CreateStack takes as text."""


def of_type(kind: str, text: str = TEXT) -> dict[str, Any]:
    resources = json.loads(text)["Resources"]
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def test_the_template_is_clean(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text(TEXT, encoding="utf-8")

    done = subprocess.run(  # noqa: S603 - this environment's own
        [
            *(Path(sys.executable).parent / "cfn-lint", "--regions", "us-east-1"),
            *("--ignore-checks", "E3615"),  # which does not know alarms of 20 s yet
            *("--", file),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_it_is_short_enough_to_be_sent_as_text() -> None:
    assert len(TEXT) <= MOST_CHARACTERS


def test_there_is_a_service_for_each_contender_and_all_read_one_start_time() -> None:
    services = of_type("AWS::ECS::Service")
    environments = [
        {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
        for task in of_type("AWS::ECS::TaskDefinition").values()
    ]

    assert {one["ServiceName"] for one in services.values()} == set(Contender)
    assert {one["START"] for one in environments} == {f"{START.timestamp():.0f}"}
    assert [one["SERVICE"] for one in environments if "QUEUE" in one] == ["quickstep-surge"]


def test_the_scaler_finds_a_document_and_an_alarm_of_each_service_of_its_own() -> None:
    own = [one for one in Contender if one.is_quickstep]
    documents = of_type("AWS::SSM::Parameter")
    alarms = {one["AlarmName"] for one in of_type("AWS::CloudWatch::Alarm").values()}

    targets = [parse_target(one["Value"]) for one in documents.values()]
    assert {target.resource_id for target in targets} == {
        f"service/quickstep-proof/{one}" for one in own
    }
    assert {alarm_of("quickstep-proof", one) for one in own} <= alarms
    assert not [name for name in alarms if "aas" in name and name.startswith("quickstep/")]


def test_ecs_publishes_cpu_every_20_s_where_it_is_watched_and_nowhere_else() -> None:
    often = {
        one["ServiceName"] for one in of_type("AWS::ECS::Service").values() if "Monitoring" in one
    }

    assert often == {"aas-target-tracking-20s", "quickstep-cpu-20s"}


@pytest.mark.parametrize("contender", Contender)
def test_one_service_alone_can_be_proven(contender: Contender) -> None:
    text = template(PLAN, START, "quickstep-proof", contenders=(contender,))

    (service,) = of_type("AWS::ECS::Service", text).values()
    assert service["ServiceName"] == contender


def test_nothing_is_kept_when_the_stack_is_deleted() -> None:
    assert "Retain" not in TEXT
