"""The report in a browser: no violation of accessibility, right at every width, in light, dark and print, and quick."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from altcraft_plugins.history import Failure
from altcraft_plugins.report import render
from plugins.report.samples import HOSTILE, NOW, daily, row

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.leaves_threads]

WIDTHS = (390, 800, 1400)
SCHEMES = ("light", "dark")
LONG = "a_counter_without_documentation_whose_name_is_much_longer_than_any_lane_of_a_phone"


@pytest.fixture(scope="module")
def page_of_some() -> str:
    """Names of all kinds: with shares and without, hostile, long, counted once, dropped, failed, never counted."""
    rows = daily(["Newsletter, active", HOSTILE, "Все подписчики"], 14)
    rows += [row("Only sendable", NOW.replace(day=day), subscribed_sendable=100 - day) for day in range(1, 29)]
    rows += [row(f"Long {'name ' * 30}", NOW, "a-channel-with-a-long-name-" * 4, **{"all": 10**15, LONG: 10**15})]
    rows += [row("Word" * 60, NOW, "x" * 200, **{"y" * 300: 1})]
    failures = [
        Failure(name="Newsletter, active", at=NOW, error="TaskFailed", message="database is locked"),
        Failure(name="Never", at=NOW, error="RequestTimeout", message="no reply " + "z" * 300),
    ]
    names = [*dict.fromkeys(each.name for each in rows), "Never"]
    return render(rows, failures, names=names, drop=0.01, title="Morning report", now=NOW)


@pytest.mark.parametrize(("width", "scheme"), [*itertools.product(WIDTHS, SCHEMES)])
def test_axe_finds_no_violation(
    opened: Callable[..., Page], violations: Callable[[Page], list[str]], page_of_some: str, width: int, scheme: str
) -> None:
    page = opened(page_of_some, width=width, scheme=scheme)
    assert violations(page) == []
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert violations(page) == []


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_nothing_is_wider_than_the_page(opened: Callable[..., Page], page_of_some: str, width: int) -> None:
    page = opened(page_of_some, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_texts_of_a_lane_do_not_overlap(opened: Callable[..., Page], page_of_some: str, width: int) -> None:
    overlaps = opened(page_of_some, width=width).evaluate(
        """() => [...document.querySelectorAll('.lanes li')].filter(lane => {
            const shown = [...lane.children].filter(each => each.offsetParent);
            const boxes = shown.map(each => each.getBoundingClientRect());
            return boxes.some((box, place) => place && box.left < boxes[place - 1].right - 0.5)
                || boxes.at(-1).right > lane.getBoundingClientRect().right + 0.5;
        }).map(lane => lane.textContent)"""
    )
    assert overlaps == []


@pytest.mark.parametrize(("width", "media"), [*((width, "screen") for width in WIDTHS), (720, "print")])
def test_the_names_of_documented_counters_are_whole(opened: Callable[..., Page], width: int, media: str) -> None:
    rows = daily(["Newsletter, active"], 9)
    rows += [row("Sendable", NOW, subscribed_sendable=12_345, unconfirmed_sendable=12_345)]
    page = opened(render(rows, now=NOW), width=width, media=media)
    cut = "[...document.querySelectorAll('.lanes span')].filter(each => each.scrollWidth > each.clientWidth).length"
    assert page.evaluate(cut) == 0


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_lines_lie_in_their_lanes(opened: Callable[..., Page], page_of_some: str, width: int) -> None:
    distances = opened(page_of_some, width=width).evaluate(
        """() => [...document.querySelectorAll('figure')].map(figure => {
            const svg = figure.querySelector('svg').getBoundingClientRect();
            const lanes = figure.querySelector('ul').getBoundingClientRect();
            return Math.abs(svg.top - lanes.top) + Math.abs(svg.bottom - lanes.bottom)
                + Math.abs(svg.width - lanes.width);
        })"""
    )
    assert distances
    assert max(distances) < 1


def test_a_phone_shows_the_change_without_scrolling(opened: Callable[..., Page]) -> None:
    page = opened(render(daily(["Newsletter, active", "Club members"], 9), now=NOW), width=390)
    hidden = page.evaluate(
        "[...document.querySelectorAll('.moves .wide')].filter(each => each.scrollWidth > each.clientWidth).length"
    )
    assert hidden == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lines_and_paper_follow_the_readers_colours(
    opened: Callable[..., Page], page_of_some: str, scheme: str
) -> None:
    page = opened(page_of_some, scheme=scheme)
    paper, line = page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor,
                  getComputedStyle(document.querySelector('svg path:not(.g)')).stroke]"""
    )
    brightness = [sum(map(int, colour[4:-1].split(", "))) for colour in (paper, line)]
    assert (brightness[0] > brightness[1]) == (scheme == "light")


def test_the_keyboard_reaches_the_numbers_and_opens_a_table(opened: Callable[..., Page], page_of_some: str) -> None:
    page = opened(page_of_some)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the numbers"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open") is True
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "group"


def test_a_screen_reader_hears_what_a_chart_shows(opened: Callable[..., Page], page_of_some: str) -> None:
    page = opened(page_of_some)
    chart = page.get_by_role("img").first
    assert "subscribed from" in (chart.locator("title").text_content() or "")
    assert page.get_by_role("img").count() == page.locator("figure").count()


def test_a_table_is_copied_as_cells(opened: Callable[..., Page]) -> None:
    rows = [row("A", NOW.replace(day=day), all=1000 * day, subscribed=900) for day in (1, 2)]
    page = opened(render(rows, now=NOW))
    page.locator("summary").click()
    text = page.evaluate(
        """() => { const range = document.createRange(); range.selectNode(document.querySelector('details table'));
                   getSelection().removeAllRanges(); getSelection().addRange(range);
                   return getSelection().toString(); }"""
    )
    assert [line.split("\t") for line in text.strip().splitlines()] == [
        ["counted", "all", "subscribed"],
        ["2026-11-02 07:30", "2000", "900"],
        ["2026-11-01 07:30", "1000", "900"],
    ]


def test_print_has_the_charts_and_no_controls(
    opened: Callable[..., Page], violations: Callable[[Page], list[str]], page_of_some: str
) -> None:
    page = opened(page_of_some, scheme="dark", media="print")
    assert page.locator("figure").first.is_visible()
    assert not page.locator("details").first.is_visible()
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert violations(page) == []


def test_no_script_of_a_name_runs(opened: Callable[..., Page], page_of_some: str) -> None:
    page = opened(page_of_some)
    assert page.locator("script").count() == 0
    assert page.get_by_role("heading", name="<script>alert(1)</script>").count() == 1


def test_fifty_names_of_400_days_open_at_once(opened: Callable[..., Page]) -> None:
    html = render(daily([f"Segment group {number}" for number in range(50)], 400), drop=5.0, now=NOW)
    assert len(html.encode()) < 5_000_000
    page = opened(html, width=1400)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert painted < 4_000  # milliseconds; about 500 on an idle machine
    assert loaded < 10_000
    page.locator("main a[href^='#n-']").last.click()
    page.wait_for_function("document.querySelector('article:last-of-type').getBoundingClientRect().top < 900")


@pytest.mark.parametrize(("width", "scheme"), [*itertools.product(WIDTHS, SCHEMES)])
def test_pictures_are_taken_to_look_at(
    opened: Callable[..., Page], page_of_some: str, width: int, scheme: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    picture = tmp_path_factory.getbasetemp() / f"report-{width}-{scheme}.png"
    opened(page_of_some, width=width, scheme=scheme).screenshot(path=picture, full_page=True)
    assert Path(picture).stat().st_size > 50_000
