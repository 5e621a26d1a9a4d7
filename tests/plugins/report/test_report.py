"""The report: what its page says, and that it is safe, self-contained and navigable."""

from __future__ import annotations

import html
import itertools
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from altcraft_plugins.history import Failure, History
from altcraft_plugins.report import render, report
from plugins.report.document import Document
from plugins.report.samples import HOSTILE, NOW, daily, row

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def failure(name: str = "A", message: str = "database is locked", *, at: datetime = NOW - HOUR) -> Failure:
    return Failure(name=name, at=at, error="TaskFailed", message=message)


def section(page: str, heading: str) -> str:
    """The text from a heading to the next one."""
    found = re.search(rf"<h[23][^>]*>{re.escape(heading)}</h[23]>(.*?)<h[1-4]", page, flags=re.S)
    assert found, f"no section {heading!r}"
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def card(page: str, channel: str) -> str:
    """The text of a channel's card, without its table."""
    found = re.search(rf"<h4[^>]*><bdi>{channel}</bdi></h4>(.*?)<details>", page, flags=re.S)
    assert found
    words = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", "", found[1])))
    return " ".join(words.replace("\xa0", " ").split())


# What it says.


def test_the_overview_says_what_changed_most() -> None:
    rows = [
        row("A", NOW - 2 * DAY, all=1000, subscribed=800, unconfirmed=10),
        row("A", NOW - DAY, all=1000, subscribed=700, unconfirmed=10),
        row("A", NOW - HOUR, all=1000, subscribed=690, unconfirmed=30),
        row("B", NOW - DAY, all=1000, subscribed=500),
        row("B", NOW - HOUR, all=1000, subscribed=550),
        row("C", NOW - HOUR, all=1000, subscribed=500),
    ]
    page = render(rows, now=NOW)
    since_before = section(page, "Changed most since the count before")
    assert since_before.index("B, email subscribed50.0%55.0%+5.0 pp") < since_before.index("A, email unconfirmed")
    assert "A, email unconfirmed1.0%3.0%+2.0 pp" in since_before
    assert "C" not in since_before.removeprefix("Channel and counterBeforeNowChange")
    assert "A, email subscribed80.0%69.0%\N{MINUS SIGN}11.0 pp" in section(page, "Changed most since the first count")


def test_counts_without_a_whole_are_compared_by_percent() -> None:
    rows = [row("A", NOW - DAY, subscribed_sendable=200), row("A", NOW - HOUR, subscribed_sendable=190)]
    page = render(rows, now=NOW)
    assert "subscribed sendable200190\N{MINUS SIGN}5.0%" in section(page, "Changed most since the count before")
    assert "subscribed sendable 190" in card(page, "email").replace("190–200 ", "")


def test_a_drop_beyond_the_threshold_is_an_alert() -> None:
    rows = [
        row("A", NOW - DAY, all=1000, subscribed=800), row("A", NOW - HOUR, all=1000, subscribed=750),
        row("B", NOW - DAY, all=1000, subscribed=800), row("B", NOW - HOUR, all=1000, subscribed=790),
    ]  # fmt: skip
    page = render(rows, drop=5.0, now=NOW)
    alerts = section(page, "Drops")
    assert "\N{MINUS SIGN}6.2% A, email: subscribed from 800 to 750 (threshold 5%)" in alerts
    assert "B" not in alerts
    assert "1drop beyond the threshold" in re.sub(r"<[^>]+>", "", page)
    assert page.count('<path class="a"') == 1
    assert "Drops</h3>" not in render(rows, drop=7.0, now=NOW)
    assert "Drops</h3>" not in render(rows, now=NOW)


def test_a_small_drop_is_not_shown_as_nothing() -> None:
    rows = [row("A", NOW - DAY, subscribed=100_000), row("A", NOW - HOUR, subscribed=99_968)]
    assert "\N{MINUS SIGN}0.032% A, email" in section(render(rows, drop=0.01, now=NOW), "Drops")


def test_each_name_may_have_a_threshold_of_its_own() -> None:
    rows = [row(name, NOW - age, subscribed=count) for name in "AB" for age, count in ((DAY, 100), (HOUR, 90))]
    assert "A, email" in section(render(rows, drop={"A": 5.0}, now=NOW), "Drops")
    assert "B, email" not in section(render(rows, drop={"A": 5.0, "B": 20.0}, now=NOW), "Drops")


