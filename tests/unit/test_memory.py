"""A target's memory as plain data: written, read back, and refused where it is corrupt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.known import KnownAlarm, known_dict
from quickstep.engine.model import (
    AlarmState,
    Direction,
    Launch,
    Override,
    Pause,
    Removal,
    ScalingActivity,
    State,
)
from quickstep.engine.patience import Level, Need, Patience
from quickstep.fields import write_moment
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.line import Turn
from quickstep.protocol.memory import (
    WAITING,
    CorruptItemError,
    Deletion,
    Memory,
    memory_dict,
    read_claim,
    read_memory,
)
from tests.builders import HIGH, LOW, NOW, ROOT, known
from tests.strategies import json_values, memories, overrides, pauses

if TYPE_CHECKING:
    from pathlib import Path


@given(memories)
def test_what_is_written_is_read_back(memory: Memory) -> None:
    assert read_memory(memory_dict(memory)) == memory


def test_an_item_without_any_attribute_remembers_nothing() -> None:
    assert read_memory({}) == Memory()


def test_attributes_that_belong_to_others_are_not_looked_at() -> None:
    item = {"pk": "service/prod/web", "sk": "#state", "lease_owner": "me", "lease_until": 12}

    assert read_memory(item) == Memory()


# --- what the last release wrote ------------------------------------------------------------------

ITEMS = sorted((ROOT / "tests" / "unit" / "items").glob("*.json"))
"""Items as the release before the counts had times wrote them."""


@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem)
def test_an_item_of_the_last_release_is_read(path: Path) -> None:
    item = json.loads(path.read_text(encoding="utf-8"))

    claim = read_claim(item)

    memory = claim.memory
    assert memory.counts == Counts(item.get("desired"))
    assert memory.generation == item.get("generation", 0)
    assert set(memory.alarms) == set(item.get("alarms", {}))
    assert (memory.listed, claim.waiting, claim.mark) == (False, {}, "")
    assert memory.state.unreadable == ""
    assert read_memory({**item, **memory_dict(memory)}) == memory


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"state": "LOUD"}, id="an unknown state"),
        pytest.param({"at": "yesterday"}, id="a time that is none"),
        pytest.param({"definition": {"threshold": 100.0}}, id="half of its definition"),
    ],
)
def test_a_damaged_event_that_waits_is_as_if_it_had_not_come(damage: dict[str, Any]) -> None:
    whole = known_dict(known())

    claim = read_claim({f"{WAITING}{HIGH}": {**whole, **damage}, f"{WAITING}{LOW}": whole})

    assert claim.waiting == {LOW: known()}


def test_there_is_an_item_of_every_kind() -> None:
    assert {path.stem for path in ITEMS} == {
        "claimed-for-the-first-time",
        "held-by-somebody",
        "in-a-chain",
        "no-alarm-in-alarm",
        "operated",
        "operated-only",
        "recovered",
        "scaled-in",
        "taken-over-from-the-dead",
        "throttled",
    }


# --- the time of other hosts ----------------------------------------------------------------------


def test_no_time_of_an_hour_ahead_is_kept_for_longer_than_its_rule_allows() -> None:
    ahead = NOW + timedelta(hours=1)
    memory = Memory(
        state=State(
            ScalingActivity(ahead, 4, 6),
            ScalingActivity(ahead, 6, 5),
            launches=(Launch(ahead, 2, 4),),
            removals=(Removal(ahead, 1),),
            patience={"rate": Patience(4, ahead, (Need(ahead, 4),), (Level(4, 240, ahead),))},
        ),
        deleted={LOW: Deletion(ahead)},
        alarms={HIGH: known(acted_on=ahead)},
        counts=Counts(6, Count(8, ahead), (Count(4, ahead),), (Count(5, ahead),)),
        check_at=ahead,
        requested_at=ahead,
        turn=Turn(ahead, 2, 3),
    )

    assert memory.as_of(NOW) == replace(
        memory,
        state=State(
            ScalingActivity(NOW, 4, 6),
            ScalingActivity(NOW, 6, 5),
            launches=(Launch(NOW, 2, 4),),
            removals=(Removal(NOW, 1),),
            patience={"rate": Patience(4, NOW, (Need(NOW, 4),), (Level(4, 240, NOW),))},
        ),
        deleted={},
        alarms={HIGH: known(acted_on=NOW)},
        counts=Counts(6, Count(8, NOW), (Count(4, NOW),), (Count(5, NOW),)),
        check_at=None,
        requested_at=NOW,
        turn=Turn(NOW, 2, 3),
    )


@given(memories)
def test_what_is_left_of_a_memory_is_left_of_it_a_second_time(memory: Memory) -> None:
    assert memory.as_of(NOW).as_of(NOW) == memory.as_of(NOW)


# --- what operators write beside ------------------------------------------------------------------


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


@given(st.none() | overrides, st.none() | pauses)
def test_any_override_and_pause_is_read(override: Override | None, pause: Pause | None) -> None:
    item = {
        "override": override
        and {
            "min": override.min_capacity,
            "max": override.max_capacity,
            "until": override.until and write_moment(override.until),
            "reason": override.reason,
        },
        "pause": pause
        and {
            "directions": [str(direction) for direction in pause.directions],
            "until": pause.until and write_moment(pause.until),
            "reason": pause.reason,
        },
    }

    state = read_memory(item).state

    assert (state.override, state.pause) == (override, pause)


# --- corrupt items --------------------------------------------------------------------------------


def an_alarm(**changes: Any) -> dict[str, Any]:
    """Return an item with one alarm as it is written, with members of the alarm replaced."""
    written = memory_dict(Memory(alarms={HIGH: known()}))["alarms"][HIGH]
    return {"alarms": {HIGH: {**written, **changes}}}


def a_definition(**changes: Any) -> dict[str, Any]:
    return an_alarm(definition={**an_alarm()["alarms"][HIGH]["definition"], **changes})


DEFINITION = f"alarms.{HIGH}.definition"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"alarms": []}, "alarms: must be an object, not []"),
        ({"alarms": {"x": {"state": "OK"}}}, "alarms.x.at: is required, but missing"),
        (an_alarm(state="FIRING"), f"alarms.{HIGH}.state: must be one of OK, ALARM"),
        (an_alarm(at="2026-11-22T10:00:00"), f"alarms.{HIGH}.at: must be a time with an offset"),
        (an_alarm(acted_on=5), f"alarms.{HIGH}.acted_on: must be a time"),
        (an_alarm(muted="no"), f'alarms.{HIGH}.muted: must be true or false, not "no"'),
        (an_alarm(definition={"n": 1}), f"{DEFINITION}.queries: is required, but missing"),
        (a_definition(comparison="Bigger"), f"{DEFINITION}.comparison: must be one of Greater"),
        (
            a_definition(queries=[]),
            f"{DEFINITION}.queries: must have at least 1 and at most 50 entries",
        ),
        (a_definition(queries=[{}]), f"{DEFINITION}.queries[0].Id: is required"),
        (a_definition(period=0), f"{DEFINITION}.period: must be at least 1, not 0"),
        ({"scale_out": {"at": "2026-11-22T10:00:00Z"}}, "scale_out.from: is required"),
        ({"launches": [{"at": "2026-11-22T10:00:00Z"}]}, "launches[0].count: is required"),
        ({"launches": {}}, "launches: must be a list, not {}"),
        (
            {"launches": [{"at": "2026-11-22T10:00:00Z", "count": 2, "from": -1}]},
            "launches[0].from: must be at least 0, not -1",
        ),
        ({"desired": -1}, "desired: must be at least 0, not -1"),
        ({"desired": 4.5}, "desired: must be a whole number, not 4.5"),
        ({"generation": "7"}, 'generation: must be a whole number, not "7"'),
        ({"asked": {"number": 6}}, "asked.at: is required, but missing"),
        ({"replaced": 6}, "replaced: must be a list, not 6"),
        ({"late": [{"number": 6, "at": "soon"}]}, "late[0].at: must be a time"),
        ({"check_at": 1}, "check_at: must be a time"),
        ({"listed": "yes"}, 'listed: must be true or false, not "yes"'),
        ({"requested_at": "then"}, "requested_at: must be a time"),
    ],
)
def test_an_item_that_is_corrupt_is_refused_with_path_and_rule(
    item: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CorruptItemError) as caught:
        read_memory(item)

    assert str(caught.value).startswith(problem)


@given(st.dictionaries(st.sampled_from([*memory_dict(Memory()), "override", "pause"]), json_values))
def test_whatever_an_item_holds_it_is_read_or_refused(item: dict[str, Any]) -> None:
    try:
        memory = read_memory(item)
    except CorruptItemError:
        return
    assert read_memory({**item, **memory_dict(memory)}) == memory


# --- what other versions and operators wrote ------------------------------------------------------


def test_what_a_newer_version_has_added_is_left_aside() -> None:
    added = {
        **a_definition(unit="s"),
        "mood": "good",
        "scale_out": {"at": "2026-11-22T10:00:00Z", "from": 2, "to": 4, "by": "somebody"},
        "launches": [{"at": "2026-11-22T10:00:00Z", "count": 2, "zone": "a"}],
    }
    added["alarms"][HIGH]["mood"] = "good"

    memory = read_memory(added)

    assert memory.alarms == {HIGH: known()}
    assert memory.state.scale_out == ScalingActivity(NOW.replace(second=0, microsecond=0), 2, 4)
    assert [launch.count for launch in memory.state.launches] == [2]


def test_a_launch_that_an_older_version_wrote_does_not_say_how_many_there_were() -> None:
    """Written again it says so, which is read like what that version wrote."""
    item = {"launches": [{"at": "2026-11-22T10:00:00Z", "count": 2}]}

    memory = read_memory(item)

    assert [(launch.count, launch.before) for launch in memory.state.launches] == [(2, None)]
    assert read_memory({**item, **memory_dict(memory)}) == memory


def test_an_alarm_that_an_older_version_wrote_has_defaults_for_what_it_did_not_know() -> None:
    item = {"alarms": {HIGH: {"state": "ALARM", "at": "2026-11-22T10:00:00Z"}}}

    assert read_memory(item).alarms[HIGH] == KnownAlarm(
        AlarmState.ALARM, NOW.replace(second=0, microsecond=0)
    )


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"pause": {"directions": []}}, "pause.directions: must have at least 1 entries"),
        ({"pause": {"directions": ["up"]}}, "pause.directions[0]: must be one of scale-out"),
        ({"pause": "both"}, 'pause: must be an object, not "both"'),
        ({"override": {"min": 5, "max": 4}}, "override.max: must be at least min (5), not 4"),
        ({"override": {"mni": 5}}, "override.mni: is not a known key"),
        ({"override": {"min": "5"}}, 'override.min: must be a whole number, not "5"'),
        ({"override": {"min": 5, "until": "12:00"}}, "override.until: must be a time"),
        ({"override:night": 5}, "override:night: must be an object, not 5"),
    ],
)
def test_an_operator_s_entry_that_cannot_be_read_is_said_and_the_rest_is_read(
    item: dict[str, Any], problem: str
) -> None:
    state = read_memory({**item, "desired": 4, "override:sale": {"min": 20}}).state

    assert state.unreadable.startswith(problem)
    assert (state.override, state.pause) == (None, None)
    assert state.schedules == (Override(20, None, name="sale"),)


@given(st.dictionaries(st.sampled_from(["override", "pause", "override:x"]), json_values))
def test_whatever_an_operator_writes_the_item_can_be_read(entries: dict[str, Any]) -> None:
    assert read_memory({"desired": 4, **entries}).desired == 4


# --- alarms that nobody wants answered ------------------------------------------------------------


@pytest.mark.parametrize(
    ("alarm", "silenced"),
    [
        pytest.param(known(), False, id="heard"),
        pytest.param(known(disabled=True), True, id="its actions are switched off"),
        pytest.param(known(muted=True), True, id="muted until its next transition"),
        pytest.param(
            known(muted=True, muted_until=NOW + timedelta(seconds=1)), True, id="in a mute window"
        ),
        pytest.param(known(muted=True, muted_until=NOW), False, id="at a mute window's end"),
        pytest.param(
            known(muted_until=NOW + timedelta(seconds=1)), False, id="a window, but not muted"
        ),
        pytest.param(
            known(muted=True, muted_until=NOW, disabled=True), True, id="switched off for longer"
        ),
    ],
)
def test_a_silenced_alarm(alarm: KnownAlarm, *, silenced: bool) -> None:
    assert alarm.silenced(NOW) is silenced
