"""Memory and records as plain data: written, read back, and refused where they are corrupt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.model import (
    AlarmState,
    Direction,
    Override,
    Pause,
    ScalingActivity,
    State,
)
from quickstep.records import (
    CorruptItemError,
    Memory,
    SeenTransition,
    memory_dict,
    read_memory,
    write_moment,
)

moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
activities = st.builds(ScalingActivity, moments, st.integers(0, 5000), st.integers(0, 5000))
memories = st.builds(
    Memory,
    state=st.builds(
        State,
        scale_out=st.none() | activities,
        scale_in=st.none() | activities,
        override=st.none(),
        pause=st.none(),
    ),
    alarms=st.dictionaries(
        st.text(), st.builds(SeenTransition, st.sampled_from(AlarmState), moments)
    ),
    changed_at=st.none() | moments,
)


@given(memories)
def test_what_is_written_is_read_back(memory: Memory) -> None:
    assert read_memory(memory_dict(memory)) == memory


def test_an_item_without_any_attribute_remembers_nothing() -> None:
    assert read_memory({}) == Memory()


def test_what_operators_wrote_beside_is_read_and_never_written() -> None:
    item = {
        "override": {"min": 10, "until": "2026-11-22T18:00:00Z", "reason": "launch"},
        "pause": {"directions": ["scale-in"]},
    }

    memory = read_memory(item)

    until = datetime(2026, 11, 22, 18, tzinfo=UTC)
    assert memory.state.override == Override(10, None, until, "launch")
    assert memory.state.pause == Pause(frozenset({Direction.IN}))
    assert not {"override", "pause"} & memory_dict(memory).keys()


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"alarms": []}, "alarms: must be an object"),
        ({"alarms": {"x": {"state": "OK"}}}, "alarms.x.at: is required, but missing"),
        ({"scale_out": {"at": "2026-11-22T10:00:00Z"}}, "scale_out.from: is required"),
        ({"changed_at": "soon"}, "changed_at: must be a time"),
        ({"pause": {"directions": []}}, "pause.directions: must have at least 1 entries"),
    ],
)
def test_an_item_that_is_corrupt_is_an_error(item: dict[str, Any], problem: str) -> None:
    with pytest.raises(CorruptItemError, match=problem):
        read_memory(item)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    assert write_moment(datetime(2026, 11, 22, 10, tzinfo=UTC)) == "2026-11-22T10:00:00.000Z"