def test_what_failed_today_is_told_with_its_reason_and_whether_it_was_counted_since() -> None:
    failures = [failure("A"), failure("B", "no such segment", at=NOW - 3 * HOUR), failure("Old", at=NOW - 2 * DAY)]
    rows = [row("B", NOW - HOUR, subscribed=1)]
    told = section(render(rows, failures, now=NOW), "Failed today")
    assert "A, 2026-11-28 06:30: database is locked (not counted since)" in told
    assert "B, 2026-11-28 04:30: no such segment (counted since, 2026-11-28 06:30)" in told
    assert told.index("A, ") < told.index("B, ")
    assert "Old" not in told
    assert "Nothing failed" in section(render(rows, now=NOW), "Failed today")


def test_a_name_that_fails_again_and_again_is_told_once() -> None:
    failures = [
        failure("A", "early", at=NOW - 3 * HOUR),
        failure("A", "late"),
        failure("A", "middle", at=NOW - 2 * HOUR),
    ]
    page = render([], failures, now=NOW)
    assert "A, 2026-11-28 06:30: late, 3 times (not counted since)" in section(page, "Failed today")
    assert "early" not in page
    assert "1failed today" in re.sub(r"<[^>]+>", "", page)


def test_without_a_threshold_no_drops_are_counted() -> None:
    rows = [row("A", NOW - HOUR, subscribed=1)]
    assert "beyond the threshold" not in render(rows, now=NOW)
    assert "<b>0</b>drops beyond the threshold" in render(rows, drop=5.0, now=NOW)


def test_counts_of_one_day_have_their_times_on_the_axis() -> None:
    rows = [row("A", NOW - age, subscribed=1) for age in (2 * HOUR, HOUR)]
    assert card(render(rows, now=NOW), "email").endswith("2026-11-28 05:30 2026-11-28 06:30")


@pytest.mark.parametrize(("took", "shown"), [(0.0386, "39 ms"), (2.5, "2.5 s"), (119.94, "119.9 s"), (725.0, "12 min")])
def test_it_says_how_long_the_last_count_took(took: float, shown: str) -> None:
    page = render([replace(row("A", NOW - HOUR, subscribed=1), took=took)], now=NOW)
    assert f" in {shown}; 1 count" in page


@pytest.mark.parametrize(
    ("counts", "scale"),
    [((950, 1000), "950–1,000"), ((12_200, 12_500), "12.2k–12.5k"), ((0, 1_340_000), "0–1.34M"), ((0, 2e12), "0–2T")],
)
def test_the_scale_of_counts_is_short(counts: tuple[int, int], scale: str) -> None:
    rows = [row("A", NOW - age, subscribed=int(n)) for age, n in zip((DAY, HOUR), counts, strict=True)]
    assert f"subscribed {scale} " in card(render(rows, now=NOW), "email")


def test_a_count_before_a_failure_is_none_since() -> None:
    rows = [row("A", NOW - 2 * HOUR, subscribed=1)]
    assert "(not counted since)" in section(render(rows, [failure()], now=NOW), "Failed today")


def test_a_change_that_would_be_shown_as_nothing_is_left_out() -> None:
    rows = [row("A", NOW - age, all=10_000, subscribed=count) for age, count in ((DAY, 5000), (HOUR, 5001))]
    assert "Nothing has changed." in section(render(rows, now=NOW), "Changed most since the count before")


def test_names_that_wait_for_a_count_are_listed() -> None:
    rows = [row("A", NOW - 3 * DAY, subscribed=1), row("B", NOW - HOUR, subscribed=1)]
    page = render(rows, names=["B", "A", "Never"], now=NOW)
    waiting = section(page, "Not counted in the last 24 hours")
    assert "A: last 2026-11-25 07:30" in waiting
    assert "Never: never" in waiting
    assert "B" not in waiting
    assert "Never counted." in page


def test_a_card_says_the_share_its_scale_and_its_change() -> None:
    rows = [
        row("A", NOW - DAY, all=1000, subscribed=800, invalid=0, complained=0),
        row("A", NOW - HOUR, all=1010, subscribed=750, invalid=0, complained=1),
    ]
    shown = card(render(rows, now=NOW), "email")
    assert "1,010 profiles, +10 since the count before" in shown
    assert "subscribed 74.3%–80.0% 74.3% \N{MINUS SIGN}5.7 pp" in shown
    assert "complained 0.0%–1.0% 0.1% +0.1 pp" in shown
    assert "invalid" not in shown  # never anything but 0


def test_it_says_when_a_name_was_last_counted_in_the_time_zone_of_the_report() -> None:
    moscow = timezone(timedelta(hours=3))
    page = render([row("A", NOW - HOUR, subscribed=1)], now=NOW.astimezone(moscow))
    assert "Last counted 2026-11-28 09:30 in 2.5 s; 1 count" in re.sub(r"<[^>]+>", "", page)
    assert "all times in UTC+03:00" in page
    assert 'datetime="2026-11-28T09:30:00+03:00"' in page


