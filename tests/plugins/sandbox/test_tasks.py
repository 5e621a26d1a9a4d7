"""Tasks advance slice by slice, report their progress, and end once."""

from __future__ import annotations

import time

from altcraft_plugins.sandbox import Sandbox
from plugins.sandbox.api import finish, post, start, status


def states(app, task_id):
    seen = [status(app, task_id)]
    while app.step():
        seen.append(status(app, task_id))
    return seen


def test_progress_moves_with_the_rows_from_queued_to_completed(app):
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
    seen = states(app, task_id)
    progress = [state["progress"] for state in seen]
    assert progress == sorted(set(progress))
    assert len(progress) >= 20
    assert [state["status"] for state in seen] == ["queued", *["running"] * (len(seen) - 2), "completed"]
    assert all(state["result"] is None for state in seen[:-1])
    assert progress[-1] == 100 > progress[-2]


def test_a_slice_counts_its_own_profiles(app):
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
    app.step()
    with app.rows() as rows:
        rows.execute("DELETE FROM subscriptions WHERE resource_id = 24")
    finish(app)
    (entry,) = status(app, task_id)["result"]
    email = entry["channels"][0]["status"]
    # The first slice counted its profiles; the others found no subscriptions.
    assert email["all"] == 1336
    assert 0 < email["subscribed"] + email["hardbounced"] == -(-1336 // 20)


def test_progress_stays_below_100_until_the_end_though_profiles_are_added(app):
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
    with app.rows() as rows:
        rows.execute(
            "INSERT INTO profiles SELECT id + 5000000, 5, number, email, country, age, registered FROM profiles"
            " WHERE database_id = 1"
        )
    seen = states(app, task_id)
    assert all(state["progress"] < 100 for state in seen[:-1])
    assert seen[-1]["result"][0]["total_count"] == 1336 + 1343


def test_a_task_over_several_databases_has_one_progress(app):
    task_id = start(app, "resources/refresh_counters", id=30)
    progress = [state["progress"] for state in states(app, task_id)]
    assert progress == sorted(progress)
    assert progress[-1] == 100


def test_an_empty_database_is_counted_too():
    with Sandbox(profiles=0, worker=False) as app:
        task_id = start(app, "databases/refresh_counters", id=9, resource_id=30)
        finish(app)
        (entry,) = status(app, task_id)["result"]
    assert entry["total_count"] == 0
    assert {channel["status"]["all"] for channel in entry["channels"]} == {0}


def test_tasks_take_turns(app):
    first = start(app, "databases/refresh_counters", id=5, resource_id=24)
    second = start(app, "segments/refresh_counters", id=8, resource_id=24)
    for _ in range(4):
        app.step()
    assert status(app, first)["progress"] > 0
    assert status(app, second)["progress"] > 0


def test_a_segment_with_an_invalid_condition_fails_its_task(app):
    task_id = start(app, "segments/refresh_counters", id=13, resource_id=24, db_id=1)
    finish(app)
    assert status(app, task_id) == {"status": "failed", "progress": 0, "result": None}
    answer = post(app, "segments/get_counters", {"id": 13, "resource_id": 24, "db_id": 1})
    assert answer.status == answer.json["error"] == 400


def test_a_segment_deleted_while_it_is_counted_fails_its_task_at_its_present_progress(app):
    task_id = start(app, "segments/refresh_counters", id=8, resource_id=24)
    for _ in range(5):
        app.step()
    reached = status(app, task_id)["progress"]
    with app.rows() as rows:
        rows.execute("DELETE FROM segments WHERE id = 8")
    finish(app)
    assert status(app, task_id) == {"status": "failed", "progress": reached, "result": None}
    assert reached > 0


def test_finished_is_called_once_for_each_task_after_its_end_is_committed():
    ended = []
    with Sandbox(worker=False, finished=lambda task_id: ended.append((task_id, status(app, task_id)["status"]))) as app:
        good = start(app, "databases/refresh_counters", id=5, resource_id=24)
        bad = start(app, "segments/refresh_counters", id=13, resource_id=24, db_id=1)
        finish(app)
    assert sorted(ended) == sorted([(good, "completed"), (bad, "failed")])


def test_an_exception_of_the_callback_is_logged(caplog):
    def raising(task_id):
        raise RuntimeError("elsewhere")

    with Sandbox(worker=False, finished=raising) as app:
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        finish(app)
        assert status(app, task_id)["status"] == "completed"
    assert "elsewhere" in caplog.text


def test_feedback_is_stored_with_the_task(app):
    feedback = {"type": "json", "url": "http://example.com/receiver"}
    task_id = start(app, "databases/refresh_counters", id=5, resource_id=24, feedback=feedback)
    with app.rows() as rows:
        kept = rows.execute("SELECT feedback_type, feedback_url FROM tasks WHERE id = ?", (task_id,)).fetchone()
    assert kept == ("JSON", "http://example.com/receiver")


def test_a_worker_spreads_a_refresh_over_the_pace():
    with Sandbox(pace=0.3) as app:
        began = time.monotonic()
        task_id = start(app, "databases/refresh_counters", id=5, resource_id=24)
        seen = set()
        while (state := status(app, task_id))["status"] != "completed":
            seen.add(state["progress"])
            assert time.monotonic() - began < 10
        took = time.monotonic() - began
    assert took >= 0.28
    assert len(seen) >= 3, "a busy machine misses some of them"
