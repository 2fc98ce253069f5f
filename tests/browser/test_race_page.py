"""The race in a real browser: live, and after its end, at every width and in both themes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from quickstep.report.dashboard.material import Material
from quickstep_lab.files import ONE_NUMBER_POLICY
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.server import serving
from quickstep_lab.race import Lane, Race, rivals_of
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName, scenario_traffic
from tests.browser.conftest import violations
from tests.builders import NOW, WEB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.conftest import Tab

PLAN = Plan(scenario_traffic(ScenarioName.SURGE_180S, 210), 210, policy=ONE_NUMBER_POLICY)
LOOKS = [(width, colours) for width in (1440, 768, 375) for colours in ("light", "dark")]


def nothing() -> Material:
    return Material(WEB.resource_id, NOW, NOW)


def a_race(second: int) -> Race:
    """Return a race so far: Quickstep asked for six more tasks 2 s after the surge began."""
    tasks = tuple(8 if n >= 52 else 2 for n in range(210))
    loads = PLAN.traffic.requests
    failed = tuple(max(0.0, load - 150 * n) for load, n in zip(loads, tasks, strict=True))
    lanes = (Lane("Quickstep", loads, failed, tasks), *rivals_of(PLAN, 2))
    return Race(tuple(lane.until(second) for lane in lanes), 100, 210)


@pytest.fixture(scope="module")
def ended() -> Iterator[str]:
    feed = Feed(nothing)
    feed.publish(nothing, a_race(210))
    feed.end()
    with serving(feed) as url:
        yield f"{url}race"


@pytest.mark.parametrize(("width", "colours"), LOOKS)
def test_it_fits_and_shows_two_numbers_of_each_scaler(
    width: int, colours: str, ended: str, open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(ended, width=width, color_scheme=colours)
    page = tab.page
    page.locator("html[data-edition]").wait_for()
    rows = page.locator("tbody tr")
    assert [row.split("\t") for row in rows.all_inner_texts()] == [
        ["Quickstep", "32 s", "14,400"],
        ["AWS's step policy on a 10-s alarm", "168 s", "21,150"],
        ["AWS's 20-s target tracking", "not within 180 s", "71,850"],
    ]
    assert page.locator("path.lost").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    last = page.locator("tbody td").last
    assert last.evaluate("cell => cell.getBoundingClientRect().right <= window.innerWidth")
    assert tab.errors == []
    tab.screenshot(f"race-{width}-{colours}")
    assert violations(tab) == []


def test_it_is_live_and_ends_on_one_sentence(open_tab: Callable[..., Tab]) -> None:
    feed = Feed(nothing)
    with serving(feed) as url:
        tab = open_tab(f"{url}race")
        said = tab.page.locator(".headline")
        expect(said).to_have_text("The race is about to begin.")
        feed.publish(nothing, a_race(60))
        expect(said).to_have_text("Second 60 of 210: the same traffic for all of them.")
        expect(tab.page.locator(".live")).to_be_visible()
        feed.publish(partial(nothing), a_race(210))
        expect(said).to_contain_text("Quickstep had enough tasks in 32 s and failed 14,400")
        feed.end()
        expect(tab.page.locator(".live")).to_have_count(0)
        tab.page.get_by_role("link", name="Every decision of Quickstep, and why").click()
        expect(tab.page.locator("h1")).to_contain_text(WEB.service)
        assert tab.errors == []
