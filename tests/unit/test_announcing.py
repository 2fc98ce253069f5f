"""Whom a decision is told, and once for each incident."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from quickstep.loop.announcing import ANNOUNCEABLE, Announcer
from quickstep.protocol.counts import Counts
from quickstep.protocol.events import LONGEST_REASON, event_of
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Recheck
from quickstep.protocol.ports import MOST_EVENTS, CallFailedError
from tests.builders import HIGH, ROOT, WEB, a_record, a_transition, known
from tests.fakes import InMemoryEvents, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep.protocol.records import DecisionRecord

SCHEMA = json.loads((ROOT / "docs" / "event.schema.json").read_text(encoding="utf-8"))
DENIED = CallFailedError(Outcome.FAILED_DENIED, "GetMetricData: AccessDenied: not allowed")
SEEN = Service(4, 4, 0)


def announced(outcomes: Sequence[Outcome], *records: DecisionRecord) -> list[str]:
    """Return the outcomes that an announcer tells of records, one look after the other."""
    bus = InMemoryEvents()
    announcer = Announcer(bus, frozenset(outcomes))
    for record in records:
        assert announcer.announce([record]) == []
    return [event["outcome"] for event in bus.put_events]


def ended(outcome: Outcome, *, repeated: bool = False) -> DecisionRecord:
    return replace(a_record(outcome=outcome), service=SEEN, repeated=repeated)


def failed_early(outcome: Outcome) -> DecisionRecord:
    """Return the record of what failed before its target was claimed."""
    return replace(a_record(outcome=outcome), service=None, decision=None)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.is_change])
def test_every_change_is_announced(outcome: Outcome) -> None:
    assert announced(ANNOUNCEABLE, ended(outcome), ended(outcome)) == [outcome, outcome]


def test_an_incident_s_first_look_is_announced() -> None:
    looks = [ended(Outcome.FAILED_DENIED, repeated=later) for later in (False, True, True)]

    assert announced(ANNOUNCEABLE, *looks) == ["FAILED_DENIED"]


def test_a_failure_before_any_claim_is_announced_once_and_again_after_it_was_over() -> None:
    broken, fine = failed_early(Outcome.FAILED_CONFIG), ended(Outcome.SCALED_OUT)

    assert announced(ANNOUNCEABLE, broken, broken, fine, broken) == [
        "FAILED_CONFIG",
        "SCALED_OUT",
        "FAILED_CONFIG",
    ]


def test_only_the_requested_outcomes_are_announced() -> None:
    looks = [ended(Outcome.SCALED_OUT), ended(Outcome.SCALED_IN), ended(Outcome.FAILED_DENIED)]

    assert announced([Outcome.SCALED_IN], *looks) == ["SCALED_IN"]


def test_looks_without_a_change_or_incident_cannot_be_announced() -> None:
    quiet = [outcome for outcome in Outcome if outcome not in ANNOUNCEABLE]

    assert announced(list(Outcome), *[ended(outcome) for outcome in quiet]) == []


def test_without_a_bus_nothing_is_announced() -> None:
    assert Announcer(None, frozenset(ANNOUNCEABLE)).announce([ended(Outcome.SCALED_OUT)]) == []


def test_more_events_than_fit_one_call_go_in_several() -> None:
    calls: list[int] = []

    class Counting:
        def put(self, events: Sequence[Mapping[str, Any]]) -> None:
            calls.append(len(events))

    records = [ended(Outcome.SCALED_OUT)] * (MOST_EVENTS + 1)
    Announcer(Counting(), frozenset(ANNOUNCEABLE)).announce(records)

    assert calls == [MOST_EVENTS, 1]


def test_a_bus_that_fails_is_said_and_raises_nothing() -> None:
    class Broken:
        def put(self, _events: Sequence[Mapping[str, Any]]) -> None:
            raise CallFailedError(Outcome.FAILED_OTHER, "PutEvents: no")

    announcer = Announcer(Broken(), frozenset(ANNOUNCEABLE))

    assert announcer.announce([ended(Outcome.SCALED_OUT)]) == ["PutEvents: no"]


@pytest.mark.parametrize("outcome", ANNOUNCEABLE)
def test_every_event_is_what_the_schema_says(outcome: Outcome) -> None:
    record = replace(ended(outcome), bounds=Bounds(2, 40, "policy"), missing=2)

    event = event_of(record)

    jsonschema.validate(event, SCHEMA)
    assert set(event) <= set(SCHEMA["properties"])
    assert event["text"] == f"prod/web: {record.reason}"


def test_an_event_of_a_decision_has_its_numbers() -> None:
    record = World().evaluate(a_transition())

    event = event_of(record)

    jsonschema.validate(event, SCHEMA)
    assert (event["from"], event["wanted"], event["granted"]) == (4, 6, 6)
    assert (event["kind"], event["desired"], event["trigger"]) == ("change", 4, "alarm")
    assert event["bounds"] == {"min": 2, "max": 40, "by": "policy"}


def test_a_reason_is_cut_before_an_event_is_too_large() -> None:
    event = event_of(replace(ended(Outcome.FAILED_OTHER), reason="x" * 100_000))

    assert len(event["reason"]) == LONGEST_REASON


def test_the_item_remembers_an_incident_and_forgets_it_once_it_is_over() -> None:
    world = World()
    world.remember(Memory(alarms={HIGH: known()}, counts=Counts(4), generation=7))
    seen = []
    for failures in ([DENIED], [DENIED], []):
        world.failures["GetMetricData"] += failures
        seen.append(world.evaluate(Recheck(WEB, world.memory.generation)))
        world.clock.advance(60)

    assert [(one.outcome.failed, one.repeated) for one in seen] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert not world.memory.incident or world.memory.incident == seen[-1].outcome
