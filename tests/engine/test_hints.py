"""Tasks whose end a hint is to announce, on both clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from altcraft import Feedback, HttpRequest, HttpResponse, Polling, TaskFailed
from altcraft.testing import reply
from both_clients import World

STEADY = Polling(jitter=False)
UNCHECKED = STEADY.replace(hint_checks=0)
STARTED = reply({"task_id": "t-1"})
FEEDBACK = Feedback("https://me.example/hook")


def platform(world: World, duration: float) -> Callable[[HttpRequest], HttpResponse]:
    """Starts tasks, and has each of them done so many seconds later."""
    begun: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("refresh_counters"):
            begun.append(world.clock.now)
            return STARTED
        done = world.clock.now >= begun[-1] + duration
        return reply({"status": "completed", "progress": 100, "result": []} if done else {"status": "running"})

    return answer


@pytest.mark.parametrize(("feedback", "polls"), [(FEEDBACK, 2), (None, 6)])
def test_a_task_with_feedback_is_polled_rarely(world: World, feedback: Feedback | None, polls: int) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=feedback))
    world.do(task.result())
    assert len(client.fake.requests) - 1 == polls


def test_one_of_many_tasks_is_polled_as_rarely(world: World) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    assert world.do(client.tasks.as_completed([task])) == [task]
    assert len(client.fake.requests) - 1 == 2


def test_a_client_that_was_disappointed_relies_on_hints_no_more(world: World) -> None:
    client = world.client([platform(world, 9.0)], repeat=True, polling=UNCHECKED)
    polls = []
    for _ in range(2):
        client.fake.requests.clear()
        world.do(world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK)).result())
        polls.append(len(client.fake.requests) - 1)
    assert polls == [2, 6]


def steady_platform(world: World, duration: float) -> Callable[[HttpRequest], HttpResponse]:
    """As `platform`, for one task, with an even progress."""
    begun: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("refresh_counters"):
            begun[:] = [world.clock.now]
            return STARTED
        share = int(100 * (world.clock.now - begun[0]) / duration)
        done = {"status": "completed", "progress": 100, "result": []}
        return reply(done if share >= 100 else {"status": "running", "progress": share})

    return answer


@pytest.mark.parametrize("wait", ["result", "as_completed"])
def test_a_checked_task_is_found_soon_after_its_end_though_no_hint_comes(world: World, wait: str) -> None:
    lags = {}
    for polling in (STEADY, UNCHECKED):
        client = world.client([steady_platform(world, 4.0)], repeat=True, polling=polling)
        task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
        begun = world.clock.now
        world.do(task.result() if wait == "result" else client.tasks.as_completed([task]))
        lags[polling.hint_checks] = (world.clock.now - begun - 4.0, len(client.fake.requests) - 1)
    assert lags[8][0] < 0.5
    assert lags[8][1] == 3  # at once, the check, and after the forecast
    assert lags[0] == (pytest.approx(6.0), 2)


def test_an_announced_failure_is_an_end_that_was_announced(world: World) -> None:
    client = world.client([STARTED, reply({"status": "failed"})])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    task.notify()
    assert isinstance(world.do(task.exception()), TaskFailed)
    assert client._engine.hints.is_closed


def test_a_hint_before_the_wait_counts(world: World) -> None:
    for wait in ("result", "as_completed"):
        client = world.client([STARTED, reply({"status": "completed", "result": []})])
        task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
        task.notify()
        world.do(task.result() if wait == "result" else client.tasks.as_completed([task]))
        assert len(client.fake.requests) == 2
        assert client._engine.hints.is_closed


def test_what_a_caller_s_own_poll_finds_is_no_disappointment(world: World) -> None:
    client = world.client([STARTED, reply({"status": "completed", "result": []})])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    world.do(task.poll())
    assert task.done()
    assert client._engine.hints.is_closed


def test_a_task_without_feedback_says_nothing_about_hints(world: World) -> None:
    client = world.client([STARTED, reply({"status": "completed", "result": []})])
    world.do(world.do(client.databases.refresh_counters(5, resource_id=24)).result())
    assert client._engine.hints.is_closed


def test_the_handle_knows_its_feedback(world: World) -> None:
    client = world.client([STARTED])
    task = world.do(client.databases.refresh_counters(5, resource_id=24, feedback=FEEDBACK))
    assert task.feedback == FEEDBACK
    assert client.tasks.resume(task.resume_token).feedback is None
