"""Groups in real threads over a transport with random delays and failures."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import Client, ClientClosed, HttpRequest, HttpResponse, Polling, Retry
from altcraft.testing import reply
from engine.groups import eventually, some, worker_threads
from engine.stage import DONE, RUNNING, Stage, outcome

QUICK: dict[str, Any] = {
    "polling": Polling(initial=0.002, maximum=0.01),
    "retry": Retry(attempts=20, base=0.001, maximum=0.004),
}


class Crowd:
    """Answers as dice tell it to, counts who asks for the same task at the same time; sleeps for real."""

    def __init__(self, seed: int, done_after: int) -> None:
        self.dice = random.Random(seed)
        self.done_after = done_after
        self.polls: Counter[bytes] = Counter()
        self.at_once: Counter[bytes] = Counter()
        self.most_at_once = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sleeper = Stage()

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        name = request.body.split(b'"task_id":"')[1].split(b'"')[0]
        with self._lock:
            self.polls[name] += 1
            self.at_once[name] += 1
            self.most_at_once = max(self.most_at_once, self.at_once[name])
            self.threads.add(threading.current_thread().name)
            chance = self.dice.random()
            is_done = self.polls[name] >= self.done_after
        if chance < 0.3:
            threading.Event().wait(chance / 100)
        with self._lock:
            self.at_once[name] -= 1
        if 0.9 < chance < 0.95:
            raise altcraft.ConnectionLost("by chance")
        if chance >= 0.97:
            return reply(error=503, status=503)
        return DONE if is_done else RUNNING

    def sleep(self, seconds: float) -> None:
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        self._sleeper.wake()

    def close(self) -> None:
        self._sleeper.close()


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("seed", range(12))
def test_after_any_events_each_task_is_delivered_once(pool: ThreadPoolExecutor, seed: int) -> None:
    dice = random.Random(seed)
    workers = dice.choice([1, 2, 4, 32])
    crowd = Crowd(seed, done_after=dice.randint(1, 5))
    with Client("https://example.com", token="t", transport=crowd, **QUICK) as client:
        tasks = some(client, 60)

        def pester() -> None:
            for _ in range(300):
                dice.choice(tasks).notify()

        noise = [pool.submit(pester) for _ in range(3)]
        delivered = list(client.tasks.as_completed(tasks, max_in_flight=workers))
        for done in noise:
            outcome(done)
        assert Counter(delivered) == dict.fromkeys(tasks, 1)
        assert all(task.done() and task._followed.leader is None for task in tasks)
        assert len(crowd.threads) <= workers
        assert crowd.most_at_once == 1
        assert worker_threads() == []


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("seed", range(6))
def test_a_client_that_is_closed_at_any_moment_leaves_nothing_behind(pool: ThreadPoolExecutor, seed: int) -> None:
    dice = random.Random(seed)
    crowd = Crowd(seed, done_after=10)
    client = Client("https://example.com", token="t", transport=crowd, **QUICK)
    tasks = some(client, 40)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    asked_for = dice.randint(1, 200)
    eventually(lambda: sum(crowd.polls.values()) >= asked_for)
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)
    assert worker_threads() == []
    assert all(task._followed.leader is None for task in tasks)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_a_task_may_be_waited_for_singly_and_in_two_groups_at_the_same_time(
    pool: ThreadPoolExecutor, workers: int
) -> None:
    crowd = Crowd(seed=1, done_after=4)
    polling = Polling(initial=0.01, maximum=0.01)
    with Client("https://example.com", token="t", transport=crowd, polling=polling) as client:
        tasks = some(client, 6)
        groups = [pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=workers))) for _ in range(2)]
        singles = [pool.submit(task.result) for task in tasks]
        for group in groups:
            assert set(outcome(group)) == set(tasks)
        for single in singles:
            assert outcome(single) == []
        assert all(task._followed.leader is None for task in tasks)
    assert crowd.most_at_once == 1, "one leader a task"
