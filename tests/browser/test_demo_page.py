"""The demo's page in a real browser, through a surge that the real scaler answers."""

from __future__ import annotations

import io
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from rich.console import Console

from quickstep.report.dashboard.widget import answer
from quickstep_cli.dashboard import printed
from quickstep_lab import demo
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import embedded_aws
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.server import serving
from quickstep_lab.page.sources import demo_material, read_log
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName, scenario_traffic
from tests.browser.conftest import violations
from tests.builders import WEB
from tests.clocks import START, SetClock, same_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from quickstep.report.dashboard.material import Material
    from quickstep_lab.snapshot import Snapshot
    from tests.browser.conftest import Tab

SURGE = Plan(scenario_traffic(ScenarioName.SURGE, 95), seconds=95, surges=False)
SPEED = 10
"""An evaluation has to end within its lease of 15 s: 1.5 s then, on a busy machine, too."""
FIRST_STEP = (START + timedelta(seconds=21), START + timedelta(seconds=24))
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

    with same_time(clock), embedded_aws() as account, serving(feed) as url:
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
    tab = open_tab(stage.url, width=1440, timezone_id="Asia/Seoul")
    page = tab.page
    page.get_by_text("The demo is about to begin.").wait_for()
    expect(page.locator(".headline")).to_have_text("About to begin.")
    before = page.locator(".chart").inner_html()
    stage.lifted.set()

    # A decision appears within 2 s of being made.
    scaled_out = page.locator("details", has_text="Scaled out from 2 to 6")
    scaled_out.wait_for(timeout=20_000)
    appeared = time.monotonic()
    assert stage.log.scaled_out_at is not None
    assert appeared - stage.log.scaled_out_at < 2

    # The chart moves, up to the present and no further.
    line = page.locator("svg path.load[d*=L]").last
    drawn = line.get_attribute("d")
    assert drawn is not None
    expect(line).not_to_have_attribute("d", drawn)
    assert page.locator(".chart").inner_html() != before
    expect(page.locator(".now")).to_have_count(1)
    assert page.evaluate(NOTHING_IS_DRAWN_AFTER_NOW)
    expect(page.locator(".headline")).to_have_text(
        re.compile(r"[45] tasks are starting: 2 of [67] run, and the load of 375 is above .+")
    )
    expect(page.locator("svg path.starting")).to_have_count(1)
    tab.screenshot("surge-live")

    # Opening it shows the trail; it stays open, and focused, while the page goes on.
    scaled_out.locator("summary").click()
    trail = scaled_out.locator(".trail")
    assert "step [100, ∞) adds 4" in trail.inner_text()
    assert "within the policy's bounds of 2 to 40" in trail.inner_text()
    page.locator("details", has_text="Scaled out from 6 to 7").wait_for(timeout=20_000)
    assert trail.is_visible()
    assert scaled_out.locator("summary").evaluate("row => row === document.activeElement")
    # The viewer's own time, and UTC.
    assert scaled_out.locator("summary time").first.inner_text() == "19:00:22"
    assert "19:00:22 UTC+9 (2026-11-22T10:00:22" in trail.inner_text()

    assert stage.ended.wait(60)
    page.locator(".live").wait_for(state="detached")
    page.locator("details", has_text="Scaled in from 9 to 8").wait_for()
    assert page.locator("details").count() == 5
    expect(page.locator(".ended")).to_have_text("■ ended 19:01:35")
    expect(page.locator(".headline")).to_contain_text("Ended with 8 tasks, from 2 at the start")
    expect(page.locator(".now")).to_have_count(0)

    # The looks of one breach are one incident.
    incidents = page.locator("h3.incident")
    expect(incidents).to_have_count(2)
    expect(incidents.last).to_contain_text("high-request-rate in breach for")
    expect(incidents.last).to_contain_text("2 → 9 tasks in 4 changes")

    # Filtering works, and the address says so.
    page.get_by_role("link", name="Scaled out 4").click()
    expect(page.locator("details")).to_have_count(4)
    assert page.url.endswith("?outcome=SCALED_OUT")
    assert page.locator("svg a.pin").count() == 4
    page.get_by_role("link", name="All looks 10").click()
    expect(page.locator("details")).to_have_count(10)
    assert tab.errors == []


NOTHING_IS_DRAWN_AFTER_NOW = """
() => {
  const now = document.querySelector(".now").getBoundingClientRect().right;
  return [...document.querySelectorAll("path.load, path.desired, path.running, path.starting")]
    .filter((path) => !path.getAttribute("d").endsWith("h14")) // of the key
    .every((path) => path.getBoundingClientRect().right <= now + 1);
}
"""


@dataclass(frozen=True)
class Seen:
    """Who looks at which of the places, and how."""

    place: str
    width: int
    scheme: str
    zone: str

    def __str__(self) -> str:
        return f"{self.place}-{self.width}-{self.scheme}"


