"""The pages in a real browser: opened from disk, as people do who were sent one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from importer.results.html_report import render_run, render_runs
from tests.results.pages import (
    ARABIC,
    FORMULA,
    HEBREW,
    SCRIPT,
    delivery,
    hostile,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (see .ci/run)")
PAGES = {
    "hostile": lambda: render_run(hostile(), delivery()),
    "runs": lambda: render_runs("ledger.db", runs(), "2026-11-26T05:00:00Z"),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """One browser for all tests, with a profile that nobody has used.

    Its driver keeps an event loop running, beside which tests of other modules could have none.
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, args=[*FLAGS]
        )
        yield context
        context.close()


def opened(browser: BrowserContext, folder: Path, name: str) -> tuple[Page, list[str]]:
    """A page opened from disk, and everything that it asked for."""
    path = folder / "report.html"
    path.write_text(PAGES[name](), "utf-8")
    page, asked = browser.new_page(), []
    page.on("request", lambda one: asked.append(one.url))
    page.on("dialog", lambda one: asked.append(f"dialog {one.message}"))
    page.goto(path.as_uri())
    return page, [one for one in asked if one != path.as_uri()]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_alone_and_everybody_can_read_it(
    browser: BrowserContext, tmp_path: Path, name: str
) -> None:
    """Nothing is fetched, nothing runs, nothing sticks out at 360 px, and axe finds no barrier."""
    page, asked = opened(browser, tmp_path, name)
    assert asked == []
    assert page.title() != "run"
    assert page.evaluate("document.scripts.length + document.images.length") == 0
    for one in page.locator("details").all():
        one.evaluate("one => one.open = true")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    schemes: dict[Any, dict[str, Any]] = {
        "light": {"resultTypes": ["violations"]},
        "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
    }
    for scheme, options in schemes.items():
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=options).response["violations"]
        grave = [one for one in found if one["impact"] in {"serious", "critical"}]
        assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == []
    page.close()


def test_what_a_source_says_is_text(browser: BrowserContext, tmp_path: Path) -> None:
    """A formula and a script are shown as they are; right-to-left words turn nothing around."""
    page, _ = opened(browser, tmp_path, "hostile")
    shown = page.inner_text("body")
    for text in (FORMULA, SCRIPT, HEBREW, ARABIC):
        assert text in shown
    # The digits after an Arabic word stay on its right, where a left-to-right sentence has them.
    places = page.evaluate(
        """() => {
            const title = document.querySelector(".causes h3"), word = title.querySelector("bdi");
            const after = document.createRange();
            after.selectNodeContents(word.nextSibling);
            return [word.getBoundingClientRect().right, after.getBoundingClientRect().left];
        }"""
    )
    assert places[0] <= places[1] + 1
    page.close()


def test_a_page_prints_with_what_is_folded(browser: BrowserContext, tmp_path: Path) -> None:
    """The table beside the chart is on paper, too, and the paper is white in a dark house."""
    page, _ = opened(browser, tmp_path, "hostile")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.get_by_text("rows settled").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
