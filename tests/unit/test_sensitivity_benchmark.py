"""The tornado chart: whose swing is how wide, what is drawn, and what the table says."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks.sensitivity import (
    ALARM,
    PERCENT,
    STATED,
    SURGE,
    TRACKING,
    Found,
    Swing,
    picture,
    rows,
    written,
)
from quickstep_lab.simulator.constants import Constant
from quickstep_lab.simulator.measure import Measures

USUAL = Measures(
    time_to_trigger_s=10,
    time_to_95_percent_s=60,
    time_to_capacity_s=80,
    requests=1000,
    failed=50,
    success_rate=0.95,
    latency_ms={"p50": 50, "p95": 60, "p99": 70},
    task_seconds=7200,
    peak_tasks=12,
    scale_actions=3,
    reversals=0,
)
TRIGGER, CAPACITY = STATED[0], STATED[2]


def found(**changes: float | None) -> Found:
    measures = replace(USUAL, **changes)  # type: ignore[arg-type] # numbers, or never
    return dict.fromkeys((ALARM, SURGE, PERCENT, TRACKING), measures)


def a_constant(what: str) -> Constant:
    return Constant("A <task>", what, 5, "s", "assumed", 1, 9, f"<{what}>")


WIDE = Swing(a_constant("wide"), found(time_to_trigger_s=5), found(time_to_trigger_s=25))
NARROW = Swing(a_constant("narrow"), found(), found(time_to_trigger_s=10.1))
NEVER = Swing(a_constant("never"), found(), found(time_to_capacity_s=None))


@pytest.mark.parametrize(
    ("swing", "width"),
    [pytest.param(WIDE, 1.5, id="the farther end"), pytest.param(NARROW, 0.01, id="little")],
)
def test_a_swing_is_as_wide_as_its_farther_end_is_away(swing: Swing, width: float) -> None:
    assert swing.width(TRIGGER, found()) == pytest.approx(width)


def test_what_never_comes_swings_furthest() -> None:
    assert NEVER.width(CAPACITY, found()) > WIDE.width(TRIGGER, found())


def test_the_picture_has_a_tornado_for_each_figure_and_leaves_out_what_is_worth_nothing() -> None:
    svg = picture(found(), [NARROW, WIDE, NEVER])
    texts = [text.text or "" for text in ET.fromstring(svg).findall(".//{*}text")]  # noqa: S314 - our own
    assert [text for text in texts if ":" in text] == [
        f"{stated.words}: {stated.shown(found())} {stated.unit}" for stated in STATED
    ]
    assert "<wide>, 1 to 9 s" in texts
    assert not any("narrow" in text for text in texts)


def test_the_table_has_both_ends_of_each_figure_and_says_where_nothing_changes() -> None:
    head, body = rows(found(), [WIDE, NEVER])
    assert head[:3] == ("Modelled number", "From, to", "trigger, by the alarm, s")
    assert body[0][2] == "**10**"
    assert body[1][:5] == ("A <task>: wide", "1, 9 s", "5, 25", "5, 25", "=")
    assert body[2][:5] == ("A <task>: never", "1, 9 s", "=", "=", "80, never")


def test_the_table_replaces_the_one_in_the_document_and_nothing_else() -> None:
    text = "a\n<!-- measured:sensitivity -->\nold\n<!-- /measured:sensitivity -->\nb\n"
    once = written(text, "new")
    marked = "<!-- measured:sensitivity -->\n\nnew\n\n<!-- /measured:sensitivity -->"
    assert once == f"a\n{marked}\nb\n"
    assert written(once, "new") == once
