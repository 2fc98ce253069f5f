"""The demo's page in a real browser, through a surge that the real scaler answers."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from rich.console import Console

from quickstep_lab import demo
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import EmbeddedAws
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.server import serving
from quickstep_lab.page.sources import demo_material
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName, scenario_traffic
from tests.builders import WEB
from tests.clocks import START, SetClock, same_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep_lab.snapshot import Snapshot
    from tests.browser.conftest import Tab

SURGE = Plan(scenario_traffic(ScenarioName.SURGE, 95), seconds=95, surges=False)
SPEED = 10
"""An evaluation has to end within its lease of 15 s: 1.5 s then, on a busy machine, too."""
FIRST_STEP = (START + timedelta(seconds=20), START + timedelta(seconds=25))
"""Around the first scale-out, time passes as it really does."""


class TimedLog(io.StringIO):
    """The scaler's log, which notes when the first scale-out was written to it."""

    name = "scaler.log"
    scaled_out_at: float | None = None

    def write(self, text: str) -> int:
        if self.scaled_out_at is None and '"outcome":"SCALED_OUT"' in text.replace(" ", ""):
            self.scaled_out_at = time.monotonic()
        return super().write(text)


@dataclass
class Stage:
    """A demo that starts when the curtain is lifted, and the page that shows it."""

    url: str
    log: TimedLog
    lifted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class PacedClock(SetClock):
    """A set clock under which time passes 10 times as fast as it does, but for the first step."""

    def sleep(self, seconds: float) -> None:
        first, last = FIRST_STEP
        time.sleep(seconds if first <= self.at < last else seconds / SPEED)
        super().sleep(seconds)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    clock, log = PacedClock(), TimedLog()
    feed = Feed(partial(demo_material, WEB.resource_id, SURGE, ()))

    def publish(snapshots: Sequence[Snapshot]) -> None:
        feed.publish(partial(demo_material, WEB.resource_id, SURGE, tuple(snapshots)))

    with same_time(clock), EmbeddedAws() as account, serving(feed) as url:
        demo.prepare(account)
        here = Stage(url, log)

        def play() -> None:
            here.lifted.wait()
            paced = Clock(clock.now, clock.sleep, look=1)
            console = Console(file=io.StringIO(), width=100)
            demo.play(SURGE, account, console, paced, log, publish=publish)
            feed.end()
            here.ended.set()

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        yield here
        here.lifted.set()
        thread.join(60)


def test_the_page_shows_a_surge_being_answered(stage: Stage, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(stage.url, timezone_id="Asia/Seoul")
    page = tab.page
    page.get_by_text("The demo is about to begin.").wait_for()
    before = page.locator(".chart").inner_html()
    stage.lifted.set()

    # A decision appears within 2 s of being made.
    scaled_out = page.locator("details", has_text="Scaled out from 2 to 6")
    scaled_out.wait_for(timeout=20_000)
    appeared = time.monotonic()
    assert stage.log.scaled_out_at is not None
    assert appeared - stage.log.scaled_out_at < 2

    # The chart moves.
    line = page.locator("svg path.load").first
    drawn = line.get_attribute("d")
    assert drawn is not None
    expect(line).not_to_have_attribute("d", drawn)
    assert page.locator(".chart").inner_html() != before

    # Opening it shows the trail; it stays open, and focused, while the page goes on.
    scaled_out.locator("summary").click()
    trail = scaled_out.locator(".trail")
    assert "step [100, ∞) adds 4" in trail.inner_text()
    assert "within the policy's bounds of 2 to 40" in trail.inner_text()
    page.locator("details", has_text="Scaled out from 6 to 7").wait_for(timeout=20_000)
    assert trail.is_visible()
    assert scaled_out.locator("summary").evaluate("row => row === document.activeElement")
    # The viewer's own time, and UTC.
    assert scaled_out.locator("time").inner_text() == "19:00:22"
    assert "19:00:22 UTC+9 (2026-11-22T10:00:22" in trail.inner_text()

    assert stage.ended.wait(60)
    page.locator("details", has_text="Scaled in from 9 to 8").wait_for()
    assert page.locator("details").count() == 10
    page.locator(".live").wait_for(state="detached")

    # Filtering works, and the address says so.
    page.get_by_role("link", name="Scaled out 4").click()
    expect(page.locator("details")).to_have_count(4)
    assert page.url.endswith("?outcome=SCALED_OUT")
    assert page.locator("svg g[data-decision]").count() == 4
    page.get_by_role("link", name="All 10").click()
    expect(page.locator("details")).to_have_count(10)
    tab.screenshot("surge-light")
    assert tab.errors == []


def test_the_page_of_a_demo_that_has_ended_is_as_good_in_the_dark_and_on_a_phone(
    stage: Stage, open_tab: Callable[..., Tab]
) -> None:
    stage.lifted.set()
    assert stage.ended.wait(60)
    for name, width, colours in (
        ("surge-dark", 1240, "dark"),
        ("surge-phone-dark", 375, "dark"),
        ("surge-phone-light", 375, "light"),
    ):
        tab = open_tab(stage.url, width=width, color_scheme=colours)
        tab.page.locator("html[data-edition]").wait_for()
        tab.page.locator("details", has_text="Scaled out from 2 to 6").locator("summary").click()
        tab.screenshot(name)
        page = tab.page
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert tab.errors == []
