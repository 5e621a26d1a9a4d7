"""The journal: what is on disk when, what leads back from it, and what it refuses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import altcraft
from altcraft import BadRequest, ConnectionLost, Feedback, Retry, Submission, TaskHandle, hookimpl
from altcraft.schema import DatabasesRefreshCounters, SegmentsRefreshCounters
from altcraft.testing import reply
from altcraft_plugins.journal import Journal, JournalError
from both_clients import World

STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 40})
DONE = reply({"status": "completed", "progress": 100, "result": [{"resource_id": 24, "list_id": 1}]})
FAILED = reply({"status": "failed", "result": "database is locked"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def resume(world: World, journal: Journal, client: Any) -> list[Any]:
    return journal.resume_async(client) if world.is_async else journal.resume(client)


def submit(world: World, client: Any, **settings: Any) -> Any:
    return world.do(client.submit(SegmentsRefreshCounters(7, 24, db_id=1), **settings))


def test_the_intent_is_on_disk_before_anything_is_sent(world: World, journal: Journal) -> None:
    seen = []

    def answer(_request: object) -> Any:
        (entry,) = journal.entries()
        seen.append((entry.state, entry.key, entry.operation, entry.request, entry.note, entry.host))
        return STARTED

    submit(world, world.client([answer], plugins=[journal]), key="k-1", note="crm-42")
    request = {"id": 7, "resource_id": 24, "db_id": 1}
    assert seen == [("submitting", "k-1", "segments/refresh_counters", request, "crm-42", "example.com")]


def test_the_task_id_is_on_disk_before_submit_returns(world: World, path: Path, journal: Journal) -> None:
    task = submit(world, world.client([STARTED], plugins=[journal]))
    with Journal(path) as other:
        (entry,) = other.outstanding().tasks
    assert (entry.task_id, entry.key, entry.resume_token) == ("t-1", task.key, task.resume_token)
    assert entry.is_owned


def test_the_outcome_is_on_disk_before_other_plugins_hear_of_it(world: World, journal: Journal) -> None:
    seen = []

    class Report:
        @hookimpl(tryfirst=True)
        def altcraft_task_completed(self, task: TaskHandle) -> None:
            seen.extend(entry.state for entry in journal.outcomes())

    task = submit(world, world.client([STARTED, RUNNING, DONE], plugins=[Report(), journal]))
    world.do(task.result())
    assert seen == ["completed"]
    (entry,) = journal.outcomes()
    assert entry.result == [{"resource_id": 24, "list_id": 1}]
    assert journal.outstanding().tasks == []


def test_a_failed_task_is_an_outcome_with_its_reason(world: World, journal: Journal) -> None:
    task = submit(world, world.client([STARTED, FAILED], plugins=[journal]))
    assert world.do(task.exception())
    (entry,) = journal.outcomes()
    assert entry.state == "failed"
    assert "database is locked" in (entry.error or "")


def test_an_outcome_stays_until_it_is_acknowledged(world: World, path: Path, journal: Journal) -> None:
    task = submit(world, world.client([STARTED, DONE], plugins=[journal]), key="k-1")
    world.do(task.result())
    with Journal(path) as other:
        assert [entry.key for entry in other.outcomes()] == ["k-1"]
        other.acknowledge("k-1")
    assert journal.outcomes() == []
    with pytest.raises(LookupError, match="k-2"):
        journal.acknowledge("k-2")


def test_several_outcomes_are_acknowledged_together_or_not_at_all(world: World, journal: Journal) -> None:
    client = world.client([STARTED, DONE, STARTED, DONE], plugins=[journal])
    for key in ("k-1", "k-2"):
        world.do(submit(world, client, key=key).result())
    with pytest.raises(LookupError, match="k-3"):
        journal.acknowledge("k-1", "k-3")
    assert [entry.key for entry in journal.outcomes()] == ["k-1", "k-2"]
    journal.acknowledge("k-1", "k-2")
    assert journal.outcomes() == []


def test_a_task_that_is_given_up_has_failed_with_the_reason_and_one_with_an_outcome_keeps_it(
    world: World, journal: Journal
) -> None:
    client = world.client([STARTED, STARTED, DONE], plugins=[journal])
    submit(world, client, key="k-1")
    world.do(submit(world, client, key="k-2").result())
    journal.give_up("k-1", "the platform has lost it")
    journal.give_up("k-2", "the platform has lost it")
    assert [(entry.state, entry.error) for entry in journal.outcomes()] == [
        ("failed", "the platform has lost it"),
        ("completed", None),
    ]


def test_of_the_tasks_that_no_process_follows_some_can_be_resumed(world: World, path: Path) -> None:
    with Journal(path) as journal:
        for key in ("k-1", "k-2"):
            submit(world, world.client([STARTED], plugins=[journal]), key=key)
    with Journal(path) as journal:
        client = world.client([STARTED], plugins=[journal])
        resumed = journal.resume_async(client, ["k-2"]) if world.is_async else journal.resume(client, ["k-2"])
        assert [task.key for task in resumed] == ["k-2"]
        assert [entry.is_owned for entry in journal.outstanding().tasks] == [False, True]


@pytest.mark.parametrize(("failure", "in_doubt"), [(BadRequest, []), (ConnectionLost, ["k-1"])])
def test_a_failed_submission_is_forgotten_or_in_doubt(
    world: World, journal: Journal, failure: type[Exception], in_doubt: list[str]
) -> None:
    answer = reply(error=400) if failure is BadRequest else ConnectionLost("reset")
    client = world.client([answer], plugins=[journal], retry=Retry(attempts=1))
    with pytest.raises(failure):
        submit(world, client, key="k-1")
    assert [entry.key for entry in journal.outstanding().in_doubt] == in_doubt


def test_a_key_is_submitted_once(world: World, journal: Journal) -> None:
    client = world.client([STARTED], plugins=[journal])
    task = submit(world, client, key="k-1")
    with pytest.raises(JournalError, match="task t-1, running: resume that one") as raised:
        submit(world, client, key="k-1")
    assert raised.value.resume_token == task.resume_token
    assert len(client.fake.requests) == 1
    assert [entry.key for entry in journal.entries()] == ["k-1"]


def test_a_key_in_doubt_is_submitted_again_after_it_was_acknowledged(world: World, journal: Journal) -> None:
    client = world.client([ConnectionLost("reset"), STARTED], plugins=[journal])
    with pytest.raises(ConnectionLost):
        submit(world, client, key="k-1")
    with pytest.raises(JournalError, match="in doubt"):
        submit(world, client, key="k-1")
    journal.acknowledge("k-1")
    assert submit(world, client, key="k-1").id == "t-1"


def test_a_submission_that_another_plugin_refuses_is_forgotten(world: World, journal: Journal) -> None:
    class Veto:
        @hookimpl(trylast=True)
        def altcraft_submitting(self, submission: Submission) -> None:
            raise PermissionError("not at night")

    with pytest.raises(PermissionError):
        submit(world, world.client([], plugins=[Veto(), journal]))
    assert journal.entries() == []


def test_the_journal_holds_neither_token_nor_feedback_url(world: World, path: Path, journal: Journal) -> None:
    client = world.client([STARTED, DONE], plugins=[journal], token="s3cr3t-token")
    feedback = Feedback("https://me.example/secret-path")
    world.do(world.do(client.submit(DatabasesRefreshCounters(5, 24, feedback))).result())
    journal.close()
    held = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"s3cr3t-token" not in held
    assert b"secret-path" not in held


# Another process.


def test_the_tasks_of_a_dead_owner_are_resumed_on_their_schedule(world: World, path: Path) -> None:
    first = Journal(path)
    task = submit(world, world.client([STARTED, RUNNING], plugins=[first]), note="crm-42")
    delay = world.do(task.step()).delay
    first.close()
    with Journal(path) as second:
        client = world.client([DONE], plugins=[second])
        (resumed,) = resume(world, second, client)
        assert (resumed.id, resumed.note, resumed.request) == (task.id, task.note, task.request)
        assert world.do(client.tasks.as_completed([resumed])) == [resumed]
        assert world.clock.now == pytest.approx(delay, abs=0.01)
        assert [entry.state for entry in second.outcomes()] == ["completed"]


def test_a_living_owner_keeps_its_tasks(world: World, path: Path, journal: Journal) -> None:
    submit(world, world.client([STARTED], plugins=[journal]))
    with Journal(path) as other:
        assert resume(world, other, world.client([], plugins=[other])) == []


def test_an_owner_whose_lease_has_run_out_loses_its_tasks(world: World, path: Path) -> None:
    with Journal(path, lease=0.0) as idle, Journal(path) as other:
        submit(world, world.client([STARTED], plugins=[idle]))
        assert len(resume(world, other, world.client([], plugins=[other]))) == 1


def test_tasks_of_another_installation_are_left_alone(world: World, path: Path) -> None:
    with Journal(path) as first:
        submit(world, world.client([STARTED], plugins=[first]))
    with Journal(path) as second:
        elsewhere = altcraft.Client("https://other.example", "t", plugins=[second], transport="http_client")
        with elsewhere:
            assert second.resume(elsewhere) == []


def test_a_submission_whose_process_ended_is_in_doubt(path: Path) -> None:
    program = f"""