def test_the_table_has_every_counter_of_every_count_the_newest_first() -> None:
    rows = [row("A", NOW - DAY, subscribed=800, seen=0.25), row("A", NOW - HOUR, subscribed=750, other={"a": 1})]
    page = render(rows, now=NOW)
    table = re.search(r"<details>.*?</details>", page, flags=re.S)
    assert table
    cells = re.findall(r"<t[hd](?: [^>]*)?>([^<]*)", table[0])
    assert cells == [
        "counted", "subscribed", "seen", "other",
        "2026-11-28 06:30", "750", "", "{&quot;a&quot;: 1}",
        "2026-11-27 07:30", "800", "0.25", "",
    ]  # fmt: skip


def test_names_are_in_the_given_order_or_sorted() -> None:
    rows = [row(name, NOW - HOUR, subscribed=1) for name in ("b", "C", "a")]
    assert Document(render(rows, now=NOW)).texts["h3"][-3:] == ["a", "b", "C"]
    assert Document(render(rows, names=["C", "a", "b"], now=NOW)).texts["h3"][-3:] == ["C", "a", "b"]


def test_the_channels_of_several_databases_are_told_apart() -> None:
    rows = [replace(row("A", NOW - HOUR, subscribed=1), list_id=database) for database in (1, 5)]
    assert Document(render(rows, now=NOW)).texts["h4"] == ["email, database 1", "email, database 5"]


def test_it_is_made_from_a_history(tmp_path: Path) -> None:
    from altcraft.schema import ChannelStatistics, SegmentStatistics

    with History(tmp_path / "history") as history:
        for name, at in (("A", NOW - HOUR), ("A", NOW - 9 * DAY), ("B", NOW - HOUR)):
            statistics = SegmentStatistics(channels=[ChannelStatistics("email", {"subscribed": 3})], updated=at)
            history.record(name, statistics)
        history.record_failure("A", TimeoutError("late"), at=NOW - HOUR)
        whole, part = report(history, now=NOW), report(history, names=["B"], since=NOW - DAY, now=NOW)
        none = report(history, names=[], now=NOW)
    assert Document(whole).texts["h3"][-2:] == ["A", "B"]
    assert "late (" in re.sub(r"<[^>]+>", "", whole)
    assert Document(part).texts["h3"][-1] == "B"
    assert "<article" not in none
    assert "late (" not in re.sub(r"<[^>]+>", "", part)


# Odd numbers.


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("A", NOW - HOUR)],
        [row("A", NOW - HOUR, text="x")],
        [row("A", NOW - HOUR, all=0, subscribed=0)],
        [row("A", NOW - HOUR, all=10**400, subscribed=-(10**400))],
        [row("A", NOW - DAY, subscribed=10**400), row("A", NOW - HOUR, subscribed=-(10**400))],
        [row("A", NOW, all=5, subscribed=7), row("A", NOW, all=5, subscribed=7)],
        [row("A", datetime(1970, 1, 2, tzinfo=timezone.utc), subscribed=1), row("A", NOW, subscribed=2)],
        [row("A", datetime(9999, 12, 31, 23, tzinfo=timezone.utc), subscribed=1), row("A", NOW, subscribed=2)],
        [row("", NOW, "", **{"": 1})],
        [row("A", NOW - DAY, all=5, subscribed=5), row("A", NOW, subscribed=5)],
        [row("A", NOW - 2 * DAY, all=5, new=5), row("A", NOW, all=9)],
    ],
)
def test_odd_counts_make_a_page(rows: list[object]) -> None:
    for zone in (timezone.utc, timezone(timedelta(hours=14))):
        page = render(rows, [failure()], drop=1.0, now=NOW.astimezone(zone))  # type: ignore[arg-type]
        assert page.endswith("</html>\n")
        assert page.encode()


# Safe and self-contained.


@pytest.mark.parametrize("place", ["name", "channel", "counter", "message", "title", "value"])
def test_no_text_becomes_markup(place: str) -> None:
    texts = {"name": "A", "channel": "email", "counter": "new", "message": "late", "title": "Morning", "value": "x"}
    texts[place] = HOSTILE
    counters = {"all": 10, "subscribed": 7, texts["counter"]: 3, "text": texts["value"]}
    rows = [row(texts["name"], NOW - age, texts["channel"], **counters) for age in (DAY, HOUR)]
    page = render(rows, [failure(texts["name"], texts["message"])], drop=0.1, title=texts["title"], now=NOW)
    document = Document(page)
    assert not document.count("script")
    assert not document.count("b") - page.count("<li><b>") - page.count("</small><b>") - page.count("alarm><b>")
    assert "\x00" not in page
    assert "\u202e" not in page
    assert document.count("title") == 1 + document.count("svg")
    assert "alert(1)" in page


