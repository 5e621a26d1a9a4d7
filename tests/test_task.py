"""Waiting for a task, on both clients, with a clock that only a sleep moves."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import altcraft
from altcraft import (
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    Polling,
    RequestTimeout,
    Retry,
    TaskFailed,
    TaskStalled,
    TaskStatus,
    Unauthorized,
    WaitTimeout,
)
from altcraft.testing import reply
from both_clients import World

DONE = reply({"status": "completed", "progress": 100, "result": [{"channels": [], "list_id": 1}]})
FAILED = reply({"status": "failed", "progress": 40, "result": None})


def running(progress: int | None = None, status: str = "running") -> HttpResponse:
    return reply({"status": status} if progress is None else {"status": status, "progress": progress})


def follow(world: World, *script: Any, repeat: bool = False, **settings: Any) -> Any:
    """A task over that script of polls; its client is `world.clients[-1]`."""
    client = world.client([reply({"task_id": "t-1"}), *script], repeat=repeat, **settings)
    return world.do(client.segments.refresh_counters(7, resource_id=24))


def polls(world: World) -> int:
    return len(world.clients[-1].fake.requests) - 1


def test_the_first_poll_is_immediate(world: World) -> None:
    (statistics,) = world.do(follow(world, DONE).result())
    assert statistics.list_id == 1
    assert world.clock.slept == []


def test_a_result_once_known_costs_no_further_exchange(world: World) -> None:
    task = follow(world, DONE)
    assert world.do(task.result()) == world.do(task.result())
    assert polls(world) == 1


def test_an_unknown_status_does_not_end_a_task(world: World) -> None:
    task = follow(world, running(100, "almost"), running(None, "half-baked"), DONE)
    assert world.do(task.result())
    assert polls(world) == 3


@pytest.mark.parametrize("result", [None, [], "", {}])
def test_a_result_that_is_not_final_is_not_even_read(world: World, result: Any) -> None:
    partial = reply({"status": "running", "progress": 5, "result": result})
    assert world.do(follow(world, partial, DONE).result())


def test_done_without_a_result_is_an_empty_list_where_the_result_is_a_list(world: World) -> None:
    assert world.do(follow(world, reply({"status": "success", "result": None})).result()) == []
    assert world.do(follow(world, reply({"status": "success", "result": ""}, codec="xml")).result()) == []


def test_a_failed_task_raises_with_its_status(world: World) -> None:
    task = follow(world, FAILED)
    with pytest.raises(TaskFailed, match=r"segments/refresh_counters at example.com, task t-1: .*'failed' at 40 %"):
        world.do(task.result())
    error = world.do(task.exception())
    assert isinstance(error, TaskFailed)
    assert error.status.progress == 40
    assert polls(world) == 1


def test_exception_is_none_after_success(world: World) -> None:
    assert world.do(follow(world, DONE).exception()) is None


def test_the_caller_says_which_statuses_end_a_task(world: World) -> None:
    polling = Polling(done={"cooked"}, failed={"burnt"})
    assert (
        world.do(
            follow(
                world, reply({"status": "completed"}), reply({"status": "cooked", "result": []}), polling=polling
            ).result()
        )
        == []
    )
    with pytest.raises(TaskFailed):
        world.do(follow(world, reply({"status": "burnt"}), polling=polling).result())


def test_a_wait_ends_at_its_deadline_with_one_last_poll(world: World) -> None:
    seen: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(world.clock.now)
        return running()

    task = follow(world, answer, repeat=True)
    with pytest.raises(WaitTimeout) as caught:
        world.do(task.result(timeout=20.5))
    assert world.clock.now == pytest.approx(20.5, abs=0.001)
    assert seen[0] == 0
    assert seen[-1] == pytest.approx(20.5, abs=0.001)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.resume_token == task.resume_token
    assert caught.value.status.status == "running"


def test_a_task_that_ends_just_before_the_deadline_is_not_missed(world: World) -> None:
    task = follow(world, lambda _: DONE if world.clock.now >= 19.9 else running(), repeat=True)
    assert world.do(task.result(timeout=20))


def test_a_wait_of_no_time_polls_exactly_once(world: World) -> None:
    task = follow(world, running(), repeat=True)
    with pytest.raises(WaitTimeout):
        world.do(task.result(timeout=0))
    assert polls(world) == 1
    assert world.clock.slept == []


def test_no_exchange_may_take_longer_than_what_is_left(world: World) -> None:
    task = follow(world, running(), repeat=True, request_timeout=10, polling=Polling(initial=3, jitter=False, factor=1))
    with pytest.raises(WaitTimeout):
        world.do(task.result(timeout=11))
    submission, *timeouts, last = world.clients[-1].fake.timeouts
    assert submission == 10
    assert timeouts == pytest.approx([10, 8, 5, 2])
    assert 0 < last <= 10


def test_an_exchange_that_takes_all_the_time_is_the_last_one(world: World) -> None:
    def hang(request: HttpRequest) -> HttpResponse:
        world.clock.advance(world.clients[-1].fake.timeouts[-1])
        raise RequestTimeout("no reply")

    task = follow(world, hang, repeat=True)
    with pytest.raises(WaitTimeout) as caught:
        world.do(task.result(timeout=5))
    assert world.clock.now == pytest.approx(5, abs=0.001)
    assert isinstance(caught.value.__cause__, RequestTimeout)


def test_a_task_has_a_deadline_of_its_own(world: World) -> None:
    task = follow(world, running(), repeat=True, polling=Polling(deadline=4))
    with pytest.raises(WaitTimeout):
        world.do(task.result(timeout=100))
    assert world.clock.now == pytest.approx(4, abs=0.001)


def test_a_task_that_does_not_move_is_reported_as_stalled(world: World) -> None:
    task = follow(world, running(10), running(20), running(20), repeat=True, polling=Polling(stall_after=60))
    with pytest.raises(TaskStalled) as caught:
        world.do(task.result())
    assert caught.value.resume_token
    moved = world.clock.slept[0]
    assert world.clock.now == pytest.approx(60 + moved, abs=0.001)


def test_after_a_timeout_the_task_can_be_waited_for_again(world: World) -> None:
    task = follow(world, running(), DONE)
    with pytest.raises(WaitTimeout):
        world.do(task.result(timeout=0))
    assert world.do(task.result())


def test_failing_polls_are_retried_and_success_starts_the_count_anew(world: World) -> None:
    lost = ConnectionLost("reset")
    task = follow(world, lost, lost, lost, running(), lost, lost, lost, DONE, retry=Retry(attempts=4))
    assert world.do(task.result())


def test_polls_that_fail_beyond_the_patience_end_the_wait_but_not_the_task(world: World) -> None:
    lost = ConnectionLost("reset")
    task = follow(world, lost, lost, lost, DONE, retry=Retry(patience=0.5, base=0.5, maximum=0.5))
    with pytest.raises(ConnectionLost, match="task t-1: reset") as raised:
        world.do(task.result())
    assert not task.done()
    assert raised.value.resume_token == task.resume_token
    assert [what for _, what in raised.value.attempts] == ["ConnectionLost: reset"] * 2
    assert all(when.tzinfo is not None for when, _ in raised.value.attempts)
    assert world.do(task.result())


def test_a_refusal_that_time_does_not_heal_ends_the_wait(world: World) -> None:
    task = follow(world, reply(error=401, error_text="token required"))
    with pytest.raises(Unauthorized, match=r"tasks/status at example.com, task t-1"):
        world.do(task.result())
    assert polls(world) == 1


def test_poll_is_exactly_one_exchange(world: World) -> None:
    task = follow(world, running(5), ConnectionLost("reset"), DONE)
    assert world.do(task.poll()) == TaskStatus("running", 5)
    with pytest.raises(ConnectionLost):
        world.do(task.poll())
    assert polls(world) == 2
    assert not task.done()
    assert world.do(task.poll()).status == "completed"
    assert task.done()
    assert polls(world) == 3


def test_progress_is_shown_with_the_terminal_state_too(world: World) -> None:
    shown: list[Any] = []
    task = follow(world, running(5), running(50), DONE)
    world.do(task.result(on_progress=lambda status: shown.append(status.progress)))
    assert shown == [5, 50, 100]


def test_an_observer_that_fails_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def fail(status: object) -> None:
        raise ValueError("observer's own trouble")

    with caplog.at_level(logging.ERROR, logger="altcraft"):
        assert world.do(follow(world, running(5), DONE).result(on_progress=fail))
    assert "observer's own trouble" in caplog.text


def test_done_callbacks_are_called_once_and_late_ones_at_once(world: World) -> None:
    called: list[Any] = []
    task = follow(world, running(), DONE)
    task.add_done_callback(called.append)
    task.add_done_callback(lambda _: called.append("second"))
    assert called == []
    world.do(task.result())
    world.do(task.result())
    assert called == [task, "second"]
    task.add_done_callback(lambda _: called.append("late"))
    assert called[2:] == ["late"]


def test_a_callback_that_is_added_while_the_task_ends_is_called_once(world: World) -> None:
    called: list[str] = []

    class Adding:
        @altcraft.hookimpl
        def altcraft_task_completed(self, task: Any) -> None:
            task.add_done_callback(lambda _: called.append("added by a hook"))

    task = follow(world, running(), DONE, repeat=True, plugins=[Adding()])
    task.add_done_callback(lambda task: task.add_done_callback(lambda _: called.append("added by a callback")))
    world.do(task.result())
    world.do(task.poll())
    assert called == ["added by a hook", "added by a callback"]


def test_a_resume_token_leads_back_to_a_typed_task(world: World) -> None:
    task = follow(world)
    client = world.client([running(), DONE])
    resumed = client.tasks.resume(task.resume_token)
    assert (resumed.id, resumed.request, resumed.key) == (task.id, task.request, task.key)
    (statistics,) = world.do(resumed.result())
    assert isinstance(statistics, altcraft.SegmentStatistics)
    assert client.fake.requests[0].url.endswith("/tasks/status")


@pytest.mark.parametrize(
    "token", ['{"v":1}', '{"v":2,"task_id":"t"}', "{", "", '{"v":1,"task_id":"t","operation":"x/y"}']
)
def test_a_broken_resume_token_is_refused(world: World, token: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        world.client().tasks.resume(token)


class Watcher:
    """A plugin that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @altcraft.hookimpl
    def altcraft_task_submitted(self, task: Any) -> None:
        self.told.append(("submitted", task.id, task.operation))

    @altcraft.hookimpl
    def altcraft_task_progress(self, status: Any) -> None:
        self.told.append(("progress", status.status))

    @altcraft.hookimpl
    def altcraft_task_completed(self, result: Any) -> None:
        self.told.append(("completed", len(result)))

    @altcraft.hookimpl
    def altcraft_task_failed(self, error: Any) -> None:
        self.told.append(("failed", error.status.status))

    @altcraft.hookimpl
    def altcraft_exchange_started(self, exchange: altcraft.ObservedExchange) -> None:
        self.told.append(("started", exchange.operation))

    @altcraft.hookimpl
    def altcraft_exchange_finished(self, response: HttpResponse | None, elapsed: float) -> None:
        self.told.append(("finished", response.status if response else None, elapsed))


