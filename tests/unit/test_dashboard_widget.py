"""The custom widget's protocol, as CloudWatch's console speaks it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.deployed import Deployed
from quickstep.report.dashboard.material import Material, read_entries
from quickstep.report.dashboard.style import PALETTES, Theme
from quickstep.report.dashboard.widget import PAGE_SIZE, SIZE_LIMIT, answer, read_request
from tests.builders import NOW, WEB, a_scale_out_record
from tests.dashboard_html import parse

ARN = "arn:aws:lambda:us-east-1:123456789012:function:quickstep-dashboard"
START, END = NOW - timedelta(hours=3), NOW

# As the console sends it: *add_custom_widget_dashboard_about*, CloudWatch User Guide.
CONTEXT: dict[str, Any] = {
    "dashboardName": "quickstep-scaling",
    "widgetId": "widget-16",
    "accountId": "123456789012",
    "locale": "en",
    "timezone": {"label": "Local", "offsetISO": "+09:00", "offsetInMinutes": -540},
    "period": 300,
    "isAutoPeriod": True,
    "timeRange": {
        "mode": "relative",
        "start": START.timestamp() * 1000,
        "end": END.timestamp() * 1000,
        "relativeStart": 10_800_000,
    },
    "theme": "light",
    "linkCharts": True,
    "title": "Decisions",
    "forms": {"all": {}},
    "params": {"service": WEB.resource_id},
    "width": 588,
    "height": 369,
}


def a_call(context: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """Return a call of the widget: its parameters, and the context beside them."""
    return {"service": WEB.resource_id, **parameters, "widgetContext": CONTEXT | (context or {})}


class Table:
    """The deployed dashboard with so many decisions; remembers what it was asked."""

    def __init__(self, count: int = 3) -> None:
        record = a_scale_out_record().as_dict
        records = [
            {**record, "id": f"decision-{n}", "at": (END - timedelta(seconds=n)).isoformat()}
            for n in range(count)
        ]
        self.entries, _ = read_entries(records)
        self.asked: list[tuple[str, datetime, datetime]] = []

    def material(self, resource_id: str, start: datetime, end: datetime, now: datetime) -> Material:
        assert now == NOW
        self.asked.append((resource_id, start, end))
        return Material(resource_id, start, end, self.entries)


def said(event: dict[str, Any], table: Table | None = None) -> str:
    deployed: Any = table or Table()
    return answer(event, ARN, deployed, NOW)


def actions(html: str) -> list[dict[str, Any]]:
    """Return the parameters of every button's call, in order."""
    page = parse(html)
    texts = [data for tag, data in page.texts if tag == "cwdb-action"]
    for before, (tag, attributes) in zip(page.elements, page.elements[1:], strict=False):
        if tag == "cwdb-action":
            assert attributes == {"action": "call", "endpoint": ARN}
            assert before[0] in {"a", "path"}, "an action belongs to what stands right before it"
    return [json.loads(text) for text in texts]


def test_it_describes_itself_in_markdown() -> None:
    described = answer({"describe": True}, ARN, Deployed(None, None), NOW)  # type: ignore[arg-type]

    assert described.startswith("## Quickstep")
    assert "service: service/prod/web" in described


def test_it_shows_the_service_and_the_time_that_the_dashboard_shows() -> None:
    table = Table()
    html = said(a_call(), table)

    assert table.asked == [(WEB.resource_id, START, END)]
    assert "Scaled out from 2 to 6" in html
    assert "cwdb-no-default-styles" in html


def test_the_part_that_is_zoomed_into_is_what_is_shown() -> None:
    zoom = {"start": (END.timestamp() - 60) * 1000, "end": END.timestamp() * 1000}
    table = Table()
    said(a_call({"timeRange": CONTEXT["timeRange"] | {"zoom": zoom}}), table)

    assert table.asked == [(WEB.resource_id, END - timedelta(minutes=1), END)]


@pytest.mark.parametrize(
    "time_range",
    [None, {}, {"start": "a", "end": 1}, {"start": 5, "end": 5}, {"start": -1, "end": 5},
     {"start": 0, "end": 1e300}, {"start": True, "end": 5}],
    ids=str,
)  # fmt: skip
def test_a_time_that_makes_no_sense_is_the_last_hour(time_range: Any) -> None:
    request = read_request(a_call({"timeRange": time_range}), NOW)

    assert (request.start, request.end) == (NOW - timedelta(hours=1), NOW)


def test_the_console_s_theme_zone_and_width_are_taken_over() -> None:
    light, dark = said(a_call()), said(a_call({"theme": "dark"}))

    assert PALETTES[Theme.LIGHT]["ground"] in light
    assert PALETTES[Theme.DARK]["ground"] in dark
    assert "prefers-color-scheme" not in light + dark, "the console's theme, not the system's"
    assert "19:00:12" in light
    assert 'width="544"' in light


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ({"offsetISO": "+09:00"}, timezone(timedelta(hours=9))),
        ({"offsetISO": "-03:30"}, timezone(-timedelta(hours=3, minutes=30))),
        ({"offsetISO": "+00:00"}, timezone(timedelta(0))),
        ({"offsetISO": "+99:00"}, UTC),
        ({"offsetISO": 9}, UTC),
        ({}, UTC),
        ("UTC", UTC),
    ],
)
def test_an_offset_is_read_and_anything_else_is_utc(given: Any, zone: timezone) -> None:
    assert read_request(a_call({"timezone": given}), NOW).look.zone == zone


