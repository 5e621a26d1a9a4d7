"""`--history` and `altcraft history`: what is kept, and how it is shown, as tables, rows and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from altcraft.schema import ChannelStatistics, SegmentsRefreshCounters, SegmentStatistics
from altcraft_plugins.cli.output.trends import drawn, sparkline
from altcraft_plugins.history import History, series_of
from altcraft_plugins.sandbox import serve
from plugins.cli.running import EMAIL, REFRESH, SEGMENT, STARTED, Command, Terminal, completed, started

DAY = datetime(2026, 11, 1, 6, 0, tzinfo=timezone.utc)
NAME = "Newsletter, active"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "counts.history")


@pytest.fixture
def filled(path: str) -> str:
    with History(path) as history:
        for day in range(10):
            channels = [
                ChannelStatistics("email", {"all": 1000, "subscribed": 700 - 10 * day, "invalid": 0, "seen": 5}),
                ChannelStatistics("push", {"subscribed": day}, {"open_rate": 0.25, "odd": ["a"]}),
            ]
            statistics = SegmentStatistics(channels=channels, updated=DAY + timedelta(days=day), list_id=1)
            history.record(NAME, [statistics], SegmentsRefreshCounters(7, 24, db_id=1), took=2.5)
    return path


def test_a_refresh_keeps_its_counts(altcraft: Terminal, path: str) -> None:
    assert altcraft(*REFRESH, "--history", path, script=[STARTED, completed(SEGMENT)]).code == 0
    listed = altcraft("history", "--history", path)
    assert listed.out == "segment 7, database 1, resource 24: 1 count, 2024-04-17 21:36:01 UTC\n"
    assert listed.code == 0


def test_old_counts_are_deleted_when_the_retention_says_so(altcraft: Terminal, filled: str) -> None:
    script = [STARTED, completed({**SEGMENT, "updated": datetime.now(timezone.utc).isoformat()})]
    altcraft(*REFRESH, "--history", filled, "--history-keep", "1d", script=script)
    with History(filled) as history:
        assert [item.name for item in history.items()] == ["segment 7, database 1, resource 24"]


def test_the_history_is_named_by_the_environment(command: Command, filled: str) -> None:
    assert command("history", ALTCRAFT_HISTORY=filled).out.startswith(f"{NAME}: 10 counts, 2026-11-01 06:00:00 to")


def test_a_trend_shows_first_last_change_and_percentage_points(command: Command, filled: str) -> None:
    shown = command("history", NAME, "--channel", "email", "--history", filled, COLUMNS="100").out.splitlines()
    assert shown[0] == NAME
    assert shown[1] == "10 counts; first 2026-11-01 06:00 UTC; last 2026-11-10 06:00 UTC, which took 2.5 s"
    assert shown[3] == "email"
    (subscribed,) = [line.split() for line in shown if line.startswith("subscribed")]
    assert subscribed == ["subscribed", "█▇▆▅▄▄▃▂▁▁", "700", "610", "-90", "61.0%", "-9.0"]
    assert shown[-1] == "always 0: invalid"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal(
    filled: str, width: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with History(filled) as history, io.TextIOWrapper(io.BytesIO(), encoding) as stream:
        shown = drawn(series_of(history.rows(NAME)), stream)
        assert shown.encode(encoding)
    assert max(map(len, shown.splitlines())) <= width


def test_a_channel_that_lacks_the_whole_has_no_shares(command: Command, filled: str) -> None:
    shown = command("history", NAME, "--channel", "push", "--history", filled).out
    assert "share" not in shown
    assert "+9" in shown


def test_since_leaves_out_older_counts(command: Command, filled: str) -> None:
    shown = command("history", NAME, "--since", "2026-11-08", "--history", filled, COLUMNS="100").out
    assert shown.splitlines()[1].startswith("3 counts; first 2026-11-08")


def test_rows_have_stable_columns_and_every_counter(command: Command, filled: str) -> None:
    ran = command("history", NAME, "--csv", "--history", filled)
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0]) == [
        "name", "at", "segment_id", "database_id", "list_id", "resource_id", "channel",
        "all", "subscribed", "unsubscribed", "complained", "hardbounced", "unconfirmed", "suspended", "invalid",
        "subscribed_sendable", "unconfirmed_sendable", "seen", "open_rate", "odd",
        "took", "count_seconds", "total_count", "operation", "host", "task_id",
    ]  # fmt: skip
    assert len(rows) == 20
    assert (rows[0]["at"], rows[0]["subscribed"], rows[0]["seen"]) == ("2026-11-01T06:00:00Z", "700", "5")
    assert (rows[1]["open_rate"], rows[1]["odd"], rows[1]["all"]) == ("0.25", '["a"]', "")


def test_a_counter_that_is_named_like_a_column_gets_a_column_of_its_own(command: Command, path: str) -> None:
    with History(path) as history:
        history.record("A", [ChannelStatistics("email", {"took": 7, "name": 8})], at=DAY)
    (row,) = csv.DictReader(io.StringIO(command("history", "A", "--csv", "--history", path).out))
    assert (row["name"], row["took"], row["status.name"], row["status.took"]) == ("A", "", "8", "7")


def test_json_lines_have_a_count_for_each_channel_and_an_item_for_each_name(command: Command, filled: str) -> None:
    counts = command("history", NAME, "--json", "--history", filled).lines
    assert len(counts) == 20
    assert counts[0]["event"] == "count"
    assert counts[0]["counters"] == {"all": 1000, "subscribed": 700, "invalid": 0, "seen": 5}
    (item,) = command("history", "--json", "--history", filled).lines
    assert item == {
        "event": "item", "name": NAME, "counts": 10, "first": "2026-11-01T06:00:00Z", "last": "2026-11-10T06:00:00Z",
    }  # fmt: skip


def test_a_file_gets_the_rows(command: Command, filled: str, tmp_path: Path) -> None:
    ran = command("history", NAME, "--csv", "--history", filled, "-o", str(tmp_path / "rows.csv"))
    assert ran.out == ""
    assert (tmp_path / "rows.csv").read_text().count("\n") == 21


def test_collected_lines_are_imported(command: Command, path: str, tmp_path: Path) -> None:
    collected = tmp_path / "collected.jsonl"
    request = {"id": 7, "resource_id": 24, "db_id": 1}
    about = {"event": "result", "operation": "segments/refresh_counters", "request": request, "result": [SEGMENT]}
    lines = [json.dumps({**about, "task_id": f"t-{number}"}) for number in range(2)]
    collected.write_text("\n".join(['{"event": "progress"}', *lines, '{"event": "resu']))
    ran = command("history", "--import", str(collected), "--history", path)
    assert ran.code == 1
    assert ran.out == f"{collected}: 2 new, 0 known already, 1 lines without a result, 1 broken\n"
    assert f"{collected}, line 4: it is no JSON" in ran.err
    collected.write_text(lines[0])
    again = command("history", "Mine", "--import", str(collected), "--json", "--history", path)
    assert again.code == 0
    assert again.lines == [
        {"event": "imported", "file": str(collected), "counts": 0, "known": 1, "passed_over": 0, "broken": []}
    ]
    assert command("history", "--history", path).out.startswith("Mine: 1 count")


def test_what_json_prints_is_what_import_reads(altcraft: Terminal, path: str, tmp_path: Path) -> None:
    printed = altcraft(*REFRESH, "--json", script=[STARTED, completed({**SEGMENT, "channels": [EMAIL]})])
    collected = tmp_path / "collected.jsonl"
    collected.write_text(printed.out)
    assert altcraft("history", "--import", str(collected), "--history", path).code == 0
    with History(path) as history:
        (row,) = history.rows("segment 7, database 1, resource 24")
    assert row.counters == EMAIL["status"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Newsletter active"], f"Did you mean '{NAME}'?"),
        (["nothing like it"], "`altcraft history` lists the names"),
        ([NAME, "--channel", "sms"], "It has email, push"),
        ([NAME, "--since", "1s"], "before --since"),
        ([NAME, "--since", "yesterday"], "2026-11-01"),
        (["--since", "30d"], "need a NAME"),
        (["--import", "/nowhere/at.all"], "cannot be read"),
    ],
)
def test_a_mistake_is_answered_with_what_to_type(command: Command, filled: str, words: list[str], says: str) -> None:
    ran = command("history", *words, "--history", filled)
    assert ran.code == 2
    assert says in ran.err


def test_a_history_needs_its_file(command: Command) -> None:
    ran = command("history")
    assert ran.code == 2
    assert "ALTCRAFT_HISTORY" in ran.err


def test_a_file_that_is_no_history_is_refused_before_anything_is_submitted(altcraft: Terminal, path: str) -> None:
    Path(path).write_bytes(b"something else" * 100)
    ran = altcraft(*REFRESH, "--history", path, script=[STARTED, completed(SEGMENT)])
    assert ran.code == 1
    assert "damaged" in ran.err
    assert not altcraft.transports


@pytest.mark.parametrize("words", [("history",), ("history", NAME), ("report",)])
def test_a_command_that_only_reads_makes_no_file(command: Command, path: str, words: tuple[str, ...]) -> None:
    ran = command(*words, "--history", path)
    assert ran.code == 2
    assert f"There is no history {path}" in ran.err
    assert not Path(path).exists()


def test_an_empty_history_says_so(command: Command, path: str) -> None:
    History(path).close()
    assert command("history", "--history", path).out == "The history is empty.\n"


@pytest.mark.parametrize(
    ("counts", "width", "line"),
    [
        ([1, 2, 3], 8, "▁▄█"),
        ([5, 5], 8, "▁▁"),
        (list(range(100)), 4, "▁▄▆█"),
        ([*range(99), 0], 4, "▁▅█▁"),
        ([7], 8, "▁"),
        ([0, 10**30], 2, "▁█"),
    ],
)
def test_a_sparkline_ends_with_the_last_count(counts: list[int], width: int, line: str) -> None:
    assert sparkline(counts, width) == line


# Real processes.


@pytest.mark.slow
def test_two_runs_at_once_keep_the_counts_of_both(path: str) -> None:
    with serve(port=0, profiles=50, pace=0.2, tokens=["demo"]) as server:
        environment = {"ALTCRAFT_URL": server.url, "ALTCRAFT_TOKEN": "demo", "ALTCRAFT_HISTORY": path}
        runs = [
            ("databases", "refresh", "5", "9", "--resource", "24"),
            ("segments", "refresh", "7", "--resource", "24", "--database", "1"),
        ]
        with ExitStack() as stack:
            processes = [stack.enter_context(started(*words, env=environment)) for words in runs * 2]
            for running in processes:
                _, errors = running.communicate(timeout=180)
                assert (running.returncode, errors) == (0, "")
    with History(path) as history:
        counts = {item.name: item.counts for item in history.items()}
    assert counts == {
        "database 5, resource 24": 2,
        "database 9, resource 24": 2,
        "segment 7, database 1, resource 24": 2,
    }
