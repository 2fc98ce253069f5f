# ruff: noqa: INP001 - a folder of documents, not a package
"""Take the pictures in `docs/images` again, in an installed Chromium.

    python -m docs.pictures            all of them, in some two minutes
    python -m docs.pictures report     one of race, dashboard, report

The race and the dashboard show runs of `quickstep demo`, the report one of `quickstep compare`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from docs.tables import ROOT
from tests.browser.chromium import MISSING, installed, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

IMAGES = ROOT / "docs" / "images"
QUICKSTEP = str(Path(sys.executable).parent / "quickstep")
THEMES: dict[str, Literal["light", "dark"]] = {"race": "light", "race-dark": "dark"}
RACE_ENDS_MS = 180_000


def race(browser: Browser, _folder: Path) -> None:
    """Take the race's chart after its end, in both themes."""
    command = [QUICKSTEP, "demo", "--no-open", "--stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603 - constant
        try:
            url = _race_of(demo)
            for name, theme in THEMES.items():
                page = browser.new_page(
                    viewport={"width": 960, "height": 900},
                    device_scale_factor=2,
                    color_scheme=theme,
                )
                page.goto(url)
                page.locator("html[data-edition]").wait_for()  # its first event replaces all parts
                page.locator(".headline", has_text="had enough tasks").wait_for(
                    timeout=RACE_ENDS_MS
                )
                page.locator("figure.chart").screenshot(path=IMAGES / f"{name}.png")
        finally:
            demo.terminate()


def dashboard(browser: Browser, folder: Path) -> None:
    """Take the page of a surge's decisions, with one of them opened."""
    log, html = folder / "scaler.log", folder / "decisions.html"
    _run("demo", "--scenario=ramp", "--no-open", "--no-stay", f"--log={log}")
    _run("dashboard", f"--log={log}", f"--html={html}", "--lang=en")
    page = browser.new_page(viewport={"width": 1240, "height": 900}, timezone_id="UTC")
    page.goto(html.as_uri())
    page.locator("details:visible", has_text="Scaled out").first.locator("summary").click()
    page.screenshot(path=IMAGES / "dashboard.png", full_page=True)


def report(browser: Browser, folder: Path) -> None:
    """Take the top of a comparison's report."""
    html = folder / "report.html"
    _run("compare", "--scenario=step-x10", "--seeds=3", f"--report={html}")
    page = browser.new_page(viewport={"width": 1240, "height": 1150})
    page.goto(html.as_uri())
    page.screenshot(path=IMAGES / "report.png")


PICTURES: dict[str, Callable[[Browser, Path], None]] = {
    one.__name__: one for one in (race, dashboard, report)
}


def _run(*arguments: str) -> None:
    subprocess.run([QUICKSTEP, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _race_of(demo: subprocess.Popen[str]) -> str:
    """Return the address that the demo prints first, as `Race http://127.0.0.1:8765/race`."""
    assert demo.stdout is not None  # noqa: S101 - a pipe
    for line in demo.stdout:
        if line.startswith("Race "):
            return line.split()[1]
    raise SystemExit("The demo ended without a page.")


def main(names: list[str]) -> None:
    """Take the pictures of these names, or all."""
    if unknown := set(names) - set(PICTURES):
        raise SystemExit(f"must be one of {', '.join(PICTURES)}, not {unknown.pop()!r}")
    found = installed()
    if found is None:
        raise SystemExit(MISSING)
    with running(found) as browser, tempfile.TemporaryDirectory() as folder:
        for name in names or PICTURES:
            PICTURES[name](browser, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
