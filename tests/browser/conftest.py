"""A headless Chromium that reaches no network, and axe-core, which checks accessibility."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, f"these tests need one of {', '.join(NAMES)}"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a document as a file. Every request but that for the file itself fails the test."""
    pages: list[Page] = []
    asked: list[str] = []

    def open_document(html: str, *, width: int = 800, scheme: Any = "light", media: Any = "screen") -> Page:
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        # axe is put into the page, which the page's own policy forbids.
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
        pages.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: asked.append(message.text))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.emulate_media(media=media, color_scheme=scheme)
        page.goto(file.as_uri())
        assert asked == [file.as_uri()]
        asked.clear()
        return page

    yield open_document
    for page in pages:
        page.context.close()
    assert asked == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as a package brings it."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found, "these tests need axe-playwright-python"
    assert found.origin
    return Path(found.origin).with_name("axe.min.js").read_text("utf-8")


@pytest.fixture
def violations(axe: str) -> Callable[[Page], list[str]]:
    """What axe-core finds in a page: the rule, and the elements."""

    def check(page: Page) -> list[str]:
        page.evaluate(axe)
        found = page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", AXE_RULES
        )  # fmt: skip
        return [f"{each['id']}: {[node['html'][:200] for node in each['nodes'][:3]]}" for each in found["violations"]]

    return check
