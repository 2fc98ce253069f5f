"""Decision records as they are read again."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep_cli.history import UNREADABLE, entries, read_record
from tests.builders import a_scale_out_record


def a_record(outcome: str, **changes: Any) -> dict[str, Any]:
    """Return a record at 10 tasks of which the engine was not asked, unless it has numbers."""
    return {
        "id": "1",
        "at": "2026-11-26T14:03:00.000Z",
        "outcome": outcome,
        "reason": "because",
        "trigger": {"kind": "heartbeat"},
        "service": {"desired": 10, "running": 10},
        "alarms": {},
        **changes,
    }


def decided(outcome: str, before: int, granted: int) -> dict[str, Any]:
    return a_record(outcome, **{"from": before, "granted": granted})


@pytest.mark.parametrize(
    ("record", "tasks", "changed"),
    [
        pytest.param(decided("SCALED_OUT", 4, 6), "4 → 6", True, id="a scale-out"),
        pytest.param(decided("SCALED_IN", 6, 4), "6 → 4", True, id="a scale-in"),
        pytest.param(decided("HELD_COOLDOWN", 6, 6), "6", False, id="held"),
        pytest.param(decided("WOULD_SCALE", 4, 6), "4 (→ 6)", False, id="a dry run"),
        pytest.param(decided("FAILED_THROTTLED", 4, 6), "4", False, id="refused by ECS"),
        pytest.param(decided("RECOVERED", 4, 6), "4 → 6", True, id="sent again"),
        pytest.param(a_record("RECOVERED"), "12 → 10", True, id="found, by the one before"),
        pytest.param(a_record("FOREIGN_CHANGE"), "12 → 10", True, id="by somebody else"),
        pytest.param(a_record("LOST_RACE", service=None), "12", False, id="a lost race"),
    ],
)
def test_a_record_says_from_how_many_tasks_to_how_many(
    record: dict[str, Any], tasks: str, *, changed: bool
) -> None:
    (entry,) = entries([record], decided("SCALED_OUT", 4, 12))

    assert (entry.tasks, entry.changed) == (tasks, changed)


def test_without_a_record_before_what_was_is_not_known() -> None:
    (entry,) = entries([a_record("FOREIGN_CHANGE")])

    assert (entry.tasks, entry.changed) == ("? → 10", True)


@pytest.mark.parametrize(
    ("trigger", "cause"),
    [
        ({"kind": "heartbeat"}, "heartbeat"),
        (
            {"kind": "alarm", "alarm": "quickstep/prod/web/high-request-rate", "state": "ALARM"},
            "high-request-rate ALARM",
        ),
        ({"kind": "alarm", "alarm": "mine", "state": "OK"}, "mine OK"),
    ],
)
def test_a_record_says_what_set_it_off(trigger: dict[str, Any], cause: str) -> None:
    (entry,) = entries([a_record("HELD_COOLDOWN", trigger=trigger)])

    assert entry.cause == cause


def test_a_record_that_the_scaler_has_written_is_read_as_it_is() -> None:
    written = a_scale_out_record().stored

    assert read_record({**written, "pk": "p", "sk": "s", "expires_at": 1}) == written


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(
            {"at": "soon"}, 'at: must be a time like 2026-11-22T10:00:00Z, not "soon"', id="a time"
        ),
        pytest.param({"outcome": 5}, "outcome: must be a string, not 5", id="an outcome"),
        pytest.param({"trigger": "me"}, 'trigger: must be an object, not "me"', id="a trigger"),
        pytest.param({"trigger": {}}, "trigger.kind: is required, but missing", id="its kind"),
        pytest.param({"from": "4"}, 'from: must be a whole number, not "4"', id="a count"),
        pytest.param({"service": 4}, "service: must be an object, not 4", id="a service"),
        pytest.param(
            {"alarms": {"cpu": {"state": "OK", "threshold": 1}}},
            "alarms.cpu.datapoints: is required, but missing",
            id="an alarm",
        ),
    ],
)
def test_a_spoilt_record_says_so_in_place_of_a_reason(change: dict[str, Any], problem: str) -> None:
    sk = "decision#2026-11-26T14:03:00.000Z#1"

    record = read_record({**a_record("SCALED_OUT"), **change, "sk": sk})

    assert record["outcome"] == UNREADABLE
    assert record["reason"] == f"This record cannot be read: {problem}"
    assert record["at"] == "2026-11-26T14:03:00.000Z"
    (entry,) = entries([record])
    assert entry.tasks == "?"


def test_a_record_without_any_time_is_of_the_first() -> None:
    assert read_record({"sk": "decision#?#1"})["at"] == "1970-01-01T00:00:00.000Z"