def test_buttons_filter_by_outcome_and_page_and_name_the_service() -> None:
    called = actions(said(a_call(page=2), Table(60)))
    here = {"service": WEB.resource_id, "all": False, "lang": "en"}

    assert called == [
        here | {"outcome": None, "page": 1},
        here | {"outcome": None, "page": 1, "all": True},
        here | {"outcome": "SCALED_OUT", "page": 1},
        here | {"outcome": None, "page": 1},
        here | {"outcome": None, "page": 3},
    ]


@pytest.mark.parametrize(("given", "asked"), [(True, True), (False, False), ("true", False)])
def test_all_looks_are_shown_where_the_widget_asks_for_them(given: Any, asked: bool) -> None:
    assert read_request(a_call(all=given), NOW).look.everything is asked


def test_a_pin_of_the_widget_leads_nowhere_as_its_address_would_be_the_console_s() -> None:
    page = parse(said(a_call()))
    pins = [tag for tag, attributes in page.elements if "data-decision" in attributes]

    assert set(pins) == {"g"}


def test_what_a_button_calls_is_what_is_shown_next() -> None:
    table = Table(60)
    *_, older = actions(said(a_call(), table))
    html = said({**older, "widgetContext": CONTEXT}, table)

    assert "Page 2 of 3" in html
    assert html.count("<details") == PAGE_SIZE


@pytest.mark.parametrize(
    ("locale", "parameters", "title"),
    [
        pytest.param("en", {}, "Decisions", id="the console's, English"),
        pytest.param("ko", {}, "결정", id="the console's, Korean"),
        pytest.param("en", {"lang": "ko"}, "결정", id="the widget's, Korean"),
        pytest.param("ko", {"lang": "en"}, "Decisions", id="the widget's, English"),
        pytest.param(7, {}, "Decisions", id="none that makes sense"),
    ],
)
def test_the_language_is_the_widget_s_or_else_the_console_s_and_buttons_keep_it(
    locale: Any, parameters: dict[str, Any], title: str
) -> None:
    html = said(a_call({"locale": locale}, **parameters), Table(60))
    *_, older = actions(html)
    next_page = said({**older, "widgetContext": CONTEXT | {"locale": locale}}, Table(60))

    assert parse(html).text("h2") == title
    assert parse(next_page).text("h2") == title


def test_only_one_outcome_is_shown_where_one_is_asked_for() -> None:
    assert said(a_call(outcome="SCALED_OUT")).count("<details") == 3
    assert said(a_call(outcome="SCALED_IN")).count("<details") == 0


def test_without_a_service_the_widget_asks_for_one_and_reads_nothing() -> None:
    table = Table()
    html = said({"service": "", "widgetContext": CONTEXT | {"params": {}}}, table)
    page = parse(html)

    assert table.asked == []
    assert [a["name"] for tag, a in page.elements if tag == "input"] == ["service"]
    assert actions(html) == [{"lang": "en"}]


def test_what_was_typed_into_the_form_is_the_service() -> None:
    table = Table()
    typed = {"forms": {"all": {"service": " service/prod/api "}}, "params": {"service": ""}}
    said({"widgetContext": CONTEXT | typed}, table)

    assert [asked[0] for asked in table.asked] == ["service/prod/api"]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"service": "web"}, "service must be service/<cluster>/<service>, of letters, digits"),
        ({"service": 7}, 'not "7"'),
        ({"outcome": "SIDEWAYS"}, 'not "SIDEWAYS"'),
        ({"lang": "fr"}, 'lang must be one of en, ko, not "fr"'),
        ({"lang": ["ko"]}, 'lang must be one of en, ko, not ["ko"]'),
    ],
    ids=str,
)
def test_a_parameter_that_makes_no_sense_is_named(parameters: dict[str, Any], problem: str) -> None:
    table = Table()
    html = said(a_call(**parameters), table)

    assert problem in parse(html).text("li")
    assert table.asked == []


@pytest.mark.parametrize("page", [0, -1, "2", 10**9, None, True, 1.5])
def test_a_page_that_makes_no_sense_is_the_first(page: Any) -> None:
    assert read_request(a_call(page=page), NOW).look.page == 1


@pytest.mark.parametrize("context", [None, "x", [], {"forms": 3, "params": "x", "timeRange": []}])
def test_a_call_without_a_proper_context_is_answered_all_the_same(context: Any) -> None:
    assert "Scaled out" in said({"service": WEB.resource_id, "widgetContext": context})


def test_ten_thousand_decisions_are_far_below_the_limit_of_an_answer() -> None:
    html = said(a_call(), Table(10_000))

    assert len(json.dumps(html).encode()) < SIZE_LIMIT / 20
    assert "10,000" in html
    assert str(Outcome.SCALED_OUT) in html


@pytest.mark.parametrize("outcome", [["SCALED_OUT"], {"a": 1}, 7, "\ud83d"])
def test_an_outcome_that_is_none_is_a_problem_whatever_it_is(outcome: Any) -> None:
    request = read_request(a_call(outcome=outcome), NOW)

    assert request.look.outcome is None
    assert request.problems[0].startswith("outcome must be one of SCALED_OUT, ")


def test_a_call_that_is_no_object_is_asked_for_the_service() -> None:
    assert "service/prod/web" in answer([], ARN, Deployed(None, None), NOW)  # type: ignore[arg-type]
