"""Faults of tasks: hidden at first, failed, stalled, vanished, begun anew."""

from __future__ import annotations

from contextlib import suppress

import pytest

from altcraft import ConnectionLost, NotFound, Polling, Retry, TaskFailed, TaskStalled, WaitTimeout
from altcraft.testing import FakeClock
from altcraft_plugins.sandbox import FaultPlan, Sandbox, Submission
from altcraft_plugins.sandbox.faults import Reset, TaskFails, TaskGoesBack, TaskLag, TaskStalls, TaskVanishes
from plugins.sandbox.api import finish, post, start, status
from plugins.sandbox.faults.test_in_process import World

DATABASE = ("databases/refresh_counters", {"id": 5, "resource_id": 24})


def progress(app):
    """The progress after each slice of the only task, until it ends or stands still."""
    task_id = start(app, DATABASE[0], **DATABASE[1])
    seen = []
    while app.step():
        answer = post(app, "tasks/status", {"task_id": task_id})
        seen.append(answer.json["data"]["progress"] if answer.status == 200 else answer.status)
    return task_id, seen


def plan(*faults):
    return FaultPlan(faults)


def test_a_lagging_task_is_404_for_its_first_seconds():
    clock = FakeClock()
    with Sandbox(clock=clock, profiles=50, pace=10, faults=plan(TaskLag(3))) as app:
        task_id = start(app, DATABASE[0], **DATABASE[1])
        assert post(app, "tasks/status", {"task_id": task_id}).status == 404
        clock.advance(2.9)
        assert post(app, "tasks/status", {"task_id": task_id}).status == 404
        clock.advance(0.2)
        assert status(app, task_id)["progress"] == 30


@pytest.mark.parametrize(("reason", "shown"), [("database is locked", "database is locked"), (None, None)])
def test_a_failing_task_shows_its_reason_as_the_result(reason, shown):
    with Sandbox(worker=False, profiles=50, faults=plan(TaskFails(reason, at=40))) as app:
        task_id, seen = progress(app)
        assert seen[-1] == 40
        assert status(app, task_id) == {"status": "failed", "progress": 40, "result": shown}
        xml = post(app, "tasks/status", {"task_id": task_id}, "xml")
        assert (b"<result>database is locked</result>" in xml.body) == (reason is not None)


def test_a_client_sees_the_task_fail():
    with World(TaskFails("database is locked")) as world, pytest.raises(TaskFailed):
        world.submit().result(timeout=60)


