"""The reports in a real browser: from a file, at every width, in both themes, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quickstep_lab.simulator.tuning_report import tuning_page
from tests.browser.conftest import violations
from tests.unit.simulator.test_report import MADE, a_comparison, a_tuning, report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.conftest import Tab

LOOKS = [(width, colours) for width in (1440, 768, 375) for colours in ("light", "dark")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    texts = {"compare": report(a_comparison()), "tune": tuning_page(a_tuning(), "mine", MADE, 0.04)}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize(("width", "colours"), LOOKS)
@pytest.mark.parametrize("kind", ["compare", "tune"])
def test_it_fits_in_the_reader_s_colours_and_loads_nothing(
    kind: str, width: int, colours: str, files: dict[str, Path], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab("about:blank", width=width, color_scheme=colours)
    page, asked = tab.page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(files[kind].as_uri())

    assert [url for url in asked if not url.startswith("data:")] == [files[kind].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ground = page.evaluate("getComputedStyle(document.querySelector('.qs')).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 22, 29)"}[colours]
    fitting = {1440: "on-desk", 768: "on-tablet", 375: "on-phone"}[width]
    shown = [figure for figure in page.locator("figure").all() if figure.is_visible()]
    assert len(shown) == page.locator(f"figure.{fitting}:visible").count() > 0
    assert tab.errors == []
    tab.screenshot(f"report-{kind}-{width}-{colours}")
    assert violations(tab) == []


def test_a_pin_leads_to_its_reason_with_the_keyboard(
    files: dict[str, Path], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(files["compare"].as_uri(), width=1440)
    pin = tab.page.locator("a.pin:visible").first
    pin.focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.url.endswith("#change-0")
    assert "Scaled out from 2 to" in tab.page.locator(":target").inner_text()


def test_on_paper_it_has_all_of_its_charts(
    files: dict[str, Path], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(files["compare"].as_uri(), width=1240)
    tab.page.emulate_media(media="print", color_scheme="light")
    assert all(figure.is_visible() for figure in tab.page.locator("figure.on-desk").all())
    assert len(tab.page.pdf()) > 20_000
