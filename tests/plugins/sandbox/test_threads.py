"""Several threads may share a sandbox, and no thread of its own is left when it is closed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from altcraft_plugins.sandbox import Sandbox
from plugins.sandbox.api import TOKEN, counters, post, start, status


def sandbox_threads():
    return [thread for thread in threading.enumerate() if thread.name == "altcraft-sandbox"]


def wait_for(app, task_id):
    patience = time.monotonic() + 60
    while (state := status(app, task_id))["status"] != "completed":
        assert state["status"] in ("queued", "running")
        assert time.monotonic() < patience
        time.sleep(0.002)
    return state["result"]


@pytest.mark.slow
def test_sixteen_threads_get_the_right_numbers():
    expected = {
        "databases/refresh_counters": ({"id": 5, "resource_id": 24}, ("hardbounced", 411)),
        "segments/refresh_counters": ({"id": 7, "resource_id": 24, "db_id": 1}, ("subscribed_sendable", 209)),
        "resources/refresh_counters": ({"id": 24, "list_id": 5}, ("subscribed", 925)),
    }

    def job(number):
        path = list(expected)[number % 3]
        parameters, (name, value) = expected[path]
        (entry,) = wait_for(app, start(app, path, **parameters))
        assert post(app, "databases/get_counters", {"id": 9, "resource_id": 30}, "xml").status == 200
        assert post(app, path, {**parameters, "token": "wrong"}).status == 401
        return counters(entry)[name] == value

    with Sandbox(pace=0) as app, ThreadPoolExecutor(16) as pool:
        assert all(pool.map(job, range(96)))
        assert len(sandbox_threads()) <= 1


def test_rows_excludes_other_requests_until_its_block_ends():
    with Sandbox(pace=0) as app, ThreadPoolExecutor(1) as pool:
        with app.rows() as rows:
            rows.execute("UPDATE subscriptions SET status = 'invalid' WHERE resource_id = 24")
            asked = pool.submit(post, app, "databases/get_counters", {"id": 5, "resource_id": 24})
            time.sleep(0.05)
            assert not asked.done()
        (email, *_) = asked.result(10).json["data"]
        assert email["status"]["invalid"] == 1336


def test_an_exception_inside_rows_rolls_back(app):
    class Changed(Exception):
        pass

    try:
        with app.rows() as rows:
            rows.execute("DELETE FROM subscriptions")
            raise Changed
    except Changed:
        pass
    (email, *_) = post(app, "databases/get_counters", {"id": 5, "resource_id": 24}).json["data"]
    assert email["status"]["subscribed"] == 925


def test_no_thread_runs_before_the_first_task_or_after_the_last():
    with Sandbox(pace=0) as app:
        assert sandbox_threads() == []
        wait_for(app, start(app, "databases/refresh_counters", id=5, resource_id=24))
        patience = time.monotonic() + 10
        while sandbox_threads():
            assert time.monotonic() < patience
        wait_for(app, start(app, "databases/refresh_counters", id=5, resource_id=24))


def test_close_ends_the_thread_at_once_while_tasks_are_running():
    app = Sandbox(pace=3600)
    start(app, "databases/refresh_counters", id=5, resource_id=24)
    assert len(sandbox_threads()) == 1
    began = time.monotonic()
    app.close()
    assert time.monotonic() - began < 5
    assert sandbox_threads() == []


def test_close_during_a_slice_finishes_that_slice_and_counts_no_other(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    inside, go_on = threading.Event(), threading.Event()

    def hold(statement):
        if "GROUP BY s.channel" in statement and threading.current_thread() in sandbox_threads():
            inside.set()
            go_on.wait(10)

    app = Sandbox(db=file, pace=0)
    with app.rows() as rows:
        rows.set_trace_callback(hold)
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
    assert inside.wait(10)
    closing = threading.Thread(target=app.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive(), "close() did not wait for the slice"
    go_on.set()
    closing.join(10)
    assert sandbox_threads() == []
    with Sandbox(db=file, worker=False) as reopened:
        assert status(reopened, task_id) == {"status": "running", "progress": 5, "result": None}


@pytest.mark.slow
def test_many_tasks_need_one_thread():
    with Sandbox(pace=1) as app:
        tasks = [start(app, "databases/refresh_counters", id=5, resource_id=24) for _ in range(50)]
        assert len(sandbox_threads()) == 1
        for task_id in tasks:
            wait_for(app, task_id)


def test_closing_while_threads_call_answers_all_of_them():
    app = Sandbox(pace=0)
    codes = []

    def hammer():
        while True:
            answer = post(app, "databases/refresh_counters", {"id": 5, "resource_id": 24, "token": TOKEN})
            codes.append(answer.status)
            if answer.status != 200:
                return

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    app.close()
    for thread in threads:
        thread.join(10)
    assert set(codes) == {200, 503}
