"""Groups in real threads: which worker is woken when, by the time and by hints.

Nothing sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

import altcraft
from altcraft import Client, ClientClosed, HttpRequest, HttpResponse, Retry, WaitTimeout
from altcraft.testing import reply
from engine.groups import asked, eventually, nothing_is_left, some
from engine.stage import DONE, FOREVER, RUNNING, Stage, is_scheduled, outcome

BUSY = reply(error=429, status=429, headers={"Retry-After": "20"})


# Time.


def test_the_time_is_up_on_time_though_every_worker_hangs(stage: Stage, pool: ThreadPoolExecutor) -> None:
    client = Client("https://example.com", token="t", transport=stage, polling=FOREVER)
    tasks = some(client, 4)
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match="4 of 4 tasks") as caught:
        list(client.tasks.as_completed(tasks, timeout=0.2, max_in_flight=2))
    assert 0.2 <= time.monotonic() - began < 5
    assert client.tasks.resume(caught.value.resume_token).id in {"t-0", "t-1", "t-2", "t-3"}
    free = [task for task in tasks if task._followed.leader is None]
    assert len(free) == 2, "a task without an exchange under way can be followed by another wait at once"
    for _ in range(2):
        stage.next().answer(RUNNING)
    nothing_is_left(client, tasks, stage, pool)
    client.close()


def test_exchanges_are_given_no_more_time_than_the_group_has(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    waiting = pool.submit(client.tasks.wait, some(client, 2), 5.0)
    calls = [stage.next() for _ in range(2)]
    assert all(4 < call.timeout <= 5.1 for call in calls)
    for call in calls:
        call.answer(DONE)
    assert not outcome(waiting).not_done


def test_an_exchange_that_the_deadline_cuts_off_says_nothing_of_its_task(stage: Stage) -> None:
    class Cut(Stage):
        def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
            threading.Event().wait(timeout)
            raise altcraft.RequestTimeout("cut")

    with Client("https://example.com", token="t", transport=Cut(), retry=Retry(attempts=1)) as client:
        (task,) = some(client, 1)
        assert client.tasks.wait([task], timeout=0.1).not_done == {task}


def test_a_task_that_is_due_before_the_sleeper_wakes_is_polled_on_time(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = some(client, 2)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    calls = [stage.next() for _ in range(2)]
    calls[0].answer(RUNNING)
    assert stage.asleep() > 900
    calls[1].answer(reply(error=502, status=502))
    assert stage.asleep() <= 0.5
    stage.next().answer(DONE)
    for task in tasks:
        task.notify()
    stage.next().answer(DONE)
    assert set(outcome(waiting)) == set(tasks)


def test_a_refusal_holds_everybody_back(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    tasks = some(client, 50)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    for call in [stage.next() for _ in range(4)]:
        call.answer(BUSY)
    assert 19 < stage.asleep() <= 20
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


# Hints.


def test_a_hint_wakes_a_group_and_makes_it_poll_once(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    tasks = some(client, 3)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in tasks:
        stage.next().answer(RUNNING)
    stage.asleep()
    for task in tasks:
        pool.submit(task.notify)
        (call,) = asked(stage, 1).items()
        assert call[0] == task.id
        call[1].answer(RUNNING)
        eventually(lambda task=task: is_scheduled(task))  # type: ignore[misc]
        assert stage.idle(), "once"
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


@pytest.mark.usefixtures("restless")
def test_a_burst_of_hints_makes_a_group_poll_once_more_after_the_poll_under_way(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = some(client, 4)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    calls = [stage.next() for _ in tasks]

    def burst() -> None:
        for number in range(10_000 // 8):
            tasks[number % 4].notify()

    for done in [pool.submit(burst) for _ in range(8)]:
        outcome(done)
    for call in calls:
        call.answer(RUNNING)
    for call in [stage.next() for _ in tasks]:
        call.answer(RUNNING)
    eventually(lambda: all(is_scheduled(task) for task in tasks))
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


def test_a_hint_does_not_shorten_a_backoff(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    (task,) = some(client, 1)
    waiting = pool.submit(lambda: list(client.tasks.as_completed([task])))
    stage.next().answer(BUSY)
    stage.asleep()
    for _ in range(100):
        task.notify()
    threading.Event().wait(0.05)
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


def test_polls_that_hints_earn_keep_to_the_rate_limit(stage: Stage, pool: ThreadPoolExecutor) -> None:
    with Client("https://example.com", token="t", transport=stage, polling=FOREVER) as client:
        (task,) = some(client, 1)
        waiting = pool.submit(lambda: list(client.tasks.as_completed([task], max_polls_per_second=5)))
        starts = []
        for _ in range(4):
            call = stage.next()
            starts.append(time.monotonic())
            task.notify()
            call.answer(RUNNING)
        stage.next().answer(DONE)
        assert outcome(waiting) == [task]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) > 0.15


def test_the_group_notices_at_once_that_another_poll_found_a_task_done(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    (task,) = some(client, 1)
    waiting = pool.submit(lambda: list(client.tasks.as_completed([task])))
    stage.next().answer(RUNNING)
    stage.asleep()
    polling = pool.submit(task.poll)
    stage.next().answer(DONE)
    outcome(polling)
    assert outcome(waiting) == [task]
