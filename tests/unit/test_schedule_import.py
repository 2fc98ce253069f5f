"""Scheduled actions of AAS become schedules whose input Quickstep's function takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.loop.schedules import read_action
from quickstep_cli.schedule_import import NAME
from quickstep_cli.takeover import cloudformation, take_over
from tests.builders import NOW, WEB

if TYPE_CHECKING:
    from quickstep.naming import ServiceName

TARGET = {"MinCapacity": 2, "MaxCapacity": 40, "SuspendedState": {}}


def an_action(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "ScheduledActionName": name,
        "ResourceId": WEB.resource_id,
        "Schedule": "cron(0 7 ? * MON-FRI *)",
        "ScalableTargetAction": {"MinCapacity": 10, "MaxCapacity": 40},
        **changes,
    }


def taken(*actions: dict[str, Any], service: ServiceName = WEB) -> Any:
    return take_over(service, TARGET, [], {}, dry_run=True, scheduled=actions)


def test_an_action_is_a_schedule_of_the_same_times() -> None:
    made = taken(
        an_action(
            "morning",
            Timezone="Europe/Berlin",
            StartTime=datetime(2026, 12, 1, tzinfo=UTC),
            EndTime="2027-01-01T00:00:00+01:00",
        )
    )

    (schedule,) = made.schedules
    assert {key: value for key, value in schedule.items() if key != "Input"} == {
        "Description": "Scheduled action morning",
        "ScheduleExpression": "cron(0 7 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "StartDate": "2026-12-01T00:00:00Z",
        "EndDate": "2026-12-31T23:00:00Z",
        "FlexibleTimeWindow": {"Mode": "OFF"},
    }


def test_a_time_in_seconds_is_one_of_an_older_aws_cli() -> None:
    (schedule,) = taken(an_action("morning", StartTime=1796083200.0)).schedules

    assert schedule["StartDate"] == "2026-12-01T00:00:00Z"


def test_its_input_is_taken_by_the_function_at_the_scheduler_s_time() -> None:
    (schedule,) = taken(an_action("morning")).schedules
    ahead = NOW.replace(microsecond=0) + timedelta(seconds=30)
    at = ahead.strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = schedule["Input"].replace("<aws.scheduler.scheduled-time>", at)

    action = read_action(json.loads(asked), NOW)

    assert (action.service, action.name) == (WEB, NAME)
    assert (action.min_capacity, action.max_capacity, action.force) == (10, 40, False)
    assert (action.at, action.until) == (ahead, ahead + timedelta(days=365))
    assert action.reason == "scheduled action morning"


def test_all_actions_have_one_name_so_that_a_later_one_replaces_an_earlier_one() -> None:
    made = taken(an_action("morning"), an_action("evening"))

    names = {json.loads(schedule["Input"])["Name"] for schedule in made.schedules}
    assert names == {NAME}


NAMES = "morning, launch"
FOLLOWS = [
    (
        f"{NAMES}: converted to schedules in template.json. MinCapacity (2) and MaxCapacity (40) "
        "are the present ones, which one of them may have set: put the bounds that apply without "
        "any action in the document"
    ),
    (
        f"{NAMES}: bounds hold for at most 365d; AAS keeps them until the next action. Tasks above "
        "a MaxCapacity leave once the load lets them idle; AAS removes them at once, as does "
        '"Force": true in a schedule\'s Input'
    ),
]


@pytest.mark.parametrize(
    ("bounds", "more"),
    [
        pytest.param({"MinCapacity": 5, "MaxCapacity": 9}, [], id="both bounds"),
        pytest.param(
            {"MinCapacity": 5},
            [
                (
                    "launch: sets no MaxCapacity, so the document's applies; AAS keeps the one "
                    "that an earlier action set: to match it, add MaxCapacity to its Input"
                )
            ],
            id="one of them",
        ),
    ],
)
def test_what_is_different_is_said(bounds: dict[str, int], more: list[str]) -> None:
    made = taken(an_action("morning"), an_action("launch", ScalableTargetAction=bounds))

    assert made.notes[1:] == [*FOLLOWS, *more]
    assert made.notes[0].startswith("Application Auto Scaling still scales by schedule: morning, ")


def test_the_template_s_schedules_invoke_what_the_scaler_s_parameter_names() -> None:
    template = cloudformation(taken(an_action("morning")))

    assert template["Parameters"]["Scaler"]["Default"] == "/quickstep-scaler"
    target = template["Resources"]["Schedule1"]["Properties"]["Target"]
    split = {"Fn::Split": ['"', {"Ref": "Scaler"}]}
    assert target["Arn"] == {"Fn::Select": [3, split]}
    assert target["RoleArn"] == {"Fn::Select": [7, split]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::Select": [11, split]}}
    assert "Input" not in template["Resources"]["Schedule1"]["Properties"]


def test_without_actions_nothing_is_said_and_the_template_needs_no_scaler() -> None:
    made = taken()

    assert (made.schedules, made.notes) == ([], [])
    assert "Parameters" not in cloudformation(made)
