"""Threads that do the same at once: each end is told once, and each reply reaches its caller."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import Client, HttpRequest, HttpResponse, Retry, Task, WaitTimeout
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from altcraft_transports._common.sleeper import Sleeper
from engine.stage import DONE, FAILED, FOREVER, PATIENCE, RUNNING, Stage, outcome


class Switch:
    """A transport whose task is running until the switch is thrown; it sleeps until it is woken."""

    def __init__(self) -> None:
        self.done = False
        self.polls = 0
        self._sleeper = Sleeper()
        self.wake = self._sleeper.wake
        self.sleep = self._sleeper.sleep
        self.close = self._sleeper.close

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.polls += 1
        return DONE if self.done else RUNNING


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("way", ["result", "as_completed"])
def test_no_hint_is_ever_lost(pool: ThreadPoolExecutor, way: str) -> None:
    def pester(task: Task[Any]) -> None:
        for _ in range(20):
            task.notify()

    def wait(client: Client, task: Task[Any]) -> object:
        return task.result() if way == "result" else list(client.tasks.as_completed([task]))

    switch = Switch()
    with Client("https://example.com", token="a-token", transport=switch, polling=FOREVER) as client:
        for _ in range(150):
            switch.done = False
            task = client.tasks.resume("t-1")
            noise = pool.submit(pester, task)
            waiting = pool.submit(wait, client, task)
            for _ in range(5):
                task.notify()
            switch.done = True
            task.notify()
            outcome(waiting)
            outcome(noise)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("sleepers", [1, 4])
def test_no_waking_of_a_sleeper_is_ever_lost(pool: ThreadPoolExecutor, sleepers: int) -> None:
    sleeper = Sleeper()
    rounds = 2000 // sleepers
    reached = [0] * sleepers
    goal = 0
    all_there = threading.Semaphore(0)

    def sleep(number: int) -> None:
        while reached[number] < rounds:
            while goal <= reached[number]:
                sleeper.sleep(PATIENCE)
            reached[number] = goal
            all_there.release()

    began = time.monotonic()
    threads = [pool.submit(sleep, number) for number in range(sleepers)]
    for _ in range(rounds):
        goal += 1
        sleeper.wake()
        for _ in threads:
            assert all_there.acquire(timeout=PATIENCE)
    for thread in threads:
        outcome(thread)
    assert time.monotonic() - began < PATIENCE, "a thread has slept on after it was woken"


class Told:
    """A plugin that counts what it is told."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, what: str) -> None:
        with self._lock:
            self.told[what] += 1

    @altcraft.hookimpl
    def altcraft_task_progress(self, task: Any) -> None:
        self.note(f"progress {task.id}")

    @altcraft.hookimpl
    def altcraft_task_completed(self, task: Any) -> None:
        self.note(f"completed {task.id}")

    @altcraft.hookimpl
    def altcraft_task_failed(self, task: Any) -> None:
        self.note(f"failed {task.id}")


