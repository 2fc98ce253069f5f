"""What people do to a world: policy documents, overrides, pauses, wishes, counts set by hand."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from quickstep.config import parse_target_of
from quickstep.engine.model import Direction
from quickstep.fields import write_moment
from quickstep.protocol.operators import SCHEDULED, bounds_entry
from tests.builders import HIGH, LOW, MISSION_STEPS, WEB, Steps
from tests.simulation.alarms import BUSY, IDLE, PERIOD, SIZED, SIZED_DEFINITIONS
from tests.simulation.clockwork import moment
from tests.simulation.fleet import WARMUP

if TYPE_CHECKING:
    import random

MINIMUM, MAXIMUM = 2, 40
COOLDOWNS = {Direction.OUT: 10, Direction.IN: 30}

parsed = lru_cache(maxsize=64)(lambda text: parse_target_of(WEB, text))
"""The target of a document's text; whoever reads the parameter again gets the same."""


def _policy(steps: Steps, direction: Direction) -> dict[str, Any]:
    return {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": COOLDOWNS[direction],
        "MetricScope": "PerTask",
        "StepAdjustments": [
            {
                "MetricIntervalLowerBound": lower,
                "MetricIntervalUpperBound": upper,
                "ScalingAdjustment": adjustment,
            }
            for lower, upper, adjustment in steps
        ],
    }


def document(
    *,
    several: bool,
    sized: bool = False,
    dry_run: bool = False,
    bounds: tuple[int, int] = (MINIMUM, MAXIMUM),
    drains: float = 0.0,
    publishes: float = PERIOD,
) -> str:
    """Return a valid policy document; `several` says that there are two alarms of each kind.

    One that is `sized` has a target policy in place of steps.
    """
    out: dict[str, Steps] = {} if sized else {HIGH: MISSION_STEPS}
    into: dict[str, Steps] = {} if sized else {LOW: ((None, 0, -1),)}
    name, target = SIZED.partition("/")[0], SIZED_DEFINITIONS[SIZED].threshold
    if several:
        out[BUSY] = ((0, 10, 1), (10, None, 5))
        into[IDLE] = ((None, -10, -3), (-10, 0, -2))
    return json.dumps(
        {
            "ResourceId": WEB.resource_id,
            "MinCapacity": bounds[0],
            "MaxCapacity": bounds[1],
            "ScaleOutPolicies": {n: _policy(s, Direction.OUT) for n, s in out.items()},
            "ScaleInPolicies": {n: _policy(s, Direction.IN) for n, s in into.items()},
            "TargetTrackingPolicies": {name: {"TargetValue": target}} if sized else {},
            "DryRun": dry_run,
            "WarmupSeconds": int(WARMUP),
            "PublishSeconds": int(publishes),
            "DeregistrationDelaySeconds": int(drains),
        }
    )


INVALID = '{"ResourceId": "service/prod/web"}'


def drawn_bounds(rng: random.Random) -> tuple[int, int]:
    """Return other bounds for a document."""
    return rng.choice(((2, 40), (2, 24), (4, 40), (6, 30)))


def drawn_entry(rng: random.Random, number: int, now: float) -> tuple[str, Any, float]:
    """Return an entry that an operator or a schedule writes: its attribute, it, and its end."""
    until = now + rng.uniform(10, 90)
    at, end = moment(now), moment(until)
    kind = rng.choice(("schedule", "schedule", "override", "pause"))
    if kind == "pause":
        which = rng.choice(([Direction.IN], [Direction.OUT], list(Direction)))
        pause = {"directions": [str(each) for each in which], "until": write_moment(end)}
        return "pause", pause, until
    bounds = rng.choice(((6, None), (None, 12), (4, 20)))
    name = f"{SCHEDULED}action-{number}" if kind == "schedule" else "override"
    return name, bounds_entry(bounds, end, reason="", by="somebody", at=at), until


def old_entries() -> dict[str, Any]:
    """Return what schedules have left behind that were over days ago."""
    end = moment(-2.5 * 86_400)
    entry = bounds_entry((20, None), end, reason="", by="sale", at=moment(-3.0 * 86_400))
    return {f"{SCHEDULED}sale": entry}
