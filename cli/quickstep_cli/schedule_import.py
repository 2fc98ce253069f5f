"""Convert Application Auto Scaling's scheduled actions to schedules that invoke Quickstep.

An AAS action sets a target's bounds, which stay until the next action. A Quickstep schedule's
bounds expire, and a later one of the same name replaces an earlier one. So all get one name.
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
"""How long an action holds: just under the maximum, to allow for the Scheduler's clock."""
_BOUNDS = ("MinCapacity", "MaxCapacity")
_REASON = 200


def carry_schedules(made: TakeOver, actions: Sequence[Mapping[str, Any]]) -> None:
    """Convert scheduled actions, and say what is different."""
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
    """Return a time in CloudFormation's format.

    boto3 gives a datetime, the AWS CLI's output a text or a number of seconds.
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
    now += f"({made.document['MaxCapacity']}) are the present ones"
    yield (
        f"{names}: converted to schedules in template.json. {now}, which one of them may have "
        "set: put the bounds that apply without any action in the document"
    )
    yield (
        f"{names}: bounds hold for at most {_FOR}; AAS keeps them until the next action. Tasks "
        "above a MaxCapacity leave once the load lets them idle; AAS removes them at once, as "
        'does "Force": true in a schedule\'s Input'
    )
    for key in _BOUNDS:
        without = [str(a["ScheduledActionName"]) for a in actions if _bounds(a)[key] is None]
        if without and len(without) < len(actions):
            yield (
                f"{', '.join(without)}: sets no {key}, so the document's applies; AAS keeps the "
                f"one that an earlier action set: to match it, add {key} to its Input"
            )
