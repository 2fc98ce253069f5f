"""Whatever names, reasons and policies say, it is text: in HTML, in SVG, in attributes, in JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.loop.surges import surge_look
from quickstep.protocol.messages import Surge
from quickstep.report.dashboard.html import Markup, element, escape, join, json_text
from quickstep.report.dashboard.material import Material, Metric, Point, Threshold, read_entries
from quickstep.report.dashboard.page import Printed, document, parts
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.dashboard.widget import Buttons, answer
from quickstep_lab.page.app import Links
from tests.builders import NOW, a_scale_out_record, ago
from tests.dashboard_html import parse

ATTACKS = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param("<img src=x onerror=alert(1)>", id="image"),
    pytest.param('"><svg onload=alert(1)>', id="out of an attribute"),
    pytest.param("' onmouseover='alert(1)", id="out of a single-quoted attribute"),
    pytest.param("</title><script>alert(1)</script>", id="out of a title"),
    pytest.param("</style><script>alert(1)</script>", id="out of a style"),
    pytest.param("</svg></summary></details><b>", id="out of every element"),
    pytest.param("]]><!-- --><![CDATA[<b>]]>", id="comment and CDATA"),
    pytest.param("&lt;b&gt;&#60;b&#62;", id="escaped already"),
    pytest.param("</cwdb-action><cwdb-action action=call>{}", id="another action"),
    pytest.param('{"a": "\\u003c"}', id="JSON"),
    pytest.param("javascript:alert(1)", id="address"),
    pytest.param("\u202e drawkcab \u0000 \u2028", id="controls"),
    pytest.param("데이터 없음 · データなし · Übergröße 🚀", id="other writing"),
]


def hostile(text: str) -> Material:
    """Return material in which `text` stands wherever a string is somebody else's."""
    record: dict[str, Any] = a_scale_out_record().as_dict
    record["id"] = record["reason"] = text
    record["trigger"] = {"kind": "alarm", "alarm": text, "state": text}
    record["trail"] = [{"guard": text, "before": 2, "after": 6, "why": text}]
    record["alarms"] = {text: {"state": text, "threshold": 100, "datapoints": [375], "muted": True}}
    entries, notes = read_entries([record])
    assert (len(entries), notes) == (1, ())
    metric = Metric(
        text, (Point(ago(5), 10.0), Point(NOW, 375)), (Threshold(text, 100, above=True),)
    )
    return Material(text, ago(60), NOW, entries, metrics=(metric,), notes=(text,))


def shown(text: str) -> str:
    return document(build_view(hostile(text), Look()), Links(), live=True, script="/page.js")


HARMLESS = parse(shown("harmless")).skeleton


@pytest.mark.parametrize("text", ATTACKS)
def test_hostile_text_changes_no_markup(text: str) -> None:
    assert parse(shown(text)).skeleton == HARMLESS


# A name that is wider than the chart has no place in its key; a time of day is marked up as one.
@given(st.text(max_size=60).filter(lambda text: not re.search(r"\d:\d", text)))
def test_no_text_at_all_changes_the_markup(text: str) -> None:
    assert parse(shown(text)).skeleton == HARMLESS


@pytest.mark.parametrize("text", ATTACKS)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    page = parse(shown(text))
    # What HTML itself makes of a zero byte in text.
    expected = text.replace("\0", "\ufffd")

    assert expected in page.text("h1").replace("\0", "\ufffd")
    assert expected in page.text("span").replace("\0", "\ufffd")
    assert expected in page.text("td").replace("\0", "\ufffd")
    assert expected in page.text("text").replace("\0", "\ufffd"), "in the drawing, too"


def test_the_page_has_no_script_but_its_own_and_nothing_that_runs_inline() -> None:
    page = parse(shown("x"))

    assert [attributes for tag, attributes in page.elements if tag == "script"] == [
        {"src": "/page.js", "defer": ""}
    ]
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert not [tag for tag, _ in page.elements if tag in {"use", "iframe", "foreignobject"}]


@pytest.mark.parametrize("text", ATTACKS)
def test_hostile_text_stays_inside_its_event(text: str) -> None:
    """A server-sent event ends at an empty line: nothing in it may make one."""
    data = json.dumps({"parts": parts(build_view(hostile(text), Look()), Links())})

    assert "\n" not in data
    assert "\r" not in data
    assert parse(json.loads(data)["parts"]["rows"])


@pytest.mark.parametrize("text", ATTACKS)
def test_an_action_s_parameters_come_out_as_they_went_in(text: str) -> None:
    """Read as HTML text, and as it stands: which of both CloudWatch does is not documented."""
    buttons = Buttons("arn:aws:lambda:eu-west-1:1:function:f", text)
    written = buttons.control("Older", Look(page=2))
    action = parse(written)
    (attributes,) = [given for tag, given in action.elements if tag == "cwdb-action"]
    raw = written.partition(f'endpoint="{attributes["endpoint"]}">')[2].partition("</cwdb")[0]

    assert [tag for tag, _ in action.elements] == ["a", "cwdb-action"]
    assert json.loads(raw)["service"] == text
    assert json.loads(action.text("cwdb-action"))["service"] == text


@pytest.mark.parametrize("text", ATTACKS)
def test_a_hostile_endpoint_or_parameter_stays_text_in_the_widget(text: str) -> None:
    class Unreachable:
        def material(self, *_: object) -> Material:
            raise AssertionError("nothing is read for a service that is none")

    unreachable: Any = Unreachable()
    said = answer({"service": text, "outcome": text}, text, unreachable, NOW)
    plain = answer({"service": "none", "outcome": "none"}, "arn", unreachable, NOW)

    assert parse(said).skeleton == parse(plain).skeleton


def test_a_string_is_text_and_only_markup_is_html() -> None:
    assert escape("<b>") == "&lt;b&gt;"
    assert escape(Markup("<b>")) == "<b>"
    assert escape(None) == ""
    assert join("<", element("b", None, 1.5), None) == "&lt;<b>1.5</b>"
    assert element("a", {"href": '"', "title": None}) == '<a href="&quot;"></a>'
    assert json_text({"a": "</x>&"}) == '{"a": "\\u003c/x\\u003e\\u0026"}'


def test_markup_that_was_put_together_with_text_is_text_again() -> None:
    """A `+` or an f-string forgets: the result is escaped once more, never too seldom."""
    assert escape(f"{element('b')}") == "&lt;b&gt;&lt;/b&gt;"


def test_a_printed_page_leads_nowhere_but_to_its_own_rows() -> None:
    material = replace(hostile("x"), start=NOW - timedelta(days=1))
    page = parse(document(build_view(material, Look()), Printed()))

    assert not [tag for tag, _ in page.elements if tag == "script"]
    addresses = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert all(str(address).startswith("#decision-") for address in addresses)


def test_what_a_surge_has_set_off_says_so_and_how_long_it_took() -> None:
    record = a_scale_out_record()
    felt = surge_look(Surge(record.look.service, ago(2)))
    record = replace(record, look=felt, alarm_to_update=None, surge_to_update=timedelta(seconds=2))
    entries, _ = read_entries([record.as_dict])
    material = Material(record.resource_id, ago(60), NOW, entries)

    page = document(build_view(material, Look()), Links(), live=True, script="/page.js")

    assert "UpdateService accepted 2,000 ms after a task felt the surge" in page
    assert ">Surge" in page
