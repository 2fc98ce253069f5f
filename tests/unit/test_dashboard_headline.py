"""Where things stand, in one sentence; the most urgent thing is the one that is said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.headline import Tone, headline
from quickstep.report.dashboard.material import Entry, Material, Metric, Point, Threshold
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.view import Look, build_view
from tests.builders import HIGH, LOW, NOW, ago
from tests.dashboard_html import parse

CALM = Outcome.HELD_NOT_BREACHING


def a_look(
    seconds_ago: float,
    outcome: Outcome = CALM,
    desired: int = 6,
    running: int | None = None,
    granted: int | None = None,
) -> Entry:
    return Entry(
        f"{seconds_ago:g}", ago(seconds_ago), outcome, "because",
        before=desired, granted=desired if granted is None else granted,
        service=Service(desired, desired if running is None else running, 0),
    )  # fmt: skip


def a_load(value: float, *, floor: bool = True) -> tuple[Metric, ...]:
    thresholds = [Threshold(HIGH, 100, above=True), Threshold(LOW, 30, above=False)]
    points = (Point(ago(10), value), Point(NOW, value))
    return (Metric("load", points, tuple(thresholds if floor else thresholds[:1])),)


def material(*entries: Entry, **more: Any) -> Material:
    return Material("service/prod/web", NOW - timedelta(hours=1), NOW, entries, **more)


CASES = [
    pytest.param(
        material(), Tone.NOTHING,
        "No look yet: Quickstep looks when an alarm of this service changes state.",
        id="nothing yet",
    ),
    pytest.param(
        Material("service/prod/web", NOW, NOW), Tone.NOTHING, "About to begin.", id="before it"
    ),
    pytest.param(
        material(over=True), Tone.NOTHING, "It ended without a single look at the service.",
        id="over before a look",
    ),
    pytest.param(
        material(a_look(60, Outcome.SCALED_OUT, 2, granted=6), a_look(5), metrics=a_load(81.5)),
        Tone.CALM,
        "Steady at 6 tasks, and the load of 81.5 is within its thresholds; "
        "the last change was 60 s ago.",
        id="calm",
    ),
    pytest.param(
        material(a_look(5, desired=1), metrics=a_load(12)), Tone.CALM,
        "Steady at 1 task, and the load of 12 is below the threshold of 30.", id="little to do",
    ),
    pytest.param(
        material(a_look(5)), Tone.CALM, "Steady at 6 tasks.", id="calm, without a metric"
    ),
    pytest.param(
        material(a_look(5), metrics=a_load(160)), Tone.BUSY,
        "6 tasks, and the load of 160 is above the threshold of 100.", id="a breach begins",
    ),
    pytest.param(
        material(a_look(9, desired=10, running=2), metrics=a_load(375)), Tone.BUSY,
        "8 tasks are starting: 2 of 10 run, and the load of 375 is above the threshold of 100.",
        id="tasks start",
    ),
    pytest.param(
        material(a_look(9, desired=10, running=9)), Tone.BUSY,
        "1 task is starting: 9 of 10 run.", id="one task starts",
    ),
    pytest.param(
        material(a_look(9, Outcome.HELD_NO_CAPACITY, 10, 7), metrics=a_load(143)), Tone.ALERT,
        "3 tasks of the 10 desired never came: 7 run, and the load of 143 is above the threshold "
        "of 100.",
        id="tasks never came",
    ),
    pytest.param(
        material(a_look(9, Outcome.HELD_AT_MAX, 40), metrics=a_load(143)), Tone.ALERT,
        "At the maximum of 40 tasks, and the load of 143 is above the threshold of 100.",
        id="at the maximum",
    ),
    pytest.param(
        material(a_look(9, Outcome.HELD_PAUSED)), Tone.BUSY, "Paused at 6 tasks.", id="paused"
    ),
    pytest.param(
        material(a_look(9, Outcome.HELD_NO_DATA)), Tone.BUSY,
        "Holding at 6 tasks: an alarm has no data, so no task is removed.", id="blind",
    ),
    pytest.param(
        material(a_look(90), a_look(9, Outcome.FAILED_DENIED, desired=6)), Tone.ALERT,
        "The newest look failed (denied), and the service stays at 6 tasks.", id="denied",
    ),
    pytest.param(
        material(Entry("x", ago(9), Outcome.FAILED_CONFIG, "because")), Tone.ALERT,
        "The newest look failed (config).", id="never seen",
    ),
    pytest.param(
        material(a_look(9), Entry("x", ago(1), Outcome.IGNORED_SURGE, "because")), Tone.CALM,
        "Steady at 6 tasks.", id="what was ignored says nothing",
    ),
    pytest.param(
        material(
            a_look(60, Outcome.SCALED_OUT, 2, granted=6),
            a_look(30, Outcome.SCALED_OUT, 6, granted=10),
            a_look(5, Outcome.SCALED_IN, 10, granted=9),
            over=True,
            total=(Point(ago(2), 400), Point(ago(1), 600)),
            failed=(Point(ago(2), 0), Point(ago(1), 250)),
        ),
        Tone.CALM,
        "Ended with 9 tasks, from 2 at the start, after 2 scale-outs and 1 scale-in; "
        "250 of 1,000 requests failed (25.0%).",
        id="a run that is over",
    ),
    pytest.param(
        material(
            Entry("x", ago(9), Outcome.SCALED_OUT, "because"),
            Entry("y", ago(5), Outcome.FAILED_CONFIG, "because"), over=True,
        ),
        Tone.CALM, "Ended with an unknown number of tasks, after 1 scale-out.",
        id="a run whose records have no counts",
    ),
    pytest.param(
        material(
            a_look(9, desired=4), a_look(7, Outcome.SCALED_OUT, 4, granted=10),
            a_look(5, Outcome.HELD_NO_CAPACITY, 10, 7), over=True,
        ),
        Tone.ALERT,
        "Ended with 10 tasks (3 of them missing), from 4 at the start, after 1 scale-out.",
        id="a run that ended without some tasks",
    ),
    pytest.param(
        material(
            a_look(5), over=True,
            total=(Point(ago(2), 400), Point(ago(1), 600)),
            failed=(Point(ago(2), 0), Point(ago(1), 0)),
        ),
        Tone.CALM, "Ended with 6 tasks, without a change; none of 1,000 requests failed.",
        id="a quiet run that is over",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "tone", "said"), CASES)
def test_where_things_stand_is_one_sentence(given: Material, tone: Tone, said: str) -> None:
    found = headline(build_view(given, Look()))

    assert (found.tone, found.said) == (tone, said)


def test_it_is_said_before_anything_else_and_whatever_is_filtered() -> None:
    look = Look(outcome=Outcome.SCALED_IN)
    given = material(a_look(60, Outcome.SCALED_OUT, 2, granted=6), a_look(5))
    page = parse(document(build_view(given, look), Printed()))
    paragraphs = [a.get("class") for tag, a in page.elements if tag == "p"]

    assert paragraphs[:3] == ["brand", "muted when", "headline calm"]
    assert "Steady at 6 tasks; the last change was 60 s ago." in page.text("p")