def test_a_stalled_task_stands_still_for_ever_also_after_a_restart(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    with Sandbox(db=file, worker=False, faults=plan(TaskStalls(at=50))) as app:
        task_id, seen = progress(app)
        assert seen[-1] == 50
    with Sandbox(db=file, worker=False) as app:
        finish(app)
        assert status(app, task_id) == {"status": "running", "progress": 50, "result": None}


def test_a_stalled_task_goes_on_after_its_seconds():
    clock = FakeClock()
    with Sandbox(clock=clock, profiles=50, pace=20, faults=plan(TaskStalls(at=50, seconds=100))) as app:
        task_id = start(app, DATABASE[0], **DATABASE[1])
        seen = []
        for _ in range(60):
            clock.advance(2)
            seen.append(status(app, task_id)["progress"])
        assert seen.count(50) == 51  # two seconds each, and those between the two slices
        assert seen[-1] == 95
        clock.advance(10)
        assert status(app, task_id)["result"][0]["total_count"] == 1336


def test_a_client_notices_the_stall():
    with World(TaskStalls(), polling=Polling(stall_after=60)) as world, pytest.raises(TaskStalled):
        world.submit().result(timeout=600)


def test_a_vanished_task_is_404_from_then_on():
    with Sandbox(worker=False, profiles=50, faults=plan(TaskVanishes(at=20))) as app:
        task_id, seen = progress(app)
        assert seen == [5, 10, 15, 20, 404]
        assert post(app, "tasks/status", {"task_id": task_id}).status == 404
        assert app.submissions() == {Submission("databases/refresh_counters", '{"id":5,"resource_id":24}'): 1}
        assert not app.deliver()


def test_a_client_ends_its_wait_for_a_vanished_task():
    with World(TaskVanishes(), polling=Polling(grace=0)) as world, pytest.raises(NotFound):
        world.submit().result(timeout=600)


def test_a_task_that_goes_back_begins_anew_once_and_ends_right():
    with Sandbox(worker=False, profiles=50, faults=plan(TaskGoesBack(at=70))) as app:
        task_id, seen = progress(app)
        assert seen == [*range(5, 75, 5), 0, *range(5, 105, 5)]
        assert status(app, task_id)["result"][0]["channels"][0]["status"]["hardbounced"] == 411


@pytest.mark.parametrize("fault", [TaskFails(at=100), TaskVanishes(at=100), TaskStalls(at=100)])
def test_a_fault_at_the_end_happens_before_the_task_completes(fault):
    with Sandbox(worker=False, profiles=50, faults=plan(fault)) as app:
        _, seen = progress(app)
        assert 100 not in seen


@pytest.mark.parametrize("at", [0, 100])
@pytest.mark.parametrize("profiles", [0, 1])
def test_small_databases_have_their_faults_too(at, profiles):
    with Sandbox(worker=False, profiles=profiles, faults=plan(TaskFails(at=at))) as app:
        task_id = start(app, "databases/refresh_counters", id=9, resource_id=30)
        finish(app)
        assert status(app, task_id)["status"] == "failed"


def test_a_tasks_fault_belongs_to_the_operation_that_starts_it():
    faults = plan(TaskFails(operations=("segments/*",)))
    with Sandbox(worker=False, profiles=50, faults=faults) as app:
        database = start(app, DATABASE[0], **DATABASE[1])
        segment = start(app, "segments/refresh_counters", id=7, resource_id=24, db_id=1)
        finish(app)
        assert status(app, database)["status"] == "completed"
        assert status(app, segment)["status"] == "failed"
        assert app.injected() == {"task-fails": 1}


def test_a_submission_made_twice_counts_twice():
    with World(Reset(processed=True, rate=0.5), retry=Retry(attempts=1)) as world:
        for _ in range(10):
            with suppress(ConnectionLost):
                world.submit()
        (count,) = world.sandbox.submissions().values()
        assert count == 10


def test_submissions_are_counted_by_operation_and_parameters_without_the_token(app):
    for _ in range(2):
        start(app, "segments/refresh_counters", id=7, resource_id=24, db_id=1)
    start(app, "resources/refresh_counters", id=24)
    assert app.submissions() == {
        Submission("segments/refresh_counters", '{"id":7,"resource_id":24,"db_id":1}'): 2,
        Submission("resources/refresh_counters", '{"id":24}'): 1,
    }
    post(app, "segments/refresh_counters", {"id": 999, "resource_id": 24})
    assert sum(app.submissions().values()) == 3, "a refused submission was counted"


def test_the_count_is_kept_in_the_file(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    with Sandbox(db=file, worker=False) as app:
        start(app, DATABASE[0], **DATABASE[1])
    with Sandbox(db=file, worker=False) as app:
        start(app, DATABASE[0], **DATABASE[1])
        assert list(app.submissions().values()) == [2]


def test_a_clock_moves_the_tasks():
    clock = FakeClock()
    with Sandbox(clock=clock, profiles=50, pace=20) as app:
        task_id = start(app, DATABASE[0], **DATABASE[1])
        clock.advance(10.5)
        assert status(app, task_id)["progress"] == 50
        clock.advance(10)
        assert status(app, task_id)["status"] == "completed"


def test_a_wait_in_a_clocks_time_takes_no_time():
    with World(TaskStalls()) as world:
        with pytest.raises(WaitTimeout):
            world.submit().result(timeout=3600)
        assert world.clock.now == pytest.approx(3600, abs=1)
