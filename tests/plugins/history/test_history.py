"""The history: what it records by itself, what it tells, and which files it refuses."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from altcraft import BadRequest, Client, TaskFailed
from altcraft.schema import (
    ChannelStatistics,
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    ResourcesRefreshCounters,
    SegmentsRefreshCounters,
    SegmentStatistics,
)
from altcraft.testing import reply
from altcraft_plugins.history import History, HistoryError
from both_clients import World

STARTED = reply({"task_id": "t-1"})
FAILED = reply({"status": "failed", "result": "database is locked"})
DAY = datetime(2026, 11, 20, 6, 0, tzinfo=timezone.utc)


def entry(**fields: object) -> dict[str, object]:
    channels = [
        {"channel": "email", "status": {"all": 100, "subscribed": 70, "open_rate": 0.25}},
        {"channel": "viber_2", "status": {"all": 100, "seen": 3}},
    ]
    return {"channels": channels, "resource_id": 24, "list_id": 1, "updated": "2026-11-20T06:00:00Z", **fields}


def done(*entries: dict[str, object]) -> Any:
    return reply({"status": "completed", "progress": 100, "result": list(entries or [entry()])})


def segment(subscribed: int = 70, *, at: datetime = DAY, **fields: Any) -> SegmentStatistics:
    channels = [ChannelStatistics("email", {"all": 100, "subscribed": subscribed})]
    return SegmentStatistics(channels=channels, updated=at, list_id=1, resource_id=24, **fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with History(path) as opened:
        yield opened


def recount(world: World, history: History, request: Any = None, script: Any = None, **more: Any) -> Any:
    client = world.client(script or [STARTED, done()], plugins=[history])
    task = world.do(client.submit(request or SegmentsRefreshCounters(7, 24, db_id=1), **more))
    return world.do(task.result())


# What it records by itself.


def test_a_completed_count_is_kept_with_every_counter_of_every_channel(world: World, history: History) -> None:
    recount(world, history, note="Newsletter, active")
    email, viber = history.rows()
    assert (email.name, email.at, email.channel) == ("Newsletter, active", DAY, "email")
    assert email.counters == {"all": 100, "subscribed": 70, "open_rate": 0.25}
    assert (viber.channel, viber.counters) == ("viber_2", {"all": 100, "seen": 3})
    assert (email.segment_id, email.list_id, email.resource_id, email.database_id) == (7, 1, 24, None)
    assert (email.task_id, email.operation, email.host) == ("t-1", "segments/refresh_counters", "example.com")


def test_it_says_how_long_a_count_took_on_this_side_and_on_the_platforms(world: World, history: History) -> None:
    counted = entry(last_count_time="counted at 2026-11-20T05:59:59Z in 82.746959ms", total_count=1336)
    script = [STARTED, reply({"status": "running"}), done(counted)]
    recount(world, history, DatabasesRefreshCounters(5, 24), script)
    row = history.rows()[0]
    assert row.took == pytest.approx(world.clock.now, abs=0.01)
    assert row.took > 0
    assert row.count_seconds == pytest.approx(0.082747, abs=1e-6)
    assert row.total_count == 1336


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (SegmentsRefreshCounters(7, 24, db_id=1), "segment 7, database 1, resource 24"),
        (DatabasesRefreshCounters(5, 24), "database 5, resource 24"),
        (ResourcesRefreshCounters(24), "resource 24"),
    ],
)
def test_a_count_without_a_note_is_named_for_what_was_counted(
    world: World, history: History, request_: Any, name: str
) -> None:
    recount(world, history, request_)
    assert {row.name for row in history.rows()} == {name}


def test_each_database_of_a_result_is_a_count_of_its_own(world: World, history: History) -> None:
    recount(world, history, ResourcesRefreshCounters(24), [STARTED, done(entry(list_id=1), entry(list_id=5))])
    assert [(row.list_id, row.channel) for row in history.rows()] == [
        (1, "email"), (1, "viber_2"), (5, "email"), (5, "viber_2"),
    ]  # fmt: skip
    assert history.items()[0].counts == 2


def test_two_handles_on_one_task_are_one_count(world: World, history: History) -> None:
    client = world.client([STARTED, done(), done()], plugins=[history])
    task = world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
    for handle in (task, client.tasks.resume(task.resume_token)):
        world.do(handle.result())
    assert history.items()[0].counts == 1


def test_the_name_travels_to_the_process_that_goes_on(world: World, history: History) -> None:
    token = world.do(world.client([STARTED]).submit(SegmentsRefreshCounters(7, 24), note="Actives")).resume_token
    world.do(world.client([done()], plugins=[history]).tasks.resume(token).result())
    assert history.rows()[0].name == "Actives"
    assert history.rows()[0].took is not None


@pytest.mark.parametrize("updated", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "", None])
def test_a_count_without_a_time_of_its_own_was_made_now(world: World, history: History, updated: str | None) -> None:
    before = datetime.now(timezone.utc)
    recount(world, history, script=[STARTED, done(entry(updated=updated))])
    assert before - timedelta(seconds=1) <= history.rows()[0].at <= datetime.now(timezone.utc)


def test_numbers_beyond_64_bits_and_odd_texts_are_kept(world: World, history: History) -> None:
    odd = {"channel": "<b>\u0000é", "status": {"all": 10**30, "x": ["a", {"b": None}]}}
    recount(world, history, script=[STARTED, done(entry(channels=[odd], total_count=10**25))])
    assert history.record("\udc80", [segment()]) == 1
    row, other = sorted(history.rows(), key=lambda row: row.channel != "<b>\u0000é")
    assert other.name == "\\udc80"
    assert row.channel == "<b>\u0000é"
    assert row.counters == {"all": 10**30, "x": ["a", {"b": None}]}


def test_a_result_that_is_no_statistics_is_left_out(world: World, history: History) -> None:
    profiles = reply({"status": "completed", "result": [{"email": "a@b.example"}]})
    client = world.client([profiles], plugins=[history])
    world.do(client.tasks.resume("t-1").result())
    assert history.rows() == []


def test_a_failed_task_and_a_refused_submission_are_failures(world: World, history: History) -> None:
    with pytest.raises(TaskFailed):
        recount(world, history, script=[STARTED, FAILED], note="Actives")
    refused = reply(error=3, error_text="no such segment", status=400)
    with pytest.raises(BadRequest):
        recount(world, history, DatabasesRefreshCounters(5, 24), [refused])
    task, submission = history.failures()
    assert (task.name, task.error, task.task_id, task.host) == ("Actives", "TaskFailed", "t-1", "example.com")
    assert "database is locked" in task.message
    assert (submission.name, submission.error) == ("database 5, resource 24", "BadRequest")
    assert history.rows() == []


# What it is told, and tells.


def test_a_result_is_recorded_under_a_name_and_once(history: History) -> None:
    request = SegmentsRefreshCounters(7, 24, db_id=1)
    assert history.record("Actives", [segment()], request, took=2.5) == 1
    assert history.record("Actives", [segment()], request) == 0
    (row,) = history.rows()
    assert (row.name, row.segment_id, row.took) == ("Actives", 7, 2.5)


def test_results_without_a_request_are_told_apart_by_their_names(history: History) -> None:
    bare = SegmentStatistics(channels=[ChannelStatistics("email", {"all": 1})], updated=DAY)
    assert [history.record(name, [bare]) for name in ("A", "B", "A")] == [1, 1, 0]
    assert [item.name for item in history.items()] == ["A", "B"]


def test_a_name_that_is_given_replaces_the_one_that_was_made(world: World, history: History) -> None:
    client = world.client([STARTED, done()], plugins=[history])
    task = world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
    result = world.do(task.result())
    assert history.record("Actives", result, task) == 0
    assert {row.name for row in history.rows()} == {"Actives"}


def test_counters_that_were_read_are_recorded_at_the_time_of_the_reading(history: History) -> None:
    channels = [ChannelStatistics("email", {"subscribed": 3})]
    for day in range(2):
        history.record(None, channels, DatabasesGetCounters(5, 24), at=DAY + timedelta(days=day))
    assert [row.at for row in history.rows("database 5, resource 24")] == [DAY, DAY + timedelta(days=1)]


def test_rows_are_chosen_by_name_time_and_channel_the_oldest_first(history: History) -> None:
    for day in (2, 0, 1):
        history.record("A", [segment(day, at=DAY + timedelta(days=day))], SegmentsRefreshCounters(7, 24))
    history.record("B", [segment()], SegmentsRefreshCounters(8, 24))
    assert [row.counters["subscribed"] for row in history.rows("A")] == [0, 1, 2]
    assert [row.counters["subscribed"] for row in history.rows("A", since=DAY + timedelta(days=1))] == [1, 2]
    assert history.rows("A", channel="push") == []
    assert len(history.rows(channel="email")) == 4
    assert [(item.name, item.counts, item.first, item.last) for item in history.items()] == [
        ("A", 3, DAY, DAY + timedelta(days=2)),
        ("B", 1, DAY, DAY),
    ]


def test_a_naive_time_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="aware"):
        history.rows(since=datetime(2026, 1, 1))  # noqa: DTZ001


def test_what_is_no_statistics_is_refused_when_it_is_recorded(history: History) -> None:
    with pytest.raises(TypeError, match="int"):
        history.record("A", [1])


def test_names_change_together_with_the_failures(history: History) -> None:
    history.record("A", [segment()])
    history.record_failure("A", TimeoutError("late"))
    assert history.rename("A", "B") == 1
    assert [item.name for item in history.items()] == [failure.name for failure in history.failures()] == ["B"]


# Retention.


def test_counts_and_failures_beyond_the_age_are_deleted(path: Path) -> None:
    now = datetime.now(timezone.utc)
    with History(path) as history:
        for age in (1, 9, 11):
            history.record("A", [segment(age, at=now - timedelta(days=age))])
            history.record_failure("A", TimeoutError("late"), at=now - timedelta(days=age))
    with History(path, keep_days=10) as history:
        assert [row.counters["subscribed"] for row in history.rows()] == [9, 1]
        assert len(history.failures()) == 2
        history.record("A", [segment(12, at=now - timedelta(days=12))])
        assert len(history.rows()) == 2


def test_the_newest_counts_of_each_name_are_kept(path: Path) -> None:
    with History(path) as history:
        for name in "AB":
            for day in range(4):
                history.record(
                    name, [segment(day, at=DAY + timedelta(days=day))], SegmentsRefreshCounters(ord(name), 24)
                )
    with History(path, keep_counts=2) as history:
        assert [(row.name, row.counters["subscribed"]) for row in history.rows()] == [
            ("A", 2), ("B", 2), ("A", 3), ("B", 3),
        ]  # fmt: skip
        history.record("A", [segment(9, at=DAY + timedelta(days=9))])
        assert [row.counters["subscribed"] for row in history.rows("A")] == [3, 9]


@pytest.mark.parametrize("setting", [{"keep_days": 0}, {"keep_days": -1.0}, {"keep_counts": 0}])
def test_a_retention_that_keeps_nothing_is_refused(path: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        History(path, **setting)


# JSON lines.


def line(**changes: object) -> str:
    request = {"id": 7, "resource_id": 24, "db_id": 1}
    about = {"event": "result", "task_id": "t-1", "operation": "segments/refresh_counters", "request": request}
    return json.dumps({**about, "result": msgspec.to_builtins([segment()]), **changes})


def test_collected_lines_are_imported_once(history: History) -> None:
    lines = ['{"event": "progress", "task_id": "t-1"}', line(), line(task_id="t-2"), "", '{"event": "result", "op']
    imported = history.import_lines(lines)
    assert (imported.counts, imported.known, imported.passed_over) == (2, 0, 2)
    ((number, reason),) = imported.broken
    assert number == 5
    assert "JSON" in reason
    assert history.import_lines(lines).known == 2
    assert {row.name for row in history.rows()} == {"segment 7, database 1, resource 24"}
    assert history.rows()[0].segment_id == 7


def test_a_count_that_was_recorded_is_not_imported_again(world: World, history: History) -> None:
    result = recount(world, history)
    imported = history.import_lines([line(result=msgspec.to_builtins(result))])
    assert (imported.counts, imported.known) == (0, 1)
    assert len(history.rows(channel="email")) == 1


def test_an_imported_line_gets_the_name_that_is_given_or_its_own(history: History) -> None:
    history.import_lines([line(name="Own"), line(task_id="t-2")], name=None)
    history.import_lines([line(task_id="t-3")], name="Given")
    assert [item.name for item in history.items()] == ["Given", "Own", "segment 7, database 1, resource 24"]


def test_counters_are_imported_with_the_time_of_their_reading(history: History) -> None:
    channels = [{"channel": "email", "status": {"subscribed": 3}, "others": {"open_rate": 0.5}}]
    counters = {"operation": "databases/get_counters", "request": {"id": 5, "resource_id": 24}, "result": channels}
    told = line(**counters, read_at="2026-11-20T06:00:00Z", task_id=None)
    assert history.import_lines([told, told]).counts == 1
    (row,) = history.rows()
    assert (row.at, row.database_id, row.counters) == (DAY, 5, {"subscribed": 3, "open_rate": 0.5})


def test_a_line_of_a_request_with_feedback_is_imported(history: History) -> None:
    request = {"id": 5, "resource_id": 24, "feedback": {"url": "https://me.example/secret-path", "type": "JSON"}}
    result = [{"channels": [{"channel": "email", "status": {"all": 3}}], "counted_at": "2026-11-20T06:00:00Z"}]
    lines = [line(operation="databases/refresh_counters", request=request, result=result)]
    assert history.import_lines(lines).counts == 1
    assert b"secret-path" not in history.path.read_bytes()


def test_a_mark_of_the_encoding_is_no_part_of_the_first_line(history: History) -> None:
    assert history.import_lines([f"\ufeff{line()}\r\n"]).counts == 1


def test_a_result_that_does_not_say_what_was_counted_is_told_as_broken(history: History) -> None:
    ((number, reason),) = history.import_lines([line(operation="tasks/status")]).broken
    assert number == 1
    assert "what was counted" in reason


def test_a_result_of_another_operation_is_passed_over(history: History) -> None:
    assert (
        history.import_lines([line(operation="profiles/get_all", result=[{"email": "a@b.example"}])]).passed_over == 1
    )


@pytest.mark.parametrize("broken", ["[]", line(request=7), line(result=[{"channels": 1}]), line(read_at="noon")])
def test_a_broken_line_is_named_and_the_others_are_imported(history: History, broken: str) -> None:
    imported = history.import_lines([broken, line()])
    assert [number for number, _ in imported.broken] == [1]
    assert imported.counts == 1


# Several writers.


def test_a_history_is_read_while_another_process_writes(path: Path) -> None:
    with History(path) as history:
        history.record("A", [segment()])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with History(path) as history:
        assert [item.name for item in history.items()] == ["A"]
    other.execute("COMMIT")
    other.close()


WRITER = """
import sys
from datetime import datetime, timezone, timedelta
from altcraft.schema import ChannelStatistics, SegmentStatistics, SegmentsRefreshCounters
from altcraft_plugins.history import History
who = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with History(sys.argv[1]) as history:
    for number in range(25):
        at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=number)
        shared = [SegmentStatistics(channels=[ChannelStatistics("email", {"all": number})], updated=at)]
        history.record("Shared", shared, SegmentsRefreshCounters(1, 24))
        history.record("Own", shared, SegmentsRefreshCounters(100 + who, 24))
