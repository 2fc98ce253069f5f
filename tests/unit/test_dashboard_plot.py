"""The blocks of a drawing: scales, paths, pins and the cursor."""

from __future__ import annotations

import re

import pytest

from quickstep.report.dashboard import plot
from quickstep.report.dashboard.plot import Across, Pin, Reading, Upward, ceiling, whole_ceiling
from quickstep.report.dashboard.style import Theme, stylesheet
from tests.dashboard_html import parse

AXIS = Across(0, 100, left=50, right=150)
PLOT = Upward(top=10, bottom=110, highest=200)


@pytest.mark.parametrize(("place", "x"), [(0, 50), (25, 75), (100, 150), (-5, 50), (900, 150)])
def test_a_place_outside_the_axis_is_at_its_edge(place: float, x: float) -> None:
    assert AXIS.x(place) == x


@pytest.mark.parametrize(("value", "y"), [(0, 110), (50, 85), (200, 10), (-1, 110), (1e9, 10)])
def test_a_value_outside_the_plot_is_at_its_edge(value: float, y: float) -> None:
    assert PLOT.y(value) == y


def test_an_axis_of_no_length_has_a_place_all_the_same() -> None:
    assert Across(7, 7, 50, 150).x(7) == 50


@pytest.mark.parametrize(
    ("value", "round_up"), [(375, 400), (8.8, 10), (0.07, 0.08), (1000, 1000), (1001, 1200), (0, 0)]
)
def test_a_ceiling_is_round_and_not_below(value: float, round_up: float) -> None:
    assert ceiling(value) == pytest.approx(round_up, abs=1e-8)


@pytest.mark.parametrize(("value", "multiple"), [(0, 4), (3, 4), (4, 4), (9, 12), (40, 40)])
def test_a_ceiling_of_tasks_is_a_multiple_of_four(value: float, multiple: float) -> None:
    assert whole_ceiling(value) == multiple


def test_a_stepped_line_ends_at_the_given_end() -> None:
    assert plot.stepped([(0, 0), (50, 100)], 60, AXIS, PLOT) == "M50 110H100V60H110"


def test_boxes_are_one_path() -> None:
    spans = (((0, 10), 0, 100), ((20, 30), 100, 200))

    assert plot.between(spans, AXIS, PLOT) == "M50 110V60H60V110ZM70 60V10H80V60Z"


def test_a_pin_is_a_link_where_it_leads_somewhere_and_a_picture_elsewhere() -> None:
    one = Pin(50, "M0 0Z", "out", "+4", "10:00:22 Scaled out", "?open=a", "a")
    linked = parse(plot.pin(one, AXIS, 26))
    alone = parse(plot.pin(Pin(50, "M0 0Z", "out", "", "x"), AXIS, 26))

    assert linked.elements[0] == (
        "a",
        {
            "class": "pin out",
            "data-decision": "a",
            "aria-label": "+4: 10:00:22 Scaled out",
            "href": "?open=a",
        },
    )
    assert linked.text("text") == "+4"
    assert alone.elements[0] == ("g", {"class": "pin out", "aria-label": "x", "role": "img"})
    assert alone.text("text") == ""


def test_a_cursor_has_one_stop_and_a_value_in_each_slot_that_is_known() -> None:
    readings = [Reading("10:00", ["load: 3"]), Reading("10:01", ["a", "b"]), None]
    page = parse(plot.cursor(readings, 340, "Values"))
    inputs = [attributes for tag, attributes in page.elements if tag == "input"]

    assert [tag for tag, _ in page.elements if tag in {"label", "i"}] == ["label", "label", "i"]
    assert {attributes["name"] for attributes in inputs} == {"moment-340"}
    assert [attributes["aria-label"] for attributes in inputs] == ["10:00: load: 3", "10:01: a, b"]
    assert page.elements[0][1]["class"] == "cursor narrow"


@pytest.mark.parametrize(("width", "css"), [(1200, ".cursor"), (340, ".cursor.narrow")])
def test_the_cursor_lies_over_the_plots_whatever_the_width(width: int, css: str) -> None:
    """The style sheet and the drawing have the same shares of the width at both sides."""
    axis = plot.across(0, 1, width)
    rule = re.search(rf"\.qs {re.escape(css)} {{[^}}]*inset: 0 ([\d.]+)% 0 ([\d.]+)%",
                     stylesheet(Theme.AUTO))  # fmt: skip
    assert rule is not None
    right, left = (float(share) / 100 for share in rule.groups())

    assert (left, 1 - right) == pytest.approx((axis.left / width, axis.right / width), abs=1e-3)
