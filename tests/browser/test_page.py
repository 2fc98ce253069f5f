"""The page in a real browser, at its edges: nothing, very much, hostile text, lost connections."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from quickstep.report.dashboard.material import Material, Metric, Point, Threshold, read_entries
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.server import serving
from tests.browser.conftest import violations
from tests.browser.wire import Wire
from tests.builders import HIGH, NOW, WEB, a_scale_out_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.conftest import Tab

HOSTILE = '<img src=x onerror="window.hacked=1">"\'></svg><script>window.hacked=1</script>'
KOREAN = "웹 서비스: 요청이 임계값을 넘어 작업을 늘렸습니다"


def itself(material: Material) -> Material:
    return material


def material(
    count: int, reason: str = "", every: float = 10, name: str = WEB.resource_id
) -> Material:
    """Return `count` decisions, one every so many seconds; every fifth is held."""
    records: list[dict[str, Any]] = []
    for n in range(count):
        at = NOW - timedelta(seconds=every * (count - n))
        record = a_scale_out_record(f"decision-{n}", at).as_dict
        record["reason"] = reason or f"Reason {n}"
        if n % 5 == 4:
            record["outcome"] = "HELD_COOLDOWN"
        records.append(record)
    entries, notes = read_entries(records)
    load = tuple(Point(entry.at, 100 + n % 60) for n, entry in enumerate(entries))
    span = timedelta(seconds=every * (count + 1))
    metric = Metric("Requests per second", load, (Threshold(HIGH, 130, above=True),))
    return Material(name, NOW - span, NOW, entries, metrics=(metric,), notes=notes)


def feed_of(made: Material) -> Feed:
    return Feed(partial(itself, made))


@pytest.fixture
def serve() -> Iterator[Callable[[Feed], str]]:
    with ExitStack() as stack:
        yield lambda feed: stack.enter_context(serving(feed))


def arrived(tab: Tab) -> None:
    tab.page.locator("html[data-edition]").wait_for()


WIDTHS = pytest.mark.parametrize("width", [375, 768, 1440])


@pytest.mark.parametrize(
    ("count", "width"), [(0, 375), (0, 1440), (1, 375), (1, 768), (10_000, 375)]
)
def test_few_or_many_decisions_fit_and_none_makes_an_error(
    count: int, width: int, serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(count))), width=width)
    arrived(tab)

    assert tab.fits
    assert tab.page.locator("details").count() == min(count, 50)
    assert tab.page.evaluate("document.querySelectorAll('*').length") < 5_000
    assert tab.errors == []
    tab.screenshot(f"decisions-{count}-{width}", full=False)


@WIDTHS
def test_a_korean_browser_gets_a_korean_page(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab], width: int
) -> None:
    why = "high-request-rate is at 160, above its threshold of 100: adds 4 tasks"
    feed = feed_of(material(12, f"Scaled out from 2 to 6: {why}"))
    tab = open_tab(serve(feed), width=width, locale="ko-KR")
    arrived(tab)
    page = tab.page
    page.locator("summary:visible").first.click()

    assert page.locator("html").get_attribute("lang") == "ko"
    expect(page.locator("h2")).to_have_text("결정")
    expect(page.locator(".live")).to_have_text("● 실시간")
    expect(page.locator("summary:visible .reason").first).to_have_text(
        "태스크를 2개에서 6개로 스케일 아웃했습니다: high-request-rate 값이 160(임계값 100 "
        "초과)이므로 태스크 4개를 추가합니다"
    )
    assert tab.fits
    assert tab.errors == []
    tab.screenshot(f"korean-{width}")
    assert violations(tab) == []


@WIDTHS
def test_hostile_and_foreign_text_is_text_at_any_width(
    width: int, serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    name = f"service/prod/{HOSTILE}"
    tab = open_tab(
        serve(feed_of(material(9, f"{HOSTILE} {KOREAN} {'x' * 300}", name=name))), width=width
    )
    arrived(tab)
    tab.page.locator("summary").first.click()

    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator("img, .qs script").count() == 0
    assert HOSTILE in tab.page.locator("h1").inner_text()
    assert HOSTILE in str(tab.page.locator("a.pin").first.get_attribute("aria-label"))
    assert KOREAN in tab.page.locator("summary").first.inner_text()
    assert tab.fits
    assert tab.errors == []
    tab.screenshot(f"hostile-{width}", full=False)


def test_everything_can_be_reached_and_opened_with_the_keyboard(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(120))))
    arrived(tab)
    keyboard = tab.page.keyboard
    focused = "document.activeElement.innerText.split('\\n')[0].trim()"
    reached = []
    tab.page.locator(".cursor input").first.focus()
    for _ in range(5):
        keyboard.press("Tab")
        reached.append(tab.page.evaluate(focused))
    keyboard.press("Enter")
    row = tab.page.locator("details").nth(1)

    assert reached[:3] == ["Changes 96", "All looks 120", "Scaled out 96"]
    assert row.get_attribute("open") is not None
    assert row.locator(".trail").is_visible()
    tab.page.get_by_role("link", name="Older →").focus()
    keyboard.press("Enter")
    expect(tab.page.locator(".pager")).to_contain_text("Page 2 of 2")


def test_a_chosen_filter_and_an_opened_row_outlast_the_next_decisions(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    feed = feed_of(material(10))
    tab = open_tab(serve(feed))
    tab.page.get_by_role("link", name="All looks 10").click()
    tab.page.get_by_role("link", name="Held: cooldown 2").click()
    expect(tab.page.locator("details")).to_have_count(2)
    tab.page.locator("summary").first.click()
    feed.publish(partial(itself, material(15)))

    expect(tab.page.locator("details")).to_have_count(3)
    assert tab.page.locator("details[open]").get_attribute("data-id") == "decision-9"


def test_a_pin_opens_its_decision(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(3))))
    arrived(tab)
    tab.page.locator('[data-decision="decision-1"]').click()

    assert tab.page.locator("details[open]").get_attribute("data-id") == "decision-1"
    assert tab.page.evaluate("document.activeElement.matches('details[open] > summary')")


def test_a_pin_whose_row_is_on_another_page_of_the_table_goes_there(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(120))))
    arrived(tab)
    pin = tab.page.locator("a.pin").first
    decision = str(pin.get_attribute("data-decision"))
    assert tab.page.locator(f'[data-id="{decision}"]').count() == 0
    pin.focus()
    tab.page.keyboard.press("Enter")

    row = tab.page.locator(f'details[open][data-id="{decision}"]')
    expect(row.locator(".trail")).to_be_visible()
    expect(row.locator("summary")).to_be_focused()
    expect(tab.page.locator(".pager")).to_contain_text("Page 2 of 2")


def test_a_pin_opens_its_decision_without_the_page_s_script_too(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(120))), java_script_enabled=False)
    pin = tab.page.locator("a.pin").first
    decision = str(pin.get_attribute("data-decision"))
    pin.click()

    row = tab.page.locator(f'details[data-id="{decision}"]')
    expect(row.locator(".trail")).to_be_visible()


def test_the_arrow_keys_move_the_cursor_and_tell_the_values(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    feed = feed_of(material(20))
    tab = open_tab(serve(feed), timezone_id="Asia/Seoul")
    arrived(tab)
    cursor = tab.page.locator(".cursor")
    tab.page.locator(".cursor input").nth(40).focus()
    keyboard = tab.page.keyboard
    keyboard.press("ArrowRight")
    shown = cursor.locator("label > span:visible")

    expect(shown).to_have_count(1)
    title, *values = shown.inner_text().split("\n")
    assert re.fullmatch(r"18:5\d:\d\d UTC\+9 \(09:5\d:\d\d UTC\)", title)
    assert values[0].startswith("Requests per second: 1")
    assert values[1] == "tasks: 6 desired, 3 running, 3 starting"
    # It stays where it is while the page goes on.
    at = tab.page.evaluate("document.activeElement.value")
    feed.publish(partial(itself, material(21)))
    expect(tab.page.locator("details")).to_have_count(17)
    assert tab.page.evaluate("document.activeElement.value") == at
    keyboard.press("ArrowLeft")
    assert int(tab.page.evaluate("document.activeElement.value")) == int(at) - 1


def test_the_pointer_shows_the_values_of_where_it_is(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(20))))
    arrived(tab)
    shown = tab.page.locator(".cursor label > span:visible")
    expect(shown).to_have_count(0)
    box = tab.page.locator(".chart > svg").bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Requests per second: 1")


def test_held_looks_are_behind_a_switch(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(10))))
    arrived(tab)
    expect(tab.page.locator("details")).to_have_count(8)
    tab.page.get_by_role("link", name="All looks 10").click()

    expect(tab.page.locator("details")).to_have_count(10)
    assert tab.page.url.endswith("?all=1")
    tab.page.get_by_role("link", name="Changes 8").click()
    expect(tab.page.locator("details")).to_have_count(8)


def test_moments_in_reasons_are_the_viewer_s_and_utc_shows_where_one_points(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    given = material(1, "no scale-in until 10:00:52")
    tab = open_tab(serve(feed_of(given)), timezone_id="Asia/Seoul")
    arrived(tab)
    reason = tab.page.locator("summary .reason")

    expect(reason).to_have_text("no scale-in until 19:00:52")
    assert "(2026-11-22T10:00:52.000Z)" in str(reason.locator("time").get_attribute("title"))
    tab.page.locator("summary").click()
    visible = tab.page.locator(".qs").inner_text()
    assert not re.search(r"\b10:0\d:\d\d(?!\.)", visible), "no UTC but the labelled one"


def test_a_tab_whose_connection_was_lost_says_so_and_catches_up(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    feed = feed_of(material(3))
    wire = Wire(urlsplit(serve(feed)).port or 0)
    wire.mend()
    tab = open_tab(wire.url)
    arrived(tab)
    wire.cut()
    expect(tab.page.locator(".live")).to_have_text("○ not connected")
    feed.publish(partial(itself, material(4)))
    feed.publish(partial(itself, material(6)))
    wire.mend()

    expect(tab.page.locator("details")).to_have_count(5)
    expect(tab.page.locator(".live")).to_have_text("● live")
    wire.cut()


def test_a_hidden_tab_waits_and_shows_the_newest_when_it_is_seen_again(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    feed = feed_of(material(3))
    tab = open_tab(serve(feed))
    page = tab.page
    page.locator('html[data-edition="1"]').wait_for(state="attached")
    hide = (
        "hidden => Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})"
    )
    page.evaluate(hide, arg=True)
    for edition, count in ((2, 4), (3, 6)):
        feed.publish(partial(itself, material(count)))
        page.locator(f'html[data-edition="{edition}"]').wait_for(state="attached")
    assert page.locator("details").count() == 3

    page.evaluate(hide, arg=False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("details")).to_have_count(5)


def test_a_page_whose_server_has_ended_stays_as_it_was_and_is_not_live(
    open_tab: Callable[..., Tab],
) -> None:
    with serving(feed_of(material(3))) as url:
        tab = open_tab(url)
        arrived(tab)

    expect(tab.page.locator(".live")).to_have_count(0)
    tab.page.locator("summary").first.click()
    assert tab.page.locator("details[open]").count() == 1
    assert tab.errors == []


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "10:00:02"), ("Asia/Seoul", "19:00:02"), ("America/St_Johns", "06:30:02")],
)
def test_times_are_the_viewer_s_and_utc_is_beside_them(
    zone: str, shown: str, serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(1))), timezone_id=zone)
    arrived(tab)
    row = tab.page.locator("details").first

    assert row.locator("time").inner_text() == shown
    assert "2026-11-22T10:00:02.500Z" in str(row.locator("time").get_attribute("title"))


def test_the_drawing_follows_the_width_of_the_window(
    serve: Callable[[Feed], str], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(serve(feed_of(material(20))), width=1240)
    arrived(tab)
    drawing = tab.page.locator(".chart svg")
    wide = drawing.get_attribute("width")
    assert wide is not None
    tab.page.set_viewport_size({"width": 375, "height": 800})
    expect(drawing).not_to_have_attribute("width", wide)

    assert int(drawing.get_attribute("width") or 0) < 375
    assert tab.fits
