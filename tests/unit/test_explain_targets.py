"""`quickstep explain` on target policies, beside a few lines that say the same in another way."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quickstep_cli.explain import answer

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
CASES = 400


def at(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def a_case(seed: int) -> tuple[dict[str, Any], int]:
    """Return a case of a steady load, and how many tasks are right for it.

    More than a tenth above what the tasks carry, or a fiftieth for a whole minute, takes as many
    tasks as carry it. Fewer are left as soon as none of them has been needed for its window, but
    seven tenths of what was needed within seven minutes.
    """
    draw = random.Random(seed)  # noqa: S311
    target, desired = draw.choice([10, 100, 2_000, 0.5]), draw.randint(2, 120)
    load = round(draw.uniform(0.2, 2.2) * target * desired, 3)
    minute, counted, total = draw.random() < 0.5, draw.random() < 0.7, draw.random() < 0.2
    window = draw.choice([60, 120, 600])
    history = [(draw.uniform(1, 900), draw.randint(1, 140)) for _ in range(draw.randint(0, 3))]
    least, most = draw.choice([(1, 500), (4, 60)])

    takes, carried = math.ceil(load / target - 1e-9), target * desired
    wanted = takes if load > 1.1 * carried else desired
    if minute and math.ceil(load / 1.02 / target - 1e-9) > wanted:
        wanted = math.ceil(load / 1.02 / target - 1e-9)
    if wanted <= desired:
        kept = [n for ago, n in history if ago <= window]
        kept += [math.ceil(0.7 * n - 1e-9) for ago, n in history if ago <= 420]
        kept += [math.ceil(0.7 * takes - 1e-9), takes]
        wanted = min(desired, max(kept)) if history else desired
    right = max(desired, min(wanted, most)) if wanted >= desired else max(wanted, least)
    right = max(right, least) if desired < least else right

    value = load if total else load / desired
    points = [
        {"at": at(5 * ago), "value": value, "samples": desired if counted and not total else None}
        for ago in range(13 if minute else 2, 0, -1)
    ]
    needs = [{"at": at(ago), "tasks": n} for ago, n in sorted(history)]
    memory = {"tasks": desired, "grown_at": at(5_000), "needs": needs, "levels": []}
    case = {
        "target": {
            "ResourceId": "service/prod/web",
            "MinCapacity": least,
            "MaxCapacity": most,
            "MaxAdjustmentMagnitude": 500,
            "TargetTrackingPolicies": {
                "rate": {
                    "TargetValue": target,
                    "ScaleInWindow": window,
                    "MetricScope": "Total" if total else "PerTask",
                }
            },
        },
        "now": at(0),
        "service": {
            "desired": desired,
            "running": desired,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarms": {
            "rate/high": {
                "state": "ALARM" if value > target else "OK",
                "threshold": target,
                "datapoints": [value],
                "recent": points,
            }
        },
        "history": {"scale_out": None, "scale_in": None},
        "override": None,
        "pause": None,
        **({"memory": {"rate": memory}} if history else {}),
    }
    return case, right


@pytest.mark.parametrize("first", range(0, CASES, 50))
def test_a_target_case_is_decided_as_the_rules_say(first: int) -> None:
    for seed in range(first, first + 50):
        case, right = a_case(seed)
        given = answer(json.dumps(case))

        assert "error" not in given, f"case {seed}: {given}"
        assert given["granted"] == right, f"case {seed}: {given['reason']}"


def test_the_cases_go_every_way() -> None:
    ways: dict[int, int] = {}
    for seed in range(CASES):
        case, right = a_case(seed)
        desired = case["service"]["desired"]
        way = (right > desired) - (right < desired)
        ways[way] = ways.get(way, 0) + 1

    assert min(ways.values()) > CASES // 10
    assert set(ways) == {-1, 0, 1}
