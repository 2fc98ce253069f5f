"""Scheduled actions of Application Auto Scaling as schedules that tell Quickstep's function.

An action of AAS sets a target's bounds, which stay until the next one sets them. Here a schedule's
bounds hold for a while, and a later action of the same name replaces an earlier one. So all of them
get one name.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_cli.taken import TakeOver

NAME = "scheduled-action"
_FOR = "365d"
"""As long as an action holds: all but the longest that there is, for the Scheduler's clock."""
_BOUNDS = ("MinCapacity", "MaxCapacity")
_REASON = 200


def carry_schedules(made: TakeOver, actions: Sequence[Mapping[str, Any]]) -> None:
    """Carry scheduled actions over, and say what is different."""
    for action in actions:
        bounds = {key: value for key, value in _bounds(action).items() if value is not None}
        asked = {
            "ResourceId": made.service.resource_id,
            "Name": NAME,
            **bounds,
            "At": "<aws.scheduler.scheduled-time>",
            "For": _FOR,
            "Reason": f"scheduled action {action['ScheduledActionName']}"[:_REASON],
        }
        made.schedules.append(
            {
                "Description": f"Scheduled action {action['ScheduledActionName']}"[:512],
                "ScheduleExpression": action["Schedule"],
                **_when(action),
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Input": json.dumps(asked, ensure_ascii=False),
            }
        )
    made.notes += _differences(made, actions)


def _bounds(action: Mapping[str, Any]) -> dict[str, Any]:
    given = action["ScalableTargetAction"]
    return {key: given.get(key) for key in _BOUNDS}


def _when(action: Mapping[str, Any]) -> dict[str, str]:
    times = {"StartTime": "StartDate", "EndTime": "EndDate"}
    zone = action.get("Timezone")
    return {
        **({"ScheduleExpressionTimezone": str(zone)} if zone else {}),
        **{new: _moment(action[old]) for old, new in times.items() if action.get(old)},
    }


def _moment(given: object) -> str:
    """Return a time as CloudFormation takes it.

    It is a datetime of boto3, or of the AWS CLI's output a text or a number of seconds.
    """
    match given:
        case datetime():
            moment = given
        case int() | float():
            moment = datetime.fromtimestamp(given, UTC)
        case _:
            moment = datetime.fromisoformat(str(given))
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _differences(made: TakeOver, actions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not actions:
        return
    names = ", ".join(str(action["ScheduledActionName"]) for action in actions)
    now = f"MinCapacity ({made.document['MinCapacity']}) and MaxCapacity "
    now += f"({made.document['MaxCapacity']}) are those of now"
    yield (
        f"{names}: carried over as schedules of template.json. {now}, which one of them may have "
        "set: the document's should be those that apply without any"
    )
    yield (
        f"{names}: bounds hold for {_FOR} at most, where AAS keeps them until the next action; and "
        "tasks above a MaxCapacity go once the load leaves them idle, where AAS removes them at "
        'once: "Force": true in a schedule\'s Input does that, too'
    )
    for key in _BOUNDS:
        without = [str(a["ScheduledActionName"]) for a in actions if _bounds(a)[key] is None]
        if without and len(without) < len(actions):
            yield (
                f"{', '.join(without)}: sets no {key}, so the document's applies, where AAS keeps "
                f"the one that an action before has set: add {key} to its Input if that is meant"
            )
