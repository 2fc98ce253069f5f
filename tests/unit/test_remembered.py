"""What a decision was made on, as its record keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.aws.attributes import from_item, to_item
from quickstep.engine.model import (
    Direction,
    Launch,
    Override,
    Pause,
    Removal,
    ScalingActivity,
    State,
)
from quickstep.engine.patience import Need, Patience
from quickstep.fields import Field, Problems
from quickstep.protocol.remembered import read_remembered, remembered_dict
from tests.builders import NOW, ago
from tests.strategies import activities, launches, moments

FULL = State(
    scale_out=ScalingActivity(ago(12), 4, 6),
    scale_in=ScalingActivity(ago(300), 8, 4),
    launches=(Launch(ago(12), 2, 4), Launch(ago(52), 1)),
    removals=(Removal(ago(90), 1),),
    override=Override(200, None, ago(-600), "load test"),
    pause=Pause(frozenset([Direction.IN]), ago(-60), "failover"),
    schedules=(Override(None, 2, ago(-9), "night", "night", ago(9), forced=True),),
    patience={"web": Patience(6, ago(12), (Need(ago(2), 5),))},
)


def read(kept: dict[str, Any], now: datetime = NOW) -> tuple[State, list[str]]:
    problems = Problems()
    state = read_remembered(Field(kept, "state", problems), now)
    return state, [str(problem) for problem in problems.found]


def test_what_is_of_one_kind_stands_in_one_list_of_numbers() -> None:
    kept = remembered_dict(FULL, NOW, patience=False)

    assert {key: value for key, value in kept.items() if isinstance(value, list)} == {
        "scale_out": [12_000, 4, 6],
        "scale_in": [300_000, 8, 4],
        "launches": [12_000, 2, 4, 52_000, 1, None],
        "removals": [90_000, 1],
    }
    assert set(kept) - {"scale_out", "scale_in", "launches", "removals"} == {
        *("override", "pause", "override:night"),
    }


def test_what_is_empty_is_left_out() -> None:
    assert remembered_dict(State(), NOW, patience=True) == {}


@pytest.mark.parametrize("patience", [True, False])
def test_what_is_written_is_read_again(*, patience: bool) -> None:
    kept = from_item(to_item(remembered_dict(FULL, NOW, patience=patience)))

    assert read(kept) == (FULL if patience else replace(FULL, patience={}), [])


@given(now=moments, done=activities, started=st.lists(launches, max_size=5))
def test_any_time_is_read_again_to_the_millisecond(
    now: datetime, done: ScalingActivity, started: list[Launch]
) -> None:
    state = State(scale_out=done, launches=tuple(started))

    again, problems = read(remembered_dict(state, now, patience=True), now)

    assert problems == []
    assert again.scale_out is not None
    assert abs(again.scale_out.at - done.at) < timedelta(milliseconds=1)
    assert [one.count for one in again.launches] == [one.count for one in started]


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        pytest.param(
            {"scale_out": [1, 2]}, "state.scale_out: must have 3 numbers of each", id="too few"
        ),
        pytest.param(
            {"launches": ["soon", 1, 2]},
            'state.launches[0]: must be a whole number, not "soon"',
            id="a time that is none",
        ),
        pytest.param(
            {"removals": [1, -1]}, "state.removals[1]: must be at least 0, not -1", id="a count"
        ),
        pytest.param(
            {"pause": "both"},
            'state: must hold entries that can be read: pause: must be an object, not "both"',
            id="an entry",
        ),
    ],
)
def test_what_cannot_be_read_is_named(kept: dict[str, Any], problem: str) -> None:
    assert read(kept)[1] == [problem]