import os
from altcraft import Client
from altcraft_plugins.journal import Journal
class Dies:
    def send(self, request, *, timeout): os._exit(9)
    def sleep(self, seconds): pass
    def close(self): pass
Client("https://x.example", "t", transport=Dies(), plugins=[Journal({str(path)!r})]).segments.refresh_counters(
    7, resource_id=24)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 9
    with Journal(path) as journal:
        (entry,) = journal.outstanding().in_doubt
    assert entry.request == {"id": 7, "resource_id": 24}
    assert entry.submitted_at.tzinfo is not None


TAKE_OVER = """
import sys
import altcraft
from altcraft_plugins.journal import Journal
with Journal(sys.argv[1]) as journal:
    client = altcraft.Client("https://example.com", "t", transport="http_client", plugins=[journal])
    print("ready", flush=True)
    sys.stdin.readline()
    print(*(task.id for task in journal.resume(client)))
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_two_processes_that_resume_at_once_share_the_tasks(path: Path) -> None:
    names = [f"t-{number}" for number in range(20)]
    world = World(is_async=False)
    with Journal(path) as first:
        client = world.client([reply({"task_id": name}) for name in names], plugins=[first])
        for _ in names:
            submit(world, client)
    world.close()
    command = [sys.executable, "-c", TAKE_OVER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:  # type: ignore[call-overload]
        for process in (one, two):
            assert process.stdout.readline() == "ready\n"
        for process in (one, two):
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [process.stdout.readline().split() for process in (one, two)]
        for process in (one, two):
            process.communicate("end\n", timeout=60)
    assert sorted(taken[0] + taken[1]) == sorted(names)


# Files that are none of ours.


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is no database, and long enough to be looked at" * 50, "damaged"),
        (b"SQLite format 3\0" + b"x" * 4096, "damaged"),
    ],
)
def test_a_damaged_file_is_refused_and_untouched(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match=says):
        Journal(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_database_of_another_program_is_refused_and_untouched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_journal_of_a_newer_version_is_refused_and_untouched(path: Path) -> None:
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="version 99"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="none"):
        Journal(tmp_path / "none" / "journal.sqlite3")


def test_a_full_disk_ends_a_submission_before_it_is_sent(world: World, journal: Journal) -> None:
    client = world.client([STARTED], repeat=True, plugins=[journal])
    journal._file._connected().execute("PRAGMA max_page_count = 8")  # a disk of eight pages
    submitted = 0

    def submit_on() -> None:
        nonlocal submitted
        for _ in range(2000):
            submit(world, client, note="n" * 190)
            submitted += 1

    with pytest.raises(JournalError, match="the disk is full"):
        submit_on()
    assert len(client.fake.requests) == submitted > 0


# Old outcomes.


def test_old_outcomes_are_deleted_once_they_are_acknowledged(world: World, path: Path) -> None:
    with Journal(path) as journal:
        for number in range(5):
            client = world.client([STARTED, DONE], plugins=[journal])
            world.do(submit(world, client, key=f"k-{number}").result())
        for number in range(4):
            journal.acknowledge(f"k-{number}")
    with Journal(path, keep_outcomes=2) as journal:
        assert [entry.key for entry in journal.entries()] == ["k-2", "k-3", "k-4"]
    with Journal(path, keep_days=0.0) as journal:
        assert [entry.key for entry in journal.entries()] == ["k-4"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_writes_by_a_connection_of_its_own(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.entries() == []
        child = os.fork()
        if child == 0:
            os._exit(len(journal.entries()))
        assert os.waitpid(child, 0)[1] == 0
        assert journal.entries() == []
