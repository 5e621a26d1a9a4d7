"""The tables of notebooks, in a browser: in the page's colours, light and dark, and nothing of the platform runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

import altcraft
from altcraft import ChannelStatistics, Counters, DatabaseStatistics, SegmentStatistics

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.leaves_threads]

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"
MOMENT = datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)
CHANNELS = [
    ChannelStatistics("email", dict.fromkeys(Counters.documented, 0) | {"all": 1336, "subscribed": 925}),
    ChannelStatistics(HOSTILE, {"all": 10, HOSTILE: 1}, {"open_rate": HOSTILE}),
]
SHOWN: list[Any] = [
    DatabaseStatistics(
        channels=CHANNELS, resource_id=24, updated=MOMENT, total_count=1336, last_count_time=f"counted {HOSTILE}"
    ),
    SegmentStatistics(list_id=1),
    CHANNELS[0],
    altcraft.rows(CHANNELS),
]
# What a notebook puts around an output: colours of its own, a place that scrolls.
NOTEBOOK = (
    '<html lang="en"><head><meta charset="utf-8"><title>still</title></head><body><main><h1>Output</h1>'
    '<div tabindex="0" style="overflow: auto; background: {paper}; color: {ink}; padding: 1em">{tables}</div>'
    "</main></body></html>"
)
THEMES = {"light": ("rgb(255, 255, 255)", "rgb(20, 20, 20)"), "dark": ("rgb(17, 17, 17)", "rgb(220, 220, 220)")}


@pytest.mark.parametrize("doctype", ["<!doctype html>", ""], ids=["standard", "quirks"])
@pytest.mark.parametrize("theme", THEMES)
def test_tables_take_the_colours_of_the_page_and_run_nothing(
    opened: Callable[..., Page], violations: Callable[[Page], list[str]], theme: str, doctype: str
) -> None:
    paper, ink = THEMES[theme]
    tables = "".join(f"<div>{value._repr_html_()}</div>" for value in SHOWN)
    page = opened(doctype + NOTEBOOK.format(paper=paper, ink=ink, tables=tables), scheme=theme, width=1000)
    colours = page.evaluate("[...document.querySelectorAll('td, th, caption')].map(e => getComputedStyle(e).color)")
    assert set(colours) == {ink}
    bars = "[...document.querySelectorAll('td div div')].map(e => [getComputedStyle(e).backgroundColor, e.offsetWidth])"
    drawn = page.evaluate(bars)
    assert {colour for colour, _ in drawn} == {ink}
    assert drawn[0][1] > 0
    assert page.title() == "still"
    assert page.locator("script, img").count() == 0
    assert violations(page) == []
