"""Debian's Chromium, headless, on pages of this machine. Without one, these tests are skipped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import MISSING, installed, running
from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

ARTEFACTS = ROOT / ".artefacts" / "screenshots"
AXE = ROOT / ".cache" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a file, because it keeps an event loop in this thread."""
    found = installed()
    if found is None:
        pytest.skip(MISSING)
    with running(found) as browser:
        yield browser


@dataclass
class Tab:
    """A page in the browser, and every error that it told its console."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def screenshot(self, name: str, *, full: bool = True) -> Path:
        """Keep a picture of it; return where."""
        path = ARTEFACTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=full)
        return path

    @property
    def fits(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


SERIOUS = ("serious", "critical")


def violations(tab: Tab) -> list[str]:
    """Return what axe finds on a page that is serious: the rule, and the first place.

    Without axe the test is skipped from here on; so this is the last thing that a test asks.
    """
    if not AXE.exists():
        pytest.skip("no axe-core, by which accessibility is checked: make axe, which needs npm")
    tab.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = tab.page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Open a page: `open_tab(url, width=375, color_scheme="dark", timezone_id="Asia/Seoul")`."""
    contexts = []

    def open_one(url: str, *, width: int = 1240, height: int = 900, **options: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on(
            "console",
            lambda message: tab.errors.append(message.text) if message.type == "error" else None,
        )
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.goto(url)
        return tab

    yield open_one
    for context in contexts:
        context.close()
