"""Statistics as tables: a row a channel, what was sent as columns, and no line wider than the terminal."""

from __future__ import annotations

import io
import sys
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from altcraft import ChannelStatistics, Counters, DatabaseStatistics, SegmentStatistics
from altcraft.schema import DatabasesGetCounters, SegmentsRefreshCounters
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.output.sheets import sheets
from altcraft_plugins.cli.output.streams import forgiving_streams
from altcraft_plugins.cli.output.tables import drawn
from altcraft_plugins.cli.subjects import Subject, subject_of

SUBJECT = subject_of(SegmentsRefreshCounters(7, 24, db_id=1))


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch):
    """Prints statistics on a screen of that width, and gives its lines."""

    def show(
        result: list[object], *, width: int = 80, asked: Subject | None = SUBJECT, encoding: str = "utf-8"
    ) -> list[str]:
        return printed(monkeypatch, sheets(Result("", result, asked)), width, encoding)

    return show


def printed(monkeypatch, tables, width: int, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
        patch.setattr(sys, "stdout", stream)
        for sheet in tables:
            stream.write(drawn(sheet, stream))
        stream.flush()
        stream.detach()
    return raw.getvalue().decode(encoding).splitlines()


def channel(name: str, **counters: int) -> ChannelStatistics:
    return ChannelStatistics(name, dict(counters))


def database(*channels: ChannelStatistics, **fields: object) -> DatabaseStatistics:
    return DatabaseStatistics(channels=list(channels), **fields)


FULL = database(
    channel("email", **dict(zip(Counters.documented, [1336, 925, 3, 2, 411, 5, 6, 7, 920, 4], strict=True))),
    channel(
        "telegram_bot", **dict(zip(Counters.documented, [1336, 400, 30, 20, 40, 50, 60, 70, 380, 41], strict=True))
    ),
)


def test_channels_stand_below_each_other_with_their_shares(show) -> None:
    lines = show([database(channel("email", all=1000, subscribed=690), channel("sms", all=1000, subscribed=5))])
    assert [line.split() for line in lines[-3:-1]] == [
        ["email", "██████▉", "69%", "1000", "690"],
        ["sms", "0%", "1000", "5"],
    ]


def test_a_counter_that_was_not_sent_is_no_zero(show) -> None:
    lines = show([database(channel("email", all=10, subscribed=9), channel("sms", all=10, subscribed=4, invalid=0))])
    email, sms = (next(line for line in lines if line.startswith(name)) for name in ("email", "sms"))
    assert email.split()[-1] == "-"
    assert sms.split()[-1] == "0"


def test_undocumented_counters_are_shown_after_the_others(show) -> None:
    text = "\n".join(show([database(channel("email", snoozed=3, all=10, subscribed=9))]))
    assert text.index("subscribed") < text.index("snoozed")


def test_counters_that_are_zero_in_every_channel_are_named_where_columns_are_dear(show) -> None:
    zeros = dict.fromkeys(Counters.documented, 0)
    result = [database(channel("email", **{**zeros, "all": 1336, "subscribed": 925}), channel("sms", **zeros))]
    narrow = "\n".join(show(result))
    assert "0 in every channel: unsubscribed, complained, hardbounced" in narrow
    wide = show(result, width=200)
    assert not any("in every channel" in line for line in wide)
    assert all(any(name in line for line in wide) for name in Counters.documented)


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_ten_telling_counters_fit_any_width(show, width, encoding) -> None:
    lines = show([FULL], width=width, encoding=encoding)
    assert max(map(cell_len, lines)) <= width
    text = " ".join(lines)
    for row in FULL.channels:
        assert all(str(count) in text.split() for count in row.counters.values())


def test_a_table_with_too_many_columns_is_turned_where_it_fits_then(show) -> None:
    lines = show([FULL], width=60)
    assert [line.split() for line in lines if line.startswith(("subscribed of all", "all", "hardbounced"))] == [
        ["subscribed", "of", "all", "69%", "30%"],
        ["all", "1336", "1336"],
        ["hardbounced", "411", "40"],
    ]
    assert lines[1].split() == ["email", "telegram_bot"]


def test_else_each_channel_has_a_table_of_its_own_and_all_are_equally_wide(show) -> None:
    names = [f"channel_{number}" for number in range(9)]
    many = database(
        *(channel(name, **dict.fromkeys(Counters.documented, 10**place)) for place, name in enumerate(names))
    )
    lines = show([many], width=60)
    headings = [place for place, line in enumerate(lines) if line.split()[1:] == ["count"]]
    assert [lines[place].split()[0] for place in headings] == names
    assert len({lines[place + 1] for place in headings}) == 1  # the line below a heading
    for place, heading in enumerate(headings):
        rows = dict(line.rsplit(maxsplit=1) for line in lines[heading + 3 : heading + 3 + len(Counters.documented)])
        assert {name.strip(): int(count) for name, count in rows.items()} == dict.fromkeys(
            Counters.documented, 10**place
        )


def test_counters_that_are_zero_in_every_channel_are_in_no_channels_own_table(show) -> None:
    numbers = {**dict.fromkeys(Counters.documented, 0), "all": 12_345_678, "subscribed": 1_234_567, "hardbounced": 1}
    lines = show([database(*(channel(f"channel_{number}", **numbers) for number in range(9)))], width=30)
    assert sum(line.startswith("hardbounced") for line in lines) == 9
    assert not any(line.split() == ["invalid", "0"] for line in lines)
    assert "0 in every channel: " in "\n".join(lines)


def test_what_is_known_about_the_count_stands_above_it(show) -> None:
    statistics = DatabaseStatistics(
        resource_id=24,
        total_count=1336,
        updated=datetime(2024, 4, 17, 21, 36, 1, 449000, tzinfo=timezone.utc),
        last_count_time="counted at 2024-04-17T21:36:01Z in 82.746959ms",
        in_progress=True,
        refresh_task_id="task_7",
    )
    text = "\n".join(show([statistics], asked=subject_of(DatabasesGetCounters(5, 24))))
    for fact in (
        "Database 5, resource 24",
        "updated 2024-04-17 21:36:01 UTC",
        "1336 profiles",
        "counted at 2024-04-17 21:36:01 UTC in 82.7 ms",
        "another count is under way: task_7",
        "no channels",
    ):
        assert fact in text


def test_a_count_time_that_reads_otherwise_is_shown_as_it_is(show) -> None:
    assert "last count: yesterday" in "\n".join(show([database(last_count_time="yesterday")]))


def test_the_platform_has_the_last_word_on_who_was_counted(show) -> None:
    assert show([SegmentStatistics(list_id=3, resource_id=27)])[0] == "Segment 7, database 3, resource 27"
    assert show([SegmentStatistics()])[0] == "Segment 7, database 1, resource 24"
    assert show([SegmentStatistics(resource_id=27)], asked=None)[0] == "Segment, resource 27"


@pytest.mark.parametrize(
    ("statistics", "heading", "shares"),
    [
        (database(channel("a", all=10, subscribed=5), channel("b", all=20, subscribed=5)), "of all", ["50%", "25%"]),
        (database(channel("a", subscribed=5), channel("b", subscribed=10), total_count=20), "of 20", ["25%", "50%"]),
        (SegmentStatistics(channels=[channel("a", x=5), channel("b", x=10)]), "of the largest", ["50%", "100%"]),
        (SegmentStatistics(channels=[channel("a", x=5), channel("b", y=1)]), "of the largest", ["100%", "-"]),
        (SegmentStatistics(channels=[channel("a", x=0), channel("b", x=0)]), "of the largest", ["-", "-"]),
    ],
)
def test_shares_are_of_all_or_of_the_total_or_of_the_largest(show, statistics, heading, shares) -> None:
    lines = show([statistics])
    assert any(heading in line for line in lines)
    for name, share in zip("ab", shares, strict=True):
        assert share in next(line for line in lines if line.startswith(name)).split()


def test_a_screen_that_knows_ascii_only_gets_ascii_only(show) -> None:
    lines = show([database(channel("email", all=10, subscribed=7))], encoding="ascii")
    assert any("#######...  70%" in line for line in lines)


def test_a_hostile_channel_cannot_command_the_terminal(show) -> None:
    text = "\n".join(show([database(channel("\x1b[31mred\n[bold]\u202e", all=1, subscribed=1))], width=200))
    assert "\x1b" not in text
    assert "\\x1b[31mred\\n[bold]\\u202e" in text


names = st.text(max_size=30)
counts = st.dictionaries(names, st.integers(-(2**63), 2**63 - 1), max_size=12)


@settings(max_examples=settings.default.max_examples // 2)
@given(
    st.lists(st.builds(ChannelStatistics, names, counts), max_size=4),
    st.integers(20, 130),
    st.none() | st.integers(0, 2**40),
    st.text(max_size=60),
)
def test_no_line_is_wider_than_the_screen(channels, width, total, when) -> None:
    statistics = DatabaseStatistics(channels=channels, total_count=total, last_count_time=when)
    with pytest.MonkeyPatch.context() as patch:
        lines = printed(patch, sheets(Result("", [statistics], SUBJECT)), width)
    assert all(cell_len(line) <= width for line in lines)


def test_a_channel_name_that_the_encoding_lacks_is_escaped_and_not_fatal(monkeypatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    forgiving_streams()
    for sheet in sheets(Result("", [database(channel("почта", all=1, subscribed=1))])) or []:
        sys.stdout.write(drawn(sheet, sys.stdout))
    stream.flush()
    stream.detach()
    assert b"\\u043f\\u043e" in raw.getvalue()
