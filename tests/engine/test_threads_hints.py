"""Hints in threads: which sleeper each of them wakes, over transports with and without `wake`.

Nothing here sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from altcraft import Client, ClientClosed, HttpRequest, HttpResponse, Polling
from altcraft_transports._common.sleeper import Sleeper
from engine.followers import raised
from engine.stage import DONE, FOREVER, PATIENCE, RUNNING, STARTED, Stage, outcome


def test_a_hint_from_another_thread_wakes_at_once(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    stage.next().answer(RUNNING)
    assert stage.asleep() > 1000
    task.notify()
    stage.next().answer(DONE)
    assert outcome(waiting) == []


def test_a_hint_during_an_exchange_earns_one_more_poll_however_many_there_are(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    call = stage.next()
    for _ in range(5):
        task.notify()
    call.answer(RUNNING)
    stage.next().answer(RUNNING)
    assert stage.asleep() > 1000
    assert stage.idle()
    task.notify()
    stage.next().answer(DONE)
    outcome(waiting)


def test_a_hint_for_one_task_lets_the_others_sleep_on(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    first, second = (client.tasks.resume(name) for name in ("t-1", "t-2"))
    waiting = [pool.submit(task.result) for task in (first, second)]
    for _ in waiting:
        stage.next().answer(RUNNING)
    for _ in waiting:
        stage.asleep()
    second.notify()
    call = stage.next()
    assert json.loads(call.request.body)["task_id"] == "t-2"
    assert stage.asleep() > 1000, "the other one has gone back to sleep"
    assert stage.idle()
    call.answer(DONE)
    outcome(waiting[1])
    first.notify()
    stage.next().answer(DONE)
    outcome(waiting[0])


def test_a_poll_that_finds_the_task_done_wakes_every_wait(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    stage.next().answer(RUNNING)
    stage.asleep()
    poll = pool.submit(task.poll)
    stage.next().answer(DONE)
    assert outcome(poll).status == "completed"
    assert outcome(waiting) == []
    assert stage.idle()


def test_a_closed_sleeper_lets_no_thread_sleep(pool: ThreadPoolExecutor) -> None:
    sleeper = Sleeper()
    threads = [pool.submit(sleeper.sleep, 1000) for _ in range(8)]
    sleeper.close()
    for thread in threads:
        outcome(thread)
    sleeper.sleep(1000)


class Plain:
    """The smallest transport there is: three methods, none of them to be hurried."""

    def __init__(self, script: list[HttpResponse], sleep: Callable[[float], object]) -> None:
        self.script = script
        self.closed = False
        self._sleep = sleep

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return self.script.pop(0)

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds)

    def close(self) -> None:
        self.closed = True


def test_a_transport_that_cannot_be_woken_hears_a_hint_at_the_end_of_its_sleep(pool: ThreadPoolExecutor) -> None:
    asleep, woken = threading.Semaphore(0), threading.Semaphore(0)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        asleep.release()
        woken.acquire(timeout=PATIENCE)

    transport = Plain([RUNNING, DONE], sleep)
    with Client("https://example.com", token="a-token", transport=transport, polling=FOREVER) as client:
        task = client.tasks.resume("t-1")
        waiting = pool.submit(task.result)
        asleep.acquire(timeout=PATIENCE)
        task.notify()
        assert transport.script == [DONE]
        woken.release()  # long before its time is over: it is the hint that makes it poll
        assert outcome(waiting) == []
    assert len(slept) == 1
    assert transport.closed


def test_a_transport_that_simply_sleeps_will_do(pool: ThreadPoolExecutor) -> None:
    transport = Plain([STARTED, RUNNING, RUNNING, DONE], time.sleep)
    polling = Polling(initial=0.001, maximum=0.001)
    with Client("https://example.com", token="a-token", transport=transport, polling=polling) as client:
        assert client.segments.refresh_counters(7, resource_id=24).result(timeout=PATIENCE) == []


def test_closing_over_a_transport_that_simply_sleeps_is_heard_when_the_sleep_is_over(
    pool: ThreadPoolExecutor,
) -> None:
    asleep = threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        time.sleep(0.02)

    client = Client("https://example.com", token="a-token", transport=Plain([RUNNING], sleep), polling=FOREVER)
    waiting = pool.submit(client.tasks.resume("t-1").result)
    assert asleep.wait(PATIENCE)
    client.close()
    assert isinstance(raised(waiting), ClientClosed)