class Echo:
    """A transport that answers each request with what it asks for, so that no reply fits another asker."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        asked = json.loads(request.body)
        path = request.url.rpartition("/api/v1.1/")[2]
        if path == "tasks/status":
            return reply({"status": "completed", "progress": 100, "result": [{"channels": [], "list_id": 1}]})
        if path.endswith("refresh_counters"):
            return reply({"task_id": f"{path} {asked['id']}"})
        return reply([{"channel": path, "status": {"all": asked["id"]}}])

    def sleep(self, seconds: float) -> None: ...

    def close(self) -> None: ...


@pytest.mark.usefixtures("restless")
def test_the_end_is_told_exactly_once_by_the_first_that_learns_of_it(pool: ThreadPoolExecutor) -> None:
    told = Told()
    called: Counter[str] = Counter()
    note = threading.Lock()

    def callback(task: Any) -> None:
        with note:
            called[task.id] += 1

    def race(task: Task[Any], way: int) -> None:
        start.wait(PATIENCE)
        task.add_done_callback(callback)
        if way % 3 == 0:
            task.result(on_progress=lambda _: None)
        elif way % 3 == 1:
            task.poll()
        else:
            task.exception()
        task.add_done_callback(callback)

    with Client("https://example.com", token="a-token", transport=Echo(), plugins=[told]) as client:
        for number in range(60):
            start = threading.Barrier(8)
            task = client.tasks.resume(f"t-{number}")
            for future in [pool.submit(race, task, way) for way in range(8)]:
                outcome(future)
            assert told.told[f"completed t-{number}"] == 1
            assert called[f"t-{number}"] == 16
    assert not any(name.startswith("failed") for name in told.told)


@pytest.mark.usefixtures("restless")
def test_eight_polls_at_once_are_eight_exchanges_and_one_end(pool: ThreadPoolExecutor) -> None:
    told, stage = Told(), Stage()
    with Client("https://example.com", token="a-token", transport=stage, plugins=[told]) as client:
        for number in range(20):
            task = client.tasks.resume(f"t-{number}")
            called: list[object] = []
            task.add_done_callback(called.append)
            polls = [pool.submit(task.poll) for _ in range(8)]
            for call in [stage.next() for _ in polls]:
                call.answer(DONE if number % 2 else FAILED)
            for poll in polls:
                assert outcome(poll).status in ("completed", "failed")
            assert called == [task]
            assert told.told[f"completed t-{number}"] + told.told[f"failed t-{number}"] == 1
        assert stage.idle()


@pytest.mark.usefixtures("restless")
def test_watchers_come_and_go_in_many_threads_at_once(pool: ThreadPoolExecutor) -> None:
    switch = Switch()
    with Client("https://example.com", token="a-token", transport=switch, polling=FOREVER) as client:
        task = client.tasks.resume("t-1")

        def wait() -> int:
            seen: list[object] = []
            for _ in range(40):
                try:
                    task.result(timeout=0, on_progress=seen.append)
                except WaitTimeout:
                    continue
            return len(seen)

        for future in [pool.submit(wait) for _ in range(8)]:
            assert outcome(future) >= 40, "each is told at least of its own poll"
    assert switch.polls >= 8


def test_a_client_is_shared_by_sixteen_threads_and_no_reply_goes_to_the_wrong_asker(
    pool: ThreadPoolExecutor,
) -> None:
    start = threading.Barrier(16)

    def work(number: int) -> None:
        start.wait(PATIENCE)
        for turn in range(15):
            name = number * 100 + turn
            task = client.databases.refresh_counters(name, resource_id=24)
            assert task.id == f"databases/refresh_counters {name}"
            assert task.result()[0].resource_id is None
            (segment,) = client.segments.get_counters(name, resource_id=24)
            assert (segment.channel, segment.status.all) == ("segments/get_counters", name)
            (database,) = client.databases.get_counters(name, resource_id=24)
            assert (database.channel, database.status.all) == ("databases/get_counters", name)
            many = client.submit_many([SegmentsRefreshCounters(name + n, 24) for n in range(3)], max_in_flight=2)
            assert [each.id for each in many] == [f"segments/refresh_counters {name + n}" for n in range(3)]
            assert set(client.tasks.as_completed(many, max_in_flight=2)) == set(many)

    with Client("https://example.com", token="a-token", transport=Echo(), retry=Retry(attempts=1)) as client:
        for future in [pool.submit(work, number) for number in range(16)]:
            outcome(future)


FIRST_USE = """
import sys, threading
from altcraft import Client, Operation, TaskRequest
from altcraft.testing import FakeTransport, reply
from msgspec import Struct

sys.setswitchinterval(1e-6)
done = reply({"status": "completed", "progress": 100, "result": [{"part": {"number": 1}}]}, codec=sys.argv[1])
rounds = []
for number in range(40):
    class Part(Struct):
        number: int

    class Whole(Struct):
        part: Part

    class Asked(TaskRequest[list[Whole]], frozen=True):
        pass

    clients = []
    for _ in range(4):
        transport = FakeTransport([done], repeat=True)
        client = Client("https://a.example", "a-token", codec=sys.argv[1], transport=transport)
        client.operations.register(Operation("ask", Asked))
        clients.append(client)
    rounds.append((Asked, clients))

start = threading.Barrier(16)
failures = []

def work(number):
    for asked, clients in rounds:
        start.wait()
        try:
            whole, = clients[number % 4].tasks.resume("t-1", asked).result()
            assert whole.part.number == 1
        except BaseException as error:
            failures.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_sixteen_threads_may_be_the_first_to_read_into_a_type(codec: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, codec], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
