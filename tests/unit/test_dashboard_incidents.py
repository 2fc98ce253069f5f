"""All looks of one breach are one incident, and what came of it is told in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.incidents import incidents
from quickstep.report.dashboard.material import Entry
from tests.builders import HIGH, LOW, ago

if TYPE_CHECKING:
    from collections.abc import Sequence

OUT, IN = Outcome.SCALED_OUT, Outcome.SCALED_IN
HELD, CALM, IGNORED = (
    Outcome.HELD_CAPACITY_ON_ITS_WAY,
    Outcome.HELD_NOT_BREACHING,
    Outcome.IGNORED_SURGE,
)


def a_look(
    seconds_ago: float, outcome: Outcome, *breaching: str, before: int = 2, granted: int = 2
) -> Entry:
    alarms = {policy: {"state": "ALARM" if policy in breaching else "OK"} for policy in (HIGH, LOW)}
    return Entry(
        f"{seconds_ago:g}", ago(seconds_ago), outcome, "because",
        before=before, granted=granted, service=Service(before, before, 0),
        record={"alarms": alarms},
    )  # fmt: skip


def not_a_look(seconds_ago: float) -> Entry:
    return Entry(f"{seconds_ago:g}", ago(seconds_ago), IGNORED, "looked at a moment ago")


def gathered(*entries: Entry) -> list[list[str]]:
    """Return the ids of each incident's decisions."""
    found = dict.fromkeys(incidents(entries).values())
    return [[entry.id for entry in one.entries] for one in found]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([a_look(9, CALM)], [], id="no breach"),
        pytest.param(
            [a_look(9, OUT, HIGH), a_look(8, HELD, HIGH), a_look(7, CALM)],
            [["9", "8"]],
            id="until a look without a breach",
        ),
        pytest.param(
            [a_look(9, OUT, HIGH), not_a_look(8), a_look(7, HELD, HIGH)],
            [["9", "8", "7"]],
            id="with what was ignored in between",
        ),
        pytest.param(
            [a_look(9, OUT, HIGH), not_a_look(8), a_look(7, CALM), not_a_look(6)],
            [["9"]],
            id="without what was ignored after the last look",
        ),
        pytest.param(
            [a_look(9, OUT, HIGH), a_look(8, CALM), a_look(7, OUT, HIGH)],
            [["9"], ["7"]],
            id="two breaches",
        ),
        pytest.param(
            [a_look(9, OUT, HIGH), a_look(8, IN, LOW)],
            [["9"], ["8"]],
            id="another policy's breach",
        ),
        pytest.param(
            [a_look(9, OUT, HIGH), a_look(8, HELD, HIGH, LOW), a_look(7, HELD, LOW)],
            [["9", "8", "7"]],
            id="breaches that overlap",
        ),
        pytest.param([not_a_look(9), a_look(8, OUT, HIGH)], [["8"]], id="ignored before it began"),
    ],
)
def test_looks_are_gathered_by_their_breach(
    entries: Sequence[Entry], expected: list[list[str]]
) -> None:
    assert gathered(*entries) == expected


@pytest.mark.parametrize(
    ("entries", "summary"),
    [
        pytest.param(
            [
                a_look(60, OUT, HIGH, before=2, granted=6),
                a_look(50, OUT, HIGH, before=6, granted=10),
                a_look(22, HELD, HIGH, before=10, granted=10),
            ],
            "high-request-rate in breach for 38 s: 2 → 10 tasks in 2 changes, 3 looks",
            id="two changes",
        ),
        pytest.param(
            [a_look(9, IN, LOW, before=10, granted=9)],
            "low-request-rate in breach: 10 → 9 tasks in 1 change, 1 look",
            id="one look",
        ),
        pytest.param(
            [a_look(9, HELD, HIGH, LOW), a_look(4, HELD, LOW)],
            "high-request-rate, low-request-rate in breach for 5 s: no change, 2 looks",
            id="no change",
        ),
        pytest.param(
            [Entry("x", ago(9), OUT, "because", record={"alarms": {HIGH: {"state": "ALARM"}}})],
            "high-request-rate in breach: 1 change, 1 look",
            id="a record without counts",
        ),
    ],
)
def test_an_incident_fits_in_a_line(entries: Sequence[Entry], summary: str) -> None:
    (one,) = dict.fromkeys(incidents(entries).values())

    assert one.summary == summary


@pytest.mark.parametrize("alarms", [None, [], "x", {"high": 3}, {"high": {"state": 7}}], ids=str)
def test_alarms_that_cannot_be_read_are_in_no_breach(alarms: object) -> None:
    entry = Entry("x", ago(1), HELD, "because", record={"alarms": alarms})

    assert entry.breaching == frozenset()
    assert incidents([entry]) == {}
