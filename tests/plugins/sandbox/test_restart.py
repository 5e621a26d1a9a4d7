"""A file keeps results, and unfinished tasks at the slice they had reached."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest

from altcraft_plugins.sandbox import Sandbox
from plugins.sandbox.api import TOKEN, finish, post, start, status

SERVE = """
import sys
from altcraft_plugins.sandbox.server import serve, serve_until_signal
serve_until_signal(lambda: serve(port=0, db=sys.argv[1], pace=float(sys.argv[2])))
"""


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "sandbox.sqlite3")


class Served:
    """A sandbox served by a process of its own."""

    def __init__(self, db, pace):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, db, str(pace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        assert "http://" in line, self.process.stderr.read()
        self.url = line[line.index("http://") :].split()[0]

    def call(self, path, **parameters):
        request = urllib.request.Request(
            f"{self.url}/api/v1.1/{path}",
            json.dumps({"token": TOKEN, **parameters}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["data"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()


def work(file, task_id):
    connection = sqlite3.connect(file)
    (text,) = connection.execute("SELECT work FROM tasks WHERE id = ?", (task_id,)).fetchone()
    connection.close()
    return json.loads(text)


def test_a_task_goes_on_at_the_slice_it_had_reached(file):
    with Sandbox(db=file, worker=False) as app:
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        for _ in range(7):
            app.step()
        before = status(app, task_id)
    with Sandbox(db=file, worker=False) as app:
        assert status(app, task_id) == before
        left = 0
        while app.step():
            left += 1
        after = status(app, task_id)
    assert before["status"] == "running"
    assert left == 13
    assert after["status"] == "completed"
    assert after["result"][0]["channels"][0]["status"]["hardbounced"] == 411


def test_profiles_counted_before_a_restart_are_not_counted_again(file):
    with Sandbox(db=file, worker=False) as app:
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        for _ in range(7):
            app.step()
        with app.rows() as rows:
            rows.execute("DELETE FROM subscriptions")
    with Sandbox(db=file, worker=False) as app:
        finish(app)
        email = status(app, task_id)["result"][0]["channels"][0]["status"]
    assert email["subscribed"] + email["hardbounced"] == 7 * 67


def test_finished_results_stay_readable(file):
    with Sandbox(db=file, worker=False) as app:
        good = start(app, "databases/refresh_counters", id=5, resource_id=24)
        bad = start(app, "segments/refresh_counters", id=13, resource_id=24, db_id=1)
        finish(app)
        before = status(app, good)
    with Sandbox(db=file, worker=False) as app:
        assert status(app, good) == before
        assert status(app, bad)["status"] == "failed"
        assert app.step() is False


@pytest.mark.slow
def test_a_task_survives_kill_9(file):
    with Served(file, pace=4) as served:
        task_id = served.call("databases/refresh_counters", id=5, resource_id=24)["task_id"]
        patience = time.monotonic() + 30
        while (state := served.call("tasks/status", task_id=task_id))["progress"] < 20:
            assert time.monotonic() < patience
            time.sleep(0.05)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait(10)
    reached = work(file, task_id)
    assert 0 < reached["visited"] < 1336
    assert reached["tally"]["total"] == reached["visited"]
    with Served(file, pace=4) as served:
        resumed = served.call("tasks/status", task_id=task_id)
        assert resumed["status"] == "running"
        assert resumed["progress"] >= state["progress"]
        patience = time.monotonic() + 30
        while (state := served.call("tasks/status", task_id=task_id))["status"] != "completed":
            assert time.monotonic() < patience
            time.sleep(0.05)
    (entry,) = state["result"]
    assert entry["total_count"] == 1336
    assert entry["channels"][0]["status"]["hardbounced"] == 411
    assert work(file, task_id)["visited"] == 1336


def test_two_sandboxes_on_one_file_share_the_work_and_count_nothing_twice(file):
    with Sandbox(db=file, worker=False) as one:
        task_id = start(one, "databases/refresh_counters", id=5, resource_id=24)
        with Sandbox(db=file, worker=False) as other:
            while one.step() and other.step():
                pass
            assert status(other, task_id)["result"][0]["total_count"] == 1336
            assert status(one, task_id) == status(other, task_id)


def test_a_file_keeps_its_population(file):
    Sandbox(db=file, profiles=12).close()
    with Sandbox(db=file) as app, app.rows() as rows:
        assert rows.execute("SELECT count(*) FROM profiles WHERE database_id = 9").fetchone() == (12,)
    Sandbox(db=file, profiles=12).close()
    with pytest.raises(ValueError, match="profiles=12"):
        Sandbox(db=file, profiles=13)


def test_a_file_that_is_not_a_sandboxs_is_refused_and_not_changed(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at as one" * 50)
    with pytest.raises(ValueError, match=r"notes\.txt"):
        Sandbox(db=str(text))
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.sqlite3"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE precious (id)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(ValueError, match="not a sandbox's"):
        Sandbox(db=str(other))
    assert other.read_bytes() == before
    with pytest.raises(ValueError, match="missing"):
        Sandbox(db=str(tmp_path / "missing" / "sandbox.sqlite3"))


def test_a_file_held_by_another_process_delays_tasks_and_makes_requests_503(file):
    with Sandbox(db=file, worker=False) as app:
        with app.rows() as rows:
            rows.execute("PRAGMA busy_timeout = 10")  # milliseconds, in place of ten seconds
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = post(app, "tasks/status", {"task_id": task_id})
        assert (answer.status, answer.json["error"]) == (503, 503)
        assert app.step() is True
        other.execute("COMMIT")
        other.close()
        finish(app)
        assert status(app, task_id)["status"] == "completed"


def test_a_task_that_can_not_reach_its_file_goes_on_in_the_next_sandbox(file):
    with Sandbox(db=file, worker=False) as app:
        with app.rows() as rows:
            rows.execute("PRAGMA busy_timeout = 10")
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        finish(app)
        other.execute("COMMIT")
        other.close()
    with Sandbox(db=file, worker=False) as app:
        finish(app)
        assert status(app, task_id)["status"] == "completed"
