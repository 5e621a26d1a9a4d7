"""What a notebook shows of statistics: a table, like the command line's, in which nothing of the platform is HTML."""

from __future__ import annotations

from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

import altcraft
from altcraft import ChannelStatistics, DatabaseStatistics, ResourceStatistics, SegmentStatistics
from altcraft.schema import SegmentsGetCounters

MOMENT = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
EMAIL = ChannelStatistics("email", {"all": 1336, "subscribed": 925, "invalid": 0})
PUSH = ChannelStatistics("push", {"all": 1336, "subscribed": 0, "invalid": 0}, {"open_rate": 0.25})
HOSTILE = "<script>alert('x')</script>\"&"


class Table(HTMLParser):
    """A table's caption, its heading and its rows, as text; and every tag in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.caption = ""
        self.rows: list[list[str]] = []
        self.bars: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "br":
            self.caption += "\n"
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        style = dict(attrs).get("style") or ""
        if "currentColor" in style:
            self.bars.append(style.split(";")[0])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "caption" in self.open:
            self.caption += data
        elif "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data.strip()


def table(value: Any) -> Table:
    return Table(value._repr_html_())


def test_statistics_are_a_table_with_a_row_a_channel_and_a_bar_for_its_share() -> None:
    shown = table(
        DatabaseStatistics(
            channels=[EMAIL, PUSH], resource_id=24, updated=MOMENT, total_count=1336, last_count_time="counted at …"
        )
    )
    assert shown.caption.split("\n") == [
        "Database, resource 24",
        "updated 2024-04-17 21:36:01 UTC",
        "1336 profiles",
        "counted at …",
        "0 in every channel: invalid",
    ]
    assert shown.rows == [
        ["channel", "subscribed of all", "all", "subscribed", "open_rate"],
        ["email", "69%", "1336", "925", "–"],
        ["push", "0%", "1336", "0", "0.25"],
    ]
    assert shown.bars == ["width: 69%", "width: 0%"]


def test_the_title_names_the_database_of_a_segment_and_a_count_under_way() -> None:
    shown = table(SegmentStatistics(channels=[EMAIL], list_id=1, resource_id=27, in_progress=True))
    assert shown.caption.split("\n")[:2] == ["Segment, database 1, resource 27", "another count is under way"]
    assert table(ResourceStatistics(list_id=5)).caption == "Resource, database 5"


def test_a_channel_is_a_table_with_one_row() -> None:
    assert table(EMAIL).rows == [["channel", "subscribed of all", "all", "subscribed"], ["email", "69%", "1336", "925"]]


def test_without_channels_or_counters_there_is_a_table_all_the_same() -> None:
    assert table(SegmentStatistics()).rows == [["channel"], ["no channels"]]
    assert table(ChannelStatistics("email")).rows == [["channel"], ["email"]]
    assert table(altcraft.rows([])).rows == [[], ["no rows"]]
    all_zero = table(ChannelStatistics("email", {"all": 0, "subscribed": 0}))
    assert all_zero.rows[0][-1] == "all", "at least one counter has a column"


def test_rows_are_a_table_without_the_columns_that_have_no_value() -> None:
    shown = table(altcraft.rows([EMAIL, PUSH], SegmentsGetCounters(7, 24)))
    assert shown.rows[0] == ["segment_id", "resource_id", "channel", "all", "subscribed", "invalid", "open_rate"]
    assert shown.rows[1] == ["7", "24", "email", "1336", "925", "0", ""]


@pytest.mark.parametrize(
    "value",
    [
        ChannelStatistics(HOSTILE, {HOSTILE: 1}, {"other": HOSTILE, "deep": {"a": [HOSTILE]}}),
        SegmentStatistics(channels=[ChannelStatistics(HOSTILE, {HOSTILE: 0, "all": 0})]),
        DatabaseStatistics(last_count_time=HOSTILE),
        altcraft.rows([ChannelStatistics(HOSTILE, {HOSTILE: 1}, {"other": {HOSTILE: HOSTILE}})]),
    ],
)
def test_nothing_that_the_platform_sends_is_html(value: Any) -> None:
    shown = table(value)
    assert set(shown.tags) <= {"table", "caption", "strong", "br", "thead", "tbody", "tr", "th", "td", "div"}
    assert "alert(" in shown.caption + repr(shown.rows)


def test_a_table_has_no_colour_of_its_own() -> None:
    html = DatabaseStatistics(channels=[EMAIL], total_count=1)._repr_html_() + altcraft.rows([EMAIL])._repr_html_()  # type: ignore[attr-defined]  # of what is shown
    assert "#" not in html
    assert set(html.split("color: ")[1:]) != set()
    assert all(rest.startswith("inherit") for rest in html.split("color: ")[1:])
    assert html.count("<table") == html.count('<table style="width: auto; color: inherit">')  # quirks mode resets it


def test_a_long_text_is_cut() -> None:
    assert len(table(ChannelStatistics("x" * 9999)).rows[1][0]) == 200


def test_rows_are_still_a_list_to_everything_else() -> None:
    import copy
    import json
    import pickle

    rows = altcraft.rows([EMAIL])
    assert isinstance(rows, list)
    assert rows == [dict(rows[0])]
    assert json.loads(json.dumps(rows)) == rows
    assert copy.deepcopy(rows) == pickle.loads(pickle.dumps(rows)) == rows