def test_it_holds_no_script_and_loads_nothing() -> None:
    page = render(daily(["A", HOSTILE], 30), [failure()], drop=0.01, now=NOW)
    document = Document(page)
    assert not document.count("script")
    assert not {"img", "link", "iframe", "object", "embed", "base", "form", "image", "use"} & set(document.texts)
    assert all(target.startswith("#") for target in document.attributes("href"))
    assert not document.attributes("src")
    assert not [name for _, attributes in document.elements for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//[a-z]", re.sub(r"<bdi>.*?</bdi>", "", page))
    assert "default-src 'none'" in page


# Navigable.


def test_every_chart_has_a_title_and_a_table() -> None:
    document = Document(render(daily(["A", "B"], 30), now=NOW))
    assert document.count("svg") == document.count("details") == document.count("figure") == 6
    assert all("subscribed from" in text for text in document.texts["title"][1:])
    assert document.count("table") == 6 + 2  # what changed most


def test_links_lead_somewhere_and_ids_are_unique() -> None:
    document = Document(render(daily(["A", "B", HOSTILE], 9), [failure("A"), failure("?")], drop=0.01, now=NOW))
    ids = document.attributes("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in document.attributes("href")} <= set(ids)
    assert set(document.attributes("aria-labelledby")) <= set(ids)


def test_headings_go_down_one_level_at_a_time_and_landmarks_are_there() -> None:
    document = Document(render(daily(["A", "B"], 9), now=NOW))
    levels = [int(tag[1]) for tag, _ in document.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for landmark in ("header", "main", "nav", "footer"):
        assert document.count(landmark) == 1
    body = [tag for tag, _ in document.elements].index("body")
    assert document.elements[body + 1] == ("a", {"class": "skip", "href": "#main"})
    assert dict(document.elements)["html"] == {"lang": "en"}


def test_a_line_is_broken_where_counts_are_missing_and_a_lonely_count_is_a_dot() -> None:
    days = [0, 1, 2, 3, 20, 40, 41, 42]
    page = render([row("A", NOW - day * DAY, all=100, subscribed=50 + day) for day in days], now=NOW)
    (line,) = re.findall(r'<path d="([^"]*)"', page)
    assert line.count("M") == 3
    assert "h0M" in line


# Small.


def test_a_thinned_line_keeps_its_ends_and_its_extremes() -> None:
    rows = daily(["A"], 400, ["email"])
    peak = rows[200]
    peak.counters["hardbounced"] = 60_000
    many = [*rows, *daily([f"name {number}" for number in range(60)], 1, [f"c{number}" for number in range(12)])]
    page = render(many, names=["A"], now=NOW)
    lanes = re.search(r'class="many"', page)
    assert lanes
    (chart,) = re.findall(r"<h4[^>]*><bdi>email</bdi></h4>.*?</svg>", page, flags=re.S)
    hard = re.findall(r'<path d="([^"]*)"', chart)[3]
    moves = [tuple(map(int, move.split())) for move in re.findall(r"l(-?\d+ -?\d+)", hard)]
    assert len(moves) < 150
    assert any(-26 <= y <= -20 for _, y in moves)  # the whole height of the lane
    assert 590 <= sum(x for x, _ in moves) <= 600


def test_a_thinned_table_keeps_the_newest_and_the_oldest_and_says_so() -> None:
    rows = daily(["A"], 400, ["email"])
    page = render([*rows, *daily([f"name {number}" for number in range(60)], 1, [f"c{n}" for n in range(6)])], now=NOW)
    told = re.search(r"<summary>Counters: (\d+) of 400 counts</summary>", page)
    assert told
    assert "The newest counts, and every few of the older ones." in page[told.end() : told.end() + 100]
    dates = re.findall(r"<th scope=row>(\S+)", page[told.start() :].partition("</table>")[0])
    assert len(dates) == int(told[1])
    days = [(NOW - timedelta(days=place)).date().isoformat() for place in range(400)]
    newest = len(dates) // 2
    assert dates[:newest] == days[:newest]
    assert dates[-1] == days[-1]
    assert dates == sorted(set(dates), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 8])
def test_fifty_names_of_400_days_stay_under_5_mb(channels: int) -> None:
    names = [f"Segment group {number}" for number in range(50)]
    page = render(daily(names, 400, [f"channel_{number}" for number in range(channels)]), drop=5.0, now=NOW)
    assert len(page.encode()) < 5_000_000
    assert page.count("<svg") == page.count("<details>") == 50 * channels
