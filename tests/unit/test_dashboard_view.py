"""The view: what is chosen, counted, thinned out and paged, at the edges above all."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quickstep.engine.model import Service
from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.chart import described, timeline
from quickstep.report.dashboard.kinds import SHAPES, Kind, kind_of, words
from quickstep.report.dashboard.material import (
    Entry,
    Material,
    Metric,
    Point,
    Threshold,
    read_entries,
)
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.style import PALETTES, Theme, stylesheet
from quickstep.report.dashboard.tasks import Shortfall
from quickstep.report.dashboard.view import Look, View, build_view
from quickstep_lab.page.app import Links
from tests.builders import HIGH, LOW, NOW, a_record, a_scale_out_record, ago
from tests.dashboard_html import parse

HOUR = timedelta(hours=1)


def an_entry(
    at: datetime = NOW,
    outcome: Outcome = Outcome.HELD_NOT_BREACHING,
    desired: int = 2,
    granted: int | None = None,
) -> Entry:
    name = f"{at:%H%M%S%f}"
    return Entry(
        name, at, outcome, "because",
        before=desired, granted=desired if granted is None else granted,
        service=Service(desired, desired, 0),
    )  # fmt: skip


def material(*entries: Entry, **more: Any) -> Material:
    return Material("service/prod/web", NOW - HOUR, NOW, entries, **more)


def many(count: int) -> tuple[Entry, ...]:
    """Entries over the whole hour, every tenth of them a scale-out."""
    step = HOUR / count
    return tuple(
        an_entry(
            NOW - HOUR + step * n,
            Outcome.SCALED_OUT if n % 10 == 0 else Outcome.HELD_CAPACITY_ON_ITS_WAY,
        )
        for n in range(count)
    )


def view(given: Material, **look: Any) -> View:
    return build_view(given, Look(**look))


def rows(shown: View) -> list[Entry]:
    return [entry for group in shown.groups for entry in group.entries]


def drawn(shown: View) -> str:
    return timeline(shown, Printed())


# Few and many


def test_without_a_decision_the_page_says_how_one_comes_about() -> None:
    page = parse(document(view(material()), Links()))

    assert "No decision yet." in page.text("p")
    assert "No load is known for this time." in page.text("text")
    assert "No look has seen the service in this time." in page.text("text")


def test_without_a_time_to_show_there_is_a_page_all_the_same() -> None:
    nothing = Material("service/prod/web", NOW, NOW)

    assert parse(document(view(nothing), Links()))


def test_one_decision_is_a_row_a_mark_and_a_step() -> None:
    shown = view(material(an_entry(ago(60), Outcome.SCALED_OUT, 2, 6)))

    assert [entry.outcome for entry in rows(shown)] == [Outcome.SCALED_OUT]
    assert [(mark.kind, mark.change) for mark in shown.marks] == [(Kind.OUT, 4)]
    assert [point.value for point in shown.desired.points] == [2, 6]
    assert shown.pages == 1


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_many_decisions_make_a_page_that_stays_usable(count: int) -> None:
    shown = view(material(*many(count)), everything=True)
    page = parse(document(shown, Links()))

    assert (shown.total, len(rows(shown)), shown.pages) == (count, 50, count // 50)
    assert len(shown.marks) <= 2 * 960 // 12 + 2, "two kinds, one mark a place"
    assert sum(mark.count for mark in shown.marks) == count
    assert len(page.elements) < 5_000


def test_pages_go_back_in_time_and_end() -> None:
    given = material(*many(120))
    pages = [rows(view(given, page=n, page_size=50, everything=True)) for n in (1, 2, 3)]

    assert [len(page) for page in pages] == [50, 50, 20]
    assert [entry for page in pages for entry in page] == list(given.entries[::-1])
    assert view(given, page=9, page_size=50, everything=True).page == 3


def test_one_outcome_is_chosen_for_rows_and_marks_and_the_counts_stay() -> None:
    shown = view(material(*many(100)), outcome=Outcome.SCALED_OUT)

    assert {entry.outcome for entry in rows(shown)} == {Outcome.SCALED_OUT}
    assert {mark.kind for mark in shown.marks} == {Kind.OUT}
    assert (shown.total, shown.matching) == (100, 10)
    assert dict(shown.outcomes) == {
        Outcome.SCALED_OUT: 10,
        Outcome.HELD_CAPACITY_ON_ITS_WAY: 90,
    }


def test_an_outcome_that_nothing_has_is_named_and_can_be_left_again() -> None:
    page = parse(document(view(material(an_entry()), outcome=Outcome.FAILED_DENIED), Links()))

    assert "No decision with this outcome." in page.text("p")
    links = [attributes.get("href") for tag, attributes in page.elements if tag == "a"]
    assert links == ["/", "?all=1", "?outcome=FAILED_DENIED"]


def test_changes_and_failures_are_shown_and_what_was_held_where_it_is_asked_for() -> None:
    given = material(
        an_entry(ago(50)),
        an_entry(ago(40), Outcome.SCALED_OUT, 2, 6),
        an_entry(ago(30), Outcome.IGNORED_SURGE),
        an_entry(ago(20), Outcome.FAILED_DENIED),
        an_entry(ago(10), Outcome.FOREIGN_CHANGE, 6, 3),
    )
    changes, everything = view(given), view(given, everything=True)

    assert [entry.at for entry in rows(changes)] == [ago(10), ago(20), ago(40)]
    assert [mark.at for mark in changes.marks] == [ago(40), ago(20), ago(10)]
    assert (changes.changes, changes.total) == (3, 5)
    assert len(rows(everything)) == 5


def test_what_was_held_has_a_filter_of_its_own_only_beside_all_looks() -> None:
    given = material(an_entry(ago(50)), an_entry(ago(40), Outcome.SCALED_OUT, 2, 6))

    def filters(shown: View) -> list[str | None]:
        page = parse(document(shown, Links()))
        links = [a.get("href") for tag, a in page.elements if tag == "a"]
        return [link for link in links if link and "open" not in link]

    assert filters(view(given)) == ["/", "?all=1", "?outcome=SCALED_OUT"]
    assert filters(view(given, everything=True)) == [
        "/",
        "?all=1",
        "?outcome=SCALED_OUT&all=1",
        "?outcome=HELD_NOT_BREACHING&all=1",
    ]


def test_looks_without_a_change_say_so() -> None:
    page = parse(document(view(material(an_entry(ago(9)), an_entry(ago(5)))), Links()))

    assert "Nothing has changed, and nothing has failed, in 2 looks." in page.text("p")


def test_an_opened_decision_is_on_the_page_that_is_shown_and_open() -> None:
    given = material(*many(120))
    wanted = given.entries[10]
    shown = view(given, opened=wanted.id, page_size=5)
    page = parse(document(shown, Links()))
    opened = [a["data-id"] for tag, a in page.elements if tag == "details" and "open" in a]

    assert (shown.page, shown.pages) == (3, 3)
    assert opened == [wanted.id]


def test_an_opened_decision_that_there_is_not_changes_nothing() -> None:
    given = material(*many(120))

    assert view(given, opened="nobody", page_size=5).page == 1


def test_a_pin_leads_to_its_row_and_the_row_is_there() -> None:
    entry = an_entry(ago(40), Outcome.SCALED_OUT, 2, 6)
    page = parse(document(view(material(entry)), Printed()))
    (address,) = [a["href"] for tag, a in page.elements if tag == "a"]

    assert address is not None
    assert address.removeprefix("#") in [a.get("id") for _, a in page.elements]


@pytest.mark.parametrize(("changes", "stops"), [(5, 5), (24, 24), (25, 0)])
def test_the_tab_key_passes_over_pins_where_there_are_too_many(changes: int, stops: int) -> None:
    entries = (an_entry(NOW - HOUR / changes * n, Outcome.SCALED_OUT, 2, 6) for n in range(changes))
    pins = [a for tag, a in parse(drawn(view(material(*entries)))).elements if tag == "a"]

    assert len(pins) == changes
    assert sum("tabindex" not in attributes for attributes in pins) == stops


def test_decisions_outside_the_time_are_not_shown() -> None:
    shown = view(
        material(an_entry(NOW - 2 * HOUR), an_entry(NOW + HOUR), an_entry(NOW)), everything=True
    )

    assert [entry.at for entry in rows(shown)] == [NOW]


# Tasks


def test_the_decision_before_the_time_tells_how_many_tasks_there_were() -> None:
    earlier = an_entry(NOW - 2 * HOUR, Outcome.SCALED_OUT, 2, 6)
    shown = view(material(earlier=earlier))

    assert [point.value for point in shown.desired.points] == [2, 6]
    assert 'class="desired" d="M57.6' in drawn(shown), "from the left edge on"


def test_counts_from_elsewhere_are_drawn_instead() -> None:
    counted = (Point(ago(20), 3), Point(ago(10), 5))
    shown = view(material(an_entry(ago(15)), desired=counted, running=counted[:1]))

    assert shown.desired.points == counted
    assert shown.running.points == counted[:1]


def test_a_failed_change_leaves_the_desired_count_as_it_was() -> None:
    shown = view(material(an_entry(ago(5), Outcome.FAILED_THROTTLED, 2, 6)))

    assert {point.value for point in shown.desired.points} == {2}


def a_look(at: datetime, desired: int, running: int, outcome: Outcome) -> Entry:
    return Entry(
        f"{at:%H%M%S%f}", at, outcome, "because",
        before=desired, granted=desired, service=Service(desired, running, desired - running),
    )  # fmt: skip


HELD, NEVER_CAME = Outcome.HELD_CAPACITY_ON_ITS_WAY, Outcome.HELD_NO_CAPACITY


def test_tasks_that_were_asked_for_and_do_not_run_are_starting() -> None:
    shown = view(material(a_look(ago(40), 6, 2, HELD), a_look(ago(10), 6, 6, HELD)))

    assert shown.shortfalls == (Shortfall(ago(40), ago(10), 2, 6, missing=False),)
    assert shown.shortfall is None, "by now they run"


def test_tasks_that_a_decision_has_given_up_are_missing_until_more_run() -> None:
    shown = view(
        material(
            a_look(ago(50), 6, 2, HELD),
            a_look(ago(40), 6, 2, NEVER_CAME),
            a_look(ago(30), 6, 2, Outcome.HELD_NOT_BREACHING),
            a_look(ago(20), 6, 4, Outcome.HELD_NOT_BREACHING),
        )
    )

    assert shown.shortfalls == (
        Shortfall(ago(50), ago(40), 2, 6, missing=False),
        Shortfall(ago(40), ago(20), 2, 6, missing=True),
        Shortfall(ago(20), NOW, 4, 6, missing=False),
    )
    assert shown.shortfall == Shortfall(NOW, NOW, 4, 6, missing=False)


def test_tasks_that_started_before_the_time_shown_are_starting_from_its_beginning_on() -> None:
    earlier = a_look(NOW - 2 * HOUR, 6, 2, HELD)
    shown = view(material(a_look(ago(10), 6, 6, HELD), earlier=earlier))

    assert shown.shortfalls == (Shortfall(NOW - HOUR, ago(10), 2, 6, missing=False),)


def test_tasks_that_are_asked_for_this_moment_are_starting_now() -> None:
    counts = (Point(ago(9), 2), Point(ago(5), 6), Point(NOW, 7))
    shown = view(material(desired=counts, running=counts[:1]))

    assert shown.shortfalls == (Shortfall(ago(5), NOW, 2, 6, missing=False),)
    assert shown.shortfall == Shortfall(NOW, NOW, 2, 7, missing=False)


def test_more_desired_ends_what_was_said_of_missing_tasks() -> None:
    shown = view(material(a_look(ago(40), 6, 2, NEVER_CAME), a_look(ago(20), 8, 2, HELD)))

    assert [gap.missing for gap in shown.shortfalls] == [True, False]


def test_starting_and_missing_tasks_have_a_class_each_in_the_drawing() -> None:
    shown = view(material(a_look(ago(50), 6, 2, HELD), a_look(ago(40), 6, 2, NEVER_CAME)))
    css = [attributes.get("class") for _, attributes in parse(drawn(shown)).elements]

    assert "starting" in css
    assert "missing" in css


# The present


def test_nothing_is_drawn_to_the_right_of_the_present() -> None:
    half = NOW - HOUR / 2
    metric = Metric("load", tuple(Point(half - timedelta(seconds=n), 50) for n in (20, 10, 0)))
    shown = view(
        material(an_entry(half, Outcome.SCALED_OUT, 2, 6), metrics=(metric,), known_until=half)
    )
    page = parse(drawn(shown))
    paths = [a for tag, a in page.elements if tag == "path" and "h14" not in str(a["d"])]
    (now,) = [a for _, a in page.elements if a.get("class") == "now"]
    furthest = {
        str(path["class"]): max(float(x) for x in re.findall(r"[MLH]([\d.]+)", str(path["d"])))
        for path in paths
        if path.get("class") in {"desired", "running", "load", "area"}
    }

    assert "now" in page.text("text")
    assert furthest.keys() == {"desired", "running", "load", "area"}
    assert all(x <= float(str(now["x1"])) for x in furthest.values())
    slots = [tag for tag, _ in page.elements if tag in {"label", "i"}]
    assert slots == sorted(slots, reverse=True), "moments first, then those without a value"
    assert slots.count("label") == pytest.approx(slots.count("i"), abs=2)


def test_a_time_that_ends_now_has_no_line_of_the_present() -> None:
    assert "now" not in {a.get("class") for _, a in parse(drawn(view(material()))).elements}


def test_a_run_that_is_over_has_no_present() -> None:
    shown = view(material(known_until=NOW - HOUR / 2, over=True))
    css = {a.get("class") for _, a in parse(drawn(shown)).elements}

    assert "future" in css
    assert "now" not in css


# The load


def points(*values: float, every: float = 10, end: datetime = NOW) -> tuple[Point, ...]:
    return tuple(
        Point(end - timedelta(seconds=every * (len(values) - 1 - n)), value)
        for n, value in enumerate(values)
    )


ABOVE_100 = Threshold(HIGH, 100, above=True)


def test_a_line_is_broken_where_data_is_missing() -> None:
    found = (*points(10, 20, 30, end=ago(300)), *points(40, 50))
    (panel,) = view(material(metrics=(Metric("load", found),))).panels

    assert [[p.value for p in part] for part in panel.lines[0].parts] == [[10, 20, 30], [40, 50]]


def test_a_breach_lasts_from_the_first_point_above_to_the_first_that_is_not() -> None:
    found = points(90, 120, 130, 80, 110)
    (panel,) = view(material(metrics=(Metric("load", found, (ABOVE_100,)),))).panels

    assert panel.breaches == ((ago(30), ago(10)),)
    assert panel.top > 130


def test_a_breach_that_lasts_goes_on_to_the_newest_point() -> None:
    (panel,) = view(material(metrics=(Metric("load", points(90, 120, 130), (ABOVE_100,)),))).panels

    assert panel.breaches == ((ago(10), NOW),)


def test_low_load_is_no_breach_of_scale_in_s_threshold() -> None:
    below = Threshold(LOW, 30, above=False)
    (panel,) = view(material(metrics=(Metric("load", points(10, 10), (below,)),))).panels

    assert panel.breaches == ()
    assert f"{LOW}: below 30" in parse(drawn(view(material(metrics=(
        Metric("load", points(10, 10), (below,)),))))).text("text")  # fmt: skip


def test_a_peak_survives_thinning_out() -> None:
    values = [50.0] * 20_000
    values[12_345] = 999.0
    found = points(*values, every=3600 / 20_000)
    (panel,) = view(material(metrics=(Metric("load", found),))).panels
    drawn = [point.value for part in panel.lines[0].parts for point in part]

    assert len(drawn) <= 4 * 961
    assert max(drawn) == 999.0


def test_the_whole_service_s_load_and_what_failed_of_it_are_counted() -> None:
    shown = view(material(total=points(100, 300, every=1), failed=points(0, 150, every=1)))

    assert shown.demand is not None
    assert (shown.demand.requests, shown.demand.lost) == (400, 150)
    assert shown.demand.title == "Requests per second, whole service"
    css = [a.get("class") for _, a in parse(drawn(shown)).elements]
    assert "lost" in css


def test_the_whole_service_s_load_is_worked_out_of_a_metric_per_task() -> None:
    metric = Metric("RequestsPerSecond, Average", points(40, 50), per_task=True)
    shown = view(material(an_entry(ago(60), desired=3), metrics=(metric,)))

    assert shown.demand is not None
    assert [point.value for part in shown.demand.total.parts for point in part] == [120, 150]
    assert shown.demand.title == (
        "Whole service, about: RequestsPerSecond, Average times running tasks"
    )
    assert (shown.demand.requests, shown.demand.lost) == (None, None), "nobody counted"


def test_any_other_metric_s_total_is_unknown() -> None:
    metric = Metric("CPUUtilization, Average", points(40, 50))

    assert view(material(an_entry(ago(60)), metrics=(metric,))).demand is None


def test_between_its_thresholds_a_panel_has_a_band() -> None:
    both = (ABOVE_100, Threshold(LOW, 30, above=False))

    def bands(*thresholds: Threshold) -> int:
        shown = view(material(metrics=(Metric("load", points(50, 60), thresholds),)))
        return [a.get("class") for _, a in parse(drawn(shown)).elements].count("band")

    assert (bands(*both), bands(both[0]), bands(both[1])) == (1, 0, 0)


# Values under the cursor


def test_each_slot_of_the_axis_tells_all_values_of_its_time() -> None:
    start = NOW - timedelta(seconds=10)
    every = tuple(Point(start + timedelta(seconds=n + 1), n) for n in range(10))
    given = Material(
        "service/prod/web", start, NOW,
        (an_entry(ago(4.5), Outcome.SCALED_OUT, 2, 6),),
        metrics=(Metric("load", every),), total=every, failed=every,
        desired=(Point(start, 2), Point(ago(4), 6)), running=(Point(start, 2),),
    )  # fmt: skip
    page = parse(drawn(view(given, zone=ZoneInfo("Asia/Seoul"))))
    labels = [str(a["aria-label"]) for tag, a in page.elements if tag == "input"]

    assert labels[-1] == (
        "19:00:12 UTC+9 (10:00:12 UTC): whole service: 9, failed: 9, load: 9, "
        "tasks: 6 desired, 2 running, 4 starting"
    )
    assert any("Scaled out at 19:00:08" in said for said in labels)


def test_a_slot_in_which_data_is_missing_says_what_else_is_known() -> None:
    found = (*points(10, 20, 30, end=ago(3000)), *points(40, 50))
    shown = view(material(an_entry(ago(3500)), metrics=(Metric("load", found),)))
    page = parse(drawn(shown))
    labels = [str(a["aria-label"]) for tag, a in page.elements if tag == "input"]

    assert labels[len(labels) // 2].endswith(": tasks: 2 desired, 2 running")


def test_without_a_metric_the_cursor_says_that_nothing_is_known() -> None:
    page = parse(drawn(view(material())))
    labels = {str(a["aria-label"]).partition(": ")[2] for tag, a in page.elements if tag == "input"}

    assert labels == {"nothing is known"}


def test_without_metrics_the_load_is_what_the_decisions_saw() -> None:
    records = [a_scale_out_record(f"d{n}", ago(60 - n)).as_dict for n in range(3)]
    entries, _ = read_entries(records)
    (panel,) = view(material(*entries)).panels

    assert panel.title == f"{HIGH}, as decisions saw it"
    assert [p.value for p in panel.lines[0].parts[0]] == [375, 375, 375]
    assert panel.thresholds == (Threshold(HIGH, 100, above=True),)


def seen(policy: str, state: str, threshold: float, value: float, at: datetime) -> Entry:
    record: dict[str, Any] = a_record(policy).as_dict | {"at": at.isoformat()}
    record["alarms"] = {
        policy: {"state": state, "threshold": threshold, "datapoints": [value], "muted": False}
    }
    ((entry,), _) = read_entries([record])
    return entry


def test_policies_whose_thresholds_are_of_one_size_share_a_panel() -> None:
    shown = view(
        material(
            seen(HIGH, "ALARM", 100, 375, ago(30)),
            seen(LOW, "ALARM", 30, 15, ago(20)),
            seen("queue", "ALARM", 5_000, 9_000, ago(10)),
        )
    )

    assert [len(panel.lines) for panel in shown.panels] == [2, 1]
    assert [t.above for panel in shown.panels for t in panel.thresholds] == [True, False, True]


def test_a_load_of_zero_is_drawn() -> None:
    assert parse(drawn(view(material(metrics=(Metric("load", points(0, 0)),)))))


# Records that are not what they should be


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"outcome": "SCALED_SIDEWAYS"}, "outcome: must be one of"),
        ({"at": "yesterday"}, 'at: must be a time like 2026-11-22T10:00:00Z, not "yesterday"'),
        ({"reason": None}, "reason: must be a string"),
        ({"service": {"desired": 2}}, "service.running: is required, but missing"),
        ({"from": 2.5}, "from: must be a whole number, not 2.5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_record_that_cannot_be_read_is_named_and_takes_no_other_with_it(
    change: dict[str, Any], problem: str
) -> None:
    good = a_scale_out_record().as_dict
    entries, notes = read_entries([good, good | change])

    assert len(entries) == 1
    assert notes[0].startswith("1 record is not shown, as it cannot be read: ")
    assert problem in notes[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trail": [{"guard": "steps"}]}, "trail[0].before: is required, but missing"),
        ({"alarms": {"high": 3}}, "alarms.high: must be an object, not 3"),
        ({"trigger": "me"}, 'trigger: must be an object, not "me"'),
        ({"next_check_in": "soon"}, 'next_check_in: must be a whole number, not "soon"'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_details_that_cannot_be_read_are_named_in_the_decision_s_own_row(
    change: dict[str, Any], problem: str
) -> None:
    entries, notes = read_entries([a_scale_out_record().as_dict | change])
    page = parse(document(view(material(*entries)), Links()))

    assert notes == ()
    assert f"The rest of this record cannot be read: {problem}" in page.text("li")
    assert "Scaled out from 2 to 6" in page.text("span")


def test_a_record_without_what_it_must_have_is_named() -> None:
    entries, notes = read_entries([{}, {"id": 1}])

    assert entries == ()
    assert notes[0].startswith("2 records are not shown; the first, as it cannot be read: id: is")


def test_records_are_put_in_their_order() -> None:
    records = [a_scale_out_record(f"d{n}", ago(n)).as_dict for n in range(3)]
    entries, _ = read_entries(records)

    assert [entry.at for entry in entries] == [ago(2), ago(1), ago(0)]


# What an outcome looks like


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_kind_a_shape_and_words(outcome: Outcome) -> None:
    assert SHAPES[kind_of(outcome)]
    assert words(outcome)
    assert "_" not in words(outcome)


def test_each_kind_has_a_shape_of_its_own() -> None:
    assert len(set(SHAPES.values())) == len(Kind)


def test_outcomes_in_words() -> None:
    assert words(Outcome.HELD_CAPACITY_ON_ITS_WAY) == "Held: capacity on its way"
    assert words(Outcome.SCALED_OUT) == "Scaled out"


def test_numbers_have_three_digits() -> None:
    assert [number(v) for v in (0, 0.01234, 98.333, 160.4, 12345)] == [
        "0", "0.0123", "98.3", "160", "12,345",
    ]  # fmt: skip


def test_a_sentence_describes_the_drawing() -> None:
    metric = Metric("load", points(120, 130), (ABOVE_100,))
    entry = an_entry(ago(10), Outcome.SCALED_OUT, 2, 6)

    assert described(view(material(entry, metrics=(metric,)))) == (
        "Timeline of service/prod/web from 09:00:12 to 10:00:12 UTC; load: newest 130; "
        "high-request-rate: above 100; desired 6; running 2; 1 decision."
    )


# Colours


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1, e.g. 1.0 for #ffffff."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


TEXTS = ["text", "muted", "accent", "threshold", *(str(kind) for kind in Kind)]
GRAPHICS = ["load", "desired", "running", "starting", "missing", "failed"]


def test_contrast_is_what_wcag_says_it_is() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
@pytest.mark.parametrize("colour", TEXTS)
@pytest.mark.parametrize(
    "behind", ["ground", "raised", "breach", "band", "future", "area", "fill", "absent"]
)
def test_text_has_the_contrast_of_aa(theme: Theme, colour: str, behind: str) -> None:
    palette = PALETTES[theme]
    # Text over the drawing has a rim of the ground's colour.
    least = 4.5 if behind in {"ground", "raised"} else 3
    assert contrast(palette[colour], palette[behind]) >= least


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
@pytest.mark.parametrize("colour", GRAPHICS)
def test_lines_have_the_contrast_of_aa(theme: Theme, colour: str) -> None:
    assert contrast(PALETTES[theme][colour], PALETTES[theme]["ground"]) >= 3


@pytest.mark.parametrize("theme", Theme)
def test_every_colour_that_the_style_sheet_asks_for_is_in_both_palettes(theme: Theme) -> None:
    css = stylesheet(theme)
    asked = {part.partition(")")[0] for part in css.split("var(--")[1:]}

    assert asked == PALETTES[Theme.LIGHT].keys() == PALETTES[Theme.DARK].keys()
    assert "url(" not in css
    assert "@import" not in css