"""


def test_processes_that_write_at_once_lose_nothing_and_double_nothing(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(who)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for who in range(3)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert not errors
        assert writer.returncode == 0
    with History(path) as history:
        assert {item.name: item.counts for item in history.items()} == {"Shared": 25, "Own": 75}


ENDLESS = """
import itertools, sys
from altcraft.schema import ChannelStatistics, DatabasesGetCounters
from altcraft_plugins.history import History
with History(sys.argv[1], keep_counts=50) as history:
    for number in itertools.count():
        history.record("A", [ChannelStatistics("email", {"all": number})], DatabasesGetCounters(5, 24))
        print(number, flush=True)
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_every_count_that_it_has_recorded(path: Path) -> None:
    for round_ in range(5):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(60 + 7 * round_):
                last = int(writer.stdout.readline())
            writer.kill()
            last = max([last, *map(int, re.findall(r"^\d+$", writer.stdout.read(), flags=re.M))])
        with History(path) as history:
            rows = history.rows("A")
        assert rows[-1].counters["all"] >= last
        assert len(rows) == 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_writes_by_a_connection_of_its_own(history: History) -> None:
    child = os.fork()
    if child == 0:
        os._exit(history.record("A", [segment()]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert [item.name for item in history.items()] == ["A"]


# Files that are none of ours.


@pytest.mark.parametrize("content", [b"this is no database" * 50, b"SQLite format 3\0" + b"x" * 4096])
def test_a_damaged_file_is_refused_and_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(HistoryError, match="damaged"):
        History(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "says"),
    [("PRAGMA user_version = 99", "version 99"), ("PRAGMA application_id = 7", "another program")],
)
def test_a_newer_or_a_foreign_file_is_refused_and_untouched(path: Path, change: str, says: str) -> None:
    History(path).close()
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=says):
        History(path)
    assert path.read_bytes() == before


def test_a_history_that_cannot_write_ends_no_wait(world: World, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(path)
    history._file._connected().execute("PRAGMA max_page_count = 1")
    big = {"channel": "email", "status": {f"counter_{number}": number for number in range(3000)}}
    script = [reply({"task_id": "t-1"}), done(entry(channels=[big]))]
    assert recount(world, history, script=script)[0].list_id == 1
    assert "the disk is full" in caplog.text
    history.close()


def test_the_embedded_sandbox_fills_a_history(history: History) -> None:
    with Client("sandbox:?pace=0", plugins=[history]) as client:
        client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
    assert [row.channel for row in history.rows("database 5, resource 24")] == ["email", "push", "sms"]
    assert history.rows()[0].host == "sandbox"
    assert isinstance(history.rows()[0].total_count, int)
