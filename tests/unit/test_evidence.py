"""The paragraph of `quickstep why`: what the evidence comes to, in whole sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quickstep.engine.model import Datapoint, Direction
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.evidence import AlarmPast, Evidence, Runs, Said, Transition, paragraph
from quickstep_cli.history import Entry, entries
from tests.builders import HIGH, LOW, WEB

DAY = datetime(2026, 11, 26, tzinfo=UTC)


def at(clock: str) -> datetime:
    hour, minute, second = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def decision(
    clock: str, outcome: str, before: int, granted: int, why: str, **trigger: Any
) -> Entry:
    record = {
        "id": clock,
        "at": at(clock).isoformat(),
        "outcome": outcome,
        "reason": why,
        "trigger": {"kind": "re-check", **trigger},
        "service": {"desired": before, "running": before},
        "alarms": {},
        "from": before,
        "granted": granted,
    }
    (entry,) = entries([record])
    return entry


def foreign(clock: str, before: int, after: int) -> Entry:
    found = decision(
        clock, "FOREIGN_CHANGE", before, after, f"Somebody else set {after}", kind="heartbeat"
    )
    return replace(found, before=before, after=after)


def high(
    *transitions: Transition, value: float | None = None, began: str | None = None
) -> AlarmPast:
    points = () if value is None else (Datapoint(at("14:02:40"), value),)
    return AlarmPast(HIGH, Direction.OUT, 100.0, transitions, began, points)


def low(*transitions: Transition, began: str | None = None) -> AlarmPast:
    return AlarmPast(LOW, Direction.IN, 30.0, transitions, began)


def seen(**changes: Any) -> Evidence:
    return Evidence(
        **{
            "service": WEB,
            "at": at("14:03:00"),
            "asked_at": at("15:00:00"),
            "start": at("13:53:00"),
            "end": at("14:08:00"),
            "zone": UTC,
            "bounds": (2, 40),
            "known_since": DAY,
            "alarms": (high(began="OK"),),
            "runs": Runs(6),
            **changes,
        }
    )


BEFORE = decision("13:40:00", "SCALED_OUT", 4, 6, "Scaled out from 4 to 6: because")
AFTER = decision("14:20:00", "SCALED_IN", 6, 5, "Scaled in from 6 to 5: because")
STOOD = "At 14:03:00 prod/web was set to 6 tasks. Its document allows 2 to 40. "
LAST = "It had last changed at 13:40:00 (4 → 6, SCALED_OUT)."
NEXT = "It next changed at 14:20:00 (6 → 5, SCALED_IN)."
NONE = "No decision is recorded within 1m of it"

CASES: dict[str, tuple[Evidence, str]] = {
    "a decision was made then": (
        seen(
            entries=[decision("14:02:58", "HELD_COOLDOWN", 6, 6, "Held at 6, in cooldown: x")],
            last=BEFORE,
            following=AFTER,
        ),
        (
            f"{STOOD}At 14:02:58, at a re-check, the decision was HELD_COOLDOWN: Held at 6, in "
            f"cooldown: x. {LAST} {NEXT}"
        ),
    ),
    "a decision came soon after": (
        seen(entries=[decision("14:03:20", "SCALED_OUT", 6, 8, "Out.", kind="surge")]),
        (f"{STOOD}20s later, after a task announced a surge, the decision was SCALED_OUT: Out."),
    ),
    "an alarm had set it off": (
        seen(
            entries=[
                decision(
                    *("14:02:40", "SCALED_OUT", 4, 6, "Scaled out from 4 to 6: x"),
                    kind="alarm",
                    alarm=WEB.alarm(HIGH),
                    state="ALARM",
                )
            ],
        ),
        (
            f"{STOOD}At 14:02:40, after high-request-rate went to ALARM, the decision was "
            "SCALED_OUT: Scaled out from 4 to 6: x. It has not changed since."
        ),
    ),
    "a duplicate does not speak for what stood": (
        seen(
            entries=[
                decision("14:02:40", "HELD_AT_MAX", 6, 6, "Held at 6, at the maximum: x"),
                decision("14:02:50", "IGNORED_DUPLICATE", 6, 6, "Ignored: x"),
            ]
        ),
        (
            f"{STOOD}At 14:02:40, at a re-check, the decision was HELD_AT_MAX: Held at 6, at the "
            "maximum: x. It has not changed since."
        ),
    ),
    "no alarm asked for a decision": (
        seen(
            last=BEFORE,
            following=AFTER,
            alarms=(high(Transition(at("13:20:00"), "OK"), value=92), low(began="OK")),
        ),
        (
            f"{STOOD}{NONE}, because no alarm was in ALARM: there was nothing to decide. "
            "high-request-rate was OK since 13:20:00, at 92 (threshold 100). low-request-rate was "
            f"OK (threshold 30). {LAST} {NEXT}"
        ),
    ),
    "an alarm asked for a decision, and none came": (
        seen(last=BEFORE, alarms=(high(Transition(at("14:01:10"), "ALARM"), value=160),)),
        (
            f"{STOOD}{NONE}, although an alarm asked for one: `quickstep doctor` follows its path. "
            f"high-request-rate was ALARM since 14:01:10, at 160 (threshold 100). {LAST} It has "
            "not changed since."
        ),
    ),
    "the scaler did not run": (
        seen(last=BEFORE, runs=Runs(0)),
        (
            f"{STOOD}{NONE}, because the scaler did not run: its function was not invoked from "
            "13:53:00 to 14:08:00, though the heartbeat invokes it each minute. `quickstep doctor` "
            f"looks for the cause. {LAST} It has not changed since."
        ),
    ),
    "the scaler failed": (
        seen(last=BEFORE, runs=Runs(6, 4), alarms=()),
        (
            f"{STOOD}{NONE}: it has no alarm, so nothing triggers decisions. The scaler's function "
            f"ran 6 times in these minutes and failed 4 times. {LAST} It has not changed since."
        ),
    ),
    "the target was not known yet": (
        seen(
            known_since=at("14:30:00"),
            others=(Said(at("14:02:00"), "to 8 tasks by policy cpu-60"),),
        ),
        (
            "At 14:03:00 Quickstep did not know prod/web: its policy document was first written at "
            "14:30:00. Application Auto Scaling acted at 14:02:00: to 8 tasks by policy cpu-60."
        ),
    ),
    "the record has expired": (
        seen(asked_at=at("14:30:00") + timedelta(days=31), alarms=(high(),)),
        (
            "No record says how many tasks prod/web had at 14:03:00. Its document allows 2 to 40. "
            f"{NONE}: records are kept for 30d, and this one has expired. The state of "
            "high-request-rate then is no longer known."
        ),
    ),
    "the alarms cannot be read": (
        seen(last=BEFORE, alarms=Unknown("DescribeAlarmHistory is not allowed")),
        (
            f"{STOOD}{NONE}, and its alarms' states are unknown: DescribeAlarmHistory is not "
            f"allowed. {LAST} It has not changed since."
        ),
    ),
    "the decisions cannot be read": (
        seen(entries=Unknown("Query is not allowed"), bounds=None),
        (
            "No record says how many tasks prod/web had at 14:03:00. Its decisions cannot be read: "
            "Query is not allowed."
        ),
    ),
    "somebody else changed the count, in a deployment": (
        seen(
            entries=[foreign("14:02:50", 12, 6)],
            deployments=(Said(at("14:02:10"), "web:42, IN_PROGRESS, 1 of 2 running"),),
            following=AFTER,
        ),
        (
            f"{STOOD}At 14:02:50, at a heartbeat, the decision was FOREIGN_CHANGE: Somebody else "
            "set 6. An ECS deployment had begun at 14:02:10: web:42, IN_PROGRESS, 1 of 2 running. "
            f"{NEXT}"
        ),
    ),
    "somebody else changed the count before": (
        seen(
            entries=[
                foreign("14:01:00", 12, 6),
                decision("14:02:59", "HELD_COOLDOWN", 6, 6, "Held."),
            ],
        ),
        (
            f"{STOOD}At 14:02:59, at a re-check, the decision was HELD_COOLDOWN: Held. It had last "
            "changed at 14:01:00 (12 → 6, by something else). No deployment began then; "
            "UpdateService events in CloudTrail name the caller. It has not changed since."
        ),
    ),
    "an operator asked for it": (
        seen(
            entries=[
                decision(
                    *("14:02:40", "SCALED_OUT", 6, 200, "Scaled out from 6 to 200: x"),
                    kind="request",
                    what="override: at least 200 (alice)",
                )
            ],
            in_force=(
                Said(
                    at("14:02:00"),
                    "an override: at least 200 until 14:40 by alice: load test",
                    "alice",
                    at("14:40:00"),
                ),
                Said(at("12:00:00"), "a pause that is over", "bob", at("13:00:00")),
            ),
        ),
        (
            "At 14:03:00 prod/web was set to 200 tasks. Its document allows 2 to 40. At 14:02:40, "
            "at an operator's request (override: at least 200 (alice)), the decision was "
            "SCALED_OUT: Scaled out from 6 to 200: x. In force was an override: at least "
            "200 until 14:40 by alice: load test. It has not changed since."
        ),
    ),
    "overrides cannot be read, and it is a dry run": (
        seen(
            last=BEFORE,
            dry_run=True,
            in_force=Unknown("GetItem is not allowed"),
            alarms=(low(Transition(at("14:00:00"), "ALARM")),),
        ),
        (
            f"{STOOD}{NONE}. low-request-rate was ALARM since 14:00:00 (threshold 30). Whether an "
            f"override or a pause was in force is unknown: GetItem is not allowed. {LAST} It has "
            "not changed since."
        ),
    ),
    "the question is of another day": (
        seen(last=replace(BEFORE, at=at("13:40:00") - timedelta(days=1))),
        (
            f"{STOOD}{NONE}, because no alarm was in ALARM: there was nothing to decide. "
            "high-request-rate was OK (threshold 100). It had last changed at 2026-11-25 13:40:00 "
            "(4 → 6, SCALED_OUT). It has not changed since."
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_evidence_comes_to_a_paragraph(name: str) -> None:
    evidence, expected = CASES[name]

    assert paragraph(evidence) == expected


def test_a_dry_run_is_mentioned() -> None:
    assert (
        "The document is a dry run: Quickstep changes nothing."
        in paragraph(seen(last=BEFORE, dry_run=True)).partition(LAST)[0]
    )