def test_plugins_watch_a_task_from_submission_to_completion(world: World) -> None:
    watcher = Watcher()
    task = follow(world, running(), DONE, plugins=[watcher])
    world.do(task.result())
    assert watcher.told == [
        ("started", "segments/refresh_counters"),
        ("finished", 200, 0.0),
        ("submitted", "t-1", "segments/refresh_counters"),
        ("started", "tasks/status"),
        ("finished", 200, 0.0),
        ("progress", "running"),
        ("started", "tasks/status"),
        ("finished", 200, 0.0),
        ("progress", "completed"),
        ("completed", 1),
    ]


@pytest.mark.parametrize(("last", "event"), [(DONE, "completed"), (FAILED, "failed")])
def test_each_task_fires_exactly_one_of_completed_and_failed(world: World, last: HttpResponse, event: str) -> None:
    watcher = Watcher()
    task = follow(world, running(), last, repeat=True, plugins=[watcher])
    for _ in range(3):
        world.do(task.poll())
        world.do(task.exception())
    assert [name for name, *_ in watcher.told if name in ("completed", "failed")] == [event]


def test_an_exchange_that_failed_is_finished_without_a_response(world: World) -> None:
    watcher = Watcher()
    client = world.client([ConnectionLost("reset")], plugins=[watcher], retry=Retry(attempts=1))
    with pytest.raises(ConnectionLost):
        world.do(client.databases.get_counters(5, resource_id=24))
    assert watcher.told == [("started", "databases/get_counters"), ("finished", None, 0.0)]
