"""Groups in threads, as tests see them: their threads, their exchanges, and what is left of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from altcraft import Client, Task
from engine.stage import DONE, PATIENCE, Stage, is_scheduled, outcome


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("altcraft")]


def some(client: Client, count: int) -> list[Task[object]]:
    return [client.tasks.resume(f"t-{number}") for number in range(count)]


def eventually(holds: Callable[[], Any]) -> None:
    """Returns as soon as it holds; for what another thread does without telling."""
    pause = threading.Event()
    for _ in range(int(PATIENCE * 1000)):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to hold")


def asked(stage: Stage, count: int) -> dict[str, Any]:
    """The next exchanges, by the task they ask about."""
    calls = [stage.next() for _ in range(count)]
    return {call.request.body.split(b'"task_id":"')[1].split(b'"')[0].decode(): call for call in calls}


def nothing_is_left(client: Client, tasks: list[Task[object]], stage: Stage, pool: ThreadPoolExecutor) -> None:
    """No thread, leader or signal is left; and the tasks can be followed again, to the end."""
    eventually(lambda: not worker_threads())
    assert client._engine._signals == ()
    assert all(task._followed.leader is None and not is_scheduled(task) for task in tasks)
    again = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in range(sum(not task.done() for task in tasks)):
        stage.next().answer(DONE)
    assert set(outcome(again)) == set(tasks)