LIGHT, DARK = ("light", "Asia/Seoul"), ("dark", "UTC")
SEEN = [
    *(Seen("live", *how) for how in ((1440, *DARK), (768, *LIGHT), (375, *DARK))),
    *(Seen("replay", *how) for how in ((1440, *LIGHT), (768, *DARK), (375, *LIGHT))),
    *(Seen("saved", *how) for how in ((1440, *DARK), (768, *LIGHT), (375, *DARK))),
    *(Seen("widget", *how) for how in ((1440, *LIGHT), (768, *DARK), (375, *LIGHT))),
]
"""Each place in each width and both colours; live page and replay are the same, a test shows."""


@pytest.fixture(scope="module")
def places(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Where the run is shown once it is over, by name: the same renderer in each."""
    stage.lifted.set()
    assert stage.ended.wait(60)
    folder = tmp_path_factory.mktemp("places")
    (replayed,) = read_log("surge.log", stage.log.getvalue().splitlines())
    saved = folder / "saved.html"
    saved.write_text(printed(replayed, UTC), encoding="utf-8")
    with serving(Feed(partial(same, replayed), live=False)) as replay:
        yield {
            "live": stage.url,
            "replay": replay,
            "saved": saved.as_uri(),
            "widget": partial(widget, replayed, folder),
        }


def same(material: Material) -> Material:
    return material


def widget(material: Material, folder: Path, width: int, scheme: str, zone: str) -> str:
    """Return the address of a page that shows the widget as CloudWatch would, in its place."""

    class Deployed:
        def material(self, *_: object) -> Material:
            return material

    deployed: Any = Deployed()
    context = {
        "theme": scheme,
        "width": width - 20,
        "timezone": {"offsetISO": "+09:00" if zone == "Asia/Seoul" else "+00:00"},
    }
    event = {"service": material.resource_id, "widgetContext": context}
    shown = answer(event, "arn:aws:lambda:us-east-1:1:function:f", deployed, material.end)
    file = folder / f"widget-{width}-{scheme}.html"
    ground = f"body {{ margin: 0; background: {'#000' if scheme == 'dark' else '#fff'} }}"
    file.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Widget</title>"
        # The console takes what a button does out of sight.
        f"<style>{ground} cwdb-action {{ display: none }}</style>"
        f"<main>{shown}</main>",
        encoding="utf-8",
    )
    return file.as_uri()


@pytest.mark.parametrize("seen", SEEN, ids=str)
def test_a_run_that_is_over_is_as_good_in_any_place_width_colour_and_zone(
    seen: Seen, places: dict[str, Any], open_tab: Callable[..., Tab]
) -> None:
    address = places[seen.place]
    url = address if isinstance(address, str) else address(seen.width, seen.scheme, seen.zone)
    tab = open_tab(url, width=seen.width, color_scheme=seen.scheme, timezone_id=seen.zone)
    page = tab.page
    if seen.place in ("live", "replay"):
        page.locator("html[data-edition]").wait_for()
        offset = "UTC+9" if seen.zone == "Asia/Seoul" else "UTC"
        expect(page.locator(".when")).to_contain_text(offset)
    page.locator("details", has_text="Scaled out from 2 to 6").locator("summary").click()

    assert page.locator(".headline").inner_text().startswith("Ended with 8 tasks")
    assert page.locator("details:visible").count() == 5
    assert page.locator("a.pin:visible, g.pin:visible").count() == 5
    assert tab.fits
    assert tab.errors == []
    tab.screenshot(str(seen))
    assert violations(tab) == []


def test_the_replay_of_a_run_shows_what_its_live_page_has_shown(
    places: dict[str, Any], open_tab: Callable[..., Tab]
) -> None:
    """Down to the last path: who runs when, what failed, and what the cursor tells."""

    def shown(place: str) -> list[str]:
        page = open_tab(places[place], width=1440).page
        page.locator("html[data-edition]").wait_for()
        parts = page.locator("[data-part]").evaluate_all("all => all.map((one) => one.innerHTML)")
        return [str(part) for part in parts]

    assert shown("replay") == shown("live")


def test_a_saved_page_has_all_looks_behind_a_switch_and_pins_that_open_their_row(
    places: dict[str, Any], open_tab: Callable[..., Tab]
) -> None:
    page = open_tab(places["saved"], java_script_enabled=False).page
    rows = page.locator("details:visible")
    expect(rows).to_have_count(5)
    page.locator("a.pin:visible").first.click()
    expect(page.locator("details[open]")).to_have_count(1)
    expect(page.locator("details[open]")).to_contain_text("Scaled out from 2 to 6")
    page.get_by_label("All looks 10").check()
    expect(rows).to_have_count(10)
