"""Debian's Chromium, headless."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no browser: apt-get install chromium"
# Without these, Chromium looks for updates and contacts its maker's hosts at every start.
ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def installed() -> str | None:
    """Return the path of an installed browser, None without one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def running(executable: str) -> Iterator[Browser]:
    """Run a browser. Playwright runs an event loop in this thread until it is closed."""
    # Chromium's sandbox refuses to run as root, the user in a container.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*ARGUMENTS, *sandbox], headless=True
        )
        yield browser
        browser.close()
